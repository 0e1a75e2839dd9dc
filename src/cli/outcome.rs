//! The table that ends a run, and the exit code it leads to.

use super::{Exit, table};
use crate::bundle::format::{Status, VerdictState};
use crate::daemon::observer::Row;

/// Rows under their headings: job, model, runtime, n, median with its interval, verdict.
pub(super) fn render(rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    table::render(&["job", "model", "runtime", "n", "median (95 % interval)", "verdict"], &cells)
}

/// How a foreground run ends: the worst of its rows.
pub(super) fn exit(rows: &[Row], strict: bool) -> Exit {
    let any = |status: &[Status]| rows.iter().any(|row| status.contains(&row.status));
    // That a configuration does not compile is a result, and there is nothing in it to trust or not.
    let results = rows.iter().filter(|row| row.status != Status::NotCompilable);
    let worst = results.map(|row| row.verdict).max().unwrap_or(VerdictState::Valid);
    if any(&[Status::Rejected]) {
        Exit::WrongInput
    } else if any(&[Status::Failed, Status::TimedOut, Status::Cancelled]) {
        Exit::Failed
    } else if worst == VerdictState::Invalid || (strict && worst == VerdictState::Suspect) {
        Exit::NotValid
    } else {
        Exit::Done
    }
}

fn cells(row: &Row) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let median = match (row.median_ms, row.interval_ms) {
        (Some(median), Some((low, high))) => format!("{median:.3} ms ({low:.3} to {high:.3})"),
        (Some(median), None) => format!("{median:.3} ms"),
        (None, _) => "-".to_owned(),
    };
    vec![
        super::readable(row.job.as_ref()),
        or_dash(&row.model),
        or_dash(&row.runtime),
        row.count.to_string(),
        median,
        verdict(row),
    ]
}

/// The verdict of what was measured, else how it ended.
fn verdict(row: &Row) -> String {
    let word = match row.status {
        Status::Measured => match row.verdict {
            VerdictState::Valid => "valid",
            VerdictState::Suspect => "suspect",
            VerdictState::Invalid => "invalid",
        },
        Status::Rejected => "rejected",
        Status::NotCompilable => "not compilable",
        Status::Failed => "failed",
        Status::TimedOut => "timed out",
        Status::Cancelled => "cancelled",
    };
    let reasons = match (&row.reason, row.status) {
        (Some(reason), _) => reason.clone(),
        (None, Status::Measured) => row.verdict_reasons.join(", "),
        (None, _) => String::new(),
    };
    let simulated = if row.simulated { " (simulated)" } else { "" };
    if reasons.is_empty() { format!("{word}{simulated}") } else { format!("{word}: {reasons}{simulated}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(job: &str, status: Status, verdict: VerdictState) -> Row {
        Row {
            job: job.to_owned(),
            model: Some("net.onnx".to_owned()),
            runtime: Some("onnxruntime".to_owned()),
            status,
            reason: (status != Status::Measured).then(|| "segmentation_fault".to_owned()),
            compilation: None,
            count: 100,
            median_ms: Some(1.234_56),
            interval_ms: Some((1.2, 1.3)),
            verdict,
            verdict_reasons: vec!["drift".to_owned()],
            simulated: false,
            bundle: "b.json.gz".to_owned(),
        }
    }

    #[test]
    fn the_table_says_what_was_measured_and_how_the_rest_ended() {
        let mut rejected = row("broken", Status::Rejected, VerdictState::Invalid);
        rejected =
            Row { model: None, runtime: None, count: 0, median_ms: None, interval_ms: None, ..rejected };
        rejected.reason = Some("mistakes_in_spec".to_owned());
        let rows = [row("smoke", Status::Measured, VerdictState::Suspect), rejected];
        insta::assert_snapshot!(render(&rows), @r"
        job     model     runtime      n    median (95 % interval)     verdict
        smoke   net.onnx  onnxruntime  100  1.235 ms (1.200 to 1.300)  suspect: drift
        broken  -         -            0    -                          rejected: mistakes_in_spec
        ");
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_row() {
        let valid = || row("a", Status::Measured, VerdictState::Valid);
        assert_eq!(exit(&[valid()], true), Exit::Done);
        assert_eq!(exit(&[valid(), row("b", Status::Measured, VerdictState::Suspect)], false), Exit::Done);
        assert_eq!(exit(&[valid(), row("b", Status::Measured, VerdictState::Suspect)], true), Exit::NotValid);
        assert_eq!(exit(&[row("b", Status::Measured, VerdictState::Invalid)], false), Exit::NotValid);
        assert_eq!(
            exit(&[valid(), row("b", Status::NotCompilable, VerdictState::Invalid)], true),
            Exit::Done
        );
        assert_eq!(exit(&[valid(), row("b", Status::Failed, VerdictState::Invalid)], false), Exit::Failed);
        assert_eq!(
            exit(&[row("b", Status::Rejected, VerdictState::Invalid), valid()], false),
            Exit::WrongInput
        );
    }
}
