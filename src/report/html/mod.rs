//! The report as one self-contained page: no network, no other files, and tables and figures even without
//! scripts.
//!
//! maud escapes every text, and foreign names go through [`super::text::told`] first. A policy in the page's
//! head forbids every request. A page that leaves something out to stay small says so; `csv` and `svg` have
//! it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::{left_out, marked};
use super::palette::{DARK, LIGHT, Theme, css};
use super::text::{count, told, told_within};
use super::{Destination, File, Renderer, Report, svg, tables};

mod elements;
mod platform;
mod results;
mod script;

pub(super) const RENDERER: Renderer = Renderer {
    name: "html",
    summary: "the report: one page with interactive figures that works offline",
    destination: Destination::Report,
    render,
};

/// plotly.js 4.1.1, the partial bundle `basic` (scatter, bar, pie), MIT; its licence is next to it.
const PLOTLY: &str = include_str!("plotly-basic.min.js");
const SCRIPT: &str = include_str!("report.js");
const STYLE: &str = include_str!("report.css");

/// Small enough to mail and to open at once.
const LARGEST_PAGE_BYTES: usize = 6_000_000;

/// How much of the analysis is in the page itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// All of it.
    Everything,
    /// Pairs of contrasts are only in their file.
    WithoutPairs,
    /// So are static figures and the tables of their numbers.
    WithoutStatic,
    /// Only the first figures of each platform.
    Overview,
}

impl Detail {
    /// Rows of a platform's table in the page, of at most `most`.
    fn rows(self, most: usize) -> usize {
        const IN_AN_OVERVIEW: usize = 12;
        if self == Self::Overview { most.min(IN_AN_OVERVIEW) } else { most }
    }
}

/// With more cells a page at this detail passes [`LARGEST_PAGE_BYTES`] and is not even tried.
const TOO_MANY_CELLS: &[(usize, Detail)] = &[(2_000, Detail::WithoutPairs), (6_000, Detail::WithoutStatic)];

/// Findings in the page; the rest are in their file.
const MOST_FINDINGS: usize = 200;

/// Files without a result in the page; the rest are in their file.
const MOST_ODDITIES: usize = 200;

/// Results named with each finding; the table of all results has the rest.
const MOST_NAMED: usize = 24;

fn render<'a>(report: &'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a> {
    let cells = report.analysis.cells.len();
    let tried = TOO_MANY_CELLS.iter().filter(|(most, _)| cells > *most).map(|(_, detail)| *detail).max();
    let details = [Detail::Everything, Detail::WithoutPairs, Detail::WithoutStatic, Detail::Overview];
    let mut content = String::new();
    for detail in details.into_iter().filter(|detail| Some(*detail) > tried) {
        content = page(report, detail).into_string();
        if content.len() <= LARGEST_PAGE_BYTES {
            break;
        }
    }
    Box::new(std::iter::once(File { name: String::new(), content }))
}

