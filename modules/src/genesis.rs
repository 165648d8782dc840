//! `genesis`: one genesis file of a chain out of what each node generated.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use serde_json::Value as Json;
use std::path::PathBuf;

crate::choices! {
    pub enum State { Merged = "merged", Own = "own" }
}

crate::arguments! {
    pub struct Args {
        /// The genesis file on this host.
        path ["dest"]: PathBuf,
        /// `own` reads what this node generated, and keeps it aside the first time; `merged` writes the file out of all `parts`.
        state: State = State::Merged,
        /// What every node generated, as `own` of each or as text; their order does not matter.
        parts: Option<Vec<Value>>,
        /// Dotted paths of the lists that are joined over all parts. A number in a path is an item of a list, `*` stands for
        /// every item: `contracts.*.init.validators`.
        merge: Vec<String> = vec!["validators".to_string()],
        /// Dotted path inside an item of those lists that identifies it, e.g. `pub_key.value`; by default the whole item.
        key: Option<String>,
        /// Dotted paths and the values to set there, e.g. `chain_id`; what is not set comes from the first part in stable order.
        set: Map = Map::new(),
        /// Where what this node generated is kept aside, once. By default beside the file, with `.own` behind its name.
        own_copy: Option<PathBuf>,
        /// How many spaces a level is indented by.
        indent: u64 = 2,
    } with file attributes
}

crate::module! {
    name: "genesis", collection: "engine", aliases: [], effects: Local,
    doc: "Merges what every node of a chain generated, e.g. its validator, into one genesis file that is the same on all of them. \
          The order of the nodes does not matter, and merging again changes nothing.\n\n\
          First every node reads its own part with `state: own` and registers it; then every node writes the merged file from the \
          `own` of all:\n\n\
          ```yaml\n\
          - genesis: {path: /var/lib/chain/genesis.json, state: own}\n  \
            register: part\n\
          - genesis:\n    \
              path: /var/lib/chain/genesis.json\n    \
              parts: \"{{ groups['chain'] | map('extract', hostvars, ['part', 'own']) | list }}\"\n    \
              key: pub_key.value\n\
          ```",
    examples: [
        r#"{"path": "/scratch/genesis.json", "key": "address", "set": {"chain_id": "test"}, "parts": [
            {"genesis_time": "2024-01-02T00:00:00Z", "chain_id": "b", "validators": [{"address": "B", "power": 10}]},
            {"genesis_time": "2024-01-01T00:00:00Z", "chain_id": "a", "validators": [{"address": "A", "power": 10}]}]}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    match args.state {
        State::Own => own(args, host),
        State::Merged => merged(args, host),
    }
}

fn kept_aside(args: &Args) -> PathBuf {
    args.own_copy.clone().unwrap_or_else(|| {
        let mut name = args.path.clone().into_os_string();
        name.push(".own");
        PathBuf::from(name)
    })
}

/// Reads this node's part, from where it is kept aside or else from the file itself, which is then kept aside.
fn own(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let aside = kept_aside(args);
    let (from, text) = match host.files().read(&aside)? {
        Some(text) => (&aside, text),
        None => match host.files().read(&args.path)? {
            Some(text) => (&args.path, text),
            None => {
                return Err(Failure::new(format!(
                    "{} does not exist, and nothing is kept aside in {}",
                    args.path.display(),
                    aside.display()
                ))
                .hint("a task before this one has to make the node generate its genesis")
                .into());
            }
        },
    };
    let parsed: Json = serde_json::from_slice(&text).map_err(|e| Halt::failed(format!("{} is not JSON: {e}", from.display())))?;
    // Numbers beyond 64 bits survive in the text only.
    let own_text = String::from_utf8_lossy(&text).into_owned();
    let desired = Desired { entry: Some(Entry::File(Content::Bytes(text))), ..args.desired() };
    host.files().converge(&aside, &desired)?;
    Ok(Outcome::new()
        .with("own", Value::from_json(&parsed))
        .with("own_text", own_text)
        .with("path", args.path.display().to_string())
        .with("own_copy", aside.display().to_string()))
}

