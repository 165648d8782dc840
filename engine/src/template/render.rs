//! Runs templates: one environment per syntax, templates compiled once, the value of a lone expression kept.

use super::convert::{data, printed};
use super::errors::{diagnose, refuse, unreadable};
use super::objects::{self, Undefined};
use super::rewrite::{self, rewrite};
use super::scope::{Frame, Names};
use super::{call, filters, globals, macros, methods, operators, predicates, taint};
use crate::error::Result;
use crate::source::{Place, Source};
use crate::vault::Vault;
use crate::yaml::{Data, Node};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value as Live};
use modules::value::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many templates are kept compiled; then the store starts anew.
const KEPT: usize = 20_000;

/// Starts the name of a template that is its own text.
const TEXT: char = '\u{1}';
/// Starts the name of a template that is its own text, whose backslashes stand for themselves.
const LITERAL: char = '\u{3}';
/// Starts the name of a template file: its path, NUL, its text.
const FILE: char = '\u{2}';

/// How a template is written: delimiters and treatment of blanks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Syntax {
    trim_blocks: bool,
    lstrip_blocks: bool,
    block: (String, String),
    variable: (String, String),
    comment: (String, String),
    line_statement: String,
    line_comment: String,
    /// How lines end.
    pub(super) newline: String,
}

impl Default for Syntax {
    fn default() -> Syntax {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        Syntax {
            trim_blocks: true,
            lstrip_blocks: false,
            block: pair("{%", "%}"),
            variable: pair("{{", "}}"),
            comment: pair("{#", "#}"),
            line_statement: String::new(),
            line_comment: String::new(),
            newline: "\n".to_owned(),
        }
    }
}

impl Syntax {
    /// Reads a template's first line if it is a `#jinja2:` header; the rest is the template.
    ///
    /// # Errors
    /// Options without a value, and unknown ones.
    pub(super) fn of(text: &str) -> std::result::Result<(Syntax, &str, usize), Error> {
        Syntax::default().with_header(text)
    }

    /// The same, and what the header does not say stays.
    pub(super) fn with_header(mut self, text: &str) -> std::result::Result<(Syntax, &str, usize), Error> {
        let Some(header) = text.strip_prefix("#jinja2:") else { return Ok((self, text, 0)) };
        let (header, body) = header.split_once('\n').unwrap_or((header, ""));
        for option in header.split(',') {
            let missing = || refuse(format!("Missing key-value separator `:` in the template's header: {}", option.trim()));
            let (name, value) = option.split_once(':').ok_or_else(missing)?;
            if !self.set(name.trim(), value.trim().trim_matches(['"', '\''])) {
                return Err(refuse(format!("a template's header has no option `{}`", name.trim())));
            }
        }
        Ok((self, body, 1))
    }

    /// Sets an option by Jinja's name, if it is one.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let truth = matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "1");
        match name {
            "trim_blocks" => self.trim_blocks = truth,
            "lstrip_blocks" => self.lstrip_blocks = truth,
            "block_start_string" => self.block.0 = value.to_owned(),
            "block_end_string" => self.block.1 = value.to_owned(),
            "variable_start_string" => self.variable.0 = value.to_owned(),
            "variable_end_string" => self.variable.1 = value.to_owned(),
            "comment_start_string" => self.comment.0 = value.to_owned(),
            "comment_end_string" => self.comment.1 = value.to_owned(),
            "line_statement_prefix" => self.line_statement = value.to_owned(),
            "line_comment_prefix" => self.line_comment = value.to_owned(),
            "newline_sequence" => self.newline = value.replace("\\r", "\r").replace("\\n", "\n"),
            "keep_trailing_newline" => {}
            _ => return false,
        }
        true
    }

    fn config(&self) -> std::result::Result<SyntaxConfig, Error> {
        let mut builder = SyntaxConfig::builder();
        if !self.line_statement.is_empty() {
            builder.line_statement_prefix(self.line_statement.clone());
        }
        if !self.line_comment.is_empty() {
            builder.line_comment_prefix(self.line_comment.clone());
        }
        builder
            .trim_blocks(self.trim_blocks)
            .lstrip_blocks(self.lstrip_blocks)
            .keep_trailing_newline(true)
            .block_delimiters(self.block.0.clone(), self.block.1.clone())
            .variable_delimiters(self.variable.0.clone(), self.variable.1.clone())
            .comment_delimiters(self.comment.0.clone(), self.comment.1.clone())
            .build()
    }
}

