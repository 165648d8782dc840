//! Mounted file systems and the lines of fstab.

use super::files::{Content, Desired, Entry};
use super::{Command, Host};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::{Path, PathBuf};

const KIND: &str = "mount";

/// Mounts of a host.
pub struct Mounts<'a> {
    host: &'a mut Host,
}

impl Host {
    /// Mounted file systems and fstab.
    pub fn mounts(&mut self) -> Mounts<'_> {
        Mounts { host: self }
    }
}

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub path: String,
    /// What: a device, `host:/export`, …
    pub source: String,
    /// Type of file system.
    pub fstype: String,
    /// Its options, those of the file system included.
    pub options: String,
}

/// One line of fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of fstab(5)")]
pub struct Line {
    pub source: String,
    pub path: String,
    pub fstype: String,
    pub options: String,
    pub dump: String,
    pub passno: String,
}

impl Line {
    fn parse(text: &str) -> Option<Line> {
        if text.trim_start().starts_with('#') {
            return None;
        }
        let f: Vec<String> = text.split_whitespace().map(unescape).collect();
        let [source, path, fstype, rest @ ..] = f.as_slice() else { return None };
        let field = |i: usize, default: &str| rest.get(i).cloned().unwrap_or_else(|| default.to_string());
        Some(Line {
            source: source.clone(),
            path: path.clone(),
            fstype: fstype.clone(),
            options: field(0, "defaults"),
            dump: field(1, "0"),
            passno: field(2, "0"),
        })
    }

    fn text(&self) -> String {
        let Line { source, path, fstype, options, dump, passno } = self;
        [source, path, fstype, options, dump, passno].map(|f| escape(f)).join(" ")
    }

    /// Whether a line is about the same mount; swap has no path of its own.
    fn same(&self, other: &Line) -> bool {
        let path = |l: &Line| if l.path == "/" { l.path.clone() } else { l.path.trim_end_matches('/').to_string() };
        path(self) == path(other) && (self.fstype != "swap" || other.fstype != "swap" || self.source == other.source)
    }

    fn bind(&self) -> bool {
        self.options.split(',').any(|o| matches!(o, "bind" | "rbind"))
    }
}

