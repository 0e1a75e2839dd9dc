//! Clocks: governors, limits, turbo, idle states, GPU and memory, and the source of power.
//!
//! Unlocked clocks are advice, not a problem: a job with `lock_clocks` has them locked while it runs.

use std::collections::BTreeSet;

use super::subject::Subject;
use super::{Finding, Grade};
use crate::host::cpufreq::{self, FASTEST};
use crate::host::power::plan;
use crate::host::power::saved::{Keep as _, SavedFile};
use crate::text::first_few;

/// Locks clocks while a job runs.
const LOCK: &str = "set `host: {lock_clocks: true}` in jobs";

/// Waking in less time does not show in the latency of the smallest networks, a few hundred microseconds.
const SHORT_MICROSECONDS: i64 = 10;

const NO_CLOCKS: &str = "the processor clocks are not visible (no cpufreq)";

pub(super) fn governor(subject: &Subject) -> Finding {
    let governors: BTreeSet<&str> =
        subject.settings_named("scaling_governor").map(|(_, governor)| governor).collect();
    let shown = first_few(&governors);
    match governors.iter().find(|governor| **governor != FASTEST) {
        None if governors.is_empty() => Finding::unobservable(NO_CLOCKS),
        None => Finding::ok(format!("all processors use the governor {shown}")),
        Some(_) if are_processors_locked(subject) => {
            Finding::ok(format!("the governor is {shown}, and equal limits lock the clocks"))
        }
        Some(_) => Finding::advice(
            format!("the governor is {shown}, which changes clocks with the load"),
            format!(
                "{LOCK}, or `echo {FASTEST} | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor`"
            ),
        ),
    }
}

fn are_processors_locked(subject: &Subject) -> bool {
    processor_clocks(subject).outcome == Grade::Ok
}

pub(super) fn governors_offered(subject: &Subject) -> Finding {
    if cpufreq::policies(subject.root).is_empty() {
        return Finding::unobservable(NO_CLOCKS);
    }
    let offered = cpufreq::governors(subject.root);
    let shown = first_few(&offered);
    if offered.iter().any(|governor| governor == FASTEST) {
        Finding::ok(format!("all processors offer {shown}"))
    } else if offered.is_empty() {
        Finding::advice(
            "the processors offer no governor in common",
            "compare `grep . /sys/devices/system/cpu/cpufreq/policy*/scaling_available_governors`",
        )
    } else {
        Finding::advice(
            format!("the processors offer {shown}, but not {FASTEST}"),
            format!("`sudo modprobe cpufreq_{FASTEST}`"),
        )
    }
}

pub(super) fn processor_clocks(subject: &Subject) -> Finding {
    limits(subject, "scaling_min_freq", &|kilohertz| kilohertz / 1e3, "processor")
        .unwrap_or_else(|| Finding::unobservable(NO_CLOCKS))
}

/// Part of the paths of Thor's memory clock, which has limits as the GPU's clock has.
const MEMORY_DEVICE: &str = "/devfreq/bwmgr/";

pub(super) fn graphics_clock(subject: &Subject) -> Finding {
    let clock = limits(subject, "min_freq", &|hertz| hertz / 1e6, "GPU");
    clock.unwrap_or_else(|| {
        if subject.host.gpus.is_empty() {
            Finding::does_not_apply("this host has no known GPU")
        } else {
            Finding::unobservable("the limits of the GPU clock cannot be read")
        }
    })
}

/// Whether the lower limits of this name equal the upper ones; `None` if the host has none.
fn limits(subject: &Subject, name: &str, megahertz: &dyn Fn(f64) -> f64, of: &str) -> Option<Finding> {
    let pairs: Vec<(&str, f64, f64)> = subject
        .settings_named(name)
        .filter(|(path, _)| !path.contains(MEMORY_DEVICE))
        .filter_map(|(path, lower)| {
            let upper = subject.settings.get(&plan::upper_of(path)?)?;
            Some((path, lower.parse().ok()?, upper.parse().ok()?))
        })
        .collect();
    let &(_, lower, upper) = pairs.iter().find(|(_, lower, upper)| lower < upper).or(pairs.first())?;
    let (lower, upper) = (megahertz(lower), megahertz(upper));
    Some(if lower >= upper {
        Finding::ok(format!("the {of} clock is locked at {upper:.0} MHz"))
    } else {
        Finding::advice(format!("the {of} clock varies between {lower:.0} and {upper:.0} MHz"), LOCK)
    })
}

