//! A plan as text: host by host, each resource with what differs; hosts with the same changes together.

use super::brief;
use super::paint::Paint;
use crate::event::TaskResult;
use crate::plan::{Plan, PlannedTask, is_unknown, shown};
use indexmap::IndexMap;
use modules::change::{Action, Change, Field};
use modules::value::Value;
use similar::TextDiff;
use std::fmt::Write;

/// The plan of a run as text, ending with its summary.
pub fn render(plan: &Plan, paint: Paint) -> String {
    format!("{}{}\n", changes(plan, paint), summary(plan))
}

/// What changes, host by host, without the summary.
pub fn changes(plan: &Plan, paint: Paint) -> String {
    let mut groups: IndexMap<String, Vec<&str>> = IndexMap::new();
    let mut unchanged = Vec::new();
    for host in plan.hosts() {
        let body = of_host(plan, host, paint);
        match body.is_empty() {
            true => unchanged.push(host),
            false => groups.entry(body).or_default().push(host),
        }
    }
    let mut out = String::new();
    for (body, hosts) in &groups {
        let _ = writeln!(out, "{}\n{body}", paint.bold(&hosts.join(", ")));
    }
    if !unchanged.is_empty() {
        let _ = writeln!(out, "{}\n", paint.dim(&format!("no changes: {}", unchanged.join(", "))));
    }
    out
}

/// One line: how much the plan would do.
pub fn summary(plan: &Plan) -> String {
    let totals = plan.totals();
    let hosts = plan.hosts().len();
    let hosts = format!("{hosts} host{}", if hosts == 1 { "" } else { "s" });
    let parts = [
        (totals.create, "to create"),
        (totals.update, "to change"),
        (totals.delete, "to remove"),
        (totals.run, "to run"),
        (totals.unknown, "known after apply"),
        (totals.failed, "failed"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    match parts.is_empty() {
        true => format!("Plan: {hosts}, no changes."),
        false => format!("Plan: {hosts}, {}.", parts.join(", ")),
    }
}

fn of_host(plan: &Plan, host: &str, paint: Paint) -> String {
    let mut out = String::new();
    for (_, task, result) in plan.of_host(host) {
        if result.is_failure() {
            failure(&mut out, task, result, paint);
            continue;
        }
        if is_unknown(result) && result.changes.is_empty() {
            let why = result.message.as_deref().unwrap_or_default();
            line(&mut out, &paint.cyan("?"), &task.name.module, "", &format!("{why} (known after apply)"), task, paint);
        }
        for change in shown(result) {
            resource(&mut out, change, task, result, paint);
        }
    }
    out
}

fn failure(out: &mut String, task: &PlannedTask, result: &TaskResult, paint: Paint) {
    line(out, &paint.red("x"), &task.name.module, "", "", task, paint);
    for text in super::reason(result).lines() {
        let _ = writeln!(out, "        {}", paint.red(text));
    }
}

fn line(out: &mut String, sign: &str, kind: &str, name: &str, note: &str, task: &PlannedTask, paint: Paint) {
    let mut head = format!("  {sign} {kind}");
    if !name.is_empty() {
        let _ = write!(head, " {name}");
    }
    if !note.is_empty() {
        let _ = write!(head, "  {note}");
    }
    let from = format!("{} ({})", task.name.name, task.name.place);
    let _ = writeln!(out, "{head}  {}", paint.dim(&format!("# {from}")));
}

fn resource(out: &mut String, change: &Change, task: &PlannedTask, result: &TaskResult, paint: Paint) {
    let sign = match change.action {
        Action::Create => paint.green("+"),
        Action::Update => paint.yellow("~"),
        Action::Delete => paint.red("-"),
        Action::Run => paint.cyan("!"),
    };
    let note = match change.action {
        _ if is_unknown(result) => format!("{} (known after apply)", result.message.as_deref().unwrap_or_default()),
        Action::Run if change.kind == "command" => "(will run)".to_string(),
        _ => String::new(),
    };
    line(out, &sign, &change.kind, &brief(&Value::str(&change.name), 100), &note, task, paint);
    let width = change.fields.iter().map(|f| f.name.len()).max().unwrap_or(0);
    for field in &change.fields {
        attribute(out, change.action, field, width, paint);
    }
}

fn attribute(out: &mut String, action: Action, field: &Field, width: usize, paint: Paint) {
    if let Some(diff) = text_diff(field, paint) {
        out.push_str(&diff);
        return;
    }
    let name = &field.name;
    let (before, after) = (brief(&field.before, 60), brief(&field.after, 60));
    let _ = match action {
        Action::Create | Action::Run => writeln!(out, "        {name:width$}  {after}"),
        Action::Delete => writeln!(out, "        {name:width$}  {before}"),
        Action::Update => writeln!(out, "        {name:width$}  {before} -> {after}"),
    };
}

/// The diffs of what a result changed in texts, each as `--diff` shows it.
pub(super) fn diffs(result: &TaskResult, paint: Paint) -> Vec<String> {
    let mut out = Vec::new();
    for change in shown(result) {
        for diff in change.fields.iter().filter_map(|field| text_diff(field, paint)) {
            let head = format!("--- before: {0}\n+++ after: {0}", change.name);
            let lines: Vec<&str> = diff.lines().map(|l| l.strip_prefix("        ").unwrap_or(l)).collect();
            out.push(format!("{head}\n{}\n", lines.join("\n")));
        }
    }
    out
}

/// A unified diff, for text of several lines.
fn text_diff(field: &Field, paint: Paint) -> Option<String> {
    let text = |v: &Value| match v {
        Value::Null | Value::Unknown(_) => Some(String::new()),
        Value::Str(s) => Some(s.to_string()),
        _ => None,
    };
    if matches!(field.after, Value::Unknown(_)) {
        return None;
    }
    let (before, after) = (text(&field.before)?, text(&field.after)?);
    if !before.contains('\n') && !after.contains('\n') {
        return None;
    }
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let mut out = String::new();
    for line in diff.unified_diff().context_radius(3).missing_newline_hint(true).to_string().lines() {
        let painted = match line.chars().next() {
            Some('+') => paint.green(line),
            Some('-') => paint.red(line),
            Some('@') => paint.cyan(line),
            _ => line.to_string(),
        };
        let _ = writeln!(out, "        {painted}");
    }
    Some(out)
}
