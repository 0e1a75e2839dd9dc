//! The statistics of a series against SciPy (`tests/desk/expect_statistics.py`), published values, and series
//! whose answer is known.

use serde_json::Value;

use super::dependence::{Dependence, batch_means, block_length, lag_one, mean_interval};
use super::levels::levels;
use super::modes::modes;
use super::percentile::{discarded, fewest_for_percentile};
use super::trend::trend;
use super::variance::{ProcessMoments, split};
use crate::random::split_mix_64;

fn expected() -> Value {
    serde_json::from_str(include_str!("../../tests/desk/statistics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn assert_near(found: f64, wanted: &Value, tolerance: f64) {
    let wanted = wanted.as_f64().unwrap();
    assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1e-12), "{found}, not {wanted}");
}

/// Uniform on 0 to 1, ten milliseconds and a bit.
fn noisy(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count).map(|_| 10.0 + (split_mix_64(&mut state) >> 11) as f64 / (1_u64 << 53) as f64 * 0.1).collect()
}

#[test]
fn percentiles_have_the_floors_of_loadgen() {
    // As LoadGen prints them ("Processed at least 64 queries"), and SciPy's binomial has them.
    for (percent, fewest) in
        [(50.0, 11), (75.0, 24), (80.0, 31), (90.0, 64), (95.0, 130), (97.0, 219), (99.0, 662), (99.9, 6636)]
    {
        assert_eq!(fewest_for_percentile(percent), fewest, "{percent}");
        assert_eq!(discarded(fewest, percent), Some(0), "{percent}");
        assert_eq!(discarded(fewest - 1, percent), None, "{percent}");
    }
}

#[test]
fn published_early_stopping_of_mlperf_is_found_again() {
    // `mlperf_log_summary.txt` of ResNet-50 SingleStream, rounds 2.0 and 3.1, and of smaller runs: queries,
    // and "would discard … highest latency queries" at the 90th percentile.
    for (queries, wanted) in [
        (935_541, 92_878),
        (553_349, 54_814),
        (416_879, 41_236),
        (242_410, 23_896),
        (2_048, 172),
        (2_145, 181),
    ] {
        assert_eq!(discarded(queries, 90.0), Some(wanted), "{queries}");
    }
}

#[test]
fn discarded_is_bounded_for_any_count_and_any_percentile() {
    for percent in [f64::NAN, 0.0, -1.0, 100.0, 200.0] {
        assert_eq!(discarded(1_000, percent), None);
    }
    assert_eq!(discarded(0, 90.0), None);
    // n q − 2.326 √(n q (1 − q)) by the normal approximation.
    let most = discarded(100_000_000, 99.9).unwrap() as f64;
    assert!((most - (100_000.0 - 2.326 * 99_900.0_f64.sqrt())).abs() < 20.0, "{most}");
}

#[test]
fn autocorrelation_and_block_length_agree_with_numpy() {
    for series in expected()["series"].as_array().unwrap() {
        let values = numbers(&series["values"]);
        assert_near(lag_one(&values), &series["lag_one"], 1e-9);
        assert_eq!(
            block_length(&values) as u64,
            series["block_length"].as_u64().unwrap(),
            "{}",
            series["name"]
        );
    }
}

#[test]
fn trend_agrees_with_scipy() {
    for series in expected()["series"].as_array().unwrap() {
        let found = trend(&numbers(&series["values"])).unwrap();
        assert_near(found.change, &series["trend"], 1e-9);
        assert_near(found.score, &series["trend_score"], 1e-9);
    }
}

#[test]
fn levels_agree_with_a_search_through_all_partitions() {
    for series in expected()["series"].as_array().unwrap() {
        let starts: Vec<u64> =
            levels(&numbers(&series["values"])).iter().map(|level| level.start as u64).collect();
        assert_eq!(serde_json::to_value(starts).unwrap(), series["level_starts"], "{}", series["name"]);
    }
}

#[test]
fn split_of_the_variance_agrees_with_numpy() {
    let case = &expected()["nested"];
    let process = |process: &Value| {
        let values = numbers(&process["values"]);
        ProcessMoments {
            build: process["build"].as_u64().unwrap() as u32,
            count: values.len(),
            mean: super::sample::mean(&values).unwrap(),
            variance: super::sample::standard_deviation(&values).unwrap().powi(2),
        }
    };
    let processes: Vec<ProcessMoments> = case["processes"].as_array().unwrap().iter().map(process).collect();
    let found = split(&processes).unwrap();
    assert_near(found.runs, &case["between_runs"], 1e-9);
    assert_near(found.processes.unwrap(), &case["between_processes"], 1e-9);
    assert_near(found.builds.unwrap(), &case["between_builds"], 1e-9);
    // One process says nothing about processes, and one run nothing at all.
    let one = split(&processes[..1]).unwrap();
    assert_eq!((one.processes, one.builds), (None, None));
    assert_eq!(split(&[ProcessMoments { count: 1, ..processes[0] }]), None);
    assert_eq!(split(&[]), None);
}

