//! Users and groups by name and number, read from `/etc/passwd` and `/etc/group`, never through the C library's name service.
//!
//! In a static program that service loads the host's plugins and may crash. Hosts whose accounts live elsewhere
//! (LDAP, SSSD) are asked through their own `getent`.

use super::{Command, Host};
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::{Path, PathBuf};

/// Accounts of a host, those included that this plan would create.
pub struct Names<'a> {
    host: &'a mut Host,
}

/// One line of `/etc/passwd` or `/etc/group`.
#[derive(Debug, Clone, PartialEq)]
struct Account {
    name: String,
    id: u32,
    /// The primary group's number; of a group its own.
    group: u32,
    home: Option<PathBuf>,
}

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn word(self) -> &'static str {
        if self == Kind::User { "user" } else { "group" }
    }
    fn database(self) -> &'static str {
        if self == Kind::User { "passwd" } else { "group" }
    }
    fn parse(self, line: &str) -> Option<Account> {
        let fields: Vec<&str> = line.split(':').collect();
        let id = fields.get(2)?.parse().ok()?;
        let name = fields.first().filter(|name| !name.is_empty())?.to_string();
        match self {
            Kind::User => Some(Account { name, id, group: fields.get(3)?.parse().ok()?, home: fields.get(5).map(PathBuf::from) }),
            Kind::Group => Some(Account { name, id, group: id, home: None }),
        }
    }
}

impl<'a> Names<'a> {
    pub(super) fn of(host: &'a mut Host) -> Names<'a> {
        Names { host }
    }

    /// The number of a user given by name or number; `None` when there is no such user.
    pub fn user_id(&mut self, user: &str) -> Result<Option<u32>, Halt> {
        self.id(Kind::User, user)
    }

    /// The number of a group given by name or number; `None` when there is no such group.
    pub fn group_id(&mut self, group: &str) -> Result<Option<u32>, Halt> {
        self.id(Kind::Group, group)
    }

    /// The user's name, or the number as text when no user has it.
    pub fn user_name(&mut self, uid: u32) -> Result<String, Halt> {
        self.name(Kind::User, uid)
    }

    /// The group's name, or the number as text when no group has it.
    pub fn group_name(&mut self, gid: u32) -> Result<String, Halt> {
        self.name(Kind::Group, gid)
    }

    /// The home directory of a user; `None` when there is no such user.
    pub fn home(&mut self, user: &str) -> Result<Option<PathBuf>, Halt> {
        if let Some(state) = self.planned(Kind::User, user) {
            if is_absent(state) {
                return Ok(None);
            }
            if let Some(home) = state.get("home").and_then(Value::as_str) {
                return Ok(Some(PathBuf::from(home)));
            }
        }
        Ok(self.find(Kind::User, user)?.and_then(|account| account.home))
    }

    /// The number of the user's primary group.
    pub fn primary_group(&mut self, user: &str) -> Result<Option<u32>, Halt> {
        Ok(self.find(Kind::User, user)?.map(|account| account.group))
    }

    /// The number of the owner that a task names.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn owner(&mut self, user: &str) -> Result<u32, Halt> {
        self.user_id(user)?.map_or_else(|| Err(self.missing(Kind::User, user)), Ok)
    }

    /// The number of the group that a task names.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn owning_group(&mut self, group: &str) -> Result<u32, Halt> {
        self.group_id(group)?.map_or_else(|| Err(self.missing(Kind::Group, group)), Ok)
    }

    fn missing(&mut self, kind: Kind, name: &str) -> Halt {
        let word = kind.word();
        if !self.host.is_live()
            && let Some(what) = &self.host.overlay.unpredicted
        {
            return Halt::Unknown(format!("the {word} `{name}` may be made by {what}"));
        }
        let tool = if word == "user" { "chown" } else { "chgrp" };
        Failure::new(format!("there is no {word} `{name}` on this host"))
            .with("msg", format!("{tool} failed: failed to look up {word} {name}"))
            .hint(format!("create it first with the module `{word}`, or give a number"))
            .into()
    }

    fn planned(&self, kind: Kind, name: &str) -> Option<&Value> {
        if self.host.live { None } else { self.host.overlay.state(kind.word(), name) }
    }

    fn id(&mut self, kind: Kind, name: &str) -> Result<Option<u32>, Halt> {
        let state = self.planned(kind, name).cloned();
        if state.as_ref().is_some_and(is_absent) {
            return Ok(None);
        }
        let key = if kind == Kind::User { "uid" } else { "gid" };
        let declared = state.as_ref().and_then(|s| s.get(key)).and_then(Value::as_int).and_then(|id| u32::try_from(id).ok());
        if declared.is_some() {
            return Ok(declared);
        }
        if let Some(account) = self.find(kind, name)? {
            return Ok(Some(account.id));
        }
        Ok(state.map(|_| stand_in(name)).or_else(|| name.parse().ok()))
    }

    fn name(&mut self, kind: Kind, id: u32) -> Result<String, Halt> {
        let text = id.to_string();
        let key = if kind == Kind::User { "uid" } else { "gid" };
        let planned = |(name, state): (&str, &Value)| {
            let same = state.get(key).and_then(Value::as_int) == Some(id.into()) || stand_in(name) == id;
            (same && !is_absent(state)).then(|| name.to_string())
        };
        if !self.host.live
            && let Some(name) = self.host.overlay.states_of(kind.word()).find_map(planned)
        {
            return Ok(name);
        }
        let found = self.local(kind, |account| account.id == id)?;
        let found = if found.is_some() { found } else { self.remote(kind, &text)? };
        Ok(found.map_or(text, |account| account.name))
    }

    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Account>, Halt> {
        let found = self.local(kind, |account| account.name == name)?;
        if found.is_some() || name.parse::<u32>().is_ok() { Ok(found) } else { self.remote(kind, name) }
    }

    fn local(&mut self, kind: Kind, is: impl Fn(&Account) -> bool) -> Result<Option<Account>, Halt> {
        let path = Path::new("/etc").join(kind.database());
        let text = self.host.files().read_now(&path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(|line| kind.parse(line)).find(is))
    }

    /// Asks the host's name service, if it has more than files.
    fn remote(&mut self, kind: Kind, key: &str) -> Result<Option<Account>, Halt> {
        let services = self.host.files().read_now(Path::new("/etc/nsswitch.conf"))?.unwrap_or_default();
        if key.starts_with('-') || !has_more_than_files(&String::from_utf8_lossy(&services), kind.database()) {
            return Ok(None);
        }
        // A host without `getent` knows only what its files say.
        let Ok(output) = self.host.query(&Command::new(["getent", kind.database(), key])) else {
            return Ok(None);
        };
        Ok(if output.success() { output.text().lines().find_map(|line| kind.parse(line)) } else { None })
    }
}

