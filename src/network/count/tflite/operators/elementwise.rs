//! Operators on each element by itself, and those that reduce along axes.

use super::{Answer, Context, Effect, one};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product, resolve_axis};

/// One operation for each element.
pub(super) const UNARY: &[&str] = &[
    "LOGISTIC",
    "TANH",
    "HARD_SWISH",
    "ELU",
    "GELU",
    "EXP",
    "LOG",
    "ABS",
    "NEG",
    "SQRT",
    "RSQRT",
    "SQUARE",
    "FLOOR",
    "CEIL",
    "ROUND",
    "SIN",
    "COS",
    "CAST",
    "SIGN",
    "LOGICAL_NOT",
    "FAKE_QUANT",
    "CUMSUM",
    "COMPLEX_ABS",
    "STABLEHLO_LOGISTIC",
    "STABLEHLO_ABS",
    "STABLEHLO_COSINE",
    "STABLEHLO_EXPONENTIAL",
    "STABLEHLO_FLOOR",
    "STABLEHLO_LOG",
    "STABLEHLO_NEGATE",
    "STABLEHLO_RSQRT",
    "STABLEHLO_TANH",
    "STABLEHLO_CONVERT",
    "STABLEHLO_CBRT",
];

/// One operation for each element that is made.
pub(super) const BINARY: &[&str] = &[
    "SUB",
    "MUL",
    "DIV",
    "MAXIMUM",
    "MINIMUM",
    "POW",
    "SQUARED_DIFFERENCE",
    "FLOOR_DIV",
    "FLOOR_MOD",
    "ATAN2",
    "LESS",
    "LESS_EQUAL",
    "GREATER",
    "GREATER_EQUAL",
    "EQUAL",
    "NOT_EQUAL",
    "LOGICAL_AND",
    "LOGICAL_OR",
    "BITWISE_XOR",
    "RIGHT_SHIFT",
    "STABLEHLO_DIVIDE",
    "STABLEHLO_MULTIPLY",
    "STABLEHLO_MAXIMUM",
    "STABLEHLO_MINIMUM",
    "STABLEHLO_AND",
    "STABLEHLO_OR",
    "STABLEHLO_POWER",
    "STABLEHLO_REMAINDER",
    "STABLEHLO_SUBTRACT",
    "STABLEHLO_COMPARE",
    "STABLEHLO_SHIFT_LEFT",
];

/// One operation for each element that is read.
pub(super) const REDUCTIONS: &[&str] =
    &["MEAN", "SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL"];

