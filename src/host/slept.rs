//! Whether the host slept (suspended to memory or to disk) since a moment.
//!
//! `Instant` stands still while the host sleeps, and the uptime does not (CLOCK_MONOTONIC and CLOCK_BOOTTIME,
//! clock_gettime(2)). So nothing that is timed contains the sleep, and a trial with one looks like any other;
//! but afterwards clocks, caches and temperatures are not what they were.

use std::time::Instant;

use super::HostRoot;

/// Shorter than any sleep; the uptime is told in hundredths of a second.
const SHORTEST_SECONDS: f64 = 1.0;

/// A moment in both clocks.
#[derive(Debug)]
pub(crate) struct Moment {
    at: Instant,
    uptime_seconds: Option<f64>,
}

impl Moment {
    /// Now.
    pub(crate) fn now(root: &HostRoot) -> Self {
        Self { at: Instant::now(), uptime_seconds: uptime_seconds(root) }
    }

    /// For how many seconds the host slept since then; `None` if it did not, or does not tell its uptime.
    pub(crate) fn slept_seconds(&self, root: &HostRoot) -> Option<f64> {
        let up = uptime_seconds(root)? - self.uptime_seconds?;
        Some(up - self.at.elapsed().as_secs_f64()).filter(|slept| *slept >= SHORTEST_SECONDS)
    }
}

/// proc(5), uptime: the first number.
fn uptime_seconds(root: &HostRoot) -> Option<f64> {
    root.read("/proc/uptime").ok()?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_whose_uptime_runs_ahead_slept_and_no_other_did() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        let moment = Moment::now(&root);
        assert_eq!(moment.slept_seconds(&root), None, "it does not tell");
        fs_err::create_dir(folder.path().join("proc")).unwrap();
        let up = |seconds: &str| fs_err::write(folder.path().join("proc/uptime"), seconds).unwrap();
        up("100.00 7.00\n");
        let moment = Moment::now(&root);
        assert_eq!(moment.slept_seconds(&root), None);
        up("160.00 7.00\n");
        let slept = moment.slept_seconds(&root).unwrap();
        assert!((59.0..=60.0).contains(&slept), "{slept}");
        let real = HostRoot::real();
        assert_eq!(Moment::now(&real).slept_seconds(&real), None, "this host is awake");
    }
}
