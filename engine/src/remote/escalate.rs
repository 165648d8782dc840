//! Becoming another user on a host: the line for `sudo`, `su` or `doas`, their prompts and refusals.

use crate::error::{Diagnostic, Kind, Result};
use crate::transport::{Become, Tail, quote, refuse_option_like, split_args};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// The prompt that sudo is told to show.
const PROMPT: &str = "[engine asks for the sudo password]";

/// How to become a user.
#[derive(Debug)]
pub(crate) struct Escalation {
    host: String,
    method: Method,
    user: String,
    words: Vec<String>,
    password: Option<String>,
    given: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Sudo,
    Su,
    Doas,
}

impl Escalation {
    /// Checks the method and puts its words together.
    pub(crate) fn new(host: &str, user: &Become) -> Result<Escalation> {
        refuse_option_like(&user.user)?;
        let method = match user.method.rsplit('.').next().unwrap_or_default() {
            "sudo" => Method::Sudo,
            "su" => Method::Su,
            "doas" => Method::Doas,
            other => {
                return Err(Box::new(
                    Diagnostic::input(format!("become method `{other}` is not supported")).hint("use `sudo`, `su` or `doas`"),
                ));
            }
        };
        let mut words = split_args(user.exe.as_deref().unwrap_or(method.name()))?;
        let flags = split_args(user.flags.as_deref().unwrap_or(if method == Method::Sudo { "-H -S -n" } else { "" }))?;
        let password = user.password.clone().filter(|_| method != Method::Doas);
        match method {
            Method::Sudo => {
                words.extend(flags.into_iter().filter(|flag| flag != "-n" && flag != "--non-interactive"));
                words.extend(password.is_none().then(|| "-n".to_owned()));
                words.extend(["-S", "-p", PROMPT, "-u", &user.user, "--", "sh", "-c"].map(str::to_owned));
            }
            Method::Su => {
                words.extend(flags);
                words.extend([user.user.clone(), "-c".to_owned()]);
            }
            Method::Doas => {
                words.extend(flags);
                words.extend(["-n", "-u", &user.user, "sh", "-c"].map(str::to_owned));
            }
        }
        Ok(Escalation { host: host.to_owned(), method, user: user.user.clone(), words, password, given: 0 })
    }

    /// The script that runs another as the user. Who is that user already needs no program for it.
    pub(crate) fn wrap(&self, script: &str) -> String {
        // su hands its line to the user's login shell, which may be any.
        let script = if self.method == Method::Su { format!("sh -c {}", quote(script)) } else { script.to_owned() };
        let words: Vec<String> = self.words.iter().map(|word| quote(word)).collect();
        // The prompt of su is looked at, so it has to be in English.
        let english = if self.method == Method::Su && self.password.is_some() { "env LC_ALL=C " } else { "" };
        let user = quote(&self.user);
        format!("b={}; if [ \"$(id -un)\" = {user} ]; then exec sh -c \"$b\"; fi; exec {english}{} \"$b\"", quote(&script), words.join(" "))
    }

    /// The words that become the user, for people.
    pub(crate) fn line(&self) -> String {
        self.words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }

    /// Whether there is a password to give.
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// What the program writes when it wants a password.
    fn prompt(&self) -> &'static str {
        if self.method == Method::Sudo { PROMPT } else { "assword:" }
    }

    /// What was said without the prompt that was answered.
    pub(crate) fn without_prompt(&self, said: Vec<u8>) -> Vec<u8> {
        let prompt = if self.method == Method::Sudo { PROMPT } else { "Password: " };
        if self.given == 0 {
            return said;
        }
        match said.windows(prompt.len()).position(|part| part == prompt.as_bytes()) {
            Some(at) => [&said[..at], &said[at + prompt.len()..]].concat(),
            None => said,
        }
    }

    /// The error for what the program said on standard error, and what else came from the host, before it gave up.
    pub(crate) fn refused(&self, said: &str, noise: Vec<String>, code: i32) -> Diagnostic {
        let (name, user, host) = (self.method.name(), &self.user, &self.host);
        let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let told = |summary: String| Diagnostic::new(Kind::Failed, summary);
        let closed = noise.iter().any(|line| line.contains("account is currently not available"));
        let error = if closed {
            told(format!("{name} to `{user}` failed on {host}: an account there has no login shell"))
        } else if any(&["not in the sudoers", "not allowed to", "Operation not permitted"]) {
            told(format!("the login user may not become `{user}` on {host}"))
                .hint(format!("the host's {name} configuration has to allow it"))
        } else if any(&["unknown user", "does not exist", "no passwd entry", "unknown user:"]) {
            Diagnostic::new(Kind::NoUser, format!("user `{user}` does not exist on {host}"))
                .hint("if a task makes it, that task has to come first")
        } else if code == 127 || any(&["command not found", ": not found"]) {
            told(format!("{name} is not installed on {host}")).hint("set `become_method`, or log in as the user with `ansible_user`")
        } else if self.given > 0 {
            self.wrong_password()
        } else if self.method == Method::Doas
            || any(&["password is required", "uthentication fail", "uthentication token", "a terminal is required"])
        {
            self.needs_password()
        } else {
            told(format!("{name} to `{user}` failed on {host}"))
        };
        let error = crate::transport::last_lines(&said.replace(PROMPT, "")).into_iter().chain(noise).fold(error, Diagnostic::note);
        error.note(format!("{name} ended with exit code {code}"))
    }

    fn wrong_password(&self) -> Diagnostic {
        Diagnostic::new(Kind::Failed, format!("wrong {} password for `{}` on {}", self.method.name(), self.user, self.host))
            .hint("`-K` asks for it, `ansible_become_password` holds it")
    }

    fn needs_password(&self) -> Diagnostic {
        let error = Diagnostic::new(Kind::Failed, format!("{} needs a password for `{}` on {}", self.method.name(), self.user, self.host));
        match self.method {
            Method::Doas => {
                error.hint("doas takes passwords only at a terminal: add `permit nopass` to doas.conf, or use `become_method: sudo`")
            }
            Method::Sudo | Method::Su => error.hint("give it with `-K` or `ansible_become_password`"),
        }
    }
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Sudo => "sudo",
            Method::Su => "su",
            Method::Doas => "doas",
        }
    }
}

