//! The inference library that ran a model, its settings, and which provider ran which part of the network.
//! Serialised types only, like the rest of the format.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The inference library and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Runtime {
    /// Name, as in the job file: `onnxruntime`, `tflite`, `edgetpu`, `trtexec`, `sim`.
    pub name: String,
    /// Version that the library reports; null if it was never loaded or does not report one.
    pub version: Option<String>,
    /// The library file that was mapped, or the program that ran the model; null if there was none.
    pub library: Option<String>,
    /// SHA-256 of that file.
    pub library_sha256: Option<String>,
    /// Every option in force, defaults included.
    pub options: BTreeMap<String, Value>,
    /// Which of these options follow from the model: whether it is quantised, its open shapes. The same
    /// runtime with another model has other values, and still is the same platform.
    #[serde(default = "options_from_model_of_format_1")]
    pub options_from_model: Vec<String>,
    /// What the clock covers.
    pub timed: Timed,
    /// How much each execution provider ran, starting with the one that the job asked for. With several
    /// processes, the one with the most fallback is reported. Empty for a runtime without providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderShare>,
    /// Library files that were mapped in addition to `library` to run the model, sorted by path; empty for a
    /// runtime that does not report them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<LibraryFile>,
}

/// What happens between the two clock reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timed {
    /// A short code for programs; two results are comparable only if their codes are equal.
    pub code: String,
    /// The same in a sentence.
    pub description: String,
}

/// The part of a network that one execution provider ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderShare {
    /// Its name in the library, such as `CUDAExecutionProvider`.
    pub name: String,
    /// True if the job did not ask for it: the library gave it the nodes that the requested provider did not
    /// take.
    pub is_fallback: bool,
    /// The library file that contains it; null if it is built into the runtime's own library.
    pub library: Option<String>,
    /// Number of nodes that it ran, after the library's transformations: fused and compiled nodes count once,
    /// the library's copies between devices do not count. Null if not observed.
    pub nodes: Option<u64>,
    /// Number of the model's operations in these nodes; null if unknown.
    pub operations: Option<u64>,
}

/// A library file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LibraryFile {
    /// Path that it was mapped from.
    pub file: String,
    /// Its version, taken from its name; null if the name has none.
    pub version: Option<String>,
    /// Its SHA-256; null if it could not be read.
    pub sha256: Option<String>,
}

/// The options that followed from the model when bundles did not say which.
fn options_from_model_of_format_1() -> Vec<String> {
    ["build_flags", "int8", "int8_mode", "timing_flags"].map(str::to_owned).to_vec()
}
