//! The third question, "why": rooflines with what contradicts them, and where the time goes.

use maud::{Markup, html};

use super::{Detail, elements, platforms};
use crate::analysis::cause::{Cause, Shared};
use crate::analysis::finding::{networks, percent};
use crate::report::Report;
use crate::report::figure::Part;
use crate::report::tables::{self, Only};
use crate::report::text::{count, told};

/// Contradictions in the page; the rest are in their file.
const MOST_CONTRADICTIONS: usize = 100;

/// Causes in the page: further ones explain a pair or two each.
const MOST_CAUSES: usize = 12;

pub(super) fn section(report: &Report<'_>, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let has_cells = |index: usize| analysis.choices.iter().any(|choice| choice.platform == index);
    html! {
        section aria-labelledby="why" {
            h2 id="why" { "Why" }
            p { "A roofline bounds throughput by the highest rate of operations and by bytes moved. More operations for each byte should never cost throughput; where they do, the pair contradicts it." }
            @for (index, heading) in platforms(report, "why", has_cells) {
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
    let only = Only::Platform(index);
    let causes: Vec<&Cause> = analysis.causes.iter().filter(|cause| cause.platform == index).collect();
    html! {
        p { (peaks(report, index)) }
        div.multiples { (elements::figures(report, Some(index), Part::Roofline, detail)) }
        @let rooflines = tables::rooflines(analysis, only);
        @if !rooflines.rows.is_empty() { (elements::table(&rooflines, usize::MAX, report)) }
        h4 { "What contradicts the roofline" }
        @let contradictions = tables::contradictions(analysis, only);
        @if contradictions.rows.is_empty() {
            p { "No pair contradicts the roofline beyond its interval." }
        } @else {
            @let certain: usize = causes.iter().map(|cause| cause.contradictions.len()).sum();
            @if certain == 0 {
                p { "Nothing that stays significant after correction for multiple tests." }
            } @else {
                p { (count(certain, "pair does", "pairs do")) " and stay significant after correction for multiple tests, for " (count(causes.len(), "cause", "causes")) ":" }
                ol { @for cause in causes.iter().take(MOST_CAUSES) { li { (self::cause(report, cause, detail)) } } }
                @if causes.len() > MOST_CAUSES { p { "The first " (MOST_CAUSES) "; the pairs of the others are in the table." } }
            }
            details { summary { "Every pair that does so beyond its own interval (" (contradictions.rows.len()) ")" }
                p { "One in forty pairs without a difference would appear here by chance." }
                (elements::table(&contradictions, detail.rows(MOST_CONTRADICTIONS), report))
            }
        }
        @let layers = tables::layers(analysis, only);
        @if !layers.rows.is_empty() {
            h4 { "Where the time goes, layer by layer" }
            (elements::figures(report, Some(index), Part::Layers, detail))
            (elements::paired(&layers, "Every layer", report, detail))
        }
    }
}

/// What the peaks are of: the recorded power state, measured or given.
fn peaks(report: &Report<'_>, index: usize) -> String {
    let analysis = report.analysis;
    let own = || analysis.rooflines.iter().filter(|roofline| roofline.platform == index);
    let state = match &analysis.platforms[index].identity.power {
        Some(power) => format!("in the recorded power state ({})", told(&power.to_string())),
        None => "in a power state that was not observed".to_owned(),
    };
    match (own().count(), own().filter(|roofline| roofline.given).count()) {
        (0, _) => "No result has known operations and bytes, so there is no roofline.".to_owned(),
        (_, 0) => format!("The peaks are the highest that these networks reached, {state}."),
        (all, given) => format!(
            "Given with `--peaks`: those of {given} of {}. They must be of the state that was measured, {state}.",
            count(all, "roofline", "rooflines")
        ),
    }
}

fn cause(report: &Report<'_>, cause: &Cause, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let first = &analysis.contradictions[cause.contradictions[0]];
    let others = cause.contradictions.len();
    let name = |cell: usize| told(&analysis.cells[cell].subject);
    let what = match &cause.shared {
        Shared::SlowNetwork(cell) => format!(
            "{} is slow for its operations per byte, compared with {}",
            name(*cell),
            if others == 1 { name(first.sparser) } else { count(others, "network", "networks") }
        ),
        Shared::FastNetwork(cell) => format!(
            "{} is fast for its operations per byte, compared with {}",
            name(*cell),
            if others == 1 { name(first.denser) } else { count(others, "network", "networks") }
        ),
        Shared::Levels { factor, sparser, denser } => format!(
            "{} have more operations per byte and less throughput than {}, in {}",
            told(&networks(*factor, denser)),
            told(&networks(*factor, sparser)),
            count(others, "pair", "pairs")
        ),
    };
    let cells = cause.contradictions.iter().flat_map(|&index| {
        let one = &analysis.contradictions[index];
        [one.sparser, one.denser]
    });
    let mut rows: Vec<usize> = cells.flat_map(|cell| analysis.cells[cell].rows.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    html! {
        (what) ": at worst " (percent(first.throughput.value)) " % throughput ("
        (name(first.denser)) " against " (name(first.sparser)) "). "
        (elements::results_behind(&rows, detail))
    }
}
