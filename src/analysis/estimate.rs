//! How sure a mean latency is: its variance, and its bootstrap replicates.
//!
//! The unit is the process. If any cell of a platform has several, replicates draw from the differences
//! between processes, pooled over the platform. If none has, nothing is known about other processes:
//! replicates draw blocks of runs, and [`Covers`] says so. `docs/METHOD.md` has the reasons. Data comes from
//! `cell`, goes to `contrast`.

use serde::Serialize;

use crate::analysis::process::RowProcess;
use crate::stats::moderate::{Prior, Variance, of_sum, prior};
use crate::stats::resample::{block_length, circular_block_means, percentile_interval, resampled_means};
use crate::stats::sample;
use crate::stats::student::{expansion, student_quantile};
use crate::stats::{CONFIDENCE, Span};

/// What an interval covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// The mean over all possible processes.
    Processes,
    /// The mean over the runs of the measured process: no cell had several processes.
    MeasuredProcesses,
}

/// A number with its 95 % interval, if the data supports one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its interval.
    pub interval: Option<Span>,
}

impl Span {
    /// The span of c / x for a constant c > 0 and positive x.
    pub(super) fn under(self, constant: f64) -> Self {
        Self { low: constant / self.high, high: constant / self.low }
    }
}

/// How much the mean of a cell may be off.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Uncertainty {
    /// Variance of the logarithm of the mean; `None` for a single run.
    pub(super) variance: Option<Variance>,
    /// Replicates of the mean, in milliseconds; empty if the variance is `None`.
    pub(super) replicates: Vec<f64>,
}

/// Below this many standardised differences the normal distribution is drawn from instead: the few would
/// repeat themselves.
const FEWEST_RESIDUALS: usize = 20;

/// Equally probable values that represent the normal distribution then.
const NORMAL_SCORES: usize = 999;

/// Half a nanosecond in milliseconds, for a process all of whose runs were too short for the clock.
const SHORTEST_MS: f64 = 5e-7;

/// How the processes of a platform differ.
#[derive(Debug)]
pub(super) struct Variation {
    /// `None` if no cell has several processes.
    between: Option<Between>,
}

#[derive(Debug)]
struct Between {
    prior: Option<Prior>,
    /// Standardised: mean 0, variance 1.
    residuals: Vec<f64>,
}

impl Variation {
    /// Of the cells of one platform, each with its processes.
    pub(super) fn of(cells: &[Vec<&RowProcess>]) -> Self {
        let samples: Vec<Vec<f64>> =
            cells.iter().filter(|cell| cell.len() > 1).map(|cell| logarithms(cell)).collect();
        if samples.is_empty() {
            return Self { between: None };
        }
        let variances: Vec<Variance> = samples.iter().filter_map(|sample| own_variance(sample)).collect();
        let prior = prior(&variances);
        let mut residuals = Vec::new();
        for (sample, own) in samples.iter().zip(&variances) {
            let variance = prior.map_or(*own, |prior| prior.moderated(Some(*own))).value;
            let centre = sample::mean(sample).unwrap_or_default();
            let count = sample.len() as f64;
            let scale = (count / (count - 1.0) / variance).sqrt();
            if variance > 0.0 {
                residuals.extend(sample.iter().map(|value| (value - centre) * scale));
            }
        }
        if residuals.len() < FEWEST_RESIDUALS {
            residuals = (0..NORMAL_SCORES)
                .map(|index| student_quantile((index as f64 + 0.5) / NORMAL_SCORES as f64, f64::INFINITY))
                .collect();
        }
        Self { between: Some(Between { prior, residuals: standardised(residuals) }) }
    }

    /// What the intervals of this platform cover.
    pub(super) fn covers(&self) -> Covers {
        if self.between.is_some() { Covers::Processes } else { Covers::MeasuredProcesses }
    }

