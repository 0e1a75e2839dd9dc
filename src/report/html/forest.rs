//! Pictures in the rows of a table: what a choice saves, with its interval, and how runs are distributed.
//!
//! They are drawn on one scale in all rows of a table, need no script, and their numbers are in the row's
//! text.

use maud::{Markup, PreEscaped, html};

use super::{Detail, elements};
use crate::analysis::contrast::Ratio;
use crate::report::text::{change, count, number};
use crate::stats::sample::percentile;

/// A row of a forest plot.
pub(super) struct Line {
    /// What is compared; harmless.
    pub(super) label: String,
    /// Ratio of the operations, if known.
    pub(super) operations: Option<f64>,
    /// Ratio of the mean latencies.
    pub(super) latency: Ratio,
    pub(super) pairs: usize,
    pub(super) missing: usize,
    /// Pairs with a suspect side.
    pub(super) suspect: usize,
    /// The rows behind it.
    pub(super) rows: Vec<usize>,
}

/// Width and height of a picture, in its own units.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 20.0;
/// Room for half a mark at either end.
const MARGIN: f64 = 8.0;

/// Ratios to label, from which those in range are taken.
const LABELS: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// The same for an axis of less than [`SHORT`].
const FINE_LABELS: &[f64] = &[0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.5];

/// Natural logarithm of the ratio of an axis's ends.
const SHORT: f64 = 1.2;

/// Labels closer than this would touch.
const LABEL_WIDTH: f64 = 34.0;

/// The part of a logarithmic axis that holds every ratio of a table, and one.
#[derive(Debug, Clone, Copy)]
struct RatioAxis {
    low: f64,
    high: f64,
}

impl RatioAxis {
    fn of(lines: &[Line]) -> Self {
        let ends = lines.iter().flat_map(|line| {
            let (low, high) = line
                .latency
                .interval
                .map_or((line.latency.value, line.latency.value), |interval| (interval.low, interval.high));
            [low, high, line.operations.unwrap_or(1.0)]
        });
        let shown = ends.filter(|end| end.is_finite() && *end > 0.0).map(f64::ln);
        let (low, high) = shown.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        // Room for two marks even if nothing differs.
        Self { low: low.min(-0.05), high: high.max(0.05) }
    }

    fn place(self, ratio: f64) -> f64 {
        let part = (ratio.ln() - self.low) / (self.high - self.low);
        MARGIN + part.clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN)
    }
}

/// A row for each contrast: operations and latency, on one logarithmic scale.
pub(super) fn plot(name: &str, lines: &[Line], detail: Detail) -> Markup {
    let reach = RatioAxis::of(lines);
    html! {
        div.scroll tabindex="0" role="group" aria-label=(name) {
            table.forest {
                thead { tr {
                    th scope="col" { "Compared" }
                    th.n scope="col" { "Operations" }
                    th.n scope="col" { "Latency" }
                    th.picture scope="col" { (axis(reach)) }
                    th.n scope="col" { "Pairs" }
                } }
                tbody { @for line in lines {
                    tr {
                        th scope="row" { (line.label) }
                        td.n { (line.operations.map_or_else(|| "–".to_owned(), |ratio| change(ratio, None))) }
                        td.n { (elements::linked(&change(line.latency.value, line.latency.interval), &line.rows, detail)) }
                        td.picture { (picture(line, reach)) }
                        td.n {
                            (line.pairs)
                            @if line.missing > 0 { ", " (line.missing) " missing" }
                            @if line.suspect > 0 { ", △ " (count(line.suspect, "suspect", "suspect")) }
                        }
                    }
                } }
            }
        }
    }
}

/// The labels of a scale, with what the marks mean.
fn axis(reach: RatioAxis) -> Markup {
    let known = if reach.high - reach.low < SHORT { FINE_LABELS } else { LABELS };
    let mut labels: Vec<f64> = known.to_vec();
    // One first, so that it always has its label.
    labels.sort_by(|one, other| one.ln().abs().total_cmp(&other.ln().abs()));
    let mut shown: Vec<f64> = Vec::new();
    for ratio in labels.into_iter().filter(|ratio| (reach.low..=reach.high).contains(&ratio.ln())) {
        let x = reach.place(ratio);
        if shown.iter().all(|&other| (x - reach.place(other)).abs() > LABEL_WIDTH) {
            shown.push(ratio);
        }
    }
    let text: String = shown
        .iter()
        .map(|&ratio| {
            let x = reach.place(ratio).clamp(LABEL_WIDTH / 2.0, WIDTH - LABEL_WIDTH / 2.0);
            format!("<text x=\"{x:.1}\" y=\"13\">× {ratio}</text>")
        })
        .collect();
    html! {
        span.key { span.operations { "◇" } " operations, " span.latency { "●" } " latency with 95 % interval" }
        svg.row viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" { (PreEscaped(text)) }
    }
}

fn picture(line: &Line, reach: RatioAxis) -> Markup {
    const MIDDLE: f64 = HEIGHT / 2.0;
    let one = reach.place(1.0);
    let mut drawn = format!("<path class=\"none\" d=\"M{one:.1} 0V{HEIGHT}\"/>");
    let latency = reach.place(line.latency.value);
    if let Some(operations) = line.operations {
        let x = reach.place(operations);
        drawn.push_str(&format!(
            "<path class=\"saved\" d=\"M{x:.1} {MIDDLE}H{latency:.1}\"/>\
             <path class=\"operations\" d=\"M{x:.1} {:.1}l5 5l-5 5l-5 -5z\"/>",
            MIDDLE - 5.0
        ));
    }
    if let Some(interval) = line.latency.interval {
        let (low, high) = (reach.place(interval.low), reach.place(interval.high));
        drawn.push_str(&format!("<path class=\"interval\" d=\"M{low:.1} {MIDDLE}H{high:.1}\"/>"));
    }
    drawn.push_str(&format!("<circle class=\"latency\" cx=\"{latency:.1}\" cy=\"{MIDDLE}\" r=\"3.6\"/>"));
    html! { svg.row viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" { (PreEscaped(drawn)) } }
}

/// Percentiles of runs that a picture shows.
const PERCENTILES: [f64; 5] = [5.0, 25.0, 50.0, 75.0, 95.0];

/// The percentiles of runs, in milliseconds.
pub(super) fn percentiles(runs: &[f64]) -> [f64; 5] {
    PERCENTILES.map(|percent| percentile(runs, percent).unwrap_or_default())
}

/// Runs as a box from 0 to `largest`: 5th and 95th percentile, quartiles, median.
pub(super) fn distribution(percentiles: [f64; 5], largest: f64) -> Markup {
    let place = |value: f64| MARGIN + (value / largest).clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN);
    let [low, first, middle, third, high] = percentiles.map(place);
    let drawn = format!(
        "<path class=\"interval\" d=\"M{low:.1} 10H{high:.1}\"/>\
         <rect class=\"box\" x=\"{first:.1}\" y=\"5\" width=\"{:.1}\" height=\"10\"/>\
         <path class=\"interval\" d=\"M{middle:.1} 3V17\"/>",
        (third - first).max(1.0)
    );
    let text = percentiles.map(number).join(", ");
    html! {
        svg.row viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("5, 25, 50, 75, 95 %: {text} ms")) {
            title { (text) " ms" } (PreEscaped(drawn))
        }
    }
}
