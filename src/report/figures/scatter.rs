//! Figures with numbers on both axes: Fig. 3 of the paper, roofline, platforms side by side.

use std::collections::BTreeMap;

use super::{LATENCY, PlatformView, THROUGHPUT, hover, marked, standing, verdicts_of};
use crate::analysis::Analysis;
use crate::analysis::cell::Cell;
use crate::analysis::contrast::Contrast;
use crate::analysis::estimate::Estimate;
use crate::bundle::format::VerdictState;
use crate::report::figure::{Axis, Figure, Part, Point, Reference, Role, Series};
use crate::report::giga::{self, GIGA};
use crate::report::palette;
use crate::report::text::{change, count, cut, file_part, number, told};

/// Figure 3: each block against itself inside a bottleneck, once by latency and once by throughput.
pub(super) fn bottlenecks(view: PlatformView<'_>) -> Vec<Figure> {
    let contrasts: Vec<&Contrast> = view
        .analysis
        .bottlenecks
        .iter()
        .map(|&index| &view.analysis.contrasts[index])
        .filter(|contrast| contrast.platform == view.platform)
        .collect();
    let latency = Compared {
        quantity: "latency",
        unit: LATENCY,
        reading: "below the line the bottleneck is faster",
        read: |cell| Some(cell.latency_ms),
    };
    let throughput = Compared {
        quantity: "throughput",
        unit: THROUGHPUT,
        reading: "above the line the bottleneck has the higher throughput",
        read: in_giga,
    };
    vec![bottleneck(view, &contrasts, &latency), bottleneck(view, &contrasts, &throughput)]
}

/// What is compared with and without a bottleneck.
struct Compared {
    quantity: &'static str,
    unit: &'static str,
    /// Which side of the line means what.
    reading: &'static str,
    read: fn(&Cell) -> Option<Estimate>,
}

fn bottleneck(view: PlatformView<'_>, contrasts: &[&Contrast], compared: &Compared) -> Figure {
    let Compared { quantity, unit, reading, read } = compared;
    let cells = &view.analysis.cells;
    let axes = (
        Axis::logarithmic(&format!("{unit}, without bottleneck")),
        Axis::logarithmic(&format!("{unit}, with bottleneck")),
    );
    let series: Vec<Series> = contrasts
        .iter()
        .map(|contrast| {
            let points = contrast.pairs.iter().filter_map(|pair| {
                let (from, to) = (&cells[pair.from], &cells[pair.to]);
                let text = format!(
                    "{}\n{}\nlatency {}",
                    hover(view.analysis, from),
                    hover(view.analysis, to),
                    change(pair.latency.value, pair.latency.interval)
                );
                point(&axes, read(from)?, read(to)?, text, from.verdict.max(to.verdict))
            });
            let name = told(&contrast.from);
            scattered(name.clone(), Some(name), palette::block(&contrast.from), points.collect())
        })
        .collect();
    let missing = contrasts.iter().map(|contrast| contrast.missing.len()).sum();
    let mut notes = vec![format!("Each point is one pair; {reading}.")];
    notes.extend(missing_pairs(missing));
    Scatter {
        part: Part::Bottlenecks,
        name: format!("bottlenecks-{quantity}"),
        title: format!("With and without bottleneck: {quantity}"),
        references: diagonal(&series, "equal"),
        axes,
        series,
        notes,
    }
    .on(view)
}

