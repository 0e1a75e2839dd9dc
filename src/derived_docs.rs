//! Tables in `docs/` that are derived from the code, and the check that they are not stale. Used by tests
//! only.
//!
//! A table is between `<!-- generated: NAME -->` and `<!-- end generated -->`. With `BACKBONE_REGENERATE=1`
//! in the environment the test writes it instead of comparing it.

use std::path::Path;

const END: &str = "<!-- end generated -->";

/// Fails unless the block of that name in the document equals `text`; writes it when regenerating.
pub(crate) fn assert_current(document: &str, name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let must_write = std::env::var_os("BACKBONE_REGENERATE").is_some_and(|value| value == "1");
    // Several tests regenerate blocks of one document at once: hold its lock between reading and writing.
    let file = fs_err::File::open(&path).unwrap();
    if must_write {
        file.file().lock().unwrap();
    }
    let present = fs_err::read_to_string(&path).unwrap();
    let wanted = replaced(&present, name, text)
        .unwrap_or_else(|| panic!("{document} has no block `<!-- generated: {name} -->` … `{END}`"));
    if must_write {
        fs_err::write(&path, wanted).unwrap();
        return;
    }
    assert!(
        present == wanted,
        "the block `{name}` in {document} is stale; `make docs` writes:\n{}",
        changed_lines(&present, &wanted)
    );
}

/// Lines of one text only, each with the sign that a diff gives it. Lines that only moved are not shown.
fn changed_lines(present: &str, wanted: &str) -> String {
    let only_in = |text: &str, other: &str, sign: char| -> String {
        let lines = text.lines().filter(|line| other.lines().all(|known| known != *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    let changed = only_in(present, wanted, '-') + &only_in(wanted, present, '+');
    if changed.is_empty() { "the same lines in another order or number".to_owned() } else { changed }
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let start = format!("<!-- generated: {name} -->\n");
    let (before, rest) = document.split_once(&start)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{start}{}\n{END}{after}", text.trim_end()))
}

#[test]
fn stale_block_is_replaced_and_the_rest_kept() {
    let document = "a\n<!-- generated: x -->\nold\n<!-- end generated -->\nb\n";
    assert_eq!(
        replaced(document, "x", "new\n").unwrap(),
        "a\n<!-- generated: x -->\nnew\n<!-- end generated -->\nb\n"
    );
    assert_eq!(replaced(document, "y", "new"), None);
}

#[test]
fn changed_lines_are_those_of_one_text_only() {
    assert_eq!(changed_lines("same\nold\n", "new\nsame\n"), "- old\n+ new\n");
    assert!(changed_lines("a\nb\n", "b\na\n").contains("another order"));
}
