//! The bytes of a layer's weights, made while they are written.
//!
//! Only what a few output channels need is held at any time.

use std::io::{self, Write};

use super::{Order, WeightsPiece};
use crate::network::configuration::Precision;
use crate::network::graph::{Convolution, Operation};
use crate::network::weights::Weights;

/// Enough that a write costs little compared with making the numbers.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes that a layer's weights take.
pub(super) fn length(weights: &Weights, layer: usize, precision: Precision) -> u64 {
    match weights.graph.layers[layer].operation {
        Operation::Convolution(convolution) => convolution.weights() * precision.bytes(),
        Operation::Add | Operation::MaxPool(_) => 0,
    }
}

/// Write all weights of a layer.
///
/// # Errors
/// Those of `output`.
pub(super) fn write(
    weights: &Weights,
    precision: Precision,
    piece: WeightsPiece,
    output: &mut dyn Write,
) -> io::Result<()> {
    let WeightsPiece { layer, order, is_normalisation_apart } = piece;
    let (Operation::Convolution(convolution), Some(values)) =
        (weights.graph.layers[layer].operation, &weights.convolutions[layer])
    else {
        return Ok(());
    };
    let scale_of = |channel: usize| {
        let folded = values.weight_scales[channel];
        if is_normalisation_apart {
            let bias = values.biases[channel];
            weights.batch_normalisation(layer, channel as u64, folded, bias).weight_scale
        } else {
            folded
        }
    };
    if order == Order::Interleaved {
        return output.write_all(&interleaved(weights, precision, layer, &convolution, scale_of));
    }
    let mut codes = Vec::new();
    let mut bytes = Vec::with_capacity(2 * CHUNK_BYTES);
    let mut scratch = Vec::new();
    for channel in 0..convolution.output_channels {
        weights.codes(layer, channel, &mut codes);
        if order == Order::ChannelsLast {
            codes = channels_last(&codes, &convolution);
        }
        let scale = scale_of(channel as usize);
        for part in codes.chunks(CHUNK_BYTES / 4) {
            bytes.extend_from_slice(numbers(precision, part, scale, &mut scratch));
            if bytes.len() >= CHUNK_BYTES {
                output.write_all(&bytes)?;
                bytes.clear();
            }
        }
    }
    output.write_all(&bytes)
}

/// A layer whose neighbouring numbers belong to different channels. Such layers are small: k² for each
/// channel.
fn interleaved(
    weights: &Weights,
    precision: Precision,
    layer: usize,
    convolution: &Convolution,
    scale_of: impl Fn(usize) -> f32,
) -> Vec<u8> {
    let channels = convolution.output_channels as usize;
    let positions = convolution.weights_per_channel() as usize;
    let width = precision.bytes() as usize;
    let mut bytes = vec![0; channels * positions * width];
    let mut codes = Vec::new();
    let mut scratch = Vec::new();
    for channel in 0..channels {
        weights.codes(layer, channel as u64, &mut codes);
        let numbers = numbers(precision, &codes, scale_of(channel), &mut scratch);
        for (position, number) in numbers.chunks_exact(width).enumerate() {
            let start = (position * channels + channel) * width;
            bytes[start..start + width].copy_from_slice(number);
        }
    }
    bytes
}

/// The numbers of codes as they stand in the file. Those of fp32 are made in `scratch`.
fn numbers<'b>(precision: Precision, codes: &'b [u8], scale: f32, scratch: &'b mut Vec<u8>) -> &'b [u8] {
    match precision {
        Precision::Int8 => codes,
        Precision::Fp32 => {
            if scratch.len() != 4 * codes.len() {
                *scratch = vec![0; 4 * codes.len()];
            }
            for (place, code) in scratch.as_chunks_mut::<4>().0.iter_mut().zip(codes) {
                *place = (f32::from(code.cast_signed()) * scale).to_le_bytes();
            }
            scratch
        }
    }
}

/// One output channel's codes, the input channel last in place of first.
fn channels_last(codes: &[u8], convolution: &Convolution) -> Vec<u8> {
    let positions = (convolution.window.height * convolution.window.width) as usize;
    let channels = codes.len() / positions;
    let mut turned = vec![0; codes.len()];
    for (channel, of_channel) in codes.chunks_exact(positions).enumerate() {
        for (position, code) in of_channel.iter().enumerate() {
            turned[position * channels + channel] = *code;
        }
    }
    turned
}
