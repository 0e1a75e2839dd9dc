//! Statistics: slices of latencies come in, numbers go out.
//!
//! Nothing here opens a file, reads a clock or knows a job. Every method says whose it is; `docs/METHOD.md` explains
//! why these and what they assume. Latencies are whole nanoseconds and may be any `u64`; results are nanoseconds as
//! `f64`, always finite, except in [`summary`], which speaks milliseconds because the bundle does.

use crate::bundle::format::{Interval, Percentile, Summary, Trial};
use crate::units::Nanos;

#[cfg(test)]
#[cfg(feature = "desk")]
mod desk_tests;
pub mod energy;
#[cfg(feature = "desk")]
pub mod moderate;
mod order;
#[cfg(feature = "desk")]
pub mod resample;
#[cfg(feature = "desk")]
pub mod sample;
mod spread;
#[cfg(test)]
mod tests;

pub use order::{
    MedianInterval, Sorted, fewest_runs_for_interval, median_interval_ranks, supports_percentile,
};
pub use spread::{mean, standard_deviation};

/// The confidence at which an interval is given and a percentile is reported: 95 %, the customary level (Le Boudec,
/// *Performance Evaluation of Computer and Communication Systems*, EPFL Press 2010, §2.2).
pub const CONFIDENCE: f64 = 0.95;

/// The percentiles that are reported where the count supports them, ascending: the slow tail that deadlines are made
/// of. The median has a field of its own.
pub const PERCENTILES: &[f64] = &[90.0, 95.0, 99.0, 99.9];

/// Statistics over the timed latencies of all trials together, in milliseconds; `None` where there are none.
///
/// Warm-up and surplus runs do not enter. Pooling treats the runs of all processes as one sample.
pub fn summary(trials: &[Trial]) -> Option<Summary> {
    let latencies = pooled(trials);
    let sorted = Sorted::new(&latencies)?;
    let count = latencies.len();
    Some(Summary {
        count: count as u64,
        trials_used: trials.iter().filter(|trial| !trial.latency_ns.is_empty()).count() as u32,
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
        percentiles: PERCENTILES
            .iter()
            .filter(|&&percent| supports_percentile(count, percent))
            .map(|&percent| Percentile { percent, value: milliseconds(sorted.percentile(percent)) })
            .collect(),
    })
}

/// The timed latencies of all trials, in order.
pub fn pooled(trials: &[Trial]) -> Vec<Nanos> {
    trials.iter().flat_map(|trial| trial.latency_ns.iter().copied()).collect()
}

fn milliseconds(nanoseconds: f64) -> f64 {
    nanoseconds / 1e6
}
