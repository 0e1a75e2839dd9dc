//! The first question, "what to use": for each platform a few sentences, one picture, and a table of its
//! tasks.

use maud::{Markup, html};

use super::{Detail, elements, forest, platforms};
use crate::analysis::Analysis;
use crate::analysis::cell::Cell;
use crate::analysis::choice::{Choice, Ranked};
use crate::analysis::row::Row;
use crate::bundle::format::Configuration;
use crate::network::configuration::RESNET_50_DEPTHS;
use crate::report::Report;
use crate::report::figure::Part;
use crate::report::giga;
use crate::report::tables::{self, Only};
use crate::report::text::{count, estimate, number, told, told_within};

/// Dropped models in the page's ranking; the rest are in `cells.csv`.
const MOST_RANKED: usize = 200;

pub(super) fn section(report: &Report<'_>, detail: Detail) -> Markup {
    let analysis = report.analysis;
    html! {
        section aria-labelledby="answer" {
            h2 id="answer" { "What to use" }
            @if analysis.cells.is_empty() {
                p { "No result has usable latencies, so there is nothing to choose from. " a href="#certainty" { "What went wrong" } "." }
            }
            @for (index, heading) in platforms(report, "answer", |index| has_cells(analysis, index)) {
                div data-platform=(index) {
                    (heading)
                    (of_platform(report, index, detail))
                }
            }
        }
    }
}

fn has_cells(analysis: &Analysis, platform: usize) -> bool {
    analysis.choices.iter().any(|choice| choice.platform == platform)
}

fn of_platform(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let own = || analysis.choices.iter().filter(|choice| choice.platform == index);
    let tasks: Vec<&Choice> = own().filter(|choice| choice.task.is_some()).collect();
    html! {
        div.answer {
            div.advice {
                ul {
                    @for advice in analysis.advice.iter().filter(|advice| advice.platform == index) {
                        @let names: Vec<&str> = advice.names.iter().map(String::as_str).collect();
                        li { (told_within(&advice.sentence, &names)) " " (elements::results_behind(&advice.rows, detail)) }
                    }
                    @if let Some(sentence) = ties(&tasks) { li { (sentence) } }
                }
                p.standing { (super::certainty::in_a_line(report, index)) }
            }
            div { (elements::figures(report, Some(index), Part::Choice, detail)) }
        }
        @if !tasks.is_empty() { (table(report, &tasks, detail)) }
        @for models in own().filter(|choice| choice.task.is_none()) { (ranking(report, models, detail)) }
        (elements::paired(&tables::fronts(analysis, Only::Platform(index)), "Pareto fronts, and what they dominate", report, detail))
    }
}

/// In how many tasks the fastest is not alone.
fn ties(tasks: &[&Choice]) -> Option<String> {
    let tied = tasks.iter().filter(|choice| choice.ties() > 0).count();
    (tied > 0).then(|| {
        format!(
            "In {tied} of {} the fastest cannot be told apart from the next: choose by other needs there.",
            count(tasks.len(), "task", "tasks")
        )
    })
}

/// What was the best for each task, and what else there was.
fn table(report: &Report<'_>, tasks: &[&Choice], detail: Detail) -> Markup {
    let analysis = report.analysis;
    let has_energy = tasks.iter().any(|choice| choice.least_energy.is_some());
    html! {
        div.scroll tabindex="0" role="group" aria-label="what to use for each task" {
            table.choices {
                thead { tr {
                    th scope="col" { "Task" }
                    th scope="col" { "Fastest" }
                    th.n scope="col" { "Mean latency, ms" }
                    th scope="col" { "Runner-up" }
                    th.n scope="col" { "Its latency, times the fastest's" }
                    th scope="col" { "Most operations per second" }
                    th.n scope="col" { "Throughput, GOP/s" }
                    @if has_energy { th scope="col" { "Least energy" } th.n scope="col" { "Energy of one inference, J" } }
                    th scope="col" { "Slowest" }
                    th.n scope="col" { "Its latency, times the fastest's" }
                } }
                tbody { @for choice in tasks {
                    @let cell = |index: usize| &analysis.cells[index];
                    tr {
                        th scope="row" { (choice.task.as_ref().map_or_else(String::new, |task| told(&task.words()))) }
                        td { (architecture(cell(choice.fastest().cell))) }
                        td.n { (elements::linked(&estimate_of(cell(choice.fastest().cell)), &cell(choice.fastest().cell).rows, detail)) }
                        (other(analysis, choice.runner_up(), detail))
                        @if let Some(best) = choice.most_efficient.map(cell) {
                            td { (architecture(best)) }
                            td.n { (elements::linked(&throughput(best), &best.rows, detail)) }
                        } @else { td { "–" } td.n { "–" } }
                        @if has_energy {
                            @if let Some(best) = choice.least_energy.map(cell) {
                                td { (architecture(best)) }
                                td.n { (elements::linked(&best.energy_joules.map_or_else(String::new, |joules| estimate(joules.value, joules.interval)), &best.rows, detail)) }
                            } @else { td { "–" } td.n { "–" } }
                        }
                        (other(analysis, choice.slowest(), detail))
                    }
                } }
            }
        }
    }
}

