//! The tables of a report: what an analysis holds, as rows. Nothing is computed here.

use crate::analysis::Analysis;
use crate::analysis::finding::FindingKind;

use super::Report;
use super::figures::giga;
use super::table::Kind::{Change, Estimate, Number, Text};
use super::table::{Table, Value};

mod pairs;
mod platforms;

pub(super) use pairs::{compared_pairs, comparisons, contradictions, contrasts, missing_pairs, pairs};
pub(super) use platforms::{feasibility, gaps, platforms, power};

/// Whose rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    /// Every platform's.
    All,
    /// One platform's.
    Platform(usize),
}

impl Only {
    fn holds(self, platform: usize) -> bool {
        self == Self::All || self == Self::Platform(platform)
    }
}

/// Every table but that of the rows, which `export` has; each is made when its turn comes.
pub(super) fn all<'a>(report: &'a Report<'a>) -> impl Iterator<Item = Table> + 'a {
    const TABLES: &[fn(&Report<'_>) -> Table] = &[
        |report| platforms(report.analysis),
        |report| feasibility(report.analysis, Only::All),
        |report| gaps(report.analysis, Only::All),
        |report| cells(report.analysis),
        |report| contrasts(report.analysis, Only::All),
        |report| pairs(report.analysis, Only::All),
        |report| missing_pairs(report.analysis, Only::All),
        |report| rooflines(report.analysis, Only::All),
        |report| contradictions(report.analysis, Only::All),
        |report| fronts(report.analysis, Only::All),
        |report| prediction_errors(report.analysis),
        |report| predictions(report.analysis, Only::All),
        |report| comparisons(report.analysis),
        |report| compared_pairs(report.analysis),
        |report| findings(report.analysis),
        oddities,
    ];
    TABLES.iter().map(|table| table(report))
}

fn cells(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "cells",
        &[
            ("subject", "Network", Text),
            ("block", "Block", Text),
            ("kernel", "k", Number),
            ("batch", "b", Number),
            ("input", "i", Number),
            ("precision", "Precision", Text),
            ("operations", "Operations", Number),
            ("operational_density", "Operations/byte", Number),
            ("latency_ms", "Mean latency, ms", Estimate),
            ("throughput", "Throughput, operations/s", Estimate),
            ("processes", "Processes", Number),
            ("runs", "Runs", Number),
            ("suspect", "Suspect", Text),
            ("rows", "Results", Text),
        ],
    );
    for cell in &analysis.cells {
        let theta = cell.configuration.as_ref();
        let rows: Vec<&str> = cell.rows.iter().map(|&row| analysis.rows[row].id.as_str()).collect();
        table.push(
            Some(cell.platform),
            vec![
                cell.subject.as_str().into(),
                theta.map(|theta| theta.block.clone()).into(),
                theta.map(|theta| theta.kernel).into(),
                theta.map(|theta| theta.batch).into(),
                theta.map(|theta| theta.input).into(),
                theta.map(|theta| theta.precision.clone()).into(),
                cell.cost.map(|cost| cost.operations).into(),
                cell.cost.map(|cost| cost.operational_density).into(),
                cell.latency_ms.into(),
                cell.throughput.into(),
                cell.processes.into(),
                cell.runs.into(),
                cell.suspect.into(),
                rows.join(" ").into(),
            ],
        );
    }
    table
}

/// Roof and slope.
pub(super) fn rooflines(analysis: &Analysis, only: Only) -> Table {
    let mut table = Table::new(
        "rooflines",
        &[
            ("precision", "Precision", Text),
            ("operations_per_second", "Roof, operations/s", Number),
            ("bytes_per_second", "Slope, bytes/s", Number),
            ("ridge", "They meet at, operations/byte", Number),
            ("given", "Peaks were given", Text),
            ("points", "Points", Number),
        ],
    );
    for roofline in analysis.rooflines.iter().filter(|one| only.holds(one.platform)) {
        table.push(
            Some(roofline.platform),
            vec![
                roofline.precision.clone().unwrap_or_else(|| "model files".to_owned()).into(),
                roofline.peaks.operations_per_second.into(),
                roofline.peaks.bytes_per_second.into(),
                roofline.ridge.into(),
                roofline.given.into(),
                roofline.points.len().into(),
            ],
        );
    }
    table
}

