//! `json_query`: JMESPath (jmespath.org/specification.html) on data.

use super::Pure;
use super::select::order;
use crate::template::call::float;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::{Map, Value};

pub(super) const FILTERS: &[(&str, Pure)] = &[("json_query", |v, c| {
    let text = c.text(0, "expr")?.ok_or_else(|| refuse("json_query needs an expression"))?;
    parse(&text)?.of(v)
})];

/// An expression.
#[derive(Debug, Clone)]
enum Query {
    Current,
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    Literal(Value),
    /// The second applied to the result of the first.
    Then(Box<Query>, Box<Query>),
    /// The second applied to every entry that the first gives; null results are left out.
    Each(Box<Query>, Box<Query>),
    Values(Box<Query>),
    Flatten(Box<Query>),
    Filter(Box<Query>, Box<Query>),
    Compare(&'static str, Box<Query>, Box<Query>),
    And(Box<Query>, Box<Query>),
    Or(Box<Query>, Box<Query>),
    Not(Box<Query>),
    List(Vec<Query>),
    Dict(Vec<(String, Query)>),
    Call(String, Vec<Query>),
    /// `&expression`, for functions.
    Reference(Box<Query>),
}

fn truth(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_)) || value.truthy()
}

impl Query {
    fn of(&self, value: &Value) -> Result<Value, Error> {
        Ok(match self {
            Query::Current => value.clone(),
            Query::Field(name) => value.get(name).cloned().unwrap_or_default(),
            Query::Index(i) => at(value, *i),
            Query::Slice(start, stop, step) => slice(value, *start, *stop, *step),
            Query::Literal(v) => v.clone(),
            Query::Then(a, b) => b.of(&a.of(value)?)?,
            Query::Each(a, b) => match a.of(value)? {
                Value::List(l) => {
                    let all = l.iter().map(|v| b.of(v)).collect::<Result<Vec<_>, _>>()?;
                    Value::list(all.into_iter().filter(|v| !matches!(v, Value::Null)))
                }
                _ => Value::Null,
            },
            Query::Values(a) => a.of(value)?.as_map().map_or(Value::Null, |m| Value::list(m.values().cloned())),
            Query::Flatten(a) => match a.of(value)? {
                Value::List(l) => Value::list(l.iter().flat_map(|v| v.as_list().map_or_else(|| vec![v.clone()], <[Value]>::to_vec))),
                _ => Value::Null,
            },
            Query::Filter(a, test) => match a.of(value)? {
                Value::List(l) => {
                    let mut kept = Vec::new();
                    for item in l.iter() {
                        if truth(&test.of(item)?) {
                            kept.push(item.clone());
                        }
                    }
                    Value::list(kept)
                }
                _ => Value::Null,
            },
            Query::Compare(how, a, b) => compare(how, &a.of(value)?, &b.of(value)?),
            Query::And(a, b) => {
                let left = a.of(value)?;
                if truth(&left) { b.of(value)? } else { left }
            }
            Query::Or(a, b) => {
                let left = a.of(value)?;
                if truth(&left) { left } else { b.of(value)? }
            }
            Query::Not(a) => Value::Bool(!truth(&a.of(value)?)),
            Query::List(items) if !matches!(value, Value::Null) => {
                Value::list(items.iter().map(|q| q.of(value)).collect::<Result<Vec<_>, _>>()?)
            }
            Query::Dict(pairs) if !matches!(value, Value::Null) => {
                let mut map = Map::new();
                for (name, query) in pairs {
                    map.insert(Value::str(name), query.of(value)?);
                }
                Value::from(map)
            }
            Query::List(_) | Query::Dict(_) | Query::Reference(_) => Value::Null,
            Query::Call(name, args) => call(name, args, value)?,
        })
    }
}

fn at(value: &Value, index: i64) -> Value {
    let Some(list) = value.as_list() else { return Value::Null };
    let index = if index < 0 { index + list.len() as i64 } else { index };
    usize::try_from(index).ok().and_then(|i| list.get(i).cloned()).unwrap_or_default()
}