/// The environments of a run, one per syntax.
#[derive(Default)]
pub(super) struct Engines {
    by_syntax: Mutex<HashMap<Syntax, Arc<Engine>>>,
    vault: Arc<Vault>,
}

struct Engine {
    environment: Environment<'static>,
    loaded: Arc<AtomicUsize>,
}

impl Engines {
    /// None started yet.
    pub(super) fn new(vault: Arc<Vault>) -> Engines {
        Engines { vault, ..Engines::default() }
    }

    /// What opens encrypted values.
    pub(super) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    fn of(&self, syntax: &Syntax) -> std::result::Result<Arc<Engine>, Error> {
        let mut engines = self.by_syntax.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(syntax)
            && engine.loaded.load(Ordering::Relaxed) < KEPT
        {
            return Ok(engine.clone());
        }
        let engine = Arc::new(engine(syntax)?);
        engines.insert(syntax.clone(), engine.clone());
        Ok(engine)
    }
}

fn engine(syntax: &Syntax) -> std::result::Result<Engine, Error> {
    let config = syntax.config()?;
    let loaded = Arc::new(AtomicUsize::new(0));
    let mut environment = Environment::new();
    environment.set_syntax(config.clone());
    environment.set_debug(true);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(print);
    environment.set_path_join_callback(|name, parent| match found(name, parent) {
        Some((path, text)) => Cow::Owned(format!("{FILE}{}\0{text}", path.display())),
        None => Cow::Borrowed(name),
    });
    let counter = loaded.clone();
    environment.set_loader(move |name| {
        let Some(source) = source_of(name) else { return Ok(None) };
        counter.fetch_add(1, Ordering::Relaxed);
        rewrite(&source, &config, !name.starts_with(FILE)).map(Some)
    });
    environment.add_function(rewrite::FRESH, objects::fresh);
    environment.add_function(rewrite::ADD, operators::add);
    environment.add_function(rewrite::SUBTRACT, operators::subtract);
    environment.add_function(rewrite::MULTIPLY, operators::multiply);
    environment.add_function(rewrite::DIVIDE, operators::divide);
    environment.add_function(rewrite::DIVIDE_FLOORED, operators::divide_floored);
    environment.add_function(rewrite::POWER, operators::power);
    environment.add_function(rewrite::MODULO, operators::modulo);
    environment.add_function(rewrite::CONCATENATE, operators::concatenate);
    environment.add_function(rewrite::ITEMS, objects::items);
    environment.add_function(rewrite::GATHERING, macros::gathering);
    environment.add_global(rewrite::NOTHING, Live::from_object(objects::Nothing));
    environment.add_function(rewrite::CHAIN, |v: Live| if v.is_undefined() { Live::from_object(Undefined) } else { v });
    environment.add_function(rewrite::UNCHAIN, |v: Live| if call::is_undefined(&v) { Live::UNDEFINED } else { v });
    environment.add_function(rewrite::LOOK, look);
    environment.add_function(rewrite::LOOKED, looked);
    environment.add_function(rewrite::SEAL, || {
        taint::keep_sealed(true);
        true
    });
    environment.add_function(rewrite::SEALED, |_: bool, value: Live| {
        taint::keep_sealed(false);
        value
    });
    environment.add_function(rewrite::ALONE, alone);
    filters::add(&mut environment);
    predicates::add(&mut environment);
    globals::add(&mut environment);
    Ok(Engine { environment, loaded })
}

fn source_of(name: &str) -> Option<Cow<'_, str>> {
    if let Some(text) = name.strip_prefix(TEXT) {
        return Some(Cow::Borrowed(text));
    }
    match name.strip_prefix(LITERAL) {
        Some(text) => Some(Cow::Owned(rewrite::literal(text))),
        None => name.strip_prefix(FILE)?.split_once('\0').map(|(_, text)| Cow::Borrowed(text)),
    }
}

/// Path and text of a template file, by the name it has in the engine.
pub(super) fn file_of(name: &str) -> Option<(PathBuf, String)> {
    let (path, text) = name.strip_prefix(FILE)?.split_once('\0')?;
    Some((PathBuf::from(path), text.to_owned()))
}

