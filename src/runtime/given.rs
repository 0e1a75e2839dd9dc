//! What a job says of a model's inputs: the one type for it from the job file to the worker.
//!
//! Plain data. Large contents are files, by their paths: only a worker reads them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Number;

/// What a job says of its model's inputs, by input name.
pub type GivenInputs = BTreeMap<String, GivenInput>;

/// What a job says of one input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenInput {
    /// Its shape; `None` leaves it to the model, or to the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Its elements; `None` leaves them to the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<InputContent>,
}

/// The elements of an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputContent {
    /// Random integers from the first to the second, both included.
    Range(i64, i64),
    /// One number for every element.
    Value(Number),
    /// The elements in order, the last dimension fastest.
    Values(Vec<Number>),
    /// The elements are in a file.
    File(InputFile),
}

/// A file with the elements of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// A bare file name, as in the job file. Its extension is its format.
    pub name: String,
    /// Where it is; empty until it is bound.
    #[serde(default)]
    pub path: PathBuf,
    /// Its digest, once it is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl GivenInput {
    /// A shape, and nothing more.
    pub fn shaped(shape: impl Into<Vec<u64>>) -> Self {
        Self { shape: Some(shape.into()), content: None }
    }

    /// A content, and nothing more.
    pub fn filled(content: InputContent) -> Self {
        Self { shape: None, content: Some(content) }
    }

    /// Its file, if a file holds its elements.
    pub fn file(&self) -> Option<&InputFile> {
        match &self.content {
            Some(InputContent::File(file)) => Some(file),
            _ => None,
        }
    }
}
