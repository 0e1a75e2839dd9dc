//! The fourth question, "how sure": verdicts, spread and intervals, what was left out, and what stays
//! significant.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Detail, MOST_FINDINGS, MOST_ODDITIES, elements, platforms};
use crate::analysis::cell::Cell;
use crate::analysis::estimate::Covers;
use crate::report::Report;
use crate::report::figures::{left_out, marked};
use crate::report::tables::{self, Only};
use crate::report::text::{count, estimate, number, told, told_within};

/// Predictions in the page; the rest are in their file.
const MOST_PREDICTIONS: usize = 200;

pub(super) fn section(report: &Report<'_>, detail: Detail) -> Markup {
    html! {
        section aria-labelledby="certainty" {
            h2 id="certainty" { "How sure" }
            p { "Everything is compared by the mean over a network's processes of their mean latencies; intervals are at 95 %." }
            @for (index, heading) in platforms(report, "certainty", |_| true) {
                div data-platform=(index) {
                    (heading)
                    (of_platform(report, index, detail))
                }
            }
            (findings(report))
            (collected(report))
        }
    }
}

fn of_platform(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let basis = &analysis.bases[index];
    let cells: Vec<&Cell> = analysis.cells.iter().filter(|cell| cell.platform == index).collect();
    html! {
        p { (self::basis(report, index)) }
        ul {
            li { (analysis.platforms[index].results()) "." }
            @if let Some(sentence) = left_out(&basis.left_out) { li { (sentence) } }
            @if basis.unverified > 0 { li { "○ " (count(basis.unverified, "unverified result is", "unverified results are")) " in aggregates." } }
            @if basis.suspect > 0 { li { "△ " (count(basis.suspect, "suspect result", "suspect results")) " in aggregates and marked." } }
        }
        (reasons(report, index, detail))
        @if !cells.is_empty() {
            details { summary { "Spread of each network (" (cells.len()) ")" } (spread(report, &cells, detail)) }
        }
        @let resources = tables::resources(analysis, Only::Platform(index));
        @if !resources.rows.is_empty() {
            details { summary { "What each result takes: loading, memory" }
                p { "Medians over the trials of each result. Memory is that of the process on the host; memory of a graphics card does not count." }
                (elements::table(&resources, detail.rows(usize::MAX), report))
            }
        }
        (predictions(report, index, detail))
    }
}

/// How many results have each reason of a verdict.
fn reasons(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let rows = report.analysis.rows.iter().enumerate().filter(|(_, row)| row.platform == Some(index));
    let mut reasons: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, row) in rows {
        for reason in &row.verdict_reasons {
            reasons.entry(reason).or_default().push(number);
        }
    }
    let mut reasons: Vec<(&str, Vec<usize>)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    html! {
        @if !reasons.is_empty() {
            p { "Why results are not valid (`backbone explain CODE` says what a code means and what to do):" }
            ul.codes { @for (reason, rows) in &reasons {
                li { code { (told(reason)) } ": " (elements::linked(&count(rows.len(), "result", "results"), rows, detail)) }
            } }
        }
    }
}

fn spread(report: &Report<'_>, cells: &[&Cell], detail: Detail) -> Markup {
    let rows = &report.analysis.rows;
    let deviation = |cell: &Cell| {
        let [row] = cell.rows.as_slice() else { return None };
        let latency = rows[*row].latency.as_ref()?;
        Some((latency.standard_deviation? / latency.mean * 100.0, latency.median))
    };
    html! {
        div.scroll tabindex="0" role="group" aria-label="spread of each network" {
            table {
                thead { tr {
                    th scope="col" { "Network" } th scope="col" { "Verdict" }
                    th.n scope="col" { "Mean latency, ms" } th.n scope="col" { "Median, ms" }
                    th.n scope="col" { "Standard deviation of runs, %" }
                    th.n scope="col" { "Processes" } th.n scope="col" { "Runs" }
                } }
                tbody { @for cell in cells.iter().take(detail.rows(usize::MAX)) {
                    tr {
                        th scope="row" { (told(&cell.subject)) }
                        td { (super::results::state(cell.verdict)) }
                        td.n { (elements::linked(&estimate(cell.latency_ms.value, cell.latency_ms.interval), &cell.rows, detail)) }
                        td.n { (deviation(cell).map_or_else(|| "–".to_owned(), |(_, median)| number(median))) }
                        td.n { (deviation(cell).map_or_else(|| "–".to_owned(), |(deviation, _)| number(deviation))) }
                        td.n { (cell.processes) } td.n { (cell.runs) }
                    }
                } }
            }
        }
    }
}

/// Verdicts and what intervals cover, in a line for the first screen.
pub(super) fn in_a_line(report: &Report<'_>, index: usize) -> String {
    let analysis = report.analysis;
    let basis = &analysis.bases[index];
    let mut parts = vec![analysis.platforms[index].results()];
    if basis.covers == Covers::MeasuredProcesses {
        parts.push("one process each: intervals do not cover another process".to_owned());
    }
    format!("{}.", parts.join("; "))
}

