//! Each reason from the host, with a case that triggers it and one that just does not.

use super::super::tests::steady;
use super::super::{find, judge};
use super::*;
use crate::bundle::format::{
    Cooling, Graphics, Host, Latencies, Placement, Reading, Reason, Sensor, Status, TrialId, Verdict,
    VerdictState,
};
use crate::units::Nanos;

/// Sensors of the fake host, each with its value at rest.
const SENSORS: &[(&str, Quantity, f64)] = &[
    ("CPU-therm", Quantity::Temperature, 45.0),
    ("cpu0", Quantity::CpuFrequency, 1.2e9),
    ("cpu3", Quantity::CpuFrequency, 1.2e9),
    ("emc", Quantity::MemoryFrequency, 1.6e9),
    ("oc3", Quantity::ThrottleCount, 7.0),
    ("thermal-cpufreq-0", Quantity::CoolingState, 0.0),
];

/// One process, observed before, in one sample and after, with constant readings.
pub(in crate::verdict) fn observed() -> Environment {
    let sensors = SENSORS.iter().map(|(name, quantity, _)| Sensor {
        name: (*name).to_owned(),
        quantity: *quantity,
        path: String::new(),
        trip_celsius: (*quantity == Quantity::Temperature).then_some(95.5),
        wraps_at_joules: None,
        unobservable: None,
    });
    let reading = |at_seconds| Reading {
        build: 1,
        process: 1,
        at_seconds,
        values: SENSORS.iter().map(|(_, _, value)| Some(*value)).collect(),
    };
    Environment {
        sensors: sensors.collect(),
        before: vec![reading(1.0)],
        samples: vec![reading(2.0)],
        after: vec![reading(3.0)],
        ..Environment::default()
    }
}

fn judged_as(status: Status, environment: &Environment) -> Verdict {
    let latency_ns = steady().map(Nanos).collect();
    let trial = Trial {
        id: TrialId { build: 1, process: 1 },
        latencies: Latencies { latency_ns, ..Latencies::default() },
    };
    let reasons = judge(&Evidence {
        status,
        trials: &[trial],
        summary: None,
        environment: Some(environment),
        clock_resolution: Nanos(20),
        host: &Host::default(),
        power: None,
        providers: &[],
        inputs: &[],
        outputs: None,
    });
    // The power state has its own tests.
    let is_ours = |reason: &Reason| reason.code != "power_state_unobserved";
    let reasons: Vec<Reason> = reasons.reasons.into_iter().filter(is_ours).collect();
    let states = reasons.iter().filter_map(|reason| Some(find(&reason.code)?.state));
    Verdict { state: states.max().unwrap_or(VerdictState::Valid), reasons }
}

/// Codes and details of the reasons in a changed environment.
fn reasons(change: impl FnOnce(&mut Environment)) -> Vec<(String, String)> {
    let mut environment = observed();
    change(&mut environment);
    let verdict = judged_as(Status::Measured, &environment);
    verdict.reasons.into_iter().map(|reason| (reason.code, reason.detail)).collect()
}

fn reason(code: &str, detail: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), detail.to_owned())]
}

/// Sensors by their place above.
const ZONE: usize = 0;
const OTHER_CPU: usize = 2;
const COUNTER: usize = 4;
const COOLER: usize = 5;

#[test]
fn steady_host_that_was_observed_throughout_is_valid() {
    let verdict = judged_as(Status::Measured, &observed());
    assert_eq!((verdict.state, verdict.reasons), (VerdictState::Valid, Vec::new()));
}

#[test]
fn frequencies_and_temperatures_must_be_seen_on_both_sides_of_every_process() {
    let code = "environment_unobserved";
    let both = "processor frequencies and temperatures were not observed";
    assert_eq!(reasons(|it| *it = Environment::default()), reason(code, both));
    assert_eq!(reasons(|it| it.before.clear()), reason(code, both));
    assert_eq!(reasons(|it| it.after[0].process = 2), reason(code, both));
    let silent = |it: &mut Environment| {
        for reading in [&mut it.before[0], &mut it.samples[0], &mut it.after[0]] {
            reading.values[ZONE] = None;
        }
    };
    assert_eq!(reasons(silent), reason(code, "temperatures were not observed"));
}

#[test]
fn throttle_counter_that_moves_within_the_span_is_throttling() {
    let moved = reasons(|it| it.after[0].values[COUNTER] = Some(9.0));
    assert_eq!(moved, reason("throttled", "process 1, `oc3`: throttled 2 times"));
    let slowed = reasons(|it| it.samples[0].values[COOLER] = Some(2.0));
    assert_eq!(slowed, reason("throttled", "process 1, `thermal-cpufreq-0`: cooling state 2"));
}

#[test]
fn one_sample_of_another_frequency_is_drift() {
    let drifted = reasons(|it| it.samples[0].values[1] = Some(1.1904e9 * 0.98));
    assert_eq!(drifted, reason("frequency_drift", "process 1, `cpu0`: 1200 MHz before, 1167 MHz later"));
    assert_eq!(reasons(|it| it.samples[0].values[1] = Some(1.2e9 * 1.02)), []);
}

