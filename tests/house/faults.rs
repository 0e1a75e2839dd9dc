//! The tables of faults in `docs/METHOD.md`: every test that it names is there, and every reason is one that
//! the program gives.

use std::collections::BTreeSet;
use std::path::Path;

use crate::scan::every_source;

const DOCUMENT: &str = include_str!("../../docs/METHOD.md");

/// Its last section is the table of what the daemon does while the host is in trouble.
const OPERATING: &str = include_str!("../../docs/OPERATING.md");

/// Where the tables are, and where they end.
const HEADINGS: [&str; 3] =
    ["## Faults of the host", "## Faults of devices and their tools", "## Models larger than the memory"];

/// Whose fault something can be, as `outcome.fault` says it.
const OWNERS: &[&str] = &["model", "job", "host", "unknown"];

fn source(path: &str) -> String {
    fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

/// Fault, what comes of it, and file and test.
fn rows() -> Vec<[&'static str; 3]> {
    let [of_hosts, of_devices, end] = HEADINGS.map(|heading| DOCUMENT.find(heading).expect(heading));
    let of_hosts = cells::<3>(&DOCUMENT[of_hosts..of_devices]);
    let of_devices = cells::<4>(&DOCUMENT[of_devices..end]);
    assert!(of_hosts.len() >= 30 && of_devices.len() >= 30, "{} and {}", of_hosts.len(), of_devices.len());
    let without_owner = |[fault, owner, result, held_by]: [&'static str; 4]| {
        assert!(OWNERS.contains(&owner), "{fault}: whose fault is `{owner}`?");
        let is_of_model = result.starts_with("not_compilable");
        assert_eq!(is_of_model, owner == "model", "{fault}: only the model's fault is a result about it");
        [fault, result, held_by]
    };
    let (_, of_daemon) = OPERATING.split_once(HEADINGS[0]).expect("the same heading");
    let of_daemon = cells::<3>(of_daemon);
    assert!(of_daemon.len() >= 20, "{}", of_daemon.len());
    of_hosts.into_iter().chain(of_devices.into_iter().map(without_owner)).chain(of_daemon).collect()
}

/// The rows of a table, without its heading.
fn cells<const COUNT: usize>(section: &'static str) -> Vec<[&'static str; COUNT]> {
    let lines = section.lines().filter(|line| line.starts_with("| "));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    lines
        .skip(1)
        .map(|line| cells(line).try_into().unwrap_or_else(|_| panic!("{COUNT} cells: {line}")))
        .collect()
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
