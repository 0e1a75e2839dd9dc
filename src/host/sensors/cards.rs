//! Sensors of graphics cards, through the library of their driver: only those of a card that a job uses,
//! while it does.

use super::{Probe, Search};
use crate::bundle::format::Sensor;
use crate::host::nvml::Card;
use crate::host::nvml::readings::{READINGS, Value};
use crate::host::nvml::watch::{WatchedCards, sensors_name};

pub(super) fn find(search: &mut Search<'_>, watched: &WatchedCards) {
    for (card, found) in watched.cards().iter().enumerate() {
        for (reading, kind) in READINGS.iter().enumerate() {
            if kind.is_needed || watched.value(card, reading).is_ok() {
                let name = format!("{} {}", sensors_name(found), kind.name).trim_end().to_owned();
                let probe = Probe::Card { card, reading };
                let sensor = search.add(name, kind.quantity, &path(found), probe);
                sensor.trip_celsius = found.slowdown_celsius.filter(|_| kind.value == Value::Celsius);
            }
        }
    }
}

/// What the bundle names instead of a file.
fn path(card: &Card) -> String {
    format!("{}{}", Sensor::OF_CARD, card.uuid)
}
