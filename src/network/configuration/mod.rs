//! θ, one configuration of the family: which block, which kernel, which batch, which input, which precision.
//!
//! A value of [`Configuration`] is always possible: everything is checked where it is made, and every mistake
//! is reported at once. From here it goes to [`crate::network::graph`].

use std::fmt;

use crate::error::Hint;
use crate::network::blocks::{BLOCKS, Block};

/// Kernel sizes of the paper.
pub(crate) const KERNELS: &[u32] = &[3, 5, 7];
/// Batch sizes of the paper.
pub(crate) const BATCHES: &[u32] = &[1, 2, 4];
/// Input sizes of the paper, in pixels.
pub(crate) const INPUTS: &[u32] = &[224, 560, 1400];

/// Blocks in the stages conv2 … conv5 of ResNet-50.
pub(crate) const RESNET_50_DEPTHS: [u32; 4] = [3, 4, 6, 3];

/// Five halvings leave one pixel of 32.
pub(crate) const SMALLEST_INPUT: u32 = 32;

// Above every design that is known to be used, and low enough that each count of the largest network,
// operations included, fits into 64 bits (about 9 × 10^18).
/// Largest input, in pixels.
pub(crate) const LARGEST_INPUT: u32 = 8192;
/// Largest kernel.
pub(crate) const LARGEST_KERNEL: u32 = 31;
/// Largest batch.
pub(crate) const LARGEST_BATCH: u32 = 256;
/// Most blocks in a stage.
pub(crate) const LARGEST_DEPTH: u32 = 64;
/// Narrowest network, in per cent of the paper's widths.
pub(crate) const NARROWEST_PERCENT: u32 = 5;
/// Widest network, in per cent of the paper's widths.
pub(crate) const WIDEST_PERCENT: u32 = 200;

/// What the numbers in a network are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE 754 single precision.
    Fp32,
    /// Eight-bit integers with a scale; biases of 32 bits.
    Int8,
}

impl Precision {
    /// Both, the order of tables.
    pub const ALL: &'static [Self] = &[Self::Fp32, Self::Int8];

    /// The name in job files and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        }
    }

    /// The precision of that name.
    ///
    /// # Errors
    /// [`Mistake::Precision`].
    pub fn find(name: &str) -> Result<Self, Mistake> {
        let found = Self::ALL.iter().copied().find(|precision| precision.name() == name);
        found.ok_or_else(|| Mistake::Precision(name.to_owned()))
    }

    /// Bytes of one activation or weight.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Fp32 => 4,
            Self::Int8 => 1,
        }
    }
}

/// One possible configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Configuration {
    block: &'static Block,
    kernel: u32,
    batch: u32,
    input: u32,
    precision: Precision,
    width_percent: u32,
    depths: [u32; 4],
}

/// What somebody asked for, before it is checked. Numbers are as wide as any text can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedConfiguration<'a> {
    /// Name of the block.
    pub block: &'a str,
    /// Kernel size k.
    pub kernel: i64,
    /// Batch size b.
    pub batch: i64,
    /// Height and width of the input, in pixels.
    pub input: i64,
    /// Name of the precision.
    pub precision: &'a str,
    /// Width multiplier in per cent; 100 is the paper's.
    pub width_percent: i64,
    /// Blocks in each stage; the paper's are [`RESNET_50_DEPTHS`].
    pub depths: [i64; 4],
}

impl<'a> RequestedConfiguration<'a> {
    /// With the paper's widths and depths.
    pub fn new(block: &'a str, kernel: i64, batch: i64, input: i64, precision: &'a str) -> Self {
        let depths = RESNET_50_DEPTHS.map(i64::from);
        Self { block, kernel, batch, input, precision, width_percent: 100, depths }
    }
}