#[test]
fn frequencies_of_other_processors_do_not_matter_to_a_worker_with_its_own() {
    let other = |it: &mut Environment| it.after[0].values[OTHER_CPU] = Some(0.8e9);
    let codes: Vec<String> = reasons(other).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["frequency_drift"]);
    let placed = Placement { cpus_asked: vec![0], cpus: Some(vec![0]), ..Placement::default() };
    assert_eq!(
        reasons(|it| {
            other(it);
            it.placement = Some(placed);
        }),
        []
    );
}

#[test]
fn zone_at_its_trip_point_is_too_hot() {
    let hot = reasons(|it| it.after[0].values[ZONE] = Some(95.5));
    assert_eq!(
        hot,
        reason(
            "trip_point_reached",
            "process 1, `CPU-therm`: 95.5 °C, and the kernel throttles from 95.5 °C"
        )
    );
    assert_eq!(reasons(|it| it.after[0].values[ZONE] = Some(95.4)), []);
}

#[test]
fn sensor_that_stops_telling_within_the_span_is_lost() {
    let lost = reasons(|it| it.samples[0].values[ZONE] = None);
    assert_eq!(lost, reason("sensor_lost", "process 1, `CPU-therm`"));
    // A zone that was powered off before and is on now adds a reading and loses none.
    assert_eq!(reasons(|it| it.before[0].values[COUNTER] = None), []);
}

#[test]
fn host_not_seen_to_be_cool_is_reported_with_the_reason() {
    let cooled = |ended, hottest_celsius, zones: &[&str]| Cooling {
        build: 1,
        process: 1,
        ended,
        waited_seconds: 60.0,
        below_celsius: 50,
        hottest_celsius,
        unobservable_zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
    };
    let detail = |cooling| reasons(|it| it.cooling = vec![cooling]);
    let asked = "process 1: the job asks for less than 50 °C, and";
    assert_eq!(detail(cooled(CoolingEnd::Cool, Some(49.5), &[])), []);
    let hot = cooled(CoolingEnd::GaveUp, Some(61.25), &[]);
    assert_eq!(detail(hot), reason("not_cooled", &format!("{asked} it was still at 61.2 °C after 60 s")));
    for (cooling, words) in [
        (cooled(CoolingEnd::Unobservable, None, &[]), "no thermal zone can be read"),
        (cooled(CoolingEnd::Unobservable, Some(40.0), &["GPU-therm"]), "GPU-therm cannot be read"),
    ] {
        assert_eq!(detail(cooling), reason("cooling_unobserved", &format!("{asked} {words}")));
    }
}

#[test]
fn what_the_kernel_refused_is_reported() {
    let refused =
        Placement { refused: vec!["nice value -10: Permission denied".into()], ..Placement::default() };
    let found = reasons(|it| it.placement = Some(refused));
    assert_eq!(found, reason("placement_refused", "nice value -10: Permission denied"));
}

#[test]
fn many_details_are_cut_short() {
    let many = (1..=8).map(|cpu| format!("cpu{cpu}")).collect();
    assert_eq!(listed(many), Some("cpu1; cpu2; cpu3; cpu4; cpu5; and 3 more".to_owned()));
    assert_eq!(listed(Vec::new()), None);
}

#[test]
fn nothing_of_the_host_matters_where_nothing_was_measured() {
    let mut environment = observed();
    environment.samples[0].values = vec![None; SENSORS.len()];
    environment.placement = Some(Placement { refused: vec!["x".into()], ..Placement::default() });
    let verdict = judged_as(Status::Failed, &environment);
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
}

/// What `observed` has, and a card with one sensor of each of these quantities: before, in the sample, after.
fn with_card(values: &[(Quantity, [Option<f64>; 3])], detail: Option<&str>) -> Environment {
    let mut environment = observed();
    for (quantity, [before, within, after]) in values {
        environment.sensors.push(Sensor {
            name: "gpu0".to_owned(),
            quantity: *quantity,
            path: "nvml:GPU-1".to_owned(),
            trip_celsius: None,
            wraps_at_joules: None,
            unobservable: None,
        });
        environment.before[0].values.push(*before);
        environment.samples[0].values.push(*within);
        environment.after[0].values.push(*after);
    }
    let detail = detail.map(str::to_owned);
    environment.graphics = Some(Graphics { detail, ..Graphics::default() });
    environment
}

const CLOCK: (Quantity, [Option<f64>; 3]) = (Quantity::GpuFrequency, [Some(1.98e9); 3]);

