//! Jinja's and Ansible's tests: what stands behind `is`.

use super::call::{Call, float};
use super::convert::{argument, python_name};
use super::errors::{of_plugin, refuse};
use super::filters::pattern;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Value as Live};
use modules::value::Value;
use std::cmp::Ordering;
use std::path::PathBuf;

mod networks;

type Test = fn(&Call) -> Result<bool, Error>;

const TESTS: &[(&str, Test)] = &[
    ("none", |c| Ok(c.value.is_none())),
    ("string", |c| Ok(c.value.kind() == ValueKind::String)),
    ("mapping", |c| Ok(c.value.kind() == ValueKind::Map)),
    ("sequence", |c| Ok(matches!(c.value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String))),
    ("iterable", |c| Ok(matches!(c.value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String))),
    ("number", |c| Ok(matches!(c.value.kind(), ValueKind::Number | ValueKind::Bool))),
    ("integer", |c| Ok(c.value.is_integer())),
    ("float", |c| Ok(c.value.kind() == ValueKind::Number && !c.value.is_integer())),
    ("boolean", |c| Ok(c.value.kind() == ValueKind::Bool)),
    ("callable", |c| Ok(c.value.kind() == ValueKind::Plain)),
    ("true", |c| Ok(c.value.kind() == ValueKind::Bool && c.value.is_true())),
    ("false", |c| Ok(c.value.kind() == ValueKind::Bool && !c.value.is_true())),
    ("truthy", |c| truthy(c)),
    ("falsy", |c| truthy(c).map(|t| !t)),
    ("odd", |c| whole(c).map(|i| i % 2 != 0)),
    ("even", |c| whole(c).map(|i| i % 2 == 0)),
    ("divisibleby", |c| {
        let by = c.int(0, "num")?.filter(|n| *n != 0).ok_or_else(|| refuse("division by zero"))?;
        whole(c).map(|i| i % by == 0)
    }),
    ("lower", |c| text(c).map(|t| t == t.to_lowercase() && t != t.to_uppercase())),
    ("upper", |c| text(c).map(|t| t == t.to_uppercase() && t != t.to_lowercase())),
    ("sameas", |c| Ok(c.arg(0, "other").is_some_and(|o| o.kind() == c.value.kind() && *o == c.value))),
    ("escaped", |_| Ok(false)),
    ("eq", |c| equal(c)),
    ("equalto", |c| equal(c)),
    ("==", |c| equal(c)),
    ("ne", |c| equal(c).map(|e| !e)),
    ("!=", |c| equal(c).map(|e| !e)),
    ("lt", |c| compared(c).map(Ordering::is_lt)),
    ("lessthan", |c| compared(c).map(Ordering::is_lt)),
    ("<", |c| compared(c).map(Ordering::is_lt)),
    ("le", |c| compared(c).map(Ordering::is_le)),
    ("<=", |c| compared(c).map(Ordering::is_le)),
    ("gt", |c| compared(c).map(Ordering::is_gt)),
    ("greaterthan", |c| compared(c).map(Ordering::is_gt)),
    (">", |c| compared(c).map(Ordering::is_gt)),
    ("ge", |c| compared(c).map(Ordering::is_ge)),
    (">=", |c| compared(c).map(Ordering::is_ge)),
    ("in", |c| holds(&c.needs(0, "seq")?, &argument(&c.value)?)),
    ("contains", |c| holds(&argument(&c.value)?, &c.needs(0, "value")?)),
    ("subset", |c| subset(&argument(&c.value)?, &c.needs(0, "b")?)),
    ("issubset", |c| subset(&argument(&c.value)?, &c.needs(0, "b")?)),
    ("superset", |c| subset(&c.needs(0, "b")?, &argument(&c.value)?)),
    ("issuperset", |c| subset(&c.needs(0, "b")?, &argument(&c.value)?)),
    ("any", |c| Ok(items(&argument(&c.value)?)?.iter().any(Value::truthy))),
    ("all", |c| Ok(items(&argument(&c.value)?)?.iter().all(Value::truthy))),
    ("nan", |c| Ok(float(&argument(&c.value)?).is_some_and(f64::is_nan))),
    ("isnan", |c| Ok(float(&argument(&c.value)?).is_some_and(f64::is_nan))),
    ("version", version),
    ("version_compare", version),
    ("search", |c| matched(c, "")),
    ("match", |c| matched(c, "match")),
    ("regex", |c| matched(c, "")),
    ("failed", |c| outcome(c, "failed")),
    ("failure", |c| outcome(c, "failed")),
    ("succeeded", |c| outcome(c, "failed").map(|f| !f)),
    ("success", |c| outcome(c, "failed").map(|f| !f)),
    ("successful", |c| outcome(c, "failed").map(|f| !f)),
    ("changed", |c| outcome(c, "changed")),
    ("change", |c| outcome(c, "changed")),
    ("skipped", |c| outcome(c, "skipped")),
    ("skip", |c| outcome(c, "skipped")),
    ("unreachable", |c| outcome(c, "unreachable")),
    ("reachable", |c| outcome(c, "unreachable").map(|u| !u)),
    ("timedout", |c| outcome(c, "timedout")),
    ("started", |c| of_job(c, "started")),
    ("finished", |c| of_job(c, "finished")),
    ("file", |c| path(c).map(|p| p.is_file())),
    ("is_file", |c| path(c).map(|p| p.is_file())),
    ("directory", |c| path(c).map(|p| p.is_dir())),
    ("is_dir", |c| path(c).map(|p| p.is_dir())),
    ("exists", |c| path(c).map(|p| p.exists())),
    ("link", |c| path(c).map(|p| p.is_symlink())),
    ("is_link", |c| path(c).map(|p| p.is_symlink())),
    ("link_exists", |c| path(c).map(|p| p.symlink_metadata().is_ok())),
    ("abs", |c| path(c).map(|p| p.is_absolute())),
    ("is_abs", |c| path(c).map(|p| p.is_absolute())),
    ("mount", |c| path(c).map(|p| is_mount(&p))),
    ("is_mount", |c| path(c).map(|p| is_mount(&p))),
    ("same_file", same_file),
    ("is_same_file", same_file),
    ("vault_encrypted", |c| text(c).map(|t| t.starts_with("$ANSIBLE_VAULT;"))),
    ("vaulted_file", |c| {
        let path = path(c)?;
        let mut start = Vec::new();
        let read = std::fs::File::open(&path).and_then(|f| std::io::Read::read_to_end(&mut std::io::Read::take(f, 32), &mut start));
        read.map_err(|e| refuse(format!("cannot read {}: {e}", path.display())))?;
        Ok(crate::vault::is_encrypted(&start))
    }),
    ("uri", uri),
    ("url", url),
    ("urn", |c| text(c).map(|t| t.to_lowercase().starts_with("urn:"))),
    ("ipv4_address", |c| text(c).map(|t| t.parse::<std::net::Ipv4Addr>().is_ok())),
    ("ipv6_address", |c| text(c).map(|t| t.parse::<std::net::Ipv6Addr>().is_ok())),
    ("ipv4", |c| text(c).map(|t| network(&t).is_some_and(|a| a.is_ipv4()))),
    ("ipv6", |c| text(c).map(|t| network(&t).is_some_and(|a| a.is_ipv6()))),
    ("ip", |c| text(c).map(|t| network(&t).is_some())),
    ("ip_address", |c| text(c).map(|t| t.parse::<std::net::IpAddr>().is_ok())),
];

