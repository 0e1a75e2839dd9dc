//! From and to narrower types.

use super::elementwise::same_shape;
use super::{Answer, Context, FLOAT, NodeEffect, Rules, storage_bits, times};
use crate::network::count::graph::Work;

pub(super) const RULES: Rules = &[
    (&["QuantizeLinear"], quantize),
    (&["DequantizeLinear"], dequantize),
    (&["DynamicQuantizeLinear"], dynamic_quantize),
];

/// ONNX's number of the type of whole numbers of 8 bits.
const UINT8: i64 = 2;

/// Greatest and least, a product, a rounding.
const DYNAMIC_OPERATIONS: u64 = 4;

pub(super) fn quantize(context: &Context<'_, '_>) -> Answer {
    let zero = context.optional(2).map(|zero| zero.element_type);
    let named = Some(context.integer("output_dtype", 0)).filter(|number| *number != 0);
    // uint8 is what ONNX takes where neither is given.
    let made = same_shape(context, zero.or(named).unwrap_or(UINT8))?;
    Ok(NodeEffect::one(made, Work::Quantise).with_settings(&[1, 2]))
}

pub(super) fn dequantize(context: &Context<'_, '_>) -> Answer {
    let named = Some(context.integer("output_dtype", 0)).filter(|number| *number != 0);
    let mut made = same_shape(context, named.unwrap_or_else(|| context.type_of(1)))?;
    made.stored_bits = Some(storage_bits(context.element_type()));
    Ok(NodeEffect::one(made, Work::Dequantise).with_settings(&[1, 2]))
}

/// Scale and zero point are computed from the values, and are outputs.
pub(super) fn dynamic_quantize(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, UINT8)?;
    let work = times(made.elements()?, DYNAMIC_OPERATIONS)?;
    let outputs =
        vec![made, context.made(1, Ok(Vec::new()), FLOAT)?, context.made(2, Ok(Vec::new()), UINT8)?];
    Ok(NodeEffect { outputs, work, settings: &[] })
}
