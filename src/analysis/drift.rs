//! How a device drifted over a job: its sentinels, one fixed network measured again and again, against the
//! first of them. Between two sentinels the ratio is interpolated linearly over time. Rows get the ratio;
//! their latencies stay as they are.

use std::collections::BTreeMap;

use crate::analysis::row::Row;
use crate::bundle::format::{Role, Status};

/// The sentinels of a job on one runtime.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobDrift {
    /// Id of the job.
    pub(crate) job_id: String,
    /// Name of the job.
    pub(crate) job: String,
    /// Name of the host.
    pub(crate) host: Option<String>,
    /// The runtime.
    pub(crate) runtime: String,
    /// Latency of each sentinel divided by that of the first, by its place in the job.
    pub(crate) ratios: Vec<(u64, f64)>,
}

impl JobDrift {
    /// Largest deviation from the first sentinel, as a part of it.
    pub(crate) fn largest(&self) -> f64 {
        let deviations = self.ratios.iter().map(|(_, ratio)| ratio - 1.0);
        deviations.max_by(|one, other| one.abs().total_cmp(&other.abs())).unwrap_or(0.0)
    }
}

/// A point of a series of sentinels.
#[derive(Debug, Clone, Copy)]
struct Point {
    at: f64,
    place: u64,
    mean: f64,
}

/// Sets [`Row::drift`] of every result of a job with at least two sentinels on its runtime, and returns the
/// series of these.
pub(crate) fn assign(rows: &mut [Row]) -> Vec<JobDrift> {
    let mut jobs: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        if let (Some(runtime), Some(_)) = (row.runtime_key(), row.place) {
            jobs.entry((row.job_id.clone(), runtime)).or_default().push(index);
        }
    }
    jobs.into_values().filter_map(|members| of_job(rows, &members)).collect()
}

fn of_job(rows: &mut [Row], members: &[usize]) -> Option<JobDrift> {
    let by_time = times_agree_with_places(rows, members);
    let at = |row: &Row| if by_time { row.middle } else { row.place.map(|place| place as f64) };
    let mut points: Vec<Point> = members
        .iter()
        .map(|&member| &rows[member])
        .filter(|row| row.role == Role::Sentinel && row.status == Status::Measured)
        .filter_map(|row| {
            let mean = row.latency.map(|latency| latency.mean).filter(|mean| *mean > 0.0)?;
            Some(Point { at: at(row)?, place: row.place?, mean })
        })
        .collect();
    points.sort_by(|one, other| one.at.total_cmp(&other.at));
    let first = points.first().filter(|_| points.len() > 1)?.mean;
    for &member in members {
        let row = &rows[member];
        rows[member].drift = at(row).map(|at| interpolated(&points, at) / first);
    }
    let row = &rows[members[0]];
    Some(JobDrift {
        job_id: row.job_id.clone(),
        job: row.job.clone(),
        host: row.identity.machine.host.clone(),
        runtime: row.identity.software.as_ref().map(|software| software.runtime.clone()).unwrap_or_default(),
        ratios: points.iter().map(|point| (point.place, point.mean / first)).collect(),
    })
}

/// A host's clock may jump; the places in the job do not.
fn times_agree_with_places(rows: &[Row], members: &[usize]) -> bool {
    let mut placed: Vec<(Option<u64>, Option<f64>)> =
        members.iter().map(|&member| (rows[member].place, rows[member].middle)).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.iter().all(|(_, middle)| middle.is_some()) && placed.windows(2).all(|pair| pair[0].1 <= pair[1].1)
}

