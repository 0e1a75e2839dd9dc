//! What a host computes in a second, by runtime, as the newest results in an outbox show it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::bundle::format::{Bundle, Latencies, Status};
use crate::bundle::read;
use crate::guarded;
use crate::stats::sample;

/// Results that are read for a rate.
const MOST_READ: usize = 32;

/// Largest decompressed result that is read for an estimate.
const LARGEST_READ_BYTES: u64 = 32 << 20;

/// With one result, or results that agree by chance, a rate is known within this factor at best: networks
/// differ in what a device makes of them.
const LEAST_FACTOR: f64 = 2.0;

/// What a runtime computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Seconds for one operation: low, middle and high.
    pub(super) seconds_per_operation: [f64; 3],
    /// Seconds of each process without its runs.
    pub(super) process_seconds: f64,
}

/// Rates of the runtimes of a job, each read once.
pub(super) struct Rates<'a> {
    outbox: Option<&'a Path>,
    names: &'a [String],
    known: BTreeMap<&'static str, Option<Rate>>,
}

impl<'a> Rates<'a> {
    pub(super) fn new(outbox: Option<&'a Path>, names: &'a [String]) -> Self {
        Self { outbox, names, known: BTreeMap::new() }
    }

    /// `None` without a result of this runtime.
    pub(super) fn of(&mut self, runtime: &'static str) -> Option<Rate> {
        let (outbox, names) = (self.outbox?, self.names);
        *self.known.entry(runtime).or_insert_with(|| {
            let part = format!(".{runtime}.");
            let mut of_runtime: Vec<&String> = names.iter().filter(|name| name.contains(&part)).collect();
            let id = |name: &&String| name.rsplit('.').nth(2).unwrap_or_default().to_owned();
            of_runtime.sort_by_key(id);
            let newest = of_runtime.iter().rev().take(MOST_READ);
            let seen: Vec<[f64; 2]> =
                newest.filter_map(|name| seconds_of(&read_result(outbox, name)?)).collect();
            rate(&seen)
        })
    }
}

/// Seconds of each process of a result without its runs.
pub(super) fn process_seconds(bundle: &Bundle) -> Option<f64> {
    let started: Timestamp = bundle.times.started.as_ref()?.parse().ok()?;
    let finished: Timestamp = bundle.times.finished.parse().ok()?;
    let whole = finished.duration_since(started).as_secs_f64();
    let all = |latencies: &Latencies| {
        let runs = latencies.warm_up_ns.iter().chain(&latencies.latency_ns);
        runs.map(|latency| latency.0 as f64 / 1e9).sum::<f64>()
    };
    let running: f64 = bundle.trials.iter().map(|trial| all(&trial.latencies)).sum();
    Some((whole - running).max(0.0) / bundle.trials.len().max(1) as f64)
}

/// A result in the outbox; `None` if the file is none.
pub(super) fn read_result(outbox: &Path, name: &str) -> Option<Bundle> {
    let file = guarded::open_path(&outbox.join(name)).ok()?;
    read::decode_within(file, LARGEST_READ_BYTES).ok().map(|(bundle, _)| bundle)
}

/// Seconds for an operation, and of a process without its runs.
fn seconds_of(bundle: &Bundle) -> Option<[f64; 2]> {
    let cost = bundle.cost.as_ref().filter(|cost| cost.uncounted.is_empty() && cost.operations > 0)?;
    let summary = bundle.summary.as_ref().filter(|_| bundle.outcome.status == Status::Measured)?;
    Some([summary.mean / 1e3 / cost.operations as f64, process_seconds(bundle)?])
}

fn rate(seen: &[[f64; 2]]) -> Option<Rate> {
    let per_operation: Vec<f64> = seen.iter().map(|[seconds, _]| *seconds).collect();
    let around: Vec<f64> = seen.iter().map(|[_, seconds]| *seconds).collect();
    let middle = sample::median(&per_operation)?;
    let low = sample::percentile(&per_operation, 10.0)?.min(middle / LEAST_FACTOR);
    let high = sample::percentile(&per_operation, 90.0)?.max(middle * LEAST_FACTOR);
    Some(Rate { seconds_per_operation: [low, middle, high], process_seconds: sample::median(&around)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_the_middle_with_its_spread_and_at_least_a_factor_of_two() {
        assert_eq!(rate(&[]), None);
        let one = rate(&[[1e-10, 0.5]]).unwrap();
        assert_eq!((one.seconds_per_operation, one.process_seconds), ([5e-11, 1e-10, 2e-10], 0.5));
        let many: Vec<[f64; 2]> =
            (1..=11).map(|index| [f64::from(index) * 1e-10, f64::from(index)]).collect();
        let spread = rate(&many).unwrap();
        assert_eq!(spread.process_seconds, 6.0);
        let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-15;
        let [low, middle, high] = spread.seconds_per_operation;
        assert!(near(low, 2e-10) && near(middle, 6e-10) && near(high, 1.2e-9), "{spread:?}");
    }
}
