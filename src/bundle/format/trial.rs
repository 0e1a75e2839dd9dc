//! Trials and their latencies. Serialised types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// One load, warm-up and timed span in one fresh process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "FlatTrial")]
pub struct Trial {
    /// Identifies the trial within its configuration.
    #[serde(flatten)]
    pub id: TrialId,
    /// Its latencies.
    #[serde(flatten)]
    pub latencies: Latencies,
}

/// Identifies a trial within its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialId {
    /// Number of the build that it ran, from 1. A runtime that does not compile has one.
    pub build: u32,
    /// Number of the process with that build, from 1.
    pub process: u32,
}

/// Raw latencies of one trial. The timed loop fills them in; from there they are moved into the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latencies {
    /// Latencies of the warm-up runs, in order. They enter no statistic.
    pub warm_up_ns: Vec<Nanos>,
    /// Latencies of the timed runs, in order.
    pub latency_ns: Vec<Nanos>,
    /// Latencies of runs beyond the requested number, in order. They enter no statistic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_latency_ns: Vec<Nanos>,
    /// Smallest step of the clock of a program that times itself, at the end of the trial, where it is
    /// coarsest; left out if this program's own clock measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_ns: Option<Nanos>,
}

/// A [`Trial`] as it is read. `flatten` would first read the latencies into a buffer of four times their
/// size.
#[derive(Deserialize, JsonSchema)]
struct FlatTrial {
    build: u32,
    process: u32,
    warm_up_ns: Vec<Nanos>,
    latency_ns: Vec<Nanos>,
    #[serde(default)]
    extra_latency_ns: Vec<Nanos>,
    #[serde(default)]
    clock_step_ns: Option<Nanos>,
}

impl From<FlatTrial> for Trial {
    fn from(flat: FlatTrial) -> Self {
        let FlatTrial { build, process, warm_up_ns, latency_ns, extra_latency_ns, clock_step_ns } = flat;
        let latencies = Latencies { warm_up_ns, latency_ns, extra_latency_ns, clock_step_ns };
        Self { id: TrialId { build, process }, latencies }
    }
}
