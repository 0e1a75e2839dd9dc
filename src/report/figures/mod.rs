//! The figures of an analysis: which cells go where. Data comes from `analysis`, goes to every writer.
//!
//! A figure without points becomes an [`Absent`], which says what is missing.

use std::collections::{BTreeMap, HashSet};

use crate::analysis::Analysis;
use crate::analysis::cell::Cell;
use crate::analysis::row::LeftOut;
use crate::bundle::format::VerdictState;
use crate::report::figure::{Figure, Part, Point};
use crate::report::giga;
use crate::report::text::{count, estimate, told};

mod choice;
mod family;
mod layers;
mod scatter;

/// Title of every throughput axis.
const THROUGHPUT: &str = "throughput, 10⁹ operations/s";

/// Title of every latency axis.
const LATENCY: &str = "mean latency, ms";

/// The figures that could be drawn, and those that could not.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) drawn: Vec<Figure>,
    pub(super) absent: Vec<Absent>,
}

/// A figure without points.
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
        let view = PlatformView { analysis, platform };
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
                "no block was measured both with and without a bottleneck and otherwise the same",
            ),
            (Part::Roofline, scatter::roofline(view), "no usable result has known operations and bytes"),
            (Part::Choice, choice::choice(view), "no usable result has known operations"),
        ] {
            figures.take(Some(platform), part, made, why);
        }
        // Only on request, so that nothing is missing without it.
        figures.drawn.extend(layers::layers(view));
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
struct PlatformView<'a> {
    analysis: &'a Analysis,
    platform: usize,
}

impl PlatformView<'_> {
    /// Name of a figure of this platform.
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

    /// What this platform's aggregates leave out.
    fn left_out(&self) -> Option<String> {
        left_out(&self.analysis.bases[self.platform].left_out)
    }
}

/// A title, marked if anything under it is simulated.
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
        Some(power) => told(&power.to_string()),
        None => "power state not observed".to_owned(),
    });
    if let Some(software) = &platform.identity.software {
        parts.extend(software.operating_system.as_deref().map(told));
        parts.push(format!("the clock covered {}", told(&software.timed.description)));
    }
    format!("{}.", parts.join("; "))
}

/// What aggregates leave out, as a sentence; `None` if nothing.
pub(super) fn left_out(reasons: &BTreeMap<LeftOut, usize>) -> Option<String> {
    let words: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| {
            let word = match reason {
                LeftOut::NotMeasured => "not measured",
                LeftOut::Invalid => "with an invalid verdict",
                LeftOut::ZeroLatency => "with zero latency",
                LeftOut::Suspect => "suspect",
                LeftOut::Unverified => "unverified",
            };
            format!("{count} {word}")
        })
        .collect();
    (!words.is_empty()).then(|| format!("Excluded from aggregates: {}.", words.join(", ")))
}

/// How many points come from suspect and from unverified results, as sentences.
fn verdicts_of<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> Vec<String> {
    let sentence = |state: VerdictState, how: &str| {
        let of_state = points.clone().filter(|point| point.verdict == state).count();
        let from = count(of_state, "point comes", "points come");
        (of_state > 0).then(|| format!("{from} from {} results ({how}).", state.word()))
    };
    [sentence(VerdictState::Suspect, "△, open marks"), sentence(VerdictState::Unverified, "○")]
        .into_iter()
        .flatten()
        .collect()
}

/// A cell's numbers, for the tooltip.
fn hover(analysis: &Analysis, cell: &Cell) -> String {
    let mut text =
        format!("{}\n{} ms", told(&cell.subject), estimate(cell.latency_ms.value, cell.latency_ms.interval));
    if let Some(throughput) = &cell.throughput {
        let throughput = giga::estimate(*throughput);
        let shown = estimate(throughput.value, throughput.interval);
        text.push_str(&format!("\n{shown} · 10⁹ operations/s"));
    }
    text.push_str(&format!(
        "\n{}, {}",
        count(cell.processes, "process", "processes"),
        count(cell.runs, "run", "runs")
    ));
    if cell.verdict > VerdictState::Valid {
        let mut reasons: Vec<&str> = cell
            .rows
            .iter()
            .filter(|&&row| analysis.rows[row].verdict == cell.verdict)
            .flat_map(|&row| analysis.rows[row].verdict_reasons.iter().map(String::as_str))
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        let symbol = if cell.is_suspect() { '△' } else { '○' };
        text.push_str(&format!("\n{symbol} {}: {}", cell.verdict.word(), told(&reasons.join(", "))));
    }
    if cell.rows.iter().any(|&row| analysis.rows[row].simulated) {
        text.push_str("\nSIMULATED");
    }
    text
}
