//! TensorFlow Lite: fp32, or int8 from the image to the output.
//!
//! Shapes are NHWC. Activations are fused into their operator; padding is the format's own SAME. In int8
//! every tensor has the scale of the ONNX file and zero point 0, weights have a scale for each output
//! channel, and a bias is int32 with the product of both scales. Operator versions are the lowest that can
//! say it, because the Edge TPU's compiler and old interpreters refuse higher ones.
//!
//! Slots and codes are those of
//! <https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs>.

use super::flatbuffer::{Table, lay_out};
use super::{
    EmitError, Format, Layout, ModelFile, Order, Piece, WeightsPiece, check_length, float_bytes,
    integer_bytes, numbers, pieces_length,
};
use crate::network::blocks::Channels;
use crate::network::configuration::{Configuration, Precision};
use crate::network::graph::{Convolution, Layer, Operation, Window};
use crate::network::weights::{ConvolutionValues, Weights};

const IDENTIFIER: [u8; 4] = *b"TFL3";
const SCHEMA_VERSION: u32 = 3;
/// Buffers begin at multiples of this, so that kernels can read them where they lie.
const BUFFER_ALIGNMENT: usize = 16;

// TensorType.
const FLOAT32: u8 = 0;
const INT32: u8 = 2;
const INT8: u8 = 9;

// Padding and ActivationFunctionType.
const SAME: u8 = 0;
const RELU: u8 = 1;
const NO_ACTIVATION: u8 = 0;

/// An operator of the format as this family uses it.
struct Operator {
    builtin_code: u8,
    /// Of the union BuiltinOptions.
    options_type: u8,
    version_fp32: u32,
    version_int8: u32,
}

/// The operators of the family, in the order of the file's table of operator codes.
/// Versions: tensorflow/lite/tools/versioning/op_version.cc.
const OPERATORS: [Operator; 4] = [
    Operator { builtin_code: 3, options_type: 1, version_fp32: 1, version_int8: 3 },
    Operator { builtin_code: 4, options_type: 2, version_fp32: 1, version_int8: 3 },
    Operator { builtin_code: 17, options_type: 5, version_fp32: 1, version_int8: 2 },
    Operator { builtin_code: 0, options_type: 11, version_fp32: 1, version_int8: 2 },
];
const CONV_2D: u32 = 0;
const DEPTHWISE_CONV_2D: u32 = 1;
const MAX_POOL_2D: u32 = 2;
const ADD: u32 = 3;

/// The file of a configuration.
///
/// # Errors
/// [`EmitError::TooLarge`].
pub(crate) fn model_file(configuration: &Configuration) -> Result<ModelFile, EmitError> {
    length(configuration)?;
    let weights = Weights::new(configuration);
    let layout = Layout { pieces: pieces(configuration, &weights), beside: None };
    Ok(ModelFile { weights, precision: configuration.precision(), layout })
}

/// How many bytes [`model_file`] will write, without making a weight.
///
/// # Errors
/// [`EmitError::TooLarge`].
pub(crate) fn length(configuration: &Configuration) -> Result<u64, EmitError> {
    let weights = Weights::sized(configuration);
    let bytes = pieces_length(&pieces(configuration, &weights), &weights, configuration.precision());
    check_length(configuration, Format::Tflite, bytes)?;
    Ok(bytes)
}

fn pieces(configuration: &Configuration, weights: &Weights) -> Vec<Piece> {
    let mut writer = Writer::new(weights, configuration.precision());
    for index in 0..weights.graph.layers.len() {
        writer.layer(index);
    }
    let Writer { tensors, buffers, operators, later, .. } = writer;
    // Tensors of the graph come first and have the graph's own numbers.
    let subgraph = Table::new()
        .tables(0, tensors)
        .words(1, &[0])
        .words(2, &[weights.graph.output() as u32])
        .tables(3, operators)
        .text(4, "main");
    let model = Table::new()
        .word(0, SCHEMA_VERSION)
        .tables(1, operator_codes(configuration.precision()))
        .tables(2, vec![subgraph])
        .text(3, &configuration.to_string())
        .tables(4, buffers);
    let laid = lay_out(model, IDENTIFIER, BUFFER_ALIGNMENT);
    let mut pieces = vec![Piece::Bytes(laid.head)];
    for (opening, index) in laid.later {
        pieces.push(Piece::Bytes(opening));
        pieces.push(later[index].clone());
    }
    pieces
}

