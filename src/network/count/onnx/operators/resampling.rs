//! Operators that compute elements between others.

use super::{Answer, Context, NodeEffect, Rules, times};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["Resize", "Upsample"], resize),
    (&["GridSample"], grid_sample),
    (&["AffineGrid"], affine_grid),
    (&["RoiAlign"], align_regions),
    (&["MaxRoiPool"], pool_regions),
    (&["Col2Im"], columns_to_image),
    (&["MaxUnpool"], unpool),
];

/// Each element of the result: nothing where the nearest is copied, else a multiplication and an addition for
/// each neighbour, 2 along each axis that changes for linear and 4 for cubic interpolation.
fn resize(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let made = context.made(0, resized(context, input), context.element_type())?;
    let changing = input.iter().zip(&made.shape).filter(|(before, after)| before != after).count() as u32;
    let neighbours = match context.text("mode").unwrap_or(b"nearest") {
        b"nearest" => None,
        b"linear" | b"bilinear" => 2_u64.checked_pow(changing),
        b"cubic" => 4_u64.checked_pow(changing),
        _ => return Err(Uncountable::Wrong("unknown `mode`".to_owned())),
    };
    let work = times(made.elements()?, neighbours.map_or(0, |count| count.saturating_mul(2)))?;
    Ok(NodeEffect::one(made, work).with_settings(&[1, 2, 3]))
}

fn resized(context: &Context<'_, '_>, input: &[u64]) -> Result<Vec<u64>, Uncountable> {
    let axes: Vec<usize> = match context.integers("axes") {
        Some(axes) => {
            axes.iter().map(|number| resolve_axis(*number, input.len())).collect::<Result<_, _>>()?
        }
        None => (0..input.len()).collect(),
    };
    let misfit = || Uncountable::Wrong(format!("its scales or sizes do not fit {}", shape_text(input)));
    let mut output = input.to_vec();
    if context.optional(3).is_some() {
        let sizes = context.sizes(3)?;
        if sizes.len() != axes.len() {
            return Err(misfit());
        }
        let policy = context.text("keep_aspect_ratio_policy").unwrap_or(b"stretch");
        let sizes = if policy == b"stretch" { sizes } else { keep_aspect(input, &axes, &sizes, policy) };
        for (axis, size) in axes.into_iter().zip(sizes) {
            output[axis] = size;
        }
        return Ok(output);
    }
    let scales = scales(context)?;
    let usable = |scale: &f64| scale.is_finite() && *scale > 0.0;
    if scales.len() != axes.len() || !scales.iter().all(usable) {
        return Err(misfit());
    }
    let is_cropping = context.text("coordinate_transformation_mode") == Some(b"tf_crop_and_resize");
    let region = if is_cropping { Some(context.floats(1)?) } else { None };
    for (place, (axis, scale)) in axes.iter().zip(&scales).enumerate() {
        // In 32 bits, as runtimes compute it: 10 × 0.7 is 7 there, and 6.99… in 64 bits.
        let mut size = output[*axis] as f32;
        if let Some(region) = &region {
            let (Some(start), Some(end)) = (region.get(place), region.get(axes.len() + place)) else {
                return Err(misfit());
            };
            size *= (*end - *start) as f32;
        }
        // Conversion from a floating-point number saturates; the product of the sizes is checked after.
        output[*axis] = (size * *scale as f32).floor() as u64;
    }
    Ok(output)
}

/// One scale for all axes, by the axis that needs the smallest or the largest.
fn keep_aspect(input: &[u64], axes: &[usize], sizes: &[u64], policy: &[u8]) -> Vec<u64> {
    let ratios = axes.iter().zip(sizes).map(|(axis, size)| *size as f32 / input[*axis] as f32);
    let is_larger = policy == b"not_smaller";
    let pick = |one: f32, other: f32| if is_larger { one.max(other) } else { one.min(other) };
    let scale = ratios.reduce(pick).unwrap_or(1.0);
    axes.iter().map(|axis| (scale * input[*axis] as f32).round() as u64).collect()
}

/// A setting at first, then the second input, and the third since there is a region of interest. The first
/// version has one for each side.
fn scales(context: &Context<'_, '_>) -> Result<Vec<f64>, Uncountable> {
    let single = |name: &str| context.attribute(name).and_then(|attribute| attribute.float).map(f64::from);
    if let (Some(height), Some(width)) = (single("height_scale"), single("width_scale")) {
        return Ok(vec![1.0, 1.0, height, width]);
    }
    match context.attribute("scales") {
        Some(scales) => Ok(scales.floats.iter().copied().map(f64::from).collect()),
        None if context.inputs.len() < 3 => context.floats(1),
        None => context.floats(2),
    }
}

