//! Every table as CSV with all digits. Texts are quoted and otherwise unchanged, so that programs can look
//! them up.

use crate::export::{Export, Results};
use crate::table::Datum;
use crate::table::csv::{Quotes, heading, row};

use super::table::Sheet;
use super::{Destination, File, Renderer, Report, tables};
use crate::table::Kind;

pub(super) const RENDERER: Renderer = Renderer {
    name: "csv",
    summary: "every table as a file of its own, with all digits",
    destination: Destination::Folder,
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
    let results = Results { rows: &analysis.rows, platforms: &analysis.platforms };
    // Writing to memory cannot fail, and the table is text.
    Export::find("csv")?.write(&results, &mut content).ok()?;
    Some(File { name: "rows.csv".to_owned(), content: String::from_utf8(content).ok()? })
}

/// The table, with the ids of its rows' platforms before its own columns.
pub(super) fn csv(table: &Sheet, ids: &[&str]) -> String {
    let first = std::iter::once(("platform", Kind::Text));
    let mut text = heading(first.chain(table.columns.iter().map(|column| (column.name, column.kind))));
    for one in &table.rows {
        let id: Datum = one.platform.and_then(|platform| ids.get(platform).copied()).into();
        let values = one.values.iter().zip(table.columns.iter().map(|column| column.kind));
        text.push_str(&row(std::iter::once((&id, Kind::Text)).chain(values), Quotes::Always));
    }
    text
}
