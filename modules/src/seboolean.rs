//! Module `seboolean`: switches of SELinux.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// The switch.
        name: String,
        /// Whether it is on.
        state: bool,
        /// Whether it is so after the next boot too.
        persistent: bool = false,
        /// Whether it is set though SELinux is off.
        ignore_selinux_state: bool = false,
    }
}

module! {
    name: "seboolean", collection: "ansible.posix", aliases: [], effects: Local,
    doc: "A switch of SELinux, now and after the next boot.",
    examples: [r#"{"name": "httpd_can_network_connect", "state": true, "persistent": true}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if !host.has_program("getsebool") || !host.has_program("setsebool") {
        return Err(host.missing_program("setsebool", "install `policycoreutils` and `libselinux-utils`"));
    }
    let outcome = Outcome::new().with("name", args.name.as_str()).with("state", args.state).with("persistent", args.persistent);
    let look = |host: &mut Host| host.query(&Command::new(["getsebool", &args.name]));
    let first = look(host)?;
    if !first.success() {
        let said = first.errors();
        let failure = match said.contains("disabled") {
            true => Failure::new("SELinux is disabled on this host."),
            false => Failure::new(format!("SELinux boolean {} does not exist.", args.name)),
        };
        return Err(failure.with("stderr", said).into());
    }
    // `NAME --> on`, and `NAME --> on pending off` while what is kept differs.
    let shown = move |text: &str| Value::str(if text.trim().ends_with("on") || text.contains("--> on") { "on" } else { "off" });
    let observe = |host: &mut Host| Ok(shown(&look(host)?.text()));
    let wanted = if args.state { "on" } else { "off" };
    let act = |_: &Value| {
        let keep = args.persistent.then_some("-P");
        vec![Command::new(["setsebool"].into_iter().chain(keep).chain([args.name.as_str(), wanted]))]
    };
    host.converge_setting(Setting { kind: "SELinux boolean", name: &args.name, field: "state" }, &Value::str(wanted), observe, act)?;
    Ok(outcome)
}
