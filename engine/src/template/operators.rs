//! Python's operators: `+`, `-`, `*`, `/`, `//`, `%`, `**` and `~`, with Python's types, results and refusals.

use super::convert::{argument, python_type, text_of};
use super::errors::refuse;
use super::objects::{List, list};
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value as Live};

/// Two operands as numbers.
enum Numbers {
    Whole(i128, i128),
    Float(f64, f64),
}

fn is_number(value: &Live) -> bool {
    matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
}

fn float_of(value: &Live) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        _ => f64::try_from(value.clone()),
    }
}

fn whole_of(value: &Live) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(value.is_true().into()),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn numbers(left: &Live, right: &Live) -> Result<Option<Numbers>, Error> {
    if !is_number(left) || !is_number(right) {
        return Ok(None);
    }
    Ok(Some(match (whole_of(left), whole_of(right)) {
        (Some(x), Some(y)) => Numbers::Whole(x, y),
        _ => Numbers::Float(float_of(left)?, float_of(right)?),
    }))
}

/// Both operands are needed: an undefined or unknown one stops here.
fn needed(left: &Live, right: &Live) -> Result<(), Error> {
    for value in [left, right] {
        if matches!(value.kind(), ValueKind::Undefined | ValueKind::Invalid | ValueKind::Plain) {
            argument(value)?;
        }
    }
    Ok(())
}

fn unsupported(operator: &str, left: &Live, right: &Live) -> Error {
    let (left, right) = (python_type(left), python_type(right));
    refuse(format!("unsupported operand type(s) for {operator}: '{left}' and '{right}'"))
}

fn whole(result: Option<i128>) -> Result<Live, Error> {
    let result = result.ok_or_else(|| refuse("the number is too large"))?;
    Ok(i64::try_from(result).map_or_else(|_| Live::from(result), Live::from))
}

fn is_list(value: &Live) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) && !value.is_tuple()
}

fn items(value: &Live) -> Result<Vec<Live>, Error> {
    value.try_iter()?.checked().collect()
}

/// The list of both, one after the other; what is not rendered yet stays so.
fn lists_joined(left: &Live, right: &Live) -> Result<Live, Error> {
    let both = (left.downcast_object_ref::<List>(), right.downcast_object_ref::<List>());
    if let (Some(left), Some(right)) = both {
        return Ok(Live::from_object(List::new(left.slots().into_iter().chain(right.slots()).collect())));
    }
    Ok(list(items(left)?.into_iter().chain(items(right)?)))
}

/// `+`: of numbers, texts, lists, tuples, and of moments and the time between them.
pub(super) fn add(left: Live, right: Live) -> Result<Live, Error> {
    match numbers(&left, &right)? {
        Some(Numbers::Whole(x, y)) => return whole(x.checked_add(y)),
        Some(Numbers::Float(x, y)) => return Ok(Live::from(x + y)),
        None => {}
    }
    if let (Some(x), Some(y)) = (left.as_str(), right.as_str()) {
        return Ok(Live::from(format!("{x}{y}")));
    }
    if left.is_tuple() && right.is_tuple() {
        return Ok(Live::from(Tuple::from(items(&left)?.into_iter().chain(items(&right)?).collect::<Vec<_>>())));
    }
    if is_list(&left) && is_list(&right) {
        return lists_joined(&left, &right);
    }
    if let Some(moment) = super::filters::dates::later(&left, &right) {
        return Ok(moment);
    }
    needed(&left, &right)?;
    match python_type(&left) {
        sequence @ ("str" | "list" | "tuple") => {
            Err(refuse(format!("can only concatenate {sequence} (not \"{}\") to {sequence}", python_type(&right))))
        }
        _ => Err(unsupported("+", &left, &right)),
    }
}

/// `-`: of numbers, and of moments and the time between them.
pub(super) fn subtract(left: Live, right: Live) -> Result<Live, Error> {
    if let Some(result) = super::filters::dates::difference(&left, &right) {
        return Ok(result);
    }
    match numbers(&left, &right)? {
        Some(Numbers::Whole(x, y)) => whole(x.checked_sub(y)),
        Some(Numbers::Float(x, y)) => Ok(Live::from(x - y)),
        None => {
            needed(&left, &right)?;
            Err(unsupported("-", &left, &right))
        }
    }
}

/// So many items a repeated list or text may have.
const LONGEST: usize = 50_000_000;

