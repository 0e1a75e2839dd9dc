//! Does a model file fit into the host's memory at all? The daemon and `backbone check` ask before anything
//! is copied, generated, changed or started. The answer follows from two sizes; nothing is read here. Whether
//! a model that fits also has room next to everything else cannot be known before: a worker that runs out of
//! memory is an outcome of its own.

use crate::error::Hint;

/// Larger model files are not read by the daemon, to count or to classify them: it would need as much memory.
pub(super) const LARGEST_READ_MODEL_BYTES: u64 = 1 << 30;

/// A model file has more bytes than the host has memory. Every runtime here reads the whole file before it
/// runs, and timing a network whose weights are on a disk times that disk; see "Models larger than the
/// memory" in docs/METHOD.md.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` has {bytes} bytes, and the host has {memory_bytes} bytes of memory")]
pub(crate) struct LargerThanMemory {
    /// The model's file name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// The host's main memory.
    pub memory_bytes: u64,
}

impl LargerThanMemory {
    /// Stable code.
    pub(crate) const REASON: &str = "model_larger_than_memory";

    /// Refuse a file that is too large. Says nothing if the host's memory could not be observed.
    ///
    /// # Errors
    /// The file is larger.
    pub(crate) fn check(file: &str, bytes: u64, memory_bytes: Option<u64>) -> Result<(), Self> {
        match memory_bytes {
            Some(memory_bytes) if bytes > memory_bytes => {
                Err(Self { file: file.to_owned(), bytes, memory_bytes })
            }
            _ => Ok(()),
        }
    }
}

impl Hint for LargerThanMemory {
    fn hint(&self) -> Option<String> {
        Some("measure it on a host with more memory, or take a smaller model: int8 weights take a quarter of fp32's".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_as_large_as_the_memory_passes_and_one_byte_more_does_not() {
        assert_eq!(LargerThanMemory::check("m.onnx", 2 << 30, Some(2 << 30)), Ok(()));
        let refused = LargerThanMemory::check("m.onnx", (2 << 30) + 1, Some(2 << 30)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`m.onnx` has 2147483649 bytes, and the host has 2147483648 bytes of memory"
        );
    }

    #[test]
    fn nothing_is_claimed_of_a_host_whose_memory_was_not_observed() {
        assert_eq!(LargerThanMemory::check("m.onnx", u64::MAX, None), Ok(()));
    }
}
