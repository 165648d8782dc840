//! Module `user`: users, their groups, passwords, home folders and SSH keys.

use crate::host::Host;
use crate::host::accounts::{Ageing, DesiredUser, KeyPair, User};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! { pub enum State { Present = "present", Absent = "absent" } }
choices! { pub enum UpdatePassword { Always = "always", OnCreate = "on_create" } }

arguments! {
    pub struct Args {
        /// The user.
        name ["user"]: String,
        /// Whether it exists.
        state: State = State::Present,
        /// Its number.
        uid: Option<i64>,
        /// Lowest number the system may choose.
        uid_min: Option<i64>,
        /// Highest number the system may choose.
        uid_max: Option<i64>,
        /// Whether the number may be another user's too.
        non_unique: bool = false,
        /// Primary group, by name or number.
        group: Option<String>,
        /// Other groups; an empty list leaves all of them.
        groups: Option<Vec<String>>,
        /// Whether it stays in groups beyond `groups`.
        append: bool = false,
        /// Comment, usually the full name.
        comment: Option<String>,
        /// Home folder.
        home: Option<PathBuf>,
        /// Whether the home folder is made with the user.
        create_home ["createhome"]: bool = true,
        /// Whether the home folder moves when `home` changes.
        move_home: bool = false,
        /// What a new home folder holds at first.
        skeleton: Option<String>,
        /// The umask a home folder is made with.
        umask: Option<String>,
        /// Login shell.
        shell: Option<PathBuf>,
        /// Hash of the password, as /etc/shadow holds it (filter `password_hash` makes one).
        password: Option<String>,
        /// Whether `password` is set only when the user is made.
        update_password: UpdatePassword = UpdatePassword::Always,
        /// Whether the password is locked.
        password_lock: Option<bool>,
        /// When the account expires, in seconds since 1970; negative for never.
        expires: Option<f64>,
        /// Days that must pass between two changes of the password.
        password_expire_min: Option<i64>,
        /// Days after which the password must be changed.
        password_expire_max: Option<i64>,
        /// Days of warning before the password expires.
        password_expire_warn: Option<i64>,
        /// Days after the password expired until the account is disabled.
        password_expire_account_disable: Option<i64>,
        /// Whether it is one of the system's own, when it is made.
        system: bool = false,
        /// SELinux user.
        seuser: Option<String>,
        /// Uses the programs that change local files only.
        local: bool = false,
        /// With `state: absent`: removes the home folder too.
        remove: bool = false,
        /// With `state: absent`: removes it though it is logged in. With an SSH key: replaces the one that exists.
        force: bool = false,
        /// Whether the user has an SSH key.
        generate_ssh_key: bool = false,
        /// Bits of the key.
        ssh_key_bits: Option<u64>,
        /// Kind of the key.
        ssh_key_type: String = "rsa".to_string(),
        /// The key's file, relative to the home folder; `.ssh/id_TYPE` by default.
        ssh_key_file: Option<PathBuf>,
        /// Comment of the public key.
        ssh_key_comment: Option<String>,
        /// Passphrase of the private key.
        ssh_key_passphrase: Option<String>,
        /// Authorizations, on Solaris alone; accepted.
        authorization: Option<String>,
        /// Profiles, on Solaris alone; accepted.
        profile: Option<String>,
        /// Roles, on Solaris alone; accepted.
        role: Option<String>,
        /// Login class, on BSD alone; accepted.
        login_class: Option<String>,
        /// Whether the login window hides it, on macOS alone; accepted.
        hidden: Option<bool>,
    }
}

