//! A Loom cluster on real hosts: planned, applied, mended, grown.

#![expect(clippy::unwrap_used, reason = "a case may panic")]

use serde_json::Value;
use std::path::PathBuf;
use tests::checkout::Checkout;
use tests::program::{built, repository};
use tests::readme::{commands, engine_arguments};
use tests::tree::State;
use tests::{Hosts, Program, Run, soon};

/// Where agents are kept between runs: the one thing that a plan leaves on a host.
const AGENTS: [&str; 2] = ["root/.cache", "home/ubuntu/.cache"];

/// A packet filter as a host that cares has it: closed but for ssh.
const FILTER: &str = "#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n  chain input {\n    type filter hook input priority filter; policy drop;\n    ct state established,related accept\n    iif lo accept\n    icmp type echo-request accept\n    tcp dport 22 accept\n  }\n}\n";

struct Cluster {
    hosts: Hosts,
    checkout: Checkout,
}

impl Cluster {
    fn new(count: usize) -> Option<Cluster> {
        let hosts = Hosts::for_case(count, &[])?;
        Some(Cluster { hosts, checkout: Checkout::new() })
    }

    /// The guide's inventory with the first hosts' addresses in it.
    fn write_inventory(&self, count: usize) {
        let text = std::fs::read_to_string(repository().join("inventory/loom.yaml")).unwrap();
        let (head, _) = text.split_once("  hosts:\n").unwrap();
        let mut text = head.replace("{{ inventory_dir }}/../loom", &built("loom").to_string_lossy());
        text += &format!("    ansible_ssh_private_key_file: {}\n", self.hosts.key().display());
        text += &format!("    ansible_ssh_common_args: -o UserKnownHostsFile={}\n  hosts:\n", self.hosts.known_hosts().display());
        for index in 0..count {
            text += &format!("    loom-{index}:\n      ansible_host: {0}\n      private_ip: {0}\n", self.hosts.address(index));
        }
        std::fs::write(self.inventory(), text).unwrap();
    }

    fn inventory(&self) -> PathBuf {
        self.checkout.path("inventory/loom.yaml")
    }

    fn engine(&self, args: &[&str]) -> Run {
        Program::engine(args, &self.checkout.home(), &self.checkout.root()).run()
    }

    fn plan(&self, code: i32) -> Run {
        self.engine(&["plan", "--detailed-exitcode", "-i", "inventory/loom.yaml"]).expect(code)
    }

    fn states(&self) -> Vec<State> {
        (0..self.hosts.count()).map(|i| State::of(&self.hosts, i, &AGENTS)).collect()
    }

    #[track_caller]
    fn expect_unchanged(&self, before: &[State], why: &str) {
        for (index, (before, after)) in before.iter().zip(self.states()).enumerate() {
            assert_eq!(before.difference(&after), Vec::<String>::new(), "node-{index}: {why}");
        }
    }

    /// What a node says of itself, asked from another host through the packet filter.
    fn status(&self, index: usize, from: usize) -> Value {
        let line = format!("curl -sS --max-time 5 http://{}:9999/status", self.hosts.address(index));
        serde_json::from_str(&self.hosts.sh(from, &line)).unwrap()
    }

    /// Every node has reached all others by itself, and all have the same genesis.
    #[track_caller]
    fn expect_connected(&self, count: usize) {
        let mut digests = Vec::new();
        for index in 0..count {
            // The playbook waits until every pair is connected; that both ends dialed takes a moment more.
            let status = soon(|| {
                let status = self.status(index, (index + 1) % count);
                (status["peers"].as_array().unwrap().len() == count - 1).then_some(status)
            });
            let status = status.unwrap_or_else(|| panic!("node-{index}: {}", self.status(index, index)));
            assert_eq!((&status["validators"], &status["contract_validators"]), (&count.into(), &count.into()));
            digests.push(status["genesis"].clone());
        }
        digests.dedup();
        assert_eq!(digests.len(), 1, "the nodes' genesis files differ");
    }

    fn close_ports(&self) {
        for index in 0..self.hosts.count() {
            std::fs::write(self.hosts.root(index).join("etc/nftables.conf"), FILTER).unwrap();
            self.hosts.sh(index, "systemctl enable --now nftables 2>&1");
        }
    }
}

/// The body of a plan, by host: the lines that name a resource.
fn resources<'a>(plan: &'a str, host: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in plan.lines() {
        if !line.starts_with(' ') {
            inside = line.split(", ").any(|h| h == host);
        } else if inside && line.trim_start().starts_with(['+', '~', '-', '!', '?', 'x']) && !line.starts_with("        ") {
            found.push(line.trim());
        }
    }
    found
}

#[test]
fn four_hosts_become_a_cluster_and_are_mended() {
    let Some(cluster) = Cluster::new(5) else { return };
    cluster.write_inventory(4);
    cluster.close_ports();

    let before = cluster.states();
    cluster.plan(2);
    cluster.expect_unchanged(&before, "a plan changed it");

    let readme = commands();
    let apply = readme.iter().filter_map(|c| engine_arguments(c)).find(|a| a[0] == "apply" && a.contains(&"inventory/loom.yaml"));
    cluster.engine(&apply.expect("the README applies inventory/loom.yaml")).expect(0);
    cluster.expect_connected(4);

    let before = cluster.states();
    cluster.engine(&["apply", "--yes", "-i", "inventory/loom.yaml"]).expect(0);
    cluster.expect_unchanged(&before, "the second apply changed it");
    for args in readme
        .iter()
        .filter_map(|c| engine_arguments(c))
        .filter(|a| ["plan", "check"].contains(&a[0]) && a.contains(&"inventory/loom.yaml"))
    {
        cluster.engine(&args).expect(0);
    }
    cluster.plan(0);

    cluster.hosts.sh(0, "systemctl stop loom && rm /etc/systemd/system/loom.service && systemctl daemon-reload");
    cluster.hosts.sh(1, "sed -i 's/\"power\": \"10\"/\"power\": \"99\"/' /var/lib/loom/genesis.json");
    let close =
        "nft -a list chain inet filter input | sed -n 's/.*dport 9999 .*# handle //p' | xargs nft delete rule inet filter input handle";
    cluster.hosts.sh(2, close);
    cluster.hosts.sh(3, "systemctl stop loom");
    let plan = cluster.plan(2).out;
    let of = |index: usize| resources(&plan, &format!("loom-{index}")).join("\n");
    assert!(of(0).contains("loom.service") && !of(0).contains("genesis.json"), "{plan}");
    assert!(of(1).contains("/var/lib/loom/genesis.json") && !of(1).contains("chaindata"), "{plan}");
    assert!(of(2).contains("9999") && !of(2).contains("46656") && !of(2).contains("loom.service"), "{plan}");
    assert!(of(3).contains("loom.service") && !of(3).contains("genesis.json"), "{plan}");
    cluster.engine(&["apply", "--yes", "-i", "inventory/loom.yaml"]).expect(0);
    cluster.expect_connected(4);
    cluster.plan(0);

    cluster.write_inventory(5);
    let plan = cluster.plan(2).out;
    for index in 0..5 {
        assert!(!resources(&plan, &format!("loom-{index}")).is_empty(), "loom-{index} has no changes:\n{plan}");
    }
    cluster.engine(&["apply", "--yes", "-i", "inventory/loom.yaml"]).expect(0);
    cluster.expect_connected(5);
    cluster.plan(0);
}
