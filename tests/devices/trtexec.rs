//! TensorRT through the daemon, against a stub of trtexec (`tests/trtexec/stub`) that stands for one release
//! after the other. Every result is marked simulated, because the host root is a folder.

use std::path::Path;

use backbone::bundle::format::{
    Bundle, EnergyState, Fault, InputOrigin, Observation, Reading, Stage, Status,
};
use backbone::runtime::fill::{ElementType, Generator};

use crate::rig::{Rig, Settings};

#[path = "../trtexec/damage.rs"]
mod damage;
use damage::damaged;

/// A job that a debug build generates in a moment.
const NETWORK: &str = "backbone: 1\nruntime: trtexec\nmeasure: {warm_up_runs: 2, timed_runs: 5}\n";

/// Releases as the stub calls them, and as bundles must.
const RELEASES: &[(&str, &str)] = &[
    ("6GA", "6.0.1"),
    ("6", "6.0"),
    ("7.0", "7.0"),
    ("7.1", "7.1"),
    ("7.2", "7.2"),
    ("8001", "8.0.1"),
    ("8201", "8.2.1"),
    ("8401", "8.4.1"),
    ("8502", "8.5.2"),
    ("8601", "8.6.1"),
    ("9300", "9.3.0"),
    ("100300", "10.3.0"),
    ("101602", "10.16.2"),
    ("110000", "11.0.0"),
    // Newer than anything known: asked by its help text.
    ("120000", "12.0.0"),
];

/// A host with the stub as a release, with a daemon.
fn host(release: &str, more: &str) -> Rig {
    let mut rig = Rig::new(Settings::default());
    install(&rig, release, more);
    rig.start();
    rig
}

fn install(rig: &Rig, release: &str, more: &str) {
    let place = rig.path("host/usr/src/tensorrt/bin");
    fs_err::create_dir_all(&place).unwrap();
    fs_err::create_dir_all(rig.path("host/etc")).unwrap();
    // A copy of its own: a program that changed is asked again what it is.
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trtexec/stub");
    let _ = fs_err::remove_file(place.join("trtexec"));
    fs_err::copy(stub, place.join("trtexec")).unwrap();
    fs_err::write(rig.path("host/etc/trtexec-stub"), format!("RELEASE={release}\n{more}\n")).unwrap();
}

fn network(precision: &str) -> String {
    format!(
        "{NETWORK}network: {{block: depthwise-separable, kernel: 3, batch: 1, input: 32, precision: {precision}}}\n"
    )
}

fn measured(rig: &Rig, name: &str, job: &str) -> Bundle {
    rig.drop_file(format!("{name}.yaml"), job);
    rig.wait_for("the job's bundle", || rig.bundles().into_iter().find(|bundle| bundle.job.name == name))
}

fn outcome(bundle: &Bundle) -> (Status, Option<Stage>, &str) {
    (bundle.outcome.status, bundle.outcome.stage, bundle.outcome.reason.as_deref().unwrap_or("-"))
}

