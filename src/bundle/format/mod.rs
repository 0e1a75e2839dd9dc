//! The serialised form of a result, and its version. Nothing else lives here.
//!
//! A [`Bundle`] is the result of one configuration of one job on one runtime: raw latencies in the order in
//! which they were taken, or the stage at which the job ended and the reason. Every statistic in it can be
//! computed again from the latencies. Units are in the key, or next to it in `docs/BUNDLE-FORMAT.md`.
//!
//! A new optional key keeps the version; renaming or removing a key, or changing its meaning, raises it.
//! Numbers with a fraction are always finite: JSON has no others, and a null would read as "not observed".
//!
//! ## Versions
//! - `backbone.bundle/1`: the first.
//! - `backbone.bundle/2`: new keys, all optional, so that a bundle of version 1 is one of version 2:
//!   - models of several files: `model.parts`, and `model.content_sha256`, which identifies a network
//!     from now on
//!   - `inputs`, `outputs`, `resources`
//!   - operator, provider and MACs of the layers in `profile`
//!   - `cost.differences`, `cost.assumptions`, `cost.measured_shapes`
//!   - `model.inputs[].quantization`
//!   - `runtime.options_from_model`
//!   - `outcome.fault`, `trials[].clock_step_ns`
//!   - `environment.graphics`, `host.nvidia_driver`, the quantity `throttle_time`
//!   - `integrity`
//!   - `environment.sandbox`
//!   - `host.id`
//!   - `summary.missing_percentiles`, `summary.mean_interval`, `summary.effective_count`, `summary.variance`,
//!     `summary.trials`, `summary.percentiles[].upper_bound`
//!   - `environment.clocks`
//!   - `protocol`, `schedule`
//!   - the verdict `unverified`, for what earlier programs called `suspect` although nothing spoke against it

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};

mod compilation;
mod environment;
mod failure;
mod fault;
mod graphics;
mod inputs;
mod integrity;
mod loaded;
mod outputs;
mod power;
mod protocol;
mod runtime;
mod sandbox;
mod schedule;
mod statistics;
mod trial;

pub use compilation::{EdgeTpuBuild, EdgeTpuOperator, Layer, Profile};
pub use environment::{
    ClockSpan, Cooling, CoolingEnd, Energy, EnergyReading, EnergySource, EnergyState, Environment,
    JoulesInterval, Observation, Placement, Quantity, Reading, Sensor,
};
pub use failure::Failure;
pub use fault::Fault;
pub use graphics::{Graphics, GraphicsCard};
pub use inputs::{FilledFromFile, FilledInput, InputOrigin};
pub use integrity::{ChainHead, Integrity};
pub(crate) use loaded::ProductNode;
pub use loaded::{LoadedModel, Placed, ProviderNodes};
pub use outputs::{
    Agreement, AgreementState, DifferingProcess, MatchedBy, Output, OutputComparison, OutputReference,
    OutputTolerance, Outputs, ReadOutputs, Resources, TrialResources,
};
pub use power::{Power, PowerChange, PowerDifference, PowerMode, PowerRequest, PowerState};
pub use protocol::{AskedPrecision, Protocol, ProtocolName, ReachedPrecision, RunAllocation, Stopped};
pub use runtime::{LibraryFile, ProviderShare, Runtime, Timed};
pub use sandbox::{Sandbox, SandboxGap, SandboxPart, SandboxSetting};
pub use schedule::{Role, Schedule, ScheduleOrder};
pub use statistics::{Level, MissingPercentile, Mode, TrialStatistics, VarianceSplit};
pub use trial::{Latencies, Trial, TrialId};

/// The version that this program writes, the value of [`Bundle::format`].
pub const FORMAT: &str = "backbone.bundle/2";

