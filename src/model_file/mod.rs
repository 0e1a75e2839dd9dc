//! Checked readers of model files: which format a file has and what it contains, without any inference library.
//!
//! Every offset and every length is checked against the file, because files come from strangers. `network`, `runtime` and `spec` are
//! above it and use it; it knows none of them.

pub(crate) mod flatbuffer;
pub mod signatures;
pub mod tflite;

use std::fmt;

/// One dimension of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// The model fixes it.
    Fixed(u64),
    /// The model leaves it open; with the model's name for it, if it has one.
    Open(Option<String>),
}

impl Dimension {
    /// Its size; `None` if the model leaves it open.
    pub fn fixed(&self) -> Option<u64> {
        match self {
            Self::Fixed(size) => Some(*size),
            Self::Open(_) => None,
        }
    }

    /// Does the model leave it open?
    pub fn is_open(&self) -> bool {
        self.fixed().is_none()
    }
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
