//! What the tables of keys are made of: a key, what it accepts, and what happens without it.

use crate::network::configuration;

/// One key.
#[derive(Debug)]
pub struct Field {
    /// Where it stands: `measure.timed_runs` is the key `timed_runs` below `measure`.
    pub path: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// What happens without it.
    pub fallback: Fallback,
    /// What it does, in a sentence of Markdown.
    pub summary: &'static str,
}

/// What a key accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The version of the format, one number.
    Format(i64),
    /// A whole number in a closed range.
    Integer {
        /// Smallest.
        minimum: i64,
        /// Largest.
        maximum: i64,
    },
    /// A number in a closed range, with a fraction if need be.
    Decimal {
        /// Smallest.
        minimum: f64,
        /// Largest.
        maximum: f64,
    },
    /// One line of printable text.
    Text {
        /// Longest, in bytes; at least one.
        maximum_bytes: usize,
    },
    /// `true` or `false`.
    Boolean,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A map with the keys whose paths are below.
    Group,
    /// An absolute path.
    Path,
    /// A model, or a list of models: each a file name or a map with the keys whose paths are below.
    Models,
    /// The bare name of a model file.
    ModelFile,
    /// 64 hexadecimal digits.
    Sha256,
    /// The name of a runtime, or a list of names.
    Runtimes,
    /// Options of the runtime, or a map from runtime to its options.
    RuntimeOptions,
    /// A map from input name to a list of dimensions, or to a map with the keys whose paths are below.
    Inputs,
    /// A list of dimensions.
    Shape,
    /// A number.
    Number,
    /// A list of numbers.
    Numbers,
    /// A list of two whole numbers, the smaller one first.
    Range,
    /// The bare name of a file with a tensor.
    TensorFile,
    /// A map from word to text, number or truth value.
    Labels,
    /// A map from runtime name to how the host provides it.
    RuntimeSettings,
    /// The name of a block type.
    Block,
    /// A list of names of block types, each once.
    Blocks,
    /// The name of a precision.
    Precision,
    /// A list of names of precisions, each once.
    Precisions,
    /// A number of a network.
    Factor(Factor),
    /// A list of such numbers, each once.
    Factors(Factor),
    /// The number of blocks in each of the four stages.
    Depths,
    /// `paper`, or a whole number from 1.
    Builds {
        /// Largest.
        maximum: i64,
    },
    /// A list of numbers of processors, each once.
    Cpus,
    /// A list of names of thermal zones, each once.
    Zones,
}

/// A factor of the family that is a number. What it may be is decided by [`crate::network::configuration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// Kernel size k, odd.
    Kernel,
    /// Batch size b.
    Batch,
    /// Input size i, in pixels.
    Input,
    /// Width multiplier, in per cent.
    WidthPercent,
    /// Blocks in a stage.
    Depth,
}

impl Factor {
    /// Smallest and largest value.
    pub(crate) fn range(self) -> (u32, u32) {
        match self {
            Self::Kernel => (1, configuration::LARGEST_KERNEL),
            Self::Batch => (1, configuration::LARGEST_BATCH),
            Self::Input => (configuration::SMALLEST_INPUT, configuration::LARGEST_INPUT),
            Self::WidthPercent => (configuration::NARROWEST_PERCENT, configuration::WIDEST_PERCENT),
            Self::Depth => (1, configuration::LARGEST_DEPTH),
        }
    }

    /// Only odd values.
    pub(crate) fn is_odd(self) -> bool {
        self == Self::Kernel
    }
}

/// What happens when a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// A mistake.
    Required,
    /// This number.
    Integer(i64),
    /// This text.
    Text(&'static str),
    /// This truth value.
    Boolean(bool),
    /// What these words of Markdown say.
    Words(&'static str),
}

impl Field {
    /// Path of the map it stands in; empty at the top.
    pub fn parent(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }

    /// The key itself.
    pub fn key(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, key)| key)
    }
}
