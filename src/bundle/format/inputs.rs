//! How the inputs of a model were filled. Serialised types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// How an input tensor was filled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilledInput {
    /// Name in the model.
    pub name: String,
    /// Where its values come from.
    pub how: InputOrigin,
    /// Seed of the generator, for `random` and `range`. All inputs of a trial take their values from one
    /// generator, in the model's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Smallest and largest value, for `range`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[i64; 2]>,
    /// The value of every element, for `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
    /// How many values the job lists, for `values`; `job.spec` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The file that holds the values, for `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FilledFromFile>,
    /// True if the model leaves the first dimension open, the job gives no shape, and it was measured as 1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_dimension_as_one: bool,
}

/// Where the values of an input come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputOrigin {
    /// The seeded generator.
    Random,
    /// Zeros, because the first run with random integers failed: an index was out of range.
    ZerosAfterOutOfRange,
    /// One value of the job for every element.
    Value,
    /// The job lists every element.
    Values,
    /// The seeded generator, within the range that the job gives.
    Range,
    /// A file of the job.
    File,
    /// The program that measures fills the input itself: it cannot read this input from a file.
    Program,
}

/// A file that holds the values of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilledFromFile {
    /// File name, as in the job file.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
}