pub(super) fn processor_cap(subject: &Subject) -> Finding {
    let caps = subject.settings_named("scaling_max_freq").filter_map(|(path, upper)| {
        let hardware = subject.number(&path.replace("scaling_max_freq", "cpuinfo_max_freq"))?;
        Some((upper.parse::<i64>().ok()?, hardware))
    });
    let caps: Vec<(i64, i64)> = caps.collect();
    let Some((upper, hardware)) = caps.iter().copied().find(|(upper, hardware)| upper < hardware) else {
        return match caps.is_empty() {
            true => Finding::unobservable(NO_CLOCKS),
            false => Finding::ok("the processors may use their full clock rate"),
        };
    };
    let observed = format!("processor clocks are limited to {} of {} MHz", upper / 1000, hardware / 1000);
    if subject.is_jetson() {
        return Finding::ok(format!("{observed} by the power mode"));
    }
    Finding::advice(
        observed,
        "find out what limits them (tlp, power-profiles-daemon, firmware), or write `cpuinfo_max_freq` to `scaling_max_freq`",
    )
}

pub(super) fn turbo(subject: &Subject) -> Finding {
    let switches: Vec<(&str, bool)> = cpufreq::TURBO_OFF
        .iter()
        .filter_map(|(path, off)| Some((*path, subject.settings.get(*path)? == off)))
        .collect();
    match switches.iter().find(|(_, is_off)| !is_off) {
        None if switches.is_empty() => Finding::does_not_apply("this host has no turbo switch"),
        None => Finding::ok("turbo is off"),
        Some((path, _)) => {
            let off = if path.ends_with("no_turbo") { "1" } else { "0" };
            Finding::advice(
                "turbo is on, so clocks depend on heat and on the load of other processors",
                format!("{LOCK}, or `echo {off} | sudo tee {path}`"),
            )
        }
    }
}

pub(super) fn frequency_driver(subject: &Subject) -> Finding {
    let policies = cpufreq::policies(subject.root);
    let drivers: BTreeSet<String> =
        policies.iter().filter_map(|policy| subject.read(&format!("{policy}/scaling_driver"))).collect();
    let shown = first_few(&drivers);
    if drivers.is_empty() {
        Finding::unobservable("the driver of the processor clocks is not known")
    } else if drivers.iter().any(|driver| ["intel_pstate", "amd-pstate-epp"].contains(&driver.as_str())) {
        Finding::advice(
            format!(
                "the driver is {shown}, with which the processor chooses its own clocks within the limits"
            ),
            format!("{LOCK}, or boot with `intel_pstate=passive` or `amd_pstate=passive`"),
        )
    } else {
        Finding::ok(format!("the driver is {shown}"))
    }
}

pub(super) fn energy_preference(subject: &Subject) -> Finding {
    let preferences: BTreeSet<&str> =
        subject.settings_named("energy_performance_preference").map(|(_, preference)| preference).collect();
    let shown = first_few(&preferences);
    if preferences.is_empty() {
        Finding::does_not_apply("the processors have no such preference")
    } else if preferences.iter().all(|preference| *preference == "performance" || *preference == "0") {
        Finding::ok("the processors prefer performance")
    } else {
        Finding::advice(
            format!("the processors prefer {shown}"),
            "`echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference`",
        )
    }
}

