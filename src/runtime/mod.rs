//! Inference runtimes: the one seam through which models are run.
//!
//! A runtime knows model files and tensors, nothing of jobs, statistics or folders. It has two halves. The
//! description, [`Runtime`], is plain data that the daemon reads to check jobs; it is listed in [`RUNTIMES`].
//! The executing half, [`Load`] and what it gives, is used in a worker process only, because an inference
//! library may crash, hang or leak; the daemon's process never loads one.
//!
//! A library is run under our clock, as a [`Session`]; a program that runs and times models itself is a
//! [`Program`]. Where a model has to be compiled first, that is a [`Compiler`]'s. Each compilation and each
//! timed run is a worker process of its own, so that limits, endings and log tails are those of every trial.
//!
//! To add a runtime: a folder here, and one line in [`LISTED`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::bundle::format::Failure;
use crate::bundle::format::{EdgeTpuBuild, Latencies, Layer, LoadedModel, Tensor};
pub use crate::network::count::NodeShapes;
use crate::network::emit::Form;

pub(crate) mod agreement;
pub(crate) mod causes;
pub(crate) mod declared;
pub(crate) mod edgetpu;
mod element;
mod encode;
pub mod fill;
mod given;
pub mod inputs;
pub(crate) mod kept;
pub mod layers;
pub(crate) mod layout;
pub(crate) mod lines;
pub mod mapped;
pub mod needs;
pub mod onnxruntime;
pub mod options;
pub mod outputs;
pub(crate) mod program;
mod reach;
pub mod said;
pub mod shapes;
pub(crate) mod sim;
pub mod tflite;
pub mod trtexec;

use causes::Cause;
pub use given::{GivenInput, GivenInputs, InputContent, InputFile};
pub use needs::{Need, NeedKind, Provided};
pub use outputs::ShownOutput;
pub use reach::{Reach, SocketKind};

/// Every runtime that a job may name, in the order in which help and documents list them: its description,
/// and the half of it that `backbone __worker` executes. A runtime without that half has a worker executable
/// of its own.
const LISTED: &[(&Runtime, Option<&dyn Load>)] = &[
    (&onnxruntime::RUNTIME, Some(&onnxruntime::OnnxRuntime)),
    (&tflite::RUNTIME, None),
    (&edgetpu::RUNTIME, Some(&edgetpu::EdgeTpuRuntime)),
    (&trtexec::RUNTIME, Some(&trtexec::TensorRt)),
    (&sim::RUNTIME, Some(&sim::Simulator)),
];

/// The descriptions. A list of its own, so that the daemon's executable holds no code of the executing
/// halves.
pub const RUNTIMES: &[&Runtime] = &{
    let mut descriptions = [LISTED[0].0; LISTED.len()];
    let mut index = 0;
    while index < LISTED.len() {
        descriptions[index] = LISTED[index].0;
        index += 1;
    }
    descriptions
};

/// The executing halves that are part of `backbone __worker`, for it alone.
pub fn loaders() -> Vec<&'static dyn Load> {
    LISTED.iter().filter_map(|(_, load)| *load).collect()
}

/// The runtime of that name.
pub fn find(name: &str) -> Option<&'static Runtime> {
    RUNTIMES.iter().copied().find(|runtime| runtime.name == name)
}

