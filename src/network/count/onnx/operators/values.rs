//! Values that shapes are made of, followed through the small graphs that exporters write around `Shape`.
//!
//! `None` means that the values are not known, never that something is wrong: a rule that needs them says so
//! itself.

use super::Context;
use crate::model_file::onnx::MOST_VALUES;
use crate::network::count::onnx::fact::{Fact, Values};

/// ONNX's number of the type of floating-point numbers of 32 bits.
const FLOAT: i64 = 1;

fn input(context: &Context<'_, '_>, index: usize) -> Option<Values> {
    context.optional(index).and_then(Fact::values)
}

fn integers(context: &Context<'_, '_>, index: usize) -> Option<Vec<i64>> {
    context.optional(index).and_then(Fact::integers)
}

/// As the type of the tensor holds it.
fn rounded(value: f64, element_type: i64) -> f64 {
    if element_type == FLOAT { f64::from(value as f32) } else { value }
}

pub(super) fn unary(context: &Context<'_, '_>) -> Option<Values> {
    let operator = context.node.operator.as_str();
    match input(context, 0)? {
        Values::Integers(values) => {
            let compute: fn(i64) -> Option<i64> = match operator {
                "Floor" | "Ceil" | "Round" => Some,
                "Neg" => i64::checked_neg,
                "Abs" => i64::checked_abs,
                "Not" => |value| Some(i64::from(value == 0)),
                _ => return None,
            };
            values.into_iter().map(compute).collect::<Option<_>>().map(Values::Integers)
        }
        Values::Floats(values) => {
            let compute: fn(f64) -> f64 = match operator {
                "Floor" => f64::floor,
                "Ceil" => f64::ceil,
                "Round" => f64::round_ties_even,
                "Neg" => |value| -value,
                "Abs" => f64::abs,
                "Sqrt" => f64::sqrt,
                "Reciprocal" => f64::recip,
                _ => return None,
            };
            let kind = context.element_type();
            Some(Values::Floats(values.into_iter().map(|value| rounded(compute(value), kind)).collect()))
        }
    }
}

/// Clipped from below, which is how exporters keep sizes positive.
pub(super) fn clamp(context: &Context<'_, '_>) -> Option<Values> {
    let values = integers(context, 0)?;
    let bound = |index: usize| integers(context, index).and_then(|values| values.first().copied());
    let (least, most) = match context.node.operator.as_str() {
        "Relu" => (0, i64::MAX),
        "Clip" if context.version >= 11 => (
            if context.optional(1).is_some() { bound(1)? } else { i64::MIN },
            if context.optional(2).is_some() { bound(2)? } else { i64::MAX },
        ),
        _ => return None,
    };
    Some(Values::Integers(values.into_iter().map(|value| value.max(least).min(most)).collect()))
}

pub(super) fn binary(context: &Context<'_, '_>) -> Option<Values> {
    let operator = context.node.operator.as_str();
    let (first, second) = (input(context, 0)?, input(context, 1)?);
    let length = broadcast_length(&[first.len(), second.len()])?;
    match (first, second) {
        (Values::Integers(first), Values::Integers(second)) => {
            let combine: fn(i64, i64) -> Option<i64> = match operator {
                "Add" => i64::checked_add,
                "Sub" => i64::checked_sub,
                "Mul" => i64::checked_mul,
                "Div" => i64::checked_div,
                // Of the divisor's sign unless `fmod` says otherwise, which is for fractions.
                "Mod" => |one, other| (one.checked_rem(other)? + other).checked_rem(other),
                "Equal" => |one, other| Some(i64::from(one == other)),
                "Greater" => |one, other| Some(i64::from(one > other)),
                "GreaterOrEqual" => |one, other| Some(i64::from(one >= other)),
                "Less" => |one, other| Some(i64::from(one < other)),
                "LessOrEqual" => |one, other| Some(i64::from(one <= other)),
                "And" => |one, other| Some(i64::from(one != 0 && other != 0)),
                "Or" => |one, other| Some(i64::from(one != 0 || other != 0)),
                "Pow" => |one, other| one.checked_pow(u32::try_from(other).ok()?),
                _ => return None,
            };
            let values = (0..length).map(|place| combine(at(&first, place), at(&second, place)));
            values.collect::<Option<_>>().map(Values::Integers)
        }
        (Values::Floats(first), Values::Floats(second)) => {
            let combine: fn(f64, f64) -> f64 = match operator {
                "Add" => |one, other| one + other,
                "Sub" => |one, other| one - other,
                "Mul" => |one, other| one * other,
                "Div" => |one, other| one / other,
                _ => return None,
            };
            let kind = context.element_type();
            let values =
                (0..length).map(|place| rounded(combine(at(&first, place), at(&second, place)), kind));
            Some(Values::Floats(values.collect()))
        }
        _ => None,
    }
}

