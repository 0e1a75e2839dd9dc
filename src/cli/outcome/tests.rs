//! Made-up rows, as a run ends with them.

use super::*;
use crate::bundle::format::{Fault, Mistake, Outcome};

fn outcome(status: Status, failure: Option<[&str; 3]>) -> Outcome {
    let [reason, detail, hint] = [0, 1, 2].map(|index| failure.map(|words| words[index].to_owned()));
    Outcome {
        status,
        stage: None,
        reason,
        detail,
        hint,
        fault: Fault::Unknown,
        mistakes: Vec::new(),
        log_tail: Vec::new(),
    }
}

fn row(job: &str, status: Status, verdict: VerdictState) -> BundleLine {
    BundleLine {
        job: job.to_owned(),
        file: format!("{job}.yaml"),
        model: Some("net.onnx".to_owned()),
        runtime: Some("onnxruntime".to_owned()),
        outcome: outcome(status, None),
        missing_hardware: None,
        compilation: None,
        count: 100,
        median_ms: Some(1.234_56),
        interval_ms: Some((1.2, 1.3)),
        verdict,
        verdict_reasons: vec!["drift".to_owned()],
        simulated: false,
        bundle: "b.json.gz".to_owned(),
    }
}

#[test]
fn the_table_says_what_was_measured_and_how_the_rest_ended() {
    let mut rejected = row("broken", Status::Rejected, VerdictState::Invalid);
    rejected =
        BundleLine { model: None, runtime: None, count: 0, median_ms: None, interval_ms: None, ..rejected };
    rejected.outcome.reason = Some("mistakes_in_spec".to_owned());
    let rows = [row("smoke", Status::Measured, VerdictState::Suspect), rejected];
    insta::assert_snapshot!(table(&rows), @r"
    job     model     runtime      n    median (95 % interval)     verdict
    smoke   net.onnx  onnxruntime  100  1.235 ms (1.200 to 1.300)  suspect: drift
    broken  -         -            0    -                          rejected: mistakes_in_spec
    ");
}

#[test]
fn the_exit_code_is_that_of_the_worst_row() {
    let valid = || row("a", Status::Measured, VerdictState::Valid);
    assert_eq!(exit(&[valid()], true), Exit::Done);
    assert_eq!(exit(&[valid(), row("b", Status::Measured, VerdictState::Suspect)], false), Exit::Done);
    assert_eq!(exit(&[valid(), row("b", Status::Measured, VerdictState::Suspect)], true), Exit::NotValid);
    let unverified = row("b", Status::Measured, VerdictState::Unverified);
    assert_eq!(exit(&[valid(), unverified], true), Exit::Done);
    assert_eq!(exit(&[row("b", Status::Measured, VerdictState::Invalid)], false), Exit::NotValid);
    assert_eq!(exit(&[valid(), row("b", Status::NotCompilable, VerdictState::Invalid)], true), Exit::Done);
    assert_eq!(exit(&[valid(), row("b", Status::Failed, VerdictState::Invalid)], false), Exit::Failed);
    assert_eq!(exit(&[row("b", Status::Rejected, VerdictState::Invalid), valid()], false), Exit::WrongInput);
}

#[test]
fn each_reason_is_shown_once_with_its_detail_and_hint() {
    let library =
        ["library_not_found", "cannot load libonnxruntime.so", "set `runtimes.onnxruntime.library`"];
    let large = |size: &str| BundleLine {
        runtime: Some("trtexec".to_owned()),
        outcome: Outcome {
            detail: Some(format!("the engine needs {size} MB\nand the GPU has 4")),
            ..outcome(Status::NotCompilable, Some(["out_of_memory", "", "use a smaller input"]))
        },
        ..row("study", Status::NotCompilable, VerdictState::Invalid)
    };
    let failed = BundleLine {
        outcome: outcome(Status::Failed, Some(library)),
        ..row("a", Status::Failed, VerdictState::Invalid)
    };
    let mut broken = BundleLine { runtime: None, ..row("broken", Status::Rejected, VerdictState::Invalid) };
    let words = ["mistakes_in_spec", "the job file has a mistake", "correct it and drop the file again"];
    broken.outcome = outcome(Status::Rejected, Some(words));
    broken.outcome.mistakes = vec![Mistake {
        line: Some(4),
        column: Some(8),
        field: "priority".to_owned(),
        code: "too_large".to_owned(),
        message: "`1000` is more than 100".to_owned(),
        hint: Some("write a whole number, -100 to 100".to_owned()),
    }];
    let measured = row("fine", Status::Measured, VerdictState::Valid);
    let rows = [failed.clone(), measured.clone(), failed, large("8"), large("16"), broken];
    insta::assert_snapshot!(reasons(&rows), @r"
    a on onnxruntime: library_not_found, 2 configurations
      cannot load libonnxruntime.so
      hint: set `runtimes.onnxruntime.library`
    study on trtexec: out_of_memory, 2 configurations
      for example: the engine needs 8 MB
      and the GPU has 4
      hint: use a smaller input
    broken: mistakes_in_spec
      the job file has a mistake
      broken.yaml:4:8: priority: `1000` is more than 100
        hint: write a whole number, -100 to 100
      hint: correct it and drop the file again
    ");
    assert_eq!(reasons(&[measured]), "");
}

#[test]
fn jobs_for_hardware_that_is_not_there_are_one_line() {
    let absent = |job: &str, hardware| BundleLine {
        missing_hardware: Some(hardware),
        outcome: outcome(Status::Failed, Some(["program_not_found", "looked everywhere", "install it"])),
        ..row(job, Status::Failed, VerdictState::Invalid)
    };
    let rows = [
        row("smoke", Status::Measured, VerdictState::Valid),
        absent("10-gpu", MissingHardware::Gpu),
        absent("09-edge-tpu", MissingHardware::EdgeTpu),
        absent("09-edge-tpu", MissingHardware::EdgeTpu),
        absent("08-tensorrt", MissingHardware::Jetson),
    ];
    let outbox = Path::new("demo/outbox");
    insta::assert_snapshot!(of_inbox(&rows, outbox), @r"
    job    model     runtime      n    median (95 % interval)     verdict
    smoke  net.onnx  onnxruntime  100  1.235 ms (1.200 to 1.300)  valid: drift

    3 jobs need a Jetson, an Edge TPU or a GPU: 08-tensorrt, 09-edge-tpu, 10-gpu
    hint: `backbone show demo/outbox/b.json.gz` shows what was looked for
    ");
    insta::assert_snapshot!(of_inbox(&rows[2..4], outbox), @r"
    1 job needs an Edge TPU: 09-edge-tpu
    hint: `backbone show demo/outbox/b.json.gz` shows what was looked for
    ");
    // How a run ends does not depend on it.
    assert_eq!(exit(&rows, false), Exit::Failed);
}
