//! The figures of an analysis: which cells stand where. Data comes from `analysis`, goes to every writer.
//!
//! A figure without a point is none: it becomes an [`Absent`], which says what is missing.

use std::collections::{BTreeMap, HashSet};

use crate::analysis::Analysis;
use crate::analysis::cell::Cell;
use crate::analysis::row::LeftOut;
use crate::bundle::format::VerdictState;
use crate::report::figure::{Figure, Part, Point};
use crate::report::tables;
use crate::report::text::{count, estimate, told};

mod family;
mod scatter;

/// Operations for each second are shown in thousands of millions.
pub(super) const GIGA: f64 = 1e9;

/// Title of every throughput axis.
const THROUGHPUT: &str = "throughput, 10⁹ operations/s";

/// Title of every latency axis.
const LATENCY: &str = "mean latency, ms";

/// What could be drawn, and what not.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) drawn: Vec<Figure>,
    pub(super) absent: Vec<Absent>,
}

/// A figure that would have no points.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Absent {
    pub(super) platform: Option<usize>,
    pub(super) part: Part,
    /// What is missing.
    pub(super) why: String,
}

/// Every figure of an analysis, by platform and part.
pub(super) fn figures(analysis: &Analysis) -> Figures {
    let mut figures = Figures::default();
    for platform in 0..analysis.platforms.len() {
        let view = View { analysis, platform };
        for (part, made, why) in [
            (
                Part::Blocks,
                family::blocks(view),
                "no configuration of the family with k = 3 and the paper's widths and depths has usable latencies",
            ),
            (
                Part::Kernels,
                family::kernels(view),
                "no configuration of the family with the paper's widths and depths has usable latencies",
            ),
            (
                Part::Bottlenecks,
                scatter::bottlenecks(view),
                "no block was measured both with and without a bottleneck, everything else being equal",
            ),
            (
                Part::Contrasts,
                scatter::contrasts(view),
                "no two usable results differ in exactly one factor and have known operations",
            ),
            (Part::Roofline, scatter::roofline(view), "no usable result has known operations and bytes"),
            (
                Part::Pareto,
                scatter::pareto(view),
                "no usable configuration of the family has known operations",
            ),
        ] {
            figures.take(Some(platform), part, made, why);
        }
    }
    let why = match analysis.platforms.len() {
        0 | 1 => "there is only one platform",
        _ => "no network was measured on two platforms",
    };
    figures.take(None, Part::Platforms, scatter::platforms(analysis), why);
    let mut names = HashSet::new();
    for figure in &mut figures.drawn {
        let plain = figure.name.clone();
        let mut again = 2;
        while !names.insert(figure.name.clone()) {
            figure.name = format!("{plain}-{again}");
            again += 1;
        }
    }
    figures
}

impl Figures {
    fn take(&mut self, platform: Option<usize>, part: Part, made: Vec<Figure>, why: &str) {
        let before = self.drawn.len();
        self.drawn.extend(made.into_iter().filter(|figure| figure.points().next().is_some()));
        if self.drawn.len() == before {
            self.absent.push(Absent { platform, part, why: why.to_owned() });
        }
    }
}

/// One platform of an analysis.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    analysis: &'a Analysis,
    platform: usize,
}

impl View<'_> {
    /// A figure of this platform without axes' content yet.
    fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.analysis.platforms[self.platform].id)
    }

    fn simulated(&self) -> bool {
        self.analysis.platforms[self.platform].simulated
    }

    fn title(&self, title: &str) -> String {
        marked(self.simulated(), title)
    }

    fn standing(&self) -> String {
        standing(self.analysis, self.platform)
    }

    /// What this platform's aggregates left out.
    fn left_out(&self) -> Option<String> {
        left_out(&self.analysis.bases[self.platform].left_out)
    }
}

/// A title that says so where it is not of the real thing.
pub(super) fn marked(simulated: bool, title: &str) -> String {
    if simulated { format!("SIMULATED: {title}") } else { title.to_owned() }
}

/// Where a platform's numbers come from, in a line: machine, software, what the clock covered.
pub(super) fn standing(analysis: &Analysis, platform: usize) -> String {
    let platform = &analysis.platforms[platform];
    let machine = &platform.identity.machine;
    let mut parts = vec![told(&platform.label)];
    parts.extend(machine.board.as_deref().map(told));
    parts.extend(machine.processor.as_deref().map(told));
    parts.extend(machine.architecture.as_deref().map(told));
    parts.extend(machine.logical_cores.map(|cores| count(cores as usize, "core", "cores")));
    parts.push(match &platform.identity.power {
        Some(power) => told(&tables::power(power)),
        None => "power state not observed".to_owned(),
    });
    if let Some(software) = &platform.identity.software {
        parts.extend(software.operating_system.as_deref().map(told));
        parts.push(format!("the clock covered {}", told(&software.timed_description)));
    }
    format!("{}.", parts.join("; "))
}

/// What aggregates left out, as a sentence; `None` where nothing.
pub(super) fn left_out(reasons: &BTreeMap<LeftOut, usize>) -> Option<String> {
    let words: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| {
            let word = match reason {
                LeftOut::NotMeasured => "not measured",
                LeftOut::Invalid => "with an invalid verdict",
                LeftOut::ZeroLatency => "with latencies of zero",
                LeftOut::Suspect => "suspect",
            };
            format!("{count} {word}")
        })
        .collect();
    (!words.is_empty()).then(|| format!("Left out of aggregates: {}.", words.join(", ")))
}

/// How many points rest on suspect results, as a sentence.
fn suspect_points<'a>(points: impl Iterator<Item = &'a Point>) -> Option<String> {
    let suspect = points.filter(|point| point.suspect).count();
    (suspect > 0).then(|| {
        format!("{} on suspect results (△, open marks).", count(suspect, "point rests", "points rest"))
    })
}

/// A cell's numbers, for whoever points at it.
fn hover(analysis: &Analysis, cell: &Cell) -> String {
    let mut text =
        format!("{}\n{} ms", told(&cell.subject), estimate(cell.latency_ms.value, cell.latency_ms.interval));
    if let Some(throughput) = &cell.throughput {
        let interval = throughput.interval.map(giga);
        text.push_str(&format!("\n{} · 10⁹ operations/s", estimate(throughput.value / GIGA, interval)));
    }
    text.push_str(&format!(
        "\n{}, {}",
        count(cell.processes, "process", "processes"),
        count(cell.runs, "run", "runs")
    ));
    if cell.suspect {
        let mut reasons: Vec<&str> = cell
            .rows
            .iter()
            .filter(|&&row| analysis.rows[row].verdict == VerdictState::Suspect)
            .flat_map(|&row| analysis.rows[row].verdict_reasons.iter().map(String::as_str))
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        text.push_str(&format!("\n△ suspect: {}", told(&reasons.join(", "))));
    }
    if cell.rows.iter().any(|&row| analysis.rows[row].simulated) {
        text.push_str("\nSIMULATED");
    }
    text
}

/// An interval in thousands of millions.
pub(super) fn giga(span: crate::analysis::estimate::Span) -> crate::analysis::estimate::Span {
    crate::analysis::estimate::Span { low: span.low / GIGA, high: span.high / GIGA }
}
