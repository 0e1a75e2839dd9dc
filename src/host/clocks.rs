//! Three clocks of the host, read together: what they do to each other shows whether the wall clock was set
//! and whether the host was suspended.
//!
//! Only offsets are of use; no clock here times a run.

use rustix::time::{ClockId, clock_gettime};

use crate::host::root::HostRoot;

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clocks {
    /// The clock that never steps and stands still while the host is suspended, in seconds.
    monotonic: f64,
    /// The wall clock.
    wall: Option<f64>,
    /// The clock that never steps and goes on while the host is suspended.
    boot: Option<f64>,
}

/// What the clocks did between two readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drift {
    /// Seconds between them.
    pub(crate) seconds: f64,
    /// Seconds by which the wall clock was set.
    pub(crate) stepped_seconds: Option<f64>,
    /// Seconds of suspension.
    pub(crate) suspended_seconds: Option<f64>,
}

impl Clocks {
    /// Read now. Under another host root the files of procfs there stand for the kernel's clocks, in as far
    /// as they say anything: `uptime` goes on in suspension, and `btime` moves when the wall clock is set.
    pub(crate) fn read(root: &HostRoot) -> Self {
        let monotonic = seconds(ClockId::Monotonic);
        if root.is_real() {
            return Self {
                monotonic,
                wall: Some(seconds(ClockId::Realtime)),
                boot: Some(seconds(ClockId::Boottime)),
            };
        }
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let uptime = root.read("/proc/uptime").ok();
        let uptime = uptime.as_deref().and_then(|uptime| number(uptime.split_whitespace().next()?));
        let stat = root.read("/proc/stat").ok();
        let booted =
            stat.as_deref().and_then(|stat| stat.lines().find_map(|line| line.strip_prefix("btime ")));
        // The files of a fake host stand still; they say something when they are changed.
        let boot = uptime.map(|uptime| uptime + monotonic);
        Self { monotonic, wall: booted.and_then(number).zip(boot).map(|(booted, boot)| booted + boot), boot }
    }

    /// What they did since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Drift {
        let seconds = self.monotonic - earlier.monotonic;
        let passed = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        let boot = passed(self.boot, earlier.boot);
        Drift {
            seconds,
            // The wall clock goes on in suspension too.
            stepped_seconds: passed(self.wall, earlier.wall).map(|wall| wall - boot.unwrap_or(seconds)),
            suspended_seconds: boot.map(|boot| boot - seconds),
        }
    }
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic: f64, wall: f64, boot: f64) -> Clocks {
        Clocks { monotonic, wall: Some(wall), boot: Some(boot) }
    }

    #[test]
    fn suspension_moves_two_clocks_and_a_step_one() {
        let before = at(100.0, 1_000.0, 100.0);
        let drift = |now: Clocks| now.since(&before);
        let quiet = Drift { seconds: 2.0, stepped_seconds: Some(0.0), suspended_seconds: Some(0.0) };
        assert_eq!(drift(at(102.0, 1_002.0, 102.0)), quiet);
        assert_eq!(drift(at(102.0, 1_032.0, 132.0)), Drift { suspended_seconds: Some(30.0), ..quiet });
        assert_eq!(drift(at(102.0, 942.0, 102.0)), Drift { stepped_seconds: Some(-60.0), ..quiet });
        let unknown = Clocks { wall: None, boot: None, ..before };
        assert_eq!(unknown.since(&before).suspended_seconds, None);
    }

    #[test]
    fn clocks_of_this_machine_move_together() {
        let root = HostRoot::real();
        let before = Clocks::read(&root);
        let drift = Clocks::read(&root).since(&before);
        assert!(drift.seconds >= 0.0 && drift.suspended_seconds.unwrap().abs() < 0.1, "{drift:?}");
    }

    #[test]
    fn files_of_another_root_stand_for_the_clocks() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        assert_eq!(Clocks::read(&root).wall, None);
        fs_err::create_dir(folder.path().join("proc")).unwrap();
        let write = |uptime: &str, booted: &str| {
            fs_err::write(root.path("/proc/uptime"), uptime).unwrap();
            fs_err::write(root.path("/proc/stat"), format!("cpu 1 2\nbtime {booted}\n")).unwrap();
        };
        write("3600.00 1.00", "1790000000");
        let before = Clocks::read(&root);
        write("3660.00 1.00", "1790000100");
        let drift = Clocks::read(&root).since(&before);
        let near = |seconds: Option<f64>, wanted: f64| (seconds.unwrap() - wanted).abs() < 1e-3;
        assert!(near(drift.suspended_seconds, 60.0) && near(drift.stepped_seconds, 100.0), "{drift:?}");
    }
}
