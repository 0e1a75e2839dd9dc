//! Operators that give the same bytes another shape. They cost nothing.

use super::{Answer, BOOL, Context, NodeEffect, Rules};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["Identity", "BitCast"], identity),
    (&["Dropout"], dropout),
    (&["Reshape"], reshape),
    (&["Flatten"], flatten),
    (&["Squeeze"], squeeze),
    (&["Unsqueeze"], unsqueeze),
];

/// A view of the first input.
pub(super) fn view(
    context: &Context<'_, '_>,
    computed: Result<Vec<u64>, Uncountable>,
    settings: &'static [usize],
) -> Answer {
    let input = context.input(0)?;
    let mut made = context.made(0, computed, input.element_type)?;
    made.stored_bits = Some(input.stored_bits);
    made.values = input.values();
    Ok(NodeEffect::one(made, Work::View).with_settings(settings))
}

fn identity(context: &Context<'_, '_>) -> Answer {
    if let Some(sequence) = &context.input(0)?.sequence {
        return Ok(NodeEffect::one(super::Made::of_sequence(sequence.clone()), Work::View));
    }
    view(context, context.shape(0).map(<[u64]>::to_vec), &[])
}

/// The mask of `Dropout` is true everywhere but in training.
fn dropout(context: &Context<'_, '_>) -> Answer {
    let mut effect = view(context, context.shape(0).map(<[u64]>::to_vec), &[1, 2])?;
    if context.is_asked(1) {
        effect.outputs.push(context.made(1, context.shape(0).map(<[u64]>::to_vec), BOOL)?);
    }
    Ok(effect)
}

fn reshape(context: &Context<'_, '_>) -> Answer {
    view(context, reshaped(context), &[1])
}

/// −1 stands for what is left, 0 for the size that was there.
fn reshaped(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    // The first version had the shape as an attribute.
    let wanted = match context.integers("shape") {
        Some(shape) if context.optional(1).is_none() => shape.to_vec(),
        _ => context.values(1)?,
    };
    let keeps_zero = context.integer("allowzero", 0) != 0;
    // A whole shape says what comes out, whatever goes in.
    let whole: Option<Vec<u64>> =
        wanted.iter().map(|size| u64::try_from(*size).ok().filter(|size| *size > 0)).collect();
    let input = match (context.shape(0), whole) {
        (Err(_), Some(whole)) => return Ok(whole),
        (input, _) => input?,
    };
    let misfit = || Uncountable::Wrong(format!("{} cannot be reshaped to {wanted:?}", shape_text(input)));
    let mut output = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, size) in wanted.iter().enumerate() {
        output.push(match (size, u64::try_from(*size)) {
            (0, _) if !keeps_zero => *input.get(axis).ok_or_else(misfit)?,
            (_, Ok(size)) => size,
            (-1, _) if open.is_none() => {
                open = Some(axis);
                1
            }
            _ => return Err(misfit()),
        });
    }
    let (have, need) = (product(input)?, product(&output)?);
    if let Some(axis) = open {
        output[axis] = have.checked_div(need).ok_or_else(misfit)?;
    }
    if product(&output)? != have {
        return Err(misfit());
    }
    Ok(output)
}

fn flatten(context: &Context<'_, '_>) -> Answer {
    view(context, flattened(context), &[])
}

fn flattened(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let input = context.shape(0)?;
    let axis = context.integer("axis", 1);
    // Behind the last axis is allowed.
    let axis =
        if usize::try_from(axis) == Ok(input.len()) { input.len() } else { resolve_axis(axis, input.len())? };
    Ok(vec![product(&input[..axis])?, product(&input[axis..])?])
}

fn squeeze(context: &Context<'_, '_>) -> Answer {
    view(context, squeezed(context), &[1])
}

fn squeezed(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let input = context.shape(0)?;
    let axes = match context.list("axes", 1)? {
        Some(axes) => {
            axes.iter().map(|number| resolve_axis(*number, input.len())).collect::<Result<_, _>>()?
        }
        None => (0..input.len()).filter(|axis| input[*axis] == 1).collect::<Vec<usize>>(),
    };
    if let Some(axis) = axes.iter().find(|axis| input[**axis] != 1) {
        return Err(Uncountable::Wrong(format!("axis {axis} of {} cannot be squeezed", shape_text(input))));
    }
    let kept = input.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    Ok(kept.map(|(_, size)| *size).collect())
}

fn unsqueeze(context: &Context<'_, '_>) -> Answer {
    view(context, unsqueezed(context), &[1])
}

fn unsqueezed(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let input = context.shape(0)?;
    let axes = context.list("axes", 1)?.ok_or_else(|| Uncountable::Wrong("it has no `axes`".to_owned()))?;
    let rank = input.len() + axes.len();
    let mut added: Vec<usize> =
        axes.iter().map(|number| resolve_axis(*number, rank)).collect::<Result<_, _>>()?;
    added.sort_unstable();
    let mut output = input.to_vec();
    for axis in added {
        if axis > output.len() {
            return Err(Uncountable::Wrong(format!("its `axes` {axes:?} name one twice")));
        }
        output.insert(axis, 1);
    }
    Ok(output)
}
