//! Model files of the family: the bytes of a configuration in a format.
//!
//! A file is a list of pieces: short ones that are held, and weights that are made while they are written,
//! one layer's output channel after the other. So writing takes little memory however large the file is. The
//! same configuration and format always give the same bytes. Where the bytes go is the caller's business.

use std::io::{self, Write};

use crate::error::Hint;
use crate::network::configuration::{Configuration, Precision};
use crate::network::weights::Weights;

mod beside;
pub(super) mod flatbuffer;
mod numbers;
pub(crate) mod onnx;
mod protobuf;
pub(crate) mod tflite;

pub(crate) use beside::EXTENSION as BESIDE_EXTENSION;

/// Protocol buffers and FlatBuffers both count in signed 32 bits.
pub(crate) const LARGEST_FILE_BYTES: u64 = i32::MAX as u64;

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
    /// Whether int8 activations are uint8; only in ONNX. See [`onnx::EmitOptions::are_activations_unsigned`].
    pub are_activations_unsigned: bool,
}

impl Form {
    /// ONNX as TensorRT reads it.
    pub const ONNX: Self = Self { format: Format::Onnx, are_activations_unsigned: false };
    /// ONNX as ONNX Runtime fuses it.
    pub(crate) const ONNX_UNSIGNED: Self = Self { format: Format::Onnx, are_activations_unsigned: true };
    /// TensorFlow Lite.
    pub(crate) const TFLITE: Self = Self { format: Format::Tflite, are_activations_unsigned: false };

    /// Every form that differs from all others for this configuration.
    pub fn all(configuration: &Configuration) -> &'static [Self] {
        match configuration.precision() {
            Precision::Fp32 => &[Self::ONNX, Self::TFLITE],
            Precision::Int8 => &[Self::ONNX, Self::ONNX_UNSIGNED, Self::TFLITE],
        }
    }

    /// The name of a configuration's file in this form: `standard-k3-b1-i224-int8.onnx`, or
    /// `…-int8-unsigned.onnx`.
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
            Format::Onnx => onnx::model_file(configuration, &self.onnx_options(configuration)),
            Format::Tflite => tflite::model_file(configuration),
        }
    }

    /// How many bytes [`Form::model_file`] will write, without making a weight.
    ///
    /// # Errors
    /// [`EmitError::TooLarge`].
    pub fn length(self, configuration: &Configuration) -> Result<u64, EmitError> {
        match self.format {
            Format::Onnx => onnx::length(configuration, &self.onnx_options(configuration)),
            Format::Tflite => tflite::length(configuration),
        }
    }

    fn onnx_options(self, configuration: &Configuration) -> onnx::EmitOptions {
        let are_activations_unsigned = self.are_activations_unsigned;
        onnx::EmitOptions {
            are_activations_unsigned,
            ..onnx::EmitOptions::for_precision(configuration.precision())
        }
    }
}

/// A model file that has not been written yet.
#[derive(Debug, Clone)]
pub struct ModelFile {
    weights: Weights,
    precision: Precision,
    layout: Layout,
}

/// Why there is no such file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// Larger than the format can hold.
    #[error(
        "`{configuration}` takes {bytes} bytes as .{extension}, and such a file holds {LARGEST_FILE_BYTES} at most"
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
            Self::TooLarge { extension, .. } => {
                let smaller = "take a smaller kernel, width or depth".to_owned();
                match *extension == Format::Onnx.extension() {
                    true => smaller,
                    false => {
                        smaller
                            + ", or a runtime for ONNX files, which may have their weights in a second file"
                    }
                }
            }
            Self::Opset { lowest, highest, .. } => format!("write {lowest} … {highest}"),
            Self::NormalisationInInt8 => "leave batch normalisation folded, or write fp32".to_owned(),
        })
    }
}

/// Where everything lies. The same for [`Weights::new`] and [`Weights::sized`]: no number changes a length.
#[derive(Debug, Clone)]
struct Layout {
    pieces: Vec<Piece>,
    /// What is in a second file.
    beside: Option<Vec<Piece>>,
}

#[derive(Debug, Clone)]
enum Piece {
    Bytes(Vec<u8>),
    Weights(WeightsPiece),
}

/// All weights of a layer, as numbers of the file's precision.
#[derive(Debug, Clone, Copy)]
struct WeightsPiece {
    layer: usize,
    order: Order,
    is_normalisation_apart: bool,
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
    /// Bytes in all, those of a second file included.
    pub fn length(&self) -> u64 {
        let pieces = self.layout.pieces.iter().chain(self.layout.beside.iter().flatten());
        pieces_length(pieces, &self.weights, self.precision)
    }

    /// Whether a second file must be next to this one, under its whole name and [`BESIDE_EXTENSION`].
    pub(crate) fn has_file_beside(&self) -> bool {
        self.layout.beside.is_some()
    }

    /// Write the whole file. Calls are of some kilobytes to some hundred; no buffer is needed behind them.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        self.write_pieces(&self.layout.pieces, output)
    }

    /// Write the second file in the same way, where there is one.
    ///
    /// # Errors
    /// Those of `output`.
    pub(crate) fn write_beside(&self, output: &mut dyn Write) -> io::Result<()> {
        self.write_pieces(self.layout.beside.as_deref().unwrap_or_default(), output)
    }

    fn write_pieces(&self, pieces: &[Piece], output: &mut dyn Write) -> io::Result<()> {
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => output.write_all(bytes)?,
                Piece::Weights(piece) => numbers::write(&self.weights, self.precision, *piece, output)?,
            }
        }
        Ok(())
    }
}

fn pieces_length<'p>(
    pieces: impl IntoIterator<Item = &'p Piece>,
    weights: &Weights,
    precision: Precision,
) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => bytes.len() as u64,
        Piece::Weights(piece) => numbers::length(weights, piece.layer, precision),
    };
    pieces.into_iter().map(length).sum()
}

fn check_length(configuration: &Configuration, format: Format, bytes: u64) -> Result<(), EmitError> {
    if bytes <= LARGEST_FILE_BYTES {
        return Ok(());
    }
    let extension = format.extension();
    Err(EmitError::TooLarge { configuration: configuration.to_string(), bytes, extension })
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
