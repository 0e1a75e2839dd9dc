//! Verdicts and intervals of many simulated series, and of replays of real latencies.
//!
//! `cargo test --release --lib -- --ignored --nocapture table_of_coverage` prints the table of
//! `docs/METHOD.md`.

use super::tests::{codes, judged, trial};
use crate::bundle::read::decode;
use crate::stats;
use crate::stats::resample::Draws;

/// Random numbers from a seed.
struct Random(Draws);

impl Random {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

/// Name, a latency in ms (of the run's number, and what the run before left), the true mean in ms, and
/// whether the interval can be expected to cover it.
type Shape = (&'static str, fn(&mut Random, usize, &mut f64) -> f64, f64, bool);

fn autoregressive(random: &mut Random, run: usize, state: &mut f64, correlation: f64) -> f64 {
    let fresh = random.normal();
    *state = if run == 0 {
        fresh
    } else {
        correlation * *state + (1.0 - correlation * correlation).sqrt() * fresh
    };
    10.0 + 0.2 * *state
}

const SHAPES: &[Shape] = &[
    ("normal, 2 %", |random, _, _| 10.0 + 0.2 * random.normal(), 10.0, true),
    ("log-normal, σ = 0.1", |random, _, _| (0.1 * random.normal()).exp(), 1.005_012_520_859_401, true),
    ("log-normal, σ = 0.3", |random, _, _| (0.3 * random.normal()).exp(), 1.046_027_859_908_717, true),
    ("log-normal, σ = 0.5", |random, _, _| (0.5 * random.normal()).exp(), 1.133_148_453_066_826, true),
    (
        "two groups, half and half",
        |random, _, _| if random.uniform() < 0.5 { 10.0 } else { 12.0 } + 0.1 * random.normal(),
        11.0,
        true,
    ),
    (
        "two groups, four to one",
        |random, _, _| if random.uniform() < 0.8 { 10.0 } else { 12.0 } + 0.1 * random.normal(),
        10.4,
        true,
    ),
    ("AR(1), ρ = 0.25", |random, run, state| autoregressive(random, run, state, 0.25), 10.0, true),
    ("AR(1), ρ = 0.5", |random, run, state| autoregressive(random, run, state, 0.5), 10.0, true),
    ("log-normal, σ = 1", |random, _, _| random.normal().exp(), 1.648_721_270_700_128, false),
    (
        "1 % of the runs ten times as slow",
        |random, _, _| (10.0 + 0.2 * random.normal()) * if random.uniform() < 0.01 { 10.0 } else { 1.0 },
        10.9,
        false,
    ),
    ("drift of 10 %", |random, run, _| 10.0 + run as f64 / 99.0 + 0.2 * random.normal(), 10.0, false),
];

/// What became of many series of a shape.
#[derive(Debug, Default)]
struct Tally {
    series: usize,
    covered: usize,
    with_a_reason: usize,
    missed_with_a_reason: usize,
    /// Missed ones in which no run is slower than twice the median.
    missed_without_a_spike: usize,
}

impl Tally {
    fn of((_, shape, mean, _): &Shape, series: usize) -> Self {
        let mut random = Random(Draws::new(20_261_128));
        let mut tally = Self { series, ..Self::default() };
        for _ in 0..series {
            let mut state = 0.0;
            let latencies: Vec<u64> =
                (0..100).map(|run| (shape(&mut random, run, &mut state) * 1e6) as u64).collect();
            let slowest = *latencies.iter().max().unwrap_or(&0);
            let trials = [trial(1, latencies)];
            let summary = stats::summary(&trials).unwrap();
            let interval = summary.mean_interval.unwrap();
            let has_reason = !codes(&judged(&trials)).is_empty();
            let is_covered = (interval.low..=interval.high).contains(mean);
            tally.covered += usize::from(is_covered);
            tally.with_a_reason += usize::from(has_reason);
            tally.missed_with_a_reason += usize::from(!is_covered && has_reason);
            let has_spike = slowest as f64 / 1e6 > 2.0 * summary.median;
            tally.missed_without_a_spike += usize::from(!is_covered && !has_spike);
        }
        tally
    }

    fn share(&self, count: usize) -> f64 {
        count as f64 / self.series as f64
    }

    fn missed(&self) -> usize {
        self.series - self.covered
    }
}

#[test]
fn interval_of_the_mean_covers_and_normal_series_have_no_reason() {
    for shape in SHAPES.iter().filter(|shape| shape.3) {
        let tally = Tally::of(shape, 30);
        // Fewer than 24 of 30 at 95 % happen once in 3,000 times.
        assert!(tally.covered >= 24, "{}: {tally:?}", shape.0);
    }
    let normal = Tally::of(&SHAPES[0], 100);
    assert!(normal.with_a_reason <= 2, "{normal:?}");
    // What the interval misses for drift and σ = 1 has a reason.
    for shape in [&SHAPES[8], &SHAPES[10]] {
        let tally = Tally::of(shape, 30);
        assert!(tally.missed_with_a_reason * 10 >= tally.missed() * 8, "{}: {tally:?}", shape.0);
    }
}

#[test]
#[ignore = "takes minutes: prints the table of docs/METHOD.md and holds its limits"]
fn table_of_coverage() {
    let mut table = String::new();
    for shape in SHAPES {
        let tally = Tally::of(shape, 10_000);
        table += &format!(
            "| {} | {:.1} % | {:.1} % | {} | {} | {} |\n",
            shape.0,
            tally.share(tally.covered) * 100.0,
            tally.share(tally.with_a_reason) * 100.0,
            tally.missed(),
            tally.missed_with_a_reason,
            tally.missed_without_a_spike
        );
        let is_held = !shape.3 || (0.93..=0.97).contains(&tally.share(tally.covered));
        assert!(is_held, "{}: {tally:?}\n{table}", shape.0);
    }
    println!("{table}");
}

/// The runs before the hiccup.
const CLEAN_RUNS: usize = 80;

#[test]
fn thousand_replays_of_real_latencies_have_no_reason() {
    // Runs of a small network on ONNX Runtime, on two cores of a virtual machine, up to a hiccup of three
    // runs: stretches of ten neighbours from random places, so that replays resemble their neighbours as the
    // original does.
    let bytes = include_bytes!(
        "../../tests/demo-bundles/03-both-runtimes.tiny-cnn.onnxruntime.0000000003-ahm9bd-0001.json.gz"
    );
    let runs = stats::pooled(&decode(&bytes[..]).unwrap().trials);
    let real = &runs[..CLEAN_RUNS];
    let mut random = Random(Draws::new(1));
    for replay in 0..1_000 {
        let mut latencies = Vec::with_capacity(runs.len());
        while latencies.len() < runs.len() {
            let start = (random.uniform() * (real.len() - 10) as f64) as usize;
            latencies.extend(real[start..start + 10].iter().map(|latency| latency.0));
        }
        let verdict = judged(&[trial(1, latencies)]);
        assert_eq!(codes(&verdict), [""; 0], "replay {replay}: {verdict:?}");
    }
}
