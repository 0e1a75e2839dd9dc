//! Model files of the family: the bytes of a configuration in a format.
//!
//! A file is a list of pieces: short ones that are held, and weights that are made while they are written, one layer's
//! output channel after the other. So writing takes little memory however large the file is. The same configuration and
//! format always give the same bytes. Where the bytes go is the caller's business.

use std::io::{self, Write};

use crate::error::Hint;
use crate::net::configuration::{Configuration, Precision};
use crate::net::count_configuration::cost;
use crate::net::graph::{Convolution, Operation};
use crate::net::weights::Weights;

mod flatbuffer;
pub mod onnx;
mod protobuf;
pub mod tflite;

/// Protocol buffers and FlatBuffers both count in signed 32 bits.
const LARGEST_FILE_BYTES: u64 = i32::MAX as u64;

/// Formats of model files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Open Neural Network Exchange.
    Onnx,
    /// TensorFlow Lite.
    Tflite,
}

impl Format {
    /// Both, the order of lists.
    pub const ALL: &'static [Self] = &[Self::Onnx, Self::Tflite];

    /// The ending of its files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Tflite => "tflite",
        }
    }
}

/// A way to write a configuration down: the format, and the type of an int8 network's activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The file's format.
    pub format: Format,
    /// Whether int8 activations are uint8; only in ONNX. See [`onnx::Options::are_activations_unsigned`].
    pub are_activations_unsigned: bool,
}

impl Form {
    /// ONNX as TensorRT reads it.
    pub const ONNX: Self = Self { format: Format::Onnx, are_activations_unsigned: false };
    /// ONNX as ONNX Runtime fuses it.
    pub const ONNX_UNSIGNED: Self = Self { format: Format::Onnx, are_activations_unsigned: true };
    /// TensorFlow Lite.
    pub const TFLITE: Self = Self { format: Format::Tflite, are_activations_unsigned: false };

    /// Every form that differs from all others for this configuration.
    pub fn all(configuration: &Configuration) -> &'static [Self] {
        match configuration.precision() {
            Precision::Fp32 => &[Self::ONNX, Self::TFLITE],
            Precision::Int8 => &[Self::ONNX, Self::ONNX_UNSIGNED, Self::TFLITE],
        }
    }

    /// The name of a configuration's file in this form: `standard-k3-b1-i224-int8.onnx`, or `…-int8-unsigned.onnx`.
    pub fn file_name(self, configuration: &Configuration) -> String {
        let is_unsigned = self.are_activations_unsigned && configuration.precision() == Precision::Int8;
        let activations = if is_unsigned { "-unsigned" } else { "" };
        format!("{configuration}{activations}.{}", self.format.extension())
    }

    /// The file of a configuration in this form, with everything else as it is by default.
    ///
    /// # Errors
    /// [`EmitError::TooLarge`].
    pub fn model_file(self, configuration: &Configuration) -> Result<ModelFile, EmitError> {
        match self.format {
            Format::Onnx => {
                let mut options = onnx::Options::for_precision(configuration.precision());
                options.are_activations_unsigned = self.are_activations_unsigned;
                onnx::model_file(configuration, &options)
            }
            Format::Tflite => tflite::model_file(configuration),
        }
    }
}

/// A model file that has not been written yet.
#[derive(Debug, Clone)]
pub struct ModelFile {
    weights: Weights,
    precision: Precision,
    pieces: Vec<Piece>,
}

/// Why there is no such file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// Larger than the format can hold. The size is that of the weights where they alone are too large.
    #[error(
        "`{configuration}` takes at least {bytes} bytes as .{extension}, and such a file holds {LARGEST_FILE_BYTES} at most"
    )]
    TooLarge {
        /// Name of the configuration.
        configuration: String,
        /// Size of the file.
        bytes: u64,
        /// Its ending.
        extension: &'static str,
    },
    /// The version of the operator set cannot say it.
    #[error("opset {opset} cannot hold a network in {precision}")]
    Opset {
        /// What was asked for.
        opset: u32,
        /// Name of the precision.
        precision: &'static str,
        /// The lowest that can.
        lowest: u32,
        /// The highest that this program knows.
        highest: u32,
    },
    /// Folded biases are part of the quantisation.
    #[error("batch normalisation cannot stay apart in int8")]
    NormalisationInInt8,
}

impl Hint for EmitError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLarge { .. } => "take a smaller kernel, width or depth".to_owned(),
            Self::Opset { lowest, highest, .. } => format!("write {lowest} … {highest}"),
            Self::NormalisationInInt8 => "leave batch normalisation folded, or write fp32".to_owned(),
        })
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Bytes(Vec<u8>),
    /// All weights of a layer, as numbers of the file's precision.
    Weights {
        layer: usize,
        order: Order,
        is_normalisation_apart: bool,
    },
}

/// In which order a layer's weights lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Output channel, input channel, row, column.
    ChannelsFirst,
    /// Output channel, row, column, input channel.
    ChannelsLast,
    /// Row, column, channel: a convolution of each channel by itself.
    Interleaved,
}

