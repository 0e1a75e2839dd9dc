//! The plain block: one k×k convolution over all channels.

use super::{Block, BlockConvolution, Channels, Extent};

pub(super) const BLOCK: Block = Block {
    name: "standard",
    summary: "one k×k convolution",
    convolutions: &[BlockConvolution {
        height: Extent::Kernel,
        width: Extent::Kernel,
        channels: Channels::All,
        strided: true,
    }],
};
