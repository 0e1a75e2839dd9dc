//! `docs/ARCHITECTURE.md` names files and tests that exist, and leaves no folder of the sources out.

use std::path::Path;

const DOCUMENT: &str = include_str!("../../docs/ARCHITECTURE.md");

/// Where the invariants begin and end: there, what is written like a function is the name of a test.
const INVARIANTS: [&str; 2] = ["## Invariants", "## Cross-cutting"];

/// Shorter words in code style are not names of tests.
const SHORTEST_TEST_NAME: usize = 24;

/// Everything in code style, on one line.
fn quoted(text: &str) -> Vec<&str> {
    let inside = text.split('`').skip(1).step_by(2);
    inside.filter(|quoted| !quoted.contains('\n')).collect()
}

fn is_path(quoted: &str) -> bool {
    let roots = ["src/", "tests/", "docs/", "systemd/", "inbox-examples/", "tools/", "benches/", ".ci/"];
    roots.iter().any(|root| quoted.starts_with(root))
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

#[test]
fn every_file_it_names_exists() {
    let paths: Vec<&str> = quoted(DOCUMENT).into_iter().filter(|quoted| is_path(quoted)).collect();
    assert!(paths.len() > 50, "found only {paths:?}");
    let missing: Vec<&&str> = paths.iter().filter(|path| !exists(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_test_it_names_is_in_the_file_it_names() {
    let [begin, end] = INVARIANTS.map(|heading| DOCUMENT.find(heading).expect(heading));
    let (mut text, mut named) = (String::new(), 0);
    for quoted in quoted(&DOCUMENT[begin..end]) {
        if is_path(quoted) {
            text =
                fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(quoted)).expect("a file");
        } else if quoted.len() >= SHORTEST_TEST_NAME && quoted.contains('_') {
            named += 1;
            assert!(text.contains(&format!("fn {quoted}(")), "no test {quoted} in the file named before it");
        }
    }
    assert!(named > 20, "found only {named} tests");
}

#[test]
fn every_module_of_the_library_is_on_the_map() {
    let mut missing = Vec::new();
    for entry in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("src") {
        let entry = entry.expect("entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        let folder = if entry.path().is_dir() { "/" } else { "" };
        missing.push(format!("`src/{name}{folder}`"));
    }
    missing.retain(|quoted| !DOCUMENT.contains(quoted));
    assert!(missing.is_empty(), "not on the map: {missing:?}");
}
