//! Windows that slide over the spatial axes: pooling, and the sizes that convolutions share with it.

use super::{Answer, Context, INT64, NodeEffect, Rules};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

pub(super) const RULES: Rules = &[
    (&["MaxPool", "AveragePool", "LpPool"], pool),
    (&["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], global_pool),
];

/// How many windows fit where the last is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Whole ones only.
    Down,
    /// One that reaches beyond the end counts.
    Up,
}

/// How a window slides, one value an axis.
pub(super) struct Sliding {
    pub(super) kernel: Vec<u64>,
    pub(super) strides: Vec<u64>,
    pub(super) dilations: Vec<u64>,
    /// Before and after, together.
    pub(super) padding: Vec<i64>,
    /// Before alone, for the rounding up of pools.
    before: Vec<i64>,
    automatic: Automatic,
}

/// `auto_pad`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Automatic {
    Explicit,
    Same,
    Valid,
}

/// No axis steps or spreads further than this in any network; what is larger would overflow the sizes below.
const LARGEST_SETTING: u64 = 1 << 31;

impl Sliding {
    /// Of a node whose window is `kernel`.
    pub(super) fn read(context: &Context<'_, '_>, kernel: Vec<u64>) -> Result<Self, Uncountable> {
        let axes = kernel.len();
        let automatic = match context.text("auto_pad") {
            None | Some(b"" | b"NOTSET") => Automatic::Explicit,
            Some(b"SAME_UPPER" | b"SAME_LOWER") => Automatic::Same,
            Some(b"VALID") => Automatic::Valid,
            Some(_) => return Err(Uncountable::Wrong("unknown `auto_pad`".to_owned())),
        };
        let pads = context.integers("pads").map_or_else(|| vec![0; 2 * axes], <[i64]>::to_vec);
        let is_small = |size: &i64| size.unsigned_abs() <= LARGEST_SETTING;
        if pads.len() != 2 * axes || !pads.iter().all(is_small) {
            return Err(Uncountable::Wrong(format!(
                "its `pads` {pads:?} do not fit a window of {axes} axes"
            )));
        }
        let explicit = automatic == Automatic::Explicit;
        let sum = |axis: usize| if explicit { pads[axis] + pads[axes + axis] } else { 0 };
        let sliding = Self {
            strides: sizes(context, "strides", axes)?,
            dilations: sizes(context, "dilations", axes)?,
            padding: (0..axes).map(sum).collect(),
            before: (0..axes).map(|axis| if explicit { pads[axis] } else { 0 }).collect(),
            automatic,
            kernel,
        };
        if sliding.kernel.iter().any(|size| *size == 0 || *size > LARGEST_SETTING) {
            return Err(Uncountable::Wrong(format!("its window {} is none", shape_text(&sliding.kernel))));
        }
        Ok(sliding)
    }

    pub(super) fn is_same(&self) -> bool {
        self.automatic == Automatic::Same
    }

    /// How far a window reaches along an axis.
    pub(super) fn reach(&self, axis: usize) -> Result<u64, Uncountable> {
        (self.kernel[axis] - 1)
            .checked_mul(self.dilations[axis])
            .and_then(|reach| reach.checked_add(1))
            .ok_or(Uncountable::TooLarge)
    }

    /// Spatial sizes that come out of `spatial`.
    pub(super) fn positions(&self, spatial: &[u64], rounding: Rounding) -> Result<Vec<u64>, Uncountable> {
        (0..self.kernel.len()).map(|axis| self.positions_along(axis, spatial[axis], rounding)).collect()
    }

    fn positions_along(&self, axis: usize, size: u64, rounding: Rounding) -> Result<u64, Uncountable> {
        let stride = self.strides[axis];
        if self.automatic == Automatic::Same {
            return Ok(size.div_ceil(stride));
        }
        let padded = size.checked_add_signed(self.padding[axis]).ok_or(Uncountable::TooLarge)?;
        let reach = self.reach(axis)?;
        let Some(room) = padded.checked_sub(reach) else {
            return Err(Uncountable::Wrong(format!(
                "its window reaches over {reach}, and the padded input has {padded}"
            )));
        };
        if rounding == Rounding::Down {
            return Ok(room / stride + 1);
        }
        let positions = room.div_ceil(stride) + 1;
        // A window that would begin behind the input and its front padding is left out.
        let last = (positions - 1).checked_mul(stride).ok_or(Uncountable::TooLarge)?;
        let end = size.checked_add_signed(self.before[axis]).ok_or(Uncountable::TooLarge)?;
        Ok(if last >= end { positions - 1 } else { positions })
    }
}

