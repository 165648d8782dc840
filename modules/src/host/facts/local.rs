//! Local facts: `*.fact` files of a host, JSON or INI; what is executable is run.

use super::super::{Command, Host};
use crate::module::Halt;
use crate::value::{Map, Value};
use std::path::Path;

impl Host {
    pub(super) fn local_facts(&mut self, folder: &Path) -> Result<Map, Halt> {
        let mut found = Map::new();
        let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "fact")) {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let value = self.local_fact(&file).unwrap_or_else(Value::from);
            found.insert(Value::str(name), value);
        }
        Ok(found)
    }

    /// What a file says, or what is wrong with it, in Ansible's words.
    fn local_fact(&mut self, file: &Path) -> Result<Value, String> {
        use std::os::unix::fs::PermissionsExt;
        let shown = file.display();
        let metadata = std::fs::metadata(file).map_err(|e| format!("Could not stat fact ({shown}): {}", in_python(&e, file)))?;
        let text = match metadata.permissions().mode() & 0o111 {
            0 => super::read(file),
            _ => match self.query(&Command::new([file.to_string_lossy()])) {
                Ok(output) if output.success() => output.text(),
                Ok(output) => {
                    return Err(format!("Failure executing fact script ({shown}), rc: {}, err: {}", output.code, output.errors()));
                }
                Err(_) => return Err(format!("Could not execute fact script ({shown})")),
            },
        };
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
            return Ok(Value::from_json(&json));
        }
        let sections = Ini::read(&text).ok_or_else(|| format!("error loading facts as JSON or ini - please check content: {shown}"))?;
        sections.facts().map_err(|why| format!("error loading facts as ini - please check content: {shown} ({why})"))
    }
}

/// An error of the system as Python prints it.
fn in_python(error: &std::io::Error, file: &Path) -> String {
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    format!("[Errno {}] {words}: '{}'", error.raw_os_error().unwrap_or_default(), file.display())
}

/// Sections with their entries, names in lower case; the first are everybody's (`[DEFAULT]`).
struct Ini(Vec<(String, Vec<(String, String)>)>);

impl Ini {
    /// None where a line is neither a section, an entry nor the continuation of one.
    fn read(text: &str) -> Option<Ini> {
        let mut sections: Vec<(String, Vec<(String, String)>)> = vec![("DEFAULT".into(), Vec::new())];
        let mut current = None;
        for line in text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with(['#', ';'])) {
            let indented = line.starts_with([' ', '\t']);
            let entries: Option<&mut Vec<(String, String)>> = current.and_then(|at: usize| sections.get_mut(at)).map(|(_, e)| e);
            if let Some((_, value)) = entries.and_then(|e| e.last_mut()).filter(|_| indented) {
                value.push('\n');
                value.push_str(line.trim());
            } else if let Some(name) = line.trim().strip_prefix('[').and_then(|l| l.split_once(']')).map(|(name, _)| name) {
                let known = sections.iter().position(|(n, _)| n == name);
                current = Some(known.unwrap_or(sections.len()));
                if known.is_none() {
                    sections.push((name.to_owned(), Vec::new()));
                }
            } else {
                let (key, value) = line.split_once(['=', ':'])?;
                let (_, entries) = sections.get_mut(current?)?;
                entries.push((key.trim().to_lowercase(), value.trim().to_owned()));
            }
        }
        Some(Ini(sections))
    }

    /// Every section with the common entries, `%(name)s` replaced; or what is wrong with a `%`.
    fn facts(&self) -> Result<Value, String> {
        let common = self.0.first().map(|(_, entries)| entries.clone()).unwrap_or_default();
        let mut facts = Map::new();
        for (name, own) in self.0.iter().skip(1) {
            let mut all: indexmap::IndexMap<String, String> = common.iter().cloned().collect();
            all.extend(own.iter().cloned());
            let mut entries = Map::new();
            for (key, value) in &all {
                entries.insert(Value::str(key), interpolated(value, &all, 0)?.into());
            }
            facts.insert(Value::str(name), entries.into());
        }
        Ok(facts.into())
    }
}

fn interpolated(value: &str, all: &indexmap::IndexMap<String, String>, depth: usize) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), value);
    while let Some((head, tail)) = rest.split_once('%') {
        out.push_str(head);
        if let Some(after) = tail.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let Some((name, after)) = tail.strip_prefix('(').and_then(|t| t.split_once(")s")) else {
            return Err(match tail.starts_with('(') {
                true => format!("bad interpolation variable reference '%{tail}'"),
                false => format!("'%' must be followed by '%' or '(', found: '%{tail}'"),
            });
        };
        let found = all.get(&name.to_lowercase()).filter(|_| depth < 10);
        let found = found.ok_or_else(|| format!("Bad value substitution: `{name}`"))?;
        out.push_str(&interpolated(found, all, depth + 1)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_as_python_reads_it() {
        let facts = |text: &str| Ini::read(text).map(|ini| ini.facts().map(|v| v.to_string()));
        let good = |text: &str, wanted: &str| assert_eq!(facts(text), Some(Ok(wanted.to_owned())), "{text}");
        good("# x\n[General]\nAbc = 1\nb: c d\n", "{'General': {'abc': '1', 'b': 'c d'}}");
        good("[DEFAULT]\nq=1\n[s]\nK : v\n  cont\nE=\n; c\n", "{'s': {'q': '1', 'k': 'v\\ncont', 'e': ''}}");
        good("[a]\nx=1\ny=%(x)s 5%%\n", "{'a': {'x': '1', 'y': '1 5%'}}");
        good("", "{}");
        assert_eq!(facts("nonsense"), None);
        assert_eq!(facts("x = 1\n"), None);
        assert!(facts("[bad fact]\nvalue = this is a % bad % fact\n").unwrap().unwrap_err().contains("found: '% bad % fact'"));
    }
}
