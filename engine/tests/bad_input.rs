//! Bad input: for every kind of mistake what the program says, word for word, and its exit code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use insta::assert_snapshot;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::Server;

/// A folder with an inventory of one local host, `web1`, and what a case adds.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.file("hosts", "web1 ansible_connection=local\n");
        folder
    }

    fn with(name: &str, text: impl AsRef<[u8]>) -> Folder {
        let folder = Folder::new();
        folder.file(name, text);
        folder
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a program of the folder's; the answer is its exit code, standard output and standard error.
    fn run(&self, program: &mut Command) -> String {
        program.current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        program.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nowhere").env("LANG", "C.UTF-8");
        program.env("XDG_CACHE_HOME", self.0.path().join(".cache"));
        let output = program.output().unwrap();
        let mut shown = format!("exit {}\n", output.status.code().unwrap_or(-1));
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = String::from_utf8_lossy(bytes);
            if !text.trim().is_empty() {
                write!(shown, "-- {name}\n{}\n", text.trim_matches('\n')).unwrap();
            }
        }
        let shown = shown.replace(&self.0.path().display().to_string(), "[folder]");
        regex::Regex::new(r"\d+\.\d+s\b").unwrap().replace_all(&shown, "[time]").into_owned()
    }

    fn engine(&self, args: &[&str]) -> String {
        self.run(Command::new(env!("CARGO_BIN_EXE_engine")).args(args))
    }

    fn plan(&self) -> String {
        self.engine(&["plan", "-i", "hosts", "site.yaml"])
    }

    fn apply(&self) -> String {
        self.engine(&["apply", "--yes", "-i", "hosts", "site.yaml"])
    }
}

/// What the program says in the cases of one test, each under its name.
#[derive(Default)]
struct Page(String);

impl Page {
    fn add(&mut self, name: &str, said: String) {
        writeln!(self.0, "=== {}: {said}", name.replace('_', " ")).unwrap();
    }
}

/// What `plan` says of a playbook.
fn plan(playbook: &str) -> String {
    Folder::with("site.yaml", playbook).plan()
}

/// What `plan` says of a play with these tasks on `web1`.
fn tasks(tasks: &str) -> String {
    plan(&play(tasks))
}

fn play(tasks: &str) -> String {
    let tasks: String = tasks.lines().map(|line| format!("    {line}\n")).collect();
    format!("- hosts: web1\n  gather_facts: false\n  vars: {{package_name: nginx, sizes: [1, 2]}}\n  tasks:\n{tasks}")
}

#[test]
fn broken_yaml() {
    let mut page = Page::default();
    page.add("open_brace", plan("- hosts: all\n  tasks:\n    - file: {path: /tmp/x\n    - debug: msg=1\n"));
    page.add("tab", plan("- hosts: all\n  tasks:\n\t- debug: msg=1\n"));
    page.add("unquoted_template", plan("- hosts: all\n  tasks:\n    - debug:\n        msg: {{ name }}\n"));
    page.add("unquoted_colon", plan("- hosts: all\n  tasks:\n    - debug: msg=hello: world\n"));
    page.add("indentation", plan("- hosts: all\n  tasks:\n    - debug:\n        msg: x\n       var: y\n"));
    page.add("deep_nesting", plan(&format!("a:\n{}", (1..400).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>())));
    assert_snapshot!(page.0);
}

#[test]
fn duplicate_key() {
    assert_snapshot!(plan("- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: msg=one\n      debug: msg=two\n"));
}

#[test]
fn files_that_are_no_text() {
    let mut page = Page::default();
    page.add("latin1", Folder::with("site.yaml", b"- hosts: all\n  vars: {drink: caf\xe9}\n").plan());
    page.add("utf16", Folder::with("site.yaml", b"\xff\xfe-\0 \0").plan());
    page.add("inventory_latin1", {
        let folder = Folder::with("site.yaml", "- hosts: all\n");
        folder.file("hosts", b"web1 drink=caf\xe9\n");
        folder.plan()
    });
    assert_snapshot!(page.0);
}

#[test]
fn large_files_are_read() {
    let tasks: String = (0..90_000).map(|n| format!("    - debug: {{msg: '{n} {}'}}\n      tags: never\n", "x".repeat(72))).collect();
    let text = format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}    - debug: {{mgs: x}}\n");
    assert!(text.len() > 10_000_000);
    assert_snapshot!(plan(&text));
}

