//! Facts that outlive the run: one JSON file a host, as Ansible's cache plugin `jsonfile` keeps them.

use modules::value::{Map, Value};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What Ansible 2.19 puts before the hosts' names, for the shape of what is in the files.
const SHAPE: &str = "s1_";

/// A folder of facts.
#[derive(Debug, Clone)]
pub struct FactCache {
    /// `fact_caching_connection`.
    pub folder: PathBuf,
    /// `fact_caching_prefix`.
    pub prefix: String,
    /// `fact_caching_timeout`; none for facts that stay.
    pub timeout: Option<Duration>,
}

impl FactCache {
    fn path(&self, host: &str) -> Option<PathBuf> {
        // A name with a slash could lead out of the folder.
        (!host.contains('/')).then(|| self.folder.join(format!("{}{SHAPE}{host}", self.prefix)))
    }

    /// The facts of a host, if they are known and not too old.
    pub fn load(&self, host: &str) -> Option<Map> {
        let path = self.path(host)?;
        let age = std::fs::metadata(&path).ok()?.modified().ok().and_then(|t| SystemTime::now().duration_since(t).ok());
        if self.timeout.zip(age).is_some_and(|(limit, age)| age > limit) {
            return None;
        }
        let file: Json = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let facts: Json = serde_json::from_str(file.get("__payload__")?.as_str()?).ok()?;
        Value::from_json(&plain(facts)).as_map().cloned()
    }

    /// Keeps the facts of a host. What cannot be kept is gathered again another time.
    pub fn store(&self, host: &str, facts: &Map) {
        let Some(path) = self.path(host) else { return };
        let visible: Map =
            facts.iter().filter(|(_, v)| !v.has_secret() && v.first_unknown().is_none()).map(|(k, v)| (k.clone(), v.clone())).collect();
        if visible.is_empty() {
            let _ = std::fs::remove_file(path);
            return;
        }
        let payload = Value::from(visible).to_json().to_string();
        let _ = replace(&self.folder, &path, json!({"__payload__": payload}).to_string().as_bytes());
    }

    /// Forgets every host of this prefix.
    pub fn flush(&self, hosts: impl IntoIterator<Item = impl AsRef<str>>) {
        for path in hosts.into_iter().filter_map(|host| self.path(host.as_ref())) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Without the marks that Ansible keeps beside its values.
fn plain(json: Json) -> Json {
    match json {
        Json::Object(mut map) if map.contains_key("__ansible_type") && map.contains_key("value") => {
            plain(map.remove("value").unwrap_or_default())
        }
        Json::Object(map) => map.into_iter().map(|(k, v)| (k, plain(v))).collect(),
        Json::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_kept_and_read_as_ansible_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FactCache { folder: folder.path().to_path_buf(), prefix: "p_".into(), timeout: None };
        assert!(cache.load("h").is_none());
        let facts: Map =
            [(Value::str("ansible_a"), Value::Int(1)), (Value::str("b"), Value::list([Value::str("x")]))].into_iter().collect();
        cache.store("h", &facts);
        assert_eq!(cache.load("h"), Some(facts));
        let tagged = r#"{"__payload__": "{\"a\": {\"value\": \"1\", \"tags\": [], \"__ansible_type\": \"_AnsibleTaggedStr\"}}"}"#;
        std::fs::write(folder.path().join("p_s1_k"), tagged).unwrap();
        assert_eq!(cache.load("k").unwrap().get("a"), Some(&Value::str("1")));
        cache.flush(["h"]);
        assert!(cache.load("h").is_none());
        let stale = FactCache { timeout: Some(Duration::ZERO), ..cache };
        std::thread::sleep(Duration::from_millis(5));
        assert!(stale.load("k").is_none());
        assert!(stale.path("../x").is_none());
    }
}
