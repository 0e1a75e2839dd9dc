//! Convolutions and matrix products.

use super::windows::positions;
use super::{Answer, Context, one};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product};

/// Weights are (output channels, height, width, input channels ÷ groups).
pub(super) fn convolution(context: &Context<'_, '_>) -> Answer {
    let (input, weights) = (context.image(0)?, context.image(1)?);
    if weights.contains(&0) || input[3] % weights[3] != 0 || weights[0] % (input[3] / weights[3]).max(1) != 0
    {
        return Err(misfit(&input, &weights));
    }
    check_bias(context, 2, weights[0])?;
    let padding = context.byte(0)?;
    let height = positions(input[1], weights[1], context.number(2, 0)?, context.number(5, 1)?, padding)?;
    let width = positions(input[2], weights[2], context.number(1, 0)?, context.number(4, 1)?, padding)?;
    let output = vec![input[0], height, width, weights[0]];
    let macs = product(&output)?.checked_mul(product(&weights[1..])?).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[0] }, vec![0, 1, 2])
}

/// Weights are (1, height, width, output channels).
pub(super) fn depthwise_convolution(context: &Context<'_, '_>) -> Answer {
    let (input, weights) = (context.image(0)?, context.image(1)?);
    if weights[0] != 1 || input[3] == 0 || weights[3] % input[3] != 0 {
        return Err(misfit(&input, &weights));
    }
    check_bias(context, 2, weights[3])?;
    let padding = context.byte(0)?;
    let height = positions(input[1], weights[1], context.number(2, 0)?, context.number(6, 1)?, padding)?;
    let width = positions(input[2], weights[2], context.number(1, 0)?, context.number(5, 1)?, padding)?;
    let output = vec![input[0], height, width, weights[3]];
    let macs = product(&output)?.checked_mul(product(&weights[1..3])?).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[3] }, vec![0, 1, 2])
}

/// Inputs are the result's shape, weights (output channels, height, width, input channels), the activation,
/// biases.
pub(super) fn transposed_convolution(context: &Context<'_, '_>) -> Answer {
    let (weights, input) = (context.image(1)?, context.image(2)?);
    let output = wanted_shape(context)?;
    if weights[3] != input[3] {
        return Err(misfit(&input, &weights));
    }
    check_bias(context, 3, weights[0])?;
    let macs = product(&input)?.checked_mul(product(&weights[..3])?).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[0] }, vec![2, 1, 3])
}

/// The shape that a transposed convolution has as its first input, or in the file.
fn wanted_shape(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let wanted = context.values(0).map(|sizes| sizes.into_iter().map(u64::try_from).collect());
    match wanted {
        Some(Ok(sizes)) => Ok(sizes),
        Some(Err(_)) => Err(Uncountable::Wrong("it is to make a tensor of a negative size".to_owned())),
        None => context.declared_or_unknown(0),
    }
}

/// Activations are (batch, depth, height, width, channels), weights (depth, height, width, input channels ÷
/// groups, output channels). Options have strides and dilations in the order depth, width, height.
pub(super) fn convolution_3d(context: &Context<'_, '_>) -> Answer {
    let (input, weights) = (context.volume(0)?, context.volume(1)?);
    if weights.contains(&0) || input[4] % weights[3] != 0 {
        return Err(misfit(&input, &weights));
    }
    check_bias(context, 2, weights[4])?;
    let padding = context.byte(0)?;
    let size = |axis: usize, stride, dilation| {
        let (stride, dilation) = (context.number(stride, 0)?, context.number(dilation, 1)?);
        positions(input[axis], weights[axis - 1], stride, dilation, padding)
    };
    let output = vec![input[0], size(1, 1, 5)?, size(2, 3, 7)?, size(3, 2, 6)?, weights[4]];
    let macs = product(&output)?.checked_mul(product(&weights[..4])?).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[4] }, vec![0, 1, 2])
}

/// As [`transposed_convolution`], with weights (depth, height, width, output channels, input channels).
pub(super) fn transposed_convolution_3d(context: &Context<'_, '_>) -> Answer {
    let (weights, input) = (context.volume(1)?, context.volume(2)?);
    let output = wanted_shape(context)?;
    if weights[4] != input[4] {
        return Err(misfit(&input, &weights));
    }
    check_bias(context, 3, weights[3])?;
    let macs = product(&input)?.checked_mul(product(&weights[..4])?).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[3] }, vec![2, 1, 3])
}

/// Weights are (output channels, input channels).
pub(super) fn fully_connected(context: &Context<'_, '_>) -> Answer {
    let (input, weights) = (context.shape(0)?, context.shape(1)?);
    let &[channels, depth] = weights else { return Err(misfit(input, weights)) };
    let values = product(input)?;
    if depth == 0 || values % depth != 0 {
        return Err(misfit(input, weights));
    }
    check_bias(context, 2, channels)?;
    let output = match input {
        [leading @ .., last] if context.byte(2)? != 0 => {
            if *last != depth {
                return Err(misfit(input, weights));
            }
            leading.iter().copied().chain([channels]).collect()
        }
        _ => vec![values / depth, channels],
    };
    let macs = values.checked_mul(channels).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels }, vec![0, 1, 2])
}

pub(super) fn matrix_product(context: &Context<'_, '_>) -> Answer {
    let (first, second) = (context.shape(0)?, context.shape(1)?);
    let ([first_batch @ .., a, b], [second_batch @ .., c, d]) = (first, second) else {
        return Err(misfit(first, second));
    };
    let (rows, depth) = if context.byte(0)? == 0 { (*a, *b) } else { (*b, *a) };
    let (other_depth, columns) = if context.byte(1)? == 0 { (*c, *d) } else { (*d, *c) };
    if depth != other_depth {
        return Err(misfit(first, second));
    }
    let mut output = broadcast(first_batch, second_batch)?;
    output.extend([rows, columns]);
    let macs = product(&output)?.checked_mul(depth).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Product { macs, channels: columns }, vec![0, 1])
}

fn misfit(input: &[u64], weights: &[u64]) -> Uncountable {
    Uncountable::Wrong(format!(
        "weights of shape {} do not fit an input of shape {}",
        shape_text(weights),
        shape_text(input)
    ))
}

fn check_bias(context: &Context<'_, '_>, input: usize, channels: u64) -> Result<(), Uncountable> {
    if !context.has(input) {
        return Ok(());
    }
    let bias = context.shape(input)?;
    if product(bias)? == channels {
        return Ok(());
    }
    Err(Uncountable::Wrong(format!(
        "its bias has the shape {}, and it makes {channels} channels",
        shape_text(bias)
    )))
}
