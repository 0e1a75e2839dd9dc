//! One against another: contrasts, contradictions, comparisons of platforms, and the pairs behind each.

use crate::analysis::Analysis;
use crate::analysis::compare::Relation;
use crate::analysis::contrast::Contrast;
use crate::report::table::{Sheet, exact, yes_or_no};
use crate::report::tables::Only;
use crate::table::Kind::{Change, Estimate, Integer, Text};
use crate::table::{Datum, column};

/// The effect of one factor, averaged both ways.
pub(in crate::report) fn contrasts(analysis: &Analysis, only: Only) -> Sheet {
    Sheet::new(
        "contrasts",
        own(analysis, only).map(|contrast| (Some(contrast.platform), contrast)),
        &[
            column("factor", Text, "Factor", |one| one.factor.word().into()),
            column("from", Text, "From", |one| one.from.as_str().into()),
            column("to", Text, "To", |one| one.to.as_str().into()),
            column("pairs", Integer, "Pairs", |one| one.pairs.len().into()),
            column("missing", Integer, "Missing", |one| one.missing.len().into()),
            column("suspect_pairs", Integer, "△ Suspect", |one| one.suspect_pairs.into()),
            column("operations_mean_of_ratios", Change, "Operations, mean of ratios", |one| {
                one.operations.map(|averages| exact(averages.mean_of_ratios)).unwrap_or(Datum::Absent)
            }),
            column("latency_mean_of_ratios", Change, "Latency, mean of ratios", |one| {
                one.latency.map(|averages| averages.mean_of_ratios).into()
            }),
            column("throughput_mean_of_ratios", Change, "Throughput, mean of ratios", |one| {
                one.throughput.map(|averages| averages.mean_of_ratios).into()
            }),
            column("operations_ratio_of_means", Change, "Operations, ratio of means", |one| {
                one.operations.map(|averages| exact(averages.ratio_of_means)).unwrap_or(Datum::Absent)
            }),
            column("latency_ratio_of_means", Change, "Latency, ratio of means", |one| {
                one.latency.map(|averages| averages.ratio_of_means).into()
            }),
            column("throughput_ratio_of_means", Change, "Throughput, ratio of means", |one| {
                one.throughput.map(|averages| averages.ratio_of_means).into()
            }),
        ],
    )
}

/// Every pair of every contrast.
pub(in crate::report) fn pairs(analysis: &Analysis, only: Only) -> Sheet {
    let rows = own(analysis, only).flat_map(|contrast| {
        contrast.pairs.iter().map(move |pair| (Some(contrast.platform), (analysis, contrast, pair)))
    });
    Sheet::new(
        "contrast-pairs",
        rows,
        &[
            column("factor", Text, "Factor", |(_, contrast, _)| contrast.factor.word().into()),
            column("from", Text, "From", |(_, contrast, _)| contrast.from.as_str().into()),
            column("to", Text, "To", |(_, contrast, _)| contrast.to.as_str().into()),
            column("others", Text, "Everything else", |(.., pair)| pair.others.as_str().into()),
            column("operations", Change, "Operations", |(.., pair)| {
                pair.operations.map_or(Datum::Absent, exact)
            }),
            column("operational_density", Change, "Operations/byte", |(.., pair)| {
                pair.operational_density.map_or(Datum::Absent, exact)
            }),
            column("latency", Change, "Latency", |(.., pair)| pair.latency.into()),
            column("throughput", Change, "Throughput", |(.., pair)| pair.throughput.into()),
            column("suspect", Text, "△ Suspect", |(analysis, _, pair)| {
                yes_or_no(analysis.cells[pair.from].is_suspect() || analysis.cells[pair.to].is_suspect())
            }),
        ],
    )
}

/// Pairs with at least one side missing.
pub(in crate::report) fn missing_pairs(analysis: &Analysis, only: Only) -> Sheet {
    let rows = own(analysis, only).flat_map(|contrast| {
        contrast.missing.iter().map(move |pair| (Some(contrast.platform), (contrast, pair)))
    });
    Sheet::new(
        "contrast-missing",
        rows,
        &[
            column("factor", Text, "Factor", |(contrast, _)| contrast.factor.word().into()),
            column("from", Text, "From", |(contrast, _)| contrast.from.as_str().into()),
            column("to", Text, "To", |(contrast, _)| contrast.to.as_str().into()),
            column("others", Text, "Everything else", |(_, pair)| pair.others.as_str().into()),
            column("from_missing", Text, "Why the first is missing", |(_, pair)| pair.from.as_deref().into()),
            column("to_missing", Text, "Why the second is missing", |(_, pair)| pair.to.as_deref().into()),
        ],
    )
}

