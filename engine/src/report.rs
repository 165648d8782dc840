//! Reports: plans and runs for people and for programs. They only render.

pub mod live;
pub mod paint;
pub mod plan_text;

use modules::value::Value;

/// A value on one line, shortened to `most` characters.
pub(crate) fn brief(value: &Value, most: usize) -> String {
    let text = match value {
        Value::Null => "(none)".to_string(),
        v => v.to_string(),
    };
    let text = text.replace('\n', "\\n");
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text,
    }
}
