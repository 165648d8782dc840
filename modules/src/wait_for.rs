//! `wait_for`: a port, a file or a pause.

use crate::host::Host;
use crate::host::wait::Patience;
use crate::module::{Failure, Halt, Outcome};
use crate::pattern::{Flags, Pattern};
use crate::value::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

crate::choices! {
    pub enum State {
        Started = "started",
        Stopped = "stopped",
        Present = "present",
        Absent = "absent",
        Drained = "drained",
    }
}

crate::arguments! {
    pub struct Args {
        /// The name or address to connect to.
        host: String = "127.0.0.1".to_string(),
        /// For how many seconds to wait before it is a failure; without `port` and `path`, how long to pause.
        timeout: u64 = 300,
        /// How many seconds one connection may take.
        connect_timeout: u64 = 5,
        /// How many seconds to wait before looking for the first time.
        delay: u64 = 0,
        /// The TCP port to look at.
        port: Option<u16>,
        /// States of connections that keep a port from being drained.
        active_connection_states: Vec<String> = ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT"].map(String::from).to_vec(),
        /// What to wait for: the port is open (`started`, `present`), closed (`stopped`, `absent`) or without connections
        /// (`drained`); the file is there (`present`, `started`) or gone (`absent`, `stopped`).
        state: State = State::Started,
        /// The file to look at.
        path: Option<PathBuf>,
        /// A regular expression that must match in the file, or in what the port says.
        search_regex: Option<String>,
        /// Addresses whose connections do not count for `drained`.
        exclude_hosts: Option<Vec<String>>,
        /// How many seconds lie between two looks.
        sleep: u64 = 1,
        /// The message of the failure.
        msg: Option<String>,
    }
}

