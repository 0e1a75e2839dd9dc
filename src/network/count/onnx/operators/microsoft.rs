//! Operators of ONNX Runtime's own domain that exporters and optimisers write: ONNX's operators fused, or
//! quantised.

use super::elementwise::{binary, same_shape, unary};
use super::normalization::{NORMALIZATION_OPERATIONS, normalization, softmax};
use super::products::{convolution, gemm, matrix_product, multiplied, no_matrices};
use super::{
    Answer, Context, FLOAT, INT32, NodeEffect, Rules, attention, data_dependent, generators, indexing,
    quantization, recurrent, selection, times, windows,
};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product, resolve_axis};

/// Every rule for this domain.
pub(super) const GROUPS: &[Rules] = &[RULES, attention::ADDED];

const RULES: Rules = &[
    (&["FusedConv", "QLinearConv"], convolution),
    (&["FusedGemm"], gemm),
    (&["FusedMatMul", "TransposeMatMul", "FusedMatMulActivation", "GemmFloat8"], fused_product),
    (&["MatMulInteger", "QLinearMatMul", "MatMulInteger16"], matrix_product),
    (&["DynamicQuantizeMatMul"], dynamic_product),
    (&["MatMulIntegerToFloat"], integer_product),
    (&["QGemm"], quantised_gemm),
    (&["MatMulNBits", "MatMulBnb4", "MatMulFpQ4"], packed_product),
    (&["DynamicQuantizeLSTM"], recurrent::recurrent),
    (&["Gelu", "FastGelu", "BiasGelu", "QuickGelu", "BiasAdd", "BiasDropout"], biased),
    (&["QLinearSigmoid", "QLinearLeakyRelu"], quantised_unary),
    (&["QLinearSoftmax"], quantised_softmax),
    (&["BiasSoftmax"], softmax),
    (&["BiasSplitGelu"], split_gelu),
    (&["Inverse"], unary),
    (&["QLinearAdd", "QLinearMul"], quantised_binary),
    (&["ComplexMul", "ComplexMulConj"], binary),
    (&["QLinearConcat"], quantised_concat),
    (&["QLinearAveragePool"], quantised_pool),
    (&["QLinearGlobalAveragePool"], windows::global_pool),
    (&["QuantizeLinear"], quantization::quantize),
    (&["DequantizeLinear"], quantization::dequantize),
    (&["DynamicQuantizeLinear"], quantization::dynamic_quantize),
    (&["SimplifiedLayerNormalization", "GroupNorm", "SkipGroupNorm"], normalization),
    (&["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"], skip_normalization),
    (&["EmbedLayerNormalization"], embedding),
    (&["Trilu"], indexing::rearranged),
    (&["GatherND"], indexing::gather_nd),
    (&["Range"], generators::range),
    (&["Pad"], selection::pad),
    (&["Unique"], data_dependent::unique),
    (&["CropAndResize"], crop_and_resize),
];

/// Matrices of which either may be transposed.
fn fused_product(context: &Context<'_, '_>) -> Answer {
    let turned = |index: usize, name: &str| {
        let mut shape = context.shape(index)?.to_vec();
        let rank = shape.len();
        if context.integer(name, 0) != 0 && rank > 1 {
            shape.swap(rank - 2, rank - 1);
        }
        Ok::<_, Uncountable>(shape)
    };
    let (first, second) = (turned(0, "transA")?, turned(1, "transB")?);
    plain_product(context, &first, &second, context.element_type())
}

fn plain_product(context: &Context<'_, '_>, first: &[u64], second: &[u64], element_type: i64) -> Answer {
    let (output, depth) = multiplied(first, second)?;
    let channels = if second.len() < 2 { 1 } else { second[second.len() - 1] };
    let made = context.made(0, Ok(output), element_type)?;
    let macs = made.elements()?.checked_mul(depth).ok_or(Uncountable::TooLarge)?;
    Ok(NodeEffect::one(made, Work::Product { macs, channels }))
}

/// A, B, scale and zero point of B, bias.
fn dynamic_product(context: &Context<'_, '_>) -> Answer {
    let effect = plain_product(context, context.shape(0)?, context.shape(1)?, context.element_type())?;
    Ok(effect.with_settings(&[2, 3]))
}

/// A, B, their scales and zero points, bias.
fn integer_product(context: &Context<'_, '_>) -> Answer {
    let effect = plain_product(context, context.shape(0)?, context.shape(1)?, context.type_of(2))?;
    Ok(effect.with_settings(&[2, 3, 4, 5]))
}