module! {
    name: "user", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Users: their numbers, groups, shells, home folders, passwords and SSH keys.",
    examples: [
        r#"{"name": "engine-example", "shell": "/bin/bash", "groups": ["adm"], "append": true}"#,
        r#"{"name": "engine-example", "state": "absent", "remove": true}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.name.is_empty() || args.name.starts_with('-') || args.name.contains([':', '/', '\n']) {
        return Err(Halt::failed(format!("`{}` cannot be the name of a user", args.name)));
    }
    refuse_local(args)?;
    let named = Outcome::new().with("name", args.name.as_str()).with("state", args.state.word());
    if args.state == State::Absent {
        host.accounts().remove_user(&args.name, args.remove, args.force, args.local)?;
        return Ok(if host.changed() { named.with("remove", args.remove).with("force", args.force) } else { named });
    }
    let existed = host.accounts().user(&args.name)?.is_some();
    let user = host.accounts().converge_user(&args.name, &desired(args)?)?;
    let outcome = warned(args, outcome(args, named, &user, existed));
    if !args.generate_ssh_key {
        return Ok(outcome);
    }
    let key = host.accounts().converge_key(&user, &key(args))?;
    let outcome = outcome.with("ssh_key_file", key.file.to_string_lossy().into_owned());
    let or_unknown = |outcome: Outcome, name: &str, value: Option<String>| match value {
        Some(value) => outcome.with(name, value),
        None => outcome.with_unknown(name),
    };
    Ok(or_unknown(or_unknown(outcome, "ssh_public_key", key.public), "ssh_fingerprint", key.fingerprint))
}

/// What the programs that change local files only cannot do.
fn refuse_local(args: &Args) -> Result<(), Halt> {
    let given = [("umask", args.umask.is_some()), ("uid_min", args.uid_min.is_some()), ("uid_max", args.uid_max.is_some())];
    match given.iter().find(|(_, given)| args.local && *given) {
        Some((name, _)) => Err(Failure::new(format!("'{name}' can not be used with 'local'")).into()),
        None => Ok(()),
    }
}

fn warned(args: &Args, outcome: Outcome) -> Outcome {
    let outcome = match &args.password {
        Some(password) if !is_hash(password) => outcome.warn(
            "The input password appears not to have been hashed. The 'password' argument must be encrypted for this module to work properly.",
        ),
        _ => outcome,
    };
    if args.append && args.groups.as_ref().is_none_or(Vec::is_empty) {
        return outcome.warn("'append' is set, but no 'groups' are specified. Use 'groups' for appending new groups.");
    }
    outcome
}

/// Whether a password looks like what crypt(5) makes, or like one that lets nobody in.
fn is_hash(password: &str) -> bool {
    if matches!(password, "" | "!" | "*" | "*************" | "!!") {
        return true;
    }
    let hash = password.trim_start_matches('!');
    let allowed = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/'));
    match hash.strip_prefix('$') {
        // The hash itself comes last; salts and parameters may hold more signs.
        Some(parts) => parts.split('$').count() >= 3 && parts.rsplit('$').next().is_some_and(|last| last.len() >= 22 && allowed(last)),
        None => hash.len() == 13 && allowed(hash),
    }
}

fn number(name: &str, value: Option<i64>) -> Result<Option<u32>, Halt> {
    value
        .map(u32::try_from)
        .transpose()
        .map_err(|_| Failure::new(format!("argument `{name}` of `user` must be a number from 0 to 4294967295")).into())
}

fn path(path: Option<&PathBuf>) -> Option<String> {
    path.map(|p| p.to_string_lossy().into_owned())
}

fn desired(args: &Args) -> Result<DesiredUser, Halt> {
    Ok(DesiredUser {
        uid: number("uid", args.uid)?,
        non_unique: args.non_unique,
        group: args.group.clone(),
        groups: args.groups.clone(),
        append: args.append,
        comment: args.comment.clone(),
        home: path(args.home.as_ref()),
        create_home: args.create_home,
        move_home: args.move_home,
        skeleton: args.skeleton.clone(),
        umask: args.umask.clone(),
        shell: path(args.shell.as_ref()),
        password: args.password.clone(),
        password_on_create_only: args.update_password == UpdatePassword::OnCreate,
        locked: args.password_lock,
        expires: args.expires,
        ageing: Ageing { least: args.password_expire_min, most: args.password_expire_max, warn: args.password_expire_warn },
        inactive: args.password_expire_account_disable,
        system: args.system,
        range: (number("uid_min", args.uid_min)?, number("uid_max", args.uid_max)?),
        seuser: args.seuser.clone(),
        local: args.local,
    })
}

