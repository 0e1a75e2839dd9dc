//! What reading the outputs changes in the latencies around it: blocks of runs in one session, after which
//! the outputs are read or not, in pairs.
//!
//! A trial reads its outputs once, after the last timed run and after its latencies were sent, so nothing of
//! it can be in a latency. Shown here is that not even the runs *after* a reading differ: the medians of the
//! two blocks of each pair that follow a reading and none, in random order, as the median of their ratios
//! with an interval from resampling pairs (percentile bootstrap, Efron 1979).
//!
//! Needs the inference libraries; `make bench` gets them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use backbone::runtime::{Execution, LoadRequest, Session, loaders};

use crate::rig::{self, Random, Report, quantile};

/// Pairs of blocks.
const PAIRS: usize = 400;

/// Runs of a block: some tens of milliseconds, short compared with what disturbs a machine.
const RUNS: usize = 20;

/// Runs before the first block.
const WARM_UP_RUNS: usize = 100;

/// Bootstrap resamples; enough for two digits of a 95 % interval.
const RESAMPLES: usize = 4000;

/// Largest difference of the medians, as a share.
const LIMIT: f64 = 0.01;

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("blocks of runs after the outputs were read, and after they were not");
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let library = repository.join("runtimes").join(std::env::consts::ARCH).join("libonnxruntime.so");
    if !library.exists() {
        let missing = format!("{} is missing", library.display());
        report.judged("compared", &missing, "the library is there", false);
        return report.end();
    }
    let model = repository.join("inbox-examples/tiny-cnn.onnx");
    let request = rig::request("onnxruntime", model, library, 0, 1).load;
    let mut session = session(&request);
    (0..WARM_UP_RUNS).for_each(|_| session.run().expect("a run"));
    let mut random = Random(1);
    let mut medians = (Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS));
    let mut read_bytes = 0;
    for _ in 0..PAIRS {
        let is_first = random.below(2) == 0;
        for reads in [is_first, !is_first] {
            if reads {
                session
                    .outputs(&mut |output| read_bytes += output.bytes.map_or(0, <[u8]>::len))
                    .expect("outputs");
            }
            let median = quantile(block(session.as_mut()), 0.5);
            if reads { medians.0.push(median) } else { medians.1.push(median) }
        }
    }
    assert!(read_bytes > 0, "outputs were read");
    let ratios: Vec<f64> = medians.0.iter().zip(&medians.1).map(|(after, without)| after / without).collect();
    let resampled = (0..RESAMPLES).map(|_| {
        let again = (0..ratios.len()).map(|_| ratios[random.below(ratios.len())]).collect();
        quantile(again, 0.5)
    });
    let spread: Vec<f64> = resampled.collect();
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let ratio = quantile(ratios, 0.5);
    let (low, high) = (quantile(spread.clone(), 0.025), quantile(spread, 0.975));
    report.figure("latency", &format!("{:.3} ms median", quantile(medians.1, 0.5) / 1e6));
    report.judged(
        "after a reading against not",
        &format!(
            "{:+.3} %, 95 % interval {:+.3} to {:+.3} %, {PAIRS} pairs",
            percent(ratio),
            percent(low),
            percent(high)
        ),
        &format!("within {} %", LIMIT * 100.0),
        (ratio - 1.0).abs() <= LIMIT,
    );
    report.end()
}

fn session(request: &LoadRequest) -> Box<dyn Session> {
    let loaders = loaders();
    let loader = loaders.iter().find(|loader| loader.runtime().name == "onnxruntime").expect("it is listed");
    match loader.load(request).expect("the example loads").execution {
        Execution::Session(session) => session,
        _ => unreachable!("ONNX Runtime measures with a session"),
    }
}

/// Latencies in nanoseconds.
fn block(session: &mut dyn Session) -> Vec<f64> {
    let mut latencies = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = Instant::now();
        session.run().expect("a run");
        latencies.push(begun.elapsed().as_nanos() as f64);
    }
    latencies
}