/// A multiplication and an addition for each neighbour of each element of the result.
fn grid_sample(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let (image, grid) = (context.shape(0)?, context.shape(1)?);
        match (image, grid) {
            ([batch, channels, spatial @ ..], [_, places @ .., _]) if places.len() == spatial.len() => {
                let mut output = vec![*batch, *channels];
                output.extend(places);
                Ok(output)
            }
            _ => Err(Uncountable::Wrong(format!(
                "a grid of {} does not fit {}",
                shape_text(grid),
                shape_text(image)
            ))),
        }
    };
    let made = context.made(0, computed(), context.element_type())?;
    let spatial = made.shape.len().saturating_sub(2) as u32;
    let neighbours = match context.text("mode").unwrap_or(b"linear") {
        b"nearest" => 0,
        b"cubic" | b"bicubic" => 4_u64.checked_pow(spatial).ok_or(Uncountable::TooLarge)?,
        _ => 2_u64.checked_pow(spatial).ok_or(Uncountable::TooLarge)?,
    };
    let work = times(made.elements()?, neighbours.saturating_mul(2))?;
    Ok(NodeEffect::one(made, work))
}

/// Coordinates of each place: a product with a small matrix.
fn affine_grid(context: &Context<'_, '_>) -> Answer {
    let computed = || match context.sizes(1)?.as_slice() {
        [batch, _, spatial @ ..] => {
            let mut output = vec![*batch];
            output.extend(spatial);
            output.push(spatial.len() as u64);
            Ok(output)
        }
        sizes => Err(Uncountable::Wrong(format!("its sizes {sizes:?} are those of no image"))),
    };
    let made = context.made(0, computed(), context.element_type())?;
    let depth = made.shape.last().copied().unwrap_or(0).saturating_add(1);
    let work = times(made.elements()?, depth.saturating_mul(2))?;
    Ok(NodeEffect::one(made, work).with_settings(&[1]))
}

fn regions(context: &Context<'_, '_>, height: u64, width: u64) -> Result<Vec<u64>, Uncountable> {
    match (context.shape(0)?, context.shape(1)?) {
        ([_, channels, ..], [regions, ..]) => Ok(vec![*regions, *channels, height, width]),
        _ => Err(Uncountable::Wrong("its input is no image".to_owned())),
    }
}

/// Four neighbours for each sample.
fn align_regions(context: &Context<'_, '_>) -> Answer {
    let size = |name: &str| context.size(name).unwrap_or(1);
    let shape = regions(context, size("output_height"), size("output_width"));
    let made = context.made(0, shape, context.element_type())?;
    // 0 means as many as fit, which depends on the regions; 2 × 2 is what detectors are trained with.
    let ratio = match context.size("sampling_ratio").unwrap_or(0) {
        0 => 2,
        ratio => ratio,
    };
    let samples = product(&[ratio, ratio, 8])?;
    let work = times(made.elements()?, samples)?;
    Ok(NodeEffect::one(made, work))
}

/// One comparison for each value that goes in.
fn pool_regions(context: &Context<'_, '_>) -> Answer {
    let shape = match context.integers("pooled_shape") {
        Some(&[height, width]) => regions(context, height.unsigned_abs(), width.unsigned_abs()),
        _ => Err(Uncountable::Wrong("it has no `pooled_shape`".to_owned())),
    };
    let made = context.made(0, shape, context.element_type())?;
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)))
}

/// One addition for each value that goes in.
fn columns_to_image(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let (columns, image, block) = (context.shape(0)?, context.sizes(1)?, context.sizes(2)?);
        let &[batch, rows, _] = columns else {
            return Err(Uncountable::Wrong(format!("{} are no columns", shape_text(columns))));
        };
        let channels = rows.checked_div(product(&block)?).unwrap_or(0);
        let mut output = vec![batch, channels];
        output.extend(image);
        Ok(output)
    };
    let made = context.made(0, computed(), context.element_type())?;
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)).with_settings(&[1, 2]))
}

/// The reverse of a pool: what is not named is zero.
fn unpool(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        if context.optional(2).is_some() {
            return context.sizes(2);
        }
        let input = context.shape(0)?;
        let list = |name: &str, default: i64| {
            let spatial = input.len().saturating_sub(2);
            context.integers(name).map_or_else(|| vec![default; spatial], <[i64]>::to_vec)
        };
        let (kernel, strides) = (list("kernel_shape", 1), list("strides", 1));
        let pads = context.integers("pads").unwrap_or(&[]);
        let mut output = input.to_vec();
        for (axis, size) in output.iter_mut().skip(2).enumerate() {
            let pad = |place: usize| i128::from(pads.get(place).copied().unwrap_or(0));
            let (Some(kernel), Some(stride)) = (kernel.get(axis), strides.get(axis)) else {
                return Err(Uncountable::Wrong("its window does not fit its input".to_owned()));
            };
            let steps = (i128::from(*size) - 1) * i128::from(*stride);
            let full = steps + i128::from(*kernel) - pad(axis) - pad(input.len() - 2 + axis);
            *size = u64::try_from(full).map_err(|_| Uncountable::Wrong("it makes nothing".to_owned()))?;
        }
        Ok(output)
    };
    let made = context.made(0, computed(), context.element_type())?;
    Ok(NodeEffect::one(made, Work::Operations(0)).with_settings(&[2]))
}
