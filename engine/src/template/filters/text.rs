//! Filters on text.

use super::Pure;
use crate::template::call::Call;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("lower", |v, _| Ok(Value::from(v.to_string().to_lowercase()))),
    ("upper", |v, _| Ok(Value::from(v.to_string().to_uppercase()))),
    ("capitalize", |v, _| Ok(Value::from(capitalized(&v.to_string())))),
    ("title", |v, _| Ok(Value::from(title(&v.to_string())))),
    ("trim", |v, c| {
        let text = v.to_string();
        Ok(Value::str(match c.text(0, "chars")? {
            Some(chars) => text.trim_matches(|x| chars.contains(x)),
            None => text.trim(),
        }))
    }),
    ("replace", replace),
    ("split", |v, c| {
        let text = v.to_string();
        let most = c.int(1, "maxsplit")?.and_then(|n| usize::try_from(n).ok());
        Ok(Value::list(split(&text, c.text(0, "sep")?.as_deref(), most, false)?.into_iter().map(Value::str)))
    }),
    ("lines", |v, _| Ok(Value::list(v.to_string().lines().map(Value::str)))),
    ("indent", indent),
    ("center", |v, c| Ok(Value::from(centered(&v.to_string(), width(c, 80)?, " ")))),
    ("wordcount", |v, _| Ok(Value::from(words(&v.to_string())))),
    ("truncate", truncate),
    ("wordwrap", wordwrap),
    ("comment", comment),
    ("quote", |v, _| Ok(Value::from(if matches!(v, Value::Null) { "''".to_owned() } else { quoted(&v.to_string()) }))),
    ("format", |v, c| format(v, c)),
    ("escape", |v, _| Ok(Value::from(escaped(&v.to_string())))),
    ("e", |v, _| Ok(Value::from(escaped(&v.to_string())))),
    ("forceescape", |v, _| Ok(Value::from(escaped(&v.to_string())))),
    ("safe", |v, _| Ok(v.clone())),
    ("filesizeformat", |v, c| Ok(Value::from(file_size(v, c.flag(0, "binary")?)?))),
    ("striptags", |v, _| Ok(Value::from(without_tags(&v.to_string())))),
    ("xmlattr", xmlattr),
    ("pprint", |v, _| {
        Ok(Value::from(match v {
            Value::Str(s) => modules::value::python_quoted(s),
            other => other.to_string(),
        }))
    }),
];

fn width(call: &Call, other: i64) -> Result<usize, Error> {
    Ok(usize::try_from(call.int(0, "width")?.unwrap_or(other)).unwrap_or(0))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase())
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let starts = !inside;
        inside = !(c.is_whitespace() || "-({[<".contains(c));
        if !inside {
            out.push(c);
        } else if starts {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

fn replace(value: &Value, call: &Call) -> Result<Value, Error> {
    let text = value.to_string();
    let old = call.text(0, "old")?.ok_or_else(|| refuse("replace needs the text to replace"))?;
    let new = call.text(1, "new")?.ok_or_else(|| refuse("replace needs the text to put in"))?;
    Ok(Value::from(match call.int(2, "count")?.and_then(|n| usize::try_from(n).ok()) {
        Some(count) => text.replacen(&old, &new, count),
        None => text.replace(&old, &new),
    }))
}

/// Python's `split`: at blanks, or at a separator, at most so often.
pub(in crate::template) fn split<'a>(
    text: &'a str,
    separator: Option<&str>,
    most: Option<usize>,
    from_right: bool,
) -> Result<Vec<&'a str>, Error> {
    let mut parts: Vec<&str> = match (separator, most) {
        (Some(""), _) => return Err(refuse("the separator to split at is empty")),
        (Some(s), None) => return Ok(text.split(s).collect()),
        (Some(s), Some(n)) if from_right => text.rsplitn(n + 1, s).collect(),
        (Some(s), Some(n)) => return Ok(text.splitn(n + 1, s).collect()),
        (None, None) => return Ok(text.split_whitespace().collect()),
        (None, Some(n)) => return Ok(split_blanks(text, n)),
    };
    parts.reverse();
    Ok(parts)
}

