//! Agents on hosts: started over a transport, spoken to over the wire, one for each user.

use crate::error::{Diagnostic, Result};
use crate::transport::{Become, Connection};
use modules::wire::{Request, Response};
use std::sync::Arc;

/// File content that agents may ask for, by SHA-256 in hex. Shared by the whole run.
#[derive(Default)]
pub struct Contents {}

impl Contents {
    /// Keeps bytes and returns their hash.
    pub fn keep(&self, bytes: Vec<u8>) -> String {
        let _ = bytes;
        String::new()
    }
    /// Keeps a file of the controller by its path, read again when asked for, and returns its hash.
    pub fn keep_file(&self, path: &std::path::Path) -> Result<String> {
        let _ = path;
        Err(Box::new(Diagnostic::input("not there yet")))
    }
    /// The bytes under a hash.
    pub fn bytes(&self, hash: &str) -> Result<Vec<u8>> {
        let _ = hash;
        Err(Box::new(Diagnostic::input("not there yet")))
    }
}

/// All connections of a run. Cloning shares.
#[derive(Clone)]
pub struct Remotes {
    contents: Arc<Contents>,
}

impl Remotes {
    /// With the content store.
    pub fn new(contents: Arc<Contents>) -> Remotes {
        Remotes { contents }
    }
    /// The content store.
    pub fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }
    /// Runs a module on a host as a user, connecting, pushing and starting the agent on first use. Requests to one host
    /// are answered in order.
    ///
    /// # Errors
    /// Kind `Unreachable` when the host cannot be reached, refuses the key or the sudo password, or the connection died.
    pub async fn run(&self, connection: &Connection, user: Option<&Become>, request: Request) -> Result<Response> {
        let _ = (connection, user, request);
        Err(Box::new(Diagnostic::input("not there yet")))
    }
    /// Runs a command line over the bare transport, without an agent: for `raw`.
    pub async fn raw(&self, connection: &Connection, user: Option<&Become>, line: &str) -> Result<modules::host::Output> {
        let _ = (connection, user, line);
        Err(Box::new(Diagnostic::input("not there yet")))
    }
    /// Drops the agents of a host, for `meta: reset_connection` and after a reboot.
    pub async fn reset(&self, connection: &Connection) {
        let _ = connection;
    }
    /// Ends all agents; connections stay for the next run as long as ssh keeps them.
    pub async fn close(&self) {}
}
