//! `file`: files, directories and links, and their attributes.

use crate::host::Host;
use crate::host::edit::normal;
use crate::host::files::{Desired, Entry, FileKind, Mode, Stat};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

crate::choices! {
    pub enum State {
        Absent = "absent",
        Directory = "directory",
        File = "file",
        Hard = "hard",
        Link = "link",
        Touch = "touch",
    }
}

crate::arguments! {
    pub struct Args {
        /// The path to manage.
        path ["dest", "name"]: PathBuf,
        /// What should be there: `absent` removes (directories with what they hold), `directory` makes it and its parents,
        /// `file` only sets attributes of a file that exists, `hard` and `link` link to `src`, `touch` makes an empty file or
        /// renews its times. By default what is there, else `directory` with `recurse`, else `file`.
        state: Option<State>,
        /// What a link leads to; relative to the link for `state: link`.
        src: Option<String>,
        /// Set owner, group and mode of everything beneath a directory too.
        recurse: bool = false,
        /// Make a link even when its target does not exist, or in the place of a file or an empty directory.
        force: bool = false,
        /// Whether attributes are set on the target of a link.
        follow: bool = true,
        /// `preserve`, `now` or a time in the format below; `now` by default for `touch`.
        modification_time: Option<String>,
        /// How `modification_time` is written.
        modification_time_format: String = "%Y%m%d%H%M.%S".to_string(),
        /// `preserve`, `now` or a time in the format below; `now` by default for `touch`.
        access_time: Option<String>,
        /// How `access_time` is written.
        access_time_format: String = "%Y%m%d%H%M.%S".to_string(),
        /// Only tells whether the file looks binary, as `appears_binary`.
        _diff_peek: Option<bool>,
    } with file attributes
}

