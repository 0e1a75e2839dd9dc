//! What is read of a card while it measures, and in which order both processes list it.

use std::ops::RangeInclusive;

use crate::bundle::format::Quantity;

/// One value of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Celsius,
    GraphicsHertz,
    MemoryHertz,
    Watts,
    /// Energy since the driver was loaded.
    Joules,
    /// Whether this reason lowers the clocks now: a bit of the library's mask.
    Reason(u64),
    /// Seconds for which a limit lowered the clocks since the driver was loaded.
    Slowed(Limit),
}

/// A limit for which the library counts the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Power,
    Thermal,
    Board,
}

/// A value with the name and the sensor that it becomes.
#[derive(Debug)]
pub(crate) struct ReadingKind {
    pub(crate) value: Value,
    /// After the card's name; may be empty.
    pub(crate) name: &'static str,
    pub(crate) quantity: Quantity,
    /// Outside of it, a value is no measurement.
    pub(crate) range: RangeInclusive<f64>,
    /// Listed as unobservable if the card does not report it; others are left out.
    pub(crate) is_needed: bool,
}

const CELSIUS: RangeInclusive<f64> = -40.0..=150.0;
const HERTZ: RangeInclusive<f64> = 0.0..=1e11;
/// The largest modules take little more than a kilowatt.
const WATTS: RangeInclusive<f64> = 0.0..=5e3;
/// 64 bits of millijoules.
const JOULES: RangeInclusive<f64> = 0.0..=1.9e16;
const STATE: RangeInclusive<f64> = 0.0..=1.0;
/// 64 bits of nanoseconds.
const SECONDS: RangeInclusive<f64> = 0.0..=1.9e10;

const fn one(
    value: Value,
    name: &'static str,
    quantity: Quantity,
    range: RangeInclusive<f64>,
    is_needed: bool,
) -> ReadingKind {
    ReadingKind { value, name, quantity, range, is_needed }
}

const fn reason(bit: u64, name: &'static str) -> ReadingKind {
    one(Value::Reason(bit), name, Quantity::CoolingState, STATE, true)
}

const fn slowed(limit: Limit, name: &'static str) -> ReadingKind {
    one(Value::Slowed(limit), name, Quantity::ThrottleTime, SECONDS, false)
}

/// Every value, in the order of answers. The reasons are those that lower a clock against what was set; an
/// idle card, and clocks that somebody set, are none. Source of the bits: nvml.h, `nvmlClocksEventReason…`.
pub(crate) const READINGS: &[ReadingKind] = &[
    one(Value::Celsius, "", Quantity::Temperature, CELSIUS, true),
    one(Value::GraphicsHertz, "", Quantity::GpuFrequency, HERTZ, true),
    one(Value::MemoryHertz, "memory", Quantity::MemoryFrequency, HERTZ, true),
    one(Value::Watts, "", Quantity::Power, WATTS, false),
    one(Value::Joules, "", Quantity::Energy, JOULES, false),
    reason(0x4, "software_power_cap"),
    reason(0x8, "hardware_slowdown"),
    reason(0x10, "sync_boost"),
    reason(0x20, "software_thermal_slowdown"),
    reason(0x40, "hardware_thermal_slowdown"),
    reason(0x80, "hardware_power_brake"),
    slowed(Limit::Power, "power_limit"),
    slowed(Limit::Thermal, "thermal_limit"),
    slowed(Limit::Board, "board_limit"),
];

/// Names of the reasons whose bits are set.
pub(crate) fn reasons_in(mask: u64) -> Vec<String> {
    let named = READINGS.iter().filter_map(|reading| match reading.value {
        Value::Reason(bit) if mask & bit != 0 => Some(reading.name.to_owned()),
        _ => None,
    });
    named.collect()
}
