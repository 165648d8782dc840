//! Puts parser events together into nodes: anchors, merge keys, tags, duplicate keys, and limits against bombs.

use super::complaint;
use super::resolve::resolve;
use crate::error::{Diagnostic, Result};
use crate::source::{Place, Source};
use crate::yaml::{Data, Documents, Node};
use indexmap::IndexMap;
use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};
use std::collections::HashMap;

/// Nodes a file may have once its aliases are written out.
const NODE_LIMIT: u64 = 2_000_000;
/// Lists and dictionaries within each other, aliases written out.
pub(super) const DEPTH_LIMIT: usize = 200;

/// A node with the size and height that it has once its aliases are written out.
#[derive(Clone)]
struct Built {
    node: Node,
    size: u64,
    height: usize,
}

/// What an anchor names.
enum Anchored {
    /// A node still being read: an alias to it would make it contain itself.
    Open,
    Done(Built),
}

struct Composer<'a, 'r, 'b> {
    source: &'a Source,
    parser: Parser<&'b mut &'r [u8]>,
    anchors: HashMap<String, Anchored>,
    warnings: Vec<Diagnostic>,
    depth: usize,
    size: u64,
    /// How many lines there are, if the last one has no end of its own.
    last_line: Option<u64>,
}

/// All documents of a text.
pub(super) fn compose(source: &Source) -> Result<Documents> {
    if source.text().starts_with("$ANSIBLE_VAULT;") {
        return Err(Box::new(complaint::encrypted(source)));
    }
    // The parser panics on a block scalar that ends the file without a line end.
    let ended = format!("{}\n", source.text());
    let complete = source.text().is_empty() || source.text().ends_with('\n');
    let mut bytes = if complete { source.text().as_bytes() } else { ended.as_bytes() };
    super::tags::check(source, if complete { source.text() } else { &ended })?;
    let last_line = (!complete).then(|| ended.lines().count() as u64);
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let mut composer = Composer { source, parser, anchors: HashMap::new(), warnings: Vec::new(), depth: 0, size: 0, last_line };
    let mut nodes = Vec::new();
    loop {
        match composer.next()?.data {
            EventData::StreamEnd => break,
            EventData::DocumentStart { .. } => {
                composer.anchors.clear();
                let event = composer.next()?;
                nodes.push(composer.node(event)?.node);
            }
            _ => {}
        }
    }
    let mut warnings = composer.warnings;
    warnings.sort_by_key(|w| w.place.as_ref().map(|p| (p.line, p.column)));
    Ok(Documents { nodes, warnings })
}

