//! Signs of throttling: counters that only rise, and the state of the kernel's cooling devices.
//!
//! Counters exist for x86 processors (`thermal_throttle`) and for over-current events of Jetsons from L4T R34
//! on (`soctherm_oc`). On other hosts a cooling device shows throttling only while it lasts.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Scale, Search, frequency};
use crate::bundle::format::Quantity;

/// Folder of the kernel's cooling devices.
const COOLING: &str = "/sys/class/thermal";

/// Prefixes of the types of cooling devices that lower clocks, from the kernel's cpufreq and devfreq drivers
/// and L4T up to R35. Fans have other types.
const SLOWING: &[&str] =
    &["thermal-cpufreq", "cpufreq-", "thermal-devfreq", "devfreq-", "cpu-balanced", "gpu-balanced"];

/// Range of a counter or a state: whole and never negative.
const COUNTS: RangeInclusive<f64> = 0.0..=9e15;

pub(super) fn find(search: &mut Search<'_>) {
    let root = search.root;
    let mut packages = BTreeSet::new();
    for cpu in frequency::online_cpus(root) {
        let folder = format!("/sys/devices/system/cpu/{cpu}");
        let package = root.read(format!("{folder}/topology/physical_package_id")).unwrap_or_default();
        count(search, &cpu, &format!("{folder}/thermal_throttle/core_throttle_count"));
        if packages.insert(package.clone()) {
            let name = format!("package{package}");
            count(search, &name, &format!("{folder}/thermal_throttle/package_throttle_count"));
        }
    }
    for chip in root.names_in("/sys/class/hwmon") {
        let folder = format!("/sys/class/hwmon/{chip}");
        if root.read(format!("{folder}/name")).is_ok_and(|name| name == "soctherm_oc") {
            for file in root.names_in(&folder) {
                if let Some(name) = file.strip_suffix("_event_cnt") {
                    count(search, name, &format!("{folder}/{file}"));
                }
            }
        }
    }
    for device in root.names_in(COOLING).into_iter().filter(|name| name.starts_with("cooling_device")) {
        let folder = format!("{COOLING}/{device}");
        let Ok(kind) = root.read(format!("{folder}/type")) else { continue };
        if SLOWING.iter().any(|start| kind.starts_with(start)) {
            let path = format!("{folder}/cur_state");
            search.add_number(kind, Quantity::CoolingState, &path, Scale::ONE, COUNTS);
        }
    }
}

fn count(search: &mut Search<'_>, name: &str, path: &str) {
    let root = search.root;
    if root.path(path).exists() {
        search.add_number(name.to_owned(), Quantity::ThrottleCount, path, Scale::ONE, COUNTS);
    }
}
