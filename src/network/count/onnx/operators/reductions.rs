//! Operators that make one value of several, and those that order values.

use super::elementwise::same_shape;
use super::normalization::SOFTMAX_OPERATIONS;
use super::{Answer, Context, INT64, NodeEffect, Rules, times, values};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, resolve_axis};

pub(super) const RULES: Rules = &[
    (REDUCTIONS, reduction),
    (&["ReduceLogSum", "ReduceLogSumExp"], reduction),
    (&["ArgMax", "ArgMin"], greatest),
    (&["CumSum", "CumProd"], running),
    (&["TopK"], top),
    (&["Det"], determinant),
    (&["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"], loss),
];

/// One operation for each element that goes in.
pub(super) const REDUCTIONS: &[&str] = &[
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
];

fn reduction(context: &Context<'_, '_>) -> Answer {
    let axes = context.list("axes", 1);
    let keeps_all = context.integer("noop_with_empty_axes", 0) != 0;
    if keeps_all && matches!(&axes, Ok(axes) if axes.as_ref().is_none_or(Vec::is_empty)) {
        let made = same_shape(context, context.element_type())?;
        return Ok(NodeEffect::one(made, Work::View).with_settings(&[1]));
    }
    let mut made = context.made(0, reduced(context, axes), context.element_type())?;
    made.values = values::reduction(context);
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)).with_settings(&[1]))
}

fn reduced(
    context: &Context<'_, '_>,
    axes: Result<Option<Vec<i64>>, Uncountable>,
) -> Result<Vec<u64>, Uncountable> {
    let shape = context.shape(0)?;
    let axes: Vec<usize> = axes?
        .unwrap_or_default()
        .iter()
        .map(|number| resolve_axis(*number, shape.len()))
        .collect::<Result<_, _>>()?;
    let keeps = context.integer("keepdims", 1) != 0;
    let reduces = |axis: &usize| axes.contains(axis) || axes.is_empty();
    let sizes = shape.iter().enumerate().filter(|(axis, _)| keeps || !reduces(axis));
    Ok(sizes.map(|(axis, size)| if reduces(&axis) { 1 } else { *size }).collect())
}

fn greatest(context: &Context<'_, '_>) -> Answer {
    let axes = Ok(Some(vec![context.integer("axis", 0)]));
    let made = context.made(0, reduced(context, axes), INT64)?;
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)))
}

fn running(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work).with_settings(&[1]))
}

/// One comparison for each element that goes in, as a selection takes on average.
fn top(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let mut shape = context.shape(0)?.to_vec();
        let axis = resolve_axis(context.integer("axis", -1), shape.len())?;
        // The first version had the number as an attribute.
        let wanted = match context.size("k") {
            Some(wanted) => wanted,
            None => context.sizes(1)?.first().copied().unwrap_or(0),
        };
        shape[axis] = wanted;
        Ok(shape)
    };
    let outputs =
        vec![context.made(0, computed(), context.element_type())?, context.made(1, computed(), INT64)?];
    let work = times(context.elements(0)?, 1)?;
    Ok(NodeEffect { outputs, work, settings: &[1] })
}

/// The second output of a loss of softmax is the logarithm of each probability.
fn loss(context: &Context<'_, '_>) -> Answer {
    let is_whole = context.text("reduction").unwrap_or(b"mean") != b"none";
    let labels = context.shape(1).map(|labels| if is_whole { Vec::new() } else { labels.to_vec() });
    let mut outputs = vec![context.made(0, labels, context.element_type())?];
    if context.is_asked(1) {
        outputs.push(context.made(1, context.shape(0).map(<[u64]>::to_vec), context.element_type())?);
    }
    let each = if context.node.operator.starts_with("Softmax") { SOFTMAX_OPERATIONS } else { 1 };
    Ok(NodeEffect { outputs, work: times(context.elements(0)?, each)?, settings: &[] })
}

/// Elimination: two thirds of the cube of a side.
fn determinant(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    let [batch @ .., side, _] = shape else {
        return Err(Uncountable::Wrong("its input is no matrix".to_owned()));
    };
    let each = side.checked_pow(3).and_then(|cube| cube.checked_mul(2)).ok_or(Uncountable::TooLarge)? / 3;
    let made = context.made(0, Ok(batch.to_vec()), context.element_type())?;
    let work = times(made.elements()?, each)?;
    Ok(NodeEffect::one(made, work))
}
