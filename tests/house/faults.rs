//! The table of faults in `docs/METHOD.md`: every test that it names is there, and every reason is one that
//! the program gives.

use std::collections::BTreeSet;
use std::path::Path;

use crate::scan::every_source;

/// The documents, each with its end of the section that has the table.
const DOCUMENTS: [(&str, &str); 2] = [
    (include_str!("../../docs/METHOD.md"), "\n## Verdicts"),
    (include_str!("../../docs/OPERATING.md"), "\n## Nothing after it"),
];

/// Where the table is.
const HEADING: &str = "\n## Faults of the host";

fn source(path: &str) -> String {
    fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

/// Fault, what comes of it, and file and test.
fn rows() -> Vec<[&'static str; 3]> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let of_document = |(document, end): (&'static str, &str)| {
        let begin = document.find(HEADING).expect(HEADING);
        let section = &document[begin..document.find(end).unwrap_or(document.len())];
        // The first is the heading.
        let lines = section.lines().filter(|line| line.starts_with("| ")).skip(1);
        lines.map(|line| cells(line).try_into().expect("three cells")).collect::<Vec<_>>()
    };
    DOCUMENTS.into_iter().flat_map(of_document).collect()
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_fault_has_a_test_that_is_there() {
    let rows = rows();
    assert!(rows.len() >= 30, "found only {rows:?}");
    for [fault, _, held_by] in &rows {
        let [file, test] = quoted(held_by).collect::<Vec<_>>().try_into().expect("a file and a test");
        let text = source(file);
        let place =
            text.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{fault}: no test {test} in {file}"));
        assert!(text[..place].trim_end().ends_with("#[test]"), "{fault}: {test} is no test");
    }
    let faults: BTreeSet<&str> = rows.iter().map(|[fault, ..]| *fault).collect();
    assert_eq!(faults.len(), rows.len());
}

#[test]
fn every_reason_of_a_fault_is_one_that_the_program_gives() {
    let sources = every_source().iter().filter(|source| !source.is_test);
    let sources: String = sources.map(|source| source.text.as_str()).collect();
    let mut codes = BTreeSet::new();
    for [fault, outcome, _] in rows() {
        for code in quoted(outcome) {
            let is_given = sources.contains(&format!("\"{code}\"")) || code == "unobservable";
            assert!(is_given, "{fault}: nothing gives `{code}`");
            codes.insert(code);
        }
    }
    assert!(codes.len() >= 15, "found only {codes:?}");
}
