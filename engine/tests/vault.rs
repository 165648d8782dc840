//! Encrypted files and values, through the program: `engine vault`, and runs that use what it made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder with password files, and the program run in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.put("pass", "geheim\n");
        folder.put("prod", "anders\n");
        folder
    }
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
    fn put(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }
    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(args).current_dir(self.0.path()).env("HOME", self.0.path()).env("NO_COLOR", "1");
        for name in ["ANSIBLE_CONFIG", "ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }
    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
    /// Standard output of a run that ends well.
    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }
    /// What a run that ends badly says.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
        said(&output)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_go_there_and_back() {
    let folder = Folder::new();
    folder.put("a.yml", "a: 1\n");
    folder.put("b.yml", "b: 2\n");
    let mode_before = mode(&folder.path("a.yml"));
    folder.done(&["vault", "encrypt", "--vault-password-file", "pass", "a.yml", "b.yml"]);
    assert!(folder.text("a.yml").starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
    assert_eq!(mode(&folder.path("a.yml")), mode_before);
    assert_eq!(folder.done(&["vault", "view", "--vault-password-file", "pass", "a.yml", "b.yml"]), "a: 1\nb: 2\n");
    assert!(folder.refused(&["vault", "encrypt", "--vault-password-file", "pass", "a.yml"]).contains("encrypted already"));
    assert!(folder.refused(&["vault", "view", "--vault-password-file", "prod", "a.yml"]).contains("none of the vault passwords fits"));
    // If one does not open, none is changed.
    let before = folder.text("a.yml");
    folder.refused(&["vault", "rekey", "--vault-password-file", "pass", "--new-vault-id", "prod@prod", "a.yml", "pass"]);
    assert_eq!(folder.text("a.yml"), before);
    folder.done(&["vault", "rekey", "--vault-password-file", "pass", "--new-vault-id", "prod@prod", "a.yml"]);
    assert!(folder.text("a.yml").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    folder.done(&["vault", "decrypt", "--vault-id", "prod@prod", "--output", "plain", "a.yml"]);
    assert_eq!((folder.text("plain").as_str(), mode(&folder.path("plain"))), ("a: 1\n", 0o600));
    folder.done(&["vault", "decrypt", "--vault-id", "prod@prod", "a.yml"]);
    assert_eq!(folder.text("a.yml"), "a: 1\n");
    assert!(folder.refused(&["vault", "decrypt", "--vault-id", "prod@prod", "a.yml"]).contains("is not encrypted"));
    let ids = ["--vault-id", "dev@pass", "--vault-id", "prod@prod"];
    assert!(folder.refused(&[&["vault", "encrypt", "a.yml"], &ids[..]].concat()).contains("several vault ids"));
    folder.done(&[&["vault", "encrypt", "a.yml", "--encrypt-vault-id", "prod"], &ids[..]].concat());
    assert!(folder.text("a.yml").contains(";prod\n"));
}

#[test]
fn passwords_are_asked_for_and_configured() {
    let folder = Folder::new();
    folder.put("a", "secret\n");
    let ask = |args: &[&str], answers: &str| {
        let mut child = folder.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(said(&ask(&["vault", "encrypt", "a"], "one\ntwo\n")).contains("the two passwords differ"));
    assert!(ask(&["vault", "encrypt", "a"], "geheim\ngeheim\n").status.success());
    assert_eq!(ask(&["vault", "view", "a"], "geheim\n").stdout, b"secret\n");
    folder.put("ansible.cfg", "[defaults]\nvault_password_file = pass\n");
    assert_eq!(folder.done(&["vault", "view", "a"]), "secret\n");
    folder.put("ansible.cfg", "[defaults]\nvault_identity_list = dev@missing, prod@pass\n");
    let output = folder.run(&["vault", "view", "a"]);
    assert_eq!(output.stdout, b"secret\n");
    assert!(said(&output).contains("missing"), "{}", said(&output));
}

#[test]
fn an_editor_sees_the_text_in_memory_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.put("a.yml", "a: 1\n");
    folder.done(&["vault", "encrypt", "--vault-id", "prod@prod", "a.yml"]);
    folder.put("editor", "#!/bin/sh\nstat -c '%a %n' \"$1\" > seen\ncat \"$1\" >> seen\necho 'b: 2' >> \"$1\"\n");
    std::fs::set_permissions(folder.path("editor"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let edit = |args: &[&str]| folder.command(args).env("EDITOR", "./editor").env_remove("XDG_RUNTIME_DIR").output().unwrap();
    let output = edit(&["vault", "edit", "--vault-id", "prod@prod", "a.yml"]);
    assert!(output.status.success(), "{}", said(&output));
    let seen = folder.text("seen");
    let (line, text) = seen.split_once('\n').unwrap();
    let shown = line.strip_prefix("600 ").unwrap();
    assert!(shown.starts_with("/dev/shm/vault-") && shown.ends_with("/a.yml"), "{shown}");
    assert!(!Path::new(shown).parent().unwrap().exists(), "the text is gone");
    assert_eq!(text, "a: 1\n");
    assert!(folder.text("a.yml").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert_eq!(folder.done(&["vault", "view", "--vault-id", "prod@prod", "a.yml"]), "a: 1\nb: 2\n");
    // What did not change is not written again.
    let before = folder.text("a.yml");
    let output = folder.command(&["vault", "edit", "--vault-id", "prod@prod", "a.yml"]).env("EDITOR", "true").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(folder.text("a.yml"), before);
    assert!(edit(&["vault", "create", "--vault-password-file", "pass", "new"]).status.success());
    assert_eq!(folder.done(&["vault", "view", "--vault-password-file", "pass", "new"]), "b: 2\n");
    assert_eq!(mode(&folder.path("new")), 0o600);
}

#[test]
fn a_run_uses_secrets_and_shows_none() {
    let folder = Folder::new();
    let out = folder.path("out").display().to_string();
    std::fs::create_dir(&out).unwrap();
    let value = folder.done(&["vault", "encrypt-string", "--vault-id", "prod@prod", "-n", "inline", "inl1ne-s3cret"]);
    assert!(value.starts_with("inline: !vault |\n          $ANSIBLE_VAULT;1.2;AES256;prod\n"));
    folder.put("group_vars/all/plain.yml", &format!("{value}who: '{{{{ inline }}}}'\n"));
    folder.put(
        "group_vars/all/vault.yml",
        "filed: f1led-s3cret\nport: 8443\nflag: true\ntemplated: 'x-{{ filed }}'\nwords: [w0rd-one-s3cret, w0rd-two-s3cret]\n",
    );
    folder.put("vars.yml", "more: m0re-s3cret\n");
    folder.put("key.pem", "k3y-s3cret\n");
    folder.put("t.j2", "{{ inline }} {{ filed }} {{ port }}\n");
    folder.put("more.yml", "- name: Included\n  copy: {content: '{{ more }}', dest: '{{ out }}/more'}\n  when: flag\n");
    folder.put("hosts", "localhost ansible_connection=local\n");
    folder.put(
        "site.yml",
        r"
- hosts: all
  gather_facts: false
  vars_files: [vars.yml]
  tasks:
    - template: {src: t.j2, dest: '{{ out }}/t'}
    - copy: {src: key.pem, dest: '{{ out }}/key'}
    - copy: {content: 'pw={{ who }}', dest: '{{ out }}/content'}
    - lineinfile: {path: '{{ out }}/line', line: 'pw={{ filed }}', create: true}
    - command: 'echo {{ inline }} {{ templated }}'
      register: echoed
    - copy: {content: '{{ echoed.stdout }}', dest: '{{ out }}/echoed'}
    - set_fact: {fact: '{{ filed | upper }}'}
    - debug: {var: fact}
    - debug: {msg: 'it is {{ inline }} on {{ port }}'}
    - debug: {var: echoed}
    - shell: 'echo $PW >&2; false'
      environment: {PW: '{{ filed }}'}
      ignore_errors: true
    - copy: {content: '{{ item }}', dest: '{{ out }}/{{ item | hash }}'}
      loop: '{{ words }}'
    - debug: {msg: '{{ lookup(''file'', ''key.pem'') }}'}
    - include_tasks: more.yml
",
    );
    for file in ["group_vars/all/vault.yml", "vars.yml", "key.pem", "t.j2", "more.yml"] {
        folder.done(&["vault", "encrypt", "--vault-password-file", "pass", file]);
    }
    let passwords = ["--vault-password-file", "pass", "--vault-id", "prod@prod"];
    let extra = format!("out={out}");
    let common = ["-i", "hosts", "site.yml", "-e", &extra, "-vv"];
    let check = |output: &Output, what: &str| {
        let said = said(output);
        assert!(output.status.success(), "{what}: {said}");
        assert!(!said.to_lowercase().contains("s3cret"), "{what} shows a secret:\n{said}");
        assert!(said.contains("(sensitive)"), "{what}: {said}");
    };
    check(&folder.run(&[&["plan"], &common[..], &passwords[..]].concat()), "plan");
    check(&folder.run(&[&["apply", "-y", "--diff"], &common[..], &passwords[..]].concat()), "apply");
    assert_eq!(folder.text("out/t"), "inl1ne-s3cret f1led-s3cret 8443\n");
    assert_eq!(folder.text("out/key"), "k3y-s3cret\n");
    assert_eq!(folder.text("out/content"), "pw=inl1ne-s3cret");
    assert_eq!(folder.text("out/line"), "pw=f1led-s3cret\n");
    assert_eq!(folder.text("out/echoed"), "inl1ne-s3cret x-f1led-s3cret");
    assert_eq!(folder.text("out/more"), "m0re-s3cret");
    let refused = folder.refused(&[&["plan"], &common[..]].concat());
    assert!(refused.contains("this is encrypted, and no vault password was given") && refused.contains("vault.yml"), "{refused}");
    let shown = folder.done(&["inventory", "-i", "hosts", "--host", "localhost", "--vault-password-file", "pass"]);
    assert!(shown.contains("__ansible_vault") && !shown.contains("f1led"), "{shown}");
}

#[test]
fn messages_do_not_quote_encrypted_files() {
    let folder = Folder::new();
    folder.put("hosts", "localhost ansible_connection=local\n");
    folder.put("host_vars/localhost.yml", "a: s3cret: s3cret\n");
    folder.done(&["vault", "encrypt", "--vault-password-file", "pass", "host_vars/localhost.yml"]);
    let refused = folder.refused(&["inventory", "-i", "hosts", "--vault-password-file", "pass"]);
    assert!(refused.contains("localhost.yml:1:") && !refused.contains("s3cret"), "{refused}");
}