/// One result: one configuration of one job on one runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bundle {
    /// Name and version of this format, [`FORMAT`].
    pub format: String,
    /// Assigned when the job is claimed: unique across hosts, and ordered on one host even if its clock
    /// jumps.
    pub id: String,
    /// True if any part of the result is simulated: the `sim` runtime, or a host root other than `/`.
    pub simulated: bool,
    /// The program that measured.
    pub harness: Harness,
    /// The machine that ran it, as far as it could be observed.
    pub host: Host,
    /// The job as its author wrote it.
    pub job: Job,
    /// The configuration of the network family; null for a job with a model file and for one that could not
    /// be read.
    pub configuration: Option<Configuration>,
    /// The model file that was measured; null if none was found or generated.
    pub model: Option<Model>,
    /// What one inference of the network costs; null if it could not be counted.
    pub cost: Option<Cost>,
    /// Why `cost` is null although there is a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_missing: Option<String>,
    /// How each input was filled, in the model's order; empty if the model was never loaded, or its runtime
    /// has no tensors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<FilledInput>,
    /// The inference library and its settings; null if the job ended before it was chosen.
    pub runtime: Option<Runtime>,
    /// The builds of the model; empty for a runtime that does not compile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preparation: Vec<Build>,
    /// How it was measured; left out in bundles of older programs, which know `paper` alone, and if the job
    /// could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// What it is for, and where it stood in its job; left out in bundles of older programs, and if the job
    /// could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How the configuration ended.
    pub outcome: Outcome,
    /// Raw latencies of every trial, in order. Empty if nothing was timed.
    pub trials: Vec<Trial>,
    /// Statistics over the latencies of all trials of the chosen build; null if there are none.
    pub summary: Option<Summary>,
    /// `cost.operations` divided by the mean latency; null if either is null.
    #[serde(serialize_with = "finite_or_null")]
    pub throughput_operations_per_second: Option<f64>,
    /// The time of each layer, if the job asks for it and every trial was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// What the runs computed; null if no trial was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// What each trial took besides time, in the order of `trials`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<TrialResources>,
    /// The readings of the host's sensors; null if no trial started.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// The energy of one inference; null if the job does not ask for it or ended earlier.
    #[serde(default)]
    pub energy: Option<Energy>,
    /// Whether the numbers can be trusted, and if not, why.
    pub verdict: Verdict,
    /// When things happened, by the host's wall clock, which may jump; RFC 3339, UTC.
    pub times: Times,
    /// Its place in the chain of its host's bundles. A file with this key is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
}

/// The program that measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Harness {
    /// `backbone`.
    pub name: String,
    /// Version of the program.
    pub version: String,
}

/// The machine, as observed. Null means that a fact could not be observed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Host name.
    pub name: Option<String>,
    /// Id of the host, which is not its name: random letters, made once, and again for a copied image. Null
    /// if it could not be kept, and for `backbone run` on a host without a daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Distribution name and version, such as `Debian GNU/Linux 12`.
    pub operating_system: Option<String>,
    /// Kernel release, such as `5.10.104-tegra`.
    pub kernel: Option<String>,
    /// Machine architecture, such as `aarch64`.
    pub architecture: Option<String>,
    /// Processor model name.
    pub processor: Option<String>,
    /// Logical processors that are online.
    pub logical_cores: Option<u32>,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// The folder used as `/`; any other than `/` makes the bundle `simulated`.
    pub root: String,
    /// Host family, one of `backbone list hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Board, by the name in its device tree or firmware, such as `NVIDIA Jetson AGX Orin Developer Kit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// The chip of a board with a device tree, such as `nvidia,tegra194`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    /// Release of Linux for Tegra, such as `32.3.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l4t: Option<String>,
    /// JetPack release that contains it, such as `4.3`, or `6.2.1 or later` for a revision that this version
    /// does not list; null if it knows no revision of the L4T release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jetpack: Option<String>,
    /// Graphics processors, by the name that their driver reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<String>,
    /// Version of NVIDIA's driver for graphics cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvidia_driver: Option<String>,
    /// Edge TPUs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edge_tpus: Vec<EdgeTpu>,
    /// Installed inference libraries and their dependencies, from the package manager: package and version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, String>,
}

