//! The benchmark's parts, without running it: the script parses, engine reads the playbook, pyinfra is given its tasks.

use std::process::Command;
use tests::Program;
use tests::program::repository;

fn quoted_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_script_parses() {
    let status = Command::new("bash").arg("-n").arg(repository().join("tests/bench")).status().unwrap();
    assert!(status.success());
}

#[test]
fn engine_reads_the_playbook() {
    let (home, folder) = (tempfile::tempdir().unwrap(), repository().join("tests/benchmark"));
    let run = Program::engine(["graph", "-i", "node-0,node-1,", "site.yaml"], home.path(), &folder).run().expect(0);
    assert!(run.out.contains("Configuration") && run.out.contains("It runs"), "{}", run.out);
}

#[test]
fn pyinfra_is_given_tasks_of_the_playbook() {
    let folder = repository().join("tests/benchmark");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (playbook, deploy) = (read("site.yaml"), read("deploy.py"));
    let names = quoted_after(&deploy, "(name=\"");
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        assert!(playbook.contains(&format!("- name: {name}\n")), "the playbook has no task `{name}`");
    }
    for file in quoted_after(&deploy, "src=\"") {
        assert!(folder.join(file).is_file(), "{file}");
    }
}
