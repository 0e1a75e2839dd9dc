//! Reasons from the latencies themselves.

use super::thresholds::{
    BUILDS_DISAGREE, CLOCK_STEPS_IN_MEDIAN, DRIFT, FEWEST_FOR_GROUPS, HEAVY_TAIL, LEVEL_CHANGE, MODES_DIFFER,
    NOT_STEADY, PROCESSES_DISAGREE, SLOW_FIRST_RUNS, STEADY_SHARE, TREND_SCORE, WIDE_SPREAD,
};
use super::{Evidence, Measured, relative};
use crate::bundle::format::Trial;
use crate::stats::levels::Stretch;
use crate::stats::{self, Series, Sorted};

pub(super) fn few_runs(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let count = measured?.sorted.count();
    let fewest = stats::fewest_runs_for_interval();
    (count < fewest).then(|| format!("timed runs: {count}; an interval requires {fewest}"))
}

pub(super) fn near_clock_resolution(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let median = measured?.sorted.median();
    let of_trials = stats::of_chosen_build(evidence.trials).filter_map(|trial| trial.latencies.clock_step_ns);
    let step = of_trials.max().unwrap_or(evidence.clock_resolution).0;
    (median < step as f64 * CLOCK_STEPS_IN_MEDIAN as f64)
        .then(|| format!("median {median:.0} ns, clock step {step} ns"))
}

pub(super) fn wide_spread(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let sorted = &measured?.sorted;
    if sorted.count() < stats::fewest_runs_for_interval() {
        return None; // Quartiles of five runs mean nothing, and `few_runs` covers them.
    }
    let (lower, upper) = (sorted.percentile(25.0), sorted.percentile(75.0));
    let spread = relative(upper - lower, sorted.median());
    (spread > WIDE_SPREAD).then(|| {
        format!(
            "quartiles {:.6} ms and {:.6} ms are {:.1} % of the median apart",
            lower / 1e6,
            upper / 1e6,
            spread * 100.0
        )
    })
}

pub(super) fn drift(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let drifting: Vec<String> = evidence.trials.iter().filter_map(drift_of).collect();
    (!drifting.is_empty()).then(|| drifting.join("; "))
}

fn drift_of(trial: &Trial) -> Option<String> {
    let (first, second) = trial.latencies.latency_ns.split_at(trial.latencies.latency_ns.len() / 2);
    let (first, second, all) =
        (Sorted::new(first)?, Sorted::new(second)?, Sorted::new(&trial.latencies.latency_ns)?);
    let (before, after) = (first.median_interval()?, second.median_interval()?);
    let change = relative(second.median() - first.median(), all.median());
    let apart = before.high < after.low || after.high < before.low;
    (apart && change.abs() > DRIFT).then(|| {
        format!(
            "build {}, process {}: the median of the second half of the runs is {:+.1} % from that of the first",
            trial.id.build,
            trial.id.process,
            change * 100.0
        )
    })
}

pub(super) fn processes_disagree(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let overall = measured?.sorted.median();
    let medians: Vec<f64> = stats::of_chosen_build(evidence.trials)
        .filter_map(|trial| Sorted::new(&trial.latencies.latency_ns))
        .map(|sorted| sorted.median())
        .collect();
    if medians.len() < 2 {
        return None;
    }
    let fastest = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = medians.iter().copied().fold(0.0, f64::max);
    let range = relative(slowest - fastest, overall);
    (range > PROCESSES_DISAGREE).then(|| {
        format!(
            "medians of {} processes range from {:.6} to {:.6} ms, {:.1} % of the overall median",
            medians.len(),
            fastest / 1e6,
            slowest / 1e6,
            range * 100.0
        )
    })
}

/// Such as `build 1, process 2`.
fn which(series: &Series) -> String {
    format!("build {}, process {}", series.id.build, series.id.process)
}

