//! Module `command`: runs a program without a shell.

use crate::host::processes::Moment;
use crate::host::words;
use crate::host::{Command, Host, Output};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, module};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

arguments! {
    pub struct Args {
        /// The line as written after the module's name; split into words as a shell would, without expanding.
        _raw_params: Option<String>,
        /// The line to run.
        cmd: Option<String>,
        /// The program and its arguments as a list, so that nothing is split.
        argv: Option<Vec<Value>>,
        /// Change into this folder first.
        chdir: Option<String>,
        /// A path or pattern; when something is there already, nothing runs.
        creates: Option<String>,
        /// A path or pattern; when nothing is there, nothing runs.
        removes: Option<String>,
        /// What the program reads on standard input.
        stdin: Option<String>,
        /// Whether a newline follows `stdin`.
        stdin_add_newline: bool = true,
        /// Whether newlines at the end of what it wrote are removed.
        strip_empty_ends: bool = true,
        /// Whether `$NAME` and `~` in the words are expanded.
        expand_argument_vars: bool = true,
        /// Without effect, as there is no shell: a warning says so.
        executable: Option<String>,
    }
}

module! {
    name: "command", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Runs a program, without a shell: `|`, `>` and `*` have no meaning. What it would do cannot be told before; with \
          `creates` or `removes` it runs only when needed, in plans as in applies.",
    examples: [
        r#"{"_raw_params": "uname -r"}"#,
        r#"{"argv": ["/usr/bin/loom", "init"], "chdir": "/opt/loom", "creates": "/opt/loom/genesis.json"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let (mut argv, shown) = line(args)?;
    if let Some(executable) = &args.executable {
        host.warn(format!("The parameter 'executable' is no longer supported with the 'command' module. Not using '{executable}'."));
    }
    let chdir = args.chdir.as_deref().map(|d| host.expand_home(d));
    let conditions = Conditions { creates: args.creates.as_deref(), removes: args.removes.as_deref(), chdir: chdir.as_deref() };
    if let Some(why) = conditions.nothing_to_do(host)? {
        return Ok(skipped(shown, why));
    }
    if args.expand_argument_vars {
        for word in &mut argv {
            *word = host.expand_home(&expand_variables(word, host)).to_string_lossy().into_owned();
        }
    }
    let stdin = input(args.stdin.as_deref(), args.stdin_add_newline);
    run(host, shown, args.strip_empty_ends, |host| host.execute(&Command { cwd: chdir.clone(), stdin, ..Command::new(argv) }))
}

/// What Ansible says where there is no command.
pub(crate) const NO_COMMAND: &str = "one of the following is required: _raw_params, cmd, argv";

/// The words to run, and the `cmd` to return.
fn line(args: &Args) -> Result<(Vec<String>, Value), Halt> {
    let argv = match (&args.argv, args.cmd.as_ref().or(args.raw_line())) {
        (Some(_), Some(_)) => {
            return Err(Failure::new("`command` takes either a line or `argv`, not both")
                .with("msg", "parameters are mutually exclusive: _raw_params|cmd|argv")
                .into());
        }
        (Some(list), None) => list.iter().map(|v| v.reveal().to_string()).collect(),
        (None, Some(line)) => words::split(line).map_err(|why| Halt::failed(format!("cannot split the line `{line}`: {why}")))?,
        (None, None) => Vec::new(),
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err(Failure::new("no command given")
            .hint("write it after `command:`, as `cmd`, or as a list `argv`")
            .with("msg", NO_COMMAND)
            .with("rc", 256)
            .into());
    }
    let shown = Value::list(argv.iter().map(Value::str));
    Ok((argv, shown))
}

impl Args {
    fn raw_line(&self) -> Option<&String> {
        self._raw_params.as_ref().filter(|l| !l.trim().is_empty())
    }
}

/// When a command has nothing to do.
pub(crate) struct Conditions<'a> {
    /// What it makes.
    pub(crate) creates: Option<&'a str>,
    /// What it removes.
    pub(crate) removes: Option<&'a str>,
    /// Where relative paths start.
    pub(crate) chdir: Option<&'a Path>,
}

