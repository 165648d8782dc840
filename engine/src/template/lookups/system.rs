//! Lookups of variables, of the environment, of commands on the controller, and of passwords.

use super::{Lookup, Request};
use crate::template::convert::data;
use crate::template::errors::refuse;
use minijinja::{Error, ErrorKind};
use modules::value::Value;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("vars", vars),
    ("varnames", varnames),
    ("env", |r| {
        let other = r.option("default")?.unwrap_or_else(|| Value::str(""));
        Ok(r.texts().map(|name| std::env::var(name).map_or_else(|_| other.clone(), Value::from)).collect())
    }),
    ("pipe", |r| r.texts().map(|c| piped(r, &c).map(|t| Value::str(t.trim_end()))).collect()),
    ("lines", |r| {
        let mut out = Vec::new();
        for command in r.texts() {
            out.extend(piped(r, &command)?.lines().map(Value::str));
        }
        Ok(out)
    }),
    ("password", |r| r.texts().map(|t| password(r, &t)).collect()),
    ("inventory_hostnames", hostnames),
    ("config", config),
];

fn vars(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let other = request.option("default")?;
    let find = |name: String| match (request.frame.lookup(&name), &other) {
        (Some(found), _) => data(&found),
        (None, Some(other)) => Ok(other.clone()),
        (None, None) => Err(Error::new(ErrorKind::UndefinedError, format!("`{name}` is undefined"))),
    };
    request.texts().map(find).collect()
}

fn varnames(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut names = request.frame.names();
    names.sort();
    let mut out = Vec::new();
    for term in request.texts() {
        let pattern = crate::template::filters::pattern(&term, false, false)?;
        out.extend(names.iter().filter(|n| pattern.is_match(n).unwrap_or(false)).map(Value::str));
    }
    Ok(out)
}

