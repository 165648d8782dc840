//! Module `setup`: facts of the host.

use crate::command::fits;
use crate::host::Host;
use crate::host::facts::Subset;
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// Which facts: `all`, `min`, `hardware`, `network`, `virtual`, `local`, …; `!x` leaves some out.
        gather_subset: Vec<String> = vec!["all".to_string()],
        /// Only facts whose names fit one of these shell patterns.
        filter: Option<Vec<String>>,
        /// Accepted for playbooks that ask for it; facts are read at once.
        gather_timeout: u64 = 10,
        /// The folder of local facts.
        fact_path: String = "/etc/ansible/facts.d".to_string(),
    }
}

module! {
    name: "setup", collection: "ansible.builtin", aliases: ["gather_facts"], effects: Local,
    foresight: Reads,
    doc: "Facts of the host by Ansible's names, read natively. Those about Python are left out: there need not be any.",
    examples: [r#"{}"#, r#"{"gather_subset": ["!all", "network"], "filter": "ansible_default_ipv4"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let subsets = Subset::chosen(&args.gather_subset).map_err(|why| {
        Failure::new(format!("argument `gather_subset` of `setup`: {why}")).hint("groups are all, min, hardware, network, virtual")
    })?;
    let fact_path = host.expand_home(&args.fact_path);
    let filter: Vec<&str> = args.filter.iter().flatten().map(String::as_str).filter(|f| !matches!(*f, "" | "*")).collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|f| fits(f, name) || fits(f, name.trim_start_matches("ansible_")));
    let mut facts = Map::new();
    for (name, value) in host.facts(&subsets, &fact_path)? {
        let name = format!("ansible_{name}");
        if wanted(&name) {
            facts.insert(Value::str(name), value);
        }
    }
    if filter.is_empty() {
        facts.insert(Value::str("gather_subset"), args.gather_subset.clone().into());
        facts.insert(Value::str("module_setup"), true.into());
    }
    Ok(Outcome::new().with("ansible_facts", facts))
}
