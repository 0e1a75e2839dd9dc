//! Operators on each element by itself, and those that reduce along axes.

use super::{Answer, Context, one};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product, resolve_axis};

/// Greatest, differences, exponentials, sum, quotients.
const SOFTMAX_OPERATIONS: u64 = 5;

pub(super) fn clamp(context: &Context<'_, '_>) -> Answer {
    one(context.shape(0)?.to_vec(), Work::Clamp, context.all())
}

pub(super) fn addition(context: &Context<'_, '_>) -> Answer {
    one(broadcast(context.shape(0)?, context.shape(1)?)?, Work::Sum, vec![0, 1])
}

pub(super) fn binary(context: &Context<'_, '_>) -> Answer {
    let output = broadcast(context.shape(0)?, context.shape(1)?)?;
    let operations = product(&output)?;
    one(output, Work::Operations(operations), vec![0, 1])
}

pub(super) fn unary(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    one(shape.to_vec(), Work::Operations(product(shape)?), vec![0])
}

pub(super) fn softmax(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    let operations = product(shape)?.checked_mul(SOFTMAX_OPERATIONS).ok_or(Uncountable::TooLarge)?;
    one(shape.to_vec(), Work::Operations(operations), vec![0])
}

pub(super) fn reduction(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let work = Work::Operations(product(input)?);
    let Some(axes) = context.values(1) else {
        return one(context.declared()?.to_vec(), work, vec![0]);
    };
    let axes: Vec<usize> =
        axes.into_iter().map(|number| resolve_axis(number, input.len())).collect::<Result<_, _>>()?;
    let keeps = context.byte(0)? != 0;
    let kept = input.iter().enumerate().filter(|(axis, _)| keeps || !axes.contains(axis));
    one(kept.map(|(axis, size)| if axes.contains(&axis) { 1 } else { *size }).collect(), work, vec![0])
}
