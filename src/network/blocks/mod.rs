//! Block types of the family: one file each, and a line in [`BLOCKS`].
//!
//! A block says which convolutions lie on the main path of one residual block. Everything that all blocks
//! share (strides, shortcuts, batch normalisation, activations, widths) is the business of
//! [`crate::network::graph`].

mod bottleneck_depthwise_separable;
mod bottleneck_spatially_separable;
mod bottleneck_standard;
mod depthwise_separable;
mod spatially_separable;
mod standard;

/// Every block type: those of the paper in the order of its table, then the others. Tables, help and messages
/// follow this order.
pub(crate) const BLOCKS: &[Block] = &[
    standard::BLOCK,
    bottleneck_standard::BLOCK,
    spatially_separable::BLOCK,
    bottleneck_spatially_separable::BLOCK,
    depthwise_separable::BLOCK,
    bottleneck_depthwise_separable::BLOCK,
];

/// How many of [`BLOCKS`] are the paper's. The others are used only if a job names them, so that `study: {}`
/// stays the paper's study.
const IN_PAPER: usize = 6;

/// A type of residual block.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Its name in job files and file names.
    pub name: &'static str,
    /// What it is, for lists.
    pub summary: &'static str,
    /// The convolutions of the main path, first to last.
    pub convolutions: &'static [BlockConvolution],
}

impl PartialEq for Block {
    /// Names are unique in [`BLOCKS`].
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Block {}

impl std::hash::Hash for Block {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Block {
    /// The paper's block types.
    pub(crate) fn of_paper() -> &'static [Self] {
        &BLOCKS[..IN_PAPER]
    }

    /// The block of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BLOCKS.iter().find(|block| block.name == name)
    }
}

/// One convolution of a block's main path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockConvolution {
    /// Rows of the kernel.
    pub height: Extent,
    /// Columns of the kernel.
    pub width: Extent,
    /// Which input channels an output channel reads. This decides how many channels the convolution makes.
    pub channels: Channels,
    /// Whether this convolution has the stride of a block that halves its input. One of each block does.
    pub strided: bool,
}

/// Which input channels one output channel of a convolution reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Every one. In a block, the convolution makes as many channels as the stage is wide.
    All,
    /// Output channel c reads input channel c only: a depthwise convolution, as wide as its input.
    Own,
}

impl Channels {
    /// How many input channels an output channel reads, of so many.
    pub(crate) fn read_of(self, input_channels: u64) -> u64 {
        match self {
            Self::All => input_channels,
            Self::Own => 1,
        }
    }
}

/// One side of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// 1.
    One,
    /// k of the configuration.
    Kernel,
}

impl Extent {
    /// The side in pixels, for the kernel size k.
    pub(crate) fn pixels(self, kernel: u64) -> u64 {
        match self {
            Self::One => 1,
            Self::Kernel => kernel,
        }
    }
}

/// Changes the number of channels, or mixes them; no neighbours are seen.
const POINTWISE: BlockConvolution =
    BlockConvolution { height: Extent::One, width: Extent::One, channels: Channels::All, strided: false };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_one_convolution_of_each_block_is_strided() {
        for (index, block) in BLOCKS.iter().enumerate() {
            assert!(BLOCKS[..index].iter().all(|other| other.name != block.name), "{}", block.name);
            assert_eq!(block.convolutions.iter().filter(|convolution| convolution.strided).count(), 1);
            assert_eq!(Block::find(block.name), Some(block));
        }
        assert_eq!(Block::find("Standard"), None);
    }

    #[test]
    fn the_documents_table_of_block_types_is_current() {
        let mut table = "| Block | Convolutions |\n|---|---|\n".to_owned();
        for block in BLOCKS {
            table.push_str(&format!("| `{}` | {} |\n", block.name, block.summary));
        }
        crate::derived_docs::assert_current("docs/METHOD.md", "block types", &table);
    }

    #[test]
    fn a_bottleneck_begins_and_ends_with_a_pointwise_convolution() {
        for block in BLOCKS.iter().filter(|block| block.name.starts_with("bottleneck-")) {
            assert_eq!(block.convolutions.first(), Some(&POINTWISE), "{}", block.name);
            assert_eq!(block.convolutions.last(), Some(&POINTWISE), "{}", block.name);
        }
    }
}