fn split_blanks(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        match rest.find(char::is_whitespace) {
            Some(cut) if parts.len() < most => {
                parts.push(&rest[..cut]);
                rest = rest[cut..].trim_start();
            }
            _ => {
                parts.push(if parts.len() < most { rest } else { rest.trim_end() });
                break;
            }
        }
    }
    parts
}

fn indent(value: &Value, call: &Call) -> Result<Value, Error> {
    if *value == Value::Null {
        return Err(refuse("there is no text to indent, but None"));
    }
    let pad = match call.data(0, "width")? {
        Some(Value::Str(s)) => s.to_string(),
        Some(v) => " ".repeat(usize::try_from(crate::template::call::int(&v).unwrap_or(4)).unwrap_or(0)),
        None => "    ".into(),
    };
    let (first, blank) = (call.flag(1, "first")?, call.flag(2, "blank")?);
    let text = value.to_string();
    let lines = text.split('\n').enumerate().map(|(i, line)| {
        let padded = if i == 0 { first } else { blank || !line.is_empty() };
        if padded { format!("{pad}{line}") } else { line.to_owned() }
    });
    Ok(Value::from(lines.collect::<Vec<_>>().join("\n")))
}

/// Text in the middle of a width, as Python does it.
pub(in crate::template) fn centered(text: &str, width: usize, fill: &str) -> String {
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    let left = missing / 2 + (missing & width & 1);
    format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left))
}

fn words(text: &str) -> usize {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).count()
}

fn truncate(value: &Value, call: &Call) -> Result<Value, Error> {
    let length = usize::try_from(call.int(0, "length")?.unwrap_or(255)).unwrap_or(0);
    let kill_words = call.flag(1, "killwords")?;
    let end = call.text(2, "end")?.unwrap_or_else(|| "...".into());
    let leeway = usize::try_from(call.int(3, "leeway")?.unwrap_or(5)).unwrap_or(0);
    let text = value.to_string();
    if text.chars().count() <= length + leeway {
        return Ok(Value::from(text));
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    Ok(Value::from(match kept.rsplit_once(' ') {
        Some((words, _)) if !kill_words => format!("{words}{end}"),
        _ => format!("{kept}{end}"),
    }))
}

fn wordwrap(value: &Value, call: &Call) -> Result<Value, Error> {
    let width = width(call, 79)?.max(1);
    let breaks = call.flag_or_none(1, "break_long_words")?.unwrap_or(true);
    let at_hyphens = call.flag_or_none(3, "break_on_hyphens")?.unwrap_or(true);
    let end = call.text(2, "wrapstring")?.unwrap_or_else(|| "\n".into());
    let text = value.to_string();
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        wrap(paragraph, width, breaks, at_hyphens, &mut lines);
    }
    Ok(Value::from(lines.join(&end)))
}

/// The pieces of a line between which it may be broken: words, blanks, and words up to a hyphen inside them.
fn chunks(line: &str, at_hyphens: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let chars: Vec<char> = line.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let starts = match out.last() {
            None => true,
            Some(last) => {
                let blank = last.ends_with(' ');
                let hyphen = at_hyphens && last.ends_with('-') && i >= 2 && chars[i - 2].is_alphabetic() && c.is_alphabetic();
                blank != (*c == ' ') || hyphen
            }
        };
        if starts {
            out.push(String::new());
        }
        out.last_mut().into_iter().for_each(|piece| piece.push(*c));
    }
    out
}

/// Breaks a line as Python's `textwrap` does, keeping blanks inside lines.
fn wrap(line: &str, width: usize, breaks: bool, at_hyphens: bool, lines: &mut Vec<String>) {
    let mut rest: std::collections::VecDeque<String> = chunks(line, at_hyphens).into();
    let before = lines.len();
    while !rest.is_empty() {
        let (mut current, mut length) = (String::new(), 0);
        if lines.len() > before && rest.front().is_some_and(|c| c.trim().is_empty()) {
            rest.pop_front();
        }
        while let Some(piece) = rest.front() {
            let size = piece.chars().count();
            if length + size > width {
                break;
            }
            length += size;
            current.extend(rest.pop_front());
        }
        if let Some(piece) = rest.front_mut()
            && piece.chars().count() > width
            && (breaks || current.is_empty())
        {
            let room = if breaks { width - length } else { usize::MAX };
            let cut = piece.char_indices().nth(room).map_or(piece.len(), |(i, _)| i);
            let tail = piece.split_off(cut);
            current.push_str(piece);
            match tail.is_empty() {
                true => drop(rest.pop_front()),
                false => *piece = tail,
            }
        }
        let kept = current.trim_end_matches(' ');
        if !kept.is_empty() {
            lines.push(kept.to_owned());
        }
    }
    if lines.len() == before {
        lines.push(String::new());
    }
}

