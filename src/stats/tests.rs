//! The statistics against published and hand-worked values.

use proptest::prelude::*;

use super::*;
use crate::bundle::format::{Latencies, TrialId};

fn nanos(values: &[u64]) -> Vec<Nanos> {
    values.iter().copied().map(Nanos).collect()
}

fn sorted(values: impl IntoIterator<Item = u64>) -> Sorted {
    Sorted::new(&values.into_iter().map(Nanos).collect::<Vec<_>>()).unwrap()
}

fn trial(process: u32, latencies: &[u64]) -> Trial {
    Trial {
        id: TrialId { build: 1, process },
        latencies: Latencies {
            warm_up_ns: nanos(&[999_000_000]),
            latency_ns: nanos(latencies),
            extra_latency_ns: nanos(&[888_000_000]),
            clock_step_ns: None,
        },
    }
}

/// P(low ≤ B ≤ high) for a binomial (n, ½) by exact integers: n ≤ 120 keeps C(n, k) within 128 bits.
fn exact_coverage(count: u32, rank: u32) -> f64 {
    let (mut term, mut inside) = (1_u128, 0_u128);
    for k in 0..=count {
        if k >= rank && k <= count - rank {
            inside += term;
        }
        term = term * u128::from(count - k) / u128::from(k + 1);
    }
    inside as f64 / 2.0_f64.powi(count as i32)
}

#[test]
fn mean_and_deviation_match_a_hand_worked_sample() {
    // 2, 4, 4, 4, 5, 5, 7, 9: sum 40, mean 5; deviations −3 −1 −1 −1 0 0 2 4, squares 9+1+1+1+0+0+4+16 = 32;
    // sample variance 32 / 7.
    let sample = nanos(&[2, 4, 4, 4, 5, 5, 7, 9]);
    assert_eq!(mean(&sample), Some(5.0));
    assert_eq!(standard_deviation(&sample), Some((32.0_f64 / 7.0).sqrt()));
}

#[test]
fn deviation_survives_the_nist_samples_that_break_the_textbook_formula() {
    // NIST Statistical Reference Datasets, univariate: NumAcc3 and NumAcc4 hold 1000000.2 and 10000000.2
    // once, then 1000000.1/.3 (10000000.1/.3) 500 times each; certified mean x.2, certified standard
    // deviation 0.1 exactly. Latencies are whole, so the samples are scaled by ten: certified values 10 x + 2
    // and 1.
    for base in [10_000_000_u64, 100_000_000, 1_000_000_000_000_000_000] {
        let mut sample = vec![base + 2];
        for _ in 0..500 {
            sample.extend([base + 1, base + 3]);
        }
        let sample = nanos(&sample);
        assert_eq!(mean(&sample), Some((base + 2) as f64));
        assert_eq!(standard_deviation(&sample), Some(1.0));
    }
}

#[test]
fn largest_latencies_overflow_nothing() {
    let sample = nanos(&[u64::MAX, u64::MAX, 0, u64::MAX]);
    let largest = u64::MAX as f64;
    assert_eq!(mean(&sample), Some(largest * 0.75));
    // Deviations of 1, 1, 1 and 0 about ¾: variance (3/16 + 9/16) / 3 = ¼, deviation ½.
    let deviation = standard_deviation(&sample).unwrap();
    assert!((deviation / largest - 0.5).abs() < 1e-12, "{deviation}");
    assert_eq!(Sorted::new(&sample).unwrap().median(), largest);
}

#[test]
fn no_latency_gives_nothing_and_one_gives_no_deviation() {
    assert_eq!(mean(&[]), None);
    assert!(Sorted::new(&[]).is_none());
    assert_eq!(summary(&[]), None);
    assert_eq!(summary(&[trial(1, &[])]), None);
    assert_eq!(standard_deviation(&nanos(&[7])), None);
    assert_eq!(mean(&nanos(&[7])), Some(7.0));
}

#[test]
fn median_of_an_even_count_is_the_mean_of_the_two_middle_values() {
    assert_eq!(sorted([9, 1, 4]).median(), 4.0);
    assert_eq!(sorted([9, 1, 4, 7]).median(), 5.5);
}

#[test]
fn percentiles_are_type_7_of_hyndman_and_fan() {
    // 1 … 10, rank 1 + 9 p: p = 0.25 → 3.25, 0.75 → 7.75, 0.9 → 9.1, as `quantile(1:10)` of R prints.
    let ten = sorted((1..=10).map(|value| value * 1000));
    for (percent, expected) in
        [(0.0, 1000.0), (25.0, 3250.0), (50.0, 5500.0), (75.0, 7750.0), (90.0, 9100.0), (100.0, 10_000.0)]
    {
        assert!((ten.percentile(percent) - expected).abs() < 1e-9, "{percent}: {}", ten.percentile(percent));
    }
    // Types 6 and 8 would give 2750 and 2916.67 at 25 %.
}

