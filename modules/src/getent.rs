//! Module `getent`: entries of the host's name service.

use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// Which database: `passwd`, `group`, `hosts`, …
        database: String,
        /// The entry's key; without, all entries.
        key: Option<String>,
        /// Whether a missing entry is a failure.
        fail_key: bool = true,
        /// The service to ask, e.g. `files`.
        service: Option<String>,
        /// What separates the fields; by default `:`, or whitespace where the database has it so.
        split: Option<String>,
    }
}

module! {
    name: "getent", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Reads,
    doc: "Entries of the host's name service, as facts `getent_DATABASE`.",
    examples: [r#"{"database": "passwd", "key": "root"}"#],
}

const MISSING: &str = "One or more supplied key could not be found in the database.";

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let mut argv = vec!["getent".to_string()];
    argv.extend(args.service.iter().flat_map(|s| ["-s".to_string(), s.clone()]));
    argv.extend(["--".into(), args.database.clone()]);
    argv.extend(args.key.clone());
    let output = host.query(&Command::new(argv))?;
    let key = args.key.as_deref().unwrap_or_default();
    let name = format!("getent_{}", args.database);
    let facts = match output.code {
        0 => entries(&output.text(), &args.database, args.split.as_deref()),
        2 if !args.fail_key => Map::from_iter([(Value::str(key), Value::Null)]),
        1 => return Err(Failure::new("Missing arguments, or database unknown.").hint(format!("see `getent {}`", args.database)).into()),
        2 => return Err(Failure::new(MISSING).into()),
        3 => return Err(Failure::new("Enumeration not supported on this database.").into()),
        _ => return Err(output.require("getent failed").err().unwrap_or_else(|| Halt::failed("getent failed"))),
    };
    let outcome = Outcome::new().with("ansible_facts", Value::map([(name, Value::from(facts))]));
    Ok(if output.code == 2 { outcome.with("msg", MISSING) } else { outcome })
}

fn entries(text: &str, database: &str, split: Option<&str>) -> Map {
    let colons = ["passwd", "shadow", "group", "gshadow"].contains(&database);
    let mut found = Map::new();
    for line in text.lines() {
        let fields: Vec<&str> = match split.or(colons.then_some(":")) {
            Some(separator) => line.split(separator).collect(),
            None => line.split_whitespace().collect(),
        };
        if let Some((key, rest)) = fields.split_first() {
            found.insert(Value::str(key), Value::list(rest.iter().map(Value::str)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases() {
        let found = Value::from(entries("root:x:0:0:root:/root:/bin/bash\n", "passwd", None));
        assert_eq!(found.get("root").map(Value::to_string).as_deref(), Some("['x', '0', '0', 'root', '/root', '/bin/bash']"));
        let found = Value::from(entries("10.0.0.1        a b\n", "hosts", None));
        assert_eq!(found.to_string(), "{'10.0.0.1': ['a', 'b']}");
    }
}
