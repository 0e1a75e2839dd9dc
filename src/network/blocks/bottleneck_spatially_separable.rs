//! A row and a column between two pointwise convolutions.

use super::{Block, BlockConvolution, Channels, Extent, POINTWISE};

pub(super) const BLOCK: Block = Block {
    name: "bottleneck-spatially-separable",
    summary: "1×1, 1×k, k×1, 1×1",
    convolutions: &[
        POINTWISE,
        BlockConvolution {
            height: Extent::One,
            width: Extent::Kernel,
            channels: Channels::All,
            strided: false,
        },
        BlockConvolution {
            height: Extent::Kernel,
            width: Extent::One,
            channels: Channels::All,
            strided: true,
        },
        POINTWISE,
    ],
};
