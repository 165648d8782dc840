//! Tests of reading playbooks: text in, a light rendering of the structure or of the errors out.

use super::*;
use crate::error::Diagnostic;
use crate::yaml::Data;
use std::path::Path;

/// A file in a folder of its own, and a loader.
fn with_files(files: &[(&str, &str)]) -> (tempfile::TempDir, Loader) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let loader = Loader::new(vec![dir.path().join("none")]);
    (dir, loader)
}

fn show(node: &Node) -> String {
    match node.data() {
        Data::Str(s) => format!("{s:?}"),
        Data::Null => "null".into(),
        Data::Bool(b) => b.to_string(),
        Data::Int(i) => i.to_string(),
        Data::Float(f) => f.to_string(),
        Data::Vault(_) => "vault".into(),
        Data::Unsafe(n) => format!("unsafe {}", show(n)),
        Data::List(l) => format!("[{}]", l.iter().map(show).collect::<Vec<_>>().join(", ")),
        Data::Map(m) => format!("{{{}}}", m.iter().map(|(k, v)| format!("{}: {}", show(k), show(v))).collect::<Vec<_>>().join(", ")),
    }
}

fn show_action(action: &Action) -> String {
    let mut parts = vec![action.module.clone()];
    parts.extend(action.args.iter().map(|(name, value)| format!("{name}={}", show(value))));
    parts.extend(action.free_form.iter().map(|n| format!("free {}", show(n))));
    parts.extend(action.template.iter().map(|n| format!("template {}", show(n))));
    parts.extend(action.local.then(|| "local".to_string()));
    parts.join(" ")
}

fn show_error(error: &Diagnostic) -> String {
    let place = error.place.as_ref().map(|p| format!("{}:{} ", p.line, p.column)).unwrap_or_default();
    let extra: Vec<String> = error.notes.iter().chain(&error.hints).map(|s| format!(" | {s}")).collect();
    format!("{place}{}{}", error.summary, extra.concat())
}

/// The tasks of a file, or its error.
fn tasks(text: &str) -> Result<Vec<Item>, String> {
    let (dir, loader) = with_files(&[("t.yml", text)]);
    loader.tasks(&dir.path().join("t.yml")).map_err(|e| show_error(&e).replace(&format!("{}/", dir.path().display()), ""))
}

fn action(text: &str) -> String {
    match tasks(text) {
        Ok(items) => match &items[0] {
            Item::Task(task) => show_action(&task.action),
            Item::Block(_) => "block".into(),
        },
        Err(error) => error,
    }
}

/// The errors of a playbook.
fn errors(text: &str) -> Vec<String> {
    let (dir, loader) = with_files(&[("site.yml", text)]);
    loader.playbook(&dir.path().join("site.yml")).err().unwrap_or_default().iter().map(show_error).collect()
}

