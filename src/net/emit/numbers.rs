//! The bytes of a layer's weights, made while they are written.
//!
//! Only what a few output channels need is held at any time.

use std::io::{self, Write};

use super::{Order, WeightsPiece};
use crate::net::configuration::Precision;
use crate::net::graph::{Convolution, Operation};
use crate::net::weights::Weights;

/// Enough that a write costs nothing beside making the numbers.
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
    let mut turned = Vec::new();
    let mut bytes = Vec::with_capacity(2 * CHUNK_BYTES);
    for channel in 0..convolution.output_channels {
        weights.codes(layer, channel, &mut codes);
        if order == Order::ChannelsLast {
            channels_last(&codes, &convolution, &mut turned);
            std::mem::swap(&mut codes, &mut turned);
        }
        let scale = scale_of(channel as usize);
        for part in codes.chunks(CHUNK_BYTES) {
            push_numbers(precision, part, scale, &mut bytes);
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
    let mut numbers = Vec::new();
    for channel in 0..channels {
        weights.codes(layer, channel as u64, &mut codes);
        numbers.clear();
        push_numbers(precision, &codes, scale_of(channel), &mut numbers);
        for (position, number) in numbers.chunks_exact(width).enumerate() {
            let start = (position * channels + channel) * width;
            bytes[start..start + width].copy_from_slice(number);
        }
    }
    bytes
}

/// Plain loops over places that are there already: release builds are made for size, and what grows a vector number by
/// number is not inlined there.
fn push_numbers(precision: Precision, codes: &[i8], scale: f32, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + codes.len() * precision.bytes() as usize, 0);
    let places = &mut bytes[start..];
    match precision {
        Precision::Fp32 => {
            for (place, code) in places.as_chunks_mut::<4>().0.iter_mut().zip(codes) {
                *place = (f32::from(*code) * scale).to_le_bytes();
            }
        }
        Precision::Int8 => {
            for (place, code) in places.iter_mut().zip(codes) {
                *place = code.cast_unsigned();
            }
        }
    }
}

/// One output channel's codes, the input channel last in place of first.
fn channels_last(codes: &[i8], convolution: &Convolution, turned: &mut Vec<i8>) {
    let positions = (convolution.window.height * convolution.window.width) as usize;
    let channels = codes.len() / positions;
    turned.clear();
    turned.resize(codes.len(), 0);
    for (channel, of_channel) in codes.chunks_exact(positions).enumerate() {
        for (position, code) in of_channel.iter().enumerate() {
            turned[position * channels + channel] = *code;
        }
    }
}
