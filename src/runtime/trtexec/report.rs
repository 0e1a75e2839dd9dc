//! What trtexec prints, read line by line: who it is, its latencies, whether it passed, and the error that says most. Pure.
//!
//! Bytes may come in any pieces and may stop anywhere; memory is bounded by the latencies. The line that says PASSED is taken
//! wherever it stands, for memory reports and even a crash may follow it.
//!
//! Source of the lines: `samples/common/sampleReporting.cpp` and `logger.h` of <https://github.com/NVIDIA/TensorRT>, tag v6.0.1
//! and branches release/6.0 to release/11.1, and logs of Jetsons that people made public.

use super::causes::{self, Cause};
use super::release;
use crate::units::Nanos;

/// The longest line that is looked at; what is longer is cut. Errors that quote a node have some hundred bytes.
const LONGEST_LINE_BYTES: usize = 16 * 1024;

/// What was read so far.
#[derive(Debug, Default)]
pub struct Report {
    line: Vec<u8>,
    /// The number of the release in the frame line, from 8.0 on.
    pub number: Option<u32>,
    /// The GPU that it ran on.
    pub device: Option<String>,
    /// The frame line of a success was there.
    pub is_passed: bool,
    /// Compute time of each query, in order, warm-up included.
    pub latency_ns: Vec<Nanos>,
    /// The first error line, without its time.
    pub first_error: Option<String>,
    /// The error that says most, and its line.
    pub(crate) cause: Option<(&'static Cause, String)>,
    /// The node that could not be read, such as `node 7, a Resize`.
    pub node: Option<String>,
}

impl Report {
    /// Read a piece.
    pub fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            if self.line.is_empty() && text.len() < piece.len() {
                self.read_bytes(text);
                continue;
            }
            let room = LONGEST_LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.finish();
            }
        }
    }

    /// No byte will come any more.
    pub fn finish(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.read_bytes(&line);
        }
    }

    fn read_bytes(&mut self, line: &[u8]) {
        let line = &line[..line.len().min(LONGEST_LINE_BYTES)];
        self.read_line(String::from_utf8_lossy(line).trim_end());
    }

    fn read_line(&mut self, line: &str) {
        if let Some(frame) = line.strip_prefix("&&&& ") {
            self.is_passed |= frame.starts_with("PASSED TensorRT.trtexec");
            self.number = self.number.or_else(|| release::frame_number(line));
            return;
        }
        let (severity, text) = split(line);
        match severity {
            Some('I' | 'W' | 'V') => self.read_message(text),
            // Libraries print without a severity, and so does 6 where it reports its times.
            None if self.read_latency(text) => {}
            _ => self.read_error(severity.is_some(), text),
        }
    }

    fn read_message(&mut self, text: &str) {
        if self.read_latency(text) {
            return;
        }
        if let Some(device) = text.strip_prefix("Selected Device: ") {
            self.device = Some(device.trim().to_owned());
        }
    }

    fn read_latency(&mut self, text: &str) -> bool {
        let number = SINGLE_RUN.iter().find_map(|start| text.strip_prefix(start));
        let Some(number) = number.and_then(|rest| rest.split_once(" ms")) else { return false };
        let Some(latency) = number.0.trim().parse().ok().and_then(nanoseconds) else { return false };
        self.latency_ns.push(latency);
        true
    }

    fn read_error(&mut self, is_marked: bool, text: &str) {
        if self.node.is_none() {
            self.node = node(text);
        }
        if (is_marked || text.starts_with("ERROR")) && self.first_error.is_none() {
            self.first_error = Some(text.to_owned());
        }
        let Some(cause) = causes::find(text) else { return };
        let says_more = |(former, _): &(&Cause, String)| causes::rank(cause) < causes::rank(former);
        if self.cause.as_ref().is_none_or(says_more) {
            self.cause = Some((cause, text.to_owned()));
        }
    }
}

/// How the lines of single queries begin, with one run averaged: 7.0 and later, the rebuilt 6, the tag 6.0.1.
const SINGLE_RUN: &[&str] = &[
    "Average on 1 runs - GPU latency: ",
    "GPU compute time average over 1 runs is ",
    "Average over 1 runs is ",
];

/// Milliseconds as whole nanoseconds; `None` for what no duration can be.
pub(super) fn nanoseconds(milliseconds: f64) -> Option<Nanos> {
    let nanoseconds = (milliseconds * 1e6).round();
    (nanoseconds >= 0.0 && nanoseconds <= u64::MAX as f64).then_some(Nanos(nanoseconds as u64))
}

/// The letter of `[MM/DD/YYYY-HH:MM:SS] [E] [TRT] text`, and the text.
fn split(line: &str) -> (Option<char>, &str) {
    let rest = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((time, rest)) if time.len() == 19 && time.starts_with(|first: char| first.is_ascii_digit()) => {
            rest
        }
        _ => line,
    };
    let letter = rest.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match letter {
        Some((letter @ ("E" | "F" | "W" | "I" | "V"), text)) => {
            (letter.chars().next(), text.strip_prefix("[TRT] ").unwrap_or(text))
        }
        _ => (None, rest),
    }
}

/// The node in `While parsing node number 7 [Resize -> "out"]:`, with or without the arrow, or the operator in
/// `No importer registered for op: Resize`.
fn node(text: &str) -> Option<String> {
    let word = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    if let Some((_, rest)) = text.split_once("No importer registered for op: ") {
        return Some(format!("a node, a {}", word(rest)));
    }
    let (_, rest) = text.split_once("While parsing node number ")?;
    let (number, rest) = rest.split_once(" [")?;
    Some(format!("node {number}, a {}", word(rest)))
}