/// The runtime, and its options, with which outputs of that runtime are verified: the plainest that reads the
/// same files, on the processor. `None` if there is none.
pub(crate) fn reference(runtime: &Runtime) -> Option<(&'static Runtime, Options)> {
    let (reference, option): (&'static Runtime, Option<(&str, Value)>) = match runtime.model_format {
        "onnx" => (&onnxruntime::RUNTIME, Some(("provider", "cpu".into()))),
        "tflite" => (&tflite::RUNTIME, Some((tflite::XNNPACK.name, false.into()))),
        "sim" => (&sim::RUNTIME, None),
        _ => return None,
    };
    Some((reference, option.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// The number of the CUDA device on which that runtime computes with these options of a job; `None` if it
/// uses none, or a plug-in's.
pub(crate) fn cuda_device(runtime: &Runtime, asked: &Options) -> Option<u32> {
    let uses_cuda = match runtime.name {
        "trtexec" => true,
        "onnxruntime" => onnxruntime::uses_cuda(asked),
        _ => false,
    };
    let device = asked.get("device").and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(device).ok().filter(|_| uses_cuda)
}

/// The runtime, and its options, that reports the shapes of what the nodes of that runtime's models make.
/// `None` if there is none: the other formats keep the shape of every tensor.
pub(crate) fn shape_source(runtime: &Runtime) -> Option<(&'static Runtime, Options)> {
    let (source, mut options) = reference(runtime).filter(|(source, _)| source.model_format == "onnx")?;
    options.extend(onnxruntime::UNCHANGED_GRAPH.map(|(name, value)| (name.to_owned(), value.into())));
    Some((source, options))
}

/// What the daemon knows of a runtime without loading it.
#[derive(Debug)]
pub struct Runtime {
    /// The name in a job file.
    pub name: &'static str,
    /// One line for lists and help.
    pub summary: &'static str,
    /// The format of the model files it reads; also their extension, lower case without the dot.
    pub model_format: &'static str,
    /// Does the head of a file (its first 16 bytes, or all of a shorter file) look like that format? `Err` is
    /// a noun phrase for what it looks like instead. Formats without a signature accept everything that is
    /// not known to be another format.
    pub recognise: fn(head: &[u8]) -> Result<(), String>,
    /// The form in which networks of the family are written for it with these options of a job; `None` if
    /// they are not generated in its format.
    pub networks: fn(&Options) -> Option<Form>,
    /// What a job may ask of it; everything else is refused.
    pub options: &'static [RuntimeOption],
    /// Options in force that follow from the model and not from the job, by the names under which a bundle
    /// has them. They say nothing about the platform.
    pub options_from_model: &'static [&'static str],
    /// The most runs of one process, warm-up included, that its own clock can time; `None` if ours does.
    pub most_runs: Option<u32>,
    /// What is between the two clock reads with these options of a job: a code and a sentence.
    pub timed: fn(&Options) -> (&'static str, &'static str),
    /// What it needs of the host.
    pub needs: &'static [Need],
    /// What its worker may reach with these options of a job.
    pub reach: fn(&Options) -> Reach,
    /// Lines on a worker's standard error after which its device does not answer any more: the worker is
    /// ended at once, and the line is the cause.
    pub(crate) fatal_lines: &'static [Cause],
    /// Its results are made up; bundles are marked so.
    pub simulated: bool,
}

/// What a job asks of a runtime under `runtime_options`: checked against [`Runtime::options`], defaults not
/// filled in.
pub type Options = BTreeMap<String, Value>;

/// One option of a runtime.
#[derive(Debug)]
pub struct RuntimeOption {
    /// Key under `runtime_options`.
    pub name: &'static str,
    /// Accepted values.
    pub kind: OptionKind,
    /// What it does, and what happens without it.
    pub summary: &'static str,
}

/// The values an option accepts.
#[derive(Debug)]
pub enum OptionKind {
    /// A whole number in a closed range.
    Integer {
        /// Smallest.
        minimum: i64,
        /// Largest.
        maximum: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of a few words.
    Choice(&'static [&'static str]),
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
    /// Run what was compiled once more, slower, for the time that each layer takes.
    Profile,
    /// Run it untimed, and read what it computes.
    Outputs,
    /// Run it once, its graph as the file has it, for the shapes of what its nodes make.
    Shapes,
}

/// What a worker is asked to load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// What to do with the model.
    pub task: Task,
    /// The model file.
    pub model: PathBuf,
    /// Where the host has what the runtime needs. A library that is not named is left to the system's loader.
    #[serde(default, skip_serializing_if = "Provided::is_empty")]
    pub provided: Provided,
    /// Options of the job.
    pub options: Options,
    /// What the job says of the model's inputs.
    pub inputs: GivenInputs,
    /// Seed of the input data.
    pub seed: u64,
    /// The inputs of another model of the same network, in its order. Where this is not empty, inputs that
    /// the job does not give hold what that model's would, in the layout and element type of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled_like: Vec<Tensor>,
    /// For a runtime that compiles models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compilation: Option<Compilation>,
}

/// What a runtime that compiles models needs in addition to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compilation {
    /// A folder that keeps what was compiled. It exists; files in it may vanish between two workers.
    pub folder: PathBuf,
    /// The machine, in words that change with its GPU and its driver: files that another one compiled are not
    /// used.
    pub platform: String,
    /// Digest of the model, over all its files.
    pub model_sha256: String,
    /// The build of the model, from 1. Builds share nothing: their purpose is to show differences.
    pub build: u32,
}

