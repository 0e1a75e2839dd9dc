//! How long it takes from bundles on disk to everything that a report shows, and how much memory: one study of the paper, and
//! a fleet. Fails where a target is missed.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use backbone::analysis::{Options, analyse};
use backbone::bundle::write::encode;
use backbone::collect::collect;

mod rig;
#[path = "../tests/studies/mod.rs"]
mod studies;

use rig::Report;
use studies::Study;

/// For one study, HTML and SVG included; the analysis must leave them room.
const STUDY_LIMIT: Duration = Duration::from_millis(400);

/// Devices in the fleet, of 162 bundles each: 10,044.
const DEVICES: u64 = 62;

/// For the fleet.
const FLEET_LIMIT: Duration = Duration::from_secs(8);

/// Resident at the most, for the fleet.
const FLEET_LIMIT_KB: u64 = 200 * 1000;

/// Studies analysed, of which the median counts.
const RUNS: usize = 7;

fn write(folder: &Path, study: &Study) {
    fs_err::create_dir_all(folder).expect("a folder");
    for (index, bundle) in study.bundles().iter().enumerate() {
        let bytes = encode(bundle).expect("finite numbers");
        fs_err::write(folder.join(format!("{index}.json.gz")), bytes).expect("room");
    }
}

/// Seconds to collect and to analyse, and findings.
fn analysed(folder: &Path) -> (Duration, Duration, usize) {
    let started = Instant::now();
    let rows = collect(&[folder.to_owned()], false).expect("bundles").rows;
    let collected = started.elapsed();
    let analysis = analyse(rows, Options::default());
    (collected, started.elapsed() - collected, analysis.findings.len())
}

fn peak_kb() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("kilobytes")
}

fn main() -> ExitCode {
    let mut report = Report::new("analysis");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (processes, what) in [(1, "162 bundles of one process"), (3, "162 bundles of three processes")] {
        let place = folder.path().join(processes.to_string());
        write(&place, &Study::of_the_paper("board", 1, processes, 100));
        let mut times: Vec<Duration> = (0..RUNS)
            .map(|_| analysed(&place))
            .map(|(collecting, analysing, _)| collecting + analysing)
            .collect();
        times.sort_unstable();
        let median = times[RUNS / 2];
        let figure = format!("{:.0} ms", median.as_secs_f64() * 1e3);
        report.judged(what, &figure, &format!("≤ {} ms", STUDY_LIMIT.as_millis()), median <= STUDY_LIMIT);
    }
    let fleet = folder.path().join("fleet");
    for device in 0..DEVICES {
        let name = format!("board-{device}");
        write(&fleet.join(&name), &Study::of_the_paper(&name, device, 1, 100));
    }
    // The peak from here on.
    fs_err::write("/proc/self/clear_refs", "5").expect("procfs");
    let (collecting, analysing, findings) = analysed(&fleet);
    let (whole, peak) = (collecting + analysing, peak_kb());
    report.note(&format!("{} bundles, {findings} findings:", DEVICES * 162));
    report.figure("collected", &format!("{:.2} s", collecting.as_secs_f64()));
    let figure = format!("{:.2} s", whole.as_secs_f64());
    report.judged(
        "collected and analysed",
        &figure,
        &format!("≤ {} s", FLEET_LIMIT.as_secs()),
        whole <= FLEET_LIMIT,
    );
    let figure = format!("{} MB", peak / 1000);
    report.judged("resident", &figure, &format!("≤ {} MB", FLEET_LIMIT_KB / 1000), peak <= FLEET_LIMIT_KB);
    report.end()
}