/// Beginning, first line, decoration, last line, end and newline of a style of comments.
fn comment(value: &Value, call: &Call) -> Result<Value, Error> {
    let style = call.text(0, "style")?.unwrap_or_else(|| "plain".into());
    let (beginning, usual, end) = match style.as_str() {
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        "plain" => ("", "# ", ""),
        other => return Err(refuse(format!("Invalid style '{other}': one of plain, decoration, erlang, c, cblock and xml is needed"))),
    };
    let named = |name: &str, other: &str| -> Result<String, Error> { Ok(call.text(usize::MAX, name)?.unwrap_or_else(|| other.to_owned())) };
    let newline = named("newline", "\n")?;
    let decoration = named("decoration", usual)?;
    let (beginning, end) = (named("beginning", beginning)?, named("end", end)?);
    let prefix = named("prefix", decoration.trim_end())?;
    let postfix = named("postfix", decoration.trim_end())?;
    let prefixes = call.int(usize::MAX, "prefix_count")?.unwrap_or(1);
    let postfixes = call.int(usize::MAX, "postfix_count")?.unwrap_or(1);
    let mut out = String::new();
    if !beginning.is_empty() {
        out += &format!("{beginning}{newline}");
    }
    for _ in 0..prefixes {
        match prefix.as_str() {
            "" => {}
            prefix if prefix == newline => out += &newline,
            prefix => out += &format!("{prefix}{newline}"),
        }
    }
    let text = value.to_string();
    let lines: Vec<String> = text.split(newline.as_str()).map(|l| format!("{decoration}{l}").trim_end_matches(' ').to_owned()).collect();
    out += &lines.join(&newline);
    for _ in 0..postfixes {
        out += &format!("{newline}{postfix}");
    }
    if !end.is_empty() {
        out += &format!("{newline}{end}");
    }
    Ok(Value::from(out))
}

/// Text as one word of a shell command.
pub(in crate::template) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn format(value: &Value, call: &Call) -> Result<Value, Error> {
    let args: Vec<_> = match call.named.is_empty() {
        true => {
            call.all()?;
            call.positions.clone()
        }
        false => vec![crate::template::objects::dict(call.named.iter().map(|(k, v)| (minijinja::Value::from(k.as_str()), v.clone())))],
    };
    crate::template::operators::percent(&value.to_string(), &args).map(Value::from)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#39;")
}

fn file_size(value: &Value, binary: bool) -> Result<String, Error> {
    let bytes = crate::template::call::float(value).ok_or_else(|| refuse(format!("{value} is no number of bytes")))?;
    let base = if binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes as i64));
    }
    let units = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let power = (1..units.len()).find(|p| bytes < f64::powi(base, *p as i32 + 1)).unwrap_or(units.len());
    let unit = match (units[power - 1], binary) {
        ("k", true) => "Ki".to_owned(),
        (unit, true) => format!("{unit}i"),
        (unit, false) => unit.to_owned(),
    };
    Ok(format!("{:.1} {unit}B", bytes / f64::powi(base, power as i32)))
}

fn without_tags(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn xmlattr(value: &Value, call: &Call) -> Result<Value, Error> {
    let map = value.as_map().ok_or_else(|| refuse("xmlattr needs a dictionary"))?;
    let pairs = map.iter().filter(|(_, v)| !matches!(v, Value::Null));
    let text = pairs.map(|(k, v)| format!("{}=\"{}\"", escaped(&k.to_string()), escaped(&v.to_string()))).collect::<Vec<_>>().join(" ");
    let space = call.flag_or_none(0, "autospace")?.unwrap_or(true) && !text.is_empty();
    Ok(Value::from(if space { format!(" {text}") } else { text }))
}
