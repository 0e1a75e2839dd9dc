//! What edgetpu_compiler printed, against expectations written by hand. The transcripts are put together from
//! the texts that issues 168, 211, 313, 439, 508 and 879 of google-coral/edgetpu and public logs of versions
//! 14 to 16 show.

use super::outcome::{self, Output};
use super::report::{CAUSES, CompilerReport};
use crate::bundle::format::{Fault, Stage};
use crate::runtime::program::Exit;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

struct Case {
    transcript: &'static str,
    exit: Exit,
    output: Output,
    /// Reason, and is it a result about the model; `None` for a success.
    failure: Option<(&'static str, bool)>,
    /// Operations on the Edge TPU and on the processor.
    mapped: Option<(u32, u32)>,
    /// On-chip used, on-chip left, off-chip.
    bytes: Option<[f64; 3]>,
}

const fn failing(transcript: &'static str, reason: &'static str) -> Case {
    let failure = Some((reason, true));
    Case { transcript, exit: Exit::Code(1), output: Output::Unsound, failure, mapped: None, bytes: None }
}

/// A failure that says nothing about the model.
const fn broken(transcript: &'static str, reason: &'static str) -> Case {
    Case { failure: Some((reason, false)), ..failing(transcript, reason) }
}

const CASES: &[Case] = &[
    Case {
        transcript: "15.0-partly-mapped",
        exit: Exit::Code(0),
        output: Output::EdgeTpu,
        failure: None,
        mapped: Some((2, 34)),
        bytes: Some([3.0 * KIB, 7.67 * MIB, 0.0]),
    },
    Case {
        transcript: "14.1-wholly-mapped",
        exit: Exit::Code(0),
        output: Output::EdgeTpu,
        failure: None,
        mapped: Some((21, 0)),
        bytes: Some([3.01 * MIB, 4.61 * MIB, 0.0]),
    },
    Case {
        transcript: "16.0-mapped-but-softmax",
        exit: Exit::Code(0),
        output: Output::EdgeTpu,
        failure: None,
        mapped: Some((2, 1)),
        bytes: Some([20.5 * KIB, 7.83 * MIB, 0.0]),
    },
    Case {
        transcript: "16.0-streamed",
        exit: Exit::Code(0),
        output: Output::EdgeTpu,
        failure: None,
        mapped: Some((71, 0)),
        bytes: Some([6.05 * MIB, 1.25 * KIB, 18.61 * MIB]),
    },
    Case {
        transcript: "15.0-nothing-mapped",
        exit: Exit::Code(0),
        output: Output::Processor,
        failure: Some(("nothing_mapped", true)),
        mapped: Some((0, 19)),
        bytes: Some([0.0, 0.0, 0.0]),
    },
    failing("15.0-not-quantised", "model_not_quantised"),
    failing("14.1-not-quantised", "model_not_quantised"),
    failing("15.0-operator-too-new", "operator_too_new"),
    broken("14.1-internal-error", "internal_compiler_error"),
    broken("15.0-internal-error", "internal_compiler_error"),
    broken("16.0-compiler-exception", "internal_compiler_error"),
    broken("16.0-libstdc++-exception", "internal_compiler_error"),
    broken("16.0-compilation-timeout", "compiler_timed_out"),
    broken("16.0-no-reason", "compilation_not_explained"),
    failing("16.0-dynamic-tensors", "dynamic_tensors"),
    failing("16.0-compilation-failed", "compilation_failed"),
    failing("16.0-activations-too-large", "activations_too_large"),
    failing("16.0-interpreter-failed", "interpreter_failed"),
    Case {
        transcript: "15.0-half-a-line",
        exit: Exit::Signal(9),
        output: Output::Unsound,
        failure: Some(("tool_crashed", false)),
        mapped: None,
        bytes: None,
    },
];

fn transcript(name: &str) -> String {
    let path = format!("{}/tests/edgetpu/transcripts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    fs_err::read_to_string(path).unwrap()
}

#[test]
fn every_transcript_means_what_its_author_wrote_down() {
    for case in CASES {
        let name = case.transcript;
        let report = CompilerReport::of(&transcript(name));
        let version = report.build.compiler_version.as_deref().unwrap();
        assert!(version.starts_with(name.split('-').next().unwrap()), "{name}: {version}");
        let told = &report.build;
        let mapped = told.operations_on_edge_tpu.zip(told.operations_on_cpu);
        assert_eq!(mapped, case.mapped, "{name}");
        let bytes = told.on_chip_used_bytes.zip(told.on_chip_remaining_bytes).zip(told.off_chip_bytes);
        let bytes = bytes.map(|((used, left), off)| [used, left, off]);
        assert_eq!(bytes, case.bytes.map(|bytes| bytes.map(|bytes| bytes.round() as u64)), "{name}");
        match (outcome::of(&report, case.exit, case.output), case.failure) {
            (Ok(told), None) => assert!(told.compiler_seconds.is_some_and(|seconds| seconds > 0.0), "{name}"),
            (Err(failure), Some((reason, is_not_compilable))) => {
                assert_eq!((failure.reason.as_str(), failure.stage), (reason, Stage::Build), "{name}");
                assert_eq!(failure.fault == Fault::Model, is_not_compilable, "{name}");
                assert!(failure.hint.is_some(), "{name}");
            }
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn operators_are_reported_with_the_reason_for_each() {
    let rows = |name| {
        let operators = CompilerReport::of(&transcript(name)).build.operators;
        operators
            .iter()
            .map(|row| format!("{} {} {} {}", row.operator, row.count, row.is_mapped, row.status))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows("16.0-mapped-but-softmax"),
        [
            "CONV_2D 2 true Mapped to Edge TPU",
            "SOFTMAX 1 false Operation is otherwise supported, but not mapped due to some unspecified limitation",
        ]
    );
    let unmapped = outcome::of(
        &CompilerReport::of(&transcript("15.0-nothing-mapped")),
        Exit::Code(0),
        Output::Processor,
    );
    insta::assert_snapshot!(unmapped.unwrap_err(), @"the compiler mapped no operation to the Edge TPU: 17 CONV_2D (Tensor has unsupported rank (up to 3 innermost dimensions mapped)), 1 MEAN (Operation is working on an unsupported data type), 1 FULLY_CONNECTED (More than one subgraph is not supported)");
}

#[test]
fn compiler_that_dies_at_any_line_or_byte_still_gives_an_outcome() {
    for case in CASES {
        let whole = transcript(case.transcript);
        for (end, _) in whole.char_indices() {
            let report = CompilerReport::of(&whole[..end]);
            let Err(failure) = outcome::of(&report, Exit::Signal(9), Output::Unsound) else {
                panic!("{} to {end} is a success", case.transcript)
            };
            assert!(failure.hint.is_some());
        }
        let lines: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
        for end in lines {
            // It ended by itself and left half of its words: a success only where it said so.
            let report = CompilerReport::of(&whole[..end]);
            let found = outcome::of(&report, Exit::Code(0), Output::EdgeTpu);
            assert_eq!(
                found.is_ok(),
                report.is_compiled
                    && report.cause == Default::default()
                    && report.build.operations_on_edge_tpu != Some(0)
            );
        }
    }
}

#[test]
fn success_needs_exit_0_its_words_and_a_sound_file_with_the_operator() {
    let report = CompilerReport::of(&transcript("14.1-wholly-mapped"));
    let reason =
        |report: &CompilerReport, exit, output| outcome::of(report, exit, output).unwrap_err().reason;
    assert_eq!(reason(&report, Exit::Code(1), Output::EdgeTpu), "tool_failed");
    assert_eq!(reason(&report, Exit::Code(139), Output::EdgeTpu), "tool_crashed");
    assert_eq!(reason(&report, Exit::Code(0), Output::Unsound), "compiled_file_not_sound");
    assert_eq!(reason(&report, Exit::Code(0), Output::Processor), "nothing_mapped");
    assert_eq!(reason(&CompilerReport::of(""), Exit::Code(0), Output::EdgeTpu), "not_passed");
}

#[test]
fn every_known_cause_has_a_transcript() {
    let texts: Vec<String> = CASES.iter().map(|case| transcript(case.transcript)).collect();
    for cause in CAUSES {
        assert!(texts.iter().any(|text| text.contains(cause.text)), "{}", cause.text);
    }
}

#[test]
fn what_the_compiler_said_is_quoted_with_its_hint() {
    let told =
        ["16.0-compilation-timeout", "16.0-compiler-exception", "16.0-dynamic-tensors", "16.0-no-reason"];
    let told = told.map(|name| {
        let failure =
            outcome::of(&CompilerReport::of(&transcript(name)), Exit::Code(1), Output::Unsound).unwrap_err();
        format!(
            "{}: {}\nfault: {:?}\nhint: {}",
            failure.reason,
            failure.detail,
            failure.fault,
            failure.hint.unwrap()
        )
    });
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn only_what_is_the_compilers_own_fault_is_tried_again() {
    let again = |name: &str, exit| outcome::may_succeed_again(&CompilerReport::of(&transcript(name)), exit);
    for name in
        ["14.1-internal-error", "16.0-compiler-exception", "16.0-libstdc++-exception", "16.0-no-reason"]
    {
        assert!(again(name, Exit::Code(1)), "{name}");
    }
    for name in ["16.0-compilation-timeout", "16.0-dynamic-tensors", "16.0-activations-too-large"] {
        assert!(!again(name, Exit::Code(1)), "{name}");
    }
    for (exit, expected) in [
        (Exit::Signal(11), true),
        (Exit::Code(134), true),
        (Exit::Signal(9), false),
        (Exit::Code(137), false),
        (Exit::Code(0), false),
    ] {
        assert_eq!(again("15.0-half-a-line", exit), expected, "{exit}");
    }
}
