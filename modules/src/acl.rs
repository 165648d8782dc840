//! Module `acl`: entries of access control lists of files and directories.

use crate::change::{Action, Change};
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use std::path::PathBuf;

crate::choices! {
    pub enum State { Present = "present", Absent = "absent", Query = "query" }
}

crate::choices! {
    pub enum Etype { User = "user", Group = "group", Mask = "mask", Other = "other" }
}

crate::choices! {
    pub enum Mask { Default = "default", Mask = "mask", NoMask = "no_mask" }
}

crate::arguments! {
    pub struct Args {
        /// The file or directory.
        path ["name"]: PathBuf,
        /// Whether the entry should be there; `query` only returns the list.
        state: State = State::Query,
        /// The user or group that the entry is about.
        entity: String = String::new(),
        /// What the entry is about.
        etype: Option<Etype>,
        /// What is allowed: letters of `rwxX`, or `-`.
        permissions: Option<String>,
        /// The whole entry, as `setfacl` takes it: `[default:]user:name:rwx`.
        entry: Option<String>,
        /// The entry is what new files in the directory get.
        default: bool = false,
        /// Everything in the directory too.
        recursive ["recurse"]: bool = false,
        /// Follow a link at the path.
        follow: bool = true,
        /// Whether the mask is computed anew: by `setfacl`'s own rules, always, or never.
        recalculate_mask: Mask = Mask::Default,
    }
}

crate::module! {
    name: "acl", collection: "ansible.posix", aliases: [], effects: World,
    doc: "Sets and removes entries of access control lists. Needs `setfacl` and `getfacl` on the host.",
    examples: [r#"{"path": "/srv/app", "entity": "web", "etype": "user", "permissions": "rx", "state": "present"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if host.files().stat_followed(&args.path)?.is_none() {
        return Err(Halt::failed("Path not found or not accessible."));
    }
    if args.state != State::Query {
        let entry = entry(args)?;
        let option = if args.state == State::Present { "-m" } else { "-x" };
        let tested = host.query(&Command::new(words(args, &["--test", option, &entry])))?;
        let tested = tested.require("`setfacl` refuses the entry")?;
        // Lists that stay as they are show as stars.
        if tested.text().lines().any(|line| !line.trim_end().ends_with("*,*")) {
            let (before, after) = if args.state == State::Present { (None, Some(entry.clone())) } else { (Some(entry.clone()), None) };
            let change = Change::new(Action::Update, "acl", args.path.display().to_string()).field("entry", before, after);
            host.carry_out(change, &[Command::new(words(args, &[option, &entry]))])?;
        }
    }
    let path = args.path.display().to_string();
    let listed = host.query(&Command::new(["getfacl", "--omit-header", "--absolute-names", path.as_str()]))?.text();
    let lines = listed.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(Outcome::new().with("acl", Value::list(lines.map(Value::str))).with("msg", "Current ACL set"))
}

fn words(args: &Args, own: &[&str]) -> Vec<String> {
    let mut words = vec!["setfacl".to_string()];
    words.extend(args.recursive.then(|| "--recursive".to_string()));
    words.extend((!args.follow).then(|| "--physical".to_string()));
    words.extend(match args.recalculate_mask {
        Mask::Default => None,
        Mask::Mask => Some("--mask".to_string()),
        Mask::NoMask => Some("--no-mask".to_string()),
    });
    words.extend(own.iter().map(ToString::to_string));
    words.push(args.path.display().to_string());
    words
}

/// The entry as `setfacl` reads it.
fn entry(args: &Args) -> Result<String, Halt> {
    let wrong = |message: &str| Err(Failure::new(message).into());
    let removes = args.state == State::Absent;
    if let Some(entry) = &args.entry {
        if args.etype.is_some() || args.permissions.is_some() || !args.entity.is_empty() {
            return wrong("'entry' MUST NOT be set when 'entity', 'etype' or 'permissions' are set.");
        }
        let prefix = if args.default && !entry.starts_with("default:") && !entry.starts_with("d:") { "default:" } else { "" };
        return Ok(format!("{prefix}{entry}"));
    }
    let Some(etype) = args.etype else {
        return wrong("'etype' MUST be set to 'user', 'group', 'mask' or 'other', or 'entry' be given.");
    };
    let default = if args.default { "default:" } else { "" };
    let named = format!("{default}{}:{}", etype.word(), args.entity);
    match &args.permissions {
        Some(_) if removes => wrong("'permissions' MUST NOT be set when 'state=absent'."),
        Some(permissions) => Ok(format!("{named}:{permissions}")),
        None if removes => Ok(named),
        None => wrong("'permissions' MUST be set when 'state=present'."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use serde_json::json;

    #[test]
    fn writes_entries() {
        for (given, expected) in [
            (json!({"etype": "user", "entity": "joe", "permissions": "rx", "state": "present"}), Ok("user:joe:rx")),
            (json!({"etype": "group", "entity": "a", "permissions": "r", "state": "present", "default": true}), Ok("default:group:a:r")),
            (json!({"etype": "user", "entity": "joe", "state": "absent"}), Ok("user:joe")),
            (json!({"entry": "user:joe:rw-", "state": "present", "default": true}), Ok("default:user:joe:rw-")),
            (json!({"etype": "user", "state": "present"}), Err("'permissions' MUST be set when 'state=present'.")),
        ] {
            let mut given = given;
            given["path"] = "/x".into();
            let value = Value::from_json(&given);
            let args = Args::parse("acl", value.as_map().expect("an object")).expect("valid");
            let found = entry(&args).map_err(|halt| match halt {
                Halt::Failed(failure) => failure.message,
                Halt::Unknown(why) => why,
            });
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
        }
    }
}
