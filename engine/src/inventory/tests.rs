//! Inventories of all kinds; what is expected is what ansible-inventory 2.19.14 answers.

use super::*;
use serde_json::{Value as Json, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A folder with files; those that begin with `#!` are executable.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    folder
}

fn read_at(folder: &TempDir, names: &[&str]) -> Result<Inventory, Vec<Diagnostic>> {
    let sources: Vec<String> = names.iter().map(|n| folder.path().join(n).display().to_string()).collect();
    Inventory::read(&sources)
}

fn one(name: &str, text: &str) -> Inventory {
    let folder = folder(&[(name, text)]);
    read_at(&folder, &[name]).unwrap_or_else(|e| panic!("{}", crate::error::render_all(&e, false)))
}

fn failure(name: &str, text: &str) -> String {
    let folder = folder(&[(name, text)]);
    let errors = read_at(&folder, &[name]).expect_err(text);
    crate::error::render_all(&errors, false).replace(&format!("{}/", folder.path().display()), "")
}

fn vars(inventory: &Inventory, host: &str) -> Json {
    inventory.raw_variables(host, None).to_json()
}

#[test]
fn yaml_groups_hosts_and_variables() {
    let inventory = one(
        "a.yml",
        r#"
all:
  vars: {v: all, l: 1}
  hosts:
    z1:
    m[01:03].ex.com: {ansible_port: 22}
  children:
    web:
      hosts:
        w1:2222: {a: 1}
        "[2001:db8::1]:44": {}
        "2001:db8::2": {}
      vars: {v: web}
      children:
        front:
          hosts: {f1: , w1: {b: 2}}
    db:
      hosts: {"d[a:c]x": {x: "{{ y }}"}, f1: }
      vars: {ansible_group_priority: 10, v: db}
    empty:
    ungrouped:
      hosts: u1
"#,
    );
    assert_eq!(
        inventory.to_json_list(),
        json!({
            "_meta": {"hostvars": {
                "2001:db8::1": {"ansible_port": 44, "l": 1, "v": "web"},
                "2001:db8::2": {"l": 1, "v": "web"},
                "dax": {"l": 1, "v": "db", "x": "{{ y }}"},
                "dbx": {"l": 1, "v": "db", "x": "{{ y }}"},
                "dcx": {"l": 1, "v": "db", "x": "{{ y }}"},
                "f1": {"l": 1, "v": "web"},
                "m01.ex.com": {"ansible_port": 22, "l": 1, "v": "all"},
                "m02.ex.com": {"ansible_port": 22, "l": 1, "v": "all"},
                "m03.ex.com": {"ansible_port": 22, "l": 1, "v": "all"},
                "u1": {"l": 1, "v": "all"},
                "w1": {"a": 1, "ansible_port": 2222, "b": 2, "l": 1, "v": "web"},
                "z1": {"l": 1, "v": "all"},
            }},
            "all": {"children": ["ungrouped", "web", "db", "empty"]},
            "db": {"hosts": ["dax", "dbx", "dcx", "f1"]},
            "front": {"hosts": ["f1", "w1"]},
            "ungrouped": {"hosts": ["u1", "z1", "m01.ex.com", "m02.ex.com", "m03.ex.com"]},
            "web": {"children": ["front"], "hosts": ["w1", "2001:db8::1", "2001:db8::2"]},
        })
        // `front` is deeper than `db`, but sets nothing; `web` and `db` are equally deep, and priority decides.
        .as_object()
        .map(|o| {
            let mut o = o.clone();
            o["_meta"]["hostvars"]["f1"]["v"] = json!("db");
            Json::Object(o)
        })
        .unwrap()
    );
    insta::assert_snapshot!(inventory.to_graph("web", false, &View::default()), @r"
    @web:
      |--@front:
      |  |--f1
      |  |--w1
      |--w1
      |--2001:db8::1
      |--2001:db8::2
    ");
    assert!(inventory.to_graph("all", false, &View::default()).starts_with("@all:\n  |--@ungrouped:\n  |  |--u1\n  |  |--z1\n"));
    assert_eq!(inventory.groups_of("f1"), ["db", "front", "web"]);
    assert_eq!(inventory.groups_of("z1"), ["ungrouped"]);
    assert_eq!(inventory.hosts_of("web"), ["w1", "2001:db8::1", "2001:db8::2", "f1"]);
}

#[test]
fn ini_lines_and_sections() {
    let inventory = one(
        "b.ini",
        r#"
top1 a=1 b='x y' c="q # r" d=True e=[1,2] f={'a':1} g=0755 h=yes i=1.5 j=None k=a=b  # comment
top2:2222 ansible_host=10.0.0.1
[2001:db8::1]:99
n[1:10:3]
[web]
w1 http_port=80 n="it's" q=a\ b t={{foo}} u='{"a": [1]}' w=1,2
w2
top1
; comment
# comment
[web:vars]
a=1
b = x y
c= "quoted"
d =True
e=[1, 2]
f=some # not comment
g=
h=0755
i = 'x' # y
[prod:children]
web
db # the data
[db]
d1
[db:vars]
ansible_group_priority=5
[all:vars]
zz=all
"#,
    );
    let list = inventory.to_json_list();
    let hostvars = &list["_meta"]["hostvars"];
    assert_eq!(
        hostvars["top1"],
        json!({"a": 1, "b": "x y", "c": "q # r", "d": true, "e": [1, 2], "f": "{a:1}", "g": "0755", "h": "yes", "i": 1.5, "j": null, "k": "a=b", "zz": "all"})
    );
    assert_eq!(
        hostvars["w1"],
        json!({"a": 1, "b": "x y", "c": "quoted", "d": true, "e": [1, 2], "f": "some # not comment", "g": "", "h": "0755",
            "http_port": 80, "i": "x", "n": "it's", "q": "a b", "t": "{{foo}}", "u": {"a": [1]}, "w": [1, 2], "zz": "all"})
    );
    assert_eq!(hostvars["top2"], json!({"ansible_host": "10.0.0.1", "ansible_port": 2222, "zz": "all"}));
    assert_eq!(hostvars["2001:db8::1"], json!({"ansible_port": 99, "zz": "all"}));
    assert_eq!(list["all"], json!({"children": ["ungrouped", "prod"]}));
    assert_eq!(list["prod"], json!({"children": ["web", "db"]}));
    assert_eq!(list["web"], json!({"hosts": ["w1", "w2", "top1"]}));
    assert_eq!(list["ungrouped"], json!({"hosts": ["top2", "2001:db8::1", "n1", "n4", "n7", "n10"]}));
    assert_eq!(inventory.groups["db"].priority, 5);
}

#[test]
fn files_without_an_ending_are_yaml_or_ini() {
    assert_eq!(one("hosts", "all: {hosts: {a: }}").hosts_of("all"), ["a"]);
    assert_eq!(one("hosts", "---\n").hosts_of("all"), Vec::<String>::new());
    assert_eq!(one("hosts", "h1\nh2 x=1\n").hosts_of("all"), ["h1", "h2"]);
    assert_eq!(
        one("hosts", "h1\n[b]\nh2\n[a]\nh3\n[c:children]\na\n[d]\n").to_json_list()["all"],
        json!({"children": ["ungrouped", "b", "c", "d"]})
    );
    assert_eq!(one("hosts.yml", "[web]\nh1 a=1\n").hosts_of("web"), ["h1"]);
}

#[test]
fn folders_are_read_in_order_without_what_is_no_inventory() {
    let files = [
        ("01-hosts", "a1"),
        ("02.ini", "b1 x=1"),
        ("03.yml", "all: {hosts: {c1: }}"),
        ("04.cfg", "c2"),
        ("05.orig", "x1"),
        ("06~", "x2"),
        ("07.bak", "x3"),
        (".hidden", "x6"),
        ("sub/h", "sub1"),
        (".hid/h", "hid"),
        ("group_vars/all.yml", "g: 1"),
        ("11.md", "x7"),
        ("13.json", "{\"all\": {\"hosts\": {\"j1\": null}}}"),
        ("20.pem", "----- BEGIN: x\n"),
    ];
    let folder = folder(&files);
    let inventory = read_at(&folder, &["."]).unwrap();
    assert_eq!(inventory.hosts_of("all"), ["c1", "j1", "a1", "b1", "sub1"]);
    assert_eq!(inventory.hosts_of("ungrouped"), ["a1", "b1", "sub1", "c1", "j1"]);
    assert_eq!(vars(&inventory, "b1"), json!({"g": 1, "x": 1}));
    assert!(inventory.warnings[0].notes.last().unwrap().ends_with("20.pem` is skipped"), "{:?}", inventory.warnings);
}

#[test]
fn variables_are_layered() {
    let files = [
        (
            "one/hosts",
            "[web]\nh1 k=hostinline\n[db]\nh1\nh2\n[prod:children]\nweb\ndb\n[all:vars]\nk=allinline\no1=allinline\no2=allinline\n\
            o3=allinline\n[web:vars]\nk=webinline\no1=webinline\no2=webinline\nn=web\n[db:vars]\nn=db\n",
        ),
        ("one/group_vars/all.yml", "o2: allfile\no3: allfile\nk: allfile"),
        ("one/group_vars/web.yml", "w: loses to the folder"),
        ("one/group_vars/web/a.yml", "wd: a\nx: a"),
        ("one/group_vars/web/sub/b.yml", "x: sub"),
        ("one/group_vars/web/c", "x: c"),
        ("one/group_vars/web/d.txt", "x: no"),
        ("one/host_vars/h1.yaml", "k: hostfile"),
        ("one/host_vars/localhost.yml", "here: true"),
        ("one/group_vars/late.yml", "late: 1"),
        ("one/host_vars/h2", "k: allfile\nk: allfile"),
        ("two/hosts", "h3"),
        ("two/group_vars/db.yml", "n: two"),
        ("two/group_vars/prod.json", "{\"n2\": \"p\"}"),
        ("play/group_vars/all.yml", "o1: playall"),
        ("play/group_vars/db.yml", "n: playdb"),
        ("play/host_vars/h1", "k: playhost"),
    ];
    let folder = folder(&files);
    let mut inventory = read_at(&folder, &["one/hosts", "two/hosts"]).unwrap();
    let expected =
        json!({"k": "hostfile", "n": "two", "n2": "p", "o1": "webinline", "o2": "allfile", "o3": "allfile", "wd": "a", "x": "sub"});
    assert_eq!(vars(&inventory, "h1"), expected);
    assert_eq!(vars(&inventory, "h2"), json!({"k": "allfile", "n": "two", "n2": "p", "o1": "allinline", "o2": "allfile", "o3": "allfile"}));
    assert_eq!(vars(&inventory, "h3"), json!({"k": "allfile", "o1": "allinline", "o2": "allfile", "o3": "allfile"}));
    let local = vars(&inventory, "localhost");
    assert_eq!((&local["ansible_connection"], &local["here"], &local["o1"]), (&json!("local"), &json!(true), &json!("allinline")));

    let beside = PlaybookVars::read(&folder.path().join("play"), &Default::default()).unwrap();
    let both = inventory.raw_variables("h1", Some(&beside)).to_json();
    assert_eq!((&both["k"], &both["n"], &both["o1"]), (&json!("playhost"), &json!("playdb"), &json!("playall")));
    assert!(PlaybookVars::read(folder.path(), &Default::default()).unwrap().groups.is_empty());

    inventory.add_to_group("h2", "late", &[]);
    assert_eq!(vars(&inventory, "h2")["late"], json!(1));
}

#[test]
fn depth_then_priority_then_name_decide_among_groups() {
    let inventory = one(
        "e.yml",
        "all:\n  hosts: {a: , b: }\n  children:\n    p1: {hosts: {a: }, vars: {v: p1, ansible_group_priority: 2}}\n    \
         p2: {hosts: {a: }, vars: {v: p2}}\n    p0: {children: {deep: {hosts: {a: }, vars: {v: deep}}}}\n    \
         p9: {hosts: {b: }, vars: {v: p9, ansible_group_priority: '3'}}\n    p8: {hosts: {b: }, vars: {v: p8, ansible_group_priority: 3}}\n",
    );
    assert_eq!((vars(&inventory, "a"), vars(&inventory, "b")), (json!({"v": "deep"}), json!({"v": "p9"})));
}

#[test]
fn scripts_are_run() {
    let new = "#!/bin/sh\n[ \"$1\" = --list ] || exit 1\necho '{\"web\":{\"hosts\":[\"a1\",\"a2\"],\"vars\":{\"x\":1}},\"db\":[\"b1\"],\
        \"prod\":{\"children\":[\"web\",\"db\"]},\"lone\":{\"v\":1},\"_meta\":{\"hostvars\":{\"a1\":{\"q\":\"{{ x }}\"}}}}'\n";
    let inventory = one("s1", new);
    assert_eq!(inventory.hosts_of("prod"), ["a1", "a2", "b1"]);
    assert_eq!(vars(&inventory, "a1"), json!({"q": "{{ x }}", "x": 1}));
    assert_eq!(vars(&inventory, "lone"), json!({"v": 1}));
    assert!(matches!(&inventory.hosts["a1"].vars["q"], Var::Data(_)), "what a script prints is data");
    let old = "#!/bin/sh\nif [ \"$1\" = --list ]; then echo '{\"web\":[\"a1\"],\"all\":{\"hosts\":[\"c1\"],\"vars\":{\"k\":1}}}'; \
        else echo \"{\\\"me\\\": \\\"$2\\\"}\"; fi\n";
    let inventory = one("s2", old);
    assert_eq!((vars(&inventory, "a1"), vars(&inventory, "c1")), (json!({"k": 1, "me": "a1"}), json!({"k": 1, "me": "c1"})));
    insta::assert_snapshot!(failure("s3", "#!/bin/sh\necho oops >&2\nexit 3\n").replace("s3 --list", "S"), @r"
    error: the inventory script failed: `S`
      --> s3
    note: exit status: 3
    note: it said: oops
    ");
    assert!(failure("s4", "#!/bin/sh\necho not json\n").contains("printed no JSON"));
    assert!(failure("s5", "#!/no/such/interpreter\n").contains("cannot be run"));
    assert!(failure("s6", "#!/bin/sh\necho '{\"web\": [\"-oProxyCommand=x\"]}'\n").contains("cannot start with `-`"));
    let folder = folder(&[("s7", "#!/bin/sh\n")]);
    fs::set_permissions(folder.path().join("s7"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(read_at(&folder, &["s7"]).unwrap_err()[0].hints[0].starts_with("make it so: chmod +x"));
}

#[test]
fn lists_of_hosts() {
    let read = |text: &str| Inventory::read(&[text.to_owned()]).unwrap();
    assert_eq!(read("h1,").hosts_of("ungrouped"), ["h1"]);
    let inventory = read("h1:22,[::1]:33, h2");
    assert_eq!(inventory.hosts_of("all"), ["h1", "::1", "h2"]);
    assert_eq!((vars(&inventory, "h1"), vars(&inventory, "::1")), (json!({"ansible_port": 22}), json!({"ansible_port": 33})));
    assert!(Inventory::read(&["h1,-oProxyCommand=x".to_owned()]).is_err());
    assert!(Inventory::read(&["no-such-file".to_owned()]).unwrap_err()[0].hints.last().unwrap().contains("-i no-such-file,"));
    assert!(Inventory::read(&[]).unwrap().hosts.is_empty());
}

#[test]
fn mistakes_are_shown_with_their_place() {
    let table = [
        ("x.yml", "web: {hosts: [a, b]}", "`hosts` of group `web` must be a dictionary", "x.yml:1:14"),
        ("x.yml", "web: {hosts: {a: [1]}}", "variables of a host must be a dictionary", "x.yml:1:18"),
        ("x.yml", "web: {hosts: {-oProxyCommand=x: }}", "is not a host", "x.yml:1:15"),
        ("x.yml", "web: {hosts: {a: {ansible_host: -oX}}}", "`ansible_host` cannot start with `-`", "x.yml:1:33"),
        ("x.yml", "a: {children: {b: {children: {a: }}}}", "group `b` would contain itself", "x.yml:1:16"),
        ("x.yml", "a: {vars: {ansible_group_priority: high}}", "must be a whole number", "x.yml:1:36"),
        ("x.yml", "plugin: aws_ec2", "the inventory plugin `aws_ec2` is not supported", "x.yml:1:1"),
        ("x.yml", "all:\n  hosts:\n   a: {{ x }}\n", "must be quoted", "x.yml:3:7"),
        ("x", "all:\n  hosts:\n\ta:\n", "a value cannot start with this character", "x:3:1"),
        ("x", "[web]\nh1 a=1 b\n", "expected `name=value`", "x:2:8"),
        ("x", "[web]\nh1 a='1\n", "cannot read this host line", "x:2:1"),
        ("x", "h1\n[web:vars]\na\n[web]", "expected `name=value`", "x:3:1"),
        ("x", "[web]\n[wbe:vars]\na=1\n", "variables for the group `wbe`, which is not declared", "x:2:1"),
        ("x", "[p:children]\nweb\n", "children: the group `web`, which is not declared", "x:2:1"),
        ("x", "[p:childrn]\nweb\n", "did you mean `children`?", "x:1:1"),
        ("x", "[a:children]\nb\n[b:children]\na\n", "would contain itself", "x:4:1"),
        ("x", "y[3:1]\n", "ends before it begins", "x:1:1"),
        ("x", "$ANSIBLE_VAULT;1.1;AES256\n3131\n", "no vault password was given", "x:1:1"),
        ("x.toml", "[a]\n", "TOML are not supported", ""),
    ];
    for (name, text, summary, place) in table {
        let shown = failure(name, text);
        assert!(shown.contains(summary) && shown.contains(place), "{text}\n{shown}");
    }
    let inventory = one("w.yml", "web: {host: {a: }}\ndb: [a]\nx: {hosts: {x: , y: 1x }}\n".replace(", y: 1x", "").as_str());
    let shown: Vec<(&str, &[String])> = inventory.warnings.iter().map(|w| (w.summary.as_str(), w.hints.as_slice())).collect();
    assert_eq!(shown[0], ("skipping unknown key `host` in group `web`", ["did you mean `hosts`?".to_owned()].as_slice()));
    assert_eq!(shown[1].0, "skipping `db`: a group must be a dictionary");
    assert_eq!(shown[2].0, "`x` names both a host and a group");
    let folder = folder(&[("hosts", "[web]\nh1"), ("group_vars/web.yml", "- a"), ("host_vars/h1", "$ANSIBLE_VAULT;1.1;AES256\n31")]);
    assert_eq!(read_at(&folder, &["hosts"]).unwrap_err().len(), 2);
}

#[test]
fn patterns_select_as_in_ansible() {
    let inventory = one(
        "deep.yml",
        "all:\n  hosts: {z: , a: }\n  children:\n    g1:\n      hosts: {h1: , h2: }\n      children:\n        \
         g1b: {hosts: {h5: , h1: }, children: {g1c: {hosts: {h9: }}}}\n        g1a: {hosts: {h4: , h6: }, children: {g1d: {hosts: {h8: , a: }}}}\n    \
         g0:\n      hosts: {h3: , h4: }\n      children: {g1c: }\n    G5: {hosts: {h10: }}\n",
    );
    let table = [
        ("all", "z a h1 h2 h3 h4 h10 h5 h6 h9 h8"),
        ("*", "z a h1 h2 h3 h4 h10 h5 h6 h9 h8"),
        ("", "z a h1 h2 h3 h4 h10 h5 h6 h9 h8"),
        ("g1", "h1 h2 h5 h4 h6 h9 h8 a"),
        ("h*", "h1 h2 h5 h9 h4 h6 h8 h3 h10"),
        ("h?", "h1 h2 h5 h9 h4 h6 h8 h3"),
        ("g*", "h1 h2 h5 h4 h6 h9 h8 a h3"),
        ("~h[12]", "h1 h2 h10"),
        ("~(h1|z)", "z h1 h10"),
        ("g0:g1", "h3 h4 h9 h1 h2 h5 h6 h8 a"),
        ("g1, g0", "h1 h2 h5 h4 h6 h9 h8 a h3"),
        ("g1:&g0", "h4 h9"),
        ("g1:&h1:&h2", ""),
        ("all:!g1", "z h3 h10"),
        ("!g1", "z h3 h10"),
        ("&g1", "a h1 h2 h4 h5 h6 h9 h8"),
        ("!h1:g1", "h2 h5 h4 h6 h9 h8 a"),
        ("g1:!~h[12]", "h5 h4 h6 h9 h8 a"),
        ("g1[0]", "h1"),
        ("g1[-1]", "a"),
        ("g1[-9]", ""),
        ("g1[0:2]", "h1 h2 h5"),
        ("g1[1:]", "h2 h5 h4 h6 h9 h8 a"),
        ("g1[9]", ""),
        ("g1[9:]", ""),
        ("g1[3:1]", ""),
        ("g1[0],g1[1]", "h1 h2"),
        ("h*[0]", "h1"),
        ("h1:z:h2", "h1 z h2"),
        ("z,a,h1", "z a h1"),
        ("h1:h1", "h1"),
        ("h1:nope", "h1"),
        ("H1", ""),
        ("g5", ""),
        ("h[12]", ""),
        ("[h]1", "h1"),
        ("[!h]*", "z a h3 h4 h9 h1 h2 h5 h6 h8 h10"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:db8::1", ""),
    ];
    for (pattern, hosts) in table {
        let mut selected = inventory.select(pattern).unwrap();
        let mut expected: Vec<&str> = hosts.split_whitespace().collect();
        if pattern == "[!h]*" {
            selected.sort();
            expected.sort_unstable();
        }
        assert_eq!(selected, expected, "{pattern}");
    }
    assert!(inventory.select("~(").is_err());
    assert_eq!(inventory.select("h[1-2]").unwrap_err().hints, ["write `h[1:2]`; both ends are included"]);
    let warnings = inventory.warnings_for("h11:!nope:g1[99]:G5:localhost");
    let shown: Vec<String> = warnings.iter().map(|w| format!("{} {:?}", w.summary, w.hints)).collect();
    assert_eq!(shown, ["no host or group matches `h11` [\"did you mean `h1`?\"]", "no host or group matches `nope` []"]);
    let folder = folder(&[("limit", "h1\n# not h2\n\nG5:!h1\n"), ("local", "localhost x=1")]);
    assert_eq!(inventory.select(&format!("@{}", folder.path().join("limit").display())).unwrap(), ["h10"]);
    let local = read_at(&folder, &["local"]).unwrap();
    assert_eq!(local.select("127.0.0.1").unwrap(), ["localhost"]);
    assert_eq!(vars(&local, "localhost"), json!({"x": 1}));
}

#[test]
fn tasks_add_hosts_and_groups() {
    let mut inventory = one("hosts", "h1\n[web]\nh2\n");
    let port = |n: i64| Vars::from([("p".to_owned(), Var::Data(Value::Int(n)))]);
    assert!(inventory.add_host("n1", &["web".into(), "new".into()], port(1)));
    assert!(!inventory.add_host("n1", &["web".into(), "new".into()], port(1)));
    assert!(inventory.add_host("n1", &[], port(2)));
    assert!(inventory.add_host("n2", &[], Vars::new()));
    assert_eq!(inventory.groups_of("n1"), ["new", "web"]);
    assert_eq!(inventory.groups_of("n2"), ["ungrouped"]);
    assert_eq!(inventory.hosts_of("all"), ["h1", "n2", "h2", "n1"]);
    assert!(inventory.add_to_group("h1", "os_debian", &["linux".into()]));
    assert!(!inventory.add_to_group("h1", "os_debian", &["linux".into()]));
    assert_eq!(inventory.groups_of("h1"), ["linux", "os_debian"]);
    assert_eq!(inventory.hosts_of("linux"), ["h1"]);
    inventory.add_to_group("h1", "linux", &["os_debian".into()]);
    assert_eq!(inventory.hosts_of("os_debian"), ["h1"], "a cycle is not made");
    assert!(!inventory.hosts_of("ungrouped").contains(&"h1".to_owned()));
}

#[test]
fn a_pipe_is_read_whole() {
    use std::os::fd::AsRawFd;
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"first\nsecond\n").unwrap();
    drop(writer);
    let inventory = Inventory::read(&[format!("/dev/fd/{}", reader.as_raw_fd())]).unwrap();
    assert_eq!(inventory.hosts_of("all"), ["first", "second"]);
}

#[test]
fn ten_thousand_hosts_are_read_linearly() {
    let mut text = String::from("[all:vars]\nx=1\n");
    for group in 0..500 {
        text += &format!("[g{group}]\n");
        (0..20).for_each(|host| text += &format!("h{group}-{host} a=1 b='x'\n"));
    }
    text += "[parents:children]\n";
    (0..500).for_each(|group| text += &format!("g{group}\n"));
    let mut yaml = String::from("all:\n  children:\n");
    for group in 0..500 {
        yaml += &format!("    y{group}:\n      hosts:\n");
        (0..20).for_each(|host| yaml += &format!("        h{group}-{host}: {{a: 1, b: x}}\n"));
    }
    let start = std::time::Instant::now();
    assert_eq!(one("hosts.yml", &yaml).hosts.len(), 10_000);
    let inventory = one("hosts", &text);
    assert_eq!(inventory.select("parents:!g0").unwrap().len(), 9980);
    let names: Vec<&String> = inventory.hosts.keys().collect();
    assert_eq!(names.iter().map(|h| inventory.variables(h, None).len()).sum::<usize>(), 20_000);
    // Far above what it takes without optimisation; a quadratic step takes minutes.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

/// What ansible-inventory 2.19.14 makes of the same files.
#[test]
fn computed_inventories() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let hosts = file(
        "a.yaml",
        "all:\n  hosts:\n    web1: {tags: {Name: 'w 1', env: '', 1: ~}, os: '', roles: [db, '', ~], n: 3}\n    web2: {os: bsd-x}\n",
    );
    let computed = file(
        "b.yaml",
        "plugin: ansible.builtin.constructed\n\
         compose: {double: n * 2, name: \"inventory_hostname ~ '-x'\", lost: nothing}\n\
         groups: {threes: n | default(0) == 3, web-like: inventory_hostname is match('web'), bad: nope.x}\n\
         keyed_groups:\n\
         - {key: os, prefix: os, default_value: none, parent_group: systems}\n\
         - {key: tags, prefix: tag, default_value: run}\n\
         - {key: tags, separator: '-', trailing_separator: false}\n\
         - {key: roles, prefix: r}\n\
         leading_separator: false\n",
    );
    let inventory = Inventory::read(&[hosts.clone(), computed]).unwrap();
    assert_eq!(
        inventory.groups_of("web1").join(" "),
        "Name_w_1 _ env os_none r_ r_None r_db systems tag_1_run tag_Name_w_1 tag_env_run threes web_like"
    );
    assert_eq!(inventory.groups_of("web2").join(" "), "os_bsd_x systems web_like");
    let web1 = vars(&inventory, "web1");
    assert_eq!((&web1["double"], &web1["name"], web1.get("lost")), (&serde_json::json!(6), &serde_json::json!("web1-x"), None));
    let wrong = file("c.yaml", "plugin: constructed\nkeyed_groups: [{key: n}]\n");
    assert!(Inventory::read(&[hosts.clone(), wrong.clone()]).unwrap_err()[0].summary.starts_with("Invalid group name format"));
    let lenient = Reading { lenient: true, ..Reading::default() };
    let inventory = Inventory::read_with(&[hosts, wrong.clone()], &lenient).unwrap();
    assert_eq!((inventory.hosts.len(), inventory.warnings.len()), (2, 2));
    let broken = file("d.yaml", "plugin: generator\nlayers: {}\n");
    assert!(Inventory::read_with(&[broken], &Reading { needs_one: true, ..lenient }).is_err());
    let generated = file(
        "g.yaml",
        "plugin: generator\nhosts:\n  name: '{{ a }}-{{ b }}'\n  parents: [{name: 'g_{{ a }}', vars: {letter: '{{ a }}', deep: {x: '{{ a }}'}}, \
         parents: [{name: all_of_it}]}]\nlayers: {a: [x, y], b: [1, 2]}\n",
    );
    let inventory = Inventory::read(&[generated]).unwrap();
    assert_eq!(inventory.hosts_of("all_of_it").join(" "), "x-1 x-2 y-1 y-2");
    assert_eq!(vars(&inventory, "y-2"), serde_json::json!({"deep": {"x": "{{ a }}"}, "letter": "y"}));
}

/// As `hash_behaviour = merge` has it.
#[test]
fn dictionaries_of_several_sources_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let sources: Vec<String> = ["d: {a: 1, deep: {x: 1}}", "d: {b: 2, deep: {y: 2}}"]
        .iter()
        .enumerate()
        .map(|(number, var)| {
            let path = folder.path().join(format!("{number}.yaml"));
            std::fs::write(&path, format!("all: {{hosts: {{h: {{{var}}}}}}}\n")).unwrap();
            path.display().to_string()
        })
        .collect();
    let merged = Inventory::read_with(&sources, &Reading { merge: true, ..Reading::default() }).unwrap();
    assert_eq!(vars(&merged, "h"), serde_json::json!({"d": {"a": 1, "b": 2, "deep": {"x": 1, "y": 2}}}));
    assert_eq!(vars(&Inventory::read(&sources).unwrap(), "h"), serde_json::json!({"d": {"b": 2, "deep": {"y": 2}}}));
}
