//! Causes in what a program or a library prints: texts of known lines, and what they mean. Pure.

use crate::bundle::format::Fault;

/// A known text and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Part of a line.
    pub(crate) text: &'static str,
    /// Stable code.
    pub(crate) reason: &'static str,
    /// Whose fault it is. [`Fault::Model`] holds only while a model is compiled.
    pub(crate) fault: Fault,
    /// What to do; lower case, no full stop.
    pub(crate) hint: &'static str,
}

/// A row of a table.
pub(crate) const fn cause(
    text: &'static str,
    reason: &'static str,
    fault: Fault,
    hint: &'static str,
) -> Cause {
    Cause { text, reason, fault, hint }
}

/// The most telling cause of a table, and its line, among the lines so far. A table lists the most telling
/// cause first; of one cause the first line counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MostTelling(Option<(usize, String)>);

impl MostTelling {
    /// Look at one more line.
    pub(crate) fn take(&mut self, causes: &[Cause], line: &str) {
        let Some(index) = causes.iter().position(|cause| line.contains(cause.text)) else { return };
        if self.0.as_ref().is_none_or(|(known, _)| index < *known) {
            self.0 = Some((index, line.to_owned()));
        }
    }

    /// Is there none yet?
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The cause, by the table that every line was compared with.
    pub(crate) fn of<'a>(&self, causes: &'a [Cause]) -> Option<(&'a Cause, &str)> {
        self.0.as_ref().map(|(index, line)| (&causes[*index], line.as_str()))
    }
}

/// The most telling cause among these lines, and its line.
pub(crate) fn find<'a>(causes: &'a [Cause], lines: &[String]) -> Option<(&'a Cause, String)> {
    let mut found = MostTelling::default();
    lines.iter().for_each(|line| found.take(causes, line));
    found.of(causes).map(|(cause, line)| (cause, line.to_owned()))
}
