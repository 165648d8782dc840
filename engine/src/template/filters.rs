//! Jinja's and Ansible's filters, by what they work on.

pub(in crate::template) mod charset;
pub(super) mod dates;
pub(super) mod dice;
mod dicts;
mod durations;
mod encoding;
mod formats;
mod keys;
mod lists;
mod maths;
pub(super) mod network;
pub(super) mod passwords;
mod paths;
mod patterns;
mod query;
mod select;
mod sets;
pub(super) mod text;
mod vaults;
pub(in crate::template) mod yaml;

use super::call::Call;
use super::convert::{argument, live};
use super::errors::of_plugin;
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value as Live};
use modules::value::Value;

pub(super) use paths::{expanded_user, glob};
pub(super) use patterns::{glob_regex, pattern};
pub(super) use select::is_group;

/// A filter on data.
type Pure = fn(&Value, &Call) -> Result<Value, Error>;
/// A filter that hands on the very values it got, or calls other filters and tests.
type Handing = fn(&mut State<'_, '_>, &Call) -> Result<Live, Error>;

const PURE: &[&[(&str, Pure)]] = &[
    dates::FILTERS,
    dicts::FILTERS,
    durations::FILTERS,
    encoding::FILTERS,
    formats::FILTERS,
    keys::FILTERS,
    lists::FILTERS,
    maths::FILTERS,
    network::FILTERS,
    passwords::FILTERS,
    paths::FILTERS,
    patterns::FILTERS,
    query::FILTERS,
    sets::FILTERS,
    text::FILTERS,
    vaults::FILTERS,
];

const HANDING: &[&[(&str, Handing)]] = &[select::FILTERS, lists::HANDING, dicts::HANDING, dates::HANDING, dice::HANDING];

/// Every filter's name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let pure = PURE.iter().flat_map(|t| t.iter().map(|(n, _)| *n));
    pure.chain(HANDING.iter().flat_map(|t| t.iter().map(|(n, _)| *n)))
}

fn failed(name: &str, error: Error) -> Error {
    of_plugin("filter", &format!("ansible.builtin.{name}"), error)
}

/// Adds them to an environment.
pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, filter) in PURE.iter().flat_map(|t| t.iter()) {
        let filter = *filter;
        environment.add_filter(*name, move |args: Rest<ValueOrKwargs>| -> Result<Live, Error> {
            let call = Call::filter_defined(args)?;
            if call.is_undefined() {
                return Ok(call.value);
            }
            let value = argument(&call.value)?;
            filter(&value, &call).map(live).map_err(|e| failed(name, e))
        });
    }
    for (name, filter) in HANDING.iter().flat_map(|t| t.iter()) {
        let filter = *filter;
        let defines = matches!(*name, "default" | "d" | "mandatory");
        environment.add_filter(*name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| -> Result<Live, Error> {
            let call = if defines { Call::filter(args)? } else { Call::filter_defined(args)? };
            if call.is_undefined() && !defines {
                return Ok(call.value);
            }
            filter(state, &call).map_err(|e| failed(name, e))
        });
    }
}
