//! One host of a run: its transport and its agents, one for each user.

use super::agent::{Agent, answered};
use super::bootstrap;
use super::slot::Slot;
use super::{Shared, raw};
use crate::error::{Diagnostic, Kind, Result};
use crate::transport::{Become, Connection, ConnectionKind, Transport};
use modules::host::Output;
use modules::host::overlay::Overlay;
use modules::wire::{Request, Response, Status};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Agents = HashMap<Option<Become>, Arc<Slot<Arc<Agent>>>>;

/// A host that is used in this run.
pub(crate) struct Host {
    connection: Connection,
    transport: Slot<Transport>,
    agents: Mutex<Agents>,
    /// Whose memory holds what the plan has written so far.
    planner: tokio::sync::Mutex<Option<Arc<Agent>>>,
}

impl Host {
    pub(crate) fn new(connection: Connection) -> Host {
        Host { connection, transport: Slot::default(), agents: Mutex::default(), planner: tokio::sync::Mutex::new(None) }
    }

    /// Runs a module as a user.
    pub(crate) async fn run(self: &Arc<Self>, shared: &Arc<Shared>, user: Option<&Become>, request: Request) -> Result<Response> {
        let agent = match (self.agent(shared, self.other(user)).await, user) {
            (Err(error), Some(user)) if error.kind == Kind::NoUser && !request.live => {
                return self.plan_for_user_to_come(user, request).await.unwrap_or(Err(error));
            }
            (agent, _) => agent?,
        };
        let answer = if request.live { agent.ask(request).await? } else { self.plan(&agent, request).await? };
        answered(answer).await
    }

    /// Plans a task of a user whom the plan makes, or may have made, before: by another user's agent, so that later tasks see
    /// what it would do. `None` when nothing planned so far can make the user.
    async fn plan_for_user_to_come(&self, user: &Become, request: Request) -> Option<Result<Response>> {
        let planner = self.planner.lock().await.clone().filter(|planner| planner.alive())?;
        let overlay = match planner.take_overlay().await {
            Ok(bytes) => Overlay::parse(&bytes).ok()?,
            Err(error) => return Some(Err(error)),
        };
        if !overlay.may_have_user(&user.user) {
            return None;
        }
        let answer = match planner.ask(request).await {
            Ok(answer) => answered(answer).await,
            Err(error) => Err(error),
        };
        Some(
            answer.map(|response| Response {
                status: Status::Unknown(format!("runs as the user {}, to be made first", user.user)),
                ..response
            }),
        )
    }

    /// Runs a command line without an agent.
    pub(crate) async fn raw(self: &Arc<Self>, shared: &Arc<Shared>, user: Option<&Become>, line: &str) -> Result<Output> {
        let transport = self.transport(shared).await?;
        raw::run(&self.connection.host, &transport, self.other(user), line).await
    }

    /// Ends the agents.
    pub(crate) async fn stop(&self) {
        let agents: Vec<Arc<Agent>> = self.agents().drain().filter_map(|(_, slot)| slot.present()).collect();
        self.planner.lock().await.take();
        futures::future::join_all(agents.iter().map(|agent| agent.stop())).await;
    }

    /// Ends the connection.
    pub(crate) async fn shut(&self) {
        if let Some(transport) = self.transport.present() {
            self.transport.clear();
            transport.shut().await;
        }
    }

    /// Asks for a module's plan. What the plan has written so far may lie with another user's agent: it comes along.
    async fn plan(&self, agent: &Arc<Agent>, request: Request) -> Result<tokio::sync::oneshot::Receiver<Result<Response>>> {
        let mut planner = self.planner.lock().await;
        if let Some(before) = planner.as_ref().filter(|before| !Arc::ptr_eq(before, agent) && before.alive()) {
            let overlay = before.take_overlay().await?;
            agent.put_overlay(overlay).await?;
        }
        *planner = Some(agent.clone());
        agent.ask(request).await
    }

    /// The user to become, unless it is the login user.
    fn other<'a>(&self, user: Option<&'a Become>) -> Option<&'a Become> {
        let login = match &self.connection.kind {
            ConnectionKind::Ssh(ssh) => ssh.user.clone(),
            ConnectionKind::Local => own_name(),
        };
        user.filter(|user| login.as_ref() != Some(&user.user))
    }

    async fn transport(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<Transport> {
        let open = || {
            let (host, shared) = (self.clone(), shared.clone());
            async move {
                let _turn = shared.connecting.acquire().await.map_err(closed)?;
                Transport::open(&host.connection, &shared.program.path).await
            }
        };
        let transport = self.transport.obtain(|_| true, open).await?;
        if transport.alive().await {
            return Ok(transport);
        }
        self.transport.clear();
        self.transport.obtain(|_| true, open).await
    }

    async fn agent(self: &Arc<Self>, shared: &Arc<Shared>, user: Option<&Become>) -> Result<Arc<Agent>> {
        let slot = self.agents().entry(user.cloned()).or_default().clone();
        let start = || {
            let (host, shared, user) = (self.clone(), shared.clone(), user.cloned());
            async move { host.start(&shared, user.as_ref()).await }
        };
        slot.obtain(|agent| agent.alive(), start).await
    }

    /// Starts an agent; on a connection of an earlier run that turns out to be dead, over a new one.
    async fn start(self: &Arc<Self>, shared: &Arc<Shared>, user: Option<&Become>) -> Result<Arc<Agent>> {
        let transport = self.transport(shared).await?;
        let started = match self.start_over(&transport, shared, user).await {
            Err(_) if transport.reused() && self.idle() && !transport.alive().await => {
                self.shut().await;
                let transport = self.transport(shared).await?;
                self.start_over(&transport, shared, user).await?
            }
            other => other?,
        };
        let same = self.agents().values().filter_map(|slot| slot.present()).find(|agent| agent.user == started.user && agent.alive());
        Ok(same.unwrap_or_else(|| Arc::new(started)))
    }

    async fn start_over(&self, transport: &Transport, shared: &Shared, user: Option<&Become>) -> Result<Agent> {
        let _turn = shared.connecting.acquire().await.map_err(closed)?;
        let started = bootstrap::start(&self.connection.host, transport, &shared.program, user).await?;
        Agent::greet(&self.connection.host, started, shared.contents.clone()).await
    }

    /// Whether no agent runs.
    fn idle(&self) -> bool {
        !self.agents().values().filter_map(|slot| slot.present()).any(|agent| agent.alive())
    }

    fn agents(&self) -> MutexGuard<'_, Agents> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed(_: tokio::sync::AcquireError) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Kind::System, "connections are closed"))
}

/// The name of the user that this process runs as.
fn own_name() -> Option<String> {
    let own = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').nth(2) == Some(&own))?;
    line.split(':').next().map(str::to_owned)
}
