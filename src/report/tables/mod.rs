//! The tables of a report: what an analysis holds, as rows. Nothing is computed here.

use crate::analysis::Analysis;
use crate::analysis::finding::FindingKind;
use crate::table::Kind::{Change, Estimate, Integer, Number, Text};
use crate::table::column;

use super::table::{Sheet, yes_or_no};
use super::{Report, giga};

mod layers;
mod pairs;
mod platforms;
mod resources;

pub(super) use layers::layers;
pub(super) use pairs::{compared_pairs, comparisons, contradictions, contrasts, missing_pairs, pairs};
pub(super) use platforms::{feasibility, gaps, platforms};
pub(super) use resources::resources;

/// Which platforms a table covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    /// Every platform.
    All,
    /// One platform.
    Platform(usize),
}

impl Only {
    fn holds(self, platform: usize) -> bool {
        self == Self::All || self == Self::Platform(platform)
    }
}

/// Every table except the one of all results, which `export` makes; each is made when its turn comes.
pub(super) fn all<'a>(report: &'a Report<'a>) -> impl Iterator<Item = Sheet> + 'a {
    const TABLES: &[fn(&Report<'_>) -> Sheet] = &[
        |report| platforms(report.analysis),
        |report| feasibility(report.analysis, Only::All),
        |report| gaps(report.analysis, Only::All),
        |report| cells(report.analysis),
        |report| resources(report.analysis, Only::All),
        |report| layers(report.analysis, Only::All),
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

fn cells(analysis: &Analysis) -> Sheet {
    let rows = analysis
        .cells
        .iter()
        .map(|cell| (Some(cell.platform), (analysis, cell, cell.configuration.as_ref())));
    Sheet::new(
        "cells",
        rows,
        &[
            column("subject", Text, "Network", |(_, cell, _)| cell.subject.as_str().into()),
            column("block", Text, "Block", |(.., theta)| theta.map(|theta| theta.block.as_str()).into()),
            column("kernel", Integer, "k", |(.., theta)| theta.map(|theta| theta.kernel).into()),
            column("batch", Integer, "b", |(.., theta)| theta.map(|theta| theta.batch).into()),
            column("input", Integer, "i", |(.., theta)| theta.map(|theta| theta.input).into()),
            column("precision", Text, "Precision", |(.., theta)| {
                theta.map(|theta| theta.precision.as_str()).into()
            }),
            column("operations", Integer, "Operations", |(_, cell, _)| {
                cell.cost.map(|cost| cost.operations).into()
            }),
            column("operational_density", Number, "Operations/byte", |(_, cell, _)| {
                cell.cost.map(|cost| cost.operational_density).into()
            }),
            column("latency_ms", Estimate, "Mean latency, ms", |(_, cell, _)| cell.latency_ms.into()),
            column("throughput", Estimate, "Throughput, operations/s", |(_, cell, _)| cell.throughput.into()),
            column("processes", Integer, "Processes", |(_, cell, _)| cell.processes.into()),
            column("runs", Integer, "Runs", |(_, cell, _)| cell.runs.into()),
            column("suspect", Text, "Suspect", |(_, cell, _)| yes_or_no(cell.is_suspect())),
            column("rows", Text, "Results", |(analysis, cell, _)| {
                let ids: Vec<&str> = cell.rows.iter().map(|&row| analysis.rows[row].id.as_str()).collect();
                ids.join(" ").into()
            }),
        ],
    )
}

/// Roof and slope of each platform and precision.
pub(super) fn rooflines(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.rooflines.iter().filter(|one| only.holds(one.platform));
    Sheet::new(
        "rooflines",
        own.map(|roofline| (Some(roofline.platform), roofline)),
        &[
            column("precision", Text, "Precision", |roofline| {
                roofline.precision.as_deref().unwrap_or("model files").into()
            }),
            column("operations_per_second", Number, "Roof, operations/s", |roofline| {
                roofline.peaks.operations_per_second.into()
            }),
            column("bytes_per_second", Number, "Slope, bytes/s", |roofline| {
                roofline.peaks.bytes_per_second.into()
            }),
            column("ridge", Number, "Ridge point, operations/byte", |roofline| roofline.ridge.into()),
            column("given", Text, "Peaks given", |roofline| yes_or_no(roofline.given)),
            column("points", Integer, "Points", |roofline| roofline.points.len().into()),
        ],
    )
}

/// The cells on the Pareto fronts, then those that a front dominates.
pub(super) fn fronts(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.fronts.iter().filter(|one| only.holds(one.platform));
    let rows = own.flat_map(|front| {
        let on = front.cells.iter().map(|&cell| (cell, None));
        let dominated = front.dominated.iter().map(|one| (one.cell, Some(&analysis.cells[one.by])));
        on.chain(dominated).map(move |(cell, by)| (Some(front.platform), (front, &analysis.cells[cell], by)))
    });
    Sheet::new(
        "pareto",
        rows,
        &[
            column("input", Integer, "i", |(front, ..)| front.input.into()),
            column("batch", Integer, "b", |(front, ..)| front.batch.into()),
            column("precision", Text, "Precision", |(front, ..)| front.precision.as_str().into()),
            column("subject", Text, "Network", |(_, cell, _)| cell.subject.as_str().into()),
            column("beaten_by", Text, "Dominated by", |(.., by)| by.map(|by| by.subject.as_str()).into()),
            column("operations", Integer, "Operations", |(_, cell, _)| {
                cell.cost.map(|cost| cost.operations).into()
            }),
            column("throughput", Estimate, "Throughput, 10⁹ operations/s", |(_, cell, _)| {
                cell.throughput.map(giga::estimate).into()
            }),
            column("suspect", Text, "△ Suspect", |(_, cell, _)| yes_or_no(cell.is_suspect())),
        ],
    )
}

fn prediction_errors(analysis: &Analysis) -> Sheet {
    Sheet::new(
        "prediction-errors",
        analysis.predictions.iter().map(|prediction| (Some(prediction.platform), prediction)),
        &[
            column("fitted", Integer, "Fitted to", |prediction| prediction.fitted.into()),
            column("median_error", Number, "Median error", |prediction| prediction.median_error.into()),
            column("error_90", Number, "90th percentile of the error", |prediction| {
                prediction.error_90.into()
            }),
        ],
    )
}

/// Configurations without a measurement.
pub(super) fn predictions(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.predictions.iter().filter(|one| only.holds(one.platform));
    let rows =
        own.flat_map(|prediction| prediction.predicted.iter().map(|one| (Some(prediction.platform), one)));
    Sheet::new(
        "predictions",
        rows,
        &[
            column("subject", Text, "Network, not measured", |one| one.subject.as_str().into()),
            column("predicted_latency_ms", Number, "Predicted latency, ms", |one| one.latency_ms.into()),
            column("predicted_throughput", Number, "Predicted throughput, operations/s", |one| {
                one.throughput.into()
            }),
            column("tried", Text, "Outcome, if tried", |one| one.tried.as_deref().into()),
        ],
    )
}

fn findings(analysis: &Analysis) -> Sheet {
    let rows = analysis.findings.iter().map(|finding| match finding.platforms.as_slice() {
        [platform] => (Some(*platform), finding),
        _ => (None, finding),
    });
    Sheet::new(
        "findings",
        rows,
        &[
            column("kind", Text, "Kind", |finding| kind(finding.kind).into()),
            column("sentence", Text, "Finding", |finding| finding.sentence.as_str().into()),
            column("ratio", Change, "Ratio", |finding| finding.ratio.into()),
            column("adjusted_probability", Number, "Adjusted p", |finding| {
                finding.adjusted_probability.into()
            }),
            column("pairs", Integer, "Pairs", |finding| finding.pairs.into()),
            column("missing", Integer, "Missing", |finding| finding.missing.into()),
            column("suspect_rows", Integer, "△ Suspect results", |finding| finding.suspect_rows.into()),
            column("rows", Text, "Results", |finding| finding.rows.join(" ").into()),
        ],
    )
}

/// The name of a kind of finding.
pub(super) fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Choice => "choice",
        FindingKind::Contradiction => "contradiction",
        FindingKind::SlowerWithFewerOperations => "slower with fewer operations",
        FindingKind::Platform => "platforms",
        FindingKind::Named => "label",
    }
}

/// Every file that gave no result, or that needs a look.
pub(super) fn oddities(report: &Report<'_>) -> Sheet {
    Sheet::new(
        "oddities",
        report.oddities.iter().map(|oddity| (None, oddity)),
        &[
            column("path", Text, "File", |oddity| oddity.path.as_str().into()),
            column("kind", Text, "Problem", |oddity| oddity.kind.nouns().0.into()),
            column("detail", Text, "Detail", |oddity| oddity.detail.as_str().into()),
        ],
    )
}
