//! Convolutions and matrix products: the operators that MACs are counted of.
//!
//! Every multiplication of an element of the output with a weight counts, those with padding too, as in the
//! paper and in the tools that people compare with.

use super::windows::{Rounding, Sliding, kernel_shape, spatial};
use super::{Answer, Context, INT32, NodeEffect, Rules};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product};

pub(super) const RULES: Rules = &[
    (&["Conv", "ConvInteger", "QLinearConv"], convolution),
    (&["ConvTranspose"], transposed_convolution),
    (&["DeformConv"], deformed_convolution),
    (&["CausalConvWithState"], causal_convolution),
    (&["Gemm"], gemm),
    (&["MatMul", "MatMulInteger", "QLinearMatMul"], matrix_product),
];

/// Where a convolution finds what it reads, and what it makes.
struct Places {
    weights: usize,
    bias: Option<usize>,
    element_type: i64,
    settings: &'static [usize],
}

impl Places {
    fn of(context: &Context<'_, '_>) -> Self {
        match context.node.operator.as_str() {
            // x, scale, zero point, w, scale, zero point, scale and zero point of y, bias.
            "QLinearConv" => Self {
                weights: 3,
                bias: Some(8),
                element_type: context.optional(7).map_or(2, |zero| zero.element_type),
                settings: &[1, 2, 4, 5, 6, 7],
            },
            "ConvInteger" => Self { weights: 1, bias: None, element_type: INT32, settings: &[2, 3] },
            "DeformConv" => {
                Self { weights: 1, bias: Some(3), element_type: context.element_type(), settings: &[] }
            }
            _ => Self { weights: 1, bias: Some(2), element_type: context.element_type(), settings: &[] },
        }
    }
}

/// `prod(out) × prod(W[1:])`, with weights of shape (output channels, input channels ÷ groups, window).
pub(super) fn convolution(context: &Context<'_, '_>) -> Answer {
    let places = Places::of(context);
    let weights = context.shape(places.weights)?;
    let made = context.made(0, convolved(context, &places), places.element_type)?;
    let each = product(weights.get(1..).unwrap_or_default())?;
    let macs = made.elements()?.checked_mul(each).ok_or(Uncountable::TooLarge)?;
    let work = Work::Product { macs, channels: weights.first().copied().unwrap_or(1) };
    Ok(NodeEffect::one(made, work).with_settings(places.settings))
}

fn convolved(context: &Context<'_, '_>, places: &Places) -> Result<Vec<u64>, Uncountable> {
    let (input, weights) = (context.shape(0)?, context.shape(places.weights)?);
    if context.integer("channels_last", 0) != 0 {
        return convolved_channels_last(context, input, weights);
    }
    let groups = groups(context)?;
    check_window(context, input, weights)?;
    if input[1] != weights[1].checked_mul(groups).ok_or(Uncountable::TooLarge)? || weights[0] % groups != 0 {
        return Err(misfit(input, weights, groups));
    }
    if let Some(bias) = places.bias.and_then(|bias| context.optional(bias)) {
        check_bias(bias.shape.as_deref(), weights[0])?;
    }
    let sliding = Sliding::read(context, weights[2..].to_vec())?;
    let mut output = vec![input[0], weights[0]];
    output.extend(sliding.positions(spatial(input)?, Rounding::Down)?);
    Ok(output)
}

/// ONNX Runtime's own layout: channels come last in the tensors, and not in the weights.
fn convolved_channels_last(
    context: &Context<'_, '_>,
    input: &[u64],
    weights: &[u64],
) -> Result<Vec<u64>, Uncountable> {
    check_window(context, input, weights)?;
    let groups = groups(context)?;
    let (channels, pixels) = (input[input.len() - 1], &input[1..input.len() - 1]);
    if Some(channels) != weights[1].checked_mul(groups) {
        return Err(misfit(input, weights, groups));
    }
    let sliding = Sliding::read(context, weights[2..].to_vec())?;
    let mut output = vec![input[0]];
    output.extend(sliding.positions(pixels, Rounding::Down)?);
    output.push(weights[0]);
    Ok(output)
}

/// A convolution whose window is pulled out of shape: each value of a window is blended of four, 8
/// operations.
fn deformed_convolution(context: &Context<'_, '_>) -> Answer {
    let mut effect = convolution(context)?;
    let (weights, made) = (context.shape(1)?, effect.outputs[0].elements()?);
    let Work::Product { macs, channels } = effect.work else { return Ok(effect) };
    let gathered =
        made.checked_div(channels).unwrap_or(0).checked_mul(product(weights.get(1..).unwrap_or_default())?);
    let operations = gathered.and_then(|gathered| gathered.checked_mul(8)).ok_or(Uncountable::TooLarge)?;
    effect.work = Work::Compound { macs, operations };
    Ok(effect)
}

