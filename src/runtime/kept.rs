//! Compiled models that are kept for the next worker: names that change with everything a compiled model
//! depends on, and the file next to it that says what was built. Whoever owns the folder may remove any file
//! at any time.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::Built;

/// Hexadecimal digits of the digest in a name: 128 bits.
const NAME_DIGITS: usize = 32;

/// A name for what depends on all of these parts and on nothing else.
pub(crate) fn name(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    HEXLOWER.encode(&hasher.finalize())[..NAME_DIGITS].to_owned()
}

/// A text that changes with the file of a program.
///
/// # Errors
/// The file cannot be examined.
pub(crate) fn version_of_file(program: &Path) -> io::Result<String> {
    let stat = fs_err::metadata(program)?;
    Ok(format!("{} {} {}", stat.len(), stat.mtime(), stat.mtime_nsec()))
}

/// A compiled model, and the JSON file without which it does not count.
#[derive(Debug, Clone)]
pub(crate) struct KeptModel {
    /// The compiled model, complete.
    pub(crate) compiled: PathBuf,
    built: PathBuf,
}

impl KeptModel {
    /// The files of one name in a folder.
    pub(crate) fn new(folder: &Path, name: &str, extension: &str) -> Self {
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        Self { compiled: file(extension), built: file("json") }
    }

    /// What was built before, if the compiled model is complete.
    pub(crate) fn kept(&self) -> Option<Built> {
        let built: Built = serde_json::from_slice(&fs_err::read(&self.built).ok()?).ok()?;
        let size = fs_err::metadata(&self.compiled).ok()?.len();
        (size == built.size_bytes).then_some(Built { is_kept: true, ..built })
    }

    /// Keep what was just written.
    pub(crate) fn keep(&self, written: &Path, built: &Built) -> io::Result<()> {
        fs_err::rename(written, &self.compiled)?;
        fs_err::write(&self.built, serde_json::to_vec(built).map_err(io::Error::other)?)
    }

    /// Forget a compiled model that does not run.
    pub(crate) fn forget(&self) {
        for file in [&self.built, &self.compiled] {
            // A file that stays is found again not to fit.
            let _ = fs_err::remove_file(file);
        }
    }
}
