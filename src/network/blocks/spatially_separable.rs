//! The k×k kernel as a row and a column, as in Inception's asymmetric convolutions.

use super::{Block, BlockConvolution, Extent};

pub(super) const BLOCK: Block = Block {
    name: "spatially-separable",
    summary: "1×k, then k×1",
    convolutions: &[
        BlockConvolution { height: Extent::One, width: Extent::Kernel, per_channel: false, strided: false },
        BlockConvolution { height: Extent::Kernel, width: Extent::One, per_channel: false, strided: true },
    ],
};