#[test]
fn every_release_builds_three_engines_and_times_each_from_its_file() {
    let mut rig = Rig::new(Settings::default());
    install(&rig, RELEASES[0].0, "");
    rig.start();
    for (release, version) in RELEASES {
        install(&rig, release, "");
        let bundle = measured(&rig, &format!("r{release}"), &network("fp32"));
        assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{release}: {:#?}", bundle.outcome);
        assert!(bundle.simulated);
        let runtime = bundle.runtime.as_ref().unwrap();
        assert_eq!(runtime.version.as_deref(), Some(*version));
        assert_eq!(runtime.timed.code, "trtexec.gpu_compute");
        let builds: Vec<_> =
            bundle.preparation.iter().map(|build| (build.build, build.status, build.is_kept)).collect();
        assert_eq!(builds, [1, 2, 3].map(|build| (build, Status::Measured, false)), "{release}");
        let trials: Vec<_> = bundle
            .trials
            .iter()
            .map(|trial| {
                (
                    trial.id.build,
                    trial.id.process,
                    trial.latencies.warm_up_ns.len(),
                    trial.latencies.latency_ns.len(),
                )
            })
            .collect();
        assert_eq!(trials, [1, 2, 3].map(|build| (build, 1, 2, 5)), "{release}");
        let summary = bundle.summary.as_ref().unwrap();
        let mean = |build: u32| {
            let trial = bundle.trials.iter().find(|trial| trial.id.build == build).unwrap();
            trial.latencies.latency_ns.iter().map(|latency| latency.0).sum::<u64>() as f64 / 5e6
        };
        let lowest = [1, 2, 3].map(mean).into_iter().fold(f64::INFINITY, f64::min);
        assert!((summary.mean - lowest).abs() < 1e-9, "{release}");
        assert!((mean(summary.build.unwrap()) - lowest).abs() < 1e-9);
        assert_eq!((summary.count, summary.trials_used), (5, 1));
        assert!(bundle.model.unwrap().inputs[0].shape.iter().all(Option::is_some));
    }
}

/// The job's bundle on a model of `tests/models`.
fn measured_model(rig: &Rig, name: &str, model: &str, rest: &str) -> Bundle {
    let bytes = fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(model)).unwrap();
    rig.drop_file(model, bytes);
    measured(rig, name, &format!("{NETWORK}model: {model}\n{rest}"))
}

