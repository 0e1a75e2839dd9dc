//! Temperatures, throttling, fans, and whether the host tells of its clocks and its power. All read by the sensors that also
//! observe a measurement.

use super::Finding;
use super::subject::Subject;
use crate::bundle::format::{Quantity, Sensor};
use crate::text::first_few;

/// Nearer than this to its trip point a zone reaches it within a trial.
const NEAR_CELSIUS: f64 = 5.0;

/// A device at rest is further than this below its trip points: the fake hosts', which have values of real ones, by 28 °C and more.
const WARM_CELSIUS: f64 = 20.0;

/// Hotter than this a chip at rest is not well cooled, whatever its trip points: consumer parts are made for 85 to 105 °C.
const HOT_CELSIUS: f64 = 75.0;

const LET_COOL: &str =
    "let it cool, see whether its fan turns, and let jobs ask for `host: {start_below_celsius: 50}`";

pub(super) fn sensors(subject: &Subject) -> Finding {
    let (told, silent): (Vec<_>, Vec<_>) =
        subject.sensors_of(Quantity::Temperature).partition(|(_, value)| value.is_some());
    let silent = first_few(silent.iter().map(|(sensor, _)| sensor.name.as_str()));
    match (told.len(), silent.as_str()) {
        (0, _) => Finding::unobservable("no temperature can be read"),
        (count, "") => Finding::ok(format!("{count} temperatures can be read")),
        (count, silent) => {
            Finding::ok(format!("{count} temperatures can be read, and not those of {silent}"))
        }
    }
}

pub(super) fn temperature(subject: &Subject) -> Finding {
    let told: Vec<(&Sensor, f64)> = subject
        .sensors_of(Quantity::Temperature)
        .filter_map(|(sensor, value)| Some((sensor, value?)))
        .collect();
    let below_trip = |(sensor, celsius): &(&Sensor, f64)| Some(sensor.trip_celsius? - celsius);
    let nearest = told
        .iter()
        .filter_map(|told| Some((told, below_trip(told)?)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    if let Some(((sensor, celsius), left)) = nearest.filter(|(_, left)| *left < WARM_CELSIUS) {
        let trip = celsius + left;
        let observed = format!("{} is at {celsius:.1} °C and throttles from {trip:.0} °C", sensor.name);
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
        Some((sensor, celsius)) => Finding::ok(format!("the hottest is {} at {celsius:.1} °C", sensor.name)),
    }
}

pub(super) fn trip_points(subject: &Subject) -> Finding {
    let lowest = subject
        .sensors_of(Quantity::Temperature)
        .filter_map(|(sensor, _)| Some((sensor, sensor.trip_celsius?)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    match lowest {
        Some((sensor, celsius)) => {
            Finding::ok(format!("the lowest trip point is {celsius:.0} °C, of {}", sensor.name))
        }
        None => Finding::unobservable("no zone tells at which temperature it throttles"),
    }
}

pub(super) fn throttling(subject: &Subject) -> Finding {
    let states: Vec<(&Sensor, f64)> = subject
        .sensors_of(Quantity::CoolingState)
        .filter_map(|(sensor, state)| Some((sensor, state?)))
        .collect();
    let throttled =
        first_few(states.iter().filter(|(_, state)| *state > 0.0).map(|(sensor, _)| sensor.name.as_str()));
    match (states.is_empty(), throttled.as_str()) {
        (true, _) => Finding::unobservable("no cooling device of the kernel tells whether it throttles"),
        (false, "") => Finding::ok("no cooling device throttles"),
        (false, throttled) => Finding::problem(format!("throttled now: {throttled}"), LET_COOL),
    }
}

pub(super) fn throttle_history(subject: &Subject) -> Finding {
    let counts: Vec<(&Sensor, f64)> = subject
        .sensors_of(Quantity::ThrottleCount)
        .filter_map(|(sensor, count)| Some((sensor, count?)))
        .collect();
    let risen: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0.0)
        .map(|(sensor, count)| format!("{} {count:.0} times", sensor.name))
        .collect();
    if counts.is_empty() {
        Finding::unobservable("the host does not count throttling")
    } else if risen.is_empty() {
        Finding::ok("nothing was throttled since the host started")
    } else {
        let shown = first_few(&risen);
        Finding::advice(
            format!("throttled since the host started: {shown}"),
            "see to cooling and power supply, or ask for a smaller power mode; counters start again with the host",
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
    // As L4T 32 has it; its target is what the daemon of its profile asks for.
    match subject.number("/sys/devices/pwm-fan/target_pwm") {
        Some(0) => stopped.push("/sys/devices/pwm-fan/target_pwm".to_owned()),
        Some(_) => turning += 1,
        None => {}
    }
    if turning > 0 {
        return Finding::ok("a fan turns");
    }
    let Some(first) = stopped.first() else {
        return Finding::unobservable("the host shows no fan");
    };
    let remedy = match subject.is_jetson() {
        true => "`sudo jetson_clocks --fan`; or `sudo nvpmodel -d cool` on L4T 32, the profile of nvfancontrol later".to_owned(),
        false => format!("`echo 255 | sudo tee {}`, or the firmware's fan settings", first.replace("_input", "")),
    };
    Finding::advice("the fan stands still", remedy)
}

pub(super) fn frequency_sensors(subject: &Subject) -> Finding {
    match subject.sensors_of(Quantity::CpuFrequency).filter(|(_, value)| value.is_some()).count() {
        0 => Finding::unobservable("the processors do not tell how fast they run, so a drift is not seen"),
        count => Finding::ok(format!("{count} processors tell how fast they run")),
    }
}

pub(super) fn energy_sensor(subject: &Subject) -> Finding {
    let all: Vec<(&Sensor, Option<f64>)> =
        subject.sensors_of(Quantity::Power).chain(subject.sensors_of(Quantity::Energy)).collect();
    let told =
        first_few(all.iter().filter(|(_, value)| value.is_some()).map(|(sensor, _)| sensor.name.as_str()));
    if !told.is_empty() {
        return Finding::ok(format!("power is told by {told}"));
    }
    match all.first() {
        None => Finding::unobservable("no rail and no counter tells of power, so energy is not measured"),
        Some((sensor, _)) => Finding::advice(
            format!("{} is there and can not be read", sensor.path),
            format!("`sudo chmod a+r {}`, until the next start; the service's unit may read it", sensor.path),
        ),
    }
}