/// What a shell command on the controller prints.
fn piped(request: &Request<'_>, command: &str) -> Result<String, Error> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    // The last folder searched is the playbook's; an empty path is where the program runs already.
    if let Some(folder) = request.frame.search_path("files").pop().filter(|f| f.is_dir()) {
        shell.current_dir(folder);
    }
    let output = shell.output().map_err(|e| refuse(format!("cannot run `{command}`: {e}")))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(refuse(format!("`{command}` failed with {}: {}", output.status, words.trim_end())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `path length=20 chars=ascii_letters,digits`: a password kept in a file; made when there is none.
fn password(request: &Request<'_>, term: &str) -> Result<Value, Error> {
    let cut = term.find(" length=").into_iter().chain(term.find(" chars=")).chain(term.find(" encrypt=")).chain(term.find(" seed=")).min();
    let (path, options) = term.split_at(cut.unwrap_or(term.len()));
    let option = |name: &str| -> Result<Option<String>, Error> {
        let given = options.split_whitespace().find_map(|o| o.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
        given.map_or_else(|| request.text(name), |g| Ok(Some(g)))
    };
    if option("encrypt")?.is_some() {
        return Err(refuse("the password lookup does not encrypt; use the filter password_hash"));
    }
    let length = option("length")?.and_then(|l| l.parse().ok()).unwrap_or(20);
    let chars = alphabet(&option("chars")?.unwrap_or_else(|| "ascii_letters,digits,.,:-_".into()));
    crate::template::taint::secret();
    let path = match Path::new(path).is_absolute() {
        true => PathBuf::from(path),
        false => beside_playbook(request).join(path),
    };
    if path == Path::new("/dev/null") {
        return generated(&chars, length).map(Value::from);
    }
    if let Ok(text) = std::fs::read_to_string(&path) {
        let line = text.trim_end_matches('\n');
        return Ok(Value::str(line.split(" salt=").next().unwrap_or(line)));
    }
    if request.frame.lookup("ansible_check_mode").is_some_and(|v| v.is_true()) {
        return Err(crate::template::taint::unknown(&format!("the password in {}", path.display())));
    }
    let made = generated(&chars, length)?;
    kept(&path, &made).map_err(|e| refuse(format!("cannot write {}: {e}", path.display())))?;
    Ok(Value::from(made))
}

fn beside_playbook(request: &Request<'_>) -> PathBuf {
    let folder = request.frame.lookup("playbook_dir").and_then(|d| d.as_str().map(PathBuf::from));
    folder.unwrap_or_default()
}

fn kept(path: &Path, password: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{password}")?;
    file.sync_all()
}

fn alphabet(names: &str) -> Vec<char> {
    let mut out = Vec::new();
    for name in names.replace(",,", ",\u{1},").split(',') {
        let set: String = match name {
            "ascii_letters" => ('a'..='z').chain('A'..='Z').collect(),
            "ascii_lowercase" => ('a'..='z').collect(),
            "ascii_uppercase" => ('A'..='Z').collect(),
            "digits" => ('0'..='9').collect(),
            "hexdigits" => "0123456789abcdefABCDEF".into(),
            "octdigits" => ('0'..='7').collect(),
            "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".into(),
            "\u{1}" => ",".into(),
            other => other.into(),
        };
        out.extend(set.chars());
    }
    out
}

fn generated(chars: &[char], length: usize) -> Result<String, Error> {
    use std::io::Read;
    let mut source = std::fs::File::open("/dev/urandom").map_err(|e| refuse(format!("cannot open /dev/urandom: {e}")))?;
    if chars.is_empty() {
        return Err(refuse("there are no characters to make a password of"));
    }
    let limit = 256 - 256 % chars.len().min(256);
    let mut out = String::new();
    let mut byte = [0u8];
    while out.chars().count() < length {
        source.read_exact(&mut byte).map_err(|e| refuse(format!("cannot read /dev/urandom: {e}")))?;
        if usize::from(byte[0]) < limit {
            out.push(chars[usize::from(byte[0]) % chars.len()]);
        }
    }
    Ok(out)
}

/// Hosts by names of groups and hosts, with `:!` and `:&`, from the variable `groups`.
fn hostnames(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let groups = request.frame.lookup("groups").map(|g| data(&g)).transpose()?.unwrap_or_default();
    let all: Vec<Value> = groups.get("all").and_then(Value::as_list).unwrap_or_default().to_vec();
    let members = |name: &str| -> Vec<Value> {
        match groups.get(name).and_then(Value::as_list) {
            Some(members) => members.to_vec(),
            None if name == "*" => all.clone(),
            None => all.iter().filter(|h| h.as_str() == Some(name)).cloned().collect(),
        }
    };
    let mut out: Vec<Value> = Vec::new();
    for term in request.texts().flat_map(|t| t.split([':', ',']).map(|p| p.trim().to_owned()).collect::<Vec<_>>()) {
        if let Some(name) = term.strip_prefix('!') {
            let without = members(name);
            out.retain(|h| !without.contains(h));
        } else if let Some(name) = term.strip_prefix('&') {
            let only = members(name);
            out.retain(|h| only.contains(h));
        } else {
            let more: Vec<Value> = members(&term).into_iter().filter(|h| !out.contains(h)).collect();
            out.extend(more);
        }
    }
    Ok(out)
}

/// The settings of Ansible that playbooks ask for, at their defaults or from the environment.
fn config(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let setting = |name: String| {
        let from = std::env::var(format!("ANSIBLE_{}", name.trim_start_matches("DEFAULT_"))).ok();
        let other = || match name.as_str() {
            "DEFAULT_BECOME_USER" => Some(Value::str("root")),
            "DEFAULT_BECOME_METHOD" => Some(Value::str("sudo")),
            "DEFAULT_FORKS" => Some(Value::Int(5)),
            "DEFAULT_TIMEOUT" => Some(Value::Int(10)),
            "DEFAULT_HASH_BEHAVIOUR" => Some(Value::str("replace")),
            "DEFAULT_ROLES_PATH" => {
                Some(Value::list(["~/.ansible/roles", "/usr/share/ansible/roles", "/etc/ansible/roles"].map(Value::str)))
            }
            "DEFAULT_REMOTE_USER" => Some(Value::Null),
            _ => None,
        };
        let given = request.option("on_missing")?.map(|m| m.to_string());
        match from.map(Value::from).or_else(other) {
            Some(value) => Ok(Some(value)),
            None if matches!(given.as_deref(), Some("skip" | "warn")) => Ok(None),
            None => Err(refuse(format!("there is no setting `{name}`"))),
        }
    };
    let found: Result<Vec<Option<Value>>, Error> = request.texts().map(setting).collect();
    Ok(found?.into_iter().flatten().collect())
}
