//! Checked readers of model files: what a file is and what it holds, without an inference library.
//!
//! Model files come from strangers, so every offset and every length is checked against the file. This folder
//! is below `network`, `runtime` and `spec`, which use it, and imports none of them.

use std::fmt;

use crate::error::Hint;

pub(crate) mod flatbuffer;
pub(crate) mod onnx;
pub mod signatures;
pub mod tensor;
pub mod tflite;

/// One dimension of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// The model fixes it.
    Fixed(u64),
    /// The model leaves it open, under this name if it has one.
    Open(Option<String>),
}

impl Dimension {
    /// Its size; `None` if it is open.
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

/// The shape that a tensor is counted and measured with if no one gives a shape. An open *first* dimension
/// alone is a batch, and is 1; `None` if another dimension is open, because any size would be a guess.
pub(crate) fn default_shape(declared: &[Dimension]) -> Option<Vec<u64>> {
    let size = |(axis, dimension): (usize, &Dimension)| match dimension {
        Dimension::Open(_) if axis == 0 => Some(1),
        dimension => dimension.fixed(),
    };
    declared.iter().enumerate().map(size).collect()
}

/// A model file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not a file of this format, or they end early.
    #[error("the file is not a whole {format} model: {what}")]
    Unreadable {
        /// `ONNX` or `TensorFlow Lite`.
        format: &'static str,
        /// What is wrong, as a clause.
        what: String,
    },
    /// The content of a tensor contradicts its shape.
    #[error("tensor `{tensor}` {what}")]
    WrongTensor {
        /// Name of the tensor.
        tensor: String,
        /// What contradicts what.
        what: String,
    },
}

impl Hint for ReadError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => {
                "compare the size and the SHA-256 of the file with the original; the copy may be incomplete"
                    .to_owned()
            }
            Self::WrongTensor { .. } => {
                "the file is damaged, or a faulty exporter wrote it; export the model again".to_owned()
            }
        })
    }
}

/// A name from a file, with control characters escaped so that it cannot move the cursor of a terminal.
pub(crate) fn readable(bytes: &[u8]) -> String {
    crate::text::escaped(&String::from_utf8_lossy(bytes))
}

/// Product of all dimensions; `None` if it overflows.
pub(crate) fn elements(shape: &[u64]) -> Option<u64> {
    // A zero anywhere makes the product zero, even if the other dimensions overflow.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_first_dimension_alone_is_1() {
        let open = || Dimension::Open(Some("n".to_owned()));
        assert_eq!(default_shape(&[open(), Dimension::Fixed(3)]), Some(vec![1, 3]));
        assert_eq!(default_shape(&[Dimension::Fixed(2), Dimension::Fixed(3)]), Some(vec![2, 3]));
        assert_eq!(default_shape(&[open()]), Some(vec![1]));
        assert_eq!(default_shape(&[]), Some(Vec::new()));
        assert_eq!(default_shape(&[open(), open()]), None);
        assert_eq!(default_shape(&[Dimension::Fixed(1), open()]), None);
    }
}
