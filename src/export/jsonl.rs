//! JSON Lines: an object for each result with every column, latencies included.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use super::columns::{View, columns};
use super::{Export, Results};
use crate::table::Datum;

pub(super) const EXPORT: Export = Export {
    name: "jsonl",
    summary: "one JSON object per line for each result, with every latency",
    is_binary: false,
    write,
};

fn write(results: &Results<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    let columns = columns();
    for row in results.rows {
        let view = View::new(row, results.platforms);
        let object: Map<String, Json> =
            columns.iter().map(|column| (column.name.to_owned(), json((column.read)(&view)))).collect();
        serde_json::to_writer(&mut *output, &object)?;
        output.write_all(b"\n")?;
    }
    Ok(0)
}

fn json(value: Datum) -> Json {
    match value {
        Datum::Absent => Json::Null,
        Datum::Text(text) => text.into(),
        Datum::Integer(number) => number.into(),
        Datum::Number(number) | Datum::Estimate(number, _) | Datum::Change(number, _) => number.into(),
        Datum::Boolean(flag) => flag.into(),
        Datum::Integers(numbers) => numbers.into(),
    }
}
