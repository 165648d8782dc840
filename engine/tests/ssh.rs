//! Connections to a private sshd on loopback, with the real program as the agent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use engine::error::Kind;
use engine::remote::{Contents, Remotes};
use engine::transport::{Become, Connection, ConnectionKind, Ssh};
use modules::value::{Map, Value};
use modules::wire::{Request, Status};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::Server;

/// Connections to the server.
trait Connects {
    fn ssh(&self, key: &str, known: &str) -> Ssh;
    fn connection(&self, ssh: Ssh) -> Connection;
    fn good(&self) -> Connection;
}

impl Connects for Server {
    fn ssh(&self, key: &str, known: &str) -> Ssh {
        let known = format!("UserKnownHostsFile={}", self.path(known).display());
        Ssh {
            address: "127.0.0.1".into(),
            port: Some(self.port),
            user: None,
            key_file: Some(self.path(key).display().to_string()),
            password: None,
            args: ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", &known].map(str::to_owned).to_vec(),
            host_key_checking: true,
            timeout: Duration::from_secs(10),
        }
    }

    fn connection(&self, ssh: Ssh) -> Connection {
        // The folder's name keeps the masters of parallel tests apart.
        Connection { host: format!("web{}", self.port), kind: ConnectionKind::Ssh(ssh) }
    }

    fn good(&self) -> Connection {
        self.connection(self.ssh("user", "known"))
    }
}

fn remotes() -> Remotes {
    Remotes::with_program(Arc::new(Contents::default()), Path::new(env!("CARGO_BIN_EXE_engine")))
}

fn user(name: &str) -> Become {
    Become { method: "sudo".into(), user: name.into(), exe: None, flags: None, password: None }
}

fn ping(live: bool) -> Request {
    Request { id: 5, module: "ping".into(), args: Map::default(), live, fresh: false, environment: vec![], timeout: 0 }
}