/// The file that `include`, `import` or `extends` names.
fn found(name: &str, parent: &str) -> Option<(PathBuf, String)> {
    let beside =
        file_of(parent).and_then(|(path, _)| path.parent().map(Path::to_owned)).or_else(|| FOLDERS.with_borrow(|f| f.last().cloned()));
    let frame = Frame::running();
    let folders = frame.as_ref().map(|f| f.search_path("templates")).unwrap_or_default();
    folders.into_iter().chain(beside).find_map(|folder| {
        let path = folder.join(name);
        let mut source = Source::read(&path).ok()?;
        if let Some(frame) = &frame {
            source = frame.engines().vault().plain(source).ok()?;
        }
        if source.is_secret() {
            taint::secret();
        }
        let (_, body, _) = Syntax::of(source.text()).ok()?;
        Some((path, without_last_break(body).to_owned()))
    })
}

thread_local! {
    /// The folders of the template files that run, innermost last.
    static FOLDERS: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    static PRINTED: RefCell<Printed> = RefCell::default();
}

/// What the running template printed by expressions.
#[derive(Default)]
struct Printed {
    /// The value of a template that is one expression.
    alone: Option<Live>,
    count: usize,
    last: Option<Live>,
    length: usize,
    text: String,
}

fn alone(value: Live) -> Live {
    if call::is_undefined(&value) {
        return value;
    }
    PRINTED.with_borrow_mut(|p| p.alone = Some(value));
    Live::from("")
}

fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Live) -> std::result::Result<(), Error> {
    if value.is_undefined() {
        return Err(value.get_attr("_").err().unwrap_or_else(|| Error::from(ErrorKind::UndefinedError)));
    }
    let text = match value.kind() {
        ValueKind::None => String::new(),
        _ => printed(value)?,
    };
    PRINTED.with_borrow_mut(|p| {
        // A macro's text is what its only expression printed: that value is what the macro says.
        if p.count == 1 && p.length == text.len() && value.as_str().is_some() && p.text == text {
            return;
        }
        p.count += 1;
        p.text.clone_from(&text);
        p.length = text.len();
        p.last = Some(value.clone());
    });
    std::fmt::Write::write_str(out, &text).map_err(|_| Error::from(ErrorKind::WriteFailure))
}

thread_local! {
    static LOOKS: RefCell<Vec<taint::Taint>> = const { RefCell::new(Vec::new()) };
}

fn look() -> bool {
    LOOKS.with_borrow_mut(|l| l.push(taint::so_far()));
    taint::open_look();
    true
}

fn looked(_: bool, value: Live) -> Live {
    taint::close_look();
    let before = LOOKS.with_borrow_mut(Vec::pop).unwrap_or_default();
    if value.downcast_object_ref::<objects::Mark>().is_some() {
        taint::back_to(before);
        return Live::from(true);
    }
    if call::is_undefined(&value) { Live::UNDEFINED } else { value }
}

/// Whether a text has to be rendered.
pub(super) fn is_template(text: &str) -> bool {
    text.as_bytes().windows(2).any(|w| matches!(w, b"{{" | b"{%" | b"{#"))
}

/// Renders a text that stands at `place`: a lone expression gives its value, everything else text.
pub(super) fn evaluate(text: &str, place: &Place, frame: &Arc<Frame>) -> Result<Live> {
    let kind = if text.contains('\\') { LITERAL } else { TEXT };
    let value = run(&Syntax::default(), &format!("{kind}{}", without_last_break(text)), place, None, frame)?;
    Ok(with_breaks(value, text, "\n"))
}

/// The same for an expression that stands alone, whose texts have Jinja's escapes.
pub(super) fn evaluate_expression(text: &str, place: &Place, frame: &Arc<Frame>) -> Result<Live> {
    evaluate_with(&Syntax::default(), text, place, None, frame)
}

/// The same in another syntax. For a file, `file` is how many lines stand before the text.
pub(super) fn evaluate_with(syntax: &Syntax, text: &str, place: &Place, file: Option<usize>, frame: &Arc<Frame>) -> Result<Live> {
    let value = run(syntax, &format!("{TEXT}{}", without_last_break(text)), place, file, frame)?;
    Ok(with_breaks(value, text, &syntax.newline))
}

