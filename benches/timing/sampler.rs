//! What reading the sensors costs the worker: one trial whose seconds are sampled or not, in pairs.
//!
//! The parent's tick comes once a second in either case, as it does in the daemon; after a coin's toss the
//! sensors of a fake Xavier are read at the first or at the second tick of each pair. Compared are the
//! medians of the latencies in the seconds that follow the two ticks, within one process, because fresh
//! processes differ by far more than what is to be shown. Shown is the median of the pairs' ratios with an
//! interval from resampling pairs (percentile bootstrap, Efron 1979).
//!
//! Needs the inference libraries; `make bench` gets them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use backbone::host::{HostRoot, Sensors};
use backbone::worker::parent::{self, Control, Ending, Trial, Watch};
use backbone::worker::protocol::Pause;

use crate::rig::{self, Random, Report, quantile};

/// Pairs of seconds.
const PAIRS: usize = 120;

/// Runs before the timed ones.
const WARM_UP_RUNS: u32 = 100;

/// Bootstrap resamples; enough for two digits of a 95 % interval.
const RESAMPLES: usize = 4000;

/// Largest difference of the medians, as a share.
const LIMIT: f64 = 0.001;

/// The host whose sensors are read: 8 processors, 8 zones, 6 rails.
const HOST: &str = "agx-xavier-jetpack-4.3";

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("sampler on against off, within one process, second by second");
    let library = repository().join("runtimes").join(std::env::consts::ARCH).join("libonnxruntime.so");
    if !library.exists() {
        report.judged(
            "compared",
            &format!("{} is missing", library.display()),
            "the library is there",
            false,
        );
        return report.end();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new(repository().join("tests/host/make")).arg(HOST).arg(folder.path()).status();
    assert!(made.is_ok_and(|status| status.success()), "the fake host is there");
    let mut sensors = Sensors::find(&HostRoot::new(folder.path()).expect("a root"));
    let reading = cost_of_reading(&mut sensors);
    report.figure("one reading", &format!("{:.2} ms of {} sensors", reading * 1e3, sensors.sensors().len()));
    compare(&mut report, &library, sensors);
    report.end()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Seconds, the median of many.
fn cost_of_reading(sensors: &mut Sensors) -> f64 {
    let costs = (0..200).map(|_| {
        let started = Instant::now();
        let values = sensors.read();
        std::hint::black_box(values);
        started.elapsed().as_secs_f64()
    });
    quantile(costs.collect(), 0.5)
}

fn compare(report: &mut Report, library: &Path, sensors: Sensors) {
    // So many runs that they do not end before the pairs do: a few more seconds than are used.
    let mean_ns = quantile(latencies(library, 200, &mut Unwatched), 0.5);
    let seconds = (2 * PAIRS + 4) as f64;
    let runs = (seconds * 1e9 / mean_ns) as u32;
    let mut sampling = Sampling { sensors, random: Random(1), began: None, ticks: Vec::new() };
    let latencies = latencies(library, runs, &mut sampling);
    let ratios = ratios(&latencies, &sampling.ticks);
    let ratio = quantile(ratios.clone(), 0.5);
    let mut random = Random(2);
    let resampled = (0..RESAMPLES).map(|_| {
        let again = (0..ratios.len()).map(|_| ratios[random.below(ratios.len())]).collect();
        quantile(again, 0.5)
    });
    let medians: Vec<f64> = resampled.collect();
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let (low, high) = (quantile(medians.clone(), 0.025), quantile(medians, 0.975));
    report.figure("latency", &format!("{:.3} ms median of {runs} runs", mean_ns / 1e6));
    report.judged(
        "sampled against not",
        &format!(
            "{:+.3} %, 95 % interval {:+.3} to {:+.3} %, {} pairs",
            percent(ratio),
            percent(low),
            percent(high),
            ratios.len()
        ),
        &format!("within {} %", LIMIT * 100.0),
        (ratio - 1.0).abs() <= LIMIT,
    );
}

/// Medians of sampled seconds over those of their partners.
fn ratios(latencies: &[f64], ticks: &[(Duration, bool)]) -> Vec<f64> {
    let mut starts = Vec::with_capacity(latencies.len());
    let mut at = 0.0;
    for latency in latencies {
        starts.push(at);
        at += latency;
    }
    let median_after = |tick: usize| {
        let (from, to) = (ticks[tick].0.as_nanos() as f64, ticks.get(tick + 1)?.0.as_nanos() as f64);
        let within =
            starts.partition_point(|start| *start < from)..starts.partition_point(|start| *start < to);
        (within.len() >= 10).then(|| quantile(latencies[within].to_vec(), 0.5))
    };
    let pairs = (0..ticks.len() / 2).map(|pair| (2 * pair, 2 * pair + 1));
    pairs
        .filter_map(|(first, second)| {
            let (on, off) = if ticks[first].1 { (first, second) } else { (second, first) };
            Some(median_after(on)? / median_after(off)?)
        })
        .collect()
}

struct Unwatched;

impl Watch for Unwatched {
    fn tick(&mut self) -> Control {
        Control::Continue
    }
}

struct Sampling {
    sensors: Sensors,
    random: Random,
    /// When the worker went on to its last warm-up runs.
    began: Option<Instant>,
    /// Since then, and whether sensors were read.
    ticks: Vec<(Duration, bool)>,
}

impl Watch for Sampling {
    fn pause(&mut self, at: Pause) -> Duration {
        self.began = (at == Pause::BeforeTiming).then(Instant::now);
        Duration::ZERO
    }

    fn tick(&mut self) -> Control {
        if let Some(began) = self.began {
            let reads = match self.ticks.len() % 2 {
                0 => self.random.below(2) == 0,
                _ => self.ticks.last().is_some_and(|(_, reads)| !reads),
            };
            self.ticks.push((began.elapsed(), reads));
            if reads {
                std::hint::black_box(self.sensors.read());
            }
        }
        Control::Continue
    }
}

/// Latencies of one trial, in nanoseconds.
fn latencies(library: &Path, runs: u32, watch: &mut dyn Watch) -> Vec<f64> {
    let model = repository().join("inbox-examples/tiny-cnn.onnx");
    let request = rig::request("onnxruntime", model, library.to_owned(), WARM_UP_RUNS, runs);
    let trial = Trial {
        executable: Path::new(env!("CARGO_BIN_EXE_backbone")),
        arguments: &[backbone::cli::WORKER],
        environment: Vec::new(),
        request: &request,
        timeout: Duration::from_secs(3600),
    };
    let ended = parent::run(&trial, watch);
    match ended.ending {
        Ending::Complete { latencies, .. } => {
            latencies.latency_ns.iter().map(|latency| latency.0 as f64).collect()
        }
        other => panic!("the worker failed: {other:?}"),
    }
}
