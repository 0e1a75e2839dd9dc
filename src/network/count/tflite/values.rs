//! Whole numbers that shapes are made of, followed through the operators that exporters make shapes with.
//!
//! Only lists as short as shapes are followed; everything else is left to the run.

use super::operators::Context;
use crate::model_file::elements;
use crate::model_file::tflite::graph::GraphTensor;

/// No shape, and nothing that shapes are made of, has more numbers.
const MOST_FOLLOWED: usize = 64;

/// The numbers of a constant, if they are few.
pub(super) fn of_constant(tensor: &GraphTensor<'_>) -> Option<Vec<i64>> {
    let is_short = elements(&tensor.shape).is_some_and(|elements| elements <= MOST_FOLLOWED as u64);
    if is_short { tensor.integers() } else { None }
}

/// The numbers of an input of that shape, if they are few: one that was given stands for all.
pub(super) fn of_input(given: &[i64], shape: &[u64]) -> Option<Vec<i64>> {
    let count = usize::try_from(elements(shape)?).ok().filter(|count| *count <= MOST_FOLLOWED)?;
    match given {
        [one] => Some(vec![*one; count]),
        all => (all.len() == count).then(|| all.to_vec()),
    }
}

/// The numbers that an operator makes, output by output, as far as they are known before the model runs.
pub(super) fn compute(title: &str, context: &Context<'_, '_>) -> Vec<Option<Vec<i64>>> {
    let parts = match title {
        "SPLIT" => context.value(0).and_then(|axis| parts(context, 1, axis, None)),
        "SPLIT_V" => context
            .value(2)
            .zip(context.values(1))
            .and_then(|(axis, sizes)| parts(context, 0, axis, Some(&sizes))),
        "UNPACK" => context.integer(1).ok().and_then(|axis| parts(context, 0, axis, None)),
        _ => return vec![single(title, context)],
    };
    parts.map_or_else(Vec::new, |parts| parts.into_iter().map(Some).collect())
}

/// A list in parts of these sizes, of which one may be −1, or in equal ones.
fn parts(context: &Context<'_, '_>, input: usize, axis: i64, sizes: Option<&[i64]>) -> Option<Vec<Vec<i64>>> {
    let rank = context.tensor(input)?.shape.as_ref()?.len();
    let values = context.values(input).filter(|values| rank == 1 && values.len() <= MOST_FOLLOWED)?;
    if !matches!(axis, 0 | -1) {
        return None;
    }
    let count = context.operator.outputs.len();
    let Some(sizes) = sizes else {
        let size = values.len().checked_div(count)?.max(1);
        return Some(values.chunks(size).map(<[i64]>::to_vec).collect());
    };
    let known = sizes.iter().filter_map(|size| usize::try_from(*size).ok()).fold(0, usize::saturating_add);
    let rest = values.len().saturating_sub(known);
    let mut start = 0_usize;
    let part = |size: &i64| {
        let end = start.checked_add(usize::try_from(*size).unwrap_or(rest))?;
        let part = values.get(start..end)?.to_vec();
        start = end;
        Some(part)
    };
    sizes.iter().map(part).collect()
}

/// The numbers of the only output.
fn single(title: &str, context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let made = match title {
        "SHAPE" => {
            let shape = context.tensor(0)?.shape.as_ref()?;
            shape.iter().map(|size| i64::try_from(*size).ok()).collect::<Option<Vec<i64>>>()?
        }
        "RANK" => vec![i64::try_from(context.tensor(0)?.shape.as_ref()?.len()).ok()?],
        "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" | "CAST" => context.values(0)?,
        "PACK" | "CONCATENATION" => joined(context)?,
        "GATHER" => picked(context)?,
        "STRIDED_SLICE" => cut(context)?,
        "SLICE" => {
            let (start, size) = (context.value(1)?, context.value(2)?);
            let values = context.values(0)?;
            let start = usize::try_from(start).ok()?;
            let end = if size < 0 { values.len() } else { start.checked_add(usize::try_from(size).ok()?)? };
            values.get(start..end)?.to_vec()
        }
        "RANGE" => counted(context.value(0)?, context.value(1)?, context.value(2)?)?,
        "REDUCE_PROD" => {
            let values = context.values(0)?;
            vec![values.iter().try_fold(1_i64, |product, value| product.checked_mul(*value))?]
        }
        "SUM" => {
            let values = context.values(0)?;
            vec![values.iter().try_fold(0_i64, |sum, value| sum.checked_add(*value))?]
        }
        "NEG" => context.values(0)?.iter().map(|value| value.checked_neg()).collect::<Option<_>>()?,
        _ => pairwise(title, context)?,
    };
    (made.len() <= MOST_FOLLOWED).then_some(made)
}

fn counted(start: i64, limit: i64, step: i64) -> Option<Vec<i64>> {
    let length = usize::try_from(limit.checked_sub(start)?).ok().filter(|_| step > 0)?;
    let step = usize::try_from(step).ok()?;
    let is_short = length.div_ceil(step) <= MOST_FOLLOWED;
    is_short.then(|| (start..limit).step_by(step).collect())
}

fn joined(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let mut joined = Vec::new();
    for input in 0..context.operator.inputs.len() {
        joined.extend(context.values(input)?);
        if joined.len() > MOST_FOLLOWED {
            return None;
        }
    }
    Some(joined)
}

fn picked(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let (values, places) = (context.values(0)?, context.values(1)?);
    let place = |place: &i64| values.get(usize::try_from(*place).ok()?).copied();
    places.iter().take(MOST_FOLLOWED).map(place).collect()
}

/// A part of a list, without steps.
fn cut(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let values = context.values(0)?;
    let rank = context.tensor(0)?.shape.as_ref()?.len();
    let (begin, end, stride) = (context.value(1)?, context.value(2)?, context.value(3)?);
    if rank != 1 || stride != 1 || context.integer(2).ok()? != 0 || context.integer(3).ok()? != 0 {
        return None;
    }
    let length = values.len() as i64;
    let place =
        |number: i64| (if number < 0 { number.saturating_add(length) } else { number }).clamp(0, length);
    let begin = if context.integer(0).ok()? & 1 != 0 { 0 } else { place(begin) };
    let end = match (context.integer(4).ok()? & 1 != 0, context.integer(1).ok()? & 1 != 0) {
        (true, _) => begin.checked_add(1)?,
        (_, true) => length,
        _ => place(end),
    };
    values.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?).map(<[i64]>::to_vec)
}

fn pairwise(title: &str, context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let compute = match title {
        "ADD" => i64::checked_add,
        "SUB" => i64::checked_sub,
        "MUL" => i64::checked_mul,
        "DIV" => i64::checked_div,
        "FLOOR_DIV" => i64::checked_div_euclid,
        "FLOOR_MOD" => i64::checked_rem_euclid,
        "MAXIMUM" => |first: i64, second: i64| Some(first.max(second)),
        "MINIMUM" => |first: i64, second: i64| Some(first.min(second)),
        _ => return None,
    };
    let (first, second) = (context.values(0)?, context.values(1)?);
    let length = first.len().max(second.len());
    if length > MOST_FOLLOWED || [&first, &second].iter().any(|list| list.len() != length && list.len() != 1)
    {
        return None;
    }
    let value = |list: &[i64], place: usize| if list.len() == 1 { list[0] } else { list[place] };
    (0..length).map(|place| compute(value(&first, place), value(&second, place))).collect()
}