/// The executing half of a runtime, found by the worker that links it.
pub trait Load {
    /// The runtime this executes.
    fn runtime(&self) -> &'static Runtime;

    /// Load the model, bind preallocated inputs and outputs, fill the inputs from the seed.
    ///
    /// # Errors
    /// A [`Failure`] that says at which stage and why, with a hint.
    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure>;
}

/// A model that is ready to run.
pub struct Loaded {
    /// Runs it.
    pub execution: Execution,
    /// The model as the library loaded it. The runtime leaves `placed` to the worker.
    pub model: LoadedModel,
    /// How long that took.
    pub spent: Spent,
}

/// How long the parts of loading took. `None` means that it was not observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// From the model's file to a session, an interpreter with its tensors.
    pub load: Option<Duration>,
    /// The first inference, if loading includes one.
    pub first_inference: Option<Duration>,
}

/// What a worker can do with it.
pub enum Execution {
    /// Run it under our clock.
    Session(Box<dyn Session>),
    /// Let a program of the host run it under its own clock.
    Program(Box<dyn Program>),
    /// Compile it.
    Compiler(Box<dyn Compiler>),
    /// Run it for the time of each layer.
    Profiler(Box<dyn Profiler>),
    /// It has run, and made this.
    Shapes(NodeShapes),
}

/// What compiles a model. What it prints goes to standard error, and from there into the bundle.
pub trait Compiler {
    /// Compile the model into the folder of the [`Compilation`], unless it is there.
    ///
    /// # Errors
    /// A [`Failure`], which may be one of the model.
    fn build(&mut self) -> Result<Built, Failure>;
}

/// A program that runs what was compiled, and times it. What it prints goes where a compiler's output goes.
pub trait Program {
    /// Run it.
    ///
    /// # Errors
    /// A [`Failure`] before there were latencies; one after is in [`SelfTimed`].
    fn time(&mut self, warm_up_runs: u32, timed_runs: u32) -> Result<SelfTimed, Failure>;

    /// Run it once more, untimed, on the same inputs, and show every output to `show`, in the model's order.
    /// Called after [`Program::time`] only.
    ///
    /// # Errors
    /// The outputs cannot be read, and why.
    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError>;
}

/// Runs a model for the time that each of its layers takes. It is slower then.
pub trait Profiler {
    /// The layers in the order in which they ran, from `runs` inferences after the warm-up.
    ///
    /// # Errors
    /// A [`Failure`]; the latencies of the trials before stay as they are.
    fn profile(&mut self, warm_up_runs: u32, runs: u32) -> Result<Vec<Layer>, Failure>;
}

/// A compiled model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    /// How long compiling took, in seconds; for a kept one, when it was compiled. `None` if the model came
    /// compiled.
    pub seconds: Option<f64>,
    /// It was there already.
    pub is_kept: bool,
    /// Size of the compiled file in bytes.
    pub size_bytes: u64,
    /// What the compiler of the Edge TPU reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_tpu: Option<EdgeTpuBuild>,
}

/// The latencies that a program reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTimed {
    /// Its latencies: as many as asked for unless there is a failure, and those beyond.
    pub latencies: Latencies,
    /// Why they cannot be trusted, or are incomplete.
    pub failure: Option<Failure>,
}

/// A loaded model with bound tensors.
pub trait Session {
    /// One inference: the library's own call and nothing else. Called between two clock reads, so it must not
    /// allocate, lock or enter the kernel on our behalf.
    ///
    /// # Errors
    /// A [`RunError`]; making it may allocate, for the measurement is over then.
    fn run(&mut self) -> Result<(), RunError>;

    /// Show every output of a run to `show`, in the model's order. Called after the timed runs only, so it
    /// may allocate, copy and run once more.
    ///
    /// # Errors
    /// The outputs cannot be read, and why.
    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError>;
}

/// The library refused to run.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);