#[test]
fn inputs_reach_trtexec_as_the_seed_or_the_job_makes_them_and_leave_no_file() {
    let mut rig = Rig::new(Settings::default());
    install(&rig, "8502", "");
    rig.start();
    let loaded = |input: &str| fs_err::read(rig.path(format!("host/trtexec-input-{input}"))).unwrap();
    let origin = |bundle: &Bundle| bundle.inputs.iter().map(|input| input.how).collect::<Vec<_>>();

    let bundle = measured_model(&rig, "seeded", "tokens.onnx", "");
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    assert_eq!((origin(&bundle), bundle.inputs[0].seed), (vec![InputOrigin::Random], Some(1)));
    let mut wanted = vec![0; 64];
    Generator::new(1).fill(ElementType::Int64, &mut wanted);
    // This release holds int64 in 32 bits.
    let halves: Vec<u8> = wanted.chunks(8).flat_map(|eight| eight[..4].to_vec()).collect();
    assert_eq!(loaded("tokens"), halves);

    install(&rig, "100300", "");
    measured_model(&rig, "seeded10", "tokens.onnx", "");
    assert_eq!(loaded("tokens"), wanted);
    let bundle = measured_model(&rig, "given", "tokens.onnx", "inputs: {tokens: {value: 9}}\n");
    assert_eq!(origin(&bundle), [InputOrigin::Value]);
    assert_eq!(loaded("tokens"), [9_i64; 8].into_iter().flat_map(i64::to_le_bytes).collect::<Vec<u8>>());

    let shape = "inputs: {shape: {values: [1, 3, 32, 32]}}\n";
    let bundle = measured_model(&rig, "shape", "t5_shape_tensor_input.onnx", shape);
    assert_eq!(origin(&bundle), [InputOrigin::Random, InputOrigin::Values], "{:#?}", bundle.outcome);
    let flags = bundle.runtime.as_ref().unwrap().options["timing_flags"].to_string();
    assert!(flags.contains("--shapes=shape:1x3x32x32"), "{flags}");
    assert!(!rig.path("host/trtexec-input-shape").exists());
    let bundle = measured_model(&rig, "noshape", "t5_shape_tensor_input.onnx", "");
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Prepare), "shape_values_missing"));

    install(&rig, "6GA", "");
    let bundle = measured_model(&rig, "old", "tokens.onnx", "");
    assert_eq!((outcome(&bundle).0, origin(&bundle)), (Status::Measured, vec![InputOrigin::Program]));
    let left: Vec<String> = engine_files(&rig).into_iter().filter(|name| name.contains(".input-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn engine_is_kept_for_the_next_job_and_built_again_for_another_release_or_option() {
    let rig = host("8502", "");
    let kept = |bundle: &Bundle| bundle.preparation.iter().map(|build| build.is_kept).collect::<Vec<_>>();
    let first = measured(&rig, "first", &network("fp32"));
    assert_eq!(kept(&first), [false; 3]);
    let second = measured(&rig, "second", &network("fp32"));
    assert_eq!(kept(&second), [true; 3]);
    assert_eq!(second.preparation[0].seconds, first.preparation[0].seconds);
    let fp16 = measured(&rig, "fp16", &format!("{}runtime_options: {{precision: fp16}}\n", network("fp32")));
    assert_eq!(kept(&fp16), [false; 3]);
    install(&rig, "8601", "");
    assert_eq!(kept(&measured(&rig, "newer", &network("fp32"))), [false; 3]);
}

#[test]
fn quantised_network_runs_from_8_on_and_is_refused_before_with_advice() {
    let dropped = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples/tiny-cnn-int8.onnx");
    let dropped = fs_err::read(dropped).unwrap();
    for (release, expected) in
        [("6GA", None), ("7.2", None), ("8001", Some("explicit")), ("110000", Some("explicit"))]
    {
        let rig = host(release, "");
        rig.drop_file("m.onnx", &dropped);
        for (name, job) in [("int8", network("int8")), ("dropped", format!("{NETWORK}model: m.onnx\n"))] {
            let bundle = measured(&rig, name, &job);
            let Some(mode) = expected else {
                let reason = "quantised_model_not_supported";
                assert_eq!(
                    outcome(&bundle),
                    (Status::NotCompilable, Some(Stage::Prepare), reason),
                    "{release}"
                );
                let hint = bundle.outcome.hint.unwrap();
                assert!(hint.contains("fp32 model of the same network"), "{hint}");
                assert!(!rig.path("host/trtexec-builds").exists(), "a build was started");
                continue;
            };
            assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{release}: {:?}", bundle.outcome);
            assert_eq!(bundle.runtime.unwrap().options["int8_mode"], mode);
        }
    }
}

#[test]
fn fp32_network_runs_with_integers_of_made_up_ranges_and_the_bundle_says_so() {
    let rig = host("6GA", "");
    let job = format!("{}runtime_options: {{precision: int8}}\n", network("fp32"));
    let bundle = measured(&rig, "dummy", &job);
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"));
    let options = bundle.runtime.unwrap().options;
    assert_eq!((&options["int8_mode"], &options["precision"]), (&"dummy_ranges".into(), &"int8".into()));
    let flags: Vec<&str> =
        options["build_flags"].as_array().unwrap().iter().filter_map(|flag| flag.as_str()).collect();
    assert!(flags.contains(&"--int8") && flags.contains(&"--explicitBatch"), "{flags:?}");
}

#[test]
fn builds_that_fail_are_results_with_a_reason_and_a_log_tail() {
    for (fault, status, reason) in [
        ("operator", Status::NotCompilable, "operator_not_supported"),
        ("implementation", Status::NotCompilable, "no_implementation"),
        // The stub says nothing of the GPU's size, so it may be the memory that others use.
        ("memory", Status::Failed, "out_of_memory"),
        ("abort", Status::Failed, "aborted"),
        ("half", Status::Failed, "tool_crashed"),
        ("flood", Status::Failed, "output_flood"),
        ("not_passed", Status::Failed, "not_passed"),
        ("empty", Status::Failed, "engine_not_saved"),
        ("crash", Status::Failed, "crash_after_passed"),
    ] {
        let rig = host("8502", &format!("BUILD_FAULT={fault}"));
        let bundle = measured(&rig, "faulty", &network("fp32"));
        assert_eq!(outcome(&bundle), (status, Some(Stage::Build), reason), "{fault}");
        assert!(bundle.outcome.hint.is_some(), "{fault}");
        assert!(bundle.trials.is_empty() && bundle.preparation.len() == 1, "{fault}");
        assert!(!bundle.preparation[0].log_tail.is_empty(), "{fault}");
        assert!(!engine_files(&rig).iter().any(|name| name.ends_with(".engine")), "{fault}");
    }
}

/// A transcript of `tests/trtexec/transcripts`, without the line that cites its source.
fn transcript(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trtexec/transcripts/{name}.txt"));
    fs_err::read_to_string(path).unwrap().split_once('\n').unwrap().1.to_owned()
}

#[test]
fn faults_of_driver_disk_and_board_are_never_facts_about_the_model() {
    let rig = host("8502", "BUILD_FAULT=transcript");
    for (name, reason, quoted) in [
        (
            "8.5-cuda-initialisation-failure",
            "cuda_not_initialised",
            "CUDA initialization failure with error: 222",
        ),
        ("10.3-engine-not-saved", "engine_not_saved", "Saving engine to file failed."),
        ("8.0-unknown-module", "board_not_supported", "Unknown embedded device detected"),
    ] {
        fs_err::write(rig.path("host/etc/trtexec-transcript"), transcript(name)).unwrap();
        let bundle = measured(&rig, &name.replace('.', "-"), &network("fp32"));
        assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Build), reason), "{name}");
        assert_eq!(bundle.outcome.fault, Fault::Host);
        let detail = bundle.outcome.detail.unwrap();
        assert!(detail.contains(quoted), "{detail}");
    }
    // Each was tried again twice, for the host may have changed.
    for wait in ["trying again in 2 s", "trying again in 4 s"] {
        assert_eq!(rig.log().matches(wait).count(), 3, "{}", rig.log());
    }
    let status = rig.wait_for_status("no trouble", |status| status.attention.is_empty());
    assert_eq!(status.queued, 0);
}

