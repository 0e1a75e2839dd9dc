//! Each reason from levels, trends, groups and tails, with a case that triggers it and one that just does
//! not.

use super::super::tests::{codes, detail, judged, trial};
use crate::bundle::format::{Trial, TrialId, Verdict};

/// About 1 ms, even over ± 0.5 %, in no order.
fn quiet(runs: u64) -> Vec<u64> {
    (0..runs).map(|run| 995_000 + run * 37 % 101 * 100).collect()
}

fn judged_one(latencies: Vec<u64>) -> Verdict {
    judged(&[trial(1, latencies)])
}

fn has(latencies: Vec<u64>, code: &str) -> bool {
    codes(&judged_one(latencies)).contains(&code)
}

#[test]
fn quiet_latencies_have_no_reason() {
    for runs in [20, 100, 101, 1_000, 5_000] {
        assert_eq!(codes(&judged_one(quiet(runs))), [""; 0], "{runs}");
    }
}

#[test]
fn stall_that_moves_the_mean_from_the_median_is_a_heavy_tail() {
    // Two runs of 3 s among 200 of 10 ms: the mean is four times the median.
    let mut stalled: Vec<u64> = quiet(200).iter().map(|latency| latency * 10).collect();
    (stalled[50], stalled[150]) = (3_000_000_000, 3_000_000_000);
    let verdict = judged_one(stalled);
    assert_eq!(codes(&verdict), ["heavy_tail"]);
    let told = detail(&verdict, "heavy_tail");
    assert!(told.starts_with("the mean 39.89") && told.ends_with("took 3000.000000 ms"), "{told}");
    // One run among 100 adds a hundredth of its excess to the mean.
    let with = |excess: u64| {
        let mut one = vec![1_000_000; 100];
        one[41] += excess;
        one
    };
    assert!(has(with(5_100_000), "heavy_tail") && !has(with(4_900_000), "heavy_tail"));
}

#[test]
fn series_like_a_published_run_with_power_saving_is_not_valid() {
    // Minimum 0.849, p50 1.309, p90 1.636, p97 1.981, maximum 122 ms, linear in between.
    let points = [(0.0, 0.849), (0.5, 1.309), (0.9, 1.636), (0.97, 1.981), (0.999, 2.5), (1.0, 122.0)];
    let at = |share: f64| {
        let above = points.iter().position(|point| point.0 >= share).unwrap().max(1);
        let ((from, low), (to, high)) = (points[above - 1], points[above]);
        ((low + (high - low) * (share - from) / (to - from)) * 1e6) as u64
    };
    let shaped: Vec<u64> = (0..2_000_u64).map(|run| at((run * 1_237 % 2_000) as f64 / 1_999.0)).collect();
    assert!(codes(&judged_one(shaped)).contains(&"wide_spread"));
}

#[test]
fn level_that_changes_anywhere_is_a_reason_from_five_percent_on() {
    let with = |start: usize, more: u64| {
        let mut stepped = quiet(100);
        stepped[start..].iter_mut().for_each(|latency| *latency += more);
        stepped
    };
    for start in [5, 30, 60, 95] {
        assert!(has(with(start, 60_000), "level_change"), "{start}");
        assert!(!has(with(start, 40_000), "level_change"), "{start}");
    }
    let verdict = judged_one(with(60, 60_000));
    assert!(
        detail(&verdict, "level_change").starts_with("build 1, process 1: from run 61 on, the median is")
    );
}

#[test]
fn first_runs_that_are_slower_are_too_short_a_warm_up() {
    let with = |slow: usize, more: u64| {
        let mut warming = quiet(100);
        warming[..slow].iter_mut().for_each(|latency| *latency += more);
        warming
    };
    let verdict = judged_one(with(3, 300_000));
    assert_eq!(codes(&verdict), ["slow_first_runs"]);
    assert!(detail(&verdict, "slow_first_runs").contains("the first "));
    assert!(!has(with(2, 300_000), "slow_first_runs") && !has(with(3, 40_000), "slow_first_runs"));
    let verdict = judged_one(with(20, 100_000));
    assert!(codes(&verdict).contains(&"slow_first_runs") && !codes(&verdict).contains(&"level_change"));
    // Slow for half of the runs is no warm-up.
    assert!(has(with(50, 100_000), "level_change") && !has(with(50, 100_000), "slow_first_runs"));
}

#[test]
fn series_that_rises_or_never_stays_is_not_steady() {
    let rising = |by: f64| {
        let risen = |(run, latency): (usize, &u64)| latency + (by * 1e6 * run as f64 / 99.0) as u64;
        quiet(100).iter().enumerate().map(risen).collect::<Vec<_>>()
    };
    assert!(has(rising(0.06), "not_steady") && !has(rising(0.04), "not_steady"));
    let falling: Vec<u64> = rising(0.08).into_iter().rev().collect();
    assert!(detail(&judged_one(falling), "not_steady").contains("-7."));
    let stairs = |lengths: &[usize]| {
        let mut latencies = quiet(100);
        let mut start = 0;
        for (step, length) in lengths.iter().enumerate() {
            let more = [0, 100_000, 30_000, 150_000][step];
            latencies[start..start + length].iter_mut().for_each(|latency| *latency += more);
            start += length;
        }
        latencies
    };
    assert!(has(stairs(&[30, 30, 40]), "not_steady") && !has(stairs(&[20, 20, 60]), "not_steady"));
}

#[test]
fn runs_in_two_groups_are_bimodal() {
    let two = |share: u64, apart: u64| {
        let slow = |run: u64| if run * 61 % 100 < share { apart } else { 0 };
        quiet(100).iter().enumerate().map(|(run, latency)| latency + slow(run as u64)).collect::<Vec<_>>()
    };
    let verdict = judged_one(two(30, 80_000));
    assert_eq!(codes(&verdict), ["bimodal"]);
    assert!(detail(&verdict, "bimodal").starts_with("build 1, process 1: 70 % of the runs take about 1.0"));
    assert!(!has(two(30, 45_000), "bimodal") && !has(two(9, 80_000), "bimodal"));
}

#[test]
fn builds_whose_means_differ_by_more_than_a_tenth_disagree() {
    let of_build =
        |build: u32, mean: u64| Trial { id: TrialId { build, process: 1 }, ..trial(1, vec![mean; 100]) };
    let two = |second: u64| judged(&[of_build(1, 1_000_000), of_build(2, second)]);
    let verdict = two(1_100_001);
    assert_eq!(codes(&verdict), ["builds_disagree"]);
    assert_eq!(
        detail(&verdict, "builds_disagree"),
        "means of 2 builds range from 1.000000 ms (build 1) to 1.100001 ms (build 2), 10.0 % more"
    );
    assert_eq!(codes(&two(1_100_000)), [""; 0]);
}

#[test]
fn latencies_of_every_odd_kind_are_judged_without_a_panic() {
    for latencies in [
        vec![],
        vec![7],
        vec![0; 100],
        vec![u64::MAX; 100],
        (0..100).map(|run| if run % 2 == 0 { 0 } else { u64::MAX }).collect(),
        (0..100).rev().collect(),
    ] {
        let verdict = judged(&[trial(1, latencies.clone()), trial(2, latencies)]);
        assert!(!verdict.reasons.is_empty());
    }
}
