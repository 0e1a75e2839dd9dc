//! Operators that compute nothing: views, joins, and tensors that are filled.

use super::{Answer, Context, one};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product, resolve_axis};

/// The same elements in the file's shape.
pub(super) fn view(context: &Context<'_, '_>) -> Answer {
    context.shape(0)?;
    one(context.declared_or_unknown(0)?, Work::View, vec![0])
}

/// The shape is an input, or an option in old files.
pub(super) fn reshape(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let wanted = if context.has(1) { context.values(1) } else { context.list(0)? };
    let Some(wanted) = wanted else { return view(context) };
    let have = product(input)?;
    // Old files have this for a scalar.
    if wanted == [0] && have == 1 {
        return one(Vec::new(), Work::View, vec![0]);
    }
    let fixed = wanted.iter().map(|size| u64::try_from(*size).unwrap_or(1)).collect::<Vec<_>>();
    let rest = have.checked_div(product(&fixed)?).unwrap_or(0);
    let output: Vec<u64> = wanted.iter().map(|size| u64::try_from(*size).unwrap_or(rest)).collect();
    if product(&output)? != have {
        return Err(Uncountable::Wrong(format!("{} cannot be reshaped to {wanted:?}", shape_text(input))));
    }
    one(output, Work::View, vec![0])
}

/// Without a list of axes every axis of one is left out.
pub(super) fn squeeze(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let axes = context.list(0)?.unwrap_or_default();
    let axes: Vec<usize> =
        axes.into_iter().map(|number| resolve_axis(number, input.len())).collect::<Result<_, _>>()?;
    let kept = input
        .iter()
        .enumerate()
        .filter(|(axis, size)| if axes.is_empty() { **size != 1 } else { !axes.contains(axis) });
    one(kept.map(|(_, size)| *size).collect(), Work::View, vec![0])
}

pub(super) fn expand_axes(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let Some(axis) = context.value(1) else { return view(context) };
    let mut output = input.to_vec();
    output.insert(resolve_axis(axis, input.len() + 1)?, 1);
    one(output, Work::View, vec![0])
}

/// A sparse constant becomes a dense one, once.
pub(super) fn densify(context: &Context<'_, '_>) -> Answer {
    one(context.shape(0)?.to_vec(), Work::View, vec![0])
}

/// Of no size worth mentioning, and known before the model runs.
pub(super) fn shape_of(context: &Context<'_, '_>) -> Answer {
    one(vec![context.shape(0)?.len() as u64], Work::View, Vec::new())
}

pub(super) fn scalar(_: &Context<'_, '_>) -> Answer {
    one(Vec::new(), Work::View, Vec::new())
}

/// The shape of two shapes' broadcast is as long as the longer of them.
pub(super) fn broadcast_shapes(context: &Context<'_, '_>) -> Answer {
    one(vec![context.elements(0)?.max(context.elements(1)?)], Work::View, Vec::new())
}

pub(super) fn concatenation(context: &Context<'_, '_>) -> Answer {
    let mut output = context.shape(0)?.to_vec();
    let axis = resolve_axis(context.integer(0)?, output.len())?;
    for input in 1..context.operator.inputs.len() {
        let other = context.shape(input)?;
        if other.len() != output.len()
            || (0..other.len()).any(|place| place != axis && other[place] != output[place])
        {
            return Err(Uncountable::Wrong(format!(
                "{} and {} cannot be joined along axis {axis}",
                shape_text(&output),
                shape_text(other)
            )));
        }
        output[axis] = output[axis].checked_add(other[axis]).ok_or(Uncountable::TooLarge)?;
    }
    one(output, Work::Operations(0), context.all())
}

pub(super) fn packing(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let mut output = input.to_vec();
    output.insert(resolve_axis(context.integer(1)?, input.len() + 1)?, context.operator.inputs.len() as u64);
    one(output, Work::Operations(0), context.all())
}

pub(super) fn pad(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let Some(pads) = context.values(1) else {
        return one(context.declared_or_unknown(0)?, Work::Operations(0), vec![0]);
    };
    let misfit = || Uncountable::Wrong(format!("its pads {pads:?} do not fit {}", shape_text(input)));
    let (pairs, rest) = pads.as_chunks::<2>();
    if pairs.len() != input.len() || !rest.is_empty() {
        return Err(misfit());
    }
    let padded = input.iter().zip(pairs).map(|(size, [before, after])| {
        size.checked_add_signed(*before).and_then(|size| size.checked_add_signed(*after)).ok_or_else(misfit)
    });
    one(padded.collect::<Result<_, _>>()?, Work::Operations(0), vec![0])
}

/// What is filled is written, and nothing is read.
fn filled(shape: Vec<u64>) -> Answer {
    one(shape, Work::Operations(0), Vec::new())
}

pub(super) fn fill(context: &Context<'_, '_>) -> Answer {
    let sizes =
        context.values(0).map(|sizes| sizes.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>());
    match sizes {
        Some(Ok(sizes)) => filled(sizes),
        _ => filled(context.declared_or_unknown(0)?),
    }
}

pub(super) fn zeros(context: &Context<'_, '_>) -> Answer {
    filled(context.shape(0)?.to_vec())
}

pub(super) fn range(context: &Context<'_, '_>) -> Answer {
    let bounds = (context.value(0), context.value(1), context.value(2));
    let (Some(start), Some(limit), Some(step)) = bounds else {
        return filled(context.declared_or_unknown(0)?);
    };
    let distance = limit.saturating_sub(start).unsigned_abs();
    let is_empty = step == 0 || (limit > start) != (step > 0);
    filled(vec![if is_empty { 0 } else { distance.div_ceil(step.unsigned_abs()) }])
}

pub(super) fn one_hot(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let depth = context.value(1).and_then(|depth| u64::try_from(depth).ok());
    let Some(depth) = depth else { return filled(context.declared_or_unknown(0)?) };
    let mut output = input.to_vec();
    output.insert(resolve_axis(context.integer(0)?, input.len() + 1)?, depth);
    filled(output)
}