#[test]
fn arguments_in_every_form() {
    for (text, expected) in [
        ("- debug:", "debug"),
        ("- debug: msg=hi verbosity=1", "debug msg=\"hi\" verbosity=\"1\""),
        ("- debug: {msg: hi, verbosity: 1}", "debug msg=\"hi\" verbosity=1"),
        ("- ansible.builtin.debug: msg=hi", "ansible.builtin.debug msg=\"hi\""),
        ("- debug: '{{ d }}'", "debug template \"{{ d }}\""),
        ("- debug:\n  args: '{{ d }}'", "debug template \"{{ d }}\""),
        ("- debug: msg=own\n  args: {msg: beneath, verbosity: 2}", "debug msg=\"own\" verbosity=2"),
        (
            "- debug: msg=\"{{ x | default(\"a b\") }}\" verbosity={{ v }}",
            "debug msg=\"{{ x | default(\\\"a b\\\") }}\" verbosity=\"{{ v }}\"",
        ),
        ("- raw: chdir=/x mv a b creates=b", "raw chdir=\"/x\" creates=\"b\" free \"mv a b\""),
        ("- raw: FOO=1 make  all\n  args: {chdir: /src}", "raw chdir=\"/src\" free \"FOO=1 make  all\""),
        (
            "- raw: |\n    set -e\n      x=\"a  b\"\n    echo $x\n  args:\n    executable: /bin/bash",
            "raw executable=\"/bin/bash\" free \"set -e\\n  x=\\\"a  b\\\"\\necho $x\\n\"",
        ),
        ("- raw: !unsafe 'echo {{ x }} creates=y'", "raw free unsafe \"echo {{ x }} creates=y\""),
        ("- raw: '{{ line }}'", "raw free \"{{ line }}\""),
        ("- action: debug msg=hi", "debug msg=\"hi\""),
        ("- action: '{{ pm }} name=x'", "{{ pm }} name=\"x\""),
        ("- action: {module: debug, msg: hi}", "debug msg=\"hi\""),
        ("- action: {module: debug msg=a}", "debug msg=\"a\""),
        ("- local_action: raw echo hi", "raw free \"echo hi\" local"),
        ("- local_action:\n    module: debug\n    msg: x", "debug msg=\"x\" local"),
        ("- include_tasks: x.yml", "include_tasks free \"x.yml\""),
        ("- include_tasks: {file: x.yml, apply: {tags: a}}", "include_tasks file=\"x.yml\" apply={\"tags\": \"a\"}"),
        ("- include_vars: x.yml name=y", "include_vars name=\"y\" free \"x.yml\""),
        ("- set_fact: a=1 b='x y'", "set_fact a=\"1\" b=\"x y\""),
        ("- set_fact: '{{ d }}'", "set_fact template \"{{ d }}\""),
        ("- meta: flush_handlers", "meta free \"flush_handlers\""),
        ("- import_role: name=r tasks_from=t", "import_role name=\"r\" tasks_from=\"t\""),
    ] {
        assert_eq!(action(text), expected, "{text}");
    }
}

#[test]
fn words_split_as_in_ansible() {
    // Left: the text. Middle: what ansible-core 2.19 reads for most modules. Right: what it reads for `command`.
    for (text, named, command) in [
        ("chdir=/x mv a b creates=b", "chdir=/x creates=b| mv a b", "chdir=/x creates=b| mv a b"),
        ("echo a   b", "| echo a   b", "| echo a   b"),
        ("x={{ a b }} y={{ c | d(\"e f\") }}", "x={{ a b }} y={{ c | d(\"e f\") }}|", "| x={{ a b }} y={{ c | d(\"e f\") }}"),
        ("echo \"a=b\" c=d", "\"a=b\" c=d| echo", "| echo \"a=b\" c=d"),
        ("a=foo\\nbar", "a=foo\nbar|", "| a=foo\\nbar"),
        ("a= =b", "a=| =b", "| a= =b"),
        ("a==b", "a==b|", "| a==b"),
        ("a\\=b c=d", "c=d| a=b", "| a=b c=d"),
        ("echo x\necho y\ncreates=/z", "creates=/z| echo x\necho y\n", "creates=/z| echo x\necho y\n"),
        ("echo x \\\ny", "| echo x y", "| echo x y"),
        ("msg='it''s'", "msg=it''s|", "| msg='it''s'"),
        ("a=b\tc=d", "a=b\tc=d|", "| a=b\tc=d"),
        ("  lead  ", "|   lead  ", "|   lead  "),
        ("a=\"x\\\"y\"", "a=x\"y|", "| a=\"x\\\"y\""),
        ("a='x\"y' b=c", "a=x\"y b=c|", "| a='x\"y' b=c"),
        ("a=b\"c d\"e", "a=b\"c d\"e|", "| a=b\"c d\"e"),
        ("a={% if x %}b c{% endif %} d=e", "a={% if x %}b d=e| c{% endif %}", "| a={% if x %}b c{% endif %} d=e"),
        ("a={# c d #} e=f", "a={# c d #} e=f|", "| a={# c d #} e=f"),
        ("a='\"q\"'", "a=\"q\"|", "| a='\"q\"'"),
        ("a=b\n\nc=d", "a=b c=d|", "| a=b\n\nc=d"),
        ("a=\\x41 b=\\u00e9 c=\\101 d=\\s", "a=A b=é c=\\101 d=\\s|", "| a=\\x41 b=\\u00e9 c=\\101 d=\\s"),
        ("a=b\\ c", "a=b\\| c", "| a=b\\ c"),
        ("warn=no ls", "warn=no| ls", "warn=no| ls"),
        ("removes=x stdin=\"a b\" argv=a", "removes=x stdin=a b argv=a|", "removes=x stdin=a b| argv=a"),
        ("a={\"c\": 1, \"d\": \"e f\"}", "a={\"c\":| 1, \"d\": \"e f\"}", "| a={\"c\": 1, \"d\": \"e f\"}"),
        ("a=\\\"b c\\\"", "a=\"b| c\\\"", "| a=\\\"b c\\\""),
        ("a=\\'b", "a='b|", "| a=\\'b"),
        ("a=b\r\nc=d", "a=b c=d|", "| a=b\r\nc=d"),
        ("é=ü x=ß ü", "é=ü x=ß| ü", "| é=ü x=ß ü"),
        ("a=\" b \"c", "a=\" b \"c|", "| a=\" b \"c"),
        ("x=\"a=b c=d\"", "x=a=b c=d|", "| x=\"a=b c=d\""),
        ("echo x\n  y\n    z", "| echo x\n  y\n    z", "| echo x\n  y\n    z"),
        ("x={{ y | replace(\"'\", '') }} z=1", "x={{ y | replace(\"'\", '') }} z=1|", "| x={{ y | replace(\"'\", '') }} z=1"),
    ] {
        assert_eq!(parsed(text, |_| true), named, "{text:?}");
        assert_eq!(parsed(text, actions::is_command_option), command, "{text:?} as a command");
    }
}

