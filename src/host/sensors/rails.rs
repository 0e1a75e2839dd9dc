//! Electric power: rails behind chips such as INA3221 and INA238, and the energy counters of x86 processors
//! (RAPL).
//!
//! L4T up to R32 shows rails through iio in mV, mA and mW; from R34 on through hwmon in mV and mA, and in µW
//! if the chip multiplies. RAPL counts µJ and wraps to zero after `max_energy_range_uj`.

use std::ops::RangeInclusive;

use super::{Attribute, Probe, Scale, Search};
use crate::bundle::format::Quantity;

/// Range of a rail's power. Noise around zero may be negative; no supported board takes a kilowatt.
pub(super) const WATTS: RangeInclusive<f64> = -10.0..=1000.0;

/// Range of an energy counter in joules: at most 64 bits of µJ.
const JOULES: RangeInclusive<f64> = 0.0..=1.9e13;

/// Folder of the RAPL counters.
const COUNTERS: &str = "/sys/class/powercap";

/// Counters of processors, read from their registers, and the same ones read through mapped memory.
const REGISTER_COUNTERS: &str = "intel-rapl:";
const MAPPED_COUNTERS: &str = "intel-rapl-mmio";

/// Prefixes of the names of chips that measure rails.
const CHIPS: &[&str] = &["ina2", "ina3221"];

/// The last channel of a chip, whether counted from 0 or 1. Later ones of an INA3221 are sums.
const LAST_CHANNEL: usize = 3;

pub(super) fn find(search: &mut Search<'_>) {
    let root = search.root;
    for device in root.names_in("/sys/bus/i2c/devices") {
        let device = format!("/sys/bus/i2c/devices/{device}");
        if root.read(format!("{device}/name")).is_ok_and(|name| is_chip(&name)) {
            for inner in root.names_in(&device).into_iter().filter(|name| name.starts_with("iio:device")) {
                iio(search, &format!("{device}/{inner}"));
            }
        }
    }
    for chip in root.names_in("/sys/class/hwmon") {
        let folder = format!("/sys/class/hwmon/{chip}");
        if let Ok(name) = root.read(format!("{folder}/name"))
            && is_chip(&name)
        {
            hwmon(search, &folder, &name);
        }
    }
    let counters = root.names_in(COUNTERS);
    let has_registers = counters.iter().any(|counter| counter.starts_with(REGISTER_COUNTERS));
    for counter in counters {
        // The same counter once more, read another way.
        if !(has_registers && counter.starts_with(MAPPED_COUNTERS)) {
            energy_counter(search, &format!("{COUNTERS}/{counter}"));
        }
    }
}

fn is_chip(name: &str) -> bool {
    CHIPS.iter().any(|start| name.starts_with(start))
}

/// Whether it is a rail; not an unconnected channel, or the chip's sum of its shunts.
fn is_rail(label: &str) -> bool {
    !label.is_empty() && !label.contains("NC") && label != "sum of shunt voltages"
}

fn iio(search: &mut Search<'_>, folder: &str) {
    let root = search.root;
    for channel in 0..=LAST_CHANNEL {
        let Ok(label) = root.read(format!("{folder}/rail_name_{channel}")) else { continue };
        if !is_rail(&label) {
            continue;
        }
        let power = format!("{folder}/in_power{channel}_input");
        if root.path(&power).exists() {
            search.add_number(label, Quantity::Power, &power, Scale::MILLI, WATTS);
        } else {
            let voltage = format!("{folder}/in_voltage{channel}_input");
            product(search, label, &voltage, &format!("{folder}/in_current{channel}_input"));
        }
    }
}

fn hwmon(search: &mut Search<'_>, folder: &str, chip: &str) {
    let root = search.root;
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
            search.add_number(label, Quantity::Power, &power, Scale::MICRO, WATTS);
        } else if root.path(&current).exists() {
            product(search, label, &format!("{folder}/in{channel}_input"), &current);
        }
    }
}

fn product(search: &mut Search<'_>, name: String, voltage: &str, current: &str) {
    let root = search.root;
    let probe = match (Attribute::open(root, voltage), Attribute::open(root, current)) {
        (Ok(millivolts), Ok(milliamperes)) => Probe::Product { millivolts, milliamperes },
        (Err(error), _) | (_, Err(error)) => Probe::Closed(error.kind()),
    };
    search.add(name, Quantity::Power, current, probe);
}

/// A processor package or its memory, which counts apart; other counters are parts of these or hold them.
fn energy_counter(search: &mut Search<'_>, folder: &str) {
    let root = search.root;
    let Ok(name) = root.read(format!("{folder}/name")) else { return };
    if !name.starts_with("package") && name != "dram" {
        return;
    }
    let range =
        root.read(format!("{folder}/max_energy_range_uj")).ok().and_then(|text| text.parse::<u64>().ok());
    let path = format!("{folder}/energy_uj");
    let sensor = search.add_number(name, Quantity::Energy, &path, Scale::MICRO, JOULES);
    sensor.wraps_at_joules = range.filter(|&range| range > 0).map(|range| range as f64 / 1e6);
}
