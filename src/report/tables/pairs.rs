//! One against another: contrasts, contradictions, comparisons of platforms, and the pairs that each is made of.

use crate::analysis::Analysis;
use crate::analysis::compare::Relation;
use crate::analysis::contrast::Contrast;
use crate::report::table::Kind::{Change, Estimate, Number, Text};
use crate::report::table::{Table, Value};
use crate::report::tables::Only;

/// What one factor changes, averaged both ways.
pub(in crate::report) fn contrasts(analysis: &Analysis, only: Only) -> Table {
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
    for contrast in analysis.contrasts.iter().filter(|one| only.holds(one.platform)) {
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
pub(in crate::report) fn pairs(analysis: &Analysis, only: Only) -> Table {
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
    for contrast in analysis.contrasts.iter().filter(|one| only.holds(one.platform)) {
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
pub(in crate::report) fn missing_pairs(analysis: &Analysis, only: Only) -> Table {
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
    for contrast in analysis.contrasts.iter().filter(|one| only.holds(one.platform)) {
        for pair in &contrast.missing {
            let mut values = levels(contrast).to_vec();
            values.extend([pair.others.as_str().into(), pair.from.clone().into(), pair.to.clone().into()]);
            table.push(Some(contrast.platform), values);
        }
    }
    table
}

/// Higher density, lower throughput.
pub(in crate::report) fn contradictions(analysis: &Analysis, only: Only) -> Table {
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
    for one in analysis.contradictions.iter().filter(|one| only.holds(one.platform)) {
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

/// Platforms side by side, and versions of one.
pub(in crate::report) fn comparisons(analysis: &Analysis) -> Table {
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
pub(in crate::report) fn compared_pairs(analysis: &Analysis) -> Table {
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

fn levels(contrast: &Contrast) -> [Value; 3] {
    [contrast.factor.word().into(), contrast.from.as_str().into(), contrast.to.as_str().into()]
}