/// Throughput over operational density, under the roof.
pub(super) fn roofline(view: PlatformView<'_>) -> Vec<Figure> {
    let own = view.analysis.rooflines.iter().filter(|roofline| roofline.platform == view.platform);
    own.map(|roofline| {
        let axes = (Axis::logarithmic("operational density, operations/byte"), Axis::logarithmic(THROUGHPUT));
        let cells = roofline.points.iter().map(|point| point.cell);
        let series = by_block(view, cells, |cell| {
            let density = Estimate { value: cell.cost?.operational_density, interval: None };
            point(&axes, density, in_giga(cell)?, hover(view.analysis, cell), cell.verdict)
        });
        let precision = roofline
            .precision
            .as_deref()
            .map_or_else(|| "model files".to_owned(), |precision| cut(&told(precision)));
        let (low, high) = range(&series, |point| point.x);
        let (roof, slope) =
            (roofline.peaks.operations_per_second / GIGA, roofline.peaks.bytes_per_second / GIGA);
        let ridge = roofline.ridge;
        let mut corners = vec![(low, (slope * low).min(roof))];
        if ridge > low && ridge < high {
            corners.push((ridge, roof));
        }
        corners.push((high, (slope * high).min(roof)));
        let given = if roofline.given { "given" } else { "measured" };
        let reading = format!(
            "Roof {} · 10⁹ operations/s, slope {} · 10⁹ bytes/s ({given}).",
            number(roof),
            number(slope),
        );
        let is_drawable = corners.iter().all(|&(x, y)| axes.0.holds(x) && axes.1.holds(y));
        let reference = Reference { name: format!("roofline, {given}"), corners, role: Role::Guide };
        Scatter {
            part: Part::Roofline,
            name: format!("roofline-{}", file_part(roofline.precision.as_deref().unwrap_or("models"))),
            title: format!("Roofline, {precision}"),
            references: if is_drawable { vec![reference] } else { Vec::new() },
            axes,
            series,
            notes: vec![reading],
        }
        .on(view)
    })
    .collect()
}

/// More platforms than this would share colours.
const MOST_PLATFORMS: usize = 8;

/// What at least two platforms ran, by platform.
pub(super) fn platforms(analysis: &Analysis) -> Vec<Figure> {
    let mut shared: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, cell) in analysis.cells.iter().enumerate() {
        shared.entry(&cell.subject).or_default().push(index);
    }
    shared.retain(|_, cells| cells.len() > 1);
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    shared
        .values()
        .flatten()
        .for_each(|&cell| *counts.entry(analysis.cells[cell].platform).or_insert(0) += 1);
    let mut shown: Vec<usize> = counts.keys().copied().collect();
    shown.sort_by_key(|platform| (std::cmp::Reverse(counts[platform]), *platform));
    let left_out = shown.len().saturating_sub(MOST_PLATFORMS);
    shown.truncate(MOST_PLATFORMS);
    shown.sort_unstable();
    let axes = (Axis::logarithmic("complexity, 10⁹ operations"), Axis::logarithmic(THROUGHPUT));
    let series: Vec<Series> = shown
        .iter()
        .enumerate()
        .map(|(place, &platform)| {
            let own = shared.values().flatten().map(|&cell| &analysis.cells[cell]);
            let points = own.filter(|cell| cell.platform == platform).filter_map(|cell| {
                point(&axes, complexity(cell)?, in_giga(cell)?, hover(analysis, cell), cell.verdict)
            });
            let platform = &analysis.platforms[platform];
            let name = marked(platform.simulated, &told(&platform.label));
            scattered(name, None, palette::numbered(place), points.collect())
        })
        .filter(|series| !series.segments[0].is_empty())
        .collect();
    if series.len() < 2 {
        return Vec::new();
    }
    let simulated = shown.iter().any(|&platform| analysis.platforms[platform].simulated);
    let mut notes = vec!["Networks that at least two platforms ran.".to_owned()];
    if left_out > 0 {
        notes.push(format!(
            "{} not shown: those with the fewest networks in common.",
            count(left_out, "platform is", "platforms are")
        ));
    }
    notes.extend(verdicts_of(series.iter().flat_map(|series| series.segments.iter().flatten())));
    let standings: Vec<String> = shown.iter().map(|&platform| standing(analysis, platform)).collect();
    vec![Figure {
        name: "platforms".to_owned(),
        platform: None,
        part: Part::Platforms,
        title: marked(simulated, "Platforms side by side"),
        standing: standings.join(" "),
        notes,
        simulated,
        x: axes.0,
        y: axes.1,
        series,
        references: Vec::new(),
    }]
}

