//! What the daemon and a worker process say to each other: versioned JSON, one object a line.
//!
//! The daemon writes one [`Request`] to the worker's standard input. The worker answers on standard output with [`Event`]s:
//! `hello`, `loaded`, a `paused` before warm-up, one before its last runs and one after timing, then `result`, or `failed` at
//! any point after `hello`. Where energy is asked for, three more pauses and `energy` follow the result. Where a build was asked
//! for, `built` follows `loaded`; where a profile was, `profiled`. Any other line there is a failure. Logs go to standard error.
//! While the worker times it writes nothing.
//!
//! At each pause the worker waits for a line of the daemon, which reads the host's sensors meanwhile. A worker whose input is
//! closed does not wait: nobody will answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::format::{Latencies, Layer, LoadedModel};
pub use crate::runtime::Task;
use crate::runtime::{Built, Compilation, Failure, Provided};
use crate::units::Nanos;

/// Raised whenever a line changes its meaning; both sides refuse another number than their own.
pub const PROTOCOL: u32 = 4;

/// One trial, as asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Name of the runtime.
    pub runtime: String,
    /// The model file.
    pub model: PathBuf,
    /// What to do.
    #[serde(default)]
    pub task: Task,
    /// Where the host has what the runtime needs.
    #[serde(default, skip_serializing_if = "Provided::is_empty")]
    pub provided: Provided,
    /// Options of the job.
    pub options: BTreeMap<String, Value>,
    /// Shapes of inputs whose shape the model leaves open.
    pub inputs: BTreeMap<String, Vec<u64>>,
    /// Seed of the input data.
    pub seed: u64,
    /// Runs before timing.
    pub warm_up_runs: u32,
    /// Timed runs, exactly.
    pub timed_runs: u32,
    /// How long the same runs go on for energy, after the result; 0 is not at all.
    pub energy_seconds: u32,
    /// Where and how to run.
    pub placement: Wish,
    /// For a runtime that compiles models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compilation: Option<Compilation>,
}

/// Where and how a worker is to run. What the kernel refuses is told and does not end the trial.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Processors to keep to; empty leaves them open.
    pub cpus: Vec<u32>,
    /// Nice value.
    pub nice: Option<i32>,
    /// Keep all memory from being swapped.
    pub lock_memory: bool,
}

/// What a worker tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The first line.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// The model is loaded, inputs are filled.
    Loaded(LoadedModel),
    /// The worker waits for a line on its standard input.
    Paused {
        /// Where.
        at: Pause,
    },
    /// The timed runs are complete. Unless energy is asked for, the worker exits 0 right after.
    Result {
        /// Exactly as many as asked for unless there is a failure. Only a program that times itself has any beyond those.
        #[serde(flatten)]
        latencies: Latencies,
        /// What speaks against them: a program that times itself ended badly, or gave another number of latencies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// The runs for energy are complete. The worker exits 0 right after.
    Energy {
        /// Their latencies, in order.
        latency_ns: Vec<Nanos>,
    },
    /// The model is compiled. The worker exits 0 right after.
    Built(Built),
    /// The time of each layer. The worker exits 0 right after.
    Profiled {
        /// In the order of the network.
        layers: Vec<Layer>,
    },
    /// The trial can not be completed. The worker exits 0 right after: it did its duty.
    Failed(Failure),
}

/// Where a worker waits, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Directly before warm-up.
    BeforeWarmUp,
    /// Right before the last warm-up runs, which timing follows without a pause; before a program that times itself is started,
    /// for it gives no pause.
    BeforeTiming,
    /// Right after the last timed run.
    AfterTiming,
    /// Idle, before the runs for energy.
    IdleBeforeEnergy,
    /// Right before the runs for energy.
    BeforeEnergy,
    /// Right after them; idle again.
    AfterEnergy,
}

/// The most runs for energy: as many as a job may time. Fast models are done with them before their seconds are over.
pub(crate) const MAXIMUM_ENERGY_RUNS: usize = 1_000_000;

/// The environment variable that holds the process id of a worker's parent. The worker compares it with whose child it
/// is; the parent finds by it what a worker left behind.
pub const PARENT_VARIABLE: &str = "BACKBONE_WORKER_OF";

/// The worker's name for the kernel while it warms up. The name changes without a line that would wake the parent, and
/// outlives a crash until the parent has looked.
pub(crate) const WARM_UP_NAME: &std::ffi::CStr = c"backbone-warmup";

/// The worker's name for the kernel while it times.
pub const TIMING_NAME: &std::ffi::CStr = c"backbone-timing";

/// The longest request that a worker reads, in bytes. Requests have some hundred bytes; options and shapes are limited
/// by the size of a job file.
pub(crate) const REQUEST_LIMIT: u64 = 1 << 20;
