//! The columns of an export of layers: one row for each layer of each profiled result.
//!
//! `id` is that of the result, by which rows join the export of results.

use crate::analysis::row::Row;
use crate::bundle::format::Layer;
use crate::table::Kind::{Integer, Number, Text};
use crate::table::{Column, Datum, Kind};

/// A layer with its result.
#[derive(Debug)]
pub(super) struct LayerView<'a> {
    row: &'a Row,
    /// From 1, in the order in which they ran.
    place: usize,
    layer: &'a Layer,
}

impl<'a> LayerView<'a> {
    pub(super) fn of_row(row: &'a Row) -> impl Iterator<Item = Self> {
        row.layers.iter().enumerate().map(move |(index, layer)| Self { row, place: index + 1, layer })
    }
}

const fn column<'a>(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    meaning: &'static str,
    read: fn(&LayerView<'a>) -> Datum,
) -> Column<LayerView<'a>> {
    Column { name, kind, unit, meaning, read }
}

/// Every column, in order.
#[rustfmt::skip]
pub(super) fn columns<'a>() -> Vec<Column<LayerView<'a>>> {
    vec![
        column("id", Text, "", "The result, as in the export of results.", |view| view.row.id.as_str().into()),
        column("network", Text, "", "The network: θ, or the model file.", |view| view.row.subject().into()),
        column("place", Integer, "1", "Place of the layer, from 1, in the order in which they ran.", |view| view.place.into()),
        column("layer", Text, "", "Its name in the runtime.", |view| view.layer.name.as_str().into()),
        column("operator", Text, "", "Its operator in the runtime's spelling; null if not reported.", |view| view.layer.operator.as_deref().into()),
        column("provider", Text, "", "The execution provider or delegate that ran it; null for a runtime without them.", |view| view.layer.provider.as_deref().into()),
        column("macs", Integer, "1", "Multiply-accumulates of the model's products in it; null if not known.", |view| view.layer.macs.into()),
        column("mean", Number, "ms", "Mean time per inference.", |view| view.layer.mean_milliseconds.into()),
        column("median", Number, "ms", "Median time per inference; null if not reported.", |view| view.layer.median_milliseconds.into()),
    ]
}
