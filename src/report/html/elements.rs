//! Elements of every section: figures with their numbers, tables, links to files.

use maud::{Markup, PreEscaped, html};

use super::Detail;
use crate::report::figure::{Figure, Part};
use crate::report::table::{Heading, Sheet};
use crate::report::text::{change, count, estimate, number, told};
use crate::report::{Report, svg};
use crate::table::{Datum, Kind};

/// A link to a file in the folder next to the report, or to that folder.
pub(super) fn file(report: &Report<'_>, name: &str) -> Markup {
    let path = format!("{}/{name}", report.folder);
    // A folder's name may hold characters with a meaning in links.
    let link: String = path.bytes().map(encoded).collect();
    html! { a href=(format!("./{link}")) { (told(&path)) } }
}

fn encoded(byte: u8) -> String {
    match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    }
}

/// A number that leads to the results behind it.
pub(super) fn linked(text: &str, rows: &[usize], detail: Detail) -> Markup {
    let Some(first) = rows.first() else { return html! { (text) } };
    // A list for each number of a fleet would not fit.
    let listed = if detail < Detail::Overview { rows } else { &rows[..1] };
    let listed: Vec<String> = listed.iter().map(usize::to_string).collect();
    html! { a.behind href=(format!("#row-{first}")) data-rows=(listed.join(" ")) { (text) } }
}

/// How many results are behind a sentence, as a link to them.
pub(super) fn results_behind(rows: &[usize], detail: Detail) -> Markup {
    html! { "(" (linked(&count(rows.len(), "result", "results"), rows, detail)) ")" }
}

/// The figures of a part, or why there are none.
pub(super) fn figures(report: &Report<'_>, platform: Option<usize>, part: Part, detail: Detail) -> Markup {
    let figures = report.figures.drawn.iter().filter(|one| one.platform == platform && one.part == part);
    let absent = report.figures.absent.iter().filter(|one| one.platform == platform && one.part == part);
    html! {
        @for figure in figures { (draw(report, figure, detail)) }
        @for absent in absent { p.absent { "No figure: " (absent.why) "." } }
    }
}

/// Whether the script draws the figure; the others are only in their files.
pub(super) fn is_interactive(figure: &Figure, detail: Detail) -> bool {
    detail < Detail::Overview || matches!(figure.part, Part::Choice | Part::Roofline | Part::Platforms)
}

fn draw(report: &Report<'_>, figure: &Figure, detail: Detail) -> Markup {
    let svg_file = format!("{}.svg", figure.name);
    if !is_interactive(figure, detail) {
        return html! { p { (figure.title) ": " (file(report, &svg_file)) } };
    }
    html! {
        figure.figure id=(format!("figure-{}", figure.name)) {
            div.interactive data-figure=(figure.name) hidden {}
            @if detail < Detail::WithoutStatic {
                div.static { (PreEscaped(svg::within_page(figure))) }
            } @else {
                noscript { p { (figure.title) ": " (file(report, &svg_file)) } }
            }
            figcaption {
                strong { (figure.title) } "."
                @for note in &figure.notes { " " (note) }
                " " (file(report, &svg_file))
            }
            @if detail < Detail::WithoutStatic {
                details { summary { "Numbers of this figure" } (numbers(figure)) }
            }
        }
    }
}

/// The figure as a table, for people who cannot see it.
fn numbers(figure: &Figure) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(figure.title) {
            table {
                thead { tr { th scope="col" { "Series" } th scope="col" { (figure.x.title) } th.n scope="col" { (figure.y.title) } th scope="col" { "Network" } } }
                tbody {
                    @for (series, point) in figure.points() {
                        tr {
                            td { (series.name) }
                            td { @if point.x_interval.is_some() { (estimate(point.x, point.x_interval)) } @else { (figure.x.name_of(point.x)) } }
                            td.n { (estimate(point.y, point.y_interval)) }
                            td { (point.hover.lines().next().unwrap_or_default()) @if point.is_suspect() { " △ suspect" } }
                        }
                    }
                }
            }
        }
    }
}

/// A long table that opens with a click, or the file that has it.
pub(super) fn paired(table: &Sheet, summary: &str, report: &Report<'_>, detail: Detail) -> Markup {
    let count = table.rows.len();
    html! {
        @if count == 0 {
        } @else if detail == Detail::Everything {
            details { summary { (summary) " (" (count) ")" } (self::table(table, usize::MAX, report)) }
        } @else {
            p { (summary) " (" (count) "): " (file(report, &format!("{}.csv", table.name))) }
        }
    }
}

/// The first `most` rows of a table.
pub(super) fn table(table: &Sheet, most: usize, report: &Report<'_>) -> Markup {
    // People need no column that is empty in every row.
    let shown: Vec<(usize, &Heading)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(place, _)| table.rows.iter().any(|row| row.values[*place] != Datum::Absent))
        .collect();
    html! {
        div.scroll tabindex="0" role="group" aria-label=(table.name.replace('-', " ")) {
            table {
                thead { tr { @for (_, column) in &shown {
                    @if column.kind == Kind::Text { th scope="col" { (column.text) } } @else { th.n scope="col" { (column.text) } }
                } } }
                tbody {
                    @for row in table.rows.iter().take(most) {
                        tr { @for (place, column) in &shown {
                            @if column.kind == Kind::Text { td { (shown_value(&row.values[*place])) } } @else { td.n { (shown_value(&row.values[*place])) } }
                        } }
                    }
                }
            }
        }
        @if table.rows.len() > most {
            p { "The first " (most) " of " (table.rows.len()) "; the rest are in " (file(report, &format!("{}.csv", table.name))) "." }
        }
    }
}

/// A table of few long rows, transposed: a column for each row.
pub(super) fn turned(table: &Sheet) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(table.name.replace('-', " ")) {
            table {
                @for (place, column) in table.columns.iter().enumerate() {
                    @if place == 0 {
                        thead { tr { th scope="col" { (column.text) } @for row in &table.rows { th scope="col" { (shown_value(&row.values[place])) } } } }
                    } @else if table.rows.iter().any(|row| row.values[place] != Datum::Absent) {
                        tr { th scope="row" { (column.text) } @for row in &table.rows { td { (shown_value(&row.values[place])) } } }
                    }
                }
            }
        }
    }
}

fn shown_value(value: &Datum) -> String {
    match value {
        Datum::Absent => "–".to_owned(),
        Datum::Text(text) => told(text),
        Datum::Integer(integer) => integer.to_string(),
        Datum::Boolean(flag) => flag.to_string(),
        Datum::Integers(numbers) => numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
        Datum::Number(value) => number(*value),
        Datum::Estimate(value, interval) => estimate(*value, *interval),
        Datum::Change(value, interval) => change(*value, *interval),
    }
}
