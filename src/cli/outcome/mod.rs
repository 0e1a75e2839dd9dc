//! What a foreground run shows at its end: a table of what was measured, why the rest was not, and the exit
//! code.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Exit, table};
use crate::bundle::format::{Status, VerdictState};
use crate::daemon::hardware::MissingHardware;
use crate::daemon::observer::BundleLine;
use crate::text::{alternatives, counted, escaped};

pub(super) mod failures;

use failures::Ending;

/// Headings of [`cells`].
pub(super) const HEADINGS: [&str; 6] = ["job", "model", "runtime", "n", "median (95 % interval)", "verdict"];

/// Rows under their headings: job, model, runtime, n, median with its interval, verdict. Empty if there are
/// none.
pub(super) fn table<'a>(rows: impl IntoIterator<Item = &'a BundleLine>) -> String {
    let cells: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
    match cells.is_empty() {
        true => String::new(),
        false => table::render(&HEADINGS, &cells),
    }
}

/// Why rows have no result, each reason with its detail and hint, after an empty line. Empty if all were
/// measured.
pub(super) fn reasons<'a>(rows: impl IntoIterator<Item = &'a BundleLine>) -> String {
    let text = failures::render(rows.into_iter().map(|row| Ending {
        job: &row.job,
        file: &row.file,
        runtime: row.runtime.as_deref(),
        outcome: &row.outcome,
    }));
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// The whole inbox: jobs for hardware that this host does not have are one line, and not rows of failures.
pub(super) fn of_inbox(rows: &[BundleLine], outbox: &Path) -> String {
    let present = || rows.iter().filter(|row| row.missing_hardware.is_none());
    let text = format!("{}{}{}", table(present()), reasons(present()), absent(rows, outbox));
    text.trim_start().to_owned()
}

/// `3 jobs need a Jetson, an Edge TPU or a GPU: 08-tensorrt, 09-edge-tpu, 10-gpu`.
fn absent(rows: &[BundleLine], outbox: &Path) -> String {
    let absent: Vec<(MissingHardware, &BundleLine)> =
        rows.iter().filter_map(|row| Some((row.missing_hardware?, row))).collect();
    let Some((_, first)) = absent.first() else { return String::new() };
    let hardware: BTreeSet<MissingHardware> = absent.iter().map(|(hardware, _)| *hardware).collect();
    let nouns: Vec<&str> = hardware.into_iter().map(MissingHardware::noun).collect();
    let names: BTreeSet<String> = absent.iter().map(|(_, row)| escaped(&row.job)).collect();
    format!(
        "\n{} {}: {}\nhint: `backbone show {}` shows what was looked for\n",
        counted(names.len(), "job needs", "jobs need"),
        alternatives(&nouns),
        names.into_iter().collect::<Vec<_>>().join(", "),
        outbox.join(&first.bundle).display()
    )
}

/// How a foreground run ends: the worst of its rows.
pub(super) fn exit(rows: &[BundleLine], strict: bool) -> Exit {
    let any = |status: &[Status]| rows.iter().any(|row| status.contains(&row.outcome.status));
    // That a configuration does not compile is a result, and there is nothing in it to trust or not.
    let results = rows.iter().filter(|row| row.outcome.status != Status::NotCompilable);
    let worst = results.map(|row| row.verdict).max().unwrap_or(VerdictState::Valid);
    if any(&[Status::Rejected]) {
        Exit::WrongInput
    } else if any(&[Status::Failed, Status::TimedOut, Status::Cancelled]) {
        Exit::Failed
    } else if worst == VerdictState::Invalid || (strict && worst >= VerdictState::Suspect) {
        Exit::NotValid
    } else {
        Exit::Done
    }
}

/// `smoke: net.onnx on onnxruntime: 4.213 ms (4.201 to 4.230), valid` and the file, as one line.
pub(super) fn line(row: &BundleLine) -> String {
    let network = row.model.as_ref().map(|model| format!(": {model}")).unwrap_or_default();
    let runtime = row.runtime.as_ref().map(|runtime| format!(" on {runtime}")).unwrap_or_default();
    let median = median(row).map(|median| format!("{median}, ")).unwrap_or_default();
    escaped(&format!("{}{network}{runtime}: {median}{} ({})", row.job, verdict(row), row.bundle))
}

/// A result for programs. `value_ms` is the median, `interval_ms` its 95 % interval; both are null if there
/// is none, and so is the verdict of what was not measured.
pub(super) fn as_json(row: &BundleLine) -> Value {
    let is_measured = row.outcome.status == Status::Measured;
    json!({
        "job": row.job,
        "bundle": row.bundle,
        "model": row.model,
        "runtime": row.runtime,
        "status": row.outcome.status,
        "reason": row.outcome.reason,
        "detail": row.outcome.detail,
        "hint": row.outcome.hint,
        "mistakes": row.outcome.mistakes,
        "value_ms": row.median_ms,
        "interval_ms": row.interval_ms.map(|(low, high)| [low, high]),
        "runs": row.count,
        "verdict": is_measured.then_some(row.verdict),
        "verdict_reasons": row.verdict_reasons,
        "simulated": row.simulated,
    })
}

fn median(row: &BundleLine) -> Option<String> {
    let median = row.median_ms?;
    Some(match row.interval_ms {
        Some((low, high)) => format!("{median:.3} ms ({low:.3} to {high:.3})"),
        None => format!("{median:.3} ms"),
    })
}

/// One row.
pub(super) fn cells(row: &BundleLine) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        escaped(&row.job),
        or_dash(&row.model),
        or_dash(&row.runtime),
        row.count.to_string(),
        median(row).unwrap_or_else(|| "-".to_owned()),
        verdict(row),
    ]
}

/// The verdict of what was measured, else how it ended.
fn verdict(row: &BundleLine) -> String {
    let word = match row.outcome.status {
        Status::Measured => row.verdict.word(),
        other => word(other),
    };
    let reasons = match (&row.outcome.reason, row.outcome.status) {
        (Some(reason), _) => reason.clone(),
        (None, Status::Measured) => row.verdict_reasons.join(", "),
        (None, _) => String::new(),
    };
    let simulated = if row.simulated { " (simulated)" } else { "" };
    if reasons.is_empty() { format!("{word}{simulated}") } else { format!("{word}: {reasons}{simulated}") }
}

/// How a configuration ended, in a word or two.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Measured => "measured",
        Status::Rejected => "rejected",
        Status::NotCompilable => "not compilable",
        Status::Failed => "failed",
        Status::TimedOut => "timed out",
        Status::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests;
