//! ResNet's bottleneck, straightened: the k×k convolution between two pointwise ones of the same width.

use super::{Block, BlockConvolution, Channels, Extent, POINTWISE};

pub(super) const BLOCK: Block = Block {
    name: "bottleneck-standard",
    summary: "1×1, k×k, 1×1",
    convolutions: &[
        POINTWISE,
        BlockConvolution {
            height: Extent::Kernel,
            width: Extent::Kernel,
            channels: Channels::All,
            strided: true,
        },
        POINTWISE,
    ],
};
