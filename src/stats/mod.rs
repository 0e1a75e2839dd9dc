//! Statistics: slices of latencies come in, numbers go out.
//!
//! Nothing here opens a file, reads a clock or knows a job. Every method says whose it is; `docs/METHOD.md`
//! explains why these and what they assume. Latencies are whole nanoseconds and may be any `u64`; results are
//! nanoseconds as `f64`, always finite, except in [`summary`], which uses milliseconds as the bundle does.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::bundle::format::{Interval, MissingPercentile, Percentile, Summary, Trial, VarianceSplit};
use crate::stats::dependence::Dependence;
use crate::units::Nanos;

pub(crate) mod dependence;
#[cfg(test)]
#[cfg(feature = "desk")]
mod desk_tests;
pub mod energy;
#[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "the desk side needs all of it"))]
mod gamma;
#[cfg(feature = "desk")]
mod holm;
pub(crate) mod levels;
#[cfg(feature = "desk")]
pub(crate) mod moderate;
pub(crate) mod modes;
mod order;
mod percentile;
#[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "the desk side needs all of it"))]
pub mod resample;
pub(crate) mod sample;
mod series;
#[cfg(test)]
mod series_tests;
mod spread;
#[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "the desk side needs all of it"))]
pub(crate) mod student;
#[cfg(test)]
mod tests;
pub(crate) mod trend;
mod variance;

#[cfg(feature = "desk")]
pub(crate) use holm::holm;
pub(crate) use order::{Sorted, fewest_runs_for_interval, median_interval_ranks};
pub(crate) use series::Series;
pub use spread::mean;
pub(crate) use spread::standard_deviation;

/// The confidence at which an interval is given and a percentile is reported: 95 %, the customary level (Le
/// Boudec, *Performance Evaluation of Computer and Communication Systems*, EPFL Press 2010, §2.2).
pub(crate) const CONFIDENCE: f64 = 0.95;

/// The two ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The percentiles that are reported if the count supports them, ascending: those that MLPerf reports, and
/// two more.
pub(crate) const PERCENTILES: &[f64] = &[50.0, 75.0, 80.0, 90.0, 95.0, 97.0, 99.0, 99.9];

/// Statistics over the timed latencies of all trials of the chosen build together, in milliseconds; `None`
/// without latencies.
///
/// Warm-up and surplus runs do not enter. Pooling treats the runs of all processes as one sample.
pub fn summary(trials: &[Trial]) -> Option<Summary> {
    let latencies = pooled(trials);
    let sorted = Sorted::new(&latencies)?;
    let count = latencies.len();
    let every: Vec<Series> = trials.iter().filter_map(Series::of).collect();
    let chosen = chosen_build(trials);
    let parts: Vec<(Dependence, usize)> = every
        .iter()
        .filter(|series| Some(series.id.build) == chosen)
        .map(|series| (series.dependence.clone(), series.count))
        .collect();
    Some(Summary {
        count: count as u64,
        build: has_several_builds(trials).then(|| chosen_build(trials)).flatten(),
        trials_used: of_chosen_build(trials).filter(|trial| !trial.latencies.latency_ns.is_empty()).count()
            as u32,
        mean: milliseconds(mean(&latencies)?),
        standard_deviation: standard_deviation(&latencies).map(milliseconds),
        median: milliseconds(sorted.median()),
        minimum: sorted.minimum().as_milliseconds(),
        maximum: sorted.maximum().as_milliseconds(),
        median_interval: sorted.median_interval().map(|interval| Interval {
            low: interval.low.as_milliseconds(),
            high: interval.high.as_milliseconds(),
            confidence: interval.confidence,
        }),
        percentiles: PERCENTILES.iter().filter_map(|&percent| percentile_of(&sorted, percent)).collect(),
        missing_percentiles: PERCENTILES.iter().filter_map(|&percent| missing(count, percent)).collect(),
        mean_interval: dependence::mean_interval(&parts).map(|Span { low, high }| Interval {
            low,
            high,
            confidence: CONFIDENCE,
        }),
        effective_count: Some(parts.iter().map(|(part, _)| part.effective_count).sum()),
        variance: variance::split(&every.iter().map(Series::moments).collect::<Vec<_>>()).map(|split| {
            VarianceSplit {
                between_builds: split.builds,
                between_processes: split.processes,
                between_runs: split.runs,
            }
        }),
        trials: every.iter().map(Series::statistics).collect(),
    })
}

/// A percentile with its bound, if there are enough latencies for it.
fn percentile_of(sorted: &Sorted, percent: f64) -> Option<Percentile> {
    let discarded = percentile::discarded(sorted.count(), percent)?;
    let value = milliseconds(sorted.percentile(percent));
    Some(Percentile { percent, value, upper_bound: Some(sorted.slowest(discarded).as_milliseconds()) })
}

/// Why a percentile is not reported; `None` if it is.
fn missing(count: usize, percent: f64) -> Option<MissingPercentile> {
    percentile::discarded(count, percent).is_none().then(|| MissingPercentile {
        percent,
        value: None,
        reason: format!(
            "needs {} latencies for a confidence of {:.0} %, and there are {count}",
            percentile::fewest_for_percentile(percent),
            percentile::PERCENTILE_CONFIDENCE * 100.0
        ),
    })
}

/// The timed latencies of all trials of the chosen build, in order.
pub fn pooled(trials: &[Trial]) -> Vec<Nanos> {
    of_chosen_build(trials).flat_map(|trial| trial.latencies.latency_ns.iter().copied()).collect()
}

/// The trials of the build with the lowest mean.
pub(crate) fn of_chosen_build(trials: &[Trial]) -> impl Iterator<Item = &Trial> {
    let chosen = chosen_build(trials);
    trials.iter().filter(move |trial| Some(trial.id.build) == chosen)
}

/// The build whose timed latencies have the lowest mean, as the paper chooses among its builds; the first of
/// equal ones.
///
/// The choice is biased downwards: the minimum of several noisy means is below the mean of any one build.
fn chosen_build(trials: &[Trial]) -> Option<u32> {
    means_of_builds(trials).into_iter().min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(build, _)| build)
}

/// Every build that has latencies, with their mean in nanoseconds, in ascending order of its number.
pub(crate) fn means_of_builds(trials: &[Trial]) -> Vec<(u32, f64)> {
    let builds: BTreeSet<u32> = trials.iter().map(|trial| trial.id.build).collect();
    let mean_of = |build: u32| {
        let of_build = trials.iter().filter(|trial| trial.id.build == build);
        let latencies: Vec<Nanos> =
            of_build.flat_map(|trial| trial.latencies.latency_ns.iter().copied()).collect();
        mean(&latencies).map(|mean| (build, mean))
    };
    builds.into_iter().filter_map(mean_of).collect()
}

fn has_several_builds(trials: &[Trial]) -> bool {
    trials.iter().any(|trial| trial.id.build != trials[0].id.build)
}

fn milliseconds(nanoseconds: f64) -> f64 {
    nanoseconds / 1e6
}