fn sudo_to_nobody() -> bool {
    Command::new("sudo").args(["-n", "-u", "nobody", "true"]).output().is_ok_and(|out| out.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_lines_run_and_the_master_is_found_again() {
    let Some(server) = Server::start() else { return };
    let connection = server.good();
    let remotes_one = remotes();
    let line = "echo \"it's $((20 + 1))\"; echo odd >&2; exit 3";
    let out = remotes_one.raw(&connection, None, line).await.unwrap();
    assert_eq!((out.code, out.text().as_str(), out.errors().as_str()), (3, "it's 21\n", "odd\n"));
    assert_eq!(remotes_one.raw(&connection, None, "nonsense-command").await.unwrap().code, 127);
    let parent = "cat /proc/$PPID/stat | cut -d' ' -f1; cut -d' ' -f4 /proc/$PPID/stat";
    let first = remotes_one.raw(&connection, None, parent).await.unwrap().text();
    remotes_one.close().await;
    let remotes_two = remotes();
    let second = remotes_two.raw(&connection, None, parent).await.unwrap().text();
    assert_eq!(first, second, "the same session process of sshd serves both runs");
    remotes_two.reset(&connection).await;
    let third = remotes_two.raw(&connection, None, parent).await.unwrap().text();
    assert_ne!(second, third, "a reset connects anew");
    if sudo_to_nobody() {
        let out = remotes_two.raw(&connection, Some(&user("nobody")), "id -un").await.unwrap();
        assert_eq!(out.text(), "nobody\n", "{}", out.errors());
    }
    remotes_two.reset(&connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why() {
    let Some(server) = Server::start() else { return };
    let remotes = remotes();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let table = [
        (server.ssh("stranger", "known"), "refused the login", "ansible_ssh_private_key_file"),
        (server.ssh("user", "none"), "the host key of", "ssh-keyscan -p"),
        (server.ssh("user", "changed"), "has changed", "ssh-keygen -R"),
        (Ssh { port: Some(closed), ..server.ssh("user", "known") }, "refused the connection", "ansible_port"),
        (Ssh { address: "no-such-host.invalid".into(), ..server.ssh("user", "known") }, "does not resolve", "ansible_host"),
    ];
    for (ssh, summary, hint) in table {
        let error = remotes.raw(&server.connection(ssh), None, "true").await.unwrap_err();
        assert_eq!(error.kind, Kind::Unreachable);
        assert!(error.summary.contains(summary), "{error:?}");
        assert!(error.hints.iter().any(|h| h.contains(hint)), "{error:?}");
        assert!(!error.notes.is_empty(), "{error:?}");
    }
    let option = Ssh { address: "-oProxyCommand=touch /tmp/x".into(), ..server.ssh("user", "known") };
    assert_eq!(remotes.raw(&server.connection(option), None, "true").await.unwrap_err().kind, Kind::Input);
    let unchecked = server.connection(Ssh { host_key_checking: false, ..server.ssh("user", "none") });
    assert_eq!(remotes.raw(&unchecked, None, "echo in").await.unwrap().text(), "in\n");
    remotes.reset(&unchecked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_is_passed_through() {
    let Some(server) = Server::start() else { return };
    let mut ssh = server.ssh("user", "known");
    // -J reads neither -i nor -o, so the way over the jump host is a ProxyCommand with the same options. The first time it is overrun.
    let proxy = format!(
        "ProxyCommand=sh -c 'test -e {0}/tried || {{ touch {0}/tried; exit 1; }}; exec ssh -F none -i {0}/user -o UserKnownHostsFile={0}/known -p {1} -W %h:%p 127.0.0.1'",
        server.dir.path().display(),
        server.port
    );
    ssh.args.extend(["-o".into(), proxy]);
    let (connection, remotes) = (server.connection(ssh), remotes());
    assert_eq!(remotes.raw(&connection, None, "echo through").await.unwrap().text(), "through\n");
    assert!(server.path("tried").exists());
    remotes.reset(&connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_sent_once_and_answer() {
    let Some(server) = Server::start() else { return };
    let (connection, remotes) = (server.good(), remotes());
    let asked = (0..20).map(|_| remotes.run(&connection, None, ping(true)));
    for response in futures::future::join_all(asked).await {
        let response = response.unwrap();
        assert_eq!(response.id, 5);
        assert!(matches!(response.status, Status::Done), "{response:?}");
    }
    remotes.close().await;
    let agents = || {
        let files = std::fs::read_dir(server.path("cache/engine")).unwrap().map(|e| e.unwrap().path());
        files.filter(|path| path.to_string_lossy().contains("/agent-")).collect::<Vec<_>>()
    };
    let sent = agents();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let again = Remotes::with_program(Arc::new(Contents::default()), Path::new(env!("CARGO_BIN_EXE_engine")));
    again.run(&connection, None, ping(false)).await.unwrap();
    again.reset(&connection).await;
    again.run(&connection, None, ping(true)).await.unwrap();
    assert_eq!(agents(), sent);
    again.reset(&connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_have_agents_of_their_own_and_share_the_plan() {
    let Some(server) = Server::start() else { return };
    if !sudo_to_nobody() {
        return;
    }
    let (connection, remotes) = (server.good(), remotes());
    let group =
        || Request { module: "group".into(), args: [(Value::str("name"), Value::str("enginetest"))].into_iter().collect(), ..ping(false) };
    let planned = |response: modules::wire::Response| response.changes.len();
    assert_eq!(planned(remotes.run(&connection, None, group()).await.unwrap()), 1);
    let seen = remotes.run(&connection, Some(&user("nobody")), group()).await.unwrap();
    assert_eq!(planned(seen), 0, "what root's plan makes is there in nobody's");
    assert_eq!(planned(remotes.run(&connection, None, group()).await.unwrap()), 0, "and it comes back");
    let error = remotes.run(&connection, Some(&user("no-such-user")), ping(true)).await.unwrap_err();
    assert!(error.summary.contains("`no-such-user` does not exist"), "{error:?}");
    remotes.reset(&connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_is_told_and_made_anew() {
    let Some(server) = Server::start() else { return };
    let (connection, remotes) = (server.good(), remotes());
    remotes.run(&connection, None, ping(true)).await.unwrap();
    let sleep =
        Request { module: "command".into(), args: [(Value::str("cmd"), Value::str("sleep 30"))].into_iter().collect(), ..ping(true) };
    let kill = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // The session process of sshd, which holds the connection.
        remotes.raw(&connection, None, "kill $PPID").await
    };
    let (broken, _) = tokio::join!(remotes.run(&connection, None, sleep), kill);
    let error = broken.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.summary.ends_with("lost"), "{error:?}");
    remotes.run(&connection, None, ping(true)).await.unwrap();
    remotes.reset(&connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_needs_no_ssh() {
    let (connection, remotes) = (Connection { host: "localhost".into(), kind: ConnectionKind::Local }, remotes());
    let response = remotes.run(&connection, None, ping(true)).await.unwrap();
    assert!(matches!(response.status, Status::Done), "{response:?}");
    assert_eq!(remotes.raw(&connection, None, "echo here; exit 2").await.unwrap().code, 2);
    remotes.close().await;
}
