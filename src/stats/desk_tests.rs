//! The desk side's statistics against SciPy and NumPy, which were given the same resample indices: see
//! `tests/desk/expect_statistics.py`.

use serde_json::Value;

use super::gamma::{self, digamma, half_step_ratio, inverse_trigamma, trigamma};
use super::moderate::{Prior, Variance, of_sum, prior};
use super::resample::{
    Draws, block_length, circular_block_means, percentile_interval, resampled_means, seed_of,
};
use super::sample::{self, Outlier};
use super::student::{self, expansion, quantile_and_steps, student_quantile, two_sided_probability};

const TOLERANCE: f64 = 1e-9;

fn expected() -> Value {
    serde_json::from_str(include_str!("../../tests/desk/statistics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
fn assert_close(found: f64, wanted: &Value) {
    let wanted = wanted.as_f64().unwrap();
    assert!((found - wanted).abs() <= TOLERANCE * wanted.abs(), "{found} is not {wanted}");
}

#[test]
fn samples_are_described_as_by_scipy_and_numpy() {
    let expected = expected();
    let resamples = expected["resamples"].as_u64().unwrap() as usize;
    for wanted in expected["samples"].as_array().unwrap() {
        let values = numbers(&wanted["values"]);
        assert_close(sample::mean(&values).unwrap(), &wanted["mean"]);
        assert_close(sample::standard_deviation(&values).unwrap(), &wanted["standard_deviation"]);
        assert_close(sample::median(&values).unwrap(), &wanted["median"]);
        let deviation = sample::median_absolute_deviation(&values).unwrap();
        assert_close(deviation, &wanted["median_absolute_deviation"]);
        assert_close(sample::percentile(&values, 2.5).unwrap(), &wanted["percentile_2_5"]);
        assert_close(sample::percentile(&values, 97.5).unwrap(), &wanted["percentile_97_5"]);
        let (low, high) = mean_interval(&values, 11, resamples, 0.95);
        assert_close(low, &wanted["mean_interval"][0]);
        assert_close(high, &wanted["mean_interval"][1]);
    }
    let ratio = &expected["ratio"];
    let (above, below) = (numbers(&ratio["above"]), numbers(&ratio["below"]));
    let (low, high) = ratio_interval((&above, &below), (5, 6), resamples, 0.95);
    assert_close(low, &ratio["interval"][0]);
    assert_close(high, &ratio["interval"][1]);
}

#[test]
fn outliers_and_blocks_are_those_of_numpy() {
    let expected = expected();
    let labels: Vec<Value> = sample::outliers(&numbers(&expected["outliers"]["values"]))
        .iter()
        .map(|label| (*label as u64).into())
        .collect();
    assert_eq!(Value::from(labels.clone()), expected["outliers"]["labels"]);
    assert!(labels.contains(&Value::from(1)) && labels.contains(&Value::from(2)));
    let blocks = &expected["circular_blocks_of_3"];
    for (found, wanted) in
        circular_block_means(&numbers(&blocks["values"]), 3).iter().zip(blocks["means"].as_array().unwrap())
    {
        assert_close(*found, wanted);
    }
}

#[test]
fn student_and_moderated_variances_are_those_of_scipy() {
    let expected = expected();
    for wanted in expected["student"].as_array().unwrap() {
        let degrees = wanted["degrees_of_freedom"].as_f64().unwrap();
        assert_close(student_quantile(wanted["probability"].as_f64().unwrap(), degrees), &wanted["quantile"]);
        assert_close(two_sided_probability(-2.75, degrees), &wanted["two_sided"]);
    }
    assert_close(student_quantile(0.975, f64::INFINITY), &expected["normal_quantile"]);
    assert_close(student_quantile(0.975, 1e11), &expected["normal_quantile"]);
    for wanted in expected["trigamma"].as_array().unwrap() {
        assert_close(trigamma(wanted["x"].as_f64().unwrap()), &wanted["value"]);
    }
    let wanted = &expected["prior"];
    let variances: Vec<Variance> = numbers(&wanted["variances"])
        .into_iter()
        .zip(numbers(&wanted["degrees"]))
        .map(|(value, degrees_of_freedom)| Variance::own(value, degrees_of_freedom))
        .collect();
    let found = prior(&variances).unwrap();
    assert_close(found.variance, &wanted["variance"]);
    assert_close(found.degrees_of_freedom, &wanted["degrees_of_freedom"]);
}

#[test]
fn equal_variances_are_pooled_and_a_single_one_stands_alone() {
    let same = [Variance::own(4.0, 2.0); 3];
    let pooled = prior(&same).unwrap();
    assert_eq!(pooled, Prior { variance: 4.0, degrees_of_freedom: f64::INFINITY });
    assert_eq!(pooled.moderated(Some(Variance::own(9.0, 2.0))).value, 4.0);
    assert_eq!(prior(&same[..1]), None);
    assert_eq!(prior(&[Variance::own(0.0, 2.0); 3]), None);
    // (4 · 1 + 2 · 4) / 6 with 6 degrees of freedom.
    let some = Prior { variance: 1.0, degrees_of_freedom: 4.0 };
    assert_eq!(
        some.moderated(Some(same[0])),
        Variance { value: 2.0, degrees_of_freedom: 6.0, moderated: true }
    );
    assert_eq!(some.moderated(None), Variance { value: 1.0, degrees_of_freedom: 4.0, moderated: true });
}

#[test]
fn variances_of_sums_are_satterthwaites_and_patils() {
    // Satterthwaite: 1 + 1, (1 + 1)² / (1/2 + 1/2) = 4.
    let one = Variance::own(1.0, 2.0);
    assert_eq!(of_sum(&[one, one]), Variance::own(2.0, 4.0));
    assert_eq!(of_sum(&[one]), one);
    // Patil: second moments 8/6 each; 4 + (16/6)² / (2 (8/6)² / 4) = 12; 16/6 · 10/12 = 20/9.
    let moderated = Variance { value: 1.0, degrees_of_freedom: 8.0, moderated: true };
    let sum = of_sum(&[moderated, moderated]);
    assert!(
        (sum.degrees_of_freedom - 12.0).abs() < 1e-12 && (sum.value - 20.0 / 9.0).abs() < 1e-12,
        "{sum:?}"
    );
    let certain = Variance { degrees_of_freedom: f64::INFINITY, ..moderated };
    assert_eq!(of_sum(&[certain, certain]).value, 2.0);
    assert_eq!(of_sum(&[certain, certain]).degrees_of_freedom, f64::INFINITY);
    assert_eq!(expansion(f64::INFINITY, 0.95), 1.0);
    // t of 2 degrees of freedom at 97.5 % is 4.30265, z is 1.95996.
    assert!((expansion(2.0, 0.95) - 4.302_652_73 / 1.959_963_98).abs() < 1e-6);
}

#[test]
fn draws_are_the_published_splitmix64_and_every_index_comes() {
    // The first numbers of seed 1234567, as published with the reference implementation.
    let mut draws = Draws::new(1_234_567);
    assert_eq!(draws.next_u64(), 6_457_827_717_110_365_317);
    assert_eq!(draws.next_u64(), 3_203_168_211_198_807_973);
    let mut draws = Draws::new(1);
    let mut counts = [0_u32; 3];
    (0..30_000).for_each(|_| counts[draws.next_index(3)] += 1);
    assert!(counts.iter().all(|count| count.abs_diff(10_000) < 500), "{counts:?}");
    assert_ne!(seed_of(1, "a"), seed_of(1, "b"));
    assert_ne!(seed_of(1, "a"), seed_of(2, "a"));
    assert_eq!(seed_of(0, ""), 0xcbf2_9ce4_8422_2325);
}

#[test]
fn odd_samples_give_no_panic() {
    assert_eq!(sample::mean(&[]), None);
    assert_eq!(sample::median(&[]), None);
    assert_eq!(sample::standard_deviation(&[1.0]), None);
    assert_eq!(sample::outliers(&[]), []);
    // No scale: four of five are equal.
    assert_eq!(sample::outliers(&[1.0, 1.0, 1.0, 1.0, 9.0]), [Outlier::No; 5]);
    assert_eq!(resampled_means(&[2.0], 1, 1, 3), [2.0; 3]);
    assert_eq!(mean_interval(&[2.0; 5], 1, 100, 0.95), (2.0, 2.0));
    assert!(circular_block_means(&[], 3).is_empty());
    assert_eq!(circular_block_means(&[1.0, 3.0], 9), [2.0, 2.0]);
    assert_eq!([1, 2, 8, 27, 100, 1000].map(block_length), [1, 1, 2, 3, 5, 10]);
}

/// Every row of `tests/desk/student.csv`: degrees of freedom, probability, SciPy's quantile.
fn scipy_student() -> Vec<[f64; 3]> {
    let row = |line: &str| {
        let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    };
    include_str!("../../tests/desk/student.csv").lines().skip(1).map(row).collect()
}

#[test]
fn quantiles_are_those_of_scipy_from_one_to_infinitely_many_degrees_of_freedom() {
    for [degrees, probability, wanted] in scipy_student() {
        let found = student_quantile(probability, degrees);
        assert!((found / wanted - 1.0).abs() < TOLERANCE, "{degrees} {probability}: {found} is not {wanted}");
        let both = two_sided_probability(found, degrees);
        let asked = 2.0 * probability.min(1.0 - probability);
        assert!((both / asked - 1.0).abs() < 1e-10, "{degrees} {probability}: {both} is not {asked}");
    }
}

#[test]
fn quantiles_take_few_steps_for_every_degree_of_freedom_and_every_level() {
    let mut most = 0;
    // Seventeen degrees of freedom a decade, none of them whole, far beyond those of any report.
    for place in -340..=340 {
        let degrees = 10_f64.powf(f64::from(place) / 17.0) * 1.000_1;
        let mut below = f64::INFINITY;
        for level in 0..=300 {
            // Tails from one half down to 5e-301.
            let tail = 0.5 * 10_f64.powi(-level);
            let (quantile, steps) = quantile_and_steps(tail, degrees);
            most = most.max(steps);
            assert!(quantile < below || quantile == f64::NEG_INFINITY, "{degrees} {tail}: {quantile}");
            below = quantile;
        }
        for level in 0..=16 {
            let probability = 0.5 + 0.45 * 10_f64.powi(-level);
            let (quantile, steps) = quantile_and_steps(probability, degrees);
            most = most.max(steps);
            assert!(quantile > 0.0 || level == 16, "{degrees} {probability}: {quantile}");
        }
    }
    // The bound is never what ends a search.
    assert!(most <= student::MOST_STEPS / 2, "{most}");
}

#[test]
fn quantiles_of_what_is_no_probability_or_no_number_are_defined() {
    for degrees in [0.0, 1e-320, 1e-9, 1.0, 5.04e7, 1e300, f64::INFINITY] {
        assert_eq!(student_quantile(0.5, degrees), 0.0);
        assert_eq!(student_quantile(0.0, degrees), f64::NEG_INFINITY);
        assert_eq!(student_quantile(1.0, degrees), f64::INFINITY);
        for probability in [-1e-300, 1.000_000_1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(student_quantile(probability, degrees).is_nan());
        }
        assert!(two_sided_probability(f64::NAN, degrees).is_nan());
        assert_eq!(two_sided_probability(0.0, degrees), 1.0);
        for t in [1e-300, 1.0, 1e9, 1e300, f64::MAX, f64::NEG_INFINITY] {
            assert!((0.0..=1.0).contains(&two_sided_probability(t, degrees)), "{t} {degrees}");
        }
    }
    for degrees in [f64::NAN, -f64::NAN] {
        assert!(student_quantile(0.975, degrees).is_nan() && two_sided_probability(1.0, degrees).is_nan());
    }
    // Nothing is known without degrees of freedom.
    for degrees in [0.0, -1.0, f64::NEG_INFINITY] {
        assert_eq!(student_quantile(0.975, degrees), f64::INFINITY);
        assert_eq!(student_quantile(0.025, degrees), f64::NEG_INFINITY);
        assert_eq!(two_sided_probability(5.0, degrees), 1.0);
    }
    assert_eq!(two_sided_probability(f64::INFINITY, 3.0), 0.0);
}

#[test]
fn relatives_of_the_gamma_function_end_for_every_number() {
    // Γ(1) / Γ(½) = 1 / √π, and √x (1 − 1 / (8 x)) for large x.
    assert!((half_step_ratio(0.5) * std::f64::consts::PI.sqrt() - 1.0).abs() < 1e-14);
    assert!((half_step_ratio(1e12) / 1e6 - 1.0).abs() < 1e-12);
    // ψ(1) = −γ, ψ(½) = −γ − 2 ln 2.
    let euler = 0.577_215_664_901_532_9;
    assert!((digamma(1.0) + euler).abs() < 1e-14);
    assert!((digamma(0.5) + euler + 2.0 * std::f64::consts::LN_2).abs() < 1e-14);
    for function in [half_step_ratio, digamma, trigamma] {
        for x in [0.0, -0.0, -0.5, -1e300, f64::NEG_INFINITY, f64::NAN] {
            assert!(function(x).is_nan(), "{x}");
        }
        for x in [f64::MIN_POSITIVE, 1e-100, 19.999, 1e300] {
            assert!(!function(x).is_nan(), "{x}");
        }
    }
    let mut most = 0;
    for place in -300..=300 {
        let x = 10_f64.powf(f64::from(place) / 20.0);
        let (found, steps) = inverse_trigamma(trigamma(x));
        assert!((found / x - 1.0).abs() < 1e-12, "{x}: {found}");
        most = most.max(steps);
    }
    for y in [f64::MIN_POSITIVE, 1e-300, 1e-16, 1e16, 1e300, f64::MAX] {
        let (found, steps) = inverse_trigamma(y);
        assert!(found >= 0.0, "{y}: {found}");
        most = most.max(steps);
    }
    assert!(most <= gamma::MOST_STEPS / 2, "{most}");
    assert_eq!(inverse_trigamma(f64::INFINITY).0, 0.0);
    assert_eq!(inverse_trigamma(0.0).0, f64::INFINITY);
    assert!(inverse_trigamma(-1.0).0.is_nan() && inverse_trigamma(f64::NAN).0.is_nan());
}

#[test]
fn moderation_gives_an_answer_for_variances_of_any_size() {
    let degrees = [1e-300, 0.5, 1.0, 5.04e7, 1e300, f64::INFINITY];
    let values = [0.0, 1e-320, 1e-30, 1.0, 1e300, f64::INFINITY];
    for (&one, &other) in degrees.iter().zip(degrees.iter().rev()) {
        for &value in &values {
            let variances = [Variance::own(value, one), Variance::own(1.0, other), Variance::own(2.0, one)];
            if let Some(prior) = prior(&variances) {
                assert!(prior.degrees_of_freedom >= 0.0 || prior.degrees_of_freedom.is_nan(), "{prior:?}");
                let sum = of_sum(&variances.map(|own| prior.moderated(Some(own))));
                let _ = expansion(sum.degrees_of_freedom, 0.95);
            }
        }
    }
}

/// The bootstrap interval of the mean.
fn mean_interval(values: &[f64], seed: u64, resamples: usize, confidence: f64) -> (f64, f64) {
    percentile_interval(&resampled_means(values, values.len(), seed, resamples), confidence)
}

/// The bootstrap interval of mean(`above`) / mean(`below`) of two independent samples with a seed each.
fn ratio_interval(
    (above, below): (&[f64], &[f64]),
    (above_seed, below_seed): (u64, u64),
    resamples: usize,
    confidence: f64,
) -> (f64, f64) {
    let mut ratios = resampled_means(above, above.len(), above_seed, resamples);
    let divisors = resampled_means(below, below.len(), below_seed, resamples);
    ratios.iter_mut().zip(divisors).for_each(|(ratio, divisor)| *ratio /= divisor);
    percentile_interval(&ratios, confidence)
}