#[test]
fn cut_into_two_groups_agrees_with_numpy() {
    for series in expected()["series"].as_array().unwrap() {
        let mut values = numbers(&series["values"]);
        values.sort_by(f64::total_cmp);
        let found = modes(&values).unwrap();
        assert_near(found.separation, &series["ashman_d"], 1e-9);
        assert_near(found.high_share, &series["high_share"], 1e-12);
    }
}

#[test]
fn interval_of_the_mean_is_that_of_students_t_for_independent_runs_and_wider_for_others() {
    for series in expected()["series"].as_array().unwrap() {
        let values = numbers(&series["values"]);
        let part = Dependence::of(&values).unwrap();
        let found = mean_interval(&[(part, values.len())]).unwrap();
        let width = (found.high - found.low) / 2.0;
        // A bootstrap of 10,000 resamples has its ends to about a fortieth of the width.
        assert_near(width, &series["half_width"], 0.06);
    }
}

#[test]
fn mean_of_two_processes_weighs_each_by_its_runs() {
    let (one, other) = (noisy(100, 1), noisy(300, 2).iter().map(|value| value + 10.0).collect::<Vec<_>>());
    let parts = [(Dependence::of(&one).unwrap(), 100), (Dependence::of(&other).unwrap(), 300)];
    let found = mean_interval(&parts).unwrap();
    let mean = (one.iter().sum::<f64>() + other.iter().sum::<f64>()) / 400.0;
    assert!(found.low < mean && mean < found.high && found.high - found.low < 0.02, "{found:?}");
}

#[test]
fn same_latencies_give_the_same_interval() {
    let part = || (Dependence::of(&noisy(100, 5)).unwrap(), 100);
    assert_eq!(mean_interval(&[part()]), mean_interval(&[part()]));
}

#[test]
fn few_equal_and_huge_values_break_nothing() {
    assert!(Dependence::of(&[]).is_none() && levels(&[]).is_empty() && modes(&[]).is_none());
    assert!(trend(&[]).is_none() && mean_interval(&[]).is_none());
    let one = Dependence::of(&[7.0]).unwrap();
    assert_eq!((one.effective_count, mean_interval(&[(one, 1)])), (1.0, None));
    let equal = [7.0; 50];
    let part = Dependence::of(&equal).unwrap();
    assert_eq!((part.autocorrelation, part.effective_count), (0.0, 50.0));
    let found = mean_interval(&[(part, 50)]).unwrap();
    assert_eq!((found.low, found.high), (7.0, 7.0));
    assert_eq!((levels(&equal).len(), modes(&equal), trend(&equal).unwrap().change), (1, None, 0.0));
    let huge: Vec<f64> = (0..200).map(|run| u64::MAX as f64 / (1.0 + f64::from(run % 3))).collect();
    let found = mean_interval(&[(Dependence::of(&huge).unwrap(), 200)]).unwrap();
    assert!(
        found.low.is_finite() && found.high.is_finite() && modes(&huge).is_none_or(|it| it.low.is_finite())
    );
    for zeros in [vec![0.0; 5], vec![0.0; 500]] {
        assert_eq!(levels(&zeros).len(), 1);
        assert!(trend(&zeros).is_none_or(|trend| trend.change == 0.0));
    }
}

#[test]
fn level_is_found_wherever_it_changes_and_a_few_wild_runs_are_none() {
    for start in [5, 20, 50, 80, 95] {
        let mut values = noisy(100, start as u64);
        values[start..].iter_mut().for_each(|value| *value += 1.0);
        let starts: Vec<usize> = levels(&values).iter().map(|level| level.start).collect();
        assert_eq!(starts, [0, start]);
    }
    let mut wild = noisy(100, 3);
    [3, 40, 41, 77].iter().for_each(|&run| wild[run] = 500.0);
    assert_eq!(levels(&wild).len(), 1);
    // A long series is reduced first; the place is exact to one stretch.
    let mut long = noisy(100_000, 4);
    long[40_000..].iter_mut().for_each(|value| *value += 1.0);
    let found = levels(&long);
    assert_eq!(found.len(), 2);
    assert!(found[1].start.abs_diff(40_000) <= 200, "{found:?}");
}

#[test]
fn stretches_cover_every_value_once() {
    for count in [1, 999, 1_000, 1_001, 2_500, 10_007] {
        let values: Vec<f64> = (0..count).map(f64::from).collect();
        let batches = batch_means(&values, 1_000);
        assert!(batches.len() <= 1_000 && !batches.is_empty(), "{count}");
    }
    // What is left over belongs to the last stretch.
    assert_eq!(batch_means(&[1.0, 2.0, 3.0, 5.0, 7.0], 3), [1.5, 5.0]);
}
