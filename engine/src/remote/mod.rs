//! Agents on hosts: started over a transport, spoken to over the wire, one for each user.

mod agent;
mod bootstrap;
mod contents;
pub(crate) mod escalate;
mod host;
mod program;
mod raw;
mod slot;

pub use contents::Contents;

use crate::error::Result;
use crate::transport::{Become, Connection};
use host::Host;
use modules::wire::{Request, Response};
use program::Program;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// How many connections are opened at the same time.
const CONNECTING: usize = 32;

/// All connections of a run. Cloning shares.
#[derive(Clone)]
pub struct Remotes {
    shared: Arc<Shared>,
}

/// What all connections need.
pub(crate) struct Shared {
    contents: Arc<Contents>,
    program: Program,
    connecting: Semaphore,
    hosts: Mutex<HashMap<Connection, Arc<Host>>>,
}

impl Remotes {
    /// With the content store; this program itself is the agent.
    pub fn new(contents: Arc<Contents>) -> Remotes {
        Remotes::build(contents, Program::own())
    }
    /// With the content store, and an executable `engine` as the agent in place of this one.
    pub fn with_program(contents: Arc<Contents>, program: &Path) -> Remotes {
        Remotes::build(contents, Program::at(program))
    }
    fn build(contents: Arc<Contents>, program: Program) -> Remotes {
        Remotes { shared: Arc::new(Shared { contents, program, connecting: Semaphore::new(CONNECTING), hosts: Mutex::default() }) }
    }
    /// The content store.
    pub fn contents(&self) -> &Arc<Contents> {
        &self.shared.contents
    }
    /// Runs a module on a host as a user, connecting, pushing and starting the agent on first use. Requests to one host
    /// are answered in order.
    ///
    /// # Errors
    /// Kind `Unreachable` when the host cannot be reached, refuses the key, or the connection died; `Failed` or `NoUser` when the user cannot be become.
    pub async fn run(&self, connection: &Connection, user: Option<&Become>, request: Request) -> Result<Response> {
        self.host(connection).run(&self.shared, user, request).await
    }
    /// Runs a command line over the bare transport, without an agent: for `raw`.
    ///
    /// # Errors
    /// Kind `Unreachable`, as for [`Remotes::run`].
    pub async fn raw(&self, connection: &Connection, user: Option<&Become>, line: &str) -> Result<modules::host::Output> {
        self.host(connection).raw(&self.shared, user, line).await
    }
    /// Drops the agents of a host, for `meta: reset_connection` and after a reboot.
    pub async fn reset(&self, connection: &Connection) {
        let host = self.hosts().remove(connection);
        if let Some(host) = host {
            host.stop().await;
            host.shut().await;
        }
    }
    /// Ends all agents; connections stay for the next run as long as ssh keeps them.
    pub async fn close(&self) {
        let hosts: Vec<Arc<Host>> = self.hosts().drain().map(|(_, host)| host).collect();
        futures::future::join_all(hosts.iter().map(|host| host.stop())).await;
    }
    fn host(&self, connection: &Connection) -> Arc<Host> {
        self.hosts().entry(connection.clone()).or_insert_with(|| Arc::new(Host::new(connection.clone()))).clone()
    }
    fn hosts(&self) -> MutexGuard<'_, HashMap<Connection, Arc<Host>>> {
        self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
