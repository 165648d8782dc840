//! The agent: receives requests over the wire, runs modules one after another, answers.
//!
//! Three threads: one reads, so that content arrives while a module runs and a dead connection is seen at once; one runs
//! the modules; the caller's writes. Standard input and output are the wire, which no program that a module starts inherits.

use crate::host::command::Children;
use crate::host::files::sync_directories;
use crate::host::jobs::{self, Job};
use crate::host::{Blobs, Host};
use crate::module::{Failure, Foresight, Halt, Module, Outcome};
use crate::registry;
use crate::value::Map;
use crate::wire::{self, FromAgent, Request, Response, Status, ToAgent};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How much content is kept for a second use.
const CACHE: usize = 64 << 20;
/// How long a module may go on after its time limit before the agent gives up on it and on itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves one connection until the other side says stop or is gone; then what runs is killed.
///
/// # Errors
/// When the wire breaks, carries what is no message, or a module does not end after its time limit.
pub fn serve(input: impl Read + Send + 'static, output: impl Write) -> io::Result<()> {
    serve_modules(registry::find, input, output)
}

/// How a name becomes a module.
type Find = fn(&str) -> Option<&'static Module>;

fn serve_modules(find: Find, input: impl Read + Send + 'static, mut output: impl Write) -> io::Result<()> {
    let (to_main, events) = channel();
    let (to_runner, jobs) = channel();
    let (to_blobs, pieces) = channel();
    let blobs = Contents { asks: to_main.clone(), pieces, kept: VecDeque::new() };
    let mut host = Host::new(Box::new(blobs));
    let children = host.children();
    let user = host.names().user_name(rustix::process::geteuid().as_raw()).unwrap_or_default();
    wire::write_frame(&mut output, &FromAgent::Hello { version: env!("CARGO_PKG_VERSION").to_string(), user })?;
    let (lost, ender) = (to_main.clone(), Arc::clone(&children));
    thread::spawn(move || {
        let end = receive(input, &to_runner, &to_blobs);
        if let Err(error) = end {
            ender.end();
            // The caller may have returned already, for the same reason.
            let _ = lost.send(Event::Lost(error));
        }
    });
    thread::spawn(move || run_all(find, host, &jobs, &to_main));
    let end = answer_all(&mut output, &events, &children);
    children.end();
    end
}

/// What the caller's thread hears.
enum Event {
    /// A module begins, with its time limit.
    Began { id: u64, limit: Option<Duration> },
    /// To be told to `engine`.
    Say(Box<FromAgent>),
    /// Everything asked for before the stop is done.
    Stopped,
    /// The other side is gone.
    Lost(io::Error),
}

impl Event {
    fn say(message: FromAgent) -> Event {
        Event::Say(Box::new(message))
    }
}

fn receive(mut input: impl Read, jobs: &Sender<ToAgent>, blobs: &Sender<Piece>) -> io::Result<()> {
    loop {
        let message = wire::read_frame(&mut input)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        // Both receivers live as long as the runner, and it ends only after a stop or with the process.
        let _ = match message {
            ToAgent::Blob { hash, data, last } => blobs.send(Piece { hash, data: Ok((data, last)) }).ok(),
            ToAgent::NoBlob { hash, why } => blobs.send(Piece { hash, data: Err(why) }).ok(),
            ToAgent::Stop => {
                let _ = jobs.send(ToAgent::Stop);
                return Ok(());
            }
            job => jobs.send(job).ok(),
        };
    }
}

