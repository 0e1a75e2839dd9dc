//! The tables of a report: what an analysis holds, as rows. Nothing is computed here.

use crate::analysis::Analysis;
use crate::analysis::compare::Relation;
use crate::analysis::contrast::Contrast;
use crate::analysis::finding::FindingKind;
use crate::analysis::platform::{EdgeTpuLink, Power};

use super::Report;
use super::figures::giga;
use super::table::Kind::{Change, Estimate, Number, Text};
use super::table::{Table, Value};

/// Every table but that of the rows, which `export` has.
pub(super) fn all(report: &Report<'_>) -> Vec<Table> {
    let analysis = report.analysis;
    vec![
        platforms(analysis),
        feasibility(analysis),
        gaps(analysis),
        cells(analysis),
        contrasts(analysis),
        pairs(analysis),
        missing_pairs(analysis),
        rooflines(analysis),
        contradictions(analysis),
        fronts(analysis),
        prediction_errors(analysis),
        predictions(analysis),
        comparisons(analysis),
        compared_pairs(analysis),
        findings(analysis),
        oddities(report),
    ]
}

/// Table IV of the paper: where the numbers come from.
pub(super) fn platforms(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "platforms",
        &[
            ("label", "Platform", Text),
            ("host", "Host", Text),
            ("board", "Board", Text),
            ("chip", "Chip", Text),
            ("processor", "Processor", Text),
            ("architecture", "Architecture", Text),
            ("logical_cores", "Cores", Number),
            ("memory_gibibytes", "Memory, GiB", Number),
            ("gpus", "Graphics processors", Text),
            ("edge_tpus", "Edge TPUs", Text),
            ("power", "Power state", Text),
            ("operating_system", "Distribution", Text),
            ("kernel", "Kernel", Text),
            ("l4t", "L4T", Text),
            ("jetpack", "JetPack", Text),
            ("runtime", "Runtime", Text),
            ("runtime_version", "Version", Text),
            ("library_sha256", "Library, SHA-256", Text),
            ("edge_tpu_package", "Edge TPU package", Text),
            ("options", "Options", Text),
            ("timed", "Clock, code", Text),
            ("timed_description", "What the clock covered", Text),
            ("root", "Host root", Text),
            ("simulated", "Simulated", Text),
            ("harness_versions", "Measured by version", Text),
            ("results", "Results", Text),
        ],
    );
    for (index, platform) in analysis.platforms.iter().enumerate() {
        let machine = &platform.identity.machine;
        let software = platform.identity.software.as_ref();
        let counts: Vec<String> =
            platform.counts.iter().map(|(standing, count)| format!("{count} {standing}")).collect();
        let versions: Vec<&str> = platform.harness_versions.iter().map(String::as_str).collect();
        table.push(
            Some(index),
            vec![
                platform.label.as_str().into(),
                machine.host.clone().into(),
                machine.board.clone().into(),
                machine.chip.clone().into(),
                machine.processor.clone().into(),
                machine.architecture.clone().into(),
                machine.logical_cores.into(),
                machine.memory_quarter_gibibytes.map(|quarters| quarters as f64 / 4.0).into(),
                listed(&machine.gpus),
                listed(&machine.edge_tpus.iter().map(edge_tpu).collect::<Vec<_>>()),
                platform.identity.power.as_ref().map(power).into(),
                software.and_then(|software| software.operating_system.clone()).into(),
                software.and_then(|software| software.kernel.clone()).into(),
                software.and_then(|software| software.l4t.clone()).into(),
                software.and_then(|software| software.jetpack.clone()).into(),
                software.map(|software| software.runtime.clone()).into(),
                software.and_then(|software| software.version.clone()).into(),
                software.and_then(|software| software.library_sha256.clone()).into(),
                software.and_then(|software| software.edge_tpu_package.clone()).into(),
                software.map(|software| software.options.clone()).into(),
                software.map(|software| software.timed.clone()).into(),
                software.map(|software| software.timed_description.clone()).into(),
                machine.root.as_str().into(),
                platform.simulated.into(),
                versions.join(", ").into(),
                counts.join("; ").into(),
            ],
        );
    }
    table
}

fn listed(words: &[String]) -> Value {
    if words.is_empty() { Value::Absent } else { words.join(", ").into() }
}

fn edge_tpu(link: &EdgeTpuLink) -> String {
    match link.megabits_per_second {
        Some(speed) => format!("{} at {speed} Mbit/s", link.bus),
        None => link.bus.to_owned(),
    }
}

