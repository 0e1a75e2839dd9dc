//! What the daemon and a worker process say to each other: versioned JSON, one object a line.
//!
//! The daemon writes one [`Request`] to the worker's standard input and closes it. The worker answers on standard
//! output with [`Event`]s: `hello`, `loaded`, `timing`, then `result`, or `failed` at any point after `hello`; where a build
//! was asked for, `hello`, `loaded`, then `built` or `failed`. Any other line there is a failure. Logs go to standard error. While the worker times it writes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::format::Tensor;
use crate::runtime::{Built, Compilation, Failure};
use crate::units::Nanos;

/// Raised whenever a line changes its meaning; both sides refuse another number than their own.
pub const PROTOCOL: u32 = 1;

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
    /// The library to load, where the host's configuration names one.
    pub library: Option<PathBuf>,
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
    /// What to do.
    #[serde(default)]
    pub task: Task,
    /// For a runtime that compiles models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compilation: Option<Compilation>,
}

/// What a worker is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Warm up, and time.
    #[default]
    Measure,
    /// Compile the model, and no more.
    Build,
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
    Loaded {
        /// Version as the library tells it.
        version: Option<String>,
        /// The library file that is mapped.
        library: Option<PathBuf>,
        /// Options in force, defaults included.
        options: BTreeMap<String, Value>,
        /// Input tensors as bound.
        inputs: Vec<Tensor>,
        /// Output tensors.
        outputs: Vec<Tensor>,
    },
    /// Warm-up starts now; the next line is `result` or `failed`.
    Timing,
    /// The trial is complete. The worker exits 0 right after.
    Result {
        /// Latencies of the warm-up runs, in order.
        warm_up_ns: Vec<Nanos>,
        /// Latencies of the timed runs, in order; exactly as many as asked for.
        latency_ns: Vec<Nanos>,
        /// Latencies beyond those; only a program that times itself has any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        extra_latency_ns: Vec<Nanos>,
        /// What speaks against them: a program that times itself ended badly, or gave another number of latencies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// The model is compiled. The worker exits 0 right after.
    Built(Built),
    /// The trial can not be completed. The worker exits 0 right after: it did its duty.
    Failed(Failure),
}

/// The environment variable that holds the process id of a worker's parent. The worker compares it with whose child it
/// is; the parent finds by it what a worker left behind.
pub const PARENT_VARIABLE: &str = "BACKBONE_WORKER_OF";

/// The worker's name for the kernel while it warms up. The name changes without a line that would wake the parent, and
/// outlives a crash until the parent has looked.
pub const WARM_UP_NAME: &std::ffi::CStr = c"backbone-warmup";

/// The worker's name for the kernel while it times.
pub const TIMING_NAME: &std::ffi::CStr = c"backbone-timing";

/// The longest request that a worker reads, in bytes. Requests have some hundred bytes; options and shapes are limited
/// by the size of a job file.
pub const REQUEST_LIMIT: u64 = 1 << 20;
