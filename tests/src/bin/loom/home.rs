//! A node's folder: what `init` writes, and what `run` reads of it.

use crate::Error;
use crate::key::{Key, hex};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const CHAIN: &str = "chaindata/config/genesis.json";
const CONTRACTS: &str = "genesis.json";
const NODE_KEY: &str = "chaindata/config/node_key.json";
const VALIDATOR_KEY: &str = "chaindata/config/priv_validator.json";

/// What both genesis files say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Genesis {
    /// Validators in `chaindata/config/genesis.json`.
    pub(crate) validators: usize,
    /// Validators of the `dpos` contract in `genesis.json`.
    pub(crate) contract_validators: usize,
    /// SHA-256 of both documents, whatever their spacing.
    pub(crate) digest: String,
}

fn write(path: PathBuf, mode: u32, content: &Value) -> Result<(), Error> {
    let text = format!("{content:#}\n");
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path);
    opened.and_then(|mut f| std::io::Write::write_all(&mut f, text.as_bytes())).map_err(|cause| Error::Io { path, cause })
}

fn read(path: PathBuf) -> Result<Value, Error> {
    let text = std::fs::read(&path).map_err(|cause| Error::Io { path: path.clone(), cause })?;
    serde_json::from_slice(&text).map_err(|cause| Error::Json { path, cause })
}

/// Makes keys and both genesis files; refuses where one exists, unless forced.
pub(crate) fn init(home: &Path, force: bool) -> Result<(), Error> {
    if !force {
        for name in [CONTRACTS, CHAIN, VALIDATOR_KEY, NODE_KEY] {
            if home.join(name).exists() {
                return Err(Error::Initialized(home.join(name)));
            }
        }
    }
    for folder in ["chaindata/config", "chaindata/data"] {
        let path = home.join(folder);
        std::fs::create_dir_all(&path).map_err(|cause| Error::Io { path, cause })?;
    }
    let generate = || Key::generate().map_err(|cause| Error::Io { path: "/dev/urandom".into(), cause });
    let (validator, node) = (generate()?, generate()?);
    write(home.join(VALIDATOR_KEY), 0o600, &validator_file(&validator))?;
    write(home.join(NODE_KEY), 0o600, &json!({"priv_key": node.private_json()}))?;
    write(home.join(CHAIN), 0o644, &chain_genesis(&validator))?;
    write(home.join(CONTRACTS), 0o644, &contract_genesis(&validator))
}

fn validator_file(key: &Key) -> Value {
    json!({"address": key.id().to_uppercase(), "pub_key": key.public_json(), "last_height": "0", "last_round": "0",
           "last_step": 0, "priv_key": key.private_json()})
}

fn chain_genesis(validator: &Key) -> Value {
    json!({"genesis_time": "0001-01-01T00:00:00Z", "chain_id": "default",
           "validators": [{"pub_key": validator.public_json(), "power": "10", "name": ""}], "app_hash": ""})
}

fn contract_genesis(validator: &Key) -> Value {
    json!({"contracts": [
        {"vm": "plugin", "format": "plugin", "name": "coin", "location": "coin:1.0.0", "init": null},
        {"vm": "plugin", "format": "plugin", "name": "dpos", "location": "dpos:1.0.0", "init": {
            "params": {"witnessCount": "21", "electionCycleLength": "604800", "minPowerFraction": "5"},
            "validators": [{"pubKey": validator.public(), "power": "10"}]}}]})
}

/// The key by which peers know this node.
pub(crate) fn node_key(home: &Path) -> Result<Key, Error> {
    let path = home.join(NODE_KEY);
    let file = read(path.clone())?;
    Key::from_private_json(&file["priv_key"]).ok_or_else(|| Error::Content { path, cause: "it holds no Ed25519 key".into() })
}

