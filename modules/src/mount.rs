//! Module `mount`: file systems mounted, and their lines in fstab.

use crate::host::Host;
use crate::host::files::{Desired, Entry};
use crate::host::mounts::Line;
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! {
    pub enum State {
        Mounted = "mounted", Unmounted = "unmounted", Present = "present", Absent = "absent", Remounted = "remounted",
        AbsentFromFstab = "absent_from_fstab", Ephemeral = "ephemeral",
    }
}

arguments! {
    pub struct Args {
        /// Where it is mounted.
        path ["name"]: String,
        /// What is mounted: a device, `UUID=…`, `host:/export`, a folder for `bind`, …
        src: Option<String>,
        /// Type of file system.
        fstype: Option<String>,
        /// Options, comma separated.
        opts: Option<String>,
        /// Whether dump backs it up, as fstab has it.
        dump: String = "0".to_string(),
        /// When fsck checks it, as fstab has it.
        passno: String = "0".to_string(),
        /// `mounted`: in fstab and mounted. `present`: in fstab. `ephemeral`: mounted, not in fstab. `unmounted`: not mounted.
        /// `absent`: neither, and its folder removed. `absent_from_fstab`: not in fstab. `remounted`: mounted anew, every time.
        state: State,
        /// Another file than /etc/fstab.
        fstab: Option<String>,
        /// Whether it is mounted when the system starts.
        boot: bool = true,
        /// Keeps a copy of fstab as it was.
        backup: bool = false,

        /// Keeps the options out of messages; accepted for playbooks that ask for it.
        opts_no_log: bool = false,
    }
}

module! {
    name: "mount", collection: "ansible.posix", aliases: [], effects: World,
    doc: "File systems: mounted now, and in fstab for the next boot. The other lines of fstab stay as they are.",
    examples: [
        r#"{"path": "/mnt/data", "src": "/dev/sdb1", "fstype": "ext4", "opts": "noatime", "state": "mounted"}"#,
        r#"{"path": "/mnt/data", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let needs = matches!(args.state, State::Mounted | State::Present | State::Ephemeral);
    if needs && (args.src.is_none() || args.fstype.is_none()) {
        let missing = if args.src.is_none() { "src" } else { "fstype" };
        return Err(Failure::new(format!("`mount` with state {} needs the argument `{missing}`", args.state.word())).into());
    }
    let line = line(args);
    let fstab = PathBuf::from(args.fstab.as_deref().unwrap_or("/etc/fstab"));
    let swap = line.fstype == "swap";
    let mut backup = None;
    match args.state {
        State::Present => backup = host.mounts().converge_fstab(&fstab, &line, true, args.backup)?.1,
        State::Mounted => {
            let (changed, kept) = host.mounts().converge_fstab(&fstab, &line, true, args.backup)?;
            backup = kept;
            if !swap {
                host.mounts().mount(&line, Some(&fstab), changed)?;
            }
        }
        State::Ephemeral => host.mounts().mount(&line, None, false)?,
        State::Remounted => host.mounts().remount(&line)?,
        State::Unmounted => host.mounts().unmount(&line)?,
        State::AbsentFromFstab => backup = host.mounts().converge_fstab(&fstab, &line, false, args.backup)?.1,
        State::Absent => {
            backup = host.mounts().converge_fstab(&fstab, &line, false, args.backup)?.1;
            host.mounts().unmount(&line)?;
            let folder = PathBuf::from(&line.path);
            // What lies in a folder under the mount is not what was asked to go.
            if host.files().list(&folder).ok().flatten().is_some_and(|names| names.is_empty()) {
                host.files().converge(&folder, &Desired { entry: Some(Entry::Absent), ..Desired::default() })?;
            }
        }
    }
    Ok(outcome(args, &line, backup))
}

fn line(args: &Args) -> Line {
    let mut options = args.opts.clone().filter(|o| !o.is_empty()).unwrap_or_else(|| "defaults".into());
    if !args.boot && !options.split(',').any(|o| o == "noauto") {
        options.push_str(",noauto");
    }
    Line {
        source: args.src.clone().unwrap_or_else(|| "none".into()),
        path: if args.path.len() > 1 { args.path.trim_end_matches('/').to_string() } else { args.path.clone() },
        fstype: args.fstype.clone().unwrap_or_else(|| "auto".into()),
        options,
        dump: args.dump.clone(),
        passno: args.passno.clone(),
    }
}

fn outcome(args: &Args, line: &Line, backup: Option<PathBuf>) -> Outcome {
    let outcome = Outcome::new()
        .with("name", args.path.as_str())
        .with("src", args.src.clone())
        .with("fstype", args.fstype.clone())
        .with("opts", line.options.as_str())
        .with("dump", args.dump.as_str())
        .with("passno", args.passno.as_str())
        .with("fstab", args.fstab.as_deref().unwrap_or("/etc/fstab"));
    match backup {
        Some(path) => outcome.with("backup_file", path.to_string_lossy().into_owned()),
        None => outcome,
    }
}
