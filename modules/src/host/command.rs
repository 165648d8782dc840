//! Processes on the host: what to run, how it ended.

use crate::module::{Failure, Halt};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is kept of each of a program's two streams; what it writes beyond is read and dropped.
pub const KEPT: usize = 64 << 20;
/// Where programs are looked for besides what the environment says: a plain user's PATH often lacks the administrator's folders.
const FOLDERS: [&str; 6] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
/// How long a program has to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// A program to run: arguments as they are, never through a shell unless the program is one.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: Option<PathBuf>,
    /// What it reads on standard input; nothing unless given.
    pub stdin: Option<Vec<u8>>,
    /// Environment on top of the task's.
    pub environment: Vec<(String, String)>,
    /// When to end it with its whole process group.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A program with arguments.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Command {
        Command { argv: argv.into_iter().map(Into::into).collect(), ..Command::default() }
    }
    /// The command line for people, quoted as a shell would need it.
    pub fn line(&self) -> String {
        self.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell needs it written to read it back unchanged.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Splits a command line into words as a POSIX shell would, without expanding anything.
///
/// # Errors
/// An open quote or a backslash at the end.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a single quote is not closed".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("a double quote is not closed".into()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("a double quote is not closed".into()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("nothing follows the last backslash".into()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// How a program ended.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// What it wrote on standard output.
    pub stdout: Vec<u8>,
    /// What it wrote on standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than [`KEPT`] bytes on one of the two, so that the end is missing.
    pub cut: bool,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
    /// Standard output as text, invalid bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// Standard error as text, invalid bytes replaced.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
    /// Fails unless it exited with 0, with the last lines it wrote.
    pub fn require(self, doing: &str) -> Result<Output, Halt> {
        if self.success() {
            return Ok(self);
        }
        let said = if self.stderr.is_empty() { self.text() } else { self.errors() };
        let last: Vec<&str> = said.trim_end().lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Err(Failure::new(format!("{doing}: exit code {}: {}", self.code, last.join("\n")))
            .with("rc", self.code)
            .with("stdout", self.text())
            .with("stderr", self.errors())
            .into())
    }
}

/// The program that runs at the moment, so that another thread can end it with all it started.
#[derive(Debug, Default)]
pub struct Children {
    group: Mutex<Option<rustix::process::Pid>>,
    ended: AtomicBool,
}

impl Children {
    /// Kills what runs, and lets nothing run any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.signal(rustix::process::Signal::KILL);
    }

    fn group(&self) -> std::sync::MutexGuard<'_, Option<rustix::process::Pid>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(group) = *self.group() {
            // It may be gone already, which is what was wanted.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

/// What bounds a run: the task's environment, its deadline, and who may end it.
pub(crate) struct Surroundings<'a> {
    pub(crate) environment: &'a [(String, String)],
    pub(crate) deadline: Option<Instant>,
    pub(crate) children: &'a Children,
}

/// Runs it to its end.
pub(crate) fn run(command: &Command, around: &Surroundings<'_>) -> Result<Output, Halt> {
    let (started, own) = (Instant::now(), command.timeout);
    let deadline = own.and_then(|timeout| started.checked_add(timeout)).into_iter().chain(around.deadline).min();
    let mut child = spawn(command, around)?;
    if let Some(stdin) = child.stdin.take() {
        feed(stdin, command.stdin.clone().unwrap_or_default());
    }
    let (sender, ends) = channel();
    let stdout = capture(child.stdout.take(), sender.clone());
    let stderr = capture(child.stderr.take(), sender);
    let ended = wait(&mut child, &ends, deadline, around.children);
    *around.children.group() = None;
    let (status, late) = ended.map_err(|e| Halt::failed(format!("cannot wait for `{}`: {}", command.line(), words_of(&e))))?;
    let (stdout, out_cut) = stdout.take();
    let (stderr, err_cut) = stderr.take();
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    let output = Output { code, stdout, stderr, cut: out_cut || err_cut };
    if around.children.ended.load(Ordering::SeqCst) {
        return Err(Halt::failed(format!("`{}` was ended because the connection to this host ended", command.line())));
    }
    if late {
        let after = started.elapsed().as_secs_f64();
        return Err(Failure::new(format!("`{}` was ended after {after:.0} s, its time limit", command.line()))
            .with("rc", output.code)
            .with("stdout", output.text())
            .with("stderr", output.errors())
            .into());
    }
    Ok(output)
}