fn parsed(text: &str, is_option: impl Fn(&str) -> bool) -> String {
    let (lead, words) = words::split(text).unwrap();
    let option = |word: &words::Word<'_>| words::key_value(word.text).filter(|(key, _)| is_option(key));
    let named: Vec<String> = words.iter().filter_map(option).map(|(k, v)| format!("{k}={v}")).collect();
    let free = words::joined(lead, &words, |word| option(word).is_some()).map(|free| format!(" {free}")).unwrap_or_default();
    format!("{}|{free}", named.join(" "))
}

#[test]
fn what_stays_open_is_named() {
    for (text, open) in [("a=\"b", "\""), ("a=it's b=c", "'"), ("x={{ a", "{{"), ("a={% if", "{%"), ("a={# b", "{#"), ("echo 'a\\' b", "'")]
    {
        assert_eq!(words::split(text), Err(words::Unbalanced(open)), "{text}");
    }
}

#[test]
fn options_are_words_too() {
    let read = |text: &str| key_values(text, &crate::source::Source::new("-e", text)).map_err(|e| show_error(&e));
    let shown =
        |vars: Vars| vars.iter().map(|(name, value)| format!("{name}={}@{}", show(value), value.place().column)).collect::<Vec<_>>();
    assert_eq!(read("a=1 b='x y' a=2").map(shown), Ok(vec!["a=\"2\"@13".into(), "b=\"x y\"@5".into()]));
    assert_eq!(read("a=1 b").map(|_| ()), Err("1:5 `b` is not `name=value`".into()));
}

#[test]
fn words_have_places() {
    let items = tasks("- debug: msg=hi\n    verbosity=2\n- raw: >\n    ls /x\n    chdir=/tmp\n- debug: \"msg=a verbosity=3\"\n").unwrap();
    let places: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Task(task) => Some(task),
            Item::Block(_) => None,
        })
        .flat_map(|task| task.action.args.iter().map(|(_, value)| format!("{}:{}", value.place().line, value.place().column)))
        .collect();
    assert_eq!(places, ["1:10", "2:5", "5:5", "6:11", "6:17"]);
}

