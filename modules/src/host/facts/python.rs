//! Facts about the host's Python, where there is one; nothing here needs it.

use super::super::{Command, Host};
use super::{Facts, put};
use crate::value::Value;

/// Prints what the facts say, in one line.
const PROGRAM: &str = "import sys,importlib.util as u;v=sys.version_info;\
print('\\t'.join([sys.executable,sys.implementation.name,str(u.find_spec('_ssl') is not None)]+[str(x) for x in v]))";

impl Host {
    pub(super) fn python_facts(&mut self, facts: &mut Facts) {
        let usual = ["/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3"];
        let Some(python) = usual.into_iter().find(|path| std::path::Path::new(path).exists()) else { return };
        let said = self.query(&Command::new([python, "-I", "-S", "-c", PROGRAM]));
        let Some(output) = said.ok().filter(super::super::Output::success) else { return };
        if let Some((version, python)) = described(output.text().trim()) {
            put(facts, "python_version", version);
            put(facts, "python", python);
        }
    }
}

fn described(line: &str) -> Option<(String, Value)> {
    let words: Vec<&str> = line.split('\t').collect();
    let [executable, kind, ssl, major, minor, micro, level, serial] = words[..] else { return None };
    let number = |text: &str| text.parse::<i64>().map(Value::Int).unwrap_or_default();
    let parts = [number(major), number(minor), number(micro), Value::str(level), number(serial)];
    let names = ["major", "minor", "micro", "releaselevel", "serial"];
    let python = Value::map([
        ("executable", Value::str(executable)),
        ("has_sslcontext", Value::Bool(ssl == "True")),
        ("type", Value::str(kind)),
        ("version", Value::map(names.into_iter().zip(parts.clone()))),
        ("version_info", Value::list(parts)),
    ]);
    Some((format!("{major}.{minor}.{micro}"), python))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line() {
        let (version, python) = described("/usr/bin/python3\tcpython\tTrue\t3\t11\t2\tfinal\t0").unwrap();
        assert_eq!(version, "3.11.2");
        assert_eq!(python.get("version_info").map(Value::to_string), Some("[3, 11, 2, 'final', 0]".into()));
        assert_eq!(python.get("version").and_then(|v| v.get("minor")), Some(&Value::Int(11)));
        assert!(described("Python 2").is_none());
    }
}
