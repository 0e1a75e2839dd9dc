//! Bundles of each kind, for the tests; the samples of version 1 are made of them.

use crate::bundle::format::*;
use crate::stats;
use crate::units::Nanos;

/// A measured bundle with every key in use.
pub(super) fn measured() -> Bundle {
    let trials: Vec<Trial> = (1..=2)
        .map(|process| Trial {
            id: TrialId { build: 1, process },
            latencies: Latencies {
                warm_up_ns: vec![Nanos(2_500_000), Nanos(1_700_000)],
                latency_ns: (0..50).map(|run| Nanos(1_500_000 + run * 137 + u64::from(process))).collect(),
                extra_latency_ns: if process == 1 { vec![Nanos(1_500_001)] } else { Vec::new() },
                clock_step_ns: None,
            },
        })
        .collect();
    let tensor = |name: &str, shape: &[Option<u64>]| Tensor {
        name: name.to_owned(),
        element_type: "float32".to_owned(),
        shape: shape.to_vec(),
        quantization: Some(Quantization { scale: 0.5, zero_point: -128 }),
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
            differences: Vec::new(),
            assumptions: Vec::new(),
            measured_shapes: None,
        }),
        cost_missing: None,
        protocol: None,
        schedule: None,
        throughput_operations_per_second: None,
        model: Some(Model {
            file: "net.onnx".to_owned(),
            format: "onnx".to_owned(),
            sha256: "cd".repeat(32),
            size_bytes: 34_567,
            parts: vec![ModelPart {
                file: "net.onnx.data".into(),
                sha256: "cd".repeat(32),
                size_bytes: 7168,
            }],
            content_sha256: Some("ef".repeat(32)),
            inputs: vec![tensor("image", &[Some(1), Some(3), Some(224), Some(224)])],
            outputs: vec![tensor("scores", &[None, Some(10)])],
        }),
        inputs: Vec::new(),
        runtime: Some(Runtime {
            name: "onnxruntime".to_owned(),
            version: Some("1.31.1".to_owned()),
            library: Some("/usr/lib/libonnxruntime.so.1.31.1".to_owned()),
            library_sha256: Some("ef".repeat(32)),
            options: [("threads".to_owned(), 1.into()), ("provider".to_owned(), "cpu".into())].into(),
            options_from_model: Vec::new(),
            timed: Timed {
                code: "session_run".to_owned(),
                description: "one call of the session with bound tensors".to_owned(),
            },
            providers: vec![ProviderShare {
                name: "CPUExecutionProvider".to_owned(),
                is_fallback: false,
                library: None,
                nodes: Some(7),
                operations: Some(8_000),
            }],
            libraries: vec![LibraryFile {
                file: "/usr/lib/libstdc++.so.6.0.30".to_owned(),
                version: Some("6.0.30".to_owned()),
                sha256: Some("0f".repeat(32)),
            }],
        }),
        preparation: Vec::new(),
        outcome: Outcome {
            status: Status::Measured,
            stage: None,
            reason: None,
            detail: None,
            hint: None,
            fault: Fault::Unknown,
            mistakes: Vec::new(),
            log_tail: vec!["a line of the worker's log".to_owned()],
        },
        profile: None,
        outputs: None,
        resources: Vec::new(),
        environment: Some(environment()),
        energy: Some(energy()),
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
        integrity: None,
    }
}

/// A measured bundle with the keys that version 2 added.
pub(super) fn of_version_2() -> Bundle {
    let mut bundle = measured();
    computed(&mut bundle);
    bundle.inputs = vec![FilledInput {
        name: "image".to_owned(),
        how: InputOrigin::Random,
        seed: Some(1),
        range: None,
        value: None,
        count: None,
        file: None,
        first_dimension_as_one: true,
    }];
    let resources = Resources {
        load_seconds: Some(0.125),
        first_inference_seconds: Some(0.0625),
        memory_before_load_bytes: Some(20_000_000),
        memory_after_load_bytes: Some(60_000_000),
        peak_memory_bytes: Some(80_000_000),
    };
    bundle.resources = vec![TrialResources { trial: TrialId { build: 1, process: 1 }, resources }];
    let layer = Layer {
        name: "conv".to_owned(),
        operator: Some("Conv".to_owned()),
        provider: Some("CPUExecutionProvider".to_owned()),
        macs: Some(3_981_312),
        mean_milliseconds: 1.25,
        median_milliseconds: Some(1.2),
    };
    bundle.profile = Some(Profile { build: 1, runs: 100, layers: vec![layer], detail: None });
    bundle
}

