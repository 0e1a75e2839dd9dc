//! ONNX files.
//!
//! [`crate::model_file::onnx`] reads the file, [`operators`] knows what each operator makes and costs, and
//! [`mod@walk`] follows the graph, those of `If`, `Loop` and `Scan` and the functions that the file defines
//! itself. [`settle`] decides between the shapes that several sources give. Weights in external files need
//! not be there: their shapes are in the model.

use super::Known;
use super::error::CountError;
use super::graph::Walked;
use crate::model_file::onnx::OnnxModel;

mod fact;
mod frame;
mod inputs;
mod measured;
mod operators;
mod order;
mod settle;
mod walk;

/// Read and walk.
pub(super) fn walk(bytes: &[u8], known: &Known) -> Result<Walked, CountError> {
    walk::walk(&OnnxModel::read(bytes)?, known)
}