/// An Edge TPU connected to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeTpu {
    /// How it is connected.
    pub bus: EdgeTpuBus,
    /// Its name on that bus, such as `1-2` or `apex_0`.
    pub name: String,
    /// Speed of its USB connection in Mbit/s: 480 is USB 2, which slows it down considerably. Null on PCIe.
    pub link_megabits_per_second: Option<u32>,
}

/// How an Edge TPU is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeTpuBus {
    /// USB.
    Usb,
    /// PCIe, M.2 included.
    Pcie,
}

/// The job as its author wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Id of the job, shared by all its bundles.
    pub id: String,
    /// `name` from the job file, or the file's stem.
    pub name: String,
    /// Name of the job file in the inbox. U+FFFD replaces bytes that are not UTF-8.
    pub file: String,
    /// `labels` from the job file.
    pub labels: BTreeMap<String, String>,
    /// The whole job file, byte for byte, in the encoding `spec_encoding`; null if it could not be read or
    /// was too large to keep.
    pub spec: Option<String>,
    /// Encoding of `spec`; null if `spec` is null.
    pub spec_encoding: Option<SpecEncoding>,
    /// SHA-256 of the job file; null if it could not be read.
    pub spec_sha256: Option<String>,
}

/// How [`Job::spec`] encodes the file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpecEncoding {
    /// The text itself.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Base 64 with padding, for a file that is not UTF-8.
    Base64,
}

/// One configuration θ of the network family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// Its name, such as `standard-k3-b1-i224-int8`; also the second part of the bundle's file name.
    pub name: String,
    /// Block type, one of `backbone list blocks`.
    pub block: String,
    /// Kernel size k in pixels.
    pub kernel: u32,
    /// Batch size b in images.
    pub batch: u32,
    /// Height and width i of the input in pixels.
    pub input: u32,
    /// `fp32` or `int8`.
    pub precision: String,
    /// Width of every layer, in percent of the paper's.
    pub width_percent: u32,
    /// Number of blocks in each of the stages conv2 to conv5.
    pub depths: [u32; 4],
}

/// What one inference of a network costs, counted from its graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Multiply-accumulates of convolutions and matrix products, for the whole batch.
    pub macs: u64,
    /// 2 × `macs`.
    pub operations: u64,
    /// Operations outside convolutions and matrix products.
    pub other_operations: u64,
    /// Weights and biases.
    pub parameters: u64,
    /// Bytes read and written: the inputs and outputs of every layer, times the batch, and the weights once.
    pub bytes_moved: u64,
    /// `operations` divided by `bytes_moved`; null if nothing is moved.
    #[serde(serialize_with = "finite_or_null")]
    pub operational_density: Option<f64>,
    /// Operators without a counting rule. If there are any, the numbers above are lower bounds.
    pub uncounted: Vec<Uncounted>,
    /// Tensors whose shape in the file, or while running, is not the one that the count computes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What the numbers take for granted because the file does not say it: which branch runs, how often a
    /// loop does, an open batch of 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<Assumption>,
    /// Number of tensors whose shape comes from an untimed run of the model on ONNX Runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_shapes: Option<u64>,
}

/// An operator without a counting rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Uncounted {
    /// Name of the node.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Why it was not counted.
    pub why: String,
}

/// A tensor whose shape is not the one that the count computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Name of the tensor.
    pub tensor: String,
    /// The shape that was used.
    pub used: Vec<u64>,
    /// Where it comes from: `file` or `measured`.
    pub source: String,
    /// The shape that follows from the inputs of the node.
    pub computed: Vec<u64>,
}

/// Something that a count takes for granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assumption {
    /// Name of the node, or of the input.
    pub name: String,
    /// Its operator; `input` for an input.
    pub operator: String,
    /// What is assumed.
    pub what: String,
}

