//! Job files: what the YAML says ([`raw`]) and what it means ([`resolve`]).
//!
//! Text comes in, a [`Job`] or every mistake of the file comes out; no file is opened and no clock is read here. The
//! table [`FIELDS`] drives the checks, the JSON Schema and the table in `docs/JOB-SPEC.md`. Nothing here prints:
//! [`render`] gives the text for those who do.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::runtime::Runtime;

pub(crate) use self::describe::table as describe_table;
pub use self::describe::{reference, schema};
pub use self::fields::FIELDS;
pub use self::mistakes::render;
pub use self::raw::MAXIMUM_SPEC_BYTES;

pub(crate) mod check;
mod describe;
pub mod fields;
pub(crate) mod mistakes;
mod models;
pub mod raw;
pub mod resolve;
mod runtimes;

/// Extensions of job files, lower case without the dot.
pub const SPEC_EXTENSIONS: &[&str] = &["yaml", "yml"];

/// A job file that was understood: every default filled in, every value in its range.
#[derive(Debug, Clone)]
pub struct Job {
    /// `name`, or the file's stem.
    pub name: String,
    /// Files that hold the same network, at least one; bare file names.
    pub models: Vec<ModelReference>,
    /// Where to measure, in order, each with the one model file it takes.
    pub configurations: Vec<Configuration>,
    /// Shapes of inputs that a model leaves open, by input name.
    pub inputs: BTreeMap<String, Vec<u64>>,
    /// How to measure.
    pub measure: Measure,
    /// −100 … 100, higher first.
    pub priority: i8,
    /// Free labels, copied to the bundle.
    pub labels: BTreeMap<String, String>,
}

/// A model file dropped beside the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReference {
    /// A bare file name in the job's own folder: no separator, not hidden, no temporary name.
    pub file: String,
    /// The digest it must have, lower-case hex, where the author gave one.
    pub sha256: Option<String>,
}

/// One thing to measure: a model on a runtime. Each becomes one bundle.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The runtime.
    pub runtime: &'static Runtime,
    /// Its options as the author gave them, checked against [`Runtime::options`].
    pub options: BTreeMap<String, Value>,
    /// Index into [`Job::models`].
    pub model: usize,
}

/// How to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Untimed runs before the timed ones.
    pub warm_up_runs: u32,
    /// Timed runs, exactly.
    pub timed_runs: u32,
    /// Fresh processes, each with its own load, warm-up and timed runs.
    pub processes: u32,
    /// Limit for each process.
    pub timeout_seconds: u32,
    /// Seed of the input data.
    pub seed: u64,
}