crate::module! {
    name: "file", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Declares,
    doc: "Makes, removes and links files and directories, and sets their owner, group and mode.",
    examples: [
        r#"{"path": "/scratch/etc/loom/keys", "state": "directory", "mode": "0750"}"#,
        r#"{"path": "/scratch/stamp", "state": "touch", "mode": "u=rw,go=", "modification_time": "preserve", "access_time": "preserve"}"#,
        r#"{"path": "/scratch/current", "src": "releases/5", "state": "link", "force": true}"#,
        r#"{"path": "/scratch/old", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let there = host.files().stat(&args.path)?;
    let state = args.state.unwrap_or(match &there {
        Some(stat) => match stat.kind {
            FileKind::Directory => State::Directory,
            FileKind::Link => State::Link,
            _ if stat.links > 1 => State::Hard,
            _ => State::File,
        },
        None if args.recurse => State::Directory,
        None => State::File,
    });
    if args._diff_peek == Some(true) {
        return peek(args, host);
    }
    if args.src.is_some() && !matches!(state, State::Link | State::Hard) {
        return Err(refused(args, "src option requires state to be 'link' or 'hard'".into()));
    }
    if args.recurse && state != State::Directory {
        return Err(refused(args, "recurse option requires state to be 'directory'".into()));
    }
    let goes = match state == State::Absent && there.is_some() {
        true => Some(content_of(host, &args.path)?),
        false => None,
    };
    let outcome = match state {
        State::Absent => {
            host.files().converge(&args.path, &Desired { entry: Some(Entry::Absent), ..Desired::default() })?;
            Ok(Outcome::new().with("path", shown(&args.path)).with("state", "absent"))
        }
        State::Directory => directory(args, host),
        State::File => file(args, host),
        State::Touch => touch(args, host),
        State::Link => link(args, host, there),
        State::Hard => hard(args, host, there),
    }?;
    let diff = diff(args, host, goes.flatten());
    Ok(outcome.with("_diff", diff))
}

/// Whether what is there looks binary, and nothing else.
fn peek(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let path = host.files().followed(&args.path)?;
    let is_file = host.files().stat(&path)?.is_some_and(|stat| stat.kind == FileKind::File);
    let start = if is_file { host.files().read(&path)?.unwrap_or_default() } else { Vec::new() };
    let binary = start.iter().take(8 << 10).any(|byte| *byte == 0);
    host.describe(&path, Outcome::new().with("path", shown(&args.path)).with("appears_binary", binary))
}

/// The most paths that are listed of a directory that goes.
const LISTED: usize = 10_000;

/// The directories and files beneath a directory; nothing for all else.
fn content_of(host: &mut Host, path: &Path) -> Result<Option<Value>, Halt> {
    if host.files().stat(path)?.is_none_or(|stat| stat.kind != FileKind::Directory) {
        return Ok(None);
    }
    let (mut directories, mut files, mut pending) = (Vec::new(), Vec::new(), vec![path.to_path_buf()]);
    while let Some(dir) = pending.pop() {
        // What cannot be read shows when it is removed.
        for name in host.files().list(&dir).ok().flatten().unwrap_or_default() {
            let path = dir.join(name);
            let is_directory = host.files().stat(&path)?.is_some_and(|stat| stat.kind == FileKind::Directory);
            let list = if is_directory { &mut directories } else { &mut files };
            list.push(Value::from(shown(&path)));
            if is_directory {
                pending.push(path);
            }
        }
        if directories.len() + files.len() > LISTED {
            break;
        }
    }
    Ok(Some(Value::map([("directories", Value::list(directories)), ("files", Value::list(files))])))
}

/// What changed at the path, by Ansible's names.
fn diff(args: &Args, host: &Host, goes: Option<Value>) -> Value {
    let path = || (Value::str("path"), Value::from(shown(&args.path)));
    let (mut before, mut after): (Map, Map) = ([path()].into(), [path()].into());
    let all = host.changes();
    let own = all.iter().filter(|change| all.len() == 1 || Path::new(&change.name) == args.path);
    for field in own.flat_map(|change| &change.fields) {
        let name = match field.name.as_str() {
            "target" => "src",
            "modified" => "mtime",
            "accessed" => "atime",
            name => name,
        };
        before.insert(Value::str(name), field.before.clone());
        after.insert(Value::str(name), field.after.clone());
    }
    if let Some(goes) = goes {
        before.insert(Value::str("path_content"), goes);
    }
    Value::map([("before", Value::from(before)), ("after", Value::from(after))])
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn refused(args: &Args, message: String) -> Halt {
    Failure::new(message).with("path", shown(&args.path)).into()
}

fn kind_word(stat: &Stat) -> &'static str {
    match stat.kind {
        FileKind::Directory => "directory",
        FileKind::Link => "link",
        _ if stat.links > 1 => "hard",
        _ => "file",
    }
}

/// The attributes declared, with the times that the task wants set.
fn desired(args: &Args, touch: bool) -> Result<Desired, Halt> {
    let default = if touch { "now" } else { "preserve" };
    let time = |given: &Option<String>, format: &str| match given.as_deref().unwrap_or(default) {
        "preserve" => Ok(None),
        "now" => Ok(Some(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())),
        text => parse_time(text, format).map(Some).ok_or_else(|| {
            refused(args, format!("the time {text:?} does not have the form {format:?}, and is neither `now` nor `preserve`"))
        }),
    };
    let modification = time(&args.modification_time, &args.modification_time_format)?;
    let access = time(&args.access_time, &args.access_time_format)?;
    Ok(Desired { follow: args.follow, times: (access, modification), ..args.desired() })
}

/// Seconds since 1970 of a time written in a `strptime` format of `%Y %m %d %H %M %S %y %%`, taken as UTC.
fn parse_time(text: &str, format: &str) -> Option<f64> {
    let (mut year, mut rest) = ([1970i64, 1, 1, 0, 0, 0], text);
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            rest = rest.strip_prefix(c)?;
            continue;
        }
        let (slot, digits) = match chars.next()? {
            'Y' => (0, 4),
            'm' => (1, 2),
            'd' => (2, 2),
            'H' => (3, 2),
            'M' => (4, 2),
            'S' => (5, 2),
            '%' => {
                rest = rest.strip_prefix('%')?;
                continue;
            }
            _ => return None,
        };
        // As in C, all but the year may go without their leading zero.
        let found = rest.bytes().take(digits).take_while(u8::is_ascii_digit).count();
        let digits = if slot == 0 { digits } else { found };
        year[slot] = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
    }
    let [y, m, d, hours, minutes, seconds] = year;
    let valid = rest.is_empty() && (1..=12).contains(&m) && (1..=31).contains(&d) && hours < 24 && minutes < 60 && seconds < 62;
    // Days since 1970 by Howard Hinnant's `days_from_civil`.
    let (y, m) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    let (era, year_of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * m + 2) / 5 + d - 1 - 719_468;
    valid.then_some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) as f64)
}

