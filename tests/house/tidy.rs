//! Habits that no compiler checks: where files and clocks may be touched, where `unsafe` may stand, how files
//! are named and opened. Reads the sources as text.
//!
//! Every rule is shown a sample that breaks it, so that a rule which matches nothing is noticed.

use std::path::Path;

use crate::scan::paths::used_words;
use crate::scan::{Source, every_source};

/// About four hundred lines of code a file; what is longer is split by verb.
const LONGEST_FILE: usize = 450;

/// Modules that do no input or output and read no clock, by the start of their path.
const PURE: &[&str] = &[
    "src/analysis/",
    "src/bundle/format/mod.rs",
    "src/export/",
    "src/network/",
    "src/report/",
    "src/spec/",
    "src/spool/plan",
    "src/stats/",
    "src/units.rs",
    "src/verdict/",
];

/// What a pure module would need to do either. An `Instant` that was handed in is a number like any other.
const IMPURE: &[&str] = &[
    "fs_err",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "rustix",
    "sysinfo",
    "notify",
];

/// Words that may stand only in some places, by the start of their path, and why.
const PLACES: &[(&str, &[&str], &str)] = &[
    // A lease has no safe wrapper in any crate.
    (
        "unsafe",
        &["src/runtime/", "src/spool/lease.rs", "src/worker/", "src/worker_tflite.rs"],
        "only runtimes and workers meet C",
    ),
    ("serde_yaml", &["src/spec/raw"], "YAML is read in one place, behind its limits"),
    ("println!", &[], "text goes through cli::print"),
    ("print!", &[], "text goes through cli::print"),
    ("eprintln!", &[], "records go through log"),
    (
        "stdout",
        &[
            "src/cli/",
            "src/daemon/notifier.rs",
            "src/host/nvml/",
            "src/host/tool.rs",
            "src/rack/",
            "src/worker/",
            "src/runtime/sim/",
            "src/runtime/program.rs",
            "src/worker_tflite.rs",
        ],
        "only cli prints",
    ),
    ("anyhow", &["src/cli/", "src/main.rs"], "modules have error types of their own"),
    ("allow", &[], "`#[expect]` says when it is no longer needed"),
];

/// Modules that work in folders that others write to, or whose files a worker writes, by the start of their
/// path.
const GUARDED: &[&str] = &[
    "src/cli/check/estimate.rs",
    "src/cli/request.rs",
    "src/cli/status.rs",
    "src/collect/",
    "src/daemon/",
    "src/host/lock.rs",
    "src/host/power/saved.rs",
    "src/spool/",
];

