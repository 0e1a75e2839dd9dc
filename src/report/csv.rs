//! Every table as CSV (RFC 4180), with all digits. Texts are in quotes and as they came: so that programs find them again.

use crate::export::{Export, Table as Rows};

use super::table::{Kind, Table, Value};
use super::{File, Place, Renderer, Report, tables};

pub(super) const RENDERER: Renderer = Renderer {
    name: "csv",
    summary: "every table as a file of its own, with all digits",
    place: Place::Beside,
    render,
};

fn render(report: &Report<'_>) -> Vec<File> {
    let platforms = &report.analysis.platforms;
    let ids: Vec<&str> = platforms.iter().map(|platform| platform.id.as_str()).collect();
    let mut files: Vec<File> = tables::all(report)
        .iter()
        .map(|table| File { name: format!("{}.csv", table.name), content: csv(table, &ids) })
        .collect();
    let mut rows = Vec::new();
    let written = Export::find("csv")
        .map(|export| export.write(&Rows { rows: &report.analysis.rows, platforms }, &mut rows));
    // Writing to memory fails for nothing, and the table is text.
    if let (Some(Ok(_)), Ok(content)) = (written, String::from_utf8(rows)) {
        files.push(File { name: "rows.csv".to_owned(), content });
    }
    files
}

/// The table; `ids` are the platforms'.
pub(super) fn csv(table: &Table, ids: &[&str]) -> String {
    let mut text = String::from("platform");
    for column in &table.columns {
        let name = column.name;
        match column.kind {
            Kind::Estimate | Kind::Change => text.push_str(&format!(",{name},{name}_low,{name}_high")),
            Kind::Text | Kind::Number => text.push_str(&format!(",{name}")),
        }
    }
    text.push('\n');
    for row in &table.rows {
        if let Some(id) = row.platform.and_then(|platform| ids.get(platform)) {
            text.push_str(&format!("\"{id}\""));
        }
        for (value, column) in row.values.iter().zip(&table.columns) {
            text.push(',');
            field(&mut text, value, column.kind);
        }
        text.push('\n');
    }
    text
}

fn field(text: &mut String, value: &Value, kind: Kind) {
    match value {
        Value::Absent if matches!(kind, Kind::Estimate | Kind::Change) => text.push_str(",,"),
        Value::Absent => {}
        Value::Text(words) => text.push_str(&format!("\"{}\"", words.replace('"', "\"\""))),
        Value::Integer(number) => text.push_str(&number.to_string()),
        Value::Number(number) => text.push_str(&finite(*number)),
        Value::Estimate(number, interval) | Value::Change(number, interval) => {
            let end = |end: Option<f64>| end.map_or_else(String::new, finite);
            let (low, high) = (interval.map(|span| span.low), interval.map(|span| span.high));
            text.push_str(&format!("{},{},{}", finite(*number), end(low), end(high)));
        }
    }
}

fn finite(number: f64) -> String {
    if number.is_finite() { number.to_string() } else { String::new() }
}