fn slice(value: &Value, start: Option<i64>, stop: Option<i64>, step: i64) -> Value {
    let Some(list) = value.as_list() else { return Value::Null };
    let n = list.len() as i64;
    let fit = |i: i64| (if i < 0 { i + n } else { i }).clamp(if step < 0 { -1 } else { 0 }, if step < 0 { n - 1 } else { n });
    let (mut i, end) = match step < 0 {
        true => (start.map_or(n - 1, fit), stop.map_or(-1, fit)),
        false => (start.map_or(0, fit), stop.map_or(n, fit)),
    };
    let mut out = Vec::new();
    while (step > 0 && i < end) || (step < 0 && i > end) {
        out.extend(usize::try_from(i).ok().and_then(|i| list.get(i).cloned()));
        i += step;
    }
    Value::list(out)
}

fn compare(how: &str, a: &Value, b: &Value) -> Value {
    let numbers = float_only(a).zip(float_only(b));
    Value::Bool(match how {
        "==" => a == b && a.type_name() == b.type_name() || numbers.is_some_and(|(x, y)| x == y),
        "!=" => a != b,
        _ => match (numbers, how) {
            (Some((x, y)), "<") => x < y,
            (Some((x, y)), "<=") => x <= y,
            (Some((x, y)), ">") => x > y,
            (Some((x, y)), _) => x >= y,
            (None, _) => return Value::Null,
        },
    })
}

fn float_only(value: &Value) -> Option<f64> {
    matches!(value, Value::Int(_) | Value::Float(_)).then(|| float(value)).flatten()
}