/// A figure with numbers on both axes; [`Scatter::on`] adds what a platform's figures have in common.
pub(super) struct Scatter {
    pub(super) part: Part,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) axes: (Axis, Axis),
    pub(super) series: Vec<Series>,
    pub(super) references: Vec<Reference>,
    /// How to read it, and what is missing.
    pub(super) notes: Vec<String>,
}

impl Scatter {
    pub(super) fn on(self, view: PlatformView<'_>) -> Figure {
        let mut notes = self.notes;
        notes.extend(verdicts_of(self.series.iter().flat_map(|series| series.segments.iter().flatten())));
        notes.extend(view.left_out());
        Figure {
            name: view.name(&self.name),
            platform: Some(view.platform),
            part: self.part,
            title: view.title(&self.title),
            standing: view.standing(),
            notes,
            simulated: view.simulated(),
            x: self.axes.0,
            y: self.axes.1,
            series: self.series,
            references: self.references,
        }
    }
}

fn missing_pairs(missing: usize) -> Option<String> {
    (missing > 0).then(|| format!("Missing: {}.", count(missing, "pair", "pairs")))
}

pub(super) fn scattered(
    name: String,
    block: Option<String>,
    style: palette::Style,
    points: Vec<Point>,
) -> Series {
    Series { name, block, style, joined: false, segments: vec![points] }
}

/// A point, if both axes can show it.
pub(super) fn point(
    axes: &(Axis, Axis),
    x: Estimate,
    y: Estimate,
    hover: String,
    verdict: VerdictState,
) -> Option<Point> {
    (axes.0.holds(x.value) && axes.1.holds(y.value)).then_some(Point {
        x: x.value,
        y: y.value,
        x_interval: x.interval,
        y_interval: y.interval,
        hover,
        verdict,
    })
}

/// Cells by block, in the order in which blocks come; model files last.
pub(super) fn by_block(
    view: PlatformView<'_>,
    cells: impl Iterator<Item = usize>,
    draw: impl Fn(&Cell) -> Option<Point>,
) -> Vec<Series> {
    let rank = |block: &str| {
        crate::network::blocks::BLOCKS.iter().position(|known| known.name == block).unwrap_or(usize::MAX)
    };
    let mut groups: BTreeMap<(bool, usize, &str), Vec<Point>> = BTreeMap::new();
    for cell in cells.map(|cell| &view.analysis.cells[cell]) {
        let Some(point) = draw(cell) else { continue };
        let key = match &cell.configuration {
            Some(configuration) => (false, rank(&configuration.block), configuration.block.as_str()),
            None => (true, 0, "model files"),
        };
        groups.entry(key).or_default().push(point);
    }
    let series = groups.into_iter().map(|((is_model, _, name), points)| {
        let told = told(name);
        let style = if is_model { palette::numbered(6) } else { palette::block(name) };
        scattered(told.clone(), (!is_model).then_some(told), style, points)
    });
    series.collect()
}

fn in_giga(cell: &Cell) -> Option<Estimate> {
    cell.throughput.map(giga::estimate)
}

pub(super) fn complexity(cell: &Cell) -> Option<Estimate> {
    Some(Estimate { value: cell.cost?.operations as f64 / GIGA, interval: None })
}

pub(super) fn range(series: &[Series], read: fn(&Point) -> f64) -> (f64, f64) {
    let values = series.iter().flat_map(|series| series.segments.iter().flatten()).map(read);
    values.fold((f64::INFINITY, 0.0), |(low, high), value| (low.min(value), high.max(value)))
}

/// The line on which both axes are equal, as far as the points reach on either.
fn diagonal(series: &[Series], name: &str) -> Vec<Reference> {
    let (left, right) = range(series, |point| point.x);
    let (bottom, top) = range(series, |point| point.y);
    let (low, high) = (left.min(bottom), right.max(top));
    if low < high && low.is_finite() {
        vec![Reference { name: name.to_owned(), corners: vec![(low, low), (high, high)], role: Role::Guide }]
    } else {
        Vec::new()
    }
}
