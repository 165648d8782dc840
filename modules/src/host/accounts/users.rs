//! Users of a host.

use super::{Accounts, PasswdEntry, USER, did_not_converge, has, parse_group, parse_passwd, parse_shadow};
use crate::change::{Action, Change};
use crate::host::Command;
use crate::host::overlay::{Node, NodeKind};
use crate::host::processes::civil;
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::{Path, PathBuf};

/// One user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    /// Its line of /etc/passwd; numbers are 0 where `planned` says that the system is to choose them.
    pub entry: PasswdEntry,
    /// Whether a plan would create it and let the system choose its number.
    pub planned: bool,
    /// Groups beside the primary one, sorted.
    pub groups: Vec<String>,
    /// Hash of the password, if it can be read.
    pub password: Option<String>,
    /// Day since 1970 on which it expires.
    pub expires: Option<i64>,
}

/// What a user should be; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct DesiredUser {
    /// Its number.
    pub uid: Option<u32>,
    /// Whether the number may be another user's too.
    pub non_unique: bool,
    /// Primary group, by name or number.
    pub group: Option<String>,
    /// Other groups.
    pub groups: Option<Vec<String>>,
    /// Whether it stays in groups beyond those.
    pub append: bool,
    /// Comment (name, room, …).
    pub comment: Option<String>,
    /// Home folder.
    pub home: Option<String>,
    /// Whether the home folder is made with the user.
    pub create_home: bool,
    /// Whether the home folder moves with `home`.
    pub move_home: bool,
    /// What a new home folder holds at first.
    pub skeleton: Option<String>,
    /// The umask a home folder is made with.
    pub umask: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Hash of the password.
    pub password: Option<String>,
    /// Whether the password is set only when the user is made.
    pub password_on_create_only: bool,
    /// Whether the password is locked.
    pub locked: Option<bool>,
    /// Seconds since 1970 when it expires; negative for never.
    pub expires: Option<f64>,
    /// Whether it is one of the system's own, when it is made.
    pub system: bool,
    /// Lowest and highest number the system may choose.
    pub range: (Option<u32>, Option<u32>),
    /// SELinux user.
    pub seuser: Option<String>,
    /// Uses the programs that change local files only.
    pub local: bool,
}

/// An SSH key of a user.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// Where the private key is, absolute or relative to the home folder.
    pub file: PathBuf,
    /// `rsa`, `ed25519`, …
    pub kind: String,
    /// Bits; 0 for the kind's default.
    pub bits: u64,
    /// Comment of the public key.
    pub comment: String,
    /// Passphrase.
    pub passphrase: Option<String>,
    /// Whether one that exists is replaced.
    pub force: bool,
}

/// One attribute that differs: its name, before, after, and the options that change it.
struct Difference {
    name: &'static str,
    before: Value,
    after: Value,
    options: Vec<String>,
}

