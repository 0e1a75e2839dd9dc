//! `backbone results` and `backbone show` from outside, on bundles in folders.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn backbone(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_backbone")).env("TZ", "UTC").args(arguments).output().unwrap()
}

/// Standard output of a call that must do.
#[track_caller]
fn text(arguments: &[&str]) -> String {
    let output = backbone(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo-bundles")
}

#[test]
fn newest_results_come_first_and_every_filter_keeps_what_it_says() {
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let jobs = |arguments: &[&str]| -> Vec<String> {
        let lines = text(&[&["results", demo], arguments].concat());
        lines.lines().skip(1).map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect()
    };
    let all = ["07-study", "06-network", "03-both-runtimes", "every-field"];
    assert_eq!(jobs(&[]), all);
    assert_eq!(jobs(&["-n", "2"]), all[..2]);
    assert_eq!(jobs(&["--job", "06-network", "--job", "every-field"]), [all[1], all[3]]);
    assert_eq!(jobs(&["--label", "rack=b2"]), [all[3]]);
    assert_eq!(jobs(&["--precision", "int8"]), all[..2]);
    assert_eq!(jobs(&["--host", "bench", "--runtime", "onnxruntime", "--since", "2026-11-27"]).len(), 4);
    for none in [
        ["--verdict", "valid"],
        ["--since", "2026-11-28"],
        ["--until", "2026-11-27"],
        ["--runtime", "tflite"],
    ] {
        let output = backbone(&["results", demo, none[0], none[1]]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && error.contains("none of 4 results is what was asked for"),
            "{error}"
        );
    }
    let output = backbone(&["results", demo, "--since", "yesterday"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("a time is written 2026-11-28"));
}

#[test]
fn lines_of_json_are_those_of_the_export() {
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let parsed = |text: String| -> Vec<Value> {
        let mut rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
        rows
    };
    let listed = parsed(text(&["results", demo, "--json"]));
    assert_eq!(listed, parsed(text(&["export", demo, "--format", "jsonl"])));
    assert_eq!(listed.len(), 4);
}

#[test]
fn bundle_is_shown_by_its_file_and_by_the_name_of_its_job() {
    let file = fs_err::read_dir(demo()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.to_string_lossy().contains("06-network")).unwrap();
    let by_file = text(&["show", file.to_str().unwrap()]);
    assert!(by_file.starts_with("result      06-network: "), "{by_file}");
    assert!(
        by_file.contains("\nverdict     ") && by_file.contains("\nsource      bundle 0000000006"),
        "{by_file}"
    );
    let outbox = demo();
    assert_eq!(text(&["show", "06-network", "--outbox", outbox.to_str().unwrap()]), by_file);
    assert_eq!(text(&["show", "0000000006-ahm9bd", "--outbox", outbox.to_str().unwrap()]), by_file);
    let unknown = backbone(&["show", "07", "--outbox", outbox.to_str().unwrap()]);
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.status.code() == Some(2) && error.contains("no job of this name has one"), "{error}");
    let folder = backbone(&["show", outbox.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&folder.stderr).contains("hint: `backbone results "), "{folder:?}");
}

/// As `backbone show … | head -1` does.
#[test]
fn reader_that_goes_away_is_no_failure() {
    let outbox = demo();
    let mut child = Command::new(env!("CARGO_BIN_EXE_backbone"))
        .args(["results", outbox.to_str().unwrap(), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