/// `*`: of numbers, and a text or list so many times.
pub(super) fn multiply(left: Live, right: Live) -> Result<Live, Error> {
    match numbers(&left, &right)? {
        Some(Numbers::Whole(x, y)) => return whole(x.checked_mul(y)),
        Some(Numbers::Float(x, y)) => return Ok(Live::from(x * y)),
        None => {}
    }
    needed(&left, &right)?;
    let is_sequence = |v: &Live| v.as_str().is_some() || v.is_tuple() || is_list(v);
    let (sequence, times) = match (is_sequence(&left), is_sequence(&right)) {
        (true, false) => (&left, &right),
        (false, true) => (&right, &left),
        (true, true) => return Err(refuse(format!("can't multiply sequence by non-int of type '{}'", python_type(&right)))),
        (false, false) => return Err(unsupported("*", &left, &right)),
    };
    let Some(times) = whole_of(times) else {
        return Err(match is_number(times) {
            true => refuse(format!("can't multiply sequence by non-int of type '{}'", python_type(times))),
            false => unsupported("*", &left, &right),
        });
    };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if sequence.len().unwrap_or(0).saturating_mul(times) > LONGEST {
        return Err(refuse("the repeated value is too long"));
    }
    if let Some(text) = sequence.as_str() {
        return Ok(Live::from(text.repeat(times)));
    }
    let once = items(sequence)?;
    let all = (0..times).flat_map(|_| once.iter().cloned());
    Ok(if sequence.is_tuple() { Live::from(Tuple::from(all.collect::<Vec<_>>())) } else { list(all) })
}

/// `/`: always a float.
pub(super) fn divide(left: Live, right: Live) -> Result<Live, Error> {
    match numbers(&left, &right)? {
        Some(Numbers::Whole(_, 0)) => Err(refuse("division by zero")),
        Some(Numbers::Whole(x, y)) => Ok(Live::from(x as f64 / y as f64)),
        Some(Numbers::Float(_, 0.0)) => Err(refuse("float division by zero")),
        Some(Numbers::Float(x, y)) => Ok(Live::from(x / y)),
        None => {
            needed(&left, &right)?;
            Err(unsupported("/", &left, &right))
        }
    }
}

/// `//`: the quotient rounded down.
pub(super) fn divide_floored(left: Live, right: Live) -> Result<Live, Error> {
    match numbers(&left, &right)? {
        Some(Numbers::Whole(_, 0)) => Err(refuse("integer division or modulo by zero")),
        Some(Numbers::Whole(x, y)) => {
            let rest = x.checked_rem(y).unwrap_or(0);
            let quotient = x.checked_div(y);
            whole(if rest != 0 && (rest < 0) != (y < 0) { quotient.map(|q| q - 1) } else { quotient })
        }
        Some(Numbers::Float(_, 0.0)) => Err(refuse("float floor division by zero")),
        Some(Numbers::Float(x, y)) => Ok(Live::from((x / y).floor())),
        None => {
            needed(&left, &right)?;
            Err(unsupported("//", &left, &right))
        }
    }
}

/// `**`.
pub(super) fn power(left: Live, right: Live) -> Result<Live, Error> {
    match numbers(&left, &right)? {
        Some(Numbers::Whole(x, y)) if y >= 0 => whole(u32::try_from(y).ok().and_then(|y| x.checked_pow(y))),
        Some(Numbers::Whole(0, _)) => Err(refuse("0.0 cannot be raised to a negative power")),
        Some(Numbers::Whole(x, y)) => Ok(Live::from((x as f64).powf(y as f64))),
        Some(Numbers::Float(x, y)) => Ok(Live::from(x.powf(y))),
        None => {
            needed(&left, &right)?;
            Err(unsupported("** or pow()", &left, &right))
        }
    }
}

/// `%`: formatting for text, the remainder with the divisor's sign for numbers.
pub(super) fn modulo(left: Live, right: Live) -> Result<Live, Error> {
    if let Some(pattern) = left.as_str() {
        let args: Vec<Live> = if right.is_tuple() { right.try_iter()?.collect() } else { vec![right] };
        return percent(pattern, &args).map(Live::from);
    }
    match numbers(&left, &right)? {
        Some(Numbers::Whole(_, 0)) => Err(refuse("integer modulo by zero")),
        Some(Numbers::Whole(x, y)) => whole(Some(x.checked_rem(y).map_or(0, |rest| (rest + y) % y))),
        Some(Numbers::Float(_, 0.0)) => Err(refuse("float modulo")),
        Some(Numbers::Float(x, y)) => Ok(Live::from(x - y * (x / y).floor())),
        None => {
            needed(&left, &right)?;
            Err(unsupported("%", &left, &right))
        }
    }
}

/// `%` formatting; containers and null print as in Python.
pub(super) fn percent(pattern: &str, args: &[Live]) -> Result<String, Error> {
    let whole = pattern.ends_with('d') && pattern.matches('%').count() == 1;
    let args = args
        .iter()
        .map(|a| match a.kind() {
            ValueKind::None | ValueKind::Bool if pattern.contains("%s") => text_of(a).map(Live::from),
            ValueKind::Seq | ValueKind::Iterable => text_of(a).map(Live::from),
            ValueKind::Number if !a.is_integer() && whole && !pattern.contains("%s") => {
                Ok(f64::try_from(a.clone()).map_or_else(|_| a.clone(), |f| Live::from(f.trunc() as i64)))
            }
            _ => Ok(a.clone()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    format(FormatStyle::Printf, pattern, &args)
}

/// `~`: the text of both, one after the other.
pub(super) fn concatenate(left: Live, right: Live) -> Result<Live, Error> {
    Ok(Live::from(text_of(&left)? + &text_of(&right)?))
}