fn run_all(find: Find, mut host: Host, jobs: &Receiver<ToAgent>, events: &Sender<Event>) {
    for job in jobs {
        let event = match job {
            ToAgent::Run(request) => {
                let limit = (request.timeout > 0).then(|| Duration::from_secs(request.timeout));
                let _ = events.send(Event::Began { id: request.id, limit });
                Event::say(FromAgent::Done(answer(find, &mut host, request, limit)))
            }
            ToAgent::TakeOverlay => Event::say(FromAgent::Overlay(host.take_overlay())),
            ToAgent::PutOverlay(bytes) => match host.put_overlay(&bytes) {
                Ok(()) => continue,
                Err(_) => Event::Lost(io::Error::new(io::ErrorKind::InvalidData, "the plan's memory of this host cannot be read")),
            },
            ToAgent::Stop => {
                sync_directories();
                Event::Stopped
            }
            ToAgent::Blob { .. } | ToAgent::NoBlob { .. } => continue,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

fn answer(find: Find, host: &mut Host, request: Request, limit: Option<Duration>) -> Response {
    if request.module == jobs::STARTER {
        return begin_job(host, request);
    }
    let Request { id, module, args, live, fresh, environment, .. } = request;
    let mut response = Response { id, status: Status::Done, returns: Map::new(), changes: Vec::new(), warnings: Vec::new() };
    host.begin(live, environment);
    if fresh {
        host.only_look();
    }
    if let Some(limit) = limit {
        host.limit(limit);
    }
    let result = run(find, host, &module, &args);
    response.changes = host.finish();
    response.warnings = host.take_warnings();
    match result {
        Ok(outcome) => {
            response.status = if outcome.skipped { Status::Skipped } else { Status::Done };
            response.returns = outcome.returns;
            response.warnings.extend(outcome.warnings);
        }
        Err(Halt::Failed(failure)) => response.status = Status::Failed(*failure),
        Err(Halt::Unknown(why)) if live => {
            response.status = Status::Failed(Failure::new(format!("`{module}` cannot go on: {why}")));
        }
        Err(Halt::Unknown(why)) => response.status = Status::Unknown(why),
    }
    response
}

/// Starts what goes on without this agent.
fn begin_job(host: &mut Host, request: Request) -> Response {
    let id = request.id;
    let mut response = Response { id, status: Status::Done, returns: Map::new(), changes: Vec::new(), warnings: Vec::new() };
    match Job::asked(host, request).and_then(|job| job.start()) {
        Ok(returns) => response.returns = returns,
        Err(Halt::Failed(failure)) => response.status = Status::Failed(*failure),
        Err(Halt::Unknown(why)) => response.status = Status::Unknown(why),
    }
    response
}

/// Does the job that `input` carries, to its end or that of its time, and writes down what came of it.
///
/// # Errors
/// When there is no job to read, or its result cannot be written.
pub fn work_off(input: impl Read) -> io::Result<()> {
    let job = Job::receive(input)?;
    let mut host = Host::new(Box::new(NoContents));
    let (children, watched, limit) = (host.children(), job.clone(), Duration::from_secs(job.seconds));
    let (over, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (late, done) = (Arc::clone(&over), Arc::clone(&ended));
    thread::spawn(move || {
        thread::sleep(limit);
        late.store(true, Ordering::SeqCst);
        if done.load(Ordering::SeqCst) {
            return;
        }
        children.end();
        // Nobody else is there to be told that it cannot be written.
        let _ = watched.give_up();
        std::process::exit(1);
    });
    let response = answer(registry::find, &mut host, job.request.clone(), None);
    ended.store(true, Ordering::SeqCst);
    if over.load(Ordering::SeqCst) {
        // The other thread writes down that it was too late, and ends the process.
        thread::sleep(PATIENCE);
    }
    job.finish(response)
}

/// A job has nobody to ask for content.
struct NoContents;

impl Blobs for NoContents {
    fn fetch(&mut self, _: &str) -> Result<Vec<u8>, Halt> {
        Err(Halt::failed("a task in the background cannot bring file content along"))
    }
}

fn run(find: Find, host: &mut Host, name: &str, args: &Map) -> Result<Outcome, Halt> {
    let Some(module) = find(name) else {
        return Err(Failure::new(format!("the agent has no module `{name}`")).hint("`engine modules` lists them").into());
    };
    let first = attempt(module, host, args);
    match first {
        Err(Halt::Unknown(why)) if module.foresight == Foresight::Declares => {
            // What was there is not known, but what will be there is: the plan shows it.
            let declared = host.as_if_missing(&why, |host| attempt(module, host, args));
            declared.or(Err(Halt::Unknown(why)))
        }
        first => first,
    }
}

fn attempt(module: &Module, host: &mut Host, args: &Map) -> Result<Outcome, Halt> {
    // The host holds no half-made state that a later module would believe: `begin` starts anew.
    catch_unwind(AssertUnwindSafe(|| (module.converge)(args, host))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let said = said.unwrap_or("no reason given");
        let name = module.name;
        Err(Failure::new(format!("the module `{name}` broke off: {said}")).hint("this is an error in engine: please report it").into())
    })
}

fn answer_all(output: &mut impl Write, events: &Receiver<Event>, children: &Children) -> io::Result<()> {
    let mut running: Option<(u64, Duration, Instant)> = None;
    loop {
        let event = match running {
            Some((_, limit, since)) => events.recv_timeout((limit + PATIENCE).saturating_sub(since.elapsed())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Began { id, limit }) => running = limit.map(|limit| (id, limit, Instant::now())),
            Ok(Event::Say(message)) => {
                if matches!(*message, FromAgent::Done(_)) {
                    running = None;
                }
                say(output, *message)?;
            }
            Ok(Event::Stopped) => return Ok(()),
            Ok(Event::Lost(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(Event::Lost(error)) => return Err(error),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the thread that runs modules ended")),
            Err(RecvTimeoutError::Timeout) => {
                children.end();
                if let Some((id, limit, _)) = running {
                    let why = format!("gave up: the module did not end within its time limit of {} s", limit.as_secs());
                    say(output, FromAgent::Done(failed(id, Failure::new(why), Vec::new())))?;
                }
                // The module cannot be stopped but with the agent.
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
        }
    }
}

fn say(output: &mut impl Write, message: FromAgent) -> io::Result<()> {
    match (wire::encode(&message), message) {
        (Ok(frame), _) => output.write_all(&frame).and_then(|()| output.flush()),
        (Err(error), FromAgent::Done(response)) if error.kind() == io::ErrorKind::InvalidData => {
            let failure = Failure::new(format!("the module's answer is too large to send: {error}"))
                .hint("what was changed stays changed; let the command write its output to a file instead");
            let (id, changes) = (response.id, response.changes);
            wire::encode(&FromAgent::Done(failed(id, failure.clone(), changes)))
                .or_else(|_| wire::encode(&FromAgent::Done(failed(id, failure, Vec::new()))))
                .and_then(|frame| output.write_all(&frame).and_then(|()| output.flush()))
        }
        (Err(error), _) => Err(error),
    }
}

fn failed(id: u64, failure: Failure, changes: Vec<crate::change::Change>) -> Response {
    Response { id, status: Status::Failed(failure), returns: Map::new(), changes, warnings: Vec::new() }
}

/// A piece of content, with whether it is the last, or why there is none.
struct Piece {
    hash: String,
    data: Result<(Vec<u8>, bool), String>,
}

/// Content by hash: asked for over the wire, checked, and kept for a while.
struct Contents {
    asks: Sender<Event>,
    pieces: Receiver<Piece>,
    kept: VecDeque<(String, Arc<Vec<u8>>)>,
}

impl Contents {
    fn keep(&mut self, hash: &str, content: &[u8]) {
        if content.len() > CACHE / 2 {
            return;
        }
        self.kept.push_back((hash.to_string(), Arc::new(content.to_vec())));
        while self.kept.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > CACHE {
            self.kept.pop_front();
        }
    }
}

impl Blobs for Contents {
    fn fetch(&mut self, hash: &str) -> Result<Vec<u8>, Halt> {
        if let Some((_, bytes)) = self.kept.iter().find(|(kept, _)| kept == hash) {
            return Ok(bytes.to_vec());
        }
        let gone = || Halt::failed("the connection to this host ended while file content was on its way");
        self.asks.send(Event::say(FromAgent::NeedBlob { hash: hash.to_string() })).map_err(|_| gone())?;
        let mut content = Vec::new();
        loop {
            let piece = self.pieces.recv().map_err(|_| gone())?;
            // The rest of something given up earlier.
            if piece.hash != hash {
                continue;
            }
            match piece.data {
                Ok((data, last)) => {
                    content.extend_from_slice(&data);
                    if last {
                        break;
                    }
                }
                Err(why) => return Err(Halt::failed(format!("the content of the file cannot be had: {why}"))),
            }
        }
        let found: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != hash {
            return Err(Failure::new(format!("the content of the file arrived damaged: SHA-256 {found}, not {hash}"))
                .hint("did the file change on the controller while it was sent? Run again")
                .into());
        }
        self.keep(hash, &content);
        Ok(content)
    }
}

/// Keeps the C library's name service to plain files and DNS. Call it first thing in `main`, before any thread or lookup:
/// a static program that loads the host's plugins for it crashes.
pub fn pin_name_service() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn __nss_configure_lookup(database: *const std::ffi::c_char, sources: *const std::ffi::c_char) -> std::ffi::c_int;
        }
        let files = [c"passwd", c"group", c"shadow", c"gshadow", c"initgroups", c"services", c"protocols", c"networks", c"ethers", c"rpc"];
        for (database, sources) in files.into_iter().map(|database| (database, c"files")).chain([(c"hosts", c"files dns")]) {
            // SAFETY: both are literals that end with a NUL and live for ever; glibc copies what it keeps. No other thread
            // runs yet, as the documentation of this function demands. A database unknown to glibc is refused, which is harmless.
            unsafe {
                __nss_configure_lookup(database.as_ptr(), sources.as_ptr());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Command;
    use crate::host::files::{Content, Desired, Entry};
    use crate::module::Effects;
    use crate::value::Value;
    use std::io::{PipeReader, PipeWriter};
    use std::path::Path;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    /// Modules that do one thing each, named by what they do.
    fn find(name: &str) -> Option<&'static Module> {
        const fn module(name: &'static str, converge: fn(&Map, &mut Host) -> Result<Outcome, Halt>) -> Module {
            Module {
                name,
                collection: "engine",
                aliases: &[],
                doc: "",
                examples: &[],
                effects: Effects::World,
                arguments: Vec::new,
                check: |_| Ok(()),
                converge,
                foresight: crate::module::Foresight::Depends,
            }
        }
        const MODULES: &[Module] = &[
            module("echo", |args, host| Ok(Outcome { returns: args.clone(), ..Outcome::new() }.with("live", host.is_live()))),
            module("sh", |args, host| {
                let line = args.get("line").map(Value::to_string).unwrap_or_default();
                Ok(Outcome::new().with("said", host.execute(&Command::new(["sh", "-c", &line]))?.map(|o| o.text())))
            }),
            module("put", |args, host| {
                let text = |name: &str| args.get(name).map(Value::to_string).unwrap_or_default();
                let desired = Desired { entry: Some(Entry::File(Content::Blob(text("hash")))), ..Desired::default() };
                host.files().converge(Path::new(&text("path")), &desired)?;
                Ok(Outcome::new())
            }),
            module("read", |args, host| {
                let text = |name: &str| args.get(name).map(Value::to_string).unwrap_or_default();
                let read = host.files().read(Path::new(&text("path")))?;
                Ok(Outcome::new().with("content", read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())))
            }),
            module("break", |_, _| panic!("at the seams")),
            module("shrug", |_, _| Err(Halt::Unknown("who knows".into()))),
            module("much", |_, _| Ok(Outcome::new().with("text", "x".repeat(wire::FRAME_LIMIT)))),
        ];
        MODULES.iter().find(|m| m.name == name)
    }

    /// The other side of the wire.
    struct Engine {
        to: PipeWriter,
        from: PipeReader,
        agent: thread::JoinHandle<io::Result<()>>,
    }

    impl Engine {
        fn start() -> Engine {
            let (input, to) = io::pipe().expect("a pipe");
            let (mut from, output) = io::pipe().expect("a pipe");
            let agent = thread::spawn(move || serve_modules(find, input, output));
            let hello = wire::read_frame(&mut from).expect("a message");
            assert!(matches!(hello, Some(FromAgent::Hello { user, .. }) if !user.is_empty()));
            Engine { to, from, agent }
        }
        fn tell(&mut self, message: &ToAgent) {
            wire::write_frame(&mut self.to, message).expect("sent");
        }
        fn ask(&mut self, module: &str, args: &[(&str, &str)], live: bool, timeout: u64) {
            let args = args.iter().map(|(k, v)| (Value::str(k), Value::str(v))).collect();
            self.tell(&ToAgent::Run(Request {
                id: 7,
                module: module.into(),
                args,
                live,
                fresh: false,
                environment: vec![("E".into(), "env".into())],
                timeout,
            }));
        }
        fn hear(&mut self) -> FromAgent {
            wire::read_frame(&mut self.from).expect("a message").expect("not the end")
        }
        fn done(&mut self) -> Response {
            match self.hear() {
                FromAgent::Done(response) => response,
                other => panic!("{other:?}"),
            }
        }
        fn failure(&mut self) -> String {
            match self.done().status {
                Status::Failed(failure) => failure.message,
                other => panic!("{other:?}"),
            }
        }
        fn stop(mut self) {
            self.tell(&ToAgent::Stop);
            self.agent.join().expect("no panic").expect("a clean end");
        }
    }

    #[test]
    fn answers_in_order_what_was_sent_ahead() {
        let mut engine = Engine::start();
        for word in ["a", "b", "c"] {
            engine.ask("echo", &[("word", word)], false, 0);
        }
        for word in ["a", "b", "c"] {
            let done = engine.done();
            assert_eq!((done.id, done.returns.get("word")), (7, Some(&Value::str(word))));
        }
        engine.stop();
    }

    #[test]
    fn runs_live_and_planned() {
        let mut engine = Engine::start();
        engine.ask("sh", &[("line", "printf $E; cat")], true, 0);
        let done = engine.done();
        assert_eq!(done.returns.get("said"), Some(&Value::str("env")), "a program reads nothing of the wire");
        assert_eq!(done.changes.len(), 1);
        engine.ask("sh", &[("line", "exit 1")], false, 0);
        assert_eq!(engine.done().returns.get("said"), Some(&Value::Null));
        engine.stop();
    }

    #[test]
    fn failures_of_every_kind_are_answers() {
        let mut engine = Engine::start();
        for (module, live, expected) in [
            ("no-such", true, "the agent has no module `no-such`"),
            ("break", true, "the module `break` broke off: at the seams"),
            ("shrug", true, "`shrug` cannot go on: who knows"),
            ("much", true, "the module's answer is too large to send"),
        ] {
            engine.ask(module, &[], live, 0);
            let message = engine.failure();
            assert!(message.starts_with(expected), "{message}");
        }
        engine.ask("shrug", &[], false, 0);
        assert!(matches!(engine.done().status, Status::Unknown(why) if why == "who knows"));
        engine.stop();
    }

    #[test]
    fn content_is_asked_for_once_checked_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mut engine = Engine::start();
        let piece = |data: &[u8], last| ToAgent::Blob { hash: HELLO.into(), data: data.to_vec(), last };
        engine.ask("put", &[("path", &at("a")), ("hash", HELLO)], true, 0);
        assert!(matches!(engine.hear(), FromAgent::NeedBlob { hash } if hash == HELLO));
        engine.tell(&piece(b"damaged", true));
        assert!(engine.failure().starts_with("the content of the file arrived damaged"));
        engine.ask("put", &[("path", &at("a")), ("hash", HELLO)], true, 0);
        assert!(matches!(engine.hear(), FromAgent::NeedBlob { .. }));
        engine.tell(&ToAgent::NoBlob { hash: HELLO.into(), why: "it is gone".into() });
        assert!(engine.failure().ends_with("cannot be had: it is gone"));
        engine.ask("put", &[("path", &at("a")), ("hash", HELLO)], true, 0);
        assert!(matches!(engine.hear(), FromAgent::NeedBlob { .. }));
        engine.tell(&piece(b"hel", false));
        engine.tell(&piece(b"lo", true));
        assert_eq!(engine.done().changes.len(), 1);
        engine.ask("put", &[("path", &at("b")), ("hash", HELLO)], true, 0);
        assert_eq!(engine.done().changes.len(), 1, "no second question");
        assert_eq!(std::fs::read_to_string(dir.path().join("b")).expect("written"), "hello");
        engine.stop();
    }

    #[test]
    fn a_plan_goes_on_in_another_agent() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("f").display().to_string();
        let (mut one, mut two) = (Engine::start(), Engine::start());
        one.ask("put", &[("path", &path), ("hash", HELLO)], false, 0);
        one.hear();
        one.tell(&ToAgent::Blob { hash: HELLO.into(), data: b"hello".to_vec(), last: true });
        one.done();
        one.tell(&ToAgent::TakeOverlay);
        let FromAgent::Overlay(bytes) = one.hear() else { panic!("no overlay") };
        two.tell(&ToAgent::PutOverlay(bytes));
        two.ask("read", &[("path", &path)], false, 0);
        assert_eq!(two.done().returns.get("content"), Some(&Value::str("hello")));
        two.ask("read", &[("path", &path)], true, 0);
        assert_eq!(two.done().returns.get("content"), Some(&Value::Null), "live runs see the host");
        two.ask("read", &[("path", &path)], false, 0);
        assert_eq!(two.done().returns.get("content"), Some(&Value::Null), "and end the plan");
        one.stop();
        two.stop();
    }

    #[test]
    fn ends_programs_at_the_time_limit_and_goes_on() {
        let mut engine = Engine::start();
        engine.ask("sh", &[("line", "sleep 60")], true, 1);
        assert!(engine.failure().contains("was ended after 1 s"));
        engine.ask("echo", &[], true, 1);
        engine.done();
        engine.stop();
    }

    #[test]
    fn a_dead_connection_ends_the_program_and_the_agent() {
        let dir = tempfile::tempdir().expect("a directory");
        let (begun, after) = (dir.path().join("begun"), dir.path().join("after"));
        let mut engine = Engine::start();
        let line = format!("touch {}; sleep 3; touch {}", begun.display(), after.display());
        engine.ask("sh", &[("line", &line)], true, 0);
        while !begun.exists() {
            thread::sleep(Duration::from_millis(5));
        }
        let Engine { to, agent, .. } = engine;
        drop(to);
        agent.join().expect("no panic").expect("a clean end");
        thread::sleep(Duration::from_millis(3500));
        assert!(!after.exists(), "the program went on");
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [&[0xff_u8; 8][..], &[1, 0, 0, 0, 0xc1][..]] {
            let mut engine = Engine::start();
            engine.to.write_all(garbage).expect("sent");
            assert!(engine.agent.join().expect("no panic").is_err());
        }
    }

    #[test]
    fn names_are_looked_up_after_pinning() {
        pin_name_service();
        let mut found = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").expect("resolves");
        assert!(found.any(|address| address.ip().is_loopback()));
    }
}