#[test]
fn damaged_transcripts_of_a_real_process_are_outcomes_and_never_other_numbers() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trtexec/transcripts");
    let mut names: Vec<String> = fs_err::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let texts: Vec<String> = names.iter().map(|name| transcript(name)).collect();
    let job = |name: &str| {
        network("fp32").replace("warm_up_runs: 2, timed_runs: 5", "warm_up_runs: 1, timed_runs: 2, builds: 1")
            + &format!("labels: {{seed: {name}}}\n")
    };
    let rig = host("8502", "");
    let first = measured(&rig, "undamaged", &job("none"));
    assert_eq!(outcome(&first).0, Status::Measured, "an engine is there from now on");
    install(&rig, "8502", "TIME_FAULT=transcript\nTRANSCRIPT_EXIT=0");
    let base = names.iter().position(|name| name == "8.5-timed").unwrap();
    let mut of_status = [0; 2];
    for seed in 0..24 {
        let damaged = damaged(seed, &texts[base], &texts);
        println!("{seed}: query lost {}, gained {}", damaged.lost_a_query, damaged.gained_a_query);
        fs_err::write(rig.path("host/etc/trtexec-transcript"), &damaged.text).unwrap();
        let name = format!("seed{seed}");
        let bundle = measured(&rig, &name, &job(&name));
        of_status[usize::from(bundle.outcome.status == Status::Measured)] += 1;
        assert_ne!(bundle.outcome.status, Status::NotCompilable, "{:?}", bundle.outcome);
        if bundle.outcome.status == Status::Measured {
            let numbers: Vec<u64> =
                bundle.trials[0].latencies.latency_ns.iter().map(|latency| latency.0).collect();
            assert_eq!(numbers, [39_872_400, 39_795_000], "{name}");
        } else {
            assert!(bundle.outcome.reason.is_some() && bundle.outcome.hint.is_some(), "{:?}", bundle.outcome);
        }
    }
    assert!(of_status.iter().all(|count| *count > 2), "{of_status:?}");
}