/// Higher density, lower throughput.
pub(in crate::report) fn contradictions(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.contradictions.iter().filter(|one| only.holds(one.platform));
    Sheet::new(
        "contradictions",
        own.map(|one| (Some(one.platform), (analysis, one))),
        &[
            column("factor", Text, "Factor", |(_, one)| one.factor.word().into()),
            column("sparser", Text, "Fewer operations/byte", |(analysis, one)| {
                analysis.cells[one.sparser].subject.as_str().into()
            }),
            column("denser", Text, "More operations/byte", |(analysis, one)| {
                analysis.cells[one.denser].subject.as_str().into()
            }),
            column("operational_density", Change, "Operations/byte", |(_, one)| {
                exact(one.operational_density)
            }),
            column("throughput", Change, "Throughput", |(_, one)| one.throughput.into()),
            column("holds_among_all", Text, "Significant after correction", |(_, one)| {
                yes_or_no(one.holds_among_all)
            }),
            column("suspect", Text, "△ Suspect", |(_, one)| yes_or_no(one.suspect)),
        ],
    )
}

/// Platforms side by side, and versions of one.
pub(in crate::report) fn comparisons(analysis: &Analysis) -> Sheet {
    Sheet::new(
        "comparisons",
        analysis.comparisons.iter().map(|one| (None, (analysis, one))),
        &[
            column("from", Text, "From", |(analysis, one)| {
                analysis.platforms[one.from].label.as_str().into()
            }),
            column("to", Text, "To", |(analysis, one)| analysis.platforms[one.to].label.as_str().into()),
            column("relation", Text, "Relation", |(_, one)| relation(one.relation).into()),
            column("differs_in", Text, "Differs in", |(_, one)| one.differs_in.join(", ").into()),
            column("comparable", Text, "Clocks covered the same", |(_, one)| yes_or_no(one.comparable)),
            column("pairs", Integer, "Networks run on both", |(_, one)| one.pairs.len().into()),
            column("suspect_pairs", Integer, "△ Suspect", |(_, one)| one.suspect_pairs.into()),
            column("only_from", Integer, "Only on the first", |(_, one)| one.only_from.into()),
            column("only_to", Integer, "Only on the second", |(_, one)| one.only_to.into()),
            column("latency", Change, "Latency", |(_, one)| one.latency.into()),
            column("throughput", Change, "Throughput", |(_, one)| one.throughput.into()),
        ],
    )
}

fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::SoftwareVersions => "same machine, other software",
        Relation::PowerStates => "same machine, other power state",
        Relation::Platforms => "platforms",
    }
}

/// Every network that two platforms ran.
pub(in crate::report) fn compared_pairs(analysis: &Analysis) -> Sheet {
    let rows = analysis
        .comparisons
        .iter()
        .flat_map(|one| one.pairs.iter().map(move |pair| (None, (analysis, one, pair))));
    Sheet::new(
        "comparison-pairs",
        rows,
        &[
            column("from", Text, "From", |(analysis, one, _)| {
                analysis.platforms[one.from].label.as_str().into()
            }),
            column("to", Text, "To", |(analysis, one, _)| analysis.platforms[one.to].label.as_str().into()),
            column("subject", Text, "Network", |(.., pair)| pair.subject.as_str().into()),
            column("latency_from_ms", Estimate, "Latency on the first, ms", |(analysis, _, pair)| {
                analysis.cells[pair.from].latency_ms.into()
            }),
            column("latency_to_ms", Estimate, "Latency on the second, ms", |(analysis, _, pair)| {
                analysis.cells[pair.to].latency_ms.into()
            }),
            column("latency", Change, "Latency", |(.., pair)| pair.latency.into()),
            column("suspect", Text, "△ Suspect", |(analysis, _, pair)| {
                yes_or_no(analysis.cells[pair.from].is_suspect() || analysis.cells[pair.to].is_suspect())
            }),
        ],
    )
}

fn own(analysis: &Analysis, only: Only) -> impl Iterator<Item = &Contrast> {
    analysis.contrasts.iter().filter(move |one| only.holds(one.platform))
}
