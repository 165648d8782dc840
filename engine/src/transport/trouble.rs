//! What ssh says when a host cannot be reached, told with the cause first and what to do.

use super::Ssh;
use super::channel::last_lines;
use crate::error::{Diagnostic, Kind};

/// What ssh says, what that means, and what helps; `HOST`, `NAME` and `ADDRESS` (with the port) stand for the host's. First match wins.
const CAUSES: &[(&str, &str, &[&str])] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of HOST has changed",
        &["if the host was rebuilt, forget its old key: `ssh-keygen -R ADDRESS`; otherwise someone may be listening"],
    ),
    (
        "Host key verification failed",
        "the host key of HOST is not known",
        &[
            "check the key and add it: `ssh-keyscan ADDRESS >> ~/.ssh/known_hosts`",
            "or set `ansible_host_key_checking: false` for hosts that come and go",
        ],
    ),
    (
        "Could not resolve hostname",
        "the address of HOST is not known: `NAME` does not resolve",
        &["set `ansible_host` to its address, or check the name in the inventory"],
    ),
    ("Connection refused", "HOST refused the connection at ADDRESS", &["is sshd running there, and is `ansible_port` right?"]),
    ("timed out", "HOST did not answer at ADDRESS", &["is it up, and does a firewall let ssh through? `--timeout` gives it longer"]),
    ("No route to host", "there is no route to HOST at ADDRESS", &["is it up, and is `ansible_host` right?"]),
    ("Network is unreachable", "the network of HOST cannot be reached", &["check this machine's network and `ansible_host`"]),
    (
        "Too many authentication failures",
        "HOST refused the login: too many keys were tried",
        &["name the key in `ansible_ssh_private_key_file` and add `-o IdentitiesOnly=yes` to `ansible_ssh_common_args`"],
    ),
    (
        "not accessible: No such file",
        "HOST refused the login, and a private key named for it does not exist",
        &["check `ansible_ssh_private_key_file`, `--private-key` and ~/.ssh/config"],
    ),
    (
        "Permission denied",
        "HOST refused the login",
        &["check `ansible_user` and `ansible_ssh_private_key_file`, or set `ansible_password`"],
    ),
    ("UNPROTECTED PRIVATE KEY", "the private key for HOST may be read by others", &["`chmod 600` it"]),
    ("Bad owner or permissions", "ssh refuses its own configuration", &["`chmod 600 ~/.ssh/config`"]),
    ("Bad configuration option", "ssh does not know an option given for HOST", &["look at `ansible_ssh_common_args` and ~/.ssh/config"]),
    ("command-line", "ssh does not understand an option given for HOST", &["look at `ansible_ssh_common_args`"]),
    ("Connection closed by", "HOST closed the connection", &["look at the log of its sshd"]),
    ("Connection reset by", "HOST closed the connection", &["look at the log of its sshd"]),
];

/// The error for what ssh wrote before it gave up.
pub(crate) fn unreachable(host: &str, ssh: &Ssh, said: &str) -> Diagnostic {
    let address = match ssh.port {
        Some(port) => format!("{} port {port}", ssh.address),
        None => ssh.address.clone(),
    };
    let fill = |text: &str| text.replace("HOST", host);
    let found = CAUSES.iter().find(|(words, ..)| said.contains(words));
    let mut error = match found {
        Some((_, summary, _)) => {
            Diagnostic::new(Kind::Unreachable, fill(summary).replace("ADDRESS", &address).replace("NAME", &ssh.address))
        }
        None => Diagnostic::new(Kind::Unreachable, format!("cannot connect to {host} at {address}")),
    };
    for line in last_lines(said) {
        error = error.note(line);
    }
    let keyscan = match ssh.port {
        Some(port) => format!("-p {port} {}", ssh.address),
        None => ssh.address.clone(),
    };
    let bracketed = ssh.port.map_or_else(|| ssh.address.clone(), |port| format!("'[{}]:{port}'", ssh.address));
    for hint in found.map_or(&[][..], |(_, _, hints)| hints) {
        let hint = hint.replace("keyscan ADDRESS", &format!("keyscan {keyscan}")).replace("-R ADDRESS", &format!("-R {bracketed}"));
        error = error.hint(fill(&hint));
    }
    if found.is_some_and(|(words, ..)| *words == "Permission denied") {
        if ssh.password.is_some() {
            error.hints = vec!["check `ansible_user` and `ansible_password`; sshd may also forbid passwords".to_owned()];
        }
        if let Some(user) = &ssh.user {
            error.summary = format!("{host} refused the login of `{user}`");
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told() {
        let ssh = Ssh {
            address: "10.0.0.1".into(),
            port: Some(2222),
            user: Some("me".into()),
            key_file: None,
            password: None,
            args: vec![],
            host_key_checking: true,
            timeout: std::time::Duration::from_secs(10),
        };
        let table = [
            (
                "ssh: Could not resolve hostname nix: Name or service not known\r\n",
                "the address of web is not known: `10.0.0.1` does not resolve",
            ),
            ("ssh: connect to host 10.0.0.1 port 2222: Connection refused\r\n", "web refused the connection at 10.0.0.1 port 2222"),
            ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "web did not answer at 10.0.0.1 port 2222"),
            ("No ED25519 host key is known\r\nHost key verification failed.\r\n", "the host key of web is not known"),
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "the host key of web has changed"),
            ("me@10.0.0.1: Permission denied (publickey).", "web refused the login of `me`"),
            ("odd words", "cannot connect to web at 10.0.0.1 port 2222"),
        ];
        for (said, summary) in table {
            let error = unreachable("web", &ssh, said);
            assert_eq!(error.summary, summary);
            assert_eq!(error.kind, Kind::Unreachable);
            assert!(!error.notes.is_empty());
        }
        let hints = unreachable("web", &ssh, "Host key verification failed.").hints;
        assert!(hints[0].contains("ssh-keyscan -p 2222 10.0.0.1 >>"), "{hints:?}");
    }
}
