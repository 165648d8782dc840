//! Loom's public playbooks, unmodified, from a checkout named by `ENGINE_LOOM_PLAYBOOKS`; they may not stand in this repository.

use serde_json::Value;
use std::process::Command;
use tests::program::built;
use tests::{Hosts, Program};

/// Sets only addresses and keys in the inventory.
fn with_addresses(inventory: &str, hosts: &Hosts) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut index = 0;
    for line in inventory.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if line.trim_start().starts_with("ansible_host:") {
            lines.push(format!("{indent}ansible_host: {}", hosts.address(index)));
        } else if line.trim_start().starts_with("private_ip:") {
            lines.push(format!("{indent}private_ip: {}", hosts.address(index)));
            index += 1;
        } else if line.trim_start().starts_with("ansible_ssh_common_args:") {
            lines.push(format!("{indent}ansible_ssh_common_args: -o UserKnownHostsFile={}", hosts.known_hosts().display()));
            lines.push(format!("{indent}ansible_ssh_private_key_file: {}", hosts.key().display()));
            lines.push(format!("{indent}ansible_user: ubuntu"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

#[test]
#[ignore = "needs a checkout of loomnetwork/loom-playbooks in ENGINE_LOOM_PLAYBOOKS"]
fn loom_playbooks_run_unmodified() {
    let source = std::env::var("ENGINE_LOOM_PLAYBOOKS").expect("ENGINE_LOOM_PLAYBOOKS names a checkout of loomnetwork/loom-playbooks");
    let Some(hosts) = Hosts::for_case(4, &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("playbooks");
    assert!(Command::new("cp").arg("-r").arg(&source).arg(&work).status().unwrap().success());
    let inventory = std::fs::read_to_string(work.join("inventory.yml")).unwrap();
    std::fs::write(work.join("inventory.yml"), with_addresses(&inventory, &hosts)).unwrap();
    // Where the playbooks' first task expects the binary, on this machine.
    let build = format!("loom_build=case{}", std::process::id());
    let binary = format!("/tmp/loom-case{}", std::process::id());
    std::fs::copy(built("loom"), &binary).unwrap();
    let args = ["apply", "--yes", "-i", "inventory.yml", "loom-playbook.yml", "-e", &build];
    let run = Program::engine(args, folder.path(), &work).run();
    std::fs::remove_file(&binary).unwrap();
    run.expect(0);
    std::thread::sleep(std::time::Duration::from_secs(5));
    for index in 0..4 {
        let said = hosts.sh(index, "curl -sS --max-time 5 http://127.0.0.1:9999/status");
        let status: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(status["peers"].as_array().unwrap().len(), 3, "node-{index}: {status}");
        assert_eq!(status["validators"], 4);
    }
}