/// What is on the fronts.
pub(super) fn fronts(analysis: &Analysis, only: Only) -> Table {
    let mut table = Table::new(
        "pareto",
        &[
            ("input", "i", Number),
            ("batch", "b", Number),
            ("precision", "Precision", Text),
            ("subject", "Network", Text),
            ("beaten_by", "Beaten by", Text),
            ("operations", "Operations", Number),
            ("throughput", "Throughput, 10⁹ operations/s", Estimate),
            ("suspect", "△ Suspect", Text),
        ],
    );
    for front in analysis.fronts.iter().filter(|one| only.holds(one.platform)) {
        let on = front.cells.iter().map(|&cell| (cell, None));
        let beaten = front.dominated.iter().map(|one| (one.cell, Some(one.by)));
        for (cell, by) in on.chain(beaten) {
            let cell = &analysis.cells[cell];
            let throughput = cell.throughput.map(|throughput| {
                Value::Estimate(throughput.value / super::figures::GIGA, throughput.interval.map(giga))
            });
            table.push(
                Some(front.platform),
                vec![
                    front.input.into(),
                    front.batch.into(),
                    front.precision.as_str().into(),
                    cell.subject.as_str().into(),
                    by.map(|by| analysis.cells[by].subject.clone()).into(),
                    cell.cost.map(|cost| cost.operations).into(),
                    throughput.unwrap_or(Value::Absent),
                    cell.suspect.into(),
                ],
            );
        }
    }
    table
}

fn prediction_errors(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "prediction-errors",
        &[
            ("fitted", "Fitted to", Number),
            ("median_error", "Median error", Number),
            ("error_90", "Error that one in ten exceeds", Number),
        ],
    );
    for prediction in &analysis.predictions {
        let values =
            vec![prediction.fitted.into(), prediction.median_error.into(), prediction.error_90.into()];
        table.push(Some(prediction.platform), values);
    }
    table
}

/// Configurations without a measurement.
pub(super) fn predictions(analysis: &Analysis, only: Only) -> Table {
    let mut table = Table::new(
        "predictions",
        &[
            ("subject", "Network, not measured", Text),
            ("predicted_latency_ms", "Predicted latency, ms", Number),
            ("predicted_throughput", "Predicted throughput, operations/s", Number),
            ("tried", "Tried, and how it ended", Text),
        ],
    );
    for prediction in analysis.predictions.iter().filter(|one| only.holds(one.platform)) {
        for one in &prediction.predicted {
            table.push(
                Some(prediction.platform),
                vec![
                    one.subject.as_str().into(),
                    one.latency_ms.into(),
                    one.throughput.into(),
                    one.tried.clone().into(),
                ],
            );
        }
    }
    table
}

fn findings(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "findings",
        &[
            ("kind", "Kind", Text),
            ("sentence", "Finding", Text),
            ("ratio", "Ratio", Change),
            ("adjusted_probability", "Adjusted probability", Number),
            ("pairs", "Pairs", Number),
            ("missing", "Missing", Number),
            ("suspect_rows", "△ Suspect results", Number),
            ("rows", "Results", Text),
        ],
    );
    for finding in &analysis.findings {
        let platform = match finding.platforms.as_slice() {
            [platform] => Some(*platform),
            _ => None,
        };
        table.push(
            platform,
            vec![
                kind(finding.kind).into(),
                finding.sentence.as_str().into(),
                finding.ratio.into(),
                finding.adjusted_probability.into(),
                finding.pairs.into(),
                finding.missing.into(),
                finding.suspect_rows.into(),
                finding.rows.join(" ").into(),
            ],
        );
    }
    table
}

/// What a kind of finding is called.
pub(super) fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Choice => "choice",
        FindingKind::Contradiction => "contradiction",
        FindingKind::SlowerWithFewerOperations => "slower with fewer operations",
        FindingKind::Platform => "platforms",
    }
}

/// Every file that gave no result, or one to look at.
pub(super) fn oddities(report: &Report<'_>) -> Table {
    let columns = [("path", "File", Text), ("kind", "What", Text), ("detail", "The case at hand", Text)];
    let mut table = Table::new("oddities", &columns);
    for oddity in report.oddities {
        let values =
            vec![oddity.path.as_str().into(), oddity.kind.nouns().0.into(), oddity.detail.as_str().into()];
        table.push(None, values);
    }
    table
}
