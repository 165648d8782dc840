//! Packages through dnf, yum, zypper, apk and pacman.

use super::{Manager, Packages, Step, Wanted, did_not_converge, no_such_package};
use crate::host::{Command, Output};
use crate::module::{Failure, Halt};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The programs of one manager.
struct Program {
    manager: Manager,
    /// Options that every call gets, e.g. `--enablerepo=x`.
    options: Vec<String>,
}

impl Packages<'_> {
    /// Makes packages be as wanted, through a manager other than apt.
    pub fn converge_with(
        &mut self,
        manager: Manager,
        names: &[String],
        wanted: Wanted,
        options: &[String],
    ) -> Result<Option<Output>, Halt> {
        let program = Program { manager, options: options.to_vec() };
        let installed = self.installed(&program, names)?;
        let newer = if wanted == Wanted::Latest { self.upgradable(&program, names)? } else { HashMap::new() };
        let mut steps = Vec::new();
        for name in names {
            let bare = bare(manager, name);
            let has = self.planned(bare).unwrap_or_else(|| installed.get(name).cloned());
            let step = |after: Option<String>, unknown| Step { name: bare.to_string(), before: has.clone(), after, unknown };
            match (wanted, &has) {
                (Wanted::Absent, Some(_)) => steps.push((name.clone(), step(None, false))),
                (Wanted::Present | Wanted::Latest, None) => steps.push((name.clone(), step(None, true))),
                (Wanted::Latest, Some(_)) if newer.contains_key(bare) => {
                    let version = newer.get(bare).cloned().flatten();
                    let unknown = version.is_none();
                    steps.push((name.clone(), step(version, unknown)));
                }
                _ => {}
            }
        }
        if steps.is_empty() {
            return Ok(None);
        }
        let (todo, steps): (Vec<String>, Vec<Step>) = steps.into_iter().unzip();
        self.record(&steps);
        let Some(output) = self.host.perform(&program.command(program.verb(wanted, &todo)))? else { return Ok(None) };
        if !output.success() {
            return Err(program.refused(&output, &todo));
        }
        let now = self.installed(&program, &todo)?;
        let left: Vec<String> = todo.into_iter().filter(|n| now.contains_key(n) == (wanted == Wanted::Absent)).collect();
        if left.is_empty() { Ok(Some(output)) } else { Err(did_not_converge(&left, wanted)) }
    }

    /// Upgrades all that is installed, through a manager other than apt.
    pub fn upgrade_with(&mut self, manager: Manager, options: &[String]) -> Result<Option<Output>, Halt> {
        let program = Program { manager, options: options.to_vec() };
        let newer = self.upgradable(&program, &[])?;
        if newer.is_empty() {
            return Ok(None);
        }
        let mut steps: Vec<Step> = Vec::new();
        for (name, after) in newer {
            let before = self.installed(&program, std::slice::from_ref(&name))?.remove(&name);
            let unknown = after.is_none();
            steps.push(Step { name, before, after, unknown });
        }
        steps.sort_by(|a, b| a.name.cmp(&b.name));
        self.record(&steps);
        let words: &[&str] = match manager {
            Manager::Apk => &["upgrade"],
            Manager::Pacman => &["-Su"],
            Manager::Zypper => &["update"],
            Manager::Dnf | Manager::Yum | Manager::Apt => &["upgrade"],
        };
        let command = program.command(words.iter().map(|w| w.to_string()).collect());
        self.perform(&command, &format!("{} cannot upgrade", manager.name()))
    }

    /// Fetches the package lists of a manager other than apt. A plan leaves them as they are.
    pub fn fetch_lists_with(&mut self, manager: Manager, options: &[String]) -> Result<(), Halt> {
        let program = Program { manager, options: options.to_vec() };
        let words: &[&str] = match manager {
            Manager::Apt => &["update"],
            Manager::Dnf | Manager::Yum => &["makecache"],
            Manager::Zypper => &["refresh"],
            Manager::Apk => &["update"],
            Manager::Pacman => &["-Sy"],
        };
        let command = program.command(words.iter().map(|w| w.to_string()).collect());
        self.perform(&command, &format!("{} cannot fetch the package lists", manager.name())).map(|_| ())
    }

    /// The version of each name that is installed.
    fn installed(&mut self, program: &Program, names: &[String]) -> Result<HashMap<String, String>, Halt> {
        let mut found = HashMap::new();
        for name in names {
            let argv: Vec<&str> = match program.manager {
                Manager::Apk => vec!["apk", "info", "-e", "-v", "--", bare(program.manager, name)],
                Manager::Pacman => vec!["pacman", "-Q", "--", bare(program.manager, name)],
                // What provides a name or a file counts as well.
                _ => vec!["rpm", "-q", "--whatprovides", "--qf", "%{VERSION}-%{RELEASE}\\n", "--", name],
            };
            let output = self.host.query(&Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new(argv) })?;
            if output.success()
                && let Some(version) = version_of(program.manager, name, &output.text())
            {
                found.insert(name.clone(), version);
            }
        }
        Ok(found)
    }

    /// The packages among `names` for which there is a newer version, with that version where the manager tells.
    fn upgradable(&mut self, program: &Program, names: &[String]) -> Result<HashMap<String, Option<String>>, Halt> {
        let words: Vec<String> = match program.manager {
            Manager::Dnf | Manager::Yum => ["-q", "check-update"].iter().map(|w| w.to_string()).chain(names.iter().cloned()).collect(),
            Manager::Zypper => vec!["list-updates".into()],
            Manager::Apk => vec!["version".into(), "-l".into(), "<".into()],
            Manager::Pacman => vec!["-Qu".into()],
            Manager::Apt => Vec::new(),
        };
        let output = self.host.query(&program.command(words))?;
        Ok(parse_upgradable(program.manager, &output.text()))
    }
}

