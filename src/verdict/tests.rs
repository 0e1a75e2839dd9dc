//! Each reason, with a case that triggers it and one that just does not.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::host::tests::observed;
use super::*;
use crate::bundle::format::{
    Latencies, PowerChange, PowerDifference, PowerMode, PowerRequest, PowerState, TrialId,
};
use crate::derived_docs;

const RESOLUTION: Nanos = Nanos(20);

pub(super) fn trial(process: u32, latencies: impl IntoIterator<Item = u64>) -> Trial {
    Trial {
        id: TrialId { build: 1, process },
        latencies: Latencies {
            latency_ns: latencies.into_iter().map(Nanos).collect(),
            ..Latencies::default()
        },
    }
}

/// Latencies that no reason speaks against: a hundred, around 1 ms, all different, in no order. Cases that
/// are about something else use them, so that a new reason about latencies changes them here, once.
pub(super) fn steady() -> impl Iterator<Item = u64> {
    (0..100).map(|run| 1_000_000 + run * 37 % 100)
}

pub(super) fn judged(trials: &[Trial]) -> Verdict {
    judge(&evidence(Status::Measured, trials))
}

/// Evidence without anything known about the host.
fn evidence(status: Status, trials: &[Trial]) -> Evidence<'_> {
    static HOST: LazyLock<Host> = LazyLock::new(Host::default);
    Evidence {
        status,
        trials,
        summary: None,
        environment: None,
        clock_resolution: RESOLUTION,
        host: &HOST,
        power: None,
        providers: &[],
        inputs: &[],
        outputs: None,
    }
}

/// A power state that was requested, applied, and held.
fn power() -> Power {
    let mode = PowerMode { id: 3, name: "MODE_30W_ALL".to_owned() };
    let state =
        PowerState { mode: Some(mode), settings: BTreeMap::from([("/min".to_owned(), "1".to_owned())]) };
    Power {
        requested: PowerRequest { power_mode: Some("MODE_30W_ALL".to_owned()), lock_clocks: true },
        found: state.clone(),
        applied: Some(state),
        not_applied: Vec::new(),
        not_held: Vec::new(),
        restored: Some(true),
        not_restored: Vec::new(),
    }
}

fn difference(setting: &str) -> PowerDifference {
    PowerDifference {
        setting: setting.to_owned(),
        wanted: "1200000".to_owned(),
        found: Some("1100000".to_owned()),
        error: None,
    }
}

fn judged_in(power: &Power) -> Verdict {
    let trials = [trial(1, steady())];
    judge(&Evidence {
        power: Some(power),
        environment: Some(&observed()),
        ..evidence(Status::Measured, &trials)
    })
}

#[test]
fn steady_latencies_in_a_power_state_that_was_held_are_valid() {
    let verdict = judged_in(&power());
    assert_eq!(verdict, Verdict { state: VerdictState::Valid, reasons: Vec::new() });
}

fn share(name: &str, is_fallback: bool, nodes: Option<u64>, operations: Option<u64>) -> ProviderShare {
    let library = (name == "CUDA").then(|| "/usr/lib/libonnxruntime_providers_cuda.so".to_owned());
    ProviderShare { name: name.to_owned(), is_fallback, library, nodes, operations }
}

fn judged_with(providers: &[ProviderShare]) -> Verdict {
    let (trials, power) = ([trial(1, steady())], power());
    judge(&Evidence {
        power: Some(&power),
        environment: Some(&observed()),
        providers,
        ..evidence(Status::Measured, &trials)
    })
}