fn spawn(command: &Command, around: &Surroundings<'_>) -> Result<Child, Halt> {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Err(Halt::failed("there is no program to run: the command is empty"));
    };
    let mut process = std::process::Command::new(program);
    process.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // Standard input of the agent is the wire: a program must never read it.
    process.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    process.env("PATH", search_path(std::env::var_os("PATH").unwrap_or_default()));
    process.envs(around.environment.iter().chain(&command.environment).map(|(k, v)| (k, v)));
    if let Some(cwd) = &command.cwd {
        process.current_dir(cwd);
    }
    die_with_parent(&mut process);
    let children = around.children;
    // Held while starting, so that `Children::end` either sees the program or keeps it from starting.
    let mut group = children.group();
    if children.ended.load(Ordering::SeqCst) {
        return Err(Halt::failed(format!("`{}` was not run because the connection to this host ended", command.line())));
    }
    let mut tries = 0;
    let child = loop {
        match process.spawn() {
            // Another thread's program may hold a just written file open for the moment between its fork and exec.
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && tries < 20 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            other => break other.map_err(|e| cannot_start(command, around, program, &e))?,
        }
    };
    *group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    Ok(child)
}

/// PATH with the usual folders that it lacks at its end.
fn search_path(own: OsString) -> OsString {
    let mut path = own;
    for folder in FOLDERS {
        if !std::env::split_paths(&path).any(|known| known == Path::new(folder)) {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(folder);
        }
    }
    path
}

fn die_with_parent(process: &mut std::process::Command) {
    let parent = rustix::process::getpid();
    let in_child = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        match rustix::process::getppid() {
            Some(now) if now == parent => Ok(()),
            // The agent died before the line above could take effect.
            _ => Err(io::Error::from(io::ErrorKind::Interrupted)),
        }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: the closure makes two plain system calls,
    // allocates nothing and takes no lock. It is needed because a killed agent cannot end its programs any more.
    unsafe {
        process.pre_exec(in_child);
    }
}

fn cannot_start(command: &Command, around: &Surroundings<'_>, program: &str, error: &io::Error) -> Halt {
    let missing_cwd = command.cwd.as_ref().filter(|dir| !dir.is_dir());
    let kind = match error.kind() {
        // A folder of PATH that this user may not enter makes the system say so of every program it does not find.
        io::ErrorKind::PermissionDenied if !program.contains('/') && !is_in_path(command, around, program) => io::ErrorKind::NotFound,
        kind => kind,
    };
    let failure = match (kind, missing_cwd) {
        (_, Some(dir)) => Failure::new(format!("cannot run `{program}` in {}: there is no such directory", dir.display()))
            .with("msg", "Unable to change directory before execution."),
        (io::ErrorKind::NotFound, _) if program.contains('/') => {
            Failure::new(format!("cannot run `{program}`: not found: there is no such file, or its interpreter is missing"))
        }
        (io::ErrorKind::NotFound, _) => Failure::new(format!("cannot run `{program}`: not found on this host"))
            .hint("install it, or give its full path if it is outside PATH"),
        (io::ErrorKind::PermissionDenied, _) => {
            Failure::new(format!("cannot run `{program}`: {}", words_of(error))).hint("is the file executable, and may this user run it?")
        }
        _ => Failure::new(format!("cannot run `{program}`: {}", words_of(error))),
    };
    failure.with("rc", error.raw_os_error().unwrap_or(2)).into()
}

