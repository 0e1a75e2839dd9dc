//! JSON Lines: an object for each row, every column in it, latencies included.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use super::columns::{COLUMNS, Value, View};
use super::{Export, Table};

pub(super) const EXPORT: Export = Export {
    name: "jsonl",
    summary: "one JSON object a line for each result, with every latency",
    is_binary: false,
    write,
};

fn write(table: &Table<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    for row in table.rows {
        let view = View::new(row, table.platforms);
        let object: Map<String, Json> =
            COLUMNS.iter().map(|column| (column.name.to_owned(), json((column.value)(&view)))).collect();
        serde_json::to_writer(&mut *output, &object)?;
        output.write_all(b"\n")?;
    }
    Ok(0)
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Text(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Number(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Integers(numbers) => numbers.into(),
    }
}
