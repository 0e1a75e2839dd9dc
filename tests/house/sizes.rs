//! How long functions may be, how many parameters they may have, and how often a type name may be defined.

use std::collections::BTreeMap;

use crate::scan::functions::{Function, functions, types};
use crate::scan::{Source, every_source};

/// Lines of a function, from `fn` to its closing brace.
const LONGEST_FUNCTION: usize = 80;

/// Parameters of a function, `self` included.
const MOST_PARAMETERS: usize = 6;

/// Types of one name, each in a module of its own.
const MOST_TYPES_OF_A_NAME: usize = 2;

/// Exceptions, as `file: function`. Not to grow: one that is mended leaves the list.
const LONG_FUNCTIONS: &[&str] = &[];
const FUNCTIONS_OF_MANY_PARAMETERS: &[&str] = &[];
const COMMON_TYPE_NAMES: &[&str] = &[];

#[test]
fn functions_are_short() {
    agree(&found(|function| function.lines > LONGEST_FUNCTION), LONG_FUNCTIONS);
}

#[test]
fn functions_have_few_parameters() {
    agree(&found(|function| function.parameters > MOST_PARAMETERS), FUNCTIONS_OF_MANY_PARAMETERS);
}

#[test]
fn type_names_are_defined_at_most_twice() {
    let sources = every_source();
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        for name in types(&source.code) {
            places.entry(name).or_default().push(&source.path);
        }
    }
    assert!(places.len() > 300, "found only {} types", places.len());
    places.retain(|_, places| places.len() > MOST_TYPES_OF_A_NAME);
    for (name, places) in places.iter().filter(|(name, _)| !COMMON_TYPE_NAMES.contains(&name.as_str())) {
        println!("`{name}` is defined in {}", places.join(", "));
    }
    agree(&places.into_keys().collect::<Vec<String>>(), COMMON_TYPE_NAMES);
}

/// Functions of which this holds, as `file: function`.
fn found(is_wrong: impl Fn(&Function) -> bool) -> Vec<String> {
    let mut count = 0;
    let mut found = Vec::new();
    for Source { path, code, .. } in every_source() {
        for function in functions(code) {
            count += 1;
            if is_wrong(&function) {
                found.push(format!("{path}: {}", function.name));
            }
        }
    }
    assert!(count > 1000, "found only {count} functions");
    found
}

/// What was found is what is listed, neither more nor less.
fn agree(found: &[String], listed: &[&str]) {
    let new: Vec<&String> = found.iter().filter(|found| !listed.contains(&found.as_str())).collect();
    let gone: Vec<&&str> =
        listed.iter().filter(|listed| !found.iter().any(|found| found == *listed)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "to be mended: {new:#?}\nmended, so take it out of the list: {gone:#?}"
    );
}
