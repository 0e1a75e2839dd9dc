//! Compares a power mode's values in nvpmodel's configuration file with the kernel's.
//!
//! nvpmodel can report a mode as set although part of it is not, and the mode's name alone does not show
//! that. Values are compared if the kernel's can be read, allowing for its rounding to the frequencies that a
//! clock has.

use std::collections::BTreeMap;

use super::nvpmodel::MODES_FILE;
use crate::bundle::format::{PowerDifference, PowerMode};
use crate::host::machine::Machine;

/// How nvpmodel writes "no limit": INT_MAX, or −1.
const UNLIMITED: &[i64] = &[-1, 2_147_483_647];

/// The largest rounding, as a share of the value, of a clock that does not list its frequencies. Processors
/// of Xavier and Orin have steps of 76.8 MHz, 6.4 % of 1.2 GHz.
const LARGEST_STEP: f64 = 0.08;

/// A value of a mode, and the host's file for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ModeValue {
    argument: String,
    path: String,
    value: i64,
}

/// How many values of the mode could be compared, and those that differ.
pub(super) fn differences(machine: &dyn Machine, mode: &PowerMode) -> (usize, Vec<PowerDifference>) {
    let text = machine.read(MODES_FILE).unwrap_or_default();
    let mut compared = 0;
    let mut differences = Vec::new();
    for value in parse(&text, mode.id) {
        let Some((found, is_in_force)) = compare(machine, &value) else { continue };
        compared += 1;
        if !is_in_force {
            differences.push(PowerDifference {
                setting: value.path,
                wanted: value.value.to_string(),
                found: Some(found),
                error: None,
            });
        }
    }
    (compared, differences)
}

/// The file's present value, and whether it matches the mode; `None` if that cannot be compared.
fn compare(machine: &dyn Machine, value: &ModeValue) -> Option<(String, bool)> {
    let is_cap_of_memory = value.path.contains("emc") && value.value == 0;
    if UNLIMITED.contains(&value.value) || is_cap_of_memory || is_off(machine, &value.path) {
        return None;
    }
    let found = machine.read(&value.path).ok()?;
    let number: i64 = found.parse().ok()?;
    let is_in_force = match value.argument.as_str() {
        "MAX_FREQ" => is_same_step(machine, value, number),
        // A higher lower limit means that somebody locked the clock.
        "MIN_FREQ" => number > value.value || is_same_step(machine, value, number),
        _ => number == value.value,
    };
    Some((found, is_in_force))
}

/// Clocks of an offline processor mean nothing.
fn is_off(machine: &dyn Machine, path: &str) -> bool {
    let processor = path.split_once("/cpufreq/").map(|(processor, _)| processor);
    processor.is_some_and(|processor| {
        machine.read(&format!("{processor}/online")).is_ok_and(|online| online == "0")
    })
}

/// Whether a clock that does not have the mode's frequency would be rounded to this one.
fn is_same_step(machine: &dyn Machine, value: &ModeValue, found: i64) -> bool {
    let Some((folder, _)) = value.path.rsplit_once('/') else { return found == value.value };
    let listed = ["scaling_available_frequencies", "available_frequencies"]
        .into_iter()
        .find_map(|name| machine.read(&format!("{folder}/{name}")).ok())
        .unwrap_or_default();
    let steps: Vec<i64> = listed.split_whitespace().filter_map(|step| step.parse().ok()).collect();
    if steps.is_empty() {
        return (found - value.value).abs() as f64 <= value.value as f64 * LARGEST_STEP;
    }
    // Depending on the driver, the next lower or the next higher one.
    let below = steps.iter().copied().filter(|&step| step <= value.value).max();
    let above = steps.iter().copied().filter(|&step| step >= value.value).min();
    found == value.value || Some(found) == below || Some(found) == above
}

/// The values of the mode with this number: `PARAMETER ARGUMENT VALUE` lines below its heading. `ARGUMENT
/// PATH` lines below the parameter's heading name the files.
fn parse(text: &str, id: u32) -> Vec<ModeValue> {
    let mut paths: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut values = Vec::new();
    let mut section = Section::Other;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix('<') {
            section = Section::of(heading);
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&section, words.as_slice()) {
            (Section::Parameter(name), [argument, path]) => {
                paths.insert((name.clone(), (*argument).to_owned()), (*path).to_owned());
            }
            (Section::Mode(number), [parameter, argument, value]) if *number == id => {
                let path = paths.get(&((*parameter).to_owned(), (*argument).to_owned()));
                if let Some((path, value)) = path.cloned().zip(value.parse().ok()) {
                    values.push(ModeValue { argument: (*argument).to_owned(), path, value });
                }
            }
            _ => {}
        }
    }
    values
}

