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
        "the block `{name}` in {document} is stale: run BACKBONE_REGENERATE=1 cargo test\nit should be:\n{text}"
    );
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