impl Configuration {
    /// Check a requested.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn new(requested: &RequestedConfiguration<'_>) -> Result<Self, Vec<Mistake>> {
        let block = find_block(requested.block);
        let kernel = check_kernel(requested.kernel);
        let batch = check_batch(requested.batch);
        let input = check_input(requested.input);
        let precision = Precision::find(requested.precision);
        let width_percent = check_width_percent(requested.width_percent);
        let depths = requested.depths.map(check_depth);
        match (&block, &kernel, &batch, &input, &precision, &width_percent, &depths) {
            (
                Ok(block),
                Ok(kernel),
                Ok(batch),
                Ok(input),
                Ok(precision),
                Ok(width_percent),
                [Ok(first), Ok(second), Ok(third), Ok(fourth)],
            ) => Ok(Self {
                block,
                kernel: *kernel,
                batch: *batch,
                input: *input,
                precision: *precision,
                width_percent: *width_percent,
                depths: [*first, *second, *third, *fourth],
            }),
            _ => {
                let mut mistakes: Vec<Mistake> = Vec::new();
                mistakes.extend(block.err());
                mistakes.extend(kernel.err());
                mistakes.extend(batch.err());
                mistakes.extend(input.err());
                mistakes.extend(precision.err());
                mistakes.extend(width_percent.err());
                mistakes.extend(depths.into_iter().filter_map(Result::err));
                Err(mistakes)
            }
        }
    }

    /// The paper's 162 configurations at one precision: block, then kernel, then batch, then input.
    pub fn family(precision: Precision) -> impl Iterator<Item = Self> {
        Block::of_paper().iter().flat_map(move |block| {
            KERNELS.iter().flat_map(move |&kernel| {
                BATCHES.iter().flat_map(move |&batch| {
                    INPUTS.iter().map(move |&input| Self {
                        block,
                        kernel,
                        batch,
                        input,
                        precision,
                        width_percent: 100,
                        depths: RESNET_50_DEPTHS,
                    })
                })
            })
        })
    }

    /// The same network at another precision.
    pub(crate) fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The block.
    pub fn block(&self) -> &'static Block {
        self.block
    }

    /// Kernel size k, odd.
    pub fn kernel(&self) -> u32 {
        self.kernel
    }

    /// Batch size b.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// Height and width of the input, in pixels.
    pub fn input(&self) -> u32 {
        self.input
    }

    /// Precision.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Width multiplier in per cent.
    pub fn width_percent(&self) -> u32 {
        self.width_percent
    }

    /// Blocks in the stages conv2 … conv5.
    pub fn depths(&self) -> [u32; 4] {
        self.depths
    }

    /// What the weights depend on: everything but batch, input and precision.
    pub(crate) fn weights_name(&self) -> String {
        let mut name = format!("{}-k{}", self.block.name, self.kernel);
        self.push_shape(&mut name);
        name
    }

    /// What is not the paper's about the network's shape, if anything.
    fn push_shape(&self, name: &mut String) {
        if self.width_percent != 100 {
            name.push_str(&format!("-w{}", self.width_percent));
        }
        if self.depths != RESNET_50_DEPTHS {
            let [first, second, third, fourth] = self.depths;
            name.push_str(&format!("-d{first}_{second}_{third}_{fourth}"));
        }
    }
}

/// `standard-k3-b1-i224-int8`; a width of 50 % adds `-w50`, other depths `-d3_4_6_3`.
impl fmt::Display for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = format!(
            "{}-k{}-b{}-i{}-{}",
            self.block.name,
            self.kernel,
            self.batch,
            self.input,
            self.precision.name()
        );
        self.push_shape(&mut name);
        formatter.write_str(&name)
    }
}

/// One thing that makes a configuration impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No such block.
    #[error("no block type is called `{0}`")]
    Block(String),
    /// No such precision.
    #[error("no precision of the family is called `{0}`")]
    Precision(String),
    /// SAME padding of an even kernel is one pixel longer at one side, so that the network would look to the
    /// lower right.
    #[error("kernel {0} is even")]
    EvenKernel(i64),
    /// Outside the range.
    #[error("{factor} {value} is outside {smallest} … {largest}")]
    Range {
        /// Which factor.
        factor: &'static str,
        /// What was asked for.
        value: i64,
        /// The smallest possible value.
        smallest: u32,
        /// The largest possible value.
        largest: u32,
    },
}