#[test]
fn clock_and_throttling_of_the_card_of_a_job_must_be_seen() {
    let of = |environment: Environment| reasons(|it| *it = environment);
    let time = (Quantity::ThrottleTime, [Some(2.5), None, Some(2.5)]);
    let state = (Quantity::CoolingState, [None, Some(0.0), None]);
    assert_eq!(of(with_card(&[CLOCK, (Quantity::ThrottleTime, [Some(2.5); 3])], None)), []);
    assert_eq!(of(with_card(&[CLOCK, state], None)), []);
    assert_eq!(of(with_card(&[CLOCK, time], None)), reason("sensor_lost", "process 1, `gpu0`"));
    let code = "environment_unobserved";
    let neither = "not observed of the graphics card: clock, throttling (the NVIDIA driver is not loaded)";
    assert_eq!(of(with_card(&[], Some("the NVIDIA driver is not loaded"))), reason(code, neither));
    // Before and after the runs a card is idle.
    let outside = (Quantity::CoolingState, [Some(0.0), None, Some(0.0)]);
    let throttling = "not observed of the graphics card: throttling";
    assert!(of(with_card(&[CLOCK, outside], None)).contains(&(code.to_owned(), throttling.to_owned())));
}

#[test]
fn card_that_was_slowed_for_a_moment_or_reports_a_reason_is_throttled() {
    let of = |environment: Environment| reasons(|it| *it = environment);
    let time = (Quantity::ThrottleTime, [Some(2.5), Some(2.5), Some(2.75)]);
    assert_eq!(of(with_card(&[CLOCK, time], None)), reason("throttled", "process 1, `gpu0`: for 0.250 s"));
    let state = (Quantity::CoolingState, [Some(0.0), Some(1.0), Some(0.0)]);
    assert_eq!(
        of(with_card(&[CLOCK, state], None)),
        reason("throttled", "process 1, `gpu0`: the card reports it")
    );
}

/// The reasons of a host with four processors.
fn reasons_on_four(change: impl FnOnce(&mut Environment)) -> Vec<(String, String)> {
    let mut environment = observed();
    change(&mut environment);
    let latency_ns = steady().map(Nanos).collect();
    let id = TrialId { build: 1, process: 1 };
    let trials = [Trial { id, latencies: Latencies { latency_ns, ..Latencies::default() } }];
    let host = Host { logical_cores: Some(4), ..Host::default() };
    let evidence = Evidence {
        environment: Some(&environment),
        ..Evidence::of_latencies(Status::Measured, &trials, &host)
    };
    let found = judge(&evidence).reasons.into_iter().filter(|reason| reason.code != "power_state_unobserved");
    found.map(|reason| (reason.code, reason.detail)).collect()
}

/// Adds a sensor with its value before, during and after the timed runs.
fn with_sensor(environment: &mut Environment, quantity: Quantity, values: [f64; 3]) {
    environment.sensors.push(Sensor {
        name: "more".to_owned(),
        quantity,
        path: String::new(),
        trip_celsius: None,
        wraps_at_joules: None,
        unobservable: None,
    });
    let readings = [&mut environment.before, &mut environment.samples, &mut environment.after];
    readings.into_iter().zip(values).for_each(|(readings, value)| readings[0].values.push(Some(value)));
}

#[test]
fn more_runnable_processes_than_processors_are_background_load() {
    let load = |most: f64| reasons_on_four(|it| with_sensor(it, Quantity::LoadAverage, [1.0, most, 2.0]));
    assert_eq!(
        load(5.1),
        reason("background_load", "process 1, `more`: 5.1 runnable processes, and 4 processors")
    );
    assert_eq!(load(5.0), []);
}

#[test]
fn swap_space_that_is_taken_during_the_runs_is_swapping() {
    let swap = |later: f64| reasons_on_four(|it| with_sensor(it, Quantity::SwapUsed, [8e6, 8e6, later]));
    assert_eq!(swap(8e6 + 1_048_576.0), reason("swapping", "process 1, `more`: 1.0 MiB more in use"));
    assert_eq!(swap(8e6 + 1_048_575.0), []);
    assert_eq!(swap(1e6), []);
}

fn clocks(seconds: f64, stepped: f64, suspended: f64) -> Vec<(String, String)> {
    reasons_on_four(|it| {
        it.clocks = vec![ClockSpan {
            build: 1,
            process: 1,
            seconds,
            stepped_seconds: Some(stepped),
            suspended_seconds: Some(suspended),
        }];
    })
}

#[test]
fn suspension_and_a_step_of_the_wall_clock_are_reasons_and_slewing_is_none() {
    assert_eq!(clocks(10.0, 0.0, 30.0), reason("suspended", "build 1, process 1: for 30.0 s"));
    assert_eq!(clocks(10.0, 0.0, 0.09), []);
    assert_eq!(clocks(10.0, -60.0, 0.0), reason("clock_stepped", "build 1, process 1: by -60.0 s"));
    // The kernel slews by at most 500 parts in a million: 0.5 s in 1,000 s.
    assert_eq!(clocks(1_000.0, 0.59, 0.0), []);
    assert_eq!(clocks(1_000.0, 0.61, 0.0), reason("clock_stepped", "build 1, process 1: by +0.6 s"));
}