#[test]
fn unknown_keys() {
    let mut page = Page::default();
    page.add("play", plan("- hosts: all\n  task:\n    - debug: msg=1\n  tagss: x\n"));
    page.add("task", tasks("- debug: msg=1\n  whenn: true"));
    page.add("several", tasks("- debug: msg=1\n  whenn: true\n- debgu:\n- name: nothing"));
    page.add("no_list_of_plays", plan("hosts: all\ntasks: []\n"));
    page.add("empty_playbook", plan(""));
    page.add("no_hosts", plan("- tasks: []\n- hosts: [{a: b}]\n"));
    page.add("inventory_as_playbook", Folder::new().engine(&["plan", "-i", "hosts", "hosts"]));
    assert_snapshot!(page.0);
}

#[test]
fn unknown_modules() {
    let mut page = Page::default();
    page.add("near", tasks("- tempalte: {src: a, dest: b}"));
    page.add("far", tasks("- no_such_thing: {src: a, dest: b}"));
    page.add("in_collection", tasks("- amazon.aws.s3_bucket: {name: b}"));
    page.add("two", tasks("- ping:\n  debug: msg=1"));
    assert_snapshot!(page.0);
}

#[test]
fn arguments() {
    let mut page = Page::default();
    for (name, text) in [
        ("missing", "- file: {owner: root}"),
        ("missing_although_templates", "- copy: {content: \"{{ package_name }}\"}"),
        ("unknown", "- file:\n    path: /tmp/x\n    owners: root"),
        ("unknown_in_words", "- shell: chdirr=/ echo\n- file: path=/tmp/x owners=root"),
        ("unknown_of_controller", "- debug: {mgs: hello}"),
        ("mistyped", "- wait_for: {port: http}"),
        ("no_boolean", "- file: {path: /tmp/x, follow: maybe}"),
        ("no_choice", "- file: {path: /tmp/x, state: direktory}"),
        ("no_mode", "- file: {path: /tmp/x, mode: rwx}"),
        ("mistyped_by_template", "- wait_for: {port: \"{{ package_name }}\"}"),
        ("free_text", "- file: path=/tmp/x and more"),
        ("list", "- command: [ls, -l]"),
        ("open_quote", "- command: echo it's"),
        ("no_variable", "- set_fact: nothing"),
        ("register", "- ping:\n  register: a b\n  retries: x\n  become: perhaps"),
    ] {
        page.add(&format!("argument_{name}"), tasks(text));
    }
    assert_snapshot!(page.0);
}

#[test]
fn undefined_variables() {
    let mut page = Page::default();
    page.add("undefined", tasks("- name: say it\n  debug:\n    msg: \"hello {{ pakage_name }}\""));
    page.add("undefined_attribute", tasks("- debug: msg=\"{{ app.prot }}\"\n  vars: {app: {port: 80}}"));
    page.add("undefined_in_condition", tasks("- ping:\n  when: nothing == 1"));
    page.add("undefined_in_variable", tasks("- debug: msg=\"{{ outer }}\"\n  vars:\n    outer: \"{{ inner }}\""));
    page.add("undefined_in_loop", tasks("- debug: msg=\"{{ item.size }}\"\n  loop: [{size: 1}, {sise: 2}]"));
    let folder = Folder::with("site.yaml", play("- template: {src: motd.j2, dest: /tmp/motd}"));
    folder.file("templates/motd.j2", "Welcome\nto {{ hostnam }}\n");
    page.add("undefined_in_template", folder.plan());
    folder.file("site.yaml", play("- debug: {msg: \"{{ version }}\"}"));
    page.add("undefined_when_applied", folder.apply());
    folder.file("hosts", "web1 ansible_connection=local\nweb2 ansible_connection=local\n");
    folder.file("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: \"{{ version }}\"}\n");
    page.add("undefined_on_two_hosts", folder.plan());
    assert_snapshot!(page.0);
}