/// A password to be written.
pub(crate) struct Prompted(String);

impl Prompted {
    /// Writes it; if that fails, the program's own end tells.
    pub(crate) async fn give(self, stdin: &mut (impl AsyncWrite + Unpin)) {
        let _ = stdin.write_all(format!("{}\n", self.0).as_bytes()).await;
        let _ = stdin.flush().await;
    }
}

/// Waits until the program asks for a password; for ever if there is none to become.
///
/// # Errors
/// It asks though there is no password, or asks again.
pub(crate) async fn prompted(escalation: Option<&mut Escalation>, said: &Tail) -> Result<Prompted> {
    let Some(escalation) = escalation else { return std::future::pending().await };
    said.said(escalation.prompt(), escalation.given + 1).await;
    match &escalation.password {
        None => Err(Box::new(escalation.needs_password())),
        Some(_) if escalation.given > 0 => Err(Box::new(escalation.wrong_password())),
        Some(password) => {
            escalation.given += 1;
            Ok(Prompted(password.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn become_user(method: &str, password: Option<&str>) -> Become {
        Become { method: method.into(), user: "app".into(), exe: None, flags: None, password: password.map(Into::into) }
    }

    #[test]
    fn lines() {
        let line = |user: &Become| Escalation::new("web", user).unwrap().wrap("echo 'x'");
        let sudo = line(&become_user("sudo", None));
        assert!(sudo.ends_with(r#"; exec sudo -H -S -n -S -p '[engine asks for the sudo password]' -u app -- sh -c "$b""#), "{sudo}");
        let secret = line(&become_user("ansible.builtin.sudo", Some("hunter2")));
        assert!(!secret.contains("-n ") && !secret.contains("hunter2"), "{secret}");
        assert!(line(&become_user("su", None)).ends_with(r#"fi; exec su app -c "$b""#));
        assert!(line(&become_user("doas", None)).ends_with(r#"exec doas -n -u app sh -c "$b""#));
        assert!(Escalation::new("web", &become_user("pbrun", None)).is_err());
        assert!(Escalation::new("web", &Become { user: "-x".into(), ..become_user("sudo", None) }).is_err());
    }

    #[test]
    fn who_is_the_user_runs_the_script_at_once() {
        let own = std::process::Command::new("id").arg("-un").output().unwrap();
        let user = Become {
            user: String::from_utf8(own.stdout).unwrap().trim().into(),
            exe: Some("/no/such/sudo".into()),
            ..become_user("sudo", None)
        };
        let line = Escalation::new("web", &user).unwrap().wrap("echo \"it's $((1+1))\"");
        let out = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), "it's 2\n");
    }

    #[test]
    fn refusals_are_told() {
        let table = [
            ("sudo: a password is required\n", 1, "sudo needs a password for `app` on web"),
            ("sudo: unknown user app\nsudo: error initializing audit plugin", 1, "user `app` does not exist on web"),
            ("sh: 1: exec: sudo: not found\n", 127, "sudo is not installed on web"),
            ("me is not in the sudoers file.\n", 1, "the login user may not become `app` on web"),
            ("odd\n", 1, "sudo to `app` failed on web"),
        ];
        for (said, code, summary) in table {
            let error = Escalation::new("web", &become_user("sudo", None)).unwrap().refused(said, vec![], code);
            // The host answers: only its tasks fail, so that `rescue` and `ignore_errors` count.
            let kind = if summary.starts_with("user") { Kind::NoUser } else { Kind::Failed };
            assert_eq!((error.summary.as_str(), error.kind), (summary, kind));
        }
        let noise = vec!["This account is currently not available.".to_owned()];
        let closed = Escalation::new("web", &become_user("su", None)).unwrap().refused("", noise, 1);
        assert_eq!(closed.summary, "su to `app` failed on web: an account there has no login shell");
    }
}