/// Spaces and the like as fstab and the kernel write them: `\040`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let raw = text.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        let octal = (raw[at] == b'\\').then(|| raw.get(at + 1..at + 4)).flatten().and_then(|o| std::str::from_utf8(o).ok());
        match octal.and_then(|o| u8::from_str_radix(o, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                at += 4;
            }
            None => {
                bytes.push(raw[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escape(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' ' | '\t' | '\n' | '\\') { format!("\\{:03o}", c as u32) } else { c.to_string() }).collect()
}

/// Reads /proc/self/mountinfo.
pub fn parse_mountinfo(text: &str) -> Vec<Mounted> {
    let mounted = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let options = match after.get(2) {
            Some(more) => {
                let own: Vec<&str> = before.get(5)?.split(',').collect();
                let more = more.split(',').filter(|o| !own.contains(o) && !matches!(*o, "rw" | "ro"));
                own.iter().copied().chain(more).collect::<Vec<_>>().join(",")
            }
            None => before.get(5)?.to_string(),
        };
        Some(Mounted { path: unescape(before.get(4)?), source: unescape(after.get(1)?), fstype: after.first()?.to_string(), options })
    };
    text.lines().filter_map(mounted).collect()
}

/// The text of fstab with a line put in place of the one for the same mount, or at its end; `None` removes it.
/// Comments, blank lines and the lines of other mounts stay as they are.
fn edit(text: &str, wanted: &Line, keep: bool) -> String {
    let mut out = Vec::new();
    let mut placed = false;
    for line in text.lines() {
        match Line::parse(line).filter(|l| l.same(wanted)) {
            None => out.push(line.to_string()),
            // The same in other words stays as it is.
            Some(found) if keep && found == *wanted && !placed => {
                out.push(line.to_string());
                placed = true;
            }
            Some(_) if keep && !placed => {
                out.push(wanted.text());
                placed = true;
            }
            Some(_) => {}
        }
    }
    if keep && !placed {
        out.push(wanted.text());
    }
    if out.is_empty() { String::new() } else { out.join("\n") + "\n" }
}

impl Mounts<'_> {
    /// What is mounted at a path now, or would be by this plan; the last one if there are several.
    pub fn mounted(&mut self, path: &Path) -> Result<Option<Mounted>, Halt> {
        let name = path.to_string_lossy().into_owned();
        if let Some(state) = self.host.remembered(KIND, &name) {
            let text = |key: &str| state.get(key).map(Value::to_string).unwrap_or_default();
            let there = Mounted { path: name, source: text("source"), fstype: text("fstype"), options: text("options") };
            return Ok((!matches!(state, Value::Null)).then_some(there));
        }
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let text = std::fs::read("/proc/self/mountinfo").map_err(|e| Halt::failed(format!("cannot read /proc/self/mountinfo: {e}")))?;
        let table = parse_mountinfo(&String::from_utf8_lossy(&text));
        Ok(table.into_iter().rev().find(|m| Path::new(&m.path) == real))
    }

    /// Makes fstab have the line, or none for its mount; true when it differed.
    pub fn converge_fstab(&mut self, fstab: &Path, line: &Line, keep: bool, backup: bool) -> Result<(bool, Option<PathBuf>), Halt> {
        let before = self.host.files().read(fstab)?;
        if before.is_none() && !keep {
            return Ok((false, None));
        }
        let text = String::from_utf8_lossy(before.as_deref().unwrap_or_default()).into_owned();
        let after = edit(&text, line, keep);
        if after.lines().eq(text.lines()) {
            return Ok((false, None));
        }
        let kept = if backup && before.is_some() { Some(self.host.files().backup(fstab)?) } else { None };
        let desired = Desired { entry: Some(Entry::File(Content::Bytes(after.into_bytes()))), ..Desired::default() };
        Ok((self.host.files().converge(fstab, &desired)?, kept))
    }

    /// Makes it be mounted; `again` mounts it anew when it is already, because its line changed.
    pub fn mount(&mut self, line: &Line, fstab: Option<&Path>, again: bool) -> Result<(), Halt> {
        let path = PathBuf::from(&line.path);
        let now = self.mounted(&path)?;
        let other = now.as_ref().is_some_and(|m| {
            !line.bind()
                && (differs(&m.source, &line.source) || (line.fstype != "auto" && m.fstype != line.fstype && line.fstype != "none"))
        });
        if now.is_some() && !other && !again {
            return Ok(());
        }
        if self.host.files().stat_followed(&path)?.is_none() {
            self.host.files().converge(&path, &Desired { entry: Some(Entry::Directory), ..Desired::default() })?;
        }
        let before = if now.is_some() { "mounted" } else { "unmounted" };
        let after = if now.is_some() { "remounted" } else { "mounted" };
        let mut change = Change::new(Action::Update, KIND, &*line.path).field("state", before, after);
        if let Some(m) = now.as_ref().filter(|m| m.source != line.source) {
            change = change.field("source", m.source.as_str(), line.source.as_str());
        }
        self.host.record(change);
        if now.is_some() {
            let done = if other {
                None
            } else {
                self.host.perform(&Command::new(["mount", "-o", &format!("remount,{}", line.options), "--", &line.path]))?
            };
            if !self.host.is_live() || done.is_some_and(|o| o.success()) {
                self.remember(line, true);
                return Ok(());
            }
            self.act(&["umount", "--", &line.path], &format!("cannot unmount {}", line.path))?;
        }
        let fstab_text = fstab.map(|f| f.to_string_lossy().into_owned());
        let command: Vec<&str> = match fstab_text.as_deref() {
            Some("/etc/fstab") => vec!["mount", "--", &line.path],
            Some(file) => vec!["mount", "-T", file, "--", &line.path],
            None => vec!["mount", "-t", &line.fstype, "-o", &line.options, "--", &line.source, &line.path],
        };
        self.act(&command, &format!("Error mounting {}", line.path))?;
        self.remember(line, true);
        if self.host.is_live() && self.mounted(&path)?.is_none() {
            return Err(Halt::failed(format!("{} did not converge: mount reported no error, but nothing is mounted there", line.path)));
        }
        Ok(())
    }

    /// Applies the line's options to what is mounted, every time.
    pub fn remount(&mut self, line: &Line) -> Result<(), Halt> {
        if self.mounted(Path::new(&line.path))?.is_none() {
            let failure = Failure::new(format!("cannot remount {}: nothing is mounted there", line.path));
            return Err(failure.hint("`state: mounted` mounts it").into());
        }
        self.host.record(Change::new(Action::Update, KIND, &*line.path).field("state", "mounted", "remounted"));
        self.act(&["mount", "-o", &format!("remount,{}", line.options), "--", &line.path], &format!("Error remounting {}", line.path))
    }

    /// Makes it not be mounted.
    pub fn unmount(&mut self, line: &Line) -> Result<(), Halt> {
        let path = Path::new(&line.path);
        if self.mounted(path)?.is_none() {
            return Ok(());
        }
        self.host.record(Change::new(Action::Update, KIND, &*line.path).field("state", "mounted", "unmounted"));
        self.act(&["umount", "--", &line.path], &format!("Error unmounting {}", line.path))?;
        self.remember(line, false);
        if self.host.is_live() && self.mounted(path)?.is_some() {
            return Err(Halt::failed(format!("{} did not converge: something is still mounted there", line.path)));
        }
        Ok(())
    }

    fn remember(&mut self, line: &Line, mounted: bool) {
        if !self.host.is_live() {
            let text = |t: &str| Value::str(t);
            let state = Value::map([("source", text(&line.source)), ("fstype", text(&line.fstype)), ("options", text(&line.options))]);
            self.host.overlay().set_state(KIND, &line.path, if mounted { state } else { Value::Null });
        }
    }

    fn act(&mut self, argv: &[&str], doing: &str) -> Result<(), Halt> {
        self.host.perform(&Command::new(argv.iter().copied()))?.map(|o| o.require(doing)).transpose().map(|_| ())
    }
}