/// The outputs of a bundle, with every key in use.
pub(super) fn computed(bundle: &mut Bundle) -> &mut Outputs {
    bundle.outputs.get_or_insert_with(|| Outputs {
        trial: TrialId { build: 1, process: 1 },
        tensors: vec![Output {
            name: "scores".to_owned(),
            element_type: "float32".to_owned(),
            shape: vec![1, 10],
            sha256: Some("12".repeat(32)),
            minimum: Some(-1.5),
            maximum: Some(3.25),
            is_finite: Some(true),
            is_constant: Some(false),
            detail: None,
        }],
        detail: None,
        differing_processes: vec![DifferingProcess {
            process: 2,
            outputs: vec![Agreement {
                name: "scores".to_owned(),
                state: AgreementState::Agrees,
                largest_absolute_difference: Some(1e-7),
                largest_relative_difference: Some(1e-6),
                largest_reference_magnitude: Some(3.25),
                cosine_similarity: Some(1.0),
                detail: None,
            }],
            detail: None,
        }],
        comparison: Some(OutputComparison {
            on_converted_inputs: true,
            reference: OutputReference::default(),
            matched_by: Some(MatchedBy::Name),
            tolerance: Some(OutputTolerance {
                precision: "fp32".to_owned(),
                largest_share: Some(1e-3),
                smallest_cosine: None,
            }),
            outputs: Vec::new(),
            detail: None,
        }),
    })
}

/// The tolerance in them.
pub(super) fn tolerance(bundle: &mut Bundle) -> &mut OutputTolerance {
    let comparison = computed(bundle).comparison.as_mut();
    comparison.and_then(|comparison| comparison.tolerance.as_mut()).expect("a tolerance")
}

/// An agreement in them.
pub(super) fn agreement(bundle: &mut Bundle) -> &mut Agreement {
    &mut computed(bundle).differing_processes[0].outputs[0]
}

/// An environment with every key in use.
fn environment() -> Environment {
    let reading = |process, at_seconds, celsius| Reading {
        build: 1,
        process,
        at_seconds,
        values: vec![Some(celsius), None],
    };
    let both = |at_seconds, celsius| vec![reading(1, at_seconds, celsius), reading(2, at_seconds, celsius)];
    Environment {
        power: Some(power()),
        clocks: vec![ClockSpan {
            build: 1,
            process: 1,
            seconds: 0.25,
            stepped_seconds: Some(0.0),
            suspended_seconds: None,
        }],
        observation: Observation::Bracketed,
        sensors: vec![
            Sensor {
                name: "CPU-therm".to_owned(),
                quantity: Quantity::Temperature,
                path: "/sys/class/thermal/thermal_zone0/temp".to_owned(),
                trip_celsius: Some(95.5),
                wraps_at_joules: None,
                unobservable: None,
            },
            Sensor {
                name: "package-0".to_owned(),
                quantity: Quantity::Energy,
                path: "/sys/class/powercap/intel-rapl:0/energy_uj".to_owned(),
                trip_celsius: None,
                wraps_at_joules: Some(262_143.328_85),
                unobservable: Some("permission denied".to_owned()),
            },
        ],
        unobservable: vec![Quantity::CpuFrequency, Quantity::Energy],
        before_warm_up: both(0.25, 41.0),
        before: both(0.5, 41.5),
        samples: vec![reading(1, 1.5, 42.0)],
        after: both(2.0, 42.5),
        cooling: vec![Cooling {
            build: 1,
            process: 1,
            ended: CoolingEnd::GaveUp,
            waited_seconds: 60.0,
            below_celsius: 40,
            hottest_celsius: Some(41.0),
            unobservable_zones: vec!["GPU-therm".to_owned()],
        }],
        graphics: Some(Graphics {
            device: 0,
            driver: Some("550.54.15".to_owned()),
            cuda: None,
            cards: vec![GraphicsCard {
                sensors: "gpu0".to_owned(),
                uuid: "GPU-1".to_owned(),
                memory_used_bytes: Some(1 << 30),
                power_limit_watts: Some(72.5),
                ..GraphicsCard::default()
            }],
            detail: None,
        }),
        placement: Some(Placement {
            cpus_asked: vec![1],
            cpus: Some(vec![1]),
            daemon_cpus: vec![0],
            nice_asked: Some(-5),
            nice: Some(0),
            lock_memory_asked: true,
            memory_locked: true,
            refused: vec!["nice value -5: Permission denied (os error 13)".to_owned()],
        }),
        sandbox: Some(Sandbox {
            setting: SandboxSetting::Auto,
            enforced: vec![SandboxPart::NoNewPrivileges, SandboxPart::Files],
            missing: vec![SandboxGap {
                part: SandboxPart::OwnUser,
                detail: "the daemon may not change users".to_owned(),
            }],
            landlock_abi: Some(3),
        }),
    }
}

