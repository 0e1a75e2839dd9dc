//! MobileNet's block: each channel filtered by itself, then mixed.

use super::{Block, BlockConvolution, Extent, POINTWISE};

pub(super) const BLOCK: Block = Block {
    name: "depthwise-separable",
    summary: "k×k for each channel, then 1×1",
    convolutions: &[
        BlockConvolution { height: Extent::Kernel, width: Extent::Kernel, per_channel: true, strided: true },
        POINTWISE,
    ],
};