/// A power state in words.
pub(super) fn power(power: &Power) -> String {
    let mut words: Vec<String> = power.mode.iter().map(|mode| format!("mode {mode}")).collect();
    if !power.governors.is_empty() {
        words.push(format!("governor {}", power.governors.join(" and ")));
    }
    words.push(
        match power.clocks_locked {
            Some(true) => "clocks locked",
            Some(false) => "clocks not locked",
            None => "clocks not observed",
        }
        .to_owned(),
    );
    words.join(", ")
}

/// What ran, by block.
pub(super) fn feasibility(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "feasibility",
        &[
            ("block", "Block", Text),
            ("tried", "Tried", Number),
            ("measured", "With usable latencies", Number),
            ("not_measured", "The others, by how they ended", Text),
        ],
    );
    for one in &analysis.feasibility {
        for block in &one.blocks {
            let others: Vec<String> =
                block.not_measured.iter().map(|(why, count)| format!("{count} {why}")).collect();
            let name = block.block.clone().unwrap_or_else(|| "model files".to_owned());
            table.push(
                Some(one.platform),
                vec![name.into(), block.tried.into(), block.measured.into(), others.join("; ").into()],
            );
        }
    }
    table
}

/// Every result that is not measured, with what to do about it.
pub(super) fn gaps(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "not-measured",
        &[
            ("subject", "Network", Text),
            ("why", "How it ended", Text),
            ("detail", "What happened", Text),
            ("hint", "What to do", Text),
            ("measured_otherwise", "Measured by another result", Text),
            ("row", "Result", Text),
        ],
    );
    for one in &analysis.feasibility {
        for gap in &one.gaps {
            let row = &analysis.rows[gap.row];
            table.push(
                Some(one.platform),
                vec![
                    gap.subject.clone().into(),
                    gap.why.as_str().into(),
                    row.detail.clone().into(),
                    row.hint.clone().into(),
                    gap.measured_otherwise.into(),
                    row.id.as_str().into(),
                ],
            );
        }
    }
    table
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

fn levels(contrast: &Contrast) -> [Value; 3] {
    [contrast.factor.word().into(), contrast.from.as_str().into(), contrast.to.as_str().into()]
}

/// What one factor changes, averaged both ways.
pub(super) fn contrasts(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "contrasts",
        &[
            ("factor", "Factor", Text),
            ("from", "From", Text),
            ("to", "To", Text),
            ("pairs", "Pairs", Number),
            ("missing", "Missing", Number),
            ("suspect_pairs", "△ Suspect", Number),
            ("operations_mean_of_ratios", "Operations, mean of ratios", Change),
            ("latency_mean_of_ratios", "Latency, mean of ratios", Change),
            ("throughput_mean_of_ratios", "Throughput, mean of ratios", Change),
            ("operations_ratio_of_means", "Operations, ratio of means", Change),
            ("latency_ratio_of_means", "Latency, ratio of means", Change),
            ("throughput_ratio_of_means", "Throughput, ratio of means", Change),
        ],
    );
    for contrast in &analysis.contrasts {
        let exact = |ratio: f64| Value::Change(ratio, None);
        let mut values = levels(contrast).to_vec();
        values.extend([
            contrast.pairs.len().into(),
            contrast.missing.len().into(),
            contrast.suspect_pairs.into(),
            contrast.operations.map_or(Value::Absent, |averages| exact(averages.mean_of_ratios)),
            contrast.latency.map(|averages| averages.mean_of_ratios).into(),
            contrast.throughput.map(|averages| averages.mean_of_ratios).into(),
            contrast.operations.map_or(Value::Absent, |averages| exact(averages.ratio_of_means)),
            contrast.latency.map(|averages| averages.ratio_of_means).into(),
            contrast.throughput.map(|averages| averages.ratio_of_means).into(),
        ]);
        table.push(Some(contrast.platform), values);
    }
    table
}

/// Every pair of every contrast.
pub(super) fn pairs(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "contrast-pairs",
        &[
            ("factor", "Factor", Text),
            ("from", "From", Text),
            ("to", "To", Text),
            ("others", "Everything else", Text),
            ("operations", "Operations", Change),
            ("operational_density", "Operations/byte", Change),
            ("latency", "Latency", Change),
            ("throughput", "Throughput", Change),
            ("suspect", "△ Suspect", Text),
        ],
    );
    for contrast in &analysis.contrasts {
        for pair in &contrast.pairs {
            let exact = |ratio: Option<f64>| ratio.map_or(Value::Absent, |ratio| Value::Change(ratio, None));
            let mut values = levels(contrast).to_vec();
            values.extend([
                pair.others.as_str().into(),
                exact(pair.operations),
                exact(pair.operational_density),
                pair.latency.into(),
                pair.throughput.into(),
                (analysis.cells[pair.from].suspect || analysis.cells[pair.to].suspect).into(),
            ]);
            table.push(Some(contrast.platform), values);
        }
    }
    table
}

