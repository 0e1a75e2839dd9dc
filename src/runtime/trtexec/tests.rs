//! Transcripts of every major version, whole and cut off; command lines of every version.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::command::{self, Settings};
use super::feed::Feed;
use super::outcome::{self, Exit};
use super::release::{Program, Release};
use super::report::TrtexecReport;
use super::times;
use crate::bundle::format::{Fault, InputOrigin, Stage};
use crate::model_file::onnx;
use crate::runtime::inputs::Inputs;
use crate::runtime::shapes::DeclaredInput;
use crate::runtime::{Failure, GivenInput, GivenInputs, InputContent, SelfTimed};
use crate::units::Nanos;

/// What is asked for in every timed transcript: one warm-up run and two timed ones.
pub(super) const WARM_UP_RUNS: usize = 1;
pub(super) const TIMED_RUNS: usize = 2;

pub(super) enum Expected {
    /// Nanoseconds: warm-up, timed, surplus.
    Timed(&'static [u64], &'static [u64], &'static [u64]),
    Built,
    /// Reason, and whose fault it is.
    NotBuilt(&'static str, Fault),
    /// Reason, and how many latencies are kept all the same.
    NotTimed(&'static str, usize),
}
use Expected::{Built, NotBuilt, NotTimed, Timed};

const NANO: Expected = Timed(&[40_128_200], &[39_872_400, 39_795_000], &[]);

/// Transcript, how the process ended, what must come out; the numbers were read off the transcripts by hand.
pub(super) const TRANSCRIPTS: &[(&str, Exit, Expected)] = &[
    ("6.0.1-timed", Exit::Code(0), Timed(&[1_310_000], &[1_230_000, 1_240_000], &[])),
    ("6.0.1-built", Exit::Code(0), Built),
    ("6.0.1-unknown-option", Exit::Code(1), NotTimed("unknown_option", 0)),
    ("6.0.1-quantised-model", Exit::Code(1), NotBuilt("operator_not_supported", Fault::Model)),
    ("6.0.1-input-missing", Exit::Code(1), NotBuilt("operator_not_supported", Fault::Model)),
    ("6.0-rebuilt-timed", Exit::Code(0), Timed(&[1_410_000], &[1_330_000, 1_340_000], &[])),
    ("7.0-timed", Exit::Code(0), Timed(&[1_998_050], &[1_957_030, 1_955_080], &[])),
    ("7.1-timed", Exit::Code(0), Timed(&[1_998_050], &[1_957_030, 1_960_940], &[])),
    ("7.2-timed", Exit::Code(0), Timed(&[2_500_000], &[2_250_000, 2_125_000], &[])),
    ("7.1-built", Exit::Code(0), Built),
    ("7.0-no-explicit-batch", Exit::Code(1), NotBuilt("explicit_batch_missing", Fault::Host)),
    ("7.1-quantised-model", Exit::Code(1), NotBuilt("quantised_model_not_supported", Fault::Model)),
    ("7.2-engine-of-another-version", Exit::Code(1), NotTimed("engine_mismatch", 0)),
    ("7.1-killed", Exit::Signal(9), NotBuilt("killed", Fault::Unknown)),
    ("8.0-timed", Exit::Code(0), NANO),
    ("8.2-timed-unstable", Exit::Code(0), NANO),
    ("8.4-timed", Exit::Code(0), NANO),
    ("8.5-timed", Exit::Code(0), NANO),
    (
        "8.6-timed-surplus",
        Exit::Code(0),
        Timed(&[3_500_000], &[3_250_000, 3_125_000], &[3_062_500, 3_031_250]),
    ),
    ("9.3-timed", Exit::Code(0), NANO),
    ("10.3-timed", Exit::Code(0), NANO),
    ("10.16-timed", Exit::Code(0), NANO),
    ("11.0-timed", Exit::Code(0), NANO),
    ("8.5-built", Exit::Code(0), Built),
    ("10.3-built", Exit::Code(0), Built),
    ("8.5-built-after-skipped-tactics", Exit::Code(0), Built),
    ("8.0-operator-not-supported", Exit::Code(1), NotBuilt("operator_not_supported", Fault::Model)),
    ("10.3-operator-not-supported", Exit::Code(1), NotBuilt("operator_not_supported", Fault::Model)),
    ("11.0-model-not-parsed", Exit::Code(1), NotBuilt("model_not_parsed", Fault::Model)),
    ("8.4-int8-not-configured", Exit::Code(1), NotBuilt("int8_not_configured", Fault::Job)),
    ("8.5-no-implementation", Exit::Code(1), NotBuilt("no_implementation", Fault::Model)),
    ("8.6-no-implementation", Exit::Code(1), NotBuilt("no_implementation", Fault::Model)),
    ("8.5-engine-of-another-version", Exit::Code(1), NotTimed("engine_mismatch", 0)),
    ("8.2-out-of-gpu-memory", Exit::Code(1), NotBuilt("out_of_memory", Fault::Unknown)),
    ("10.3-out-of-gpu-memory-timed", Exit::Code(1), NotTimed("out_of_memory", 0)),
    ("8.4-jetson-allocator", Exit::Code(1), NotBuilt("out_of_memory", Fault::Unknown)),
    ("8.5-gpu-not-accessible", Exit::Code(1), NotBuilt("gpu_not_accessible", Fault::Host)),
    ("10.3-unknown-option", Exit::Code(1), NotBuilt("unknown_option", Fault::Host)),
    ("11.0-unknown-option", Exit::Code(1), NotBuilt("unknown_option", Fault::Host)),
    ("8.6-uncaught-exception", Exit::Code(1), NotBuilt("out_of_memory", Fault::Unknown)),
    ("8.0-aborted", Exit::Code(134), NotBuilt("aborted", Fault::Unknown)),
    ("8.5-half-a-line", Exit::Signal(11), NotTimed("tool_crashed", 0)),
    ("8.5-exit-0-without-passed", Exit::Code(0), NotTimed("not_passed", 2)),
    ("8.0-passed-then-crashed", Exit::Code(139), NotTimed("crash_after_passed", 2)),
    ("8.2-passed-with-too-few-runs", Exit::Code(0), NotTimed("wrong_count", 1)),
    ("8.5-cuda-initialisation-failure", Exit::Code(1), NotBuilt("cuda_not_initialised", Fault::Host)),
    ("7.0-no-gpu", Exit::Code(1), NotBuilt("cuda_not_initialised", Fault::Host)),
    ("8.5-driver-too-old", Exit::Code(134), NotBuilt("cuda_not_initialised", Fault::Host)),
    ("10.3-engine-not-saved", Exit::Code(1), NotBuilt("engine_not_saved", Fault::Host)),
    ("8.0-unknown-module", Exit::Code(1), NotBuilt("board_not_supported", Fault::Host)),
    ("10.7-gpu-not-supported", Exit::Code(1), NotBuilt("gpu_not_supported", Fault::Host)),
    ("7.2-gpu-not-supported", Exit::Code(1), NotBuilt("gpu_not_supported", Fault::Host)),
    ("8.4-library-missing", Exit::Code(1), NotBuilt("library_not_found", Fault::Host)),
    ("8.0-plugin-not-found", Exit::Code(1), NotBuilt("plugin_not_found", Fault::Model)),
    ("8.5-nothing-but-memory", Exit::Code(1), NotBuilt("out_of_memory", Fault::Host)),
    ("8.6-more-than-the-gpu-has", Exit::Code(1), NotBuilt("out_of_memory", Fault::Model)),
    ("10.3-memory-of-its-own", Exit::Code(1), NotBuilt("out_of_memory", Fault::Model)),
    ("8.6-workspace-too-small", Exit::Code(1), NotBuilt("workspace_too_small", Fault::Job)),
    ("8.5-input-unknown", Exit::Code(1), NotBuilt("shapes_not_accepted", Fault::Job)),
    ("7.1-no-profile", Exit::Code(1), NotBuilt("shapes_not_accepted", Fault::Job)),
    ("8.5-int8-without-ranges", Exit::Code(1), NotBuilt("int8_ranges_missing", Fault::Job)),
    ("10.3-no-dla", Exit::Code(1), NotBuilt("dla_missing", Fault::Host)),
    ("8.5-layer-not-on-dla", Exit::Code(1), NotBuilt("layer_not_on_dla", Fault::Model)),
    ("8.6-no-room-for-timings", Exit::Code(1), NotBuilt("disk_full", Fault::Host)),
    ("8.5-something-new", Exit::Code(1), NotBuilt("engine_not_built", Fault::Unknown)),
    ("8.5-kernel-failed", Exit::Code(1), NotBuilt("cuda_failed", Fault::Unknown)),
    ("7.0-cask", Exit::Code(1), NotBuilt("internal_error", Fault::Unknown)),
    ("9.3-bf16-without-hardware", Exit::Code(1), NotBuilt("precision_not_supported", Fault::Model)),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trtexec/transcripts")
}

/// Without the line that cites the fact it was written from.
pub(super) fn transcript(name: &str) -> String {
    let text = fs_err::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
    let (source, text) = text.split_once('\n').unwrap();
    assert!(source.starts_with("# Source: "), "{name} cites nothing");
    text.to_owned()
}

pub(super) fn read(text: &str) -> TrtexecReport {
    let mut report = TrtexecReport::default();
    report.take(text.as_bytes());
    report.finish();
    report
}

pub(super) fn timed(report: &TrtexecReport, exit: Exit) -> SelfTimed {
    outcome::of_timing(report, exit, None, WARM_UP_RUNS, TIMED_RUNS)
}

pub(super) fn numbers(latencies: &[Nanos]) -> Vec<u64> {
    latencies.iter().map(|latency| latency.0).collect()
}

#[test]
fn every_transcript_gives_what_was_read_off_it_by_hand() {
    for (name, exit, expected) in TRANSCRIPTS {
        let report = read(&transcript(name));
        match expected {
            Timed(warm_up, latencies, extra) => {
                let timed = timed(&report, *exit);
                assert_eq!(timed.failure, None, "{name}");
                assert_eq!(numbers(&timed.latencies.warm_up_ns), *warm_up, "{name}");
                assert_eq!(numbers(&timed.latencies.latency_ns), *latencies, "{name}");
                assert_eq!(numbers(&timed.latencies.extra_latency_ns), *extra, "{name}");
            }
            Built => assert_eq!(outcome::of_build(&report, *exit, Some(7)), Ok(7), "{name}"),
            NotBuilt(reason, fault) => {
                let failure = outcome::of_build(&report, *exit, None).expect_err(name);
                assert_eq!((failure.reason.as_str(), failure.fault), (*reason, *fault), "{name}");
                assert!(failure.hint.is_some() && failure.stage == Stage::Build, "{name}");
            }
            NotTimed(reason, kept) => {
                let timed = timed(&report, *exit);
                let failure = timed.failure.expect(name);
                assert_eq!(
                    (failure.reason.as_str(), timed.latencies.latency_ns.len()),
                    (*reason, *kept),
                    "{name}"
                );
                assert!(failure.hint.is_some() && failure.fault != Fault::Model, "{name}");
            }
        }
    }
}

#[test]
fn every_transcript_file_is_a_case() {
    let mut files: Vec<String> = fs_err::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut cases: Vec<String> = TRANSCRIPTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    files.sort();
    cases.sort();
    assert_eq!(files, cases);
    assert!(cases.len() >= 30);
}

#[test]
fn details_of_failures_name_what_a_person_needs() {
    let details: Vec<String> = TRANSCRIPTS
        .iter()
        .filter_map(|(name, exit, expected)| {
            let report = read(&transcript(name));
            let failure = match expected {
                NotBuilt(..) => outcome::of_build(&report, *exit, None).err(),
                NotTimed(..) => timed(&report, *exit).failure,
                Timed(..) | Built => None,
            }?;
            Some(format!(
                "{name}\n  {}: {failure}\n  hint: {}\n",
                failure.reason,
                failure.hint.as_deref().unwrap_or("-")
            ))
        })
        .collect();
    insta::assert_snapshot!(details.concat());
}

#[test]
fn transcript_cut_off_after_any_line_or_byte_is_an_outcome_and_never_a_success() {
    for (name, ..) in TRANSCRIPTS {
        let text = transcript(name);
        let whole = read(&text);
        for end in text.char_indices().map(|(end, _)| end) {
            let cut = read(&text[..end]);
            assert!(cut.latency_ns.len() <= whole.latency_ns.len(), "{name} at byte {end}");
            if text[..end].contains("&&&& PASSED TensorRT.trtexec") {
                continue;
            }
            for exit in [Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Signal(11)] {
                assert!(timed(&cut, exit).failure.is_some(), "{name} at byte {end}");
                assert!(outcome::of_build(&cut, exit, Some(7)).is_err(), "{name} at byte {end}");
            }
        }
    }
}

#[test]
fn report_is_the_same_however_its_bytes_arrive() {
    for (name, ..) in TRANSCRIPTS {
        let text = transcript(name);
        let mut in_pieces = TrtexecReport::default();
        text.as_bytes().chunks(7).for_each(|piece| in_pieces.take(piece));
        in_pieces.finish();
        assert_eq!(format!("{in_pieces:?}"), format!("{:?}", read(&text)), "{name}");
    }
}

#[test]
fn flood_of_bytes_takes_no_memory() {
    let mut report = TrtexecReport::default();
    for _ in 0..1000 {
        report.take(&[0xfe; 4096]);
    }
    report.finish();
    assert!(report.latency_ns.is_empty() && !report.is_passed);
}

#[test]
fn exported_times_count_where_they_are_whole_and_printed_ones_else() {
    let row = |milliseconds: &str| {
        format!(
            r#"{{ "startEnqMs" : 0.01, "endEnqMs" : 0.02, "startComputeMs" : 0.05, "endComputeMs" : 2.01, "computeMs" : {milliseconds}, "latencyMs" : 9 }}"#
        )
    };
    let file = format!("[\n  {}\n, {}\n, {}\n, {}\n]\n", row("4"), row("1.96"), row("1.95999"), row("3e-05"));
    let exported = times::parse(file.as_bytes()).unwrap();
    assert_eq!(numbers(&exported.latency_ns), [4_000_000, 1_960_000, 1_959_990, 30]);
    assert_eq!(exported.last_milliseconds, Some(2.01));
    let report = read("&&&& PASSED TensorRT.trtexec [TensorRT v8502]\n");
    let silent = outcome::of_timing(&report, Exit::Code(0), Some(exported.clone()), WARM_UP_RUNS, TIMED_RUNS);
    assert_eq!(silent.failure, None);
    assert_eq!(numbers(&silent.latencies.latency_ns), [1_960_000, 1_959_990]);
    assert_eq!(numbers(&silent.latencies.extra_latency_ns), [30]);
    // Two witnesses that differ are none.
    let report = read(&transcript("8.5-timed"));
    let both = outcome::of_timing(&report, Exit::Code(0), Some(exported), WARM_UP_RUNS, TIMED_RUNS);
    assert_eq!(both.failure.unwrap().reason, "report_contradicts_itself");
    for end in 0..file.trim_end().len() {
        assert_eq!(times::parse(&file.as_bytes()[..end]), None, "cut at byte {end}");
    }
    for odd in [row("-1"), row("-nan"), row("1e300"), row("null"), "{}".to_owned()] {
        assert_eq!(times::parse(format!("[{odd}]").as_bytes()), None, "{odd}");
    }
}

fn help(frame: &str, options: &[&str]) -> String {
    let lines: Vec<String> =
        options.iter().map(|option| format!("  {option:28} words about it (default = 1)\n")).collect();
    format!(
        "&&&& RUNNING TensorRT.trtexec{frame} # trtexec --help\n=== Model Options ===\n{}",
        lines.concat()
    )
}

/// What every release names; 6.0.1 names no more of what tells releases apart.
const ALWAYS: &[&str] = &["--onnx=<file>", "--saveEngine=<file>", "--loadEngine=<file>", "--int8"];

/// A release by its frame line, or by what its help text has beyond [`ALWAYS`].
fn program(frame: &str, more: &[&str]) -> Program {
    Program::from_help(&help(frame, &[ALWAYS, more].concat())).unwrap()
}

fn programs() -> Vec<Program> {
    let by_options: [&[&str]; 5] = [
        &[],
        &["--useSpinWait"],
        &["--useSpinWait", "--exposeDMA"],
        &["--useSpinWait", "--exposeDMA", "--best", "--noTF32"],
        &["--useSpinWait", "--exposeDMA", "--best", "--noDataTransfers"],
    ];
    let by_frame = [
        " [TensorRT v8001]",
        " [TensorRT v8201]",
        " [TensorRT v8401]",
        " [TensorRT v8502]",
        " [TensorRT v8601]",
        " [TensorRT v9300]",
        " [TensorRT v100300]",
        " [TensorRT v101602] [b10]",
        " [TensorRT v110000] [b2]",
    ];
    by_options
        .iter()
        .map(|more| program("", more))
        .chain(by_frame.iter().map(|frame| program(frame, &[])))
        .collect()
}

#[test]
fn program_tells_its_version_by_its_frame_or_by_its_options() {
    let versions: Vec<String> = programs().into_iter().map(|program| program.version).collect();
    assert_eq!(
        versions,
        [
            "6.0.1", "6.0", "7.0", "7.1", "7.2", "8.0.1", "8.2.1", "8.4.1", "8.5.2", "8.6.1", "9.3.0",
            "10.3.0", "10.16.2", "11.0.0"
        ]
    );
    for text in ["", "bash: trtexec: command not found", "usage: python --onnx"] {
        assert_eq!(Program::from_help(text), None, "{text}");
    }
    assert_eq!(Release::from_number(5000), None);
    assert_eq!(Release::from_number(50_000), None);
}

#[test]
fn command_lines_of_every_version_hold_only_what_it_knows() {
    let mut text = String::new();
    let inputs = [("image".to_owned(), vec![1_i64, 3, 224, 224])];
    for program in programs() {
        let settings = Settings::new(&program, false, &BTreeMap::new()).unwrap();
        let (build, time) = (settings.build_flags(&program, &[]), settings.timing_flags(&program, &[]));
        let build = command::build(build, &program, Path::new("m.onnx"), Path::new("e"), Path::new("t"));
        let time = command::time(time, &program, Path::new("e"), Path::new("j"), 110);
        let line =
            |words: Vec<std::ffi::OsString>| words.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
        text.push_str(&format!("{}\n  {}\n  {}\n", program.version, line(build), line(time)));
        assert!(settings.build_flags(&program, &inputs).contains(&"--shapes=image:1x3x224x224".to_owned()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn release_newer_than_the_table_is_asked_by_its_help_text() {
    let newer = program(
        " [TensorRT v120000]",
        &["--skipInference", "--warmUp=N", "--duration=N", "--avgRuns=N", "--device=N"],
    );
    let settings = Settings::new(&newer, false, &BTreeMap::new()).unwrap();
    assert_eq!(settings.build_flags(&newer, &[]), ["--device=0", "--skipInference"]);
    assert_eq!(
        settings.timing_flags(&newer, &[]),
        ["--device=0", "--warmUp=0", "--duration=0", "--avgRuns=1"]
    );
}

fn settings(program: &Program, is_quantised: bool, precision: Option<&str>) -> Result<Vec<String>, Failure> {
    let asked: BTreeMap<String, Value> =
        precision.map(|word| ("precision".to_owned(), json!(word))).into_iter().collect();
    let settings = Settings::new(program, is_quantised, &asked).map_err(|failure| *failure)?;
    let mut flags = settings.build_flags(program, &[]);
    flags.retain(|flag| matches!(flag.as_str(), "--int8" | "--fp16"));
    flags.extend(settings.in_force(program, &[]).get("int8_mode").map(Value::to_string));
    Ok(flags)
}

#[test]
fn integers_come_from_the_model_from_8_on_and_from_made_up_ranges_else() {
    let programs = programs();
    let of = |version: &str| programs.iter().find(|program| program.version == version).unwrap();
    let ok = |version, quantised, precision| settings(of(version), quantised, precision).unwrap();
    let refused = |version, quantised, precision| {
        let failure = settings(of(version), quantised, precision).unwrap_err();
        assert!(failure.hint.is_some() && failure.stage == Stage::Prepare);
        (failure.reason, failure.fault == Fault::Model)
    };
    let nothing: [&str; 0] = [];
    assert_eq!(ok("6.0.1", false, None), nothing);
    assert_eq!(ok("6.0.1", false, Some("int8")), ["--int8", "\"dummy_ranges\""]);
    assert_eq!(ok("8.0.1", false, Some("int8_fp16")), ["--fp16", "--int8", "\"dummy_ranges\""]);
    assert_eq!(ok("8.0.1", true, None), ["--int8", "\"explicit\""]);
    assert_eq!(ok("10.3.0", true, Some("int8_fp16")), ["--fp16", "--int8", "\"explicit\""]);
    assert_eq!(ok("11.0.0", true, None), ["\"explicit\""]);
    assert_eq!(ok("11.0.0", false, None), nothing);
    for version in ["6.0.1", "6.0", "7.0", "7.1", "7.2"] {
        assert_eq!(refused(version, true, None), ("quantised_model_not_supported".to_owned(), true));
    }
    assert_eq!(refused("8.5.2", true, Some("fp16")), ("quantised_model_needs_int8".to_owned(), false));
    assert_eq!(refused("11.0.0", false, Some("int8")), ("precision_of_model".to_owned(), false));
}

/// How a model is fed to a release, with what a job says of its inputs: what `--shapes` says, and whether
/// each input comes from a file.
fn fed(version: &str, model: &str, given: &GivenInputs) -> Result<(Vec<String>, Vec<InputOrigin>), Failure> {
    let program = programs().into_iter().find(|program| program.version == version).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(model);
    let border = onnx::border(&fs_err::read(path).unwrap()).unwrap();
    let declared: Vec<DeclaredInput> = border
        .inputs
        .iter()
        .map(|input| DeclaredInput { name: input.name.clone(), shape: input.shape.clone() })
        .collect();
    let mut inputs = Inputs::plan(&declared, given, 1)?;
    let feed = Feed::plan(&program, &border, &mut inputs, Path::new("/srv/engines"))?;
    let settings = Settings::new(&program, false, &BTreeMap::new()).unwrap();
    let mut flags = settings.build_flags(&program, &feed.shapes);
    flags.retain(|flag| flag.starts_with("--shapes"));
    Ok((flags, inputs.filled().into_iter().map(|input| input.how).collect()))
}

fn given(name: &str, content: InputContent) -> GivenInputs {
    GivenInputs::from([(name.to_owned(), GivenInput::filled(content))])
}

#[test]
fn names_are_written_as_each_release_splits_them_or_refused() {
    let shapes =
        |version| fed(version, "t4_colon_names.onnx", &GivenInputs::new()).map(|(flags, _)| flags.concat());
    for version in ["6.0.1", "6.0"] {
        let failure = shapes(version).unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.stage), ("name_not_writable", Stage::Prepare));
    }
    assert_eq!(shapes("7.0").unwrap(), "--shapes='input:0':1x3x32x32");
    for version in ["7.1", "7.2", "8.0.1", "8.5.2", "10.3.0", "11.0.0"] {
        assert_eq!(shapes(version).unwrap(), "--shapes=input:0:1x3x32x32");
    }
}

#[test]
fn values_that_are_a_shape_are_given_as_a_shape_or_refused() {
    let model = "t5_shape_tensor_input.onnx";
    let values = given("shape", InputContent::Values([1, 3, 32, 32].map(serde_json::Number::from).to_vec()));
    for version in ["7.0", "8.5.2", "10.3.0"] {
        let (flags, how) = fed(version, model, &values).unwrap();
        assert_eq!(flags, ["--shapes=shape:1x3x32x32"]);
        assert_eq!(how, [InputOrigin::Random, InputOrigin::Values]);
        let failure = fed(version, model, &GivenInputs::new()).unwrap_err();
        assert_eq!(failure.reason, "shape_values_missing");
        insta::allow_duplicates! {
            insta::assert_snapshot!(failure.hint.unwrap(), @"give them in the job, as in `inputs: {shape: {values: [1, 3, 224, 224]}}`");
        }
    }
    assert_eq!(fed("6.0.1", model, &values).unwrap_err().reason, "shape_input_not_supported");
}

#[test]
fn what_a_release_cannot_read_it_fills_itself_but_never_what_the_job_gives() {
    let how = |version| fed(version, "tokens.onnx", &GivenInputs::new()).unwrap().1;
    assert_eq!(how("6.0.1"), [InputOrigin::Program]);
    assert_eq!(how("6.0"), [InputOrigin::Program]);
    for version in ["7.0", "8.5.2", "10.3.0", "11.0.0"] {
        assert_eq!(how(version), [InputOrigin::Random], "{version}");
    }
    // Between int64 as 32 bits and int64 as it is, no one says which it is.
    assert_eq!(how("9.3.0"), [InputOrigin::Program]);
    let range = given("tokens", InputContent::Range(0, 15));
    assert_eq!(fed("6.0.1", "tokens.onnx", &range).unwrap_err().reason, "input_not_loadable");
    assert_eq!(fed("8.5.2", "tokens.onnx", &range).unwrap().1, [InputOrigin::Range]);
}