/// What the intervals of this platform cover.
fn basis(report: &Report<'_>, index: usize) -> String {
    let basis = &report.analysis.bases[index];
    let covers = match basis.covers {
        Covers::Processes => "Intervals cover variation between processes",
        Covers::MeasuredProcesses => {
            "No network was measured in more than one process: intervals cover variation between runs, not between processes"
        }
    };
    let between = basis.between_processes.map_or_else(String::new, |spread| {
        format!("; standard deviation between processes {:.1} %", spread * 100.0)
    });
    format!("{covers}{between}; {} resamples.", basis.resamples)
}

/// What stays significant after correction for everything that was tested.
fn findings(report: &Report<'_>) -> Markup {
    let analysis = report.analysis;
    let shown = analysis.findings.len().min(MOST_FINDINGS);
    html! {
        h3 id="findings" { (marked_if_any(report, "What stays significant")) }
        @if analysis.findings.is_empty() {
            p { "None: no effect is significant after correction for multiple tests. That does not show that there is none." }
        } @else {
            details { summary { "Effects that stay significant after correction for multiple tests, the largest first (" (analysis.findings.len()) ")" }
                @if shown < analysis.findings.len() {
                    p { "The first " (shown) " of " (analysis.findings.len()) "; the rest are in " (elements::file(report, "findings.csv")) "." }
                }
                div.scroll tabindex="0" role="group" aria-label="findings" {
                    table.findings {
                        thead { tr { th scope="col" { "Effect" } th scope="col" { "Kind" } th.n scope="col" { "Adjusted p" } th scope="col" { "Results" } } }
                        tbody { @for (number, finding) in analysis.findings.iter().take(shown).enumerate() {
                            @let labels = finding.platforms.iter().map(|&platform| analysis.platforms[platform].label.as_str());
                            @let names: Vec<&str> = labels.chain([finding.from.as_str(), finding.to.as_str()]).collect();
                            @let simulated = finding.platforms.iter().any(|&platform| analysis.platforms[platform].simulated);
                            tr id=(format!("finding-{number}")) {
                                td { (marked(simulated, &told_within(&finding.sentence, &names))) }
                                td { (tables::kind(finding.kind)) }
                                td.n { (probability(finding.adjusted_probability)) }
                                td {
                                    a.behind href="#results" data-finding=(number) { (count(finding.rows.len(), "result", "results")) }
                                    @if finding.missing > 0 { ", " (finding.missing) " missing" }
                                    @if finding.suspect_rows > 0 { ", △ " (count(finding.suspect_rows, "suspect result", "suspect results")) }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// An adjusted probability, not more precise than it is.
fn probability(value: f64) -> String {
    if value < 1e-12 { "< 10⁻¹²".to_owned() } else { number(value) }
}

fn marked_if_any(report: &Report<'_>, title: &str) -> String {
    marked(report.analysis.platforms.iter().any(|platform| platform.simulated), title)
}

/// What was examined, and what gave no result.
fn collected(report: &Report<'_>) -> Markup {
    let analysis = report.analysis;
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for oddity in report.oddities {
        let (one, _) = oddity.kind.nouns();
        match kinds.iter_mut().find(|(kind, _)| *kind == one) {
            Some((_, count)) => *count += 1,
            None => kinds.push((one, 1)),
        }
    }
    html! {
        h3 id="collected" { (marked_if_any(report, "What this report is made of")) }
        p { (count(report.files, "file", "files")) " examined; this report covers " (count(analysis.rows.len(), "result", "results")) "." }
        ul {
            @if !analysis.without_platform.is_empty() {
                li { (count(analysis.without_platform.len(), "result", "results")) " from jobs that never reached a runtime, and so on no platform; see the " a href="#results" { "table of all results" } "." }
            }
            @if report.not_asked_for > 0 {
                li { (count(report.not_asked_for, "result was", "results were")) " collected and left out of this report, as requested." }
            }
            @if analysis.options.only_valid { li { "Suspect and unverified results are excluded from aggregates, as requested." } }
            @for (kind, count) in &kinds { li { (count) " × " (kind) } }
            @if report.oddities.is_empty() { li { "No other files were found." } }
        }
        @if !report.oddities.is_empty() {
            details {
                summary { "Show the other files" }
                (elements::table(&tables::oddities(report), MOST_ODDITIES, report))
            }
        }
    }
}

fn predictions(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    html! {
        @if let Some(prediction) = analysis.predictions.iter().find(|prediction| prediction.platform == index) {
            p {
                strong { "Predicted" } " from " (prediction.fitted) " measured configurations. Leaving each out in turn, the median error is "
                (format!("{:.1} %", prediction.median_error * 100.0)) " and one in ten exceeds " (format!("{:.1} %", prediction.error_90 * 100.0))
                ". The model does not predict whether a network compiles."
            }
            @if prediction.predicted.is_empty() {
                p { "Every configuration of the paper's family was measured." }
            } @else {
                details {
                    summary { "Predicted latencies (" (prediction.predicted.len()) ")" }
                    (elements::table(&tables::predictions(analysis, Only::Platform(index)), detail.rows(MOST_PREDICTIONS), report))
                }
            }
        }
    }
}