pub(super) fn idle_states(subject: &Subject) -> Finding {
    let mut deep = BTreeSet::new();
    let mut is_any = false;
    for processor in cpufreq::processors(subject.root) {
        let folder = format!("{processor}/cpuidle");
        let states = subject.root.names_in(&folder);
        is_any |= !states.is_empty();
        // The first state only waits or polls and wakes at once.
        for state in states.iter().skip(1) {
            let microseconds = subject.number(&format!("{folder}/{state}/latency"));
            let is_deep = microseconds.is_none_or(|microseconds| microseconds > SHORT_MICROSECONDS);
            if is_deep && subject.number(&format!("{folder}/{state}/disable")) == Some(0) {
                deep.extend(subject.read(&format!("{folder}/{state}/name")));
            }
        }
    }
    if !is_any {
        return Finding::unobservable("the idle states of the processors are not visible");
    }
    if deep.is_empty() {
        return Finding::ok("deep idle states are off");
    }
    let remedy = match subject.is_jetson() {
        true => LOCK.to_owned(),
        false => format!(
            "`sudo cpupower idle-set --disable-by-latency {SHORT_MICROSECONDS}`; afterwards `sudo cpupower idle-set --enable-all`"
        ),
    };
    Finding::advice(format!("processors use deep idle states: {}", first_few(&deep)), remedy)
}

pub(super) fn graphics_power_gating(subject: &Subject) -> Finding {
    let gates: Vec<&str> = subject.settings_named("railgate_enable").map(|(_, value)| value).collect();
    if gates.is_empty() {
        Finding::does_not_apply("no GPU of this host has a power gate")
    } else if gates.contains(&"1") {
        Finding::advice("the GPU powers down when it is idle", LOCK)
    } else {
        Finding::ok("the GPU stays powered")
    }
}

pub(super) fn memory_clock(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply("only Jetsons show their memory clock");
    }
    let mut switches = subject.settings_named("mrq_rate_locked").chain(subject.settings_named("clk_state"));
    let switch = switches.next().map(|(_, value)| value == "1");
    let are_equal = |(path, lower): (&str, &str)| {
        Some(subject.settings.get(&plan::upper_of(path)?).is_some_and(|upper| upper == lower))
    };
    // Thor's has limits, as the GPU's.
    let limits = subject.settings_named("min_freq").find(|(path, _)| path.contains(MEMORY_DEVICE));
    match switch.or(limits.and_then(are_equal)) {
        Some(true) => Finding::ok("the memory clock is locked"),
        Some(false) => Finding::advice("the memory clock varies", LOCK),
        None => Finding::unobservable("only root can read the memory clock")
            .with_remedy("run the daemon as a service, which may read it, or run this with sudo"),
    }
}

pub(super) fn power_source(subject: &Subject) -> Finding {
    const FOLDER: &str = "/sys/class/power_supply";
    let supplies = subject.root.names_in(FOLDER);
    let of_kind = |kind: &str| {
        let is_kind = |name: &&String| {
            subject.read(&format!("{FOLDER}/{name}/type")).is_some_and(|found| found.starts_with(kind))
        };
        supplies.iter().filter(is_kind).collect::<Vec<_>>()
    };
    let mains = [of_kind("Mains"), of_kind("USB")].concat();
    let is_online = |name: &&String| subject.number(&format!("{FOLDER}/{name}/online")) == Some(1);
    if mains.iter().any(is_online) {
        Finding::ok("the host runs on mains power")
    } else if !of_kind("Battery").is_empty() || !mains.is_empty() {
        Finding::problem("the host runs on battery, which lowers clocks", "plug in the power supply")
    } else {
        Finding::does_not_apply("this host shows no battery or power supply")
    }
}

pub(super) fn power_state_left(subject: &Subject) -> Finding {
    let is_running = subject.processes.iter().flatten().any(|process| process.is_daemon);
    match SavedFile::of(subject.root, &subject.asked.state).read() {
        Err(_) => Finding::unobservable("the daemon's state folder cannot be read"),
        Ok(None) => Finding::ok("no power state needs to be restored"),
        Ok(Some(_)) if is_running => Finding::ok("the daemon has changed the power state for a job"),
        Ok(Some(_)) => Finding::problem(
            "a killed process left the power state changed",
            "restore it: `sudo systemctl start backbone`",
        ),
    }
}
