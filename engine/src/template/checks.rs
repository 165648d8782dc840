//! Checks of templates: against what Ansible was seen to print, and of what is unknown, secret, lazy or wrong.

mod networks;
mod seen;

use super::{Binding, Condition, Scope, Scopes, Templates};
use crate::error::Diagnostic;
use crate::source::{Place, Source};
use crate::yaml::{Data, Node, parse};
use indexmap::IndexMap;
use modules::value::Value;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Names(IndexMap<String, Binding>);

impl Scope for Names {
    fn lookup(&self, name: &str) -> Option<Binding> {
        match name {
            "vars" => Some(Binding::Scope(Arc::new(self.clone()))),
            _ => self.0.get(name).cloned(),
        }
    }
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
    fn search_path(&self, _: &str) -> Vec<PathBuf> {
        match self.0.get("folder") {
            Some(Binding::Value(v)) => vec![PathBuf::from(v.to_string())],
            _ => Vec::new(),
        }
    }
}

struct Hosts(Vec<&'static str>);

impl Scopes for Hosts {
    fn scope(&self, name: &str) -> Option<Arc<dyn Scope>> {
        self.0.contains(&name).then(|| {
            let own = [("address", Value::from(format!("10.0.0.{}", name.len()))), ("fact", Value::unknown(format!("{name}.fact")))];
            Arc::new(Names(own.map(|(k, v)| (k.to_owned(), Binding::Value(v))).into())) as Arc<dyn Scope>
        })
    }
    fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// The first document of a YAML text.
fn yaml(text: &str) -> Node {
    parse(&Source::new("site.yaml", text)).expect("is YAML").nodes.remove(0)
}

/// A template as it would stand in a playbook.
fn written(text: &str) -> Node {
    let place = Place { source: Source::new("site.yaml", text), line: 1, column: 1, length: 0 };
    Node::new(place, Data::Str(text.into()))
}

/// A scope from YAML, whose templates are rendered on use.
fn scope(text: &str) -> Arc<dyn Scope> {
    let node = yaml(text);
    let pairs = node.as_map().expect("is a dictionary").iter();
    let mut names: IndexMap<String, Binding> = pairs.map(|(k, v)| (k.as_str().unwrap().to_owned(), Binding::Source(v.clone()))).collect();
    names.insert("hostvars".into(), Binding::Scopes(Arc::new(Hosts(vec!["a", "bb"]))));
    Arc::new(Names(names))
}

fn data(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Arc<dyn Scope> {
    Arc::new(Names(pairs.into_iter().map(|(k, v)| (k.to_owned(), Binding::Value(v))).collect()))
}

fn value(text: &str, scope: &Arc<dyn Scope>) -> Result<Value, Box<Diagnostic>> {
    Templates::new().value(&written(text), scope)
}

#[track_caller]
fn prints(text: &str, scope: &Arc<dyn Scope>, wanted: &str) {
    match value(text, scope) {
        Ok(v) => assert_eq!(v.to_string(), wanted, "{text}"),
        Err(e) => panic!("{text}: {} {:?}", e.summary, e.notes),
    }
}

fn message(e: &Diagnostic) -> String {
    let mut lines = vec![format!("{:?}: {}", e.kind, e.summary)];
    lines.extend(e.place.as_ref().map(|p| format!("at {p}")));
    lines.extend(e.notes.iter().map(|n| format!("note: {n}")));
    lines.extend(e.hints.iter().map(|h| format!("hint: {h}")));
    lines.join("\n")
}

#[test]
fn templates_print_as_under_ansible() {
    let cases: Vec<(String, String, String, String)> = serde_json::from_str(include_str!("cases.json")).unwrap();
    let context: serde_json::Value = serde_json::from_str(
        r#"{"nums":[1,2,3],"name":"bob","none_v":null,"yes_v":true,"d":{"a":1},
        "people":[{"n":"ann","g":"x","q":1},{"n":"bob","g":"y","q":2},{"n":"cy","g":"x","q":3}],
        "tree":[{"v":1,"c":[{"v":2,"c":[]}]},{"v":3,"c":[]}]}"#,
    )
    .unwrap();
    let mut wrong = Vec::new();
    for (name, template, kind, wanted) in &cases {
        let names = Value::from_json(&context);
        let bindings = names.as_map().unwrap().iter().map(|(k, v)| (k.to_string(), Binding::Value(v.clone())));
        let scope: Arc<dyn Scope> = Arc::new(Names(bindings.collect()));
        let got = Templates::new().text(template, &Place::nowhere("case"), &scope);
        match (&got, kind.as_str()) {
            (Ok(v), "ok") if v.to_string() == *wanted => {}
            (Err(_), "err") => {}
            (Ok(v), _) => wrong.push(format!("{name}: {template}\n  wanted {wanted:?}\n  got    {:?}", v.to_string())),
            (Err(e), _) => wrong.push(format!("{name}: {template}\n  wanted {wanted:?}\n  failed {}", message(e))),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn unknowns() -> Arc<dyn Scope> {
    data([
        ("u", Value::unknown("u")),
        ("k", Value::str("known")),
        ("r", Value::map([("rc", Value::Int(0)), ("stdout", Value::unknown("r.stdout"))])),
        ("xs", Value::list([Value::Int(1), Value::unknown("xs[1]")])),
    ])
}

#[test]
fn what_depends_on_the_unknown_is_unknown() {
    let unknown = [
        "{{ u|upper }}",
        "a{{ r }}",
        "{{ r|dictsort }}",
        "{{ r|tojson }}",
        "{{ xs == [1,2] }}",
        "{{ 5 in xs }}",
        "{{ xs|select('eq',1)|list }}",
        "{{ r == {'rc':0,'stdout':'x'} }}",
        "{% for x in xs %}{{ loop.index }}{% endfor %}",
        "{{ xs|map('string')|join }}",
        "{{ k ~ xs }}",
        "{{ u.b }}",
        "{{ u | default('x') }}",
        "{{ u.b is defined }}",
        "{{ 'a' if u else 'b' }}",
        "{% if u is defined and u %}x{% endif %}",
        "{{ [u, 1] }}",
        "{{ r.items()|list|length }}",
        "{{ lookup('env', u) }}",
        "{% set x = u %}{{ k }}{{ x }}",
        "{{ 'x' ~ u }}",
    ];
    for text in unknown {
        assert!(matches!(value(text, &unknowns()).unwrap(), Value::Unknown(_)), "{text}: {:?}", value(text, &unknowns()));
    }
}

#[test]
fn what_does_not_stays_known() {
    let known = [
        ("{{ k }}", "known"),
        ("{{ r.rc }}", "0"),
        ("{{ xs|length }}", "2"),
        ("{{ xs[0] }}", "1"),
        ("{{ 'rc' in r }}", "True"),
        ("{{ true or u }}", "True"),
        ("{{ false and u }}", "False"),
        ("{{ 'a' if k == 'known' else u }}", "a"),
        ("{{ u is defined }}", "True"),
        ("{{ u is not defined }}", "False"),
        ("{{ r.stdout is defined and k == 'known' }}", "True"),
        ("{% set z = namespace(v=r) %}{{ z.v.rc }}", "0"),
        ("{% for x in r %}{{ x }} {% endfor %}", "rc stdout "),
        ("{{ r.keys() | list }}", "['rc', 'stdout']"),
    ];
    for (text, wanted) in known {
        prints(text, &unknowns(), wanted);
    }
}

#[test]
fn unknown_goes_no_higher_than_it_must() {
    let node = yaml("{a: '{{ u }}', b: ['{{ k }}', 'x{{ u }}'], c: '{{ r }}'}");
    let got = Templates::new().value(&node, &unknowns()).unwrap();
    assert_eq!(
        got.to_string(),
        "{'a': (known after apply), 'b': ['known', (known after apply)], 'c': {'rc': 0, 'stdout': (known after apply)}}"
    );
}

#[test]
fn variables_of_unknowns_are_unknown_each_time() {
    let mut names: IndexMap<String, Binding> = [("u".to_owned(), Binding::Value(Value::unknown("u")))].into();
    names.insert("v".into(), Binding::Source(written("x{{ u }}")));
    let scope: Arc<dyn Scope> = Arc::new(Names(names));
    let got = Templates::new().value(&yaml("['{{ v }}', '{{ v }}', '{{ v is defined }}']"), &scope).unwrap();
    assert_eq!(got.to_string(), "[(known after apply), (known after apply), True]");
}

#[test]
fn secrets_taint_what_they_touch() {
    let scope =
        data([("s", Value::str("pw").into_secret()), ("d", Value::map([("p", Value::str("pw").into_secret()), ("q", Value::Int(1))]))]);
    for (text, secret) in
        [("{{ s }}", true), ("a {{ s }} b", true), ("{{ d.q }}", false), ("{{ d.p | upper }}", true), ("{{ d | to_json }}", true)]
    {
        assert_eq!(matches!(value(text, &scope).unwrap(), Value::Secret(_)), secret, "{text}");
    }
    assert_eq!(value("a {{ s }}", &scope).unwrap().reveal(), &Value::str("a pw"));
    assert_eq!(value("{{ d | to_json }}", &scope).unwrap().reveal().to_string(), r#"{"p": "pw", "q": 1}"#);
    assert!(value("{{ d }}", &scope).unwrap().has_secret());
}

#[test]
fn encrypted_variables_open_with_the_password_of_a_filter_alone() {
    let secret = crate::vault::Secret { id: "default".into(), password: b"p".to_vec() };
    let sealed = crate::vault::seal(b"plain", &secret).unwrap();
    let text = sealed.lines().map(|l| format!("  {l}\n")).collect::<String>();
    let scope = scope(&format!("v: !vault |\n{text}d:\n  v: !vault |\n{}", text.replace("  ", "    ")));
    for text in ["{{ v|unvault('p') }}", "{{ d.v|unvault('p') }}"] {
        assert_eq!(value(text, &scope).unwrap(), Value::str("plain").into_secret(), "{text}");
    }
    prints("{{ v is vault_encrypted }} {{ d['v'] is vault_encrypted }} {{ 'v' is vault_encrypted }}", &scope, "True True False");
    for text in ["{{ v }}", "{{ v|unvault('q') }}", "{{ [v|unvault('p'), v] }}", "{{ v == 'plain' }}", "{{ v|string }}"] {
        assert!(value(text, &scope).is_err(), "{text}");
    }
}

#[test]
fn variables_render_on_use_and_keep_their_type() {
    let scope =
        scope("{a: '{{ b + 1 }}', b: 2, list: ['{{ a }}', '{{ missing }}'], deep: {x: '{{ a }}', y: '{{ missing }}'}, t: '{{ name }}'}");
    prints("{{ a }}", &scope, "3");
    assert_eq!(value("{{ a }}", &scope).unwrap(), Value::Int(3));
    prints("{{ list[0] }} {{ deep.x }} {{ deep.y | default('none') }} {{ deep.y is defined }}", &scope, "3 3 none False");
    prints("{{ vars['a'] }} {{ lookup('vars', 'b') }} {{ 'a' in vars }}", &scope, "3 2 True");
    prints("{{ deep.z.w | default('x') }} {{ nope.a.b is defined }} {{ t | default('no name') }}", &scope, "x False no name");
}

#[test]
fn other_hosts_variables_are_found() {
    let scope = scope("{h: bb}");
    prints(
        "{{ hostvars['a'].address }} {{ hostvars[h]['address'] }} {{ hostvars.keys() | list }}",
        &scope,
        "10.0.0.1 10.0.0.2 ['a', 'bb']",
    );
    prints("{{ 'a' in hostvars }} {{ hostvars['c'].x | default('-') }} {{ hostvars.a.nope is defined }}", &scope, "True - False");
    prints("{% for h in hostvars %}{{ hostvars[h].address }} {% endfor %}", &scope, "10.0.0.1 10.0.0.2 ");
    prints("{{ ['a', 'bb'] | map('extract', hostvars, 'address') | join(',') }}", &scope, "10.0.0.1,10.0.0.2");
    assert!(matches!(value("{{ hostvars['a'].fact }}", &scope).unwrap(), Value::Unknown(_)));
}

#[test]
fn data_is_never_rendered() {
    let scope = data([("x", Value::str("{{ 1 + 1 }}"))]);
    prints("{{ x }}", &scope, "{{ 1 + 1 }}");
    prints("a {{ x | upper }}", &scope, "a {{ 1 + 1 }}");
    let unsafe_node = yaml("{a: !unsafe '{{ no }}'}");
    assert_eq!(Templates::new().value(&unsafe_node, &scope).unwrap().to_string(), "{'a': '{{ no }}'}");
}

#[test]
fn omitted_entries_are_left_out() {
    let scope = scope("{a: 1, o: '{{ omit }}'}");
    let node = yaml("{x: '{{ nope | default(omit) }}', y: '{{ a }}', z: ['{{ o }}', 2]}");
    assert_eq!(Templates::new().value(&node, &scope).unwrap().to_string(), "{'y': 1, 'z': [2]}");
    assert_eq!(value("{{ omit }}", &scope).unwrap(), Value::str(super::OMIT));
}

#[test]
fn blocks_that_print_one_value_keep_its_type() {
    let scope = scope("{a: [1, 2]}");
    assert_eq!(value("{% if true %}{{ a }}{% else %}x{% endif %}", &scope).unwrap(), Value::list([Value::Int(1), Value::Int(2)]));
    assert_eq!(value("{{ a }} ", &scope).unwrap(), Value::str("[1, 2] "));
    assert_eq!(value("{{ '5' }}", &scope).unwrap(), Value::str("5"));
}

#[test]
fn conditions() {
    let scope = scope("{t: true, s: 'yes', n: 1, l: []}");
    let templates = Templates::new();
    for (text, wanted) in [
        ("t", Condition::True),
        ("not t", Condition::False),
        ("s == 'yes' and n > 0", Condition::True),
        ("'{{ s }}' == 'yes'", Condition::True),
        ("{{ t }}", Condition::True),
        ("s | bool", Condition::True),
        ("l | length > 0", Condition::False),
        ("x is defined", Condition::False),
        ("s is search('e')", Condition::True),
        ("'1.10' is version('1.9', '>')", Condition::True),
        ("n in [1, 2]", Condition::True),
    ] {
        assert_eq!(templates.condition(&written(text), &scope).map_err(|e| message(&e)), Ok(wanted), "{text}");
    }
    assert_eq!(templates.condition(&written("u == 1"), &unknowns()).unwrap(), Condition::Unknown("u".into()));
    assert_eq!(templates.condition(&written("k == 'x' and u == 1"), &unknowns()).unwrap(), Condition::False);
    let refused = templates.condition(&written("s"), &scope).unwrap_err();
    assert_eq!(refused.summary, "a condition must be true or false, this one is of type string");
}

#[test]
fn messages() {
    let scope =
        scope("{package_name: x, ansible_facts: {hostname: h}, loop_a: '{{ loop_b }}', loop_b: '{{ loop_a }}', indirect: '{{ gone }}'}");
    let shown = |text: &str| match value(text, &scope) {
        Ok(v) => format!("{text} => {v}"),
        Err(e) => format!("{text} => {}", message(&e)),
    };
    let texts = [
        "{{ pakage_name }}",
        "{{ ansible_facts.hostnam }}",
        "{{ ansible_facts['hostnam'] }}",
        "{{ loop_a }}",
        "{{ indirect }}",
        "{{ package_name | uper }}",
        "{{ package_name is strin }}",
        "{{ 1 + }}",
        "{% if x %}",
        "{{ 'a' | from_json }}",
        "{{ package_name.x.y }}",
        "{{ lookup('nope') }}",
        "{{ hostvars['zz'].x }}",
        "{{ nope | mandatory }}",
        "{{ undef('set it in the inventory') }}",
        "{{ nope.x | upper }}",
        "{{ [1] | map('nope') | list }}",
    ];
    insta::assert_snapshot!(texts.map(shown).join("\n\n"));
}

#[test]
fn a_missing_variable_of_another_host_names_the_host() {
    let scope = scope("{addres: x, fact_: 1}");
    let e = value("{{ hostvars['bb'].addres }}", &scope).unwrap_err();
    assert_eq!(message(&e), "Undefined: `hostvars['bb']` has no variable `addres`\nat site.yaml:1:19\nhint: did you mean `address`?");
    let e = value("{{ hostvars[who].x }}", &scope).unwrap_err();
    assert_eq!(message(&e), "Undefined: `who` is undefined\nat site.yaml:1:13");
}

#[test]
fn places_are_exact() {
    let text = "a: \"x {{ ok }} {{ gone }}\"\nb: >-\n  {{ ok }}\n  and {{ ok }}{{ gone }}\nc: |\n  {% for x in ok %}\n  {{ x.gone }} {{ x | uper }}\n  {% endfor %}\nd: ok == 1 and gone\n";
    let scope = scope("{ok: [{a: 1}]}");
    let node = yaml(text);
    for (key, wanted) in [("a", "site.yaml:1:19"), ("b", "site.yaml:4:18"), ("c", "site.yaml:7:8")] {
        let value = node.as_map().unwrap().iter().find(|(k, _)| k.as_str() == Some(key)).unwrap().1.clone();
        let e = Templates::new().value(&value, &scope).unwrap_err();
        assert_eq!(e.place.as_ref().unwrap().to_string(), wanted, "{}", message(&e));
    }
    let condition = node.as_map().unwrap().iter().find(|(k, _)| k.as_str() == Some("d")).unwrap().1.clone();
    let e = Templates::new().condition(&condition, &self::scope("{ok: 1}")).unwrap_err();
    assert_eq!(message(&e), "Undefined: `gone` is undefined\nat site.yaml:9:16");
}