/// Why a command did not run: as `msg`, as `stdout`, and as scripts say it.
pub(crate) struct Reason {
    message: String,
    stdout: String,
    pub(crate) of_script: String,
}

impl Conditions<'_> {
    /// Decides from files, in plans too.
    pub(crate) fn nothing_to_do(&self, host: &mut Host) -> Result<Option<Reason>, Halt> {
        if let Some(creates) = self.creates
            && self.exists(host, creates)?
        {
            let (message, stdout) = (format!("Did not run command since '{creates}' exists"), format!("skipped, since {creates} exists"));
            return Ok(Some(Reason { message, stdout, of_script: format!("{creates} exists, matching creates option") }));
        }
        if let Some(removes) = self.removes
            && !self.exists(host, removes)?
        {
            let message = format!("Did not run command since '{removes}' does not exist");
            let stdout = format!("skipped, since {removes} does not exist");
            return Ok(Some(Reason { message, stdout, of_script: format!("{removes} does not exist, matching removes option") }));
        }
        Ok(None)
    }

    fn exists(&self, host: &mut Host, pattern: &str) -> Result<bool, Halt> {
        let mut path = host.expand_home(pattern);
        if path.is_relative() {
            let base = self.chdir.map(Path::to_path_buf).or_else(|| std::env::current_dir().ok()).unwrap_or_else(|| "/".into());
            path = base.join(path);
        }
        Ok(!matches(host, &path)?.is_empty())
    }
}

/// The paths that a pattern with `*`, `?` and `[…]` stands for.
fn matches(host: &mut Host, pattern: &Path) -> Result<Vec<PathBuf>, Halt> {
    let magic = |name: &str| name.contains(['*', '?', '[']);
    if !magic(&pattern.to_string_lossy()) {
        return Ok(host.files().stat(pattern)?.map(|_| pattern.to_path_buf()).into_iter().collect());
    }
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.components().skip(1) {
        let part = part.as_os_str().to_string_lossy().into_owned();
        let mut next = Vec::new();
        for folder in found {
            if magic(&part) {
                let names = host.files().list(&folder).ok().flatten().unwrap_or_default();
                let hidden = part.starts_with('.');
                next.extend(names.iter().filter(|n| (hidden || !n.starts_with('.')) && fits(&part, n)).map(|n| folder.join(n)));
            } else if host.files().stat(&folder.join(&part))?.is_some() {
                next.push(folder.join(&part));
            }
        }
        found = next;
    }
    Ok(found)
}

/// Whether a name fits a shell pattern of `*`, `?` and `[…]`.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = fits_one(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How long the part of a pattern is that fits this one character; `None` when it does not.
fn fits_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        // A bracket right at the start of a set is one of its members.
        '[' => match pattern.iter().skip(2).position(|c| *c == ']').map(|at| at + 2) {
            Some(end) => {
                let inverted = matches!(pattern[1], '!' | '^') && end > 2;
                let set = &pattern[1 + usize::from(inverted)..end];
                let range = |i: usize| set.get(i + 1) == Some(&'-') && set.get(i + 2).is_some_and(|last| (set[i]..=*last).contains(&c));
                let found = (0..set.len()).any(|i| set[i] == c || range(i));
                (found != inverted).then_some(end + 1)
            }
            None => (c == '[').then_some(1),
        },
        first => (*first == c).then_some(1),
    }
}

/// `$NAME` and `${NAME}` replaced; those not set stay as they are.
fn expand_variables(word: &str, host: &Host) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|t| t.split_once('}').map(|(name, _)| (name, name.len() + 2)));
        let plain = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        let (name, length) = braced.unwrap_or((&after[..plain], plain));
        match host.variable(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..at + 1 + length]),
        }
        rest = &after[length..];
    }
    out + rest
}

/// Standard input from the arguments.
pub(crate) fn input(text: Option<&str>, add_newline: bool) -> Option<Vec<u8>> {
    text.map(|t| {
        let mut bytes = t.as_bytes().to_vec();
        if add_newline && !t.ends_with('\n') {
            bytes.push(b'\n');
        }
        bytes
    })
}

