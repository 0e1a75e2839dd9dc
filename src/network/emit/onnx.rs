//! ONNX: fp32 with plain operators, int8 with pairs of QuantizeLinear and DequantizeLinear around every
//! tensor.
//!
//! Shapes are NCHW, the batch is fixed, pads are explicit. In int8 the image and the output stay fp32 at the
//! border, as tools expect of such files; weights are int8 with a scale for each output channel; activations
//! are int8 with the zero point 0 that TensorRT asks for; biases stay fp32 (TensorRT reads no int32 ones),
//! with the values of whole int32 steps.
//!
//! Field numbers are those of <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use super::beside::Beside;
use super::protobuf::Message;
use super::{
    EmitError, Form, Format, LARGEST_FILE_BYTES, Layout, ModelFile, Order, Piece, WeightsPiece, check_length,
    float_bytes, numbers, pieces_length,
};
use crate::network::configuration::{Configuration, Precision};
use crate::network::graph::{Convolution, FeatureMap, Operation, TensorIndex, Window};
use crate::network::weights::{EPSILON, Weights};

/// How to write the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EmitOptions {
    /// Version of the operator set.
    pub opset: u32,
    /// Whether batch normalisation is a node of its own. Only in fp32.
    pub is_normalisation_apart: bool,
    /// Whether int8 activations are written as uint8: zero point 0 where nothing is negative, else 128. ONNX
    /// Runtime fuses a ReLU into its convolution only so, because 0 is then the lowest code; TensorRT does
    /// not read it.
    pub are_activations_unsigned: bool,
    /// The largest file that holds its weights itself. Those of a larger one are in a second file, from where
    /// readers fetch them by its name.
    pub weights_beside_above_bytes: u64,
}

/// Initializers need not be listed as inputs since IR 4, which came with opset 9.
const LOWEST_OPSET_FP32: u32 = 9;
/// DequantizeLinear takes a scale for each channel since opset 13.
const LOWEST_OPSET_INT8: u32 = 13;
/// The newest whose operators were compared with what is written here.
const HIGHEST_OPSET: u32 = 21;

impl EmitOptions {
    /// Opset 11 in fp32, which TensorRT 6 reads; opset 13 in int8.
    pub(crate) fn for_precision(precision: Precision) -> Self {
        let opset = match precision {
            Precision::Fp32 => 11,
            Precision::Int8 => LOWEST_OPSET_INT8,
        };
        Self {
            opset,
            is_normalisation_apart: false,
            are_activations_unsigned: false,
            weights_beside_above_bytes: LARGEST_FILE_BYTES,
        }
    }

    fn check(&self, precision: Precision) -> Result<(), EmitError> {
        let lowest = match precision {
            Precision::Fp32 => LOWEST_OPSET_FP32,
            Precision::Int8 => LOWEST_OPSET_INT8,
        };
        if !(lowest..=HIGHEST_OPSET).contains(&self.opset) {
            let (opset, precision, highest) = (self.opset, precision.name(), HIGHEST_OPSET);
            return Err(EmitError::Opset { opset, precision, lowest, highest });
        }
        if self.is_normalisation_apart && precision == Precision::Int8 {
            return Err(EmitError::NormalisationInInt8);
        }
        Ok(())
    }

    /// The version of the file format that came with the operator set.
    /// Source: <https://onnx.ai/onnx/repo-docs/Versioning.html#released-versions>
    fn ir_version(&self) -> u64 {
        match self.opset {
            ..=9 => 4,
            10 => 5,
            11 => 6,
            12..=14 => 7,
            15..=18 => 8,
            19 | 20 => 9,
            _ => 10,
        }
    }
}

/// The file of a configuration.
///
/// # Errors
/// [`EmitError`].
pub(crate) fn model_file(
    configuration: &Configuration,
    options: &EmitOptions,
) -> Result<ModelFile, EmitError> {
    let Sizes { are_weights_beside, .. } = sizes(configuration, options)?;
    let weights = Weights::new(configuration);
    let layout = layout(configuration, options, &weights, are_weights_beside);
    Ok(ModelFile { weights, precision: configuration.precision(), layout })
}

/// How many bytes [`model_file`] will write, a second file included, without making a weight.
///
/// # Errors
/// [`EmitError`].
pub(crate) fn length(configuration: &Configuration, options: &EmitOptions) -> Result<u64, EmitError> {
    sizes(configuration, options).map(|sizes| sizes.bytes)
}

struct Sizes {
    bytes: u64,
    are_weights_beside: bool,
}

