//! The shipped examples are what people copy from: `backbone check` must accept the right ones and refuse the
//! broken one with everything that is wrong with it, and a daemon must make of them the bundles that their
//! comments promise, where the runtimes are (`tools/fetch-runtimes` gets them; `BACKBONE_REQUIRE_RUNTIMES=1`
//! makes their absence a failure).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use backbone::bundle::format::{Bundle, InputOrigin, Stage, Status};

use crate::rig::{Rig, Settings};

fn check(name: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_backbone"))
        .args(["check", name])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/inbox-examples"))
        .output()
        .unwrap()
}

#[test]
fn right_examples_are_accepted_with_their_models() {
    for name in [
        "01-onnx.yaml",
        "02-tflite-int8.yaml",
        "03-both-runtimes.yaml",
        "04-every-field.yaml",
        "06-network.yaml",
        "07-study.yaml",
        "08-tensorrt.yaml",
        "09-edge-tpu.yaml",
        "10-gpu.yaml",
        "11-inputs.yaml",
        "12-token-ids.yaml",
    ] {
        let output = check(name);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.starts_with(&format!("{name}: ok\n")), "{text}");
    }
}

#[test]
fn broken_example_is_refused_with_every_mistake() {
    let output = check("05-broken.yaml");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn examples_of_each_kind_of_job_have_every_field() {
    let read = |name: &str| {
        fs_err::read_to_string(format!("{}/inbox-examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    for field in backbone::spec::FIELDS {
        let name = match field.path.split('.').next().unwrap() {
            // A mistake in a job for a runtime that compiles nothing.
            _ if field.path == "measure.builds" => "08-tensorrt.yaml",
            _ if field.path.starts_with("inputs.") => "11-inputs.yaml",
            // A sentinel has the keys of a network.
            _ if field.path.starts_with("sentinel.") => "06-network.yaml",
            "network" => "06-network.yaml",
            "study" | "order" | "sentinel_every" | "sentinel" | "role" => "07-study.yaml",
            _ => "04-every-field.yaml",
        };
        let key = format!("{}:", field.path.rsplit('.').next().unwrap());
        // In comments: keys whose values differ on every host, and those that would make another job of it.
        let is_comment = [
            "host.power_mode",
            "host.zones",
            "host.cpus",
            "measure.precision_percent",
            "measure.time_limit_seconds",
            "sentinel_every",
            "sentinel",
            "role",
        ]
        .contains(&field.path)
            || (field.path.starts_with("inputs.") && key != "value:");
        let comment = if is_comment { "# " } else { "" };
        let line_begins = format!("{comment}{key}");
        let is_there = read(name).lines().any(|line| line.trim_start().starts_with(&line_begins));
        assert!(is_there, "no `{}` in {name}", field.path);
    }
}

#[test]
fn study_example_is_twelve_configurations() {
    let text = String::from_utf8(check("07-study.yaml").stdout).unwrap();
    assert!(text.contains("  study: 12 configurations × 1 process\n"), "{text}");
}

#[test]
fn examples_are_numbered_without_a_gap_and_begin_with_a_comment() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/inbox-examples");
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            assert!(
                fs_err::read_to_string(entry.path()).unwrap().starts_with("# "),
                "{name} does not say what it shows"
            );
            names.push(name);
        } else {
            // Small enough to be looked at and copied over a slow line.
            assert!(entry.metadata().unwrap().len() <= 300 * 1024, "{name} is larger than 300 KB");
        }
    }
    names.sort();
    for (index, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:02}-", index + 1)), "{name} is not number {}", index + 1);
    }
    assert_eq!(names.len(), 12);
}

/// The library of a runtime, if this build can measure with it.
fn library(file: &str, worker_is_built: bool) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes").join(std::env::consts::ARCH).join(file);
    let missing = if !path.is_file() {
        format!("{} is missing; tools/fetch-runtimes gets it", path.display())
    } else if !worker_is_built {
        "the worker for TensorFlow Lite is not built; use --features tflite".to_owned()
    } else {
        return Some(path);
    };
    assert!(std::env::var_os("BACKBONE_REQUIRE_RUNTIMES").is_none(), "cannot run: {missing}");
    eprintln!("skipped: {missing}");
    None
}

