//! `find`: files beneath directories, by name, kind, age, size, content and mode.

use crate::archive;
use crate::encoding;
use crate::host::Host;
use crate::host::files::{FileKind, Mode, Stat};
use crate::module::{Halt, Outcome};
use crate::pattern::{Flags, Pattern};
use crate::stat::{Algorithm, listed, names};
use crate::value::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

crate::choices! {
    pub enum FileType { File = "file", Directory = "directory", Link = "link", Any = "any" }
}

crate::choices! {
    pub enum Stamp { Atime = "atime", Ctime = "ctime", Mtime = "mtime" }
}

crate::arguments! {
    pub struct Args {
        /// The directories to look into.
        paths ["name", "path"]: Vec<PathBuf>,
        /// Shell patterns, or with `use_regex` regular expressions, of which a file's name must match one.
        patterns ["pattern"]: Vec<String> = Vec::new(),
        /// Patterns of which a file's name must match none.
        excludes ["exclude"]: Vec<String> = Vec::new(),
        /// A regular expression that must match a line of the file from its beginning.
        contains: Option<String>,
        /// Match `contains` against the whole file.
        read_whole_file: bool = false,
        /// What to look for.
        file_type: FileType = FileType::File,
        /// Only what is at least this old; with a minus sign at most. Seconds, or with a unit: `s`, `m`, `h`, `d`, `w`.
        age: Option<String>,
        /// Which time `age` speaks of.
        age_stamp: Stamp = Stamp::Mtime,
        /// Only what is at least this large; with a minus sign at most. Bytes, or with a unit: `b`, `k`, `m`, `g`, `t`.
        size: Option<String>,
        /// Look into directories beneath too.
        recurse: bool = false,
        /// Find files whose name begins with a dot too.
        hidden: bool = false,
        /// Follow links to directories.
        follow: bool = false,
        /// Return `checksum` of files.
        get_checksum: bool = false,
        /// The digest that `checksum` holds.
        checksum_algorithm ["checksum", "checksum_algo"]: Algorithm = Algorithm::Sha1,
        /// `patterns` and `excludes` are regular expressions.
        use_regex: bool = false,
        /// How many levels deep to look.
        depth: Option<u64>,
        /// Only files with this mode.
        mode: Option<Mode>,
        /// `mode` must be equal; otherwise its bits must be among the file's.
        exact_mode: bool = true,
        /// How many files to return at most.
        limit: Option<u64>,
        /// How the files that `contains` is looked for in are encoded, UTF-8 by default.
        encoding: Option<String>,
    }
}

crate::module! {
    name: "find", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Reads,
    doc: "Finds files beneath directories of the host; `files` lists them as `stat` describes them.",
    examples: [r#"{"paths": "/etc", "patterns": "pass*"}"#, r#"{"paths": ["/scratch"], "file_type": "any", "recurse": true}"#],
}

/// The conditions of a search, read once.
struct Search<'a> {
    args: &'a Args,
    patterns: Vec<Name>,
    excludes: Vec<Name>,
    contains: Option<Pattern>,
    age: Option<(i64, bool)>,
    size: Option<(i64, bool)>,
    now: f64,
    found: Vec<Value>,
    examined: usize,
    skipped: Map,
}

enum Name {
    Glob(String),
    Regex(Pattern),
}