/// The public key of this node's validator, in base64.
pub(crate) fn validator_key(home: &Path) -> Result<String, Error> {
    let path = home.join(VALIDATOR_KEY);
    let key = read(path.clone())?;
    let key = key["pub_key"]["value"].as_str().map(str::to_owned);
    key.ok_or_else(|| Error::Content { path, cause: "it holds no public key".into() })
}

/// Reads both genesis files; each must list this node's own validator.
pub(crate) fn genesis(home: &Path) -> Result<Genesis, Error> {
    let (chain, contracts) = (read(home.join(CHAIN))?, read(home.join(CONTRACTS))?);
    let own = validator_key(home)?;
    let in_chain = validators(home.join(CHAIN), &chain["validators"], |v| v["pub_key"]["value"].as_str(), &own)?;
    let dpos = contracts["contracts"].as_array().and_then(|all| all.iter().find(|c| c["name"] == "dpos")).unwrap_or(&Value::Null);
    let in_contract = validators(home.join(CONTRACTS), &dpos["init"]["validators"], |v| v["pubKey"].as_str(), &own)?;
    let digest = hex(&Sha256::digest(format!("{}\n{}", canonical(&chain), canonical(&contracts))));
    Ok(Genesis { validators: in_chain, contract_validators: in_contract, digest })
}

/// How many validators there are; all must be different, and the own one among them.
fn validators(path: PathBuf, list: &Value, key: fn(&Value) -> Option<&str>, own: &str) -> Result<usize, Error> {
    let keys: Option<Vec<&str>> = list.as_array().and_then(|all| all.iter().map(key).collect());
    let fail = |cause: String| Err(Error::Content { path, cause });
    let Some(keys) = keys else { return fail("its validators have no public keys".into()) };
    let mut unique = keys.clone();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() != keys.len() {
        return fail("it lists a validator twice".into());
    }
    if !keys.contains(&own) {
        return fail("this node's own validator is missing".into());
    }
    Ok(keys.len())
}

/// A document's text that does not depend on the order of keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut rows: Vec<String> = map.iter().map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), canonical(v))).collect();
            rows.sort();
            format!("{{{}}}", rows.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_makes_a_node_once() {
        let home = tempfile::tempdir().unwrap();
        init(home.path(), false).unwrap();
        let made = genesis(home.path()).unwrap();
        assert_eq!((made.validators, made.contract_validators), (1, 1));
        let id = node_key(home.path()).unwrap().id();
        assert!(matches!(init(home.path(), false), Err(Error::Initialized(_))));
        assert_eq!(id, node_key(home.path()).unwrap().id());
        init(home.path(), true).unwrap();
        assert_ne!(id, node_key(home.path()).unwrap().id());
    }

    #[test]
    fn each_node_makes_its_own_genesis() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        init(a.path(), false).unwrap();
        init(b.path(), false).unwrap();
        assert_ne!(genesis(a.path()).unwrap().digest, genesis(b.path()).unwrap().digest);
    }

    #[test]
    fn a_genesis_without_the_own_validator_or_with_one_twice_is_refused() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        init(a.path(), false).unwrap();
        init(b.path(), false).unwrap();
        let own = read(a.path().join(CHAIN)).unwrap();
        std::fs::copy(b.path().join(CHAIN), a.path().join(CHAIN)).unwrap();
        assert!(genesis(a.path()).unwrap_err().to_string().contains("own validator is missing"));
        let mut twice = own.clone();
        twice["validators"] = json!([own["validators"][0], own["validators"][0]]);
        write(a.path().join(CHAIN), 0o644, &twice).unwrap();
        assert!(genesis(a.path()).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn the_digest_ignores_spacing_and_key_order() {
        assert_eq!(canonical(&json!({"a": 1, "b": [1, {"c": null}]})), r#"{"a":1,"b":[1,{"c":null}]}"#);
        let parsed: Value = serde_json::from_str(r#"{ "b": [1, {"c": null}], "a": 1 }"#).unwrap();
        assert_eq!(canonical(&parsed), r#"{"a":1,"b":[1,{"c":null}]}"#);
    }
}