/// What opens or writes whatever has a name: a link is followed, a FIFO waited for.
const UNGUARDED: &[&str] = &[
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::copy(",
    "fs_err::read(",
    "fs_err::read_to_string(",
    "fs_err::write(",
    "fs_err::copy(",
    "File::create(",
    "File::open(",
    "File::options(",
    "OpenOptions::",
];

/// Files of those modules that open something by path all the same, and what it is.
const OPENED_BY_PATH: &[(&str, &str)] = &[
    ("src/daemon/inbox/locations.rs", "a model that a person named on the command line, perhaps by a link"),
    ("src/daemon/outlet/assemble.rs", "a library of the host"),
    ("src/host/lock.rs", "created, where nothing is"),
    ("src/host/power/saved.rs", "the state folder, to sync it"),
    ("src/spool/journal.rs", "the folder of journals, to sync it"),
    ("src/spool/models/copy.rs", "created, where nothing is"),
    ("src/spool/models/turn.rs", "files in a folder that the daemon made for itself"),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "data", "info", "common", "misc"];

/// One rule: what is wrong with a file, if anything.
type Rule = fn(&Source) -> Vec<String>;

const RULES: &[Rule] = &[purity, places, guarding, length, opening, naming];

#[test]
fn sources_keep_the_layering_and_the_habits() {
    let sources = every_source();
    assert!(sources.len() > 20, "found only {} files: looked in the wrong folder", sources.len());
    let mut findings = Vec::new();
    for source in sources {
        for rule in RULES {
            let found = rule(source);
            findings.extend(found.into_iter().map(|finding| format!("{}: {finding}", source.path)));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_path_of_a_rule_leads_to_a_file() {
    // A renamed module must not leave its rule behind.
    let sources = every_source();
    let places = PLACES.iter().flat_map(|(_, places, _)| *places);
    let excepted = OPENED_BY_PATH.iter().map(|(path, _)| path);
    for start in PURE.iter().chain(places).chain(GUARDED).chain(excepted) {
        assert!(sources.iter().any(|source| source.path.starts_with(start)), "no file begins with {start}");
    }
}

#[test]
fn every_rule_finds_a_sample_that_breaks_it() {
    let broken = [
        (purity as Rule, "src/spec/resolve/mod.rs", "//! x\nuse fs_err as fs;\n"),
        (purity, "src/stats/mod.rs", "//! x\nuse std::{fs, path::Path};\n"),
        (purity, "src/spool/plan/mod.rs", "//! x\nlet now = std::time::Instant::now();\n"),
        (places, "src/spool/claim.rs", "//! x\nunsafe { close(3) };\n"),
        (places, "src/config/mod.rs", "//! x\nuse serde_yaml::Value;\n"),
        (places, "src/daemon/mod.rs", "//! x\nprintln!(\"done\");\n"),
        (guarding, "src/daemon/status.rs", "//! x\nfs_err::write(&path, text)?;\n"),
        (places, "src/host/mod.rs", "//! x\nstd::io::stdout().flush();\n"),
        (places, "src/spool/mod.rs", "//! x\nuse anyhow::Context;\n"),
        (places, "src/host/mod.rs", "//! x\n#[allow(dead_code)]\nfn f() {}\n"),
        (opening, "src/host/mod.rs", "use std::io;\n//! late\n"),
        (naming, "src/host/helpers.rs", "//! x\n"),
        (naming, "src/util/mod.rs", "//! x\n"),
    ];
    for (rule, path, text) in broken {
        assert!(!rule(&Source::new(path, text)).is_empty(), "not found in {path}:\n{text}");
    }
    let long = format!("//! x\n{}", "let x = 1;\n".repeat(LONGEST_FILE + 1));
    assert!(!length(&Source::new("src/host/mod.rs", &long)).is_empty());
}

#[test]
fn rules_leave_comments_texts_and_tests_alone() {
    let fine = [
        ("src/stats/mod.rs", "//! x\n// use crate::host; unsafe println!\nlet a = \"unsafe { fs_err }\";\n"),
        (
            "src/spec/raw/mod.rs",
            "//! x\nuse serde_yaml::Value;\nlet quote = '\"'; let raw = r#\"crate::host\"#;\n",
        ),
        (
            "src/spec/mod.rs",
            "//! x\n#[cfg(test)]\nmod tests {\n    use fs_err as fs;\n    use crate::host;\n}\n",
        ),
        ("src/spec/tests.rs", "use fs_err as fs;\n"),
        ("src/worker/mod.rs", "//! x\n#[expect(unsafe_code, reason = \"x\")]\nunsafe { f() }\n"),
        ("src/cli/mod.rs", "//! x\nuse crate::host; use crate::spec; print(text)?;\n"),
    ];
    for (path, text) in fine {
        let source = Source::new(path, text);
        let findings: Vec<String> = RULES.iter().flat_map(|rule| rule(&source)).collect();
        assert!(findings.is_empty(), "{path}: {findings:?}");
    }
}

#[test]
fn links_in_documents_lead_to_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name)).to_vec();
    for entry in fs_err::read_dir(root.join("docs")).unwrap() {
        documents.push(entry.unwrap().path());
    }
    documents.retain(|document| document.extension().is_some_and(|extension| extension == "md"));
    let mut links = 0;
    for document in documents {
        let text = fs_err::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                links += 1;
                assert!(document.with_file_name(file).exists(), "{} links to {target}", document.display());
            }
        }
    }
    assert!(links > 0, "no link found: the scan is wrong");
}

fn purity(source: &Source) -> Vec<String> {
    if !PURE.iter().any(|start| source.path.starts_with(start)) {
        return Vec::new();
    }
    let used = used_words(&source.code);
    let wrong = IMPURE.iter().filter(|word| used.contains(**word));
    wrong.map(|word| format!("uses `{word}`, but does no input or output and reads no clock")).collect()
}

fn places(source: &Source) -> Vec<String> {
    let used = used_words(&source.code);
    let wrong = PLACES.iter().filter(|(word, places, _)| {
        used.contains(*word) && !places.iter().any(|place| source.path.starts_with(place))
    });
    wrong.map(|(word, _, reason)| format!("has `{word}`: {reason}")).collect()
}

fn guarding(source: &Source) -> Vec<String> {
    let is_excepted = OPENED_BY_PATH.iter().any(|(path, _)| source.path == *path);
    // A machine for tests, declared as such in `daemon`.
    let is_test = source.is_test || source.path == "src/daemon/lab.rs";
    if is_excepted || is_test || !GUARDED.iter().any(|start| source.path.starts_with(start)) {
        return Vec::new();
    }
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    // Not the end of another name.
    let stands = |(start, _): (usize, &str)| !source.code[..start].ends_with(is_name);
    let wrong = UNGUARDED.iter().filter(|word| source.code.match_indices(**word).any(stands));
    wrong.map(|word| format!("`{word}` follows links and waits for FIFOs: use crate::guarded")).collect()
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines <= LONGEST_FILE { Vec::new() } else { vec![format!("{lines} lines of code: split it by verb")] }
}

fn opening(source: &Source) -> Vec<String> {
    if source.is_test || source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![
        "does not open with `//!`: what it is for, what it must not do, where its data comes from".to_owned(),
    ]
}

fn naming(source: &Source) -> Vec<String> {
    let mut parts = source.path.trim_end_matches(".rs").split('/');
    parts
        .find(|part| EMPTY_NAMES.contains(part))
        .map(|part| format!("`{part}` says nothing"))
        .into_iter()
        .collect()
}
