//! A running node: it listens, dials every peer, and keeps those whose key and genesis are right.
//!
//! Both ends of a connection send a random challenge, then their public key, the signature of the other's challenge and
//! the digest of their genesis, each as one line of JSON. From then on each sends an empty line now and then; a connection
//! that stays silent is dead.

use crate::config::{self, address};
use crate::home::{self, Genesis};
use crate::key::{Key, hex, random, signer};
use crate::{Error, http};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

const BEAT: Duration = Duration::from_millis(500);
const SILENCE: Duration = Duration::from_secs(3);
const LONGEST_LINE: u64 = 4096;

/// A peer to stay connected to.
#[derive(Debug, Clone, PartialEq)]
struct Peer {
    id: String,
    address: String,
}

/// What a node knows while it runs.
pub(crate) struct Node {
    key: Key,
    genesis: Genesis,
    /// Live connections by peer id: those dialed, those accepted.
    dialed: Mutex<BTreeMap<String, usize>>,
    accepted: Mutex<BTreeMap<String, usize>>,
}

/// `tcp://ID@HOST:PORT`
fn parse_peer(text: &str) -> Result<Peer, Error> {
    let rest = text.trim().strip_prefix("tcp://").unwrap_or(text.trim());
    let (id, host) = rest.split_once('@').ok_or_else(|| Error::Peer(text.to_owned()))?;
    if id.len() != 40 || !id.bytes().all(|b| b.is_ascii_hexdigit()) || address(host).is_err() {
        return Err(Error::Peer(text.to_owned()));
    }
    Ok(Peer { id: id.to_lowercase(), address: host.to_owned() })
}

fn listen(address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|cause| Error::Listen { address: address.to_owned(), cause })
}

/// Runs until killed.
pub(crate) fn run(folder: &Path, peers: &[String]) -> Result<(), Error> {
    let config = config::read(folder)?;
    let peers = peers.iter().filter(|p| !p.is_empty()).map(|p| parse_peer(p)).collect::<Result<Vec<_>, _>>()?;
    let node = Arc::new(Node {
        key: home::node_key(folder)?,
        genesis: home::genesis(folder)?,
        dialed: Mutex::default(),
        accepted: Mutex::default(),
    });
    let p2p = listen(&format!("0.0.0.0:{}", config.p2p_port))?;
    let services = [
        listen(address(&config.query_server_host)?)?,
        listen(address(&config.rpc_listen_address)?)?,
        listen(&format!("0.0.0.0:{}", config.rpc_proxy_port))?,
    ];
    println!("node {} with {} validators, {} peers", node.key.id(), node.genesis.validators, peers.len());
    for service in services {
        let node = Arc::clone(&node);
        thread::spawn(move || http::serve(&service, &node));
    }
    for peer in peers {
        let node = Arc::clone(&node);
        thread::spawn(move || node.keep_dialing(&peer));
    }
    node.accept(&p2p)
}

impl Node {
    fn accept(self: &Arc<Self>, listener: &TcpListener) -> Result<(), Error> {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let node = Arc::clone(self);
            thread::spawn(move || {
                if let Err(why) = node.converse(stream, None) {
                    println!("refused a peer: {why}");
                }
            });
        }
        Ok(())
    }

    fn keep_dialing(&self, peer: &Peer) {
        let mut said = String::new();
        loop {
            let why = dial(&peer.address).and_then(|stream| self.converse(stream, Some(&peer.id)));
            let why = why.err().unwrap_or_else(|| "it closed the connection".into());
            if why != said {
                println!("peer {} at {}: {why}", peer.id, peer.address);
                said = why;
            }
            thread::sleep(BEAT);
        }
    }

    /// Proves this node to the other end, checks the other end, and stays until the connection ends.
    fn converse(&self, stream: TcpStream, expected: Option<&str>) -> Result<(), String> {
        let words = |e: std::io::Error| e.to_string();
        stream.set_read_timeout(Some(SILENCE)).map_err(words)?;
        let mut writer = stream.try_clone().map_err(words)?;
        let mut reader = BufReader::new(stream);
        let challenge = hex(&random::<32>().map_err(words)?);
        send(&mut writer, &json!({"challenge": challenge}))?;
        let theirs = receive(&mut reader)?;
        let theirs = theirs["challenge"].as_str().filter(|c| c.len() == 64).ok_or("it sent no challenge")?;
        let proof = json!({"key": self.key.public(), "signature": self.key.sign(theirs.as_bytes()), "genesis": self.genesis.digest});
        send(&mut writer, &proof)?;
        let id = check(&receive(&mut reader)?, &challenge, &self.genesis.digest, expected)?;
        let connections = if expected.is_some() { &self.dialed } else { &self.accepted };
        let _live = Live::enter(connections, &id);
        let beat = writer.try_clone().map_err(words)?;
        thread::spawn(move || beats(beat));
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(e) => {
                    let _ = writer.shutdown(std::net::Shutdown::Both);
                    return Err(e.to_string());
                }
            }
        }
    }

    /// Ids of the peers this node dialed and is connected to.
    pub(crate) fn reached(&self) -> Vec<String> {
        lock(&self.dialed).keys().cloned().collect()
    }

    /// Ids of all peers connected now, in whichever direction.
    pub(crate) fn connected(&self) -> Vec<String> {
        let mut all = self.reached();
        all.extend(lock(&self.accepted).keys().cloned());
        all.sort();
        all.dedup();
        all
    }

    /// What `/status` answers.
    pub(crate) fn status(&self) -> Value {
        json!({
            "id": self.key.id(),
            "peers": self.reached(),
            "connected": self.connected(),
            "validators": self.genesis.validators,
            "contract_validators": self.genesis.contract_validators,
            "genesis": self.genesis.digest,
        })
    }
}