fn key(args: &Args) -> KeyPair {
    let nodename = rustix::system::uname().nodename().to_string_lossy().into_owned();
    KeyPair {
        file: args.ssh_key_file.clone().unwrap_or_else(|| format!(".ssh/id_{}", args.ssh_key_type).into()),
        kind: args.ssh_key_type.clone(),
        bits: args.ssh_key_bits.unwrap_or(0),
        comment: args.ssh_key_comment.clone().unwrap_or_else(|| format!("engine-generated on {nodename}")),
        passphrase: args.ssh_key_passphrase.clone(),
        force: args.force,
    }
}

fn outcome(args: &Args, named: Outcome, user: &User, existed: bool) -> Outcome {
    let outcome =
        named.with("comment", user.entry.comment.as_str()).with("home", user.entry.home.as_str()).with("shell", user.entry.shell.as_str());
    let outcome = match existed {
        true => outcome.with("append", args.append).with("move_home", args.move_home),
        false => outcome.with("create_home", args.create_home).with("system", args.system),
    };
    let outcome = match &args.groups {
        Some(groups) => outcome.with("groups", groups.join(",")),
        None => outcome,
    };
    let outcome = if args.password.is_some() { outcome.with("password", "NOT_LOGGING_PASSWORD") } else { outcome };
    if user.planned {
        return outcome.with("uid", Value::unknown("uid")).with("group", Value::unknown("group"));
    }
    outcome.with("uid", user.entry.uid).with("group", user.entry.gid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn knows_hashes() {
        for (password, is) in [
            ("plaintextpassword", false),
            ("!", true),
            ("*", true),
            (
                "$6$rounds=656000$TT4O7jz2M57npccl$33LF6FcUMSW11qrESXL1HX0BS.bsiT6aenFLLiVpsQh6hDtI9pJh5iY7x8J7ePkN4fP8hmElidHXaeD51pbGS.",
                true,
            ),
            ("$6$salt$33LF6FcUMSW11qrESXL1HX0BS.bsiT6aenFLLiVpsQh+++++", false),
            ("$y$jCT$ZiF3ZV39/maUl9Lzt2Hk80$Ih6bI4OXU52OnWWqt3T1BAmVn8eH.4qlcP.8/NOjGN5", true),
            ("$1$short", false),
        ] {
            assert_eq!(is_hash(password), is, "{password}");
        }
    }

    #[test]
    fn local_programs_know_no_ranges_and_no_umask() {
        let mut bench = Bench::new();
        for argument in ["umask", "uid_min", "uid_max"] {
            let message = bench.failure(&MODULE, json!({"name": "no-such-user", "local": true, argument: 70}));
            assert_eq!(message, format!("'{argument}' can not be used with 'local'"));
        }
    }

    #[test]
    fn an_own_plan_is_remembered() {
        let mut bench = Bench::new();
        let args = json!({"name": "engine-no-such-user", "password_expire_max": 9, "password_lock": true, "expires": 0, "append": true});
        let ran = bench.run(false, &MODULE, args.clone());
        assert_eq!(ran.changes.len(), 1, "{:?}", ran.changes);
        assert_eq!(ran.result.expect("planned").warnings.len(), 1);
        assert_eq!(bench.run(false, &MODULE, args).changes, Vec::new());
        let ran = bench.run(false, &MODULE, json!({"name": "engine-no-such-user", "password_expire_max": 10, "expires": -1}));
        let fields: Vec<&str> = ran.changes[0].fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(fields, ["expires", "password_expire_max"]);
    }
}
