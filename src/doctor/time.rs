//! Clocks of the day. Latencies do not need one; the dates of bundles, and who compares them, do.

use super::{Finding, subject::Subject};

/// 2026-01-01, in seconds since 1970: before this program. A board without a clock begins in 1970, or at its image's date.
const EARLIEST_SECONDS: i64 = 1_767_225_600;

/// Programs that keep the clock right, as the kernel has their names.
const KEEPERS: &[&str] = &["chronyd", "ntpd", "ptp4l", "phc2sys", "openntpd"];

/// The service of systemd that does, and the file that says that it has.
const TIMESYNCD: &str = "systemd-timesyn";
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

pub(super) fn date(subject: &Subject) -> Finding {
    // From the kernel's own start time and age, which a folder that stands for a machine has too.
    let started = subject.read("/proc/stat").and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok())
    });
    let age = subject.read("/proc/uptime").and_then(|text| text.split('.').next()?.parse::<i64>().ok());
    let Some((started, age)) = started.zip(age) else {
        return Finding::unobservable("the kernel does not tell when it started");
    };
    if started + age < EARLIEST_SECONDS {
        Finding::problem("the date is before this program was made", "`sudo timedatectl set-ntp true`")
    } else {
        Finding::ok("the date is possible")
    }
}

pub(super) fn synchronised(subject: &Subject) -> Finding {
    if subject.exists(SYNCHRONISED) {
        return Finding::ok("systemd-timesyncd keeps the clock right");
    }
    let Some(keepers) = subject.running(KEEPERS) else {
        return Finding::unobservable("the host shows neither processes nor that its clock was set");
    };
    if let Some(keeper) = keepers.first() {
        return Finding::ok(format!("{} keeps the clock right", keeper.name));
    }
    match subject.running(&[TIMESYNCD]).unwrap_or_default().is_empty() {
        true => Finding::advice("nothing keeps the clock right", "`sudo timedatectl set-ntp true`"),
        false => Finding::advice(
            "systemd-timesyncd runs and has not reached a server",
            "`timedatectl timesync-status`; name a server of your network in /etc/systemd/timesyncd.conf",
        ),
    }
}

pub(super) fn real_time_clock(subject: &Subject) -> Finding {
    const FOLDER: &str = "/sys/class/rtc";
    if !subject.shows_devices() {
        return Finding::unobservable("the host shows no devices");
    }
    match subject.root.names_in(FOLDER).first() {
        Some(clock) => Finding::ok(format!("{clock} goes on without power")),
        None => Finding::advice(
            "no clock goes on without power: after a start the date is wrong until a server tells it",
            "`sudo systemctl enable systemd-time-wait-sync`, and let the service start after time-sync.target",
        ),
    }
}
