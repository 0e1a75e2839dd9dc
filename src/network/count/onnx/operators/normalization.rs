//! Normalisations and softmax: each element by what others are.

use super::elementwise::same_shape;
use super::{Answer, Context, FLOAT, NodeEffect, Rules, times};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["BatchNormalization"], batch_normalization),
    (&["InstanceNormalization", "LayerNormalization", "GroupNormalization"], normalization),
    (&["RMSNormalization", "SimplifiedLayerNormalization"], normalization),
    (&["MeanVarianceNormalization", "LpNormalization"], normalization),
    (&["Softmax", "LogSoftmax"], softmax),
    (&["Hardmax"], hardmax),
    (&["LRN"], local_response),
];

/// Greatest, differences, exponentials, sum, quotients.
pub(super) const SOFTMAX_OPERATIONS: u64 = 5;

/// Mean, differences, squares with their sum, quotients, scale, shift.
pub(super) const NORMALIZATION_OPERATIONS: u64 = 6;

pub(super) fn softmax(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let work = times(made.elements()?, SOFTMAX_OPERATIONS)?;
    Ok(NodeEffect::one(made, work))
}

/// A comparison and a choice.
fn hardmax(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let work = times(made.elements()?, 2)?;
    Ok(NodeEffect::one(made, work))
}

/// Mean and deviation, where they are read, have one value for each place that is normalised by itself.
pub(super) fn normalization(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let work = times(made.elements()?, NORMALIZATION_OPERATIONS)?;
    let mut effect = NodeEffect::one(made, work);
    if context.is_asked(1) || context.is_asked(2) {
        let shape = context.shape(0)?;
        let axis = context.integer("axis", -1);
        let axis = resolve_axis(axis, shape.len())?;
        let statistics: Vec<u64> =
            shape.iter().enumerate().map(|(place, size)| if place < axis { *size } else { 1 }).collect();
        for output in [1, 2] {
            effect.outputs.push(context.made(output, Ok(statistics.clone()), FLOAT)?);
        }
    }
    Ok(effect)
}

/// For each element: a square and a sum over `size` channels, a scale, a shift, a power and a quotient.
fn local_response(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let size = context.size("size").unwrap_or(1);
    let each = size.checked_add(5).ok_or(Uncountable::TooLarge)?;
    let work = times(made.elements()?, each)?;
    Ok(NodeEffect::one(made, work))
}

fn batch_normalization(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let channels = made.shape.get(1).copied().unwrap_or(1);
    for index in 1..5 {
        let parameters = context.shape(index)?;
        if parameters != [channels] {
            return Err(Uncountable::Wrong(format!(
                "its input {index} has the shape {}, and it normalises {channels} channels",
                shape_text(parameters)
            )));
        }
    }
    if !(1..5).any(|output| context.is_asked(output)) {
        return Ok(NodeEffect::one(made, Work::Normalisation { channels }));
    }
    // In training, mean and variance of the batch are computed, and given out.
    let work = times(made.elements()?, NORMALIZATION_OPERATIONS)?;
    let mut outputs = vec![made];
    for output in 1..5 {
        outputs.push(context.made(output, Ok(vec![channels]), context.type_of(3))?);
    }
    Ok(NodeEffect { outputs, work, settings: &[] })
}
