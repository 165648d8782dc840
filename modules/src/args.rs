//! Typed arguments of modules: declared once, from which parsing, messages, reference pages and schemas come.

use crate::value::{Map, Value};
use std::path::PathBuf;

/// One argument as declared: what the reference page and the schema show of it.
#[derive(Debug, Clone)]
pub struct Argument {
    /// The name in a task.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// Its type in the field's words: `string`, `boolean`, `list of string`, …
    pub kind: String,
    /// Whether a task must give it.
    pub required: bool,
    /// The default, as written in the declaration.
    pub default: Option<&'static str>,
    /// The values allowed, if only some are.
    pub choices: &'static [&'static str],
    /// What it means, in one or more sentences.
    pub doc: String,
}

/// What is wrong with the arguments of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct ArgumentError {
    /// The argument as the task wrote it, where one is to blame.
    pub argument: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do, if known.
    pub hint: Option<String>,
    /// The same in Ansible's words, which playbooks that expect the failure look for.
    #[serde(default)]
    pub familiar: Option<String>,
}

/// A struct of arguments, as `arguments!` makes it.
pub trait Arguments: Sized {
    /// The declarations, in order.
    fn declared() -> Vec<Argument>;
    /// Reads a task's arguments; names the first mistake.
    fn parse(module: &str, given: &Map) -> Result<Self, ArgumentError>;
}

/// A type that an argument can have, read with Ansible's coercions.
pub trait FromValue: Sized {
    /// The type's name in messages and reference pages.
    fn kind() -> String;
    /// Reads it; the error completes "must be …, not …".
    fn from_value(value: &Value) -> Result<Self, String>;
    /// The value when the task does not give the argument; `None` means it is required.
    fn missing() -> Option<Self> {
        None
    }
    /// The texts allowed, if only some are.
    fn choices() -> &'static [&'static str] {
        &[]
    }
}

fn expected(kind: &str, value: &Value) -> String {
    let shown = match value {
        Value::Str(s) if s.len() <= 60 => format!("{s:?}"),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => value.to_string(),
        v => format!("a {}", v.type_name()),
    };
    format!("must be a {kind}, not {shown}")
}

impl FromValue for String {
    fn kind() -> String {
        "string".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.reveal() {
            Value::Str(s) => Ok(s.to_string()),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => Ok(value.reveal().to_string()),
            // Ansible turns containers into text as well; Python's form is what users of it see.
            v @ (Value::List(_) | Value::Map(_)) => Ok(v.to_string()),
            v => Err(expected("string", v)),
        }
    }
}

/// A path: `~` is the user's home, `$NAME` a variable of the environment, as in Ansible's arguments of type path.
impl FromValue for PathBuf {
    fn kind() -> String {
        "path".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        let text = String::from_value(value).map_err(|_| expected("path", value.reveal()))?;
        if text.is_empty() {
            return Err("must be a path, not empty".into());
        }
        Ok(PathBuf::from(expand_path(&text, |name| std::env::var(name).ok(), crate::host::accounts::home_of)))
    }
}

fn expand_path(text: &str, variable: impl Fn(&str) -> Option<String>, home_of: impl Fn(&str) -> Option<String>) -> String {
    let named = text.strip_prefix('~').map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len())));
    let home = named.and_then(|(user, rest)| Some((if user.is_empty() { variable("HOME") } else { home_of(user) }?, rest)));
    let text = match home {
        Some((home, rest)) => format!("{}{rest}", home.trim_end_matches('/')),
        None => text.to_string(),
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        // As in Python, a variable that is not set stays as written.
        match variable(name).filter(|_| !name.is_empty()) {
            Some(found) => out.push_str(&found),
            None => out.push_str(&rest[at..at + 1 + length]),
        }
        rest = &after[length..];
    }
    out + rest
}

