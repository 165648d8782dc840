//! Dates: `now`, `to_datetime`, `strftime`, and the time between two moments.

mod moment;

use super::{Handing, Pure};
use crate::template::call::{Call, float};
use crate::template::convert::argument;
use crate::template::errors::refuse;
use minijinja::value::{DynObject, Object, ObjectRepr, Rest, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value as Live};
use modules::value::Value;
use moment::{Moment, Zone};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const FILTERS: &[(&str, Pure)] = &[("strftime", strftime)];

pub(super) const HANDING: &[(&str, Handing)] = &[("to_datetime", |_, c| to_datetime(c))];

/// A moment in a template: prints like Python's `datetime`, can be formatted, compared and subtracted.
#[derive(Debug)]
struct DateTime {
    moment: Moment,
    /// East of Greenwich, in seconds; nothing for the clock of this machine.
    offset: Option<i64>,
}

impl DateTime {
    fn zone(&self) -> Option<Zone> {
        self.offset.map(|offset| Zone { offset, name: String::new() })
    }

    /// Microseconds since 1970, on its own clock or at Greenwich.
    fn micros(&self) -> i64 {
        (self.moment.epoch() - self.offset.unwrap_or(0)) * 1_000_000 + self.moment.micros
    }

    fn iso(&self, between: char) -> String {
        let fraction = if self.moment.micros == 0 { "" } else { ".%f" };
        let text = self.moment.format(&format!("%Y-%m-%d{between}%H:%M:%S{fraction}"), None);
        match self.zone() {
            Some(zone) => {
                let digits = self.moment.format("%z", Some(&zone));
                format!("{text}{}:{}", &digits[..3], &digits[3..])
            }
            None => text,
        }
    }
}

impl Object for DateTime {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        let m = self.moment;
        Some(Live::from(match key.as_str()? {
            "year" => m.year,
            "month" => m.month,
            "day" => m.day,
            "hour" => m.seconds / 3600,
            "minute" => m.seconds / 60 % 60,
            "second" => m.seconds % 60,
            "microsecond" => m.micros,
            _ => return None,
        }))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Live]) -> Result<Live, Error> {
        let m = self.moment;
        Ok(match method {
            "strftime" => Live::from(m.format(args.first().and_then(Live::as_str).unwrap_or("%c"), self.zone().as_ref())),
            "isoformat" => Live::from(self.iso('T')),
            "timestamp" => {
                let offset = self.offset.unwrap_or_else(|| Zone::of_clock(m).offset);
                Live::from((m.epoch() - offset) as f64 + m.micros as f64 / 1e6)
            }
            "date" => Live::from(m.format("%Y-%m-%d", None)),
            "time" => Live::from(m.format("%H:%M:%S", None)),
            "weekday" => Live::from(m.weekday()),
            "isoweekday" => Live::from(m.weekday() + 1),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.micros().cmp(&other.downcast_ref::<Self>()?.micros()))
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(' '))
    }
}

/// The time between two moments, in microseconds: Python's `timedelta`.
#[derive(Debug)]
struct Span(i64);

const DAY: i64 = 86_400_000_000;

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        Some(Live::from(match key.as_str()? {
            "days" => self.0.div_euclid(DAY),
            "seconds" => self.0.rem_euclid(DAY) / 1_000_000,
            "microseconds" => self.0.rem_euclid(1_000_000),
            _ => return None,
        }))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Live]) -> Result<Live, Error> {
        match method {
            "total_seconds" => Ok(Live::from(self.0 as f64 / 1e6)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY) / 1_000_000, self.0.rem_euclid(1_000_000));
        match days {
            0 => {}
            1 | -1 => write!(f, "{days} day, ")?,
            _ => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros > 0 { write!(f, ".{micros:06}") } else { Ok(()) }
    }
}

impl DateTime {
    /// So many microseconds later, on the same clock.
    fn after(&self, span: i64) -> Live {
        let micros = self.moment.epoch() * 1_000_000 + self.moment.micros + span;
        let moment = Moment::at(micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        Live::from_object(DateTime { moment, offset: self.offset })
    }
}

/// The name of its type in Python, if it is a moment or a span of time.
pub(in crate::template) fn python_type(value: &Live) -> Option<&'static str> {
    let object = value.as_object()?;
    let moment = object.downcast_ref::<DateTime>().map(|_| "datetime");
    moment.or_else(|| object.downcast_ref::<Span>().map(|_| "timedelta"))
}

/// A moment and a span of time after it, in either order, or two spans together.
pub(in crate::template) fn later(left: &Live, right: &Live) -> Option<Live> {
    let spans = (left.downcast_object_ref::<Span>(), right.downcast_object_ref::<Span>());
    match spans {
        (Some(left), Some(right)) => Some(Live::from_object(Span(left.0 + right.0))),
        (Some(span), None) => Some(right.downcast_object_ref::<DateTime>()?.after(span.0)),
        (None, Some(span)) => Some(left.downcast_object_ref::<DateTime>()?.after(span.0)),
        (None, None) => None,
    }
}

/// What is left of `left` without `right`, if they are moments or spans of time.
pub(in crate::template) fn difference(left: &Live, right: &Live) -> Option<Live> {
    if let (Some(left), Some(right)) = (left.downcast_object_ref::<Span>(), right.downcast_object_ref::<Span>()) {
        return Some(Live::from_object(Span(left.0 - right.0)));
    }
    let left = left.downcast_object_ref::<DateTime>()?;
    if let Some(right) = right.downcast_object_ref::<DateTime>() {
        return Some(Live::from_object(Span(left.micros() - right.micros())));
    }
    let span = right.downcast_object_ref::<Span>()?;
    Some(left.after(-span.0))
}

fn present() -> (i64, i64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as i64, i64::from(since.subsec_micros()))
}

/// `now(utc=False, fmt=None)`: the present, by the clock of the controller, in its zone or in UTC.
pub(in crate::template) fn now(args: Rest<ValueOrKwargs>) -> Result<Live, Error> {
    let call = Call::function(args)?;
    let (seconds, micros) = present();
    let offset = if call.flag(0, "utc")? { 0 } else { Zone::local(seconds).offset };
    let moment = Moment::at(seconds + offset, micros);
    Ok(match call.text(1, "fmt")?.filter(|f| !f.is_empty()) {
        Some(pattern) => Live::from(moment.format(&pattern, None)),
        None => Live::from_object(DateTime { moment, offset: None }),
    })
}

/// `'%H:%M' | strftime(second=None, utc=False)`.
fn strftime(value: &Value, call: &Call) -> Result<Value, Error> {
    let seconds = match call.data(0, "second")? {
        None | Some(Value::Null) => present().0,
        Some(v) => {
            float(&v).ok_or_else(|| refuse(format!("Invalid value for epoch value ({v}): seconds since 1970 are needed")))?.floor() as i64
        }
    };
    let zone = if call.flag(1, "utc")? { Zone::utc() } else { Zone::local(seconds) };
    Ok(Value::from(Moment::at(seconds + zone.offset, 0).format(&value.to_string(), Some(&zone))))
}

fn to_datetime(call: &Call) -> Result<Live, Error> {
    let text = argument(&call.value)?.to_string();
    let pattern = call.text(0, "format")?.unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".into());
    let (moment, offset) =
        Moment::parse(&text, &pattern).ok_or_else(|| refuse(format!("time data '{text}' does not match format '{pattern}'")))?;
    Ok(Live::from_object(DateTime { moment, offset }))
}
