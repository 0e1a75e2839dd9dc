//! The cost of any model file, from its graph.
//!
//! ```text
//! .onnx   ──▶ onnx/    ─┐
//!                       ├─▶ graph (steps with shapes) ──▶ accounts (what is fused, what moves) ──▶ cost
//! .tflite ──▶ tflite/  ─┘
//! ```
//!
//! Bytes in, numbers out: nothing here opens a file. Payloads of weights are not read, so that the time does
//! not depend on their size. Whatever the bytes, the answer is a cost or an error, never a panic; an operator
//! without a count is listed in [`Cost::uncounted`], and so is whatever hangs on it where neither the file
//! nor a measurement gives shapes.
//!
//! No inference library and no crate for graphs is used: those that exist optimise before they count, count a
//! transposed convolution as nothing, or fail as a whole on one unknown operator.

use std::collections::BTreeMap;

use crate::network::cost::Cost;

mod accounts;
mod error;
mod graph;
mod onnx;
mod tflite;
mod uncountable;

pub(crate) use error::CountError;

/// Shapes for inputs, by name, in the model's own layout; only for inputs that the model leaves open.
pub type InputShapes = BTreeMap<String, Vec<u64>>;

/// Shapes of what nodes made in a run, in the order of their outputs, by the name of the node; by its
/// operator and its place in the graph, as in `Conv_3`, where it has no name.
pub type NodeShapes = BTreeMap<String, Vec<Vec<u64>>>;

/// What is known of a model's tensors besides its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Shapes of inputs.
    pub shapes: InputShapes,
    /// Values of inputs that hold whole numbers, in the order of their elements, or one for all of them: they
    /// may choose a branch, or be a shape.
    pub values: BTreeMap<String, Vec<i64>>,
    /// What a runtime reported of the nodes of an ONNX file while it ran them. It goes before the shapes in
    /// the file and those computed here.
    pub measured: NodeShapes,
}

/// What a model costs, whichever of the two formats its bytes are in.
///
/// # Errors
/// As [`onnx()`] and [`tflite()`].
pub fn model(bytes: &[u8], shapes: &InputShapes) -> Result<Cost, CountError> {
    model_with(bytes, &Known { shapes: shapes.clone(), ..Known::default() })
}

/// What a model costs of which more is known.
///
/// # Errors
/// As [`model()`].
pub fn model_with(bytes: &[u8], known: &Known) -> Result<Cost, CountError> {
    if crate::model_file::tflite::has_identifier(bytes) {
        return accounts::account(&tflite::walk(bytes, known)?);
    }
    accounts::account(&onnx::walk(bytes, known)?)
}

/// What an ONNX model costs. Shapes are NCHW, batch included.
///
/// # Errors
/// Bytes that are no such file, graphs that cannot run, open or contradictory shapes, functions without end,
/// numbers beyond 64 bits.
pub fn onnx(bytes: &[u8], shapes: &InputShapes) -> Result<Cost, CountError> {
    accounts::account(&onnx::walk(bytes, &Known { shapes: shapes.clone(), ..Known::default() })?)
}

/// What a TensorFlow Lite model costs. Shapes are NHWC, batch included.
///
/// # Errors
/// As [`onnx()`].
pub fn tflite(bytes: &[u8], shapes: &InputShapes) -> Result<Cost, CountError> {
    accounts::account(&tflite::walk(bytes, &Known { shapes: shapes.clone(), ..Known::default() })?)
}

#[cfg(test)]
mod tests;
