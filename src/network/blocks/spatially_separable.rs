//! The k×k kernel as a row and a column, as in Inception's asymmetric convolutions.

use super::{Block, BlockConvolution, Channels, Extent};

pub(super) const BLOCK: Block = Block {
    name: "spatially-separable",
    summary: "1×k, then k×1",
    convolutions: &[
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
    ],
};