/// The model that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// File name, as in the job file.
    pub file: String,
    /// Format of the runtime that read it: `onnx`, `tflite`, `sim`.
    pub format: String,
    /// SHA-256 of the measured file.
    pub sha256: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Further files that it refers to (the external data of an ONNX file), sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ModelPart>,
    /// SHA-256 over all files of a model that has several; for a model of one file `sha256` says as much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// Input tensors in the model's order, as bound for the measurement; empty if the model was never loaded.
    pub inputs: Vec<Tensor>,
    /// Output tensors in the model's order; empty if the model was never loaded.
    pub outputs: Vec<Tensor>,
}

/// A further file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelPart {
    /// File name, as the model refers to it.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tensor {
    /// Name in the model.
    pub name: String,
    /// Element type, in the runtime's spelling but in lower case: `float32`, `int8`, `uint8`, `int64`, ….
    pub element_type: String,
    /// Shape in the model's own layout (NCHW for most ONNX files, NHWC for TFLite). A dimension that is known
    /// only at run time is null.
    pub shape: Vec<Option<u64>>,
    /// What its elements stand for, if it is quantised and the file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// What the elements of a quantised tensor stand for: `scale` × (element − `zero_point`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantization {
    /// Greater than 0.
    #[serde(serialize_with = "finite")]
    pub scale: f64,
    /// The element that stands for 0.
    pub zero_point: i64,
}

/// How a configuration ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Stage at which it ended; null if measured.
    pub stage: Option<Stage>,
    /// A stable code, such as `unknown_key` or `segmentation_fault`; null if measured.
    pub reason: Option<String>,
    /// What happened, for people; null if measured.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whose fault a failure is; left out if measured or not known. Only `model` is a result about the model.
    #[serde(default, skip_serializing_if = "Fault::is_unknown")]
    pub fault: Fault,
    /// Every mistake of a rejected job file, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// The last lines that the worker wrote to standard error, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

/// How a configuration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All trials returned their latencies.
    Measured,
    /// The job was not accepted: there are mistakes in its job file or its model files.
    Rejected,
    /// The runtime cannot compile this model for this platform.
    NotCompilable,
    /// The job was accepted and a trial failed.
    Failed,
    /// A process ran longer than `measure.timeout_seconds`.
    TimedOut,
    /// The job was cancelled.
    Cancelled,
}

/// The stage at which a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Taking the file out of the inbox.
    Claim,
    /// Reading the job file.
    Spec,
    /// Finding and copying, or generating, the model file.
    Model,
    /// Waiting for its turn.
    Queue,
    /// Setting the power state that the job asks for.
    Power,
    /// Starting the worker process and its library.
    Start,
    /// Loading the model in the worker.
    Load,
    /// Preparing inputs and outputs.
    Prepare,
    /// Compiling the model, if the runtime does so.
    Build,
    /// Untimed runs.
    WarmUp,
    /// Timed runs.
    Timing,
    /// Receiving the worker's result.
    Report,
    /// Measuring energy, after the result.
    Energy,
}

/// One mistake in a job file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mistake {
    /// Line, from 1; null if the mistake has no position in the file.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// Path of the field, such as `measure.timed_runs`; empty for the file as a whole.
    pub field: String,
    /// A stable code, such as `unknown_key`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// One compilation of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Its number, from 1; `build` of a trial refers to it.
    pub build: u32,
    /// How it ended; `measured` if it succeeded.
    pub status: Status,
    /// A stable code; null if it succeeded.
    pub reason: Option<String>,
    /// Compile time in seconds; for a kept build, the time it took originally. Null if it failed, and for a
    /// model that was already compiled.
    #[serde(serialize_with = "finite_or_null")]
    pub seconds: Option<f64>,
    /// Size of the compiled file in bytes.
    pub size_bytes: Option<u64>,
    /// True if it was compiled for an earlier job and kept.
    pub is_kept: bool,
    /// Report of the Edge TPU compiler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_tpu: Option<EdgeTpuBuild>,
    /// The last lines that the compiler printed, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

