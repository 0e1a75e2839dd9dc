//! The report as one self-contained page: no network, no other files, and tables and figures even without
//! scripts.
//!
//! maud escapes every text, and foreign names go through [`super::text::told`] first. A policy in the page's
//! head forbids every request. A page that leaves something out to stay small says so; `csv` and `svg` have
//! it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::marked;
use super::palette::{DARK, LIGHT, Theme, css};
use super::text::{count, told};
use super::{Destination, File, Renderer, Report, svg};
use crate::analysis::platform::Platform;

mod answer;
mod certainty;
mod effects;
mod elements;
mod forest;
mod results;
mod script;
mod sides;
mod why;

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
                    p.controls hidden {
                        label for="theme" { "Colours " }
                        select id="theme" {
                            option value="system" { "system" }
                            option value="light" { "light" }
                            option value="dark" { "dark" }
                        }
                    }
                    h1 { (title) }
                    p { (summary(report)) }
                    (contents(report))
                }
                main id="content" {
                    (filters(report))
                    (answer::section(report, detail))
                    (effects::section(report, detail))
                    (why::section(report, detail))
                    (certainty::section(report, detail))
                    (sides::section(report, detail))
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
    ) + &match report.not_asked_for {
        0 => String::new(),
        left_out => {
            format!(" {} not asked for.", count(left_out, "collected result was", "collected results were"))
        }
    }
}

fn contents(report: &Report<'_>) -> Markup {
    const QUESTIONS: &[(&str, &str)] = &[
        ("answer", "What to use"),
        ("effects", "What each choice does"),
        ("why", "Why"),
        ("certainty", "How sure"),
        ("platforms", "Platforms side by side"),
        ("results", "All results"),
    ];
    html! {
        nav aria-label="Contents" {
            ul {
                @for (part, question) in QUESTIONS { li { a href=(format!("#{part}")) { (question) } } }
                li { (elements::file(report, "")) }
            }
        }
    }
}

/// The platforms that a part of the page is about, each with its heading.
fn platforms(report: &Report<'_>, part: &str, holds: impl Fn(usize) -> bool) -> Vec<(usize, Markup)> {
    let platforms = report.analysis.platforms.iter().enumerate();
    let heading = |platform: &Platform, index: usize| {
        html! { h3 id=(format!("{part}-{index}")) { (marked(platform.simulated, &told(&platform.name))) } }
    };
    platforms.filter(|(index, _)| holds(*index)).map(|(index, one)| (index, heading(one, index))).collect()
}

/// What is shown of figures and of platforms; made visible by the script.
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
            @if report.analysis.platforms.len() > 1 {
                label { "Platform " select id="platform" {
                    option value="" { "all" }
                    @for (index, platform) in report.analysis.platforms.iter().enumerate() {
                        option value=(index) { (marked(platform.simulated, &told(&platform.name))) }
                    }
                } }
            }
            details { summary { "Blocks and verdicts shown" }
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
}
