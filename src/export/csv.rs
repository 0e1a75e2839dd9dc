//! CSV (RFC 4180): a heading, a line for each row, lists left out. Texts are always in quotes, so that an empty text and a null
//! differ.

use std::io::{self, Write};

use super::columns::{COLUMNS, Column, Kind, Value, View};
use super::{Export, Table};

pub(super) const EXPORT: Export = Export {
    name: "csv",
    summary: "one line for each result, without the single latencies",
    is_binary: false,
    write,
};

fn write(table: &Table<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| column.kind != Kind::Integers).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    writeln!(output, "{}", names.join(","))?;
    for row in table.rows {
        let view = View::new(row, table.platforms);
        let fields: Vec<String> = columns.iter().map(|column| field((column.value)(&view))).collect();
        writeln!(output, "{}", fields.join(","))?;
    }
    Ok(0)
}

fn field(value: Value) -> String {
    match value {
        Value::Null | Value::Integers(_) => String::new(),
        Value::Text(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
    }
}
