//! Writes YAML as PyYAML's dumper does: its choice of styles, quotes and line breaks.

use super::select::order;
use modules::value::{Value, python_float};

/// How to lay it out.
pub(in crate::template) struct Layout {
    /// Blanks a level.
    pub(in crate::template) indent: usize,
    /// Lines are folded at blanks after this column.
    pub(in crate::template) width: usize,
    /// Whether keys are sorted.
    pub(in crate::template) sorted: bool,
    /// Block style; nothing means flow style for containers without containers.
    pub(in crate::template) block: Option<bool>,
    /// How texts are written: `"`, `'`, `|` or `>`; nothing means as plainly as possible.
    pub(in crate::template) style: Option<char>,
    /// `---` first.
    pub(in crate::template) start: bool,
    /// `...` last.
    pub(in crate::template) end: bool,
}

struct Writer<'a> {
    layout: &'a Layout,
    out: String,
    column: usize,
}

impl Layout {
    /// The document.
    pub(in crate::template) fn text(&self, value: &Value) -> String {
        let mut writer = Writer { layout: self, out: String::new(), column: 0 };
        if self.start {
            writer.put("---");
            match self.is_flow(value) || !is_container(value) {
                true => writer.put(" "),
                false => writer.line(0),
            }
        }
        writer.node(value, 0, false, false);
        writer.out.push('\n');
        if self.end {
            writer.out.push_str("...\n");
        }
        writer.out
    }

