//! The pass over parser events: where every value stands, and what is refused before anything is built from
//! it.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::saturated;
use super::syntax::{self, NEITHER_KEY_NOR_VALUE};
use crate::bundle::format::Mistake;
use crate::spec::mistakes::{Position, mistake};

/// Nesting that is accepted. The deepest field of a job is four levels down.
pub(super) const MAXIMUM_DEPTH: usize = 32;

/// Values that are accepted, keys included. The largest sensible job, with every label and input used, has
/// some hundred.
pub(super) const MAXIMUM_NODES: usize = 10_000;

/// Characters that can begin or end a token, in files that are read whole. The parser keeps the tokens of a
/// whole `[…]` or `{…}` before it gives its first event, about 100 bytes each, so their number has to be
/// bounded before it starts. 10,000 quoted values in one list have 30,000.
pub(super) const MAXIMUM_MARKS: usize = 32_768;

/// Where a value stands and what it looks like.
pub(super) struct ValuePlace {
    pub(super) position: Position,
    pub(super) shape: ValueShape,
    pub(super) written: String,
    pub(super) style: ScalarStyle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueShape {
    Scalar,
    List,
    Map,
}

/// The places of all values in the order in which they are written; none for a text without values.
pub(super) fn find(text: &str) -> Result<Vec<ValuePlace>, Mistake> {
    let Some(cut) = mark_beyond_limit(text) else {
        return walk(text).map_err(|refusal| refusal.mistake);
    };
    // The part within the limit often shows a plainer reason. A syntax error there may come from the cut
    // itself.
    match walk(&text[..cut]) {
        Err(refusal) if !refusal.is_syntax => Err(refusal.mistake),
        _ => Err(too_many(None)),
    }
}

/// Byte offset of the first mark beyond the limit.
fn mark_beyond_limit(text: &str) -> Option<usize> {
    let mut marks = 0;
    let mut offset = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let is_comment = line.trim_start().starts_with('#');
        for (index, byte) in line.bytes().enumerate() {
            if b",[]{}:?-*&!\"'|>%#".contains(&byte) {
                marks += 1;
                if marks > MAXIMUM_MARKS {
                    return Some(offset + index);
                }
                if is_comment {
                    break;
                }
            }
        }
        offset += line.len();
    }
    None
}

struct Refusal {
    mistake: Mistake,
    is_syntax: bool,
}

/// What is open around the present value.
enum Open {
    List,
    Map { is_key_next: bool },
}

fn walk(text: &str) -> Result<Vec<ValuePlace>, Refusal> {
    let mut parser = Parser::new_from_str(text);
    let mut places = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut documents = 0;
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| refused_by_parser(text, &error))?;
        let is_key = matches!(open.last(), Some(Open::Map { is_key_next: true }));
        let (shape, written, style) = match event {
            Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    let message = "a second document begins here; a file holds one";
                    let hint = "make one file of each, or remove the line `---`";
                    return Err(refusal(span, "several_documents", message, hint));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                continue;
            }
            Event::Alias(_) => return Err(alias(span)),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                let message = "anchors (`&name`) are not accepted";
                let hint = "write the value where it is needed; text that begins with `&` goes in quotes";
                return Err(refusal(span, "anchor", message, hint));
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return Err(tag(span)),
            Event::Scalar(written, style, ..) => {
                if is_key && style == ScalarStyle::Plain && written == "<<" {
                    let hint = "write the keys where they are needed";
                    return Err(refusal(span, "merge_key", "merge keys (`<<`) are not accepted", hint));
                }
                (ValueShape::Scalar, written.into_owned(), style)
            }
            Event::SequenceStart(..) => (ValueShape::List, String::new(), ScalarStyle::Plain),
            Event::MappingStart(..) => (ValueShape::Map, String::new(), ScalarStyle::Plain),
        };
        if is_key && shape != ValueShape::Scalar {
            let message = "a key must be a word, not a list or a map";
            return Err(refusal(span, "key_not_text", message, "check for a stray `{`, `[` or `? `"));
        }
        if let Some(Open::Map { is_key_next }) = open.last_mut() {
            *is_key_next = !*is_key_next;
        }
        match shape {
            ValueShape::Scalar => {}
            ValueShape::List => open.push(Open::List),
            ValueShape::Map => open.push(Open::Map { is_key_next: true }),
        }
        if open.len() > MAXIMUM_DEPTH {
            return Err(too_deep(span));
        }
        if places.len() == MAXIMUM_NODES {
            return Err(Refusal { mistake: too_many(Some(position(span))), is_syntax: false });
        }
        places.push(ValuePlace { position: position(span), shape, written, style });
    }
    Ok(places)
}

fn position(span: Span) -> Position {
    Position { line: saturated(span.start.line()), column: saturated(span.start.col() + 1) }
}

fn refusal(span: Span, code: &str, message: &str, hint: &str) -> Refusal {
    Refusal { mistake: mistake(Some(position(span)), "", code, message.to_owned(), hint), is_syntax: false }
}

fn alias(span: Span) -> Refusal {
    let hint = "write the value where it is needed; text that begins with `*` goes in quotes";
    refusal(span, "anchor", "aliases (`*name`) are not accepted", hint)
}

fn tag(span: Span) -> Refusal {
    let hint = "leave the tag out; text that begins with `!` goes in quotes";
    refusal(span, "tag", "tags (`!name`) are not accepted", hint)
}

fn too_deep(span: Span) -> Refusal {
    let message = format!("values are nested deeper than {MAXIMUM_DEPTH} levels");
    refusal(
        span,
        "too_deep",
        &message,
        "check that every bracket is closed; no job needs more than four levels",
    )
}

fn too_many(position: Option<Position>) -> Mistake {
    let message = format!("the file holds more than {MAXIMUM_NODES} values");
    mistake(
        position,
        "",
        "too_many_values",
        message,
        "check that this is a job file; if it is, split it into several jobs",
    )
}

/// The parser's own refusals in our words, where they are about what people do.
fn refused_by_parser(text: &str, error: &ScanError) -> Refusal {
    let span = Span::empty(*error.marker());
    let reason = error.info();
    for (fragment, refuse) in [
        ("unknown anchor", alias as fn(Span) -> Refusal),
        ("handle wasn't declared", tag),
        ("recursion limit", too_deep),
    ] {
        if reason.contains(fragment) {
            return refuse(span);
        }
    }
    let (message, hint) = syntax::in_words(reason);
    // The parser notices a line without a `:` when the next one begins.
    let is_noticed_late = reason.contains(NEITHER_KEY_NOR_VALUE);
    let position = if is_noticed_late {
        start_of_line_before(text, position(span))
    } else {
        within(text, position(span))
    };
    let mistake = mistake(Some(position), "", "syntax", message, hint);
    Refusal { mistake, is_syntax: true }
}

/// The parser reports an unexpected end on the line after the last; a reader looks for it on the last.
fn within(text: &str, position: Position) -> Position {
    let mut lines = text.lines();
    match (saturated(text.lines().count()), lines.next_back()) {
        (count, Some(last)) if position.line > count => {
            Position { line: count, column: saturated(last.chars().count() + 1) }
        }
        _ => position,
    }
}

/// Where the last line before a place begins that is neither blank nor a comment.
fn start_of_line_before(text: &str, position: Position) -> Position {
    let before = text.lines().zip(1..position.line);
    let with_content =
        before.filter(|(line, _)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    with_content.last().map_or(position, |(line, number)| {
        let indentation = line.chars().take_while(|character| character.is_whitespace()).count();
        Position { line: number, column: saturated(indentation + 1) }
    })
}