#[test]
fn mistakes_in_tasks() {
    for (text, expected) in [
        (
            "- debug: msg=a\n  assert: that=b",
            "2:3 a task calls one module, not both `debug` and `assert` | make two tasks of it; `- ` starts a task",
        ),
        ("- name: x", "1:3 the task calls no module | a task needs a module's name with its arguments, e.g. `debug: msg=hello`"),
        ("- debgu: msg=a", "1:3 unknown module `debgu` | did you mean `debug`?"),
        ("- npm: {path: x}\n  become: [a]", "2:11 `become` must be a boolean, not a list"),
        ("- action: debgu msg=a", "1:11 unknown module `debgu` | did you mean `debug`?"),
        ("- nam: x", "1:3 `nam` is neither a keyword nor a module | did you mean `name`?"),
        ("- debug: msg=a\n  sudo_user: x", "2:3 a task has no keyword `sudo_user` | write `become_user` instead"),
        ("- debug: msg=a\n  tag: x", "2:3 a task has no keyword `tag` | did you mean `tags`?"),
        ("- assert:\n  that: x", "2:3 a task has no keyword `that` | if it is an argument of `assert`, indent it below `assert:`"),
        ("- debug", "1:3 a task must be a dictionary, not a string | write `debug:` to call the module"),
        ("- debug: [a]", "1:10 the arguments of `debug` must be a dictionary or text, not a list"),
        ("- raw: [ls, -l]", "1:8 the arguments of `raw` must be a dictionary or text, not a list | a list of words goes under `argv`"),
        ("- debug: hello world", "1:10 `debug` takes no free text | write the arguments as a dictionary, or put the value into quotes"),
        (
            "- debug: msg=it's",
            "1:10 `'` is never closed in the arguments of `debug` | write the arguments as a dictionary, or put text with an apostrophe into quotes",
        ),
        ("- debug:\n  args: msg=x", "2:9 `args` must be a dictionary or a template that gives one"),
        ("- block: []\n  loop: [1]", "2:3 a block has no keyword `loop` | `loop` is a keyword of a task"),
        ("- rescue: []", "1:3 a block needs tasks under `block`"),
        (
            "- debug:\n  loop: xs",
            "2:9 `loop` must be a list or a template that gives one, not a string | write `\"{{ xs }}\"` for the variable",
        ),
        ("- debug:\n  loop: [1]\n  with_items: [2]", "3:3 a task has one loop, not both `loop` and `with_items`"),
        ("- debug:\n  loop_control: {loopvar: x}", "2:18 `loop_control` has no key `loopvar` | did you mean `loop_var`?"),
        ("- debug:\n  become: maybe", "2:11 `become` must be a boolean, not `maybe`"),
        (
            "- debug:\n  vars: {a-b: 1}",
            "2:10 invalid variable name `a-b` | a name has letters, digits and underscores, and does not start with a digit",
        ),
        ("- debug:\n  vars: [a]", "2:9 `vars` must be a dictionary, not a list"),
        (
            "- include_tasks: x.yml\n  become: yes",
            "2:3 `include_tasks` does not take the keyword `become` | put it under `apply` of `include_tasks` for the tasks included",
        ),
        (
            "- hosts: all",
            "1:3 this is a play, but tasks are expected here | plays of another file are run with `import_playbook` in a playbook",
        ),
        ("debug: msg=x", "1:1 a file of tasks must be a list, not a dictionary | start each task with `- `"),
        (
            "- debug:\n  retries: x\n- foo_bar: 1",
            "2:12 `retries` must be a number, not `x` | also t.yml:3:3: unknown module `foo_bar` (`engine modules` lists all there are) (others \
             are found in `library` beside the playbook or role, in collections, and in an ansible-core installed here)",
        ),
    ] {
        assert_eq!(tasks(text).map(|items| items.len()), Err(expected.to_string()), "{text}");
    }
}