    /// Standard deviation of the logarithm of a process's mean that the cells have in common; `None` if
    /// unknown.
    pub(super) fn between_processes(&self) -> Option<f64> {
        self.between.as_ref()?.prior.map(|prior| prior.variance.sqrt())
    }

    /// How sure the mean of a cell is, whose estimate is `mean_ms`.
    pub(super) fn uncertainty(
        &self,
        cell: &[&RowProcess],
        mean_ms: f64,
        seed: u64,
        resamples: usize,
    ) -> Uncertainty {
        match &self.between {
            Some(between) => between.uncertainty(cell, mean_ms, seed, resamples),
            None => within(cell, mean_ms, seed, resamples),
        }
    }
}

impl Between {
    fn uncertainty(&self, cell: &[&RowProcess], mean_ms: f64, seed: u64, resamples: usize) -> Uncertainty {
        let own = own_variance(&logarithms(cell));
        let Some(variance) = self.prior.map(|prior| prior.moderated(own)).or(own) else {
            return Uncertainty::default();
        };
        let deviation = variance.value.sqrt();
        let mut replicates = resampled_means(&self.residuals, cell.len(), seed, resamples);
        replicates.iter_mut().for_each(|replicate| *replicate = mean_ms * (deviation * *replicate).exp());
        let variance = variance.weighted((cell.len() as f64).sqrt().recip());
        Uncertainty { variance: Some(variance), replicates }
    }
}

/// From blocks of the runs of the only process.
fn within(cell: &[&RowProcess], mean_ms: f64, seed: u64, resamples: usize) -> Uncertainty {
    let runs: Vec<f64> = cell.iter().flat_map(|process| process.milliseconds()).collect();
    let length = block_length(runs.len());
    let blocks = runs.len() as f64 / length as f64;
    if runs.len() < 2 {
        return Uncertainty::default();
    }
    let means = circular_block_means(&runs, length);
    let mut replicates = resampled_means(&means, blocks.ceil() as usize, seed, resamples);
    // What is drawn varies less than what it was drawn from: n / (n − 1), with the block as the unit.
    let correction = (blocks.ceil() / (blocks - 1.0)).sqrt();
    replicates.iter_mut().for_each(|replicate| {
        *replicate = (mean_ms + correction * (*replicate - mean_ms)).max(SHORTEST_MS);
    });
    let spread = sample::standard_deviation(&replicates).unwrap_or_default() / mean_ms;
    Uncertainty { variance: Some(Variance::own(spread * spread, blocks - 1.0)), replicates }
}

/// The interval of an estimate from its replicates: percentiles, drawn apart about the estimate on a
/// logarithmic scale for few degrees of freedom, and for what the `parts` of the estimate vary together
/// beyond the sum of what replicates were drawn with. `None` for no replicates.
pub(super) fn span(value: f64, replicates: &[f64], parts: &[Variance]) -> Option<Span> {
    if replicates.is_empty() {
        return None;
    }
    let (low, high) = percentile_interval(replicates, CONFIDENCE);
    let drawn: f64 = parts.iter().map(|part| part.value).sum();
    let wanted = of_sum(parts);
    let scale = if drawn > 0.0 { (wanted.value / drawn).sqrt() } else { 1.0 };
    let factor = expansion(wanted.degrees_of_freedom, CONFIDENCE) * scale;
    let apart = |end: f64| value * (end / value).powf(factor);
    Some(Span { low: apart(low), high: apart(high) })
}

fn logarithms(cell: &[&RowProcess]) -> Vec<f64> {
    cell.iter().map(|process| process.mean_ms().max(SHORTEST_MS).ln()).collect()
}

fn own_variance(logarithms: &[f64]) -> Option<Variance> {
    let deviation = sample::standard_deviation(logarithms)?;
    Some(Variance::own(deviation * deviation, (logarithms.len() - 1) as f64))
}

/// Shifted and scaled to mean 0 and variance 1.
fn standardised(values: Vec<f64>) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let scale = if variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
    values.into_iter().map(|value| (value - mean) * scale).collect()
}