/// Pairs of which a side has no numbers.
pub(super) fn missing_pairs(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "contrast-missing",
        &[
            ("factor", "Factor", Text),
            ("from", "From", Text),
            ("to", "To", Text),
            ("others", "Everything else", Text),
            ("from_missing", "First side missing", Text),
            ("to_missing", "Second side missing", Text),
        ],
    );
    for contrast in &analysis.contrasts {
        for pair in &contrast.missing {
            let mut values = levels(contrast).to_vec();
            values.extend([pair.others.as_str().into(), pair.from.clone().into(), pair.to.clone().into()]);
            table.push(Some(contrast.platform), values);
        }
    }
    table
}

/// Roof and slope.
pub(super) fn rooflines(analysis: &Analysis) -> Table {
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
    for roofline in &analysis.rooflines {
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

/// Higher density, lower throughput.
pub(super) fn contradictions(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "contradictions",
        &[
            ("factor", "Factor", Text),
            ("sparser", "Fewer operations/byte", Text),
            ("denser", "More operations/byte", Text),
            ("operational_density", "Operations/byte", Change),
            ("throughput", "Throughput", Change),
            ("holds_among_all", "Holds among all", Text),
            ("suspect", "△ Suspect", Text),
        ],
    );
    for one in &analysis.contradictions {
        table.push(
            Some(one.platform),
            vec![
                one.factor.word().into(),
                analysis.cells[one.sparser].subject.as_str().into(),
                analysis.cells[one.denser].subject.as_str().into(),
                Value::Change(one.operational_density, None),
                one.throughput.into(),
                one.holds_among_all.into(),
                one.suspect.into(),
            ],
        );
    }
    table
}

/// What is on the fronts.
pub(super) fn fronts(analysis: &Analysis) -> Table {
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
    for front in &analysis.fronts {
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

/// Configurations that nobody measured.
pub(super) fn predictions(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "predictions",
        &[
            ("subject", "Network, not measured", Text),
            ("predicted_latency_ms", "Predicted latency, ms", Number),
            ("predicted_throughput", "Predicted throughput, operations/s", Number),
            ("tried", "Tried, and how it ended", Text),
        ],
    );
    for prediction in &analysis.predictions {
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

/// Platforms side by side, and versions of one.
pub(super) fn comparisons(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "comparisons",
        &[
            ("from", "From", Text),
            ("to", "To", Text),
            ("relation", "Relation", Text),
            ("differs_in", "Differs in", Text),
            ("comparable", "Clocks covered the same", Text),
            ("pairs", "Both ran", Number),
            ("suspect_pairs", "△ Suspect", Number),
            ("only_from", "Only the first", Number),
            ("only_to", "Only the second", Number),
            ("latency", "Latency", Change),
            ("throughput", "Throughput", Change),
        ],
    );
    for one in &analysis.comparisons {
        let relation = match one.relation {
            Relation::SoftwareVersions => "same machine, other software",
            Relation::PowerStates => "same machine, other power state",
            Relation::Platforms => "platforms",
        };
        table.push(
            None,
            vec![
                analysis.platforms[one.from].label.as_str().into(),
                analysis.platforms[one.to].label.as_str().into(),
                relation.into(),
                one.differs_in.join(", ").into(),
                one.comparable.into(),
                one.pairs.len().into(),
                one.suspect_pairs.into(),
                one.only_from.into(),
                one.only_to.into(),
                one.latency.into(),
                one.throughput.into(),
            ],
        );
    }
    table
}

/// Every network that two platforms ran.
pub(super) fn compared_pairs(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "comparison-pairs",
        &[
            ("from", "From", Text),
            ("to", "To", Text),
            ("subject", "Network", Text),
            ("latency_from_ms", "Latency of the first, ms", Estimate),
            ("latency_to_ms", "Latency of the second, ms", Estimate),
            ("latency", "Latency", Change),
            ("suspect", "△ Suspect", Text),
        ],
    );
    for one in &analysis.comparisons {
        for pair in &one.pairs {
            let (from, to) = (&analysis.cells[pair.from], &analysis.cells[pair.to]);
            table.push(
                None,
                vec![
                    analysis.platforms[one.from].label.as_str().into(),
                    analysis.platforms[one.to].label.as_str().into(),
                    pair.subject.as_str().into(),
                    from.latency_ms.into(),
                    to.latency_ms.into(),
                    pair.latency.into(),
                    (from.suspect || to.suspect).into(),
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
