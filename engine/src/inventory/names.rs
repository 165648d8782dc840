//! Host names as inventories write them: ports, IPv6 in brackets, ranges.

use std::net::Ipv6Addr;

/// Names a range may stand for; more are a slip of the keyboard.
const RANGE_LIMIT: usize = 100_000;

/// `host`, `host:port`, `[ipv6]:port`, with ranges: the names it stands for, and the port.
///
/// # Errors
/// What is wrong, to be completed with the place.
pub(super) fn expand(written: &str) -> Result<(Vec<String>, Option<u16>), String> {
    if written.matches('[').count() != written.matches(']').count() {
        return Err("a `[` or `]` is missing its partner".into());
    }
    let (name, port) = split_port(written)?;
    let names = ranges(name)?;
    match names.iter().find_map(|n| refusal(n)) {
        Some(why) => Err(why),
        None => Ok((names, port)),
    }
}

/// Why a host may not have this name, if it may not.
pub(super) fn refusal(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        Some("a host needs a name".into())
    } else if name.starts_with('-') {
        Some(format!("a host name cannot start with `-`: programs would take `{name}` for an option"))
    } else if name.chars().any(char::is_control) {
        Some("a host name cannot hold control characters".into())
    } else {
        None
    }
}

/// The name without its port; IPv6 addresses with a port stand in brackets.
pub(super) fn split_port(written: &str) -> Result<(&str, Option<u16>), String> {
    if written.parse::<Ipv6Addr>().is_ok() {
        return Ok((written, None));
    }
    if let Some((address, rest)) = written.strip_prefix('[').and_then(|r| r.split_once(']'))
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return match rest.strip_prefix(':') {
            Some(port) => Ok((address, Some(number(port)?))),
            None if rest.is_empty() => Ok((address, None)),
            None => Err(format!("after `[{address}]` only `:PORT` may follow")),
        };
    }
    // Colons in brackets belong to ranges.
    let outside = written.rfind(']').map_or(0, |end| end + 1);
    match written[outside..].split_once(':') {
        Some((_, "")) => Err("a host name cannot end with `:`; a port is expected there".into()),
        Some((head, port)) if !port.contains(':') => Ok((&written[..outside + head.len()], Some(number(port)?))),
        Some(_) => Err("a name with several `:` must be an IPv6 address".into()),
        None => Ok((written, None)),
    }
}

fn number(port: &str) -> Result<u16, String> {
    port.parse().map_err(|_| format!("`{port}` is not a port number"))
}

fn ranges(name: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = name;
    while let Some((head, range, tail)) = next_range(rest) {
        let items = items(range)?;
        if names.len().saturating_mul(items.len()) > RANGE_LIMIT {
            return Err(format!("`{name}` stands for more than {RANGE_LIMIT} hosts"));
        }
        names = names.iter().flat_map(|n| items.iter().map(move |item| format!("{n}{head}{item}"))).collect();
        rest = tail;
    }
    names.iter_mut().for_each(|n| n.push_str(rest));
    Ok(names)
}

/// The text before the first `[x:y]`, what is in it, and the text after it.
fn next_range(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('[')?;
    let close = open + text[open..].find(']')?;
    let inside = &text[open + 1..close];
    inside.contains(':').then(|| (&text[..open], inside, &text[close + 1..]))
}

fn items(range: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, 1),
        [first, last, step] => {
            (first, last, step.parse().ok().filter(|s| *s > 0).ok_or_else(|| format!("the step of `[{range}]` must be 1 or more"))?)
        }
        _ => return Err(format!("`[{range}]` is not a range; write `[1:10]`, `[1:10:2]` or `[a:f]`")),
    };
    let first = if first.is_empty() { "0" } else { first };
    if last.is_empty() {
        return Err(format!("`[{range}]` has no end"));
    }
    if let (Ok(from), Ok(to)) = (first.parse::<u32>(), last.parse::<u32>()) {
        let padded = first.len() > 1 && first.starts_with('0');
        if padded && first.len() != last.len() {
            return Err(format!("both ends of `[{range}]` must have the same number of digits"));
        }
        let width = if padded { first.len() } else { 0 };
        return in_order(range, from, to)?.step_by(step).map(|n| Ok(format!("{n:0width$}"))).collect();
    }
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let index = |text: &str| LETTERS.find(text).filter(|_| text.len() == 1).and_then(|i| u32::try_from(i).ok());
    match (index(first), index(last)) {
        (Some(from), Some(to)) => {
            Ok(in_order(range, from, to)?.step_by(step).filter_map(|i| LETTERS.get(i as usize..=i as usize)).map(str::to_owned).collect())
        }
        _ => Err(format!("the ends of `[{range}]` must both be numbers or both be letters")),
    }
}

fn in_order(range: &str, from: u32, to: u32) -> Result<std::ops::RangeInclusive<u32>, String> {
    if from > to {
        return Err(format!("`[{range}]` ends before it begins"));
    }
    if (to - from) as usize >= RANGE_LIMIT {
        return Err(format!("`[{range}]` stands for more than {RANGE_LIMIT} hosts"));
    }
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_expand_as_in_ansible() {
        let table: [(&str, &[&str], Option<u16>); 13] = [
            ("h1", &["h1"], None),
            ("h1:22", &["h1"], Some(22)),
            ("10.0.0.1:2222", &["10.0.0.1"], Some(2222)),
            ("2001:db8::2", &["2001:db8::2"], None),
            ("[2001:db8::1]:44", &["2001:db8::1"], Some(44)),
            ("[::1]", &["::1"], None),
            ("m[01:03].ex.com", &["m01.ex.com", "m02.ex.com", "m03.ex.com"], None),
            ("n[1:10:3]:99", &["n1", "n4", "n7", "n10"], Some(99)),
            ("q[08:10]", &["q08", "q09", "q10"], None),
            ("g[:2]", &["g0", "g1", "g2"], None),
            ("h[a:Z:30]", &["ha", "hE"], None),
            ("x[01:02]-[a:b].ex", &["x01-a.ex", "x01-b.ex", "x02-a.ex", "x02-b.ex"], None),
            ("a[1]", &["a[1]"], None),
        ];
        for (written, names, port) in table {
            assert_eq!(expand(written), Ok((names.iter().map(|n| (*n).to_owned()).collect(), port)), "{written}");
        }
    }

    #[test]
    fn wrong_names_are_refused() {
        for written in [
            "h:",
            "h:x",
            "y[3:1]",
            "h[01:9]",
            "h[1:]",
            "h[1:a]",
            "h[1:5:0]",
            "a:b:c",
            "-oProxyCommand=x",
            "h[1:9999999]",
            "",
            "a\nb",
            "[::1]x",
            "x[1:1",
        ] {
            assert!(expand(written).is_err(), "{written}");
        }
    }
}
