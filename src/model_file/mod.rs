//! Checked readers of model files: what a file is, and what it holds, without any inference library.
//!
//! Every offset and every length is checked against the file, because files come from strangers. Below `network`, `runtime` and
//! `spec`, which use it; it knows none of them.

pub(crate) mod flatbuffer;
pub mod signatures;
pub mod tflite;

use std::fmt;

/// One dimension of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// The model fixes it.
    Fixed(u64),
    /// The model leaves it open; with the model's name for it, where it has one.
    Open(Option<String>),
}

impl fmt::Display for Dimension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(formatter, "{size}"),
            Self::Open(Some(symbol)) => formatter.write_str(symbol),
            Self::Open(None) => formatter.write_str("?"),
        }
    }
}