#[test]
fn templates() {
    let mut page = Page::default();
    for (name, text) in [
        ("syntax", "- ping:\n- debug:\n    msg: |\n      one\n      {{ 1 + }}"),
        ("open", "- debug: {msg: \"{% if true %}x\"}"),
        ("condition_syntax", "- ping:\n  when: package_name =="),
        ("filter", "- debug: {msg: \"{{ package_name | uper }}\"}"),
        ("test", "- ping:\n  when: package_name is strin"),
        ("types", "- debug: {msg: \"{{ package_name + 1 }}\"}"),
        ("lookup", "- debug: {msg: \"{{ lookup('flie', 'x') }}\"}"),
        ("lookup_file", "- debug: {msg: \"{{ lookup('file', 'nope') }}\"}"),
        ("circle", "- debug: {msg: \"{{ a }}\"}\n  vars: {a: \"{{ b }}\", b: \"{{ a }}\"}"),
        ("deep", &format!("- debug:\n    msg: \"{{{{ 1{} }}}}\"", " + 1".repeat(5000))),
    ] {
        let said = tasks(text);
        // The long line is cut in the message; where exactly is not what this is about.
        page.add(&format!("template_{name}"), said.replace(&" + 1".repeat(20), " …"));
    }
    let folder = Folder::with("site.yaml", play("- template: {src: a.j2, dest: /tmp/a}"));
    folder.file("a.j2", "one\n{% if x %}\n");
    page.add("template_file", folder.plan());
    assert_snapshot!(page.0);
}

#[test]
fn conditions_and_loops() {
    let mut page = Page::default();
    page.add("condition_dictionary", tasks("- ping:\n  when: {a: 1}"));
    page.add("condition_list", tasks("- ping:\n  when: sizes"));
    page.add("condition_text", tasks("- ping:\n  when: package_name"));
    page.add("loop_dictionary", tasks("- debug: msg=x\n  loop: {a: 1}"));
    page.add("loop_rendered_dictionary", tasks("- debug: msg=x\n  loop: \"{{ one }}\"\n  vars: {one: {a: 1}}"));
    page.add("loop_control", tasks("- debug: msg=x\n  loop: [1]\n  loop_control: {lop_var: x}"));
    assert_snapshot!(page.0);
}

#[test]
fn handlers() {
    let text = play("- command: \"true\"\n  notify: restart ngnix") + "  handlers:\n    - name: restart nginx\n      ping:\n";
    assert_snapshot!(plan(&text));
}

#[test]
fn files_that_are_missing() {
    let mut page = Page::default();
    page.add("role", plan("- hosts: all\n  roles: [ngnix]\n"));
    page.add("included_role", tasks("- include_role: {name: ngnix}"));
    page.add("imported_role", tasks("- import_role: {name: ngnix}"));
    page.add("included_file", tasks("- include_tasks: more.yaml"));
    page.add("imported_file", tasks("- import_tasks: more.yaml"));
    page.add("imported_playbook", plan("- import_playbook: more.yaml\n"));
    page.add("variables", plan("- hosts: all\n  vars_files: [more.yaml]\n"));
    page.add("included_variables", tasks("- include_vars: more.yaml"));
    let folder = Folder::with("site.yaml", play("- template: {src: motd.j, dest: /tmp/motd}\n- copy: src=motd dest=/tmp/motd"));
    folder.file("templates/motd.j2", "");
    page.add("template", folder.plan());
    page.add("playbook", folder.engine(&["plan", "-i", "hosts", "site.yml"]));
    page.add("folder_as_playbook", folder.engine(&["plan", "-i", "hosts", "."]));
    page.add("no_playbook", Folder::new().engine(&["plan", "-i", "hosts"]));
    assert_snapshot!(page.0);
}

#[test]
fn circles() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- import_playbook: other.yaml\n");
    folder.file("other.yaml", "- import_playbook: site.yaml\n");
    page.add("imported_playbooks", folder.plan());
    let folder = Folder::with("site.yaml", play("- import_tasks: a.yaml"));
    folder.file("a.yaml", "- import_tasks: b.yaml\n");
    folder.file("b.yaml", "- import_tasks: a.yaml\n");
    page.add("imported_tasks", folder.plan());
    let folder = Folder::with("site.yaml", play("- include_tasks: a.yaml"));
    folder.file("a.yaml", "- include_tasks: a.yaml\n");
    page.add("included_tasks", folder.plan());
    assert_snapshot!(page.0);
}

