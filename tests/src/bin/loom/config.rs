//! `loom.yml`: where a node listens. Keys that only a real chain needs are accepted and unused.

use crate::Error;
use serde::Deserialize;
use std::path::Path;

/// Where a node listens.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Config {
    /// Queries, and this stand-in's `/status`.
    pub(crate) query_server_host: String,
    /// Tendermint's RPC.
    #[serde(rename = "RPCListenAddress")]
    pub(crate) rpc_listen_address: String,
    /// The proxy in front of the RPC.
    #[serde(rename = "RPCProxyPort")]
    pub(crate) rpc_proxy_port: u16,
    /// Peers.
    #[serde(rename = "P2PPort")]
    pub(crate) p2p_port: u16,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            query_server_host: "tcp://127.0.0.1:9999".into(),
            rpc_listen_address: "tcp://0.0.0.0:46657".into(),
            rpc_proxy_port: 46658,
            p2p_port: 46656,
        }
    }
}

/// Reads a node's `loom.yml`; the defaults when there is none.
pub(crate) fn read(home: &Path) -> Result<Config, Error> {
    let path = home.join("loom.yml");
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_yaml::from_str(&text).map_err(|cause| Error::Yaml { path, cause }),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(cause) => Err(Error::Io { path, cause }),
    }
}

/// `HOST:PORT` of `tcp://HOST:PORT`.
pub(crate) fn address(url: &str) -> Result<&str, Error> {
    let rest = url.strip_prefix("tcp://").unwrap_or(url);
    let port = rest.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    port.map(|_| rest).ok_or_else(|| Error::Address(url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()).unwrap(), Config::default());
        let text = "QueryServerHost: tcp://0.0.0.0:10009\nTendermintLogLevel: debug\nDPOSVersion: 3\nP2PPort: 47000\n";
        std::fs::write(home.path().join("loom.yml"), text).unwrap();
        let config = read(home.path()).unwrap();
        assert_eq!((config.query_server_host.as_str(), config.p2p_port), ("tcp://0.0.0.0:10009", 47000));
        assert_eq!(config.rpc_proxy_port, 46658);
        std::fs::write(home.path().join("loom.yml"), "P2PPort: many\n").unwrap();
        assert!(matches!(read(home.path()), Err(Error::Yaml { .. })));
    }

    #[test]
    fn addresses() {
        assert_eq!(address("tcp://0.0.0.0:9999").unwrap(), "0.0.0.0:9999");
        for bad in ["tcp://0.0.0.0", "tcp://:1", "9999", "tcp://a:b"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