/// Each channel by itself, over (batch, channels, length); the last values are kept for the next inference.
fn causal_convolution(context: &Context<'_, '_>) -> Answer {
    let (input, weights) = (context.shape(0)?, context.shape(1)?);
    let (&[batch, channels, _], &[_, _, kernel]) = (input, weights) else {
        return Err(misfit(input, weights, 1));
    };
    let made = context.made(0, Ok(input.to_vec()), context.element_type())?;
    let macs = made.elements()?.checked_mul(kernel).ok_or(Uncountable::TooLarge)?;
    let state = vec![batch, channels, kernel.saturating_sub(1)];
    let outputs = vec![made, context.made(1, Ok(state), context.element_type())?];
    Ok(NodeEffect { outputs, work: Work::Product { macs, channels }, settings: &[] })
}

/// `prod(in) × prod(W[1:])`, with weights of shape (input channels, output channels ÷ groups, window): every
/// element that goes in meets every weight of its channel once.
pub(super) fn transposed_convolution(context: &Context<'_, '_>) -> Answer {
    let weights = context.shape(1)?;
    let per_group = weights.get(1).copied().unwrap_or(1);
    let channels = per_group.checked_mul(groups(context)?).ok_or(Uncountable::TooLarge)?;
    let made = context.made(0, spread(context, channels), context.element_type())?;
    let per_element = product(weights.get(1..).unwrap_or_default())?;
    let macs = context.elements(0)?.checked_mul(per_element).ok_or(Uncountable::TooLarge)?;
    Ok(NodeEffect::one(made, Work::Product { macs, channels }))
}

fn spread(context: &Context<'_, '_>, channels: u64) -> Result<Vec<u64>, Uncountable> {
    let (input, weights) = (context.shape(0)?, context.shape(1)?);
    let groups = groups(context)?;
    check_window(context, input, weights)?;
    if input[1] != weights[0] || !weights[0].is_multiple_of(groups) {
        return Err(misfit(input, weights, groups));
    }
    if let Some(bias) = context.optional(2) {
        check_bias(bias.shape.as_deref(), channels)?;
    }
    let sliding = Sliding::read(context, weights[2..].to_vec())?;
    let pixels = spatial(input)?;
    let mut output = vec![input[0], channels];
    let lists = [context.integers("output_padding"), context.integers("output_shape")];
    if lists.iter().flatten().any(|list| list.len() != pixels.len() || list.iter().any(|size| *size < 0)) {
        return Err(Uncountable::Wrong(
            "its `output_padding` or `output_shape` does not fit its input".to_owned(),
        ));
    }
    let [output_padding, output_shape] = lists;
    for (axis, pixels) in pixels.iter().enumerate() {
        output.push(match (output_shape, output_padding) {
            (Some(shape), _) => shape[axis].unsigned_abs(),
            (None, _) if sliding.is_same() => {
                pixels.checked_mul(sliding.strides[axis]).ok_or(Uncountable::TooLarge)?
            }
            (None, extra) => {
                let extra = extra.map_or(0, |extra| extra[axis].unsigned_abs());
                let steps = pixels.checked_sub(1).and_then(|steps| steps.checked_mul(sliding.strides[axis]));
                let full =
                    steps.and_then(|steps| steps.checked_add(sliding.reach(axis).ok()?)?.checked_add(extra));
                full.and_then(|full| full.checked_add_signed(-sliding.padding[axis])).ok_or_else(|| {
                    Uncountable::Wrong("its padding is larger than what it would make".to_owned())
                })?
            }
        });
    }
    Ok(output)
}

