//! Operators that copy elements to other places. They compute nothing, but what they copy moves.

use super::values;
use super::{Answer, Context, Made, NodeEffect};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, broadcast, product, resolve_axis};

/// What is read is what is written, as for parts of a tensor; constants alone give constants.
fn selected(context: &Context<'_, '_>, shape: Vec<u64>, settings: &'static [usize]) -> Answer {
    let input = context.input(0)?;
    let mut made = Made::new(shape, input.element_type);
    if input.is_constant {
        // A runtime does this to weights before it stores them.
        made.stored_bits = Some(input.stored_bits);
    }
    Ok(NodeEffect::one(made, Work::Selection).with_settings(settings))
}

pub(super) fn transpose(context: &Context<'_, '_>) -> Answer {
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
    let output = order.iter().map(|axis| input[*axis]).collect();
    selected(context, output, &[])
}

pub(super) fn cast(context: &Context<'_, '_>) -> Answer {
    let mut made = Made::new(context.shape(0)?.to_vec(), context.integer("to", 1));
    // Whole numbers stay what they are; a shape is never cast to a fraction.
    made.values = if matches!(made.element_type, 6 | 7 | 9) { context.input(0)?.integers() } else { None };
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)))
}

pub(super) fn concat(context: &Context<'_, '_>) -> Answer {
    let first = context.shape(0)?;
    let axis = resolve_axis(context.integer("axis", 0), first.len())?;
    let mut output = first.to_vec();
    for index in 1..context.inputs.len() {
        let other = context.shape(index)?;
        let fits = other.len() == first.len()
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
    let mut made = Made::new(output, context.element_type());
    made.values = values::concat(context);
    Ok(NodeEffect::one(made, Work::Operations(0)))
}

pub(super) fn pad(context: &Context<'_, '_>) -> Answer {
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
        let padded = size.checked_add_signed(pads[place]);
        *size = padded
            .and_then(|size| size.checked_add_signed(pads[axes.len() + place]))
            .ok_or_else(|| Uncountable::Wrong(format!("its `pads` {pads:?} take away more than there is")))?;
    }
    Ok(NodeEffect::one(Made::new(output, context.element_type()), Work::Operations(0))
        .with_settings(&[1, 2, 3]))
}

/// Each element of the result: nothing where the nearest is copied, else a multiplication and an addition for
/// each neighbour, 2 along each axis that changes for linear and 4 for cubic interpolation.
pub(super) fn resize(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let output = resized(context, input)?;
    let changing = input.iter().zip(&output).filter(|(before, after)| before != after).count() as u32;
    let neighbours = match context.text("mode").unwrap_or(b"nearest") {
        b"nearest" => None,
        b"linear" | b"bilinear" => 2_u64.checked_pow(changing),
        b"cubic" => 4_u64.checked_pow(changing),
        _ => return Err(Uncountable::Wrong("unknown `mode`".to_owned())),
    };
    let operations = product(&output)?.checked_mul(neighbours.map_or(0, |count| count.saturating_mul(2)));
    let work = Work::Operations(operations.ok_or(Uncountable::TooLarge)?);
    Ok(NodeEffect::one(Made::new(output, context.element_type()), work).with_settings(&[1, 2, 3]))
}

fn resized(context: &Context<'_, '_>, input: &[u64]) -> Result<Vec<u64>, Uncountable> {
    let unusual = context.text("keep_aspect_ratio_policy").is_some_and(|policy| policy != b"stretch");
    if unusual || context.text("coordinate_transformation_mode") == Some(b"tf_crop_and_resize") {
        return Err(Uncountable::Unknown("its way of resizing is not counted".to_owned()));
    }
    let axes: Vec<usize> = match context.integers("axes") {
        Some(axes) => {
            axes.iter().map(|number| resolve_axis(*number, input.len())).collect::<Result<_, _>>()?
        }
        None => (0..input.len()).collect(),
    };
    let misfit = || Uncountable::Wrong(format!("its scales or sizes do not fit {}", shape_text(input)));
    let mut output = input.to_vec();
    if context.optional(3).is_some() {
        let sizes = context.values(3)?;
        if sizes.len() != axes.len() {
            return Err(misfit());
        }
        for (axis, size) in axes.into_iter().zip(sizes) {
            output[axis] = u64::try_from(size).map_err(|_| misfit())?;
        }
        return Ok(output);
    }
    let scales = match context.attribute("scales") {
        Some(scales) => scales.floats.clone(),
        // Two inputs in the versions before the region of interest came between.
        None if context.inputs.len() < 3 => context.floats(1)?,
        None => context.floats(2)?,
    };
    let usable = |scale: &f32| scale.is_finite() && *scale > 0.0;
    if scales.len() != axes.len() || !scales.iter().all(usable) {
        return Err(misfit());
    }
    for (axis, scale) in axes.into_iter().zip(scales) {
        // Conversion from a floating-point number saturates; the product of the sizes is checked after.
        output[axis] = (output[axis] as f64 * f64::from(scale)).floor() as u64;
    }
    Ok(output)
}

