//! Convolutions and matrix products: the operators that MACs are counted of.
//!
//! Every multiplication of an element of the output with a weight counts, those with padding too, as in the
//! paper and in the tools that people compare with.

use super::windows::{Sliding, kernel_shape, spatial};
use super::{Answer, Context, Made, NodeEffect};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product};

/// ONNX's number of the type of sums of 8-bit products.
const INT32: i64 = 6;

/// `prod(out) × prod(W[1:])`, with weights of shape (output channels, input channels ÷ groups, window).
pub(super) fn convolution(context: &Context<'_, '_>) -> Answer {
    // QLinearConv: x, scale, zero point, w, scale, zero point, scale and zero point of y, bias.
    let is_linear = context.node.operator == "QLinearConv";
    let is_integer = context.node.operator == "ConvInteger";
    let (weights_at, bias_at) = if is_linear { (3, 8) } else { (1, 2) };
    let (input, weights) = (context.shape(0)?, context.shape(weights_at)?);
    let groups = groups(context)?;
    check_window(context, input, weights)?;
    if input[1] != weights[1].checked_mul(groups).ok_or(Uncountable::TooLarge)? || weights[0] % groups != 0 {
        return Err(misfit(input, weights, groups));
    }
    if !is_integer && let Some(bias) = context.optional(bias_at) {
        check_bias(bias.shape.as_deref(), weights[0])?;
    }
    let sliding = Sliding::read(context, weights[2..].to_vec())?;
    let mut output = vec![input[0], weights[0]];
    output.extend(sliding.positions(spatial(input)?, false)?);
    let macs = product(&output)?.checked_mul(product(&weights[1..])?).ok_or(Uncountable::TooLarge)?;
    let (element_type, settings): (i64, &[usize]) = match (is_linear, is_integer) {
        (true, _) => (context.optional(7).map_or(2, |zero| zero.element_type), &[1, 2, 4, 5, 6, 7]),
        (_, true) => (INT32, &[2, 3]),
        _ => (context.element_type(), &[]),
    };
    let work = Work::Product { macs, channels: weights[0] };
    Ok(NodeEffect::one(Made::new(output, element_type), work).with_settings(settings))
}

/// `prod(in) × prod(W[1:])`, with weights of shape (input channels, output channels ÷ groups, window): every
/// element that goes in meets every weight of its channel once.
pub(super) fn transposed_convolution(context: &Context<'_, '_>) -> Answer {
    let (input, weights) = (context.shape(0)?, context.shape(1)?);
    let groups = groups(context)?;
    check_window(context, input, weights)?;
    if input[1] != weights[0] || !weights[0].is_multiple_of(groups) {
        return Err(misfit(input, weights, groups));
    }
    let channels = weights[1].checked_mul(groups).ok_or(Uncountable::TooLarge)?;
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
    let macs = context.elements(0)?.checked_mul(product(&weights[1..])?).ok_or(Uncountable::TooLarge)?;
    Ok(NodeEffect::one(Made::new(output, context.element_type()), Work::Product { macs, channels }))
}

/// M × N × K.
pub(super) fn gemm(context: &Context<'_, '_>) -> Answer {
    let (first, second) = (context.shape(0)?, context.shape(1)?);
    let (&[a, b], &[c, d]) = (first, second) else { return Err(no_matrices(first, second)) };
    let (rows, depth) = if context.integer("transA", 0) == 0 { (a, b) } else { (b, a) };
    let (other_depth, columns) = if context.integer("transB", 0) == 0 { (c, d) } else { (d, c) };
    if depth != other_depth {
        return Err(no_matrices(first, second));
    }
    let output = vec![rows, columns];
    if let Some(bias) = context.optional(2).and_then(|bias| bias.shape.as_deref())
        && broadcast(bias, &output)? != output
    {
        return Err(Uncountable::Wrong(format!("its bias has the shape {}", shape_text(bias))));
    }
    let work = Work::Product { macs: product(&[rows, columns, depth])?, channels: columns };
    Ok(NodeEffect::one(Made::new(output, context.element_type()), work))
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
    let macs = product(&output)?.checked_mul(depth).ok_or(Uncountable::TooLarge)?;
    let work = Work::Product { macs, channels: columns.unwrap_or(1) };
    Ok(NodeEffect::one(Made::new(output, element_type), work).with_settings(settings))
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

fn no_matrices(first: &[u64], second: &[u64]) -> Uncountable {
    Uncountable::Wrong(format!(
        "{} and {} cannot be multiplied as matrices",
        shape_text(first),
        shape_text(second)
    ))
}
