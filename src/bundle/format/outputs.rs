//! What the runs of a trial computed, and what the trial took besides time. Serialised types only, like the
//! rest of the format.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TrialId, finite_or_null};

/// What one trial computed, read once after its timed runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// The trial: the first complete one of the chosen build.
    #[serde(flatten)]
    pub trial: TrialId,
    /// Its outputs, in the model's order; empty if they were not read.
    pub tensors: Vec<Output>,
    /// Why the outputs were not read; null if they were.
    #[serde(default)]
    pub detail: Option<String>,
    /// Other processes of that build whose outputs have another digest, although model, build and inputs are
    /// the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differing_processes: Vec<DifferingProcess>,
    /// How far they are from those of another runtime, if the job asks for that or names several runtimes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<OutputComparison>,
}

/// Outputs of one runtime against those of another on the same inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputComparison {
    /// What they are compared with.
    pub reference: OutputReference,
    /// How outputs were matched; null if they were not.
    pub matched_by: Option<MatchedBy>,
    /// What was accepted; null if nothing was compared.
    pub tolerance: Option<OutputTolerance>,
    /// Each output, in the order of `tensors`.
    pub outputs: Vec<Agreement>,
    /// The reference's model has inputs in another layout or of another element type, so this one ran once
    /// more, untimed, on the reference's inputs as its own model takes them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_converted_inputs: bool,
    /// Why nothing was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What outputs are compared with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputReference {
    /// The runtime.
    pub runtime: String,
    /// Version of its library; null if it was not loaded.
    pub version: Option<String>,
    /// Its options in force; those that were asked for if it was not loaded.
    pub options: BTreeMap<String, Value>,
    /// The configuration of the job that measured it, from 1; null if it ran for the comparison alone.
    pub configuration: Option<u32>,
}

/// How the outputs of two models were matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// All have the same names.
    Name,
    /// By their order: the names differ, the numbers of outputs and of their elements do not.
    Position,
}

/// What differences between two runs are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputTolerance {
    /// The lower precision of the two: `fp32`, `fp16` (TF32 and bfloat16 as well), `int8`.
    pub precision: String,
    /// Largest accepted `largest_absolute_difference`, as a share of `largest_reference_magnitude`; null if
    /// it is not a criterion.
    #[serde(serialize_with = "finite_or_null")]
    pub largest_share: Option<f64>,
    /// Smallest accepted `cosine_similarity`; null if it is not a criterion.
    #[serde(serialize_with = "finite_or_null")]
    pub smallest_cosine: Option<f64>,
}

/// One output of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name in the model.
    pub name: String,
    /// Element type, as in `model.outputs`.
    pub element_type: String,
    /// Shape of this output after these runs.
    pub shape: Vec<u64>,
    /// SHA-256 of its bytes; null if the runtime does not show them.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Smallest finite element; null if there is none.
    #[serde(default, serialize_with = "finite_or_null")]
    pub minimum: Option<f64>,
    /// Largest finite element; null if there is none.
    #[serde(default, serialize_with = "finite_or_null")]
    pub maximum: Option<f64>,
    /// Are all elements finite numbers? Null if the elements were not read.
    #[serde(default)]
    pub is_finite: Option<bool>,
    /// Are there two elements or more, and all of them equal? Null if the elements were not read.
    #[serde(default)]
    pub is_constant: Option<bool>,
    /// Why something above is null although the outputs were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A process with other outputs than the first one of its build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DifferingProcess {
    /// The process.
    pub process: u32,
    /// How far each output is from that of the first process; empty if that is not known.
    pub outputs: Vec<Agreement>,
    /// Why `outputs` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How far an output is from the same output of another run on the same inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Name of the output.
    pub name: String,
    /// Whether the two agree within the tolerance.
    pub state: AgreementState,
    /// Largest difference between two elements at the same place; null if they were not compared, or if one
    /// of two is not finite.
    #[serde(default, serialize_with = "finite_or_null")]
    pub largest_absolute_difference: Option<f64>,
    /// Largest difference of two elements, divided by the magnitude of the reference's element; null as
    /// above. Elements whose reference is zero do not count.
    #[serde(default, serialize_with = "finite_or_null")]
    pub largest_relative_difference: Option<f64>,
    /// Largest magnitude in the reference, by which `largest_absolute_difference` is judged.
    #[serde(default, serialize_with = "finite_or_null")]
    pub largest_reference_magnitude: Option<f64>,
    /// Cosine of the angle between the two as vectors: 1 if they point the same way. Null if one is zero, or
    /// not finite.
    #[serde(default, serialize_with = "finite_or_null")]
    pub cosine_similarity: Option<f64>,
    /// Why they were not compared, or what else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether two outputs agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgreementState {
    /// Every element is within the tolerance.
    Agrees,
    /// Some element is not.
    Disagrees,
    /// Compared, but not judged: indices and other decisions jump where the numbers behind them move a
    /// little.
    NotJudged,
    /// Not comparable.
    NotComparable,
}

/// What a worker read of the outputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadOutputs {
    /// The outputs, in the model's order; empty if there is a `detail`.
    pub tensors: Vec<Output>,
    /// Why they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why their bytes were not kept, although that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
    /// They change from one run to the next, on the same inputs; only known if they were read twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub change_between_runs: bool,
}

/// What a trial took besides time. Null means not observed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialResources {
    /// The trial.
    #[serde(flatten)]
    pub trial: TrialId,
    /// What it took.
    #[serde(flatten)]
    pub resources: Resources,
}

/// What a worker took besides time. Null means not observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Seconds that the library took to read the model and make it ready to run: its sessions, interpreters
    /// and tensors. Not the library itself and not the filling of inputs. Null for a program that loads and
    /// times in one.
    #[serde(serialize_with = "finite_or_null")]
    pub load_seconds: Option<f64>,
    /// Seconds of the first inference of the process, which no statistic includes unless there are no warm-up
    /// runs. Null for a program that times itself.
    #[serde(serialize_with = "finite_or_null")]
    pub first_inference_seconds: Option<f64>,
    /// Resident memory of the worker just before it loads library and model. Null for a program, as the next
    /// one.
    pub memory_before_load_bytes: Option<u64>,
    /// Resident memory of the worker when the model is ready to run.
    pub memory_after_load_bytes: Option<u64>,
    /// Highest resident memory of the worker until the end of its timed runs; for a program, that of the
    /// program. Memory of a graphics card does not count.
    pub peak_memory_bytes: Option<u64>,
}
