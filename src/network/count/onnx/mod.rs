//! ONNX files.
//!
//! [`crate::model_file::onnx`] reads the file, [`operators`] knows what each operator makes and costs, and
//! [`mod@walk`] follows the graph. Control flow (`If`, `Loop`, `Scan`) and functions are listed as uncounted.
//! Weights in external files need not be there: their shapes are in the model.

use std::collections::BTreeMap;

use super::error::CountError;
use super::graph::Walked;
use crate::model_file::onnx::OnnxModel;

mod fact;
mod operators;
mod walk;

/// Read and walk.
pub(super) fn walk(bytes: &[u8], given: &BTreeMap<String, Vec<u64>>) -> Result<Walked, CountError> {
    walk::walk(OnnxModel::read(bytes)?, given)
}