#[test]
fn hosts_that_do_not_match() {
    let mut page = Page::default();
    page.add("pattern", plan("- name: web servers\n  hosts: wbe1\n"));
    page.add("part_of_pattern", plan("- hosts: web1,db\n  gather_facts: false\n"));
    let folder = Folder::with("site.yaml", "- hosts: all\n");
    page.add("limit", folder.engine(&["plan", "-i", "hosts", "-l", "wbe1", "site.yaml"]));
    page.add("no_inventory", folder.engine(&["plan", "site.yaml"]));
    folder.file("hosts", "web1\nweb2\n");
    folder.file("site.yaml", "- hosts: web1\n");
    page.add("limit_elsewhere", folder.engine(&["plan", "-i", "hosts", "-l", "web2", "site.yaml"]));
    page.add("host_of_inventory", folder.engine(&["inventory", "-i", "hosts", "--host", "web3"]));
    assert_snapshot!(page.0);
}

#[test]
fn inventories() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- hosts: all\n");
    page.add("inventory_missing", folder.engine(&["plan", "-i", "hots", "site.yaml"]));
    folder.file("bad.yaml", "all:\n  host:\n    a:\n");
    page.add("inventory_unknown_key", folder.engine(&["plan", "-i", "bad.yaml", "site.yaml"]));
    for (name, text) in [
        ("fails", "#!/bin/sh\necho no network >&2\nexit 3\n"),
        ("no_json", "#!/bin/sh\necho hello\n"),
        ("no_interpreter", "#!/no/such/program\n"),
    ] {
        let path = folder.file(name, text);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        page.add(&format!("inventory_script_{name}"), folder.engine(&["plan", "-i", name, "site.yaml"]));
    }
    assert_snapshot!(page.0);
}

#[test]
fn options() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- hosts: all\n");
    for (name, value) in
        [("word", "a"), ("list", "[1]"), ("open_quote", "a=\"x"), ("open_brace", "{a"), ("missing_file", "@host"), ("wrong_file", "@hosts")]
    {
        page.add(&format!("extra_vars_{name}"), folder.engine(&["plan", "-i", "hosts", "site.yaml", "-e", value]));
    }
    page.add("unknown_option", folder.engine(&["plan", "--limt", "web1"]));
    page.add("unknown_command", folder.engine(&["aply"]));
    page.add("forks", folder.engine(&["plan", "-f", "many"]));
    page.add("unknown_page", folder.engine(&["modules", "tempalte"]));
    assert_snapshot!(page.0);
}

#[test]
fn play_keywords() {
    let mut page = Page::default();
    for (name, line) in [
        ("serial", "serial: many"),
        ("serial_list", "serial: [1, {a: b}]"),
        ("strategy", "strategy: fre"),
        ("order", "order: sortd"),
        ("environment", "environment: [1]"),
    ] {
        let text = format!("- hosts: web1\n  gather_facts: false\n  {line}\n  tasks: [{{ping: }}]\n");
        page.add(&format!("play_{name}"), plan(&text));
    }
    assert_snapshot!(page.0);
}

#[test]
fn connections() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: see\n      ping:\n");
    folder.file("hosts", "web1 ansible_connection=winrm\n");
    page.add("connection_unsupported", folder.plan());
    folder.file("hosts", "web1\n");
    folder.file("site.yaml", "- hosts: all\n  gather_facts: false\n  connection: winrm\n  tasks: [{ping: }]\n");
    page.add("connection_unsupported_in_play", folder.plan());
    folder.file("site.yaml", play("- ping:\n  delegate_to: web2.invalid"));
    folder.file("hosts", "web1 ansible_connection=local\n[others]\nweb2.example\n");
    let resolver = regex::Regex::new("(web2.invalid): [A-Z].*").unwrap();
    page.add("delegate_to_unknown", resolver.replace_all(&folder.plan(), "$1: [why]").into_owned());
    assert_snapshot!(page.0);
}

#[test]
fn names_that_look_like_options() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n");
    folder.file("hosts", "-oProxyCommand=touch${IFS}pwned ansible_connection=ssh\n");
    page.add("option_as_host", folder.plan());
    folder.file("hosts", "web1 ansible_host=-oProxyCommand=touch${IFS}pwned\n");
    page.add("option_as_address", folder.plan());
    folder.file("hosts", "web1 ansible_user=-oProxyCommand=touch${IFS}pwned\n");
    page.add("option_as_user", folder.plan());
    folder.file("hosts", "web1 ansible_connection=local\n");
    folder.file("site.yaml", play("- ping:\n  delegate_to: -oProxyCommand=touch${IFS}pwned\n  vars: {ansible_connection: ssh}"));
    page.add("option_as_delegate", folder.plan());
    assert!(!folder.0.path().join("pwned").exists());
    assert_snapshot!(page.0);
}

