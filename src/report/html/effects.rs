//! The second question, "what each choice does": a forest plot for each factor, and Fig. 1, 2 and 3 of the
//! paper.

use maud::{Markup, html};

use super::forest::{self, Line};
use super::{Detail, elements, platforms};
use crate::analysis::Analysis;
use crate::analysis::advice::rows;
use crate::analysis::contrast::Contrast;
use crate::analysis::factor::{FACTORS, Factor};
use crate::report::Report;
use crate::report::figure::Part;
use crate::report::tables::{self, Only};
use crate::report::text::told;

/// The block that the others are compared with on the page; all pairs of blocks are in the table.
const BASELINE: &str = "standard";

pub(super) fn section(report: &Report<'_>, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let has_family = |index: usize| {
        let has_task =
            analysis.choices.iter().any(|choice| choice.platform == index && choice.task.is_some());
        has_task || analysis.named.iter().any(|one| one.platform == index)
    };
    html! {
        section aria-labelledby="effects" {
            h2 id="effects" { "What each choice does" }
            @let shown = platforms(report, "effects", has_family);
            @if shown.is_empty() { p.absent { "No configuration of the family has usable latencies, and no dropped models differ in one label." } } @else {
                p { "Networks that differ in one factor only, second over first: the mean of the ratios over all pairs. A row in which the latency saves less than the operations is a choice that this chip does not reward in full." }
            }
            @for (index, heading) in shown {
                div data-platform=(index) {
                    (heading)
                    (of_platform(report, index, detail))
                }
            }
        }
    }
}

fn of_platform(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let mut groups: Vec<(String, Vec<Line>)> =
        FACTORS.iter().flat_map(|&factor| of_factor(analysis, index, factor)).collect();
    groups.extend(of_labels(analysis, index));
    let has_family = analysis.choices.iter().any(|choice| choice.platform == index && choice.task.is_some());
    html! {
        @if groups.is_empty() { p.absent { "No two usable results differ in exactly one factor." } }
        @for (name, lines) in &groups {
            h4 { (name) }
            (forest::plot(name, lines, detail))
        }
        @if has_family {
            h4 { "Blocks by input and batch size (Fig. 1)" }
            (multiples(report, index, Part::Blocks, detail))
            h4 { "Kernel sizes (Fig. 2)" }
            (multiples(report, index, Part::Kernels, detail))
            h4 { "With and without bottleneck (Fig. 3)" }
            (multiples(report, index, Part::Bottlenecks, detail))
        }
        @let contrasts = tables::contrasts(analysis, Only::Platform(index));
        @if !contrasts.rows.is_empty() {
            details { summary { "Every contrast, averaged both ways (" (contrasts.rows.len()) ")" }
                p { "The mean of ratios weights every pair equally, the ratio of means every operation or millisecond." }
                (elements::table(&contrasts, detail.rows(usize::MAX), report))
            }
            (elements::paired(&tables::pairs(analysis, Only::Platform(index)), "Every pair", report, detail))
            (elements::paired(&tables::missing_pairs(analysis, Only::Platform(index)), "Missing pairs", report, detail))
        }
    }
}

/// Throughput and latency side by side, with one horizontal axis.
fn multiples(report: &Report<'_>, index: usize, part: Part, detail: Detail) -> Markup {
    html! { div.multiples { (elements::figures(report, Some(index), part, detail)) } }
}

/// The forest plots of a factor: two for blocks, none if it has one level.
fn of_factor(analysis: &Analysis, platform: usize, factor: Factor) -> Vec<(String, Vec<Line>)> {
    let own: Vec<&Contrast> = analysis
        .contrasts
        .iter()
        .filter(|one| one.platform == platform && one.factor == factor && one.latency.is_some())
        .collect();
    let lines = |contrasts: &[&Contrast]| contrasts.iter().filter_map(|one| line(analysis, one)).collect();
    let mut groups: Vec<(String, Vec<Line>)> = Vec::new();
    if factor == Factor::Block {
        let has_baseline = own.iter().any(|one| one.from == BASELINE);
        let plain: Vec<&Contrast> =
            own.iter().copied().filter(|one| !has_baseline || one.from == BASELINE).collect();
        let bottlenecks: Vec<&Contrast> = analysis
            .bottlenecks
            .iter()
            .map(|&index| &analysis.contrasts[index])
            .filter(|one| one.platform == platform && one.latency.is_some())
            .collect();
        groups.push(("Block".to_owned(), lines(&plain)));
        groups.push(("Bottleneck".to_owned(), lines(&bottlenecks)));
    } else {
        let within = analysis
            .within_blocks
            .iter()
            .filter(|one| one.platform == platform && one.factor == factor && one.latency.is_some());
        let all: Vec<&Contrast> = own.iter().copied().chain(within).collect();
        groups.push((title(factor).to_owned(), lines(&all)));
    }
    groups.retain(|(_, lines)| !lines.is_empty());
    groups
}

/// A forest plot for each label in which dropped models differ.
fn of_labels(analysis: &Analysis, platform: usize) -> Vec<(String, Vec<Line>)> {
    let own = analysis.named.iter().filter(|one| one.platform == platform);
    let mut groups: Vec<(String, Vec<Line>)> = Vec::new();
    for one in own {
        let title = format!("Dropped models by label: {}", told(&one.key));
        let cells = || one.pairs.iter().flatten().map(|&cell| &analysis.cells[cell]);
        let mut rows: Vec<usize> = cells().flat_map(|cell| cell.rows.iter().copied()).collect();
        rows.sort_unstable();
        rows.dedup();
        let line = Line {
            label: format!("{} instead of {}", told(&one.to), told(&one.from)),
            operations: one.operations,
            latency: one.latency,
            pairs: one.pairs.len(),
            missing: 0,
            suspect: one
                .pairs
                .iter()
                .filter(|pair| pair.iter().any(|&cell| analysis.cells[cell].is_suspect()))
                .count(),
            rows,
        };
        match groups.last_mut() {
            Some((last, lines)) if *last == title => lines.push(line),
            _ => groups.push((title, vec![line])),
        }
    }
    groups
}

fn title(factor: Factor) -> &'static str {
    match factor {
        Factor::Block => "Block",
        Factor::Kernel => "Kernel size",
        Factor::Batch => "Batch size",
        Factor::Input => "Input size",
        Factor::Precision => "Number format",
        Factor::Width => "Width, %",
        Factor::Depths => "Depths",
    }
}

fn line(analysis: &Analysis, contrast: &Contrast) -> Option<Line> {
    let within =
        contrast.within.as_deref().map_or_else(String::new, |block| format!(", in {} blocks", told(block)));
    Some(Line {
        label: format!("{} instead of {}{within}", told(&contrast.to), told(&contrast.from)),
        operations: contrast.operations.map(|operations| operations.mean_of_ratios),
        latency: contrast.latency?.mean_of_ratios,
        pairs: contrast.pairs.len(),
        missing: contrast.missing.len(),
        suspect: contrast.suspect_pairs,
        rows: rows(contrast, &analysis.cells),
    })
}
