//! The table of all results. The script builds it, fifty rows at a time; without scripts there is a plain
//! table of the first.

use maud::{Markup, html};

use super::elements;
use crate::analysis::row::{Row, word};
use crate::bundle::format::{Status, VerdictState};
use crate::report::Report;
use crate::report::text::{number, told};

/// Results in the plain table.
const MOST_STATIC: usize = 600;

pub(super) fn section(report: &Report<'_>) -> Markup {
    let rows = &report.analysis.rows;
    html! {
        section aria-labelledby="results" {
            h2 id="results" { "All results" }
            p { "Every result, whether or not it enters an aggregate. With all columns: " (elements::file(report, "rows.csv")) "." }
            div id="table" {}
            noscript {
                div.scroll tabindex="0" role="group" aria-label="all results" {
                    table {
                        thead { tr {
                            @for heading in ["Result", "Platform", "Network", "Status", "Verdict", "Why", "What to do"] { th scope="col" { (heading) } }
                            th.n scope="col" { "Mean latency, ms" }
                        } }
                        tbody { @for (index, row) in rows.iter().take(MOST_STATIC).enumerate() { (line(report, index, row)) } }
                    }
                }
                @if rows.len() > MOST_STATIC { p { "The first " (MOST_STATIC) " of " (rows.len()) "." } }
            }
        }
    }
}

fn line(report: &Report<'_>, index: usize, row: &Row) -> Markup {
    let platform = row.platform.map(|platform| told(&report.analysis.platforms[platform].name));
    html! {
        tr id=(format!("row-{index}")) {
            td { (told(&row.id)) }
            td { (platform.unwrap_or_default()) }
            td { (told(&row.subject().unwrap_or_default())) }
            td { (status(row.status)) }
            td { (verdict(row)) }
            td { (why(row)) }
            td { (row.hint.as_deref().map(told).unwrap_or_default()) }
            td.n { @if let Some(latency) = &row.latency { (number(latency.mean)) } }
        }
    }
}

/// The status in words.
pub(super) fn status(status: Status) -> String {
    word(&status).unwrap_or_default().replace('_', " ")
}

/// The verdict, with a symbol for people who cannot rely on colour.
pub(super) fn verdict(row: &Row) -> &'static str {
    state(row.verdict)
}

/// The same of a verdict by itself.
pub(super) fn state(verdict: VerdictState) -> &'static str {
    match verdict {
        VerdictState::Valid => "✓ valid",
        VerdictState::Unverified => "○ unverified",
        VerdictState::Suspect => "△ suspect",
        VerdictState::Invalid => "✕ invalid",
    }
}

/// The reason for the status, and the reasons for the verdict.
pub(super) fn why(row: &Row) -> String {
    let reason = row.reason.iter().map(|reason| match &row.detail {
        Some(detail) => format!("{}: {}", told(reason), told(detail)),
        None => told(reason),
    });
    let verdict = row.verdict_reasons.iter().map(|reason| told(reason));
    reason.chain(verdict).collect::<Vec<_>>().join("; ")
}
