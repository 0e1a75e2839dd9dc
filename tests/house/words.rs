//! Plain English, as far as a test can tell: phrases that the project's style replaces, and comments that are
//! too wide.
//!
//! The phrases and what to write instead are in CONTRIBUTING.md under *Words*. A phrase is found in names of
//! tests too, and across the end of a line.

use crate::scan::paths::is_name;
use crate::scan::strip::prose;
use crate::scan::{files, root};

/// Columns of a comment, its indentation included. As wide as code may be.
const WIDEST_COMMENT: usize = 110;

/// Where people read: sources, documents, tools, and what is installed.
const FOLDERS: &[(&str, &[&str])] = &[
    ("src", &["rs", "css", "js"]),
    ("tests", &["rs", "py"]),
    ("benches", &["rs", "py"]),
    ("docs", &["md"]),
    ("systemd", &["yaml", "service"]),
    ("inbox-examples", &["yaml"]),
];
const FILES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "Makefile",
    ".ci/run",
    "build.rs",
    "Cargo.toml",
    "clippy.toml",
];

/// Files that quote the phrases, or that are not ours.
const LEFT_OUT: &[&str] = &["tests/house/words.rs", "CONTRIBUTING.md", "src/report/html/plotly-basic.min.js"];

/// Phrase, and what to write instead. In lower case.
const PHRASES: &[(&str, &str)] = &[
    ("can not", "cannot"),
    ("put back", "restore"),
    ("puts back", "restores"),
    ("putting back", "restoring"),
    ("is told", "is reported, is shown"),
    ("are told", "are reported, are shown"),
    ("was told", "was asked, was reported"),
    ("nobody", "no one; or say what does not happen"),
    ("somebody still", "an open writer"),
    ("lies in", "is in"),
    ("lie in", "are in"),
    ("lies beside", "is next to"),
    ("lie beside", "are next to"),
    ("lies there", "is there"),
    ("lie there", "are there"),
    ("lies below", "is in, is below"),
    ("lie below", "are in, are below"),
    ("beside", "next to, in addition to"),
    ("can be had", "is available"),
    ("is none that", "is not a known"),
    ("that of which", "the one whose"),
    ("there is none at all", "say what does not exist"),
    ("is no matter of", "does not depend on"),
    ("what holds among", "what stays significant"),
    ("is no reason to", "does not"),
];

#[test]
fn phrases_of_the_style_guide_are_replaced() {
    let mut findings = Vec::new();
    for path in every_text() {
        let text = fs_err::read_to_string(root().join(&path)).unwrap();
        findings.extend(phrases_in(&path, &text).into_iter().map(|finding| format!("{path}: {finding}")));
    }
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn comments_are_not_too_wide() {
    let mut findings = Vec::new();
    for path in ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, "rs")) {
        let text = fs_err::read_to_string(root().join(&path)).unwrap();
        findings.extend(wide_comments(&text).into_iter().map(|line| format!("{path}:{line}")));
    }
    assert!(findings.is_empty(), "wrap at {WIDEST_COMMENT} columns:\n{}", findings.join("\n"));
}

/// Paths of all files that are read.
fn every_text() -> Vec<String> {
    let of_folder = |(folder, extensions): &(&str, &[&str])| {
        extensions.iter().flat_map(|extension| files(folder, extension)).collect::<Vec<String>>()
    };
    let in_folders = FOLDERS.iter().flat_map(of_folder);
    let mut paths: Vec<String> = in_folders.chain(FILES.iter().map(|path| (*path).to_owned())).collect();
    paths.retain(|path| !LEFT_OUT.contains(&path.as_str()));
    paths
}

/// Each phrase in a file, with the words around it. In sources only comments, literals and names of tests
/// count.
fn phrases_in(path: &str, text: &str) -> Vec<String> {
    let is_source = path.ends_with(".rs");
    let text = if is_source { prose(text) + &names_of_tests(text) } else { text.to_owned() };
    let lines =
        text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '#', '*', '>']).trim());
    let text = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let is_letter = |character: Option<char>| character.is_some_and(is_name);
    let mut found = Vec::new();
    for (phrase, instead) in PHRASES {
        for (start, _) in text.match_indices(phrase) {
            let (before, after) = (&text[..start], &text[start + phrase.len()..]);
            if is_letter(before.chars().next_back()) || is_letter(after.chars().next()) {
                continue;
            }
            let head: String = before.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
            let tail: String = after.chars().take(30).collect();
            found.push(format!("…{head}{phrase}{tail}… (write: {instead})"));
        }
    }
    found
}

/// Names of the test functions, with spaces.
fn names_of_tests(text: &str) -> String {
    let after_attribute = text.split("#[test]").skip(1).filter_map(|rest| rest.split_once("fn "));
    let names = after_attribute.filter_map(|(_, rest)| rest.split('(').next());
    names.map(|name| name.replace('_', " ")).collect::<Vec<_>>().join(". ")
}

/// Numbers of lines that are comments, or whose last part is one, and too wide. An address or a path cannot
/// be wrapped.
fn wide_comments(text: &str) -> Vec<usize> {
    let is_wide = |line: &str| {
        let comment = line.trim_start();
        let is_comment = comment.starts_with("//");
        let has_long_word = comment.split_whitespace().any(|word| word.chars().count() > 60);
        let is_table = comment.trim_start_matches(['/', '!']).trim_start().starts_with('|');
        is_comment && !has_long_word && !is_table && line.chars().count() > WIDEST_COMMENT
    };
    text.lines().enumerate().filter(|(_, line)| is_wide(line)).map(|(index, _)| index + 1).collect()
}

#[test]
fn a_phrase_is_found_wherever_it_is_and_nothing_else_is() {
    for text in [
        "// It can not be.",
        "/// It can\n    /// not be.",
        "#[test]\n#[ignore]\nfn host_is_put_back_at_the_end() {}",
        "/* Nobody reads it. */",
        "//! the file lies in\n//! the folder",
        "println!(\"lies below {place}\");",
    ] {
        assert!(!phrases_in("a.rs", text).is_empty(), "{text}");
    }
    assert_eq!(phrases_in("a.md", "# the file lies in\n> the folder").len(), 1);
    for text in [
        "// cannot",
        "// besides\n",
        "// output back-end",
        "the host is restored",
        "fn put_back(beside: Nobody) {}",
    ] {
        assert!(phrases_in("a.rs", text).is_empty(), "{text}: {:?}", phrases_in("a.rs", text));
    }
}

#[test]
fn a_wide_comment_is_found_and_wide_code_is_not() {
    let words = "word ".repeat(25);
    assert_eq!(wide_comments(&format!("x\n    /// {words}\n// {words}\n")), [2, 3]);
    let address = format!("https://example.org/{}", "a".repeat(100));
    assert!(wide_comments(&format!("let a = \"{words}\";\n//! | {words} |\n// <{address}>\n")).is_empty());
}
