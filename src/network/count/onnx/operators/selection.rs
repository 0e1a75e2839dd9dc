//! Operators that copy elements to other places. They compute nothing, but what they copy moves.

use super::{Answer, Context, NodeEffect, Rules, values};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::onnx::fact::Values;
use crate::network::count::uncountable::{Uncountable, broadcast, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["Transpose"], transpose),
    (&["Concat"], concat),
    (&["Pad"], pad),
    (&["Slice"], slice),
    (&["Split"], split),
    (&["Expand"], expand),
    (&["Tile"], tile),
    (&["DepthToSpace", "SpaceToDepth"], block_rearrangement),
    (&["CenterCropPad"], center_crop_pad),
    (&["Crop"], crop),
];

/// What is read is what is written, as for parts of a tensor; constants alone give constants.
pub(super) fn selected(
    context: &Context<'_, '_>,
    computed: Result<Vec<u64>, Uncountable>,
    settings: &'static [usize],
) -> Answer {
    let input = context.input(0)?;
    let mut made = context.made(0, computed, input.element_type)?;
    if input.is_constant {
        // A runtime does this to weights before it stores them.
        made.stored_bits = Some(input.stored_bits);
    }
    Ok(NodeEffect::one(made, Work::Selection).with_settings(settings))
}

/// A copy that is larger than what it copies.
pub(super) fn copied(
    context: &Context<'_, '_>,
    computed: Result<Vec<u64>, Uncountable>,
    settings: &'static [usize],
) -> Answer {
    let made = context.made(0, computed, context.element_type())?;
    Ok(NodeEffect::one(made, Work::Operations(0)).with_settings(settings))
}

fn transpose(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let order: Vec<usize> = match context.integers("perm") {
        None => (0..input.len()).rev().collect(),
        Some(order) => {
            order.iter().map(|number| resolve_axis(*number, input.len())).collect::<Result<_, _>>()?
        }
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..input.len()).collect::<Vec<_>>() {
        return Err(Uncountable::Wrong(format!(
            "its `perm` {order:?} does not order the axes of {}",
            shape_text(input)
        )));
    }
    let output: Vec<u64> = order.iter().map(|axis| input[*axis]).collect();
    let moved = values::moved(context, &output, &|coordinates| {
        let mut from = vec![0; coordinates.len()];
        order.iter().zip(coordinates).for_each(|(axis, coordinate)| from[*axis] = *coordinate);
        Some(from)
    });
    let mut effect = selected(context, Ok(output), &[])?;
    effect.outputs[0].values = moved;
    Ok(effect)
}

fn concat(context: &Context<'_, '_>) -> Answer {
    let rank = context.inputs.iter().flatten().find_map(|input| input.shape.as_ref()).map(Vec::len);
    // Until version 3, the axis could be left out.
    let default = if context.version < 4 { 1 } else { 0 };
    let axis = rank.map(|rank| resolve_axis(context.integer("axis", default), rank)).transpose()?;
    let mut effect = copied(context, concatenated(context, axis.unwrap_or(0)), &[])?;
    effect.outputs[0].values = values::concat(context, axis.unwrap_or(0));
    Ok(effect)
}

fn concatenated(context: &Context<'_, '_>, axis: usize) -> Result<Vec<u64>, Uncountable> {
    let first = context.shape(0)?;
    let mut output = first.to_vec();
    for index in 1..context.inputs.len() {
        let other = context.shape(index)?;
        let fits = other.len() == first.len()
            && axis < first.len()
            && (0..first.len()).all(|place| place == axis || other[place] == first[place]);
        if !fits {
            return Err(Uncountable::Wrong(format!(
                "{} and {} cannot be joined along axis {axis}",
                shape_text(first),
                shape_text(other)
            )));
        }
        output[axis] = output[axis].checked_add(other[axis]).ok_or(Uncountable::TooLarge)?;
    }
    Ok(output)
}

pub(super) fn pad(context: &Context<'_, '_>) -> Answer {
    copied(context, padded(context), &[1, 2, 3])
}

fn padded(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let input = context.shape(0)?;
    // `paddings` is the name in the first version.
    let pads = match context.integers("pads").or_else(|| context.integers("paddings")) {
        Some(pads) => pads.to_vec(),
        None => context.values(1)?,
    };
    let axes = match context.optional(3) {
        Some(_) => context.values(3)?,
        None => (0..input.len() as i64).collect(),
    };
    if Some(pads.len()) != axes.len().checked_mul(2) {
        return Err(Uncountable::Wrong(format!("its `pads` {pads:?} do not fit {}", shape_text(input))));
    }
    let mut output = input.to_vec();
    for (place, axis) in axes.iter().enumerate() {
        let size = &mut output[resolve_axis(*axis, input.len())?];
        // Both ends together: one may take away more than the other leaves.
        let both = pads[place].checked_add(pads[axes.len() + place]);
        *size = both
            .and_then(|both| size.checked_add_signed(both))
            .ok_or_else(|| Uncountable::Wrong(format!("its `pads` {pads:?} take away more than there is")))?;
    }
    Ok(output)
}