/// `Where`, as exporters write it around `Expand`, and the greatest and least.
pub(super) fn several(context: &Context<'_, '_>) -> Option<Values> {
    let lists: Vec<Vec<i64>> =
        (0..context.inputs.len()).map(|index| integers(context, index)).collect::<Option<_>>()?;
    let lengths: Vec<usize> = lists.iter().map(Vec::len).collect();
    let places = 0..broadcast_length(&lengths)?;
    let of_all = |place: usize| lists.iter().map(move |list| at(list, place));
    let values = match (context.node.operator.as_str(), lists.as_slice()) {
        ("Where", [condition, yes, no]) => {
            places.map(|place| at(if at(condition, place) != 0 { yes } else { no }, place)).collect()
        }
        ("Max", _) => places.map(|place| of_all(place).max()).collect::<Option<_>>()?,
        ("Min", _) => places.map(|place| of_all(place).min()).collect::<Option<_>>()?,
        _ => return None,
    };
    Some(Values::Integers(values))
}

pub(super) fn cast(context: &Context<'_, '_>, element_type: i64) -> Option<Values> {
    let is_float = matches!(element_type, 1 | 10 | 11 | 16);
    Some(match input(context, 0)? {
        Values::Integers(values) if is_float => {
            Values::Floats(values.into_iter().map(|value| rounded(value as f64, element_type)).collect())
        }
        Values::Integers(values) if element_type == 9 => {
            Values::Integers(values.into_iter().map(|value| i64::from(value != 0)).collect())
        }
        Values::Integers(values) => Values::Integers(values),
        Values::Floats(values) if is_float => {
            Values::Floats(values.into_iter().map(|value| rounded(value, element_type)).collect())
        }
        // Conversion saturates.
        Values::Floats(values) if matches!(element_type, 6 | 7) => {
            Values::Integers(values.into_iter().map(|value| value as i64).collect())
        }
        Values::Floats(_) => return None,
    })
}

pub(super) fn reduction(context: &Context<'_, '_>) -> Option<Values> {
    let values = integers(context, 0)?;
    if context.shape(0).ok()?.len() != 1 {
        return None;
    }
    let reduced = match context.node.operator.as_str() {
        "ReduceProd" => values.into_iter().try_fold(1_i64, i64::checked_mul)?,
        "ReduceSum" => values.into_iter().try_fold(0_i64, i64::checked_add)?,
        "ReduceMax" => values.into_iter().max()?,
        "ReduceMin" => values.into_iter().min()?,
        _ => return None,
    };
    Some(Values::Integers(vec![reduced]))
}

/// Along the first axis only: a join along a later axis is another order.
pub(super) fn concat(context: &Context<'_, '_>, axis: usize) -> Option<Values> {
    let (mut whole, mut fractions) = (Vec::new(), Vec::new());
    for index in 0..context.inputs.len() {
        if axis != 0 || context.shape(index).ok()?.is_empty() {
            return None;
        }
        match input(context, index)? {
            Values::Integers(values) => whole.extend(values),
            Values::Floats(values) => fractions.extend(values),
        }
        if whole.len().max(fractions.len()) as u64 > MOST_VALUES {
            return None;
        }
    }
    match (whole.is_empty(), fractions.is_empty()) {
        (_, true) => Some(Values::Integers(whole)),
        (true, false) => Some(Values::Floats(fractions)),
        (false, false) => None,
    }
}

/// Slices along the first axis.
pub(super) fn gather(context: &Context<'_, '_>, axis: usize) -> Option<Values> {
    let (values, chosen) = (input(context, 0)?, integers(context, 1)?);
    let shape = context.shape(0).ok()?;
    let (rows, length) = (usize::try_from(*shape.first()?).ok()?, values.len());
    let row = length.checked_div(rows).filter(|_| axis == 0)?;
    let mut places = Vec::new();
    for place in chosen {
        let place = if place < 0 { place.checked_add(rows as i64)? } else { place };
        let place = usize::try_from(place).ok().filter(|place| *place < rows)?;
        places.extend(place * row..(place + 1) * row);
        if places.len() as u64 > MOST_VALUES {
            return None;
        }
    }
    values.at(&places)
}

/// Every value of an input whose element at some coordinates of the result comes from the input's element at
/// others.
pub(super) fn moved(
    context: &Context<'_, '_>,
    output: &[u64],
    from: &dyn Fn(&[usize]) -> Option<Vec<usize>>,
) -> Option<Values> {
    let values = input(context, 0)?;
    let shape = sizes(context.shape(0).ok()?)?;
    let output = sizes(output)?;
    let count: usize = output.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    if count as u64 > MOST_VALUES {
        return None;
    }
    let mut places = Vec::with_capacity(count);
    for number in 0..count {
        let mut rest = number;
        let mut coordinates = vec![0; output.len()];
        for axis in (0..output.len()).rev() {
            coordinates[axis] = rest % output[axis];
            rest /= output[axis];
        }
        let source = from(&coordinates)?;
        let place = source.iter().zip(&shape).try_fold(0_usize, |place, (coordinate, size)| {
            (coordinate < size).then(|| place * size + coordinate)
        })?;
        places.push(place);
    }
    values.at(&places)
}

fn sizes(shape: &[u64]) -> Option<Vec<usize>> {
    shape.iter().map(|size| usize::try_from(*size).ok()).collect()
}

/// Lists and single numbers.
fn broadcast_length(lengths: &[usize]) -> Option<usize> {
    let length = lengths.iter().copied().max()?;
    let fits = lengths.iter().all(|one| *one == length || *one == 1);
    fits.then_some(length)
}

fn at<N: Copy>(list: &[N], place: usize) -> N {
    if list.len() == 1 { list[0] } else { list[place] }
}