fn operator_codes(precision: Precision) -> Vec<Table> {
    let code = |operator: &Operator| {
        let version = match precision {
            Precision::Fp32 => operator.version_fp32,
            Precision::Int8 => operator.version_int8,
        };
        // Old readers look at the byte, new ones at the word.
        Table::new().byte(0, operator.builtin_code).word(2, version).word(3, u32::from(operator.builtin_code))
    };
    OPERATORS.iter().map(code).collect()
}

/// How the weights of a convolution are stored.
struct WeightsLayout {
    order: Order,
    shape: [u64; 4],
    /// The axis of `shape` that output channels lie along.
    channel_axis: u32,
}

struct Writer<'a> {
    weights: &'a Weights,
    precision: Precision,
    tensors: Vec<Table>,
    buffers: Vec<Table>,
    operators: Vec<Table>,
    later: Vec<Piece>,
}

impl<'a> Writer<'a> {
    fn new(weights: &'a Weights, precision: Precision) -> Self {
        // Buffer 0 is empty by convention: the buffer of whatever is computed.
        let mut writer = Self {
            weights,
            precision,
            tensors: Vec::new(),
            buffers: vec![Table::new()],
            operators: Vec::new(),
            later: Vec::new(),
        };
        for tensor in 0..=weights.graph.layers.len() {
            writer.activation(tensor);
        }
        writer
    }

    fn activation(&mut self, tensor: usize) {
        let shape = self.weights.graph.shape(tensor);
        let shape = [self.weights.graph.batch, shape.height, shape.width, shape.channels];
        let name = match tensor.checked_sub(1) {
            None => "image",
            Some(layer) => &self.weights.graph.layers[layer].name,
        };
        let table = tensor_table(&shape, self.element(), 0, name);
        self.tensors.push(match self.precision {
            Precision::Fp32 => table,
            Precision::Int8 => table.table(4, quantisation(&[self.weights.tensor_scales[tensor]], 0)),
        });
    }

    fn layer(&mut self, index: usize) {
        let layer = &self.weights.graph.layers[index];
        match layer.operation {
            Operation::Convolution(convolution) => {
                if let Some(values) = &self.weights.convolutions[index] {
                    self.convolution(index, layer, &convolution, values);
                }
            }
            Operation::Add => {
                let options = Table::new().byte(0, RELU);
                let inputs: Vec<u32> = layer.inputs.iter().map(|&tensor| tensor as u32).collect();
                self.operator(ADD, &inputs, index, options);
            }
            Operation::MaxPool(window) => {
                let options = strides(window)
                    .word(3, window.width as u32)
                    .word(4, window.height as u32)
                    .byte(5, NO_ACTIVATION);
                self.operator(MAX_POOL_2D, &[layer.inputs[0] as u32], index, options);
            }
        }
    }

