//! Checked readers of files that hold tensors: `.npy` and `.npz` as NumPy writes them, and `.pb` as ONNX's
//! test data has them.
//!
//! Such a file comes from a stranger. A reader takes its type and shape from a few bytes
//! ([`TensorFile::open`]), compares the sizes that the file claims with the size that it has, and reads the
//! elements only into memory that the caller sized for the tensor ([`TensorFile::read`]). Nothing in a file
//! is executed: arrays of Python objects, which would have to be unpickled, are refused.

use std::path::Path;

use self::npy::NpyHeader;
use crate::error::Hint;

mod npy;
mod npz;
mod order;
#[cfg(test)]
mod tests;

/// Extensions of the files that can be read, lower case without the dot.
pub const TENSOR_EXTENSIONS: &[&str] = &["npy", "npz", "pb"];

/// Elements of a `.pb` file that is read before the tensor's size is known; protocol buffers end there.
const LARGEST_PB_BYTES: u64 = i32::MAX as u64;

/// Bytes of a `.pb` file in addition to its elements: name, shape, and a few words of documentation.
const PB_FRAME_BYTES: u64 = 1 << 20;

/// The most bytes that one element takes in a `.pb` file: a number of ten groups of seven bits.
const PB_ELEMENT_BYTES: u64 = 10;

/// A file that holds a tensor, up to its elements.
#[derive(Debug)]
pub struct TensorFile {
    /// Such as `float32`.
    pub element_type: &'static str,
    /// Its shape.
    pub shape: Vec<u64>,
    elements: Elements,
}

#[derive(Debug)]
enum Elements {
    Npy {
        file: fs_err::File,
        header: NpyHeader,
    },
    Npz {
        file: fs_err::File,
        member: String,
        header: NpyHeader,
    },
    /// In the machine's own byte order.
    Read(Vec<u8>),
}

/// A file from which no tensor can be read.
#[derive(Debug, thiserror::Error)]
pub enum TensorFileError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes are no such file, or end early.
    #[error("it is not a complete .{format} file: {what}")]
    Malformed {
        /// The extension.
        format: &'static str,
        /// What is wrong, as a clause.
        what: String,
    },
    /// The elements are of a type that no tensor of a model has.
    #[error("its elements are {what}")]
    ElementType {
        /// Such as `Python objects`.
        what: String,
    },
    /// The archive has no array of that name.
    #[error("it holds no array `{name}`; it has {names}")]
    NoArray {
        /// The name.
        name: String,
        /// The names that it has.
        names: String,
    },
    /// The file is larger than its tensor can be.
    #[error("it has {bytes} bytes, more than the {limit} that such a tensor can take")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
}

impl Hint for TensorFileError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io(_) => "check that the file is readable, and upload it again".to_owned(),
            Self::Malformed { format: "pb", .. } => {
                "write it with `onnx.save_tensor(onnx.numpy_helper.from_array(array), …)`, and compare its size with the original"
                    .to_owned()
            }
            Self::Malformed { .. } => {
                "write it with `numpy.save` or `numpy.savez`, and compare its size with the original".to_owned()
            }
            Self::ElementType { .. } => {
                "save an array of numbers or truth values, as `numpy.save(…, array.astype(numpy.float32))` does".to_owned()
            }
            Self::NoArray { name, .. } => {
                format!("save the array under the name of the input, as `numpy.savez(…, **{{\"{name}\": array}})` does")
            }
            Self::TooLarge { .. } => "check that this is the file of this input".to_owned(),
        })
    }
}

fn malformed(format: &'static str, what: impl Into<String>) -> TensorFileError {
    TensorFileError::Malformed { format, what: what.into() }
}

impl TensorFile {
    /// The type and shape of the tensor in a file of that format (one of [`TENSOR_EXTENSIONS`]); in an
    /// archive, of the array `name`. `expected_elements` bounds what is read, if the caller knows it.
    ///
    /// # Errors
    /// There is no such tensor in it, or the file does not have the size that its header claims.
    pub fn open(
        path: &Path,
        format: &str,
        name: &str,
        expected_elements: Option<u64>,
    ) -> Result<Self, TensorFileError> {
        match format {
            "npz" => npz::open(path, name),
            "pb" => open_pb(path, expected_elements),
            _ => npy::open(path),
        }
    }

    /// Read the elements in C order and in the machine's own byte order. `into` has the size of the tensor.
    ///
    /// # Errors
    /// The file cannot be read, or holds less or more than its header claims.
    pub fn read(self, into: &mut [u8]) -> Result<(), TensorFileError> {
        match self.elements {
            Elements::Npy { mut file, header } => npy::read(&mut file, &header, "npy", into)?,
            Elements::Npz { file, member, header } => npz::read(file, &member, &header, into)?,
            Elements::Read(bytes) if bytes.len() == into.len() => into.copy_from_slice(&bytes),
            Elements::Read(bytes) => {
                return Err(malformed("pb", format!("it has {} bytes of elements", bytes.len())));
            }
        }
        // Any other byte is no value of the type, and a library may do anything with it.
        if self.element_type == "bool" && into.iter().any(|byte| *byte > 1) {
            return Err(TensorFileError::ElementType {
                what: "truth values with bytes other than 0 and 1".to_owned(),
            });
        }
        Ok(())
    }
}

fn open_pb(path: &Path, expected_elements: Option<u64>) -> Result<TensorFile, TensorFileError> {
    let bytes = fs_err::metadata(path)?.len();
    let limit = expected_elements.map_or(LARGEST_PB_BYTES, |elements| {
        elements.saturating_mul(PB_ELEMENT_BYTES).saturating_add(PB_FRAME_BYTES).min(LARGEST_PB_BYTES)
    });
    if bytes > limit {
        return Err(TensorFileError::TooLarge { bytes, limit });
    }
    let content = fs_err::read(path)?;
    let tensor = super::onnx::tensor(&content).map_err(|what| malformed("pb", what))?;
    let element_type = super::onnx::element_type(tensor.element_type);
    if matches!(element_type, "" | "string") {
        let what = if element_type.is_empty() { "of an unknown type" } else { "texts" };
        return Err(TensorFileError::ElementType { what: what.to_owned() });
    }
    Ok(TensorFile { element_type, shape: tensor.shape, elements: Elements::Read(tensor.native_bytes) })
}
