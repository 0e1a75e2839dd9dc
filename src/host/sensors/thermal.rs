//! Temperatures: the kernel's thermal zones with their trip points, processor sensors that only hwmon has, and Edge TPU cards.
//!
//! Three traps are known (L4T's kernels): a zone without power fails with EAGAIN at every read, or reads −256 °C on some
//! releases, and the zone of the power chip reads the same round number for ever. All three are unobservable, not cold or hot.

use std::ops::RangeInclusive;

use super::{Found, Probe, Scale};
use crate::bundle::format::Quantity;
use crate::host::root::HostRoot;

/// What a chip that still works can have, in °C: parts are rated −55 to 150 °C at the widest.
const CELSIUS: RangeInclusive<f64> = -55.0..=150.0;

/// Where zones are; the second is what the links of the first lead to.
const ZONES: &[&str] = &["/sys/class/thermal", "/sys/devices/virtual/thermal"];

/// Chips whose temperatures hwmon has and the thermal zones lack.
const PROCESSOR_CHIPS: &[&str] = &["coretemp", "k10temp", "zenpower", "cpu_thermal"];

/// More trip points than any zone has.
const TRIP_POINTS: usize = 16;

pub(super) fn find(root: &HostRoot, found: &mut Found) {
    zones(root, found);
    processor_chips(root, found);
    for card in root.names_in("/sys/class/apex") {
        let folder = format!("/sys/class/apex/{card}");
        let trip = millidegrees(root, &format!("{folder}/trip_point0_temp"));
        temperature(root, found, card, &format!("{folder}/temp"), trip);
    }
}

fn zones(root: &HostRoot, found: &mut Found) {
    for folder in ZONES {
        let zones = root.names_in(folder).into_iter().filter(|name| name.starts_with("thermal_zone"));
        let before = found.sensors.len();
        for zone in zones {
            let zone = format!("{folder}/{zone}");
            let Ok(name) = root.read(format!("{zone}/type")) else { continue };
            let path = format!("{zone}/temp");
            if name.to_ascii_lowercase().contains("pmic") {
                found.add(name, Quantity::Temperature, &path, Probe::Constant);
            } else {
                temperature(root, found, name, &path, trip_point(root, &zone));
            }
        }
        if found.sensors.len() > before {
            return;
        }
    }
}

fn processor_chips(root: &HostRoot, found: &mut Found) {
    // Their zones say the same.
    if found
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
            temperature(root, found, format!("{chip} {name}"), &format!("{folder}/{file}"), trip);
        }
    }
}

fn temperature(root: &HostRoot, found: &mut Found, name: String, path: &str, trip: Option<f64>) {
    found.add_number(root, name, Quantity::Temperature, path, Scale::MILLI, CELSIUS).trip_celsius = trip;
}

/// The lowest trip point at which the kernel throttles; those of type `active` only start a fan, and `critical` ends it all.
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
    // Drivers write 0 or less for a trip point that is switched off.
    (celsius > 0.0 && CELSIUS.contains(&celsius)).then_some(celsius)
}