impl Program {
    fn command(&self, words: Vec<String>) -> Command {
        let start: &[&str] = match self.manager {
            Manager::Dnf => &["dnf", "-y"],
            Manager::Yum => &["yum", "-y"],
            Manager::Zypper => &["zypper", "--quiet", "--non-interactive"],
            Manager::Apk => &["apk", "--no-interactive"],
            Manager::Pacman => &["pacman", "--noconfirm", "--noprogressbar"],
            Manager::Apt => &["apt-get", "-y"],
        };
        let argv = start.iter().map(|w| w.to_string()).chain(self.options.iter().cloned()).chain(words);
        Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new(argv) }
    }

    fn verb(&self, wanted: Wanted, names: &[String]) -> Vec<String> {
        let words: &[&str] = match (self.manager, wanted) {
            (Manager::Apk, Wanted::Absent) => &["del"],
            (Manager::Apk, Wanted::Latest) => &["add", "--upgrade"],
            (Manager::Apk, Wanted::Present) => &["add"],
            (Manager::Pacman, Wanted::Absent) => &["-R"],
            (Manager::Pacman, _) => &["-S", "--needed"],
            (_, Wanted::Absent) => &["remove"],
            (_, Wanted::Present) => &["install"],
            (Manager::Zypper, Wanted::Latest) => &["install"],
            (_, Wanted::Latest) => &["install", "--best"],
        };
        words.iter().map(|w| w.to_string()).chain(names.iter().cloned()).collect()
    }

    fn refused(&self, output: &Output, names: &[String]) -> Halt {
        let said = format!("{}{}", output.text(), output.errors());
        let markers = [
            "No match for argument",
            "Unable to find a match",
            "unable to select packages",
            "target not found",
            "not found in package names",
            "No package",
        ];
        let missing = names.iter().find(|n| said.lines().any(|l| l.contains(n.as_str()) && markers.iter().any(|m| l.contains(m))));
        let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        let failure = match missing {
            Some(name) => no_such_package(name),
            None => Failure::new(format!("{} failed: {}", self.manager.name(), last.join("\n"))),
        };
        failure.with("rc", output.code).with("stdout", output.text()).with("stderr", output.errors()).into()
    }
}

/// A package's name without the version that a task may add.
fn bare(manager: Manager, name: &str) -> &str {
    match manager {
        Manager::Apk | Manager::Pacman | Manager::Zypper => name.split(['=', '<', '>', '~']).next().unwrap_or(name),
        _ => name,
    }
}

/// The version out of what the manager's query printed.
fn version_of(manager: Manager, name: &str, text: &str) -> Option<String> {
    let line = text.lines().next()?.trim();
    let version = match manager {
        Manager::Apk => line.strip_prefix(bare(manager, name)).map_or(line, |v| v.trim_start_matches('-')),
        Manager::Pacman => line.split_once(' ')?.1,
        _ => line,
    };
    Some(version.to_string())
}

