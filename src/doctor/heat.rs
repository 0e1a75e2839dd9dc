//! Temperatures, throttling, fans, and whether clocks and power can be read. All values come from the sensors
//! that also observe a measurement.

use super::Finding;
use super::subject::Subject;
use crate::bundle::format::{Quantity, Sensor};
use crate::host::sensors::total_of;
use crate::text::first_few;

/// A zone closer than this to its trip point reaches it within a trial.
const NEAR_CELSIUS: f64 = 5.0;

/// A device at rest is further than this below its trip points: the fake hosts, which have values of real
/// devices, are 28 °C or more below.
const WARM_CELSIUS: f64 = 20.0;

/// A chip at rest that is hotter than this is poorly cooled, whatever its trip points: consumer parts are
/// rated for 85 to 105 °C.
const HOT_CELSIUS: f64 = 75.0;

const LET_COOL: &str = "let it cool down, check the fan, and set `host: {start_below_celsius: 50}` in jobs";

pub(super) fn sensors(subject: &Subject) -> Finding {
    let (told, silent): (Vec<_>, Vec<_>) =
        subject.sensors_of(Quantity::Temperature).partition(|(_, value)| value.is_some());
    let silent = first_few(silent.iter().map(|(sensor, _)| sensor.name.as_str()));
    match (told.len(), silent.as_str()) {
        (0, _) => Finding::unobservable("no temperature can be read"),
        (count, "") => Finding::ok(format!("{count} temperatures can be read")),
        (count, silent) => Finding::ok(format!("{count} temperatures can be read, but not {silent}")),
    }
}

pub(super) fn temperature(subject: &Subject) -> Finding {
    let told: Vec<(&Sensor, f64)> = subject.readings(Quantity::Temperature).collect();
    let below_trip = |(sensor, celsius): &(&Sensor, f64)| Some(sensor.trip_celsius? - celsius);
    let nearest = told
        .iter()
        .filter_map(|told| Some((told, below_trip(told)?)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    if let Some(((sensor, celsius), left)) = nearest.filter(|(_, left)| *left < WARM_CELSIUS) {
        let trip = celsius + left;
        let observed = format!("{} is at {celsius:.1} °C; it throttles at {trip:.0} °C", sensor.name);
        return match left < NEAR_CELSIUS {
            true => Finding::problem(observed, LET_COOL),
            false => Finding::advice(observed, LET_COOL),
        };
    }
    match told.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        None => Finding::unobservable("no temperature can be read"),
        Some((sensor, celsius)) if *celsius > HOT_CELSIUS => {
            Finding::advice(format!("{} is at {celsius:.1} °C", sensor.name), LET_COOL)
        }
        Some((sensor, celsius)) => {
            Finding::ok(format!("the hottest zone is {} at {celsius:.1} °C", sensor.name))
        }
    }
}

pub(super) fn trip_points(subject: &Subject) -> Finding {
    let lowest = subject
        .sensors_of(Quantity::Temperature)
        .filter_map(|(sensor, _)| Some((sensor, sensor.trip_celsius?)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    match lowest {
        Some((sensor, celsius)) => {
            Finding::ok(format!("the lowest trip point is {celsius:.0} °C ({})", sensor.name))
        }
        None => Finding::unobservable("no zone has a trip point at which it throttles"),
    }
}

pub(super) fn throttling(subject: &Subject) -> Finding {
    let states: Vec<(&Sensor, f64)> = subject.readings(Quantity::CoolingState).collect();
    let throttled =
        first_few(states.iter().filter(|(_, state)| *state > 0.0).map(|(sensor, _)| sensor.name.as_str()));
    match (states.is_empty(), throttled.as_str()) {
        (true, _) => Finding::unobservable("the kernel has no cooling device that shows throttling"),
        (false, "") => Finding::ok("nothing is throttled"),
        (false, throttled) => Finding::problem(format!("throttled now: {throttled}"), LET_COOL),
    }
}

pub(super) fn throttle_history(subject: &Subject) -> Finding {
    let counts: Vec<(&Sensor, f64)> = subject.readings(Quantity::ThrottleCount).collect();
    let risen: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0.0)
        .map(|(sensor, count)| format!("{} {count:.0} times", sensor.name))
        .collect();
    if counts.is_empty() {
        Finding::unobservable("this host does not count throttling")
    } else if risen.is_empty() {
        Finding::ok("nothing has been throttled since boot")
    } else {
        let shown = first_few(&risen);
        Finding::advice(
            format!("throttled since boot: {shown}"),
            "improve cooling or power supply, or use a lower power mode; a reboot resets the counters",
        )
    }
}

pub(super) fn fan(subject: &Subject) -> Finding {
    let mut stopped = Vec::new();
    let mut turning = 0;
    for chip in subject.root.names_in("/sys/class/hwmon") {
        let folder = format!("/sys/class/hwmon/{chip}");
        for file in subject.root.names_in(&folder) {
            let is_fan = file.starts_with("fan") && file.ends_with("_input");
            let is_driven = file.strip_prefix("pwm").is_some_and(|rest| rest.parse::<u32>().is_ok());
            if is_fan || is_driven {
                match subject.number(&format!("{folder}/{file}")) {
                    Some(0) => stopped.push(format!("{folder}/{file}")),
                    Some(_) => turning += 1,
                    None => {}
                }
            }
        }
    }
    // L4T 32 has this file; its fan service sets the target.
    match subject.number("/sys/devices/pwm-fan/target_pwm") {
        Some(0) => stopped.push("/sys/devices/pwm-fan/target_pwm".to_owned()),
        Some(_) => turning += 1,
        None => {}
    }
    if turning > 0 {
        return Finding::ok("a fan is running");
    }
    let Some(first) = stopped.first() else {
        return Finding::unobservable("no fan is visible");
    };
    let remedy = match subject.is_jetson() {
        true => "`sudo jetson_clocks --fan`, `sudo nvpmodel -d cool` on L4T 32, or the profile of nvfancontrol on later releases".to_owned(),
        false => format!("`echo 255 | sudo tee {}`, or change the fan settings in the firmware", first.replace("_input", "")),
    };
    Finding::advice("the fan is not running", remedy)
}

pub(super) fn frequency_sensors(subject: &Subject) -> Finding {
    match subject.readings(Quantity::CpuFrequency).count() {
        0 => Finding::unobservable("the current processor clocks cannot be read, so a drift goes unnoticed"),
        count => Finding::ok(format!("the current clocks of {count} processors can be read")),
    }
}

pub(super) fn energy_sensor(subject: &Subject) -> Finding {
    let all: Vec<(&Sensor, Option<f64>)> =
        subject.sensors_of(Quantity::Power).chain(subject.sensors_of(Quantity::Energy)).collect();
    let told =
        first_few(all.iter().filter(|(_, value)| value.is_some()).map(|(sensor, _)| sensor.name.as_str()));
    if !told.is_empty() {
        let sensors: Vec<&Sensor> = all.iter().map(|(sensor, _)| *sensor).collect();
        return match total_of(&sensors) {
            Ok(_) => Finding::ok(format!("power can be read from {told}")),
            Err(reason) => Finding::unobservable(reason),
        };
    }
    match all.first() {
        None => Finding::unobservable("this host has no power or energy sensor, so energy is not measured"),
        Some((sensor, _)) => Finding::advice(
            format!("{} exists but cannot be read", sensor.path),
            format!(
                "run the daemon as a service, which may read it, or `sudo chmod a+r {}` until the next boot",
                sensor.path
            ),
        ),
    }
}