    fn convolution(
        &mut self,
        index: usize,
        layer: &Layer,
        convolution: &Convolution,
        values: &ConvolutionValues,
    ) {
        let Convolution { window, input_channels, output_channels, channels, relu } = *convolution;
        let activation = if relu { RELU } else { NO_ACTIVATION };
        let (operator, layout, options) = match channels {
            Channels::Own => {
                let shape = [1, window.height, window.width, output_channels];
                let options = strides(window).word(3, 1).byte(4, activation).word(5, 1).word(6, 1);
                let layout = WeightsLayout { order: Order::Interleaved, shape, channel_axis: 3 };
                (DEPTHWISE_CONV_2D, layout, options)
            }
            Channels::All => {
                let shape = [output_channels, window.height, window.width, input_channels];
                let options = strides(window).byte(3, activation).word(4, 1).word(5, 1);
                let layout = WeightsLayout { order: Order::ChannelsLast, shape, channel_axis: 0 };
                (CONV_2D, layout, options)
            }
        };
        let weights_tensor = self.weights_tensor(index, layer, &layout, values);
        let bias_tensor = self.bias_tensor(layer, values);
        self.operator(operator, &[layer.inputs[0] as u32, weights_tensor, bias_tensor], index, options);
    }

    fn weights_tensor(
        &mut self,
        index: usize,
        layer: &Layer,
        layout: &WeightsLayout,
        values: &ConvolutionValues,
    ) -> u32 {
        let length = numbers::length(self.weights, index, self.precision);
        self.later.push(Piece::Weights(WeightsPiece {
            layer: index,
            order: layout.order,
            is_normalisation_apart: false,
        }));
        let buffer = self.buffer(Table::new().later(0, self.later.len() - 1, length));
        let name = format!("{}_weights", layer.name);
        let table = tensor_table(&layout.shape, self.element(), buffer, &name);
        self.tensor(match self.precision {
            Precision::Fp32 => table,
            Precision::Int8 => table.table(4, quantisation(&values.weight_scales, layout.channel_axis)),
        })
    }

    fn bias_tensor(&mut self, layer: &Layer, values: &ConvolutionValues) -> u32 {
        let shape = [values.biases.len() as u64];
        let name = format!("{}_bias", layer.name);
        match self.precision {
            Precision::Fp32 => {
                let buffer =
                    self.buffer(Table::new().bytes(0, float_bytes(&values.biases), BUFFER_ALIGNMENT));
                self.tensor(tensor_table(&shape, FLOAT32, buffer, &name))
            }
            Precision::Int8 => {
                let bytes = integer_bytes(&values.bias_codes);
                let buffer = self.buffer(Table::new().bytes(0, bytes, BUFFER_ALIGNMENT));
                let input = self.weights.tensor_scales[layer.inputs[0]];
                let scales: Vec<f32> = values.weight_scales.iter().map(|scale| input * scale).collect();
                self.tensor(tensor_table(&shape, INT32, buffer, &name).table(4, quantisation(&scales, 0)))
            }
        }
    }

    fn operator(&mut self, code: u32, inputs: &[u32], layer: usize, options: Table) {
        let table = Table::new()
            .word(0, code)
            .words(1, inputs)
            .words(2, &[layer as u32 + 1])
            .byte(3, OPERATORS[code as usize].options_type)
            .table(4, options);
        self.operators.push(table);
    }

    fn element(&self) -> u8 {
        match self.precision {
            Precision::Fp32 => FLOAT32,
            Precision::Int8 => INT8,
        }
    }

    fn buffer(&mut self, buffer: Table) -> u32 {
        self.buffers.push(buffer);
        self.buffers.len() as u32 - 1
    }

    fn tensor(&mut self, tensor: Table) -> u32 {
        self.tensors.push(tensor);
        self.tensors.len() as u32 - 1
    }
}

fn tensor_table(shape: &[u64], element: u8, buffer: u32, name: &str) -> Table {
    let shape: Vec<u32> = shape.iter().map(|&extent| extent as u32).collect();
    Table::new().words(0, &shape).byte(1, element).word(2, buffer).text(3, name)
}

/// Scales along an axis, all zero points 0.
fn quantisation(scales: &[f32], axis: u32) -> Table {
    Table::new().floats(2, scales).long_zeros(3, scales.len()).word(6, axis)
}

/// The first three slots of each option table with a window.
fn strides(window: Window) -> Table {
    let stride = window.stride as u32;
    Table::new().byte(0, SAME).word(1, stride).word(2, stride)
}
