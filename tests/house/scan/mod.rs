//! Rust sources as the tidy test sees them: without comments, texts and tests. A scan of text, not a parser: it knows as
//! much of the language as the project's own style uses.

use std::collections::BTreeSet;

/// One source file.
pub(crate) struct Source {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Without comments, literals and tests; line breaks stay.
    pub(crate) code: String,
    /// The whole file is a test module.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let is_test = path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/");
        let code = if is_test { String::new() } else { without_tests(&without_literals(text)) };
        Source { path: path.to_owned(), text: text.to_owned(), code, is_test }
    }
}

/// Top-level modules of this crate that the code names, in `use` or in a path, one by one or in braces.
pub(crate) fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        for path in expanded(&code[start + "crate::".len()..]) {
            found.insert(path.split("::").next().unwrap_or_default().to_owned());
        }
    }
    found
}

/// Every name and every path of names in the code: of `std::fs::File` there is `std`, `std::fs`, `fs`, …; a macro
/// keeps its `!`. Groups in braces are taken apart.
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

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The paths at the start of the text: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expanded(text: &str) -> Vec<String> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('{') {
        let mut paths = Vec::new();
        let mut depth = 0;
        let mut start = 0;
        for (index, character) in inner.char_indices() {
            match character {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    paths.extend(expanded(&inner[start..index]));
                    start = index + 1;
                    if character == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return paths;
    }
    let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match rest.strip_prefix("::") {
        _ if name.is_empty() => Vec::new(),
        Some(deeper) => {
            let deeper = expanded(deeper);
            if deeper.is_empty() {
                return vec![name.to_owned()];
            }
            deeper.iter().map(|path| format!("{name}::{path}")).collect()
        }
        None => vec![name.to_owned()],
    }
}

/// Tests stand last in a file, by the project's style.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Comments, texts and characters replaced by nothing; line breaks kept.
fn without_literals(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < characters.len() {
        let after = literal_end(&characters, at);
        if after > at {
            code.extend(characters[at..after].iter().filter(|character| **character == '\n'));
            at = after;
        } else {
            code.push(characters[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that begins here ends; `at` itself where none begins.
fn literal_end(characters: &[char], at: usize) -> usize {
    let find = |from: usize, wanted: &[char]| {
        (from..characters.len())
            .find(|index| characters[*index..].starts_with(wanted))
            .map_or(characters.len(), |index| index + wanted.len())
    };
    match characters[at..] {
        // The line break stays.
        ['/', '/', ..] => find(at, &['\n']).saturating_sub(1).max(at + 2),
        ['/', '*', ..] => find(at + 2, &['*', '/']),
        ['r', '"', ..] if !follows_name(characters, at) => find(at + 2, &['"']),
        ['r', '#', '"', ..] if !follows_name(characters, at) => find(at + 3, &['"', '#']),
        ['"', ..] => {
            let mut end = at + 1;
            while end < characters.len() && characters[end] != '"' {
                end += if characters[end] == '\\' { 2 } else { 1 };
            }
            end + 1
        }
        // A character, not a lifetime.
        ['\'', '\\', _, ..] => find(at + 3, &['\'']),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
    .min(characters.len())
}

fn follows_name(characters: &[char], at: usize) -> bool {
    // `br"…"` is a text too.
    at > 0 && is_name(characters[at - 1]) && characters[at - 1] != 'b'
}
