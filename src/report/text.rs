//! Makes foreign texts harmless and numbers readable; nothing else does either.
//!
//! Names of hosts, jobs, models and blocks may hold anything. [`told`] removes what would distort the text
//! around them (control characters, direction marks, excess length); the other functions then escape for one
//! format each.

use serde::Serialize;

use crate::analysis::finding::percent;
use crate::stats::Span;

/// Longer texts are cut; no meaningful name is longer.
const LONGEST_CHARACTERS: usize = 240;

/// Marks that change the direction of the text around them, and unusual line separators.
const INVISIBLE: &[char] = &[
    '\u{061c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}',
    '\u{202c}', '\u{202d}', '\u{202e}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    '\u{feff}', '\u{fffe}', '\u{ffff}',
];

/// A foreign text as a report shows it: invisible characters are spelled out, and a long text is cut and says
/// so.
pub(super) fn told(text: &str) -> String {
    let count = text.chars().count();
    let mut shown = visible(text.chars().take(LONGEST_CHARACTERS));
    if count > LONGEST_CHARACTERS {
        shown.push_str(&format!("… ({count} characters)"));
    }
    shown
}

/// A sentence of ours that contains foreign names: the names are cut, the sentence is not.
pub(super) fn told_within(sentence: &str, names: &[&str]) -> String {
    let mut shown = sentence.to_owned();
    for name in names.iter().filter(|name| told(name) != **name) {
        shown = shown.replace(name, &told(name));
    }
    // Any other invisible character is not in one of the names.
    visible(shown.chars())
}

fn visible(characters: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for character in characters {
        if character.is_control() || INVISIBLE.contains(&character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Letters that fit next to a mark in a legend, or into a title with other words.
const LEGEND_LETTERS: usize = 36;

/// A harmless name, cut to fit little room.
pub(super) fn cut(name: &str) -> String {
    if name.chars().count() <= LEGEND_LETTERS {
        return name.to_owned();
    }
    name.chars().take(LEGEND_LETTERS - 1).chain(['…']).collect()
}

/// For XML, as content and as attribute in quotes.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// For plotly, which reads `<a>`, `<b>` and others in every text as markup and knows the entities of XML.
pub(super) fn plotly(text: &str) -> String {
    xml(text)
}

/// JSON that is safe in a script element: nothing in it ends the element or begins a comment.
pub(super) fn script_json(value: &impl Serialize) -> String {
    // Texts, finite numbers and lists can always be written as JSON.
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Part of a file's name: letters, digits and `-`.
pub(super) fn file_part(text: &str) -> String {
    const LONGEST: usize = 40;
    text.chars().take(LONGEST).map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).collect()
}

/// Digits shown to people; tables for programs have all of them.
const SIGNIFICANT_DIGITS: i32 = 4;

/// A number to four digits.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "–".to_owned() };
    }
    let exponent = value.abs().log10().floor() as i32;
    let text = if (-4..=6).contains(&exponent) {
        let decimals = (SIGNIFICANT_DIGITS - 1 - exponent).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{:.*e}", (SIGNIFICANT_DIGITS - 1) as usize, value)
    };
    text.replace('-', "−")
}

/// `12.34 [12.01 to 12.60]`.
pub(super) fn estimate(value: f64, interval: Option<Span>) -> String {
    match interval {
        Some(span) => format!("{} [{} to {}]", number(value), number(span.low), number(span.high)),
        None => number(value),
    }
}

/// A ratio as a change in per cent, with its interval.
pub(super) fn change(value: f64, interval: Option<Span>) -> String {
    match interval {
        Some(span) => format!("{} % [{} to {}]", percent(value), percent(span.low), percent(span.high)),
        None => format!("{} %", percent(value)),
    }
}

/// To five digits, the precision of a picture.
pub(super) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(4 - value.abs().log10().floor() as i32);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// `one row`, `12 rows`.
pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("one {one}") } else { format!("{count} {many}") }
}