/// One live connection, counted while it exists.
struct Live<'a>(&'a Mutex<BTreeMap<String, usize>>, String);

impl<'a> Live<'a> {
    fn enter(connections: &'a Mutex<BTreeMap<String, usize>>, id: &str) -> Live<'a> {
        *lock(connections).entry(id.to_owned()).or_default() += 1;
        Live(connections, id.to_owned())
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        let mut connections = lock(self.0);
        if let Some(count) = connections.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.1);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn dial(address: &str) -> Result<TcpStream, String> {
    let found = address.to_socket_addrs().map_err(|e| e.to_string())?.next().ok_or("no such address")?;
    TcpStream::connect_timeout(&found, SILENCE).map_err(|e| e.to_string())
}

fn beats(mut stream: TcpStream) {
    while stream.write_all(b"\n").is_ok() {
        thread::sleep(BEAT);
    }
}

fn send(stream: &mut TcpStream, message: &Value) -> Result<(), String> {
    stream.write_all(format!("{message}\n").as_bytes()).map_err(|e| e.to_string())
}

fn receive(reader: &mut BufReader<TcpStream>) -> Result<Value, String> {
    let mut line = Vec::new();
    reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
    serde_json::from_slice(&line).map_err(|_| "it does not speak this protocol".to_owned())
}

/// The id of the other end, once its proof, its genesis and, where one is expected, its id are right.
fn check(proof: &Value, challenge: &str, genesis: &str, expected: Option<&str>) -> Result<String, String> {
    let field = |name: &str| proof[name].as_str().unwrap_or_default();
    let id = signer(field("key"), challenge.as_bytes(), field("signature")).ok_or("its signature is wrong")?;
    if let Some(expected) = expected.filter(|e| **e != id) {
        return Err(format!("it is {id}, not {expected}"));
    }
    if field("genesis") != genesis {
        return Err(format!("{id} has another genesis"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn node(digest: &str) -> Arc<Node> {
        let genesis = Genesis { validators: 2, contract_validators: 2, digest: digest.into() };
        Arc::new(Node { key: Key::generate().unwrap(), genesis, dialed: Mutex::default(), accepted: Mutex::default() })
    }

    /// Starts accepting on a free port and says where.
    fn serve(node: &Arc<Node>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let node = Arc::clone(node);
        thread::spawn(move || node.accept(&listener));
        address
    }

    fn soon(what: impl Fn() -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if what() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    #[test]
    fn a_peer_with_its_key_and_genesis_is_reached_and_missed_when_it_goes() {
        let (a, b) = (node("g"), node("g"));
        let stream = dial(&serve(&b)).unwrap();
        let end = stream.try_clone().unwrap();
        let (dialer, id) = (Arc::clone(&a), b.key.id());
        thread::spawn(move || dialer.converse(stream, Some(&id)));
        assert!(soon(|| a.reached() == [b.key.id()] && b.connected() == [a.key.id()]));
        assert_eq!(b.reached(), Vec::<String>::new());
        assert_eq!(a.status()["peers"], json!([b.key.id()]));
        end.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(soon(|| a.reached().is_empty() && b.connected().is_empty()));
    }

    #[test]
    fn another_id_or_genesis_is_refused() {
        let (a, b, c) = (node("g"), node("g"), node("other"));
        let (at_b, at_c) = (serve(&b), serve(&c));
        let wrong_id = a.converse(dial(&at_b).unwrap(), Some(&c.key.id())).unwrap_err();
        assert_eq!(wrong_id, format!("it is {}, not {}", b.key.id(), c.key.id()));
        let wrong_genesis = a.converse(dial(&at_c).unwrap(), Some(&c.key.id())).unwrap_err();
        assert!(wrong_genesis.ends_with("has another genesis"), "{wrong_genesis}");
        assert!(a.connected().is_empty());
    }

    #[test]
    fn a_replayed_signature_proves_nothing() {
        let (a, b) = (node("g"), node("g"));
        let proof = json!({"key": b.key.public(), "signature": b.key.sign(b"an older challenge"), "genesis": "g"});
        assert_eq!(check(&proof, "the challenge", "g", None).unwrap_err(), "its signature is wrong");
        assert_eq!(check(&json!({}), "the challenge", "g", None).unwrap_err(), "its signature is wrong");
        assert_ne!(a.key.id(), b.key.id());
    }

    #[test]
    fn peers_are_parsed_whole() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let peer = parse_peer(&format!("tcp://{id}@10.0.0.1:46656")).unwrap();
        assert_eq!(peer, Peer { id: id.into(), address: "10.0.0.1:46656".into() });
        for bad in ["", "tcp://10.0.0.1:46656", "tcp://xyz@10.0.0.1:46656", &format!("tcp://{id}@10.0.0.1")] {
            assert!(parse_peer(bad).is_err(), "{bad}");
        }
    }
}