#[test]
fn step_of_trtexecs_clock_is_in_the_bundle_and_judged() {
    let rig = host("8502", "");
    let bundle = measured(&rig, "short", &network("fp32"));
    assert!(
        bundle.trials.iter().all(|trial| trial.latencies.clock_step_ns.is_some_and(|step| step.0 == 500))
    );
    let codes =
        |bundle: &Bundle| bundle.verdict.reasons.iter().map(|reason| reason.code.clone()).collect::<Vec<_>>();
    assert!(!codes(&bundle).contains(&"near_clock_resolution".to_owned()), "{:?}", codes(&bundle));
    // The same queries, of a loop that has run for ten minutes: floats of milliseconds are 1/16 ms apart.
    install(&rig, "8502", "LOOP_FACTOR=50000");
    let bundle = measured(&rig, "long", &network("fp32"));
    assert!(
        bundle.trials.iter().all(|trial| trial.latencies.clock_step_ns.is_some_and(|step| step.0 == 62_500))
    );
    let reason = bundle.verdict.reasons.iter().find(|reason| reason.code == "near_clock_resolution").unwrap();
    assert!(reason.detail.contains("clock step 62500 ns"), "{}", reason.detail);
}

#[test]
fn builds_and_processes_that_disagree_are_reasons() {
    let reason = |bundle: &Bundle, code: &str| {
        let found = bundle.verdict.reasons.iter().find(|reason| reason.code == code);
        found.map(|reason| reason.detail.clone())
    };
    // Three builds of 2.2, 2.0 and 2.7 ms, in some order.
    let rig = host("8502", "PACE=10");
    let bundle = measured(&rig, "builds", &network("fp32"));
    assert!(reason(&bundle, "builds_disagree").is_some(), "{:?}", bundle.verdict);
    assert_eq!(reason(&bundle, "processes_disagree"), None);
    install(&rig, "8502", "RUN_PACE=30");
    let job = network("fp32").replace("timed_runs: 5", "timed_runs: 5, processes: 3, builds: 1");
    let bundle = measured(&rig, "processes", &job);
    assert!(reason(&bundle, "processes_disagree").is_some(), "{:?}", bundle.verdict);
    assert_eq!(reason(&bundle, "builds_disagree"), None);
}

#[test]
fn outputs_come_from_a_run_of_their_own_after_the_timed_one() {
    let rig = host("8502", "");
    let row = "36, 37, 38, 39";
    let values = [row; 8].join(", ");
    let file = format!(
        "[\n  {{ \"name\" : \"vectors\"\n  , \"dimensions\" : \"1x8x4\"\n  , \"values\" : [ {values} ]\n  }}\n]\n"
    );
    fs_err::write(rig.path("host/etc/trtexec-outputs"), &file).unwrap();
    let rest = "inputs: {tokens: {value: 9}}\n";
    let bundle = measured_model(&rig, "shown", "tokens.onnx", rest);
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    let outputs = bundle.outputs.unwrap();
    assert_eq!(outputs.detail, None);
    let vectors = &outputs.tensors[0];
    assert_eq!((vectors.minimum, vectors.maximum), (Some(36.0), Some(39.0)));
    assert_eq!((vectors.is_finite, vectors.is_constant), (Some(true), Some(false)));
    assert_eq!((vectors.shape.as_slice(), vectors.sha256.is_some()), (&[1, 8, 4][..], true));
    let flags = bundle.runtime.unwrap().options["timing_flags"].to_string();
    assert!(!flags.contains("exportOutput"), "{flags}");

    fs_err::write(rig.path("host/etc/trtexec-outputs"), &file[..file.len() / 2]).unwrap();
    let bundle = measured_model(&rig, "cut", "tokens.onnx", rest);
    assert_eq!(outcome(&bundle).0, Status::Measured);
    let outputs = bundle.outputs.unwrap();
    assert!(outputs.tensors.is_empty() && outputs.detail.unwrap().contains("form that is not known"));

    install(&rig, "6GA", "");
    let outputs = measured_model(&rig, "old", "tokens.onnx", "").outputs.unwrap();
    assert_eq!(outputs.detail.as_deref(), Some("trtexec of TensorRT 6.0.1 shows no outputs"));
    let left = fs_err::read_dir(rig.spool("engines")).unwrap();
    let left: Vec<String> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".input-") || name.ends_with(".outputs"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn runs_that_fail_keep_what_they_gave() {
    for (fault, reason, latencies) in [
        ("half", "tool_crashed", None),
        ("flood", "output_flood", None),
        ("not_passed", "not_passed", Some(5)),
        ("crash", "crash_after_passed", Some(5)),
        ("few", "wrong_count", Some(4)),
    ] {
        let rig = host("8502", &format!("TIME_FAULT={fault}"));
        let bundle = measured(&rig, "faulty", &network("fp32"));
        assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Timing), reason), "{fault}");
        let kept =
            bundle.trials.iter().map(|trial| trial.latencies.latency_ns.len()).find(|count| *count > 0);
        assert_eq!(kept, latencies, "{fault}");
    }
}