/// M × N × K.
pub(super) fn gemm(context: &Context<'_, '_>) -> Answer {
    let (first, second) = (context.shape(0)?, context.shape(1)?);
    // Until version 6, whatever had more axes was taken as a matrix of its first axis and the rest.
    let flat = |shape: &[u64]| match shape {
        &[rows, columns] => Ok((rows, columns)),
        [rows, rest @ ..] if context.version < 7 => Ok((*rows, product(rest)?)),
        _ => Err(no_matrices(first, second)),
    };
    let ((a, b), (c, d)) = (flat(first)?, flat(second)?);
    let (rows, depth) = if context.integer("transA", 0) == 0 { (a, b) } else { (b, a) };
    let (other_depth, columns) = if context.integer("transB", 0) == 0 { (c, d) } else { (d, c) };
    if depth != other_depth {
        return Err(no_matrices(first, second));
    }
    let made = context.made(0, Ok(vec![rows, columns]), context.element_type())?;
    let work = Work::Product { macs: product(&[rows, columns, depth])?, channels: columns };
    Ok(NodeEffect::one(made, work))
}

/// `prod(out) × K`.
pub(super) fn matrix_product(context: &Context<'_, '_>) -> Answer {
    // QLinearMatMul: a, scale, zero point, b, scale, zero point, scale and zero point of y.
    let (second_at, element_type, settings): (_, _, &[usize]) = match context.node.operator.as_str() {
        "QLinearMatMul" => (3, context.optional(7).map_or(2, |zero| zero.element_type), &[1, 2, 4, 5, 6, 7]),
        "MatMulInteger" => (1, INT32, &[2, 3]),
        _ => (1, context.element_type(), &[]),
    };
    let (first, second) = (context.shape(0)?, context.shape(second_at)?);
    let (output, depth) = multiplied(first, second)?;
    let columns = if second.len() < 2 { 1 } else { second[second.len() - 1] };
    let made = context.made(0, Ok(output), element_type)?;
    let macs = made.elements()?.checked_mul(depth).ok_or(Uncountable::TooLarge)?;
    Ok(NodeEffect::one(made, Work::Product { macs, channels: columns }).with_settings(settings))
}

/// The shape of a product of matrices, and how many multiplications each element takes.
pub(super) fn multiplied(first: &[u64], second: &[u64]) -> Result<(Vec<u64>, u64), Uncountable> {
    // A vector is a matrix of one row, or of one column, whose axis is left out of the result.
    let (leading, depth) = match first {
        [] => return Err(no_matrices(first, second)),
        [depth] => (&[] as &[u64], *depth),
        [leading @ .., depth] => (leading, *depth),
    };
    let (second_batch, other_depth, columns) = match second {
        [] => return Err(no_matrices(first, second)),
        [depth] => (&[] as &[u64], *depth, None),
        [batch @ .., depth, columns] => (batch, *depth, Some(*columns)),
    };
    if depth != other_depth {
        return Err(no_matrices(first, second));
    }
    let (first_batch, rows) = match leading {
        [batch @ .., rows] => (batch, Some(*rows)),
        [] => (&[] as &[u64], None),
    };
    let mut output = broadcast(first_batch, second_batch)?;
    output.extend(rows.into_iter().chain(columns));
    Ok((output, depth))
}

fn groups(context: &Context<'_, '_>) -> Result<u64, Uncountable> {
    let groups = context.integer("group", 1);
    u64::try_from(groups)
        .ok()
        .filter(|groups| *groups > 0)
        .ok_or_else(|| Uncountable::Wrong(format!("its `group` is {groups}")))
}

fn check_window(context: &Context<'_, '_>, input: &[u64], weights: &[u64]) -> Result<(), Uncountable> {
    if input.len() < 3 || input.len() != weights.len() {
        return Err(misfit(input, weights, 1));
    }
    match kernel_shape(context)? {
        Some(kernel) if kernel != weights[2..] => Err(Uncountable::Wrong(format!(
            "its `kernel_shape` is {}, and its weights have the shape {}",
            shape_text(&kernel),
            shape_text(weights)
        ))),
        _ => Ok(()),
    }
}

fn check_bias(bias: Option<&[u64]>, channels: u64) -> Result<(), Uncountable> {
    match bias {
        Some(bias) if bias != [channels] => Err(Uncountable::Wrong(format!(
            "its bias has the shape {}, and it makes {channels} channels",
            shape_text(bias)
        ))),
        _ => Ok(()),
    }
}

fn misfit(input: &[u64], weights: &[u64], groups: u64) -> Uncountable {
    let grouped = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
    Uncountable::Wrong(format!(
        "weights of shape {}{grouped} do not fit an input of shape {}",
        shape_text(weights),
        shape_text(input)
    ))
}

pub(super) fn no_matrices(first: &[u64], second: &[u64]) -> Uncountable {
    Uncountable::Wrong(format!(
        "{} and {} cannot be multiplied as matrices",
        shape_text(first),
        shape_text(second)
    ))
}
