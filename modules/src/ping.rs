//! `ping`: answers, which shows that modules run on the host.

use crate::host::Host;
use crate::module::{Halt, Outcome};

crate::arguments! {
    pub struct Args {
        /// What to answer; `crash` makes the module fail.
        data: String = "pong".to_string(),
    }
}

crate::module! {
    name: "ping", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Reads,
    doc: "Answers `pong`. It shows that the host can be reached and that modules run there; it has nothing to do with ICMP.",
    examples: [r#"{}"#, r#"{"data": "hello"}"#],
}

fn converge(args: &Args, _host: &mut Host) -> Result<Outcome, Halt> {
    if args.data == "crash" {
        return Err(Halt::failed("boom: `data` is `crash`"));
    }
    Ok(Outcome::new().with("ping", args.data.as_str()))
}

#[cfg(test)]
mod tests {
    use super::MODULE;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn answers() {
        let mut bench = Bench::new();
        assert_eq!(returned(&bench.law(&MODULE, json!({})).0, "ping"), "pong");
        assert_eq!(returned(&bench.law(&MODULE, json!({"data": 5})).0, "ping"), "5");
        assert!(bench.failure(&MODULE, json!({"data": "crash"})).starts_with("boom"));
    }
}