fn sizes(configuration: &Configuration, options: &EmitOptions) -> Result<Sizes, EmitError> {
    options.check(configuration.precision())?;
    let weights = Weights::sized(configuration);
    let length = |pieces: &[Piece]| pieces_length(pieces, &weights, configuration.precision());
    let whole = length(&layout(configuration, options, &weights, false).pieces);
    let are_weights_beside = whole > options.weights_beside_above_bytes;
    if !are_weights_beside {
        check_length(configuration, Format::Onnx, whole)?;
        return Ok(Sizes { bytes: whole, are_weights_beside });
    }
    let Layout { pieces, beside } = layout(configuration, options, &weights, true);
    let model = length(&pieces);
    check_length(configuration, Format::Onnx, model)?;
    Ok(Sizes { bytes: model + length(&beside.unwrap_or_default()), are_weights_beside })
}

fn layout(
    configuration: &Configuration,
    options: &EmitOptions,
    weights: &Weights,
    are_weights_beside: bool,
) -> Layout {
    let form = Form { format: Format::Onnx, are_activations_unsigned: options.are_activations_unsigned };
    let mut writer = Writer {
        weights,
        precision: configuration.precision(),
        is_normalisation_apart: options.is_normalisation_apart,
        are_activations_unsigned: options.are_activations_unsigned,
        nodes: Message::new(),
        initializers: Vec::new(),
        beside: are_weights_beside.then(|| Beside::new(&form.file_name(configuration))),
    };
    writer.network();
    let Writer { nodes, initializers, beside, .. } = writer;

    let last = weights.graph.output();
    let ends = Message::new()
        .message(11, value(IMAGE, weights, 0))
        .message(12, value(&output_name(weights, configuration.precision()), weights, last));
    let beginning = nodes.text(2, &configuration.to_string());

    let mut graph = vec![Piece::Bytes(beginning.into_bytes())];
    graph.extend(initializers);
    graph.push(Piece::Bytes(ends.into_bytes()));

    let opset = Message::new().text(1, "").integer(2, u64::from(options.opset));
    let head = Message::new()
        .integer(1, options.ir_version())
        .text(2, env!("CARGO_PKG_NAME"))
        .message(8, opset)
        .opening(7, pieces_length(&graph, weights, configuration.precision()));
    let mut pieces = vec![Piece::Bytes(head.into_bytes())];
    pieces.extend(graph);
    Layout { pieces, beside: beside.map(Beside::into_pieces) }
}

/// Name of the image.
const IMAGE: &str = "image";

// TensorProto.DataType.
const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT8: u64 = 3;

// AttributeProto.AttributeType.
const ATTRIBUTE_FLOAT: u64 = 1;
const ATTRIBUTE_INT: u64 = 2;
const ATTRIBUTE_INTS: u64 = 7;

struct Writer<'a> {
    weights: &'a Weights,
    precision: Precision,
    is_normalisation_apart: bool,
    are_activations_unsigned: bool,
    nodes: Message,
    initializers: Vec<Piece>,
    beside: Option<Beside>,
}

