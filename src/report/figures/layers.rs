//! Where the time of a profiled network goes: its layers in the order in which they ran.

use std::collections::BTreeMap;

use super::PlatformView;
use crate::analysis::row::Row;
use crate::bundle::format::{Layer, VerdictState};
use crate::report::figure::{Axis, Figure, Part, Point, Series};
use crate::report::palette;
use crate::report::text::{count, cut, file_part, number, told};

/// Figures of one platform; the table has every profiled network.
const MOST_FIGURES: usize = 12;

/// Operators with a colour of their own: those that take the most time. The others share the last one.
const MOST_OPERATORS: usize = 7;

const OTHERS: &str = "other operators";

/// One figure for each profiled network.
pub(super) fn layers(view: PlatformView<'_>) -> Vec<Figure> {
    profiled(view).take(MOST_FIGURES).map(|row| of_row(view, row)).collect()
}

/// The results of this platform that have the time of each layer.
pub(super) fn profiled<'a>(view: PlatformView<'a>) -> impl Iterator<Item = &'a Row> {
    let own = move |row: &&Row| row.platform == Some(view.platform) && !row.layers.is_empty();
    view.analysis.rows.iter().filter(own)
}

fn of_row(view: PlatformView<'_>, row: &Row) -> Figure {
    let total: f64 = row.layers.iter().map(|layer| layer.mean_milliseconds).sum();
    let mut times: BTreeMap<&str, f64> = BTreeMap::new();
    for layer in &row.layers {
        *times.entry(operator(layer)).or_default() += layer.mean_milliseconds;
    }
    let mut ranked: Vec<(&str, f64)> = times.into_iter().collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
    let shown = if ranked.len() > MOST_OPERATORS + 1 { MOST_OPERATORS } else { ranked.len() };
    let rank = |layer: &Layer| {
        let found = ranked[..shown].iter().position(|(name, _)| *name == operator(layer));
        found.unwrap_or(shown)
    };
    let mut points: Vec<Vec<Point>> = vec![Vec::new(); shown + 1];
    for (place, layer) in row.layers.iter().enumerate() {
        points[rank(layer)].push(point(place, layer, total));
    }
    let other_time: f64 = ranked[shown..].iter().map(|(_, time)| time).sum();
    let names = ranked[..shown].iter().copied().chain([(OTHERS, other_time)]);
    let series = names.zip(points).enumerate().filter(|(_, (_, points))| !points.is_empty());
    let series = series.map(|(place, ((name, time), points))| Series {
        name: format!("{}, {}", cut(&told(name)), share(time, total)),
        block: None,
        style: palette::numbered(place),
        joined: false,
        segments: vec![points],
    });
    let subject = row.subject().unwrap_or_else(|| "network".to_owned());
    let mut notes = vec![format!(
        "{}, {} ms together; a run with the profiler on, slower than the measured ones.",
        count(row.layers.len(), "layer", "layers"),
        number(total),
    )];
    let more = profiled(view).count().saturating_sub(MOST_FIGURES);
    if more > 0 {
        notes.push(format!("{} in the table only.", count(more, "more network is", "more networks are")));
    }
    Figure {
        name: view.name(&format!("layers-{}", file_part(&subject))),
        platform: Some(view.platform),
        part: Part::Layers,
        title: view.title(&format!("Where the time goes: {}", told(&subject))),
        standing: view.standing(),
        notes,
        simulated: view.simulated(),
        x: Axis::linear("layer, in the order in which they ran"),
        y: Axis::linear("mean time, ms"),
        series: series.collect(),
        references: Vec::new(),
    }
}

fn operator(layer: &Layer) -> &str {
    layer.operator.as_deref().unwrap_or("operator not reported")
}

fn point(place: usize, layer: &Layer, total: f64) -> Point {
    let mut lines = vec![
        cut(&told(&layer.name)),
        told(operator(layer)),
        format!("{} ms, {}", number(layer.mean_milliseconds), share(layer.mean_milliseconds, total)),
    ];
    lines.extend(layer.macs.filter(|macs| *macs > 0).map(|macs| format!("{macs} MACs")));
    lines.extend(layer.provider.as_deref().map(told));
    Point {
        x: (place + 1) as f64,
        y: layer.mean_milliseconds,
        x_interval: None,
        y_interval: None,
        hover: lines.join("\n"),
        verdict: VerdictState::Valid,
    }
}

fn share(time: f64, total: f64) -> String {
    if total > 0.0 { format!("{:.1} %", 100.0 * time / total) } else { "0 %".to_owned() }
}
