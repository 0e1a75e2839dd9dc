//! What an ONNX file says at its border and of its operators, for those who run it with a program that does
//! not tell.

use super::{DeclaredTensor, OnnxModel};
use crate::model_file::{Dimension, ReadError};

/// A tensor at the border: its name, its element type in lower case, and its shape with a name or nothing for
/// what is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BorderTensor {
    /// Name in the model.
    pub name: String,
    /// Such as `float32`; empty for what is no tensor.
    pub element_type: String,
    /// Usually NCHW; empty if the file gives none.
    pub shape: Vec<Dimension>,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Border {
    /// Inputs that are no weights.
    pub inputs: Vec<BorderTensor>,
    /// Outputs.
    pub outputs: Vec<BorderTensor>,
    /// It has QuantizeLinear or DequantizeLinear nodes.
    pub is_quantised: bool,
}

/// Read the border of an ONNX file; payloads of weights are left where they are.
///
/// # Errors
/// Bytes that are no such file.
pub(crate) fn border(bytes: &[u8]) -> Result<Border, ReadError> {
    let model = OnnxModel::read(bytes)?.graph;
    let is_weight =
        |input: &&DeclaredTensor| model.initializers.iter().any(|weight| weight.name == input.name);
    Ok(Border {
        inputs: model.inputs.iter().filter(|input| !is_weight(input)).map(tensor).collect(),
        outputs: model.outputs.iter().map(tensor).collect(),
        is_quantised: model
            .nodes
            .iter()
            .any(|node| matches!(node.operator.as_str(), "QuantizeLinear" | "DequantizeLinear")),
    })
}

fn tensor(declared: &DeclaredTensor) -> BorderTensor {
    BorderTensor {
        name: declared.name.clone(),
        element_type: element_type(declared.element_type).to_owned(),
        shape: declared.shape.clone().unwrap_or_default(),
    }
}

/// Names of `TensorProto.DataType`. Source: <https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto>.
fn element_type(number: i64) -> &'static str {
    match number {
        1 => "float32",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "string",
        9 => "bool",
        10 => "float16",
        11 => "float64",
        12 => "uint32",
        13 => "uint64",
        16 => "bfloat16",
        _ => "",
    }
}
