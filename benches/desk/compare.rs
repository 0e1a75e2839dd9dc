//! Time and memory from two folders of bundles to a verdict for each configuration. Fails if a target is
//! missed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use backbone::collect::collect;
use backbone::compare::{Terms, compare};

use crate::analysis::{peak_kb, reset_peak, write};
use crate::rig::Report;
use crate::studies::Study;

/// Devices on each side, of 162 bundles each: 10,044.
const DEVICES: u64 = 62;

/// For both folders.
const LIMIT: Duration = Duration::from_secs(10);

/// Resident at the most.
const LIMIT_KB: u64 = 200 * 1000;

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("compare");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sides = ["before", "after"].map(|side| folder.path().join(side));
    for (side, seed) in sides.iter().zip([0, DEVICES]) {
        for device in 0..DEVICES {
            let name = format!("board-{device}");
            write(&side.join(&name), &Study::of_the_paper(&name, seed + device, 1, 100));
        }
    }
    reset_peak();
    let started = Instant::now();
    let [a, b] = sides.map(|side| collect(&[side], false).expect("bundles").rows);
    let collecting = started.elapsed();
    let compared = compare(a, b, &Terms::default());
    let (whole, peak) = (started.elapsed(), peak_kb());
    report.note(&format!("two folders of {} bundles:", DEVICES * 162));
    report.figure("compared", &format!("{} configurations", compared.configurations.len()));
    report.figure("collected", &format!("{:.2} s", collecting.as_secs_f64()));
    let figure = format!("{:.2} s", whole.as_secs_f64());
    report.judged("from bundles to verdicts", &figure, &format!("≤ {} s", LIMIT.as_secs()), whole <= LIMIT);
    let figure = format!("{} MB", peak / 1000);
    report.judged("resident", &figure, &format!("≤ {} MB", LIMIT_KB / 1000), peak <= LIMIT_KB);
    report.end()
}