/// The details of all processes that have one.
fn of_each(measured: Option<&Measured>, detail: impl Fn(&Series) -> Option<String>) -> Option<String> {
    let told = |series: &Series| Some(format!("{}: {}", which(series), detail(series)?));
    let told: Vec<String> = measured?.series.iter().filter_map(told).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

pub(super) fn heavy_tail(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let Measured { sorted, mean, .. } = measured?;
    if sorted.count() < stats::fewest_runs_for_interval() {
        return None;
    }
    let away = relative(mean - sorted.median(), sorted.median());
    (away.abs() > HEAVY_TAIL).then(|| {
        format!(
            "the mean {:.6} ms is {:+.1} % from the median {:.6} ms; the slowest run took {:.6} ms",
            mean / 1e6,
            away * 100.0,
            sorted.median() / 1e6,
            sorted.maximum().as_milliseconds()
        )
    })
}

/// Change from one level to the next, relative to the median of all.
fn change(pair: &[Stretch], series: &Series) -> f64 {
    relative(pair[1].median - pair[0].median, series.median)
}

/// The first level, if its runs are slower than those that follow and it ends early enough to be a warm-up.
fn slow_first_level(series: &Series) -> Option<&[Stretch]> {
    let pair = series.levels.get(..2)?;
    let is_early = pair[0].count * 4 <= series.count;
    (is_early && change(pair, series) < -LEVEL_CHANGE).then_some(pair)
}

pub(super) fn slow_first_runs(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    of_each(measured, |series| {
        if let Some(pair) = slow_first_level(series) {
            let more = relative(pair[0].median - pair[1].median, pair[1].median) * 100.0;
            return Some(format!(
                "the first {} runs are {more:.1} % slower than those after them",
                pair[0].count
            ));
        }
        let is_few = series.slow_first * 4 <= series.count;
        (series.slow_first >= SLOW_FIRST_RUNS && is_few)
            .then(|| format!("the first {} runs are slower than nearly all others", series.slow_first))
    })
}

pub(super) fn level_change(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    of_each(measured, |series| {
        let skipped = usize::from(slow_first_level(series).is_some());
        let changes = series.levels.windows(2).skip(skipped);
        let furthest =
            changes.max_by(|one, other| change(one, series).abs().total_cmp(&change(other, series).abs()))?;
        let by = change(furthest, series);
        (by.abs() > LEVEL_CHANGE).then(|| {
            format!(
                "from run {} on, the median is {:.6} ms, {:+.1} % from the {:.6} ms before",
                furthest[1].start + 1,
                furthest[1].median,
                by * 100.0,
                furthest[0].median
            )
        })
    })
}

pub(super) fn not_steady(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    of_each(measured, |series| {
        let trend = series.trend?;
        if trend.change.abs() > NOT_STEADY && trend.score.abs() > TREND_SCORE {
            return Some(format!("{:+.1} % from the first to the last run", trend.change * 100.0));
        }
        let changes =
            series.levels.windows(2).filter(|pair| change(pair, series).abs() > LEVEL_CHANGE).count();
        let longest = series.levels.iter().map(|level| level.count).max().unwrap_or(series.count);
        let holds = longest as f64 >= STEADY_SHARE * series.count as f64;
        (changes > 1 && !holds).then(|| {
            format!("{} levels, the longest of {longest} of {} runs", series.levels.len(), series.count)
        })
    })
}

pub(super) fn bimodal(_: &Evidence, measured: Option<&Measured>) -> Option<String> {
    of_each(measured, |series| {
        let modes = series.two_modes().filter(|_| series.count >= FEWEST_FOR_GROUPS)?;
        (relative(modes.high - modes.low, series.median) > MODES_DIFFER).then(|| {
            format!(
                "{:.0} % of the runs take about {:.6} ms, the others {:.6} ms",
                (1.0 - modes.high_share) * 100.0,
                modes.low,
                modes.high
            )
        })
    })
}

pub(super) fn builds_disagree(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let means = stats::means_of_builds(evidence.trials);
    let by_mean = |one: &&(u32, f64), other: &&(u32, f64)| one.1.total_cmp(&other.1);
    let (best, worst) = (means.iter().min_by(by_mean)?, means.iter().max_by(by_mean)?);
    let apart = relative(worst.1 - best.1, best.1);
    (apart > BUILDS_DISAGREE).then(|| {
        format!(
            "means of {} builds range from {:.6} ms (build {}) to {:.6} ms (build {}), {:.1} % more",
            means.len(),
            best.1 / 1e6,
            best.0,
            worst.1 / 1e6,
            worst.0,
            apart * 100.0
        )
    })
}

#[cfg(test)]
mod tests;
