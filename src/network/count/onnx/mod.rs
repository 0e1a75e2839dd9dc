//! ONNX files.
//!
//! [`wire`] reads the encoding in place, [`model`] the messages, [`operators`] knows what each operator makes and costs, and
//! [`mod@walk`] puts them together. Control flow (`If`, `Loop`, `Scan`) and functions are listed as uncounted. Weights in external
//! files need not be there: their shapes are in the model.

use std::collections::BTreeMap;

use super::error::CountError;
use super::graph::Walked;

mod border;
mod model;
mod operators;
mod walk;
mod wire;

pub(crate) use border::{Border, BorderTensor, onnx_border};

/// Read and walk.
pub(super) fn walk(bytes: &[u8], given: &BTreeMap<String, Vec<u64>>) -> Result<Walked, CountError> {
    let model = model::Model::read(bytes).map_err(|what| CountError::Unreadable { format: "ONNX", what })?;
    walk::walk(model, given)
}