/// A power state with every key in use.
fn power() -> Power {
    let state = |mode: &str, limit: &str| PowerState {
        mode: Some(PowerMode { id: 3, name: mode.to_owned() }),
        settings: [("/sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq".to_owned(), limit.to_owned())]
            .into(),
    };
    let difference = PowerDifference {
        setting: "power mode".to_owned(),
        wanted: "MODE_30W_ALL".to_owned(),
        found: Some("MODE_15W".to_owned()),
        error: Some("it refused".to_owned()),
    };
    Power {
        requested: PowerRequest { power_mode: Some("MODE_30W_ALL".to_owned()), lock_clocks: true },
        found: state("MODE_15W", "1190400"),
        applied: Some(state("MODE_30W_ALL", "1200000")),
        not_applied: vec![difference.clone()],
        not_held: vec![PowerChange { process: 1, after: true, difference: difference.clone() }],
        restored: Some(false),
        not_restored: vec![difference],
    }
}

/// Energy with every key in use.
fn energy() -> Energy {
    let reading = |at_seconds, watts| EnergyReading { at_seconds, values: vec![Some(watts)] };
    Energy {
        state: EnergyState::Measured,
        detail: None,
        joules_per_inference: Some(0.25),
        interval: Some(JoulesInterval { low_joules: 0.24, high_joules: 0.26, confidence: 0.95 }),
        total_from: vec!["VDD_IN".to_owned()],
        sources: vec![EnergySource {
            name: "VDD_IN".to_owned(),
            quantity: Quantity::Power,
            wraps_at_joules: None,
            idle_watts: Some(5.0),
            loaded_watts: Some(15.0),
            joules_per_inference: Some(0.25),
        }],
        runs: 2,
        loop_seconds: 0.05,
        latency_ns: vec![Nanos(25_000_000), Nanos(24_900_000)],
        idle_before: vec![reading(3.0, 5.0)],
        loaded: vec![reading(5.0, 15.0)],
        idle_after: vec![reading(7.0, 5.0)],
    }
}

fn not_measured(id: &str, outcome: Outcome) -> Bundle {
    Bundle {
        id: id.to_owned(),
        outcome,
        trials: Vec::new(),
        summary: None,
        environment: None,
        energy: None,
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
        fault: Fault::Job,
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
        fault: Fault::Unknown,
        mistakes: Vec::new(),
        log_tail: vec!["the last words".to_owned()],
    };
    let mut bundle = Bundle { simulated: true, ..not_measured("0000000003-0d1e", outcome) };
    bundle.host = Host { root: "/srv/fake-host".to_owned(), ..Host::default() };
    bundle.verdict.reasons[0].detail = "the job failed".to_owned();
    bundle
}
