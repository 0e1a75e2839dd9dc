//! Operators that make tensors out of settings: constants, ranges, random numbers, shapes.

use super::elementwise::same_shape;
use super::{Answer, Context, FLOAT, INT64, NodeEffect, Rules};
use crate::model_file::onnx::{MOST_VALUES, Payload};
use crate::network::count::graph::Work;
use crate::network::count::onnx::fact::{Fact, Values};
use crate::network::count::uncountable::Uncountable;

pub(super) const RULES: Rules = &[
    (&["Constant"], constant),
    (&["ConstantOfShape", "GivenTensorFill"], constant_of_shape),
    (&["Shape"], shape),
    (&["Size"], size),
    (&["Range"], range),
    (&["EyeLike", "RandomNormalLike", "RandomUniformLike"], alike),
    (&["RandomNormal", "RandomUniform"], random),
    (&["Multinomial"], multinomial),
];

fn list(context: &Context<'_, '_>, values: Vec<i64>) -> Answer {
    let mut made = context.made(0, Ok(vec![values.len() as u64]), INT64)?;
    made.values = (values.len() as u64 <= MOST_VALUES).then_some(Values::Integers(values));
    Ok(NodeEffect::one(made, Work::View))
}

fn scalar(context: &Context<'_, '_>, value: i64) -> Answer {
    let mut made = context.made(0, Ok(Vec::new()), INT64)?;
    made.values = Some(Values::Integers(vec![value]));
    Ok(NodeEffect::one(made, Work::View))
}

fn constant(context: &Context<'_, '_>) -> Answer {
    const NAMES: [&str; 6] =
        ["value", "sparse_value", "value_int", "value_ints", "value_float", "value_floats"];
    // In a function, the value may be a setting of the calling node.
    for attribute in NAMES.into_iter().filter_map(|name| context.attribute(name)) {
        if let Some(tensor) = &attribute.tensor {
            let mut made = context.made(0, Ok(tensor.shape.clone()), tensor.element_type)?;
            made.values = tensor.integers().map(Values::Integers);
            made.values = made.values.or_else(|| tensor.floats().map(Values::Floats));
            return Ok(NodeEffect::one(made, Work::View));
        }
        let floats = |shape: Vec<u64>, floats: &[f32]| {
            let mut made = context.made(0, Ok(shape), FLOAT)?;
            let values = floats.iter().copied().map(f64::from).collect();
            made.values = (floats.len() as u64 <= MOST_VALUES).then_some(Values::Floats(values));
            Ok(NodeEffect::one(made, Work::View))
        };
        match (attribute.integer, attribute.float) {
            (Some(value), _) => return scalar(context, value),
            (_, Some(value)) => return floats(Vec::new(), &[value]),
            _ if !attribute.integers.is_empty() => return list(context, attribute.integers.clone()),
            _ if !attribute.floats.is_empty() => {
                return floats(vec![attribute.floats.len() as u64], &attribute.floats);
            }
            _ => {}
        }
    }
    let is_empty = |name: &str| context.attribute(name).is_some();
    if is_empty("value_ints") || is_empty("value_floats") {
        return list(context, Vec::new());
    }
    Err(Uncountable::Unknown("its value is of a kind that is not read".to_owned()))
}

fn constant_of_shape(context: &Context<'_, '_>) -> Answer {
    let filling = context.attribute("value").and_then(|attribute| attribute.tensor.as_ref());
    let shape = match context.integers("shape") {
        Some(shape) if context.optional(0).is_none() => {
            Ok(shape.iter().map(|size| size.unsigned_abs()).collect())
        }
        _ => context.sizes(0),
    };
    let mut made = context.made(0, shape, filling.map_or(FLOAT, |tensor| tensor.element_type))?;
    let count = made.elements()?;
    let value = filling.and_then(Payload::integers).and_then(|values| values.first().copied());
    if let Some(value) = value
        && count <= MOST_VALUES
    {
        made.values = Some(Values::Integers(vec![value; count as usize]));
    }
    Ok(NodeEffect::one(made, Work::View).with_settings(&[0]))
}

fn shape(context: &Context<'_, '_>) -> Answer {
    let sizes: Vec<i64> = context
        .shape(0)?
        .iter()
        .map(|size| i64::try_from(*size))
        .collect::<Result<_, _>>()
        .map_err(|_| Uncountable::TooLarge)?;
    let place = |number: i64| {
        let from_front = if number < 0 { number.saturating_add(sizes.len() as i64) } else { number };
        from_front.clamp(0, sizes.len() as i64) as usize
    };
    let (start, end) = (place(context.integer("start", 0)), place(context.integer("end", i64::MAX)));
    let effect = list(context, sizes.get(start..end).unwrap_or(&[]).to_vec())?;
    Ok(effect.with_settings(&[0]))
}

fn size(context: &Context<'_, '_>) -> Answer {
    let count = i64::try_from(context.elements(0)?).map_err(|_| Uncountable::TooLarge)?;
    Ok(scalar(context, count)?.with_settings(&[0]))
}

/// As many as fit between start and limit; see the operator's own formula.
pub(super) fn range(context: &Context<'_, '_>) -> Answer {
    let whole = |index: usize| context.optional(index).and_then(Fact::integers)?.first().copied();
    let fraction = |index: usize| context.optional(index).and_then(Fact::floats)?.first().copied();
    let (mut values, computed) = match ([0, 1, 2].map(whole), [0, 1, 2].map(fraction)) {
        ([Some(start), Some(limit), Some(step)], _) if step != 0 => {
            let span = i128::from(limit) - i128::from(start);
            let (span, stride) = if step < 0 { (-span, -i128::from(step)) } else { (span, i128::from(step)) };
            let count =
                u64::try_from((span.max(0) + stride - 1) / stride).map_err(|_| Uncountable::TooLarge)?;
            let few = count <= MOST_VALUES;
            let values = few.then(|| {
                (0..count as i64).map(|place| start.wrapping_add(place.wrapping_mul(step))).collect()
            });
            (values.map(Values::Integers), Ok(vec![count]))
        }
        (_, [Some(start), Some(limit), Some(step)]) if step != 0.0 => {
            let count = ((limit - start) / step).ceil().max(0.0);
            (None, Ok(vec![count as u64]))
        }
        _ => (None, Err(Uncountable::Unknown("how long it is depends on the input".to_owned()))),
    };
    let mut made = context.made(0, computed, context.element_type())?;
    made.values = values.take();
    Ok(NodeEffect::one(made, Work::View).with_settings(&[0, 1, 2]))
}

fn alike(context: &Context<'_, '_>) -> Answer {
    let element_type = context.integer("dtype", context.element_type());
    let made = same_shape(context, element_type)?;
    let work = Work::Operations(if super::is_random(context.node) { made.elements()? } else { 0 });
    Ok(NodeEffect::one(made, work).with_settings(&[0]))
}

fn random(context: &Context<'_, '_>) -> Answer {
    let shape = context.integers("shape").unwrap_or(&[]).iter().map(|size| size.unsigned_abs()).collect();
    let made = context.made(0, Ok(shape), context.integer("dtype", FLOAT))?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

/// One operation for each class and sample.
fn multinomial(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    let samples = context.size("sample_size").unwrap_or(1);
    let batch = shape.first().copied().unwrap_or(1);
    let made = context.made(0, Ok(vec![batch, samples]), context.integer("dtype", super::INT32))?;
    let work = super::times(context.elements(0)?, samples)?;
    Ok(NodeEffect::one(made, work))
}
