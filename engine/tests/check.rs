//! `engine check`: every mistake of playbooks and roles at once, each with its place; and nothing about what is right.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use insta::assert_snapshot;
use std::path::Path;
use std::process::Command;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn check(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.arg("check").args(args).current_dir(folder).env_clear().env("HOME", "/nowhere");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    format!("exit {}\n{}", output.status.code().unwrap(), said.replace(&folder.display().to_string(), "[folder]"))
}

const ROLE: &[(&str, &str)] = &[
    ("roles/shop/defaults/main.yml", "shop_port: 80\n"),
    (
        "roles/shop/meta/argument_specs.yml",
        "argument_specs:\n  main:\n    options:\n      shop_port: {type: int}\n      shop_mode: {choices: [open, closed]}\n      shop_owner: {required: true}\n",
    ),
    (
        "roles/shop/tasks/main.yml",
        "- include_vars: \"{{ ansible_facts.os_family }}.yml\"\n\
         - import_tasks: files.yml\n\
         - include_tasks: \"setup-{{ ansible_facts.os_family }}.yml\"\n",
    ),
    ("roles/shop/vars/Debian.yml", "shop_package: shop\n"),
    (
        "roles/shop/tasks/files.yml",
        "- template: {src: shop.conf.j2, dest: /etc/shop.conf}\n  notify: restart shop\n\
         - command: shopctl status\n  register: shop_status\n  changed_when: shop_status.rc == 9\n\
         - debug: {msg: \"{{ shop_status.stdout }} of {{ shop_owner }}\"}\n  when: shop_mode is defined\n",
    ),
    ("roles/shop/tasks/setup-Debian.yml", "- apt: {name: \"{{ shop_package }}\"}\n"),
    ("roles/shop/handlers/main.yml", "- import_tasks: service.yml\n"),
    ("roles/shop/handlers/service.yml", "- name: restart shop\n  service: {name: shop, state: restarted}\n"),
    (
        "roles/shop/templates/shop.conf.j2",
        "{% for host in groups['all'] %}\n{{ host }} {{ hostvars[host].ansible_host | default('') }} {{ shop_port }}\n{% endfor %}\n",
    ),
];

#[test]
fn what_is_right_gives_no_finding() {
    let folder = folder(ROLE);
    assert_snapshot!(check(folder.path(), &["roles/shop"]), @r"
    exit 0
    9 tasks in 8 files: nothing wrong
    ");
    let site = "- hosts: all\n  roles:\n    - {role: shop, shop_owner: ann, shop_mode: open}\n";
    std::fs::write(folder.path().join("site.yaml"), site).unwrap();
    std::fs::write(folder.path().join("hosts"), "web1\n").unwrap();
    assert_snapshot!(check(folder.path(), &["-i", "hosts"]), @r"
    exit 0
    9 tasks in 9 files: nothing wrong
    ");
}

#[test]
fn every_mistake_is_told_at_once() {
    let mut files = ROLE.to_vec();
    files.extend([
        ("hosts", "web1\n"),
        ("requirements.yml", "- src: ann.cache\n"),
        ("templates/broken.j2", "fine\n{% if x %}\n{{ oops | nofilter }}\n"),
        (
            "site.yaml",
            "- hosts: all\n\
             \x20 roles:\n\
             \x20   - {role: shop, shop_port: many, shop_mode: ajar}\n\
             \x20   - ann.cache\n\
             - hosts: all\n\
             \x20 handlers:\n\
             \x20   - name: reload\n\
             \x20     debug:\n\
             \x20 tasks:\n\
             \x20   - file: {path: /x, owners: root}\n\
             \x20     notify: relaod\n\
             \x20   - debug: {msg: \"{{ undefinde }} {{ maybe | default('') }}\"}\n\
             \x20   - template: {src: broken.j2, dest: /x}\n\
             \x20   - template: {src: brokne.j2, dest: /x}\n\
             \x20   - include_tasks: none.yml\n\
             \x20   - debug: {msg: \"{{ 1 + }}\"}\n",
        ),
    ]);
    let folder = folder(&files);
    assert_snapshot!(check(folder.path(), &["-i", "hosts"]));
}

#[test]
fn names_that_nothing_defines_are_errors_only_where_the_inventory_is_known() {
    let files = [
        ("site.yaml", "- hosts: all\n  tasks:\n    - debug: {msg: \"{{ port }} {{ colour }}\"}\n"),
        ("hosts", "web1 port=80\n"),
        ("group_vars/web/colour.yml", "colour: red\n"),
    ];
    let folder = folder(&files[..2]);
    assert_snapshot!(check(folder.path(), &[]), @r"
    exit 0
    not defined here, so to be given by whoever uses this: colour, port
    1 task in 1 file: nothing wrong
    ");
    assert_snapshot!(check(folder.path(), &["-i", "hosts", "--format", "json"]), @r#"
    exit 1
    {
      "version": 1,
      "findings": [
        {
          "weight": "error",
          "path": "site.yaml",
          "line": 3,
          "column": 20,
          "summary": "the variable `colour` is not defined anywhere",
          "notes": [],
          "hints": []
        }
      ],
      "wanted": [],
      "tasks": 1,
      "files": 1
    }
    "#);
    assert!(check(folder.path(), &["-i", "hosts", "-e", "colour=red"]).starts_with("exit 0"));
    let site = "- hosts: all\n  tasks:\n    - block:\n        - debug: {msg: \"{{ colour }}\"}\n      when: port == 443\n";
    std::fs::write(folder.path().join("site.yaml"), site).unwrap();
    let said = check(folder.path(), &["-i", "hosts"]);
    assert!(said.starts_with("exit 0\nwarning: the variable `colour` is not defined anywhere\n"), "{said}");
    let folder = self::folder(&files);
    assert!(check(folder.path(), &["-i", "hosts"]).starts_with("exit 0"));
}
