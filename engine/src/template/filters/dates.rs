//! Dates: `now`, `to_datetime`, `strftime`.

use super::{Handing, Pure};
use crate::template::call::{Call, float};
use crate::template::convert::argument;
use crate::template::errors::refuse;
use minijinja::value::{Object, ObjectRepr, Rest, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value as Live};
use modules::value::Value;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const FILTERS: &[(&str, Pure)] = &[("strftime", strftime)];

pub(super) const HANDING: &[(&str, Handing)] = &[("to_datetime", |_, c| to_datetime(c))];

/// A moment by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    seconds: i64,
    micros: i64,
}

impl Moment {
    /// From seconds since 1970 (days to a date after Howard Hinnant's `civil_from_days`).
    fn at(seconds: i64, micros: i64) -> Moment {
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Moment {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            seconds: seconds.rem_euclid(86_400),
            micros,
        }
    }

    fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let of_era = year.rem_euclid(400);
        let shifted = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let of_year = (153 * shifted + 2) / 5 + self.day - 1;
        year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    fn epoch(self) -> i64 {
        self.days() * 86_400 + self.seconds
    }

    fn of_year(self) -> i64 {
        self.days() - Moment { month: 1, day: 1, ..self }.days() + 1
    }

    fn format(self, pattern: &str) -> String {
        const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        const MONTHS: [&str; 12] =
            ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
        let weekday = (self.days() + 4).rem_euclid(7);
        let (hour, minute, second) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        let (day_name, month_name) = (DAYS[weekday as usize], MONTHS[(self.month - 1) as usize]);
        let mut out = String::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            out += &match chars.next().unwrap_or('%') {
                'Y' => self.year.to_string(),
                'y' => format!("{:02}", self.year.rem_euclid(100)),
                'm' => format!("{:02}", self.month),
                'd' => format!("{:02}", self.day),
                'e' => format!("{:2}", self.day),
                'H' => format!("{hour:02}"),
                'I' => format!("{:02}", (hour + 11) % 12 + 1),
                'M' => format!("{minute:02}"),
                'S' => format!("{second:02}"),
                'f' => format!("{:06}", self.micros),
                'p' => if hour < 12 { "AM" } else { "PM" }.into(),
                'j' => format!("{:03}", self.of_year()),
                'A' => day_name.into(),
                'a' => day_name[..3].into(),
                'B' => month_name.into(),
                'b' | 'h' => month_name[..3].into(),
                'w' => weekday.to_string(),
                'u' => ((weekday + 6) % 7 + 1).to_string(),
                's' => self.epoch().to_string(),
                'U' => format!("{:02}", (self.of_year() + 6 - weekday) / 7),
                'W' => format!("{:02}", (self.of_year() + 6 - (weekday + 6) % 7) / 7),
                'Z' => "UTC".into(),
                'z' => "+0000".into(),
                'F' => self.format("%Y-%m-%d"),
                'T' | 'X' => self.format("%H:%M:%S"),
                'R' => self.format("%H:%M"),
                'D' | 'x' => self.format("%m/%d/%y"),
                'c' => self.format("%a %b %e %H:%M:%S %Y"),
                'n' => "\n".into(),
                't' => "\t".into(),
                '%' => "%".into(),
                other => format!("%{other}"),
            };
        }
        out
    }

    fn parse(text: &str, pattern: &str) -> Option<Moment> {
        let mut moment = Moment { year: 1900, month: 1, day: 1, seconds: 0, micros: 0 };
        let mut rest = text;
        let number = |rest: &mut &str, most: usize| -> Option<i64> {
            let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let (head, tail) = rest.split_at(digits);
            *rest = tail;
            head.parse().ok()
        };
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                rest = rest.strip_prefix(c)?;
                continue;
            }
            match chars.next()? {
                'Y' => moment.year = number(&mut rest, 4)?,
                'y' => {
                    let year = number(&mut rest, 2)?;
                    moment.year = year + if year < 69 { 2000 } else { 1900 };
                }
                'm' => moment.month = number(&mut rest, 2)?,
                'd' => moment.day = number(&mut rest, 2)?,
                'H' => moment.seconds += number(&mut rest, 2)? * 3600,
                'M' => moment.seconds += number(&mut rest, 2)? * 60,
                'S' => moment.seconds += number(&mut rest, 2)?,
                'f' => {
                    let before = rest.len();
                    let value = number(&mut rest, 6)?;
                    moment.micros = value * 10i64.pow(6 - u32::try_from(before - rest.len()).ok()?);
                }
                'Z' => rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
                'z' => rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "+-:Z".contains(c)),
                'b' => {
                    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
                    moment.month = months.iter().position(|m| rest.to_lowercase().starts_with(m))? as i64 + 1;
                    rest = rest.get(3..)?;
                }
                'a' => rest = rest.get(3..)?,
                _ => return None,
            }
        }
        let valid = rest.is_empty() && (1..=12).contains(&moment.month) && (1..=31).contains(&moment.day);
        valid.then_some(moment)
    }
}

/// A moment in a template: prints like Python's `datetime`, can be formatted, compared and subtracted by its parts.
#[derive(Debug)]
struct DateTime(Moment);

impl Object for DateTime {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        let m = self.0;
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
        Ok(match method {
            "strftime" => Live::from(self.0.format(args.first().and_then(Live::as_str).unwrap_or("%c"))),
            "isoformat" => Live::from(self.0.format(if self.0.micros == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S.%f" })),
            "timestamp" => Live::from(self.0.epoch() as f64 + self.0.micros as f64 / 1e6),
            "date" => Live::from(self.0.format("%Y-%m-%d")),
            "weekday" => Live::from((self.0.days() + 3).rem_euclid(7)),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(if self.0.micros == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S.%f" }))
    }
}

fn present() -> (i64, i64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as i64, i64::from(since.subsec_micros()))
}

/// `now(utc, fmt)`: the present, by the clock of the controller, in UTC.
pub(in crate::template) fn now(args: Rest<ValueOrKwargs>) -> Result<Live, Error> {
    let call = Call::function(args)?;
    let (seconds, micros) = present();
    let moment = Moment::at(seconds, micros);
    Ok(match call.text(1, "fmt")?.filter(|f| !f.is_empty()) {
        Some(pattern) => Live::from(moment.format(&pattern)),
        None => Live::from_object(DateTime(moment)),
    })
}

fn strftime(value: &Value, call: &Call) -> Result<Value, Error> {
    let seconds = match call.data(0, "second")? {
        None | Some(Value::Null) => present().0,
        Some(v) => float(&v).ok_or_else(|| refuse(format!("{v} is no time in seconds since 1970")))? as i64,
    };
    Ok(Value::from(Moment::at(seconds, 0).format(&value.to_string())))
}

fn to_datetime(call: &Call) -> Result<Live, Error> {
    let text = argument(&call.value)?.to_string();
    let pattern = call.text(0, "format")?.unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".into());
    let moment = Moment::parse(&text, &pattern).ok_or_else(|| refuse(format!("{text} does not look like {pattern}")))?;
    Ok(Live::from_object(DateTime(moment)))
}