fn all() -> impl Iterator<Item = &'static (&'static str, Test)> {
    TESTS.iter().chain(networks::TESTS)
}

/// Every test's name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(n, _)| *n).chain(["defined", "undefined", "filter", "test"])
}

/// Adds them to an environment.
pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, test) in all() {
        let test = *test;
        environment.add_test(*name, move |args: Rest<ValueOrKwargs>| -> Result<bool, Error> {
            let call = Call::filter(args)?;
            if call.is_undefined() {
                return Err(call.value.get_attr("_").err().unwrap_or_else(|| Error::from(ErrorKind::UndefinedError)));
            }
            test(&call).map_err(|e| of_plugin("test", &format!("ansible.builtin.{name}"), e))
        });
    }
}

fn text(call: &Call) -> Result<String, Error> {
    argument(&call.value).map(|v| v.to_string())
}

fn whole(call: &Call) -> Result<i64, Error> {
    call.value.as_i64().ok_or_else(|| refuse("a whole number is needed here"))
}

fn items(value: &Value) -> Result<Vec<Value>, Error> {
    value.as_list().map(<[Value]>::to_vec).ok_or_else(|| refuse("a list is needed here"))
}

fn truthy(call: &Call) -> Result<bool, Error> {
    let value = argument(&call.value)?;
    if !call.flag(0, "convert_bool")? {
        return Ok(value.truthy());
    }
    Ok(match &value {
        Value::Str(s) => match s.to_lowercase().as_str() {
            "yes" | "on" | "1" | "true" | "t" | "y" => true,
            "no" | "off" | "0" | "false" | "f" | "n" => false,
            other => !other.is_empty(),
        },
        other => other.truthy(),
    })
}

