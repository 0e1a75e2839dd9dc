//! Operators that look through a window: pools, and the positions that any window takes. Resizing, which reads a window of
//! neighbours, too.

use super::{Answer, Reading, Trouble, one, product};
use crate::network::count::graph::Work;

/// Two neighbours along each of two axes, a multiplication and an addition for each.
const LINEAR_OPERATIONS: u64 = 8;

/// One operation for each value that a window looks at, padding included.
pub(super) fn pool(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.image(0)?;
    let (filter_width, filter_height) = (reading.number(3, 0)?, reading.number(4, 0)?);
    let padding = reading.byte(0)?;
    let height = positions(input[1], filter_height, reading.number(2, 0)?, 1, padding)?;
    let width = positions(input[2], filter_width, reading.number(1, 0)?, 1, padding)?;
    let output = vec![input[0], height, width, input[3]];
    let window = product(&[filter_height, filter_width])?;
    let operations = product(&output)?.checked_mul(window).ok_or(Trouble::TooLarge)?;
    one(output, Work::Operations(operations), vec![0])
}

pub(super) fn resize_linear(reading: &Reading<'_, '_>) -> Answer {
    resized(reading, LINEAR_OPERATIONS)
}

pub(super) fn resize_nearest(reading: &Reading<'_, '_>) -> Answer {
    resized(reading, 0)
}

fn resized(reading: &Reading<'_, '_>, operations: u64) -> Answer {
    let input = reading.image(0)?;
    let output = match reading.values(1).as_deref() {
        Some(&[height, width]) => {
            let size =
                |size: i64| u64::try_from(size).map_err(|_| Trouble::Wrong(format!("it resizes to {size}")));
            vec![input[0], size(height)?, size(width)?, input[3]]
        }
        _ => reading.declared()?.to_vec(),
    };
    let operations = product(&output)?.checked_mul(operations).ok_or(Trouble::TooLarge)?;
    one(output, Work::Operations(operations), vec![0])
}

/// Height and width that come out; padding 0 is SAME, 1 VALID.
pub(super) fn positions(
    size: u64,
    kernel: u64,
    stride: u64,
    dilation: u64,
    padding: u8,
) -> Result<u64, Trouble> {
    match padding {
        0 => Ok(size.div_ceil(stride)),
        1 => {
            let reach = (kernel.max(1) - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
            let room = size.checked_sub(reach.ok_or(Trouble::TooLarge)?);
            let room = room.ok_or_else(|| {
                Trouble::Wrong(format!("its window of {kernel} is larger than its input of {size}"))
            })?;
            Ok(room / stride + 1)
        }
        other => Err(Trouble::Wrong(format!("its padding is the unknown {other}"))),
    }
}
