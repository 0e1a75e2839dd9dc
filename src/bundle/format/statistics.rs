//! What the latencies of each process show about themselves, and what is behind an interval. Serialised types
//! only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{finite, finite_or_null};

/// A percentile for which there are too few latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissingPercentile {
    /// Which percentile.
    #[serde(serialize_with = "finite")]
    pub percent: f64,
    /// Always null.
    #[serde(serialize_with = "finite_or_null")]
    pub value: Option<f64>,
    /// Why, with the number of latencies that it needs.
    pub reason: String,
}

/// Where the variance of the latencies comes from, over all builds and processes; in ms².
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VarianceSplit {
    /// Between builds; null with one build.
    #[serde(serialize_with = "finite_or_null")]
    pub between_builds: Option<f64>,
    /// Between processes of one build; null if each build has one.
    #[serde(serialize_with = "finite_or_null")]
    pub between_processes: Option<f64>,
    /// Between runs of one process.
    #[serde(serialize_with = "finite")]
    pub between_runs: f64,
}

/// What the timed runs of one process show about themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialStatistics {
    /// Build of the trial.
    pub build: u32,
    /// Process of the trial.
    pub process: u32,
    /// Number of timed latencies.
    pub count: u64,
    /// Number of independent runs that would determine the mean as well.
    #[serde(serialize_with = "finite")]
    pub effective_count: f64,
    /// Correlation of neighbouring runs, at least 0.
    #[serde(serialize_with = "finite")]
    pub autocorrelation: f64,
    /// Number of runs before the last level: from there on the latencies are steady.
    pub steady_from: u64,
    /// Stretches of runs about one latency, in order.
    pub levels: Vec<LatencyLevel>,
    /// Change from the first to the last run by the median slope, divided by the median; null for fewer than
    /// ten runs.
    #[serde(serialize_with = "finite_or_null")]
    pub trend: Option<f64>,
    /// The two groups into which the latencies fall; empty if they are one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<Mode>,
    /// Number of mild outliers. They stay in every statistic.
    pub mild_outliers: u64,
    /// Number of severe outliers. They stay in every statistic.
    pub severe_outliers: u64,
    /// The first of the severe outliers: places in `latency_ns`, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severe_at: Vec<u64>,
}

/// A stretch of runs about one latency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyLevel {
    /// Place of its first run in `latency_ns`, from 0.
    pub start: u64,
    /// Number of its runs.
    pub count: u64,
    /// Median of its runs, in milliseconds.
    #[serde(serialize_with = "finite")]
    pub median: f64,
}

/// A group of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mode {
    /// Mean of its runs, in milliseconds.
    #[serde(serialize_with = "finite")]
    pub mean: f64,
    /// Part of the runs that is in it, from 0 to 1.
    #[serde(serialize_with = "finite")]
    pub share: f64,
}