/// Jinja leaves out the line break that ends a template.
fn without_last_break(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t))
}

fn breaks(text: &str) -> usize {
    text[text.trim_end_matches(['\r', '\n']).len()..].matches('\n').count()
}

/// Ansible lets a text end with as many line breaks as its template.
fn with_breaks(value: Live, template: &str, newline: &str) -> Live {
    let Some(text) = value.as_str() else { return value };
    match breaks(template).saturating_sub(breaks(text)) {
        0 => value,
        missing => Live::from(format!("{text}{}", newline.repeat(missing))),
    }
}

/// Renders a template by the name that it has in the engine.
fn run(syntax: &Syntax, name: &str, place: &Place, file: Option<usize>, frame: &Arc<Frame>) -> Result<Live> {
    let run = || {
        let engine = frame.engines().of(syntax)?;
        let template = engine.environment.get_template(name)?;
        let depth = LOOKS.with_borrow(Vec::len);
        let outer = PRINTED.take();
        let output = template.render(Live::from_object(Names(frame.clone())));
        let printed = PRINTED.replace(outer);
        LOOKS.with_borrow_mut(|l| l.truncate(depth));
        let output = output?;
        Ok(match printed {
            Printed { alone: Some(value), .. } => value,
            Printed { count: 1, last: Some(value), length, .. } if length == output.len() => value,
            Printed { count: 0, .. } if output.is_empty() => Live::from(()),
            _ => Live::from(output),
        })
    };
    let folder = file.and_then(|_| place.source.path().parent());
    if let Some(folder) = folder {
        FOLDERS.with_borrow_mut(|f| f.push(folder.to_owned()));
    }
    let result = frame.run(run);
    if folder.is_some() {
        FOLDERS.with_borrow_mut(Vec::pop);
    }
    result.map_err(|e: Error| Box::new(diagnose(&e, place, file, frame)))
}

/// Whether a template that stands at `place` can be read.
pub(super) fn read(text: &str, place: &Place, engines: &Engines) -> Result<()> {
    let engine = engines.of(&Syntax::default());
    let read = engine.and_then(|engine| engine.environment.get_template(&format!("{TEXT}{text}")).map(|_| ()));
    read.map_err(|error| Box::new(unreadable(&error, place, None)))
}

/// The variables that a template reads, the first line of a file minded.
pub(super) fn names(text: &str, place: &Place) -> Result<super::Names> {
    let (syntax, body, skipped) = Syntax::of(text).map_err(|error| unreadable(&error, place, Some(0)))?;
    let read = syntax.config().and_then(|config| super::names::names(body, &config));
    let mut names = read.map_err(|error| unreadable(&error, place, Some(skipped)))?;
    names.read.iter_mut().for_each(|(_, line, _)| *line += u32::try_from(skipped).unwrap_or(0));
    Ok(names)
}

/// Whether every template in a node can be read.
pub(super) fn readable(node: &Node, engines: &Engines) -> Result<()> {
    match node.data() {
        Data::Str(text) if is_template(text) => read(text, node.place(), engines),
        Data::List(items) => items.iter().try_for_each(|item| readable(item, engines)),
        Data::Map(pairs) => pairs.iter().try_for_each(|(key, value)| readable(key, engines).and_then(|()| readable(value, engines))),
        _ => Ok(()),
    }
}

/// Data of a node without any rendering.
pub(super) fn plain(node: &Node) -> Value {
    match node.data() {
        Data::Null => Value::Null,
        Data::Bool(b) => Value::Bool(*b),
        Data::Int(i) => Value::Int(*i),
        Data::Float(f) => Value::Float(*f),
        Data::Str(s) | Data::Vault(s) => Value::Str(s.clone()),
        Data::Unsafe(inner) => plain(inner),
        Data::List(items) => Value::list(items.iter().map(plain)),
        Data::Map(pairs) => Value::Map(Arc::new(pairs.iter().map(|(k, v)| (plain(k), plain(v))).collect())),
    }
}

/// Runs `f` and gives what it computed as data: unknown if it touched something unknown, secret if a secret.
pub(super) fn settled(place: &Place, frame: &Arc<Frame>, f: impl FnOnce() -> Result<Live>) -> Result<Value> {
    let (result, touched) = taint::isolated(|| f().and_then(|live| data(&live).map_err(|e| Box::new(diagnose(&e, place, None, frame)))));
    let value = match (touched.unknown.is_empty(), result) {
        (false, _) => Value::unknown(touched.names()),
        (true, result) => result?,
    };
    Ok(if touched.secret { value.into_secret() } else { value })
}

