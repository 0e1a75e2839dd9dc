//! Names and paths of names in code that was stripped.

use std::collections::BTreeSet;

/// Every name and every path of names in the code: of `std::fs::File` there is `std`, `std::fs`, `fs`, …; a
/// macro keeps its `!`. Groups in braces are taken apart.
pub(crate) fn used_words(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        for path in expanded(rest) {
            let names: Vec<&str> = path.split("::").collect();
            for first in 0..names.len() {
                for last in first..names.len() {
                    found.insert(names[first..=last].join("::"));
                }
            }
        }
        let (name, after) = rest.split_at(rest.find(|character| !is_name(character)).unwrap_or(rest.len()));
        if after.starts_with('!') && !after.starts_with("!=") {
            found.insert(format!("{name}!"));
        }
        rest = after;
    }
    found
}

pub(crate) fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where in the code each path begins: the first names of `a::b`, not `b`.
pub(crate) fn path_starts(code: &str) -> impl Iterator<Item = usize> {
    code.char_indices().filter_map(|(index, character)| {
        let before = code[..index].chars().next_back().unwrap_or(' ');
        let is_start = is_name(character) && !is_name(before) && !code[..index].ends_with("::");
        is_start.then_some(index)
    })
}

/// The paths at the start of the text: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub(crate) fn expanded(text: &str) -> Vec<String> {
    renamed(text).into_iter().map(|(path, _)| path).collect()
}

/// The paths at the start of the text, each with the name by which it is known here: its last, or that after
/// `as`.
pub(crate) fn renamed(text: &str) -> Vec<(String, String)> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('{') {
        return split_group(inner).into_iter().flat_map(renamed).collect();
    }
    let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Vec::new();
    }
    let deeper = rest.strip_prefix("::").map(renamed).unwrap_or_default();
    if deeper.is_empty() {
        let alias = rest.trim_start().strip_prefix("as ").map(str::trim_start);
        let alias = alias.map(|rest| rest.split(|character| !is_name(character)).next().unwrap_or_default());
        return vec![(name.to_owned(), alias.unwrap_or(name).to_owned())];
    }
    let full = |(path, alias): (String, String)| {
        // `a::{self}` is `a`, known as `a`.
        let alias = if path == "self" && alias == "self" { name.to_owned() } else { alias };
        (if path == "self" { name.to_owned() } else { format!("{name}::{path}") }, alias)
    };
    deeper.into_iter().map(full).collect()
}

/// The members of a group whose opening brace is already read.
fn split_group(inner: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (index, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                members.push(&inner[start..index]);
                start = index + 1;
                if character == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    members
}