/// Starts, ends, axes and steps.
type Bounds = [Vec<i64>; 4];

fn bounds(context: &Context<'_, '_>) -> Result<Bounds, Uncountable> {
    let (starts, ends) = match (context.integers("starts"), context.integers("ends")) {
        (Some(starts), Some(ends)) => (starts.to_vec(), ends.to_vec()),
        _ => (context.values(1)?, context.values(2)?),
    };
    let axes = context.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = if context.optional(4).is_some() { context.values(4)? } else { vec![1; starts.len()] };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Uncountable::Wrong("its starts, ends, axes and steps are not of one length".to_owned()));
    }
    Ok([starts, ends, axes, steps])
}

/// Starts and ends, which may count from the end and reach beyond it.
fn slice(context: &Context<'_, '_>) -> Answer {
    let bounds = bounds(context);
    let computed = || {
        let input = context.shape(0)?;
        let [starts, ends, axes, steps] = bounds.as_ref().map_err(Clone::clone)?;
        let mut output = input.to_vec();
        for (place, axis) in axes.iter().enumerate() {
            let axis = resolve_axis(*axis, input.len())?;
            output[axis] = sliced(input[axis], starts[place], ends[place], steps[place])?;
        }
        Ok(output)
    };
    let computed = computed();
    let values = match (&computed, &bounds) {
        (Ok(output), Ok(bounds)) => slice_values(context, output, bounds),
        _ => None,
    };
    let mut effect = selected(context, computed, &[1, 2, 3, 4])?;
    effect.outputs[0].values = values;
    Ok(effect)
}

fn slice_values(context: &Context<'_, '_>, output: &[u64], bounds: &Bounds) -> Option<Values> {
    let input = context.shape(0).ok()?;
    let [starts, _, axes, steps] = bounds;
    let mut walked: Vec<(i64, i64)> = vec![(0, 1); input.len()];
    for (place, axis) in axes.iter().enumerate() {
        let axis = resolve_axis(*axis, input.len()).ok()?;
        let size = i64::try_from(input[axis]).ok()?;
        let from_front = |number: i64| if number < 0 { number.saturating_add(size) } else { number };
        let last = if steps[place] < 0 { size - 1 } else { size };
        walked[axis] = (from_front(starts[place]).clamp(0, last.max(0)), steps[place]);
    }
    values::moved(context, output, &|coordinates| {
        let place = |(coordinate, (start, step)): (&usize, &(i64, i64))| {
            let moved = i64::try_from(*coordinate).ok()?.checked_mul(*step)?.checked_add(*start)?;
            usize::try_from(moved).ok()
        };
        coordinates.iter().zip(&walked).map(place).collect()
    })
}

fn sliced(size: u64, start: i64, end: i64, step: i64) -> Result<u64, Uncountable> {
    let (start, end, step) = (i128::from(start), i128::from(end), i128::from(step));
    let size = i128::from(size);
    let from_front = |place: i128| if place < 0 { place + size } else { place };
    let span = match step {
        0 => return Err(Uncountable::Wrong("it slices in steps of 0".to_owned())),
        1.. => from_front(end).clamp(0, size) - from_front(start).clamp(0, size),
        _ => from_front(start).clamp(-1, size - 1) - from_front(end).clamp(-1, size - 1),
    };
    let count = (span.max(0) + step.abs() - 1) / step.abs();
    u64::try_from(count).map_err(|_| Uncountable::TooLarge)
}

fn split(context: &Context<'_, '_>) -> Answer {
    let sizes = split_sizes(context);
    let (mut outputs, mut before) = (Vec::new(), 0_u64);
    for place in 0..context.node.outputs.len() {
        let computed = || {
            let (axis, sizes) = sizes.as_ref().map_err(Clone::clone)?;
            let mut shape = context.shape(0)?.to_vec();
            shape[*axis] = sizes[place];
            Ok(shape)
        };
        let mut made = context.made(place, computed(), context.element_type())?;
        if let Ok((axis, sizes)) = &sizes {
            made.values = values::moved(context, &made.shape, &|coordinates| {
                let mut from = coordinates.to_vec();
                from[*axis] = from[*axis].checked_add(usize::try_from(before).ok()?)?;
                Some(from)
            });
            before = before.saturating_add(sizes[place]);
        }
        outputs.push(made);
    }
    Ok(NodeEffect { outputs, work: Work::Selection, settings: &[1] })
}

