use super::signal::*;
use super::*;

fn every_ending() -> Vec<(Stage, Ending)> {
    let latencies = || Latencies {
        warm_up_ns: vec![Nanos(1)],
        latency_ns: vec![Nanos(2), Nanos(3)],
        extra_latency_ns: Vec::new(),
        clock_step_ns: None,
    };
    let after = |afterwards| Ending::AfterResult { latencies: latencies(), afterwards };
    let signalled = |signal| Ending::Signalled { signal, out_of_memory: None };
    let not_started = |kind: ErrorKind| Ending::NotStarted {
        executable: "/usr/lib/worker".into(),
        kind,
        error: kind.to_string(),
    };
    vec![
        (Stage::Report, Ending::Complete { latencies: latencies(), energy_ns: None }),
        (
            Stage::Load,
            Ending::Failed(
                Failure::new(Stage::Load, "model_not_readable", "no ONNX").with_hint("export it again"),
            ),
        ),
        (
            Stage::Report,
            Ending::Built(Box::new(Built {
                seconds: Some(2.5),
                is_kept: false,
                size_bytes: 7,
                edge_tpu: None,
            })),
        ),
        (
            Stage::Build,
            Ending::Failed(
                Failure::new(Stage::Build, "no_implementation", "no kernel for conv1")
                    .with_hint("try another precision")
                    .with_fault(Fault::Model),
            ),
        ),
        (
            Stage::Report,
            Ending::Objected {
                latencies: latencies(),
                failure: Failure::new(Stage::Timing, "wrong_count", "2 of 3").into(),
            },
        ),
        (Stage::Report, after(Afterwards::Line { line: "bye".into() })),
        (Stage::Report, after(Afterwards::Exited { code: 3 })),
        (Stage::Report, after(Afterwards::Signalled { signal: 11 })),
        (Stage::Report, after(Afterwards::Stayed)),
        (Stage::Energy, after(Afterwards::Signalled { signal: 11 })),
        (
            Stage::Energy,
            after(Afterwards::Failed { reason: "run_failed".into(), detail: "no such kernel".into() }),
        ),
        (Stage::Report, Ending::WrongCount { asked: (1, 3), latencies: latencies() }),
        (Stage::Start, not_started(ErrorKind::NotFound)),
        (Stage::Start, not_started(ErrorKind::PermissionDenied)),
        (Stage::Start, not_started(ErrorKind::OutOfMemory)),
        (Stage::Start, Ending::LibraryNotFound { line: "libtensorflowlite_c.so: cannot open".into() }),
        (Stage::Load, Ending::Exited { code: 3 }),
        (Stage::Prepare, Ending::Exited { code: 101 }),
        (Stage::Timing, Ending::NoResult),
        (Stage::Load, Ending::Signalled { signal: 9, out_of_memory: Some(true) }),
        (Stage::WarmUp, Ending::Signalled { signal: 9, out_of_memory: Some(false) }),
        (Stage::Timing, signalled(9)),
        (Stage::Timing, signalled(SIGSEGV)),
        (Stage::Timing, signalled(SIGABRT)),
        (Stage::Timing, signalled(SIGBUS)),
        (Stage::Timing, signalled(SIGILL)),
        (Stage::Timing, signalled(SIGFPE)),
        (Stage::Timing, signalled(SIGSYS)),
        (Stage::Timing, signalled(15)),
        (Stage::WarmUp, Ending::Silent { limit: Duration::from_secs(900) }),
        (Stage::Timing, Ending::TimedOut { limit: Duration::from_millis(2500) }),
        (Stage::Load, Ending::Garbage { line: "Loading...".into() }),
        (Stage::Load, Ending::LineTooLong { limit_bytes: 1 << 20 }),
        (Stage::Start, Ending::OutOfTurn { line: "{\"event\":\"timing\"}".into() }),
        (Stage::Start, Ending::ProtocolMismatch { theirs: 9 }),
        (Stage::Load, Ending::OutputClosed),
        (Stage::Load, Ending::Unheard { error: "out of memory".into() }),
        (Stage::Timing, Ending::Cancelled),
        (Stage::Timing, Ending::Stopped),
    ]
}

fn ended(reached: Stage, ending: Ending) -> Ended {
    Ended {
        ending,
        loaded: None,
        resources: None,
        sandbox: None,
        outputs: None,
        reached,
        log_tail: vec!["last words".into()],
        wall: Duration::ZERO,
    }
}

#[test]
fn every_ending_has_stage_reason_and_hint() {
    let mut text = String::new();
    for (reached, ending) in every_ending() {
        let outcome = ended(reached, ending).outcome("tflite");
        let shown = |value: Option<String>| value.unwrap_or("-".into());
        let (status, stage) = (outcome.status, outcome.stage.map_or("-".into(), |it| format!("{it:?}")));
        text.push_str(&format!("{status:?} {stage} {}\n", shown(outcome.reason)));
        text.push_str(&format!("    {}\n    hint: {}\n", shown(outcome.detail), shown(outcome.hint)));
        assert_eq!(outcome.log_tail, ["last words"]);
    }
    insta::assert_snapshot!("every_ending", text);
}

#[test]
fn only_a_complete_trial_is_measured() {
    for (reached, ending) in every_ending() {
        let is_complete = matches!(ending, Ending::Complete { .. } | Ending::Built(_));
        let outcome = ended(reached, ending).outcome("tflite");
        assert_eq!(outcome.status == Status::Measured, is_complete);
        assert_eq!(outcome.reason.is_none(), is_complete, "{outcome:?}");
        assert_eq!(outcome.detail.is_none(), is_complete, "{outcome:?}");
    }
}

#[test]
fn an_abort_for_lack_of_memory_is_out_of_memory() {
    let mut ended = ended(Stage::Load, Ending::Signalled { signal: SIGABRT, out_of_memory: None });
    ended.log_tail = vec!["memory allocation of 16777216 bytes failed".into()];
    assert_eq!(ended.outcome("sim").reason.as_deref(), Some("out_of_memory"));
}