#[test]
fn median_interval_has_the_tabulated_ranks() {
    // Ranks j and n + 1 − j at 95 %, from the cumulative binomial (n, ½): for n = 10, P(B ≤ 1) = 11/1024 and
    // P(B ≤ 2) = 56/1024, so j = 2 with coverage 1 − 22/1024 = 0.9785; the others likewise (0.9688, 0.9586,
    // 0.9648).
    for (count, low, high, coverage) in
        [(6, 1, 6, 0.96875), (10, 2, 9, 0.978_515_625), (20, 6, 15, 0.958_610_5), (100, 40, 61, 0.964_799_8)]
    {
        let interval = sorted(1..=count).median_interval().unwrap();
        assert_eq!((interval.low, interval.high), (Nanos(low), Nanos(high)), "n = {count}");
        assert!((interval.confidence - coverage).abs() < 1e-7, "n = {count}: {}", interval.confidence);
    }
}

#[test]
fn median_interval_is_the_shortest_that_covers_at_every_count_up_to_120() {
    for count in 1..=120_u32 {
        let interval = sorted(1..=u64::from(count)).median_interval();
        let widest = exact_coverage(count, 1);
        let Some(interval) = interval else {
            assert!(widest < CONFIDENCE && count < 6, "n = {count}");
            continue;
        };
        let rank = interval.low.0 as u32;
        assert_eq!(interval.high.0 as u32, count + 1 - rank);
        assert!((interval.confidence - exact_coverage(count, rank)).abs() < 1e-12, "n = {count}");
        assert!(interval.confidence >= CONFIDENCE, "n = {count}");
        let narrower = exact_coverage(count, rank + 1);
        assert!(narrower < CONFIDENCE, "n = {count}: rank {} covers {narrower}", rank + 1);
    }
    assert_eq!(fewest_runs_for_interval(), 6);
}

#[test]
fn median_interval_of_a_million_runs_agrees_with_the_normal_approximation() {
    // j ≈ n/2 − 1.959964 √n / 2 = 500000 − 979.98
    let interval = sorted(1..=1_000_000).median_interval().unwrap();
    assert!(interval.low.0.abs_diff(499_020) <= 2, "{interval:?}");
    // One rank more or less on either side is 2 · φ(1.96) / (√n / 2) = 2.3e-4 of coverage.
    assert!((0.95..0.95 + 2.4e-4).contains(&interval.confidence), "{interval:?}");
}

#[test]
fn hundred_runs_support_p90_and_not_p95() {
    let latencies: Vec<u64> = (1..=100).map(|value| value * 1_000_000).collect();
    let summary = summary(&[trial(1, &latencies)]).unwrap();
    let percents: Vec<f64> = summary.percentiles.iter().map(|percentile| percentile.percent).collect();
    assert_eq!(percents, [50.0, 75.0, 80.0, 90.0]);
    // Rank 1 + 99 · 0.9 = 90.1; P(B ≤ 3) for B binomial (100, 0.1) is 0.8 %, P(B ≤ 4) is 2.4 %, so two are
    // discarded.
    assert!((summary.percentiles[3].value - 90.1).abs() < 1e-9);
    assert_eq!(summary.percentiles[3].upper_bound, Some(98.0));
    let missing: Vec<f64> = summary.missing_percentiles.iter().map(|missing| missing.percent).collect();
    assert_eq!(missing, [95.0, 97.0, 99.0, 99.9]);
    let reason = "needs 130 latencies for a confidence of 99 %, and there are 100";
    assert_eq!(
        (summary.missing_percentiles[0].value, summary.missing_percentiles[0].reason.as_str()),
        (None, reason)
    );
}

#[test]
fn summary_pools_processes_and_ignores_warm_up_and_surplus_runs() {
    let summary =
        summary(&[trial(1, &[1_000_000, 2_000_000]), trial(2, &[]), trial(3, &[6_000_000])]).unwrap();
    // 1, 2, 6: mean 3, squares of the deviations 4 + 1 + 9 = 14, deviation √(14 / 2).
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap(), @r#"
    {
      "count": 3,
      "trials_used": 2,
      "mean": 3.0,
      "standard_deviation": 2.6457513110645907,
      "median": 2.0,
      "minimum": 1.0,
      "maximum": 6.0,
      "median_interval": null,
      "percentiles": [],
      "missing_percentiles": [
        {
          "percent": 50.0,
          "value": null,
          "reason": "needs 11 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 75.0,
          "value": null,
          "reason": "needs 24 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 80.0,
          "value": null,
          "reason": "needs 31 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 90.0,
          "value": null,
          "reason": "needs 64 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 95.0,
          "value": null,
          "reason": "needs 130 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 97.0,
          "value": null,
          "reason": "needs 219 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 99.0,
          "value": null,
          "reason": "needs 662 latencies for a confidence of 99 %, and there are 3"
        },
        {
          "percent": 99.9,
          "value": null,
          "reason": "needs 6636 latencies for a confidence of 99 %, and there are 3"
        }
      ],
      "effective_count": 3.0,
      "variance": {
        "between_builds": null,
        "between_processes": 9.75,
        "between_runs": 0.5000000000000001
      },
      "trials": [
        {
          "build": 1,
          "process": 1,
          "count": 2,
          "effective_count": 2.0,
          "autocorrelation": 0.0,
          "steady_from": 0,
          "levels": [
            {
              "start": 0,
              "count": 2,
              "median": 1.5
            }
          ],
          "trend": null,
          "mild_outliers": 0,
          "severe_outliers": 0
        },
        {
          "build": 1,
          "process": 3,
          "count": 1,
          "effective_count": 1.0,
          "autocorrelation": 0.0,
          "steady_from": 0,
          "levels": [
            {
              "start": 0,
              "count": 1,
              "median": 6.0
            }
          ],
          "trend": null,
          "mild_outliers": 0,
          "severe_outliers": 0
        }
      ]
    }
    "#);
}

