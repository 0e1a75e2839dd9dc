//! The plain block: one k×k convolution over all channels.

use super::{Block, BlockConvolution, Extent};

pub(super) const BLOCK: Block = Block {
    name: "standard",
    summary: "one k×k convolution",
    convolutions: &[BlockConvolution {
        height: Extent::Kernel,
        width: Extent::Kernel,
        per_channel: false,
        strided: true,
    }],
};