#[test]
fn nodes_that_fell_back_to_another_provider_make_a_result_suspect() {
    let verdict =
        judged_with(&[share("CUDA", false, Some(50), Some(970)), share("CPU", true, Some(3), Some(30))]);
    assert_eq!(verdict.state, VerdictState::Suspect);
    assert_eq!(detail(&verdict, "provider_fallback"), "3 of 53 nodes ran on CPU, 3.0 % of the operations");
    let unknown = [share("CUDA", false, Some(50), None), share("CPU", true, Some(3), None)];
    assert_eq!(detail(&judged_with(&unknown), "provider_fallback"), "3 of 53 nodes ran on CPU");
    for whole in [vec![share("CUDA", false, Some(50), None)], vec![share("CPU", false, Some(50), None)]] {
        let verdict = judged_with(&whole);
        assert_eq!(verdict.state, VerdictState::Valid, "{verdict:?}");
    }
}

#[test]
fn a_provider_that_ran_nothing_makes_a_result_invalid_and_one_that_was_not_observed_unverified() {
    let verdict =
        judged_with(&[share("CUDA", false, Some(0), Some(0)), share("CPU", true, Some(9), Some(5))]);
    assert_eq!(verdict.state, VerdictState::Invalid);
    assert_eq!(
        detail(&verdict, "provider_not_used"),
        "CUDA ran no node; 9 of 9 nodes ran on CPU, 100.0 % of the operations"
    );
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    let verdict = judged_with(&[share("CUDA", false, None, None)]);
    assert_eq!(verdict.state, VerdictState::Unverified);
    assert_eq!(detail(&verdict, "provider_unobserved"), "the number of nodes that CUDA ran is unknown");
    assert_eq!(judged_with(&[share("CPU", false, None, None)]).state, VerdictState::Valid);
}

#[test]
fn power_state_that_changed_around_a_process_makes_a_result_invalid() {
    let change = |setting: &str| PowerChange { process: 2, after: true, difference: difference(setting) };
    let verdict = judged_in(&Power { not_held: vec![change("power mode"), change("/max")], ..power() });
    assert_eq!(verdict.state, VerdictState::Invalid);
    assert_eq!(
        detail(&verdict, "power_state_not_held"),
        "after process 2: power mode is 1100000, not 1200000, and 1 more"
    );
}

#[test]
fn clocks_that_could_not_be_locked_are_named_and_a_host_without_any_too() {
    let clamped = Power { not_applied: vec![difference("/min")], ..power() };
    let verdict = judged_in(&clamped);
    assert_eq!(verdict.state, VerdictState::Suspect);
    assert_eq!(detail(&verdict, "clocks_not_locked"), "/min is 1100000, not 1200000");
    let online = BTreeMap::from([("/sys/devices/system/cpu/cpu0/online".to_owned(), "1".to_owned())]);
    let bare = PowerState { mode: None, settings: online };
    let verdict = judged_in(&Power { applied: Some(bare.clone()), found: bare, ..power() });
    let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["clocks_not_locked", "power_state_unobserved"]);
}

#[test]
fn jetson_of_an_unknown_release_is_flagged_and_other_hosts_are_not() {
    let trials = [trial(1, steady())];
    let (power, environment) = (power(), observed());
    let verdict = |host: &Host| {
        judge(&Evidence {
            host,
            power: Some(&power),
            environment: Some(&environment),
            ..evidence(Status::Measured, &trials)
        })
    };
    let jetson =
        Host { family: Some("jetson".to_owned()), l4t: Some("99.1.0".to_owned()), ..Host::default() };
    assert_eq!(detail(&verdict(&jetson), "unknown_release"), "L4T 99.1.0 is not in this version's table");
    let unread = Host { l4t: None, ..jetson.clone() };
    assert_eq!(detail(&verdict(&unread), "unknown_release"), "the L4T release cannot be read");
    let known = Host { jetpack: Some("4.3".to_owned()), ..jetson };
    let other = Host { family: Some("linux".to_owned()), ..Host::default() };
    for host in [known, other] {
        assert_eq!(verdict(&host), Verdict { state: VerdictState::Valid, reasons: Vec::new() });
    }
}

/// The reasons found, except those that every measured configuration on an unknown host has.
pub(super) fn codes(verdict: &Verdict) -> Vec<&str> {
    let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    let unobserved = &["power_state_unobserved", "environment_unobserved"][..];
    codes.strip_suffix(unobserved).expect("nothing is known of the host").to_vec()
}