crate::module! {
    name: "wait_for", collection: "ansible.builtin", aliases: [], effects: World,
    foresight: Reads,
    doc: "Waits until a port opens, closes or is drained, until a file appears, holds a text or is gone, or for a time. \
          A plan looks once; what is not so yet is known after apply.",
    examples: [r#"{"path": "/etc/passwd", "search_regex": "^root:"}"#, r#"{"path": "/scratch/none", "state": "absent", "timeout": 5}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let began = Instant::now();
    refuse_contradictions(args)?;
    let groups = RefCell::new(Groups::default());
    if args.port.is_none() && args.path.is_none() {
        host.rest(Duration::from_secs(args.delay.saturating_add(args.timeout)))?;
    } else {
        let pattern = args.search_regex.as_deref().map(|source| Pattern::new(source, Flags { multiline: true, ..Flags::default() }));
        let pattern = pattern.transpose().map_err(Halt::failed)?;
        let patience = Patience {
            delay: Duration::from_secs(args.delay),
            timeout: Duration::from_secs(args.timeout),
            interval: Duration::from_secs(args.sleep),
        };
        let look = |host: &mut Host| -> Result<Option<()>, Halt> {
            let so = match (&args.path, args.port) {
                (Some(path), _) => file_is(args, host, path, pattern.as_ref(), &groups)?,
                (None, port) => port_is(args, host, port.unwrap_or_default(), pattern.as_ref(), &groups)?,
            };
            Ok(so.then_some(()))
        };
        if host.wait_until(patience, &format!("whether {}", awaited(args)), look)?.is_none() {
            let message = args.msg.clone().unwrap_or_else(|| complaint(args));
            return Err(Failure::new(message).with("elapsed", began.elapsed().as_secs()).into());
        }
    }
    answer(args, host, &groups.into_inner(), began)
}

/// What a search found, for the result.
#[derive(Default)]
struct Groups {
    listed: Vec<Value>,
    named: Vec<(String, Value)>,
}

fn refuse_contradictions(args: &Args) -> Result<(), Halt> {
    let refused = |message: &str| Err(Halt::failed(message));
    match (&args.path, args.port, args.state) {
        (Some(_), Some(_), _) => refused("port and path parameter can not both be passed to wait_for"),
        (Some(_), _, State::Stopped) => refused("state=stopped should only be used for checking a port in the wait_for module"),
        (Some(_), _, State::Drained) => refused("state=drained should only be used for checking a port in the wait_for module"),
        _ if args.exclude_hosts.is_some() && args.state != State::Drained => refused("exclude_hosts should only be with state=drained"),
        _ => Ok(()),
    }
}

fn target(args: &Args) -> String {
    format!("{}:{}", args.host, args.port.unwrap_or_default())
}

fn awaited(args: &Args) -> String {
    match &args.path {
        Some(path) => format!("{} is {}", path.display(), if args.state == State::Absent { "gone" } else { "there" }),
        None => format!("{} is {}", target(args), args.state.word()),
    }
}

fn complaint(args: &Args) -> String {
    match (&args.path, &args.search_regex, args.state) {
        (Some(path), _, State::Absent) => format!("Timeout when waiting for {} to be absent.", path.display()),
        (Some(path), Some(regex), _) => format!("Timeout when waiting for search string {regex} in {}", path.display()),
        (Some(path), None, _) => format!("Timeout when waiting for file {}", path.display()),
        (None, _, State::Absent | State::Stopped) => format!("Timeout when waiting for {} to stop.", target(args)),
        (None, _, State::Drained) => format!("Timeout when waiting for {} to drain", target(args)),
        (None, Some(regex), _) => format!("Timeout when waiting for search string {regex} in {}", target(args)),
        (None, None, _) => format!("Timeout when waiting for {}", target(args)),
    }
}

/// Looks for the pattern and keeps its groups.
fn search(pattern: &Pattern, text: &str, groups: &RefCell<Groups>) -> bool {
    let Some(found) = pattern.search(text) else {
        return false;
    };
    let text_of = |group: Option<fancy_regex::Match<'_>>| Value::from(group.map(|m| m.as_str().to_string()));
    *groups.borrow_mut() = Groups {
        listed: (1..found.len()).map(|number| text_of(found.get(number))).collect(),
        named: pattern.names().map(|name| (name.to_string(), text_of(found.name(name)))).collect(),
    };
    true
}

fn file_is(args: &Args, host: &mut Host, path: &Path, pattern: Option<&Pattern>, groups: &RefCell<Groups>) -> Result<bool, Halt> {
    let there = host.files().stat_followed(path)?.is_some();
    if args.state == State::Absent || !there {
        return Ok(there != (args.state == State::Absent));
    }
    let Some(pattern) = pattern else { return Ok(true) };
    let bytes = host.files().read(path)?.unwrap_or_default();
    Ok(search(pattern, &String::from_utf8_lossy(&bytes), groups))
}

fn port_is(args: &Args, host: &mut Host, port: u16, pattern: Option<&Pattern>, groups: &RefCell<Groups>) -> Result<bool, Halt> {
    let timeout = Duration::from_secs(args.connect_timeout);
    Ok(match (args.state, pattern) {
        (State::Absent | State::Stopped, _) => !host.accepts(&args.host, port, timeout),
        (State::Drained, _) => connections(args, host, port)? == 0,
        (_, None) => host.accepts(&args.host, port, timeout),
        (_, Some(pattern)) => {
            let matches = |heard: &[u8]| search(pattern, &String::from_utf8_lossy(heard), groups);
            host.hear(&args.host, port, timeout, matches).is_some_and(|heard| matches(&heard))
        }
    })
}

/// How many connections of a local port count, from `/proc/net/tcp` and `tcp6`.
fn connections(args: &Args, host: &mut Host, port: u16) -> Result<usize, Halt> {
    let mut count = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let bytes = host.files().read(Path::new(table))?.unwrap_or_default();
        let excluded: Vec<String> = args.exclude_hosts.iter().flatten().filter_map(|a| hex_address(a)).collect();
        count += active(&String::from_utf8_lossy(&bytes), port, &args.active_connection_states, &excluded);
    }
    Ok(count)
}