pub(super) const UNSORTED_SEGMENTS: &[&str] =
    &["UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "UNSORTED_SEGMENT_MIN"];

/// Greatest, differences, exponentials, sum, quotients.
const SOFTMAX_OPERATIONS: u64 = 5;

/// Squares, their sum, quotients.
const NORM_OPERATIONS: u64 = 3;

fn times(elements: u64, operations: u64) -> Result<Work, Uncountable> {
    elements.checked_mul(operations).map(Work::Operations).ok_or(Uncountable::TooLarge)
}

/// The slopes of `PRELU` are weights.
pub(super) fn clamp(context: &Context<'_, '_>) -> Answer {
    one(context.shape(0)?.to_vec(), Work::Clamp, context.all())
}

pub(super) fn addition(context: &Context<'_, '_>) -> Answer {
    one(broadcast(context.shape(0)?, context.shape(1)?)?, Work::Sum, vec![0, 1])
}

pub(super) fn binary(context: &Context<'_, '_>) -> Answer {
    let output = broadcast(context.shape(0)?, context.shape(1)?)?;
    let work = times(product(&output)?, 1)?;
    one(output, work, vec![0, 1])
}

pub(super) fn unary(context: &Context<'_, '_>) -> Answer {
    one(context.shape(0)?.to_vec(), times(context.elements(0)?, 1)?, vec![0])
}

pub(super) fn softmax(context: &Context<'_, '_>) -> Answer {
    one(context.shape(0)?.to_vec(), times(context.elements(0)?, SOFTMAX_OPERATIONS)?, vec![0])
}

pub(super) fn norm(context: &Context<'_, '_>) -> Answer {
    one(context.shape(0)?.to_vec(), times(context.elements(0)?, NORM_OPERATIONS)?, vec![0])
}

/// One operation for each element and each input after the first.
pub(super) fn sum_of_several(context: &Context<'_, '_>) -> Answer {
    let further = (context.operator.inputs.len() as u64).saturating_sub(1);
    one(context.shape(0)?.to_vec(), times(context.elements(0)?, further)?, context.all())
}

pub(super) fn choice(context: &Context<'_, '_>) -> Answer {
    let output = broadcast(context.shape(1)?, context.shape(2)?)?;
    let condition = context.shape(0)?;
    // In the older operator a list of conditions is for whole rows.
    let is_for_rows = condition.len() == 1 && output.len() > 1 && condition[0] == output[0];
    let output = if is_for_rows { output } else { broadcast(condition, &output)? };
    let work = times(product(&output)?, 1)?;
    one(output, work, vec![0, 1, 2])
}

pub(super) fn reduction(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let work = times(product(input)?, 1)?;
    let Some(axes) = context.values(1) else {
        return one(context.declared_or_unknown(0)?, work, vec![0]);
    };
    let axes: Vec<usize> =
        axes.into_iter().map(|number| resolve_axis(number, input.len())).collect::<Result<_, _>>()?;
    let keeps = context.byte(0)? != 0;
    let kept = input.iter().enumerate().filter(|(axis, _)| keeps || !axes.contains(axis));
    one(kept.map(|(axis, size)| if axes.contains(&axis) { 1 } else { *size }).collect(), work, vec![0])
}

/// One comparison for each element.
pub(super) fn position(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let work = times(product(input)?, 1)?;
    let Some(axis) = context.value(1) else { return one(context.declared_or_unknown(0)?, work, vec![0]) };
    let mut output = input.to_vec();
    output.remove(resolve_axis(axis, input.len())?);
    one(output, work, vec![0])
}

/// One comparison for each element; values and places come out.
pub(super) fn greatest(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let work = times(product(input)?, 1)?;
    let count = context.value(1).and_then(|count| u64::try_from(count).ok());
    let shapes = match (count, input) {
        (Some(count), [rows @ .., _]) => {
            let made: Vec<u64> = rows.iter().copied().chain([count]).collect();
            vec![made.clone(), made]
        }
        _ => vec![context.declared_or_unknown(0)?, context.declared_or_unknown(1)?],
    };
    Ok(Effect { shapes, work, tensors: vec![0] })
}

/// A fast transform of N real values takes 2.5 × N × log2 N operations, half of those of complex ones; the
/// logarithm is rounded up. Source of the convention: <https://www.fftw.org/speed/method.html>.
pub(super) fn fourier(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let lengths = context.values(1);
    let lengths: Vec<u64> =
        lengths.iter().flatten().filter_map(|length| u64::try_from(*length).ok()).collect();
    let (&[height, width], [rows @ .., _, _]) = (lengths.as_slice(), input) else {
        return Err(Uncountable::Unknown(
            "the length of its transform is known only while it runs".to_owned(),
        ));
    };
    let points = product(&[height, width])?;
    let logarithm = u64::from(points.max(1).next_power_of_two().trailing_zeros());
    let each =
        points.checked_mul(5).and_then(|five| five.checked_mul(logarithm)).ok_or(Uncountable::TooLarge)?;
    let output: Vec<u64> = rows.iter().copied().chain([height, width / 2 + 1]).collect();
    one(output, times(product(rows)?, each / 2)?, vec![0])
}

/// One look at each element; how many come out depends on the values.
pub(super) fn positions_of_truth(context: &Context<'_, '_>) -> Answer {
    let work = times(context.elements(0)?, 1)?;
    Ok(Effect { shapes: Vec::new(), work, tensors: vec![0] })
}

pub(super) fn random(context: &Context<'_, '_>) -> Answer {
    let sizes =
        context.values(0).map(|sizes| sizes.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>());
    let output = match sizes {
        Some(Ok(sizes)) => sizes,
        _ => context.declared_or_unknown(0)?,
    };
    let work = times(product(&output)?, 1)?;
    one(output, work, Vec::new())
}

/// One operation for each element that is read.
pub(super) fn segments(context: &Context<'_, '_>) -> Answer {
    let [_, row @ ..] = context.shape(0)? else {
        return Err(Uncountable::Wrong("its input has no segments".to_owned()));
    };
    let work = times(context.elements(0)?, 1)?;
    // Sorted segments are as many as the last one says.
    let count = if context.has(2) {
        context.value(2)
    } else {
        context.values(1).and_then(|of| of.last()?.checked_add(1))
    };
    let count = count.and_then(|count| u64::try_from(count).ok());
    let shape = match count {
        Some(count) => std::iter::once(count).chain(row.iter().copied()).collect(),
        None => context.declared_or_unknown(0)?,
    };
    one(shape, work, vec![0, 1])
}
