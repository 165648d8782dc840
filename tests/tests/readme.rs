//! The README: every command in it does what it says.

#![expect(clippy::unwrap_used, reason = "a case may panic")]

use serde_json::Value;
use tests::checkout::Checkout;
use tests::program::repository;
use tests::readme::{commands, engine_arguments};
use tests::sandbox::Sandbox;
use tests::{Program, soon};

/// What `/status` of the nodes at these query ports answers.
fn statuses(sandbox: &Sandbox, ports: &[u16]) -> Vec<Value> {
    let ask = |port: &u16| sandbox.sh(&format!("curl -sS --max-time 5 http://127.0.0.1:{port}/status"));
    ports.iter().map(|port| serde_json::from_str(&ask(port)).unwrap()).collect()
}

#[test]
fn every_command_is_run_by_a_case() {
    for command in commands() {
        let elsewhere = ["tests/run", "tests/bench", "cd vagrant && vagrant up"];
        let known = engine_arguments(&command).is_some_and(|args| args.iter().any(|a| a.starts_with("inventory/")) || args[0] == "modules");
        // The workspace has several programs: without its name, cargo runs none.
        assert!(!command.contains("cargo run") || command.contains(" --bin "), "`{command}` does not say which program");
        assert!(known || elsewhere.contains(&command.as_str()), "no case runs `{command}`");
        if let Some(path) = command.split(' ').next().filter(|c| c.starts_with("tests/")) {
            assert!(repository().join(path).is_file(), "there is no {path}");
        }
    }
}

#[test]
fn the_local_cluster_comes_up_stays_and_goes() {
    let (sandbox, checkout) = (Sandbox::new(), Checkout::new());
    let engine = |args: &[&str]| sandbox.unprivileged(Program::engine(args, &checkout.home(), &checkout.root()));
    let all = commands();
    let local: Vec<Vec<&str>> = all
        .iter()
        .filter_map(|c| engine_arguments(c))
        .filter(|args| args.contains(&"inventory/local.yaml") || args[0] == "modules")
        .collect();
    let (last, others) = local.split_last().unwrap();
    let (first, others) = others.split_first().unwrap();
    assert_eq!(first, &["apply", "--yes", "-i", "inventory/local.yaml"]);
    engine(&["plan", "--detailed-exitcode", "-i", "inventory/local.yaml"]).run().expect(2);
    engine(first).run().expect(0);
    let all_reached = |nodes: &Vec<Value>| nodes.iter().all(|node| node["peers"].as_array().unwrap().len() == 3);
    // The playbook waits until every pair is connected; that both ends dialed takes a moment more.
    let nodes =
        soon(|| Some(statuses(&sandbox, &[9999, 10009, 10019, 10029])).filter(all_reached)).expect("a node did not reach all others");
    for node in &nodes {
        assert_eq!((&node["validators"], &node["contract_validators"]), (&4.into(), &4.into()), "{node}");
        assert_eq!(node["genesis"], nodes[0]["genesis"]);
    }
    engine(first).run().expect(0);
    assert_eq!(statuses(&sandbox, &[9999])[0], nodes[0], "the second apply changed something");
    engine(&["plan", "--detailed-exitcode", "-i", "inventory/local.yaml"]).run().expect(0);
    for args in others {
        engine(args).run().expect(0);
    }
    assert!(last.contains(&"loom_state=absent"), "the last local command of the README removes the cluster, not {last:?}");
    engine(last).run().expect(0);
    let left = sandbox.sh("ss -Hltn | wc -l");
    assert_eq!(left.trim(), "0", "something still listens");
    assert!(!checkout.home().join(".local/share/loom").exists());
    engine(&["plan", "--detailed-exitcode", "-i", "inventory/local.yaml", "-e", "loom_state=absent"]).run().expect(0);
}
