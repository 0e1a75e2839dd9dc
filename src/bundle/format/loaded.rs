//! A model as a worker loaded it: the worker reports it, the journal keeps it, and the bundle's `model`, `runtime` and
//! `placement` are made from it. Serialised types and nothing else, like the rest of the format.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Tensor;

/// A model as a worker loaded it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedModel {
    /// Version as the library tells it.
    pub version: Option<String>,
    /// The library file that was mapped, or the program.
    pub library: Option<PathBuf>,
    /// Options in force, defaults included.
    pub options: BTreeMap<String, Value>,
    /// Input tensors as bound.
    pub inputs: Vec<Tensor>,
    /// Output tensors.
    pub outputs: Vec<Tensor>,
    /// Which provider runs which nodes, the one that was asked for first; empty for a runtime that has no providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderNodes>,
    /// Library files that were mapped beside `library`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<PathBuf>,
    /// Where and how the worker ran, where something was asked for.
    #[serde(default)]
    pub placed: Option<Placed>,
}

/// What came of a request to place a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Processors in force, read back.
    pub cpus: Option<Vec<u32>>,
    /// Nice value in force, read back.
    pub nice: Option<i32>,
    /// Is all memory locked?
    pub memory_locked: bool,
    /// What the kernel refused, and its words.
    pub refused: Vec<String>,
}

/// What a provider of the library runs of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderNodes {
    /// The library's name for the provider.
    pub provider: String,
    /// The job did not ask for it: it runs what the one that was asked for did not take.
    pub is_fallback: bool,
    /// The library file that holds it; `None` where that is the runtime's own.
    pub library: Option<PathBuf>,
    /// How many nodes it runs, as the library made them of the model's; `None` where that was not observed.
    pub nodes: Option<u64>,
    /// For a fallback: the convolutions and matrix products among them; `None` where they are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) products: Option<Vec<ProductNode>>,
}

/// A convolution or a matrix product as the library runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductNode {
    /// Its name, which may hold that of one of the model's nodes.
    pub name: String,
    /// Its multiply-accumulates by the shapes of its tensors; `None` where those do not tell.
    pub macs: Option<u64>,
}
