//! ResNet's bottleneck, straightened: the k×k convolution between two pointwise ones of the same width.

use super::{Block, BlockConvolution, Extent, POINTWISE};

pub(super) const BLOCK: Block = Block {
    name: "bottleneck-standard",
    summary: "1×1, k×k, 1×1",
    convolutions: &[
        POINTWISE,
        BlockConvolution { height: Extent::Kernel, width: Extent::Kernel, per_channel: false, strided: true },
        POINTWISE,
    ],
};
