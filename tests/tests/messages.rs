//! Bad input: what the program says, word for word. Each snapshot is what a user sees who made that mistake.

#![expect(clippy::unwrap_used, reason = "a case may panic")]

use std::path::Path;
use tempfile::TempDir;
use tests::Program;
use tests::sandbox::Sandbox;

/// A folder with files in it, and the program run there on `local`, this machine.
struct Case {
    folder: TempDir,
    sandbox: Option<Sandbox>,
}

const LOCAL: &str = "local ansible_connection=local\n";

impl Case {
    fn new(files: &[(&str, &str)]) -> Case {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("hosts", LOCAL)].iter().chain(files) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Case { folder, sandbox: None }
    }

    /// Runs as nobody.
    fn unprivileged(mut self) -> Case {
        self.sandbox = Some(Sandbox::new());
        std::process::Command::new("chmod").args(["-R", "a+rwX"]).arg(self.folder.path()).status().unwrap();
        self
    }

    fn run(&self, args: &[&str]) -> String {
        let home = self.folder.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        let program = Program::engine(args, &home, self.folder.path());
        let run = match &self.sandbox {
            None => program.run(),
            Some(sandbox) => {
                std::process::Command::new("chmod").args(["777"]).arg(&home).status().unwrap();
                sandbox.unprivileged(program).run()
            }
        };
        assert_ne!(run.code, 0, "nothing was wrong:\n{}{}", run.out, run.err);
        format!("exit code {}\n{}{}", run.code, run.err, run.out)
    }

    fn apply(&self) -> String {
        self.run(&["apply", "--yes", "-i", "hosts", "site.yaml"])
    }
}

/// Compares with the snapshot of this name, without what differs from run to run.
#[track_caller]
fn expect(name: &str, case: &Case, said: &str) {
    let folder = case.folder.path().to_string_lossy().into_owned();
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/messages"));
    let said = said.replace(&folder, "[folder]");
    settings.add_filter(r"\b\d+\.\d+ ?s\b", "[time]");
    settings.add_filter(r"\.engine-tmp[\w.-]*|\.tmp[\w]{6}", "[temporary]");
    settings.bind(|| insta::assert_snapshot!(name, said));
}

/// Cases that need only a playbook: a name, and the playbook with the mistake.
macro_rules! playbooks {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            let case = Case::new(&[("site.yaml", $text)]);
            expect(stringify!($name), &case, &case.apply());
        }
    )*};
}

playbooks! {
    broken_yaml: "- hosts: all\n  tasks:\n    - name: one\n      debug: {msg: \"hello}\n";
    tab_in_yaml: "- hosts: all\n  tasks:\n\t- ping:\n";
    not_a_list_of_plays: "hosts: all\ntasks: []\n";
    unknown_key_in_play: "- hosts: all\n  task:\n    - ping:\n";
    unknown_key_in_task: "- hosts: all\n  tasks:\n    - ping:\n      whenn: true\n";
    unknown_module: "- hosts: all\n  tasks:\n    - tempalte: {src: a, dest: b}\n";
    two_modules_in_a_task: "- hosts: all\n  tasks:\n    - ping:\n      debug: {msg: hello}\n";
    missing_argument: "- hosts: all\n  gather_facts: false\n  tasks:\n    - lineinfile: {line: hello}\n";
    unknown_argument: "- hosts: all\n  gather_facts: false\n  tasks:\n    - file:\n        path: a\n        owners: root\n";
    mistyped_argument: "- hosts: all\n  gather_facts: false\n  tasks:\n    - wait_for: {port: ssh}\n";
    wrong_choice: "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {path: a, state: folder}\n";
    undefined_variable: "- hosts: all\n  gather_facts: false\n  vars: {version: 1}\n  tasks:\n    - debug: {msg: \"{{ verison }}\"}\n";
    undefined_attribute: "- hosts: all\n  gather_facts: false\n  vars: {app: {port: 1}}\n  tasks:\n    - debug: {msg: \"{{ app.prot }}\"}\n";
    template_error: "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: \"{{ 1 + }}\"}\n";
    unknown_filter: "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: \"{{ 'a' | uper }}\"}\n";
    condition_error: "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n      when: nothing == 1\n";
    missing_role: "- hosts: all\n  gather_facts: false\n  roles: [web]\n";
    missing_template: "- hosts: all\n  gather_facts: false\n  tasks:\n    - template: {src: motd.j2, dest: motd}\n";
    missing_task_file: "- hosts: all\n  gather_facts: false\n  tasks:\n    - import_tasks: web.yaml\n";
    failed_command: "- hosts: all\n  gather_facts: false\n  tasks:\n    - shell: echo one; echo two >&2; exit 3\n";
    failed_assertion: "- hosts: all\n  gather_facts: false\n  vars: {size: 3}\n  tasks:\n    - assert: {that: [size > 1, size < 3]}\n";
    a_file_that_vanishes: "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: \"{{ playbook_dir }}/a\"}\n    - command: rm {{ playbook_dir }}/a\n    - copy: {src: \"{{ playbook_dir }}/a\", dest: \"{{ playbook_dir }}/b\"}\n";
    command_not_found: "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: no-such-program --now\n";
}

