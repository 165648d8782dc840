//! The methods of Python's text, lists and dictionaries that the engine's own set lacks.

use super::call::Call;
use super::convert::text_of;
use super::errors::refuse;
use super::objects::{fresh, list, pairs};
use minijinja::value::{Rest, Tuple, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value as Live};

/// Calls a method that a value does not have itself.
pub(super) fn call(state: &mut State<'_, '_>, value: &Live, method: &str, args: &[Live]) -> Result<Live, Error> {
    if let Some(text) = value.as_str()
        && let Some(result) = text_method(text, method, args)?
    {
        return Ok(result);
    }
    if value.kind() == ValueKind::Map {
        match method {
            "items" | "iteritems" => return Ok(list(pairs(value)?.into_iter().map(|(k, v)| Live::from(Tuple::from([k, v]))))),
            "values" => return Ok(list(pairs(value)?.into_iter().map(|(_, v)| v))),
            "get" => {
                let (key, other): (Live, Option<Live>) = from_args(args)?;
                let found = value.get_item(&key)?;
                return Ok(if found.is_undefined() { other.unwrap_or_else(|| Live::from(())) } else { found });
            }
            _ => {}
        }
    }
    if value.is_undefined() {
        return Err(value.get_attr(method).err().unwrap_or_else(|| Error::from(ErrorKind::UndefinedError)));
    }
    fresh(minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)?)
}

fn padded(text: &str, args: &[Live], left: bool) -> Result<Live, Error> {
    let (width, fill): (usize, Option<String>) = from_args(args)?;
    let missing = width.saturating_sub(text.chars().count());
    let fill = fill.unwrap_or_else(|| " ".into()).repeat(missing);
    Ok(Live::from(if left { format!("{fill}{text}") } else { format!("{text}{fill}") }))
}

/// Blanks up to the next column that `width` divides, for each tab.
fn expanded(text: &str, width: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '\t' => {
                let blanks = if width == 0 { 0 } else { width - column % width };
                out.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

fn text_method(text: &str, method: &str, args: &[Live]) -> Result<Option<Live>, Error> {
    let pieces = |parts: Vec<&str>| list(parts.into_iter().map(Live::from));
    Ok(Some(match method {
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => (&text[..1], digits),
                None => ("", text),
            };
            let missing = width.saturating_sub(text.chars().count());
            Live::from(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "ljust" => padded(text, args, false)?,
        "rjust" => padded(text, args, true)?,
        "center" => {
            let (width, fill): (usize, Option<String>) = from_args(args)?;
            Live::from(super::filters::text::centered(text, width, fill.as_deref().unwrap_or(" ")))
        }
        "partition" | "rpartition" => {
            let (separator,): (String,) = from_args(args)?;
            let parts = match method {
                "partition" => text.split_once(&separator).map_or([text, "", ""], |(a, b)| [a, &separator, b]),
                _ => text.rsplit_once(&separator).map_or(["", "", text], |(a, b)| [a, &separator, b]),
            };
            Live::from(Tuple::from(parts.map(Live::from)))
        }
        "split" | "rsplit" => {
            let call = Call::function(from_args::<(Rest<ValueOrKwargs>,)>(args)?.0)?;
            let separator = call.text(0, "sep")?;
            let most = call.int(1, "maxsplit")?.and_then(|n| usize::try_from(n).ok());
            return Ok(Some(pieces(super::filters::text::split(text, separator.as_deref(), most, method == "rsplit")?)));
        }
        "removeprefix" => {
            let (prefix,): (String,) = from_args(args)?;
            Live::from(text.strip_prefix(prefix.as_str()).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (String,) = from_args(args)?;
            Live::from(text.strip_suffix(suffix.as_str()).unwrap_or(text))
        }
        "encode" => Live::from_bytes(text.as_bytes().to_vec()),
        "decode" => Live::from(text),
        "index" => {
            let (wanted,): (String,) = from_args(args)?;
            let at = text.find(&wanted).ok_or_else(|| refuse(format!("{wanted:?} does not occur in the text")))?;
            Live::from(text[..at].chars().count())
        }
        "swapcase" => {
            let swapped = text.chars().map(|c| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() });
            Live::from(swapped.collect::<String>())
        }
        "casefold" => Live::from(text.to_lowercase()),
        "expandtabs" => {
            let (width,): (Option<usize>,) = from_args(args)?;
            Live::from(expanded(text, width.unwrap_or(8)))
        }
        "join" => {
            let (items,): (Live,) = from_args(args)?;
            let items = items.try_iter()?.checked().map(|x| text_of(&x?)).collect::<Result<Vec<_>, _>>()?;
            Live::from(items.join(text))
        }
        _ => return Ok(None),
    }))
}
