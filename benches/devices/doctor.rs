//! How long `backbone doctor` looks at a host: this one, and a fake AGX Xavier whose nvpmodel is a stub that
//! runs.
//!
//! In this process, and not as a command: the checks cannot save the cost of starting a program. Two tenths
//! of a second on a real host pass between the two looks at its processes.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use backbone::doctor::{self, Asked, CHECKS};
use backbone::host::HostRoot;

use crate::rig::{Report, quantile};

/// Enough for a 95th percentile.
const RUNS: usize = 40;

/// All checks together take less than this.
const LIMIT_MS: f64 = 1000.0;

pub(crate) fn run() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/make");
    let made = Command::new("bash").arg(make).arg("agx-xavier-jetpack-4.3").arg(folder.path()).status();
    assert!(made.is_ok_and(|status| status.success()), "tests/host/make failed");
    let mut report = Report::new(&format!("Doctor: all {} checks", CHECKS.len()));
    for (name, root) in [
        ("this host", HostRoot::real()),
        ("a fake AGX Xavier", HostRoot::new(folder.path()).expect("a host root")),
    ] {
        let milliseconds: Vec<f64> = (0..RUNS).map(|_| examined(&root)).collect();
        let (median, slow) = (quantile(milliseconds.clone(), 0.5), quantile(milliseconds, 0.95));
        let figure = format!("median {median:.0} ms, p95 {slow:.0} ms");
        report.judged(name, &figure, "p95 ≤ 1 s", slow <= LIMIT_MS);
    }
    report.end()
}

/// Milliseconds of one look at everything.
fn examined(root: &HostRoot) -> f64 {
    let started = Instant::now();
    let report = doctor::examine(root, &Asked::default());
    assert_eq!(report.findings.len(), CHECKS.len());
    started.elapsed().as_secs_f64() * 1e3
}
