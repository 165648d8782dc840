//! Macros that take more arguments than they name: `varargs` and `kwargs`.

use super::call::Call;
use super::objects::{dict, list};
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, ValueOrKwargs, from_args};
use minijinja::{Error, State, Value as Live};
use std::fmt;
use std::sync::Arc;

/// A macro whose last two parameters are `varargs` and `kwargs`.
#[derive(Debug)]
struct Gathering(Live);

/// Makes a macro's calls fill its last two parameters with the arguments it does not name.
pub(super) fn gathering(inner: Live) -> Live {
    Live::from_object(Gathering(inner))
}

impl Object for Gathering {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        self.0.get_item(key).ok()
    }
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Live]) -> Result<Live, Error> {
        let mut names: Vec<String> = self.0.get_attr("arguments")?.try_iter()?.map(|n| n.to_string()).collect();
        names.truncate(names.len().saturating_sub(2));
        let call = Call::function(from_args::<(Rest<ValueOrKwargs>,)>(args)?.0)?;
        let fixed = call.positions.len().min(names.len());
        let mut positions = call.positions;
        let more = positions.split_off(fixed);
        let (mut named, others): (Vec<_>, Vec<_>) = call.named.into_iter().partition(|(name, _)| name == "caller" || names.contains(name));
        named.push(("varargs".to_owned(), list(more)));
        named.push(("kwargs".to_owned(), dict(others.into_iter().map(|(k, v)| (Live::from(k), v)))));
        positions.push(Kwargs::from_iter(named).into());
        self.0.call(state, &positions)
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
