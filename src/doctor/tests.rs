//! The list of checks, and what can be seen in this process only. Every other finding is made on a fake host
//! in `tests/devices/doctor.rs`.

use std::collections::BTreeSet;

use super::subject::Subject;
use super::*;

fn observed<T>(look: impl FnOnce(&mut Subject) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let root = HostRoot::new(folder.path()).unwrap();
    let asked = Asked::default();
    look(&mut Subject::observe(&root, &asked))
}

#[test]
fn codes_are_unique_words_and_groups_come_in_order() {
    let codes: BTreeSet<&str> = CHECKS.iter().map(|check| check.code).collect();
    assert_eq!(codes.len(), CHECKS.len());
    let is_word = |code: &&str| code.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_');
    assert!(codes.iter().all(is_word), "{codes:?}");
    assert!(CHECKS.iter().map(|check| check.group).is_sorted());
}

#[test]
fn operators_guide_lists_every_check() {
    let rows: String = CHECKS
        .iter()
        .map(|check| {
            let group = serde_json::to_value(check.group).unwrap();
            format!("| `{}` | {} | {} |\n", check.code, group.as_str().unwrap(), check.looks_at)
        })
        .collect();
    let table = format!("| Check | Group | Looks at |\n|---|---|---|\n{rows}");
    crate::derived_docs::assert_current("docs/OPERATING.md", "checks", &table);
}

#[test]
fn process_that_takes_a_processor_is_named_and_this_one_is_not() {
    observed(|subject| {
        assert_eq!(quiet::busy_processes(subject).outcome, Grade::Unobservable);
        let own = std::process::id();
        subject.processes = Some(vec![
            processes::RunningProcess::taking(own, "doctor", 1.0),
            processes::RunningProcess::taking(own + 1, "stress", 0.97),
            processes::RunningProcess::taking(own + 2, "sleep", 0.0),
        ]);
        let finding = quiet::busy_processes(subject);
        assert_eq!(finding.outcome, Grade::Advice);
        assert_eq!(finding.observed, format!("busy now: stress ({}, 97 %)", own + 1));
        subject.processes.as_mut().unwrap().remove(1);
        assert_eq!(quiet::busy_processes(subject).outcome, Grade::Ok);
    });
}

#[test]
fn disk_is_judged_by_what_is_free() {
    let outcomes = [None, Some(900_000_000), Some(4_000_000_000), Some(50_000_000_000)]
        .map(|free| folders::judged_space(free).outcome);
    assert_eq!(outcomes, [Grade::Unobservable, Grade::Problem, Grade::Advice, Grade::Ok]);
}
