//! Module `user`: users, their groups, passwords, home folders and SSH keys.

use crate::host::Host;
use crate::host::accounts::{DesiredUser, KeyPair, User};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};

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
        home: Option<String>,
        /// Whether the home folder is made with the user.
        create_home ["createhome"]: bool = true,
        /// Whether the home folder moves when `home` changes.
        move_home: bool = false,
        /// What a new home folder holds at first.
        skeleton: Option<String>,
        /// The umask a home folder is made with.
        umask: Option<String>,
        /// Login shell.
        shell: Option<String>,
        /// Hash of the password, as /etc/shadow holds it (filter `password_hash` makes one).
        password: Option<String>,
        /// Whether `password` is set only when the user is made.
        update_password: UpdatePassword = UpdatePassword::Always,
        /// Whether the password is locked.
        password_lock: Option<bool>,
        /// When the account expires, in seconds since 1970; negative for never.
        expires: Option<f64>,
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
        ssh_key_bits: u64 = 0,
        /// Kind of the key.
        ssh_key_type: String = "rsa".to_string(),
        /// The key's file, relative to the home folder; `.ssh/id_TYPE` by default.
        ssh_key_file: Option<String>,
        /// Comment of the public key.
        ssh_key_comment: Option<String>,
        /// Passphrase of the private key.
        ssh_key_passphrase: Option<String>,
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
    if args.state == State::Absent {
        host.accounts().remove_user(&args.name, args.remove, args.force)?;
        return Ok(Outcome::new()
            .with("name", args.name.as_str())
            .with("state", "absent")
            .with("remove", args.remove)
            .with("force", args.force));
    }
    let user = host.accounts().converge_user(&args.name, &desired(args)?)?;
    let outcome = outcome(args, &user);
    if !args.generate_ssh_key {
        return Ok(outcome);
    }
    let (file, public) = host.accounts().converge_key(&user, &key(args))?;
    let outcome = outcome.with("ssh_key_file", file.to_string_lossy().into_owned());
    Ok(match public {
        Some(public) => outcome.with("ssh_public_key", public),
        None => outcome.with_unknown("ssh_public_key"),
    })
}

fn number(name: &str, value: Option<i64>) -> Result<Option<u32>, Halt> {
    value
        .map(u32::try_from)
        .transpose()
        .map_err(|_| Failure::new(format!("argument `{name}` of `user` must be a number from 0 to 4294967295")).into())
}

fn desired(args: &Args) -> Result<DesiredUser, Halt> {
    Ok(DesiredUser {
        uid: number("uid", args.uid)?,
        non_unique: args.non_unique,
        group: args.group.clone(),
        groups: args.groups.clone(),
        append: args.append,
        comment: args.comment.clone(),
        home: args.home.clone(),
        create_home: args.create_home,
        move_home: args.move_home,
        skeleton: args.skeleton.clone(),
        umask: args.umask.clone(),
        shell: args.shell.clone(),
        password: args.password.clone(),
        password_on_create_only: args.update_password == UpdatePassword::OnCreate,
        locked: args.password_lock,
        expires: args.expires,
        system: args.system,
        range: (number("uid_min", args.uid_min)?, number("uid_max", args.uid_max)?),
        seuser: args.seuser.clone(),
        local: args.local,
    })
}

fn key(args: &Args) -> KeyPair {
    let nodename = rustix::system::uname().nodename().to_string_lossy().into_owned();
    KeyPair {
        file: args.ssh_key_file.clone().unwrap_or_else(|| format!(".ssh/id_{}", args.ssh_key_type)).into(),
        kind: args.ssh_key_type.clone(),
        bits: args.ssh_key_bits,
        comment: args.ssh_key_comment.clone().unwrap_or_else(|| format!("engine-generated on {nodename}")),
        passphrase: args.ssh_key_passphrase.clone(),
        force: args.force,
    }
}

fn outcome(args: &Args, user: &User) -> Outcome {
    let outcome = Outcome::new()
        .with("name", args.name.as_str())
        .with("state", "present")
        .with("comment", user.entry.comment.as_str())
        .with("home", user.entry.home.as_str())
        .with("shell", user.entry.shell.as_str())
        .with("append", args.append)
        .with("move_home", args.move_home);
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
