//! `backbone compare` from outside, on folders of bundles.

use std::path::Path;
use std::process::{Command, Output};

use backbone::bundle::format::{Bundle, Status};
use serde_json::Value;
use tempfile::TempDir;

use crate::studies::{Study, failed};
use crate::write;

fn compare(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backbone"));
    command.current_dir(folder.path().join("results")).arg("compare").args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn text(output: &Output, code: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}{error}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// 24 configurations of five processes, all of which take that many times as long.
fn study(seed: u64, factor: f64) -> Vec<Bundle> {
    let study = Study {
        processes: 5,
        between_processes: 0.01,
        milliseconds: Box::new(move |_, cost| cost.operations as f64 / 2e8 * factor),
        ..Study::without_effect(seed)
    };
    let mut bundles = study.bundles();
    // The same machine and the same networks, on another day.
    bundles.iter_mut().for_each(|bundle| bundle.id = format!("{seed}-{}", bundle.id));
    bundles
}

#[test]
fn slower_library_fails_a_build_and_the_same_one_does_not() {
    let folder = TempDir::new().unwrap();
    write(&folder, "before", &study(1, 1.0));
    write(&folder, "same", &study(2, 1.0));
    let mut slower = study(3, 1.1);
    slower.iter_mut().for_each(|bundle| {
        bundle.runtime.as_mut().unwrap().version = Some("1.1".to_owned());
    });
    write(&folder, "after", &slower);
    let page = text(&compare(&folder, &["before", "after"]), 5);
    assert!(page.contains("B is slower in 24, faster in 0,"), "{page}");
    assert!(page.contains("A and B differ in software (version): 1.0 and 1.1\n"), "{page}");
    assert!(page.contains("intervals cover other processes: 5 a side\n"), "{page}");
    assert!(page.contains("not recorded on both sides, and taken to be alike: power"), "{page}");
    let page = text(&compare(&folder, &["after", "before"]), 0);
    assert!(page.contains("B is slower in 0, faster in 24,"), "{page}");
    let page = text(&compare(&folder, &["before", "same"]), 0);
    assert!(page.contains("B is slower in 0, faster in 0, equivalent within 1 % in "), "{page}");
    let page = text(&compare(&folder, &["before", "same", "--within", "20%", "--strict"]), 0);
    assert!(page.contains("equivalent within 20 % in 24, and it is ambiguous in 0"), "{page}");
    // One of its configurations alone, as a bundle.
    let page = text(&compare(&folder, &["before/3.json.gz", "after"]), 5);
    assert!(
        page.contains("of 1 configuration.\n") && page.contains("only in B: 23 configurations"),
        "{page}"
    );
}

#[test]
fn json_has_the_documented_keys_and_no_other() {
    let folder = TempDir::new().unwrap();
    let mut after = study(2, 1.0);
    after.truncate(23);
    after[0] = failed(after[0].clone(), Status::Failed, "out_of_memory");
    write(&folder, "a", &study(1, 1.0));
    write(&folder, "b", &after);
    let json: Value =
        serde_json::from_str(&text(&compare(&folder, &["a", "b", "--json", "--across", "host"]), 6)).unwrap();
    assert_eq!(
        (&json["version"], &json["within"], &json["confidence"]),
        (&1.into(), &0.01.into(), &0.95.into())
    );
    assert_eq!(json["configurations"].as_array().unwrap().len(), 22);
    assert_eq!(json["refused"][0]["reason"], "no_latencies_in_b");
    assert_eq!(json["one_sided"][0]["side"], "a");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ANALYSIS.md");
    let document = fs_err::read_to_string(document).unwrap();
    let mut keys = Vec::new();
    paths("", &json, &mut keys);
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        assert!(document.contains(&format!("| `{key}` |")), "docs/ANALYSIS.md has no row for `{key}`");
    }
}

/// The path of every key, with `[]` for elements of lists.
fn paths(above: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
                found.push(path.clone());
                paths(&path, value, found);
            }
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| paths(&format!("{above}[]"), element, found));
        }
        _ => {}
    }
}

#[test]
fn what_cannot_be_compared_says_what_differs_and_how_to_compare_it_all_the_same() {
    let folder = TempDir::new().unwrap();
    let mut threads = study(2, 1.0);
    threads.iter_mut().for_each(|bundle| {
        bundle.runtime.as_mut().unwrap().options.insert("threads".to_owned(), 4.into());
    });
    write(&folder, "two", &study(1, 1.0));
    write(&folder, "four", &threads);
    write(&folder, "nothing", &[]);
    let output = compare(&folder, &["two", "four"]);
    let page = text(&output, 2);
    assert!(page.contains(r#"the two sides differ in options: {"threads":2} and {"threads":4}"#), "{page}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("hint: compare results that are alike in options, or accept the difference with `--across options`"), "{error}");
    let page = text(&compare(&folder, &["two", "four", "--across", "options"]), 0);
    assert!(page.contains("A and B differ in options"), "{page}");
    for (arguments, wanted) in [
        (&["two", "two"][..], "A and B both hold the result"),
        (&["two", "nothing"], "no results in nothing"),
        (&["two", "four", "--within", "1"], "write a percentage, such as 1% or 0.5%"),
        (&["two", "four", "--within", "0%"], "not a percentage above 0% and up to 50%"),
        (&["two", "four", "--across", "weather"], "not one of model, runtime, inputs"),
        (&["two", "five", "--outbox", "two"], "no job of this name has a bundle in"),
    ] {
        let output = compare(&folder, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(wanted), "{arguments:?}: {error}");
    }
}

#[test]
fn one_result_and_many_are_compared() {
    let folder = TempDir::new().unwrap();
    let one = Study { processes: 1, ..Study::without_effect(1) };
    let configuration = one.configurations().remove(0);
    write(&folder, "one", &[one.bundle(1, configuration.clone())]);
    let many: Vec<Bundle> = (0..100)
        .map(|seed| {
            Study { processes: 1, ..Study::without_effect(seed + 2) }.bundle(1, configuration.clone())
        })
        .collect();
    write(&folder, "many", &many);
    let json: Value = serde_json::from_str(&text(&compare(&folder, &["one", "many", "--json"]), 0)).unwrap();
    assert_eq!(json["configurations"][0]["time"]["units"], serde_json::json!([1, 100]));
    assert_eq!(json["configurations"][0]["time"]["unit"], "processes");
}

#[test]
fn bundles_of_every_version_are_compared_or_refused_with_a_reason() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
    let folder = TempDir::new().unwrap();
    write(&folder, "a", &[]);
    write(&folder, "b", &[]);
    for name in ["v1-measured", "v1-failed", "v1-rejected"] {
        let name = format!("{name}.json.gz");
        fs_err::copy(samples.join(&name), folder.path().join("results/a").join(&name)).unwrap();
    }
    for name in ["v2-measured", "v2-failed", "v2-rejected"] {
        let name = format!("{name}.json.gz");
        fs_err::copy(samples.join(&name), folder.path().join("results/b").join(&name)).unwrap();
    }
    let output = compare(&folder, &["a", "b", "--json", "--include-simulated"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |key: &str| json[key].as_array().unwrap().len();
    assert!(count("configurations") + count("refused") + count("one_sided") >= 2, "{json:#}");
}
