//! Our workers against the loops that one would write in Python: the same model, one thread, the same inputs.
//!
//! The two take turns in short blocks, in random order within each pair. A block is one fresh process, as a
//! trial is: it loads the model, warms up and times some runs. Compared are the medians of the two blocks of
//! a pair; shown is the median of their ratios over all pairs with an interval from resampling pairs
//! (percentile bootstrap, Efron 1979). Pairs, because on a machine that is shared both sides of one pair see
//! much the same.
//!
//! Needs the inference libraries and the Python packages of `requirements.txt`; `make bench` gets both.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use backbone::units::Nanos;
use backbone::worker::protocol::Event;

use crate::rig::{self, Random, Report, quantile};

/// Pairs of blocks. Medians of fresh processes scatter by 2 to 5 % on a shared virtual machine.
const PAIRS: usize = 60;

/// Runs before the timed ones of a block.
const WARM_UP_RUNS: u32 = 20;

/// Time that the timed runs of a block shall take, in nanoseconds: short compared with what disturbs a
/// machine.
const BLOCK_NS: f64 = 4e8;

/// Bootstrap resamples; enough for two digits of a 95 % interval.
const RESAMPLES: usize = 4000;

/// What is compared.
struct Subject {
    runtime: &'static str,
    model: &'static str,
    library: &'static str,
    worker: Option<&'static str>,
    arguments: &'static [&'static str],
    /// Largest difference of the medians, as a share.
    limit: f64,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        runtime: "onnxruntime",
        model: "inbox-examples/tiny-cnn.onnx",
        library: "libonnxruntime.so",
        worker: Some(env!("CARGO_BIN_EXE_backbone")),
        arguments: &[backbone::cli::WORKER],
        limit: 0.015,
    },
    Subject {
        runtime: "tflite",
        model: "inbox-examples/tiny-cnn-int8.tflite",
        library: "libtensorflowlite_c.so",
        // Checked by the feature too: cargo names the executable even if it is not built.
        worker: if cfg!(feature = "tflite") {
            option_env!("CARGO_BIN_EXE_backbone-worker-tflite")
        } else {
            None
        },
        arguments: &[],
        limit: 0.05,
    },
];

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("paired with Python loops: the same model, one thread");
    for subject in SUBJECTS {
        report.note(&format!("{} on {}:", subject.model, subject.runtime));
        match subject.obstacle() {
            Some(obstacle) => report.judged("compared", &obstacle, "both sides are there", false),
            None => compare(&mut report, subject),
        }
    }
    report.end()
}

fn compare(report: &mut Report, subject: &Subject) {
    let once = median(&subject.block_of_ours(20));
    let runs = (BLOCK_NS / once).clamp(20.0, 10_000.0) as u32;
    let mut random = Random(1);
    let mut pairs: Vec<(f64, f64)> = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let ours_first = random.below(2) == 0;
        pairs.push(if ours_first {
            let ours = median(&subject.block_of_ours(runs));
            (ours, median(&subject.block_of_python(runs)))
        } else {
            let theirs = median(&subject.block_of_python(runs));
            (median(&subject.block_of_ours(runs)), theirs)
        });
    }
    let of_all = |side: fn(&(f64, f64)) -> f64| quantile(pairs.iter().map(side).collect(), 0.5) / 1e6;
    report
        .figure("ours", &format!("{:.3} ms median of {PAIRS} blocks of {runs} runs", of_all(|pair| pair.0)));
    report.figure("Python", &format!("{:.3} ms", of_all(|pair| pair.1)));
    let ratios: Vec<f64> = pairs.iter().map(|(ours, theirs)| ours / theirs).collect();
    let ratio = quantile(ratios.clone(), 0.5);
    let (low, high) = interval(&ratios, &mut random);
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    report.judged(
        "ours against Python",
        &format!("{:+.2} %, 95 % interval {:+.2} to {:+.2} %", percent(ratio), percent(low), percent(high)),
        &format!("within {} %", subject.limit * 100.0),
        (ratio - 1.0).abs() <= subject.limit,
    );
}

/// 95 % percentile bootstrap interval of the median.
fn interval(ratios: &[f64], random: &mut Random) -> (f64, f64) {
    let mut medians = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let resampled = (0..ratios.len()).map(|_| ratios[random.below(ratios.len())]).collect();
        medians.push(quantile(resampled, 0.5));
    }
    (quantile(medians.clone(), 0.025), quantile(medians, 0.975))
}

fn median(latencies: &[f64]) -> f64 {
    quantile(latencies.to_vec(), 0.5)
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where `make bench` puts them.
fn python_packages() -> PathBuf {
    repository().join("target/python-loops")
}

impl Subject {
    fn library_file(&self) -> PathBuf {
        repository().join("runtimes").join(std::env::consts::ARCH).join(self.library)
    }

    /// Why it cannot be compared here.
    fn obstacle(&self) -> Option<String> {
        if self.worker.is_none() {
            return Some("its worker is not built; use --features tflite".to_owned());
        }
        let files = [self.library_file(), python_packages()];
        let missing = files.iter().find(|file| !file.exists())?;
        Some(format!("{} is missing; `make bench` gets it", missing.display()))
    }

    /// Latencies of one block of our worker, in nanoseconds.
    fn block_of_ours(&self, runs: u32) -> Vec<f64> {
        let model = repository().join(self.model);
        let request = rig::request(self.runtime, model, self.library_file(), WARM_UP_RUNS, runs);
        let mut worker = Command::new(self.worker.expect("there is no obstacle"))
            .args(self.arguments)
            .env("LD_LIBRARY_PATH", repository().join("runtimes").join(std::env::consts::ARCH))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a worker starts");
        let line = serde_json::to_string(&request).expect("a request is JSON");
        writeln!(worker.stdin.take().expect("a pipe"), "{line}").expect("a worker listens");
        let output = worker.wait_with_output().expect("a worker ends");
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().last().map(serde_json::from_str) {
            Some(Ok(Event::Result { latencies, .. })) => {
                latencies.latency_ns.iter().map(|Nanos(latency)| *latency as f64).collect()
            }
            _ => panic!("the worker failed: {text}"),
        }
    }

    /// Latencies of one block of the loop in Python, in nanoseconds.
    fn block_of_python(&self, runs: u32) -> Vec<f64> {
        let output = Command::new("python3")
            .env("PYTHONPATH", python_packages())
            .arg(repository().join("benches/python_loop.py"))
            .arg(self.runtime)
            .arg(repository().join(self.model))
            .args([WARM_UP_RUNS.to_string(), runs.to_string()])
            .output()
            .expect("Python starts");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(text.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("the loop failed: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
