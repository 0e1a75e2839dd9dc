//! Rows for other tools: a table in the formats that spreadsheets, DuckDB, Polars and pyperf read.
//!
//! [`EXPORTS`] is the one list of formats, [`columns::COLUMNS`] the one list of columns; help, documents and tests follow from
//! them. Nothing is computed here but what `analysis` already has, and no row is left out but where a format cannot hold it.
//! Rows come from `collect`, bytes go to a writer.

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
    /// Are its bytes for no terminal?
    pub is_binary: bool,
    /// Write the table; tells how many rows it could not hold.
    write: fn(&Table<'_>, &mut (dyn Write + Send)) -> io::Result<usize>,
}

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    /// The rows, each with its platform's place.
    pub rows: &'a [Row],
    /// The platforms.
    pub platforms: &'a [Platform],
}

impl Export {
    /// The format of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        EXPORTS.iter().find(|export| export.name == name)
    }

    /// Write the table, and tell how many rows the format has no place for.
    ///
    /// # Errors
    /// What the writer tells.
    pub(crate) fn write(&self, table: &Table<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
        (self.write)(table, output)
    }
}