    fn is_flow(&self, value: &Value) -> bool {
        match (value, self.block) {
            (Value::List(l), _) if l.is_empty() => true,
            (Value::Map(m), _) if m.is_empty() => true,
            (Value::List(_) | Value::Map(_), Some(block)) => !block,
            (Value::List(l), None) => !l.iter().any(is_container),
            (Value::Map(m), None) => !m.values().any(is_container),
            _ => false,
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line(&mut self, indent: usize) {
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        self.out.push('\n');
        self.out.push_str(&" ".repeat(indent));
        self.column = indent;
    }

    /// Writes a value where the cursor stands; block containers start there and continue at `indent`.
    fn node(&mut self, value: &Value, indent: usize, key: bool, flow: bool) {
        match value {
            Value::List(items) if flow || self.layout.is_flow(value) => self.flow_list(items, indent),
            Value::Map(map) if flow || self.layout.is_flow(value) => self.flow_map(&self.pairs(map), indent),
            Value::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.line(indent);
                    }
                    self.put("-");
                    self.put(&" ".repeat(if is_container(item) && !self.layout.is_flow(item) { self.layout.indent - 1 } else { 1 }));
                    self.node(item, indent + self.layout.indent, false, false);
                }
            }
            Value::Map(map) => {
                for (i, (name, item)) in self.pairs(map).into_iter().enumerate() {
                    if i > 0 {
                        self.line(indent);
                    }
                    self.node(&name, indent, true, false);
                    self.put(":");
                    match &item {
                        v if self.layout.is_flow(v) || !is_container(v) => {
                            self.put(" ");
                            self.node(v, indent + self.layout.indent, false, false);
                        }
                        v @ Value::List(_) => {
                            self.line(indent);
                            self.node(v, indent, false, false);
                        }
                        v => {
                            self.line(indent + self.layout.indent);
                            self.node(v, indent + self.layout.indent, false, false);
                        }
                    }
                }
            }
            scalar => self.scalar(scalar, indent, key, flow),
        }
    }

    fn pairs(&self, map: &modules::value::Map) -> Vec<(Value, Value)> {
        let mut pairs: Vec<_> = map.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        if self.layout.sorted {
            pairs.sort_by(|a, b| order(&a.0, &b.0));
        }
        pairs
    }

    fn flow_list(&mut self, items: &[Value], indent: usize) {
        self.put("[");
        for (i, item) in items.iter().enumerate() {
            self.flow_gap(i, indent);
            self.node(item, indent, false, true);
        }
        self.put("]");
    }

    fn flow_map(&mut self, pairs: &[(Value, Value)], indent: usize) {
        self.put("{");
        for (i, (name, item)) in pairs.iter().enumerate() {
            self.flow_gap(i, indent);
            self.node(name, indent, true, true);
            self.put(": ");
            self.node(item, indent, false, true);
        }
        self.put("}");
    }

    fn flow_gap(&mut self, i: usize, indent: usize) {
        if i > 0 {
            self.put(",");
        }
        if self.column > self.layout.width {
            self.line(indent.max(self.layout.indent));
        } else if i > 0 {
            self.put(" ");
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, key: bool, flow: bool) {
        let text = match value {
            Value::Null => "null".into(),
            Value::Bool(b) => b.to_string(),
            Value::Float(f) if f.is_nan() => ".nan".into(),
            Value::Float(f) if f.is_infinite() => if *f > 0.0 { ".inf" } else { "-.inf" }.into(),
            Value::Float(f) => exponent(&python_float(*f)),
            Value::Str(s) => return self.text(s, indent.max(if indent == 0 { self.layout.indent } else { 0 }), key, flow),
            other => other.to_string(),
        };
        self.put(&text);
    }

    fn text(&mut self, text: &str, indent: usize, key: bool, flow: bool) {
        let block = matches!(self.layout.style, Some('|' | '>')) && !flow && !key && text.chars().all(|c| is_printable(c) || c == '\n');
        if let Some(mark) = self.layout.style.filter(|_| block) {
            return self.block(mark, text, indent);
        }
        let style = match self.layout.style {
            Some('\'') => Style::Single,
            Some(_) => Style::Double,
            None => style(text, flow || key),
        };
        match style {
            Style::Plain => self.folded(text, indent, !key),
            Style::Single if !(key && text.contains('\n')) => {
                self.put("'");
                self.single(text, indent, !key);
                self.put("'");
            }
            _ => self.double(text, indent, !key),
        }
    }

    /// A block scalar: `|-` and the lines beneath.
    fn block(&mut self, mark: char, text: &str, indent: usize) {
        self.put(&mark.to_string());
        if text.starts_with([' ', '\n']) {
            self.put(&self.layout.indent.to_string());
        }
        match (text.ends_with('\n'), text.ends_with("\n\n") || text == "\n") {
            (false, _) => self.put("-"),
            (true, true) => self.put("+"),
            (true, false) => {}
        }
        let body = text.strip_suffix('\n').unwrap_or(text);
        for line in body.split('\n') {
            self.line(if line.is_empty() { 0 } else { indent });
            self.put(line);
        }
    }

    /// Folds at single blanks once the line is too long.
    fn folded(&mut self, text: &str, indent: usize, fold: bool) {
        for (i, word) in text.split(' ').enumerate() {
            if i > 0 {
                let single = !word.is_empty() && !self.out.ends_with(' ');
                match fold && single && self.column > self.layout.width {
                    true => self.line(indent),
                    false => self.put(" "),
                }
            }
            self.put(word);
        }
    }

    fn single(&mut self, text: &str, indent: usize, fold: bool) {
        let mut rest = text;
        let mut first = true;
        while !rest.is_empty() {
            let breaks = rest.len() - rest.trim_start_matches('\n').len();
            if breaks > 0 {
                for _ in 0..=breaks {
                    self.out.push('\n');
                }
                self.out.push_str(&" ".repeat(indent));
                self.column = indent;
                rest = &rest[breaks..];
                first = true;
                continue;
            }
            let end = rest.find('\n').unwrap_or(rest.len());
            let piece = rest[..end].replace('\'', "''");
            let words: Vec<&str> = piece.split(' ').collect();
            for (i, word) in words.iter().enumerate() {
                if i > 0 {
                    let single = !word.is_empty() && !words[i - 1].is_empty();
                    let inside = !(first && i == 1 && words[0].is_empty());
                    match fold && single && inside && self.column > self.layout.width {
                        true => self.line(indent),
                        false => self.put(" "),
                    }
                }
                self.put(word);
            }
            first = false;
            rest = &rest[end..];
        }
    }

    fn double(&mut self, text: &str, indent: usize, fold: bool) {
        self.put("\"");
        let count = text.chars().count();
        for (i, c) in text.chars().enumerate() {
            if fold && c == ' ' && i > 0 && i + 1 < count && self.column > self.layout.width {
                self.put("\\");
                self.out.push('\n');
                self.out.push_str(&" ".repeat(indent));
                self.column = indent;
                self.put("\\ ");
                continue;
            }
            let escaped = match c {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\n' => "\\n".to_owned(),
                '\t' => "\\t".to_owned(),
                '\r' => "\\r".to_owned(),
                '\0' => "\\0".to_owned(),
                '\u{1b}' => "\\e".to_owned(),
                c if !is_printable(c) && (c as u32) < 0x100 => format!("\\x{:02X}", c as u32),
                c if !is_printable(c) => format!("\\u{:04X}", c as u32),
                c => c.to_string(),
            };
            self.put(&escaped);
        }
        self.put("\"");
    }
}