fn merged(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let parts = args.parts.as_deref().unwrap_or_default();
    if parts.is_empty() {
        return Err(Failure::new("`genesis` needs `parts`: what every node generated")
            .hint("register `genesis: state=own` on every node, and give the `own` of all of them")
            .into());
    }
    if let Some(what) = parts.iter().find_map(Value::first_unknown) {
        return Err(Halt::Unknown(what.to_string()));
    }
    let parts = parts.iter().enumerate().map(|(i, part)| parse(part, i)).collect::<Result<Vec<_>, _>>()?;
    let (genesis, counts) = unite(args, parts)?;
    let mut text = written(&genesis, args.indent)?;
    text.push('\n');
    keep_generated(args, host, &text)?;
    let desired = Desired { entry: Some(Entry::File(Content::Bytes(text.clone().into_bytes()))), ..args.desired() };
    host.files().converge(&args.path, &desired)?;
    let counts = Value::map(counts.into_iter().map(|(path, count)| (path, Value::from(count))));
    let outcome = Outcome::new()
        .with("path", args.path.display().to_string())
        .with("counts", counts)
        .with("checksum", crate::host::digest::hex("sha256", text.as_bytes()));
    host.describe(&args.path, outcome)
}

/// Keeps what the node generated before the first merge, should `state: own` not have done so.
fn keep_generated(args: &Args, host: &mut Host, merged: &str) -> Result<(), Halt> {
    let aside = kept_aside(args);
    if host.files().stat(&aside)?.is_some() {
        return Ok(());
    }
    match host.files().read(&args.path)? {
        Some(text) if text != merged.as_bytes() => {
            let desired = Desired { entry: Some(Entry::File(Content::Bytes(text))), ..args.desired() };
            host.files().converge(&aside, &desired).map(|_| ())
        }
        _ => Ok(()),
    }
}

fn parse(part: &Value, number: usize) -> Result<Json, Halt> {
    let json = match part.as_str() {
        Some(text) => serde_json::from_str(text).map_err(|e| Halt::failed(format!("part {} of `parts` is not JSON: {e}", number + 1)))?,
        None => part.revealed().to_json(),
    };
    if json.is_object() {
        return Ok(json);
    }
    Err(Halt::failed(format!("part {} of `parts` must be a genesis, which is a dictionary, not a {}", number + 1, part.type_name())))
}

/// What `path` leads to.
fn at<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(json, |json, name| match json {
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        json => json.get(name),
    })
}

/// The path with every `*` replaced by the numbers of the items that stand there.
fn spread(json: &Json, path: &str) -> Vec<String> {
    let Some((list, rest)) = path.split_once(".*") else {
        return vec![path.to_string()];
    };
    let count = at(json, list).and_then(Json::as_array).map_or(0, Vec::len);
    let paths = (0..count).flat_map(|number| spread(json, &format!("{list}.{number}{rest}")));
    paths.filter(|path| at(json, path).is_some()).collect()
}

/// Sets what `path` leads to, making the dictionaries on the way.
fn put(json: &mut Json, path: &str, value: Json) -> Result<(), Halt> {
    let mut current = json;
    for name in path.split('.') {
        if current.is_null() {
            *current = Json::Object(serde_json::Map::new());
        }
        current = match current {
            Json::Object(map) => map.entry(name).or_insert(Json::Null),
            Json::Array(items) if name.parse::<usize>().is_ok_and(|n| n < items.len()) => {
                &mut items[name.parse::<usize>().unwrap_or_default()]
            }
            _ => return Err(Halt::failed(format!("`{path}` cannot be set in the genesis: `{name}` would stand inside a plain value"))),
        };
    }
    *current = value;
    Ok(())
}

