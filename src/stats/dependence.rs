//! How far neighbouring runs resemble each other, and what that does to the mean.
//!
//! A hundred runs that resemble their neighbours say as much about the mean as fewer independent ones would:
//! the effective sample size. The interval for the mean takes the dependence into account in two steps, a fit
//! of first order and blocks for what is left.

use crate::random::split_mix_64;
use crate::stats::student;
use crate::stats::{CONFIDENCE, Span};

/// Resamples behind the interval of a mean. The ends of a 95 % interval are then settled to about a fortieth
/// of its width (Efron and Tibshirani, *An Introduction to the Bootstrap*, Chapman & Hall 1993, §19.3).
const RESAMPLES: usize = 10_000;

/// Longer series are first averaged over so many stretches of equal length (the method of batch means: Law,
/// *Simulation Modeling and Analysis*, 2015, §9.5.3), so that time and memory stay bounded.
const MOST_POINTS: usize = 1_000;

/// Series shorter than this have no autocorrelation worth the name.
const FEWEST_FOR_DEPENDENCE: usize = 20;

/// A larger autocorrelation is a series that does not settle, and another reason's business.
const LARGEST_AUTOCORRELATION: f64 = 0.97;

/// A seed, so that the same latencies give the same interval.
const SEED: u64 = 0x6261_636b_626f_6e65;

/// One process's mean and its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dependence {
    /// Autocorrelation of neighbours, at least 0: a negative one would make an interval narrower, and is
    /// mostly chance.
    pub(crate) autocorrelation: f64,
    /// Number of independent runs that would give a mean as certain.
    pub(crate) effective_count: f64,
    /// Mean of what the replicates below were drawn from.
    mean: f64,
    /// What is left of each point after the fit of first order, about its mean.
    residuals: Vec<f64>,
    block_length: usize,
}

impl Dependence {
    /// Of the latencies of one process, in order; `None` without any.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let points = batch_means(values, MOST_POINTS);
        let mean = super::sample::mean(&points)?;
        let per_point = values.len() as f64 / points.len() as f64;
        let is_long = points.len() >= FEWEST_FOR_DEPENDENCE;
        let autocorrelation = if is_long { lag_one(&points) } else { 0.0 };
        let fitted = |pair: &[f64]| (pair[1] - mean) - autocorrelation * (pair[0] - mean);
        let mut residuals: Vec<f64> = match autocorrelation > 0.0 {
            true => points.windows(2).map(fitted).collect(),
            false => points.iter().map(|point| point - mean).collect(),
        };
        let centre = super::sample::mean(&residuals).unwrap_or(0.0);
        residuals.iter_mut().for_each(|residual| *residual -= centre);
        let block_length = if is_long { block_length(&residuals) } else { 1 };
        let shrink = (1.0 - autocorrelation) / (1.0 + autocorrelation);
        let effective_count = points.len() as f64 * per_point * shrink / block_length as f64;
        Some(Self {
            autocorrelation,
            effective_count: effective_count.clamp(1.0, values.len() as f64),
            mean,
            residuals,
            block_length,
        })
    }

    /// Means that other runs of this process could have had, less its own mean.
    ///
    /// The circular block bootstrap (Politis and Romano 1992) of the residuals, coloured again by 1 / (1 −
    /// autocorrelation): prewhitening, as Andrews and Monahan ("An improved heteroskedasticity and
    /// autocorrelation consistent covariance matrix estimator", *Econometrica* 60(4), 1992) and Davison and
    /// Hinkley (*Bootstrap Methods and Their Application*, Cambridge 1997, §8.2) do. Blocks alone would have
    /// to be longer than a hundred runs allow.
    fn replicates(&self, resamples: usize, state: &mut u64) -> impl Iterator<Item = f64> {
        let Blocks { sums, count: blocks, scale } = self.blocks();
        (0..resamples).map(move |_| {
            let mut sum = 0.0;
            for _ in 0..blocks {
                sum += sums[(((split_mix_64(state) >> 32) * sums.len() as u64) >> 32) as usize];
            }
            sum * scale
        })
    }

    fn blocks(&self) -> Blocks {
        let count = self.residuals.len();
        let length = self.block_length;
        let mut sums = Vec::with_capacity(count);
        let mut sum: f64 = (0..length).map(|index| self.residuals[index % count]).sum();
        for start in 0..count {
            sums.push(sum);
            sum += self.residuals[(start + length) % count] - self.residuals[start];
        }
        let blocks = (count as f64 / length as f64).round().max(1.0) as usize;
        let scale = 1.0 / ((blocks * length) as f64 * (1.0 - self.autocorrelation));
        Blocks { sums, count: blocks, scale }
    }

    /// Variance of the mean, and its degrees of freedom: the variance that replicates without end would have,
    /// times m / (m − 1) for m effective runs. `None` for fewer than two runs.
    #[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "the desk side compares with it"))]
    pub(crate) fn variance_of_mean(&self) -> Option<(f64, f64)> {
        if self.residuals.len() < 2 {
            return None;
        }
        let Blocks { sums, count, scale } = self.blocks();
        let squares = sums.iter().map(|sum| sum * sum).sum::<f64>() / sums.len() as f64;
        let effective = self.effective_count.max(3.0);
        Some((count as f64 * squares * scale * scale * effective / (effective - 1.0), effective - 1.0))
    }
}

/// What a replicate is made of.
struct Blocks {
    /// Sum of the block that begins at each residual.
    sums: Vec<f64>,
    /// How many blocks are drawn.
    count: usize,
    /// What turns their sum into a mean.
    scale: f64,
}

