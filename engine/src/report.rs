//! Reports: plans and runs for people and for programs. They only render.

pub mod familiar;
pub mod live;
pub mod minimal;
pub mod paint;
pub mod plan_text;

use crate::event::TaskResult;
use modules::value::Value;

/// Why a task failed, in short; the whole of it is shown when the run is over.
pub(crate) fn reason(result: &TaskResult) -> &str {
    match &result.problem {
        Some(problem) => &problem.summary,
        None => result.message.as_deref().unwrap_or_default(),
    }
}

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
