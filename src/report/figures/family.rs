//! Figures 1 and 2 of the paper: throughput and latency of each block, over input × batch at k = 3, and over
//! kernels.

use std::collections::BTreeMap;

use super::{LATENCY, PlatformView, THROUGHPUT, hover, verdicts_of};
use crate::analysis::cell::Cell;
use crate::analysis::estimate::Estimate;
use crate::analysis::figure::{Figure as Cells, FigureKind, FigureLine, FigurePoint};
use crate::report::figure::{Axis, Figure, Group, Part, Point, Scale, Series};
use crate::report::text::{count, cut, file_part, told};
use crate::report::{giga, palette};

/// Figure 1.
pub(super) fn blocks(view: PlatformView<'_>) -> Vec<Figure> {
    of_kind(view, FigureKind::Blocks)
}

/// Figure 2.
pub(super) fn kernels(view: PlatformView<'_>) -> Vec<Figure> {
    of_kind(view, FigureKind::Kernels)
}

fn of_kind(view: PlatformView<'_>, kind: FigureKind) -> Vec<Figure> {
    view.analysis
        .figures
        .iter()
        .filter(|cells| cells.platform == view.platform && cells.kind == kind)
        .flat_map(|cells| [draw(view, cells, Quantity::Throughput), draw(view, cells, Quantity::Latency)])
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Throughput,
    Latency,
}

impl Quantity {
    fn word(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
        }
    }

    fn axis(self) -> Axis {
        match self {
            Self::Throughput => Axis::linear(THROUGHPUT),
            Self::Latency => Axis::logarithmic(LATENCY),
        }
    }

    fn of(self, cell: &Cell) -> Option<Estimate> {
        match self {
            Self::Throughput => cell.throughput.map(giga::estimate),
            Self::Latency => Some(cell.latency_ms),
        }
    }
}

fn draw(view: PlatformView<'_>, cells: &Cells, quantity: Quantity) -> Figure {
    let precision = cut(&told(&cells.precision));
    let (part, title, axis) = match cells.kind {
        FigureKind::Blocks => (Part::Blocks, "by block, k = 3", "batch size, grouped by input size"),
        FigureKind::Kernels => {
            (Part::Kernels, "by kernel size", "kernel size, grouped by input and batch size")
        }
    };
    let columns: &[FigurePoint] = cells.lines.first().map_or(&[], |line| &line.points);
    let y = quantity.axis();
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    let series: Vec<Series> = cells
        .lines
        .iter()
        .map(|line| {
            for point in &line.points {
                if let Some(why) = &point.missing {
                    *missing.entry(why).or_insert(0) += 1;
                }
            }
            series(view, line, cells.kind, quantity, &y)
        })
        .filter(|series| !series.segments.is_empty())
        .collect();
    let all = columns.len() * cells.lines.len();
    let mut notes = Vec::new();
    if !missing.is_empty() {
        let reasons: Vec<String> =
            missing.iter().map(|(why, count)| format!("{count} {}", told(why))).collect();
        let absent: usize = missing.values().sum();
        notes.push(format!(
            "Missing: {absent} of {} ({}).",
            count(all, "point", "points"),
            reasons.join(", ")
        ));
    }
    notes.extend(verdicts_of(series.iter().flat_map(|series| series.segments.iter().flatten())));
    notes.extend(view.left_out());
    Figure {
        name: view.name(&format!(
            "{}-{}-{}",
            if cells.kind == FigureKind::Blocks { "blocks" } else { "kernels" },
            quantity.word(),
            file_part(&cells.precision)
        )),
        platform: Some(view.platform),
        part,
        title: view.title(&format!("{} {title}, {precision}", capital(quantity.word()))),
        standing: view.standing(),
        notes,
        simulated: view.simulated(),
        x: Axis { title: axis.to_owned(), scale: Scale::Categories(groups(columns, cells.kind)) },
        y,
        series,
        references: Vec::new(),
    }
}

/// Names of a column's group and of the column in it.
fn names(point: &FigurePoint, kind: FigureKind) -> (String, String) {
    match kind {
        FigureKind::Blocks => (format!("i = {}", point.input), format!("b{}", point.batch)),
        FigureKind::Kernels => (format!("i{} b{}", point.input, point.batch), format!("k{}", point.kernel)),
    }
}

fn groups(columns: &[FigurePoint], kind: FigureKind) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for point in columns {
        let (group, label) = names(point, kind);
        match groups.last_mut() {
            Some(last) if last.label == group => last.labels.push(label),
            _ => groups.push(Group { label: group, labels: vec![label] }),
        }
    }
    groups
}

fn series(
    view: PlatformView<'_>,
    line: &FigureLine,
    kind: FigureKind,
    quantity: Quantity,
    y: &Axis,
) -> Series {
    let mut segments: Vec<Vec<Point>> = Vec::new();
    // Group of the previous point, unless there is a gap.
    let mut before: Option<String> = None;
    for (place, point) in line.points.iter().enumerate() {
        let cell = point.cell.map(|cell| &view.analysis.cells[cell]);
        let value = cell.and_then(|cell| quantity.of(cell)).filter(|estimate| y.holds(estimate.value));
        let (Some(cell), Some(value)) = (cell, value) else {
            before = None;
            continue;
        };
        let group = names(point, kind).0;
        if before.as_ref() != Some(&group) {
            segments.push(Vec::new());
        }
        before = Some(group);
        if let Some(segment) = segments.last_mut() {
            segment.push(Point {
                x: place as f64,
                y: value.value,
                x_interval: None,
                y_interval: value.interval,
                hover: hover(view.analysis, cell),
                verdict: cell.verdict,
            });
        }
    }
    let name = told(&line.block);
    Series { style: palette::block(&line.block), block: Some(name.clone()), name, joined: true, segments }
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
