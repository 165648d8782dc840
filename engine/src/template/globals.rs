//! The functions and names that every template has.

use super::call::Call;
use super::errors::refuse;
use super::objects::{dict, list, pairs};
use super::{OMIT, lookups};
use minijinja::value::{Object, ObjectRepr, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value as Live};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// More items than this a range does not make.
const RANGE: i64 = 100_000;

/// Adds them to an environment.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_global("None", Live::from(()));
    environment.add_global("omit", OMIT);
    environment.add_function("range", range);
    environment.add_function("dict", |args: Rest<ValueOrKwargs>| -> Result<Live, Error> {
        let call = Call::function(args)?;
        let mut all = call.positions.first().map(pairs).transpose()?.unwrap_or_default();
        all.extend(call.named.into_iter().map(|(k, v)| (Live::from(k), v)));
        Ok(dict(all))
    });
    environment.add_function("cycler", |items: Rest<Live>| match items.is_empty() {
        true => Err(refuse("cycler() needs items")),
        false => Ok(Live::from_object(Cycler { items: items.0, at: AtomicUsize::new(0) })),
    });
    environment.add_function("joiner", |separator: Option<String>| {
        Live::from_object(Joiner { separator: separator.unwrap_or_else(|| ", ".into()), used: AtomicBool::new(false) })
    });
    environment.add_function("now", super::filters::dates::now);
    environment.add_function("undef", |args: Rest<ValueOrKwargs>| -> Result<Live, Error> {
        let call = Call::function(args)?;
        let hint = call.text(0, "hint")?;
        let words = hint.unwrap_or_else(|| "Mandatory variable has not been overridden".into());
        super::errors::missed_variable("undef", Some(crate::error::Diagnostic::new(crate::error::Kind::Undefined, words)));
        Ok(Live::UNDEFINED)
    });
    environment.add_function("lookup", |args: Rest<ValueOrKwargs>| lookups::function(Call::function(args)?, false));
    for name in ["query", "q"] {
        environment.add_function(name, |args: Rest<ValueOrKwargs>| lookups::function(Call::function(args)?, true));
    }
}

fn range(args: Rest<i64>) -> Result<Live, Error> {
    let (start, stop, step) = match args.0.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] if *step != 0 => (*start, *stop, *step),
        _ => return Err(refuse("range() takes one to three numbers, the third not zero")),
    };
    let mut items = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        if items.len() as i64 >= RANGE {
            return Err(refuse(format!("range() makes at most {RANGE} numbers")));
        }
        items.push(Live::from(at));
        at += step;
    }
    Ok(list(items))
}

/// Gives its items in turn.
#[derive(Debug)]
struct Cycler {
    items: Vec<Live>,
    at: AtomicUsize,
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        match key.as_str()? {
            "current" => self.items.get(self.at.load(Ordering::Relaxed) % self.items.len()).cloned(),
            _ => None,
        }
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Live]) -> Result<Live, Error> {
        match method {
            "next" => Ok(self.items[self.at.fetch_add(1, Ordering::Relaxed) % self.items.len()].clone()),
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(Live::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Nothing the first time, then its separator.
#[derive(Debug)]
struct Joiner {
    separator: String,
    used: AtomicBool,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Live]) -> Result<Live, Error> {
        Ok(if self.used.swap(true, Ordering::Relaxed) { Live::from(self.separator.as_str()) } else { Live::from("") })
    }
}
