//! The table of layers: where the time of the profiled networks goes.

use crate::analysis::Analysis;
use crate::analysis::row::Row;
use crate::bundle::format::Layer;
use crate::report::giga::GIGA;
use crate::report::table::Sheet;
use crate::report::tables::Only;
use crate::table::Kind::{Integer, Number, Text};
use crate::table::column;

/// Every layer of every profiled result, in the order in which they ran.
pub(in crate::report) fn layers(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.rows.iter().filter(|row| row.platform.is_some_and(|platform| only.holds(platform)));
    Sheet::new(
        "layers",
        own.flat_map(|row| {
            let total: f64 = row.layers.iter().map(|layer| layer.mean_milliseconds).sum();
            row.layers.iter().map(move |layer| (row.platform, (row, layer, total)))
        }),
        &[
            column("subject", Text, "Network", |(row, ..): &(&Row, &Layer, f64)| row.subject().into()),
            column("layer", Text, "Layer", |(_, layer, _)| layer.name.as_str().into()),
            column("operator", Text, "Operator", |(_, layer, _)| layer.operator.as_deref().into()),
            column("provider", Text, "Provider", |(_, layer, _)| layer.provider.as_deref().into()),
            column("mean_ms", Number, "Mean time, ms", |(_, layer, _)| layer.mean_milliseconds.into()),
            column("share_percent", Number, "Share, %", |(_, layer, total)| {
                (*total > 0.0).then(|| 100.0 * layer.mean_milliseconds / total).into()
            }),
            column("macs", Integer, "MACs", |(_, layer, _)| layer.macs.into()),
            column("throughput", Number, "Throughput, 10⁹ operations/s", |(_, layer, _)| {
                throughput(layer).into()
            }),
            column("row", Text, "Result", |(row, ..)| row.id.as_str().into()),
        ],
    )
}

/// In 10⁹ operations a second; `None` for a layer without products.
fn throughput(layer: &Layer) -> Option<f64> {
    let macs = layer.macs.filter(|macs| *macs > 0 && layer.mean_milliseconds > 0.0)?;
    Some(2.0 * macs as f64 / (layer.mean_milliseconds / 1e3) / GIGA)
}
