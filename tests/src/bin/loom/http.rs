//! Just enough HTTP for queries: `/status` of this stand-in, `/net_info` and `/health` as Tendermint's RPC answers them.

use crate::peers::Node;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Answers requests for ever.
pub(crate) fn serve(listener: &TcpListener, node: &Arc<Node>) {
    for stream in listener.incoming().flatten() {
        let node = Arc::clone(node);
        thread::spawn(move || {
            // A client that goes away in the middle of its answer is its own business.
            let _ = handle(stream, &node);
        });
    }
}

fn handle(stream: TcpStream, node: &Node) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?).take(16 * 1024);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/");
    let (code, body) = match answer(path, node) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", json!({"error": format!("there is no {path}")})),
    };
    let body = format!("{body}\n");
    let head = format!("HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn answer(path: &str, node: &Node) -> Option<Value> {
    match path {
        "/status" => Some(node.status()),
        "/net_info" => {
            let peers: Vec<Value> = node.connected().iter().map(|id| json!({"node_info": {"id": id}})).collect();
            Some(json!({"jsonrpc": "2.0", "id": "", "result": {"listening": true, "n_peers": peers.len().to_string(), "peers": peers}}))
        }
        "/health" => Some(json!({"jsonrpc": "2.0", "id": "", "result": {}})),
        _ => None,
    }
}