fn equal(call: &Call) -> Result<bool, Error> {
    Ok(argument(&call.value)? == call.needs(0, "other")?)
}

fn compared(call: &Call) -> Result<Ordering, Error> {
    let (a, b) = (argument(&call.value)?, call.needs(0, "other")?);
    match (&a, &b) {
        (Value::Str(a), Value::Str(b)) => Ok(a.cmp(b)),
        (Value::Str(_), _) | (_, Value::Str(_)) => Err(refuse(format!("a {} and a {} cannot be ordered", a.type_name(), b.type_name()))),
        _ => match (float(&a), float(&b)) {
            (Some(x), Some(y)) => Ok(x.total_cmp(&y)),
            _ => Err(refuse(format!("a {} and a {} cannot be ordered", a.type_name(), b.type_name()))),
        },
    }
}

fn holds(container: &Value, item: &Value) -> Result<bool, Error> {
    Ok(match container {
        Value::List(l) => l.contains(item),
        Value::Map(m) => m.contains_key(item),
        Value::Str(s) => s.contains(item.to_string().as_str()),
        other => return Err(refuse(format!("a value of type {} holds nothing", other.type_name()))),
    })
}

fn subset(small: &Value, large: &Value) -> Result<bool, Error> {
    let large = items(large)?;
    Ok(items(small)?.iter().all(|x| large.contains(x)))
}

fn matched(call: &Call, default: &str) -> Result<bool, Error> {
    let how = call.text(3, "match_type")?.unwrap_or_else(|| default.to_owned());
    let given = call.text(0, "pattern")?.unwrap_or_default();
    let given = match how.as_str() {
        "match" => format!(r"\A(?:{given})"),
        "fullmatch" => format!(r"\A(?:{given})\z"),
        _ => given,
    };
    let regex = pattern(&given, call.flag(1, "ignorecase")?, call.flag(2, "multiline")?)?;
    regex.is_match(&text(call)?).map_err(|e| refuse(format!("this regular expression went wrong: {e}")))
}

/// A flag of a task's result. Also the flags of older engines: text, `finished: 1`.
fn outcome(call: &Call, flag: &str) -> Result<bool, Error> {
    let value = &call.value;
    if value.kind() != ValueKind::Map {
        let kind = python_name(&argument(value)?);
        return Err(refuse(format!("The '{flag}' test expects a dictionary, the result of a task, not {kind}")));
    }
    let found = value.get_item(&Live::from(flag))?;
    if found.is_undefined() {
        if flag == "changed" {
            let results = value.get_item(&Live::from("results"))?;
            if !results.is_undefined() {
                let results = argument(&results)?;
                return Ok(results.as_list().unwrap_or_default().iter().any(|r| r.get("changed").is_some_and(Value::truthy)));
            }
        }
        return Ok(false);
    }
    Ok(argument(&found)?.truthy())
}

