//! Whole numbers that shapes are made of, followed through the small graphs that exporters write around
//! `Shape`.
//!
//! `None` means that the values are not known, never that something is wrong: a rule that needs them says so
//! itself.

use super::{Answer, Context, Made, NodeEffect};
use crate::model_file::onnx::{MOST_VALUES, Payload};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::Uncountable;

/// ONNX's number of the type of 64-bit whole numbers.
const INT64: i64 = 7;

fn list(values: Vec<i64>) -> NodeEffect {
    let mut made = Made::new(vec![values.len() as u64], INT64);
    made.values = Some(values);
    NodeEffect::one(made, Work::View)
}

pub(super) fn constant(context: &Context<'_, '_>) -> Answer {
    for attribute in &context.node.attributes {
        match attribute.name.as_str() {
            "value" | "sparse_value" => {
                if let Some(tensor) = &attribute.tensor {
                    let mut made = Made::new(tensor.shape.clone(), tensor.element_type);
                    made.values = tensor.integers();
                    return Ok(NodeEffect::one(made, Work::View));
                }
            }
            "value_ints" => return Ok(list(attribute.integers.clone())),
            "value_int" => {
                let mut outcome = list(attribute.integer.into_iter().collect());
                outcome.outputs[0].shape.clear();
                return Ok(outcome);
            }
            "value_float" => return Ok(NodeEffect::one(Made::new(Vec::new(), 1), Work::View)),
            "value_floats" => {
                return Ok(NodeEffect::one(Made::new(vec![attribute.floats.len() as u64], 1), Work::View));
            }
            _ => {}
        }
    }
    Err(Uncountable::Unknown("its value is of a kind that is not read".to_owned()))
}

pub(super) fn constant_of_shape(context: &Context<'_, '_>) -> Answer {
    let shape: Result<Vec<u64>, _> = context.values(0)?.iter().map(|size| u64::try_from(*size)).collect();
    let shape = shape.map_err(|_| Uncountable::Wrong("it makes a tensor with a negative size".to_owned()))?;
    let filling = context.attribute("value").and_then(|attribute| attribute.tensor.as_ref());
    let mut made = Made::new(shape, filling.map_or(1, |tensor| tensor.element_type));
    let count = super::product(&made.shape)?;
    let value = filling.and_then(Payload::integers).and_then(|values| values.first().copied());
    if let Some(value) = value
        && count <= MOST_VALUES
    {
        made.values = Some(vec![value; count as usize]);
    }
    Ok(NodeEffect::one(made, Work::View).with_settings(&[0]))
}

pub(super) fn shape(context: &Context<'_, '_>) -> Answer {
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
    let outcome = list(sizes.get(start..end).unwrap_or(&[]).to_vec());
    Ok(outcome.with_settings(&[0]))
}

pub(super) fn size(context: &Context<'_, '_>) -> Answer {
    let count = i64::try_from(context.elements(0)?).map_err(|_| Uncountable::TooLarge)?;
    let mut outcome = list(vec![count]);
    outcome.outputs[0].shape.clear();
    Ok(outcome.with_settings(&[0]))
}

fn input(context: &Context<'_, '_>, index: usize) -> Option<Vec<i64>> {
    context.optional(index).and_then(super::Fact::integers)
}

pub(super) fn unary(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let values = input(context, 0)?;
    match context.node.operator.as_str() {
        "Floor" | "Ceil" | "Round" => Some(values),
        "Neg" => values.into_iter().map(i64::checked_neg).collect(),
        "Abs" => values.into_iter().map(i64::checked_abs).collect(),
        _ => None,
    }
}

pub(super) fn binary(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let (first, second) = (input(context, 0)?, input(context, 1)?);
    let combine: fn(i64, i64) -> Option<i64> = match context.node.operator.as_str() {
        "Add" => i64::checked_add,
        "Sub" => i64::checked_sub,
        "Mul" => i64::checked_mul,
        "Div" => i64::checked_div,
        "Equal" => |one, other| Some(i64::from(one == other)),
        "Greater" => |one, other| Some(i64::from(one > other)),
        "Less" => |one, other| Some(i64::from(one < other)),
        _ => return None,
    };
    let length = broadcast_length(&[&first, &second])?;
    (0..length).map(|place| combine(at(&first, place), at(&second, place))).collect()
}

/// `Where`, as exporters write it around `Expand`.
pub(super) fn choice(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    if context.node.operator != "Where" {
        return None;
    }
    let [condition, yes, no] = [input(context, 0)?, input(context, 1)?, input(context, 2)?];
    let length = broadcast_length(&[&condition, &yes, &no])?;
    Some((0..length).map(|place| at(if at(&condition, place) != 0 { &yes } else { &no }, place)).collect())
}

pub(super) fn reduction(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let values = input(context, 0)?;
    match context.node.operator.as_str() {
        "ReduceProd" if context.shape(0).ok()?.len() == 1 => {
            values.into_iter().try_fold(1_i64, i64::checked_mul).map(|product| vec![product])
        }
        _ => None,
    }
}

/// Lists only: a join of tables along a later axis is another order.
pub(super) fn concat(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let mut values = Vec::new();
    for index in 0..context.inputs.len() {
        if context.shape(index).ok()?.len() != 1 {
            return None;
        }
        values.extend(input(context, index)?);
    }
    (values.len() as u64 <= MOST_VALUES).then_some(values)
}

pub(super) fn gather(context: &Context<'_, '_>) -> Option<Vec<i64>> {
    let (values, places) = (input(context, 0)?, input(context, 1)?);
    if context.shape(0).ok()?.len() != 1 {
        return None;
    }
    let take = |place: i64| {
        let place = if place < 0 { place.checked_add(values.len() as i64)? } else { place };
        values.get(usize::try_from(place).ok()?).copied()
    };
    places.into_iter().map(take).collect()
}

/// Forward, along the one axis of a list.
pub(super) fn slice(
    context: &Context<'_, '_>,
    starts: &[i64],
    ends: &[i64],
    steps: &[i64],
) -> Option<Vec<i64>> {
    let values = input(context, 0)?;
    let (&[start], &[end], &[step]) = (starts, ends, steps) else { return None };
    let step = usize::try_from(step).ok().filter(|step| *step > 0)?;
    if context.shape(0).ok()?.len() != 1 {
        return None;
    }
    let length = values.len() as i64;
    let place = |number: i64| {
        let from_front = if number < 0 { number.saturating_add(length) } else { number };
        from_front.clamp(0, length) as usize
    };
    let taken = values.get(place(start)..place(end)).unwrap_or(&[]);
    Some(taken.iter().step_by(step).copied().collect())
}

/// Lists and single numbers.
fn broadcast_length(lists: &[&[i64]]) -> Option<usize> {
    let length = lists.iter().map(|list| list.len()).max()?;
    lists.iter().all(|list| list.len() == length || list.len() == 1).then_some(length)
}

fn at(list: &[i64], place: usize) -> i64 {
    if list.len() == 1 { list[0] } else { list[place] }
}
