//! Results for other tools: a table in the formats that spreadsheets, DuckDB, Polars and pyperf read.
//!
//! [`EXPORTS`] lists the formats and [`columns::columns`] the columns; help, documents and tests follow from
//! them. Nothing is computed here, and a row is left out only if the format has no place for it. Rows come
//! from `collect`, bytes go to a writer.

use std::io::{self, Write};

use crate::analysis::platform::Platform;
use crate::analysis::row::Row;

pub(crate) mod columns;
mod csv;
mod jsonl;
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
}

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Results<'a> {
    /// The rows, with their platforms assigned.
    pub rows: &'a [Row],
    /// The platforms.
    pub platforms: &'a [Platform],
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
}