impl Name {
    fn matches(&self, name: &str) -> bool {
        match self {
            Name::Glob(pattern) => archive::matches(pattern, name),
            Name::Regex(pattern) => pattern.found(name),
        }
    }
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let names = |sources: &[String]| -> Result<Vec<Name>, Halt> {
        let read = |source: &String| match args.use_regex {
            // Python's `match` begins at the beginning.
            true => Pattern::new(&format!("\\A(?:{source})"), Flags::default()).map(Name::Regex).map_err(Halt::failed),
            false => Ok(Name::Glob(source.clone())),
        };
        sources.iter().map(read).collect()
    };
    let contains = args.contains.as_ref().map(|source| {
        let source = if args.read_whole_file { source.clone() } else { format!("\\A(?:{source})") };
        Pattern::new(&source, Flags::default())
    });
    let mut search = Search {
        args,
        patterns: names(&args.patterns)?,
        excludes: names(&args.excludes)?,
        contains: contains.transpose().map_err(Halt::failed)?,
        age: amount(args.age.as_deref(), "age", &[('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)])?,
        size: amount(args.size.as_deref(), "size", &[('b', 1), ('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30), ('t', 1 << 40)])?,
        now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        found: Vec::new(),
        examined: 0,
        skipped: Map::new(),
    };
    for path in &args.paths {
        match host.files().stat_followed(path)? {
            Some(stat) if stat.kind == FileKind::Directory => match search.directory(host, path, 1)? {
                Ok(()) => {}
                Err(why) => search.skip(host, path, why),
            },
            _ => {
                let why = format!("'{}' is not a directory", path.display());
                search.skip(host, path, why);
            }
        }
    }
    let message = if search.skipped.is_empty() { "All paths examined" } else { "Not all paths examined, check warnings for details" };
    let matched = search.found.len();
    Ok(Outcome::new()
        .with("files", Value::list(search.found))
        .with("matched", matched)
        .with("examined", search.examined)
        .with("skipped_paths", search.skipped)
        .with("msg", message))
}

/// A number with a unit, and whether it is an upper bound.
fn amount(text: Option<&str>, what: &str, units: &[(char, i64)]) -> Result<Option<(i64, bool)>, Halt> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let lower = rest.to_ascii_lowercase();
    let unit = units.iter().find(|(unit, _)| lower.ends_with(*unit));
    let digits = unit.map_or(lower.as_str(), |_| &lower[..lower.len() - 1]);
    let number: i64 =
        digits.parse().map_err(|_| Halt::failed(format!("failed to process {what}: {text:?} is not a number with a unit")))?;
    Ok(Some((number.saturating_mul(unit.map_or(1, |(_, factor)| *factor)), negative)))
}

impl Search<'_> {
    fn full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.found.len() as u64 >= limit)
    }

    /// Leaves a path out and says why.
    fn skip(&mut self, host: &mut Host, path: &Path, why: String) {
        host.warn(format!("Skipped '{}' path due to this access issue: {why}", path.display()));
        self.skipped.insert(Value::str(path.display().to_string()), why.into());
    }

    /// Looks through a directory; the inner error says why the whole search in its path is given up.
    fn directory(&mut self, host: &mut Host, dir: &Path, level: u64) -> Result<Result<(), String>, Halt> {
        let mut below = Vec::new();
        let names = match host.files().list(dir) {
            Ok(names) => names.unwrap_or_default(),
            Err(Halt::Failed(failure)) => {
                self.skip(host, dir, failure.message);
                return Ok(Ok(()));
            }
            Err(unknown) => return Err(unknown),
        };
        // What lies deeper than asked for is only counted.
        if self.args.depth.is_some_and(|depth| level > depth) {
            self.examined += names.len();
            return Ok(Ok(()));
        }
        for name in names {
            let path = dir.join(&name);
            let Some(stat) = host.files().stat(&path)? else { continue };
            self.examined += 1;
            let followed = if self.args.follow { host.files().stat_followed(&path)? } else { None };
            if stat.kind == FileKind::Directory || followed.as_ref().is_some_and(|f| f.kind == FileKind::Directory) {
                below.push(path.clone());
            }
            if self.full() || name.starts_with('.') && !self.args.hidden {
                continue;
            }
            match self.fits(host, &name, &path, &stat)? {
                Ok(true) => self.add(host, &path, &stat)?,
                Ok(false) => {}
                Err(why) => return Ok(Err(why)),
            }
        }
        for path in below.into_iter().filter(|_| self.args.recurse && level < 200) {
            if let Err(why) = self.directory(host, &path, level + 1)? {
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    fn fits(&self, host: &mut Host, name: &str, path: &Path, stat: &Stat) -> Result<Result<bool, String>, Halt> {
        let kind = match self.args.file_type {
            FileType::Any => true,
            FileType::File => stat.kind == FileKind::File,
            FileType::Directory => stat.kind == FileKind::Directory,
            FileType::Link => stat.kind == FileKind::Link,
        };
        let time = match self.args.age_stamp {
            Stamp::Atime => stat.times.0,
            Stamp::Mtime => stat.times.1,
            Stamp::Ctime => stat.times.2,
        };
        let within = |value: f64, bound: Option<(i64, bool)>| match bound {
            Some((bound, true)) => value <= bound as f64,
            Some((bound, false)) => value >= bound as f64,
            None => true,
        };
        let mode = match (&self.args.mode, self.args.exact_mode) {
            (None, _) => true,
            (Some(mode), exact) => {
                let bits = mode.apply(0, stat.kind == FileKind::Directory, 0);
                if exact { stat.mode == bits } else { stat.mode & bits == bits }
            }
        };
        // As in Ansible, size and content are asked of files only.
        let is_file = stat.kind == FileKind::File;
        let fits = kind
            && mode
            && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(name)))
            && !self.excludes.iter().any(|pattern| pattern.matches(name))
            && within(self.now - time, self.age)
            && (!is_file || within(stat.size as f64, self.size));
        if fits && is_file { self.holds(host, path) } else { Ok(Ok(fits)) }
    }

    fn holds(&self, host: &mut Host, path: &Path) -> Result<Result<bool, String>, Halt> {
        let Some(pattern) = &self.contains else { return Ok(Ok(true)) };
        let bytes = host.files().read(path)?.unwrap_or_default();
        let text = match &self.args.encoding {
            None => String::from_utf8_lossy(&bytes).into_owned(),
            Some(name) => match encoding::decode(&bytes, name) {
                Ok(text) => text,
                Err(encoding::Trouble::Unknown) => return Ok(Err(format!("unknown encoding: {name}"))),
                Err(encoding::Trouble::Unfit) => {
                    let why = "due to an encoding error. current encoding";
                    return Ok(Err(format!("Failed to read the file {} {why}: {name}", path.display())));
                }
            },
        };
        Ok(Ok(if self.args.read_whole_file { pattern.found(&text) } else { text.lines().any(|line| pattern.found(line)) }))
    }

    fn add(&mut self, host: &mut Host, path: &Path, stat: &Stat) -> Result<(), Halt> {
        let mut entry = listed(path, stat);
        names(host, stat, &mut entry)?;
        if self.args.get_checksum && stat.kind == FileKind::File {
            let digest = host.files().digest(path, self.args.checksum_algorithm.word())?;
            entry.insert(Value::str("checksum"), digest.into());
        }
        self.found.push(entry.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    fn found(bench: &mut Bench, args: serde_json::Value) -> Vec<String> {
        let (outcome, _) = bench.law(&MODULE, args);
        let files = outcome.returns.get("files").and_then(Value::as_list).unwrap().to_vec();
        let base = bench.path("").display().to_string();
        files.iter().map(|file| file.get("path").unwrap().to_string().replace(&base, "")).collect()
    }

    #[test]
    fn finds_by_conditions() {
        let mut bench = Bench::new();
        bench.write("a.txt", "one\ntwo\n");
        bench.write("b.log", "x".repeat(2000));
        bench.write(".hidden", "");
        bench.write("d/c.txt", "");
        let all = |extra: serde_json::Value| {
            let mut args = json!({"paths": "/scratch"});
            args.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            args
        };
        for (args, expected) in [
            (json!({}), vec!["a.txt", "b.log"]),
            (json!({"patterns": "*.txt", "recurse": true}), vec!["a.txt", "d/c.txt"]),
            (json!({"patterns": "^[ab]", "use_regex": true}), vec!["a.txt", "b.log"]),
            (json!({"excludes": "*.log"}), vec!["a.txt"]),
            (json!({"hidden": true, "size": "-0"}), vec![".hidden"]),
            (json!({"size": "1k"}), vec!["b.log"]),
            (json!({"contains": "tw"}), vec!["a.txt"]),
            (json!({"contains": "wo"}), vec![]),
            (json!({"file_type": "directory"}), vec!["d"]),
            (json!({"age": "1d"}), vec![]),
            (json!({"age": "-1d", "limit": 1}), vec!["a.txt"]),
        ] {
            assert_eq!(found(&mut bench, all(args.clone())), expected, "{args}");
        }
    }
}