/// A flag of a job in the background; a task without one has started and finished.
fn of_job(call: &Call, flag: &str) -> Result<bool, Error> {
    let known = call.value.kind() != ValueKind::Map || !call.value.get_item(&Live::from(flag))?.is_undefined();
    if known { outcome(call, flag) } else { Ok(true) }
}

fn path(call: &Call) -> Result<PathBuf, Error> {
    super::render::known_only("the path")?;
    text(call).map(PathBuf::from)
}

fn same_file(call: &Call) -> Result<bool, Error> {
    let other = call.needs(0, "b")?.to_string();
    let (a, b) = (std::fs::canonicalize(path(call)?), std::fs::canonicalize(other));
    Ok(matches!((a, b), (Ok(a), Ok(b)) if a == b))
}

/// Scheme and host of a URI, each empty where it has none (RFC 3986, appendix B).
fn uri_parts(text: &str) -> (String, String) {
    let named =
        |s: &str| s.starts_with(|c: char| c.is_ascii_alphabetic()) && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let (scheme, rest) = text.split_once(':').filter(|(s, _)| named(s)).unwrap_or(("", text));
    let host = rest.strip_prefix("//").map_or("", |r| r.split(['/', '?', '#']).next().unwrap_or_default());
    (scheme.to_lowercase(), host.to_owned())
}

/// Whether the scheme is one of those asked for, if any are.
fn uri(call: &Call) -> Result<bool, Error> {
    let (scheme, _) = uri_parts(&text(call)?);
    Ok(match call.data(0, "schemes")? {
        Some(Value::List(schemes)) if !schemes.is_empty() => schemes.iter().any(|s| s.to_string() == scheme),
        _ => true,
    })
}

fn url(call: &Call) -> Result<bool, Error> {
    let (scheme, host) = uri_parts(&text(call)?);
    Ok(uri(call)? && !scheme.is_empty() && !host.is_empty())
}

/// Whether another file system starts at a path.
fn is_mount(path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(own) = path.symlink_metadata() else { return false };
    let Ok(above) = path.join("..").symlink_metadata() else { return false };
    !own.is_symlink() && (own.dev() != above.dev() || own.ino() == above.ino())
}

fn network(text: &str) -> Option<std::net::IpAddr> {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: std::net::IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|l| l.parse::<u8>().is_ok_and(|l| l <= most)).then_some(address)
}

/// Pieces of a version: numbers and words between dots.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Word(String),
    Number(u64),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let digits = c.is_ascii_digit();
        let end = match c.is_alphanumeric() {
            true => rest.find(|x: char| x.is_ascii_digit() != digits || !x.is_alphanumeric()).unwrap_or(rest.len()),
            false => c.len_utf8(),
        };
        let (piece, tail) = rest.split_at(end);
        match piece.parse() {
            Ok(n) if digits => out.push(Piece::Number(n)),
            _ if c == '.' => {}
            _ => out.push(Piece::Word(piece.to_owned())),
        }
        rest = tail;
    }
    out
}

/// Semantic versions (semver.org, section 11): a pre-release comes before its release; build data does not count.
fn semantic(text: &str) -> (Vec<Piece>, bool, Vec<Piece>) {
    let text = text.trim_start_matches('v').split('+').next().unwrap_or_default();
    let (release, pre) = text.split_once('-').map_or((text, None), |(r, p)| (r, Some(p)));
    (pieces(release), pre.is_none(), pieces(pre.unwrap_or_default()))
}

pub(super) fn loose(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(&pieces(b))
}

/// PEP 440's order, as far as releases, pre- and development releases go.
fn python(text: &str) -> (Vec<u64>, i8, Vec<Piece>) {
    let text = text.trim().trim_start_matches('v').to_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut release: Vec<u64> = text[..end].split('.').filter_map(|p| p.parse().ok()).collect();
    while release.last() == Some(&0) {
        release.pop();
    }
    let suffix = text[end..].trim_start_matches(['-', '_', '.']);
    let rank = match suffix {
        "" => 0,
        s if s.starts_with("dev") => -2,
        s if s.starts_with("post") || s.starts_with('+') => 1,
        _ => -1,
    };
    (release, rank, pieces(suffix))
}