/// Mean of the sentinel at that time: between its neighbours, or that of the nearest beyond the ends.
fn interpolated(points: &[Point], at: f64) -> f64 {
    let next = points.partition_point(|point| point.at <= at);
    match (next.checked_sub(1).map(|last| points[last]), points.get(next)) {
        (Some(before), Some(after)) => {
            before.mean + (after.mean - before.mean) * (at - before.at) / (after.at - before.at)
        }
        (Some(only), None) => only.mean,
        (None, Some(only)) => only.mean,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::row::{Row, RowLatency};
    use crate::random::split_mix_64;

    /// A row of a study: its place, when it was measured, how long its network takes, and how much slower the
    /// device was by then.
    fn row(template: &Row, role: Role, place: u64, at: f64, latency: f64) -> Row {
        let mean = RowLatency { mean: latency, median: latency, ..template.latency.unwrap() };
        Row {
            role,
            place: Some(place),
            middle: Some(at),
            latency: Some(mean),
            job_id: "1".to_owned(),
            ..template.clone()
        }
    }

    fn template() -> Row {
        let bundle = crate::bundle::read::decode(
            fs_err::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundles/v2-measured.json.gz"))
                .unwrap(),
        );
        Row::new(bundle.unwrap(), "a".to_owned(), "0".to_owned())
    }

    /// The levels of a factor of each of 48 configurations; level 1 takes 20 % longer.
    const LEVELS: usize = 48;

    /// The contrast of the factor, and its bias: raw and corrected. `order` has the configurations in the
    /// order of their measurement; the device gets slower by 10 % as a board that heats up does, fast and
    /// then slowly.
    fn biases(order: &[usize], every: usize) -> (f64, f64) {
        let template = template();
        let (mut rows, mut levels, mut at, mut place) = (Vec::new(), Vec::new(), 0.0, 0);
        let total = 60.0 * (LEVELS as f64 + LEVELS as f64 / every as f64);
        let slowness = |at: f64| 1.0 + 0.1 * (1.0 - (-3.0 * at / total).exp());
        let mut measure = |role, latency: f64, level: Option<usize>| {
            place += 1;
            at += 60.0;
            rows.push(row(&template, role, place, at, latency * slowness(at)));
            levels.push(level);
        };
        measure(Role::Sentinel, 7.0, None);
        for (index, &configuration) in order.iter().enumerate() {
            let level = usize::from(configuration >= LEVELS / 2);
            measure(Role::Configuration, if level == 1 { 12.0 } else { 10.0 }, Some(level));
            if (index + 1) % every == 0 {
                measure(Role::Sentinel, 7.0, None);
            }
        }
        assign(&mut rows);
        let contrast = |of: &dyn Fn(&Row) -> f64| {
            let mean = |wanted: usize| {
                let logs: Vec<f64> = rows
                    .iter()
                    .zip(&levels)
                    .filter(|(_, level)| **level == Some(wanted))
                    .map(|(row, _)| of(row).ln())
                    .collect();
                logs.iter().sum::<f64>() / logs.len() as f64
            };
            ((mean(1) - mean(0)).exp() / 1.2 - 1.0).abs()
        };
        let raw = contrast(&|row| row.latency.unwrap().mean);
        (raw, contrast(&|row| row.latency.unwrap().mean / row.drift.unwrap()))
    }

    fn shuffled(seed: u64) -> Vec<usize> {
        let mut state = seed;
        let mut order: Vec<usize> = (0..LEVELS).collect();
        for last in (1..LEVELS).rev() {
            order.swap(last, (split_mix_64(&mut state) % (last as u64 + 1)) as usize);
        }
        order
    }

    #[test]
    fn drift_of_ten_percent_biases_a_contrast_by_less_than_half_a_percent_in_random_order_with_a_sentinel() {
        let listed: Vec<usize> = (0..LEVELS).collect();
        let (raw, corrected) = biases(&listed, 4);
        assert!(raw > 0.02, "in the listed order drift is taken for an effect: {raw}");
        assert!(corrected < 0.005, "{corrected}");
        let mut largest: f64 = 0.0;
        for seed in 1..=200 {
            let (_, corrected) = biases(&shuffled(seed), 4);
            largest = largest.max(corrected);
        }
        println!("largest bias of 200 orders: {largest}");
        assert!(largest < 0.005, "{largest}");
    }

    #[test]
    fn ratio_is_interpolated_over_time_and_over_places_if_the_clock_jumped() {
        let template = template();
        let of = |times: [f64; 4]| {
            let mut rows = vec![
                row(&template, Role::Sentinel, 1, times[0], 10.0),
                row(&template, Role::Configuration, 2, times[1], 5.0),
                row(&template, Role::Configuration, 3, times[2], 5.0),
                row(&template, Role::Sentinel, 4, times[3], 13.0),
            ];
            let drifts = assign(&mut rows);
            assert!((drifts[0].largest() - 0.3).abs() < 1e-12 && drifts.len() == 1);
            rows.iter().map(|row| row.drift.unwrap()).collect::<Vec<f64>>()
        };
        let near = |found: Vec<f64>, wanted: [f64; 4]| {
            assert!(found.iter().zip(wanted).all(|(one, other)| (one - other).abs() < 1e-12), "{found:?}");
        };
        near(of([0.0, 10.0, 50.0, 100.0]), [1.0, 1.03, 1.15, 1.3]);
        near(of([0.0, 1e9, 50.0, 100.0]), [1.0, 1.1, 1.2, 1.3]);
    }

    #[test]
    fn job_with_fewer_than_two_sentinels_has_no_drift() {
        let template = template();
        let mut rows = vec![
            row(&template, Role::Sentinel, 1, 0.0, 10.0),
            row(&template, Role::Configuration, 2, 1.0, 5.0),
        ];
        assert!(assign(&mut rows).is_empty() && rows.iter().all(|row| row.drift.is_none()));
        assert!(assign(&mut []).is_empty());
    }
}