/// A value in canonical form: every value with its tag, every text between double quotes.
pub(super) fn canonical(value: &Value) -> String {
    let mut out = String::from("---\n");
    write_canonical(value, 0, &mut out);
    out.push('\n');
    out
}

fn write_canonical(value: &Value, depth: usize, out: &mut String) {
    let inner = "  ".repeat(depth + 1);
    let scalar = |tag: &str, text: &str| format!("!!{tag} {}", serde_json::Value::from(text));
    match value {
        Value::Null => out.push_str(&scalar("null", "null")),
        Value::Bool(b) => out.push_str(&scalar("bool", &b.to_string())),
        Value::Int(i) => out.push_str(&scalar("int", &i.to_string())),
        Value::Float(f) => out.push_str(&scalar("float", &exponent(&python_float(*f)))),
        Value::List(items) => {
            out.push_str("!!seq [\n");
            for item in items.iter() {
                out.push_str(&inner);
                write_canonical(item, depth + 1, out);
                out.push_str(",\n");
            }
            out.push_str(&format!("{}]", "  ".repeat(depth)));
        }
        Value::Map(map) => {
            out.push_str("!!map {\n");
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by(|a, b| order(a.0, b.0));
            for (key, item) in pairs {
                out.push_str(&format!("{inner}? "));
                write_canonical(key, depth + 1, out);
                out.push_str(&format!("\n{inner}: "));
                write_canonical(item, depth + 1, out);
                out.push_str(",\n");
            }
            out.push_str(&format!("{}}}", "  ".repeat(depth)));
        }
        other => out.push_str(&scalar("str", &other.to_string())),
    }
}

fn exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, power)) if !mantissa.contains('.') => format!("{mantissa}.0e{power}"),
        _ => text.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..) && c != '\u{feff}'
}

fn style(text: &str, flow: bool) -> Style {
    if text.chars().any(|c| !(is_printable(c) || c == '\n')) {
        return Style::Double;
    }
    let space_and_break = text.contains(" \n") || text.contains("\n ");
    if space_and_break {
        return if text.contains(" \n") || text.contains("\n ") { Style::Double } else { Style::Single };
    }
    if text.is_empty() || text.contains('\n') || text.starts_with(' ') || text.ends_with(' ') {
        return Style::Single;
    }
    if has_indicators(text, flow) || is_other_type(text) { Style::Single } else { Style::Plain }
}

fn has_indicators(text: &str, flow: bool) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    let chars: Vec<char> = text.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let followed = chars.get(i + 1).is_none_or(|n| n.is_whitespace());
        let hit = match c {
            '#' if i > 0 => chars[i - 1].is_whitespace(),
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' if i == 0 => true,
            ',' | '?' | '[' | ']' | '{' | '}' if flow => true,
            '?' if i == 0 => followed,
            ':' => flow || followed,
            '-' if i == 0 => followed,
            _ => false,
        };
        if hit {
            return true;
        }
    }
    false
}

/// Whether plain text would be read as another type.
fn is_other_type(text: &str) -> bool {
    use std::sync::LazyLock;
    static OTHER: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        regex::Regex::new(
            r"(?x)^(?:~|null|Null|NULL|<<|=|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF
            |[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+
            |[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
            |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)
            |\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[\ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[\ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$",
        )
        .ok()
    });
    OTHER.as_ref().is_some_and(|r| r.is_match(text))
}
