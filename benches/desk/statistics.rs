//! How long the statistics and the verdict of a bundle take, and of as many as the network family has. Fails
//! where a target is missed.

use std::process::ExitCode;
use std::time::Instant;

use backbone::bundle::format::{Host, Latencies, Status, Trial, TrialId};
use backbone::stats;
use backbone::units::Nanos;
use backbone::verdict;

use crate::rig::{Random, Report, quantile};

/// The paper's timed runs.
const RUNS: usize = 100;

/// Bundles of one study of the whole family.
const BUNDLES: usize = 162;

/// Targets in milliseconds: one bundle, and all of them on two cores.
const ONE_LIMIT: f64 = 4.0;
const ALL_LIMIT: f64 = 350.0;

/// A hundred latencies about 10 ms.
fn trials(seed: u64) -> Vec<Trial> {
    let mut random = Random(seed);
    let latency_ns = (0..RUNS).map(|_| Nanos(10_000_000 + random.below(500_000) as u64)).collect();
    let id = TrialId { build: 1, process: 1 };
    vec![Trial { id, latencies: Latencies { latency_ns, ..Latencies::default() } }]
}

/// Statistics and verdict, and how many milliseconds they took.
fn milliseconds(trials: &[Trial], host: &Host) -> f64 {
    let started = Instant::now();
    let summary = stats::summary(trials);
    let verdict = verdict::of_latencies(Status::Measured, trials, host);
    std::hint::black_box((summary, verdict));
    started.elapsed().as_secs_f64() * 1e3
}

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("statistics and verdict of bundles of 100 latencies, 10,000 resamples");
    let host = Host::default();
    let all: Vec<Vec<Trial>> = (0..BUNDLES as u64).map(trials).collect();
    let one = quantile(all.iter().map(|trials| milliseconds(trials, &host)).collect(), 0.5);
    report.judged(
        "one bundle",
        &format!("{one:.2} ms"),
        &format!("at most {ONE_LIMIT} ms"),
        one <= ONE_LIMIT,
    );
    let started = Instant::now();
    std::thread::scope(|scope| {
        for half in all.chunks(BUNDLES / 2) {
            let host = &host;
            scope.spawn(move || {
                for trials in half {
                    milliseconds(trials, host);
                }
            });
        }
    });
    let together = started.elapsed().as_secs_f64() * 1e3;
    let target = format!("at most {ALL_LIMIT} ms on two cores");
    report.judged("162 bundles", &format!("{together:.0} ms"), &target, together <= ALL_LIMIT);
    report.end()
}