#[test]
fn mistakes_in_playbooks() {
    for (text, expected) in [
        ("hosts: all", vec!["1:1 a playbook must be a list of plays, not a dictionary | start the play with `- `"]),
        ("[]", vec!["1:1 the playbook has no plays"]),
        ("- x", vec!["1:3 a play must be a dictionary, not a string"]),
        (
            "- debug: msg=x",
            vec![
                "1:3 a play has no keyword `debug` | `debug` belongs into a task, under `tasks`",
                "1:3 the play has no `hosts` | a task with `debug` stands under `tasks` of a play",
            ],
        ),
        ("- hosts:", vec!["1:9 `hosts` must be a pattern or a list of patterns, not nothing"]),
        ("- hosts: [a, 5]", vec!["1:10 `hosts` must be a pattern or a list of patterns, not this list"]),
        ("- hosts: a\n  task: []", vec!["2:3 a play has no keyword `task` | did you mean `tasks`?"]),
        ("- hosts: a\n  tasks: {debug: x}", vec!["2:10 `tasks` must be a list, not a dictionary"]),
        ("- hosts: a\n  when: x", vec!["2:3 a play has no keyword `when` | `when` is a keyword of a block"]),
        (
            "- hosts: a\n  order: sort",
            vec![
                "2:10 `order` must be one of inventory, reverse_inventory, sorted, reverse_sorted, shuffle, not `sort` | did you mean `sorted`?",
            ],
        ),
        ("- include: x.yml\n  hosts: a", vec!["1:3 a play has no keyword `include` | write `import_playbook` instead"]),
        (
            "- hosts: a\n  tasks:\n  - debug:\n    listen: x",
            vec!["4:5 a task has no keyword `listen` | `listen` is a keyword of a handler"],
        ),
        (
            "- hosts: a\n  roles:\n  - {tags: x}\n  - [y]",
            vec!["3:5 the role has no name | name it with `role:`", "4:5 a role must be a name or a dictionary, not a list"],
        ),
        (
            "- hosts: a\n  vars_prompt:\n  - {prompt: x, secret: yes}",
            vec![
                "3:5 an entry of `vars_prompt` needs the key `name`",
                "3:17 Invalid vars_prompt data structure, found unsupported key 'secret'",
            ],
        ),
    ] {
        assert_eq!(errors(text), expected, "{text}");
    }
    assert_eq!(errors(""), ["0:0 the playbook is empty"]);
    assert_eq!(
        errors("$ANSIBLE_VAULT;1.1;AES256\n6162\n")[0].split(" | ").next(),
        Some("1:1 this is encrypted, and no vault password was given")
    );
}

#[test]
fn a_whole_playbook() {
    let (dir, loader) = with_files(&[(
        "site.yml",
        "- import_playbook: other.yml\n  when: a\n- name: n\n  hosts: web:db\n  user: root\n  become: yes\n  tags: a, b\n  vars: {x: 1}\n  vars_files: v.yml\n  \
         roles:\n  - plain\n  - {role: r, tags: [t], port_number: 5, vars: {y: 2}}\n  tasks:\n  -\n  - block:\n    - debug:\n      with_dict: '{{ d }}'\n      when: [a, b]\n      \
         when: c\n    rescue: []\n    notify: h\n  handlers:\n  - debug:\n    listen: [h]\n    register: r\n    async: 5\n",
    )]);
    let playbook = loader.playbook(&dir.path().join("site.yml")).unwrap();
    let [PlayItem::Import(import), PlayItem::Play(play)] = &playbook.plays[..] else { panic!("{playbook:?}") };
    assert_eq!((show(&import.file), import.keywords.when.len()), ("\"other.yml\"".into(), 1));
    assert_eq!(show(play.keywords.other("remote_user").unwrap()), "\"root\"");
    assert_eq!(play.keywords.tags.iter().map(show).collect::<Vec<_>>(), ["\"a\"", "\"b\""]);
    assert_eq!((play.vars_files.len(), play.tasks.len(), play.roles.len()), (1, 1, 2));
    assert_eq!(
        (show(&play.roles[1].name), play.roles[1].params[0].0.as_str(), play.roles[1].params.len()),
        ("\"r\"".into(), "port_number", 1)
    );
    let Item::Block(block) = &play.tasks[0] else { panic!("a block") };
    let Item::Task(task) = &block.body[0] else { panic!("a task") };
    assert_eq!(task.looped.as_ref().unwrap().lookup.as_deref(), Some("dict"));
    assert_eq!(task.keywords.when.iter().map(show).collect::<Vec<_>>(), ["\"c\""]);
    assert_eq!(loader.warnings().len(), 1, "the duplicate `when`");
    assert_eq!(loader.warnings().len(), 0, "each warning is given once");
    let Item::Task(handler) = &play.handlers[0] else { panic!("a handler") };
    assert_eq!((handler.register.as_deref(), handler.background.is_some(), handler.listen.is_some()), (Some("r"), true, true));
    let files = loader.files();
    assert_eq!((files.len(), files[0].1.len()), (1, 64));
}

