//! How a task's host is reached, and as whom: from variables, keywords and options, in this order of strength.

use super::{Run, Settings};
use crate::error::{Diagnostic, Result};
use crate::graph::Context;
use crate::template::{Binding, Scope};
use crate::transport::{Become, Connection, ConnectionKind, Ssh, refuse_option_like};
use crate::vars::HostScope;
use modules::args::FromValue;
use modules::value::Value;
use std::time::Duration;

/// Connection variables and keywords of one host, as one task sees them.
pub(super) struct Reach<'a> {
    run: &'a Run,
    /// The scope whose `ansible_*` variables count: the host's, or that of the host delegated to.
    scope: &'a HostScope,
    /// Keywords of the task.
    context: &'a Context,
    /// The scope in which keywords are rendered: always the task's own.
    own: &'a HostScope,
}

/// A variable that says how a host is reached, unless it is null or `omit`.
pub(super) fn variable(run: &Run, scope: &HostScope, name: &str) -> Result<Option<Value>> {
    let value = match scope.lookup(name) {
        Some(Binding::Value(value)) => value,
        Some(Binding::Source(node)) => run.templates.value(&node, &scope.shared())?,
        _ => return Ok(None),
    };
    if let Some(what) = value.first_unknown() {
        return Err(Box::new(Diagnostic::unknown(name, what)));
    }
    Ok(Some(value).filter(|v| !matches!(v, Value::Null) && v.as_str() != Some(crate::template::OMIT)))
}

impl<'a> Reach<'a> {
    /// For a task's own host, or (`target`) the host that it is delegated to.
    pub(super) fn new(run: &'a Run, own: &'a HostScope, target: &'a HostScope, context: &'a Context) -> Reach<'a> {
        Reach { run, scope: target, context, own }
    }

    fn variable(&self, names: &[&str]) -> Result<Option<Value>> {
        for name in names {
            if let Some(value) = variable(self.run, self.scope, name)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn keyword(&self, name: &str) -> Result<Option<Value>> {
        for node in self.context.others.get(name).into_iter().flatten().rev() {
            let value = self.run.templates.value(node, &self.own.shared())?;
            if let Some(what) = value.first_unknown() {
                return Err(Box::new(Diagnostic::unknown(name, what)));
            }
            // `omit` leaves it to what stands around.
            if value.as_str() != Some(crate::template::OMIT) {
                return Ok(Some(value).filter(|v| !matches!(v, Value::Null)));
            }
        }
        Ok(None)
    }

    fn text(&self, variables: &[&str], keyword: &str) -> Result<Option<String>> {
        let value = match self.variable(variables)? {
            Some(value) => Some(value),
            None if keyword.is_empty() => None,
            None => self.keyword(keyword)?,
        };
        Ok(value.map(|v| v.reveal().to_string()))
    }

    fn flag(&self, variables: &[&str], keyword: &str) -> Result<Option<bool>> {
        let value = match self.variable(variables)? {
            Some(value) => Some(value),
            None if keyword.is_empty() => None,
            None => self.keyword(keyword)?,
        };
        let name = variables.first().copied().unwrap_or(keyword);
        value.map(|v| bool::from_value(&v).map_err(|why| Box::new(Diagnostic::input(format!("`{name}` {why}"))))).transpose()
    }

    /// The way to the host.
    pub(super) fn connection(&self) -> Result<Connection> {
        let host = self.scope.host.clone().unwrap_or_default();
        let settings = &self.run.settings;
        let here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        let known = crate::vars::read(&self.run.fleet.inventory).hosts.contains_key(&host);
        let default = settings.connection.clone().unwrap_or_else(|| if here && !known { "local" } else { "ssh" }.to_string());
        let kind = self.text(&["ansible_connection"], "connection")?.unwrap_or(default);
        match kind.rsplit('.').next().unwrap_or(&kind) {
            "local" => return Ok(Connection { host, kind: ConnectionKind::Local }),
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "openssh" => {}
            other => {
                let error = Diagnostic::input(format!("host `{host}` asks for the connection `{other}`, which is not supported"));
                let written = self.context.nearest("connection").filter(|node| node.as_str() == Some(&kind));
                let error = written.into_iter().fold(error, |e, node| e.at(node.place()));
                return Err(Box::new(error.hint("supported are `ssh` and `local`")));
            }
        }
        let address = self.text(&["ansible_ssh_host", "ansible_host"], "")?.unwrap_or_else(|| host.clone());
        refuse_option_like(&address)?;
        let ssh = self.ssh(address, settings)?;
        Ok(Connection { host, kind: ConnectionKind::Ssh(ssh) })
    }

    fn ssh(&self, address: String, settings: &Settings) -> Result<Ssh> {
        let port = self.variable(&["ansible_ssh_port", "ansible_port"])?.map_or_else(|| self.keyword("port"), |v| Ok(Some(v)))?;
        let port = port.map(|v| u16::from_value(&v).map_err(|why| Box::new(Diagnostic::input(format!("`ansible_port` {why}")))));
        let user = self.text(&["ansible_ssh_user", "ansible_user"], "remote_user")?.or_else(|| settings.user.clone());
        if let Some(user) = &user {
            refuse_option_like(user)?;
        }
        let mut args = settings.ssh_args.clone();
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            if let Some(text) = self.text(&[name], "")? {
                args.extend(crate::transport::split_args(&text)?);
            }
        }
        let seconds = self.variable(&["ansible_ssh_timeout", "ansible_timeout"])?.and_then(|v| u64::from_value(&v).ok());
        Ok(Ssh {
            address,
            port: port.transpose()?,
            user,
            key_file: self.text(&["ansible_ssh_private_key_file", "ansible_private_key_file"], "")?.or_else(|| settings.key_file.clone()),
            password: self.text(&["ansible_password", "ansible_ssh_password", "ansible_ssh_pass"], "")?,
            args,
            host_key_checking: self
                .flag(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"], "")?
                .unwrap_or(settings.host_key_checking),
            timeout: Duration::from_secs(seconds.unwrap_or(settings.timeout)),
        })
    }

    /// Who the task becomes on the host, if it does.
    pub(super) fn user(&self) -> Result<Option<Become>> {
        let settings = &self.run.settings;
        let wanted = self.flag(&["ansible_become"], "become")?.unwrap_or(settings.becomes);
        if !wanted {
            return Ok(None);
        }
        let method = self.text(&["ansible_become_method"], "become_method")?.or_else(|| settings.become_method.clone());
        let method = method.map_or_else(|| "sudo".to_string(), |m| m.rsplit('.').next().unwrap_or_default().to_string());
        let user = self.text(&["ansible_become_user"], "become_user")?.or_else(|| settings.become_user.clone());
        let user = user.unwrap_or_else(|| "root".into());
        refuse_option_like(&user)?;
        let passwords = ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass", "ansible_sudo_password"];
        let password = self.text(&passwords, "")?.or_else(|| settings.become_password.clone());
        Ok(Some(Become {
            method,
            user,
            exe: self.text(&["ansible_become_exe"], "become_exe")?,
            flags: self.text(&["ansible_become_flags"], "become_flags")?,
            password,
        }))
    }
}
