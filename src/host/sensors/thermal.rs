//! Temperatures: the kernel's thermal zones with their trip points, processor sensors that only hwmon has,
//! and Edge TPU cards.
//!
//! L4T's kernels have three traps: a zone without power fails with EAGAIN at every read, or reads −256 °C on
//! some releases, and the zone of the power chip always reads the same round number. All three are
//! unobservable, not cold or hot.

use std::ops::RangeInclusive;

use super::{Probe, Scale, Search};
use crate::bundle::format::Quantity;
use crate::host::root::HostRoot;

/// Range in °C of a working chip: the widest rating of parts is −55 to 150 °C.
const CELSIUS: RangeInclusive<f64> = -55.0..=150.0;

/// Folders of zones; the links in the first lead to the second.
const ZONES: &[&str] = &["/sys/class/thermal", "/sys/devices/virtual/thermal"];

/// Chips whose temperatures are in hwmon but not in thermal zones.
const PROCESSOR_CHIPS: &[&str] = &["coretemp", "k10temp", "zenpower", "cpu_thermal"];

/// More trip points than any zone has.
const TRIP_POINTS: usize = 16;

pub(super) fn find(search: &mut Search<'_>) {
    let root = search.root;
    zones(search);
    processor_chips(search);
    for card in root.names_in("/sys/class/apex") {
        let folder = format!("/sys/class/apex/{card}");
        let trip = millidegrees(root, &format!("{folder}/trip_point0_temp"));
        temperature(search, card, &format!("{folder}/temp"), trip);
    }
}

fn zones(search: &mut Search<'_>) {
    let root = search.root;
    for folder in ZONES {
        let zones = root.names_in(folder).into_iter().filter(|name| name.starts_with("thermal_zone"));
        let before = search.sensors.len();
        for zone in zones {
            let zone = format!("{folder}/{zone}");
            let Ok(name) = root.read(format!("{zone}/type")) else { continue };
            let path = format!("{zone}/temp");
            if name.to_ascii_lowercase().contains("pmic") {
                search.add(name, Quantity::Temperature, &path, Probe::Constant);
            } else {
                temperature(search, name, &path, trip_point(root, &zone));
            }
        }
        if search.sensors.len() > before {
            return;
        }
    }
}

fn processor_chips(search: &mut Search<'_>) {
    let root = search.root;
    // Zones of a processor have the same values.
    if search
        .sensors
        .iter()
        .any(|sensor| ["x86_pkg_temp", "cpu"].iter().any(|it| sensor.name.to_lowercase().contains(it)))
    {
        return;
    }
    for chip in root.names_in("/sys/class/hwmon") {
        let folder = format!("/sys/class/hwmon/{chip}");
        let Ok(chip) = root.read(format!("{folder}/name")) else { continue };
        if !PROCESSOR_CHIPS.contains(&chip.as_str()) {
            continue;
        }
        for file in root.names_in(&folder) {
            let Some(number) = file.strip_prefix("temp").and_then(|file| file.strip_suffix("_input")) else {
                continue;
            };
            let name =
                root.read(format!("{folder}/temp{number}_label")).unwrap_or_else(|_| format!("temp{number}"));
            let trip = millidegrees(root, &format!("{folder}/temp{number}_crit"));
            temperature(search, format!("{chip} {name}"), &format!("{folder}/{file}"), trip);
        }
    }
}

fn temperature(search: &mut Search<'_>, name: String, path: &str, trip: Option<f64>) {
    search.add_number(name, Quantity::Temperature, path, Scale::MILLI, CELSIUS).trip_celsius = trip;
}

/// The lowest trip point at which the kernel throttles. `active` ones only start a fan, and `critical` ones
/// shut down the host.
fn trip_point(root: &HostRoot, zone: &str) -> Option<f64> {
    let of = |number: usize| {
        let kind = root.read(format!("{zone}/trip_point_{number}_type")).ok()?;
        Some((kind, millidegrees(root, &format!("{zone}/trip_point_{number}_temp"))))
    };
    let throttling = (0..TRIP_POINTS).map_while(of).filter(|(kind, _)| kind == "passive" || kind == "hot");
    throttling.filter_map(|(_, celsius)| celsius).min_by(f64::total_cmp)
}

fn millidegrees(root: &HostRoot, path: &str) -> Option<f64> {
    let celsius = Scale::MILLI.of(root.read(path).ok()?.parse().ok()?);
    // 0 or less means that the trip point is off.
    (celsius > 0.0 && CELSIUS.contains(&celsius)).then_some(celsius)
}