#[test]
fn profile_of_the_layers_is_a_run_of_its_own_after_all_trials() {
    let rig = host("8502", "");
    let job = network("fp32") + "runtime_options: {profile: true}\n";
    let bundle = measured(&rig, "profiled", &job);
    assert_eq!((outcome(&bundle), bundle.trials.len()), ((Status::Measured, None, "-"), 3));
    let profile = bundle.profile.unwrap();
    assert_eq!((Some(profile.build), profile.runs, profile.detail), (bundle.summary.unwrap().build, 5, None));
    let layers: Vec<&str> = profile.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(layers, ["conv1 + relu1", "a \"quoted\" name"]);
    assert_eq!(
        (profile.layers[0].mean_milliseconds, profile.layers[0].median_milliseconds),
        (1.205, Some(1.2))
    );
    let options = bundle.runtime.unwrap().options;
    assert!(!options["timing_flags"].to_string().contains("Profile"), "{options:?}");
    // 6 writes none; what was measured stays.
    let rig = host("6GA", "");
    let bundle = measured(&rig, "profiled", &job);
    assert_eq!(outcome(&bundle).0, Status::Measured);
    assert!(bundle.profile.unwrap().detail.unwrap().contains("writes no profile"));
}

#[test]
fn host_is_read_around_a_program_and_the_bundle_says_how_closely() {
    let rig = host("8502", "SECONDS_PER_RUN=2.5");
    fs_err::create_dir_all(rig.path("host/sys/class/thermal/thermal_zone0")).unwrap();
    fs_err::write(rig.path("host/sys/class/thermal/thermal_zone0/type"), "GPU-therm\n").unwrap();
    fs_err::write(rig.path("host/sys/class/thermal/thermal_zone0/temp"), "41500\n").unwrap();
    let job = network("fp32").replace("timed_runs: 5", "timed_runs: 5, builds: 2, energy_seconds: 1")
        + "host: {nice: 1}\n";
    let bundle = measured(&rig, "observed", &job);
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"));
    let environment = bundle.environment.unwrap();
    assert_eq!(environment.observation, Observation::Around);
    let trials = |readings: &[Reading]| {
        readings.iter().map(|reading| (reading.build, reading.process)).collect::<Vec<_>>()
    };
    for readings in [&environment.before_warm_up, &environment.before, &environment.after] {
        assert_eq!(trials(readings), [(1, 1), (2, 1)], "a build is not sensed, a trial is");
        assert!(readings.iter().all(|reading| reading.values.contains(&Some(41.5))));
    }
    assert!((2..=6).contains(&environment.samples.len()), "{:?}", environment.samples);
    assert_eq!(environment.placement.unwrap().nice, Some(1));
    let energy = bundle.energy.unwrap();
    assert_eq!(energy.state, EnergyState::Unobservable);
    assert!(energy.detail.unwrap().contains("in the same run"));
}

#[test]
fn surplus_queries_are_kept_apart() {
    let rig = host("8502", "TIME_FAULT=surplus");
    let bundle = measured(&rig, "surplus", &network("fp32"));
    assert_eq!(outcome(&bundle).0, Status::Measured);
    assert!(
        bundle.trials.iter().all(|trial| trial.latencies.latency_ns.len() == 5 && trial.latencies.extra_latency_ns.len() == 3)
    );
    assert_eq!(bundle.summary.unwrap().count, 5);
}

