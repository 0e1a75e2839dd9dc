//! The timed runs of one process as a series: what neighbours, levels, trend, groups and outliers say.

use crate::bundle::format::{self, Trial, TrialId, TrialStatistics};
use crate::stats::dependence::Dependence;
use crate::stats::levels::{Stretch, levels};
use crate::stats::modes::{Modes, modes};
use crate::stats::sample::{Outlier, mean, median, outliers, standard_deviation};
use crate::stats::trend::{Trend, trend};
use crate::stats::variance::ProcessMoments;

/// Places of outliers that a bundle lists; more are only counted.
const MOST_PLACES: usize = 100;

/// Ashman's D from which two groups count as two: above what skewed distributions of one group have when they
/// are cut in two. Cut so, a normal one has 2.65, an exponential one 3.4, and of 10,000 normal samples of 100
/// none had 4.
const MODES_APART: f64 = 4.0;

/// Smallest part of the runs that is a group; fewer are outliers.
const SMALLEST_MODE: f64 = 0.10;

/// What one process's latencies show, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Its trial.
    pub(crate) id: TrialId,
    /// Number of runs.
    pub(crate) count: usize,
    /// Their mean.
    pub(crate) mean: f64,
    /// Their median.
    pub(crate) median: f64,
    /// Their variance; 0 for one run.
    pub(crate) variance: f64,
    /// How neighbours resemble each other.
    pub(crate) dependence: Dependence,
    /// Its levels, at least one.
    pub(crate) levels: Vec<Stretch>,
    /// Its trend, from ten runs on.
    pub(crate) trend: Option<Trend>,
    /// The best cut into two groups, whether or not they are two.
    pub(crate) modes: Option<Modes>,
    /// How many of the first runs in a row are slower than the fence of outliers.
    pub(crate) slow_first: usize,
    mild: usize,
    severe: usize,
    severe_at: Vec<u64>,
}

impl Series {
    /// Of a trial; `None` without timed runs.
    pub(crate) fn of(trial: &Trial) -> Option<Self> {
        let mut values: Vec<f64> =
            trial.latencies.latency_ns.iter().map(|latency| latency.as_milliseconds()).collect();
        let labels = outliers(&values);
        let count_of = |wanted: Outlier| labels.iter().filter(|label| **label == wanted).count();
        let places = labels.iter().enumerate().filter(|(_, label)| **label == Outlier::Severe);
        let fence = fence(&values)?;
        let levels = levels(&values);
        let trend = trend(&values);
        let mut series = Self {
            id: trial.id,
            count: values.len(),
            mean: mean(&values)?,
            median: median(&values)?,
            variance: standard_deviation(&values).map_or(0.0, |deviation| deviation * deviation),
            dependence: Dependence::of(&values)?,
            levels,
            trend,
            modes: None,
            slow_first: values.iter().take_while(|value| **value > fence).count(),
            mild: count_of(Outlier::Mild),
            severe: count_of(Outlier::Severe),
            severe_at: places.map(|(place, _)| place as u64).take(MOST_PLACES).collect(),
        };
        drop(labels);
        values.sort_unstable_by(f64::total_cmp);
        series.modes = modes(&values);
        Some(series)
    }

    /// For the components of variance.
    pub(crate) fn moments(&self) -> ProcessMoments {
        let Self { id, count, mean, variance, .. } = self;
        ProcessMoments { build: id.build, count: *count, mean: *mean, variance: *variance }
    }

    /// The two groups, if they are two.
    pub(crate) fn two_modes(&self) -> Option<Modes> {
        self.modes.filter(|modes| {
            let smaller = modes.high_share.min(1.0 - modes.high_share);
            modes.separation >= MODES_APART && smaller >= SMALLEST_MODE
        })
    }

    /// As a bundle has it.
    pub(crate) fn statistics(&self) -> TrialStatistics {
        let two = self.two_modes().map_or_else(Vec::new, |modes| {
            let low = format::Mode { mean: modes.low, share: 1.0 - modes.high_share };
            vec![low, format::Mode { mean: modes.high, share: modes.high_share }]
        });
        let level = |level: &Stretch| format::Level {
            start: level.start as u64,
            count: level.count as u64,
            median: level.median,
        };
        TrialStatistics {
            build: self.id.build,
            process: self.id.process,
            count: self.count as u64,
            effective_count: self.dependence.effective_count,
            autocorrelation: self.dependence.autocorrelation,
            steady_from: self.levels.last().map_or(0, |level| level.start as u64),
            levels: self.levels.iter().map(level).collect(),
            trend: self.trend.map(|trend| trend.change),
            modes: two,
            mild_outliers: self.mild as u64,
            severe_outliers: self.severe as u64,
            severe_at: self.severe_at.clone(),
        }
    }
}

/// Latency above which a run is no run like those of the second half: their median, and 3.5 scaled median
/// absolute deviations, but at least 5 % of the median.
fn fence(values: &[f64]) -> Option<f64> {
    let later = &values[values.len() / 2..];
    let centre = median(later)?;
    let deviation = super::sample::median_absolute_deviation(later)? / 0.6745;
    Some(centre + (3.5 * deviation).max(0.05 * centre))
}
