//! Contrasts of a study whose numbers can be worked out by hand.

use super::contrast::{Contrast, Ratio};
use super::factor::Factor;
use super::row::Row;
use super::{AnalysisOptions, analyse};
use crate::bundle::format::{
    Bundle, Configuration, Cost, Latencies, Reason, Status, Trial, TrialId, Verdict, VerdictState,
};
use crate::stats::Span;
use crate::units::Nanos;

/// A configuration that takes so long in each of its processes, and its operations.
fn bundle(block: &str, input: u32, milliseconds: &[f64], operations: u64) -> Bundle {
    let bytes = include_bytes!("../../tests/bundles/v2-measured.json.gz");
    let mut bundle = crate::bundle::read::decode(&bytes[..]).unwrap();
    let name = format!("{block}-k3-b1-i{input}-int8");
    bundle.id = name.clone();
    bundle.configuration = Some(Configuration {
        name,
        block: block.to_owned(),
        kernel: 3,
        batch: 1,
        input,
        precision: "int8".to_owned(),
        width_percent: 100,
        depths: [3, 4, 6, 3],
    });
    bundle.cost = Some(Cost {
        macs: operations / 2,
        operations,
        other_operations: 0,
        parameters: 1,
        bytes_moved: 10,
        operational_density: Some(operations as f64 / 10.0),
        uncounted: Vec::new(),
        differences: Vec::new(),
        assumptions: Vec::new(),
        measured_shapes: None,
    });
    let latencies = |mean: f64| Latencies {
        latency_ns: vec![Nanos((mean * 1e6).round() as u64); 10],
        ..Latencies::default()
    };
    bundle.trials = (1..)
        .zip(milliseconds)
        .map(|(process, mean)| Trial { id: TrialId { build: 1, process }, latencies: latencies(*mean) })
        .collect();
    bundle.verdict = Verdict { state: VerdictState::Valid, reasons: Vec::new() };
    bundle
}

fn contrast(bundles: Vec<Bundle>) -> Contrast {
    let rows = bundles
        .into_iter()
        .enumerate()
        .map(|(index, bundle)| Row::new(bundle, "somewhere".to_owned(), index.to_string()))
        .collect();
    let contrasts = analyse(rows, AnalysisOptions::default()).contrasts;
    let of_blocks: Vec<Contrast> =
        contrasts.into_iter().filter(|contrast| contrast.factor == Factor::Block).collect();
    let [one] = &of_blocks[..] else { panic!("{of_blocks:?}") };
    assert_eq!((one.from.as_str(), one.to.as_str()), ("standard", "depthwise-separable"));
    one.clone()
}

#[track_caller]
fn near(found: f64, wanted: f64) {
    assert!((found / wanted - 1.0).abs() < 1e-9, "{found} is not {wanted}");
}

#[test]
fn ratios_of_pairs_and_both_of_their_averages_are_those_worked_out_by_hand() {
    let found = contrast(vec![
        bundle("standard", 224, &[10.0], 1_000),
        bundle("standard", 560, &[40.0], 8_000),
        bundle("depthwise-separable", 224, &[5.0], 200),
        bundle("depthwise-separable", 560, &[30.0], 300),
    ]);
    let mut pairs = found.pairs.clone();
    pairs.sort_by(|one, other| one.latency.value.total_cmp(&other.latency.value));
    for (pair, (latency, operations, throughput)) in pairs.iter().zip([(0.5, 0.2, 0.4), (0.75, 0.0375, 0.05)])
    {
        near(pair.latency.value, latency);
        near(pair.operations.unwrap(), operations);
        near(pair.operational_density.unwrap(), operations);
        near(pair.throughput.unwrap().value, throughput);
    }
    assert_eq!(pairs.len(), 2);
    let latency = found.latency.unwrap();
    near(latency.mean_of_ratios.value, 0.625);
    near(latency.ratio_of_means.value, 35.0 / 50.0);
    let operations = found.operations.unwrap();
    near(operations.mean_of_ratios, 0.118_75);
    near(operations.ratio_of_means, 500.0 / 9_000.0);
    let throughput = found.throughput.unwrap();
    near(throughput.mean_of_ratios.value, 0.225);
    near(throughput.ratio_of_means.value, 50.0 / 300.0);
}

#[test]
fn pairs_without_a_side_say_why_and_suspect_ones_are_counted() {
    let mut failed = bundle("depthwise-separable", 700, &[], 300);
    failed.outcome.status = Status::Failed;
    failed.outcome.reason = Some("out_of_memory".to_owned());
    let mut odd = bundle("depthwise-separable", 224, &[5.0], 200);
    let reason = Reason { code: "drift".to_owned(), detail: String::new() };
    odd.verdict = Verdict { state: VerdictState::Suspect, reasons: vec![reason] };
    let found = contrast(vec![
        bundle("standard", 224, &[10.0], 1_000),
        bundle("standard", 560, &[40.0], 8_000),
        bundle("standard", 700, &[50.0], 9_000),
        odd,
        failed,
    ]);
    assert_eq!((found.pairs.len(), found.suspect_pairs), (1, 1));
    let mut missing: Vec<_> = found.missing.iter().map(|one| (one.from.clone(), one.to.clone())).collect();
    missing.sort();
    let why = |text: &str| (None, Some(text.to_owned()));
    assert_eq!(missing, [why("failed: out_of_memory"), why("not in the data")]);
}

#[test]
fn interval_of_a_contrast_is_about_its_ratio_and_narrows_with_the_processes() {
    let width = |spread: f64| {
        let of = |mean: f64| -> Vec<f64> {
            [-1.0, 0.0, 1.0].iter().map(|place| mean * (1.0 + spread * place)).collect()
        };
        let found = contrast(vec![
            bundle("standard", 224, &of(10.0), 1_000),
            bundle("standard", 560, &of(40.0), 8_000),
            bundle("depthwise-separable", 224, &of(5.0), 200),
            bundle("depthwise-separable", 560, &of(30.0), 300),
        ]);
        let mut widths = Vec::new();
        for ratio in [found.latency.unwrap().mean_of_ratios, found.throughput.unwrap().ratio_of_means] {
            let Span { low, high } = ratio.interval.unwrap();
            assert!(low < ratio.value && ratio.value < high, "{ratio:?}");
            widths.push(high / low);
        }
        widths
    };
    let (narrow, wide) = (width(0.01), width(0.05));
    assert!(narrow.iter().zip(&wide).all(|(narrow, wide)| narrow < wide), "{narrow:?} {wide:?}");
}

#[test]
fn ratio_is_beyond_its_interval_only_if_one_is_outside() {
    let ratio = |low: f64, high: f64| Ratio {
        value: (low * high).sqrt(),
        interval: Some(Span { low, high }),
        standard_error: Some(0.1),
        degrees_of_freedom: None,
    };
    for (low, high, wanted) in [
        (1.1, 1.2, true),
        (0.8, 0.9, true),
        (0.9, 1.1, false),
        (1.0, 1.2, false),
        (0.8, 1.0, false),
        (1.0, 1.0, false),
    ] {
        assert_eq!(ratio(low, high).is_beyond_interval(), wanted, "{low} {high}");
        assert_eq!(ratio(low, high).inverse().is_beyond_interval(), wanted, "1 / {low} {high}");
    }
    let inverse = ratio(2.0, 4.0).inverse().interval.unwrap();
    assert_eq!((inverse.low, inverse.high), (0.25, 0.5));
    assert!(!Ratio { interval: None, ..ratio(2.0, 4.0) }.is_beyond_interval());
}
