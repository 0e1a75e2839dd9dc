//! The table of what each result takes besides latency.

use crate::analysis::Analysis;
use crate::analysis::resources::RowResources;
use crate::analysis::row::Row;
use crate::report::table::Sheet;
use crate::report::tables::Only;
use crate::table::Kind::{Number, Text};
use crate::table::column;

/// Bytes of the unit in which memory is shown.
const MEBIBYTE: f64 = 1_048_576.0;

/// Every result that observed something.
pub(in crate::report) fn resources(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.rows.iter().filter(|row| row.platform.is_some_and(|platform| only.holds(platform)));
    Sheet::new(
        "resources",
        own.filter_map(|row| Some((row.platform, (row, row.resources?)))),
        &[
            column("subject", Text, "Network", |(row, _): &(&Row, RowResources)| row.subject().into()),
            column("load_seconds", Number, "Load, s", |(_, taken)| taken.load_seconds.into()),
            column("first_inference_seconds", Number, "First inference, s", |(_, taken)| {
                taken.first_inference_seconds.into()
            }),
            column("loaded_mebibytes", Number, "Memory when loaded, MiB", |(_, taken)| {
                taken.memory_after_load_bytes.map(|bytes| bytes / MEBIBYTE).into()
            }),
            column("peak_mebibytes", Number, "Peak memory, MiB", |(_, taken)| {
                taken.peak_memory_bytes.map(|bytes| bytes / MEBIBYTE).into()
            }),
            column("compiled_mebibytes", Number, "Compiled, MiB", |(_, taken)| {
                taken.compiled_bytes.map(|bytes| bytes as f64 / MEBIBYTE).into()
            }),
            column("row", Text, "Result", |(row, _)| row.id.as_str().into()),
        ],
    )
}
