//! What trtexec prints, read line by line: its release, its latencies, whether it passed, and the most
//! telling error. Pure.
//!
//! The latencies bound the memory. The line PASSED counts wherever it is: memory reports, and even a crash,
//! may follow it.
//!
//! Source of the lines: `samples/common/sampleReporting.cpp` and `logger.h` of
//! <https://github.com/NVIDIA/TensorRT>, tag v6.0.1 and branches release/6.0 to release/11.1, and logs of
//! Jetsons that people made public.

use super::causes::{CONSEQUENCES, GpuMemory, MostTelling};
use super::release::{self, Release};
use super::summary::Summary;
use super::times::nanoseconds;
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
    /// It printed the frame line of a failure.
    is_failed: bool,
    /// Compute time of each query, in order, warm-up included.
    pub latency_ns: Vec<Nanos>,
    /// The first error line that is not the consequence of another, without its time.
    pub first_error: Option<String>,
    /// The first line that says only that something failed.
    first_consequence: Option<String>,
    last_line: Option<String>,
    /// The most telling line.
    pub(super) cause: MostTelling,
    /// What it says of the GPU's memory.
    pub(super) memory: GpuMemory,
    /// The first line that says that a kernel was not tried for lack of memory.
    pub(super) tactic_skipped: Option<String>,
    /// The line that says that kernels would need a larger workspace.
    pub(super) workspace_short: Option<String>,
    /// How the lines of queries are worded, if there was one.
    pub(super) wording: Option<Wording>,
    pub(super) summary: Summary,
    /// Known beforehand, or from its first line.
    release: Option<Release>,
    /// The node that it could not read, such as `node 7, a Resize`.
    pub node: Option<String>,
}

/// How a release words the line of a query, with one run averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    /// The tag 6.0.1.
    Tag6,
    /// The rebuilt 6.
    Rebuilt6,
    /// 7.0 and later.
    Since7,
}

impl TrtexecReport {
    /// A report of that release.
    pub(super) fn of(release: Release) -> Self {
        Self { release: Some(release), ..Self::default() }
    }

    /// It reported a success, and no failure too.
    pub(super) fn is_success(&self) -> bool {
        self.is_passed && !self.is_failed
    }

    /// The line that says most of a failure that no known text explains.
    pub(super) fn telling_line(&self) -> Option<&str> {
        let lines = [&self.first_error, &self.first_consequence, &self.last_line];
        lines.into_iter().find_map(Option::as_deref)
    }

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
            self.is_failed |= frame.starts_with("FAILED TensorRT.trtexec");
            self.number = self.number.or_else(|| release::frame_number(line));
            self.release = self.release.or_else(|| self.number.and_then(Release::from_number));
            return;
        }
        let (severity, text) = split(line);
        if !text.trim().is_empty() {
            self.last_line = Some(text.to_owned());
        }
        self.memory.take(text);
        match severity {
            Some('I' | 'V') => self.read_message(text),
            Some('W') => {
                self.read_message(text);
                self.cause.take(self.release, true, text);
            }
            // Libraries print without a severity, and so does 6 when it reports its times.
            None if self.read_latency(text) => {}
            _ => self.read_error(severity.is_some(), text),
        }
        // Some releases print these as warnings, others as messages.
        if text.contains("Skipping tactic") && LACKS_MEMORY.iter().any(|words| text.contains(words)) {
            self.tactic_skipped.get_or_insert_with(|| text.to_owned());
        }
        if text.contains("do not have sufficient workspace memory") {
            self.workspace_short.get_or_insert_with(|| text.to_owned());
        }
    }

    fn read_message(&mut self, text: &str) {
        if self.read_latency(text) {
            return;
        }
        self.summary.take(text);
        if let Some(device) = text.strip_prefix("Selected Device: ") {
            self.device = Some(device.trim().to_owned());
        }
    }

    fn read_latency(&mut self, text: &str) -> bool {
        let found =
            SINGLE_RUN.iter().find_map(|(start, wording)| Some((text.strip_prefix(start)?, *wording)));
        let Some((rest, wording)) = found else { return false };
        let Some((number, _)) = rest.split_once(" ms") else { return false };
        let Some(latency) = number.trim().parse().ok().and_then(nanoseconds) else { return false };
        self.wording = Some(wording);
        self.latency_ns.push(latency);
        true
    }

    fn read_error(&mut self, is_marked: bool, text: &str) {
        if self.node.is_none() {
            self.node = node(text);
        }
        if is_marked || text.starts_with("ERROR") {
            let is_consequence = CONSEQUENCES.iter().any(|known| text.contains(known));
            let place = if is_consequence { &mut self.first_consequence } else { &mut self.first_error };
            place.get_or_insert_with(|| text.to_owned());
        }
        self.cause.take(self.release, false, text);
    }
}

/// How the lines of single queries begin.
const SINGLE_RUN: &[(&str, Wording)] = &[
    ("Average on 1 runs - GPU latency: ", Wording::Since7),
    ("GPU compute time average over 1 runs is ", Wording::Rebuilt6),
    ("Average over 1 runs is ", Wording::Tag6),
];

/// Why a tactic is skipped, as releases word it (8.0 misspells it).
const LACKS_MEMORY: &[&str] = &["insufficient memory", "insuficient memory", "oom error"];

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