fn directory(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let path = if args.follow { host.resolve(&args.path)? } else { args.path.clone() };
    if let Some(stat) = host.files().stat(&path)?
        && stat.kind != FileKind::Directory
    {
        return Err(refused(args, format!("{} already exists as a {}", shown(&args.path), kind_word(&stat))));
    }
    let attributes = desired(args, false)?;
    let made = Desired { entry: Some(Entry::Directory), ..attributes.clone() };
    // Parents that are missing get the same attributes, as in Ansible.
    let mut missing = Vec::new();
    for parent in path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
        if host.files().stat_followed(parent)?.is_some() {
            break;
        }
        missing.push(parent.to_path_buf());
    }
    for parent in missing.iter().rev() {
        host.files().converge(parent, &made)?;
    }
    host.files().converge(&path, &made)?;
    if args.recurse {
        beneath(host, &path, &attributes, args.follow, &mut BTreeSet::new())?;
    }
    host.describe(&path, Outcome::new().with("path", shown(&args.path)))
}

/// Sets attributes of all that a directory holds; `seen` stops links that lead back.
fn beneath(host: &mut Host, dir: &Path, desired: &Desired, follow: bool, seen: &mut BTreeSet<PathBuf>) -> Result<(), Halt> {
    if !seen.insert(dir.to_path_buf()) {
        return Ok(());
    }
    for name in host.files().list(dir)?.unwrap_or_default() {
        let path = dir.join(name);
        let Some(stat) = host.files().stat(&path)? else { continue };
        if stat.kind == FileKind::Link {
            host.files().converge(&path, &Desired { follow: false, mode: None, ..desired.clone() })?;
            let target = host.resolve(&path)?;
            let Some(leads_to) = host.files().stat(&target)?.filter(|_| follow) else { continue };
            host.files().converge(&target, desired)?;
            if leads_to.kind == FileKind::Directory {
                beneath(host, &target, desired, follow, seen)?;
            }
        } else {
            host.files().converge(&path, desired)?;
            if stat.kind == FileKind::Directory {
                beneath(host, &path, desired, follow, seen)?;
            }
        }
    }
    Ok(())
}

fn file(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let path = if args.follow { host.resolve(&args.path)? } else { args.path.clone() };
    match host.files().stat(&path)? {
        None => {
            host.files().look_up_accounts(&args.desired())?;
            return Err(Failure::new(format!("file ({}) is absent, cannot continue", shown(&args.path)))
                .hint("`state: file` only sets attributes; `state: touch` makes an empty file, `copy` one with content")
                .with("path", shown(&args.path))
                .with("state", "absent")
                .into());
        }
        Some(stat) if matches!(stat.kind, FileKind::Directory | FileKind::Link) => {
            return Err(refused(args, format!("file ({}) is {}, cannot continue", shown(&args.path), kind_word(&stat))));
        }
        Some(_) => {}
    }
    host.files().converge(&path, &desired(args, false)?)?;
    host.describe(&path, Outcome::new().with("path", shown(&args.path)))
}

