//! Tests of reading YAML.
use super::*;

fn read(text: &str) -> Documents {
    parse(&Source::new("t.yaml", text)).unwrap()
}

fn shown(text: &str) -> String {
    read(text).nodes.iter().map(|n| n.raw().to_string()).collect::<Vec<_>>().join(" | ")
}

#[test]
fn values_are_those_of_ansible() {
    let table = [
        ("", ""),
        ("# only a comment\n", ""),
        ("---\n", "None"),
        ("a: 1\n---\nb: 2\n", "{'a': 1} | {'b': 2}"),
        ("\u{feff}a: 1", "{'a': 1}"),
        ("[yes, 'yes', 0755, \"0755\", 1:30, ~, '']", "[True, 'yes', 493, '0755', 90, None, '']"),
        ("a: &x {k: [1]}\nb: *x", "{'a': {'k': [1]}, 'b': {'k': [1]}}"),
        ("a: !!str 5\nb: !!int '5'\nc: !!float 5\nd: ! 5\ne: !!bool 'yes'", "{'a': '5', 'b': 5, 'c': 5.0, 'd': '5', 'e': True}"),
        ("a: !!binary aGVs\n  \nb: !!set {x, y}", "{'a': 'hel', 'b': ['x', 'y']}"),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y", "{'a': 'x\\ny\\n', 'b': 'x y'}"),
        ("a: |\n  x\n  y", "{'a': 'x\\ny'}"),
        ("a: |\n  x\n  y\n", "{'a': 'x\\ny\\n'}"),
        ("a: >+\n  x\n\n", "{'a': 'x\\n\\n'}"),
        ("a: |", "{'a': ''}"),
        (
            "a: 'x !y, z'\nb: !unsafe \"so !y, z\" # !x, y\nc: [u !v, w]\nd: |\n  !x, y",
            "{'a': 'x !y, z', 'b': 'so !y, z', 'c': ['u !v', 'w'], 'd': '!x, y'}",
        ),
        ("- |\n  x\n- y", "['x\\n', 'y']"),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn merge_keys_follow_pyyaml() {
    let anchors = "A: &A {x: 1, y: 1}\nB: &B {x: 2, z: 2}\n";
    let table = [
        ("r: {<<: *A, <<: *B}", "{'x': 1, 'z': 2, 'y': 1}"),
        ("r: {<<: [*A, *B]}", "{'x': 1, 'z': 2, 'y': 1}"),
        ("r: {w: 0, x: 9, <<: *A}", "{'x': 9, 'y': 1, 'w': 0}"),
        ("r: {'<<': *A}", "{'<<': {'x': 1, 'y': 1}}"),
    ];
    for (text, expected) in table {
        let documents = read(&format!("{anchors}{text}"));
        assert_eq!(documents.nodes[0].get("r").unwrap().raw().to_string(), expected, "{text}");
        assert!(documents.warnings.is_empty(), "{text}");
    }
    assert_eq!(failure("r: {<<: 5}").summary, "`<<` merges dictionaries only");
}

#[test]
fn marks_survive() {
    let documents = read("v: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  31\nu: !unsafe '{{ x }}'\nl: !unsafe ['{{ y }}']");
    let node = &documents.nodes[0];
    assert!(matches!(node.get("v").unwrap().data(), Data::Vault(t) if t.starts_with("$ANSIBLE_VAULT")));
    assert!(matches!(node.get("u").unwrap().data(), Data::Unsafe(t) if t.as_str() == Some("{{ x }}")));
    assert!(matches!(node.get("l").unwrap().data(), Data::Unsafe(t) if t.as_list().is_some()));
}

#[test]
fn places_count_characters_from_one() {
    let documents = read("ä: x\nb:\n  - 'ö' # c\n  - k: v\n");
    let node = &documents.nodes[0];
    let at = |n: &Node| (n.place().line, n.place().column, n.place().length);
    assert_eq!(at(node), (1, 1, 0));
    assert_eq!(at(node.get("ä").unwrap()), (1, 4, 1));
    let list = node.get("b").unwrap();
    assert_eq!(at(list), (3, 3, 0));
    assert_eq!(at(&list.as_list().unwrap()[0]), (3, 5, 3));
    assert_eq!(at(&list.as_list().unwrap()[1]), (4, 5, 0));
    assert_eq!(list.as_list().unwrap()[1].get("k").unwrap().place().to_string(), "t.yaml:4:8");
}

#[test]
fn duplicate_keys_warn_and_the_last_wins() {
    let documents = read("x: 1\ny: 0\nx: 2\n1: a\ntrue: b\nm: &m {q: 1}\nn: {<<: *m, q: 2, q: 3}");
    assert_eq!(documents.nodes[0].raw().to_string(), "{'x': 2, 'y': 0, True: 'b', 'm': {'q': 1}, 'n': {'q': 3}}");
    let places: Vec<String> = documents.warnings.iter().map(|w| format!("{} {}", w.place.as_ref().unwrap(), w.summary)).collect();
    assert_eq!(places, ["t.yaml:3:1 duplicate key `x`", "t.yaml:5:1 duplicate key `True`", "t.yaml:7:19 duplicate key `q`"]);
    assert_eq!(documents.warnings[0].notes, ["first use: t.yaml:1:1"]);
}

fn failure(text: &str) -> Box<crate::error::Diagnostic> {
    parse(&Source::new("t.yaml", text)).expect_err(text)
}

#[test]
fn errors_say_where_and_what_to_do() {
    let table = [
        ("a: 1\nb: {{ x }}\n", "2:4", "a value that starts with a template must be quoted", "`b: \"{{ x }}\"`"),
        ("a: {{ x }}/y\n", "1:4", "a value that starts with a template must be quoted", "`a: \"{{ x }}/y\"`"),
        ("- {{ x }}/y\n", "1:3", "a value that starts with a template must be quoted", "`- \"{{ x }}/y\"`"),
        ("a: b: c\n", "1:5", "a `key: value` pair cannot start here", "`a: \"b: c\"`"),
        ("a: 1\nb\nc: 2\n", "2:1", "this key has no `:`", "key: value"),
        ("a:\n\tb: 1\n", "2:1", "a value cannot start with this character", "replace the tab"),
        ("a: 'x\nb: 2\n", "1:4", "a quoted text never ends", "close the quote"),
        ("a: @x\n", "1:4", "a value cannot start with this character", "`a: \"@x\"`"),
        ("a: \"x\" y\n", "1:8", "expected a key here", "whole value into quotes"),
        ("a: *.txt\n", "1:4", "expected alphabetic or numeric character", "`a: \"*.txt\"`"),
        ("a: *b\n", "1:4", "no anchor `&b` before this alias", "quote the value"),
        ("a: 1\n  b: 2\n", "2:4", "a `key: value` pair cannot start here", "indentation"),
        ("a: [1, 2\nb: 3\n", "2:2", "expected `,` or `]`", "close the `[`"),
        ("a: !valt x\n", "1:4", "unknown YAML tag `!valt`", "did you mean `!vault`?"),
        ("a: &x 1\nb: &x 2\n", "2:4", "the anchor `&x` is used twice", ""),
        ("a: &x [*x]\n", "1:8", "`*x` stands inside of what it names", ""),
        ("a: \"\\d\"\n", "1:5", "found unknown escape character", "single quotes"),
        ("a: x\u{1}\n", "1:5", "YAML does not allow this character", "remove it"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3131\n", "1:1", "an encrypted text cannot be read as YAML here", "engine vault decrypt"),
        ("a: [!ALPHA, b]\n", "1:5", "a value is missing after the tag `!ALPHA`", "quote the value"),
        ("é: \"!x, y\"\nb: [c, &d !x, y]\n", "2:8", "a value is missing after the tag `!x`", "quote the value"),
        ("a: [\"x\"!, y]\n", "1:8", "a value is missing after the tag `!`", "quote the value"),
        ("a: !!int x\n", "1:4", "`x` is not a YAML int", ""),
    ];
    for (text, place, summary, hint) in table {
        let error = failure(text);
        assert_eq!(
            (error.place.clone().unwrap().to_string().as_str(), error.summary.as_str()),
            (format!("t.yaml:{place}").as_str(), summary),
            "{text}"
        );
        assert!(error.hints.join(" ").contains(hint), "{text}: {:?}", error.hints);
    }
}

#[test]
fn bombs_are_refused_quickly() {
    let deep = "[".repeat(100_000);
    assert!(failure(&deep).summary.contains("200 deep"));
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..30 {
        laughs += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
    }
    assert!(failure(&laughs).summary.contains("2000000 values"));
    let mut chain = String::from("a0: &a0 []\n");
    for i in 1..5000 {
        chain += &format!("a{i}: &a{i} [*a{}]\n", i - 1);
    }
    assert!(failure(&chain).summary.contains("200 deep"));
}