/// Whether a remembered account was removed.
pub(super) fn is_absent(state: &Value) -> bool {
    matches!(state, Value::Null) || state.get("state").and_then(Value::as_str) == Some("absent")
}

/// The number that stands in a plan for that of an account not made yet: far beyond real ones, the same for the same name.
fn stand_in(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    0xf000_0000 | (hash & 0x0fff_fff0)
}

/// Whether `/etc/nsswitch.conf` names a source for this database that only a plugin can read.
fn has_more_than_files(text: &str, database: &str) -> bool {
    let known = ["files", "compat", "systemd", "db"];
    text.lines()
        .filter_map(|line| line.split('#').next()?.split_once(':'))
        .filter(|(name, _)| name.trim() == database)
        .flat_map(|(_, sources)| sources.split_whitespace())
        .any(|source| !source.starts_with('[') && !source.ends_with(']') && !known.contains(&source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Blobs;

    struct Nothing;
    impl Blobs for Nothing {
        fn fetch(&mut self, hash: &str) -> Result<Vec<u8>, Halt> {
            Err(Halt::failed(hash))
        }
    }

    #[test]
    fn reads_the_databases() {
        let user = Kind::User.parse("www:x:33:34:web:/var/www:/bin/sh").expect("a user");
        assert_eq!(user, Account { name: "www".into(), id: 33, group: 34, home: Some("/var/www".into()) });
        assert_eq!(Kind::Group.parse("adm:x:4:me,you").map(|g| g.id), Some(4));
        assert_eq!((Kind::User.parse("+@nis::::::"), Kind::User.parse("")), (None, None));
    }

    #[test]
    fn asks_getent_only_where_plugins_are() {
        let text = "# passwd: ldap\npasswd:  files systemd # sss\ngroup: files [!UNAVAIL=return] sss\n";
        assert!(!has_more_than_files(text, "passwd"));
        assert!(has_more_than_files(text, "group"));
    }

    #[test]
    fn finds_root_and_numbers_and_refuses_strangers() {
        let mut host = Host::new(Box::new(Nothing));
        for live in [false, true] {
            host.begin(live, Vec::new());
            let mut names = host.names();
            assert_eq!(names.user_id("root").expect("readable"), Some(0));
            assert_eq!(names.user_id("4711").expect("readable"), Some(4711));
            assert_eq!(names.user_name(0).expect("readable"), "root");
            assert_eq!(names.user_name(4_000_000_001).expect("readable"), "4000000001");
            assert_eq!(names.home("root").expect("readable"), Some("/root".into()));
            let Err(Halt::Failed(failure)) = names.owner("no-such-user") else { panic!("found a stranger") };
            assert_eq!(failure.message, "there is no user `no-such-user` on this host");
        }
    }

    #[test]
    fn knows_the_accounts_of_the_plan() {
        let mut host = Host::new(Box::new(Nothing));
        host.overlay().set_state("user", "new", Value::map([("home", Value::str("/home/new"))]));
        host.overlay().set_state("group", "known", Value::map([("gid", Value::Int(4711))]));
        host.overlay().set_state("user", "root", Value::map([("state", Value::str("absent"))]));
        let mut names = host.names();
        let uid = names.owner("new").expect("planned");
        assert_eq!(names.user_name(uid).expect("readable"), "new");
        assert_eq!(names.home("new").expect("readable"), Some("/home/new".into()));
        assert_eq!(names.owning_group("known").expect("planned"), 4711);
        assert_eq!(names.group_name(4711).expect("readable"), "known");
        assert_eq!(names.user_id("root").expect("readable"), None);
        host.begin(true, Vec::new());
        assert_eq!(host.names().user_id("new").expect("readable"), None, "a live run sees the host alone");
    }

    #[test]
    fn a_stranger_may_come_from_what_ran() {
        let mut host = Host::new(Box::new(Nothing));
        host.execute(&Command::new(["install-it"])).expect("planned");
        assert!(matches!(host.names().owner("no-such-user"), Err(Halt::Unknown(_))));
    }
}
