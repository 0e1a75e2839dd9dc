//! CSV: a line of names, then a line for each result. Every text is quoted, so that an empty text and null
//! differ.

use std::io::{self, Write};

use super::columns::{View, columns};
use super::{Export, Results};
use crate::table::Datum;
use crate::table::csv::{self, Quotes};

pub(super) const EXPORT: Export = Export {
    name: "csv",
    summary: "one line for each result, without the individual latencies",
    is_binary: false,
    write,
};

fn write(results: &Results<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    let columns = columns();
    let kinds = || columns.iter().map(|column| column.kind);
    output.write_all(csv::heading(columns.iter().map(|column| (column.name, column.kind))).as_bytes())?;
    for row in results.rows {
        let view = View::new(row, results.platforms);
        let values: Vec<Datum> = columns.iter().map(|column| (column.read)(&view)).collect();
        output.write_all(csv::row(values.iter().zip(kinds()), Quotes::Always).as_bytes())?;
    }
    Ok(0)
}
