//! Durations written in units, as the collection `community.general` reads them: `1h 30m 20s`.

use super::Pure;
use crate::template::call::Call;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("to_milliseconds", |v, c| converted(v, c, "milliseconds")),
    ("to_seconds", |v, c| converted(v, c, "seconds")),
    ("to_minutes", |v, c| converted(v, c, "minutes")),
    ("to_hours", |v, c| converted(v, c, "hours")),
    ("to_days", |v, c| converted(v, c, "days")),
    ("to_weeks", |v, c| converted(v, c, "weeks")),
    ("to_months", |v, c| converted(v, c, "months")),
    ("to_years", |v, c| converted(v, c, "years")),
    ("to_time_unit", |v, c| {
        let unit = c.text(0, "unit")?.unwrap_or_else(|| "ms".into());
        converted(v, c, &unit)
    }),
];

/// Milliseconds in a unit; months and years are as long as the call says.
fn length(unit: &str, call: &Call) -> Result<Option<f64>, Error> {
    const DAY: f64 = 86_400_000.0;
    let given = |name: &str, other: f64| {
        Ok::<_, Error>(call.data(usize::MAX, name)?.as_ref().and_then(crate::template::call::float).unwrap_or(other))
    };
    let long = unit.len() > 1;
    let plural = unit.strip_suffix('s').filter(|u| long && !u.is_empty() && *u != "m").unwrap_or(unit);
    Ok(Some(match plural {
        "ms" | "msec" | "msecond" | "millisecond" => 1.0,
        "s" | "sec" | "second" => 1000.0,
        "m" | "min" | "minute" => 60_000.0,
        "h" | "hour" => 3_600_000.0,
        "d" | "day" => DAY,
        "w" | "week" => 7.0 * DAY,
        "mo" | "month" => given("month", 30.0)? * DAY,
        "y" | "year" => given("year", 365.0)? * DAY,
        _ => return Ok(None),
    }))
}

fn converted(value: &Value, call: &Call, unit: &str) -> Result<Value, Error> {
    let unknown = |unit: &str| refuse(format!("`{unit}` is no unit of time (ms, s, m, h, d, w, mo, y)"));
    let into = length(&unit.to_lowercase(), call)?.ok_or_else(|| unknown(unit))?;
    let text = value.to_string();
    let mut total = 0.0;
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if last.parse::<f64>().is_ok() => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    for word in &words {
        let cut = word.find(|c: char| c.is_alphabetic()).unwrap_or(word.len());
        let wrong = || refuse(format!("cannot read `{word}` as a duration"));
        let amount: f64 = word[..cut].parse().map_err(|_| wrong())?;
        let name = if cut == word.len() { unit } else { &word[cut..] };
        total += amount * length(&name.to_lowercase(), call)?.ok_or_else(|| unknown(name))?;
    }
    let digits = 1e12;
    Ok(Value::Float((total / into * digits).round() / digits))
}
