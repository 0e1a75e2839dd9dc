//! Levels of a series: stretches of runs about one latency, and where the level changes.
//!
//! Optimal partitioning (Jackson et al., "An algorithm for optimal partitioning of data on an interval",
//! *IEEE Signal Processing Letters* 12(2), 2005), exact for the least sum of squares with a penalty of 3 σ²
//! ln n for each change, which is that of the modified BIC for one level more (Zhang and Siegmund,
//! *Biometrics* 63(1), 2007). PELT (Killick, Fearnhead and Eckley, *Journal of the American Statistical
//! Association* 107(500), 2012) finds the same partition; for the number of points here, trying all is as
//! fast. Single runs far from the others are drawn in first: they are outliers, not levels.

use crate::stats::sample::{median, median_absolute_deviation};

/// Longer series are first reduced to medians of that many stretches.
const MOST_POINTS: usize = 500;

/// A level has at least that many points: fewer are outliers.
const SHORTEST_LEVEL: usize = 5;

/// Penalty of a change, in σ² ln n.
const PENALTY: f64 = 3.0;

/// Values further from the median than that many scaled deviations are drawn in to it.
const FURTHEST: f64 = 3.0;

/// Scaled, the median absolute deviation estimates σ of a normal distribution (Rousseeuw and Croux 1993).
const NORMAL_SCALE: f64 = 1.4826;

/// Noise is taken for at least this part of the median: finer changes of level are of no interest.
const SMALLEST_NOISE: f64 = 1e-3;

/// A stretch about one latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stretch {
    /// Its first run, from 0.
    pub(crate) start: usize,
    /// Its number of runs.
    pub(crate) count: usize,
    /// Median of its runs.
    pub(crate) median: f64,
}

/// The levels of a series, in order; one for a series about one latency, none for an empty one.
pub(crate) fn levels(values: &[f64]) -> Vec<Stretch> {
    let length = values.len().div_ceil(MOST_POINTS).max(1);
    let points: Vec<f64> = values.chunks(length).filter_map(median).collect();
    let mut starts = vec![0];
    starts.extend(changes(&points).into_iter().map(|point| point * length));
    let ends = starts.iter().skip(1).copied().chain([values.len()]);
    let level = |(start, end): (&usize, usize)| {
        Some(Stretch { start: *start, count: end - start, median: median(&values[*start..end])? })
    };
    starts.iter().zip(ends).filter_map(level).collect()
}

/// A change from one level to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LevelStep {
    /// First value of the new level, from 0.
    pub(crate) start: usize,
    /// Median of the new level divided by that of the one before.
    pub(crate) ratio: f64,
}

/// A change counts if it is larger than that many standard errors: the series is looked at with each new
/// value, and the place of the change is chosen after the fact.
const STANDARD_ERRORS: f64 = 5.0;

/// The changes of level of a series that grows, in order. A level has at least five values, so a change shows
/// with the fifth value after it.
pub(crate) fn steps(values: &[f64]) -> Vec<LevelStep> {
    let levels = levels(values);
    let of_level = |level: &Stretch| {
        let stretch = &values[level.start..level.start + level.count];
        stretch.iter().map(|value| (value - level.median).powi(2)).sum::<f64>()
    };
    let squares: f64 = levels.iter().map(of_level).sum();
    let variance = squares / values.len().saturating_sub(levels.len()).max(1) as f64;
    let step = |pair: &[Stretch]| {
        let (before, after) = (pair[0], pair[1]);
        let error = (variance / before.count as f64 + variance / after.count as f64).sqrt();
        let is_large = (after.median - before.median).abs() > STANDARD_ERRORS * error;
        let ratio = after.median / before.median;
        (is_large && ratio.is_finite()).then_some(LevelStep { start: after.start, ratio })
    };
    levels.windows(2).filter_map(step).collect()
}

/// First points of all levels but the first.
fn changes(points: &[f64]) -> Vec<usize> {
    let count = points.len();
    let (Some(centre), true) = (median(points), count >= 2 * SHORTEST_LEVEL) else { return Vec::new() };
    let steps: Vec<f64> = points.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let of_steps = median_absolute_deviation(&steps).unwrap_or(0.0) * NORMAL_SCALE / 2.0_f64.sqrt();
    let noise = of_steps.max(SMALLEST_NOISE * centre.abs());
    let spread = (median_absolute_deviation(points).unwrap_or(0.0) * NORMAL_SCALE).max(noise);
    let reach = FURTHEST * spread;
    let drawn: Vec<f64> = points.iter().map(|point| (point - centre).clamp(-reach, reach)).collect();
    if noise <= 0.0 {
        return Vec::new();
    }
    partition(&drawn, PENALTY * noise * noise * (count as f64).ln())
}

/// The cheapest partition: squares about the levels' means, and the penalty for each change.
fn partition(points: &[f64], penalty: f64) -> Vec<usize> {
    let count = points.len();
    let (mut sums, mut squares) = (vec![0.0; count + 1], vec![0.0; count + 1]);
    for (index, point) in points.iter().enumerate() {
        sums[index + 1] = sums[index] + point;
        squares[index + 1] = squares[index] + point * point;
    }
    let cost = |from: usize, to: usize| {
        let sum: f64 = sums[to] - sums[from];
        squares[to] - squares[from] - sum * sum / (to - from) as f64
    };
    let (mut best, mut last) = (vec![f64::INFINITY; count + 1], vec![0; count + 1]);
    best[0] = -penalty;
    for end in SHORTEST_LEVEL..=count {
        for start in 0..=end - SHORTEST_LEVEL {
            let total = best[start] + cost(start, end) + penalty;
            if total < best[end] {
                (best[end], last[end]) = (total, start);
            }
        }
    }
    let mut starts = Vec::new();
    let mut at = count;
    while last[at] > 0 {
        at = last[at];
        starts.push(at);
    }
    starts.reverse();
    starts
}
