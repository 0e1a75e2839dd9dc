//! What compilers and profilers tell of a model. Serialised types and nothing else, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{finite, finite_or_null};

/// What the compiler of the Edge TPU told. Sizes are as it prints them, rounded to three digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeTpuBuild {
    /// Its version, such as `16.0.384591198`.
    pub compiler_version: Option<String>,
    /// How often it was started: once more after each error of its own.
    pub attempts: u32,
    /// How long it says that it took, in seconds.
    #[serde(serialize_with = "finite_or_null")]
    pub compiler_seconds: Option<f64>,
    /// Size of the model in bytes.
    pub input_bytes: Option<u64>,
    /// Size of the compiled model in bytes.
    pub output_bytes: Option<u64>,
    /// On-chip memory that caches parameters, in bytes.
    pub on_chip_used_bytes: Option<u64>,
    /// On-chip memory that is left, in bytes.
    pub on_chip_remaining_bytes: Option<u64>,
    /// Parameters that do not fit and are streamed for each inference, in bytes.
    pub off_chip_bytes: Option<u64>,
    /// Parts of the network that run on the Edge TPU, each in one piece.
    pub subgraphs: Option<u32>,
    /// Operations of the network.
    pub operations: Option<u32>,
    /// Operations that run on the Edge TPU.
    pub operations_on_edge_tpu: Option<u32>,
    /// Operations that stay on the processor.
    pub operations_on_cpu: Option<u32>,
    /// Each operator and where it runs, in the compiler's order.
    pub operators: Vec<EdgeTpuOperator>,
}

/// One row of the compiler's operation log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeTpuOperator {
    /// Its name, such as `CONV_2D`.
    pub operator: String,
    /// How many of them.
    pub count: u32,
    /// Do they run on the Edge TPU?
    pub is_mapped: bool,
    /// What the compiler says: `Mapped to Edge TPU`, or why not.
    pub status: String,
}

/// The time of each layer, in a run of its own after all trials. It is slower than they are and enters no statistic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// The build that was run: the chosen one.
    pub build: u32,
    /// Inferences that were asked for.
    pub runs: u32,
    /// In the order of the network. Empty where it did not come to that.
    pub layers: Vec<Layer>,
    /// Why there are none.
    pub detail: Option<String>,
}

/// One layer of a compiled network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// Its name, as the runtime calls it; layers that were fused have one together.
    pub name: String,
    /// Mean time of an inference that it takes, in milliseconds.
    #[serde(serialize_with = "finite")]
    pub mean_milliseconds: f64,
    /// Median time, in milliseconds; null where the runtime does not tell.
    #[serde(serialize_with = "finite_or_null")]
    pub median_milliseconds: Option<f64>,
}