fn active(table: &str, port: u16, states: &[String], excluded: &[String]) -> usize {
    const NAMES: [&str; 11] = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
    ];
    let counts = |line: &&str| -> Option<bool> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        let remote = fields.get(2)?.rsplit_once(':')?.0;
        let state = NAMES.get(usize::from_str_radix(fields.get(3)?, 16).ok()?.checked_sub(1)?)?;
        Some(local == port && states.iter().any(|s| s == state) && !excluded.iter().any(|e| remote.ends_with(e.as_str())))
    };
    table.lines().skip(1).filter(|line| counts(line).unwrap_or(false)).count()
}

/// An IPv4 address as `/proc/net/tcp` writes it: little endian, in hex.
fn hex_address(address: &str) -> Option<String> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    Some(format!("{:08X}", u32::from_le_bytes(address.octets())))
}

fn answer(args: &Args, host: &mut Host, groups: &Groups, began: Instant) -> Result<Outcome, Halt> {
    let path = args.path.as_ref().map(|path| path.display().to_string());
    let outcome = Outcome::new()
        .with("state", args.state.word())
        .with("port", args.port.map(i64::from))
        .with("search_regex", args.search_regex.clone())
        .with("match_groups", Value::list(groups.listed.clone()))
        .with("match_groupdict", Value::map(groups.named.clone()))
        .with("path", path)
        .with("elapsed", began.elapsed().as_secs());
    match &args.path {
        Some(path) => host.describe(path, outcome),
        None => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn waits_for_files() {
        let mut bench = Bench::new();
        bench.write("f", "port = 80\n");
        let (outcome, _) = bench.law(&MODULE, json!({"path": "/scratch/f", "search_regex": r"^port = (?P<n>\d+)$"}));
        assert_eq!((returned(&outcome, "match_groups"), returned(&outcome, "match_groupdict")), ("['80']".into(), "{'n': '80'}".into()));
        bench.law(&MODULE, json!({"path": "/scratch/no", "state": "absent"}));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/no", "timeout": 0})).starts_with("Timeout when waiting for file "));
        assert!(matches!(bench.run(false, &MODULE, json!({"path": "/scratch/no"})).result, Err(Halt::Unknown(_))));
    }

    #[test]
    fn waits_for_a_time_after_the_delay() {
        let (outcome, _) = Bench::new().apply(&MODULE, json!({"delay": 1, "timeout": 0}));
        assert_eq!(returned(&outcome, "elapsed"), "1");
    }

    #[test]
    fn waits_for_ports() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut bench = Bench::new();
        bench.law(&MODULE, json!({"port": port}));
        assert_eq!(
            bench.failure(&MODULE, json!({"port": port, "state": "stopped", "timeout": 0})),
            format!("Timeout when waiting for 127.0.0.1:{port} to stop.")
        );
        let greeter = std::thread::spawn(move || {
            for stream in listener.incoming().take(6).flatten() {
                let mut stream = stream;
                let _ = stream.write_all(b"SSH-2.0-x\r\n");
            }
        });
        let (outcome, _) = bench.apply(&MODULE, json!({"port": port, "search_regex": "SSH-(.*)-", "timeout": 20}));
        assert_eq!(returned(&outcome, "match_groups"), "['2.0']");
        drop(greeter);
    }

    #[test]
    fn counts_connections() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:270F 0100007F:8000 01 x\n   1: 00000000:270F 00000000:0000 0A x\n   2: 0100007F:0050 0200007F:1 01\n";
        let states = ["ESTABLISHED".to_string()];
        assert_eq!(active(table, 9999, &states, &[]), 1);
        assert_eq!(active(table, 9999, &states, &[hex_address("127.0.0.1").unwrap()]), 0);
        assert_eq!(active(table, 81, &states, &[]), 0);
    }
}
