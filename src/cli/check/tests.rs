use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::bundle::format::Role;
use crate::runtime::find;
use crate::spec::{Builds, JobConfiguration, Measure, MeasureProtocol, ModelReference};

/// A small model with the fixed input `tokens`: int64, [1, 8].
const TOKENS: &[u8] = include_bytes!("../../../tests/models/tokens.onnx");

fn job(model: &str, sha256: Option<String>) -> Job {
    let models = vec![ModelReference { file: model.to_owned(), sha256 }];
    let runtime = find("onnxruntime").unwrap();
    let options = BTreeMap::from([("threads".to_owned(), 2.into())]);
    Job {
        power: Default::default(),
        name: "smoke".to_owned(),
        models,
        configurations: vec![JobConfiguration {
            runtime,
            options,
            source: ModelSource::Dropped(0),
            role: Role::Configuration,
        }],
        order: Default::default(),
        inputs: BTreeMap::new(),
        measure: Measure {
            protocol: MeasureProtocol::Paper,
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
    fs_err::write(folder.path().join("net.onnx"), TOKENS).unwrap();
    let (text, is_right) = accepted(
        &folder.path().join("smoke.yaml"),
        "smoke.yaml",
        &job("net.onnx", None),
        &Surroundings::default(),
    );
    assert!(is_right, "{text}");
    insta::assert_snapshot!(text, @"
    smoke.yaml: ok
      JOB    MODEL     RUNTIME      OPTIONS    WARM-UP + TIMED        LIMIT EACH
      smoke  net.onnx  onnxruntime  threads=2  10 + 50 × 2 processes  1 h 30 min

      model net.onnx: 417 bytes, ok
      duration: about 2 s, assuming a host that computes 10 GOP/s and 1 s for each process; compiling is not counted
      limit: 3 h (2 processes of at most 1 h 30 min)
      precision: the 95 % interval of the median will be the 40th to the 61st of 100 sorted latencies
    ");
}

#[test]
fn a_model_that_is_missing_or_is_another_kind_of_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("smoke.yaml");
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), &Surroundings::default());
    assert!(!is_right && text.contains("model net.onnx: no such file"), "{text}");

    fs_err::create_dir(folder.path().join("net.onnx")).unwrap();
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), &Surroundings::default());
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
    let content = TOKENS;
    fs_err::write(folder.path().join("net.onnx"), content).unwrap();
    let spec = folder.path().join("smoke.yaml");
    let right = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
    assert!(accepted(&spec, "smoke.yaml", &job("net.onnx", Some(right)), &Surroundings::default()).1);
    let (text, is_right) =
        accepted(&spec, "smoke.yaml", &job("net.onnx", Some("0".repeat(64))), &Surroundings::default());
    assert!(!is_right && text.contains("the job file names 000"), "{text}");
}

#[test]
fn a_model_larger_than_the_memory_of_the_host_that_is_named_is_refused_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("smoke.yaml");
    fs_err::write(folder.path().join("net.onnx"), TOKENS).unwrap();
    assert!(
        accepted(
            &spec,
            "smoke.yaml",
            &job("net.onnx", None),
            &Surroundings { memory_bytes: Some(417), ..Surroundings::default() }
        )
        .1
    );
    let (text, is_right) = accepted(
        &spec,
        "smoke.yaml",
        &job("net.onnx", None),
        &Surroundings { memory_bytes: Some(416), ..Surroundings::default() },
    );
    assert!(!is_right);
    insta::assert_snapshot!(text, @"
    smoke.yaml: would not run, see below
      JOB    MODEL     RUNTIME      OPTIONS    WARM-UP + TIMED        LIMIT EACH
      smoke  net.onnx  onnxruntime  threads=2  10 + 50 × 2 processes  1 h 30 min

      model net.onnx: `net.onnx` has 417 bytes, and the host has 416 bytes of memory
        hint: measure it on a host with more memory, or take a smaller model: int8 weights take a quarter of fp32's
      duration: not known: there is no earlier result, and the operations are not counted
      limit: 3 h (2 processes of at most 1 h 30 min)
      precision: the 95 % interval of the median will be the 40th to the 61st of 100 sorted latencies
    ");
}

#[test]
fn a_fifo_or_an_oversized_job_file_is_refused_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.yaml");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(check(&fifo, &Surroundings::default()).0.ends_with("not a regular file\n"));

    let large = folder.path().join("large.yaml");
    fs_err::File::create(&large).unwrap().set_len(spec::MAXIMUM_SPEC_BYTES as u64 + 1).unwrap();
    let (text, is_right) = check(&large, &Surroundings::default());
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
    let (text, is_right) = accepted(
        &folder.path().join("smoke.yaml"),
        "smoke.yaml",
        &job("net.onnx", None),
        &Surroundings::default(),
    );
    assert!(!is_right);
    let line = text.lines().find(|line| line.contains("model net.onnx")).unwrap();
    insta::assert_snapshot!(line, @"  model net.onnx: `net.onnx` is not a valid .onnx file; it looks like plain text");

    fs_err::write(folder.path().join("smoke.txt"), "backbone: 1\nmodel: net.onnx\n").unwrap();
    for (name, why) in [("two\nlines.yaml", "has control characters"), ("smoke.txt", "named `*.yaml` or")] {
        let (text, is_right) = check(&folder.path().join(name), &Surroundings::default());
        assert!(!is_right && text.contains(why), "{text}");
    }
}

