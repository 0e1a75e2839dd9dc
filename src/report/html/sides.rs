//! The fifth question, "platforms side by side": what they are, what differs between them, what ran on each.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::answer::of_configuration;
use super::{Detail, elements, platforms, results};
use crate::analysis::Analysis;
use crate::analysis::row::word;
use crate::bundle::format::{Configuration, Status};
use crate::report::figure::Part;
use crate::report::tables::{self, Only};
use crate::report::text::{count, told};
use crate::report::{Report, figures::marked};

/// Networks without a measurement in the page; the rest are in their file.
const MOST_GAPS: usize = 100;

pub(super) fn section(report: &Report<'_>, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let has_cells = |index: usize| analysis.cells.iter().any(|cell| cell.platform == index);
    let failed = (0..analysis.platforms.len()).filter(|&index| !has_cells(index));
    let table = tables::comparisons(analysis);
    html! {
        section aria-labelledby="platforms" {
            h2 id="platforms" { "Platforms side by side" }
            (elements::figures(report, None, Part::Platforms, detail))
            @if !table.rows.is_empty() {
                p { "Ratios are geometric means over the networks that both platforms ran, second over first. If the clocks did not cover the same, the ratios reflect that as well." }
                (elements::table(&table, usize::MAX, report))
                (elements::paired(&tables::compared_pairs(analysis), "Networks that two platforms ran", report, detail))
            }
            @if analysis.platforms.is_empty() {
                p { "No result reached a runtime, so no platform is known. The " a href="#results" { "table of all results" } " shows why." }
            } @else {
                details open[analysis.platforms.len() <= 4] { summary { "What was recorded of each" } (elements::turned(&tables::platforms(analysis))) }
            }
            ul.failed { @for index in failed {
                li id=(format!("platforms-{index}")) {
                    (marked(analysis.platforms[index].simulated, &told(&analysis.platforms[index].name))) ": nothing was measured (" (analysis.platforms[index].results()) ")."
                    @let gaps = tables::gaps(analysis, Only::Platform(index));
                    details { summary { "Why" } (elements::table(&gaps, detail.rows(MOST_GAPS), report)) }
                }
            } }
            @for (index, heading) in platforms(report, "platforms", has_cells) {
                div data-platform=(index) {
                    (heading)
                    (feasibility(report, index, detail))
                }
            }
        }
    }
}

fn feasibility(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let gaps = tables::gaps(analysis, Only::Platform(index));
    html! {
        @if detail < Detail::Overview { (matrix(analysis, index)) }
        (elements::table(&tables::feasibility(analysis, Only::Platform(index)), usize::MAX, report))
        @if !gaps.rows.is_empty() {
            details { summary { "Networks that were not measured (" (gaps.rows.len()) ")" } (elements::table(&gaps, detail.rows(MOST_GAPS), report)) }
        }
    }
}

/// A column of the matrix: number format, input, batch.
type Column<'a> = (&'a str, u32, u32);

/// What became of each configuration: a row for each architecture, a column for each task.
fn matrix(analysis: &Analysis, platform: usize) -> Markup {
    let mut places: BTreeMap<(String, u32), BTreeMap<Column<'_>, String>> = BTreeMap::new();
    let mut columns: BTreeSet<Column<'_>> = BTreeSet::new();
    for row in analysis.rows.iter().filter(|row| row.platform == Some(platform)) {
        let Some(theta) = &row.configuration else { continue };
        let column = column(theta);
        columns.insert(column);
        let found = match (row.cell, row.status) {
            (Some(cell), _) => results::state(analysis.cells[cell].verdict).to_owned(),
            (None, Status::Measured) => "✕ not usable".to_owned(),
            (None, Status::NotCompilable) => "⊘ cannot compile".to_owned(),
            (None, status) => format!("✕ {}", word(&status).unwrap_or_default().replace('_', " ")),
        };
        let line = places.entry((of_configuration(theta), theta.kernel)).or_default();
        let known = line.entry(column).or_insert_with(|| found.clone());
        // A measurement counts, whatever else became of the configuration.
        if row.cell.is_some() {
            *known = found;
        }
    }
    html! {
        @if !places.is_empty() {
            p { "What became of " (count(places.values().map(BTreeMap::len).sum(), "configuration", "configurations")) ": ✓ valid, ○ unverified, △ suspect, ⊘ cannot compile, ✕ failed, · not tried." }
            div.scroll tabindex="0" role="group" aria-label="what ran" {
                table.matrix {
                    thead { tr { th scope="col" { "Network" } @for (precision, input, batch) in &columns {
                        th scope="col" { (told(precision)) " i" (input) " b" (batch) }
                    } } }
                    tbody { @for ((network, _), line) in &places {
                        tr { th scope="row" { (network) } @for column in &columns {
                            @let found = line.get(column).map_or("· not tried", String::as_str);
                            @let (symbol, words) = found.split_once(' ').unwrap_or((found, ""));
                            td title=(words) { (symbol) span.spoken { " " (words) } }
                        } }
                    } }
                }
            }
        }
    }
}

fn column(theta: &Configuration) -> Column<'_> {
    (theta.precision.as_str(), theta.input, theta.batch)
}