/// The answer when conditions say that there is nothing to do.
pub(crate) fn skipped(cmd: Value, why: Reason) -> Outcome {
    let mut outcome = Outcome::new()
        .with("cmd", cmd)
        .with("rc", 0)
        .with("msg", why.message)
        .with("stdout_lines", vec![why.stdout.as_str()])
        .with("stdout", why.stdout)
        .with("stderr", "")
        .with("stderr_lines", Vec::<Value>::new())
        .with("start", Value::Null)
        .with("end", Value::Null)
        .with("delta", Value::Null);
    outcome.skipped = true;
    outcome
}

/// Runs something and returns what Ansible's command modules return.
pub(crate) fn run(
    host: &mut Host,
    cmd: Value,
    strip: bool,
    execute: impl FnOnce(&mut Host) -> Result<Option<Output>, Halt>,
) -> Result<Outcome, Halt> {
    let start = SystemTime::now();
    let output = execute(host).map_err(|halt| could_not_start(halt, &cmd))?;
    let end = SystemTime::now();
    let Some(output) = output else {
        let unknown = ["rc", "stdout", "stdout_lines", "stderr", "stderr_lines", "start", "end", "delta"];
        return Ok(unknown.iter().fold(Outcome::new().with("cmd", cmd), |o, name| o.with_unknown(name)).with("msg", ""));
    };
    let east = host.time_zone().0;
    let clock = |t: SystemTime| Moment::at(t.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(), east).stamp();
    let mut returns = texts(&output, strip);
    returns.insert(Value::str("cmd"), cmd);
    returns.insert(Value::str("rc"), output.code.into());
    returns.insert(Value::str("start"), clock(start).into());
    returns.insert(Value::str("end"), clock(end).into());
    returns.insert(Value::str("delta"), delta(end.duration_since(start).unwrap_or_default()).into());
    if output.success() {
        returns.insert(Value::str("msg"), "".into());
        return Ok(Outcome { returns, ..Outcome::default() });
    }
    Err(Failure { message: "non-zero return code".into(), hint: None, returns }.into())
}

fn could_not_start(halt: Halt, cmd: &Value) -> Halt {
    match halt {
        Halt::Failed(mut failure) => {
            for (name, value) in [
                ("cmd", cmd.clone()),
                ("rc", 2.into()),
                ("stdout", "".into()),
                ("stderr", "".into()),
                ("stdout_lines", Value::list([])),
                ("stderr_lines", Value::list([])),
            ] {
                failure.returns.entry(Value::str(name)).or_insert(value);
            }
            Halt::Failed(failure)
        }
        other => other,
    }
}

/// `stdout`, `stderr` and their lines.
pub(crate) fn texts(output: &Output, strip: bool) -> Map {
    let mut returns = Map::new();
    for (name, text) in [("stdout", output.text()), ("stderr", output.errors())] {
        let text = if strip { text.trim_end_matches(['\r', '\n']) } else { &text };
        returns.insert(Value::str(name), text.into());
        returns.insert(Value::str(format!("{name}_lines")), text.lines().map(Value::str).collect::<Vec<_>>().into());
    }
    returns
}

/// A duration as Python's `timedelta` prints it: `0:00:01.002003`.
fn delta(d: std::time::Duration) -> String {
    let s = d.as_secs();
    format!("{}:{:02}:{:02}.{:06}", s / 3600, s / 60 % 60, s % 60, d.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.json", "genesis.json", true),
            ("*.json", "genesis.jsonx", false),
            ("a?c", "abc", true),
            ("[!a]b", "ab", false),
            ("[!a]b", "cb", true),
            ("[x", "[x", true),
            ("a.c", "abc", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn output_as_ansible_returns_it() {
        let output = Output { stdout: b"a\nb\r\n\n".to_vec(), stderr: b"\xff".to_vec(), ..Output::default() };
        let returns = texts(&output, true);
        assert_eq!(returns.get("stdout"), Some(&Value::str("a\nb")));
        assert_eq!(returns.get("stdout_lines").map(Value::to_string).as_deref(), Some("['a', 'b']"));
        assert_eq!(returns.get("stderr"), Some(&Value::str("\u{fffd}")));
        assert_eq!(texts(&output, false).get("stdout"), Some(&Value::str("a\nb\r\n\n")));
        assert_eq!(delta(std::time::Duration::from_millis(61_500)), "0:01:01.500000");
    }
}
