//! The lookup of sequences of numbers: `start=1 end=9 stride=2 format=host%02d`, or `1-9/2:host%02d`.

use super::{Lookup, Request};
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("sequence", sequence)];

/// More numbers than this a sequence does not make.
const LONGEST: i64 = 1_000_000;

/// The numbers of a sequence, and how each is written.
struct Sequence {
    start: i64,
    end: Option<i64>,
    count: Option<i64>,
    stride: i64,
    format: String,
}

fn sequence(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    let names = ["start", "end", "count", "stride", "format"];
    let mut given = Vec::new();
    for name in names {
        given.extend(request.text(name)?.map(|value| (name, value)));
    }
    let alone = request.terms.is_empty() && !given.is_empty();
    let terms: Vec<String> = if alone { vec![String::new()] } else { request.texts().collect() };
    for term in terms {
        let mut sequence = Sequence { start: 1, end: None, count: None, stride: 1, format: "%d".into() };
        for (name, value) in &given {
            sequence.set(name, value)?;
        }
        let term = term.trim();
        match term.contains('=') || term.is_empty() {
            true => {
                let options: Vec<(&str, &str)> = term.split_whitespace().map(|o| o.split_once('=').unwrap_or((o, ""))).collect();
                let unknown: Vec<&str> = options.iter().map(|(n, _)| *n).filter(|n| !names.contains(n)).collect();
                if !unknown.is_empty() {
                    return Err(refuse(format!("unrecognized arguments to with_sequence: {}", unknown.join(", "))));
                }
                options.iter().try_for_each(|(name, value)| sequence.set(name, value))?;
            }
            false => sequence.shorthand(term)?,
        }
        sequence.write(&mut out)?;
    }
    Ok(out)
}

fn number(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |t| (-1, t));
    let found = match (digits.strip_prefix("0x"), digits.strip_prefix("0o"), digits.strip_prefix("0b")) {
        (Some(hex), ..) => i64::from_str_radix(hex, 16).ok(),
        (_, Some(octal), _) => i64::from_str_radix(octal, 8).ok(),
        (.., Some(binary)) => i64::from_str_radix(binary, 2).ok(),
        _ => digits.parse().ok(),
    };
    found.map(|n| n * sign)
}

fn whole(name: &str, text: &str) -> Result<i64, Error> {
    number(text).ok_or_else(|| refuse(format!("option '{name}' has an invalid value: '{text}' is no whole number")))
}

impl Sequence {
    /// `[start-]end[/stride][:format]`.
    fn shorthand(&mut self, term: &str) -> Result<(), Error> {
        let (numbers, format) = term.split_once(':').map_or((term, None), |(n, f)| (n, Some(f)));
        let (range, stride) = numbers.split_once('/').map_or((numbers, None), |(r, s)| (r, Some(s)));
        let (start, end) = range.split_once('-').map_or((None, range), |(s, e)| (Some(s), e));
        (self.end, self.count) = (Some(whole("end", end)?), None);
        if let Some(start) = start {
            self.start = whole("start", start)?;
        }
        if let Some(stride) = stride {
            self.stride = whole("stride", stride)?;
        }
        if let Some(format) = format {
            self.format = format.to_owned();
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "start" => self.start = whole(name, value)?,
            "end" => self.end = Some(whole(name, value)?),
            "count" => self.count = Some(whole(name, value)?),
            "stride" => self.stride = whole(name, value)?,
            _ => self.format = value.to_owned(),
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<Value>) -> Result<(), Error> {
        let end = match (self.end, self.count) {
            (_, Some(0)) => return Ok(()),
            (None, Some(count)) => self.start + count * self.stride - 1,
            (Some(end), None) => end,
            (None, None) => return Err(refuse("must specify count or end in with_sequence")),
            (Some(_), Some(_)) => return Err(refuse("can't specify both count and end in with_sequence")),
        };
        if self.stride == 0 {
            return Ok(());
        }
        if self.stride > 0 && end < self.start {
            return Err(refuse("to count backwards make stride negative"));
        }
        if self.stride < 0 && end > self.start {
            return Err(refuse("to count forward don't make stride negative"));
        }
        if self.format.matches('%').count() != 1 {
            return Err(refuse(format!("bad formatting string: {}", self.format)));
        }
        if (end - self.start) / self.stride > LONGEST {
            return Err(refuse("the sequence does not end within a million numbers"));
        }
        let mut at = self.start;
        while (self.stride > 0 && at <= end) || (self.stride < 0 && at >= end) {
            out.push(Value::from(crate::template::operators::percent(&self.format, &[minijinja::Value::from(at)])?));
            at += self.stride;
        }
        Ok(())
    }
}