/// Interval for the mean of all runs of these processes, in the unit of the latencies: what other runs of the
/// same processes would give. `None` if a process has fewer than two runs.
///
/// `parts` has each process with its number of runs. The ends are percentiles of the replicates, drawn apart
/// by √(m / (m − 1)) · t / z for m effective runs: the bootstrap divides by n, and takes the deviation for
/// known (Hesterberg, "What teachers should know about the bootstrap", *The American Statistician* 69(4),
/// 2015, §4.1).
pub(crate) fn mean_interval(parts: &[(Dependence, usize)]) -> Option<Span> {
    if parts.is_empty() || parts.iter().any(|(part, runs)| *runs < 2 || part.residuals.len() < 2) {
        return None;
    }
    let runs: usize = parts.iter().map(|(_, runs)| runs).sum();
    let resamples =
        RESAMPLES.min(MOST_DRAWS / parts.iter().map(|(part, _)| part.residuals.len()).sum::<usize>());
    let mut replicates = vec![0.0; resamples.max(FEWEST_RESAMPLES)];
    let (mut state, mut mean) = (SEED, 0.0);
    for (part, count) in parts {
        let weight = *count as f64 / runs as f64;
        mean += weight * part.mean;
        let count = replicates.len();
        for (sum, replicate) in replicates.iter_mut().zip(part.replicates(count, &mut state)) {
            *sum += weight * replicate;
        }
    }
    let effective: f64 = parts.iter().map(|(part, _)| part.effective_count).sum();
    let effective = effective.max(3.0);
    let apart = student::expansion(effective - 1.0, CONFIDENCE) * (effective / (effective - 1.0)).sqrt();
    let (low, high) = super::resample::percentile_interval(&replicates, CONFIDENCE);
    Some(Span { low: mean + low * apart, high: mean + high * apart })
}

/// Draws of all processes together: ten thousand resamples of a thousand points, or fewer of more.
const MOST_DRAWS: usize = 10_000_000;

/// The fewest whose 95 % interval still means something.
const FEWEST_RESAMPLES: usize = 1_000;

/// The series itself, or the means of stretches of equal length if it has more than `most` values; what is
/// left over at its end belongs to the last stretch.
pub(crate) fn batch_means(values: &[f64], most: usize) -> Vec<f64> {
    let length = values.len().div_ceil(most).max(1);
    if length == 1 {
        return values.to_vec();
    }
    let batches = values.len() / length;
    (0..batches)
        .map(|batch| {
            let end = if batch + 1 == batches { values.len() } else { (batch + 1) * length };
            let stretch = &values[batch * length..end];
            stretch.iter().sum::<f64>() / stretch.len() as f64
        })
        .collect()
}

/// Autocorrelation of neighbours, between 0 and [`LARGEST_AUTOCORRELATION`], with what a mean taken from the
/// same series hides of it added, (1 + 4 r) / n (Kendall, "Note on bias in the estimation of
/// autocorrelation", *Biometrika* 41(3/4), 1954).
pub(crate) fn lag_one(values: &[f64]) -> f64 {
    let variance = autocovariance(values, 0);
    if variance <= 0.0 {
        return 0.0;
    }
    let seen = autocovariance(values, 1) / variance;
    (seen + (1.0 + 4.0 * seen) / values.len() as f64).clamp(0.0, LARGEST_AUTOCORRELATION)
}

/// Sum of products of deviations at that distance, over n.
fn autocovariance(values: &[f64], lag: usize) -> f64 {
    let mean = super::sample::mean(values).unwrap_or(0.0);
    let products = values.iter().zip(&values[lag..]).map(|(one, later)| (one - mean) * (later - mean));
    products.sum::<f64>() / values.len() as f64
}

/// Length of the blocks of a circular block bootstrap of the mean, chosen from the series.
///
/// Politis and White, "Automatic block-length selection for the dependent bootstrap", *Econometric Reviews*
/// 23(1), 2004, with the correction of Patton, Politis and White (28(4), 2009): (2 G² / D)^⅓ n^⅓ with the
/// flat-top window over twice the lags that are still significant.
pub(crate) fn block_length(values: &[f64]) -> usize {
    let count = values.len() as f64;
    let variance = autocovariance(values, 0);
    if values.len() < FEWEST_FOR_DEPENDENCE || variance <= 0.0 {
        return 1;
    }
    let together = (count.log10().sqrt().ceil() as usize).max(5);
    let furthest = (count.sqrt().ceil() as usize + together).min(values.len() - 1);
    let covariance: Vec<f64> = (0..=furthest).map(|lag| autocovariance(values, lag)).collect();
    let significant = 2.0 * (count.log10() / count).sqrt();
    let is_small = |lag: usize| (covariance[lag] / variance).abs() < significant;
    // The first lag after which that many in a row are not significant, else the last significant one.
    let settled = (0..=furthest - together).find(|&lag| (lag + 1..=lag + together).all(is_small));
    let last = settled.or_else(|| (1..=furthest).rev().find(|&lag| !is_small(lag))).unwrap_or(1).max(1);
    let window = (2 * last).min(furthest);
    let (mut slope, mut spectrum) = (0.0, covariance[0]);
    for (lag, value) in covariance.iter().enumerate().take(window + 1).skip(1) {
        let weight = (2.0 * (1.0 - lag as f64 / window as f64)).min(1.0);
        slope += 2.0 * weight * lag as f64 * value;
        spectrum += 2.0 * weight * value;
    }
    let longest = (3.0 * count.sqrt()).min(count / 3.0).ceil();
    let spread = 4.0 / 3.0 * spectrum * spectrum;
    if spectrum <= 0.0 {
        return 1;
    }
    ((2.0 * slope * slope / spread).cbrt() * count.cbrt()).round().clamp(1.0, longest) as usize
}