/// Two columns: another network, and its latency over that of the fastest.
fn other(analysis: &Analysis, ranked: Option<&Ranked>, detail: Detail) -> Markup {
    html! {
        @if let Some(ranked) = ranked {
            @let cell = &analysis.cells[ranked.cell];
            td { (architecture(cell)) @if !ranked.is_slower() { " (no sure difference)" } }
            td.n { (elements::linked(&estimate(ranked.latency.value, ranked.latency.interval), &cell.rows, detail)) }
        } @else { td { "–" } td.n { "–" } }
    }
}

/// Dropped models, the fastest first.
fn ranking(report: &Report<'_>, models: &Choice, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let shown = detail.rows(MOST_RANKED);
    let pictures: Vec<[f64; 5]> =
        models.ranking.iter().take(shown).map(|ranked| percentiles(report, ranked.cell)).collect();
    let largest = pictures.iter().map(|picture| picture[4]).fold(0.0, f64::max);
    html! {
        h4 { "Dropped models, the fastest first" }
        div.scroll tabindex="0" role="group" aria-label="dropped models" {
            table {
                thead { tr {
                    th.n scope="col" { "Rank" }
                    th scope="col" { "Model" }
                    th.n scope="col" { "Mean latency, ms" }
                    th.n scope="col" { "Times the fastest's" }
                    th scope="col" { "Runs from 0 to " (number(largest)) " ms: 5th to 95th percentile, quartiles, median" }
                    th.n scope="col" { "Throughput, GOP/s" }
                    th.n scope="col" { "Most memory, MiB" }
                    th scope="col" { "Verdict" }
                } }
                tbody { @for (place, ranked) in models.ranking.iter().take(shown).enumerate() {
                    @let cell = &analysis.cells[ranked.cell];
                    tr {
                        td.n { (place + 1) }
                        th scope="row" { (told(&cell.subject)) }
                        td.n { (elements::linked(&estimate_of(cell), &cell.rows, detail)) }
                        td.n { @if place == 0 { "1" } @else { (estimate(ranked.latency.value, ranked.latency.interval)) @if !ranked.is_slower() { " (no sure difference)" } } }
                        td { (forest::distribution(pictures[place], largest)) }
                        td.n { (throughput(cell)) }
                        td.n { (memory(report, cell)) }
                        td { (super::results::state(cell.verdict)) }
                    }
                } }
            }
        }
        @if models.ranking.len() > shown {
            p { "The first " (shown) " of " (models.ranking.len()) "; the rest are in " (elements::file(report, "cells.csv")) "." }
        }
    }
}

/// Percentiles of all runs of a cell, in milliseconds.
fn percentiles(report: &Report<'_>, cell: usize) -> [f64; 5] {
    let rows = report.analysis.cells[cell].rows.iter().map(|&row| &report.analysis.rows[row]);
    let processes = rows.flat_map(Row::used);
    let runs: Vec<f64> =
        processes.flat_map(|process| process.latency_ns.iter().map(|&one| one as f64 / 1e6)).collect();
    forest::percentiles(&runs)
}

fn memory(report: &Report<'_>, cell: &Cell) -> String {
    const MEBIBYTE: f64 = (1_u64 << 20) as f64;
    let rows = cell.rows.iter().filter_map(|&row| report.analysis.rows[row].resources.as_ref());
    let most = rows.filter_map(|resources| resources.peak_memory_bytes).reduce(f64::max);
    most.map_or_else(|| "–".to_owned(), |bytes| number(bytes / MEBIBYTE))
}

fn estimate_of(cell: &Cell) -> String {
    estimate(cell.latency_ms.value, cell.latency_ms.interval)
}

fn throughput(cell: &Cell) -> String {
    cell.throughput
        .map(giga::estimate)
        .map_or_else(|| "–".to_owned(), |found| estimate(found.value, found.interval))
}

/// What an architect chooses: block and kernel, and width and depths unless they are the paper's.
fn architecture(cell: &Cell) -> String {
    cell.configuration.as_ref().map_or_else(|| told(&cell.subject), of_configuration)
}

/// The same of a configuration.
pub(super) fn of_configuration(theta: &Configuration) -> String {
    let mut name = format!("{}, k{}", told(&theta.block), theta.kernel);
    if theta.width_percent != 100 {
        name.push_str(&format!(", width {} %", theta.width_percent));
    }
    if theta.depths != RESNET_50_DEPTHS {
        let [first, second, third, fourth] = theta.depths;
        name.push_str(&format!(", depths {first}-{second}-{third}-{fourth}"));
    }
    name
}
