//! MobileNet's block: each channel filtered by itself, then mixed.

use super::{Block, BlockConvolution, Channels, Extent, POINTWISE};

pub(super) const BLOCK: Block = Block {
    name: "depthwise-separable",
    summary: "k×k for each channel, then 1×1",
    convolutions: &[
        BlockConvolution {
            height: Extent::Kernel,
            width: Extent::Kernel,
            channels: Channels::Own,
            strided: true,
        },
        POINTWISE,
    ],
};
