//! Operators on each element by itself, and those that reduce along axes.

use super::{Answer, Reading, Trouble, axis, broadcast, one, product};
use crate::network::count::graph::Work;

/// Greatest, differences, exponentials, sum, quotients.
const SOFTMAX_OPERATIONS: u64 = 5;

pub(super) fn clamp(reading: &Reading<'_, '_>) -> Answer {
    one(reading.shape(0)?.to_vec(), Work::Clamp, reading.all())
}

pub(super) fn addition(reading: &Reading<'_, '_>) -> Answer {
    one(broadcast(reading.shape(0)?, reading.shape(1)?)?, Work::Sum, vec![0, 1])
}

pub(super) fn binary(reading: &Reading<'_, '_>) -> Answer {
    let output = broadcast(reading.shape(0)?, reading.shape(1)?)?;
    let operations = product(&output)?;
    one(output, Work::Operations(operations), vec![0, 1])
}

pub(super) fn unary(reading: &Reading<'_, '_>) -> Answer {
    let shape = reading.shape(0)?;
    one(shape.to_vec(), Work::Operations(product(shape)?), vec![0])
}

pub(super) fn softmax(reading: &Reading<'_, '_>) -> Answer {
    let shape = reading.shape(0)?;
    let operations = product(shape)?.checked_mul(SOFTMAX_OPERATIONS).ok_or(Trouble::TooLarge)?;
    one(shape.to_vec(), Work::Operations(operations), vec![0])
}

pub(super) fn reduction(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let work = Work::Operations(product(input)?);
    let Some(axes) = reading.values(1) else {
        return one(reading.declared()?.to_vec(), work, vec![0]);
    };
    let axes: Vec<usize> =
        axes.into_iter().map(|number| axis(number, input.len())).collect::<Result<_, _>>()?;
    let keeps = reading.byte(0)? != 0;
    let kept = input.iter().enumerate().filter(|(axis, _)| keeps || !axes.contains(axis));
    one(kept.map(|(axis, size)| if axes.contains(&axis) { 1 } else { *size }).collect(), work, vec![0])
}