fn page(report: &Report<'_>, detail: Detail) -> Markup {
    let title = title(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(style())) }
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header {
                    h1 { (title) }
                    p { (summary(report)) }
                    p.controls hidden {
                        label for="theme" { "Colours " }
                        select id="theme" {
                            option value="system" { "system" }
                            option value="light" { "light" }
                            option value="dark" { "dark" }
                        }
                    }
                    (contents(report))
                }
                main id="content" {
                    (filters(report))
                    (collected(report))
                    (findings(report))
                    (platforms(report))
                    @for index in 0..report.analysis.platforms.len() {
                        (platform::section(report, index, detail))
                    }
                    (comparison(report, detail))
                    (results::section(report))
                }
                footer {
                    p {
                        "Made by backbone " (env!("CARGO_PKG_VERSION")) ", " (report.analysis.options.resamples)
                        " resamples, seed " (report.analysis.options.seed) ". All figures as SVG and all tables as CSV: "
                        (elements::file(report, "")) "."
                    }
                }
                script type="application/json" id="report" { (PreEscaped(script::content(report, detail))) }
                script { (PreEscaped(PLOTLY)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// Every colour of the page in both themes, then the rules that do not depend on them.
fn style() -> String {
    let variables = |theme: &Theme| {
        format!(
            "--paper:{};--text:{};--muted:{};--axis:{};--grid:{};--link:{}",
            theme.background, theme.text, theme.muted, theme.axis, theme.grid, theme.series[0]
        )
    };
    let (light, dark) = (variables(&LIGHT), variables(&DARK));
    format!(
        "{}{}:root{{{light};color-scheme:light}}:root[data-theme=dark]{{{dark};color-scheme:dark}}\
         @media (prefers-color-scheme:dark){{:root:not([data-theme]){{{dark};color-scheme:dark}}{}}}\
         @media print{{:root:root:root{{{light};color-scheme:light}}}}{}{}@media print{{{}}}{STYLE}",
        svg::rules(".static"),
        css(".static", &LIGHT),
        css(":root:not([data-theme]) .static", &DARK),
        css(":root[data-theme=dark] .static", &DARK),
        css(":root[data-theme=light] .static", &LIGHT),
        css(":root:root:root .static", &LIGHT),
    )
}

fn title(report: &Report<'_>) -> String {
    let simulated = report.analysis.platforms.iter().any(|platform| platform.simulated);
    marked(simulated, "BackboneAnalysis report")
}

fn summary(report: &Report<'_>) -> String {
    let analysis = report.analysis;
    let dates = || analysis.rows.iter().map(|row| row.finished.get(..10).unwrap_or_default());
    let span = match (dates().min(), dates().max()) {
        (Some(first), Some(last)) if first == last => format!(", measured on {}", told(first)),
        (Some(first), Some(last)) => format!(", measured from {} to {}", told(first), told(last)),
        _ => String::new(),
    };
    format!(
        "{} of {} on {}{span}.",
        count(analysis.rows.len(), "result", "results"),
        count(analysis.cells.len(), "network with usable latencies", "networks with usable latencies"),
        count(analysis.platforms.len(), "platform", "platforms"),
    )
}

fn contents(report: &Report<'_>) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                li { a href="#collected" { "Data" } }
                li { a href="#findings" { "Findings" } }
                li { a href="#platforms" { "Platforms" } }
                @for (index, platform) in report.analysis.platforms.iter().enumerate() {
                    li { a href=(format!("#platform-{index}")) { (marked(platform.simulated, &told(&platform.label))) } }
                }
                li { a href="#comparison" { "Platforms compared" } }
                li { a href="#results" { "All results" } }
            }
        }
    }
}

/// Filters of the figures; shown by the script.
fn filters(report: &Report<'_>) -> Markup {
    let figures = report.figures.drawn.iter();
    let mut blocks: Vec<&str> = Vec::new();
    for name in figures.flat_map(|figure| &figure.series).filter_map(|series| series.block.as_deref()) {
        if !blocks.contains(&name) {
            blocks.push(name);
        }
    }
    html! {
        form.filters id="filters" hidden aria-label="Filters for all figures" {
            fieldset {
                legend { "Blocks shown" }
                @for block in blocks {
                    label { input type="checkbox" name="block" value=(block) checked; " " (block) }
                }
            }
            fieldset {
                legend { "Verdicts shown" }
                label { input type="checkbox" name="verdict" value="valid" checked; " ✓ valid" }
                label { input type="checkbox" name="verdict" value="unverified" checked; " ○ unverified" }
                label { input type="checkbox" name="verdict" value="suspect" checked; " △ suspect (open marks)" }
            }
        }
    }
}

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
        section aria-labelledby="collected" {
            h2 id="collected" { "Data" }
            p { (count(report.files, "file", "files")) " examined; this report covers " (count(analysis.rows.len(), "result", "results")) "." }
            ul {
                @for (index, platform) in analysis.platforms.iter().enumerate() {
                    li {
                        a href=(format!("#platform-{index}")) { (marked(platform.simulated, &told(&platform.label))) } ": "
                        (platform.results()) ". "
                        @if let Some(sentence) = left_out(&analysis.bases[index].left_out) { (sentence) " " }
                        @if analysis.bases[index].unverified > 0 {
                            "○ " (count(analysis.bases[index].unverified, "unverified result is", "unverified results are")) " in aggregates. "
                        }
                        @if analysis.bases[index].suspect > 0 {
                            "△ " (count(analysis.bases[index].suspect, "suspect result is", "suspect results are")) " in aggregates and marked. "
                        }
                    }
                }
                @if !analysis.without_platform.is_empty() {
                    li { (count(analysis.without_platform.len(), "result", "results")) " from jobs that never reached a runtime, and so on no platform; see the " a href="#results" { "table of all results" } "." }
                }
                @if analysis.options.only_valid { li { "Suspect and unverified results are excluded from aggregates, as requested." } }
            }
            @if report.oddities.is_empty() {
                p { "No other files were found." }
            } @else {
                p { "Other files:" }
                ul { @for (kind, count) in kinds { li { (count) " × " (kind) } } }
                details {
                    summary { "Show the files" }
                    (elements::table(&tables::oddities(report), MOST_ODDITIES, report))
                }
            }
        }
    }
}

