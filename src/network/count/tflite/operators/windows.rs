//! Operators that look through a window: pools, and the positions that any window takes. Resizing, which
//! reads a window of neighbours, too.

use super::{Answer, Context, one};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

/// Two neighbours along each of two axes, a multiplication and an addition for each.
const LINEAR_OPERATIONS: u64 = 8;

/// One operation for each value that a window looks at, padding included.
pub(super) fn pool(context: &Context<'_, '_>) -> Answer {
    let input = context.image(0)?;
    let (filter_width, filter_height) = (context.number(3, 0)?, context.number(4, 0)?);
    let padding = context.byte(0)?;
    let height = positions(input[1], filter_height, context.number(2, 0)?, 1, padding)?;
    let width = positions(input[2], filter_width, context.number(1, 0)?, 1, padding)?;
    let output = vec![input[0], height, width, input[3]];
    let window = product(&[filter_height, filter_width])?;
    let operations = product(&output)?.checked_mul(window).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Operations(operations), vec![0])
}

pub(super) fn resize_linear(context: &Context<'_, '_>) -> Answer {
    resized(context, LINEAR_OPERATIONS)
}

pub(super) fn resize_nearest(context: &Context<'_, '_>) -> Answer {
    resized(context, 0)
}

fn resized(context: &Context<'_, '_>, operations: u64) -> Answer {
    let input = context.image(0)?;
    let output = match context.values(1).as_deref() {
        Some(&[height, width]) => {
            let size = |size: i64| {
                u64::try_from(size).map_err(|_| Uncountable::Wrong(format!("it resizes to {size}")))
            };
            vec![input[0], size(height)?, size(width)?, input[3]]
        }
        _ => context.declared_or_unknown(0)?,
    };
    let operations = product(&output)?.checked_mul(operations).ok_or(Uncountable::TooLarge)?;
    one(output, Work::Operations(operations), vec![0])
}

/// A window of channels: squares and their sum; then scale, power and quotient for each element.
pub(super) fn local_normalization(context: &Context<'_, '_>) -> Answer {
    let shape = context.shape(0)?;
    let radius = u64::try_from(context.integer(0)?).unwrap_or(0);
    let each = radius.saturating_mul(2).saturating_add(1).saturating_mul(2).saturating_add(3);
    let operations = product(shape)?.checked_mul(each).ok_or(Uncountable::TooLarge)?;
    one(shape.to_vec(), Work::Operations(operations), vec![0])
}

/// Height and width that come out; padding 0 is SAME, 1 VALID.
pub(super) fn positions(
    size: u64,
    kernel: u64,
    stride: u64,
    dilation: u64,
    padding: u8,
) -> Result<u64, Uncountable> {
    match padding {
        0 => Ok(size.div_ceil(stride)),
        1 => {
            let reach = (kernel.max(1) - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
            let room = size.checked_sub(reach.ok_or(Uncountable::TooLarge)?);
            let room = room.ok_or_else(|| {
                Uncountable::Wrong(format!("its window of {kernel} is larger than its input of {size}"))
            })?;
            Ok(room / stride + 1)
        }
        other => Err(Uncountable::Wrong(format!("its padding is the unknown {other}"))),
    }
}