impl FromValue for bool {
    fn kind() -> String {
        "boolean".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        let v = value.reveal();
        match v {
            Value::Bool(b) => return Ok(*b),
            Value::Int(0) => return Ok(false),
            Value::Int(1) => return Ok(true),
            Value::Float(f) if *f == 0.0 => return Ok(false),
            Value::Float(f) if *f == 1.0 => return Ok(true),
            Value::Str(s) => match s.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => return Ok(true),
                "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => return Ok(false),
                _ => {}
            },
            _ => {}
        }
        Err(expected("boolean", v))
    }
}

impl FromValue for i64 {
    fn kind() -> String {
        "integer".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        let v = value.reveal();
        match v {
            Value::Int(i) => Some(*i),
            Value::Bool(b) => Some(i64::from(*b)),
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Some(*f as i64),
            Value::Str(s) => s.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| expected("whole number", v))
    }
}

impl FromValue for u64 {
    fn kind() -> String {
        "integer".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        u64::try_from(i64::from_value(value)?).map_err(|_| expected("whole number of at least 0", value.reveal()))
    }
}

impl FromValue for u16 {
    fn kind() -> String {
        "integer".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        u16::try_from(i64::from_value(value)?).map_err(|_| expected("whole number from 0 to 65535", value.reveal()))
    }
}

impl FromValue for f64 {
    fn kind() -> String {
        "number".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        let v = value.reveal();
        match v {
            Value::Float(f) => Some(*f),
            Value::Int(i) => Some(*i as f64),
            Value::Str(s) => s.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| expected("number", v))
    }
}

impl FromValue for Value {
    fn kind() -> String {
        "any".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl FromValue for Map {
    fn kind() -> String {
        "dictionary".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_map().cloned().ok_or_else(|| expected("dictionary", value.reveal()))
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn kind() -> String {
        T::kind()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        T::from_value(value).map(Some)
    }
    fn missing() -> Option<Self> {
        Some(None)
    }
    fn choices() -> &'static [&'static str] {
        T::choices()
    }
}

/// A list; as in Ansible a lone scalar is a list of one, and text splits at its commas.
impl<T: FromValue> FromValue for Vec<T> {
    fn kind() -> String {
        format!("list of {}", T::kind())
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.reveal() {
            Value::List(l) => l.iter().map(T::from_value).collect(),
            Value::Str(s) if s.is_empty() => Ok(Vec::new()),
            Value::Str(s) => s.split(',').map(|part| T::from_value(&Value::str(part.trim()))).collect(),
            v => Ok(vec![T::from_value(v)?]),
        }
    }
    fn missing() -> Option<Self> {
        None
    }
    fn choices() -> &'static [&'static str] {
        T::choices()
    }
}

/// The name among `known` nearest to `wrong`, if one is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(d, name)| *d <= 1 + name.len().max(wrong.len()) / 4)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Damerau-Levenshtein distance (adjacent transpositions count once).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// Finds what `given` says for one argument, under its name or an alias; `null` counts as not given.
pub fn find<'a>(given: &'a Map, argument: &Argument) -> Option<(&'a str, &'a Value)> {
    std::iter::once(&argument.name)
        .chain(argument.aliases)
        .filter_map(|name| given.get_key_value(*name))
        .find(|(_, v)| !matches!(v, Value::Null))
        .and_then(|(k, v)| Some((k.as_str()?, v)))
}

/// Refuses names that are not declared, with the nearest declared one.
pub fn refuse_unknown(module: &str, given: &Map, declared: &[Argument]) -> Result<(), ArgumentError> {
    let names = || declared.iter().flat_map(|a| std::iter::once(&a.name).chain(a.aliases)).copied();
    for key in given.keys() {
        let key = key.to_string();
        if !names().any(|n| n == key) {
            let hint = nearest(&key, names()).map(|n| format!("did you mean `{n}`?"));
            let hint = hint.or_else(|| {
                Some(format!(
                    "it takes: {}",
                    declared.iter().map(|a| a.name).filter(|name| !name.starts_with('_')).collect::<Vec<_>>().join(", ")
                ))
            });
            let familiar = Some(unsupported(module, given, declared));
            return Err(ArgumentError { message: format!("`{module}` has no argument `{key}`"), argument: Some(key), hint, familiar });
        }
    }
    Ok(())
}