fn call(name: &str, args: &[Query], value: &Value) -> Result<Value, Error> {
    let arg = |i: usize| args.get(i).ok_or_else(|| refuse(format!("json_query: {name}() lacks an argument")))?.of(value);
    let items = |v: Value| {
        v.as_list().map(<[Value]>::to_vec).ok_or_else(|| refuse(format!("json_query: {name}() needs a list, not {}", v.type_name())))
    };
    let by = |i: usize, item: &Value| match args.get(i) {
        Some(Query::Reference(q)) => q.of(item),
        _ => Err(refuse(format!("json_query: {name}() needs an expression with &"))),
    };
    let keyed = |items: Vec<Value>| items.into_iter().map(|v| Ok((by(1, &v)?, v))).collect::<Result<Vec<_>, Error>>();
    Ok(match name {
        "length" => match arg(0)? {
            Value::Str(s) => Value::from(s.chars().count()),
            Value::List(l) => Value::from(l.len()),
            Value::Map(m) => Value::from(m.len()),
            v => return Err(refuse(format!("json_query: a value of type {} has no length", v.type_name()))),
        },
        "contains" => match (arg(0)?, arg(1)?) {
            (Value::Str(s), part) => Value::Bool(part.as_str().is_some_and(|p| s.contains(p))),
            (Value::List(l), item) => Value::Bool(l.contains(&item)),
            (v, _) => return Err(refuse(format!("json_query: a value of type {} contains nothing", v.type_name()))),
        },
        "starts_with" => Value::Bool(arg(0)?.to_string().starts_with(arg(1)?.to_string().as_str())),
        "ends_with" => Value::Bool(arg(0)?.to_string().ends_with(arg(1)?.to_string().as_str())),
        "keys" => Value::list(arg(0)?.as_map().into_iter().flat_map(|m| m.keys().cloned()).collect::<Vec<_>>()),
        "values" => Value::list(arg(0)?.as_map().into_iter().flat_map(|m| m.values().cloned()).collect::<Vec<_>>()),
        "join" => {
            let glue = arg(0)?.to_string();
            Value::from(items(arg(1)?)?.iter().map(ToString::to_string).collect::<Vec<_>>().join(&glue))
        }
        "sort" => {
            let mut all = items(arg(0)?)?;
            all.sort_by(order);
            Value::list(all)
        }
        "sort_by" => {
            let mut all = keyed(items(arg(0)?)?)?;
            all.sort_by(|a, b| order(&a.0, &b.0));
            Value::list(all.into_iter().map(|(_, v)| v))
        }
        "max" => items(arg(0)?)?.into_iter().max_by(order).unwrap_or_default(),
        "min" => items(arg(0)?)?.into_iter().min_by(order).unwrap_or_default(),
        "max_by" => keyed(items(arg(0)?)?)?.into_iter().max_by(|a, b| order(&a.0, &b.0)).map(|(_, v)| v).unwrap_or_default(),
        "min_by" => keyed(items(arg(0)?)?)?.into_iter().min_by(|a, b| order(&a.0, &b.0)).map(|(_, v)| v).unwrap_or_default(),
        "map" => match args.first() {
            Some(Query::Reference(q)) => Value::list(items(arg(1)?)?.iter().map(|v| q.of(v)).collect::<Result<Vec<_>, _>>()?),
            _ => return Err(refuse("json_query: map() needs an expression with &")),
        },
        "reverse" => match arg(0)? {
            Value::Str(s) => Value::from(s.chars().rev().collect::<String>()),
            v => Value::list(items(v)?.into_iter().rev()),
        },
        "sum" => Value::Float(items(arg(0)?)?.iter().filter_map(float).sum()),
        "avg" => {
            let all = items(arg(0)?)?;
            Value::Float(all.iter().filter_map(float).sum::<f64>() / all.len() as f64)
        }
        "abs" => float(&arg(0)?).map_or(Value::Null, |f| Value::Float(f.abs())),
        "to_string" => match arg(0)? {
            s @ Value::Str(_) => s,
            v => Value::from(v.to_json().to_string()),
        },
        "to_number" => match arg(0)? {
            Value::Str(s) => s.parse().map(Value::Int).or_else(|_| s.parse().map(Value::Float)).unwrap_or_default(),
            v @ (Value::Int(_) | Value::Float(_)) => v,
            _ => Value::Null,
        },
        "to_array" => match arg(0)? {
            l @ Value::List(_) => l,
            v => Value::list([v]),
        },
        "type" => Value::str(match arg(0)?.type_name() {
            "list" => "array",
            "dictionary" => "object",
            "integer" => "number",
            other => other,
        }),
        "not_null" => {
            for query in args {
                let found = query.of(value)?;
                if !matches!(found, Value::Null) {
                    return Ok(found);
                }
            }
            Value::Null
        }
        "merge" => {
            let mut map = Map::new();
            for query in args {
                map.extend(query.of(value)?.as_map().cloned().unwrap_or_default());
            }
            Value::from(map)
        }
        other => return Err(refuse(format!("json_query knows no function `{other}`"))),
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Number(i64),
    Literal(Value),
    Mark(&'static str),
}

const MARKS: [&str; 25] =
    ["[?", "[]", "==", "!=", "<=", ">=", "&&", "||", "[", "]", "{", "}", "(", ")", ".", ",", ":", "*", "|", "@", "&", "!", "<", ">", "-"];

fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let quoted = |quote: char| {
            rest[1..]
                .find(quote)
                .map(|end| (&rest[1..=end], &rest[end + 2..]))
                .ok_or_else(|| refuse(format!("json_query: {quote} is never closed")))
        };
        let tail = match c {
            '\'' => {
                let (inner, tail) = quoted('\'')?;
                out.push(Token::Literal(Value::str(inner)));
                tail
            }
            '"' => {
                let (inner, tail) = quoted('"')?;
                out.push(Token::Name(inner.to_owned()));
                tail
            }
            '`' => {
                let (inner, tail) = quoted('`')?;
                out.push(Token::Literal(serde_json::from_str(inner).map_or_else(|_| Value::str(inner.trim()), |j| Value::from_json(&j))));
                tail
            }
            c if c.is_ascii_digit() || (c == '-' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                let end = rest[1..].find(|d: char| !d.is_ascii_digit()).map_or(rest.len(), |e| e + 1);
                out.push(Token::Number(rest[..end].parse().unwrap_or_default()));
                &rest[end..]
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|d: char| !d.is_alphanumeric() && d != '_').unwrap_or(rest.len());
                out.push(Token::Name(rest[..end].to_owned()));
                &rest[end..]
            }
            other => {
                let mark = MARKS
                    .iter()
                    .find(|m| rest.starts_with(**m))
                    .ok_or_else(|| refuse(format!("json_query cannot read `{other}` in {text}")))?;
                out.push(Token::Mark(mark));
                &rest[mark.len()..]
            }
        };
        rest = tail.trim_start();
    }
    Ok(out)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

fn parse(text: &str) -> Result<Query, Error> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let query = parser.pipe()?;
    match parser.tokens.get(parser.at) {
        None => Ok(query),
        Some(left) => Err(refuse(format!("json_query cannot read {text} after {left:?}"))),
    }
}

