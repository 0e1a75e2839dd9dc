//! Windows that slide over the spatial axes: pooling, and the sizes that convolutions share with it.

use super::{Answer, Context, Made, NodeEffect};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

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
    pub(super) fn positions(&self, spatial: &[u64], round_up: bool) -> Result<Vec<u64>, Uncountable> {
        (0..self.kernel.len()).map(|axis| self.positions_along(axis, spatial[axis], round_up)).collect()
    }

    fn positions_along(&self, axis: usize, size: u64, round_up: bool) -> Result<u64, Uncountable> {
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
        if !round_up {
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
    let shape = context.shape(0)?;
    let pixels = spatial(shape)?;
    let kernel =
        kernel_shape(context)?.ok_or_else(|| Uncountable::Wrong("it has no `kernel_shape`".to_owned()))?;
    if kernel.len() != pixels.len() {
        return Err(Uncountable::Wrong(format!(
            "its window {} does not fit its input of shape {}",
            shape_text(&kernel),
            shape_text(shape)
        )));
    }
    let sliding = Sliding::read(context, kernel)?;
    let mut output = shape[..2].to_vec();
    output.extend(sliding.positions(pixels, context.integer("ceil_mode", 0) != 0)?);
    let operations = product(&output)?.checked_mul(product(&sliding.kernel)?).ok_or(Uncountable::TooLarge)?;
    let made = Made::new(output.clone(), context.element_type());
    let mut outcome = NodeEffect::one(made, Work::Operations(operations));
    if context.node.outputs.len() > 1 {
        // Where each largest value was found.
        outcome.outputs.push(Made::new(output, 7));
    }
    Ok(outcome)
}

/// One operation for each value.
pub(super) fn global_pool(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    // The layout is ONNX's unless a quantised twin says otherwise.
    if context.integer("channels_last", 0) != 0 {
        return Err(Uncountable::Unknown("its layout is channels last".to_owned()));
    }
    let mut output = vec![1; shape.len()];
    output[..2.min(shape.len())].copy_from_slice(&shape[..2.min(shape.len())]);
    spatial(shape)?;
    let outcome =
        NodeEffect::one(Made::new(output, context.element_type()), Work::Operations(context.elements(0)?));
    Ok(outcome.with_settings(&[1, 2, 3, 4]))
}