#[test]
fn roles_are_found_and_read() {
    let (dir, loader) = with_files(&[
        ("roles/a/defaults/main/1.yml", "x: 1\ny: 1\n"),
        ("roles/a/defaults/main/sub/2.yaml", "y: 2\n"),
        ("roles/a/defaults/main/no.txt", "- no"),
        ("roles/a/vars/main", "z: 1\n"),
        ("roles/a/vars/debian.yml", "z: 2\n"),
        ("roles/a/meta/main.yml", "allow_duplicates: yes\ndependencies: [b, {role: c, when: x}]\ngalaxy_info: {}\n"),
        ("roles/a/meta/argument_specs.yml", "argument_specs: {main: {}}\n"),
        ("roles/a/tasks/main.yaml", "- debug:\n"),
        ("roles/a/tasks/sub/more.yml", "- debug:\n- debug:\n"),
        ("roles/a/handlers/main.yml", ""),
        ("collections/ansible_collections/ns/col/roles/deep/tasks/main.yml", "- debug:\n"),
        ("elsewhere/r1/tasks/main.yml", "- debug:\n"),
        ("elsewhere/r2/tasks/main.yml", "- debug:\n"),
        ("bare/tasks/main.yml", "- debug:\n"),
    ]);
    let role = |name: &str, near: Option<&Path>| loader.role(name, dir.path(), near);
    let a = role("a", None).unwrap();
    let shown = |vars: &Vars| vars.iter().map(|(name, value)| format!("{name}={}", show(value))).collect::<Vec<_>>().join(" ");
    assert_eq!((shown(&a.defaults), shown(&a.vars)), ("x=1 y=2".into(), "z=1".into()));
    assert_eq!((a.dependencies.len(), a.allow_duplicates, a.argument_specs.is_some()), (2, true, true));
    assert_eq!((a.tasks("main").unwrap().len(), a.tasks("sub/more").unwrap().len(), a.tasks("sub/more.yml").unwrap().len()), (1, 2, 2));
    assert_eq!((a.handlers("main").unwrap().len(), shown(&a.variables("vars", "debian").unwrap())), (0, "z=2".into()));
    assert_eq!(a.tasks("mian").unwrap_err().summary, "role `a` has no `tasks/mian.yml`");
    assert!(Arc::ptr_eq(&a, &role("a", None).unwrap()), "read once");
    let deep = role("ns.col.deep", None).unwrap();
    assert_eq!((deep.name.as_str(), deep.tasks("main").unwrap().len(), deep.handlers("main").unwrap().len()), ("ns.col.deep", 1, 0));
    let r1 = role("elsewhere/r1", None).unwrap();
    assert_eq!(
        (r1.name.as_str(), role("r2", r1.path.parent()).is_ok(), role("r2", None).is_ok(), role("bare", None).is_ok()),
        ("r1", true, false, true)
    );
    let error = role("aa", None).unwrap_err();
    assert_eq!(error.summary, "role `aa` was not found");
    let folders = ["roles", "none", ""].map(|f| dir.path().join(f).display().to_string().trim_end_matches('/').to_string());
    assert_eq!(error.notes, [format!("searched in: {}", folders.join(", "))]);
    assert_eq!(error.hints, ["did you mean `a`?"]);
}

#[test]
fn files_that_cannot_be_read() {
    let (dir, loader) = with_files(&[("tasks.yml", "- debug:\n"), ("vars.yml", "- a"), ("two.yml", "a: 1\n---\nb: 1\n")]);
    let summary =
        |error: Box<Diagnostic>| format!("{} {:?}", error.summary, error.hints).replace(&format!("{}/", dir.path().display()), "");
    let path = |name: &str| dir.path().join(name);
    assert_eq!(summary(loader.tasks(&path("task.yml")).unwrap_err()), "`task.yml` does not exist [\"did you mean `tasks.yml`?\"]");
    assert_eq!(summary(loader.variables(&path("vars.yml")).unwrap_err()), "a file of variables must be a dictionary, not a list []");
    assert_eq!(summary(loader.variables(&path("two.yml")).unwrap_err()), "the file has more than one YAML document []");
    std::fs::write(path("latin.yml"), b"a: 1\nb: \xe9\n").unwrap();
    assert_eq!(loader.variables(&path("latin.yml")).unwrap_err().place.unwrap().line, 2);
}