/// Renders a template file's text to text; the file's header goes before the options.
pub(super) fn file(text: &str, options: &[(&str, String)], place: &Place, frame: &Arc<Frame>) -> Result<Value> {
    let mut syntax = Syntax::default();
    for (name, value) in options {
        syntax.set(name, value);
    }
    let (syntax, body, lines) = syntax.with_header(text).map_err(|e| Box::new(diagnose(&e, place, None, frame)))?;
    let body = match body.contains('\r') || syntax.newline != "\n" {
        true => Cow::Owned(body.replace("\r\n", "\n").replace('\r', "\n").replace('\n', &syntax.newline)),
        false => Cow::Borrowed(body),
    };
    settled(place, frame, || {
        let value = evaluate_with(&syntax, &body, place, Some(lines), frame)?;
        match value.kind() {
            ValueKind::None => Ok(Live::from("")),
            _ => printed(&value).map(Live::from).map_err(|e| Box::new(diagnose(&e, place, Some(lines), frame))),
        }
    })
}

/// Renders every template in a node.
pub(super) fn node_value(node: &Node, frame: &Arc<Frame>) -> Result<Value> {
    match node.data() {
        Data::Str(text) if is_template(text) => {
            let value = settled(node.place(), frame, || evaluate(text, node.place(), frame)).map(without_omitted)?;
            Ok(hidden(value, node, frame))
        }
        Data::List(items) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                let value = node_value(item, frame)?;
                if !is_omitted(&value) {
                    out.push(value);
                }
            }
            Ok(Value::list(out))
        }
        Data::Map(pairs) => {
            let mut out = modules::value::Map::with_capacity(pairs.len());
            for (key, item) in pairs {
                let value = node_value(item, frame)?;
                if !is_omitted(&value) {
                    out.insert(node_value(key, frame)?, value);
                }
            }
            Ok(Value::from(out))
        }
        Data::Vault(text) => opened(text, node, frame),
        _ => Ok(hidden(plain(node), node, frame)),
    }
}

/// What a `!vault` text says. It is data: templates in it are not rendered.
pub(super) fn opened(text: &str, node: &Node, frame: &Frame) -> Result<Value> {
    Ok(Value::Str(frame.engines().vault().text(text, node.place())?).into_secret())
}

/// A value out of an encrypted file is secret, unless it says no more than yes, no or nothing.
pub(super) fn hidden(value: Value, node: &Node, frame: &Frame) -> Value {
    if !node.place().source.is_secret() || matches!(value, Value::Null | Value::Bool(_)) {
        return value;
    }
    if let Value::Str(text) = &value {
        frame.engines().vault().remember(text.clone());
    }
    value.into_secret()
}

fn is_omitted(value: &Value) -> bool {
    value.as_str() == Some(super::OMIT)
}

fn holds_omitted(value: &Value) -> bool {
    match value {
        Value::List(l) => l.iter().any(|v| is_omitted(v) || holds_omitted(v)),
        Value::Map(m) => m.values().any(|v| is_omitted(v) || holds_omitted(v)),
        Value::Secret(v) => holds_omitted(v),
        _ => false,
    }
}

/// Containers without their omitted entries.
fn without_omitted(value: Value) -> Value {
    if !holds_omitted(&value) {
        return value;
    }
    match value {
        Value::List(l) => Value::list(l.iter().filter(|v| !is_omitted(v)).cloned().map(without_omitted)),
        Value::Map(m) => {
            let kept = m.iter().filter(|(_, v)| !is_omitted(v)).map(|(k, v)| (k.clone(), without_omitted(v.clone())));
            Value::Map(Arc::new(kept.collect()))
        }
        Value::Secret(v) => without_omitted(v.as_ref().clone()).into_secret(),
        v => v,
    }
}

/// Refuses what a side effect would do with a value that is not known.
pub(super) fn known_only(what: &str) -> std::result::Result<(), Error> {
    if taint::is_unknown() { Err(refuse(format!("{what} depends on a value known only after apply"))) } else { Ok(()) }
}
