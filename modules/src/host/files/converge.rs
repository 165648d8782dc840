//! Makes a path be what is desired: observes, compares everything, records what differs, changes it, observes again.

use super::system::{self, Attributes, failed};
use super::view::hash;
use super::{Content, Desired, Entry, FileKind, Files, Stat};
use crate::args::FromValue;
use crate::change::{Action, Change};
use crate::host::attributes::mode_text;
use crate::host::overlay::{Node, NodeKind, Said};
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The largest content that a recorded change shows as text.
const SHOWN: u64 = 256 << 10;

/// The number of an account that was looked up.
type Looked = Result<u32, Halt>;

/// One difference: what a plan shows and how to end it.
struct Step {
    /// The path without links on the way.
    at: PathBuf,
    change: Change,
    act: Act,
    attributes: Attributes,
}

enum Act {
    Write(Vec<u8>),
    MakeDirectory,
    MakeLink(PathBuf),
    MakeHardLink(PathBuf),
    SetAttributes { is_link: bool },
    Remove,
}

impl Files<'_> {
    /// Makes `path` be what is desired; records a change with every attribute that differs. True when it differed.
    ///
    /// # Errors
    /// Failures of the system, and "did not converge" when something still differs after the change.
    pub fn converge(&mut self, path: &Path, desired: &Desired) -> Result<bool, Halt> {
        let steps = self.steps(path, desired)?;
        let differs = !steps.is_empty();
        for step in steps {
            self.perform(&step)?;
            self.host.record(step.change);
        }
        if differs && self.host.live {
            self.require_converged(path, desired)?;
        }
        Ok(differs)
    }

    fn require_converged(&mut self, path: &Path, desired: &Desired) -> Result<(), Halt> {
        let steps = self.steps(path, desired)?;
        // Some file systems keep times to the second or two.
        let is_near = |field: &crate::change::Field| match (f64::from_value(&field.before), f64::from_value(&field.after)) {
            (Ok(before), Ok(after)) => matches!(field.name.as_str(), "accessed" | "modified") && (before - after).abs() < 2.5,
            _ => false,
        };
        let Some(left) = steps.into_iter().find(|step| !step.change.fields.iter().all(is_near)) else { return Ok(()) };
        let fields: Vec<String> = left.change.fields.iter().map(|f| f.name.clone()).collect();
        Err(Failure::new(format!("{} did not converge: after the change, {} still differs", path.display(), fields.join(", ")))
            .hint("does something else on the host change it, or does its file system not keep owners and modes?")
            .into())
    }

    /// What differs at `path`, in the order to change it.
    fn steps(&mut self, path: &Path, desired: &Desired) -> Result<Vec<Step>, Halt> {
        match &desired.entry {
            None => self.attribute_steps(path, desired),
            Some(Entry::File(content)) => self.file_steps(path, content, desired),
            Some(Entry::Directory) => self.directory_steps(path, desired),
            Some(Entry::Link(target)) => self.link_steps(path, target, desired),
            Some(Entry::Hard(source)) => self.hard_link_steps(path, source, desired),
            Some(Entry::Absent) => self.absent_steps(path),
        }
    }

    fn attribute_steps(&mut self, path: &Path, desired: &Desired) -> Result<Vec<Step>, Halt> {
        let at = self.resolve(path, desired.follow)?;
        let Some(before) = self.look_or_unknown(&at)? else {
            return Err(Halt::failed(format!("cannot set attributes of {}: it does not exist", path.display())));
        };
        let attributes = self.attributes(&at, desired, Some(&before), before.kind)?;
        let change = Change::new(Action::Update, change_kind(before.kind), path.display().to_string());
        let change = self.with_attributes(change, Some(&before), &attributes, before.kind)?;
        let act = Act::SetAttributes { is_link: before.kind == FileKind::Link };
        Ok(if change.fields.is_empty() { Vec::new() } else { vec![Step { at, change, act, attributes }] })
    }

    fn file_steps(&mut self, path: &Path, content: &Content, desired: &Desired) -> Result<Vec<Step>, Halt> {
        let at = self.resolve(path, desired.follow)?;
        let before = self.look_or_unknown(&at)?;
        match &before {
            None => self.require_directory(path, &at)?,
            Some(Stat { kind: FileKind::File | FileKind::Link, .. }) => {}
            Some(other) => return Err(Halt::failed(format!("cannot write {}: it is a {}", path.display(), other.kind.word()))),
        }
        let old = before.as_ref().filter(|stat| stat.kind == FileKind::File);
        let attributes = self.attributes(&at, desired, old, FileKind::File)?;
        let action = if before.is_some() { Action::Update } else { Action::Create };
        let mut change = Change::new(action, "file", path.display().to_string());
        if old.is_none() {
            change = change.field("state", state_word(before.as_ref()), "file");
        }
        let mut act = Act::SetAttributes { is_link: false };
        if old.is_none_or(|stat| !self.holds(&at, stat, content)) {
            let bytes = match content {
                Content::Bytes(bytes) => bytes.clone(),
                Content::Blob(hash) => self.host.content(hash)?,
            };
            let shown = match old {
                Some(stat) => self.shown_at(&at, stat, desired.secret)?,
                None => Value::Null,
            };
            change = change.field("content", shown, shown_bytes(&bytes, desired.secret));
            act = Act::Write(bytes);
        }
        let change = self.with_attributes(change, old, &attributes, FileKind::File)?;
        Ok(if change.fields.is_empty() { Vec::new() } else { vec![Step { at, change, act, attributes }] })
    }

    fn directory_steps(&mut self, path: &Path, desired: &Desired) -> Result<Vec<Step>, Halt> {
        let at = self.resolve(path, desired.follow)?;
        match self.look_or_unknown(&at)? {
            Some(stat) if stat.kind == FileKind::Directory => {
                return self.attribute_steps(path, desired);
            }
            Some(other) => {
                return Err(Halt::failed(format!("cannot make the directory {}: it exists as a {}", path.display(), other.kind.word())));
            }
            None => {}
        }
        let mut missing = vec![at.clone()];
        for above in at.ancestors().skip(1) {
            match self.look_or_unknown(above)? {
                None => missing.push(above.to_path_buf()),
                Some(stat) if stat.kind == FileKind::Directory => break,
                Some(other) => {
                    let why = format!("{} is a {}", above.display(), other.kind.word());
                    return Err(Halt::failed(format!("cannot make the directory {}: {why}", path.display())));
                }
            }
        }
        let mut steps = Vec::new();
        let mut above: Option<Attributes> = None;
        for at in missing.into_iter().rev() {
            let mut attributes = self.attributes(&at, desired, None, FileKind::Directory)?;
            if let Some(above) = above.filter(|a| a.mode & 0o2000 != 0) {
                (attributes.gid, attributes.mode) = inherit((above.gid, above.mode), attributes, desired);
            }
            above = Some(attributes);
            let change = Change::new(Action::Create, "directory", at.display().to_string()).field("state", "absent", "directory");
            let change = self.with_attributes(change, None, &attributes, FileKind::Directory)?;
            steps.push(Step { at, change, act: Act::MakeDirectory, attributes });
        }
        Ok(steps)
    }

    fn link_steps(&mut self, path: &Path, target: &Path, desired: &Desired) -> Result<Vec<Step>, Halt> {
        let at = self.resolve(path, false)?;
        let before = self.look_or_unknown(&at)?;
        self.require_replaceable(path, &at, before.as_ref())?;
        let old = before.as_ref().filter(|stat| stat.kind == FileKind::Link);
        let mut steps = Vec::new();
        if old.and_then(|stat| stat.target.as_deref()) != Some(target) {
            let own = Desired { owner: None, group: None, mode: None, ..desired.clone() };
            let attributes = self.attributes(&at, if desired.follow { &own } else { desired }, old, FileKind::Link)?;
            let action = if before.is_some() { Action::Update } else { Action::Create };
            let mut change = Change::new(action, "link", path.display().to_string());
            if old.is_none() {
                change = change.field("state", state_word(before.as_ref()), "link");
            }
            let was = old.and_then(|stat| stat.target.as_ref()).map(|t| t.display().to_string());
            let change = change.field("target", was, target.display().to_string());
            steps.push(Step { at: at.clone(), change, act: Act::MakeLink(target.to_path_buf()), attributes });
        }
        if desired.follow {
            let leads_to = at.parent().unwrap_or(Path::new("/")).join(target);
            if has_attributes(desired) && self.stat_followed(&leads_to)?.is_some() {
                steps.extend(self.attribute_steps(&leads_to, desired)?);
            }
        } else if steps.is_empty() {
            steps.extend(self.attribute_steps(path, desired)?);
        }
        Ok(steps)
    }

    fn hard_link_steps(&mut self, path: &Path, source: &Path, desired: &Desired) -> Result<Vec<Step>, Halt> {
        let (at, from) = (self.resolve(path, false)?, self.resolve(source, true)?);
        let Some(origin) = self.look_or_unknown(&from)? else {
            return Err(Halt::failed(format!("cannot link {} to {}: that file does not exist", path.display(), source.display())));
        };
        let before = self.look_or_unknown(&at)?;
        self.require_replaceable(path, &at, before.as_ref())?;
        if before.as_ref().is_some_and(|stat| self.are_one(&at, stat, &from, &origin)) {
            return if has_attributes(desired) { self.attribute_steps(path, desired) } else { Ok(Vec::new()) };
        }
        let attributes = self.attributes(&from, desired, Some(&origin), FileKind::File)?;
        let action = if before.is_some() { Action::Update } else { Action::Create };
        let change = Change::new(action, "link", path.display().to_string()).field("state", state_word(before.as_ref()), "hard").field(
            "target",
            Value::Null,
            source.display().to_string(),
        );
        let change =
            if has_attributes(desired) { self.with_attributes(change, Some(&origin), &attributes, FileKind::File)? } else { change };
        Ok(vec![Step { at, change, act: Act::MakeHardLink(from), attributes }])
    }

    fn absent_steps(&mut self, path: &Path) -> Result<Vec<Step>, Halt> {
        let at = self.resolve(path, false)?;
        let Some(before) = self.look_or_unknown(&at)? else { return Ok(Vec::new()) };
        if at == Path::new("/") {
            return Err(Halt::failed("will not remove /, the whole system"));
        }
        let change =
            Change::new(Action::Delete, change_kind(before.kind), path.display().to_string()).field("state", before.kind.word(), "absent");
        let attributes = Attributes { uid: before.uid, gid: before.gid, mode: before.mode, times: (None, None) };
        Ok(vec![Step { at, change, act: Act::Remove, attributes }])
    }

    fn require_directory(&mut self, path: &Path, at: &Path) -> Result<(), Halt> {
        let Some(directory) = at.parent() else { return Ok(()) };
        match self.look_or_unknown(directory)? {
            Some(stat) if stat.kind == FileKind::Directory => Ok(()),
            Some(other) => {
                Err(Halt::failed(format!("cannot write {}: {} is a {}", path.display(), directory.display(), other.kind.word())))
            }
            None => Err(Failure::new(format!("cannot write {}: the directory {} does not exist", path.display(), directory.display()))
                .hint("make it first with the module `file` and `state: directory`")
                .into()),
        }
    }

    fn require_replaceable(&mut self, path: &Path, at: &Path, before: Option<&Stat>) -> Result<(), Halt> {
        match before.map(|stat| stat.kind) {
            None => self.require_directory(path, at),
            Some(FileKind::Link | FileKind::File) => Ok(()),
            Some(FileKind::Directory) if self.list(at)?.is_none_or(|names| names.is_empty()) => Ok(()),
            Some(FileKind::Directory) => {
                Err(Halt::failed(format!("cannot put a link at {}: it is a directory and not empty", path.display())))
            }
            Some(other) => Err(Halt::failed(format!("cannot put a link at {}: it is a {}", path.display(), other.word()))),
        }
    }

    /// Whether the file at `at` has this content already. What cannot be read does not.
    fn holds(&mut self, at: &Path, stat: &Stat, content: &Content) -> bool {
        match content {
            Content::Bytes(bytes) => stat.size == bytes.len() as u64 && self.read(at).is_ok_and(|found| found.as_ref() == Some(bytes)),
            Content::Blob(hash) => self.digest(at, "sha256").is_ok_and(|found| found.is_some_and(|f| f.eq_ignore_ascii_case(hash))),
        }
    }

    fn are_one(&mut self, at: &Path, stat: &Stat, from: &Path, origin: &Stat) -> bool {
        let same_inode = (stat.inode, stat.device) == (origin.inode, origin.device) && stat.inode != 0;
        // What only the plan has made has no inode: there a hard link is a copy.
        let planned = stat.inode == 0 && stat.kind == FileKind::File && self.read(at).ok() == self.read(from).ok();
        same_inode || planned || at == from
    }

    fn shown_at(&mut self, at: &Path, stat: &Stat, secret: bool) -> Result<Value, Halt> {
        if stat.size <= SHOWN {
            return Ok(self.read(at)?.map_or(Value::Null, |bytes| shown_bytes(&bytes, secret)));
        }
        let digest = self.digest(at, "sha256")?.unwrap_or_default();
        let shown = Value::from(format!("sha256:{digest} ({} bytes)", stat.size));
        Ok(if secret { shown.into_secret() } else { shown })
    }

    /// The attributes to end with: those desired, else those that are there, else the system's defaults.
    fn attributes(&mut self, at: &Path, desired: &Desired, before: Option<&Stat>, kind: FileKind) -> Result<Attributes, Halt> {
        let is_directory = kind == FileKind::Directory;
        let umask = system::umask();
        let base = before.map_or(if is_directory { 0o777 } else { 0o666 } & !umask, |stat| stat.mode);
        let (own_user, own_group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (owner, group) = self.accounts(desired);
        let or_missing = |found: Result<u32, Halt>, instead| match found {
            // A task that only looks may come before what would make the account; it has warned of it.
            Err(Halt::Failed(_)) if before.is_none() && self.host.looks_only => Ok(instead),
            found => found,
        };
        let uid = match (owner, before) {
            (Some(owner), _) => or_missing(owner, own_user)?,
            (None, Some(stat)) => stat.uid,
            (None, None) => own_user,
        };
        let gid = match (group, before) {
            (Some(group), _) => or_missing(group, own_group)?,
            (None, Some(stat)) => stat.gid,
            (None, None) => own_group,
        };
        let mode = desired.mode.as_ref().map_or(base, |mode| mode.apply(base, is_directory, umask));
        let mut attributes = Attributes { uid, gid, mode, times: desired.times };
        // New entries in a directory with the setgid bit belong to its group.
        if before.is_none()
            && let Some(above) = at.parent().and_then(|p| self.look(p).ok().flatten())
            && above.mode & 0o2000 != 0
        {
            let inherited = inherit((above.gid, above.mode), attributes, desired);
            attributes.gid = inherited.0;
            attributes.mode = if is_directory { inherited.1 } else { attributes.mode };
        }
        Ok(attributes)
    }

    /// The numbers of the owner and group desired. A task that only looks warns of those that are not there.
    fn accounts(&mut self, desired: &Desired) -> (Option<Looked>, Option<Looked>) {
        let owner = desired.owner.as_ref().map(|owner| self.host.names().owner(owner));
        let group = desired.group.as_ref().map(|group| self.host.names().owning_group(group));
        if self.host.looks_only {
            for (word, number, name, found) in [("user", "uid", &desired.owner, &owner), ("group", "gid", &desired.group, &group)] {
                let Some(name) = name else { continue };
                let numeric = name.parse::<u32>().ok();
                let missing = match numeric {
                    Some(id) if word == "user" => self.host.user_name(id).is_ok_and(|name| name.is_none()),
                    Some(id) => self.host.group_name(id).is_ok_and(|name| name.is_none()),
                    None => matches!(found, Some(Err(Halt::Failed(_)))),
                };
                let by = if numeric.is_some() { format!("{word} with {number}") } else { word.to_string() };
                if missing {
                    self.host.warn(format!("failed to look up {by} {name}. Create {word} up to this point in real play"));
                }
            }
        }
        (owner, group)
    }

    /// Looks owner and group up without setting them, for a file that is not there.
    ///
    /// # Errors
    /// Failures of the system.
    pub fn look_up_accounts(&mut self, desired: &Desired) -> Result<(), Halt> {
        match self.accounts(desired) {
            (Some(Err(unknown @ Halt::Unknown(_))), _) | (_, Some(Err(unknown @ Halt::Unknown(_)))) => Err(unknown),
            _ => Ok(()),
        }
    }

    /// Adds the attributes that differ; all of them where nothing was.
    fn with_attributes(&mut self, change: Change, before: Option<&Stat>, after: &Attributes, kind: FileKind) -> Result<Change, Halt> {
        let mut change = change;
        if before.is_none_or(|b| b.mode != after.mode) && kind != FileKind::Link {
            change = change.field("mode", before.map(|b| mode_text(b.mode)), mode_text(after.mode));
        }
        if before.is_none_or(|b| b.uid != after.uid) {
            let was = before.map(|b| self.host.names().user_name(b.uid)).transpose()?;
            let will = self.host.names().user_name(after.uid)?;
            change = change.field("owner", was, will);
        }
        if before.is_none_or(|b| b.gid != after.gid) {
            let was = before.map(|b| self.host.names().group_name(b.gid)).transpose()?;
            let will = self.host.names().group_name(after.gid)?;
            change = change.field("group", was, will);
        }
        let times = [("accessed", after.times.0, before.map(|b| b.times.0)), ("modified", after.times.1, before.map(|b| b.times.1))];
        for (name, after, before) in times {
            // Seconds as floats are exact to less than a microsecond.
            if let Some(after) = after
                && before.is_none_or(|before| (before - after).abs() > 2e-6)
            {
                change = change.field(name, before, after);
            }
        }
        Ok(change)
    }

    fn perform(&mut self, step: &Step) -> Result<(), Halt> {
        let Step { at, act, attributes, .. } = step;
        if !self.host.live {
            return self.remember(step);
        }
        let (doing, result) = match act {
            Act::Write(bytes) => ("write", system::write(at, bytes, attributes)),
            Act::MakeDirectory => ("make the directory", system::make_directory(at, attributes)),
            Act::MakeLink(target) => {
                ("make the link", system::make_link(at, target).and_then(|()| system::set_attributes(at, attributes, true)))
            }
            Act::MakeHardLink(from) => {
                ("make the link", system::make_hard_link(at, from).and_then(|()| system::set_attributes(at, attributes, false)))
            }
            Act::SetAttributes { is_link } => ("set owner, mode or times of", system::set_attributes(at, attributes, *is_link)),
            Act::Remove => ("remove", system::remove(at)),
        };
        result.map_err(|e| failed(doing, at, &e))
    }

    fn remember(&mut self, step: &Step) -> Result<(), Halt> {
        let Step { at, act, attributes, .. } = step;
        let before = self.look(at)?;
        let kept = || match self.host.overlay.say(at) {
            Said::There(node) => node.kind.clone(),
            _ => NodeKind::Kept,
        };
        let kind = match act {
            Act::Remove => {
                self.host.overlay.remove(at);
                return Ok(());
            }
            Act::Write(bytes) => NodeKind::File(bytes.clone()),
            Act::MakeDirectory => NodeKind::Directory,
            Act::MakeLink(target) => NodeKind::Link(target.clone()),
            Act::MakeHardLink(from) => NodeKind::File(self.read(from)?.unwrap_or_default()),
            Act::SetAttributes { .. } => kept(),
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let keeps_times = matches!(act, Act::SetAttributes { .. });
        let times = before.filter(|_| keeps_times).map_or((now, now), |b| (b.times.0, b.times.1));
        let times = (attributes.times.0.unwrap_or(times.0), attributes.times.1.unwrap_or(times.1));
        let Attributes { uid, gid, mode, .. } = *attributes;
        self.host.overlay.put(at.clone(), Node { kind, mode, uid, gid, times });
        Ok(())
    }
}

/// What a new entry takes over from a directory with the setgid bit: its group, and a directory the bit as well.
fn inherit((gid, mode): (u32, u32), own: Attributes, desired: &Desired) -> (u32, u32) {
    let gid = if desired.group.is_some() { own.gid } else { gid };
    (gid, if desired.mode.is_some() { own.mode } else { own.mode | (mode & 0o2000) })
}

fn has_attributes(desired: &Desired) -> bool {
    let Desired { owner, group, mode, times, .. } = desired;
    owner.is_some() || group.is_some() || mode.is_some() || times.0.is_some() || times.1.is_some()
}

fn change_kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Directory => "directory",
        FileKind::Link => "link",
        _ => "file",
    }
}

fn state_word(before: Option<&Stat>) -> &'static str {
    before.map_or("absent", |stat| stat.kind.word())
}

/// Content as a change shows it: text, or its digest when it is not text, is large, or is secret.
fn shown_bytes(bytes: &[u8], secret: bool) -> Value {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !secret && bytes.len() as u64 <= SHOWN && !text.contains('\0'));
    let shown = match text {
        Some(text) => Value::str(text),
        None => Value::from(format!("sha256:{} ({} bytes)", hash(bytes, "sha256").unwrap_or_default(), bytes.len())),
    };
    if secret { shown.into_secret() } else { shown }
}
