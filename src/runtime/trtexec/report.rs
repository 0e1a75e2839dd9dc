//! What trtexec prints, read line by line: its release, its latencies, whether it passed, and the most
//! telling error. Pure.
//!
//! The latencies bound the memory. The line PASSED counts wherever it is: memory reports, and even a crash,
//! may follow it.
//!
//! Source of the lines: `samples/common/sampleReporting.cpp` and `logger.h` of
//! <https://github.com/NVIDIA/TensorRT>, tag v6.0.1 and branches release/6.0 to release/11.1, and logs of
//! Jetsons that people made public.

use super::causes::CAUSES;
use super::release;
use crate::runtime::causes::MostTelling;
use crate::runtime::lines::Lines;
use crate::units::Nanos;

/// What was read so far.
#[derive(Debug, Default)]
pub struct TrtexecReport {
    lines: Lines,
    /// The number of the release in the frame line, from 8.0 on.
    pub number: Option<u32>,
    /// The GPU it ran on.
    pub device: Option<String>,
    /// It printed the frame line of a success.
    pub is_passed: bool,
    /// Compute time of each query, in order, warm-up included.
    pub latency_ns: Vec<Nanos>,
    /// The first error line, without its time.
    pub first_error: Option<String>,
    /// The most telling error.
    pub(crate) cause: MostTelling,
    /// The node that it could not read, such as `node 7, a Resize`.
    pub node: Option<String>,
}

impl TrtexecReport {
    /// Read a piece.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.take(bytes, |line| self.read_line(line));
        self.lines = lines;
    }

    /// No byte follows.
    pub fn finish(&mut self) {
        if let Some(line) = self.lines.finish() {
            self.read_line(&line);
        }
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
            // Libraries print without a severity, and so does 6 when it reports its times.
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
        self.cause.take(CAUSES, text);
    }
}

/// How the lines of single queries begin, with one run averaged: 7.0 and later, the rebuilt 6, the tag 6.0.1.
const SINGLE_RUN: &[&str] = &[
    "Average on 1 runs - GPU latency: ",
    "GPU compute time average over 1 runs is ",
    "Average over 1 runs is ",
];

/// Milliseconds as whole nanoseconds; `None` for numbers that are no duration.
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

/// The node in `While parsing node number 7 [Resize -> "out"]:`, with or without the arrow, or the operator
/// in `No importer registered for op: Resize`.
fn node(text: &str) -> Option<String> {
    let word = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    if let Some((_, rest)) = text.split_once("No importer registered for op: ") {
        return Some(format!("a node, a {}", word(rest)));
    }
    let (_, rest) = text.split_once("While parsing node number ")?;
    let (number, rest) = rest.split_once(" [")?;
    Some(format!("node {number}, a {}", word(rest)))
}
