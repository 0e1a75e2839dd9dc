//! Does a model file fit into the host's memory at all? Asked before anything is copied, generated, changed or started, by the daemon
//! and by `backbone check`; decided from two sizes, nothing is read here. Whether a model that fits has room beside everything else
//! can not be known before: a worker that runs out is an outcome of its own.

use super::Daemon;
use super::assemble::not_measured;
use crate::bundle::format::{Outcome, Stage, Status};
use crate::error::Hint;
use crate::spec::{Configuration, ModelSource};

/// A model file has more bytes than the host has memory. Every runtime here reads the whole file before it runs, and a network whose
/// weights lie on a disk is timed with that disk; see "Models larger than the memory" in docs/METHOD.md.
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

    /// The error, where it is one. No claim where the host's memory could not be observed.
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

impl Daemon<'_> {
    /// The outcome of a configuration whose network would be generated as a file larger than the host's memory.
    pub(super) fn larger_than_memory(&self, chosen: &Configuration) -> Option<Outcome> {
        let ModelSource::Generated(network) = chosen.source else { return None };
        let form = (chosen.runtime.networks)(&chosen.options)?;
        // What its format can not hold is refused where it would be generated.
        let bytes = form.length(&network).ok()?;
        let memory_bytes = self.assembler.host.memory_bytes;
        let refused = LargerThanMemory::check(&form.file_name(&network), bytes, memory_bytes).err()?;
        let (reason, detail) = (LargerThanMemory::REASON, refused.to_string());
        Some(not_measured(Status::Rejected, Stage::Model, reason, detail, refused.hint()))
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