fn is_in_path(command: &Command, around: &Surroundings<'_>, program: &str) -> bool {
    let given = around.environment.iter().chain(&command.environment).rev().find(|(name, _)| name == "PATH");
    let path = given.map_or_else(|| search_path(std::env::var_os("PATH").unwrap_or_default()), |(_, path)| path.into());
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The system's words of an error, without its number.
pub(crate) fn words_of(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

fn feed(mut stdin: std::process::ChildStdin, bytes: Vec<u8>) {
    // A program may end without reading its input: then writing fails, and that is all right.
    std::thread::spawn(move || drop(stdin.write_all(&bytes)));
}

/// What a stream has brought so far.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    cut: bool,
    /// Nobody looks any more: what a daemon left behind still writes is read, so that it does not stall, and dropped.
    taken: bool,
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Stream>>);

impl Captured {
    fn add(&self, bytes: &[u8]) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !stream.taken {
            let room = KEPT - stream.bytes.len();
            stream.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            stream.cut |= bytes.len() > room;
        }
    }
    fn take(&self) -> (Vec<u8>, bool) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.taken = true;
        (std::mem::take(&mut stream.bytes), stream.cut)
    }
}

fn capture(stream: Option<impl Read + Send + 'static>, ends: Sender<bool>) -> Captured {
    let captured = Captured::default();
    let kept = captured.clone();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let mut stream = stream;
        while let Some(from) = &mut stream {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    kept.add(&buffer[..n]);
                    // Nobody listens any more when a daemon writes after its parent ended.
                    let _ = ends.send(false);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = ends.send(true);
    });
    captured
}

