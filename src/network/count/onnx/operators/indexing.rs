//! Operators that read or write the places that another tensor names.

use super::elementwise::same_shape;
use super::selection::{copied, selected};
use super::{Answer, Context, NodeEffect, Rules, values};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["Gather"], gather),
    (&["GatherElements"], gather_elements),
    (&["GatherND"], gather_nd),
    (&["Scatter", "ScatterElements", "ScatterND", "TensorScatter"], scatter),
    (&["OneHot"], one_hot),
    (&["Trilu", "ReverseSequence"], rearranged),
];

pub(super) fn gather(context: &Context<'_, '_>) -> Answer {
    let axis = match context.shape(0) {
        Ok(shape) => resolve_axis(context.integer("axis", 0), shape.len())?,
        Err(_) => 0,
    };
    let computed = || {
        let (input, indices) = (context.shape(0)?, context.shape(1)?);
        let mut output = input[..axis].to_vec();
        output.extend(indices);
        output.extend(&input[axis + 1..]);
        Ok(output)
    };
    let mut effect = selected(context, computed(), &[1])?;
    effect.outputs[0].values = values::gather(context, axis);
    Ok(effect)
}

fn gather_elements(context: &Context<'_, '_>) -> Answer {
    selected(context, context.shape(1).map(<[u64]>::to_vec), &[1])
}

pub(super) fn gather_nd(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let (input, indices) = (context.shape(0)?, context.shape(1)?);
        let batch = context.size("batch_dims").unwrap_or(0);
        let misfit = || {
            Uncountable::Wrong(format!(
                "indices of shape {} do not fit {}",
                shape_text(indices),
                shape_text(input)
            ))
        };
        let [places @ .., length] = indices else { return Err(misfit()) };
        let named = batch.checked_add(*length).and_then(|named| usize::try_from(named).ok());
        let kept = named.and_then(|named| input.get(named..)).ok_or_else(misfit)?;
        Ok([places, kept].concat())
    };
    selected(context, computed(), &[1])
}

/// A copy, into which the updates are written.
fn scatter(context: &Context<'_, '_>) -> Answer {
    let made = same_shape(context, context.element_type())?;
    let adds = context.text("reduction").is_some_and(|reduction| reduction != b"none");
    let operations = if adds { context.elements(2)? } else { 0 };
    Ok(NodeEffect::one(made, Work::Operations(operations)))
}

fn one_hot(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let indices = context.shape(0)?;
        let depth = context.sizes(1)?.first().copied().unwrap_or(0);
        let axis = resolve_axis(context.integer("axis", -1), indices.len() + 1)?;
        let mut output = indices.to_vec();
        output.insert(axis, depth);
        Ok(output)
    };
    let made = context.made(0, computed(), context.type_of(2))?;
    Ok(NodeEffect::one(made, Work::Operations(0)).with_settings(&[1, 2]))
}

pub(super) fn rearranged(context: &Context<'_, '_>) -> Answer {
    copied(context, context.shape(0).map(<[u64]>::to_vec), &[1])
}
