//! Reports of compilers and profilers. Serialised types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{finite, finite_or_null};

/// Report of the Edge TPU compiler. Sizes are as it prints them, rounded to three digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeTpuBuild {
    /// Its version, such as `16.0.384591198`.
    pub compiler_version: Option<String>,
    /// How often it was started; it is started again after an internal error.
    pub attempts: u32,
    /// Compile time that it reports, in seconds.
    #[serde(serialize_with = "finite_or_null")]
    pub compiler_seconds: Option<f64>,
    /// Size of the model in bytes.
    pub input_bytes: Option<u64>,
    /// Size of the compiled model in bytes.
    pub output_bytes: Option<u64>,
    /// On-chip memory used to cache parameters, in bytes.
    pub on_chip_used_bytes: Option<u64>,
    /// On-chip memory that remains free, in bytes.
    pub on_chip_remaining_bytes: Option<u64>,
    /// Parameters that do not fit on the chip and are streamed for each inference, in bytes.
    pub off_chip_bytes: Option<u64>,
    /// Number of subgraphs that run on the Edge TPU.
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
    /// Number of operations of this kind.
    pub count: u32,
    /// Whether they run on the Edge TPU.
    pub is_mapped: bool,
    /// The compiler's message: `Mapped to Edge TPU`, or why not.
    pub status: String,
}

/// The time of each layer, from a separate worker after all trials. Its runs are slower than theirs and enter
/// no statistic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// The build that was run, which is the chosen one.
    pub build: u32,
    /// Number of inferences that the times are from.
    pub runs: u32,
    /// Layers in the order of the network. Empty if there is no profile.
    pub layers: Vec<Layer>,
    /// Why there is no profile.
    pub detail: Option<String>,
}

/// One layer as the runtime runs it: a node of the model, or several that the runtime made one of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// Its name in the runtime; fused layers share one name.
    pub name: String,
    /// Its operator in the runtime's spelling; null if the runtime does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The execution provider or delegate that ran it; null for a runtime without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Multiply-accumulates of the model's convolutions and matrix products in it; null if it could not be
    /// matched with the nodes of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<u64>,
    /// Mean time per inference, in milliseconds.
    #[serde(serialize_with = "finite")]
    pub mean_milliseconds: f64,
    /// Median time per inference, in milliseconds; null if the runtime does not report it.
    #[serde(serialize_with = "finite_or_null")]
    pub median_milliseconds: Option<f64>,
}
