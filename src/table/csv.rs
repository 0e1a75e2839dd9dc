//! Comma-separated values (RFC 4180): a line of names, then a line for each row.

use super::{Column, Datum, Kind};

/// Which texts are in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// All, so that an empty text differs from an absent value.
    Always,
    /// Those that hold a comma, a quote or a line break.
    WhenNeeded,
}

/// The line of names. A number with an interval has three, and a list has none.
pub(crate) fn heading<'a>(columns: impl IntoIterator<Item = (&'a str, Kind)>) -> String {
    let names = columns.into_iter().filter_map(|(name, kind)| match kind {
        Kind::Integers => None,
        Kind::Estimate | Kind::Change => Some(format!("{name},{name}_low,{name}_high")),
        Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean => Some(name.to_owned()),
    });
    line(names)
}

/// The line of one row: each value with its column's type.
pub(crate) fn row<'a>(values: impl IntoIterator<Item = (&'a Datum, Kind)>, quotes: Quotes) -> String {
    line(
        values
            .into_iter()
            .filter(|(_, kind)| *kind != Kind::Integers)
            .map(|(value, kind)| field(value, kind, quotes)),
    )
}

/// The lines of a whole table.
pub(crate) fn table<R>(columns: &[Column<R>], rows: impl IntoIterator<Item = R>, quotes: Quotes) -> String {
    let mut text = heading(columns.iter().map(|column| (column.name, column.kind)));
    for one in rows {
        let values: Vec<Datum> = columns.iter().map(|column| (column.read)(&one)).collect();
        text.push_str(&row(values.iter().zip(columns.iter().map(|column| column.kind)), quotes));
    }
    text
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let mut line = fields.collect::<Vec<String>>().join(",");
    line.push('\n');
    line
}

fn field(value: &Datum, kind: Kind, quotes: Quotes) -> String {
    match value {
        Datum::Absent if matches!(kind, Kind::Estimate | Kind::Change) => ",,".to_owned(),
        Datum::Absent | Datum::Integers(_) => String::new(),
        Datum::Text(text) => quoted(text, quotes),
        Datum::Integer(number) => number.to_string(),
        Datum::Number(number) => finite(*number),
        Datum::Boolean(flag) => flag.to_string(),
        Datum::Estimate(number, interval) | Datum::Change(number, interval) => {
            let [low, high] = interval.map_or([f64::NAN; 2], |span| [span.low, span.high]);
            format!("{},{},{}", finite(*number), finite(low), finite(high))
        }
    }
}

/// A spreadsheet takes a text that begins like this for a formula, and runs it (OWASP, "CSV Injection").
const BEGINS_OF_FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The text as a field. In front of what would be a formula comes an apostrophe, as a person types it to have
/// it taken as text.
fn quoted(text: &str, quotes: Quotes) -> String {
    let guard = if text.starts_with(BEGINS_OF_FORMULAS) { "'" } else { "" };
    if quotes == Quotes::Always || text.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// Every digit; empty for what is not finite.
fn finite(number: f64) -> String {
    if number.is_finite() { number.to_string() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::column;

    #[test]
    fn text_that_a_spreadsheet_would_run_is_text() {
        let fields =
            ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "a=1", ""].map(|text| quoted(text, Quotes::WhenNeeded));
        assert_eq!(fields, ["'=1+1", "'+x", "'-x", "'@SUM(A1)", "'\t=1", "a=1", ""]);
        assert_eq!(quoted("=HYPERLINK(\"x\")", Quotes::Always), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(field(&Datum::Number(-1.5), Kind::Number, Quotes::Always), "-1.5", "a number is none");
    }

    #[test]
    fn texts_are_quoted_lists_left_out_and_absent_values_empty() {
        let columns = [
            column("text", Kind::Text, "", |row: &(&str, f64)| row.0.into()),
            column("list", Kind::Integers, "", |_| Datum::Integers(vec![1])),
            column("number", Kind::Number, "", |row| row.1.into()),
            column("nothing", Kind::Integer, "", |_| Datum::Absent),
        ];
        let rows = || [("a", 0.5), ("b, \"c\"", f64::NAN)];
        assert_eq!(
            table(&columns, rows(), Quotes::Always),
            "text,number,nothing\n\"a\",0.5,\n\"b, \"\"c\"\"\",,\n"
        );
        assert_eq!(
            table(&columns, rows(), Quotes::WhenNeeded),
            "text,number,nothing\na,0.5,\n\"b, \"\"c\"\"\",,\n"
        );
    }
}