/// Statistics over the timed latencies of all trials of the chosen build, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Number of timed latencies in the statistics.
    pub count: u64,
    /// The build whose trials were used, which is the one with the lowest mean; left out if there is only one
    /// build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<u32>,
    /// Number of trials in the statistics.
    pub trials_used: u32,
    /// Arithmetic mean.
    #[serde(serialize_with = "finite")]
    pub mean: f64,
    /// Sample standard deviation, n − 1; null for one latency.
    #[serde(default, serialize_with = "finite_or_null")]
    pub standard_deviation: Option<f64>,
    /// Median; the mean of the two middle values if the count is even.
    #[serde(serialize_with = "finite")]
    pub median: f64,
    /// Smallest latency.
    #[serde(serialize_with = "finite")]
    pub minimum: f64,
    /// Largest latency.
    #[serde(serialize_with = "finite")]
    pub maximum: f64,
    /// Distribution-free interval for the median; null if there are too few latencies for one.
    pub median_interval: Option<Interval>,
    /// Percentiles that the count supports, in ascending order.
    pub percentiles: Vec<Percentile>,
    /// Percentiles for which there are too few latencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_percentiles: Vec<MissingPercentile>,
    /// Interval for the mean: what other runs of the same processes would give, although neighbouring runs
    /// resemble each other; null if a process has one run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_interval: Option<Interval>,
    /// Number of independent runs that would determine the mean as well.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite_or_null")]
    pub effective_count: Option<f64>,
    /// Where the variance comes from; null if no process has two runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<VarianceSplit>,
    /// What each process of every build shows about itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<TrialStatistics>,
}

/// A confidence interval, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end.
    #[serde(serialize_with = "finite")]
    pub low: f64,
    /// Upper end.
    #[serde(serialize_with = "finite")]
    pub high: f64,
    /// Minimum probability that an interval made this way covers the true value; assumes independent runs.
    #[serde(serialize_with = "finite")]
    pub confidence: f64,
}

/// One percentile, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentile {
    /// Which percentile: 95 is the value below which 95 % of the latencies fall.
    #[serde(serialize_with = "finite")]
    pub percent: f64,
    /// Its value.
    #[serde(serialize_with = "finite")]
    pub value: f64,
    /// Latency above the percentile with a confidence of 99 %, by the rule of MLPerf's LoadGen.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite_or_null")]
    pub upper_bound: Option<f64>,
}

/// Whether the numbers can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// State of the worst reason.
    pub state: VerdictState,
    /// Why it is not `valid`, or what a reader should know; codes as in `backbone list reasons`.
    pub reasons: Vec<Reason>,
}

/// Worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictState {
    /// Everything that should be observed was, and none of it speaks against the numbers.
    Valid,
    /// Nothing speaks against the numbers, and something that should be observed could not be: the usual
    /// state on a virtual machine.
    Unverified,
    /// Something went wrong or was odd.
    Suspect,
    /// There are no numbers, or they do not mean what they should.
    Invalid,
}

impl VerdictState {
    /// As bundles spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unverified => "unverified",
            Self::Suspect => "suspect",
            Self::Invalid => "invalid",
        }
    }
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Code, one of `REASONS`.
    pub code: String,
    /// Details of this case, with numbers.
    pub detail: String,
}

/// When things happened; RFC 3339, UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// When the job was claimed.
    pub claimed: Option<String>,
    /// When its first trial started; null if none did.
    pub started: Option<String>,
    /// When the bundle was made.
    pub finished: String,
}

fn finite<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        Err(S::Error::custom(format_args!("{value} is not a finite number")))
    }
}

fn finite_or_null<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => finite(value, serializer),
        None => serializer.serialize_none(),
    }
}