fn sizes(context: &Context<'_, '_>, name: &str, axes: usize) -> Result<Vec<u64>, Uncountable> {
    let Some(given) = context.integers(name) else { return Ok(vec![1; axes]) };
    let sizes: Option<Vec<u64>> = given
        .iter()
        .map(|size| u64::try_from(*size).ok().filter(|size| (1..=LARGEST_SETTING).contains(size)))
        .collect();
    sizes.filter(|sizes| sizes.len() == axes).ok_or_else(|| {
        Uncountable::Wrong(format!("its `{name}` {given:?} do not fit a window of {axes} axes"))
    })
}

/// `kernel_shape` as written.
pub(super) fn kernel_shape(context: &Context<'_, '_>) -> Result<Option<Vec<u64>>, Uncountable> {
    let Some(given) = context.integers("kernel_shape") else { return Ok(None) };
    let sizes: Result<Vec<u64>, _> = given.iter().map(|size| u64::try_from(*size)).collect();
    sizes.map(Some).map_err(|_| Uncountable::Wrong(format!("its `kernel_shape` is {given:?}")))
}

/// The axes behind batch and channels.
pub(super) fn spatial(shape: &[u64]) -> Result<&[u64], Uncountable> {
    match shape {
        [_, _, spatial @ ..] if !spatial.is_empty() => Ok(spatial),
        _ => Err(Uncountable::Wrong(format!("its input of shape {} has no spatial axes", shape_text(shape)))),
    }
}

/// One operation for each value that a window looks at, padding included.
pub(super) fn pool(context: &Context<'_, '_>) -> Answer {
    let kernel = kernel_shape(context)?;
    let window = kernel.as_deref().map_or(Ok(1), product)?;
    let made = context.made(0, pooled(context, kernel), context.element_type())?;
    let operations = made.elements()?.checked_mul(window).ok_or(Uncountable::TooLarge)?;
    let indices = made.shape.clone();
    let mut effect = NodeEffect::one(made, Work::Operations(operations));
    if context.is_asked(1) {
        // Where each largest value was found.
        effect.outputs.push(context.made(1, Ok(indices), INT64)?);
    }
    Ok(effect)
}

fn pooled(context: &Context<'_, '_>, kernel: Option<Vec<u64>>) -> Result<Vec<u64>, Uncountable> {
    let shape = context.shape(0)?;
    let is_last = context.integer("channels_last", 0) != 0;
    let pixels = spatial(shape)?;
    let pixels = if is_last { &shape[1..shape.len() - 1] } else { pixels };
    let kernel = kernel.ok_or_else(|| Uncountable::Wrong("it has no `kernel_shape`".to_owned()))?;
    if kernel.len() != pixels.len() {
        return Err(Uncountable::Wrong(format!(
            "its window {} does not fit its input of shape {}",
            shape_text(&kernel),
            shape_text(shape)
        )));
    }
    let sliding = Sliding::read(context, kernel)?;
    let rounding = if context.integer("ceil_mode", 0) == 0 { Rounding::Down } else { Rounding::Up };
    let positions = sliding.positions(pixels, rounding)?;
    let ends = if is_last { (&shape[..1], &shape[shape.len() - 1..]) } else { (&shape[..2], &[] as &[u64]) };
    Ok([ends.0, &positions, ends.1].concat())
}

/// One operation for each value.
pub(super) fn global_pool(context: &Context<'_, '_>) -> Answer {
    let computed = || {
        let shape = context.shape(0)?;
        spatial(shape)?;
        // The layout is ONNX's unless a quantised twin says otherwise.
        let is_last = context.integer("channels_last", 0) != 0;
        let channels = if is_last { shape.len() - 1 } else { 1 };
        let kept = |axis: usize| axis == 0 || axis == channels;
        Ok(shape.iter().enumerate().map(|(axis, size)| if kept(axis) { *size } else { 1 }).collect())
    };
    let made = context.made(0, computed(), context.element_type())?;
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)).with_settings(&[1, 2, 3, 4]))
}
