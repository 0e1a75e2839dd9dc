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

/// Ends the name of an argument that holds for the kernels from L4T 34 on, in a file that serves older ones
/// too: `MAX_FREQ_KNEXT` is where those kernels have what `MAX_FREQ` names for the others. A mode gives its
/// value under the plain name.
const NEXT_KERNEL: &str = "_KNEXT";

/// A value of a mode, and the host's files for it: of the newer kernels first. A host has one of them, or
/// both in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ModeValue {
    argument: String,
    paths: Vec<String>,
    value: i64,
}

/// What one of its files shows.
struct FileValue {
    path: String,
    text: String,
    is_in_force: bool,
}

/// How many values of the mode could be compared, and those that differ.
pub(super) fn differences(machine: &dyn Machine, mode: &PowerMode) -> (usize, Vec<PowerDifference>) {
    let text = machine.read(MODES_FILE).unwrap_or_default();
    let mut compared = 0;
    let mut differences = Vec::new();
    for value in parse(&text, mode.id) {
        let found: Vec<FileValue> =
            value.paths.iter().filter_map(|path| compare(machine, &value, path)).collect();
        let Some(first) = found.first() else { continue };
        compared += 1;
        // nvpmodel writes one of the files, so a value that one of them has is in force.
        if !found.iter().any(|found| found.is_in_force) {
            differences.push(PowerDifference {
                setting: first.path.clone(),
                wanted: value.value.to_string(),
                found: Some(first.text.clone()),
                error: None,
            });
        }
    }
    (compared, differences)
}

/// The file's present value, and whether it matches the mode; `None` if that cannot be compared.
fn compare(machine: &dyn Machine, value: &ModeValue, path: &str) -> Option<FileValue> {
    let is_cap_of_memory = path.contains("emc") && value.value == 0;
    if UNLIMITED.contains(&value.value) || is_cap_of_memory || is_off(machine, path) {
        return None;
    }
    let text = machine.read(path).ok()?;
    let number: i64 = text.parse().ok()?;
    let is_same_step = || is_same_step(machine, path, (value.value, number));
    let is_in_force = match value.argument.as_str() {
        "MAX_FREQ" => is_same_step(),
        // A higher lower limit means that somebody locked the clock.
        "MIN_FREQ" => number > value.value || is_same_step(),
        _ => number == value.value,
    };
    Some(FileValue { path: path.to_owned(), text, is_in_force })
}

/// Clocks of an offline processor mean nothing.
fn is_off(machine: &dyn Machine, path: &str) -> bool {
    let processor = path.split_once("/cpufreq/").map(|(processor, _)| processor);
    processor.is_some_and(|processor| {
        machine.read(&format!("{processor}/online")).is_ok_and(|online| online == "0")
    })
}

/// Whether a clock that does not have the frequency `wanted` would be rounded to the one that was found.
fn is_same_step(machine: &dyn Machine, path: &str, (wanted, found): (i64, i64)) -> bool {
    let Some((folder, _)) = path.rsplit_once('/') else { return found == wanted };
    let listed = ["scaling_available_frequencies", "available_frequencies"]
        .into_iter()
        .find_map(|name| machine.read(&format!("{folder}/{name}")).ok())
        .unwrap_or_default();
    let steps: Vec<i64> = listed.split_whitespace().filter_map(|step| step.parse().ok()).collect();
    if steps.is_empty() {
        return (found - wanted).abs() as f64 <= wanted as f64 * LARGEST_STEP;
    }
    // Depending on the driver, the next lower or the next higher one.
    let below = steps.iter().copied().filter(|&step| step <= wanted).max();
    let above = steps.iter().copied().filter(|&step| step >= wanted).min();
    found == wanted || Some(found) == below || Some(found) == above
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
                let named = [format!("{argument}{NEXT_KERNEL}"), (*argument).to_owned()];
                let named = named.map(|argument| paths.get(&((*parameter).to_owned(), argument)).cloned());
                let mut paths: Vec<String> = named.into_iter().flatten().collect();
                paths.dedup();
                if let Some(value) = value.parse().ok().filter(|_| !paths.is_empty()) {
                    values.push(ModeValue { argument: (*argument).to_owned(), paths, value });
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

#[cfg(any(test, fuzzing))]
pub(super) fn read_anything(text: &str) {
    let _ = parse(text, 0);
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
            values.iter().map(|value| format!("{} {}", value.paths.join(" "), value.value)).collect();
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
    fn file_of_the_newer_kernels_counts_where_the_host_has_it_and_else_the_other() {
        let conf = "< PARAM TYPE=CLOCK NAME=EMC >\nMAX_FREQ /sys/kernel/nvpmodel_emc_cap/emc_iso_cap\n\
                    MAX_FREQ_KNEXT /sys/kernel/nvpmodel_clk_cap/emc\n\
                    < PARAM TYPE=CLOCK NAME=CPU >\nFREQ_TABLE /sys/cpu0/steps\nMAX_FREQ /sys/cpu0/max\n\
                    FREQ_TABLE_KNEXT /sys/cpu0/steps\nMAX_FREQ_KNEXT /sys/cpu0/max\n\
                    < POWER_MODEL ID=3 NAME=15W >\nEMC MAX_FREQ 2133000000\nCPU MAX_FREQ 1500000\n";
        const OLD: &str = "/sys/kernel/nvpmodel_emc_cap/emc_iso_cap";
        const NEW: &str = "/sys/kernel/nvpmodel_clk_cap/emc";
        for (files, expected) in [
            ([(NEW, "2133000000")].as_slice(), (1, None)),
            (&[(OLD, "2133000000")], (1, None)),
            (&[(NEW, "3199000000"), (OLD, "2133000000")], (1, None)),
            (&[(NEW, "3199000000")], (1, Some(NEW))),
            (&[(OLD, "3199000000")], (1, Some(OLD))),
            (&[(NEW, "3199000000"), (OLD, "665000000")], (1, Some(NEW))),
            (&[(NEW, "2133000000"), ("/sys/cpu0/max", "900000")], (2, Some("/sys/cpu0/max"))),
            (&[], (0, None)),
        ] {
            let (_folder, root) = machine(&[&[(MODES_FILE, conf)], files].concat());
            let (compared, found) = differences(&root, &mode(3));
            let found: Vec<&str> = found.iter().map(|it| it.setting.as_str()).collect();
            assert_eq!((compared, found), (expected.0, Vec::from_iter(expected.1)), "{files:?}");
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