fn touch(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let path = if args.follow { host.resolve(&args.path)? } else { args.path.clone() };
    let attributes = desired(args, true)?;
    let entry = match host.files().stat(&path)? {
        Some(_) => None,
        None => Some(Entry::File(crate::host::files::Content::Bytes(Vec::new()))),
    };
    host.files().converge(&path, &Desired { entry, ..attributes })?;
    host.describe(&args.path, Outcome::new().with("dest", shown(&args.path)))
}

/// Refuses to put a link in the place of something else, unless forced.
fn replaceable(args: &Args, host: &mut Host, there: Option<&Stat>) -> Result<(), Halt> {
    let Some(stat) = there.filter(|stat| stat.kind != FileKind::Link) else {
        return Ok(());
    };
    if !args.force {
        let message = format!("refusing to convert from {} to symlink for {}", kind_word(stat), shown(&args.path));
        return Err(refused(args, message));
    }
    if stat.kind == FileKind::Directory && host.files().list(&args.path)?.is_some_and(|names| !names.is_empty()) {
        return Err(refused(args, format!("the directory {} is not empty, refusing to convert it", shown(&args.path))));
    }
    Ok(())
}

fn link(args: &Args, host: &mut Host, there: Option<Stat>) -> Result<Outcome, Halt> {
    let target = there.as_ref().and_then(|stat| stat.target.as_ref()).map(|target| shown(target));
    let Some(src) = args.src.clone().or(target) else {
        return Err(refused(args, "src is required for creating new symlinks".into()));
    };
    let is_directory = there.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory);
    let base = if is_directory { args.path.as_path() } else { args.path.parent().unwrap_or(Path::new("/")) };
    let leads_to = normal(&base.join(&src));
    if !args.force && args.src.is_some() && host.files().stat_followed(&leads_to)?.is_none() {
        let message = format!("src file does not exist, use 'force=yes' if you really want to create the link: {}", shown(&leads_to));
        return Err(Failure::new(message).with("path", shown(&args.path)).with("src", src.as_str()).into());
    }
    replaceable(args, host, there.as_ref())?;
    let mut outcome = Outcome::new().with("dest", shown(&args.path)).with("src", src.as_str());
    let made = Desired { entry: Some(Entry::Link(PathBuf::from(&src))), ..Desired::default() };
    host.files().converge(&args.path, &made)?;
    let attributes = desired(args, false)?;
    let given = attributes.owner.is_some() || attributes.group.is_some() || attributes.mode.is_some();
    if args.follow && given && host.files().stat_followed(&args.path)?.is_none() {
        outcome = outcome.warn(format!(
            "{}: the link's target does not exist, so its owner, group and mode are not set; `follow: false` sets those of the link",
            shown(&args.path)
        ));
    } else if given {
        // Linux keeps no mode for a link of its own.
        let mode: Option<Mode> = attributes.mode.clone().filter(|_| args.follow);
        host.files().converge(&args.path, &Desired { mode, ..attributes })?;
    }
    host.describe(&args.path, outcome)
}

