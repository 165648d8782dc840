//! Users of a host.

use super::{Accounts, PasswdEntry, ShadowEntry, USER, did_not_converge, has, parse_group, parse_passwd, parse_shadow};
use crate::change::{Action, Change};
use crate::host::Command;
use crate::host::processes::civil;
use crate::module::{Failure, Halt};
use crate::value::Value;

/// One user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    /// Its line of /etc/passwd; numbers are 0 where `planned` says that the system is to choose them.
    pub entry: PasswdEntry,
    /// Whether a plan would create it and let the system choose its number.
    pub planned: bool,
    /// Groups beside the primary one, sorted.
    pub groups: Vec<String>,
    /// Its line of /etc/shadow, if it has one that can be read.
    pub shadow: Option<ShadowEntry>,
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
    /// Days between two changes of the password, at least and at most, and of warning before.
    pub ageing: Ageing,
    /// Days after the password expired until the account is disabled.
    pub inactive: Option<i64>,
    /// Whether it is one of the system's own, when it is made.
    pub system: bool,
    /// Lowest and highest number the system may choose.
    pub range: (Option<u32>, Option<u32>),
    /// SELinux user.
    pub seuser: Option<String>,
    /// Uses the programs that change local files only.
    pub local: bool,
}

/// How old a password may become, in days.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ageing {
    /// At least, before it may change.
    pub least: Option<i64>,
    /// At most, before it must change.
    pub most: Option<i64>,
    /// Days of warning.
    pub warn: Option<i64>,
}

/// The program that changes an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// `usermod`, or `lusermod`.
    Account,
    /// `chage`, or `lchage`.
    Ageing,
    /// The groups, one by one, where only `lgroupmod` knows them.
    Groups,
    /// `chpasswd`.
    Password,
}

