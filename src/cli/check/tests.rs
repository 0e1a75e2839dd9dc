use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::runtime::find;
use crate::spec::{Builds, JobConfiguration, Measure, ModelReference};

fn job(model: &str, sha256: Option<String>) -> Job {
    let models = vec![ModelReference { file: model.to_owned(), sha256 }];
    let runtime = find("onnxruntime").unwrap();
    let options = BTreeMap::from([("threads".to_owned(), 2.into())]);
    Job {
        power: Default::default(),
        name: "smoke".to_owned(),
        models,
        configurations: vec![JobConfiguration { runtime, options, source: ModelSource::Dropped(0) }],
        inputs: BTreeMap::new(),
        measure: Measure {
            warm_up_runs: 10,
            timed_runs: 50,
            builds: Builds::Paper,
            processes: 2,
            timeout_seconds: 5400,
            seed: 1,
            energy_seconds: 0,
        },
        host: Default::default(),
        verify: Default::default(),
        priority: 0,
        labels: BTreeMap::new(),
    }
}

#[test]
fn a_right_job_shows_what_would_run_how_long_and_how_precise() {
    let folder = tempfile::tempdir().unwrap();
    // Field 1 of an ONNX file: `ir_version` 8.
    fs_err::write(folder.path().join("net.onnx"), b"\x08\x08\x12\x04test").unwrap();
    let (text, is_right) =
        accepted(&folder.path().join("smoke.yaml"), "smoke.yaml", &job("net.onnx", None), None);
    assert!(is_right, "{text}");
    insta::assert_snapshot!(text, @"
    smoke.yaml: ok
      JOB    MODEL     RUNTIME      OPTIONS    WARM-UP + TIMED        LIMIT EACH
      smoke  net.onnx  onnxruntime  threads=2  10 + 50 × 2 processes  1 h 30 min

      model net.onnx: 8 bytes, ok
      duration: at most 3 h (2 processes of at most 1 h 30 min)
      precision: the 95 % interval of the median will be the 40th to the 61st of 100 sorted latencies
    ");
}

#[test]
fn a_model_that_is_missing_or_is_another_kind_of_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("smoke.yaml");
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), None);
    assert!(!is_right && text.contains("model net.onnx: no such file"), "{text}");

    fs_err::create_dir(folder.path().join("net.onnx")).unwrap();
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), None);
    assert!(
        !is_right
            && text.contains(
                "`net.onnx` is a link, a folder, a FIFO or a device, and was not opened\n    hint: "
            ),
        "{text}"
    );
}

#[test]
fn a_digest_that_does_not_match_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let content = b"\x08\x08\x12\x04test and more than the head";
    fs_err::write(folder.path().join("net.onnx"), content).unwrap();
    let spec = folder.path().join("smoke.yaml");
    let right = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
    assert!(accepted(&spec, "smoke.yaml", &job("net.onnx", Some(right)), None).1);
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", Some("0".repeat(64))), None);
    assert!(!is_right && text.contains("the job file names 000"), "{text}");
}

#[test]
fn a_model_larger_than_the_memory_of_the_host_that_is_named_is_refused_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("smoke.yaml");
    fs_err::write(folder.path().join("net.onnx"), b"\x08\x08\x12\x04test").unwrap();
    assert!(accepted(&spec, "smoke.yaml", &job("net.onnx", None), Some(8)).1);
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), Some(7));
    assert!(!is_right);
    insta::assert_snapshot!(text, @"
    smoke.yaml: would not run, see below
      JOB    MODEL     RUNTIME      OPTIONS    WARM-UP + TIMED        LIMIT EACH
      smoke  net.onnx  onnxruntime  threads=2  10 + 50 × 2 processes  1 h 30 min

      model net.onnx: `net.onnx` has 8 bytes, and the host has 7 bytes of memory
        hint: measure it on a host with more memory, or take a smaller model: int8 weights take a quarter of fp32's
      duration: at most 3 h (2 processes of at most 1 h 30 min)
      precision: the 95 % interval of the median will be the 40th to the 61st of 100 sorted latencies
    ");
}

#[test]
fn a_fifo_or_an_oversized_job_file_is_refused_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.yaml");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(check(&fifo, None).0.ends_with("not a regular file\n"));

    let large = folder.path().join("large.yaml");
    fs_err::File::create(&large).unwrap().set_len(spec::MAXIMUM_SPEC_BYTES as u64 + 1).unwrap();
    let (text, is_right) = check(&large, None);
    assert!(!is_right && text.contains("bytes; the limit is "), "{text}");
}

#[test]
fn durations_are_exact_and_readable() {
    let texts: Vec<String> = [0, 90, 119, 120, 3600, 9000, 3661].map(duration::of).to_vec();
    assert_eq!(texts.join(", "), "0 s, 90 s, 119 s, 2 min, 1 h, 2 h 30 min, 1 h 1 min 1 s");
}

#[test]
fn file_that_the_daemon_would_not_take_is_refused_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("net.onnx"), "backbone: 1\n").unwrap();
    let (text, is_right) =
        accepted(&folder.path().join("smoke.yaml"), "smoke.yaml", &job("net.onnx", None), None);
    assert!(!is_right);
    let line = text.lines().find(|line| line.contains("model net.onnx")).unwrap();
    insta::assert_snapshot!(line, @"  model net.onnx: `net.onnx` is not a valid .onnx file; it looks like plain text");

    fs_err::write(folder.path().join("smoke.txt"), "backbone: 1\nmodel: net.onnx\n").unwrap();
    for (name, why) in [("two\nlines.yaml", "has control characters"), ("smoke.txt", "named `*.yaml` or")] {
        let (text, is_right) = check(&folder.path().join(name), None);
        assert!(!is_right && text.contains(why), "{text}");
    }
}
