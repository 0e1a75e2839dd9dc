//! What a library prints on standard error while it runs, for libraries that give a reason there and nowhere
//! else. For a worker only, and for what failed once without a crash: a crash would take the text with it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};

/// Run it, and what was printed meanwhile. That also goes where standard error goes, afterwards.
pub fn while_running<T>(run: impl FnOnce() -> T) -> (T, String) {
    let Ok((original, mut kept)) = divert() else { return (run(), String::new()) };
    let result = run();
    // Without its standard error back, the worker would be mute; nothing else can be done about it here.
    let _ = replace(original.as_fd());
    let mut printed = Vec::new();
    let read = kept.rewind().and_then(|()| kept.read_to_end(&mut printed));
    if read.is_ok() {
        let _ = io::stderr().write_all(&printed);
    }
    (result, String::from_utf8_lossy(&printed).trim().to_owned())
}

/// Does it say that an index is out of range? The words of Gather, GatherElements, GatherND, Scatter…,
/// EmbedLayerNormalization, EMBEDDING_LOOKUP and their like: each has its own.
pub fn is_out_of_range(why: &str) -> bool {
    const WORDS: &[&str] = &[
        "out of data bounds",
        "out of bounds",
        "out of range",
        "within bounds",
        "within the inclusive range",
        "invalid index",
        "invalid indice",
    ];
    let why = why.to_ascii_lowercase();
    WORDS.iter().any(|words| why.contains(words))
}

/// Standard error becomes a file in memory. Where it went, and the file.
fn divert() -> io::Result<(OwnedFd, File)> {
    let original = io::stderr().as_fd().try_clone_to_owned()?;
    let kept = File::from(memfd_create("said", MemfdFlags::CLOEXEC)?);
    replace(kept.as_fd())?;
    Ok((original, kept))
}

#[expect(unsafe_code, reason = "the standard library cannot replace standard error")]
fn replace(by: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `by` is open, and descriptor 2 belongs to no owned value.
    let result = unsafe { libc::dup2(by.as_raw_fd(), libc::STDERR_FILENO) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_libraries_say_that_an_index_is_out_of_range() {
        for why in [
            "ERROR: gather index out of bounds\nERROR: Node number 0 (GATHER) failed to invoke.",
            "Embedding Lookup: index out of bounds. Got 7, and bounds are [0, 1]",
            "indices element out of data bounds, idx=1 must be within the inclusive range [-1,0]",
        ] {
            assert!(is_out_of_range(why), "{why}");
        }
        for why in ["", "ERROR: Node number 3 (EdgeTpuDelegateForCustomOp) failed to invoke."] {
            assert!(!is_out_of_range(why), "{why}");
        }
    }
}
