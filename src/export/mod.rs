//! Results for other tools: a table in the formats that spreadsheets, DuckDB, Polars and pyperf read.
//!
//! [`EXPORTS`] lists the formats, [`columns::columns`] and [`layers::columns`] the columns; help, documents
//! and tests follow from them. Nothing is computed here, and a row is left out only if the format has no
//! place for it. Rows come from `collect`, bytes go to a writer.

use std::io::{self, Write};

use crate::analysis::platform::Platform;
use crate::analysis::row::Row;
use crate::table::Column;

pub(crate) mod columns;
mod csv;
mod jsonl;
pub(crate) mod layers;
mod parquet;
mod pyperf;
#[cfg(test)]
mod tests;

/// Every format, in the order of help.
pub(crate) const EXPORTS: &[Export] = &[csv::EXPORT, jsonl::EXPORT, parquet::EXPORT, pyperf::EXPORT];

/// A format.
#[derive(Debug)]
pub(crate) struct Export {
    /// Its name, as `--format` takes it.
    pub name: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// Whether its bytes do not belong on a terminal.
    pub is_binary: bool,
    /// Writes the results and returns how many rows it had no place for.
    write: fn(&Results<'_>, &mut (dyn Write + Send)) -> io::Result<usize>,
    /// Writes the layers of profiled results; `None` if the format has no place for them.
    write_layers: Option<WriteLayers>,
}

type WriteLayers = fn(&Results<'_>, &mut (dyn Write + Send)) -> io::Result<()>;

/// A format that writes any table.
trait TableFormat {
    /// Write a row of the table for each of `rows`.
    fn write_table<R>(
        columns: &[Column<R>],
        rows: impl Iterator<Item = R>,
        output: &mut (dyn Write + Send),
    ) -> io::Result<()>;
}

/// Every result as a row; it has a place for all of them.
fn write_results<F: TableFormat>(
    results: &Results<'_>,
    output: &mut (dyn Write + Send),
) -> io::Result<usize> {
    F::write_table(&columns::columns(), results.views(), output).map(|()| 0)
}

/// Every layer of every profiled result as a row.
fn write_layers<F: TableFormat>(results: &Results<'_>, output: &mut (dyn Write + Send)) -> io::Result<()> {
    F::write_table(&layers::columns(), results.layers(), output)
}

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Results<'a> {
    /// The rows, with their platforms assigned.
    pub rows: &'a [Row],
    /// The platforms.
    pub platforms: &'a [Platform],
}

impl<'a> Results<'a> {
    /// Every result, as [`columns::columns`] read it.
    fn views(&self) -> impl Iterator<Item = columns::View<'a>> {
        let Self { rows, platforms } = *self;
        rows.iter().map(|row| columns::View::new(row, platforms))
    }

    /// Every layer of every profiled result, as [`layers::columns`] read it.
    fn layers(&self) -> impl Iterator<Item = layers::LayerView<'a>> {
        self.rows.iter().flat_map(layers::LayerView::of_row)
    }
}

impl Export {
    /// The format of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        EXPORTS.iter().find(|export| export.name == name)
    }

    /// Write the results and return how many rows the format has no place for.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn write(&self, results: &Results<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
        (self.write)(results, output)
    }

    /// Has the format a place for layers?
    pub(crate) fn has_layers(&self) -> bool {
        self.write_layers.is_some()
    }

    /// Write a row for each layer of each profiled result; nothing if the format has no place for them.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn write_layers(
        &self,
        results: &Results<'_>,
        output: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        self.write_layers.map_or(Ok(()), |write| write(results, output))
    }
}