/// A job with these lines on `tokens.onnx`, in a folder with that model and an input file.
fn checked(rest: &str, surroundings: &Surroundings) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("tokens.onnx"), TOKENS).unwrap();
    fs_err::write(folder.path().join("torn.npy"), b"\x93NUMPY\x01\x00").unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 8), }";
    let start = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    fs_err::write(folder.path().join("floats.npy"), [&start[..], &[0; 32]].concat()).unwrap();
    let job =
        spec::resolve::job(format!("backbone: 1\nmodel: tokens.onnx\n{rest}").as_bytes(), "a.yaml").unwrap();
    let (text, is_right) = accepted(&folder.path().join("a.yaml"), "a.yaml", &job, surroundings);
    (text.replace(&folder.path().display().to_string(), "FOLDER"), is_right)
}

#[test]
fn what_a_worker_would_refuse_of_the_inputs_is_found_before() {
    let found = |inputs: &str| {
        let (text, is_right) = checked(&format!("inputs: {inputs}\n"), &Surroundings::default());
        assert!(!is_right, "{text}");
        let lines: Vec<&str> = text.lines().skip(4).take_while(|line| !line.contains("duration")).collect();
        lines.join("\n") + "\n"
    };
    insta::assert_snapshot!(
        [
            "{tokns: [1, 8]}",
            "{tokens: [8]}",
            "{tokens: {values: [1, 2]}}",
            "{tokens: {value: 0.5}}",
            "{tokens: {file: missing.npy}}",
            "{tokens: {file: torn.npy}}",
            "{tokens: {file: floats.npy}}",
        ]
        .map(found)
        .concat()
    );
    let right = checked("inputs: {tokens: {range: [0, 15]}}\n", &Surroundings::default());
    assert!(right.1, "{}", right.0);
}

#[test]
fn truncated_model_and_open_dimensions_are_found_before() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("smoke.yaml");
    fs_err::write(folder.path().join("net.onnx"), &TOKENS[..200]).unwrap();
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), &Surroundings::default());
    assert!(!is_right && text.contains("not a whole ONNX model"), "{text}");
    let open = include_bytes!("../../../tests/models/dynamic.onnx");
    fs_err::write(folder.path().join("net.onnx"), open).unwrap();
    let (text, is_right) = accepted(&spec, "smoke.yaml", &job("net.onnx", None), &Surroundings::default());
    assert!(!is_right && text.contains("`inputs: {image: [1, 3, 1, 1]}`"), "{text}");
}

#[test]
fn power_mode_that_the_host_does_not_have_is_named_with_those_that_it_has() {
    let root = |folder: &Path| Surroundings {
        host: Some(HostRoot::new(folder).unwrap()),
        ..Surroundings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(folder.path().join("etc")).unwrap();
    fs_err::write(
        folder.path().join("etc/nv_tegra_release"),
        "# R32 (release), REVISION: 3.1, GCID: 1, BOARD: t186ref\n",
    )
    .unwrap();
    let modes = "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=3 NAME=MODE_30W_ALL >\n";
    fs_err::write(folder.path().join("etc/nvpmodel.conf"), modes).unwrap();
    let (text, is_right) = checked("host: {power_mode: MODE_30W_AL}\n", &root(folder.path()));
    assert!(!is_right);
    let line =
        text.lines().skip_while(|line| !line.contains("  host: ")).take(2).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(line);
    assert!(checked("host: {power_mode: MODE_30W_ALL}\n", &root(folder.path())).1);
}

#[test]
fn duration_is_estimated_by_the_last_result_if_there_is_one() {
    let outbox = tempfile::tempdir().unwrap();
    let surroundings = Surroundings { outbox: Some(outbox.path().to_owned()), ..Surroundings::default() };
    let estimate = |surroundings: &Surroundings| {
        let (text, _) = checked("measure: {timed_runs: 100}\n", surroundings);
        let line = text.lines().find(|line| line.contains("duration:")).unwrap().to_owned();
        line.replace(&outbox.path().display().to_string(), "OUTBOX")
    };
    insta::assert_snapshot!(estimate(&surroundings), @"  duration: about 1 s, assuming a host that computes 10 GOP/s and 1 s for each process; compiling is not counted");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundles/v1-measured.json.gz");
    let mut bundle = crate::bundle::read::decode(std::fs::File::open(sample).unwrap()).unwrap();
    bundle.model.as_mut().unwrap().file = "tokens.onnx".to_owned();
    bundle.times.started = Some("2026-11-28T10:00:00Z".to_owned());
    bundle.times.finished = "2026-11-28T10:01:00Z".to_owned();
    let name = "a.tokens.onnxruntime.0000000002-t-0001.json.gz";
    fs_err::write(outbox.path().join(name), crate::bundle::write::encode(&bundle).unwrap()).unwrap();
    fs_err::write(outbox.path().join("a.tokens.onnxruntime.0000000001-t-0001.json.gz"), b"older").unwrap();
    insta::assert_snapshot!(estimate(&surroundings), @"  duration: about 31 s (21 s to 46 s), by the last results in OUTBOX");
}
