//! Draws errors and warnings with the line they are about.

use super::Diagnostic;
use crate::source::Place;
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

/// Columns of a source line that are shown; longer lines are cut around the marked text.
const WIDTH: usize = 160;
/// Columns before the marked text that stay when a long line is cut.
const LEAD: usize = 60;
/// Columns that a tab takes.
const TAB: &str = "    ";

const BOLD: Style = Style::new().bold();
const FRAME: Style = AnsiColor::Blue.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

impl Diagnostic {
    /// The error as a text of several lines, the last one ended.
    pub fn render(&self, colour: bool) -> String {
        Page { out: String::new(), colour, mark: ERROR }.draw("error", self)
    }

    /// The same as a warning.
    pub fn render_warning(&self, colour: bool) -> String {
        Page { out: String::new(), colour, mark: WARNING }.draw("warning", self)
    }
}

/// Errors one after the other, with an empty line between them; the same error is shown once.
pub fn render_all(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut shown: Vec<String> = Vec::with_capacity(diagnostics.len());
    for text in diagnostics.iter().map(|d| d.render(colour)) {
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    shown.join("\n")
}

struct Page {
    out: String,
    colour: bool,
    mark: Style,
}

impl Page {
    fn draw(mut self, level: &str, diagnostic: &Diagnostic) -> String {
        self.styled(self.mark, level);
        self.styled(BOLD, &format!(": {}", printable(&diagnostic.summary).trim_end()));
        self.out.push('\n');
        match &diagnostic.place {
            Some(place) => self.snippet(place, diagnostic.label.as_deref()),
            None => diagnostic.label.iter().for_each(|label| self.remark(BOLD, "note", label)),
        }
        diagnostic.notes.iter().for_each(|note| self.remark(BOLD, "note", note));
        diagnostic.hints.iter().for_each(|hint| self.remark(HINT, "hint", hint));
        self.out
    }

    fn styled(&mut self, style: Style, text: &str) {
        let reset = style.render_reset();
        // Writing into a String cannot fail.
        let _ = if self.colour { write!(self.out, "{}{text}{reset}", style.render()) } else { write!(self.out, "{text}") };
    }

    /// `note: …`, further lines of the text below its first one.
    fn remark(&mut self, style: Style, name: &str, text: &str) {
        self.styled(style, name);
        let text = printable(text);
        for (index, line) in text.trim_end().lines().enumerate() {
            self.out.push_str(if index == 0 { ": " } else { "      " });
            self.out.push_str(line);
            self.out.push('\n');
        }
        if text.trim_end().is_empty() {
            self.out.push_str(":\n");
        }
    }

    fn snippet(&mut self, place: &Place, label: Option<&str>) {
        self.styled(FRAME, "  -->");
        let _ = writeln!(self.out, " {}", printable(&place.to_string()));
        let Some(line) = place.source.line(place.line).filter(|_| !place.source.is_secret()) else {
            return label.iter().for_each(|label| self.remark(BOLD, "note", label));
        };
        let shown = Shown::new(line, place.column as usize, place.length as usize);
        let number = place.line.to_string();
        self.styled(FRAME, &format!("   {number} |"));
        let _ = writeln!(self.out, " {}", shown.text.trim_end());
        self.styled(FRAME, &format!("   {:width$} |", "", width = number.len()));
        let _ = write!(self.out, " {}", " ".repeat(shown.start));
        let carets = "^".repeat(shown.width);
        let label = label.map(printable).unwrap_or_default();
        let label = label.trim_end();
        self.styled(self.mark, if label.is_empty() { carets } else { format!("{carets} {}", label.replace('\n', " ")) }.as_str());
        self.out.push('\n');
    }
}

/// A source line as a terminal shows it, and where its marked text stands in it.
struct Shown {
    text: String,
    start: usize,
    width: usize,
}

impl Shown {
    /// `column` counts characters from 1; whatever lies beyond the line is drawn at its end.
    fn new(line: &str, column: usize, length: usize) -> Shown {
        let line = line.trim_end_matches(['\r', '\n']);
        let first = column.saturating_sub(1);
        let (mut text, mut start, mut end) = (String::new(), None, None);
        let mut columns = 0;
        for (index, character) in line.chars().enumerate() {
            if index == first {
                start = Some(columns);
            }
            if index == first.saturating_add(length) {
                end = Some(columns);
            }
            match character {
                '\t' => text.push_str(TAB),
                c => text.push(visible(c)),
            }
            columns += if character == '\t' { TAB.len() } else { 1 };
        }
        let start = start.unwrap_or(columns);
        let width = end.unwrap_or(columns).saturating_sub(start).max(1);
        Shown { text, start, width }.cut()
    }

    fn cut(self) -> Shown {
        let columns = self.text.chars().count();
        if columns <= WIDTH {
            return self;
        }
        let skipped = if self.start + self.width <= WIDTH { 0 } else { self.start.saturating_sub(LEAD) };
        let lead = if skipped > 0 { "… " } else { "" };
        let kept: String = self.text.chars().skip(skipped).take(WIDTH).collect();
        let tail = if skipped + WIDTH < columns { " …" } else { "" };
        let start = self.start - skipped + lead.chars().count();
        Shown { text: format!("{lead}{kept}{tail}"), start, width: self.width.min(WIDTH.saturating_sub(self.start - skipped)).max(1) }
    }
}

/// Text from files and hosts without characters that would steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { visible(c) }).collect()
}

fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn place(text: &str, line: u32, column: u32, length: u32) -> Place {
        Place { source: Source::new("site.yaml", text), line, column, length }
    }

    #[test]
    fn the_line_is_shown_and_marked() {
        let text = format!("{}      owners: root\n", "\n".repeat(13));
        let error = Diagnostic::input("unknown argument for `file`")
            .at(&place(&text, 14, 7, 6))
            .label("`file` has no argument `owners`")
            .note("in role `web`\nincluded from site.yaml:3")
            .hint("did you mean `owner`?");
        insta::assert_snapshot!(error.render(false), @r"
        error: unknown argument for `file`
          --> site.yaml:14:7
           14 |       owners: root
              |       ^^^^^^ `file` has no argument `owners`
        note: in role `web`
              included from site.yaml:3
        hint: did you mean `owner`?
        ");
        assert!(error.render_warning(false).starts_with("warning: unknown argument for `file`\n  --> site.yaml:14:7\n"));
    }

    #[test]
    fn colours_are_only_added() {
        let error = Diagnostic::input("bad").at(&place("a: b", 1, 4, 1)).label("here").hint("fix it");
        let coloured = error.render(true);
        assert!(coloured.starts_with("\u{1b}[1m\u{1b}[31merror\u{1b}[0m"), "{coloured:?}");
        let plain = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap().replace_all(&coloured, "").into_owned();
        assert_eq!(plain, error.render(false));
    }

    #[test]
    fn odd_places_do_not_break_it() {
        let drawn = |text: &str, line, column, length| {
            let lines = Diagnostic::input("x").at(&place(text, line, column, length)).label("l").render(false);
            lines.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(drawn("a: b", 1, 4, 1), ["   1 | a: b", "     |    ^ l"]);
        assert_eq!(drawn("a: b", 1, 99, 99), ["   1 | a: b", "     |     ^ l"]);
        assert_eq!(drawn("a: b", 1, 0, 0), ["   1 | a: b", "     | ^ l"]);
        assert_eq!(drawn("a: b", 1, u32::MAX, u32::MAX), ["   1 | a: b", "     |     ^ l"]);
        assert_eq!(drawn("a: b", 9, 1, 1), ["note: l"]);
        assert_eq!(drawn("a: b", 0, 0, 0), ["note: l"]);
        assert_eq!(drawn("", 1, 1, 0), ["note: l"]);
        assert_eq!(drawn("ä: öü", 1, 4, 2), ["   1 | ä: öü", "     |    ^^ l"]);
        assert_eq!(drawn("\ta:\tb", 1, 5, 1), ["   1 |     a:    b", "     |           ^ l"]);
        assert_eq!(drawn("a: \u{1b}[2Jb\r\n", 1, 4, 1), ["   1 | a: \u{fffd}[2Jb", "     |    ^ l"]);
        let long = format!("{}x: y{}", "ä".repeat(500), "b".repeat(500));
        let lines = drawn(&long, 1, 501, 1);
        assert_eq!(lines[1].chars().position(|c| c == '^'), lines[0].chars().position(|c| c == 'x'));
        assert!(lines[0].chars().count() < 180);
    }

    #[test]
    fn several_errors_are_parted_and_repeated_ones_shown_once() {
        let error = Diagnostic::input("one");
        let other = Diagnostic::input("two\u{7}").label("why").note("");
        insta::assert_snapshot!(render_all(&[error.clone(), other, error], false), @r"
        error: one

        error: two�
        note: why
        note:
        ");
    }
}
