//! Time and memory from bundles on disk to a whole report with its figures and tables: one study of the
//! paper, a fleet, and a folder of a hundred thousand names. Fails if a target is missed.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use backbone::analysis::{AnalysisOptions, analyse};
use backbone::bundle::write::encode;
use backbone::collect::collect;
use backbone::report::{Destination, Drawn, RENDERERS, Report as Pages};

use crate::rig::Report;
use crate::studies::Study;

/// For one study: page, figures and tables.
const STUDY_LIMIT: Duration = Duration::from_millis(600);

/// A page at the most.
const PAGE_LIMIT_BYTES: usize = 6_000_000;

/// Devices in the fleet, of 162 bundles each: 10,044.
const DEVICES: u64 = 62;

/// For the fleet.
const FLEET_LIMIT: Duration = Duration::from_secs(8);

/// Resident at the most, for the fleet.
const FLEET_LIMIT_KB: u64 = 200 * 1000;

/// Names in the large folder, half of them hard links of few bundles, half of them foreign.
const NAMES: usize = 100_000;

/// For collecting from it.
const NAMES_LIMIT: Duration = Duration::from_secs(2);

/// Resident at the most, meanwhile.
const NAMES_LIMIT_KB: u64 = 100 * 1000;

/// Studies analysed, of which the median counts.
const RUNS: usize = 7;

pub(crate) fn write(folder: &Path, study: &Study) {
    fs_err::create_dir_all(folder).expect("a folder");
    for (index, bundle) in study.bundles().iter().enumerate() {
        let bytes = encode(bundle).expect("finite numbers");
        fs_err::write(folder.join(format!("{index}.json.gz")), bytes).expect("room");
    }
}

/// What a report took and what it became.
struct Measured {
    collecting: Duration,
    whole: Duration,
    findings: usize,
    page_bytes: usize,
}

/// From a folder to a report; renderers one after another, as the command writes them.
fn reported(folder: &Path) -> Measured {
    let started = Instant::now();
    let collection = collect(&[folder.to_owned()], false).expect("bundles");
    let collecting = started.elapsed();
    let analysis = analyse(collection.rows, AnalysisOptions::default());
    let drawn = Drawn::new(&analysis);
    let pages = Pages::new(&analysis, &drawn, collection.files, &collection.oddities, "report-figures");
    let mut page_bytes = 0;
    for renderer in RENDERERS {
        let bytes = renderer.render(&pages).map(|file| file.content.len()).sum();
        if renderer.destination == Destination::Report {
            page_bytes = bytes;
        }
    }
    Measured { collecting, whole: started.elapsed(), findings: analysis.findings.len(), page_bytes }
}

/// A folder of many names, as a backup by hard links leaves them.
fn many_names(folder: &Path) {
    let originals: Vec<_> = (0..10).map(|index| folder.join(format!("{index}.json.gz"))).collect();
    let foreign = folder.join("notes.txt");
    fs_err::write(&foreign, b"").expect("room");
    for index in 0..NAMES / 2 {
        let place = folder.join((index / 1000).to_string());
        fs_err::create_dir_all(&place).expect("a folder");
        let original = &originals[index % originals.len()];
        fs_err::hard_link(original, place.join(format!("{index}.json.gz"))).expect("a link");
        fs_err::hard_link(&foreign, place.join(format!("{index}.txt"))).expect("a link");
    }
}

/// The peak counts from here on.
pub(crate) fn reset_peak() {
    fs_err::write("/proc/self/clear_refs", "5").expect("procfs");
}

pub(crate) fn peak_kb() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("kilobytes")
}

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("analysis");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (processes, what) in [(1, "162 bundles of one process"), (3, "162 bundles of three processes")] {
        let place = folder.path().join(processes.to_string());
        write(&place, &Study::of_the_paper("board", 1, processes, 100));
        let mut times: Vec<Duration> = (0..RUNS).map(|_| reported(&place).whole).collect();
        times.sort_unstable();
        let median = times[RUNS / 2];
        let figure = format!("{:.0} ms", median.as_secs_f64() * 1e3);
        report.judged(what, &figure, &format!("≤ {} ms", STUDY_LIMIT.as_millis()), median <= STUDY_LIMIT);
    }
    let names = folder.path().join("names");
    write(&names, &Study::without_effect(1));
    many_names(&names);
    reset_peak();
    let started = Instant::now();
    let collection = collect(&[names], false).expect("bundles");
    let (took, peak) = (started.elapsed(), peak_kb());
    report.note(&format!("{} files, {} results:", collection.files, collection.rows.len()));
    let figure = format!("{:.2} s", took.as_secs_f64());
    report.judged("collected", &figure, &format!("≤ {} s", NAMES_LIMIT.as_secs()), took <= NAMES_LIMIT);
    let figure = format!("{} MB", peak / 1000);
    report.judged("resident", &figure, &format!("≤ {} MB", NAMES_LIMIT_KB / 1000), peak <= NAMES_LIMIT_KB);
    drop(collection);
    let fleet = folder.path().join("fleet");
    for device in 0..DEVICES {
        let name = format!("board-{device}");
        write(&fleet.join(&name), &Study::of_the_paper(&name, device, 1, 100));
    }
    reset_peak();
    let Measured { collecting, whole, findings, page_bytes } = reported(&fleet);
    let peak = peak_kb();
    report.note(&format!("{} bundles, {findings} findings:", DEVICES * 162));
    report.figure("collected", &format!("{:.2} s", collecting.as_secs_f64()));
    let figure = format!("{:.2} s", whole.as_secs_f64());
    report.judged(
        "from bundles to a report",
        &figure,
        &format!("≤ {} s", FLEET_LIMIT.as_secs()),
        whole <= FLEET_LIMIT,
    );
    let figure = format!("{} MB", peak / 1000);
    report.judged("resident", &figure, &format!("≤ {} MB", FLEET_LIMIT_KB / 1000), peak <= FLEET_LIMIT_KB);
    let figure = format!("{:.1} MB", page_bytes as f64 / 1e6);
    let limit = format!("≤ {} MB", PAGE_LIMIT_BYTES / 1_000_000);
    report.judged("page", &figure, &limit, page_bytes <= PAGE_LIMIT_BYTES);
    report.end()
}
