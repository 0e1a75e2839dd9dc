//! Electric power: rails behind INA3221, INA238 and their kin, and the energy counters of x86 processors (RAPL).
//!
//! L4T up to R32 shows rails through iio, in mV, mA and mW; from R34 on through hwmon, in mV and mA, and µW where the chip
//! multiplies by itself. RAPL counts µJ and begins again at zero after `max_energy_range_uj`.

use std::ops::RangeInclusive;

use super::{Attribute, Found, Probe, Scale};
use crate::bundle::format::{Quantity, Sensor};
use crate::host::root::HostRoot;

/// Power of a rail. Noise around zero may be negative; no board here takes a kilowatt.
pub(super) const WATTS: RangeInclusive<f64> = -10.0..=1000.0;

/// Energy of a counter, in joules: a counter of 64 bits in µJ at most.
const JOULES: RangeInclusive<f64> = 0.0..=1.9e13;

/// Where RAPL's counters are.
const COUNTERS: &str = "/sys/class/powercap";

/// Beginnings of the names of chips that measure rails.
const CHIPS: &[&str] = &["ina2", "ina3221"];

/// Rails through which everything flows: Orin NX and Nano, Nano and TX2, Thor.
const WHOLE: &[&str] = &["VDD_IN", "POM_5V_IN", "VIN"];

/// Channels of a chip, by either way of counting from 0 or from 1. What an INA3221 has beyond them are sums.
const LAST_CHANNEL: usize = 3;

pub(super) fn find(root: &HostRoot, found: &mut Found) {
    for device in root.names_in("/sys/bus/i2c/devices") {
        let device = format!("/sys/bus/i2c/devices/{device}");
        if root.read(format!("{device}/name")).is_ok_and(|name| is_chip(&name)) {
            for inner in root.names_in(&device).into_iter().filter(|name| name.starts_with("iio:device")) {
                iio(root, found, &format!("{device}/{inner}"));
            }
        }
    }
    for chip in root.names_in("/sys/class/hwmon") {
        let folder = format!("/sys/class/hwmon/{chip}");
        if let Ok(name) = root.read(format!("{folder}/name"))
            && is_chip(&name)
        {
            hwmon(root, found, &folder, &name);
        }
    }
    for counter in root.names_in(COUNTERS) {
        energy_counter(root, found, &format!("{COUNTERS}/{counter}"));
    }
}

/// Indices of the sensors, out of rails and counters, that together are all that the host takes as far as it tells: the rail
/// through which everything flows, else all rails, else all counters.
pub(crate) fn total_of(sensors: &[&Sensor]) -> Vec<usize> {
    let which = |is_it: &dyn Fn(&Sensor) -> bool| -> Vec<usize> {
        (0..sensors.len()).filter(|&index| is_it(sensors[index])).collect()
    };
    let choices = [
        which(&|sensor| sensor.quantity == Quantity::Power && WHOLE.contains(&sensor.name.as_str())),
        which(&|sensor| sensor.quantity == Quantity::Power),
        which(&|sensor| sensor.quantity == Quantity::Energy),
    ];
    choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or_default()
}

fn is_chip(name: &str) -> bool {
    CHIPS.iter().any(|start| name.starts_with(start))
}

/// Channels that nothing is connected to, and the sum that the chip makes of its shunts.
fn is_rail(label: &str) -> bool {
    !label.is_empty() && !label.contains("NC") && label != "sum of shunt voltages"
}

fn iio(root: &HostRoot, found: &mut Found, folder: &str) {
    for channel in 0..=LAST_CHANNEL {
        let Ok(label) = root.read(format!("{folder}/rail_name_{channel}")) else { continue };
        if !is_rail(&label) {
            continue;
        }
        let power = format!("{folder}/in_power{channel}_input");
        if root.path(&power).exists() {
            found.add_number(root, label, Quantity::Power, &power, Scale::MILLI, WATTS);
        } else {
            let voltage = format!("{folder}/in_voltage{channel}_input");
            product(root, found, label, &voltage, &format!("{folder}/in_current{channel}_input"));
        }
    }
}

fn hwmon(root: &HostRoot, found: &mut Found, folder: &str, chip: &str) {
    for channel in 0..=LAST_CHANNEL {
        let power = format!("{folder}/power{channel}_input");
        let current = format!("{folder}/curr{channel}_input");
        let label = root
            .read(format!("{folder}/in{channel}_label"))
            .or_else(|_| root.read(format!("{folder}/label")))
            .unwrap_or_else(|_| format!("{chip} {channel}"));
        if !is_rail(&label) {
            continue;
        }
        if root.path(&power).exists() {
            found.add_number(root, label, Quantity::Power, &power, Scale::MICRO, WATTS);
        } else if root.path(&current).exists() {
            product(root, found, label, &format!("{folder}/in{channel}_input"), &current);
        }
    }
}

fn product(root: &HostRoot, found: &mut Found, name: String, voltage: &str, current: &str) {
    let probe = match (Attribute::open(root, voltage), Attribute::open(root, current)) {
        (Ok(millivolts), Ok(milliamperes)) => Probe::Product { millivolts, milliamperes },
        (Err(error), _) | (_, Err(error)) => Probe::Closed(error.kind()),
    };
    found.add(name, Quantity::Power, current, probe);
}

/// A processor package, or its memory; the other counters are parts of these.
fn energy_counter(root: &HostRoot, found: &mut Found, folder: &str) {
    let Ok(name) = root.read(format!("{folder}/name")) else { return };
    if !name.starts_with("package") && name != "dram" {
        return;
    }
    let range =
        root.read(format!("{folder}/max_energy_range_uj")).ok().and_then(|text| text.parse::<u64>().ok());
    let path = format!("{folder}/energy_uj");
    let sensor = found.add_number(root, name, Quantity::Energy, &path, Scale::MICRO, JOULES);
    sensor.wraps_at_joules = range.filter(|&range| range > 0).map(|range| range as f64 / 1e6);
}