impl Accounts<'_> {
    /// The user with this name.
    pub fn user(&mut self, name: &str) -> Result<Option<User>, Halt> {
        if let Some(state) = self.host.remembered(USER, name) {
            return Ok(from_value(name, &state));
        }
        let mut users = parse_passwd(&self.text("/etc/passwd")?);
        if !users.iter().any(|u| u.name == name) {
            users.extend(self.elsewhere("passwd", name).map(|t| parse_passwd(&t)).unwrap_or_default());
        }
        let Some(entry) = users.into_iter().find(|u| u.name == name) else { return Ok(None) };
        let mut groups: Vec<String> = parse_group(&self.text("/etc/group")?)
            .into_iter()
            .filter(|g| g.members.iter().any(|m| m == name) && g.gid != entry.gid)
            .map(|g| g.name)
            .collect();
        groups.sort();
        let shadow = std::fs::read_to_string("/etc/shadow").ok().and_then(|t| parse_shadow(&t, name));
        let (password, expires) = shadow.map_or((None, None), |(p, e)| (Some(p), e));
        Ok(Some(User { entry, planned: false, groups, password, expires }))
    }

    /// Makes the user exist as desired.
    pub fn converge_user(&mut self, name: &str, desired: &DesiredUser) -> Result<User, Halt> {
        let Some(user) = self.user(name)? else { return self.create_user(name, desired) };
        let differences = self.differences(&user, desired)?;
        if differences.is_empty() {
            return Ok(user);
        }
        let mut change = Change::new(Action::Update, USER, name);
        for d in &differences {
            change = change.field(d.name, d.before.clone(), d.after.clone());
        }
        self.host.record(change);
        self.modify(name, desired, &differences)?;
        if !self.host.is_live() {
            return Ok(self.predict(name, user, desired));
        }
        let user = self.user(name)?.ok_or_else(|| did_not_converge("user", name, &["state".into()]))?;
        let left: Vec<String> = self.differences(&user, desired)?.iter().map(|d| d.name.to_string()).collect();
        if left.is_empty() { Ok(user) } else { Err(did_not_converge("user", name, &left)) }
    }

    fn modify(&mut self, name: &str, desired: &DesiredUser, differences: &[Difference]) -> Result<(), Halt> {
        if !has("usermod") {
            return Err(Failure::new(format!("cannot change the user {name}: this host has no usermod"))
                .hint("install the package `shadow`")
                .into());
        }
        // The hash goes by standard input: arguments of processes are for all to see.
        let password = differences.iter().any(|d| d.name == "password");
        let program = if desired.local && has("lusermod") { "lusermod" } else { "usermod" };
        let options: Vec<String> = differences.iter().flat_map(|d| d.options.clone()).collect();
        if !options.is_empty() {
            let argv = std::iter::once(program.to_string()).chain(options).chain([name.to_string()]).collect();
            self.act(argv, None, &format!("cannot change the user {name}"))?;
        }
        if password {
            self.set_password(name, desired)?;
        }
        Ok(())
    }

    fn set_password(&mut self, name: &str, desired: &DesiredUser) -> Result<(), Halt> {
        let Some(hash) = &desired.password else { return Ok(()) };
        let lock = if desired.locked == Some(true) && !hash.starts_with('!') { "!" } else { "" };
        let line = format!("{name}:{lock}{hash}\n").into_bytes();
        self.act(vec!["chpasswd".into(), "-e".into()], Some(line), &format!("cannot set the password of {name}"))
    }

    /// The number of a group by name or number, as text for the programs.
    fn group_argument(&mut self, group: &str) -> Result<(String, Option<u32>), Halt> {
        match self.group(group)? {
            Some(found) => Ok((found.name, found.gid)),
            None => match self.host.may_still_come() {
                Some(why) => Err(Halt::Unknown(format!("the group {group} ({why})"))),
                None => Err(Failure::new(format!("Group {group} does not exist")).hint("create it first, with the module `group`").into()),
            },
        }
    }

    fn differences(&mut self, user: &User, desired: &DesiredUser) -> Result<Vec<Difference>, Halt> {
        let mut found = Vec::new();
        let mut differ = |name, before: Value, after: Value, options: &[&str]| {
            found.push(Difference { name, before, after, options: options.iter().map(|o| o.to_string()).collect() });
        };
        if let Some(uid) = desired.uid.filter(|u| *u != user.entry.uid || user.planned) {
            let uid_text = uid.to_string();
            let options: &[&str] = if desired.non_unique { &["-u", &uid_text, "-o"] } else { &["-u", &uid_text] };
            differ("uid", user.entry.uid.into(), uid.into(), options);
        }
        if let Some(group) = &desired.group {
            let (group, gid) = self.group_argument(group)?;
            if gid != Some(user.entry.gid) {
                let before = self.group_name(user.entry.gid)?.map_or(user.entry.gid.into(), Value::from);
                differ("group", before, group.as_str().into(), &["-g", &group]);
            }
        }
        if let Some(groups) = &desired.groups {
            let wanted = self.wanted_groups(user, desired, groups)?;
            if wanted != user.groups {
                let joined = wanted.join(",");
                differ("groups", user.groups.clone().into(), wanted.into(), &["-G", &joined]);
            }
        }
        if let Some(comment) = desired.comment.as_ref().filter(|c| **c != user.entry.comment) {
            differ("comment", user.entry.comment.as_str().into(), comment.as_str().into(), &["-c", comment]);
        }
        if let Some(home) = desired.home.as_ref().filter(|h| **h != user.entry.home) {
            let options: &[&str] = if desired.move_home { &["-d", home, "-m"] } else { &["-d", home] };
            differ("home", user.entry.home.as_str().into(), home.as_str().into(), options);
        }
        if let Some(shell) = desired.shell.as_ref().filter(|s| **s != user.entry.shell) {
            differ("shell", user.entry.shell.as_str().into(), shell.as_str().into(), &["-s", shell]);
        }
        if let Some(days) = desired.expires.map(|e| (e >= 0.0).then_some((e / 86400.0).floor() as i64)).filter(|d| *d != user.expires) {
            let date = days.map(date).unwrap_or_default();
            differ("expires", user.expires.map(self::date).into(), date.as_str().into(), &["-e", &date]);
        }
        let hash = user.password.as_deref().unwrap_or_default();
        let bare = |h: &str| h.strip_prefix('!').unwrap_or(h).to_string();
        if let Some(password) = desired.password.as_deref().filter(|p| !desired.password_on_create_only && bare(p) != bare(hash)) {
            differ("password", Value::str(hash).into_secret(), Value::str(password).into_secret(), &[]);
        } else if let Some(locked) = desired.locked.filter(|l| *l != hash.starts_with('!')) {
            differ("password_lock", (!locked).into(), locked.into(), &[if locked { "-L" } else { "-U" }]);
        }
        Ok(found)
    }

    /// The groups that a user should be in, sorted, without the primary one.
    fn wanted_groups(&mut self, user: &User, desired: &DesiredUser, groups: &[String]) -> Result<Vec<String>, Halt> {
        let primary = match &desired.group {
            Some(group) => self.group_argument(group)?.1,
            None => Some(user.entry.gid).filter(|_| !user.planned),
        };
        let mut wanted = if desired.append { user.groups.clone() } else { Vec::new() };
        for group in groups.iter().filter(|g| !g.is_empty()) {
            let (name, gid) = self.group_argument(group)?;
            if gid.is_none() || gid != primary {
                wanted.push(name);
            }
        }
        wanted.sort();
        wanted.dedup();
        Ok(wanted)
    }

    fn create_user(&mut self, name: &str, desired: &DesiredUser) -> Result<User, Halt> {
        let group = desired.group.as_deref().map(|g| self.group_argument(g)).transpose()?;
        let groups = match &desired.groups {
            Some(groups) => self.wanted_groups(&User { planned: true, ..User::default() }, desired, groups)?,
            None => Vec::new(),
        };
        let home = desired.home.clone().unwrap_or_else(|| format!("/home/{name}"));
        let mut change = Change::new(Action::Create, USER, name).field(
            "uid",
            Value::Null,
            desired.uid.map_or_else(|| Value::unknown(format!("uid of {name}")), Value::from),
        );
        for (field, value) in
            [("group", group.as_ref().map(|g| &g.0)), ("comment", desired.comment.as_ref()), ("shell", desired.shell.as_ref())]
        {
            if let Some(value) = value {
                change = change.field(field, Value::Null, value.as_str());
            }
        }
        if !groups.is_empty() {
            change = change.field("groups", Value::Null, groups.clone());
        }
        if desired.create_home || desired.home.is_some() {
            change = change.field("home", Value::Null, home.as_str());
        }
        if let Some(password) = &desired.password {
            change = change.field("password", Value::Null, Value::str(password).into_secret());
        }
        self.host.record(change);
        let own_group = group.is_none() && self.group(name)?.is_some();
        let argv = self.useradd(name, desired, group.map(|g| g.0).or(own_group.then(|| name.to_string())), &groups);
        self.act(argv, None, &format!("cannot create the user {name}"))?;
        if !has("useradd") {
            for group in &groups {
                self.act(vec!["addgroup".into(), name.into(), group.clone()], None, &format!("cannot add {name} to the group {group}"))?;
            }
        }
        self.set_password(name, desired)?;
        if !self.host.is_live() {
            // Most systems give a new user a group of the same name.
            if desired.group.is_none() && !own_group {
                self.host.overlay().set_state(super::GROUP, name, Value::map([("gid", Value::Null)]));
            }
            let blank = User { planned: true, groups, ..User::default() };
            let shell = desired.shell.clone().unwrap_or_default();
            let entry = PasswdEntry { name: name.into(), home, shell, ..PasswdEntry::default() };
            let user = self.predict(name, User { entry, ..blank }, desired);
            if desired.create_home {
                self.predict_home(&user, desired)?;
            }
            return Ok(user);
        }
        self.user(name)?.ok_or_else(|| did_not_converge("user", name, &["state".into()]))
    }

    fn useradd(&self, name: &str, desired: &DesiredUser, group: Option<String>, groups: &[String]) -> Vec<String> {
        let busybox = !has("useradd");
        let mut argv: Vec<String> = vec![
            if busybox {
                "adduser"
            } else if desired.local && has("luseradd") {
                "luseradd"
            } else {
                "useradd"
            }
            .into(),
        ];
        let mut option = |flag: &str, value: Option<&String>| argv.extend(value.into_iter().flat_map(|v| [flag.to_string(), v.clone()]));
        option("-u", desired.uid.map(|u| u.to_string()).as_ref());
        option(if busybox { "-G" } else { "-g" }, group.as_ref());
        option(if busybox { "-h" } else { "-d" }, desired.home.as_ref());
        option("-s", desired.shell.as_ref());
        option(if busybox { "-g" } else { "-c" }, desired.comment.as_ref());
        if busybox {
            argv.push("-D".into());
            argv.extend((!desired.create_home).then(|| "-H".to_string()));
            argv.extend(desired.system.then(|| "-S".to_string()));
            argv.push(name.into());
            return argv;
        }
        if !groups.is_empty() {
            argv.extend(["-G".into(), groups.join(",")]);
        }
        argv.extend((desired.non_unique && desired.uid.is_some()).then(|| "-o".to_string()));
        argv.extend(desired.system.then(|| "-r".to_string()));
        argv.push(if desired.create_home { "-m" } else { "-M" }.into());
        if desired.create_home {
            argv.extend(desired.skeleton.iter().flat_map(|s| ["-k".to_string(), s.clone()]));
            argv.extend(desired.umask.iter().flat_map(|u| ["-K".to_string(), format!("UMASK={u}")]));
        }
        for (key, value) in [("UID_MIN", desired.range.0), ("UID_MAX", desired.range.1)] {
            argv.extend(value.iter().flat_map(|v| ["-K".to_string(), format!("{key}={v}")]));
        }
        argv.extend(desired.seuser.iter().flat_map(|s| ["-Z".to_string(), s.clone()]));
        if let Some(expires) = desired.expires.filter(|e| *e >= 0.0) {
            argv.extend(["-e".into(), date((expires / 86400.0).floor() as i64)]);
        }
        argv.push(name.into());
        argv
    }

    /// What a plan expects the user to be, remembered.
    fn predict(&mut self, name: &str, mut user: User, desired: &DesiredUser) -> User {
        let gid = desired.group.as_deref().and_then(|g| self.group(g).ok().flatten()).and_then(|g| g.gid);
        user.entry.gid = gid.unwrap_or(user.entry.gid);
        if let Some(uid) = desired.uid {
            (user.entry.uid, user.planned) = (uid, false);
        }
        let take = |to: &mut String, from: &Option<String>| {
            if let Some(from) = from {
                to.clone_from(from)
            }
        };
        take(&mut user.entry.home, &desired.home);
        take(&mut user.entry.shell, &desired.shell);
        take(&mut user.entry.comment, &desired.comment);
        if let Some(groups) = &desired.groups
            && let Ok(wanted) = self.wanted_groups(&user, desired, groups)
        {
            user.groups = wanted;
        }
        user.password = desired.password.clone().or(user.password);
        if let Some(expires) = desired.expires {
            user.expires = (expires >= 0.0).then_some((expires / 86400.0).floor() as i64);
        }
        self.host.overlay().set_state(USER, name, to_value(&user));
        user
    }

    /// The home folder that comes with a new user, for later tasks of the same plan.
    fn predict_home(&mut self, user: &User, desired: &DesiredUser) -> Result<(), Halt> {
        let home = PathBuf::from(&user.entry.home);
        if self.host.files().stat(&home).is_ok_and(|s| s.is_some()) {
            return Ok(());
        }
        let defaults = self.text("/etc/login.defs")?;
        let field = |name: &str| defaults.lines().find_map(|l| l.strip_prefix(name).filter(|r| r.starts_with(char::is_whitespace)));
        let octal = |text: &str| u32::from_str_radix(text.trim(), 8).ok();
        let umask = desired.umask.as_deref().or(field("UMASK")).and_then(octal).unwrap_or(0o022);
        let mode = field("HOME_MODE").filter(|_| desired.umask.is_none()).and_then(octal).unwrap_or(0o777 & !umask);
        let uid = self.host.names().owner(&user.entry.name)?;
        let group = desired.group.as_deref().unwrap_or(&user.entry.name);
        let gid = self.host.names().owning_group(group)?;
        let node = Node { kind: NodeKind::Directory, mode, uid, gid, times: (0.0, 0.0) };
        self.host.overlay().nodes.insert(home, Some(node));
        Ok(())
    }

    /// Makes the user not exist.
    pub fn remove_user(&mut self, name: &str, with_home: bool, force: bool) -> Result<(), Halt> {
        let Some(user) = self.user(name)? else { return Ok(()) };
        let mut change = Change::new(Action::Delete, USER, name).field("uid", user.entry.uid, Value::Null);
        if with_home {
            change = change.field("home", user.entry.home.as_str(), Value::Null);
        }
        self.host.record(change);
        let busybox = !has("userdel");
        let mut argv: Vec<String> = vec![if busybox { "deluser" } else { "userdel" }.into()];
        argv.extend((force && !busybox).then(|| "-f".to_string()));
        argv.extend(with_home.then(|| if busybox { "--remove-home" } else { "-r" }.to_string()));
        argv.push(name.into());
        match self.host.perform(&Command::new(argv))? {
            // userdel says 12 when the home folder was not there to remove.
            Some(output) if output.code != 12 => output.require(&format!("cannot remove the user {name}")).map(|_| ())?,
            _ => {}
        }
        if !self.host.is_live() {
            self.host.overlay().set_state(USER, name, Value::Null);
        } else if self.user(name)?.is_some() {
            return Err(did_not_converge("user", name, &["state".into()]));
        }
        Ok(())
    }

    /// Makes the user have an SSH key; returns the private key's path, and the public key once it is there.
    pub fn converge_key(&mut self, user: &User, key: &KeyPair) -> Result<(PathBuf, Option<String>), Halt> {
        let file = Path::new(&user.entry.home).join(&key.file);
        let public = PathBuf::from(format!("{}.pub", file.display()));
        if key.force || self.host.files().stat(&file)?.is_none() {
            self.host.record(Change::new(Action::Create, "ssh_key", file.to_string_lossy()).field("type", Value::Null, key.kind.as_str()));
            if !self.host.is_live() {
                return Ok((file, None));
            }
            self.generate(user, key, &file)?;
        }
        let text = self.host.files().read(&public)?.map(|b| String::from_utf8_lossy(&b).trim().to_string());
        Ok((file, text))
    }

    fn generate(&mut self, user: &User, key: &KeyPair, file: &Path) -> Result<(), Halt> {
        let failed = |what: &Path, e: std::io::Error| Halt::failed(format!("cannot make {}: {e}", what.display()));
        if let Some(folder) = file.parent().filter(|f| !f.exists()) {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(|e| failed(folder, e))?;
            give(folder, user)?;
        }
        if key.force {
            let _ = std::fs::remove_file(file);
        }
        let path = file.to_string_lossy().into_owned();
        let mut argv: Vec<String> = ["ssh-keygen", "-q", "-t", &key.kind, "-C", &key.comment, "-f", &path].map(String::from).to_vec();
        if key.bits > 0 {
            argv.extend(["-b".into(), key.bits.to_string()]);
        }
        argv.extend(["-N".into(), key.passphrase.clone().unwrap_or_default()]);
        self.act(argv, None, &format!("cannot generate the key {path}"))?;
        give(file, user)?;
        give(Path::new(&format!("{path}.pub")), user)
    }
}

