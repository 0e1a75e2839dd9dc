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

fn render<'a>(report: &'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a> {
    let platforms = &report.analysis.platforms;
    let ids: Vec<&str> = platforms.iter().map(|platform| platform.id.as_str()).collect();
    let tables = tables::all(report)
        .map(move |table| File { name: format!("{}.csv", table.name), content: csv(&table, &ids) });
    Box::new(tables.chain(std::iter::once_with(|| rows(report)).flatten()))
}

fn rows(report: &Report<'_>) -> Option<File> {
    let analysis = report.analysis;
    let mut content = Vec::new();
    let rows = Rows { rows: &analysis.rows, platforms: &analysis.platforms };
    // Writing to memory fails for nothing, and the table is text.
    Export::find("csv")?.write(&rows, &mut content).ok()?;
    Some(File { name: "rows.csv".to_owned(), content: String::from_utf8(content).ok()? })
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
