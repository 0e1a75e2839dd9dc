//! Mistakes of a file: gathering them, quoting what the author wrote, and showing them on a terminal.

use std::fmt::Write as _;

use crate::bundle::format::Mistake;

/// Mistakes that are reported for one file. Beyond this the reader wants the first few, and the bundle must
/// stay small.
const MAXIMUM_MISTAKES: usize = 100;

/// Characters of the author's text that a message repeats; enough to find it again.
const MAXIMUM_QUOTED_CHARACTERS: usize = 60;

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// Mistakes as a compiler prints them, a line each and its hint below: `smoke.yaml:7:3: measure.timed_run:
/// …`.
pub fn render(mistakes: &[Mistake], file: &str) -> String {
    let mut text = String::new();
    for mistake in mistakes {
        text.push_str(&harmless(file));
        for number in [mistake.line, mistake.column].into_iter().flatten() {
            let _ = write!(text, ":{number}");
        }
        if !mistake.field.is_empty() {
            let _ = write!(text, ": {}", mistake.field);
        }
        let _ = writeln!(text, ": {}", mistake.message);
        if let Some(hint) = &mistake.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    text
}

pub(crate) fn mistake(
    position: Option<Position>,
    field: &str,
    code: &str,
    message: String,
    hint: impl Into<String>,
) -> Mistake {
    Mistake {
        line: position.map(|position| position.line),
        column: position.map(|position| position.column),
        field: field.to_owned(),
        code: code.to_owned(),
        message,
        hint: Some(hint.into()),
    }
}

/// All mistakes of a file, gathered in any order.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    found: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn add(
        &mut self,
        at: Position,
        field: &str,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.found.push(mistake(Some(at), field, code, message.into(), hint));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In file order, the surplus counted in a last one.
    pub(crate) fn into_sorted(self) -> Vec<Mistake> {
        let mut found = self.found;
        found.sort_by_key(|mistake| (mistake.line, mistake.column));
        let surplus = found.len().saturating_sub(MAXIMUM_MISTAKES);
        if surplus > 0 {
            found.truncate(MAXIMUM_MISTAKES);
            let message = format!("{surplus} more mistakes follow");
            found.push(mistake(None, "", "more_mistakes", message, "correct these first"));
        }
        found
    }
}

/// The author's text in back quotes, shortened, with nothing in it that acts on a terminal.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", printable(text))
}

/// The author's text as part of a field path or a line.
pub(crate) fn printable(text: &str) -> String {
    let end = text.char_indices().nth(MAXIMUM_QUOTED_CHARACTERS).map_or(text.len(), |(index, _)| index);
    let mut shown = harmless(&text[..end]);
    if end < text.len() {
        shown.push('…');
    }
    shown
}

/// The text with everything that acts on a terminal replaced.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|character| if is_printable(character) { character } else { '\u{fffd}' }).collect()
}

/// Shown as itself in a terminal: no control character, no line separator, nothing that turns the direction
/// of writing.
pub(crate) fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
