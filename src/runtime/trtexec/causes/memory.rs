//! Lack of memory on the GPU: whether the model is too large for it, or others held what was missing. Pure.
//!
//! trtexec itself says how much memory there is (`Device Global Memory`, since 8.0), how much was in use
//! before it took any (`Init CUDA`, since 8.0), and how much was asked for in vain.

use crate::bundle::format::Fault;

const BYTES_PER_MEBIBYTE: u64 = 1 << 20;

/// If less than this part of the memory was in use before the build, nearly all of it was free, and the model
/// is too large.
const SMALL_PART: u64 = 10;

/// What a run says of the GPU's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GpuMemory {
    /// All of it, in bytes.
    total: Option<u64>,
    /// In use when the run began, in bytes.
    by_others: Option<u64>,
    /// The largest request that was refused, in bytes.
    refused: Option<u64>,
}

impl GpuMemory {
    /// Look at one more line.
    pub(crate) fn take(&mut self, text: &str) {
        if let Some(mebibytes) = number_after(text, "Device Global Memory: ") {
            self.total = mebibytes.checked_mul(BYTES_PER_MEBIBYTE);
        }
        if self.by_others.is_none() && text.contains("[MemUsageChange] Init CUDA: ") {
            self.by_others =
                used_before(text).and_then(|mebibytes| mebibytes.checked_mul(BYTES_PER_MEBIBYTE));
        }
        let refused = REFUSED.iter().find_map(|start| number_after(text, start));
        self.refused = self.refused.max(refused);
    }

    /// Whose fault it is that memory ran out.
    pub(crate) fn fault(&self) -> Fault {
        match (self.total, self.by_others, self.refused) {
            (Some(total), _, Some(refused)) if refused > total => Fault::Model,
            (Some(total), Some(used), _) if used < total / SMALL_PART => Fault::Model,
            (Some(_), Some(_), _) => Fault::Host,
            _ => Fault::Unknown,
        }
    }

    /// The same in words; `None` if nothing is known.
    pub(crate) fn detail(&self) -> Option<String> {
        let mebibytes = |bytes: u64| bytes / BYTES_PER_MEBIBYTE;
        match (self.total, self.by_others, self.refused) {
            (Some(total), _, Some(refused)) if refused > total => Some(format!(
                "{} MiB were asked for, and the GPU has {}",
                mebibytes(refused),
                mebibytes(total)
            )),
            (Some(total), Some(used), _) => {
                Some(format!("{} of the GPU's {} MiB were in use before", mebibytes(used), mebibytes(total)))
            }
            _ => None,
        }
    }
}

/// What precedes the bytes of a request that was refused.
const REFUSED: &[&str] =
    &["Requested size was ", "Requested amount of GPU memory (", "insufficient memory on requested size of "];

fn number_after(text: &str, start: &str) -> Option<u64> {
    let (_, rest) = text.split_once(start)?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// `Init CUDA: CPU +1, GPU +2, now: CPU 6, GPU 500 (MiB)` leaves 498 to others.
fn used_before(text: &str) -> Option<u64> {
    let added = number_after(text, "GPU +")?;
    let (_, now) = text.split_once("now: ")?;
    number_after(now, "GPU ")?.checked_sub(added)
}