impl Parser {
    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Mark(m)) if *m == mark);
        self.at += usize::from(found);
        found
    }
    fn expect(&mut self, mark: &str) -> Result<(), Error> {
        if self.take(mark) { Ok(()) } else { Err(refuse(format!("json_query misses `{mark}`"))) }
    }
    fn number(&mut self) -> Option<i64> {
        match self.tokens.get(self.at) {
            Some(Token::Number(n)) => {
                self.at += 1;
                Some(*n)
            }
            _ => None,
        }
    }
    fn pipe(&mut self) -> Result<Query, Error> {
        let mut left = self.or()?;
        while self.take("|") {
            left = Query::Then(Box::new(left), Box::new(self.or()?));
        }
        Ok(left)
    }
    fn or(&mut self) -> Result<Query, Error> {
        let mut left = self.and()?;
        while self.take("||") {
            left = Query::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }
    fn and(&mut self) -> Result<Query, Error> {
        let mut left = self.comparison()?;
        while self.take("&&") {
            left = Query::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }
    fn comparison(&mut self) -> Result<Query, Error> {
        let left = self.unary()?;
        for how in ["==", "!=", "<=", ">=", "<", ">"] {
            if self.take(how) {
                return Ok(Query::Compare(how, Box::new(left), Box::new(self.unary()?)));
            }
        }
        Ok(left)
    }
    fn unary(&mut self) -> Result<Query, Error> {
        if self.take("!") {
            return Ok(Query::Not(Box::new(self.unary()?)));
        }
        if self.take("&") {
            return Ok(Query::Reference(Box::new(self.or()?)));
        }
        let first = self.primary()?;
        self.postfix(first, false)
    }

    fn primary(&mut self) -> Result<Query, Error> {
        if matches!(self.tokens.get(self.at), Some(Token::Mark("[" | "[?" | "[]")))
            && !matches!(self.tokens.get(self.at + 1), Some(Token::Name(_) | Token::Literal(_)))
            || matches!(self.tokens.get(self.at), Some(Token::Mark("[?" | "[]")))
        {
            return Ok(Query::Current);
        }
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| refuse("json_query ends too early"))?;
        self.at += 1;
        match token {
            Token::Name(name) if self.take("(") => {
                let mut args = Vec::new();
                while !self.take(")") {
                    args.push(self.or()?);
                    self.take(",");
                }
                Ok(Query::Call(name, args))
            }
            Token::Name(name) => Ok(Query::Field(name)),
            Token::Literal(v) => Ok(Query::Literal(v)),
            Token::Mark("@") => Ok(Query::Current),
            Token::Mark("*") => {
                self.at -= 1;
                self.values(Query::Current)
            }
            Token::Mark("(") => {
                let inner = self.pipe()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Mark("[") => self.list(),
            Token::Mark("{") => self.dict(),
            other => Err(refuse(format!("json_query cannot read {other:?} here"))),
        }
    }

    fn list(&mut self) -> Result<Query, Error> {
        let mut items = Vec::new();
        while !self.take("]") {
            items.push(self.pipe()?);
            self.take(",");
        }
        Ok(Query::List(items))
    }

    fn dict(&mut self) -> Result<Query, Error> {
        let mut pairs = Vec::new();
        while !self.take("}") {
            let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else {
                return Err(refuse("json_query misses a name in {…}"));
            };
            self.at += 1;
            self.expect(":")?;
            pairs.push((name, self.pipe()?));
            self.take(",");
        }
        Ok(Query::Dict(pairs))
    }

    fn values(&mut self, of: Query) -> Result<Query, Error> {
        self.expect("*")?;
        self.each(Query::Values(Box::new(of)))
    }

    /// What follows a projection applies to each of its entries.
    fn each(&mut self, of: Query) -> Result<Query, Error> {
        let rest = self.postfix(Query::Current, true)?;
        Ok(Query::Each(Box::new(of), Box::new(rest)))
    }

    /// Inside a projection `[]` ends it: it flattens what the whole projection gives.
    fn postfix(&mut self, mut left: Query, inside: bool) -> Result<Query, Error> {
        loop {
            if self.take(".") {
                if matches!(self.tokens.get(self.at), Some(Token::Mark("*"))) {
                    left = self.values(left)?;
                    continue;
                }
                let next = if self.take("[") { self.list()? } else { self.primary()? };
                left = Query::Then(Box::new(left), Box::new(next));
            } else if self.take("[?") {
                let test = self.pipe()?;
                self.expect("]")?;
                left = self.each(Query::Filter(Box::new(left), Box::new(test)))?;
            } else if !inside && self.take("[]") {
                left = self.each(Query::Flatten(Box::new(left)))?;
            } else if self.take("[") {
                left = self.bracket(left)?;
            } else {
                return Ok(left);
            }
        }
    }

    fn bracket(&mut self, left: Query) -> Result<Query, Error> {
        if self.take("*") {
            self.expect("]")?;
            return self.each(left);
        }
        let first = self.number();
        if let Some(index) = first
            && self.take("]")
        {
            return Ok(Query::Then(Box::new(left), Box::new(Query::Index(index))));
        }
        self.expect(":")?;
        let stop = self.number();
        let step = if self.take(":") { self.number() } else { None };
        self.expect("]")?;
        self.each(Query::Then(Box::new(left), Box::new(Query::Slice(first, stop, step.filter(|s| *s != 0).unwrap_or(1)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let data = Value::from_json(&serde_json::json!({
            "a": [{"b": 1, "c": "x", "t": ["q"]}, {"b": 2, "c": "y", "t": []}], "m": {"k": {"v": 1}, "l": {"v": 2}}, "n": [[1, 2], [3]]
        }));
        for (query, wanted) in [
            ("a[0].b", "1"),
            ("a[-1].c", "y"),
            ("a[*].b", "[1, 2]"),
            ("a[].b", "[1, 2]"),
            ("a[?b==`2`].c", "['y']"),
            ("a[?b==`2`].c | [0]", "y"),
            ("a[?c=='x' && b > `0`].b", "[1]"),
            ("a[?contains(t, 'q')].c", "['x']"),
            ("a[*].{x: b, y: c}", "[{'x': 1, 'y': 'x'}, {'x': 2, 'y': 'y'}]"),
            ("a[*].[b, c]", "[[1, 'x'], [2, 'y']]"),
            ("m.*.v", "[1, 2]"),
            ("n[]", "[1, 2, 3]"),
            ("a[*].t[]", "['q']"),
            ("length(a)", "2"),
            ("sort_by(a, &c)[-1].b", "2"),
            ("keys(m)", "['k', 'l']"),
            ("nope.x", "None"),
            ("a[:1].b", "[1]"),
            ("join(',', a[*].c)", "x,y"),
        ] {
            assert_eq!(
                parse(query).and_then(|q| q.of(&data)).map(|v| v.to_string()).map_err(|e| e.to_string()),
                Ok(wanted.to_owned()),
                "{query}"
            );
        }
    }
}
