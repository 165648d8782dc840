//! What the kernel holds that can be set: parameters, and the host's name.

use super::{Command, Host, Output};
use crate::change::{Action, Change};
use crate::module::Halt;
use crate::value::Value;

impl Host {
    /// Sets a parameter of the kernel; `None` in a plan.
    pub(crate) fn set_parameter(&mut self, name: &str, before: &str, value: &str, record: bool) -> Result<Option<Output>, Halt> {
        const KIND: &str = "parameter";
        if self.remembered(KIND, name).is_some_and(|v| v == Value::str(value)) {
            return Ok(None);
        }
        if record {
            self.record(Change::new(Action::Update, KIND, name).field("value", before, value));
        }
        if !self.is_live() {
            self.overlay().set_state(KIND, name, Value::str(value));
        }
        self.perform(&Command::new(["sysctl".to_string(), "-w".into(), format!("{name}={value}")]))
    }

    /// Makes the kernel's name for this host be this one.
    pub fn converge_hostname(&mut self, name: &str) -> Result<(), Halt> {
        const KIND: &str = "hostname";
        let kernel = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        let now = self.remembered(KIND, "").map_or_else(kernel, |v| v.to_string());
        if now == name {
            return Ok(());
        }
        self.record(Change::new(Action::Update, KIND, name).field("name", now, name));
        if !self.is_live() {
            self.overlay().set_state(KIND, "", Value::str(name));
            return Ok(());
        }
        rustix::system::sethostname(name.as_bytes()).map_err(|e| Halt::failed(format!("cannot set the host's name to {name}: {e}")))
    }
}
