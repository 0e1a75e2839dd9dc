//! Processor clocks as Linux shows them, on every family of hosts: cpufreq policies, turbo, and which
//! processors are online. Reads settings into a power state, and knows which of them lock the clocks.

use std::collections::BTreeMap;

use super::machine::Machine;

const PROCESSORS: &str = "/sys/devices/system/cpu";
const POLICIES: &str = "/sys/devices/system/cpu/cpufreq";

/// Settings of a policy that are saved and restored.
const OF_A_POLICY: &[&str] =
    &["scaling_governor", "scaling_min_freq", "scaling_max_freq", "energy_performance_preference"];

/// Turbo is off if the file has this value. The first file belongs to intel_pstate, the second to every other
/// driver.
pub(crate) const TURBO_OFF: &[(&str, &str)] =
    &[("/sys/devices/system/cpu/intel_pstate/no_turbo", "1"), ("/sys/devices/system/cpu/cpufreq/boost", "0")];

/// The governor that keeps the clock at its upper limit.
pub(crate) const FASTEST: &str = "performance";

/// Settings of a host, by file.
pub(crate) type Settings = BTreeMap<String, String>;

/// Read a setting, if it can be read.
pub(crate) fn read(machine: &dyn Machine, path: &str, settings: &mut Settings) {
    if let Ok(value) = machine.read(path) {
        settings.insert(path.to_owned(), value);
    }
}

/// Folders of the host's processors.
pub(crate) fn processors(machine: &dyn Machine) -> Vec<String> {
    let is_processor = |name: &String| {
        name.strip_prefix("cpu")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit()))
    };
    machine
        .names(PROCESSORS)
        .into_iter()
        .filter(is_processor)
        .map(|name| format!("{PROCESSORS}/{name}"))
        .collect()
}

/// Folders of the cpufreq policies.
pub(crate) fn policies(machine: &dyn Machine) -> Vec<String> {
    let names = machine.names(POLICIES).into_iter();
    names.filter(|name| name.starts_with("policy")).map(|name| format!("{POLICIES}/{name}")).collect()
}

/// Read which processors are online, their governors and limits, and turbo.
pub(crate) fn read_all(machine: &dyn Machine, settings: &mut Settings) {
    for processor in processors(machine) {
        read(machine, &format!("{processor}/online"), settings);
    }
    for (path, _) in TURBO_OFF {
        read(machine, path, settings);
    }
    for policy in policies(machine) {
        if is_online(machine, &policy, settings) {
            for name in OF_A_POLICY {
                read(machine, &format!("{policy}/{name}"), settings);
            }
        }
    }
}

/// If all processors of a policy are offline, its settings mean nothing and cannot be read.
fn is_online(machine: &dyn Machine, policy: &str, settings: &Settings) -> bool {
    let Ok(related) = machine.read(&format!("{policy}/related_cpus")) else { return true };
    related.split_whitespace().any(|number| {
        // A processor without the file is always online.
        settings.get(&format!("{PROCESSORS}/cpu{number}/online")).is_none_or(|online| online != "0")
    })
}

/// Governors that every policy offers; empty if there are no policies.
pub(crate) fn governors(machine: &dyn Machine) -> Vec<String> {
    let offered = |policy: &String| -> Vec<String> {
        let text = machine.read(&format!("{policy}/scaling_available_governors")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let mut all = policies(machine)
        .iter()
        .map(offered)
        .filter(|offered| !offered.is_empty())
        .collect::<Vec<_>>()
        .into_iter();
    let first = all.next().unwrap_or_default();
    let others: Vec<Vec<String>> = all.collect();
    first.into_iter().filter(|name| others.iter().all(|other| other.contains(name))).collect()
}

/// Raise every lower limit to its upper one.
pub(crate) fn limits_together(present: &Settings, wanted: &mut Settings) {
    for setting in present.keys() {
        let upper = super::power::plan::upper_of(setting).and_then(|upper| present.get(&upper));
        if let Some(upper) = upper {
            wanted.insert(setting.clone(), upper.clone());
        }
    }
}

/// Turn turbo off, if the host has it: its clocks depend on heat and on the load of other processors.
pub(crate) fn without_turbo(present: &Settings, wanted: &mut Settings) {
    for (path, off) in TURBO_OFF {
        if present.contains_key(*path) {
            wanted.insert((*path).to_owned(), (*off).to_owned());
        }
    }
}

/// Set this governor on every policy.
pub(crate) fn governed_by(governor: &str, present: &Settings, wanted: &mut Settings) {
    for setting in present.keys().filter(|setting| setting.ends_with("/scaling_governor")) {
        wanted.insert(setting.clone(), governor.to_owned());
    }
}
