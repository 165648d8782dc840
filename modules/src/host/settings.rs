//! Settings that only programs of the host can read and make: a selection of dpkg, a rule of iptables, a kernel's module, …

use super::{Command, Host, Output};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;

/// Which setting: the words with which changes show it.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// What it is, e.g. `selection`.
    pub kind: &'a str,
    /// Which one, e.g. a package's name.
    pub name: &'a str,
    /// What of it differs, e.g. `state`.
    pub field: &'a str,
}

/// What came of converging a setting.
#[derive(Debug, Default)]
pub struct Settled {
    /// What it was.
    pub before: Value,
    /// Whether it differed from what is wanted.
    pub differed: bool,
    /// What the programs said that made it so; empty in a plan.
    pub outputs: Vec<Output>,
}

impl Host {
    /// What the host says of a setting, or what this plan would have made of it.
    pub fn setting(&mut self, setting: Setting<'_>, observe: impl FnOnce(&mut Host) -> Result<Value, Halt>) -> Result<Value, Halt> {
        match self.remembered(setting.kind, &format!("{} {}", setting.name, setting.field)) {
            Some(value) => Ok(value),
            None => observe(self),
        }
    }

    /// Makes a setting have the value that is wanted, null being that there is none: observes, records what differs, runs
    /// the programs, and observes again.
    ///
    /// # Errors
    /// What the programs say, and "did not converge" when they were content and it still differs.
    pub fn converge_setting(
        &mut self,
        setting: Setting<'_>,
        wanted: &Value,
        observe: impl Fn(&mut Host) -> Result<Value, Halt>,
        commands: impl FnOnce(&Value) -> Vec<Command>,
    ) -> Result<Settled, Halt> {
        let Setting { kind, name, field } = setting;
        let before = self.setting(setting, &observe)?;
        if before == *wanted {
            return Ok(Settled { before, ..Settled::default() });
        }
        let action = match (&before, wanted) {
            (Value::Null, _) => Action::Create,
            (_, Value::Null) => Action::Delete,
            _ => Action::Update,
        };
        self.record(Change::new(action, kind, name).field(field, before.clone(), wanted.clone()));
        if !self.is_live() {
            self.overlay().set_state(kind, &format!("{name} {field}"), wanted.clone());
            return Ok(Settled { before, differed: true, outputs: Vec::new() });
        }
        let mut outputs = Vec::new();
        for command in commands(&before) {
            let doing = format!("cannot set the {field} of the {kind} {name}: `{}`", command.argv.first().map_or("", String::as_str));
            outputs.extend(self.perform(&command)?.map(|o| o.require(&doing)).transpose()?);
        }
        let after = observe(self)?;
        if after != *wanted {
            let message = format!("the {kind} {name} did not converge: its {field} is {after}, not {wanted}, though no program complained");
            return Err(Failure::new(message).into());
        }
        Ok(Settled { before, differed: true, outputs })
    }

    /// Makes several resources change together by one program: each of a kind, by name, with a field before and after.
    ///
    /// # Errors
    /// What the program says.
    pub fn converge_together(
        &mut self,
        of: (&str, &str),
        steps: &[(String, Value, Value)],
        command: &Command,
        doing: &str,
    ) -> Result<Option<Output>, Halt> {
        let (kind, field) = of;
        for (name, before, after) in steps {
            let action = match (before, after) {
                (Value::Null, _) => Action::Create,
                (_, Value::Null) => Action::Delete,
                _ => Action::Update,
            };
            self.record(Change::new(action, kind, name.as_str()).field(field, before.clone(), after.clone()));
            if !self.is_live() {
                self.overlay().set_state(kind, &format!("{name} {field}"), after.clone());
            }
        }
        self.perform(command)?.map(|output| output.require(doing)).transpose()
    }

    /// Fails, as what is needed is not there; in a plan it may come with what stands before.
    pub fn missing_program(&mut self, program: &str, hint: &str) -> Halt {
        match self.may_still_come() {
            Some(why) => Halt::Unknown(format!("the program {program} ({why})")),
            None => Failure::new(format!("Failed to find required executable \"{program}\"")).hint(hint).into(),
        }
    }

    /// Whether the host has a program.
    pub fn has_program(&self, program: &str) -> bool {
        let path = self.variable("PATH").unwrap_or_default();
        let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        path.split(':').chain(usual).any(|folder| std::path::Path::new(folder).join(program).is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn plans_remember_and_settings_that_resist_are_named() {
        let mut bench = Bench::new();
        let setting = Setting { kind: "thing", name: "x", field: "state" };
        let observe = |_: &mut Host| Ok(Value::str("off"));
        let none = |_: &Value| Vec::new();
        bench.host.begin(false, Vec::new());
        assert!(bench.host.converge_setting(setting, &Value::str("on"), observe, none).expect("planned").differed);
        assert!(!bench.host.converge_setting(setting, &Value::str("on"), observe, none).expect("planned").differed);
        bench.host.begin(true, Vec::new());
        let Err(Halt::Failed(failure)) = bench.host.converge_setting(setting, &Value::str("on"), observe, none) else {
            panic!("converged")
        };
        assert!(failure.message.contains("did not converge"), "{}", failure.message);
    }
}
