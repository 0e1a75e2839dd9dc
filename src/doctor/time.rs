//! Date and time. Latencies do not need them; the dates of bundles do.

use super::{Finding, subject::Subject};

/// 2026-01-01 in seconds since 1970, before this program existed. A board without a clock starts in 1970 or
/// at the date of its image.
const EARLIEST_SECONDS: i64 = 1_767_225_600;

/// Programs that synchronise the clock, by the kernel's names for them.
const KEEPERS: &[&str] = &["chronyd", "ntpd", "ptp4l", "phc2sys", "openntpd"];

/// The systemd service that does, and the file that says that it has.
const TIMESYNCD: &str = "systemd-timesyn";
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

pub(super) fn date(subject: &Subject) -> Finding {
    // From the kernel's boot time and uptime, which exist under another host root too.
    let started = subject.read("/proc/stat").and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok())
    });
    let age = subject.read("/proc/uptime").and_then(|text| text.split('.').next()?.parse::<i64>().ok());
    let Some((started, age)) = started.zip(age) else {
        return Finding::unobservable("the boot time is not known");
    };
    if started + age < EARLIEST_SECONDS {
        Finding::problem(
            "the date is before 2026, when this program was written",
            "`sudo timedatectl set-ntp true`",
        )
    } else {
        Finding::ok("the date is plausible")
    }
}

pub(super) fn synchronised(subject: &Subject) -> Finding {
    if subject.exists(SYNCHRONISED) {
        return Finding::ok("systemd-timesyncd has synchronised the clock");
    }
    let Some(keepers) = subject.running(KEEPERS) else {
        return Finding::unobservable("whether the clock is synchronised is not known");
    };
    if let Some(keeper) = keepers.first() {
        return Finding::ok(format!("{} synchronises the clock", keeper.name));
    }
    match subject.running(&[TIMESYNCD]).unwrap_or_default().is_empty() {
        true => Finding::advice("nothing synchronises the clock", "`sudo timedatectl set-ntp true`"),
        false => Finding::advice(
            "systemd-timesyncd is running, but has not reached a server",
            "see `timedatectl timesync-status`, and set a server of your network in /etc/systemd/timesyncd.conf",
        ),
    }
}

pub(super) fn real_time_clock(subject: &Subject) -> Finding {
    const FOLDER: &str = "/sys/class/rtc";
    if !subject.shows_devices() {
        return Finding::unobservable("the devices of this host are not visible");
    }
    match subject.root.names_in(FOLDER).first() {
        Some(clock) => Finding::ok(format!("{clock} keeps time without power")),
        None => Finding::advice(
            "no clock keeps time without power, so the date is wrong after boot until a server is reached",
            "`sudo systemctl enable systemd-time-wait-sync`, and order the service after time-sync.target",
        ),
    }
}