#[test]
fn daemon_makes_of_the_examples_what_their_comments_say() {
    let Some(onnxruntime) = library("libonnxruntime.so", true) else { return };
    let tflite = library("libtensorflowlite_c.so", cfg!(feature = "tflite"));
    let mut rig = Rig::new(Settings { settle_seconds: 1, ..Settings::default() });
    let mut text = fs_err::read_to_string(rig.configuration()).unwrap();
    text.push_str(&format!("runtimes:\n  onnxruntime: {{library: {}}}\n", onnxruntime.display()));
    if let Some(tflite) = &tflite {
        text.push_str(&format!("  tflite: {{library: {}}}\n", tflite.display()));
    }
    fs_err::write(rig.configuration(), text).unwrap();
    rig.start();
    rig.must(&["pause"]);
    for entry in fs_err::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/inbox-examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Hosts of their own have them, see `tests/trtexec/` and `tests/edgetpu/`.
        if ["08-", "09-"].iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let needs_tflite = ["02-", "03-", "07-"].iter().any(|start| name.starts_with(start));
        if tflite.is_some() || !needs_tflite {
            rig.copy_in_place(name, fs_err::read(&path).unwrap());
        }
    }
    let jobs = if tflite.is_some() { 9 } else { 6 };
    rig.wait_for_status("all jobs but the broken one", |status| status.queued == jobs);
    rig.must(&["resume"]);
    let all = if tflite.is_some() { 22 } else { 7 };
    // Each network takes seconds on a busy machine: a deadline for each bundle, and none for all.
    for count in 1..=all {
        rig.wait_until(&format!("bundle {count}"), || rig.bundle_files().len() >= count);
    }
    let bundles = rig.wait_until_done(all);
    let of = |file: &str| -> Vec<&Bundle> {
        let found: Vec<&Bundle> = bundles.iter().filter(|bundle| bundle.job.file == file).collect();
        assert!(!found.is_empty(), "no bundle of {file}");
        found
    };
    let counts = |bundle: &Bundle| -> Vec<(usize, usize)> {
        let lengths = bundle
            .trials
            .iter()
            .map(|trial| (trial.latencies.warm_up_ns.len(), trial.latencies.latency_ns.len()));
        assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
        lengths.collect()
    };

    assert_eq!(counts(of("01-onnx.yaml")[0]), [(10, 100)]);
    assert_eq!(counts(of("06-network.yaml")[0]), [(10, 100)]);
    let every_field = of("04-every-field.yaml")[0];
    assert_eq!(counts(every_field), [(10, 100); 3]);
    assert_eq!(every_field.job.name, "every-field");
    assert_eq!(every_field.job.labels["rack"], "b2");
    assert_eq!(every_field.runtime.as_ref().unwrap().options["threads"], 2);
    assert!(every_field.runtime.as_ref().unwrap().library_sha256.is_some());

    let how = |file: &str| of(file)[0].inputs.iter().map(|input| input.how).collect::<Vec<_>>();
    assert_eq!(how("11-inputs.yaml"), [InputOrigin::Random, InputOrigin::Value]);
    assert_eq!(how("12-token-ids.yaml"), [InputOrigin::Range]);

    let gpu = &of("10-gpu.yaml")[0].outcome;
    assert_eq!((gpu.status, gpu.stage), (Status::Failed, Some(Stage::Load)));
    assert_eq!(
        gpu.reason.as_deref(),
        Some("provider_not_built_in"),
        "the fetched library has no GPU's provider"
    );

    let broken = of("05-broken.yaml")[0];
    assert_eq!((broken.outcome.status, broken.outcome.stage), (Status::Rejected, Some(Stage::Spec)));
    assert_eq!(broken.outcome.mistakes.len(), 6, "{:?}", broken.outcome.mistakes);
    assert!(rig.bundle_files().iter().any(|path| path.to_str().unwrap().contains("/05-broken.rejected.")));

    // By its priority.
    assert_eq!(rig.measured_order()[0], "every-field");
    if tflite.is_none() {
        return;
    }
    let int8 = of("02-tflite-int8.yaml")[0];
    assert_eq!(counts(int8), [(20, 200)]);
    assert_eq!(int8.runtime.as_ref().unwrap().options["xnnpack"], true);
    let both = of("03-both-runtimes.yaml");
    let runtimes: Vec<&str> =
        both.iter().map(|bundle| bundle.runtime.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(runtimes, ["onnxruntime", "tflite"]);
    both.iter().for_each(|bundle| assert_eq!(counts(bundle), [(10, 100)]));
    let study = of("07-study.yaml");
    assert_eq!(study.len(), 12);
    study.iter().for_each(|bundle| assert_eq!(counts(bundle), [(10, 100)]));
}

#[test]
fn jobs_for_hardware_that_is_not_there_are_one_line_and_other_failures_say_why() {
    let rig = Rig::new(Settings { settle_seconds: 1, ..Settings::default() });
    let mut names = vec!["05-broken.yaml", "08-tensorrt.yaml", "09-edge-tpu.yaml"];
    if let Some(onnxruntime) = library("libonnxruntime.so", true) {
        let settings = fs_err::read_to_string(rig.configuration()).unwrap();
        let named = format!("{settings}runtimes:\n  onnxruntime: {{library: {}}}\n", onnxruntime.display());
        fs_err::write(rig.configuration(), named).unwrap();
        names.extend(["10-gpu.yaml", "tiny-cnn.onnx"]);
    }
    for name in &names {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples").join(name);
        rig.copy_in_place(name, fs_err::read(path).unwrap());
    }
    let output = rig.serve().arg("--once").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = match names.len() {
        3 => "2 jobs need a Jetson or an Edge TPU: 08-tensorrt, 09-edge-tpu\n",
        _ => "3 jobs need a Jetson, an Edge TPU or a GPU: 08-tensorrt, 09-edge-tpu, 10-gpu\n",
    };
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("program_not_found"), "{text}");
    let broken = "05-broken: mistakes_in_spec\n  the job file has 6 mistakes\n  05-broken.yaml:4:8: model: ";
    assert!(text.contains(broken), "{text}");
    assert_eq!(
        rig.bundles().len(),
        if names.len() == 3 { 9 } else { 10 },
        "every configuration still has its bundle"
    );
}