/// Whether what is mounted is surely not the source: names of devices such as `UUID=…` and loop files cannot be compared.
fn differs(mounted: &str, source: &str) -> bool {
    let plain =
        |s: &str| s.starts_with("/dev/") && !s.starts_with("/dev/loop") && !s.starts_with("/dev/mapper") && !s.starts_with("/dev/disk");
    plain(mounted) && plain(source) && mounted != source && std::fs::canonicalize(source).is_ok_and(|real| real != Path::new(mounted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &str, path: &str, options: &str) -> Line {
        Line::parse(&format!("{source} {path} ext4 {options} 0 2")).unwrap()
    }

    const FSTAB: &str =
        "# static\nUUID=1  /      ext4  errors=remount-ro  0 1\n\n/dev/sdb1\t/data\\040x ext4 defaults 0 2 # old\nnone none swap sw 0 0\n";

    #[test]
    fn fstab_keeps_the_rest() {
        let wanted = line("/dev/sdb1", "/data\\040x", "noatime");
        let changed = edit(FSTAB, &wanted, true);
        assert_eq!(changed, FSTAB.replace("/dev/sdb1\t/data\\040x ext4 defaults 0 2 # old", "/dev/sdb1 /data\\040x ext4 noatime 0 2"));
        assert_eq!(edit(&changed, &wanted, true), changed);
        assert_eq!(edit(FSTAB, &line("UUID=1", "/", "errors=remount-ro"), true).lines().count(), 5);
        assert!(edit(FSTAB, &line("x", "/new", "defaults"), true).ends_with("sw 0 0\nx /new ext4 defaults 0 2\n"));
        assert!(!edit(FSTAB, &wanted, false).contains("sdb1"));
        assert_eq!(edit("", &wanted, false), "");
    }

    #[test]
    fn mountinfo() {
        let table = parse_mountinfo(
            "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n25 1 0:5 / /dev rw shared:2 - devtmpfs udev rw,size=8k\n",
        );
        assert_eq!(
            table[0],
            Mounted {
                path: "/mnt/a b".into(),
                source: "/dev/root".into(),
                fstype: "ext3".into(),
                options: "rw,noatime,errors=continue".into()
            }
        );
        assert_eq!(table[1].options, "rw,size=8k");
    }
}
