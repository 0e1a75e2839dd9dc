//! Inference runtimes: the one seam through which models are run.
//!
//! A runtime knows model files and tensors, nothing of jobs, statistics or folders. It has two halves. The
//! description, [`Runtime`], is plain data that the daemon reads to check jobs; it is listed in [`RUNTIMES`]. The
//! executing half, [`Load`] and [`Session`], is used in a worker process only, because an inference library may
//! crash, hang or leak; the daemon's process never loads one.
//!
//! To add a runtime: a folder here, one line in [`RUNTIMES`], and its `Load` in the worker that links it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::bundle::format::{Stage, Tensor};
use crate::net::emit::Form;

pub mod fill;
pub mod mapped;
pub mod onnxruntime;
pub mod options;
pub mod shapes;
pub mod signatures;
pub mod sim;
pub mod tflite;

/// Every runtime that a job may name, in the order in which help and documents list them.
pub const RUNTIMES: &[&Runtime] = &[&onnxruntime::RUNTIME, &tflite::RUNTIME, &sim::RUNTIME];

/// The runtime of that name.
pub fn find(name: &str) -> Option<&'static Runtime> {
    RUNTIMES.iter().copied().find(|runtime| runtime.name == name)
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
    /// Does the head of a file (its first 16 bytes, or all of a shorter one) look like that format? `Err` says what it
    /// looks like instead. Formats without a signature accept everything that is not known to be another.
    pub recognise: fn(head: &[u8]) -> Result<(), String>,
    /// How networks of the family are written for it; `None` where they are not generated in its format.
    pub networks: Option<Form>,
    /// What a job may ask of it; everything else is refused.
    pub options: &'static [RuntimeOption],
    /// What lies between the two clock reads: a code and a sentence.
    pub timed: (&'static str, &'static str),
    /// The executable that runs it.
    pub worker: WorkerExecutable,
    /// Results are made up, and are marked so.
    pub simulated: bool,
    /// File name of the library, where an installation keeps it beside the program.
    pub library_file: Option<&'static str>,
    /// Environment variables by which a host names the library, the usual ones of the field.
    pub library_variables: &'static [&'static str],
}

/// Which executable holds the executing half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerExecutable {
    /// `backbone __worker`.
    ThisProgram,
    /// `backbone-worker-tflite`, beside `backbone`.
    Tflite,
}

/// One option of a runtime.
#[derive(Debug)]
pub struct RuntimeOption {
    /// Key below `runtime_options`.
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

/// What a worker is asked to load.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The model file.
    pub model: PathBuf,
    /// The library to load, for a runtime that loads one at run time; else the runtime's own search.
    pub library: Option<PathBuf>,
    /// Options of the job, already checked against [`Runtime::options`]; defaults are not filled in.
    pub options: BTreeMap<String, Value>,
    /// Shapes for inputs whose shape the model leaves open, by input name.
    pub inputs: BTreeMap<String, Vec<u64>>,
    /// Seed of the input data.
    pub seed: u64,
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
    pub session: Box<dyn Session>,
    /// Version as the library tells it.
    pub version: Option<String>,
    /// The library file that is mapped.
    pub library: Option<PathBuf>,
    /// Options in force, defaults included.
    pub options: BTreeMap<String, Value>,
    /// Input tensors as bound.
    pub inputs: Vec<Tensor>,
    /// Output tensors.
    pub outputs: Vec<Tensor>,
}

/// A loaded model with bound tensors.
pub trait Session {
    /// One inference: the library's own call and nothing else. Called between two clock reads, so it must not
    /// allocate, lock or enter the kernel on our behalf.
    ///
    /// # Errors
    /// A [`RunError`]; making it may allocate, for the measurement is over then.
    fn run(&mut self) -> Result<(), RunError>;
}

/// The library refused to run.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

/// Why a model could not be loaded or prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// Start, load or prepare.
    pub stage: Stage,
    /// A stable code in snake case, such as `library_not_found`, `model_not_readable`, `dynamic_shape`.
    pub reason: String,
    /// What happened, for a person.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(stage: Stage, reason: &str, detail: impl Into<String>) -> Self {
        Self { stage, reason: reason.to_owned(), detail: detail.into(), hint: None }
    }

    /// The same with advice, lower case, no full stop.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