/// What Ansible says of arguments that are not declared.
fn unsupported(module: &str, given: &Map, declared: &[Argument]) -> String {
    let all = |argument: &Argument| std::iter::once(argument.name).chain(argument.aliases.iter().copied()).collect::<Vec<_>>();
    let known: Vec<&str> = declared.iter().flat_map(all).collect();
    let mut wrong: Vec<String> = given.keys().map(ToString::to_string).filter(|key| !known.contains(&key.as_str())).collect();
    let mut names: Vec<&str> = declared.iter().map(|a| a.name).filter(|name| !name.starts_with('_')).collect();
    let mut aliases: Vec<&str> = declared.iter().flat_map(|a| a.aliases).copied().collect();
    wrong.sort();
    names.sort_unstable();
    aliases.sort_unstable();
    let aliases = if aliases.is_empty() { String::new() } else { format!(" ({})", aliases.join(", ")) };
    format!(
        "Unsupported parameters for ({module}) module: {}. Supported parameters include: {}{aliases}.",
        wrong.join(", "),
        names.join(", ")
    )
}

/// Refuses a task that leaves out what is required.
pub fn refuse_missing(module: &str, given: &Map, declared: &[Argument]) -> Result<(), ArgumentError> {
    let mut missing: Vec<&str> = declared.iter().filter(|a| a.required && find(given, a).is_none()).map(|a| a.name).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let message = format!("`{module}` needs the argument `{first}`");
    missing.sort_unstable();
    let familiar = Some(format!("missing required arguments: {}", missing.join(", ")));
    Err(ArgumentError { argument: None, message, hint: None, familiar })
}

/// Reads one argument, falling back to its default.
pub fn read<T: FromValue>(module: &str, given: &Map, argument: &Argument, default: Option<fn() -> T>) -> Result<T, ArgumentError> {
    let Some((name, value)) = find(given, argument) else {
        return default.map(|d| d()).or_else(T::missing).ok_or_else(|| ArgumentError {
            argument: None,
            message: format!("`{module}` needs the argument `{}`", argument.name),
            hint: None,
            familiar: Some(format!("missing required arguments: {}", argument.name)),
        });
    };
    T::from_value(value).map_err(|why| {
        let hint = value.as_str().and_then(|s| nearest(s, T::choices().iter().copied())).map(|n| format!("did you mean `{n}`?"));
        let familiar = Some(unfit(argument, value));
        ArgumentError { argument: Some(name.to_string()), message: format!("argument `{name}` of `{module}` {why}"), hint, familiar }
    })
}

/// What Ansible says of a value that an argument does not take.
fn unfit(argument: &Argument, value: &Value) -> String {
    let (name, value) = (argument.name, value.reveal());
    if !argument.choices.is_empty() {
        return format!("value of {name} must be one of: {}, got: {value}", argument.choices.join(", "));
    }
    let wanted = match argument.kind.as_str() {
        "integer" => "int",
        "boolean" => "bool",
        "number" => "float",
        "dictionary" => "dict",
        "string" => "str",
        kind if kind.starts_with("list") => "list",
        kind => kind,
    };
    let given = match value {
        Value::Str(_) => "str",
        Value::Int(_) => "int",
        Value::Bool(_) => "bool",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        _ => "NoneType",
    };
    let why = match wanted {
        "bool" => {
            let valid = "0, 'yes', '1', 1, 'n', 'false', 't', 'no', 'on', 'true', '0', 'f', 'y', 'off'";
            format!("The value '{value}' is not a valid boolean. Valid booleans include: {valid}")
        }
        wanted => format!("\"'{value}'\" cannot be converted to {} {wanted}", if wanted.starts_with('i') { "an" } else { "a" }),
    };
    format!("argument '{name}' is of type {given} and we were unable to convert to {wanted}: {why}")
}