/// Two or three numbers, then perhaps `a` or `b` and a number: an alpha or beta, which comes before its release.
fn strict(text: &str) -> ([u64; 3], bool, Vec<Piece>) {
    let end = text.find(['a', 'b']).unwrap_or(text.len());
    let mut numbers = text[..end].split('.').map(|n| n.parse().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    ([next(), next(), next()], end == text.len(), pieces(&text[end..]))
}

/// Refuses what is no version of this kind; every text is a loose one.
fn well_formed(kind: &str, text: &str) -> Result<(), Error> {
    let (form, words) = match kind {
        "strict" => (r"\A\d+\.\d+(?:\.\d+)?(?:[ab]\d+)?\z", "invalid version number"),
        // semver.org, section 2 and 9 to 11.
        "semver" | "semantic" => (
            concat!(
                r"\A(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}",
                r"(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*)?",
                r"(?:\+[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?\z"
            ),
            "invalid semantic version",
        ),
        // PEP 440, appendix B.
        "pep440" => (
            concat!(
                r"(?i)\A\s*v?(?:\d+!)?\d+(?:\.\d+)*(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?\d*)?",
                r"(?:-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?(?:[-_.]?dev[-_.]?\d*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?\s*\z"
            ),
            "Invalid version:",
        ),
        _ => return Ok(()),
    };
    let fits = pattern(form, false, false)?.is_match(text).unwrap_or(false);
    if fits { Ok(()) } else { Err(refuse(format!("Version comparison failed: {words} '{text}'"))) }
}

fn version(call: &Call) -> Result<bool, Error> {
    let (a, b) = (text(call)?, call.needs(0, "version")?.to_string());
    let operator = call.text(1, "operator")?.unwrap_or_else(|| "eq".into());
    let kind = match (call.data(2, "strict")?, call.text(3, "version_type")?) {
        (Some(strict), None) if strict.truthy() => Some("strict".to_owned()),
        (None | Some(Value::Null), kind) | (Some(_), kind @ None) => kind,
        (Some(_), Some(_)) => return Err(refuse("Cannot specify both 'strict' and 'version_type'")),
    };
    if a.is_empty() || b.is_empty() {
        let which = if a.is_empty() { "Input version value" } else { "Version parameter to compare against" };
        return Err(refuse(format!("{which} cannot be empty")));
    }
    if let Some(kind) = &kind {
        well_formed(kind, &a).and_then(|()| well_formed(kind, &b))?;
    }
    let order = match kind.as_deref() {
        Some("semver" | "semantic") => semantic(&a).cmp(&semantic(&b)),
        Some("pep440") => python(&a).cmp(&python(&b)),
        Some("strict") => strict(&a).cmp(&strict(&b)),
        Some("loose") | None => {
            let differ = pieces(&a).into_iter().zip(pieces(&b)).find(|(x, y)| x != y);
            if let Some((x, y)) = differ.filter(|(x, y)| std::mem::discriminant(x) != std::mem::discriminant(y)) {
                let kind = |p: &Piece| if matches!(p, Piece::Word(_)) { "str" } else { "int" };
                let words = format!("'<' not supported between instances of '{}' and '{}'", kind(&x), kind(&y));
                return Err(refuse(format!("Version comparison failed: {words}: {a} and {b}")));
            }
            loose(&a, &b)
        }
        Some(other) => {
            let ways = "'loose', 'strict', 'semver', 'semantic', 'pep440'";
            return Err(refuse(format!("Invalid version type ({other}). Must be one of {ways}")));
        }
    };
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        other => {
            let ways = "'==', '=', 'eq', '<', 'lt', '<=', 'le', '>', 'gt', '>=', 'ge', '!=', '<>', 'ne'";
            return Err(refuse(format!("Invalid operator type ({other}). Must be one of {ways}")));
        }
    })
}
