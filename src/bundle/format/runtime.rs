//! The inference library that ran a model, how it was set up, and who ran which part of the network. Serialised types and nothing
//! else, like the rest of the format.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The inference library and how it was set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Runtime {
    /// Name as in the job: `onnxruntime`, `tflite`, `edgetpu`, `trtexec`, `sim`.
    pub name: String,
    /// Version as the library tells it; null where it was never loaded or does not tell.
    pub version: Option<String>,
    /// The library file that was mapped, or the program that ran the model; null where none was.
    pub library: Option<String>,
    /// SHA-256 of that file.
    pub library_sha256: Option<String>,
    /// Every option in force, defaults included.
    pub options: BTreeMap<String, Value>,
    /// What the clock covered.
    pub timed: Timed,
    /// Which execution provider ran how much, the one that the job asked for first; of several processes that in which the others ran the
    /// most. Empty for a runtime that has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderShare>,
    /// Library files that were mapped beside `library` to run the model, in the order of their paths; empty for a runtime that
    /// does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<LibraryFile>,
}

/// What lay between the two clock reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timed {
    /// A short code for programs; two results are comparable only where their codes are equal.
    pub code: String,
    /// The same in a sentence.
    pub description: String,
}

/// What one execution provider ran of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderShare {
    /// The library's name for it, such as `CUDAExecutionProvider`.
    pub name: String,
    /// The job did not ask for it: the library gave it what the one that was asked for did not take.
    pub is_fallback: bool,
    /// The library file that holds it; null where that is the runtime's own.
    pub library: Option<String>,
    /// Nodes that it ran, as the library made them of the model's: fused and compiled ones count once, its own copies between devices do
    /// not. Null where that was not observed.
    pub nodes: Option<u64>,
    /// The model's operations behind these; null where that is not known.
    pub operations: Option<u64>,
}

/// A library file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LibraryFile {
    /// Where it was mapped from.
    pub file: String,
    /// Its version, from its name; null where that has none.
    pub version: Option<String>,
    /// SHA-256 of it; null where it could not be read.
    pub sha256: Option<String>,
}
