//! The section of one platform: the paper's evaluation in the paper's order.

use maud::{Markup, html};

use super::{Detail, elements};
use crate::analysis::estimate::Covers;
use crate::report::figure::Part;
use crate::report::figures::{marked, standing};
use crate::report::tables::Only;
use crate::report::text::told;
use crate::report::{Report, tables};

/// Networks without a measurement in the page; the rest are in their file.
const MOST_GAPS: usize = 100;

/// Contradictions in the page; the rest are in their file.
const MOST_CONTRADICTIONS: usize = 100;

/// Predictions in the page; the rest are in their file.
const MOST_PREDICTIONS: usize = 200;

pub(super) fn section(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    let platform = &analysis.platforms[index];
    let id = |part: &str| format!("platform-{index}-{part}");
    let own = Some(index);
    let only = Only::Platform(index);
    let heading = |part: &str| marked(platform.simulated, part);
    html! {
        section.platform aria-labelledby=(format!("platform-{index}")) {
            h2 id=(format!("platform-{index}")) { (marked(platform.simulated, &told(&platform.label))) }
            p.standing { (standing(analysis, index)) }
            p { (basis(report, index)) }

            h3 id=(id("feasibility")) { (heading("What ran")) }
            (elements::table(&tables::feasibility(analysis, only), usize::MAX, report))
            @let gaps = tables::gaps(analysis, only);
            @if !gaps.rows.is_empty() {
                details { summary { "Networks that were not measured" } (elements::table(&gaps, detail.rows(MOST_GAPS), report)) }
            }

            h3 id=(id("blocks")) { (heading("Blocks by input and batch size")) }
            (elements::figures(report, own, Part::Blocks, detail))

            h3 id=(id("kernels")) { (heading("Kernel sizes")) }
            (elements::figures(report, own, Part::Kernels, detail))

            h3 id=(id("bottlenecks")) { (heading("With and without bottleneck")) }
            (elements::figures(report, own, Part::Bottlenecks, detail))

            h3 id=(id("contrasts")) { (heading("Effect of one factor")) }
            p { "Pairs of networks that differ in one factor only; second over first. The mean of ratios weights every pair equally, the ratio of means every operation or millisecond." }
            (elements::figures(report, own, Part::Contrasts, detail))
            @let contrasts = tables::contrasts(analysis, only);
            @if !contrasts.rows.is_empty() {
                (elements::table(&contrasts, detail.rows(usize::MAX), report))
                (elements::paired(&tables::pairs(analysis, only), "Every pair", report, detail))
                (elements::paired(&tables::missing_pairs(analysis, only), "Missing pairs", report, detail))
            }

            h3 id=(id("roofline")) { (heading("Roofline and contradictions")) }
            (elements::figures(report, own, Part::Roofline, detail))
            @let rooflines = tables::rooflines(analysis, only);
            @if !rooflines.rows.is_empty() {
                (elements::table(&rooflines, usize::MAX, report))
            }
            @let contradictions = tables::contradictions(analysis, only);
            @if !contradictions.rows.is_empty() {
                p { "Pairs in which more operations per byte gave lower throughput, beyond the interval of the pair. One in forty pairs without a difference would appear here by chance; “significant after correction” is the stricter test." }
                (elements::table(&contradictions, detail.rows(MOST_CONTRADICTIONS), report))
            } @else {
                p { "No pair contradicts the roofline beyond its interval." }
            }

            h3 id=(id("pareto")) { (heading("Pareto fronts: complexity and throughput")) }
            (elements::figures(report, own, Part::Pareto, detail))
            (elements::paired(&tables::fronts(analysis, only), "Fronts and dominated networks", report, detail))

            @let resources = tables::resources(analysis, only);
            @if !resources.rows.is_empty() {
                h3 id=(id("resources")) { (heading("What it takes")) }
                p { "Medians over the trials of each result. Memory is that of the process on the host; memory of a graphics card does not count." }
                (elements::table(&resources, detail.rows(usize::MAX), report))
            }

            @let layers = tables::layers(analysis, only);
            @if !layers.rows.is_empty() {
                h3 id=(id("layers")) { (heading("Where the time goes")) }
                (elements::figures(report, own, Part::Layers, detail))
                (elements::paired(&layers, "Every layer", report, detail))
            }

            h3 id=(id("predictions")) { (heading("Predictions")) }
            (predictions(report, index, detail))
        }
    }
}

/// What the intervals of this platform cover.
fn basis(report: &Report<'_>, index: usize) -> String {
    let basis = &report.analysis.bases[index];
    let covers = match basis.covers {
        Covers::Processes => "Intervals cover variation between processes",
        Covers::MeasuredProcesses => {
            "No network was measured in more than one process: intervals cover variation between runs, not between processes"
        }
    };
    let between = basis.between_processes.map_or_else(String::new, |spread| {
        format!("; standard deviation between processes {:.1} %", spread * 100.0)
    });
    format!("{covers}{between}; {} resamples.", basis.resamples)
}

fn predictions(report: &Report<'_>, index: usize, detail: Detail) -> Markup {
    let analysis = report.analysis;
    html! {
        @match analysis.predictions.iter().find(|prediction| prediction.platform == index) {
            None => p.absent { "None: too few configurations of the family were measured to fit a model and estimate its error." },
            Some(prediction) => {
                p {
                    strong { "Predicted" } " from " (prediction.fitted) " measured configurations. Leaving each out in turn, the median error is "
                    (format!("{:.1} %", prediction.median_error * 100.0)) " and one in ten exceeds " (format!("{:.1} %", prediction.error_90 * 100.0))
                    ". The model does not predict whether a network compiles."
                }
                @if prediction.predicted.is_empty() {
                    p { "Every configuration of the paper's family was measured." }
                } @else {
                    details {
                        summary { "Predicted latencies (" (prediction.predicted.len()) ")" }
                        (elements::table(&tables::predictions(analysis, Only::Platform(index)), detail.rows(MOST_PREDICTIONS), report))
                    }
                }
            },
        }
    }
}
