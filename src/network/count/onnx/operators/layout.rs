//! Operators that give the same bytes another shape. They cost nothing.

use super::{Answer, Context, Made, NodeEffect};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product, resolve_axis};

fn view(context: &Context<'_, '_>, shape: Vec<u64>, settings: &'static [usize]) -> Answer {
    let input = context.input(0)?;
    let mut made = Made::new(shape, input.element_type);
    made.stored_bits = Some(input.stored_bits);
    made.values = input.integers();
    Ok(NodeEffect::one(made, Work::View).with_settings(settings))
}

/// The mask of `Dropout` is made in training only.
pub(super) fn identity(context: &Context<'_, '_>) -> Answer {
    if context.node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(Uncountable::Unknown("its mask is asked for, which is done in training".to_owned()));
    }
    view(context, context.shape(0)?.to_vec(), &[1, 2])
}

/// −1 stands for what is left, 0 for the size that was there.
pub(super) fn reshape(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    // The first version had the shape as an attribute.
    let wanted = match context.integers("shape") {
        Some(shape) if context.optional(1).is_none() => shape.to_vec(),
        _ => context.values(1)?,
    };
    let keeps_zero = context.integer("allowzero", 0) != 0;
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
    view(context, output, &[1])
}

pub(super) fn flatten(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let axis = context.integer("axis", 1);
    // Behind the last axis is allowed.
    let axis =
        if usize::try_from(axis) == Ok(input.len()) { input.len() } else { resolve_axis(axis, input.len())? };
    view(context, vec![product(&input[..axis])?, product(&input[axis..])?], &[])
}

fn axes(context: &Context<'_, '_>) -> Result<Option<Vec<i64>>, Uncountable> {
    match (context.integers("axes"), context.optional(1)) {
        (Some(axes), _) => Ok(Some(axes.to_vec())),
        (None, Some(_)) => context.values(1).map(Some),
        (None, None) => Ok(None),
    }
}

pub(super) fn squeeze(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let axes = match axes(context)? {
        Some(axes) => {
            axes.iter().map(|number| resolve_axis(*number, input.len())).collect::<Result<_, _>>()?
        }
        None => (0..input.len()).filter(|axis| input[*axis] == 1).collect::<Vec<usize>>(),
    };
    if let Some(axis) = axes.iter().find(|axis| input[**axis] != 1) {
        return Err(Uncountable::Wrong(format!("axis {axis} of {} cannot be squeezed", shape_text(input))));
    }
    let kept = input.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    view(context, kept.map(|(_, size)| *size).collect(), &[1])
}

pub(super) fn unsqueeze(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let axes = axes(context)?.ok_or_else(|| Uncountable::Wrong("it has no `axes`".to_owned()))?;
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
    view(context, output, &[1])
}
