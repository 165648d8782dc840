//! Module `dpkg_selections`: what dpkg is to do with a package.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};

choices! { pub enum Selection { Install = "install", Hold = "hold", Deinstall = "deinstall", Purge = "purge" } }

arguments! {
    pub struct Args {
        /// The package.
        name: String,
        /// What dpkg is to do with it; `hold` keeps its version.
        selection: Selection,
    }
}

module! {
    name: "dpkg_selections", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "What dpkg is to do with a package: keep it, hold it at its version, remove it. Nothing is installed or removed by it.",
    examples: [r#"{"name": "python3", "selection": "hold"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let wanted = args.selection.word();
    let setting = Setting { kind: "selection", name: &args.name, field: "selection" };
    let name = args.name.clone();
    let observe = move |host: &mut Host| {
        let output = host.query(&Command::new(["dpkg", "--get-selections", &name]))?;
        Ok(output.text().split_whitespace().nth(1).map_or(Value::Null, Value::str))
    };
    if host.setting(setting, &observe)? == Value::Null {
        let failure = Failure::new(format!("Failed to find package '{}' to perform selection '{wanted}'.", args.name));
        return Err(match host.may_still_come() {
            Some(why) => Halt::Unknown(format!("the package {} ({why})", args.name)),
            None => failure.hint("dpkg knows packages that are installed, and those of `apt-cache dumpavail | dpkg --merge-avail`").into(),
        });
    }
    let stdin = Some(format!("{} {wanted}\n", args.name).into_bytes());
    let set = |_: &Value| vec![Command { stdin, ..Command::new(["dpkg", "--set-selections"]) }];
    let settled = host.converge_setting(setting, &Value::str(wanted), observe, set)?;
    Ok(Outcome::new().with("before", settled.before).with("after", wanted))
}
