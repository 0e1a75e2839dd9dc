//! Operators that work on each element by itself.
//!
//! `other_operations` counts one operation for each element and elementary function: a sigmoid is one, as an
//! addition is. What a function costs in instructions differs between processors by more than any weighting
//! would mend.

use super::{Answer, BOOL, Context, Made, NodeEffect, Rules, times, values};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["Relu", "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu"], clamp),
    (&["Add"], addition),
    (UNARY, unary),
    (BINARY, binary),
    (COMPARISONS, binary),
    (&["IsInf", "IsNaN"], test),
    (&["SwiGLU"], gated),
    (&["Sum", "Max", "Min", "Mean", "Where"], several),
    (&["Cast", "CastLike"], cast),
];

/// One operation an element.
pub(super) const UNARY: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Affine",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Bernoulli",
    "BitwiseNot",
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
    "ImageScaler",
    "Log",
    "Mish",
    "Neg",
    "Not",
    "ParametricSoftplus",
    "Reciprocal",
    "Round",
    "Scale",
    "ScaledTanh",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
];

/// One operation for each element of the broadcast result.
const BINARY: &[&str] =
    &["Sub", "Mul", "Div", "Pow", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"];

/// The same, with truth values as a result.
const COMPARISONS: &[&str] =
    &["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"];

/// An output that is as large as the first input.
pub(super) fn same_shape(context: &Context<'_, '_>, element_type: i64) -> Result<Made, Uncountable> {
    context.made(0, context.shape(0).map(<[u64]>::to_vec), element_type)
}

pub(super) fn unary(context: &Context<'_, '_>) -> Answer {
    let mut made = same_shape(context, context.element_type())?;
    made.values = values::unary(context);
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

fn test(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, BOOL)?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

/// A sigmoid and two products.
fn gated(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let work = times(made.elements()?, 3)?;
    Ok(NodeEffect::one(made, work))
}

/// The bounds of `Clip` are settings; the slopes of `PRelu` are weights.
fn clamp(context: &Context<'_, '_>) -> Answer {
    let mut made = same_shape(context, context.element_type())?;
    let is_clip = context.node.operator == "Clip";
    made.values = values::clamp(context);
    let outcome = NodeEffect::one(made, Work::Clamp);
    Ok(if is_clip { outcome.with_settings(&[1, 2]) } else { outcome })
}

/// The shape of two inputs together. Before version 7 the second had a place among the axes of the first.
fn joined(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let (first, second) = (context.shape(0)?, context.shape(1)?);
    let Some(axis) = context.attribute("axis").and_then(|attribute| attribute.integer) else {
        return broadcast(first, second);
    };
    let axis = resolve_axis(axis, first.len().max(1))?;
    let mut placed = second.to_vec();
    // As many axes of one behind it as the first has further ones.
    placed.resize(first.len().saturating_sub(axis).max(second.len()), 1);
    broadcast(first, &placed)
}

fn addition(context: &Context<'_, '_>) -> Answer {
    let mut made = context.made(0, joined(context), context.element_type())?;
    made.values = values::binary(context);
    Ok(NodeEffect::one(made, Work::Sum))
}

pub(super) fn binary(context: &Context<'_, '_>) -> Answer {
    let is_comparison = COMPARISONS.contains(&context.node.operator.as_str());
    let element_type = if is_comparison { BOOL } else { context.element_type() };
    let mut made = context.made(0, joined(context), element_type)?;
    made.values = values::binary(context);
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

fn all_joined(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let mut shape = context.shape(0)?.to_vec();
    for index in 1..context.inputs.len() {
        shape = broadcast(&shape, context.shape(index)?)?;
    }
    Ok(shape)
}

/// One operation for each element and each input after the first.
fn several(context: &Context<'_, '_>) -> Answer {
    let is_choice = context.node.operator == "Where";
    let element_type = context.type_of(usize::from(is_choice));
    let per_element = if is_choice { 1 } else { (context.inputs.len() as u64).saturating_sub(1) };
    let mut made = context.made(0, all_joined(context), element_type)?;
    made.values = values::several(context);
    let work = times(made.elements()?, per_element)?;
    Ok(NodeEffect::one(made, work))
}

/// Until version 5, `to` was the name of a type.
fn cast(context: &Context<'_, '_>) -> Answer {
    const NAMES: &[(&[u8], i64)] = &[
        (b"FLOAT", 1),
        (b"UINT8", 2),
        (b"INT8", 3),
        (b"UINT16", 4),
        (b"INT16", 5),
        (b"INT32", 6),
        (b"INT64", 7),
        (b"STRING", 8),
        (b"BOOL", 9),
        (b"FLOAT16", 10),
        (b"DOUBLE", 11),
        (b"UINT32", 12),
        (b"UINT64", 13),
    ];
    let element_type = match (context.node.operator.as_str(), context.text("to")) {
        ("CastLike", _) => context.type_of(1),
        (_, Some(name)) => NAMES.iter().find(|(known, _)| *known == name).map_or(1, |(_, number)| *number),
        _ => context.integer("to", 1),
    };
    let mut made = same_shape(context, element_type)?;
    made.values = values::cast(context, element_type);
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work).with_settings(&[1]))
}
