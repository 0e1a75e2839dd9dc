//! What an ONNX file says at its border and of its operators, for those who run it with a program that does
//! not tell.

use std::collections::{HashMap, HashSet};

use super::{DeclaredTensor, OnnxGraph, OnnxModel, OnnxNode};
use crate::model_file::{Dimension, ReadError};

/// A tensor at the border: its name, its element type in lower case, and its shape with a name or nothing for
/// what is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BorderTensor {
    /// Name in the model.
    pub name: String,
    /// Such as `float32`; empty for what is no tensor.
    pub element_type: String,
    /// Usually NCHW; `None` if the file gives none.
    pub shape: Option<Vec<Dimension>>,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Border {
    /// Inputs that are no weights.
    pub inputs: Vec<BorderTensor>,
    /// Outputs.
    pub outputs: Vec<BorderTensor>,
    /// Inputs whose values are a shape, or a part of one: integers of at most one dimension on which the
    /// shape of a tensor depends.
    pub shape_inputs: Vec<String>,
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
        shape_inputs: shape_inputs(&model),
        inputs: model.inputs.iter().filter(|input| !is_weight(input)).map(tensor).collect(),
        outputs: model.outputs.iter().map(tensor).collect(),
        is_quantised: model
            .nodes
            .iter()
            .any(|node| matches!(node.operator.as_str(), "QuantizeLinear" | "DequantizeLinear")),
    })
}

impl BorderTensor {
    /// Does the file leave any of its shape open?
    pub(crate) fn is_open(&self) -> bool {
        self.shape.as_ref().is_none_or(|shape| shape.iter().any(Dimension::is_open))
    }
}

/// Operators that take shapes, sizes, positions or counts, and in which places.
const SHAPE_OPERANDS: &[(&str, &[usize])] = &[
    ("AffineGrid", &[1]),
    ("CenterCropPad", &[1]),
    ("ConstantOfShape", &[0]),
    ("Expand", &[1]),
    ("OneHot", &[1]),
    ("Pad", &[1]),
    ("Range", &[0, 1, 2]),
    ("Reshape", &[1]),
    ("Resize", &[3]),
    ("Slice", &[1, 2, 3, 4]),
    ("Split", &[1]),
    ("Squeeze", &[1]),
    ("Tile", &[1]),
    ("TopK", &[1]),
    ("Unsqueeze", &[1]),
];

fn shape_inputs(model: &OnnxGraph<'_>) -> Vec<String> {
    let mut wanted: Vec<&str> = Vec::new();
    for node in &model.nodes {
        let places = SHAPE_OPERANDS.iter().filter(|(operator, _)| *operator == node.operator);
        let operands = places.flat_map(|(_, places)| *places).filter_map(|place| node.inputs.get(*place));
        wanted.extend(operands.map(String::as_str));
    }
    let makers: HashMap<&str, &OnnxNode<'_>> = model
        .nodes
        .iter()
        .flat_map(|node| node.outputs.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let mut seen: HashSet<&str> = HashSet::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name) {
            continue;
        }
        // These read the shape of what they are given, not its values.
        let maker = makers.get(name).filter(|node| !matches!(node.operator.as_str(), "Shape" | "Size"));
        wanted.extend(maker.into_iter().flat_map(|node| node.inputs.iter().map(String::as_str)));
    }
    let is_list = |input: &&DeclaredTensor| {
        let rank = input.shape.as_ref().map(Vec::len);
        matches!(element_type(input.element_type), "int32" | "int64") && rank.is_some_and(|rank| rank <= 1)
    };
    let reached = model.inputs.iter().filter(is_list).filter(|input| seen.contains(input.name.as_str()));
    reached.map(|input| input.name.clone()).collect()
}

fn tensor(declared: &DeclaredTensor) -> BorderTensor {
    BorderTensor {
        name: declared.name.clone(),
        element_type: element_type(declared.element_type).to_owned(),
        shape: declared.shape.clone(),
    }
}

/// Names of `TensorProto.DataType`. Source: <https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto>.
pub(crate) fn element_type(number: i64) -> &'static str {
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