/// One attribute that differs: its name, before, after, and the options that change it.
struct Difference {
    name: &'static str,
    before: Value,
    after: Value,
    means: Means,
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
        Ok(Some(User { entry, planned: false, groups, shadow }))
    }

    /// Makes the user exist as desired.
    pub fn converge_user(&mut self, name: &str, desired: &DesiredUser) -> Result<User, Halt> {
        let Some(user) = self.user(name)? else { return self.create_user(name, desired) };
        let differences = self.differences(&user, desired)?;
        if differences.is_empty() {
            self.restore_home(&user, desired)?;
            return Ok(user);
        }
        let mut change = Change::new(Action::Update, USER, name);
        for d in &differences {
            change = change.field(d.name, d.before.clone(), d.after.clone());
        }
        self.host.record(change);
        self.modify(&user, desired, &differences)?;
        let user = if self.host.is_live() { self.settled(name, desired)? } else { self.predict(name, user, desired) };
        self.restore_home(&user, desired)?;
        Ok(user)
    }

    fn settled(&mut self, name: &str, desired: &DesiredUser) -> Result<User, Halt> {
        let user = self.user(name)?.ok_or_else(|| did_not_converge("user", name, &["state".into()]))?;
        let left: Vec<String> = self.differences(&user, desired)?.iter().map(|d| d.name.to_string()).collect();
        if left.is_empty() { Ok(user) } else { Err(did_not_converge("user", name, &left)) }
    }

    fn modify(&mut self, user: &User, desired: &DesiredUser, differences: &[Difference]) -> Result<(), Halt> {
        let name = user.entry.name.as_str();
        if !has("usermod") {
            return Err(Failure::new(format!("cannot change the user {name}: this host has no usermod"))
                .hint("install the package `shadow`")
                .into());
        }
        let doing = format!("cannot change the user {name}");
        for (means, local, usual) in [(Means::Account, "lusermod", "usermod"), (Means::Ageing, "lchage", "chage")] {
            let options: Vec<String> = differences.iter().filter(|d| d.means == means).flat_map(|d| d.options.clone()).collect();
            if !options.is_empty() {
                let program = if desired.local && has(local) { local } else { usual };
                self.act(std::iter::once(program.to_string()).chain(options).chain([name.to_string()]).collect(), None, &doing)?;
            }
        }
        for group in differences.iter().filter(|d| d.means == Means::Groups).flat_map(|d| &d.options) {
            // `+GROUP` and `-GROUP`.
            let (sign, group) = group.split_at(1);
            let option = if sign == "+" { "-M" } else { "-m" };
            self.act(vec!["lgroupmod".into(), option.into(), name.into(), group.into()], None, &doing)?;
        }
        // The hash goes by standard input: arguments of processes are for all to see.
        if differences.iter().any(|d| d.means == Means::Password) {
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
            let options = options.iter().map(|o| o.to_string()).collect();
            found.push(Difference { name, before, after, means: Means::Account, options });
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
                // lusermod wants the number.
                let number = gid.filter(|_| desired.local && has("lusermod")).map(|g| g.to_string());
                differ("group", before, group.as_str().into(), &["-g", number.as_deref().unwrap_or(&group)]);
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
        if let Some(groups) = found.iter_mut().find(|d| d.name == "groups" && desired.local && has("lgroupmod")) {
            separate(groups, &user.groups);
        }
        self.expiry_differences(user, desired, &mut found);
        self.password_differences(user, desired, &mut found);
        Ok(found)
    }

    fn expiry_differences(&self, user: &User, desired: &DesiredUser, found: &mut Vec<Difference>) {
        let shadow = user.shadow.clone().unwrap_or_default();
        let local = desired.local && has("lchage");
        if let Some(days) = desired.expires.map(expiry).filter(|d| *d != shadow.expires || user.shadow.is_none()) {
            let text = days.map(date).unwrap_or_default();
            let before = shadow.expires.map(date).into();
            let (means, options) = match local {
                true => (Means::Ageing, vec!["-E".to_string(), days.unwrap_or(-1).to_string()]),
                false => (Means::Account, vec!["-e".to_string(), text.clone()]),
            };
            found.push(Difference { name: "expires", before, after: text.as_str().into(), means, options });
        }
        let inactive = (if local { Means::Ageing } else { Means::Account }, if local { "-I" } else { "-f" });
        for (name, now, wanted, (means, flag)) in [
            ("password_expire_min", shadow.least, desired.ageing.least, (Means::Ageing, "-m")),
            ("password_expire_max", shadow.most, desired.ageing.most, (Means::Ageing, "-M")),
            ("password_expire_warn", shadow.warn, desired.ageing.warn, (Means::Ageing, "-W")),
            ("password_expire_account_disable", shadow.inactive, desired.inactive, inactive),
        ] {
            if let Some(days) = wanted.filter(|w| Some(*w).filter(|d| *d >= 0) != now) {
                let options = vec![flag.to_string(), days.to_string()];
                found.push(Difference { name, before: now.into(), after: days.into(), means, options });
            }
        }
    }

    fn password_differences(&self, user: &User, desired: &DesiredUser, found: &mut Vec<Difference>) {
        let hash = user.shadow.as_ref().map_or("", |s| s.hash.as_str());
        let bare = |h: &str| h.strip_prefix('!').unwrap_or(h).to_string();
        let password = desired.password.as_deref().filter(|p| !desired.password_on_create_only && bare(p) != bare(hash));
        if let Some(password) = password {
            let (before, after) = (Value::str(hash).into_secret(), Value::str(password).into_secret());
            found.push(Difference { name: "password", before, after, means: Means::Password, options: Vec::new() });
        } else if let Some(locked) = desired.locked.filter(|l| *l != hash.starts_with('!')) {
            let options = vec![if locked { "-L" } else { "-U" }.to_string()];
            found.push(Difference {
                name: "password_lock",
                before: (!locked).into(),
                after: locked.into(),
                means: Means::Account,
                options,
            });
        }
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
        self.complete_new(name, desired)?;
        if !self.host.is_live() {
            // Most systems give a new user a group of the same name.
            if desired.group.is_none() && !own_group {
                self.host.overlay().set_state(super::GROUP, name, Value::map([("gid", Value::Null)]));
            }
            let blank = User { planned: true, groups, shadow: Some(ShadowEntry::default()), ..User::default() };
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

    /// What the program that makes users cannot be told.
    fn complete_new(&mut self, name: &str, desired: &DesiredUser) -> Result<(), Halt> {
        if !self.host.is_live() || !has("usermod") {
            return Ok(());
        }
        let Some(user) = self.user(name)? else { return Ok(()) };
        let differences: Vec<Difference> = self
            .differences(&user, desired)?
            .into_iter()
            .filter(|d| d.means == Means::Ageing || d.means == Means::Groups || d.name == "password_expire_account_disable")
            .collect();
        self.modify(&user, desired, &differences)
    }

    fn useradd(&self, name: &str, desired: &DesiredUser, group: Option<String>, groups: &[String]) -> Vec<String> {
        let busybox = !has("useradd");
        let local = desired.local && has("luseradd");
        let program = match (busybox, local) {
            (true, _) => "adduser",
            (_, true) => "luseradd",
            _ => "useradd",
        };
        let mut argv: Vec<String> = vec![program.into()];
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
        argv.extend(desired.system.then(|| "-r".to_string()));
        if local {
            argv.extend((!desired.create_home).then(|| "-M".to_string()));
            argv.extend(desired.skeleton.iter().flat_map(|s| ["-k".to_string(), s.clone()]));
            argv.push(name.into());
            return argv;
        }
        if !groups.is_empty() {
            argv.extend(["-G".into(), groups.join(",")]);
        }
        argv.extend((desired.non_unique && desired.uid.is_some()).then(|| "-o".to_string()));
        argv.push(if desired.create_home { "-m" } else { "-M" }.into());
        if desired.create_home {
            argv.extend(desired.skeleton.iter().flat_map(|s| ["-k".to_string(), s.clone()]));
            argv.extend(desired.umask.iter().flat_map(|u| ["-K".to_string(), format!("UMASK={u}")]));
        }
        for (key, value) in [("UID_MIN", desired.range.0), ("UID_MAX", desired.range.1)] {
            argv.extend(value.iter().flat_map(|v| ["-K".to_string(), format!("{key}={v}")]));
        }
        argv.extend(desired.seuser.iter().flat_map(|s| ["-Z".to_string(), s.clone()]));
        argv.extend(desired.expires.and_then(expiry).into_iter().flat_map(|days| ["-e".to_string(), date(days)]));
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
        let shadow = user.shadow.get_or_insert_default();
        shadow.hash = desired.password.clone().unwrap_or(std::mem::take(&mut shadow.hash));
        if let Some(locked) = desired.locked {
            let bare = shadow.hash.trim_start_matches('!').to_string();
            shadow.hash = if locked { format!("!{bare}") } else { bare };
        }
        shadow.expires = desired.expires.map_or(shadow.expires, expiry);
        for (now, wanted) in [
            (&mut shadow.least, desired.ageing.least),
            (&mut shadow.most, desired.ageing.most),
            (&mut shadow.warn, desired.ageing.warn),
            (&mut shadow.inactive, desired.inactive),
        ] {
            *now = wanted.map_or(*now, |w| Some(w).filter(|d| *d >= 0));
        }
        self.host.overlay().set_state(USER, name, to_value(&user));
        user
    }

    /// Makes the user not exist.
    pub fn remove_user(&mut self, name: &str, with_home: bool, force: bool, local: bool) -> Result<(), Halt> {
        let Some(user) = self.user(name)? else { return Ok(()) };
        let mut change = Change::new(Action::Delete, USER, name).field("uid", user.entry.uid, Value::Null);
        if with_home {
            change = change.field("home", user.entry.home.as_str(), Value::Null);
        }
        self.host.record(change);
        let busybox = !has("userdel");
        let local = local && has("luserdel");
        let program = match (local, busybox) {
            (true, _) => "luserdel",
            (_, true) => "deluser",
            _ => "userdel",
        };
        let mut argv: Vec<String> = vec![program.into()];
        argv.extend((force && program == "userdel").then(|| "-f".to_string()));
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
}

/// Takes the groups out of what `lusermod` is told, as it knows none.
fn separate(groups: &mut Difference, now: &[String]) {
    let wanted: Vec<String> = groups.after.as_list().into_iter().flatten().map(Value::to_string).collect();
    groups.means = Means::Groups;
    groups.options = wanted.iter().filter(|g| !now.contains(g)).map(|g| format!("+{g}")).collect();
    groups.options.extend(now.iter().filter(|g| !wanted.contains(g)).map(|g| format!("-{g}")));
}

/// The day since 1970 on which an account expires whose task says so many seconds; `None` for never.
fn expiry(seconds: f64) -> Option<i64> {
    (seconds >= 0.0).then_some((seconds / 86400.0).floor() as i64)
}

/// `2026-11-21` of a day since 1970.
fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn to_value(user: &User) -> Value {
    let PasswdEntry { uid, gid, comment, home, shell, .. } = &user.entry;
    let number = |n: u32| if user.planned { Value::Null } else { n.into() };
    let shadow = |s: &ShadowEntry| {
        let days = [("least", s.least), ("most", s.most), ("warn", s.warn), ("inactive", s.inactive), ("expires", s.expires)];
        Value::map(days.map(|(name, days)| (name, days.into())).into_iter().chain([("hash", s.hash.as_str().into())]))
    };
    Value::map([
        ("uid", number(*uid)),
        ("gid", number(*gid)),
        ("comment", comment.as_str().into()),
        ("home", home.as_str().into()),
        ("shell", shell.as_str().into()),
        ("groups", user.groups.clone().into()),
        ("shadow", user.shadow.as_ref().map(shadow).into()),
    ])
}

fn from_value(name: &str, state: &Value) -> Option<User> {
    let map = state.as_map()?;
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let number = |key: &str| map.get(key).and_then(Value::as_int);
    let shadow = |s: &Value| {
        let days = |key: &str| s.get(key).and_then(Value::as_int);
        ShadowEntry {
            hash: s.get("hash").and_then(Value::as_str).unwrap_or_default().to_string(),
            least: days("least"),
            most: days("most"),
            warn: days("warn"),
            inactive: days("inactive"),
            expires: days("expires"),
        }
    };
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
        shadow: map.get("shadow").filter(|s| !matches!(s, Value::Null)).map(shadow),
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
            shadow: Some(ShadowEntry { hash: "!".into(), warn: Some(7), expires: Some(3), ..ShadowEntry::default() }),
        };
        assert_eq!(from_value("loom", &to_value(&user)), Some(user));
        assert_eq!(from_value("loom", &Value::Null), None);
        assert_eq!(date(19782), "2024-02-29");
    }
}
