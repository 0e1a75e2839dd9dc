//! Job files: what the YAML says ([`raw`]) and what it means ([`resolve`]).
//!
//! Text comes in, a [`Job`] or every mistake of the file comes out; no file is opened and no clock is read
//! here. The table [`FIELDS`] drives the checks, the JSON Schema and the table in `docs/JOB-SPEC.md`. Nothing
//! here prints: [`render`] gives the text for those who do.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::format::{PowerRequest, Role, ScheduleOrder};
use crate::network;
use crate::runtime::{GivenInputs, Need, NeedKind, Runtime};

#[cfg(test)]
pub(crate) use self::describe::reference;
pub use self::describe::schema;
pub use self::fields::FIELDS;
pub use self::mistakes::render;
pub use self::raw::MAXIMUM_SPEC_BYTES;
pub(crate) use self::sentinel::daily_job as sentinel_job;

pub(crate) mod check;
mod describe;
mod field;
pub(crate) mod fields;
pub mod files;
mod host;
mod inputs;
pub(crate) mod mistakes;
pub(crate) mod models;
mod networks;
mod order;
pub(crate) mod raw;
pub mod resolve;
mod runtimes;
mod sentinel;
mod source;

/// Extensions of job files, lower case without the dot.
pub(crate) const SPEC_EXTENSIONS: &[&str] = &["yaml", "yml"];

/// A job file that was understood: every default filled in, every value in its range.
#[derive(Debug, Clone)]
pub struct Job {
    /// `name`, or the file's stem.
    pub name: String,
    /// Files that hold the same network, bare file names; none where the networks are generated.
    pub models: Vec<ModelReference>,
    /// What to measure, in order; at least one.
    pub configurations: Vec<JobConfiguration>,
    /// Whether they are in an order of chance.
    pub order: ScheduleOrder,
    /// What the job says of the inputs of its models.
    pub inputs: GivenInputs,
    /// How to measure.
    pub measure: Measure,
    /// How the host is to be meanwhile.
    pub host: Host,
    /// The state that the host is to be in.
    pub power: PowerRequest,
    /// Compare outputs with those of the plainest runtime on the processor.
    pub verify: Verify,
    /// −100 … 100, higher first.
    pub priority: i8,
    /// Free labels, copied to the bundle.
    pub labels: BTreeMap<String, String>,
}

/// A model file dropped next to the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReference {
    /// A bare file name in the job's own folder: no separator, not hidden, no temporary name.
    pub file: String,
    /// The digest it must have, lower-case hex, where the author gave one.
    pub sha256: Option<String>,
}

/// One thing to measure: a model on a runtime. Each becomes one bundle.
#[derive(Debug, Clone)]
pub struct JobConfiguration {
    /// The runtime.
    pub runtime: &'static Runtime,
    /// Its options as the author gave them, checked against [`Runtime::options`].
    pub options: BTreeMap<String, Value>,
    /// Where the model comes from.
    pub source: ModelSource,
    /// What its result is for.
    pub role: Role,
}

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelSource {
    /// A dropped file: an index into [`Job::models`].
    Dropped(usize),
    /// A network of the family, generated in the format that the runtime reads when its turn comes.
    Generated(network::configuration::Configuration),
}

impl JobConfiguration {
    /// How often its model is compiled, as far as the job tells: that of a dropped file with large inputs
    /// once, however many are said here for `paper`. One for a runtime that compiles nothing.
    pub fn builds(&self, measure: &Measure) -> u32 {
        let Some(Need::Program { builds_in_paper, .. }) = self.runtime.need(NeedKind::Program) else {
            return 1;
        };
        match (measure.builds, self.source) {
            (Builds::Count(count), _) => count,
            (Builds::Paper, ModelSource::Generated(network))
                if network.input() > PAPER_BUILDS_UP_TO_INPUT =>
            {
                1
            }
            (Builds::Paper, _) => *builds_in_paper,
        }
    }

    /// What the model is called in the names of bundles: θ, or the stem of its file.
    pub fn model_name(&self, job: &Job) -> String {
        match self.source {
            ModelSource::Dropped(index) => {
                let file = &job.models[index].file;
                file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem).to_owned()
            }
            ModelSource::Generated(network) => network.to_string(),
        }
    }

    /// The name of its model file; for a generated one, the name that `backbone networks export` gives it.
    pub fn model_file(&self, job: &Job) -> String {
        match self.source {
            ModelSource::Dropped(index) => job.models[index].file.clone(),
            ModelSource::Generated(network) => match (self.runtime.networks)(&self.options) {
                Some(form) => form.file_name(&network),
                None => format!("{network}.{}", self.runtime.model_format),
            },
        }
    }
}

/// The largest input, in pixels, that the paper built more than once for a runtime that compiles.
pub(crate) const PAPER_BUILDS_UP_TO_INPUT: u32 = 560;

/// How often a model is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builds {
    /// As in the paper, by the size of the input.
    Paper,
    /// So often.
    Count(u32),
}

/// What the outputs are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// With those of the job's other runtimes, if there are any.
    #[default]
    Others,
    /// With those of a run on the processor.
    Cpu,
}

/// When there are enough processes and builds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum MeasureProtocol {
    /// When there are as many as the job says.
    #[default]
    Paper,
    /// When the mean is known well enough.
    Rigorous {
        /// Half the width of the interval of the mean, in percent of the mean.
        precision_percent: f64,
        /// Time for one configuration.
        time_limit_seconds: u32,
    },
}

/// How to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// When there are enough processes.
    pub protocol: MeasureProtocol,
    /// Untimed runs before the timed ones.
    pub warm_up_runs: u32,
    /// Timed runs, exactly.
    pub timed_runs: u32,
    /// Compilations of the model, for runtimes that compile.
    pub builds: Builds,
    /// Fresh processes, each with its own load, warm-up and timed runs; for each build.
    pub processes: u32,
    /// Limit for each process.
    pub timeout_seconds: u32,
    /// Seed of the input data.
    pub seed: u64,
    /// How long to run on for energy; 0 is not at all.
    pub energy_seconds: u32,
}

/// How the host is to be while it measures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Wait until the zones are below this, in °C.
    pub start_below_celsius: Option<u32>,
    /// For so long at most.
    pub wait_up_to_seconds: u32,
    /// Names of the zones to wait for; empty means all.
    pub zones: Vec<String>,
    /// Processors of the worker, ascending; empty leaves them open.
    pub cpus: Vec<u32>,
    /// Nice value of the worker.
    pub nice: Option<i32>,
    /// Keep the worker's memory from being swapped.
    pub lock_memory: bool,
}
