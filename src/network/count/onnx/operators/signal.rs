//! Fourier transforms and what speech models put around them.
//!
//! A transform of N points counts as 5 N log₂ N operations, the usual figure for fast ones; half of that
//! where the input is real. They are in `other_operations`: how many multiplications there are depends on the
//! algorithm.

use super::{Answer, Context, FLOAT, NodeEffect, Rules, times};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["DFT"], transform),
    (&["STFT"], short_time_transform),
    (&["HannWindow", "HammingWindow", "BlackmanWindow"], window),
    (&["MelWeightMatrix"], mel_weights),
];

/// Operations of a transform of so many points.
fn operations(points: u64, is_real: bool) -> u64 {
    let levels = u64::from(points.max(2).next_power_of_two().trailing_zeros());
    let whole = points.saturating_mul(levels).saturating_mul(5);
    if is_real { whole / 2 } else { whole }
}

fn transform(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    // Since version 20 the axis is an input, and one from the end by default.
    let axis = match context.optional(2) {
        Some(_) => context.values(2)?.first().copied().unwrap_or(-2),
        None => context.integer("axis", if context.version >= 20 { -2 } else { 1 }),
    };
    let axis = resolve_axis(axis, input.len())?;
    let is_one_sided = context.integer("onesided", 0) != 0;
    let is_inverse = context.integer("inverse", 0) != 0;
    let length = match context.optional(1) {
        Some(_) => context.sizes(1)?.first().copied().unwrap_or(0),
        // Half of a real transform's result goes in.
        None if is_one_sided && is_inverse => input[axis].saturating_sub(1).saturating_mul(2),
        None => input[axis],
    };
    let is_real = input.last() == Some(&1);
    let mut output = input.to_vec();
    output[axis] = if is_one_sided && !is_inverse { length / 2 + 1 } else { length };
    if let Some(parts) = output.last_mut() {
        *parts = if is_one_sided && is_inverse { 1 } else { 2 };
    }
    let transforms = context.elements(0)?.checked_div(input[axis].max(1)).unwrap_or(0);
    let transforms = transforms / input.last().copied().unwrap_or(1).max(1);
    let made = context.made(0, Ok(output), context.element_type())?;
    let work = times(transforms, operations(length, is_real || is_one_sided))?;
    Ok(NodeEffect::one(made, work).with_settings(&[1, 2]))
}

fn short_time_transform(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let (&[batch, samples] | &[batch, samples, _]) = input else {
        return Err(Uncountable::Wrong(format!("its signal has the shape {}", shape_text(input))));
    };
    let is_real = input.len() < 3 || input[2] == 1;
    let step = context.sizes(1)?.first().copied().filter(|step| *step > 0);
    let step = step.ok_or_else(|| Uncountable::Wrong("its step is 0".to_owned()))?;
    let length = match (context.optional(3), context.optional(2)) {
        (Some(_), _) => context.sizes(3)?.first().copied().unwrap_or(0),
        (None, Some(_)) => context.shape(2)?.first().copied().unwrap_or(0),
        (None, None) => return Err(Uncountable::Wrong("it has neither a window nor a length".to_owned())),
    };
    let Some(room) = samples.checked_sub(length) else {
        return Err(Uncountable::Wrong(format!(
            "its window of {length} is longer than its {samples} samples"
        )));
    };
    let frames = room / step + 1;
    let is_one_sided = context.integer("onesided", 1) != 0;
    let bins = if is_one_sided { length / 2 + 1 } else { length };
    let made = context.made(0, Ok(vec![batch, frames, bins, 2]), context.element_type())?;
    let transforms = batch.checked_mul(frames).ok_or(Uncountable::TooLarge)?;
    // Each sample is multiplied by the window first.
    let each = operations(length, is_real).saturating_add(length);
    Ok(NodeEffect::one(made, times(transforms, each)?).with_settings(&[1, 3]))
}

fn window(context: &Context<'_, '_>) -> Answer {
    let size = context.sizes(0).map(|sizes| vec![sizes.first().copied().unwrap_or(0)]);
    let made = context.made(0, size, context.integer("output_datatype", FLOAT))?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}

fn mel_weights(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let first = |index: usize| Ok::<_, Uncountable>(context.sizes(index)?.first().copied().unwrap_or(0));
        let (bins, length) = (first(0)?, first(1)?);
        Ok(vec![length / 2 + 1, bins])
    };
    let made = context.made(0, computed(), context.integer("output_datatype", FLOAT))?;
    let work = Work::Operations(made.elements()?);
    Ok(NodeEffect::one(made, work))
}
