//! JSON Lines: an object for each result with every column, latencies included.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use super::{Export, TableFormat, write_layers, write_results};
use crate::table::{Column, Datum};

pub(super) const EXPORT: Export = Export {
    name: "jsonl",
    summary: "one JSON object per line for each result, with every latency",
    is_binary: false,
    write: write_results::<JsonLines>,
    write_layers: Some(write_layers::<JsonLines>),
};

struct JsonLines;

impl TableFormat for JsonLines {
    fn write_table<R>(
        columns: &[Column<R>],
        rows: impl Iterator<Item = R>,
        output: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        for row in rows {
            let object: Map<String, Json> =
                columns.iter().map(|column| (column.name.to_owned(), json((column.read)(&row)))).collect();
            serde_json::to_writer(&mut *output, &object)?;
            output.write_all(b"\n")?;
        }
        Ok(())
    }
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