impl Composer<'_, '_, '_> {
    fn next(&mut self) -> Result<Event> {
        self.parser.parse().map_err(|e| Box::new(complaint::broken(self.source, &e)))
    }

    fn place(&self, from: Mark, to: Mark) -> Place {
        let length = if from.line == to.line { to.column.saturating_sub(from.column) } else { 0 };
        Place { source: self.source.clone(), line: clamp(from.line + 1), column: clamp(from.column + 1), length: clamp(length) }
    }

    fn node(&mut self, event: Event) -> Result<Built> {
        let place = self.place(event.start_mark, event.end_mark);
        match event.data {
            EventData::Alias { anchor } => self.alias(&anchor, place),
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block && self.last_line.is_some_and(|last| event.end_mark.line >= last) && value.ends_with('\n') {
                    value.pop();
                }
                self.open(anchor.as_deref(), &place)?;
                self.grow(1, &place)?;
                let node = scalar(place, tag.as_deref(), value, style)?;
                Ok(self.close(anchor, Built { node, size: 1, height: 0 }))
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let place = Place { length: 0, ..place };
                self.nested(anchor, &place, |composer| composer.list(place.clone(), tag.as_deref()))
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let place = Place { length: 0, ..place };
                self.nested(anchor, &place, |composer| composer.map(place.clone(), tag.as_deref()))
            }
            _ => Err(Box::new(Diagnostic::input("this YAML ends within a value").at(&place))),
        }
    }

    fn nested(&mut self, anchor: Option<String>, place: &Place, read: impl FnOnce(&mut Self) -> Result<Built>) -> Result<Built> {
        self.open(anchor.as_deref(), place)?;
        self.grow(1, place)?;
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Box::new(complaint::too_deep(place, DEPTH_LIMIT)));
        }
        let built = read(self)?;
        self.depth -= 1;
        Ok(self.close(anchor, built))
    }

    fn open(&mut self, anchor: Option<&str>, place: &Place) -> Result<()> {
        let Some(anchor) = anchor else { return Ok(()) };
        match self.anchors.insert(anchor.to_owned(), Anchored::Open) {
            None => Ok(()),
            Some(first) => {
                let mut error =
                    Diagnostic::input(format!("the anchor `&{anchor}` is used twice")).at(place).label("second use of this name");
                if let Anchored::Done(first) = first {
                    error = error.note(format!("first use: {}", first.node.place()));
                }
                Err(Box::new(error))
            }
        }
    }

    fn close(&mut self, anchor: Option<String>, built: Built) -> Built {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Anchored::Done(built.clone()));
        }
        built
    }

    /// Counts nodes, those behind aliases each time, so that no text grows without bound when it is written out.
    fn grow(&mut self, size: u64, place: &Place) -> Result<()> {
        self.size = self.size.saturating_add(size);
        if self.size > NODE_LIMIT {
            return Err(Box::new(complaint::too_big(place, NODE_LIMIT)));
        }
        Ok(())
    }

    fn alias(&mut self, anchor: &str, place: Place) -> Result<Built> {
        match self.anchors.get(anchor) {
            Some(Anchored::Done(built)) => {
                let built = built.clone();
                if self.depth + built.height > DEPTH_LIMIT {
                    return Err(Box::new(complaint::too_deep(&place, DEPTH_LIMIT)));
                }
                self.grow(built.size, &place)?;
                Ok(built)
            }
            Some(Anchored::Open) => Err(Box::new(
                Diagnostic::input(format!("`*{anchor}` stands inside of what it names")).at(&place).label("would contain itself"),
            )),
            None => Err(Box::new(complaint::unknown_alias(anchor, self.anchors.keys().map(String::as_str), &place))),
        }
    }

    fn list(&mut self, place: Place, tag: Option<&str>) -> Result<Built> {
        let (mut items, mut size, mut height) = (Vec::new(), 1, 0);
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::SequenceEnd) {
                break;
            }
            let item = self.node(event)?;
            size += item.size;
            height = height.max(item.height);
            items.push(item.node);
        }
        let node = Node::new(place.clone(), Data::List(items));
        Ok(Built { node: tagged(node, tag, &["seq", "omap", "pairs"], &place)?, size, height: height + 1 })
    }

    fn map(&mut self, place: Place, tag: Option<&str>) -> Result<Built> {
        let (mut own, mut merged, mut size, mut height) = (Vec::new(), Vec::new(), 1, 0);
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                break;
            }
            let merges = matches!(&event.data, EventData::Scalar { value, tag: None, style: ScalarStyle::Plain, .. } if value == "<<");
            let key = self.node(event)?;
            let event = self.next()?;
            let value = self.node(event)?;
            size += key.size + value.size;
            height = height.max(key.height).max(value.height);
            if merges {
                merge(&value.node, &mut merged)?;
            } else {
                own.push((key.node, value.node));
            }
        }
        // What is merged in stands in this dictionary a second time.
        self.grow(merged.len() as u64, &place)?;
        let node = Node::new(place.clone(), Data::Map(self.pairs(merged, own)?));
        if tag.and_then(core) == Some("set") {
            let keys = node.as_map().unwrap_or_default().iter().map(|(k, _)| k.clone()).collect();
            return Ok(Built { node: Node::new(place, Data::List(keys)), size, height: height + 1 });
        }
        Ok(Built { node: tagged(node, tag, &["map"], &place)?, size, height: height + 1 })
    }

    /// Merged pairs first, then the dictionary's own; of equal keys the last value is kept, at the first one's turn.
    fn pairs(&mut self, merged: Vec<(Node, Node)>, own: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>> {
        let mut pairs: IndexMap<String, (Node, Node)> = IndexMap::with_capacity(merged.len() + own.len());
        for (key, value) in merged {
            pairs.insert(identity(&key)?, (key, value));
        }
        let inherited = pairs.len();
        let mut overridden = std::collections::HashSet::new();
        for (key, value) in own {
            let id = identity(&key)?;
            let (index, previous) = pairs.insert_full(id, (key.clone(), value));
            if let Some((first, _)) = previous
                && (index >= inherited || !overridden.insert(index))
            {
                self.warnings.push(complaint::duplicate(&key, &first));
            }
        }
        Ok(pairs.into_values().collect())
    }
}

fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The name of a tag of YAML's own: `str` of `!!str`.
fn core(tag: &str) -> Option<&str> {
    tag.strip_prefix("tag:yaml.org,2002:").or_else(|| tag.strip_prefix("!!"))
}

/// Applies the tag of a list or dictionary.
fn tagged(node: Node, tag: Option<&str>, allowed: &[&str], place: &Place) -> Result<Node> {
    match tag {
        None | Some("!") => Ok(node),
        Some("!unsafe") => Ok(Node::new(place.clone(), Data::Unsafe(node))),
        Some(tag) if core(tag).is_some_and(|name| allowed.contains(&name)) => Ok(node),
        Some(tag) => Err(Box::new(complaint::unknown_tag(tag, place))),
    }
}

fn scalar(place: Place, tag: Option<&str>, text: String, style: ScalarStyle) -> Result<Node> {
    let data = match tag {
        None if style == ScalarStyle::Plain => resolve(&text),
        None | Some("!") => Data::Str(text.into()),
        Some("!vault" | "!vault-encrypted") => Data::Vault(text.into()),
        Some("!unsafe") => Data::Unsafe(Node::new(place.clone(), Data::Str(text.into()))),
        Some(tag) => match core(tag) {
            Some("str") => Data::Str(text.into()),
            Some("binary") => Data::Str(binary(&text, &place)?.into()),
            Some(kind @ ("int" | "float" | "bool" | "null" | "timestamp")) => converted(kind, &text, &place)?,
            _ => return Err(Box::new(complaint::unknown_tag(tag, &place))),
        },
    };
    Ok(Node::new(place, data))
}

fn converted(kind: &str, text: &str, place: &Place) -> Result<Data> {
    match (kind, resolve(text)) {
        ("int", data @ Data::Int(_)) | ("float", data @ Data::Float(_)) | ("bool", data @ Data::Bool(_)) | ("null", data @ Data::Null) => {
            Ok(data)
        }
        ("float", Data::Int(number)) => Ok(Data::Float(number as f64)),
        ("int", Data::Str(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Data::Str(digits)),
        ("float", Data::Str(digits)) if digits.parse::<f64>().is_ok() => Ok(Data::Float(digits.parse().unwrap_or(f64::NAN))),
        ("timestamp", Data::Str(date)) => Ok(Data::Str(date)),
        _ => Err(Box::new(Diagnostic::input(format!("`{text}` is not a YAML {kind}")).at(place).label(format!("tagged `!!{kind}`")))),
    }
}

fn binary(text: &str, place: &Place) -> Result<String> {
    use base64::Engine;
    let compact: String = text.split_whitespace().collect();
    let refuse = |why: String| Box::new(Diagnostic::input("cannot read this `!!binary` value").at(place).label(why));
    let bytes = base64::engine::general_purpose::STANDARD.decode(compact).map_err(|e| refuse(e.to_string()))?;
    String::from_utf8(bytes).map_err(|_| refuse("what it decodes to is not UTF-8 text".into()))
}

/// Puts what `<<: value` brings in before what is there: later pairs win, and of all merged dictionaries the first does.
fn merge(value: &Node, into: &mut Vec<(Node, Node)>) -> Result<()> {
    let refuse = |node: &Node| {
        Box::new(
            Diagnostic::input("`<<` merges dictionaries only")
                .at(node.place())
                .label(format!("this is {}", crate::error::with_article(node.type_name()))),
        )
    };
    let mut added = Vec::new();
    match value.data() {
        Data::Map(pairs) => added.extend(pairs.iter().cloned()),
        Data::List(items) => {
            for item in items.iter().rev() {
                added.extend(item.as_map().ok_or_else(|| refuse(item))?.iter().cloned());
            }
        }
        _ => return Err(refuse(value)),
    }
    into.splice(0..0, added);
    Ok(())
}

/// What makes two keys the same one; as in Python `1`, `1.0` and `true` are.
fn identity(key: &Node) -> Result<String> {
    Ok(match key.data() {
        Data::Null => "null".into(),
        Data::Bool(b) => format!("n{}", u8::from(*b)),
        Data::Int(i) => format!("n{i}"),
        Data::Float(f) => format!("n{f}"),
        Data::Str(s) | Data::Vault(s) => format!("s{s}"),
        Data::Unsafe(inner) => return identity(inner),
        Data::List(_) | Data::Map(_) => return Err(Box::new(complaint::container_key(key))),
    })
}