impl Hint for Mistake {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Block(name) => Some(match nearest_block(name) {
                Some(nearest) => format!("did you mean `{nearest}`? `backbone list blocks` shows all"),
                None => "`backbone list blocks` shows all".to_owned(),
            }),
            Self::Precision(_) => Some("write `fp32` or `int8`".to_owned()),
            Self::EvenKernel(kernel) => Some(match kernel {
                ..=2 => "write 1 or 3".to_owned(),
                _ => format!(
                    "write {} or {}",
                    kernel - 1,
                    kernel.saturating_add(1).min(i64::from(LARGEST_KERNEL))
                ),
            }),
            Self::Range { factor: "input", value, .. } if *value < i64::from(SMALLEST_INPUT) => {
                Some("the network halves its input five times: write 32 or more".to_owned())
            }
            Self::Range { value, smallest, largest, .. } => {
                let nearest = if *value < i64::from(*smallest) { smallest } else { largest };
                Some(format!("the nearest possible value is {nearest}"))
            }
        }
    }
}

/// The block of that name.
///
/// # Errors
/// [`Mistake::Block`].
pub(crate) fn find_block(name: &str) -> Result<&'static Block, Mistake> {
    Block::find(name).ok_or_else(|| Mistake::Block(name.to_owned()))
}

/// A kernel size: odd, 1 … [`LARGEST_KERNEL`].
///
/// # Errors
/// [`Mistake::EvenKernel`], [`Mistake::Range`].
pub(crate) fn check_kernel(kernel: i64) -> Result<u32, Mistake> {
    let checked = check_range("kernel", kernel, 1, LARGEST_KERNEL);
    if checked.is_ok() && kernel % 2 == 0 { Err(Mistake::EvenKernel(kernel)) } else { checked }
}

/// A batch size: 1 … [`LARGEST_BATCH`].
///
/// # Errors
/// [`Mistake::Range`].
pub(crate) fn check_batch(batch: i64) -> Result<u32, Mistake> {
    check_range("batch", batch, 1, LARGEST_BATCH)
}

/// An input size in pixels: [`SMALLEST_INPUT`] … [`LARGEST_INPUT`].
///
/// # Errors
/// [`Mistake::Range`].
pub(crate) fn check_input(input: i64) -> Result<u32, Mistake> {
    check_range("input", input, SMALLEST_INPUT, LARGEST_INPUT)
}

/// A width multiplier in per cent: [`NARROWEST_PERCENT`] … [`WIDEST_PERCENT`].
///
/// # Errors
/// [`Mistake::Range`].
pub(crate) fn check_width_percent(width_percent: i64) -> Result<u32, Mistake> {
    check_range("width multiplier in per cent", width_percent, NARROWEST_PERCENT, WIDEST_PERCENT)
}

/// A number of blocks in a stage: 1 … [`LARGEST_DEPTH`].
///
/// # Errors
/// [`Mistake::Range`].
pub(crate) fn check_depth(depth: i64) -> Result<u32, Mistake> {
    check_range("depth of a stage", depth, 1, LARGEST_DEPTH)
}

fn check_range(factor: &'static str, value: i64, smallest: u32, largest: u32) -> Result<u32, Mistake> {
    match u32::try_from(value) {
        Ok(number) if (smallest..=largest).contains(&number) => Ok(number),
        _ => Err(Mistake::Range { factor, value, smallest, largest }),
    }
}

/// The block whose name is nearest to a mistyped one, where one is near.
fn nearest_block(name: &str) -> Option<&'static str> {
    // Half of the letters right is the least that still looks like a slip.
    const NEAR: f64 = 0.5;
    let typed = name.to_lowercase().replace(['_', ' '], "-");
    let scored =
        BLOCKS.iter().map(|block| (strsim::normalized_damerau_levenshtein(&typed, block.name), block.name));
    scored
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