/// Waits for the end of the program, then for its streams unless a daemon it left behind keeps them open.
fn wait(child: &mut Child, ends: &Receiver<bool>, deadline: Option<Instant>, children: &Children) -> io::Result<(ExitStatus, bool)> {
    let (mut open, mut pause) = (2, Duration::from_micros(500));
    let mut late: Option<Instant> = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if open == 0 {
            std::thread::sleep(pause);
        } else {
            match ends.recv_timeout(pause) {
                Ok(end) => open -= usize::from(end),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = 0,
            }
        }
        pause = (pause * 2).min(Duration::from_millis(20));
        match late {
            None if deadline.is_some_and(|d| Instant::now() >= d) => {
                late = Some(Instant::now());
                children.signal(rustix::process::Signal::TERM);
            }
            Some(since) if since.elapsed() > GRACE => children.signal(rustix::process::Signal::KILL),
            _ => {}
        }
    };
    if late.is_some() {
        children.signal(rustix::process::Signal::KILL);
    }
    while open > 0 {
        match ends.recv_timeout(Duration::from_millis(50)) {
            Ok(end) => open -= usize::from(end),
            Err(_) => break,
        }
    }
    Ok((status, late.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(command: &Command) -> Result<Output, Halt> {
        run(command, &Surroundings { environment: &[("T".into(), "task".into())], deadline: None, children: &Children::default() })
    }

    fn sh(script: &str) -> Command {
        Command::new(["sh", "-c", script])
    }

    fn failure(result: Result<Output, Halt>) -> String {
        match result {
            Err(Halt::Failed(failure)) => failure.message,
            other => panic!("no failure: {other:?}"),
        }
    }

    #[test]
    fn says_how_it_ended() {
        for (script, code, stdout, stderr) in [
            ("echo a; echo b >&2; exit 3", 3, "a\n", "b\n"),
            ("kill -9 $$", 137, "", ""),
            ("printf %s \"$T\"", 0, "task", ""),
            ("cat", 0, "", ""),
        ] {
            let output = go(&sh(script)).expect("runs");
            assert_eq!((output.code, output.text().as_str(), output.errors().as_str()), (code, stdout, stderr), "{script}");
        }
    }

    #[test]
    fn takes_input_environment_and_directory() {
        let command = Command {
            stdin: Some(b"in".to_vec()),
            cwd: Some("/".into()),
            environment: vec![("T".into(), "own".into())],
            ..sh("cat; printf ' %s %s' \"$T\" \"$PWD\"")
        };
        assert_eq!(go(&command).expect("runs").text(), "in own /");
    }

    #[test]
    fn carries_much_both_ways_without_deadlock() {
        let much = vec![b'x'; 3 << 20];
        let command = Command { stdin: Some(much.clone()), ..sh("cat; head -c 1000000 /dev/zero >&2") };
        let output = go(&command).expect("runs");
        assert_eq!((output.stdout.len(), output.stderr.len(), output.cut), (much.len(), 1_000_000, false));
    }

    #[test]
    fn keeps_the_beginning_of_too_much() {
        let output = go(&sh("head -c 67108870 /dev/zero")).expect("runs");
        assert_eq!((output.stdout.len(), output.cut), (KEPT, true));
    }

    #[test]
    fn ends_the_whole_group_in_time() {
        let started = Instant::now();
        let command = Command { timeout: Some(Duration::from_millis(200)), ..sh("echo begun; sleep 60 & wait") };
        let message = failure(go(&command));
        assert!(message.contains("was ended after") && message.contains("sleep 60"), "{message}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn kills_what_does_not_listen() {
        let command = Command { timeout: Some(Duration::from_millis(100)), ..sh("trap '' TERM; while :; do sleep 0.1; done") };
        assert!(failure(go(&command)).contains("was ended"));
    }

    #[test]
    fn does_not_wait_for_a_daemon_left_behind() {
        let started = Instant::now();
        let output = go(&sh("sleep 5 & echo started")).expect("runs");
        assert_eq!(output.text(), "started\n");
        assert!(started.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn keeps_nothing_that_comes_after_it_was_taken() {
        let captured = Captured::default();
        captured.add(b"a");
        assert_eq!(captured.take(), (b"a".to_vec(), false));
        captured.add(b"b");
        assert_eq!(captured.take(), (Vec::new(), false));
    }

    #[test]
    fn another_thread_can_end_it_for_good() {
        let children = Arc::new(Children::default());
        let other = Arc::clone(&children);
        let ender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            other.end();
        });
        let around = Surroundings { environment: &[], deadline: None, children: &children };
        assert!(failure(run(&sh("sleep 60"), &around)).contains("connection to this host ended"));
        ender.join().expect("ends");
        assert!(failure(run(&sh("true"), &around)).contains("was not run"));
    }

    #[test]
    fn looks_where_administrators_programs_are() {
        let all = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
        for (own, expected) in [("", all), ("/opt/x:/bin:/usr/bin", "/opt/x:/bin:/usr/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin")]
        {
            assert_eq!(search_path(own.into()), expected);
        }
    }

    #[test]
    fn dies_with_whoever_started_it() {
        // The system sends the signal when the thread that started the program ends, as it does when all of them end at once.
        let start = || {
            let children = Children::default();
            spawn(&sh("sleep 60"), &Surroundings { environment: &[], deadline: None, children: &children }).expect("starts")
        };
        let mut child = std::thread::spawn(start).join().expect("no panic");
        assert_eq!(child.wait().expect("waited").signal(), Some(9));
    }

    #[test]
    fn names_what_cannot_be_started() {
        let cases = [
            (Command::new(["no-such-program"]), "cannot run `no-such-program`: not found on this host"),
            (Command::new(["/no/such"]), "cannot run `/no/such`: not found: there is no such file"),
            (Command::new(["/etc"]), "cannot run `/etc`: Permission denied"),
            (Command { cwd: Some("/no/dir".into()), ..sh("true") }, "cannot run `sh` in /no/dir: there is no such directory"),
            (Command::default(), "there is no program to run"),
        ];
        for (command, expected) in cases {
            let message = failure(go(&command));
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn quotes_and_splits_as_a_shell() {
        for (line, split) in [
            ("a 'b c' \"d $e\" f\\ g", vec!["a", "b c", "d $e", "f g"]),
            ("x=\"a \\\"b\\\"\" ''", vec!["x=a \"b\"", ""]),
            ("", vec![]),
            ("it\"'\"s", vec!["it's"]),
        ] {
            let found = words(line).expect("complete");
            assert_eq!(found, split);
            assert_eq!(words(&Command::new(found.clone()).line()).expect("quoted"), found);
        }
        assert!(words("a 'b").is_err() && words("a \\").is_err() && words("\"").is_err());
        assert_eq!(Command::new(["echo", "it's", "", "/a-b"]).line(), r"echo 'it'\''s' '' /a-b");
    }
}
