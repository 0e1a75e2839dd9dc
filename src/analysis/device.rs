//! Which device changed, and since when: the sentinels of each platform over time, whatever job measured
//! them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::row::Row;
use crate::bundle::format::{Role, Status};
use crate::stats::levels;

/// The series of one network that was measured as a sentinel on one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DeviceSeries {
    /// The platform.
    pub platform: usize,
    /// Name of the host.
    pub host: Option<String>,
    /// The network.
    pub subject: String,
    /// Its rows, by time.
    pub rows: Vec<usize>,
    /// Changes of its level, in order.
    pub changes: Vec<DeviceChange>,
}

/// A change of the level of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DeviceChange {
    /// When the first result of the new level was finished; RFC 3339, UTC.
    pub since: String,
    /// Median latency of the new level divided by that of the level before.
    pub ratio: f64,
}

/// The series of every platform that has sentinels, by platform and network.
pub(crate) fn series(rows: &[Row]) -> Vec<DeviceSeries> {
    let mut members: BTreeMap<(usize, String), Vec<(usize, f64)>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let is_sentinel = row.role == Role::Sentinel && row.status == Status::Measured;
        let (Some(platform), Some(subject), true) = (row.platform, row.subject(), is_sentinel) else {
            continue;
        };
        if let Some(latency) = row.latency {
            members.entry((platform, subject)).or_default().push((index, latency.mean));
        }
    }
    members.into_iter().map(|((platform, subject), found)| of(rows, platform, subject, found)).collect()
}

fn of(rows: &[Row], platform: usize, subject: String, mut found: Vec<(usize, f64)>) -> DeviceSeries {
    found.sort_by(|(one, _), (other, _)| {
        (&rows[*one].finished, &rows[*one].id).cmp(&(&rows[*other].finished, &rows[*other].id))
    });
    let means: Vec<f64> = found.iter().map(|(_, mean)| *mean).collect();
    let change = |step: levels::LevelStep| DeviceChange {
        since: rows[found[step.start].0].finished.clone(),
        ratio: step.ratio,
    };
    DeviceSeries {
        platform,
        host: rows[found[0].0].identity.machine.host.clone(),
        subject,
        changes: levels::steps(&means).into_iter().map(change).collect(),
        rows: found.into_iter().map(|(index, _)| index).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::split_mix_64;

    #[test]
    fn device_that_changed_is_named_with_the_day_and_the_others_are_not() {
        let file =
            fs_err::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundles/v2-measured.json.gz"));
        let bundle = crate::bundle::read::decode(file.unwrap()).unwrap();
        let template = Row::new(bundle, "a".to_owned(), "0".to_owned());
        let row = |platform: usize, day: usize, mean: f64| {
            let mut row = template.clone();
            (row.platform, row.role) = (Some(platform), Role::Sentinel);
            row.finished = format!("2026-03-{day:02}T04:00:00Z");
            row.latency.as_mut().unwrap().mean = mean;
            row
        };
        let (mut rows, mut state) = (Vec::new(), 1);
        for day in 1..=28 {
            let wobble = 1.0 + 0.02 * (split_mix_64(&mut state) >> 40) as f64 / (1 << 24) as f64;
            rows.push(row(0, day, 10.0 * wobble));
            rows.push(row(1, day, if day < 17 { 10.0 } else { 10.9 } * wobble));
        }
        rows.reverse();
        rows.push(Row { role: Role::Configuration, ..row(1, 28, 99.0) });
        let found = series(&rows);
        assert_eq!((found.len(), found[0].rows.len(), found[1].rows.len()), (2, 28, 28));
        assert_eq!(found[0].changes, []);
        assert_eq!(found[1].changes.len(), 1, "{:?}", found[1].changes);
        assert_eq!(found[1].changes[0].since, "2026-03-17T04:00:00Z");
        assert!((found[1].changes[0].ratio - 1.09).abs() < 0.01);
        assert!(series(&[]).is_empty());
    }
}
