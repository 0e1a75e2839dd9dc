//! Why configurations gave no result, for people: each reason once, with its detail and what to do.
//!
//! ```text
//! smoke on onnxruntime: library_not_found, 2 configurations
//!   cannot load libonnxruntime.so: no such file
//!   hint: set `runtimes.onnxruntime.library`
//! ```

use crate::bundle::format::{Outcome, Status};
use crate::spec;
use crate::text::escaped;

/// A configuration and how it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) struct Ending<'a> {
    /// Job name.
    pub(in crate::cli) job: &'a str,
    /// Job file.
    pub(in crate::cli) file: &'a str,
    /// Runtime, if the job got that far.
    pub(in crate::cli) runtime: Option<&'a str>,
    /// How it ended.
    pub(in crate::cli) outcome: &'a Outcome,
}

impl Ending<'_> {
    /// Failures of one job on one runtime with one reason and one hint are reported together.
    fn belongs_to(&self, other: &Self) -> bool {
        self.job == other.job
            && self.runtime == other.runtime
            && self.outcome.reason == other.outcome.reason
            && self.outcome.hint == other.outcome.hint
            && self.outcome.mistakes == other.outcome.mistakes
    }
}

/// A paragraph for each reason, in the order of the configurations; empty if everything was measured.
pub(in crate::cli) fn render<'a>(endings: impl IntoIterator<Item = Ending<'a>>) -> String {
    let mut groups: Vec<Vec<Ending<'a>>> = Vec::new();
    for ending in endings.into_iter().filter(|ending| ending.outcome.status != Status::Measured) {
        match groups.iter_mut().find(|group| group[0].belongs_to(&ending)) {
            Some(group) => group.push(ending),
            None => groups.push(vec![ending]),
        }
    }
    groups.iter().map(|group| paragraph(group)).collect()
}

fn paragraph(group: &[Ending<'_>]) -> String {
    let Ending { job, file, runtime, outcome } = group[0];
    let runtime = runtime.map(|runtime| format!(" on {runtime}")).unwrap_or_default();
    let count = if group.len() > 1 { format!(", {} configurations", group.len()) } else { String::new() };
    let why = outcome.reason.as_deref().unwrap_or_else(|| super::word(outcome.status));
    let mut text = format!("{}{}: {}{count}\n", escaped(job), escaped(&runtime), escaped(why));
    if let Some(detail) = &outcome.detail {
        let differs = group.iter().any(|ending| ending.outcome.detail != outcome.detail);
        let begin = if differs { "for example: " } else { "" };
        text.push_str(&indented(&format!("{begin}{detail}")));
    }
    text.push_str(&indented(&spec::render(&outcome.mistakes, file)));
    if let Some(hint) = &outcome.hint {
        text.push_str(&indented(&format!("hint: {hint}")));
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {}\n", escaped(line))).collect()
}