/// The heading above a line of the file.
enum Section {
    Parameter(String),
    Mode(u32),
    Other,
}

impl Section {
    fn of(heading: &str) -> Self {
        let heading = heading.trim_end_matches(['>', ' ']).trim_start();
        let value = |key: &str| heading.split_whitespace().find_map(|word| word.strip_prefix(key));
        if heading.starts_with("PARAM ") {
            value("NAME=").map_or(Self::Other, |name| Self::Parameter(name.to_owned()))
        } else if heading.starts_with("POWER_MODEL") {
            value("ID=").and_then(|id| id.parse().ok()).map_or(Self::Other, Self::Mode)
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::root::HostRoot;

    const CONF: &str = "# modes\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\nCORE_1 /sys/cpu1/online\n\
                        <PARAM TYPE=CLOCK NAME=CPU >\r\nMAX_FREQ /sys/cpu0/cpufreq/scaling_max_freq\nMIN_FREQ /sys/cpu0/cpufreq/scaling_min_freq\n\
                        < PARAM TYPE=CLOCK NAME=GPU >\nMAX_FREQ /sys/gpu/max_freq\n\
                        < PARAM TYPE=FILE NAME=EMC >\nMAX_FREQ /sys/emc_cap\n\
                        < PARAM TYPE=HWMON NAME=OC >\nWARN /sys/hwmon curr1_max\n\
                        < POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_1 1\nCPU MAX_FREQ -1\nEMC MAX_FREQ 0\n\
                        < POWER_MODEL ID=3 NAME=MODE_30W_ALL >\nCPU_ONLINE CORE_1 1\nCPU MAX_FREQ 1200000\nCPU MIN_FREQ 1200000\n\
                        GPU MAX_FREQ 900000000\nEMC MAX_FREQ 1600000000\nOC WARN 5000\n< PM_CONFIG DEFAULT=3 >\n";

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, HostRoot) {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        for (path, text) in [(MODES_FILE, CONF)].iter().chain(files) {
            let path = root.path(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        (folder, root)
    }

    fn mode(id: u32) -> PowerMode {
        PowerMode { id, name: "x".to_owned() }
    }

    #[test]
    fn values_of_a_mode_are_found_with_their_files_and_no_limit_is_none() {
        let values = parse(CONF, 3);
        let shown: Vec<String> =
            values.iter().map(|value| format!("{} {}", value.path, value.value)).collect();
        assert_eq!(
            shown,
            [
                "/sys/cpu1/online 1",
                "/sys/cpu0/cpufreq/scaling_max_freq 1200000",
                "/sys/cpu0/cpufreq/scaling_min_freq 1200000",
                "/sys/gpu/max_freq 900000000",
                "/sys/emc_cap 1600000000"
            ]
        );
        let (_folder, root) = machine(&[("/sys/cpu1/online", "1"), ("/sys/emc_cap", "7")]);
        assert_eq!(differences(&root, &mode(0)), (1, Vec::new()));
        assert_eq!(differences(&root, &mode(9)), (0, Vec::new()));
    }

    #[test]
    fn rounding_to_a_step_is_in_force_and_a_clamp_is_not() {
        let steps = ("/sys/cpu0/cpufreq/scaling_available_frequencies", "1036800 1190400 1267200 ");
        for (maximum, gpu, expected) in [
            ("1190400", "900000000", [""; 0].as_slice()),
            ("1267200", "905000000", &[]),
            ("1036800", "900000000", &["/sys/cpu0/cpufreq/scaling_max_freq is 1036800, not 1200000"]),
            ("1200000", "675000000", &["/sys/gpu/max_freq is 675000000, not 900000000"]),
        ] {
            let (_folder, root) = machine(&[
                steps,
                ("/sys/cpu0/cpufreq/scaling_max_freq", maximum),
                ("/sys/cpu0/cpufreq/scaling_min_freq", "1267200"),
                ("/sys/gpu/max_freq", gpu),
            ]);
            let (compared, found) = differences(&root, &mode(3));
            let found: Vec<String> =
                found.iter().map(|it| crate::host::power::hold::describe(std::slice::from_ref(it))).collect();
            assert_eq!((compared, found), (3, expected.iter().map(|it| (*it).to_owned()).collect()));
        }
    }

    #[test]
    fn processor_that_is_to_be_on_and_is_not_is_named_and_its_clocks_are_not() {
        let (_folder, root) = machine(&[
            ("/sys/cpu1/online", "0"),
            ("/sys/cpu0/online", "0"),
            ("/sys/cpu0/cpufreq/scaling_max_freq", "1"),
        ]);
        let (compared, found) = differences(&root, &mode(3));
        assert_eq!((compared, found[0].setting.as_str(), found.len()), (1, "/sys/cpu1/online", 1));
    }
}
