//! What ansible-core 2.19 was seen to print, by what the templates use.

use super::*;

fn none() -> Arc<dyn Scope> {
    data([])
}

#[track_caller]
fn print_as_seen(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, wanted) in cases {
        match value(text, &none()).map(|v| v.to_string()) {
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
