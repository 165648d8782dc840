//! Filters from and to JSON and YAML.

use super::{Pure, yaml};
use crate::source::Source;
use crate::template::call::Call;
use crate::template::errors::refuse;
use crate::template::render::plain;
use minijinja::Error;
use modules::value::{Value, python_float};

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("from_json", |v, _| from_json(&v.to_string())),
    ("to_json", |v, c| {
        let style = Json {
            indent: c.int(usize::MAX, "indent")?,
            sorted: flag(c, "sort_keys", false)?,
            ascii: flag(c, "ensure_ascii", true)?,
            separators: separators(c)?,
        };
        Ok(Value::from(style.text(v)))
    }),
    ("to_nice_json", |v, c| {
        let indent = c.int(usize::MAX, "indent")?.unwrap_or(4);
        let style = Json {
            indent: Some(indent),
            sorted: flag(c, "sort_keys", true)?,
            ascii: flag(c, "ensure_ascii", true)?,
            separators: separators(c)?,
        };
        Ok(Value::from(style.text(v)))
    }),
    ("tojson", |v, c| {
        let style = Json { indent: c.int(0, "indent")?, sorted: true, ascii: true, separators: None };
        let text = style.text(v);
        Ok(Value::from(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027")))
    }),
    ("from_yaml", |v, _| match v {
        Value::Str(s) => Ok(read_yaml(s)?.into_iter().next().unwrap_or_default()),
        other => Ok(other.clone()),
    }),
    ("from_yaml_all", |v, _| match v {
        Value::Str(s) => read_yaml(s).map(Value::list),
        Value::Null => Ok(Value::list([])),
        other => Ok(other.clone()),
    }),
    ("to_yaml", |v, c| {
        let block = c.flag_or_none(usize::MAX, "default_flow_style")?.map(|flow| !flow);
        yaml_text(v, c, &layout(c, 2, block)?)
    }),
    ("to_nice_yaml", |v, c| {
        let indent = c.int(0, "indent")?.unwrap_or(4);
        yaml_text(v, c, &layout(c, indent, Some(true))?)
    }),
];

/// What PyYAML's dumper takes.
const OF_YAML: [&str; 13] = [
    "indent",
    "width",
    "sort_keys",
    "default_flow_style",
    "default_style",
    "canonical",
    "explicit_start",
    "explicit_end",
    "allow_unicode",
    "line_break",
    "encoding",
    "version",
    "tags",
];

fn yaml_text(value: &Value, call: &Call, layout: &yaml::Layout) -> Result<Value, Error> {
    if let Some((name, _)) = call.named.iter().find(|(name, _)| !OF_YAML.contains(&name.as_str()) && name != "vault_behavior") {
        return Err(refuse(format!("there is no argument '{name}': got an unexpected keyword argument")));
    }
    Ok(Value::from(if flag(call, "canonical", false)? { yaml::canonical(value) } else { layout.text(value) }))
}

fn layout(call: &Call, indent: i64, block: Option<bool>) -> Result<yaml::Layout, Error> {
    let indent = call.int(usize::MAX, "indent")?.unwrap_or(indent);
    Ok(yaml::Layout {
        indent: usize::try_from(indent).ok().filter(|i| (2..10).contains(i)).unwrap_or(2),
        width: call.int(usize::MAX, "width")?.and_then(|w| usize::try_from(w).ok()).unwrap_or(80),
        sorted: flag(call, "sort_keys", true)?,
        block,
        style: call.text(usize::MAX, "default_style")?.and_then(|s| s.chars().next()),
        start: flag(call, "explicit_start", false)?,
        end: flag(call, "explicit_end", false)?,
    })
}

fn flag(call: &Call, name: &str, other: bool) -> Result<bool, Error> {
    Ok(call.flag_or_none(usize::MAX, name)?.unwrap_or(other))
}

fn separators(call: &Call) -> Result<Option<(String, String)>, Error> {
    Ok(match call.data(usize::MAX, "separators")? {
        Some(Value::List(l)) if l.len() == 2 => Some((l[0].to_string(), l[1].to_string())),
        _ => None,
    })
}

/// Reads JSON.
fn from_json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map(|j| Value::from_json(&j)).map_err(|e| refuse(format!("this is not JSON: {e}: {}", excerpt(text))))
}

fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

/// Reads the documents of a YAML text, as data.
fn read_yaml(text: &str) -> Result<Vec<Value>, Error> {
    let documents = crate::yaml::parse(&Source::new("from_yaml", text));
    documents
        .map(|d| d.nodes.iter().map(plain).collect())
        .map_err(|e| refuse(format!("this is not YAML: {}: {}", e.summary, excerpt(text))))
}

/// How Python's `json.dumps` writes.
struct Json {
    indent: Option<i64>,
    sorted: bool,
    ascii: bool,
    separators: Option<(String, String)>,
}

impl Json {
    fn text(&self, value: &Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        out
    }

    fn write(&self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) => out.push_str(&i.to_string()),
            Value::Float(f) if f.is_nan() => out.push_str("NaN"),
            Value::Float(f) if f.is_infinite() => out.push_str(if *f > 0.0 { "Infinity" } else { "-Infinity" }),
            Value::Float(f) => out.push_str(&python_float(*f)),
            Value::List(l) => self.all(l.iter().map(|v| (None, v)), ('[', ']'), depth, out),
            Value::Map(m) => {
                let mut pairs: Vec<(String, &Value)> = m.iter().map(|(k, v)| (key(k), v)).collect();
                if self.sorted {
                    pairs.sort_by(|a, b| a.0.cmp(&b.0));
                }
                self.all(pairs.into_iter().map(|(k, v)| (Some(k), v)), ('{', '}'), depth, out);
            }
            other => self.quote(&other.to_string(), out),
        }
    }

    fn all<'a>(&self, entries: impl Iterator<Item = (Option<String>, &'a Value)>, marks: (char, char), depth: usize, out: &mut String) {
        let comma = match (&self.separators, self.indent) {
            (Some((comma, _)), _) => comma.as_str(),
            (None, Some(_)) => ",",
            (None, None) => ", ",
        };
        let colon = self.separators.as_ref().map_or(": ", |(_, colon)| colon);
        let line = |depth: usize, out: &mut String| {
            if let Some(indent) = self.indent {
                out.push('\n');
                out.push_str(&" ".repeat(usize::try_from(indent).unwrap_or(0) * depth));
            }
        };
        out.push(marks.0);
        let mut empty = true;
        for (key, value) in entries {
            if !empty {
                out.push_str(comma);
            }
            empty = false;
            line(depth + 1, out);
            if let Some(key) = key {
                self.quote(&key, out);
                out.push_str(colon);
            }
            self.write(value, depth + 1, out);
        }
        if !empty {
            line(depth, out);
        }
        out.push(marks.1);
    }

    fn quote(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if (c as u32) < 0x20 || (self.ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

fn key(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        other => other.to_string(),
    }
}