impl Writer<'_> {
    fn network(&mut self) {
        if self.precision == Precision::Int8 {
            if self.are_activations_unsigned {
                self.constant("zero_point", UINT8, &[], vec![0]);
                self.constant("middle", UINT8, &[], vec![128]);
            } else {
                self.constant("zero_point", INT8, &[], vec![0]);
            }
            self.quantise(0);
        }
        for index in 0..self.weights.graph.layers.len() {
            self.layer(index);
        }
    }

    fn layer(&mut self, index: usize) {
        let layer = &self.weights.graph.layers[index];
        let inputs: Vec<String> = layer.inputs.iter().map(|&tensor| self.operand(tensor)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = layer.name.as_str();
        match layer.operation {
            Operation::Convolution(convolution) => self.convolution(index, &convolution, inputs[0]),
            Operation::Add => {
                let sum = format!("{name}_sum");
                self.node("Add", &sum, &inputs, &sum, Vec::new());
                self.node("Relu", name, &[&sum], name, Vec::new());
            }
            Operation::MaxPool(window) => {
                let read = self.weights.graph.shape(layer.inputs[0]);
                let attributes = vec![
                    integers_attribute("kernel_shape", &[window.height, window.width]),
                    integers_attribute("pads", &pads(window, read)),
                    integers_attribute("strides", &[window.stride, window.stride]),
                ];
                self.node("MaxPool", name, &inputs[..1], name, attributes);
            }
        }
        if self.precision == Precision::Int8 {
            self.quantise(index + 1);
        }
    }

    fn convolution(&mut self, index: usize, convolution: &Convolution, input: &str) {
        let layer = &self.weights.graph.layers[index];
        let read = self.weights.graph.shape(layer.inputs[0]);
        let name = layer.name.as_str();
        let Some(values) = &self.weights.convolutions[index] else { return };
        let (weights, bias) = (format!("{name}_weights"), format!("{name}_bias"));
        let weights_read = match self.precision {
            Precision::Fp32 => weights.clone(),
            Precision::Int8 => self.dequantised_weights(name, &weights, &values.weight_scales),
        };
        self.weights_initializer(index, convolution, &weights);
        let groups = convolution.input_channels / convolution.channels.read_of(convolution.input_channels);
        let attributes = vec![
            integers_attribute("dilations", &[1, 1]),
            integer_attribute("group", groups),
            integers_attribute("kernel_shape", &[convolution.window.height, convolution.window.width]),
            integers_attribute("pads", &pads(convolution.window, read)),
            integers_attribute("strides", &[convolution.window.stride, convolution.window.stride]),
        ];
        // The layer's own name goes to what the layer makes in the end.
        let before_activation = if convolution.relu { format!("{name}_sum") } else { name.to_owned() };
        if self.is_normalisation_apart {
            let convolved = format!("{name}_convolution");
            self.node("Conv", &convolved, &[input, &weights_read], &convolved, attributes);
            self.normalisation(index, &convolved, &before_activation);
        } else {
            self.constant(&bias, FLOAT, &[convolution.output_channels], float_bytes(&values.biases));
            self.node(
                "Conv",
                &before_activation,
                &[input, &weights_read, &bias],
                &before_activation,
                attributes,
            );
        }
        if convolution.relu {
            self.node("Relu", name, &[&before_activation], name, Vec::new());
        }
    }

    fn normalisation(&mut self, index: usize, input: &str, output: &str) {
        let name = &self.weights.graph.layers[index].name;
        let Some(values) = &self.weights.convolutions[index] else { return };
        let channels: Vec<_> = values
            .weight_scales
            .iter()
            .zip(&values.biases)
            .enumerate()
            .map(|(channel, (&scale, &bias))| {
                self.weights.batch_normalisation(index, channel as u64, scale, bias)
            })
            .collect();
        let columns: [(&str, Vec<f32>); 4] = [
            ("scale", channels.iter().map(|channel| channel.scale).collect()),
            ("bias", channels.iter().map(|channel| channel.bias).collect()),
            ("mean", channels.iter().map(|channel| channel.mean).collect()),
            ("variance", channels.iter().map(|channel| channel.variance).collect()),
        ];
        let mut inputs = vec![input.to_owned()];
        for (column, numbers) in columns {
            let constant = format!("{name}_normalisation_{column}");
            self.constant(&constant, FLOAT, &[numbers.len() as u64], float_bytes(&numbers));
            inputs.push(constant);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = vec![float_attribute("epsilon", EPSILON)];
        self.node("BatchNormalization", &format!("{name}_normalisation"), &inputs, output, attributes);
    }

    /// The name under which a layer reads a tensor.
    fn operand(&self, tensor: TensorIndex) -> String {
        let name = tensor_name(self.weights, tensor);
        match self.precision {
            Precision::Fp32 => name.to_owned(),
            Precision::Int8 => format!("{name}_dequantised"),
        }
    }

    /// Round a tensor to eight bits and back.
    fn quantise(&mut self, tensor: TensorIndex) {
        let name = tensor_name(self.weights, tensor).to_owned();
        let zero_point = if self.are_activations_unsigned && self.has_negative_values(tensor) {
            "middle"
        } else {
            "zero_point"
        };
        let (scale, codes) = (format!("{name}_scale"), format!("{name}_quantised"));
        self.constant(&scale, FLOAT, &[], self.weights.tensor_scales[tensor].to_le_bytes().to_vec());
        self.node("QuantizeLinear", &codes, &[&name, &scale, zero_point], &codes, Vec::new());
        let read = format!("{name}_dequantised");
        self.node("DequantizeLinear", &read, &[&codes, &scale, zero_point], &read, Vec::new());
    }

    fn has_negative_values(&self, tensor: TensorIndex) -> bool {
        let made_by = tensor.checked_sub(1).map(|layer| self.weights.graph.layers[layer].operation);
        match made_by {
            None => true,
            Some(Operation::Convolution(convolution)) => !convolution.relu,
            Some(Operation::Add | Operation::MaxPool(_)) => false,
        }
    }

    fn dequantised_weights(&mut self, layer: &str, weights: &str, scales: &[f32]) -> String {
        let (scale, zero_point) = (format!("{layer}_weights_scale"), format!("{layer}_weights_zero_point"));
        let channels = scales.len() as u64;
        self.constant(&scale, FLOAT, &[channels], float_bytes(scales));
        self.constant(&zero_point, INT8, &[channels], vec![0; scales.len()]);
        let read = format!("{weights}_dequantised");
        let attributes = vec![integer_attribute("axis", 0)];
        self.node("DequantizeLinear", &read, &[weights, &scale, &zero_point], &read, attributes);
        read
    }

    fn node(&mut self, operator: &str, name: &str, inputs: &[&str], output: &str, attributes: Vec<Message>) {
        let mut node = inputs.iter().fold(Message::new(), |node, input| node.text(1, input));
        node = node.text(2, output).text(3, name).text(4, operator);
        for attribute in attributes {
            node = node.message(5, attribute);
        }
        self.nodes = std::mem::take(&mut self.nodes).message(1, node);
    }

    fn constant(&mut self, name: &str, element: u64, shape: &[u64], raw: Vec<u8>) {
        let tensor = Message::new().integers(1, shape).integer(2, element).text(8, name).bytes(9, &raw);
        self.initializers.push(Piece::Bytes(Message::new().message(5, tensor).into_bytes()));
    }

    fn weights_initializer(&mut self, index: usize, convolution: &Convolution, name: &str) {
        let inputs = convolution.channels.read_of(convolution.input_channels);
        let shape =
            [convolution.output_channels, inputs, convolution.window.height, convolution.window.width];
        let element = match self.precision {
            Precision::Fp32 => FLOAT,
            Precision::Int8 => INT8,
        };
        let length = numbers::length(self.weights, index, self.precision);
        let is_normalisation_apart = self.is_normalisation_apart;
        let weights = WeightsPiece { layer: index, order: Order::ChannelsFirst, is_normalisation_apart };
        let head = Message::new().integers(1, &shape).integer(2, element).text(8, name);
        if let Some(beside) = &mut self.beside {
            let tensor = beside.push(head, weights, length);
            self.initializers.push(Piece::Bytes(Message::new().message(5, tensor).into_bytes()));
            return;
        }
        let head = head.opening(9, length).into_bytes();
        let mut opening = Message::new().opening(5, head.len() as u64 + length).into_bytes();
        opening.extend(head);
        self.initializers.extend([Piece::Bytes(opening), Piece::Weights(weights)]);
    }
}

fn tensor_name(weights: &Weights, tensor: TensorIndex) -> &str {
    match tensor.checked_sub(1) {
        None => IMAGE,
        Some(layer) => &weights.graph.layers[layer].name,
    }
}

fn output_name(weights: &Weights, precision: Precision) -> String {
    let name = tensor_name(weights, weights.graph.output());
    match precision {
        Precision::Fp32 => name.to_owned(),
        Precision::Int8 => format!("{name}_dequantised"),
    }
}

/// A graph's input or output: fp32, NCHW.
fn value(name: &str, weights: &Weights, tensor: TensorIndex) -> Message {
    let FeatureMap { channels, height, width } = weights.graph.shape(tensor);
    let mut shape = Message::new();
    for extent in [weights.graph.batch, channels, height, width] {
        shape = shape.message(1, Message::new().integer(1, extent));
    }
    let tensor_type = Message::new().integer(1, FLOAT).message(2, shape);
    Message::new().text(1, name).message(2, Message::new().message(1, tensor_type))
}

/// Rows before, columns before, rows after, columns after.
fn pads(window: Window, read: FeatureMap) -> [u64; 4] {
    let (above, below) = window.row_padding(read.height);
    let (left, right) = window.column_padding(read.width);
    [above, left, below, right]
}

fn integer_attribute(name: &str, value: u64) -> Message {
    Message::new().text(1, name).integer(3, value).integer(20, ATTRIBUTE_INT)
}

fn integers_attribute(name: &str, values: &[u64]) -> Message {
    Message::new().text(1, name).integers(8, values).integer(20, ATTRIBUTE_INTS)
}

fn float_attribute(name: &str, value: f32) -> Message {
    Message::new().text(1, name).float(2, value).integer(20, ATTRIBUTE_FLOAT)
}