/// A, scale, zero point, B, scale, zero point, C, scale and zero point of Y.
fn quantised_gemm(context: &Context<'_, '_>) -> Answer {
    let (first, second) = (context.shape(0)?, context.shape(3)?);
    let (&[a, b], &[c, d]) = (first, second) else { return Err(no_matrices(first, second)) };
    let turned = |name: &str| context.integer(name, 0) != 0;
    let first = if turned("transA") { [b, a] } else { [a, b] };
    let second = if turned("transB") { [d, c] } else { [c, d] };
    let element_type = if context.optional(7).is_some() { context.element_type() } else { FLOAT };
    let effect = plain_product(context, &first, &second, element_type)?;
    Ok(effect.with_settings(&[1, 2, 4, 5, 7, 8]))
}

/// Weights of a few bits, packed in blocks: their sizes are settings.
fn packed_product(context: &Context<'_, '_>) -> Answer {
    let (Some(depth), Some(columns)) = (context.size("K"), context.size("N")) else {
        return Err(Uncountable::Wrong("it has no `K` and `N`".to_owned()));
    };
    plain_product(context, context.shape(0)?, &[depth, columns], context.element_type())
}

/// One operation for each element; a bias is read on the way.
fn biased(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

fn quantised_unary(context: &Context<'_, '_>) -> Answer {
    Ok(biased(context)?.with_settings(&[1, 2, 3, 4]))
}

fn quantised_softmax(context: &Context<'_, '_>) -> Answer {
    Ok(softmax(context)?.with_settings(&[1, 2, 3, 4]))
}

/// A sum, of which one half gates the other.
fn split_gelu(context: &Context<'_, '_>) -> Answer {
    let mut shape = context.shape(0)?.to_vec();
    if let Some(last) = shape.last_mut() {
        *last /= 2;
    }
    let made = context.made(0, Ok(shape), context.element_type())?;
    let work = times(made.elements()?, 4)?;
    Ok(NodeEffect::one(made, work))
}

/// A, scale, zero point, B, scale, zero point, scale and zero point of C.
fn quantised_binary(context: &Context<'_, '_>) -> Answer {
    let shape = broadcast(context.shape(0)?, context.shape(3)?);
    let made = context.made(0, shape, context.element_type())?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work).with_settings(&[1, 2, 4, 5, 6, 7]))
}

/// Scale and zero point of the result, then three for each part.
fn quantised_concat(context: &Context<'_, '_>) -> Answer {
    let first = context.shape(2)?;
    let axis = resolve_axis(context.integer("axis", 0), first.len())?;
    let mut shape = first.to_vec();
    for index in (5..context.inputs.len()).step_by(3) {
        let part = context.shape(index)?.get(axis).copied().unwrap_or(0);
        shape[axis] = shape[axis].checked_add(part).ok_or(Uncountable::TooLarge)?;
    }
    let made = context.made(0, Ok(shape), context.type_of(2))?;
    // Each value is scaled again.
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

fn quantised_pool(context: &Context<'_, '_>) -> Answer {
    Ok(windows::pool(context)?.with_settings(&[1, 2, 3, 4]))
}

/// Input, skip, scale, shift, bias; the sum before the normalisation may be an output.
fn skip_normalization(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let mut statistics = context.shape(0)?.to_vec();
    if let Some(last) = statistics.last_mut() {
        *last = 1;
    }
    let sum = context.made(3, context.shape(0).map(<[u64]>::to_vec), context.element_type())?;
    let work = times(made.elements()?, NORMALIZATION_OPERATIONS + 1)?;
    let mut outputs = vec![made];
    for output in [1, 2] {
        outputs.push(context.made(output, Ok(statistics.clone()), FLOAT)?);
    }
    outputs.push(sum);
    Ok(NodeEffect { outputs, work, settings: &[] })
}

/// Ids, segments, three tables, scale, shift: rows of the tables are added and normalised.
fn embedding(context: &Context<'_, '_>) -> Answer {
    let (ids, table) = (context.shape(0)?, context.shape(2)?);
    let mut shape = ids.to_vec();
    shape.extend(table.last());
    let element_type = context.type_of(2);
    let made = context.made(0, Ok(shape.clone()), element_type)?;
    let work = times(made.elements()?, NORMALIZATION_OPERATIONS + 2)?;
    let mask = context.made(1, Ok(ids.get(..1).unwrap_or_default().to_vec()), INT32)?;
    let sum = context.made(2, Ok(shape), element_type)?;
    Ok(NodeEffect { outputs: vec![made, mask, sum], work, settings: &[] })
}

/// Four neighbours for each element.
fn crop_and_resize(context: &Context<'_, '_>) -> Answer {
    let (image, regions) = (context.shape(0)?, context.shape(1)?);
    let computed = || {
        let crop = context.sizes(3)?;
        let (Some(regions), Some(channels)) = (regions.first(), image.get(1)) else {
            return Err(Uncountable::Wrong("its input is no image".to_owned()));
        };
        let mut output = vec![*regions, *channels];
        output.extend(crop);
        product(&output)?;
        Ok(output)
    };
    let made = context.made(0, computed(), context.element_type())?;
    let work = times(made.elements()?, 8)?;
    Ok(NodeEffect::one(made, work).with_settings(&[3]))
}