#[test]
fn trtexec_that_never_ends_is_ended_by_the_jobs_limit() {
    for (fault, stage) in [("BUILD_FAULT=hang", Stage::Build), ("TIME_FAULT=hang", Stage::Timing)] {
        let rig = host("8502", fault);
        let job = network("fp32").replace("timed_runs: 5", "timed_runs: 5, timeout_seconds: 2");
        let bundle = measured(&rig, "hung", &job);
        assert_eq!(outcome(&bundle), (Status::TimedOut, Some(stage), "timed_out"));
    }
}

#[test]
fn example_is_two_networks_of_three_builds_each() {
    let rig = host("8502", "");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples/08-tensorrt.yaml");
    rig.drop_file("08-tensorrt.yaml", fs_err::read(example).unwrap());
    for bundle in rig.wait_until_done(2) {
        assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:?}", bundle.outcome);
        assert_eq!((bundle.preparation.len(), bundle.trials.len()), (3, 3));
        assert!(bundle.trials.iter().all(|trial| trial.latencies.latency_ns.len() == 100));
    }
}

#[test]
fn host_without_trtexec_says_where_it_was_looked_for() {
    let rig = Rig::running();
    let bundle = measured(&rig, "none", &network("fp32"));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Start), "program_not_found"));
    assert!(bundle.outcome.hint.unwrap().contains("runtimes.trtexec.program"));
}

#[test]
fn engine_dropped_as_a_model_is_refused_by_its_first_bytes_and_by_its_name() {
    let rig = host("8502", "");
    rig.drop_file("m.onnx", "ftrt\u{1}\u{2}\u{3}\u{4} an engine of some version");
    let bundle = measured(&rig, "renamed", "backbone: 1\nmodel: m.onnx\nruntime: trtexec\n");
    assert_eq!(outcome(&bundle), (Status::Rejected, Some(Stage::Model), "wrong_format"));
    assert!(bundle.outcome.detail.unwrap().contains("a TensorRT engine"));
    let bundle = measured(&rig, "named", "backbone: 1\nmodel: m.engine\nruntime: trtexec\n");
    assert_eq!(outcome(&bundle), (Status::Rejected, Some(Stage::Spec), "mistakes_in_spec"));
    assert!(!rig.path("host/trtexec-builds").exists(), "a build was started");
}

#[test]
fn engine_that_another_release_wrote_into_the_cache_is_dropped_and_built_again_by_retry() {
    let rig = host("8502", "");
    measured(&rig, "first", &network("fp32"));
    for name in engine_files(&rig).into_iter().filter(|name| name.ends_with(".engine")) {
        let path = rig.spool("engines").join(name);
        let text = fs_err::read_to_string(&path).unwrap().replace("8502", "8401");
        fs_err::write(path, text).unwrap();
    }
    let bundle = measured(&rig, "second", &network("fp32"));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Timing), "engine_mismatch"));
    let bundle =
        measured(&rig, "third", &network("fp32").replace("timed_runs: 5", "timed_runs: 5, builds: 1"));
    assert_eq!(outcome(&bundle).0, Status::Measured);
    assert_eq!(bundle.preparation.len(), 1);
}

#[test]
fn kill_between_two_builds_loses_none_of_them() {
    let mut rig = host("8502", "SECONDS_PER_RUN=1");
    rig.drop_file("long.yaml", network("fp32"));
    rig.wait_for_status("the second build's trial", |status| {
        status.running.as_ref().is_some_and(|running| running.trial == 2)
    });
    rig.kill();
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(outcome(&bundle).0, Status::Measured);
    assert_eq!(bundle.preparation.iter().map(|build| build.build).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(bundle.trials.iter().map(|trial| trial.id.build).collect::<Vec<_>>(), [1, 2, 3]);
}

fn engine_files(rig: &Rig) -> Vec<String> {
    let Ok(models) = fs_err::read_dir(rig.spool("engines")) else { return Vec::new() };
    let name = |entry: &fs_err::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let of = |model: fs_err::DirEntry| {
        let files = fs_err::read_dir(model.path()).unwrap();
        files.map(|file| format!("{}/{}", name(&model), name(&file.unwrap()))).collect::<Vec<_>>()
    };
    models.flat_map(|model| of(model.unwrap())).collect()
}