fn findings(report: &Report<'_>) -> Markup {
    let analysis = report.analysis;
    let places: std::collections::HashMap<&str, usize> =
        analysis.rows.iter().enumerate().map(|(index, row)| (row.id.as_str(), index)).collect();
    let shown = analysis.findings.len().min(MOST_FINDINGS);
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "Findings" }
            @if analysis.findings.is_empty() {
                p { "None: no effect is significant after correction for multiple tests. That does not show that there is none." }
            } @else {
                p { "Effects that stay significant after correction for multiple tests, largest first. Intervals are at 95 %." }
            }
            @if shown < analysis.findings.len() {
                p { "The first " (shown) " of " (analysis.findings.len()) "; the rest are in " (elements::file(report, "findings.csv")) "." }
            }
            ol.findings {
                @for (number, finding) in analysis.findings.iter().take(MOST_FINDINGS).enumerate() {
                    @let labels = finding.platforms.iter().map(|&platform| analysis.platforms[platform].label.as_str());
                    @let names: Vec<&str> = labels.chain([finding.from.as_str(), finding.to.as_str()]).collect();
                    @let simulated = finding.platforms.iter().any(|&platform| analysis.platforms[platform].simulated);
                    li id=(format!("finding-{number}")) {
                        p { (marked(simulated, &told_within(&finding.sentence, &names))) }
                        p.evidence {
                            span.kind { (tables::kind(finding.kind)) } " · adjusted p " (probability(finding.adjusted_probability))
                            @if finding.missing > 0 { " · " (finding.missing) " missing" }
                            @if finding.suspect_rows > 0 { " · △ " (count(finding.suspect_rows, "suspect result", "suspect results")) }
                            " · " a.behind href="#results" data-finding=(number) { (count(finding.rows.len(), "result", "results")) " behind it" }
                        }
                        details.rows {
                            summary { "Show the results" }
                            ul {
                                @for id in finding.rows.iter().take(MOST_NAMED) {
                                    @if let Some(place) = places.get(id.as_str()) {
                                        li { a href=(format!("#row-{place}")) { (told(id)) } }
                                    }
                                }
                                @if finding.rows.len() > MOST_NAMED { li { "and " (finding.rows.len() - MOST_NAMED) " more" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn probability(value: f64) -> String {
    const SMALLEST_SHOWN: f64 = 1e-6;
    if value < SMALLEST_SHOWN { "< 10⁻⁶".to_owned() } else { format!("= {}", super::text::number(value)) }
}

fn platforms(report: &Report<'_>) -> Markup {
    html! {
        section aria-labelledby="platforms" {
            h2 id="platforms" { "Platforms" }
            @if report.analysis.platforms.is_empty() {
                p { "No result reached a runtime, so no platform is known. The " a href="#results" { "table of all results" } " shows why." }
            } @else {
                (elements::turned(&tables::platforms(report.analysis)))
            }
        }
    }
}

fn comparison(report: &Report<'_>, detail: Detail) -> Markup {
    use crate::report::figure::Part;
    let table = tables::comparisons(report.analysis);
    html! {
        section aria-labelledby="comparison" {
            h2 id="comparison" { "Platforms compared" }
            (elements::figures(report, None, Part::Platforms, detail))
            @if !table.rows.is_empty() {
                p { "Ratios are geometric means over the networks that both platforms ran, second over first. If the clocks did not cover the same, the ratios reflect that as well." }
                (elements::table(&table, usize::MAX, report))
                (elements::paired(&tables::compared_pairs(report.analysis), "Networks that two platforms ran", report, detail))
            }
        }
    }
}
