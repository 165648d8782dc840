//! Module `authorized_key`: SSH keys that may log in as a user.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, Mode};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The user.
        user: String,
        /// Public keys, one a line.
        key: String,
        /// Another file than `~/.ssh/authorized_keys`.
        path: Option<String>,
        /// Whether the folder is made, and its owner and permission set.
        manage_dir: bool = true,
        /// Whether the keys may log in.
        state: State = State::Present,
        /// Options in front of the keys, e.g. `no-port-forwarding,from="10.0.1.1"`.
        key_options: Option<String>,
        /// Whether all other keys go.
        exclusive: bool = false,
        /// Comment behind the keys, in place of their own.
        comment: Option<String>,
        /// Whether a link is followed.
        follow: bool = false,
    }
}

module! {
    name: "authorized_key", collection: "ansible.posix", aliases: [], effects: Local,
    doc: "SSH keys that may log in as a user. Other keys and comments of the file stay as they are, unless `exclusive`.",
    examples: [r#"{"user": "root", "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample me@example.org"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.key.starts_with("http://") || args.key.starts_with("https://") {
        let failure = Failure::new("`authorized_key` takes keys themselves, not their address");
        return Err(failure.hint("look them up with `lookup('url', …)`, or fetch them with `get_url` or `uri`").into());
    }
    let keys: Vec<Key> =
        args.key.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(|l| key(l, args)).collect::<Result<_, _>>()?;
    let user = host.accounts().user(&args.user)?.ok_or_else(|| {
        Failure::new(format!("Failed to lookup user {}: there is no such user on this host", args.user))
            .hint("create it first, with the module `user`")
    })?;
    let file = match &args.path {
        Some(path) => host.expand_home(path),
        None => Path::new(&user.entry.home).join(".ssh/authorized_keys"),
    };
    let before = host.files().read(&file)?;
    let text = String::from_utf8_lossy(before.as_deref().unwrap_or_default()).into_owned();
    let after = edit(&text, &keys, args.state == State::Present, args.exclusive);
    if args.state == State::Present || after != text {
        // A planned user's number is not known yet; most have a group of their own name.
        let group = if user.planned { args.user.clone() } else { user.entry.gid.to_string() };
        let group = host.names().group_id(&group)?.map(|_| group);
        write(args, group, host, &file, before.is_none(), after)?;
    }
    Ok(Outcome::new().with("user", args.user.as_str()).with("key", args.key.as_str()).with("keyfile", file.to_string_lossy().into_owned()))
}

fn write(args: &Args, group: Option<String>, host: &mut Host, file: &Path, fresh: bool, text: String) -> Result<(), Halt> {
    let owned = |entry: Entry, mode: u32| Desired {
        entry: Some(entry),
        owner: Some(args.user.clone()),
        group: group.clone(),
        mode: Some(Mode::Bits(mode)),
        follow: args.follow,
        ..Desired::default()
    };
    if args.manage_dir
        && let Some(folder) = file.parent()
    {
        host.files().converge(folder, &owned(Entry::Directory, 0o700))?;
    }
    let content = Entry::File(Content::Bytes(text.into_bytes()));
    let desired = if fresh || args.manage_dir {
        owned(content, 0o600)
    } else {
        Desired { entry: Some(content), follow: args.follow, ..Desired::default() }
    };
    host.files().converge(&PathBuf::from(file), &desired).map(|_| ())
}

/// One key of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    options: String,
    /// Type and content: what makes two keys the same.
    identity: (String, String),
    comment: String,
}

impl Key {
    fn parse(line: &str) -> Option<Key> {
        let is_type = |w: &str| ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|p| w.starts_with(p));
        // Options may hold quoted spaces, so the type is looked for at each space outside quotes.
        let mut quoted = false;
        let mut start = 0;
        for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
            quoted ^= c == '"';
            if c.is_whitespace() && !quoted {
                if is_type(&line[start..at]) {
                    let rest = line[at..].trim_start();
                    let (content, comment) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                    let identity = (line[start..at].to_string(), content.to_string());
                    return (!content.is_empty()).then(|| Key {
                        options: line[..start].trim().to_string(),
                        identity,
                        comment: comment.trim().to_string(),
                    });
                }
                start = at + c.len_utf8();
            }
        }
        None
    }

    fn text(&self) -> String {
        let (kind, content) = &self.identity;
        [&self.options, kind, content, &self.comment]
            .into_iter()
            .filter(|p| !p.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn key(line: &str, args: &Args) -> Result<Key, Halt> {
    let mut key = Key::parse(line).ok_or_else(|| {
        Failure::new(format!("invalid key specified: {line}")).hint("a public key starts with its type, e.g. ssh-ed25519")
    })?;
    if let Some(options) = &args.key_options {
        key.options.clone_from(options);
    }
    if let Some(comment) = &args.comment {
        key.comment.clone_from(comment);
    }
    Ok(key)
}

/// The file's text with the keys in it, or without them; other lines stay unless only these keys may be there.
fn edit(text: &str, keys: &[Key], present: bool, exclusive: bool) -> String {
    let mut left: Vec<&Key> = keys.iter().collect();
    let mut out = Vec::new();
    for line in text.lines() {
        let known = Key::parse(line).filter(|_| !line.trim_start().starts_with('#'));
        let wanted = known.as_ref().and_then(|k| keys.iter().find(|w| w.identity == k.identity));
        match (known, wanted) {
            (Some(known), Some(wanted)) if present => {
                // A key that stands there twice stays once.
                if left.iter().any(|k| k.identity == wanted.identity) {
                    left.retain(|k| k.identity != wanted.identity);
                    out.push(if known == *wanted { line.to_string() } else { wanted.text() });
                }
            }
            (Some(_), Some(_)) => {}
            (Some(_), None) if present && exclusive => {}
            _ => out.push(line.to_string()),
        }
    }
    if present {
        out.extend(left.into_iter().map(Key::text));
    }
    if out.is_empty() { String::new() } else { out.join("\n") + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\nssh-rsa AAA me@x\nfrom=\"10.0.0.1, 10.0.0.2\",no-pty ssh-ed25519 BBB\n";

    fn keys(text: &str) -> Vec<Key> {
        text.lines().map(|l| Key::parse(l).unwrap()).collect()
    }

    #[test]
    fn keys_with_options() {
        let key = Key::parse("from=\"a b\",no-pty ssh-ed25519 BBB you and me").unwrap();
        assert_eq!((key.options.as_str(), key.identity.1.as_str(), key.comment.as_str()), ("from=\"a b\",no-pty", "BBB", "you and me"));
        assert_eq!(Key::parse("nonsense"), None);
    }

    #[test]
    fn edits() {
        assert_eq!(edit(FILE, &keys("ssh-rsa AAA me@x"), true, false), FILE);
        assert_eq!(edit(FILE, &keys("ssh-rsa AAA you"), true, false), FILE.replace("me@x", "you"));
        assert_eq!(edit(FILE, &keys("ssh-rsa CCC z"), true, false), format!("{FILE}ssh-rsa CCC z\n"));
        assert_eq!(edit(FILE, &keys("ssh-ed25519 BBB"), false, false), "# mine\nssh-rsa AAA me@x\n");
        assert_eq!(edit(FILE, &keys("ssh-rsa CCC z"), true, true), "# mine\nssh-rsa CCC z\n");
        assert_eq!(edit("", &keys("ssh-rsa CCC"), true, false), "ssh-rsa CCC\n");
    }
}
