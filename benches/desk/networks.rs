//! What the network family costs to work with: counting all 162 configurations, and writing the model files
//! that hold every weight of it, 18 in each precision, with the command that people use, by as many threads
//! as it takes on this machine.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use backbone::network::configuration::{Configuration, Precision};
use backbone::network::count_configuration::cost;

use crate::rig::{Place, Report, quantile};

/// Counting all 162 in both precisions.
const COUNT_LIMIT: Duration = Duration::from_millis(30);

/// Writing 18 ONNX files, about 1.2 GB, synced to the disk.
const FP32_LIMIT: Duration = Duration::from_secs(6);

/// The same in int8, a quarter of the bytes.
const INT8_LIMIT: Duration = Duration::from_secs(2);

/// Resident memory of the process that writes.
const RESIDENT_LIMIT_KB: u64 = 150 * 1024;

/// Counts of everything; the median is judged.
const COUNTS: usize = 31;

/// Exports of each precision; the median is judged.
const EXPORTS: usize = 5;

/// How often memory is looked at. The kernel keeps its peak, so that only what the last moments add could be
/// missed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("network family");
    count(&mut report);
    export(&mut report, "fp32", FP32_LIMIT);
    export(&mut report, "int8", INT8_LIMIT);
    report.end()
}

fn count(report: &mut Report) {
    let milliseconds = |_| {
        let started = Instant::now();
        let configurations = [Precision::Fp32, Precision::Int8].into_iter().flat_map(Configuration::family);
        let counted = configurations.map(|one| cost(&one)).filter(|cost| cost.macs() > 0).count();
        assert_eq!(counted, 2 * 162);
        started.elapsed().as_secs_f64() * 1e3
    };
    let median = quantile((0..COUNTS).map(milliseconds).collect(), 0.5);
    let limit = COUNT_LIMIT.as_secs_f64() * 1e3;
    let figure = format!("{median:.2} ms");
    report.judged(
        "cost of 162 configurations, twice",
        &figure,
        &format!("at most {limit} ms"),
        median <= limit,
    );
}

fn export(report: &mut Report, precision: &str, limit: Duration) {
    let mut seconds = Vec::new();
    let mut peak = 0;
    let mut bytes = 0;
    for _ in 0..EXPORTS {
        let place = Place::on_disk();
        let out = place.path("networks");
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_backbone"))
            .args(["networks", "export", "--batch", "1", "--input", "224", "--format", "onnx"])
            .args(["--precision", precision, "--yes", "--output"])
            .arg(&out)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let status = loop {
            peak = peak.max(peak_kb(child.id()).unwrap_or(0));
            match child.try_wait().expect("our own child") {
                Some(status) => break status,
                None => std::thread::sleep(LOOK_EVERY),
            }
        };
        seconds.push(started.elapsed().as_secs_f64());
        assert!(status.success(), "the export failed");
        let files = fs_err::read_dir(&out).expect("the folder of the export");
        let sizes: Vec<u64> =
            files.map(|file| file.and_then(|file| file.metadata()).expect("a file").len()).collect();
        assert_eq!(sizes.len(), 18);
        bytes = sizes.iter().sum();
    }
    let median = quantile(seconds, 0.5);
    let what = format!("18 {precision} ONNX files, {} MB", bytes / 1_000_000);
    let target = format!("at most {} s", limit.as_secs());
    report.judged(&what, &format!("{median:.2} s"), &target, median <= limit.as_secs_f64());
    let target = format!("at most {} MB", RESIDENT_LIMIT_KB / 1024);
    let figure = format!("{:.1} MB", peak as f64 / 1024.0);
    report.judged("  resident at most", &figure, &target, peak <= RESIDENT_LIMIT_KB);
}

/// Highest resident memory of a process so far; `None` once it has ended.
fn peak_kb(process: u32) -> Option<u64> {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).ok()?;
    let (_, rest) = status.split_once("VmHWM:")?;
    rest.split_whitespace().next()?.parse().ok()
}
