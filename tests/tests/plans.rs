//! Plans on fresh hosts, where most of what tasks rely on is still to come.

use tests::tree::State;
use tests::{Hosts, Program};

/// Every task relies on one before it: on a user, a unit, a directory, an output, a file.
const FRESH: &str = r#"
- hosts: all
  become: true
  tasks:
    - group: {name: appers, system: true}
    - user: {name: app, groups: [appers], system: true, home: /srv/app, create_home: true, shell: /bin/bash}
      register: made
    - file: {path: /srv/app/data, state: directory, owner: app, group: appers, mode: "0750"}
    - shell: mkdir /opt/kit && echo 8080 | tee /opt/kit/port
      args: {creates: /opt/kit/port}
      register: kit
    - template: {src: app.j2, dest: /srv/app/app.conf, owner: app, mode: "0600"}
      notify: restart
    - copy: {dest: /opt/kit/extra.conf, content: "x\n"}
    - lineinfile: {path: /opt/kit/port, line: kept, insertbefore: BOF}
    - copy:
        dest: /etc/systemd/system/app.service
        content: |
          [Service]
          ExecStart=/bin/sleep infinity
          User=app
          [Install]
          WantedBy=multi-user.target
      register: unit
    - systemd: {name: app, state: started, enabled: true, daemon_reload: "{{ unit is changed }}"}
    - slurp: {path: /srv/app/app.conf}
      register: conf
    - set_fact:
        uid: "{{ conf.content | b64decode | regex_search('[0-9]+') }}"
    - assert: {that: uid | int > 0}
    - copy: {dest: /srv/app/uid, content: "{{ uid }}"}
      when: uid | int > 0
    - file: {path: "/srv/app/d-{{ item }}", state: directory}
      loop: "{{ conf.content | b64decode | regex_findall('[a-z]+') }}"
    - command: touch /srv/app/mine
      args: {creates: /srv/app/mine}
      become_user: app
    - stat: {path: /srv/app/mine}
      register: mine
    - include_tasks: "{{ mine.stat.pw_name }}.yaml"
  handlers:
    - name: restart
      systemd: {name: app, state: restarted}
"#;

#[test]
fn a_plan_of_a_fresh_host_shows_what_it_can_and_does_not_fail() {
    let Some(hosts) = Hosts::for_case(1, &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("hosts.yaml", &hosts.inventory("ubuntu"));
    write("site.yaml", FRESH);
    write("app.j2", "uid={{ made.uid }}\n");
    write("app.yaml", "- copy: {dest: /srv/app/included, content: included}\n");
    let engine = |args: &[&str]| Program::engine(args.iter().chain(&["-i", "hosts.yaml"]), folder.path(), folder.path()).run();

    let before = State::of(&hosts, 0, &["root/.cache", "home/ubuntu/.cache"]);
    let plan = engine(&["plan", "--detailed-exitcode"]).expect(2);
    let after = State::of(&hosts, 0, &["root/.cache", "home/ubuntu/.cache"]);
    assert_eq!(before.difference(&after), Vec::<String>::new(), "a plan changed it");
    for shown in [
        "+ group appers",
        "+ user app",
        "+ directory /srv/app/data",
        "! template /srv/app/app.conf",
        "? copy  /opt/kit/extra.conf",
        "? lineinfile",
        "+ file /etc/systemd/system/app.service",
        "~ unit app.service",
        "runs as the user app, to be made first",
        "? include_tasks",
    ] {
        assert!(plan.out.contains(shown), "{shown}:\n{}", plan.out);
    }

    engine(&["apply", "--yes"]).expect(0);
    assert_eq!(hosts.sh(0, "stat -c %U /srv/app/mine; cat /srv/app/included; systemctl is-active app"), "app\nincludedactive\n");
    let again = engine(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(again.out.contains("no changes"), "{}", again.out);
}
