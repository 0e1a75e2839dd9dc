//! Operators that work on each element by itself, and those that reduce.
//!
//! `other_operations` counts one operation for each element and elementary function: a sigmoid is one, as an
//! addition is. What a function costs in instructions differs between processors by more than any weighting
//! would mend.

use super::values;
use super::{Answer, Context, Made, NodeEffect, storage_bits};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, resolve_axis};

/// One operation an element.
pub(super) const UNARY: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Ceil",
    "Celu",
    "Cos",
    "Cosh",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Log",
    "Mish",
    "Neg",
    "Not",
    "Reciprocal",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Tan",
    "Tanh",
];

/// One operation for each element of the broadcast result.
pub(super) const BINARY: &[&str] = &["Sub", "Mul", "Div", "Pow", "Mod"];

/// The same, with truth values as a result.
pub(super) const COMPARISONS: &[&str] =
    &["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"];

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

/// ONNX's number of the type of truth values.
const BOOL: i64 = 9;

/// Greatest, differences, exponentials, sum, quotients.
const SOFTMAX_OPERATIONS: u64 = 5;

/// Mean, differences, squares with their sum, quotients, scale, shift.
const NORMALIZATION_OPERATIONS: u64 = 6;

fn times(elements: u64, operations: u64) -> Result<Work, Uncountable> {
    elements.checked_mul(operations).map(Work::Operations).ok_or(Uncountable::TooLarge)
}

fn same_shape(context: &Context<'_, '_>) -> Result<Made, Uncountable> {
    Ok(Made::new(context.shape(0)?.to_vec(), context.element_type()))
}

pub(super) fn unary(context: &Context<'_, '_>) -> Answer {
    let mut made = same_shape(context)?;
    made.values = values::unary(context);
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)))
}

/// The bounds of `Clip` are settings; the slopes of `PRelu` are weights.
pub(super) fn clamp(context: &Context<'_, '_>) -> Answer {
    let outcome = NodeEffect::one(same_shape(context)?, Work::Clamp);
    let is_clip = context.node.operator == "Clip";
    Ok(if is_clip { outcome.with_settings(&[1, 2]) } else { outcome })
}

pub(super) fn addition(context: &Context<'_, '_>) -> Answer {
    let mut made = Made::new(broadcast(context.shape(0)?, context.shape(1)?)?, context.element_type());
    made.values = values::binary(context);
    Ok(NodeEffect::one(made, Work::Sum))
}

pub(super) fn binary(context: &Context<'_, '_>) -> Answer {
    let is_comparison = COMPARISONS.contains(&context.node.operator.as_str());
    let element_type = if is_comparison { BOOL } else { context.element_type() };
    let mut made = Made::new(broadcast(context.shape(0)?, context.shape(1)?)?, element_type);
    made.values = values::binary(context);
    let work = times(super::product(&made.shape)?, 1)?;
    Ok(NodeEffect::one(made, work))
}

/// One operation for each element and each input after the first.
pub(super) fn several(context: &Context<'_, '_>) -> Answer {
    let mut shape = context.shape(0)?.to_vec();
    for index in 1..context.inputs.len() {
        shape = broadcast(&shape, context.shape(index)?)?;
    }
    let is_choice = context.node.operator == "Where";
    let type_from = usize::from(is_choice);
    let element_type = context.optional(type_from).map_or(1, |input| input.element_type);
    let per_element = if is_choice { 1 } else { (context.inputs.len() as u64).saturating_sub(1) };
    let work = times(super::product(&shape)?, per_element)?;
    let mut made = Made::new(shape, element_type);
    made.values = values::choice(context);
    Ok(NodeEffect::one(made, work))
}

pub(super) fn softmax(context: &Context<'_, '_>) -> Answer {
    Ok(NodeEffect::one(same_shape(context)?, times(context.elements(0)?, SOFTMAX_OPERATIONS)?))
}

pub(super) fn normalization(context: &Context<'_, '_>) -> Answer {
    if context.node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(Uncountable::Unknown(
            "its mean and deviation are asked for, which is done in training".to_owned(),
        ));
    }
    Ok(NodeEffect::one(same_shape(context)?, times(context.elements(0)?, NORMALIZATION_OPERATIONS)?))
}

pub(super) fn batch_normalization(context: &Context<'_, '_>) -> Answer {
    if context.integer("training_mode", 0) != 0 {
        return Err(Uncountable::Unknown("it is in training mode".to_owned()));
    }
    let shape = context.shape(0)?;
    let channels = shape.get(1).copied().unwrap_or(1);
    for index in 1..5 {
        let parameters = context.shape(index)?;
        if parameters != [channels] {
            return Err(Uncountable::Wrong(format!(
                "its input {index} has the shape {}, and it normalises {channels} channels",
                shape_text(parameters)
            )));
        }
    }
    Ok(NodeEffect::one(same_shape(context)?, Work::Normalisation { channels }))
}

pub(super) fn reduction(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    let axes = match (context.integers("axes"), context.optional(1)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(_)) => context.values(1)?,
        (None, None) => Vec::new(),
    };
    let axes: Vec<usize> =
        axes.iter().map(|number| resolve_axis(*number, shape.len())).collect::<Result<_, _>>()?;
    let keeps = context.integer("keepdims", 1) != 0;
    let reduces = |axis: &usize| axes.contains(axis) || axes.is_empty();
    if axes.is_empty() && context.integer("noop_with_empty_axes", 0) != 0 {
        return Ok(NodeEffect::one(same_shape(context)?, Work::View).with_settings(&[1]));
    }
    let sizes = shape.iter().enumerate();
    let output = sizes.filter(|(axis, _)| keeps || !reduces(axis));
    let output = output.map(|(axis, size)| if reduces(&axis) { 1 } else { *size }).collect();
    let mut made = Made::new(output, context.element_type());
    made.values = values::reduction(context);
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)).with_settings(&[1]))
}

pub(super) fn quantize(context: &Context<'_, '_>) -> Answer {
    let zero = context.optional(2).map(|zero| zero.element_type);
    let named = Some(context.integer("output_dtype", 0)).filter(|number| *number != 0);
    // uint8 is what ONNX takes where neither is given.
    let element_type = zero.or(named).unwrap_or(2);
    let made = Made::new(context.shape(0)?.to_vec(), element_type);
    Ok(NodeEffect::one(made, Work::Quantise).with_settings(&[1, 2]))
}

pub(super) fn dequantize(context: &Context<'_, '_>) -> Answer {
    let element_type = context.optional(1).map_or(1, |scale| scale.element_type);
    let mut made = Made::new(context.shape(0)?.to_vec(), element_type);
    made.stored_bits = Some(storage_bits(context.element_type()));
    Ok(NodeEffect::one(made, Work::Dequantise).with_settings(&[1, 2]))
}
