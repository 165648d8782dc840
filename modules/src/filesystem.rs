//! Module `filesystem`: file systems on block devices.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::path::Path;

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The device, or a file that is used as one.
        dev ["device"]: String,
        /// Whether it has a file system.
        state: State = State::Present,
        /// The type: `ext4`, `xfs`, `btrfs`, `vfat`, `swap`, `lvm`, …
        fstype ["type"]: Option<String>,
        /// Replaces another file system.
        force: bool = false,
        /// Grows a file system to its device's size, where the type can.
        resizefs: bool = false,
        /// Options for the program that makes it.
        opts: Option<String>,
        /// Its identity.
        uuid: Option<String>,
    }
}

module! {
    name: "filesystem", collection: "community.general", aliases: [], effects: World,
    doc: "A file system on a block device. One of another type is replaced only where `force` says so.",
    examples: [r#"{"dev": "/dev/sdb1", "fstype": "ext4"}"#, r#"{"dev": "/dev/sdb1", "state": "absent"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if host.files().stat_followed(Path::new(&args.dev))?.is_none() {
        if args.state == State::Absent {
            return Ok(Outcome::new());
        }
        return Err(match host.may_still_come() {
            Some(why) => Halt::Unknown(format!("the device {} ({why})", args.dev)),
            None => Failure::new(format!("Device {} not found.", args.dev)).into(),
        });
    }
    let setting = Setting { kind: "file system", name: &args.dev, field: "type" };
    let observe = |host: &mut Host| look(&args.dev, host);
    if args.state == State::Absent {
        let act = |_: &Value| vec![Command::new(["wipefs", "--all", &args.dev])];
        host.converge_setting(setting, &Value::Null, observe, act)?;
        return Ok(Outcome::new());
    }
    let Some(fstype) = &args.fstype else {
        return Err(Halt::failed("state is present but all of the following are missing: fstype"));
    };
    let kind = if fstype == "lvm" { "LVM2_member" } else { fstype };
    let now = host.setting(setting, observe)?;
    if now == Value::str(kind) && !args.force {
        if args.resizefs {
            grow(args, kind, host)?;
        }
        return Ok(Outcome::new());
    }
    if now != Value::Null && !args.force {
        let message = format!("'{}' is already used as {now}, use force=true to overwrite", args.dev);
        return Err(Failure::new(message).hint("what is on it would be lost").into());
    }
    let command = make(args, kind, now != Value::Null)?;
    if now == Value::str(kind) {
        // Made anew though it is of this type already: that is what `force` says.
        host.execute(&command)?.map(|o| o.require("the file system could not be made")).transpose()?;
        return Ok(Outcome::new());
    }
    host.converge_setting(setting, &Value::str(kind), observe, |_| vec![command])?;
    Ok(Outcome::new())
}

/// The type of what is on the device; null when there is nothing.
fn look(device: &str, host: &mut Host) -> Result<Value, Halt> {
    let output = host.query(&Command::new(["blkid", "-c", "/dev/null", "-o", "value", "-s", "TYPE", device]))?;
    let text = output.text().trim().to_string();
    Ok(if text.is_empty() { Value::Null } else { Value::from(text) })
}

fn make(args: &Args, kind: &str, replace: bool) -> Result<Command, Halt> {
    let (program, force, uuid): (&[&str], &str, &str) = match kind {
        "ext2" | "ext3" | "ext4" | "ext4dev" => (&["mkfs", "-t", kind], "-F", "-U"),
        "xfs" => (&["mkfs.xfs"], "-f", "-m uuid="),
        "btrfs" => (&["mkfs.btrfs"], "-f", "-U"),
        "f2fs" => (&["mkfs.f2fs"], "-f", ""),
        "reiserfs" => (&["mkfs.reiserfs", "-q"], "-f", "-u"),
        "ocfs2" => (&["mkfs.ocfs2"], "-Fx", "-U"),
        "vfat" => (&["mkfs.vfat"], "-I", "-i"),
        "swap" => (&["mkswap"], "-f", "-U"),
        "LVM2_member" => (&["pvcreate"], "-f", "-u"),
        "bcachefs" => (&["mkfs.bcachefs"], "--force", "--uuid"),
        _ => return Err(Failure::new(format!("module does not support this filesystem ({kind}) yet")).into()),
    };
    let mut argv: Vec<String> = program.iter().map(|w| w.to_string()).collect();
    argv.extend((replace || kind.starts_with("ext")).then(|| force.to_string()));
    if let Some(id) = &args.uuid {
        match uuid {
            "" => return Err(Halt::failed(format!("a file system of type {kind} takes no uuid"))),
            flag if flag.ends_with('=') => argv.extend(format!("{flag}{id}").split(' ').map(String::from)),
            flag => argv.extend([flag.to_string(), id.clone()]),
        }
    }
    argv.extend(args.opts.iter().flat_map(|o| o.split_whitespace()).map(str::to_string));
    argv.push(args.dev.clone());
    Ok(Command::new(argv))
}

/// Grows the file system, where its size can be told before.
fn grow(args: &Args, kind: &str, host: &mut Host) -> Result<(), Halt> {
    let setting = Setting { kind: "file system", name: &args.dev, field: "size" };
    let number = |text: &str, key: &str| text.lines().find_map(|l| l.trim().strip_prefix(key)?.trim().parse::<i64>().ok());
    match kind {
        "ext2" | "ext3" | "ext4" => {
            let device = host.query(&Command::new(["blockdev", "--getsize64", &args.dev]))?.text().trim().parse::<i64>().unwrap_or(0);
            let observe = |host: &mut Host| {
                let text = host.query(&Command::new(["dumpe2fs", "-h", &args.dev]))?.text();
                let (blocks, size) = (number(&text, "Block count:").unwrap_or(0), number(&text, "Block size:").unwrap_or(1));
                // Less than a block of the device cannot be used.
                Ok(Value::from(if device - blocks * size < size { device } else { blocks * size }))
            };
            let act = |_: &Value| vec![Command::new(["resize2fs", &args.dev])];
            host.converge_setting(setting, &Value::from(device), observe, act).map(|_| ())
        }
        "LVM2_member" => {
            host.execute(&Command::new(["pvresize", &args.dev]))?.map(|o| o.require("pvresize failed")).transpose().map(|_| ())
        }
        _ => Err(Failure::new(format!("module does not support resizing {kind} filesystem yet")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use serde_json::json;

    #[test]
    fn programs_that_make_them() {
        let line = |json: serde_json::Value, kind: &str, replace: bool| {
            let args = Args::parse("filesystem", Value::from_json(&json).as_map().unwrap()).unwrap();
            make(&args, kind, replace).map(|c| c.line()).unwrap_or_else(|_| "refused".into())
        };
        assert_eq!(line(json!({"dev": "/dev/x", "opts": "-L data"}), "ext4", false), "mkfs -t ext4 -F -L data /dev/x");
        assert_eq!(line(json!({"dev": "/dev/x", "uuid": "u"}), "xfs", true), "mkfs.xfs -f -m uuid=u /dev/x");
        assert_eq!(line(json!({"dev": "/dev/x"}), "swap", false), "mkswap /dev/x");
        assert_eq!(line(json!({"dev": "/dev/x"}), "zfs", false), "refused");
    }
}
