//! A bundle's place in the chain of its host. Serialised types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bundle's place in the chain of all bundles that a host made, and the digests of what went into it that
/// are nowhere else in the bundle. Model and libraries have theirs in `model` and `runtime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Integrity {
    /// Name of the chain: random letters. A host whose state folder was removed begins another one.
    pub chain: String,
    /// Number of the bundle in the chain, from 1, without gaps.
    pub sequence: u64,
    /// SHA-256 of the file of the bundle before it; null for the first.
    pub previous_sha256: Option<String>,
    /// SHA-256 of the job file; null if it could not be read.
    pub spec_sha256: Option<String>,
    /// SHA-256 of the program that measured; null if it could not be read.
    pub harness_sha256: Option<String>,
}

/// The newest bundle of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Name of the chain.
    pub chain: String,
    /// Number of its newest bundle.
    pub sequence: u64,
    /// SHA-256 of the file of that bundle.
    pub sha256: String,
}