fn hard(args: &Args, host: &mut Host, there: Option<Stat>) -> Result<Outcome, Halt> {
    let Some(src) = &args.src else {
        if there.is_some() && args.state.is_none() {
            return file(args, host);
        }
        return Err(refused(args, "src is required for creating new hardlinks".into()));
    };
    let source = PathBuf::from(src);
    let Some(original) = host.files().stat(&source)? else {
        return Err(Failure::new(format!("src does not exist: {src}"))
            .with("msg", "src does not exist")
            .with("dest", shown(&args.path))
            .with("src", src.as_str())
            .into());
    };
    let same = there.as_ref().is_some_and(|stat| (stat.device, stat.inode) == (original.device, original.inode) && stat.inode != 0);
    if let Some(stat) = there.as_ref().filter(|stat| !same && !args.force && stat.kind != FileKind::Link) {
        return Err(refused(args, format!("Cannot link, {} exists at destination {}", kind_word(stat), shown(&args.path))));
    }
    host.files().converge(&args.path, &Desired { entry: Some(Entry::Hard(source)), ..desired(args, false)? })?;
    host.describe(&args.path, Outcome::new().with("dest", shown(&args.path)).with("src", src.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn times_are_read_by_format() {
        assert_eq!(parse_time("202001020304.05", "%Y%m%d%H%M.%S"), Some(1_577_934_245.0));
        assert_eq!(parse_time("2000-02-29", "%Y-%m-%d"), Some(951_782_400.0));
        assert_eq!(parse_time("202001011200.0", "%Y%m%d%H%M.%S"), Some(1_577_880_000.0));
        assert_eq!(parse_time("2000-13-29", "%Y-%m-%d"), None);
        assert_eq!(parse_time("x", "%Y"), None);
    }

    #[test]
    fn makes_directories_with_parents() {
        let mut bench = Bench::new();
        let (outcome, changes) = bench.law(&MODULE, json!({"path": "/scratch/a/b", "state": "directory", "mode": "0750"}));
        assert_eq!(changes.len(), 2);
        assert_eq!(bench.tree(), ["a/ 750", "a/b/ 750"]);
        assert_eq!((returned(&outcome, "mode"), returned(&outcome, "state")), ("0750".into(), "directory".into()));
    }

    #[test]
    fn links_and_refuses() {
        let mut bench = Bench::new();
        bench.write("target", "x");
        let (outcome, _) = bench.law(&MODULE, json!({"path": "/scratch/l", "src": "target", "state": "link"}));
        assert_eq!((returned(&outcome, "src"), returned(&outcome, "state")), ("target".into(), "link".into()));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/m", "src": "no", "state": "link"})).starts_with("src file does not exist"));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/target", "src": "l", "state": "link"})).starts_with("refusing to convert"));
        bench.law(&MODULE, json!({"path": "/scratch/m", "src": "no", "state": "link", "force": true}));
        let (_, changes) = bench.law(&MODULE, json!({"path": "/scratch/l", "src": "m", "state": "link", "force": true}));
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn only_touch_makes_files() {
        let mut bench = Bench::new();
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/no"})).contains("is absent, cannot continue"));
        let keep = json!({"path": "/scratch/f", "state": "touch", "modification_time": "preserve", "access_time": "preserve"});
        bench.law(&MODULE, keep);
        assert!(!bench.apply(&MODULE, json!({"path": "/scratch/f", "state": "touch"})).1.is_empty());
        let (_, changes) = bench.law(&MODULE, json!({"path": "/scratch/f", "modification_time": "202001020304.05"}));
        assert_eq!((changes[0].fields[0].name.as_str(), changes[0].fields.len()), ("modified", 1));
        bench.law(&MODULE, json!({"path": "/scratch/f", "mode": "0600"}));
        assert_eq!(bench.tree(), ["f 600 "]);
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/f", "state": "directory"})).ends_with("already exists as a file"));
    }

    #[test]
    fn recurses_and_removes() {
        let mut bench = Bench::new();
        bench.write("d/e/f", "x");
        bench.law(&MODULE, json!({"path": "/scratch/d", "state": "directory", "recurse": true, "mode": "u=rwX,go="}));
        assert_eq!(bench.tree(), ["d/ 700", "d/e/ 700", "d/e/f 600 x"]);
        bench.write("f", "y");
        std::os::unix::fs::symlink("../f", bench.path("d/l")).unwrap();
        bench.law(&MODULE, json!({"path": "/scratch/d", "state": "directory", "recurse": true, "mode": "u=rwX,g=r,o="}));
        assert_eq!(bench.tree(), ["d/ 740", "d/e/ 740", "d/e/f 640 x", "d/l -> ../f", "f 640 y"]);
        bench.law(&MODULE, json!({"path": "/scratch/d", "state": "absent"}));
        assert_eq!(bench.tree(), ["f 640 y"]);
    }
}
