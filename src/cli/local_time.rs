//! Times as people read them: in the time zone of this computer, to the minute.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time as bundles have it, in the local time zone: `2026-11-28 10:48`. As it is if it is not a time.
pub(super) fn local(time: &str) -> String {
    // Snapshots of the tests are the same everywhere.
    within(time, if cfg!(test) { TimeZone::UTC } else { TimeZone::system() })
}

/// So many seconds after a time, likewise; `None` if it is not a time.
pub(super) fn later(time: &str, seconds: f64) -> Option<String> {
    let seconds = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    let ends = time.parse::<Timestamp>().ok()?.checked_add(seconds).ok()?;
    Some(local(&ends.to_string()))
}

/// Seconds from a time until `now`, none below zero; `None` if it is not a time.
pub(super) fn seconds_since(time: &str, now: Timestamp) -> Option<f64> {
    Some((now - time.parse::<Timestamp>().ok()?).total(jiff::Unit::Second).ok()?.max(0.0))
}

fn within(time: &str, zone: TimeZone) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_zone_and_anything_else_stays_as_it_is() {
        let zone = TimeZone::fixed(jiff::tz::offset(-9));
        assert_eq!(within("2026-01-01T03:04:05.678Z", zone.clone()), "2025-12-31 18:04");
        assert_eq!(within("yesterday", zone), "yesterday");
        let now = "2026-01-01T03:04:05Z".parse().unwrap();
        assert_eq!(seconds_since("2026-01-01T03:03:03.5Z", now), Some(61.5));
        assert_eq!(seconds_since("2026-01-01T03:05:00Z", now), Some(0.0));
        assert_eq!(seconds_since("yesterday", now), None);
    }
}
