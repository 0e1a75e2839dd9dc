//! Each channel filtered by itself between two pointwise convolutions.

use super::{Block, BlockConvolution, Channels, Extent, POINTWISE};

pub(super) const BLOCK: Block = Block {
    name: "bottleneck-depthwise-separable",
    summary: "1×1, k×k for each channel, 1×1",
    convolutions: &[
        POINTWISE,
        BlockConvolution {
            height: Extent::Kernel,
            width: Extent::Kernel,
            channels: Channels::Own,
            strided: true,
        },
        POINTWISE,
    ],
};