proptest! {
    #[test]
    fn every_number_of_a_summary_is_finite_and_in_order(latencies in prop::collection::vec(any::<u64>(), 1..400)) {
        let summary = summary(&[trial(1, &latencies)]).unwrap();
        prop_assert!(summary.minimum <= summary.median && summary.median <= summary.maximum);
        prop_assert!(summary.minimum <= summary.mean * (1.0 + 1e-12) && summary.mean <= summary.maximum * (1.0 + 1e-12));
        if let Some(interval) = summary.median_interval {
            prop_assert!(interval.low <= summary.median && summary.median <= interval.high);
        }
        let mut at_least = summary.median;
        for percentile in summary.percentiles.iter().skip(1) {
            prop_assert!(at_least <= percentile.value * (1.0 + 1e-12) && percentile.value <= summary.maximum);
            at_least = percentile.value;
        }
        prop_assert!(summary.standard_deviation.is_none_or(|deviation| deviation.is_finite() && deviation >= 0.0));
    }
}

#[test]
fn summary_is_that_of_the_build_with_the_lowest_mean_and_says_which() {
    let of_build = |build, process, latencies: &[u64]| Trial {
        id: TrialId { build, process },
        ..trial(process, latencies)
    };
    // Means 5, 4 and 4 ms: the first of the equal ones.
    let trials = [
        of_build(1, 1, &[5_000_000, 5_000_000]),
        of_build(2, 1, &[3_000_000, 4_000_000]),
        of_build(2, 2, &[5_000_000, 4_000_000]),
        of_build(3, 1, &[4_000_000]),
    ];
    let summary = summary(&trials).unwrap();
    assert_eq!((summary.build, summary.count, summary.trials_used, summary.mean), (Some(2), 4, 2, 4.0));
    assert_eq!(super::summary(&trials[1..3]).unwrap().build, None);
    // A build that gave nothing is not chosen.
    let failed = [of_build(1, 1, &[5_000_000]), of_build(2, 1, &[])];
    assert_eq!(super::summary(&failed).unwrap().build, Some(1));
}

#[test]
fn ranks_of_the_interval_agree_with_the_exact_binomial() {
    // By hand: P(Bin(5, ½) < 1) = 1/32 = 3.1 % is more than 2.5 %, P(Bin(6, ½) < 1) = 1/64 = 1.6 % is not.
    assert_eq!(median_interval_ranks(5), None);
    assert_eq!(median_interval_ranks(6), Some((1, 6)));
    // P(Bin(10, ½) < 2) = 11/1024 = 1.1 %, < 3: 56/1024 = 5.5 %.
    assert_eq!(median_interval_ranks(10), Some((2, 9)));
    // Table 16 of J.-Y. Le Boudec, Performance Evaluation (2010): n = 70 gives 27 and 44, n = 100 gives 40
    // and 61.
    assert_eq!(median_interval_ranks(70), Some((27, 44)));
    assert_eq!(median_interval_ranks(100), Some((40, 61)));
    // Far beyond the smallest double: n/2 − 0.98 √n by the normal approximation.
    let (low, high) = median_interval_ranks(1_000_000).unwrap();
    assert_eq!(low + high, 1_000_001);
    assert!(low.abs_diff(499_020) <= 2, "{low}");
}

#[test]
fn ranks_of_any_number_of_latencies_are_found_in_a_bounded_number_of_steps() {
    // Either side of where the product becomes a series: n/2 − 0.98 √n by the normal approximation.
    for count in [1 << 22, (1 << 23) - 1, (1 << 23) + 1, 1 << 24, 1 << 32, 1 << 43] {
        let (low, high) = median_interval_ranks(count).unwrap();
        assert_eq!(low + high, count + 1);
        let expected = count as f64 / 2.0 - 0.979_982 * (count as f64).sqrt();
        assert!((low as f64 - expected).abs() < 3.0, "{count}: {low}, {expected}");
    }
    // More than any memory holds: no rank rather than no end.
    assert_eq!(median_interval_ranks(usize::MAX), None);
    assert_eq!(median_interval_ranks(0), None);
}
