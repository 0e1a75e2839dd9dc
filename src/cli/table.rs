//! Tables for terminals: columns of text, left-aligned, two spaces apart.
//!
//! Without borders, colours or wrapping, so that `awk` and `column` can read it; no crate is needed for that.

use std::borrow::Cow;

/// Longer cells are cut off: a name in a hostile file may have megabytes, and every other cell of its column
/// would be padded to that.
const WIDEST_CELL: usize = 400;

/// Rows under their headings. Cells are padded to the widest of their column; the last column is not padded.
/// Widths are counted in characters, which is right for everything that this program prints itself.
pub(crate) fn render(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| cut_off(cell)).collect()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    line(&mut text, &widths, headings.iter().copied());
    for row in &rows {
        line(&mut text, &widths, row.iter().map(Cow::as_ref));
    }
    text
}

/// Indent every line by two spaces, for a table below a heading.
pub(crate) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn cut_off(cell: &str) -> Cow<'_, str> {
    match cell.char_indices().nth(WIDEST_CELL) {
        Some((end, _)) => Cow::Owned(format!("{}…", &cell[..end])),
        None => Cow::Borrowed(cell),
    }
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let mut written = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        written.push_str(&format!("{cell:<width$}  "));
    }
    text.push_str(written.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_where_their_text_ends() {
        let rows = [vec!["résumé".to_owned(), "1".to_owned()], vec!["x".to_owned(), String::new()]];
        insta::assert_snapshot!(render(&["job", "runs"], &rows), @"
        job     runs
        résumé  1
        x
        ");
        assert!(!render(&["job", "runs"], &rows).contains(" \n"));
    }

    #[test]
    fn cell_of_a_hostile_length_is_cut_off_and_pads_no_other_to_it() {
        // Rust pads to 65,535 characters at most, and panics beyond.
        let rows = [vec!["é".repeat(70_000), "1".to_owned()], vec!["x".to_owned(), "2".to_owned()]];
        let text = render(&["name", "runs"], &rows);
        assert!(text.lines().all(|line| line.chars().count() <= WIDEST_CELL + 8), "{}", text.len());
        assert!(text.contains("é…  1\n"));
    }
}
