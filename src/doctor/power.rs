//! Clocks: governors, limits, turbo, idle states, graphics and memory, and the source of power.
//!
//! Free clocks are advice and no problem: a job that asks for `lock_clocks` has them locked for its turn.

use std::collections::BTreeSet;

use super::subject::Subject;
use super::{Finding, Outcome};
use crate::host::cpufreq::{self, FASTEST};
use crate::host::power::plan;
use crate::host::power::saved::{Keep as _, SavedFile};
use crate::text::first_few;

/// What locks clocks for the time of a job.
const LOCK: &str = "let jobs ask for `host: {lock_clocks: true}`";

/// Waking from a state in this time is lost in the latency of the smallest networks, some hundred microseconds.
const SHORT_MICROSECONDS: i64 = 10;

const NO_CLOCKS: &str = "the host shows no clock of its processors (cpufreq)";

pub(super) fn governor(subject: &Subject) -> Finding {
    let governors: BTreeSet<&str> =
        subject.settings_named("scaling_governor").map(|(_, governor)| governor).collect();
    let shown = first_few(&governors);
    match governors.iter().find(|governor| **governor != FASTEST) {
        None if governors.is_empty() => Finding::unobservable(NO_CLOCKS),
        None => Finding::ok(format!("every processor has the governor {shown}")),
        Some(_) if are_processors_locked(subject) => {
            Finding::ok(format!("the governor is {shown}, and the limits leave it no choice"))
        }
        Some(_) => Finding::advice(
            format!("the governor is {shown}: clocks follow the load"),
            format!(
                "{LOCK}, or `echo {FASTEST} | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor`"
            ),
        ),
    }
}

fn are_processors_locked(subject: &Subject) -> bool {
    processor_clocks(subject).outcome == Outcome::Ok
}

pub(super) fn governors_offered(subject: &Subject) -> Finding {
    if cpufreq::policies(subject.root).is_empty() {
        return Finding::unobservable(NO_CLOCKS);
    }
    let offered = cpufreq::governors(subject.root);
    let shown = first_few(&offered);
    if offered.iter().any(|governor| governor == FASTEST) {
        Finding::ok(format!("every processor offers {shown}"))
    } else if offered.is_empty() {
        Finding::advice(
            "the processors offer no governor in common",
            "compare `grep . /sys/devices/system/cpu/cpufreq/policy*/scaling_available_governors`",
        )
    } else {
        Finding::advice(
            format!("the processors offer {shown} and not {FASTEST}"),
            format!("`sudo modprobe cpufreq_{FASTEST}`"),
        )
    }
}

pub(super) fn processor_clocks(subject: &Subject) -> Finding {
    limits(subject, "scaling_min_freq", &|kilohertz| kilohertz / 1e3, "processors")
        .unwrap_or_else(|| Finding::unobservable(NO_CLOCKS))
}

pub(super) fn graphics_clock(subject: &Subject) -> Finding {
    let clock = limits(subject, "min_freq", &|hertz| hertz / 1e6, "graphics processor");
    clock.unwrap_or_else(|| {
        if subject.host.gpus.is_empty() {
            Finding::does_not_apply("no graphics processor is known")
        } else {
            Finding::unobservable("the limits of the graphics processor's clock can not be read")
        }
    })
}

/// Are lower limits of this name at the upper ones? `None` where there are none.
fn limits(subject: &Subject, name: &str, megahertz: &dyn Fn(f64) -> f64, of: &str) -> Option<Finding> {
    let pairs: Vec<(&str, f64, f64)> = subject
        .settings_named(name)
        .filter_map(|(path, lower)| {
            let upper = subject.settings.get(&plan::upper_of(path)?)?;
            Some((path, lower.parse().ok()?, upper.parse().ok()?))
        })
        .collect();
    let &(_, lower, upper) = pairs.iter().find(|(_, lower, upper)| lower < upper).or(pairs.first())?;
    let (lower, upper) = (megahertz(lower), megahertz(upper));
    Some(if lower >= upper {
        Finding::ok(format!("the clock of the {of} is locked at {upper:.0} MHz"))
    } else {
        Finding::advice(format!("the clock of the {of} is free between {lower:.0} and {upper:.0} MHz"), LOCK)
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
            false => Finding::ok("the processors may run as fast as they can"),
        };
    };
    let observed = format!("processors are held to {} of {} MHz", upper / 1000, hardware / 1000);
    if subject.is_jetson() {
        return Finding::ok(format!("{observed}, as power modes do"));
    }
    Finding::advice(
        observed,
        "find what caps them (tlp, power-profiles-daemon, firmware), or write `cpuinfo_max_freq` to `scaling_max_freq`",
    )
}