impl ModelFile {
    fn new(
        configuration: &Configuration,
        format: Format,
        weights: Weights,
        pieces: Vec<Piece>,
    ) -> Result<Self, EmitError> {
        let file = Self { weights, precision: configuration.precision(), pieces };
        check_length(configuration, format, file.length())?;
        Ok(file)
    }

    /// Refuse what cannot fit by its weights alone, before they are made: that takes minutes for the largest networks.
    fn check_weights(configuration: &Configuration, format: Format) -> Result<(), EmitError> {
        let parameters = cost(configuration).parameters();
        check_length(configuration, format, parameters * configuration.precision().bytes())
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.len() as u64,
                Piece::Weights { layer, .. } => weights_length(&self.weights, *layer, self.precision),
            })
            .sum()
    }

    /// Write the whole file. Calls are of some kilobytes to some hundred; no buffer is needed behind them.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => output.write_all(bytes)?,
                Piece::Weights { layer, order, is_normalisation_apart } => {
                    self.write_weights(*layer, *order, *is_normalisation_apart, output)?;
                }
            }
        }
        Ok(())
    }

    fn write_weights(
        &self,
        layer: usize,
        order: Order,
        is_normalisation_apart: bool,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        /// Enough that a write costs nothing beside making the numbers.
        const CHUNK_BYTES: usize = 256 * 1024;
        let (Operation::Convolution(convolution), Some(values)) =
            (self.weights.graph.layers[layer].operation, &self.weights.convolutions[layer])
        else {
            return Ok(());
        };
        let scale_of = |channel: usize| {
            let folded = values.weight_scales[channel];
            if is_normalisation_apart {
                let bias = values.biases[channel];
                self.weights.batch_normalisation(layer, channel as u64, folded, bias).weight_scale
            } else {
                folded
            }
        };
        if order == Order::Interleaved {
            return output.write_all(&self.interleaved(layer, &convolution, scale_of));
        }
        let mut codes = Vec::new();
        let mut bytes = Vec::with_capacity(2 * CHUNK_BYTES);
        for channel in 0..convolution.output_channels {
            self.weights.codes(layer, channel, &mut codes);
            if order == Order::ChannelsLast {
                codes = channels_last(&codes, &convolution);
            }
            let scale = scale_of(channel as usize);
            for part in codes.chunks(CHUNK_BYTES) {
                self.push_numbers(part, scale, &mut bytes);
                if bytes.len() >= CHUNK_BYTES {
                    output.write_all(&bytes)?;
                    bytes.clear();
                }
            }
        }
        output.write_all(&bytes)
    }

    /// A layer whose neighbouring numbers belong to different channels. Such layers are small: k² for each channel.
    fn interleaved(
        &self,
        layer: usize,
        convolution: &Convolution,
        scale_of: impl Fn(usize) -> f32,
    ) -> Vec<u8> {
        let channels = convolution.output_channels as usize;
        let positions = convolution.weights_per_channel() as usize;
        let width = self.precision.bytes() as usize;
        let mut bytes = vec![0; channels * positions * width];
        let mut codes = Vec::new();
        let mut numbers = Vec::new();
        for channel in 0..channels {
            self.weights.codes(layer, channel as u64, &mut codes);
            numbers.clear();
            self.push_numbers(&codes, scale_of(channel), &mut numbers);
            for (position, number) in numbers.chunks_exact(width).enumerate() {
                let start = (position * channels + channel) * width;
                bytes[start..start + width].copy_from_slice(number);
            }
        }
        bytes
    }

    fn push_numbers(&self, codes: &[i8], scale: f32, bytes: &mut Vec<u8>) {
        match self.precision {
            Precision::Fp32 => {
                bytes.extend(codes.iter().flat_map(|&code| (f32::from(code) * scale).to_le_bytes()));
            }
            Precision::Int8 => bytes.extend(codes.iter().map(|code| code.cast_unsigned())),
        }
    }
}

fn check_length(configuration: &Configuration, format: Format, bytes: u64) -> Result<(), EmitError> {
    if bytes <= LARGEST_FILE_BYTES {
        return Ok(());
    }
    let extension = format.extension();
    Err(EmitError::TooLarge { configuration: configuration.to_string(), bytes, extension })
}

fn weights_length(weights: &Weights, layer: usize, precision: Precision) -> u64 {
    match weights.graph.layers[layer].operation {
        Operation::Convolution(convolution) => convolution.weights() * precision.bytes(),
        Operation::Add | Operation::MaxPool(_) => 0,
    }
}

/// One output channel's codes, the input channel last in place of first.
fn channels_last(codes: &[i8], convolution: &Convolution) -> Vec<i8> {
    let positions = (convolution.window.height * convolution.window.width) as usize;
    let channels = codes.len() / positions;
    let mut turned = Vec::with_capacity(codes.len());
    for position in 0..positions {
        turned.extend((0..channels).map(|channel| codes[channel * positions + position]));
    }
    turned
}

/// Little-endian bytes of numbers.
fn float_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Little-endian bytes of integers.
fn integer_bytes(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests;