#[test]
fn unreachable_hosts() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: see\n      ping:\n");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    folder.file("hosts", format!("web1 ansible_host=127.0.0.1 ansible_port={port}\nweb2 ansible_connection=local\n"));
    page.add("applied", folder.apply().replace(&port.to_string(), "[port]"));
    page.add("planned", folder.plan().replace(&port.to_string(), "[port]"));
    assert_snapshot!(page.0);
}

#[test]
fn logins_that_are_refused() {
    let Some(server) = Server::start() else { return };
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: see\n      ping:\n");
    let hosts = |key: &str, known: &str| {
        format!(
            "web1 ansible_host=127.0.0.1 ansible_port={} ansible_user=me ansible_ssh_private_key_file={} ansible_ssh_common_args='-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={}'\n",
            server.port,
            server.path(key).display(),
            server.path(known).display(),
        )
    };
    let said = |key: &str, known: &str| {
        folder.file("hosts", hosts(key, known));
        let said = folder.plan().replace(&server.port.to_string(), "[port]").replace(&server.dir.path().display().to_string(), "[keys]");
        regex::Regex::new(r"denied \(.*\)").unwrap().replace_all(&said, "denied [methods]").into_owned()
    };
    page.add("wrong_key", said("stranger", "known"));
    page.add("unknown_host_key", said("user", "none"));
    page.add("missing_key", said("no-such-key", "known"));
    assert_snapshot!(page.0);
}

#[test]
fn failing_tasks() {
    let mut page = Page::default();
    page.add("command", Folder::with("site.yaml", play("- name: list\n  shell: echo one; echo two >&2; exit 3")).apply());
    page.add("no_program", Folder::with("site.yaml", play("- command: no-such-program --now")).apply());
    page.add("assertion", tasks("- assert: {that: [sizes | length == 2, package_name == 'x']}"));
    page.add("no_folder", Folder::with("site.yaml", play("- copy: {content: x, dest: \"{{ playbook_dir }}/a/b\"}")).apply());
    let gone = "- copy: {content: x, dest: \"{{ playbook_dir }}/a\"}\n- command: rm {{ playbook_dir }}/a\n- copy: {src: a, dest: b}";
    page.add("vanished", Folder::with("site.yaml", play(gone)).apply());
    assert_snapshot!(page.0);
}

/// As an ordinary user is: without a superuser's right to pass over modes.
fn plain(folder: &Folder, args: &[&str]) -> String {
    let drop = ["--bounding-set=-all", "--inh-caps=-all", "--", env!("CARGO_BIN_EXE_engine")];
    match rustix::process::geteuid().is_root() {
        true => folder.run(Command::new("setpriv").args(drop).args(args)),
        false => folder.engine(args),
    }
}

#[test]
fn no_permission() {
    let mut page = Page::default();
    let folder = Folder::with("site.yaml", play("- copy: {content: x, dest: \"{{ playbook_dir }}/closed/a\"}"));
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let closed = folder.file("closed/b", "").parent().unwrap().to_owned();
    mode(&closed, 0o555);
    page.add("no_permission_to_write", plain(&folder, &["apply", "--yes", "-i", "hosts", "site.yaml"]));
    mode(&closed, 0o755);
    mode(&folder.0.path().join("site.yaml"), 0);
    page.add("no_permission_to_read", plain(&folder, &["plan", "-i", "hosts", "site.yaml"]));
    assert_snapshot!(page.0);
}

#[test]
fn disk_full() {
    let mounts = ["--user", "--map-root-user", "--mount"];
    if !Command::new("unshare").args(mounts).arg("true").output().is_ok_and(|out| out.status.success()) {
        return support::left_out("`unshare --user --mount` is not allowed");
    }
    let folder = Folder::with("site.yaml", play("- copy: {src: large, dest: \"{{ playbook_dir }}/small/copy\"}"));
    folder.file("large", vec![b'x'; 300_000]);
    folder.file("small/.keep", "");
    let line = format!(
        "mount -t tmpfs -o size=64k tmpfs small && {{ {} apply --yes -i hosts site.yaml; code=$?; ls -A small; exit $code; }}",
        env!("CARGO_BIN_EXE_engine")
    );
    assert_snapshot!(folder.run(Command::new("unshare").args(mounts).args(["sh", "-c", &line])));
}
