//! What each ONNX operator makes and costs, from the shapes that it reads.
//!
//! [`OPERATORS`] is the list of what is counted. An operator that is not in it, or whose shapes cannot be
//! known, is handed back as [`Uncountable::Unknown`] and listed as uncounted; shapes that contradict each
//! other are [`Uncountable::Wrong`].
//!
//! Source of shapes and attributes: <https://onnx.ai/onnx/operators/>.

use super::fact::Fact;
use crate::model_file::elements;
use crate::model_file::onnx::{OnnxAttribute, OnnxNode, Payload, bits, is_own_domain};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

mod elementwise;
mod layout;
mod products;
mod selection;
mod values;
mod windows;

/// What an operator answers.
type Answer = Result<NodeEffect, Uncountable>;

/// A rule for one or more operators.
type Rule = fn(&Context<'_, '_>) -> Answer;

/// What is counted. Operators of one rule stand together.
const OPERATORS: &[(&[&str], Rule)] = &[
    (&["Conv", "ConvInteger", "QLinearConv"], products::convolution),
    (&["ConvTranspose"], products::transposed_convolution),
    (&["Gemm"], products::gemm),
    (&["MatMul", "MatMulInteger", "QLinearMatMul"], products::matrix_product),
    (&["MaxPool", "AveragePool", "LpPool"], windows::pool),
    (&["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], windows::global_pool),
    (&["QLinearGlobalAveragePool"], windows::global_pool),
    (&["BatchNormalization"], elementwise::batch_normalization),
    (&["Relu", "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu"], elementwise::clamp),
    (&["Add"], elementwise::addition),
    (elementwise::UNARY, elementwise::unary),
    (elementwise::BINARY, elementwise::binary),
    (elementwise::COMPARISONS, elementwise::binary),
    (&["Sum", "Max", "Min", "Mean"], elementwise::several),
    (&["Where"], elementwise::several),
    (&["Softmax", "LogSoftmax"], elementwise::softmax),
    (&["InstanceNormalization", "LayerNormalization", "GroupNormalization"], elementwise::normalization),
    (elementwise::REDUCTIONS, elementwise::reduction),
    (&["QuantizeLinear"], elementwise::quantize),
    (&["DequantizeLinear"], elementwise::dequantize),
    (&["Identity", "Dropout"], layout::identity),
    (&["Reshape"], layout::reshape),
    (&["Flatten"], layout::flatten),
    (&["Squeeze"], layout::squeeze),
    (&["Unsqueeze"], layout::unsqueeze),
    (&["Transpose"], selection::transpose),
    (&["Cast"], selection::cast),
    (&["Concat"], selection::concat),
    (&["Pad"], selection::pad),
    (&["Resize", "Upsample"], selection::resize),
    (&["Slice"], selection::slice),
    (&["Split"], selection::split),
    (&["Gather"], selection::gather),
    (&["Expand"], selection::expand),
    (&["DepthToSpace", "SpaceToDepth"], selection::block_rearrangement),
    (&["Constant"], values::constant),
    (&["ConstantOfShape"], values::constant_of_shape),
    (&["Shape"], values::shape),
    (&["Size"], values::size),
];

/// What an operator makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) shape: Vec<u64>,
    pub(super) element_type: i64,
    /// Where it is stored narrower than its type.
    pub(super) stored_bits: Option<u64>,
    /// Its values, where they are whole numbers that shapes may be made of.
    pub(super) values: Option<Vec<i64>>,
}

impl Made {
    pub(super) fn new(shape: Vec<u64>, element_type: i64) -> Self {
        Self { shape, element_type, stored_bits: None, values: None }
    }
}

/// What an operator makes and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeEffect {
    pub(super) outputs: Vec<Made>,
    pub(super) work: Work,
    /// From which input on they are shapes, scales and bounds rather than tensors that are read; and single
    /// ones before.
    pub(super) settings: &'static [usize],
}

impl NodeEffect {
    pub(super) fn one(output: Made, work: Work) -> Self {
        Self { outputs: vec![output], work, settings: &[] }
    }

    fn with_settings(self, settings: &'static [usize]) -> Self {
        Self { settings, ..self }
    }
}

/// A node with what it reads.
pub(super) struct Context<'n, 'a> {
    pub(super) node: &'n OnnxNode<'a>,
    pub(super) inputs: Vec<Option<&'n Fact<'a>>>,
}

/// What a node makes and does.
pub(super) fn apply(context: &Context<'_, '_>) -> Answer {
    let node = context.node;
    let own = is_own_domain(&node.domain) || QUANTISED_TWINS.contains(&node.operator.as_str());
    let rule = OPERATORS.iter().find(|(names, _)| own && names.contains(&node.operator.as_str()));
    match rule {
        Some((_, rule)) => rule(context),
        None => Err(Uncountable::Unknown("this operator is not counted".to_owned())),
    }
}

/// Operators outside ONNX's own domain that are counted as their relatives in it.
const QUANTISED_TWINS: &[&str] = &["QLinearGlobalAveragePool", "QuantizeLinear", "DequantizeLinear"];

impl<'n, 'a> Context<'n, 'a> {
    /// An input that must be there.
    pub(super) fn input(&self, index: usize) -> Result<&'n Fact<'a>, Uncountable> {
        self.optional(index).ok_or_else(|| Uncountable::missing_input(index))
    }

    pub(super) fn optional(&self, index: usize) -> Option<&'n Fact<'a>> {
        self.inputs.get(index).copied().flatten()
    }

    /// Shape of an input that must be there.
    pub(super) fn shape(&self, index: usize) -> Result<&'n [u64], Uncountable> {
        let input = self.input(index)?;
        input.shape.as_deref().ok_or_else(|| Uncountable::unknown_shape(&input.name))
    }

    /// Number of elements of an input.
    pub(super) fn elements(&self, index: usize) -> Result<u64, Uncountable> {
        elements(self.shape(index)?).ok_or(Uncountable::TooLarge)
    }

    /// Whole numbers that an input holds and shapes depend on.
    pub(super) fn values(&self, index: usize) -> Result<Vec<i64>, Uncountable> {
        let input = self.input(index)?;
        input.integers().ok_or_else(|| unknown_values(input))
    }

    /// Floating-point numbers that an input holds.
    pub(super) fn floats(&self, index: usize) -> Result<Vec<f32>, Uncountable> {
        let input = self.input(index)?;
        input.payload.as_ref().and_then(Payload::floats).ok_or_else(|| unknown_values(input))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'n OnnxAttribute<'a>> {
        self.node.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.integer).unwrap_or(default)
    }

    pub(super) fn integers(&self, name: &str) -> Option<&'n [i64]> {
        self.attribute(name).map(|attribute| attribute.integers.as_slice())
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.attribute(name).and_then(|attribute| attribute.text)
    }

    /// Element type of the first input.
    pub(super) fn element_type(&self) -> i64 {
        self.optional(0).map_or(1, |input| input.element_type)
    }
}

fn unknown_values(input: &Fact<'_>) -> Uncountable {
    let why = match &input.payload {
        Some(payload) if payload.is_external => "not in the file",
        _ => "not constant",
    };
    Uncountable::Unknown(format!(
        "its result's shape depends on the values of `{}`, which are {why}",
        input.name
    ))
}

/// Bits that elements of a type are stored in; 0 where the type is unknown.
pub(super) fn storage_bits(element_type: i64) -> u64 {
    bits(element_type).unwrap_or(0)
}