pub(super) fn detail<'a>(verdict: &'a Verdict, code: &str) -> &'a str {
    &verdict.reasons.iter().find(|reason| reason.code == code).unwrap().detail
}

#[test]
fn every_code_is_unique_and_every_reason_is_explained() {
    for (index, kind) in REASONS.iter().enumerate() {
        assert!(kind.code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", kind.code);
        assert!(REASONS[..index].iter().all(|earlier| earlier.code != kind.code), "{}", kind.code);
        assert_ne!(kind.state, VerdictState::Valid, "{}", kind.code);
        assert!(kind.meaning.ends_with('.') && !kind.advice.ends_with('.'), "{}", kind.code);
        assert!(!kind.cause.is_empty() && !kind.cause.ends_with('.'), "{}", kind.code);
        assert_eq!(find(kind.code).map(|found| found.code), Some(kind.code));
    }
    assert!(REASONS.is_sorted_by(|earlier, later| earlier.state >= later.state), "worst first");
    assert!(find("no_such_reason").is_none());
    assert!(REASONS.len() >= 30, "{}", REASONS.len());
}

#[test]
fn what_was_not_measured_is_invalid_for_that_one_reason() {
    for (status, expected) in [
        (Status::Rejected, "the job was rejected"),
        (Status::Failed, "the job failed"),
        (Status::TimedOut, "the job timed out"),
        (Status::Cancelled, "the job was cancelled"),
        (Status::Measured, "the trials contain no latency"),
    ] {
        let verdict = judge(&evidence(status, &[]));
        assert_eq!(verdict.state, VerdictState::Invalid);
        assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
        assert_eq!(
            (verdict.reasons[0].code.as_str(), detail(&verdict, "not_measured")),
            ("not_measured", expected)
        );
    }
}

#[test]
fn trials_before_a_failure_do_not_make_it_measured() {
    let trials = [trial(1, steady())];
    let verdict = judge(&evidence(Status::Failed, &trials));
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    assert_eq!(verdict.state, VerdictState::Invalid);
}

#[test]
fn steady_latencies_are_unverified_because_the_power_state_is_unobserved() {
    let verdict = judged(&[trial(1, steady())]);
    assert_eq!(codes(&verdict), [""; 0]);
    assert_eq!(verdict.state, VerdictState::Unverified);
}

#[test]
fn five_runs_are_few_and_six_are_not() {
    let verdict = judged(&[trial(1, [1_000_000; 5])]);
    assert_eq!(codes(&verdict), ["few_runs"]);
    assert_eq!(detail(&verdict, "few_runs"), "timed runs: 5; an interval requires 6");
    assert_eq!(codes(&judged(&[trial(1, [1_000_000; 6])])), [""; 0]);
}

#[test]
fn median_below_a_hundred_clock_steps_is_near_the_resolution() {
    let verdict = judged(&[trial(1, [1_999; 100])]);
    assert_eq!(codes(&verdict), ["near_clock_resolution"]);
    assert_eq!(detail(&verdict, "near_clock_resolution"), "median 1999 ns, clock step 20 ns");
    assert_eq!(codes(&judged(&[trial(1, [2_000; 100])])), [""; 0]);
}

#[test]
fn latencies_of_zero_are_near_the_resolution_and_nothing_is_divided_by_zero() {
    assert_eq!(codes(&judged(&[trial(1, [0; 100])])), ["near_clock_resolution"]);
}

#[test]
fn quartiles_more_than_a_tenth_of_the_median_apart_are_a_wide_spread() {
    // Evenly spread: the quartiles are 24.5 steps from the median on either side.
    let even = |step: u64| (0..99).map(move |run| 1_000_000 + run * 37 % 99 * step - 49 * step);
    let verdict = judged(&[trial(1, even(2_041))]);
    assert!(detail(&verdict, "wide_spread").ends_with("are 10.0 % of the median apart"), "{verdict:?}");
    assert!(!codes(&judged(&[trial(1, even(2_040))])).contains(&"wide_spread"));
}

#[test]
fn few_wild_runs_are_no_wide_spread() {
    let wild = (0..100).map(|run| if run % 5 == 0 { 50_000_000 } else { 1_000_000 });
    assert!(!codes(&judged(&[trial(1, wild)])).contains(&"wide_spread"));
}

#[test]
fn halves_with_medians_more_than_five_percent_apart_are_drift() {
    // The median of all lies midway, so ± 25 641 ns about 1 ms gives 5.13 %, and ± 24 900 gives 4.98 %.
    let stepping =
        |half: u64| (0..100).map(move |run| if run < 50 { 1_000_000 - half } else { 1_000_000 + half });
    let verdict = judged(&[trial(1, [1_000_000; 100]), trial(2, stepping(25_641))]);
    assert!(codes(&verdict).contains(&"drift"), "{verdict:?}");
    assert_eq!(
        detail(&verdict, "drift"),
        "build 1, process 2: the median of the second half of the runs is +5.1 % from that of the first"
    );
    assert_eq!(codes(&judged(&[trial(1, stepping(24_900))])), [""; 0]);
    let faster: Vec<u64> = stepping(25_641).collect();
    let verdict = judged(&[trial(1, faster.into_iter().rev())]);
    assert!(detail(&verdict, "drift").contains("-5.1 %"), "{verdict:?}");
}

#[test]
fn halves_whose_intervals_overlap_are_no_drift() {
    // Six runs a half: the interval is the whole range. The medians differ by 7.8 %, the ranges touch in one
    // value.
    let first = [960_000, 960_000, 960_000, 960_000, 960_000, 1_038_000];
    let apart = [1_038_000; 6];
    let overlapping: Vec<u64> = first.into_iter().chain(apart).collect();
    assert!(!codes(&judged(&[trial(1, overlapping)])).contains(&"drift"));
    let clear = [960_000; 6].into_iter().chain(apart);
    assert!(codes(&judged(&[trial(1, clear)])).contains(&"drift"));
}

#[test]
fn processes_whose_medians_span_more_than_a_tenth_disagree() {
    let three =
        |half: u64| [1_000_000 - half, 1_000_000, 1_000_000 + half].map(|median| trial(1, [median; 100]));
    let verdict = judged(&three(50_001));
    assert!(codes(&verdict).contains(&"processes_disagree"), "{verdict:?}");
    assert_eq!(
        detail(&verdict, "processes_disagree"),
        "medians of 3 processes range from 0.949999 to 1.050001 ms, 10.0 % of the overall median"
    );
    assert!(!codes(&judged(&three(50_000))).contains(&"processes_disagree"));
    // One process cannot disagree, and a process without latencies does not count.
    assert!(!codes(&judged(&[trial(1, [1_000_000; 100]), trial(2, [])])).contains(&"processes_disagree"));
}

#[test]
fn table_of_reasons_in_the_documents_is_up_to_date() {
    derived_docs::assert_current("docs/METHOD.md", "verdict reasons", &table());
}

#[test]
fn table_of_thresholds_in_the_documents_is_up_to_date() {
    let mut table = "| Reason | Threshold | What it is, and why |\n|---|---|---|\n".to_owned();
    for (code, threshold, origin) in thresholds::THRESHOLDS {
        assert!(find(code).is_some(), "{code}");
        table += &format!("| `{code}` | {threshold} | {origin} |\n");
    }
    derived_docs::assert_current("docs/METHOD.md", "verdict thresholds", &table);
}

fn table() -> String {
    let mut table =
        "| Code | State | Meaning | Usual cause | What to do |\n|---|---|---|---|---|\n".to_owned();
    for kind in REASONS {
        let state = serde_json::to_value(kind.state).unwrap();
        table += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            kind.code,
            state.as_str().unwrap(),
            kind.meaning,
            kind.cause,
            kind.advice
        );
    }
    table
}