#[test]
fn duplicate_key() {
    let text =
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug:\n        msg: one\n        msg: two\n    - fail: {msg: the end}\n";
    let case = Case::new(&[("site.yaml", text)]);
    expect("duplicate_key", &case, &case.apply());
}

#[test]
fn recursive_include() {
    let case = Case::new(&[
        ("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - import_tasks: a.yaml\n"),
        ("a.yaml", "- import_tasks: b.yaml\n"),
        ("b.yaml", "- import_tasks: a.yaml\n"),
    ]);
    expect("recursive_import", &case, &case.apply());
    let case = Case::new(&[
        ("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - include_tasks: a.yaml\n"),
        ("a.yaml", "- include_tasks: a.yaml\n"),
    ]);
    expect("recursive_include", &case, &case.apply());
}

#[test]
fn error_in_a_template_file() {
    let case = Case::new(&[
        ("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - template: {src: motd.j2, dest: \"{{ playbook_dir }}/motd\"}\n"),
        ("templates/motd.j2", "Welcome\nto {{ hostnam }}\n"),
    ]);
    expect("error_in_a_template_file", &case, &case.apply());
}

#[test]
fn missing_files() {
    let case = Case::new(&[]);
    expect("missing_playbook", &case, &case.apply());
    let case = Case::new(&[("site.yaml", "- hosts: all\n  tasks: []\n")]);
    expect("missing_inventory", &case, &case.run(&["plan", "-i", "no-hosts", "site.yaml"]));
    let case = Case::new(&[]);
    expect("no_playbook_to_find", &case, &case.run(&["plan", "-i", "hosts"]));
}

#[test]
fn host_patterns() {
    let case = Case::new(&[("site.yaml", "- hosts: web\n  tasks: []\n")]);
    expect("limit_without_match", &case, &case.run(&["plan", "-i", "hosts", "-l", "nowhere", "site.yaml"]));
}

#[test]
fn broken_inventory() {
    let case = Case::new(&[("site.yaml", "- hosts: all\n  tasks: []\n"), ("bad.yaml", "all:\n  hosts: [a, b]\n")]);
    expect("list_in_inventory", &case, &case.run(&["plan", "-i", "bad.yaml", "site.yaml"]));
}

#[test]
fn hosts_that_look_like_options() {
    let case =
        Case::new(&[("site.yaml", "- hosts: all\n  tasks:\n    - ping:\n"), ("evil", "x ansible_host=-oProxyCommand=touch${IFS}pwned\n")]);
    expect("host_like_an_option", &case, &case.run(&["apply", "--yes", "-i", "evil", "site.yaml"]));
    assert!(!case.folder.path().join("pwned").exists());
}

#[test]
fn unreachable_host() {
    let case =
        Case::new(&[("site.yaml", "- hosts: all\n  tasks:\n    - ping:\n"), ("gone", "gone ansible_host=127.0.0.1 ansible_port=1\n")]);
    expect("unreachable_host", &case, &case.run(&["apply", "--yes", "-i", "gone", "site.yaml"]));
}

#[test]
fn no_permission() {
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: /etc/engine-case}\n";
    let case = Case::new(&[("site.yaml", text)]).unprivileged();
    expect("no_permission", &case, &case.apply());
}