fn give(path: &Path, user: &User) -> Result<(), Halt> {
    std::os::unix::fs::chown(path, Some(user.entry.uid), Some(user.entry.gid))
        .map_err(|e| Halt::failed(format!("cannot give {} to {}: {e}", path.display(), user.entry.name)))
}

/// `2026-11-21` of a day since 1970.
fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn to_value(user: &User) -> Value {
    let PasswdEntry { uid, gid, comment, home, shell, .. } = &user.entry;
    let number = |n: u32| if user.planned { Value::Null } else { n.into() };
    Value::map([
        ("uid", number(*uid)),
        ("gid", number(*gid)),
        ("comment", comment.as_str().into()),
        ("home", home.as_str().into()),
        ("shell", shell.as_str().into()),
        ("groups", user.groups.clone().into()),
        ("password", user.password.clone().into()),
        ("expires", user.expires.into()),
    ])
}

fn from_value(name: &str, state: &Value) -> Option<User> {
    let map = state.as_map()?;
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let number = |key: &str| map.get(key).and_then(Value::as_int);
    Some(User {
        entry: PasswdEntry {
            name: name.to_string(),
            uid: number("uid").unwrap_or(0) as u32,
            gid: number("gid").unwrap_or(0) as u32,
            comment: text("comment"),
            home: text("home"),
            shell: text("shell"),
        },
        planned: number("uid").is_none(),
        groups: map.get("groups").and_then(Value::as_list).into_iter().flatten().map(Value::to_string).collect(),
        password: map.get("password").and_then(Value::as_str).map(str::to_string),
        expires: number("expires"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_users_are_remembered() {
        let user = User {
            entry: PasswdEntry { name: "loom".into(), home: "/opt/loom".into(), shell: "/bin/sh".into(), ..PasswdEntry::default() },
            planned: true,
            groups: vec!["adm".into()],
            password: Some("!".into()),
            expires: Some(3),
        };
        assert_eq!(from_value("loom", &to_value(&user)), Some(user));
        assert_eq!(from_value("loom", &Value::Null), None);
        assert_eq!(date(19782), "2024-02-29");
    }
}
