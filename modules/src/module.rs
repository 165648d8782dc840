//! The module contract: what a module declares, what it answers, and how it stops.

use crate::args::{Argument, ArgumentError, Arguments};
use crate::host::Host;
use crate::value::{Map, Value};
use serde::{Deserialize, Serialize};

/// A module as the registry lists it. Made by `module!` in the module's own file.
pub struct Module {
    /// Short name in a task, e.g. `file`.
    pub name: &'static str,
    /// The collection it belongs to, e.g. `ansible.builtin`, or `engine` for this project's own.
    pub collection: &'static str,
    /// Other short names, e.g. `systemd_service` for `systemd`.
    pub aliases: &'static [&'static str],
    /// What it does, in Markdown; the first sentence is its summary.
    pub doc: &'static str,
    /// Arguments of example tasks, each a JSON object; the laws run over them.
    pub examples: &'static [&'static str],
    /// What it may observe and change, which decides where the graph needs barriers.
    pub effects: Effects,
    /// What a plan can say of it where it does not know what is on the host.
    pub foresight: Foresight,
    /// The arguments declared.
    pub arguments: fn() -> Vec<Argument>,
    /// Checks arguments without a host.
    pub check: fn(&Map) -> Result<(), ArgumentError>,
    /// Makes the host match the arguments.
    pub converge: fn(&Map, &mut Host) -> Result<Outcome, Halt>,
}

/// What a module may observe beyond its own host's files, accounts and packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effects {
    /// Reads and writes only its own host's files, accounts and packages: tasks before and after need no barrier.
    Local,
    /// May observe other hosts (commands, services, network): all hosts finish what stands before it first.
    World,
}

/// What a plan can say of a module where something that ran before may have made what it looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foresight {
    /// It only reads: there is nothing to show.
    Reads,
    /// The task declares all of what will be there: it is shown, only what was there before is not known.
    Declares,
    /// What it makes depends on what it finds: known after apply.
    Depends,
}

/// What a module answers when it is done. Whether it changed something is in the host's recorded changes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Return values, by Ansible's documented names; without `changed`, `failed` and `diff`.
    pub returns: Map,
    /// Whether the module found nothing to do by its own conditions (`creates`), which Ansible reports as ok.
    pub skipped: bool,
    /// Things the user should know.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// Nothing to return.
    pub fn new() -> Outcome {
        Outcome::default()
    }
    /// Adds a return value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Outcome {
        self.returns.insert(Value::str(name), value.into());
        self
    }
    /// Adds a return value known only after apply.
    #[must_use]
    pub fn with_unknown(self, name: &str) -> Outcome {
        let value = Value::unknown(name);
        self.with(name, value)
    }
    /// Adds a warning.
    #[must_use]
    pub fn warn(mut self, text: impl Into<String>) -> Outcome {
        self.warnings.push(text.into());
        self
    }
}

/// Why a module stopped before it was done.
#[derive(Debug, Clone)]
pub enum Halt {
    /// It failed.
    Failed(Box<Failure>),
    /// It needs what exists only after apply; the text says what. Only a plan sees this.
    Unknown(String),
}

/// A module's failure: the message, and what it returns beside it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What, where and the system's words, in one sentence or two.
    pub message: String,
    /// What to do, if known.
    pub hint: Option<String>,
    /// Return values, e.g. `rc`, `stdout`.
    pub returns: Map,
}

impl Failure {
    /// A failure with a message.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), ..Failure::default() }
    }
    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
    /// Adds a return value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Failure {
        self.returns.insert(Value::str(name), value.into());
        self
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        Halt::Failed(Box::new(failure))
    }
}

impl Halt {
    /// A failure with this message.
    pub fn failed(message: impl Into<String>) -> Halt {
        Failure::new(message).into()
    }
}

/// Parses the arguments and hands them to the module's function.
pub fn converge_with<A: Arguments>(
    module: &str,
    given: &Map,
    host: &mut Host,
    converge: fn(&A, &mut Host) -> Result<Outcome, Halt>,
) -> Result<Outcome, Halt> {
    let args = A::parse(module, given).map_err(|e| {
        let returns = e.familiar.iter().map(|text| (Value::str("msg"), Value::str(text))).collect();
        Failure { message: e.message, hint: e.hint, returns }
    })?;
    converge(&args, host)
}

/// Declares `MODULE` for the module's file, from its `Args` and its function `converge`.
///
/// ```text
/// module! {
///     name: "ping", collection: "ansible.builtin", aliases: [], effects: Local,
///     doc: "Answers `pong`. …",
///     examples: [r#"{"data": "hello"}"#],
/// }
/// ```
#[macro_export]
macro_rules! module {
    (@foresight) => { $crate::module::Foresight::Depends };
    (@foresight $foresight:ident) => { $crate::module::Foresight::$foresight };
    (name: $name:literal, collection: $collection:literal, aliases: [$($alias:literal),* $(,)?], effects: $effects:ident, $(foresight: $foresight:ident,)? doc: $doc:expr, examples: [$($example:expr),* $(,)?] $(,)?) => {
        /// The module as the registry lists it.
        pub const MODULE: $crate::module::Module = $crate::module::Module {
            name: $name,
            collection: $collection,
            aliases: &[$($alias),*],
            doc: $doc,
            examples: &[$($example),*],
            effects: $crate::module::Effects::$effects,
            foresight: $crate::module!(@foresight $($foresight)?),
            arguments: <Args as $crate::args::Arguments>::declared,
            check: |given| <Args as $crate::args::Arguments>::parse($name, given).map(|_| ()),
            converge: |given, host| $crate::module::converge_with::<Args>($name, given, host, converge),
        };
    };
}