/// The axis, and the size of each part along it.
fn split_sizes(context: &Context<'_, '_>) -> Result<(usize, Vec<u64>), Uncountable> {
    let input = context.shape(0)?;
    let axis = resolve_axis(context.integer("axis", 0), input.len())?;
    let count = context.node.outputs.len() as u64;
    let sizes: Vec<u64> = match context.list("split", 1)? {
        None => {
            // The last part is smaller where they cannot be equal.
            let part = input[axis].div_ceil(count.max(1));
            (0..count).map(|place| part.min(input[axis].saturating_sub(place.saturating_mul(part)))).collect()
        }
        Some(given) => given.iter().map(|size| u64::try_from(*size).unwrap_or(u64::MAX)).collect(),
    };
    let sum = sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size));
    if sizes.len() as u64 != count || sum != Some(input[axis]) {
        return Err(Uncountable::Wrong(format!("axis {axis} of {} is not split whole", shape_text(input))));
    }
    Ok((axis, sizes))
}

fn expand(context: &Context<'_, '_>) -> Answer {
    let computed = || broadcast(context.shape(0)?, &context.sizes(1)?);
    let mut effect = copied(context, computed(), &[1])?;
    let input = context.shape(0).unwrap_or_default();
    let output = effect.outputs[0].shape.clone();
    effect.outputs[0].values = values::moved(context, &output, &|coordinates| {
        let behind = coordinates.get(coordinates.len().checked_sub(input.len())?..)?;
        Some(behind.iter().zip(input).map(|(place, size)| if *size == 1 { 0 } else { *place }).collect())
    });
    Ok(effect)
}

/// The first version repeats along one axis.
fn tile(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let input = context.shape(0)?;
        let repeats = context.sizes(1)?;
        let mut output = input.to_vec();
        let larger = |size: u64, times: u64| size.checked_mul(times).ok_or(Uncountable::TooLarge);
        if context.version < 6 && context.optional(2).is_some() {
            let axis = context.values(2)?.first().copied().unwrap_or(0);
            let axis = resolve_axis(axis, input.len())?;
            output[axis] = larger(input[axis], repeats.first().copied().unwrap_or(1))?;
            return Ok(output);
        }
        if repeats.len() != input.len() {
            return Err(Uncountable::Wrong(format!(
                "its repeats {repeats:?} do not fit {}",
                shape_text(input)
            )));
        }
        for (size, times) in output.iter_mut().zip(&repeats) {
            *size = larger(*size, *times)?;
        }
        Ok(output)
    };
    copied(context, computed(), &[1, 2])
}

fn block_rearrangement(context: &Context<'_, '_>) -> Answer {
    selected(context, rearranged(context), &[])
}

fn rearranged(context: &Context<'_, '_>) -> Result<Vec<u64>, Uncountable> {
    let input = context.shape(0)?;
    let block = context.size("blocksize").unwrap_or(0);
    let misfit = || Uncountable::Wrong(format!("blocks of {block} do not fit {}", shape_text(input)));
    let &[batch, channels, height, width] = input else { return Err(misfit()) };
    let area = block.checked_mul(block).filter(|area| *area > 0).ok_or_else(misfit)?;
    let larger = |size: u64| size.checked_mul(block).ok_or(Uncountable::TooLarge);
    if context.node.operator == "DepthToSpace" {
        if channels % area != 0 {
            return Err(misfit());
        }
        return Ok(vec![batch, channels / area, larger(height)?, larger(width)?]);
    }
    if height % block != 0 || width % block != 0 {
        return Err(misfit());
    }
    let channels = channels.checked_mul(area).ok_or(Uncountable::TooLarge)?;
    Ok(vec![batch, channels, height / block, width / block])
}

fn center_crop_pad(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let (input, sizes) = (context.shape(0)?, context.sizes(1)?);
        let all: Vec<i64> = (0..input.len() as i64).collect();
        let axes = context.integers("axes").unwrap_or(&all);
        let mut output = input.to_vec();
        for (axis, size) in axes.iter().zip(sizes) {
            output[resolve_axis(*axis, input.len())?] = size;
        }
        Ok(output)
    };
    copied(context, computed(), &[1])
}

/// An operator of the first version: an edge is cut away, or a part of a size is kept.
fn crop(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let input = context.shape(0)?;
        let misfit = || Uncountable::Wrong(format!("its `border` does not fit {}", shape_text(input)));
        let (&[batch, channels, height, width], Some(&[left, top, right, bottom])) =
            (input, context.integers("border"))
        else {
            return Err(misfit());
        };
        let kept = |size: u64, before: i64, after: i64| {
            let away = before.checked_add(after).and_then(|away| u64::try_from(away).ok());
            away.and_then(|away| size.checked_sub(away)).ok_or_else(misfit)
        };
        match context.integers("scale") {
            Some(&[tall, wide]) => {
                Ok(vec![batch, channels, tall.unsigned_abs().min(height), wide.unsigned_abs().min(width)])
            }
            _ => Ok(vec![batch, channels, kept(height, top, bottom)?, kept(width, left, right)?]),
        }
    };
    selected(context, computed(), &[])
}
