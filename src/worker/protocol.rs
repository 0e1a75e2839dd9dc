//! The messages between the daemon and a worker: versioned JSON, one object per line.
//!
//! The daemon writes one [`Request`] to the worker's standard input. The worker answers with [`Event`]s on
//! standard output: `hello`, `confined` if that was asked for, `loaded`, `paused` before warm-up, before the
//! last warm-up runs and after timing, then `result`, and after it `outputs`: latencies are safe before
//! anything else is read. It may send `failed` at any point after `hello`. If the request asks for energy,
//! three more pauses and `energy` follow the outputs. If it asks for a build, `built` follows `loaded`; if it
//! asks for a profile, `profiled` does; if it asks for outputs or shapes alone, `outputs` or `shapes` does.
//! Any other line on standard output is a failure. Logs go to standard error. The worker writes nothing
//! during timed runs.
//!
//! At each pause the worker waits for a line from the daemon, which reads the host's sensors meanwhile. A
//! worker whose standard input is closed does not wait, because no answer can come.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::bundle::format::{Latencies, Layer, LoadedModel, ReadOutputs, Resources, Sandbox, SandboxSetting};
pub use crate::runtime::Task;
use crate::runtime::{Built, Failure, LoadRequest, NodeShapes};
use crate::units::Nanos;

/// Raised when the meaning of a line changes. Each side refuses any number but its own.
pub const PROTOCOL: u32 = 6;

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Name of the runtime.
    pub runtime: String,
    /// What to do with which model.
    pub load: LoadRequest,
    /// Number of warm-up runs.
    pub warm_up_runs: u32,
    /// Number of timed runs.
    pub timed_runs: u32,
    /// How long to repeat the timed runs for energy, after the result; 0 for no energy runs.
    pub energy_seconds: u32,
    /// A file for the bytes of all outputs, one after the other; left out if they are not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_file: Option<PathBuf>,
    /// Where and how to run.
    pub placement: Wish,
    /// How to confine itself; a worker without this is not confined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<Confinement>,
}

/// How a worker is to confine itself, before it loads anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// What the configuration asks for.
    pub setting: SandboxSetting,
    /// The only folder that it may write to, also for temporary files; left out, the parent makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workplace: Option<PathBuf>,
    /// The folder with all files of a model of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_folder: Option<PathBuf>,
    /// The user to become; left out if the daemon may not change users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<WorkerUser>,
    /// The newest version of Landlock to use, for tests of what older kernels do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landlock_abi: Option<u32>,
}

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerUser {
    /// Its name.
    pub name: String,
    /// Its number.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
}

/// Where and how a worker is to run. If the kernel refuses a part, the worker reports it and continues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Processors to run on; empty for any.
    pub cpus: Vec<u32>,
    /// Nice value.
    pub nice: Option<i32>,
    /// Lock all memory, so that none is swapped.
    pub lock_memory: bool,
}

/// What a worker reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The first line.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// It has confined itself, as it was asked to.
    Confined(Sandbox),
    /// The model is loaded and its inputs are filled.
    Loaded(LoadedModel),
    /// The worker waits for a line on standard input.
    Paused {
        /// At which point.
        at: Pause,
    },
    /// The timed runs are complete.
    Result {
        /// Exactly as many as requested unless there is a failure. Only a program that times itself has extra
        /// ones.
        #[serde(flatten)]
        latencies: Latencies,
        /// Why not to trust them: a program that times itself failed at its end, or delivered another number
        /// of latencies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// What the worker took so far.
        #[serde(default)]
        resources: Resources,
    },
    /// What the runs computed. Unless energy runs follow, the worker now exits with 0.
    Outputs(ReadOutputs),
    /// The energy runs are complete. The worker now exits with 0.
    Energy {
        /// Their latencies, in order.
        latency_ns: Vec<Nanos>,
    },
    /// The model is compiled. The worker now exits with 0.
    Built(Built),
    /// The time of each layer. The worker now exits with 0.
    Profiled {
        /// In the order of the network.
        layers: Vec<Layer>,
    },
    /// What the nodes of the model made. The worker now exits with 0.
    Shapes {
        /// Their shapes.
        nodes: NodeShapes,
    },
    /// The worker cannot complete the request. It now exits with 0, because it has reported the failure.
    Failed(Failure),
}

/// The points at which a worker waits, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Directly before warm-up.
    BeforeWarmUp,
    /// Right before the last warm-up runs, which timing follows without a pause; for a program that times
    /// itself, before it starts, because it does not pause.
    BeforeTiming,
    /// Right after the last timed run.
    AfterTiming,
    /// Idle, before the energy runs.
    IdleBeforeEnergy,
    /// Right before the energy runs.
    BeforeEnergy,
    /// Right after the energy runs; idle again.
    AfterEnergy,
}

/// The largest number of energy runs: as many as a job may time. Fast models finish them before the time is
/// up.
pub(crate) const MAXIMUM_ENERGY_RUNS: usize = 1_000_000;

/// The environment variable with the process id of a worker's parent. The worker compares it with its actual
/// parent; the parent uses it to find processes that a worker left behind.
pub const PARENT_VARIABLE: &str = "BACKBONE_WORKER_OF";

/// The worker's process name during warm-up. The worker can change it without waking the parent, and the
/// parent can still read it after a crash.
pub(crate) const WARM_UP_NAME: &std::ffi::CStr = c"backbone-warmup";

/// The worker's process name during timed runs.
pub const TIMING_NAME: &std::ffi::CStr = c"backbone-timing";

/// The longest request that a worker reads, in bytes. Requests have a few hundred bytes; the size of a job
/// file limits their options and shapes.
pub(crate) const REQUEST_LIMIT: u64 = 4 << 20;

/// The most bytes of outputs that a worker keeps in [`Request::outputs_file`]: a picture of 2,300 × 2,300
/// pixels in three channels of floats. Larger ones are described and not compared.
pub(crate) const KEPT_OUTPUTS_LIMIT: u64 = 64 << 20;
