//! Users and groups: read from /etc/passwd, /etc/group and /etc/shadow, changed by the system's own programs.

mod groups;
mod homes;
mod keys;
mod users;

use super::{Command, Host};
use crate::module::{Failure, Halt};
pub use groups::{DesiredGroup, Group};
pub use keys::{KeyFound, KeyPair};
use std::path::Path;
pub use users::{Ageing, DesiredUser, User};

/// Accounts of a host.
pub struct Accounts<'a> {
    host: &'a mut Host,
}

/// The kinds' names in the overlay's memory; their states are dictionaries with `uid`, `gid`, … that are null once removed.
pub(crate) const USER: &str = "user";
/// See [`USER`].
pub(crate) const GROUP: &str = "group";

impl Host {
    /// Users and groups.
    pub fn accounts(&mut self) -> Accounts<'_> {
        Accounts { host: self }
    }
}

/// One line of /etc/passwd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of passwd(5)")]
pub struct PasswdEntry {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub comment: String,
    pub home: String,
    pub shell: String,
}

/// One line of /etc/group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of group(5)")]
pub struct GroupEntry {
    pub name: String,
    pub gid: u32,
    pub members: Vec<String>,
}

/// A user's home folder, by `/etc/passwd`.
pub fn home_of(user: &str) -> Option<String> {
    parse_passwd(&std::fs::read_to_string("/etc/passwd").ok()?).into_iter().find(|u| u.name == user).map(|u| u.home)
}

/// Reads /etc/passwd; lines that are not entries are left out.
pub fn parse_passwd(text: &str) -> Vec<PasswdEntry> {
    let entry = |line: &str| {
        let f: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, comment, home, shell] = f.as_slice() else { return None };
        Some(PasswdEntry {
            name: name.to_string(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            comment: comment.to_string(),
            home: home.to_string(),
            shell: shell.to_string(),
        })
    };
    text.lines().filter_map(entry).collect()
}

/// Reads /etc/group; lines that are not entries are left out.
pub fn parse_group(text: &str) -> Vec<GroupEntry> {
    let entry = |line: &str| {
        let f: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = f.as_slice() else { return None };
        let members = members.split(',').map(str::trim).filter(|m| !m.is_empty()).map(str::to_string).collect();
        Some(GroupEntry { name: name.to_string(), gid: gid.parse().ok()?, members })
    };
    text.lines().filter_map(entry).collect()
}

/// One line of /etc/shadow; days are whole ones, `None` where the field is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowEntry {
    /// The password's hash.
    pub hash: String,
    /// Days that must pass between two changes of the password.
    pub least: Option<i64>,
    /// Days after which the password must be changed.
    pub most: Option<i64>,
    /// Days of warning before that.
    pub warn: Option<i64>,
    /// Days after that until the account is disabled.
    pub inactive: Option<i64>,
    /// Day since 1970 on which the account expires.
    pub expires: Option<i64>,
}

/// What /etc/shadow says of a user.
pub(crate) fn parse_shadow(text: &str, user: &str) -> Option<ShadowEntry> {
    let line = text.lines().find(|l| l.split(':').next() == Some(user))?;
    let f: Vec<&str> = line.split(':').collect();
    let days = |field: usize| f.get(field).and_then(|d| d.parse().ok()).filter(|d: &i64| *d >= 0);
    Some(ShadowEntry { hash: f.get(1)?.to_string(), least: days(3), most: days(4), warn: days(5), inactive: days(6), expires: days(7) })
}

impl Accounts<'_> {
    fn text(&mut self, file: &str) -> Result<String, Halt> {
        let bytes = self.host.files().read(Path::new(file))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A group as the name service knows it beyond the files (LDAP, SSSD), asked of `getent`.
    fn elsewhere(&mut self, database: &str, key: &str) -> Option<String> {
        let configured = std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
        let line = configured.lines().find_map(|l| l.strip_prefix(database)?.strip_prefix(':').map(str::to_string))?;
        let other = line.split_whitespace().any(|s| !matches!(s, "files" | "systemd" | "compat") && !s.starts_with('['));
        if !other {
            return None;
        }
        let output = self.host.query(&Command::new(["getent", database, key])).ok()?;
        output.success().then(|| output.text())
    }

    /// Runs one of the system's account programs.
    fn act(&mut self, argv: Vec<String>, stdin: Option<Vec<u8>>, doing: &str) -> Result<(), Halt> {
        match self.host.perform(&Command { stdin, ..Command::new(argv) })? {
            Some(output) => output.require(doing).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// Whether the host has the program of shadow-utils; BusyBox has `adduser` and `addgroup` instead.
fn has(program: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

fn did_not_converge(kind: &str, name: &str, what: &[String]) -> Halt {
    Failure::new(format!("{kind} {name} did not converge: {} still differ after the system's programs ran without error", what.join(", ")))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_files() {
        let users = parse_passwd("root:x:0:0:root:/root:/bin/bash\n# no\n+::::::\nsync:x:4:65534:a,b:/bin:/bin/sync\n");
        assert_eq!(users.len(), 2);
        assert_eq!((users[1].uid, users[1].gid, users[1].comment.as_str()), (4, 65534, "a,b"));
        let groups = parse_group("root:x:0:\nadm:x:4:syslog,ubuntu\nbad\n");
        assert_eq!(groups[1], GroupEntry { name: "adm".into(), gid: 4, members: vec!["syslog".into(), "ubuntu".into()] });
        let entry = parse_shadow("a:!:1::::::\nb:$6$x:1:0:9:7::19000:\n", "b").unwrap();
        assert_eq!((entry.hash.as_str(), entry.least, entry.most, entry.warn), ("$6$x", Some(0), Some(9), Some(7)));
        assert_eq!((entry.inactive, entry.expires), (None, Some(19000)));
        assert_eq!(parse_shadow("", "b"), None);
    }
}
