//! The lookup of passwords: made once, kept in a file, hashed on demand.

use super::{Lookup, Request};
use crate::template::errors::refuse;
use crate::template::filters::passwords::{Scheme, generated, hashed};
use crate::template::taint;
use minijinja::Error;
use modules::value::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("password", |r| r.texts().map(|t| password(r, &t)).collect())];

const OPTIONS: [&str; 5] = ["length", "chars", "encrypt", "ident", "seed"];

/// What a password's file holds: `PASSWORD salt=SALT ident=IDENT`.
#[derive(Default)]
struct Kept {
    password: String,
    salt: Option<String>,
    ident: Option<String>,
}

impl Kept {
    fn parse(text: &str) -> Kept {
        let line = text.trim_end_matches('\n');
        let (line, ident) = line.rsplit_once(" ident=").map_or((line, None), |(l, i)| (l, Some(i.to_owned())));
        let (line, salt) = line.rsplit_once(" salt=").map_or((line, None), |(l, s)| (l, Some(s.to_owned())));
        Kept { password: line.to_owned(), salt, ident }
    }

    fn line(&self) -> String {
        let salt = self.salt.as_ref().map(|s| format!(" salt={s}")).unwrap_or_default();
        let ident = self.ident.as_ref().map(|i| format!(" ident={i}")).unwrap_or_default();
        format!("{}{salt}{ident}\n", self.password)
    }
}

/// `path length=20 chars=ascii_letters,digits encrypt=sha512_crypt seed=x`: a password kept in a file; made when there is none.
fn password(request: &Request<'_>, term: &str) -> Result<Value, Error> {
    let cut = OPTIONS.iter().filter_map(|o| term.find(&format!(" {o}="))).min();
    let (path, options) = term.split_at(cut.unwrap_or(term.len()));
    let option = |name: &str| -> Result<Option<Value>, Error> {
        let given = options.split_whitespace().find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
        given.map_or_else(|| request.option(name), |g| Ok(Some(Value::str(g))))
    };
    let length = option("length")?.and_then(|l| l.to_string().parse().ok()).unwrap_or(20);
    let chars = alphabet(option("chars")?.as_ref());
    let seed = option("seed")?.filter(Value::truthy);
    let scheme = option("encrypt")?.filter(Value::truthy).map(|e| Scheme::named(&e.to_string())).transpose()?;
    let ident = option("ident")?.filter(|i| *i != Value::Null).map(|i| i.to_string());
    taint::secret();
    let path = match Path::new(path).is_absolute() {
        true => PathBuf::from(path),
        false => beside_playbook(request).join(path),
    };
    let is_kept = path != Path::new("/dev/null");
    let text = if is_kept { std::fs::read_to_string(&path).ok() } else { None };
    let before = text.as_deref().map(Kept::parse);
    let is_complete = before.as_ref().is_some_and(|k| scheme.is_none() || k.salt.is_some());
    if is_kept && !is_complete && request.frame.lookup("ansible_check_mode").is_some_and(|v| v.is_true()) {
        return Err(taint::unknown(&format!("the password in {}", path.display())));
    }
    let mut kept = match before {
        Some(kept) => kept,
        None => Kept { password: generated(&chars, length, seed.as_ref())?, ..Kept::default() },
    };
    if let Some(scheme) = scheme.filter(|_| kept.salt.is_none()) {
        kept.salt = Some(scheme.salt()?);
        kept.ident = ident.or_else(|| (scheme == Scheme::Bcrypt).then(|| "2b".to_owned()));
    }
    if is_kept && !is_complete {
        keep(&path, &kept).map_err(|e| refuse(format!("cannot write {}: {e}", path.display())))?;
    }
    match scheme {
        Some(scheme) => {
            hashed(scheme, &kept.password, kept.salt.as_deref().unwrap_or_default(), None, kept.ident.as_deref()).map(Value::from)
        }
        None => Ok(Value::from(kept.password)),
    }
}

fn beside_playbook(request: &Request<'_>) -> PathBuf {
    let folder = request.frame.lookup("playbook_dir").and_then(|d| d.as_str().map(PathBuf::from));
    folder.unwrap_or_default()
}

/// Puts a password into its file as a whole.
fn keep(path: &Path, kept: &Kept) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(folder)?;
    let mut file = tempfile::Builder::new().prefix(".password").tempfile_in(folder)?;
    file.write_all(kept.line().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Characters by the names of their sets, in a list or with commas between them; what is no name stands for itself.
fn alphabet(given: Option<&Value>) -> Vec<char> {
    let names: Vec<String> = match given {
        None | Some(Value::Null) => ["ascii_letters", "digits", ".,:-_"].map(str::to_owned).to_vec(),
        Some(Value::List(names)) => names.iter().map(ToString::to_string).collect(),
        Some(names) => names.to_string().replace(",,", ",\u{1},").split(',').map(|n| n.replace('\u{1}', ",")).collect(),
    };
    let mut out = Vec::new();
    for name in &names {
        let set: String = match name.as_str() {
            "ascii_letters" => ('a'..='z').chain('A'..='Z').collect(),
            "ascii_lowercase" => ('a'..='z').collect(),
            "ascii_uppercase" => ('A'..='Z').collect(),
            "digits" => ('0'..='9').collect(),
            "hexdigits" => "0123456789abcdefABCDEF".into(),
            "octdigits" => ('0'..='7').collect(),
            "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".into(),
            other => other.into(),
        };
        out.extend(set.chars());
    }
    out
}