pub(super) fn turbo(subject: &Subject) -> Finding {
    let switches: Vec<(&str, bool)> = cpufreq::TURBO_OFF
        .iter()
        .filter_map(|(path, off)| Some((*path, subject.settings.get(*path)? == off)))
        .collect();
    match switches.iter().find(|(_, is_off)| !is_off) {
        None if switches.is_empty() => Finding::does_not_apply("the host shows no switch for turbo"),
        None => Finding::ok("turbo is off"),
        Some((path, _)) => {
            let off = if path.ends_with("no_turbo") { "1" } else { "0" };
            Finding::advice(
                "turbo is on: clocks depend on heat and on the other processors",
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
        Finding::unobservable("no driver of processor clocks is named")
    } else if drivers.iter().any(|driver| ["intel_pstate", "amd-pstate-epp"].contains(&driver.as_str())) {
        Finding::advice(
            format!("the driver is {shown}: the processor itself chooses its clocks within the limits"),
            "lock clocks, which leaves it no choice; or boot with `intel_pstate=passive` or `amd_pstate=passive`",
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
        // The first state only waits, or polls; it wakes at once.
        for state in states.iter().skip(1) {
            let microseconds = subject.number(&format!("{folder}/{state}/latency"));
            let is_deep = microseconds.is_none_or(|microseconds| microseconds > SHORT_MICROSECONDS);
            if is_deep && subject.number(&format!("{folder}/{state}/disable")) == Some(0) {
                deep.extend(subject.read(&format!("{folder}/{state}/name")));
            }
        }
    }
    if !is_any {
        return Finding::unobservable("the host shows no idle states of its processors");
    }
    if deep.is_empty() {
        return Finding::ok("processors do not sleep deeply");
    }
    let remedy = match subject.is_jetson() {
        true => LOCK.to_owned(),
        false => format!(
            "`sudo cpupower idle-set --disable-by-latency {SHORT_MICROSECONDS}`, and `--enable-all` after"
        ),
    };
    Finding::advice(format!("processors sleep in {}", first_few(&deep)), remedy)
}

pub(super) fn graphics_power_gating(subject: &Subject) -> Finding {
    let gates: Vec<&str> = subject.settings_named("railgate_enable").map(|(_, value)| value).collect();
    if gates.is_empty() {
        Finding::does_not_apply("no graphics processor shows such a switch")
    } else if gates.contains(&"1") {
        Finding::advice("the graphics processor loses its power when it is idle", LOCK)
    } else {
        Finding::ok("the graphics processor keeps its power")
    }
}

pub(super) fn memory_clock(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply("only Jetsons show a clock of their memory");
    }
    let mut locked = subject.settings_named("mrq_rate_locked");
    match locked.next() {
        Some((_, "1")) => Finding::ok("the memory's clock is locked"),
        Some(_) => Finding::advice("the memory's clock is free", LOCK),
        None => Finding::unobservable("the memory's clock can not be read; only root may")
            .with_remedy("let the service read it, which its unit does; or run this with sudo"),
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
        Finding::problem("the host runs on its battery, which lowers clocks", "plug the power supply in")
    } else {
        Finding::does_not_apply("the host shows no supply but the mains it must have")
    }
}

pub(super) fn power_state_left(subject: &Subject) -> Finding {
    let is_running = subject.processes.iter().flatten().any(|process| process.is_daemon);
    match SavedFile::of(subject.root, &subject.asked.state).read() {
        Err(_) => Finding::unobservable("the daemon's state folder can not be read"),
        Ok(None) => Finding::ok("no power state waits to be put back"),
        Ok(Some(_)) if is_running => Finding::ok("the daemon holds a changed power state, as jobs ask it to"),
        Ok(Some(_)) => Finding::problem(
            "a killed process left the power state changed",
            "`sudo systemctl start backbone`, which puts it back",
        ),
    }
}
