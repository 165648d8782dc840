//! What ansible-core 2.19 was seen to print, by what the templates use.

use super::*;

fn none() -> Arc<dyn Scope> {
    data([])
}

#[track_caller]
pub(super) fn print_as_seen(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, wanted) in cases {
        match value(text, &none()).map(|v| v.reveal().to_string()) {
            Ok(got) if got == *wanted => {}
            Ok(got) => wrong.push(format!("{text}\n  wanted {wanted:?}\n  got    {got:?}")),
            Err(e) => wrong.push(format!("{text}\n  wanted {wanted:?}\n  failed {}", message(&e))),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn macros_take_more_than_they_name() {
    print_as_seen(&[
        (
            "{% macro m(a) %}{{ a }}{{ varargs | length }}{{ kwargs.k | default('-') }}{% endmacro %}{{ m(1) }} {{ m(1, 2, k=3) }}",
            "10- 113",
        ),
        ("{% macro m() %}{% for v in varargs %}<{{ v }}>{% endfor %}{% endmacro %}{{ m('a', 'b') }}", "<a><b>"),
        ("{% macro m() %}{% for k, v in kwargs.items() %}{{ k }}={{ v }};{% endfor %}{% endmacro %}{{ m(a=1, b=2) }}", "a=1;b=2;"),
        (
            "{% macro m(a) %}{{ caller(a, varargs) if caller is defined else 'none' }}{% endmacro %}{{ m(1) }} {% call(x, y) m(2, 3) %}{{ x }}{{ y }}{% endcall %}",
            "none 2[3]",
        ),
        ("{% macro m(a, b='q') -%}\n {{ a }}{{ b }}{{ varargs }}\n{%- endmacro -%}\n   {{ m(1) }}", "1q[]"),
        ("{% macro m(a) %}{{ varargs }}{% endmacro %}\n{{ m(1, *[2, 3], **{}) }}", "[2, 3]"),
    ]);
}

#[test]
fn loops_run_over_items_with_commas() {
    print_as_seen(&[
        ("{% for x in \"a\",\"b\" %}{{ x }}{% endfor %}", "ab"),
        ("{% for x in 1, 2 if x > 1 %}{{ x }}{% endfor %}", "2"),
        ("{% for a, b in (1, 2), (3, 4) %}{{ a }}{{ b }}{% endfor %}", "1234"),
        ("{% for i in 'abc' %}{{ loop.previtem|default('-') }}{{ loop.nextitem|default('-') }};{% endfor %}", "-b;ac;b-;"),
        ("{% for i in [1,2] %}{{ loop.previtem is defined }}{% endfor %}", "FalseTrue"),
        ("{% set xs = [] %}{% do xs.append(1) if true %}{% do xs.append(2) if false %}{{ xs }}", "[1]"),
    ]);
}

/// As the collection `community.general` documents it.
#[test]
fn pairs_make_a_dictionary() {
    print_as_seen(&[("{{ ['a', 'b'] | zip([1, 2]) | community.general.dict }}", "{'a': 1, 'b': 2}")]);
}

/// 2.19.14 refuses the ones with `default`; later releases print so.
#[test]
fn an_if_without_else_is_undefined_and_prints_nothing() {
    print_as_seen(&[
        ("{{ ('x' if false) | default('d') }}", "d"),
        ("{% set y = 'x' if false %}{{ y | default('e') }}", "e"),
        ("a{{ 'x' if false }}b", "ab"),
        ("{{ ('x' if false) is defined }}", "False"),
        ("{{ ('x' if false) ~ 'y' }}", "y"),
        ("{% if ('x' if false) %}1{% else %}2{% endif %}", "2"),
        ("a{{ ('x' if false) | upper }}{{ ('x' if false) | length }}", "a0"),
    ]);
}

#[test]
fn dates() {
    print_as_seen(&[
        ("{{ '%Y-%m-%d %H:%M:%S %Z %z' | strftime(second=0, utc=true) }}", "1970-01-01 00:00:00 GMT +0000"),
        ("{{ '%G-W%V %u %k %l %C %g %P %r %h' | strftime(0, utc=true) }}", "1970-W01 4  0 12 19 70 am 12:00:00 AM Jan"),
        ("{{ '%-d %-m %_d %-H %^a' | strftime(0, utc=true) }}", "1 1  1 0 THU"),
        ("{{ '%H' | strftime('1700000000.9', true) }}", "22"),
        ("{{ now(fmt='%Z|%z') }}", "|"),
        ("{{ (now(utc=true).strftime('%s') | int - now().strftime('%s') | int) is number }}", "True"),
        ("{{ (('2024-03-01 12:00:00' | to_datetime) - ('2024-02-28 13:30:01' | to_datetime)).days }}", "1"),
        ("{{ (('2024-03-01 12:00:00' | to_datetime) - ('2024-02-28 13:30:01' | to_datetime)).seconds }}", "80999"),
        ("{{ (('2024-03-01 12:00:00' | to_datetime) - ('2024-02-28 13:30:01' | to_datetime)).total_seconds() }}", "167399.0"),
        ("x{{ (('2024-02-28' | to_datetime('%Y-%m-%d')) - ('2024-03-01 12:00:00' | to_datetime)) }}", "x-3 days, 12:00:00"),
        ("x{{ (('2024-02-28' | to_datetime('%Y-%m-%d')) - ('2024-02-26' | to_datetime('%Y-%m-%d'))) }}", "x2 days, 0:00:00"),
        (
            "x{{ ('2024-03-01T12:00:00.250000Z' | to_datetime('%Y-%m-%dT%H:%M:%S.%fZ')) - ('2024-03-01 12:00:00' | to_datetime) }}",
            "x0:00:00.250000",
        ),
        ("{{ ('2024-03-01' | to_datetime('%Y-%m-%d')) < ('2024-03-02' | to_datetime('%Y-%m-%d')) }}", "True"),
        ("{{ ('2024-03-01' | to_datetime('%Y-%m-%d')).strftime('%j %A %d %B %Y %Z') }}", "061 Friday 01 March 2024 "),
        ("{{ ('Mar  5 10:11:12 2024 GMT' | to_datetime('%b %d %H:%M:%S %Y %Z')).isoformat() }}", "2024-03-05T10:11:12"),
        ("{{ ('2024-03-01T12:00:00+0200' | to_datetime('%Y-%m-%dT%H:%M:%S%z')).isoformat() }}", "2024-03-01T12:00:00+02:00"),
        ("{{ ('01 PM' | to_datetime('%I %p')).hour }}", "13"),
        ("{{ 5 - 3.5 }} {{ 2 - 3 }} {{ [3, 1] | max - 1 }}", "1.5 -1 2"),
        ("{{ (now() - (now())).days }}", "-1"),
    ]);
    assert!(value("{{ '2024-02-30' | to_datetime('%Y-%m-%d') }}", &none()).is_err());
}

/// With passlib and without it, 2.19.14 hashes alike.
#[test]
fn passwords_and_seeded_choices() {
    print_as_seen(&[
        (
            "x{{ 'secret' | password_hash('sha512', 'mysecretsalt', rounds=5000) }}",
            "x$6$mysecretsalt$UxXf96m7qWf4gFJuQUWygLlhUrikalIr1qiN7P0Vz3ILP2s1EdopPgostsusBpNxETNkjpIYpr4lfwih0HmvD.",
        ),
        (
            "x{{ 'secret' | password_hash('sha512', 'mysecretsalt', rounds=10000) }}",
            "x$6$rounds=10000$mysecretsalt$ijdhv/fwWHdBySvQ6UYa5/yyQ5yo9XYUp0xHMoYsilvdYoHKPTrshf6I4dHqEnZJAbAs8AIbUR5JwrfZQLyxj0",
        ),
        (
            "x{{ 'secret' | password_hash('sha256', 'mysecretsalt', rounds=5000) }}",
            "x$5$mysecretsalt$FMuCIBTMZvBuU/DDK0W/i4UFaWH.pk9qsUHC3io1o4/",
        ),
        ("x{{ 'secret' | password_hash('md5', 'saltsalt') }}", "x$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
        (
            "x{{ 'secret' | password_hash('bcrypt', '1234567890123456789012', rounds=4) }}",
            "x$2b$04$123456789012345678901u//h8y7tq3SNKU3W0iQ9NrkyT8n5fXPS",
        ),
        (
            "x{{ 'secret' | password_hash('bcrypt', '1234567890123456789012', rounds=4, ident='2a') }}",
            "x$2a$04$123456789012345678901u//h8y7tq3SNKU3W0iQ9NrkyT8n5fXPS",
        ),
        ("x{{ 65534 | random(seed='host1') }}", "x31863"),
        ("x{{ 65534 | random(seed=5) }}", "x40822"),
        ("x{{ 10 | random(seed='a') }}", "x4"),
        ("x{{ 100 | random(start=3, step=7, seed='x') }}", "x73"),
        ("x{{ 59 | random(seed='web1') }}", "x52"),
        ("x{{ 60 | random(seed='web1.example.com') }}", "x31"),
        ("x{{ ['a','b','c'] | random(seed='h') }}", "xb"),
        ("x{{ ['a','b','c','d','e'] | shuffle(seed='h') }}", "x['a', 'e', 'd', 'b', 'c']"),
        ("x{{ range(20) | list | shuffle(seed=42) }}", "x[19, 5, 14, 4, 9, 13, 15, 18, 6, 12, 17, 10, 1, 11, 2, 16, 7, 8, 0, 3]"),
        ("x{{ 'abc' | list | shuffle(seed='q') }}", "x['a', 'c', 'b']"),
        ("x{{ lookup('password', '/dev/null', seed='foo', length=12) }}", "x6JUEsF6-,Riu"),
        ("x{{ lookup('password', '/dev/null seed=foo length=8 chars=digits') }}", "x74532397"),
        ("x{{ lookup('password', '/dev/null', seed='foo', length=12, chars=['ascii_letters', 'digits']) }}", "xDUrx4TpS1jWp"),
        ("x{{ lookup('password', '/dev/null', seed='foo') }}", "x6JUEsF6-,RiuGZDEWF4r"),
    ]);
    for refused in
        ["'s' | password_hash('sha512', 'bad$salt')", "'s' | password_hash('nope')", "'s' | password_hash('sha512', 'salt', rounds=10)"]
    {
        assert!(value(&format!("{{{{ {refused} }}}}"), &none()).is_err(), "{refused}");
    }
}

#[test]
fn kept_passwords_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pw");
    let asked = |options: &str| {
        let text = format!("{{{{ lookup('password', '{} {options}') }}}}", file.display());
        value(&text, &none()).unwrap().reveal().to_string()
    };
    let first = asked("length=8 seed=s");
    assert_eq!(first, asked("length=9"), "the file's password stays");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "96RaapZT\n");
    let hash = asked("length=8 encrypt=md5_crypt");
    assert!(hash.starts_with("$1$"), "{hash}");
    assert_eq!(hash, asked("length=8 encrypt=md5_crypt"), "its salt is kept too");
    std::fs::write(&file, "96RaapZT salt=TpL78PUb\n").unwrap();
    assert_eq!(asked("encrypt=md5_crypt"), value("{{ '96RaapZT' | password_hash('md5', 'TpL78PUb') }}", &none()).unwrap().to_string());
}

#[test]
fn addresses_are_looked_up() {
    use std::io::{BufRead, BufReader, Write};
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let answers = ["200 OK", "200 OK", "404 Not Found"];
    let served = std::thread::spawn(move || {
        let mut agents = Vec::new();
        for answer in answers {
            let (mut stream, _) = server.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
            agents.extend(lines.filter_map(|l| l.to_lowercase().strip_prefix("user-agent: ").map(str::to_owned)));
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 8\r\nConnection: close\r\n\r\none\ntwo\n").unwrap();
        }
        agents
    });
    let scope = data([("a", Value::from(address.clone())), ("ansible_lookup_url_agent", Value::str("mine"))]);
    prints("{{ q('url', a) }}", &scope, "['one', 'two']");
    prints("{{ q('url', a, split_lines=false, http_agent='other') | to_json }}", &scope, r#"["one\ntwo\n"]"#);
    let e = value("{{ lookup('url', a) }}", &scope).unwrap_err();
    assert!(message(&e).contains(&format!("Received HTTP error for {address}: HTTP Error 404: Not Found")), "{}", message(&e));
    assert_eq!(served.join().unwrap(), ["mine", "other", "mine"]);
}
