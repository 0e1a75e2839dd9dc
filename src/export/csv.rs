//! CSV: a line of names, then a line for each result. Every text is quoted, so that an empty text and null
//! differ.

use std::io::{self, Write};

use super::{Export, TableFormat, write_layers, write_results};
use crate::table::csv::{self, Quotes};
use crate::table::{Column, Datum};

pub(super) const EXPORT: Export = Export {
    name: "csv",
    summary: "one line for each result, without the individual latencies",
    is_binary: false,
    write: write_results::<Csv>,
    write_layers: Some(write_layers::<Csv>),
};

struct Csv;

impl TableFormat for Csv {
    fn write_table<R>(
        columns: &[Column<R>],
        rows: impl Iterator<Item = R>,
        output: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        let kinds = || columns.iter().map(|column| column.kind);
        output.write_all(csv::heading(columns.iter().map(|column| (column.name, column.kind))).as_bytes())?;
        for row in rows {
            let values: Vec<Datum> = columns.iter().map(|column| (column.read)(&row)).collect();
            output.write_all(csv::row(values.iter().zip(kinds()), Quotes::Always).as_bytes())?;
        }
        Ok(())
    }
}
