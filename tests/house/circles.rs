//! Files that need each other in a circle can only be understood together: there are few, and each is listed
//! with its reason.
//!
//! A `mod.rs` opens its folder: what it uses of the files in it does not count, so that they may use what it
//! defines.

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::modules::Modules;
use crate::scan::{Source, every_source};

/// How many circles there may be.
const MOST_CIRCLES: usize = 2;

/// The files of each circle, in alphabetical order, and why it is one.
const CIRCLES: &[(&[&str], &str)] = &[(
    &["src/network/count/tflite/control.rs", "src/network/count/tflite/walk.rs"],
    "a subgraph holds operators that call subgraphs: walking one is walking the other",
)];

#[test]
fn every_circle_of_files_is_listed_with_its_reason() {
    let sources = every_source();
    let found = circles(sources);
    let listed: BTreeSet<Vec<&str>> = CIRCLES.iter().map(|(files, _)| files.to_vec()).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(new.is_empty() && gone.is_empty(), "not in CIRCLES: {new:#?}\nno longer a circle: {gone:#?}");
    assert!(CIRCLES.len() <= MOST_CIRCLES, "{} circles", CIRCLES.len());
}

/// Files that reach each other by what they use, as groups of two and more.
fn circles(sources: &[Source]) -> BTreeSet<Vec<&str>> {
    let modules = Modules::of(sources);
    let uses = modules.uses();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, reachable(&uses, file))).collect();
    let circle = |file: &str| -> Vec<&str> {
        reached[file].iter().copied().filter(|other| reached[other].contains(file)).collect()
    };
    reached.keys().map(|file| circle(file)).filter(|circle| circle.len() > 1).collect()
}

/// Every file that one leads to, itself only if it is in a circle.
fn reachable<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&str> = uses[from].iter().copied().collect();
    while let Some(file) = waiting.pop() {
        if found.insert(file) {
            waiting.extend(&uses[file]);
        }
    }
    found
}

#[test]
fn a_circle_is_found_however_it_is_written_and_a_re_export_is_none() {
    let file = |path: &str, text: &str| Source::new(&format!("src/{path}"), &format!("//! x\n{text}\n"));
    for (first, second) in [
        (file("a/b.rs", "use crate::a::c::C;"), file("a/c.rs", "use super::b::B;")),
        (file("a/b.rs", "use super::{c::C, d};"), file("a/c.rs", "fn f() { super::b::f(); }")),
        // Through the parent's re-export.
        (file("a/b.rs", "use super::C;"), file("a/c.rs", "use super::{B as Renamed};")),
    ] {
        let parent = file("a/mod.rs", "mod b;\nmod c;\nmod d;\npub(crate) use b::B;\npub use self::c::C;");
        let sources = [parent, first, second, file("a/d.rs", "")];
        let wanted = BTreeSet::from([vec!["src/a/b.rs", "src/a/c.rs"]]);
        assert_eq!(circles(&sources), wanted, "{sources:?}");
    }
    // A folder is opened by its `mod.rs`.
    let sources = [
        file(
            "a/mod.rs",
            "mod b;
pub use b::B;
fn f() { b::f(); }",
        ),
        file("a/b.rs", "use super::f;"),
    ];
    assert_eq!(circles(&sources).len(), 0);
    // Tests may use whatever they test.
    let tests = "#[cfg(test)]\nmod tests {\n    use crate::a::c::C;\n}";
    let sources =
        [file("a/b.rs", tests), file("a/c.rs", "use super::b::B;"), file("a/c/tests.rs", "use crate::a::b;")];
    assert_eq!(circles(&sources).len(), 0);
}
