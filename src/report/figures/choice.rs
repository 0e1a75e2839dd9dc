//! The picture of what to use: latency over operations, with lines of equal throughput and the Pareto fronts.

use std::collections::BTreeSet;

use super::scatter::{Scatter, by_block, complexity, point, range};
use super::{LATENCY, PlatformView, hover};
use crate::analysis::cell::Cell;
use crate::report::figure::{Axis, Figure, Part, Reference, Role, Series};
use crate::report::text::{cut, file_part, number, told};

/// One figure for each number format, and one for dropped models.
pub(super) fn choice(view: PlatformView<'_>) -> Vec<Figure> {
    let own = || view.analysis.choices.iter().filter(|choice| choice.platform == view.platform);
    let precisions: BTreeSet<Option<&str>> =
        own().map(|choice| choice.task.as_ref().map(|task| task.precision.as_str())).collect();
    // Generated networks first.
    precisions.into_iter().rev().map(|precision| of_precision(view, precision)).collect()
}

fn of_precision(view: PlatformView<'_>, precision: Option<&str>) -> Figure {
    let analysis = view.analysis;
    let own = || {
        let choices = analysis.choices.iter().filter(|choice| choice.platform == view.platform);
        choices.filter(move |choice| choice.task.as_ref().map(|task| task.precision.as_str()) == precision)
    };
    let axes = (Axis::logarithmic("operations of one inference, GOP (10⁹)"), Axis::logarithmic(LATENCY));
    let cells = own().flat_map(|choice| choice.ranking.iter().map(|ranked| ranked.cell));
    let series = by_block(view, cells, |cell| {
        point(&axes, complexity(cell)?, cell.latency_ms, hover(analysis, cell), cell.verdict)
    });
    let place = |cell: &Cell| Some((complexity(cell)?.value, cell.latency_ms.value));
    let fronts = own().filter_map(|choice| Some((choice, &analysis.fronts[choice.front?])));
    let mut references: Vec<Reference> = fronts
        .map(|(choice, front)| Reference {
            name: format!(
                "Pareto front, {}",
                choice.task.as_ref().map_or_else(String::new, |task| told(&task.words()))
            ),
            corners: front.cells.iter().filter_map(|&cell| place(&analysis.cells[cell])).collect(),
            role: Role::Front,
        })
        .filter(|front| front.corners.len() > 1)
        .collect();
    references.extend(levels(&series));
    let name = precision.map_or_else(|| "dropped models".to_owned(), |precision| cut(&told(precision)));
    let mut notes = vec![
        "Further down is faster; dotted lines have equal throughput, higher to the lower right.".to_owned(),
    ];
    if references.iter().any(|reference| reference.role == Role::Front) {
        notes.push(
            "A line joins the Pareto front of each task: no network has fewer operations and more throughput."
                .to_owned(),
        );
    }
    Scatter {
        part: Part::Choice,
        name: format!("choice-{}", precision.map_or_else(|| "models".to_owned(), file_part)),
        title: format!("Latency and operations, {name}"),
        axes,
        series,
        references,
        notes,
    }
    .on(view)
}

/// Lines of equal throughput through the points, at powers of ten, and between them if there are few.
fn levels(series: &[Series]) -> Vec<Reference> {
    const FEW: usize = 3;
    let (left, right) = range(series, |point| point.x);
    let (bottom, top) = range(series, |point| point.y);
    // In GOP/s, of operations in GOP and latencies in ms.
    let (low, high) = range(series, |point| point.x * 1e3 / point.y);
    let is_drawable = left < right && bottom < top && low < high && high.is_finite() && low > 0.0;
    if !is_drawable {
        return Vec::new();
    }
    let powers = || (low.log10().floor() as i32..=high.log10().ceil() as i32).map(|power| 10f64.powi(power));
    let within = |values: Vec<f64>| -> Vec<f64> {
        values.into_iter().filter(|value| (low * 0.7..=high * 1.4).contains(value)).collect()
    };
    let mut values = within(powers().collect());
    if values.len() < FEW {
        values = within(powers().flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power)).collect());
    }
    let line = |throughput: f64| {
        // From the lower left to the upper right of what is shown.
        let start = left.max(bottom * throughput / 1e3);
        let end = right.min(top * throughput / 1e3);
        (start < end).then(|| Reference {
            name: format!("{} GOP/s", shortest(throughput)),
            corners: [start, end].map(|x| (x, x * 1e3 / throughput)).to_vec(),
            role: Role::Level,
        })
    };
    values.into_iter().filter_map(line).collect()
}

/// A round number without trailing zeros.
fn shortest(value: f64) -> String {
    if (1.0..1e6).contains(&value) { format!("{value:.0}") } else { number(value) }
}
