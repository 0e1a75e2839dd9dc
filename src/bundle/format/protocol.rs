//! How a configuration was measured: which protocol, what was asked of it, and what it reached. Serialised
//! types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Interval, finite, finite_or_null};

/// The protocol of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Protocol {
    /// Which one.
    pub name: ProtocolName,
    /// What the job asks of `rigorous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedPrecision>,
    /// What `rigorous` reached; left out if the measurement ended before the protocol did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<ReachedPrecision>,
}

/// Name of a protocol, as job files spell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolName {
    /// A fixed number of runs, processes and builds. Bundles without a protocol are of this one.
    #[default]
    Paper,
    /// Processes and builds until the interval of the mean is as narrow as asked, or the time is up.
    Rigorous,
}

impl ProtocolName {
    /// As bundles spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Rigorous => "rigorous",
        }
    }
}

/// What a job asks of the protocol `rigorous`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskedPrecision {
    /// Half the width of the 95 % interval of the mean, in percent of the mean.
    #[serde(serialize_with = "finite")]
    pub precision_percent: f64,
    /// Time for all builds and processes.
    pub time_limit_seconds: u32,
}

/// What the protocol `rigorous` reached, over all builds and processes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReachedPrecision {
    /// Why it stopped.
    pub stopped: Stopped,
    /// Mean of the means of all builds, or of all processes of a runtime that compiles nothing, in
    /// milliseconds.
    #[serde(serialize_with = "finite")]
    pub mean: f64,
    /// Interval of that mean over other builds and processes; null with fewer than two.
    pub interval: Option<Interval>,
    /// Half the width of the interval, in percent of the mean; null with fewer than two.
    #[serde(serialize_with = "finite_or_null")]
    pub precision_percent: Option<f64>,
    /// Time that the builds and processes took.
    #[serde(serialize_with = "finite")]
    pub seconds: f64,
    /// How the runs were distributed after the first processes; left out if there were no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation: Option<RunAllocation>,
}

/// Why the protocol `rigorous` stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The interval is as narrow as asked.
    Precise,
    /// One more process would have taken longer than the time that was left.
    TimeUp,
    /// There were as many builds or processes as the protocol starts.
    MostProcesses,
    /// There were as many latencies as a bundle can hold.
    MostLatencies,
}

/// How runs are distributed over processes and builds, so that the time for them tells most about the mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunAllocation {
    /// Timed runs of a process.
    pub runs: u32,
    /// Processes of a build; left out for a runtime that compiles nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Time for one run, as the first processes took it.
    #[serde(serialize_with = "finite")]
    pub run_seconds: f64,
    /// Time for a process without its timed runs.
    #[serde(serialize_with = "finite")]
    pub process_seconds: f64,
    /// Time for a build; left out for a runtime that compiles nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite_or_null")]
    pub build_seconds: Option<f64>,
}