fn parse_upgradable(manager: Manager, text: &str) -> HashMap<String, Option<String>> {
    let pair = |line: &str| -> Option<(String, Option<String>)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match manager {
            // `curl.x86_64  8.2-1.fc39  updates`
            Manager::Dnf | Manager::Yum => {
                let (name, _arch) = words.first()?.rsplit_once('.')?;
                (words.len() == 3).then(|| (name.to_string(), Some(words[1].to_string())))
            }
            // `v | repo | curl | 8.0 | 8.1 | x86_64`
            Manager::Zypper => {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                (cells.len() >= 6 && cells[0] == "v").then(|| (cells[2].to_string(), Some(cells[4].to_string())))
            }
            // `curl-8.1-r0 < 8.2-r0`
            Manager::Apk => {
                let release = words.first()?.rsplit_once('-')?.0;
                (words.get(1) == Some(&"<"))
                    .then(|| Some((release.rsplit_once('-')?.0.to_string(), words.get(2).map(|v| v.to_string()))))?
            }
            // `curl 8.1-1 -> 8.2-1`
            Manager::Pacman => (words.get(2) == Some(&"->")).then(|| Some((words[0].to_string(), words.get(3).map(|v| v.to_string()))))?,
            Manager::Apt => None,
        }
    };
    text.lines().filter_map(pair).collect()
}

/// Compares two versions of Debian packages (deb-version(7)).
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let epoch =
        |v: &str| -> (u64, String) { v.split_once(':').map_or((0, v.to_string()), |(e, rest)| (e.parse().unwrap_or(0), rest.to_string())) };
    let ((ea, a), (eb, b)) = (epoch(a), epoch(b));
    let revision = |v: &str| v.rsplit_once('-').map_or((v.to_string(), "0".to_string()), |(u, r)| (u.to_string(), r.to_string()));
    let ((ua, ra), (ub, rb)) = (revision(&a), revision(&b));
    ea.cmp(&eb).then_with(|| compare_part(&ua, &ub)).then_with(|| compare_part(&ra, &rb))
}

fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    // Letters sort before other characters, and a tilde before the end.
    let weight = |c: Option<&u8>| match c {
        Some(b'~') => -1,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) => i32::from(*c) + 256,
        None => 0,
    };
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|c| !c.is_ascii_digit()) || b.first().is_some_and(|c| !c.is_ascii_digit()) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order.is_ne() {
                return order;
            }
            (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
        }
        let number = |v: &[u8]| v.iter().take_while(|c| c.is_ascii_digit()).count();
        let (na, nb) = (number(a), number(b));
        let digits = |v: &[u8], n: usize| String::from_utf8_lossy(&v[..n]).trim_start_matches('0').to_string();
        let (da, db) = (digits(a, na), digits(b, nb));
        let order = da.len().cmp(&db.len()).then_with(|| da.cmp(&db));
        if order.is_ne() {
            return order;
        }
        (a, b) = (&a[na..], &b[nb..]);
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (a, b, order) in [
            ("1.22.1-9", "1.22", Ordering::Greater),
            ("1.9", "1.22", Ordering::Less),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1:0.1", "9.9", Ordering::Greater),
            ("1.0-1", "1.0-1", Ordering::Equal),
            ("1.0a", "1.0+", Ordering::Less),
            ("007", "7", Ordering::Equal),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn newer_versions() {
        for (manager, text) in [
            (Manager::Dnf, "\ncurl.x86_64    8.2-1   updates\nObsoleting Packages\n"),
            (Manager::Zypper, "S | Repository | Name | Current | Available | Arch\n--+--\nv | main | curl | 8.0 | 8.2-1 | x86_64\n"),
            (Manager::Apk, "Installed: Available:\ncurl-8.1-r0 < 8.2-1\n"),
            (Manager::Pacman, "curl 8.1-1 -> 8.2-1\n"),
        ] {
            assert_eq!(parse_upgradable(manager, text), HashMap::from([("curl".to_string(), Some("8.2-1".to_string()))]), "{manager:?}");
        }
    }

    #[test]
    fn installed_versions() {
        assert_eq!(version_of(Manager::Apk, "curl", "curl-8.2-r0\n").as_deref(), Some("8.2-r0"));
        assert_eq!(version_of(Manager::Pacman, "curl", "curl 8.2-1\n").as_deref(), Some("8.2-1"));
        assert_eq!(version_of(Manager::Dnf, "curl", "8.2-1.fc39\n").as_deref(), Some("8.2-1.fc39"));
    }
}
