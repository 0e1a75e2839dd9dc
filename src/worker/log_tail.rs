//! The last lines that a worker writes to standard error, bounded however much it writes, and the first of
//! them after which its device does not answer any more.
//!
//! Takes bytes as they are read, and returns printable lines for the bundle.

use std::collections::VecDeque;

use crate::runtime::causes::{Cause, MostTelling};

/// Lines kept: enough for a runtime's explanation and a backtrace, and small in a bundle.
const LINES: usize = 50;

/// Characters kept per line: enough for a path and a sentence.
const CHARACTERS: usize = 500;

/// Collects the tail.
#[derive(Debug, Default)]
pub(super) struct LogTail {
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
    fatal_lines: &'static [Cause],
    fatal: MostTelling,
}

impl LogTail {
    /// One that looks for these lines.
    pub(super) fn watching(fatal_lines: &'static [Cause]) -> Self {
        Self { fatal_lines, ..Self::default() }
    }

    /// The fatal line, if one came.
    pub(super) fn fatal(&self) -> Option<(&'static Cause, &str)> {
        self.fatal.of(self.fatal_lines)
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            // One character takes at most four bytes; one character more shows that the line was longer.
            let room = (4 * (CHARACTERS + 1)).saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&text[..text.len().min(room)]);
            if piece.len() != text.len() {
                self.finish_line();
            }
        }
    }

    pub(super) fn into_lines(mut self) -> Vec<String> {
        if !self.unfinished.is_empty() {
            self.finish_line();
        }
        self.lines.into()
    }

    fn finish_line(&mut self) {
        let bytes = std::mem::take(&mut self.unfinished);
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let line = printable(bytes.strip_suffix(b"\r").unwrap_or(&bytes), CHARACTERS);
        if self.fatal.is_none() {
            self.fatal.take(self.fatal_lines, &line);
        }
        self.lines.push_back(line);
    }
}

/// The first characters of a text that may contain anything: control characters are escaped, bytes that are
/// not UTF-8 are replaced, and `…` marks a cut.
pub(super) fn printable(bytes: &[u8], characters: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * (characters + 1))]);
    let mut shown = String::new();
    let mut length = 0;
    for character in text.chars() {
        if length >= characters {
            shown.push('…');
            break;
        }
        if character.is_control() {
            let escaped = character.escape_default();
            length += escaped.len();
            shown.extend(escaped);
        } else {
            length += 1;
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_a_line_may_come_in_pieces() {
        let mut tail = LogTail::default();
        for number in 0..200 {
            tail.take(b"line ");
            tail.take(format!("{number}\nne").as_bytes());
            tail.take(b"xt\r\n");
        }
        tail.take(b"unfinished");
        let lines = tail.into_lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!(&lines[LINES - 3..], ["line 199", "next", "unfinished"]);
    }

    #[test]
    fn anything_becomes_a_short_printable_line() {
        assert_eq!(printable(b"\x1b[31mred\0\xff\tend", 500), "\\u{1b}[31mred\\u{0}\u{fffd}\\tend");
        assert_eq!(printable("äöü".as_bytes(), 2), "äö…");
        assert_eq!(printable("äöü".as_bytes(), 3), "äöü");
    }

    #[test]
    fn an_endless_line_takes_no_more_memory_than_a_line() {
        let mut tail = LogTail::default();
        for _ in 0..1000 {
            tail.take(&[b'x'; 4096]);
        }
        assert!(tail.unfinished.capacity() < 16 * 1024);
        let lines = tail.into_lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].chars().count(), CHARACTERS + 1);
    }
}
