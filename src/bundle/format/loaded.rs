//! A model as a worker loaded it. The worker reports it, the journal keeps it, and it becomes the bundle's
//! `model`, `runtime` and `placement`. Serialised types only, like the rest of the format.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FilledInput, Tensor};

/// A model as a worker loaded it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedModel {
    /// Version that the library reports.
    pub version: Option<String>,
    /// The library file that was mapped, or the program.
    pub library: Option<PathBuf>,
    /// Options in force, defaults included.
    pub options: BTreeMap<String, Value>,
    /// Input tensors as bound.
    pub inputs: Vec<Tensor>,
    /// Output tensors.
    pub outputs: Vec<Tensor>,
    /// How each input was filled, in the same order as `inputs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<FilledInput>,
    /// Which provider runs which nodes, starting with the requested one; empty for a runtime without
    /// providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderNodes>,
    /// Library files that were mapped in addition to `library`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<PathBuf>,
    /// Where and how the worker ran, if the job asks for something.
    #[serde(default)]
    pub placed: Option<Placed>,
}

/// Result of a request to place a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Processors in force, read back.
    pub cpus: Option<Vec<u32>>,
    /// Nice value in force, read back.
    pub nice: Option<i32>,
    /// Whether all memory is locked.
    pub memory_locked: bool,
    /// What the kernel refused, with its messages.
    pub refused: Vec<String>,
}

/// The part of a network that one provider runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderNodes {
    /// The provider's name in the library.
    pub provider: String,
    /// True if the job did not ask for it: it runs what the requested provider did not take.
    pub is_fallback: bool,
    /// The library file that contains it; `None` if it is built into the runtime's own library.
    pub library: Option<PathBuf>,
    /// Number of nodes that it runs, after the library's transformations; `None` if not observed.
    pub nodes: Option<u64>,
    /// For a fallback: the convolutions and matrix products among them; `None` if they are not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) products: Option<Vec<ProductNode>>,
}

/// A convolution or a matrix product as the library runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductNode {
    /// Its name, which may contain the name of a node of the model.
    pub name: String,
    /// Its multiply-accumulates, from the shapes of its tensors; `None` if the shapes do not determine them.
    pub macs: Option<u64>,
}
