//! Recurrent layers. Their MACs are those of the products of all steps; gates and peepholes in between are
//! operations on each element, as an activation after a convolution is, and are part of the product.
//!
//! Source of the order of inputs: TensorFlow Lite's kernels of the same names.

use std::ops::Range;

use super::{Answer, Context, Effect};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

/// Inputs of a layer that runs one way: weights of the input and of the state, and of the projection.
const LSTM_WEIGHTS: [Range<usize>; 2] = [1..9, 16..17];
/// Forwards and backwards, with those of a second input.
const BOTH_WAYS_LSTM_WEIGHTS: [Range<usize>; 5] = [1..9, 16..17, 18..26, 33..34, 40..48];
const BOTH_WAYS_RNN_WEIGHTS: [Range<usize>; 3] = [1..3, 5..7, 10..12];

/// Number of the kernel with all weights in one matrix, in an option.
const BASIC_KERNEL: u8 = 1;
/// Options that hold the kernel of an LSTM.
const KERNEL_FIELD: usize = 4;

/// MACs of one step for one element of the batch: each weight once.
fn weights(context: &Context<'_, '_>, inputs: &[Range<usize>]) -> Result<u64, Uncountable> {
    let present = inputs.iter().cloned().flatten().filter(|input| context.has(*input));
    let mut sum = 0_u64;
    for input in present {
        sum = sum.checked_add(context.elements(input)?).ok_or(Uncountable::TooLarge)?;
    }
    Ok(sum)
}

/// Steps times batch: all of the input but its last axis.
fn steps(context: &Context<'_, '_>) -> Result<u64, Uncountable> {
    match context.shape(0)? {
        [steps @ .., _] => product(steps),
        [] => Err(Uncountable::Wrong("its input is a single number".to_owned())),
    }
}

/// A layer that makes so many channels for each step, in each of its outputs.
fn layer(context: &Context<'_, '_>, macs: u64, channels: &[u64]) -> Answer {
    let macs = macs.checked_mul(steps(context)?).ok_or(Uncountable::TooLarge)?;
    let Some((_, leading)) = context.shape(0)?.split_last() else {
        return Err(Uncountable::Wrong("its input is a single number".to_owned()));
    };
    let shape = |channels: &u64| leading.iter().copied().chain([*channels]).collect();
    let shapes = channels.iter().map(shape).collect();
    Ok(Effect { shapes, work: Work::Compound { macs, operations: 0 }, tensors: context.all() })
}

fn rows(context: &Context<'_, '_>, input: usize) -> Result<u64, Uncountable> {
    context.shape(input)?.first().copied().ok_or_else(|| Uncountable::missing_input(input))
}

/// One step; the older kernel has its weights in one matrix.
pub(super) fn lstm(context: &Context<'_, '_>) -> Answer {
    if context.byte(KERNEL_FIELD)? == BASIC_KERNEL {
        let macs = steps(context)?.checked_mul(context.elements(2)?).ok_or(Uncountable::TooLarge)?;
        let outputs = context.operator.outputs.len();
        let shapes = (0..outputs).map(|output| context.declared_or_unknown(output));
        let shapes = shapes.collect::<Result<_, _>>()?;
        return Ok(Effect { shapes, work: Work::Compound { macs, operations: 0 }, tensors: context.all() });
    }
    sequence_lstm(context)
}

pub(super) fn sequence_lstm(context: &Context<'_, '_>) -> Answer {
    // With a projection the output has its rows, else those of the state's weights.
    let channels = if context.has(16) { rows(context, 16)? } else { rows(context, 6)? };
    layer(context, weights(context, &LSTM_WEIGHTS)?, &[channels])
}

pub(super) fn both_ways_lstm(context: &Context<'_, '_>) -> Answer {
    let one_way = |projection: usize, state: usize| {
        rows(context, if context.has(projection) { projection } else { state })
    };
    let channels = [one_way(16, 6)?, one_way(33, 23)?];
    let macs = weights(context, &BOTH_WAYS_LSTM_WEIGHTS)?;
    both_ways(context, macs, channels)
}

pub(super) fn rnn(context: &Context<'_, '_>) -> Answer {
    let macs = weights(context, std::slice::from_ref(&(1..3)))?;
    layer(context, macs, &[rows(context, 1)?])
}

pub(super) fn both_ways_rnn(context: &Context<'_, '_>) -> Answer {
    let macs = weights(context, &BOTH_WAYS_RNN_WEIGHTS)?;
    both_ways(context, macs, [rows(context, 1)?, rows(context, 5)?])
}

/// Both ways are joined if there is one output.
fn both_ways(context: &Context<'_, '_>, macs: u64, channels: [u64; 2]) -> Answer {
    if context.operator.outputs.len() > 1 {
        return layer(context, macs, &channels);
    }
    let joined = channels[0].checked_add(channels[1]).ok_or(Uncountable::TooLarge)?;
    layer(context, macs, &[joined])
}

/// Weights of features are (filters, inputs), those of time (filters, memory); filters of one rank are added
/// up.
pub(super) fn svdf(context: &Context<'_, '_>) -> Answer {
    let macs = weights(context, std::slice::from_ref(&(1..3)))?;
    let channels = rows(context, 1)? / context.number(0, 1)?;
    layer(context, macs, &[channels])
}
