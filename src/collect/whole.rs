//! One file on its own: is it a bundle as its host published it?

use std::path::Path;

use super::{LIMITS, decode, described};
use crate::bundle::format::Bundle;
use crate::bundle::seal::Seal;

/// A file that is a bundle as its host published it.
#[derive(Debug)]
pub(crate) struct Whole {
    /// SHA-256 of the file.
    pub(crate) sha256: String,
}

/// Why a file is not.
#[derive(Debug)]
pub(crate) struct WrongFile {
    /// What is wrong.
    pub(crate) detail: String,
}

/// Read a file as a whole: is it a bundle, with its seal?
///
/// # Errors
/// It is not, or cannot be read.
pub(crate) fn whole(file: &Path) -> Result<Whole, WrongFile> {
    let wrong = |detail: String| WrongFile { detail };
    let (bundle, _, (sha256, seal)) =
        decode(file, LIMITS.largest_bytes).map_err(|error| wrong(described(&error)))?;
    if is_seal_broken(seal, &bundle) {
        return Err(wrong(BROKEN_SEAL.to_owned()));
    }
    Ok(Whole { sha256 })
}

/// A seal that is gone is broken, too.
pub(super) fn is_seal_broken(seal: Seal, bundle: &Bundle) -> bool {
    seal == Seal::Broken || seal == Seal::None && bundle.integrity.is_some()
}

/// What is wrong then.
pub(super) const BROKEN_SEAL: &str = "its seal is broken: the file was changed after it was made";