/// What an item is known by: the value of its key, else all of it, its names in order.
fn identity(item: &Json, key: Option<&str>) -> Result<String, Halt> {
    match key {
        Some(key) => at(item, key).map(canonical).ok_or_else(|| {
            Failure::new(format!("an item to merge has no `{key}`: {}", canonical(item)))
                .hint("`key` is the dotted path, inside an item, of what identifies it")
                .into()
        }),
        None => Ok(canonical(item)),
    }
}

/// JSON with the names of every dictionary in order, so that equal values are equal texts.
fn canonical(json: &Json) -> String {
    match json {
        Json::Object(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(k, v)| format!("{}:{}", Json::from(k.as_str()), canonical(v))).collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        json => json.to_string(),
    }
}

/// The merged genesis, and how many items each joined list holds.
///
/// Every node must come to the same text whatever the order of its inventory: so parts are sorted by what they hold in the
/// joined lists, items by what they are known by.
fn unite(args: &Args, parts: Vec<Json>) -> Result<(Json, Vec<(String, usize)>), Halt> {
    let key = args.key.as_deref();
    let mut merge: Vec<String> = Vec::new();
    for path in parts.iter().flat_map(|part| args.merge.iter().flat_map(|path| spread(part, path))) {
        if !merge.contains(&path) {
            merge.push(path);
        }
    }
    let mut ranked = Vec::with_capacity(parts.len());
    for part in parts {
        let mut rank = Vec::new();
        for path in &merge {
            match at(&part, path) {
                Some(Json::Array(items)) => rank.extend(items.iter().map(|item| identity(item, key)).collect::<Result<Vec<_>, _>>()?),
                Some(Json::Null) | None => {}
                Some(_) => return Err(Halt::failed(format!("`{path}` is to be merged, but is not a list in every part"))),
            }
        }
        rank.sort();
        // A part with an empty list says least about the chain, so it is not the one that the rest comes from.
        ranked.push(((rank.is_empty(), rank, canonical(&part)), part));
    }
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    let parts: Vec<Json> = ranked.into_iter().map(|(_, part)| part).collect();
    let mut genesis = parts[0].clone();
    let mut counts = Vec::new();
    for path in &merge {
        let mut items: Vec<(String, Json)> = Vec::new();
        for item in parts.iter().filter_map(|part| at(part, path)?.as_array()).flatten() {
            let identity = identity(item, key)?;
            if !items.iter().any(|(known, _)| *known == identity) {
                items.push((identity, item.clone()));
            }
        }
        if items.is_empty() && at(&genesis, path).is_none() {
            continue;
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        counts.push((path.clone(), items.len()));
        put(&mut genesis, path, items.into_iter().map(|(_, item)| item).collect())?;
    }
    for (path, value) in &args.set {
        put(&mut genesis, &path.to_string(), value.revealed().to_json())?;
    }
    Ok((genesis, counts))
}

fn written(json: &Json, indent: u64) -> Result<String, Halt> {
    let spaces = " ".repeat(usize::try_from(indent.min(16)).unwrap_or_default());
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(json, &mut serializer).map_err(|e| Halt::failed(format!("the genesis cannot be written: {e}")))?;
    String::from_utf8(out).map_err(|e| Halt::failed(format!("the genesis cannot be written: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    fn part(name: &str) -> Json {
        json!({"genesis_time": format!("2024-{name}"), "chain_id": "default", "validators": [{"pub_key": {"value": name}, "power": 10}]})
    }

    #[test]
    fn the_order_of_nodes_does_not_matter() {
        let mut bench = Bench::new();
        let args = |names: &[&str], path: &str| json!({"path": path, "parts": names.iter().map(|n| part(n)).collect::<Vec<_>>(), "key": "pub_key.value"});
        let (outcome, changes) = bench.law(&MODULE, args(&["c", "a", "b", "a"], "/scratch/1"));
        assert_eq!((changes.len(), returned(&outcome, "counts")), (1, "{'validators': 3}".into()));
        bench.law(&MODULE, args(&["b", "c", "a"], "/scratch/2"));
        assert_eq!(bench.read("1"), bench.read("2"));
        let text = bench.read("1").unwrap();
        assert!(text.starts_with(
            "{\n  \"genesis_time\": \"2024-a\",\n  \"chain_id\": \"default\",\n  \"validators\": [\n    {\n      \"pub_key\""
        ));
        bench.law(&MODULE, args(&["d", "b", "c", "a"], "/scratch/2"));
        assert_eq!(bench.read("2").unwrap().matches("\"value\"").count(), 4);
    }

    #[test]
    fn keeps_the_own_part_aside_once() {
        let mut bench = Bench::new();
        let own = json!({"path": "/scratch/g", "state": "own"});
        assert!(bench.failure(&MODULE, own.clone()).contains("does not exist, and nothing is kept aside"));
        let generated = part("a").to_string();
        bench.write("g", &generated);
        let (outcome, changes) = bench.law(&MODULE, own.clone());
        assert_eq!((changes.len(), outcome.returns.get("own").unwrap().get("chain_id")), (1, Some(&Value::str("default"))));
        bench.law(&MODULE, json!({"path": "/scratch/g", "parts": [part("a"), part("b").to_string()]}));
        let (outcome, changes) = bench.law(&MODULE, own);
        assert_eq!((changes.len(), outcome.returns.get("own").unwrap().get("validators").unwrap().as_list().unwrap().len()), (0, 1));
        assert_eq!(bench.read("g.own"), Some(generated));
    }

    #[test]
    fn joins_lists_inside_lists() {
        let mut bench = Bench::new();
        let part = |n: u32| json!({"contracts": [{"name": "coin"}, {"name": "dpos", "init": {"validators": [{"id": n}]}}]});
        bench.law(
            &MODULE,
            json!({"path": "/scratch/g", "parts": [part(2), part(1)], "merge": ["contracts.*.init.validators"], "indent": 0}),
        );
        let text = bench.read("g").unwrap().replace(['\n', ' '], "");
        assert_eq!(text, r#"{"contracts":[{"name":"coin"},{"name":"dpos","init":{"validators":[{"id":1},{"id":2}]}}]}"#);
    }

    #[test]
    fn sets_values_and_names_mistakes() {
        let mut bench = Bench::new();
        let args = json!({"path": "/scratch/g", "parts": [part("a")], "set": {"params.block.max": 5, "chain_id": "x"}, "indent": 1, "mode": "0600"});
        bench.law(&MODULE, args);
        let text = bench.read("g").unwrap();
        assert!(text.contains("\"chain_id\": \"x\"") && text.contains("\"max\": 5"), "{text}");
        let fails = |bench: &mut Bench, parts: Json, extra: Json| {
            let mut args = json!({"path": "/scratch/g", "parts": parts});
            args.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            bench.failure(&MODULE, args)
        };
        assert!(fails(&mut bench, json!([]), json!({})).contains("needs `parts`"));
        assert!(fails(&mut bench, json!(["{"]), json!({})).contains("part 1 of `parts` is not JSON"));
        assert!(fails(&mut bench, json!([part("a")]), json!({"key": "address"})).contains("has no `address`"));
        assert!(fails(&mut bench, json!([{"validators": 5}]), json!({})).contains("is not a list"));
    }

    #[test]
    fn unknown_parts_are_known_after_apply() {
        let mut bench = Bench::new();
        let mut args = Map::new();
        args.insert(Value::str("path"), bench.path("g").display().to_string().into());
        args.insert(Value::str("parts"), Value::list([Value::unknown("part.own")]));
        bench.host.begin(false, Vec::new());
        assert!(matches!((MODULE.converge)(&args, &mut bench.host), Err(Halt::Unknown(what)) if what == "part.own"));
    }
}
