//! Bundles of each kind, for the tests; the samples of version 1 are made of them.

use crate::bundle::format::*;
use crate::stats;
use crate::units::Nanos;

/// A measured bundle with every key in use.
pub(super) fn measured() -> Bundle {
    let trials: Vec<Trial> = (1..=2)
        .map(|process| Trial {
            build: 1,
            process,
            warm_up_ns: vec![Nanos(2_500_000), Nanos(1_700_000)],
            latency_ns: (0..50).map(|run| Nanos(1_500_000 + run * 137 + u64::from(process))).collect(),
            extra_latency_ns: if process == 1 { vec![Nanos(1_500_001)] } else { Vec::new() },
        })
        .collect();
    let tensor = |name: &str, shape: &[Option<u64>]| Tensor {
        name: name.to_owned(),
        element_type: "float32".to_owned(),
        shape: shape.to_vec(),
    };
    Bundle {
        format: FORMAT.to_owned(),
        id: "0000000001-7f3a".to_owned(),
        simulated: false,
        harness: Harness { name: "backbone".to_owned(), version: "0.1.0".to_owned() },
        host: Host {
            name: Some("bench-3".to_owned()),
            operating_system: Some("Debian GNU/Linux 12".to_owned()),
            kernel: Some("6.1.0-18-amd64".to_owned()),
            architecture: Some("x86_64".to_owned()),
            processor: None,
            logical_cores: Some(2),
            memory_bytes: Some(8_589_934_592),
            root: "/".to_owned(),
            ..Host::default()
        },
        job: Job {
            id: "0000000001".to_owned(),
            name: "smoke".to_owned(),
            file: "smoke.yaml".to_owned(),
            labels: [("rack".to_owned(), "b2 – “oben”".to_owned())].into(),
            spec: Some("backbone: 1\nmodel: net.onnx\nruntime: onnxruntime\n".to_owned()),
            spec_encoding: Some(SpecEncoding::Utf8),
            spec_sha256: Some("ab".repeat(32)),
        },
        configuration: None,
        environment: None,
        cost: Some(Cost {
            macs: 87_000_000,
            operations: 174_000_000,
            other_operations: 1_250_000,
            parameters: 61_000,
            bytes_moved: 2_500_000,
            operational_density: Some(69.6),
            uncounted: vec![Uncounted {
                name: "resize".to_owned(),
                operator: "Resize".to_owned(),
                why: "its sizes are not constant".to_owned(),
            }],
        }),
        cost_missing: None,
        throughput_operations_per_second: None,
        model: Some(Model {
            file: "net.onnx".to_owned(),
            format: "onnx".to_owned(),
            sha256: "cd".repeat(32),
            size_bytes: 34_567,
            inputs: vec![tensor("image", &[Some(1), Some(3), Some(224), Some(224)])],
            outputs: vec![tensor("scores", &[None, Some(10)])],
        }),
        runtime: Some(Runtime {
            name: "onnxruntime".to_owned(),
            version: Some("1.31.1".to_owned()),
            library: Some("/usr/lib/libonnxruntime.so.1.31.1".to_owned()),
            library_sha256: Some("ef".repeat(32)),
            options: [("threads".to_owned(), 1.into()), ("provider".to_owned(), "cpu".into())].into(),
            timed: Timed {
                code: "session_run".to_owned(),
                description: "one call of the session with bound tensors".to_owned(),
            },
        }),
        preparation: Vec::new(),
        outcome: Outcome {
            status: Status::Measured,
            stage: None,
            reason: None,
            detail: None,
            hint: None,
            mistakes: Vec::new(),
            log_tail: vec!["a line of the worker's log".to_owned()],
        },
        summary: stats::summary(&trials),
        trials,
        verdict: Verdict {
            state: VerdictState::Suspect,
            reasons: vec![Reason {
                code: "power_state_unobserved".to_owned(),
                detail: "power mode, clocks and temperature were not observed".to_owned(),
            }],
        },
        times: Times {
            claimed: Some("2026-11-22T12:00:00Z".to_owned()),
            started: Some("2026-11-22T12:00:01Z".to_owned()),
            finished: "2026-11-22T12:00:02Z".to_owned(),
        },
    }
}

fn not_measured(id: &str, outcome: Outcome) -> Bundle {
    Bundle {
        id: id.to_owned(),
        outcome,
        trials: Vec::new(),
        summary: None,
        verdict: Verdict {
            state: VerdictState::Invalid,
            reasons: vec![Reason {
                code: "not_measured".to_owned(),
                detail: "the job was rejected".to_owned(),
            }],
        },
        ..measured()
    }
}

pub(super) fn rejected() -> Bundle {
    let outcome = Outcome {
        status: Status::Rejected,
        stage: Some(Stage::Spec),
        reason: Some("unknown_key".to_owned()),
        detail: Some("1 mistake in the job file".to_owned()),
        hint: Some("correct the job file and drop it again".to_owned()),
        mistakes: vec![Mistake {
            line: Some(4),
            column: Some(3),
            field: "measure.timed_run".to_owned(),
            code: "unknown_key".to_owned(),
            message: "unknown key `timed_run`".to_owned(),
            hint: Some("did you mean `timed_runs`?".to_owned()),
        }],
        log_tail: Vec::new(),
    };
    let mut bundle = Bundle { model: None, runtime: None, ..not_measured("0000000002-91bc", outcome) };
    bundle.job.spec = Some("/wD+".to_owned());
    bundle.job.spec_encoding = Some(SpecEncoding::Base64);
    bundle.times.started = None;
    bundle
}

pub(super) fn failed() -> Bundle {
    let outcome = Outcome {
        status: Status::Failed,
        stage: Some(Stage::WarmUp),
        reason: Some("segmentation_fault".to_owned()),
        detail: Some("the worker was ended by signal 11".to_owned()),
        hint: Some("try another version of the library".to_owned()),
        mistakes: Vec::new(),
        log_tail: vec!["the last words".to_owned()],
    };
    let mut bundle = Bundle { simulated: true, ..not_measured("0000000003-0d1e", outcome) };
    bundle.host = Host { root: "/srv/fake-host".to_owned(), ..Host::default() };
    bundle.verdict.reasons[0].detail = "the job failed".to_owned();
    bundle
}