/// Starts and ends, which may count from the end and reach beyond it.
pub(super) fn slice(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let (starts, ends) = match (context.integers("starts"), context.integers("ends")) {
        (Some(starts), Some(ends)) => (starts.to_vec(), ends.to_vec()),
        _ => (context.values(1)?, context.values(2)?),
    };
    let axes = match (context.integers("axes"), context.optional(3)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(_)) => context.values(3)?,
        (None, None) => (0..starts.len() as i64).collect(),
    };
    let steps = if context.optional(4).is_some() { context.values(4)? } else { vec![1; starts.len()] };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Uncountable::Wrong("its starts, ends, axes and steps are not of one length".to_owned()));
    }
    let mut output = input.to_vec();
    for (place, axis) in axes.iter().enumerate() {
        let axis = resolve_axis(*axis, input.len())?;
        output[axis] = sliced(input[axis], starts[place], ends[place], steps[place])?;
    }
    let mut outcome = selected(context, output, &[1, 2, 3, 4])?;
    outcome.outputs[0].values = values::slice(context, &starts, &ends, &steps);
    Ok(outcome)
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

pub(super) fn split(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let axis = resolve_axis(context.integer("axis", 0), input.len())?;
    let count = context.node.outputs.len() as u64;
    let sizes: Vec<u64> = match (context.integers("split"), context.optional(1)) {
        (None, None) => {
            // The last part is smaller where they cannot be equal.
            let part = input[axis].div_ceil(count.max(1));
            (0..count).map(|place| part.min(input[axis].saturating_sub(place.saturating_mul(part)))).collect()
        }
        (given, _) => {
            let given = given.map_or_else(|| context.values(1), |given| Ok(given.to_vec()))?;
            given.iter().map(|size| u64::try_from(*size).unwrap_or(u64::MAX)).collect()
        }
    };
    let sum = sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size));
    if sizes.len() as u64 != count || sum != Some(input[axis]) {
        return Err(Uncountable::Wrong(format!("axis {axis} of {} is not split whole", shape_text(input))));
    }
    let part = |size: u64| {
        let mut shape = input.to_vec();
        shape[axis] = size;
        Made::new(shape, context.element_type())
    };
    let outputs = sizes.into_iter().map(part).collect();
    Ok(NodeEffect { outputs, work: Work::Selection, settings: &[1] })
}

pub(super) fn gather(context: &Context<'_, '_>) -> Answer {
    let (input, indices) = (context.shape(0)?, context.shape(1)?);
    let axis = resolve_axis(context.integer("axis", 0), input.len())?;
    let mut output = input[..axis].to_vec();
    output.extend(indices);
    output.extend(&input[axis + 1..]);
    let mut outcome = selected(context, output, &[1])?;
    outcome.outputs[0].values = values::gather(context);
    Ok(outcome)
}

pub(super) fn expand(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let wanted: Result<Vec<u64>, _> = context.values(1)?.iter().map(|size| u64::try_from(*size)).collect();
    let wanted = wanted.map_err(|_| Uncountable::Wrong("it expands to a negative size".to_owned()))?;
    let output = broadcast(input, &wanted)?;
    Ok(NodeEffect::one(Made::new(output, context.element_type()), Work::Operations(0)).with_settings(&[1]))
}

pub(super) fn block_rearrangement(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let block = u64::try_from(context.integer("blocksize", 0)).unwrap_or(0);
    let misfit = || Uncountable::Wrong(format!("blocks of {block} do not fit {}", shape_text(input)));
    let &[batch, channels, height, width] = input else { return Err(misfit()) };
    let area = block.checked_mul(block).filter(|area| *area > 0).ok_or_else(misfit)?;
    let larger = |size: u64| size.checked_mul(block).ok_or(Uncountable::TooLarge);
    let output = if context.node.operator == "DepthToSpace" {
        if channels % area != 0 {
            return Err(misfit());
        }
        vec![batch, channels / area, larger(height)?, larger(width)?]
    } else {
        if height % block != 0 || width % block != 0 {
            return Err(misfit());
        }
        let channels = channels.checked_mul(area).ok_or(Uncountable::TooLarge)?;
        vec![batch, channels, height / block, width / block]
    };
    selected(context, output, &[])
}