/// Declares a module's arguments.
///
/// ```
/// modules::arguments! {
///     pub struct Args {
///         /// Where the file is.
///         path ["dest", "name"]: String,
///         /// Lines to keep.
///         lines: u64 = 10,
///         /// Who owns it.
///         owner: Option<String>,
///         /// A name that is a keyword of Rust.
///         kind as "type": Option<String>,
///     }
/// }
/// ```
/// `T` is required, `Option<T>` may be missing, `T = default` has a default. `pub struct Args { … } with file attributes`
/// adds `mode`, `owner`, `group` and their kin, and the method `desired` that carries them.
#[macro_export]
macro_rules! arguments {
    (@default) => { None };
    (@default $default:expr) => { Some($default) };
    (@text) => { None::<&'static str> };
    (@text $default:expr) => { Some::<&'static str>(stringify!($default)) };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $rename:literal) => { $rename };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($body:tt)* } with file attributes) => {
        $crate::arguments! {
            $(#[$meta])*
            $vis struct $name {
                $($body)*
                /// Permissions: octal as text (`"0644"`) or symbolic (`u+rwx,g-w`).
                mode: Option<$crate::host::files::Mode>,
                /// Name or number of the user who owns it.
                owner: Option<String>,
                /// Name or number of the group that owns it.
                group: Option<String>,
                /// User part of the SELinux context; without effect where SELinux is not.
                seuser: Option<String>,
                /// Role part of the SELinux context; without effect where SELinux is not.
                serole: Option<String>,
                /// Type part of the SELinux context; without effect where SELinux is not.
                setype: Option<String>,
                /// Level part of the SELinux context; without effect where SELinux is not.
                selevel: Option<String>,
                /// Attributes as `lsattr` shows them; accepted, not set.
                attributes ["attr"]: Option<String>,
                /// Accepted; every write is atomic.
                unsafe_writes: bool = false,
            }
        }
        impl $name {
            /// The owner, group and mode that the task declares.
            $vis fn desired(&self) -> $crate::host::files::Desired {
                $crate::host::files::Desired {
                    owner: self.owner.clone(),
                    group: self.group.clone(),
                    mode: self.mode.clone(),
                    follow: true,
                    ..Default::default()
                }
            }
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident $(as $rename:literal)? $([$($alias:literal),* $(,)?])? : $ty:ty $(= $default:expr)? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[doc = "The arguments of a task."]
        $vis struct $name { $( $(#[doc = $doc])* pub $field: $ty ),* }

        impl $crate::args::Arguments for $name {
            fn declared() -> Vec<$crate::args::Argument> {
                vec![$( $crate::args::Argument {
                    name: $crate::arguments!(@name $field $($rename)?),
                    aliases: &[$($($alias),*)?],
                    kind: <$ty as $crate::args::FromValue>::kind(),
                    required: $crate::arguments!(@text $($default)?).is_none() && <$ty as $crate::args::FromValue>::missing().is_none(),
                    default: $crate::arguments!(@text $($default)?),
                    choices: <$ty as $crate::args::FromValue>::choices(),
                    doc: concat!($($doc, "\n",)*).trim().to_string(),
                } ),*]
            }
            fn parse(module: &str, given: &$crate::value::Map) -> Result<Self, $crate::args::ArgumentError> {
                let declared = <Self as $crate::args::Arguments>::declared();
                $crate::args::refuse_unknown(module, given, &declared)?;
                $crate::args::refuse_missing(module, given, &declared)?;
                let mut fields = declared.iter();
                Ok(Self { $( $field: {
                    let default: Option<fn() -> $ty> = $crate::arguments!(@default $(|| -> $ty { $default })?);
                    let argument = fields.next().expect("one declaration a field");
                    $crate::args::read::<$ty>(module, given, argument, default)?
                } ),* })
            }
        }
    };
}

/// Declares an argument type whose values are some words.
///
/// ```
/// modules::choices! {
///     pub enum State { Present = "present" | "installed", Absent = "absent" }
/// }
/// ```
#[macro_export]
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $( $(#[$vmeta:meta])* $variant:ident = $first:literal $(| $other:literal)* ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[doc = "The words that the argument allows."]
        $vis enum $name { $( $(#[$vmeta])* #[doc = concat!("`", $first, "`")] $variant ),* }
        impl $name {
            /// The word in a task.
            $vis fn word(self) -> &'static str {
                match self { $( Self::$variant => $first ),* }
            }
        }
        impl $crate::args::FromValue for $name {
            fn kind() -> String { "string".into() }
            fn choices() -> &'static [&'static str] { &[$( $first $(, $other)* ),*] }
            fn from_value(value: &$crate::value::Value) -> Result<Self, String> {
                // YAML reads `yes` and `no` as truth values before a module sees them.
                let text = match value.reveal() {
                    $crate::value::Value::Bool(true) => "yes".to_string(),
                    $crate::value::Value::Bool(false) => "no".to_string(),
                    v => v.to_string(),
                };
                match text.as_str() {
                    $( $first $(| $other)* => Ok(Self::$variant), )*
                    _ => Err(format!("must be one of {}, not {text:?}", <Self as $crate::args::FromValue>::choices().join(", "))),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::choices! { enum State { Present = "present" | "installed", Absent = "absent" } }
    crate::arguments! {
        struct Args {
            /// Where.
            path ["dest"]: String,
            state: State = State::Present,
            count: Option<u64>,
            names: Vec<String> = Vec::new(),
            force: bool = false,
        }
    }

    fn map(pairs: &[(&str, Value)]) -> Map {
        pairs.iter().map(|(k, v)| (Value::str(k), v.clone())).collect()
    }

    #[test]
    fn reads_aliases_defaults_and_coercions() {
        let args =
            Args::parse("x", &map(&[("dest", "/a".into()), ("names", "a, b".into()), ("force", "yes".into()), ("count", "3".into())]))
                .expect("valid");
        assert_eq!((args.path.as_str(), args.count, args.force, args.state.word()), ("/a", Some(3), true, "present"));
        assert_eq!(args.names, ["a", "b"]);
    }

    #[test]
    fn expands_paths() {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".to_string()),
            "X" => Some("x".to_string()),
            _ => None,
        };
        let home_of = |name: &str| (name == "you").then(|| "/srv/you".to_string());
        for (text, expected) in [
            ("~", "/home/me"),
            ("~/a", "/home/me/a"),
            ("~you/a", "/srv/you/a"),
            ("~you", "/srv/you"),
            ("~nobody-knows/a", "~nobody-knows/a"),
            ("/a~", "/a~"),
            ("/$X/${X}y/$NO/${NO}/$", "/x/xy/$NO/${NO}/$"),
        ] {
            assert_eq!(expand_path(text, variable, home_of), expected);
        }
    }

    #[test]
    fn names_mistakes() {
        let wrong = |pairs: &[(&str, Value)]| Args::parse("x", &map(pairs)).expect_err("invalid");
        assert_eq!(wrong(&[("path", "/a".into()), ("stat", "absent".into())]).hint.as_deref(), Some("did you mean `state`?"));
        assert_eq!(wrong(&[]).message, "`x` needs the argument `path`");
        assert_eq!(
            wrong(&[("path", "/a".into()), ("count", "many".into())]).message,
            "argument `count` of `x` must be a whole number, not \"many\""
        );
        assert_eq!(wrong(&[("path", "/a".into()), ("state", "presnt".into())]).hint.as_deref(), Some("did you mean `present`?"));
    }
}
