//! The files that belong to one build: the engine, what its making took, the timings of its tactics.
//!
//! An engine runs only with the TensorRT and on the GPU that it was made for, so those and the flags are in the files' names,
//! as a digest. Builds share no timings: they are there to show how much builds differ. Whoever owns the folder may remove
//! any file at any time.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::runtime::{Built, Compilation};

/// Hexadecimal digits of the digest in a name: 128 bits.
const NAME_DIGITS: usize = 32;

/// The files of one build.
#[derive(Debug, Clone)]
pub(super) struct EngineFiles {
    /// The engine, whole.
    pub(super) engine: PathBuf,
    /// The engine while trtexec writes it.
    pub(super) partial: PathBuf,
    /// trtexec's own cache of timings, from 8.0 on.
    pub(super) timings: PathBuf,
    /// The times of a run, for as long as it takes to read them.
    pub(super) times: PathBuf,
    /// What was built, as JSON; the engine counts only with it.
    built: PathBuf,
}

impl EngineFiles {
    /// The files of this build of this model by this program.
    pub(super) fn new(compilation: &Compilation, version: &str, flags: &[String]) -> Self {
        let mut hasher = Sha256::new();
        for part in [&compilation.model_sha256, version, &compilation.platform, &flags.join(" ")] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let digest = HEXLOWER.encode(&hasher.finalize());
        let name = format!("{}-{}", &digest[..NAME_DIGITS], compilation.build);
        let file = |ending: &str| compilation.folder.join(format!("{name}.{ending}"));
        Self {
            engine: file("engine"),
            partial: file("partial"),
            timings: file("timings"),
            times: file("times"),
            built: file("json"),
        }
    }

    /// What was built before, where its engine is whole.
    pub(super) fn kept(&self) -> Option<Built> {
        let built: Built = serde_json::from_slice(&fs_err::read(&self.built).ok()?).ok()?;
        let size = fs_err::metadata(&self.engine).ok()?.len();
        (size == built.size_bytes).then_some(Built { is_kept: true, ..built })
    }

    /// Keep what was just written.
    pub(super) fn keep(&self, built: &Built) -> io::Result<()> {
        fs_err::rename(&self.partial, &self.engine)?;
        fs_err::write(&self.built, serde_json::to_vec(built).map_err(io::Error::other)?)
    }

    /// Size of the engine that was just written, where there is one.
    pub(super) fn written_bytes(&self) -> Option<u64> {
        fs_err::metadata(&self.partial).ok().map(|stat| stat.len())
    }

    /// Forget an engine that does not run.
    pub(super) fn drop_engine(&self) {
        for file in [&self.built, &self.engine, &self.partial] {
            // What stays is found not to fit again.
            let _ = fs_err::remove_file(file);
        }
    }
}

/// Where the answer of this very program to `--help` is kept; `None` where it can not be looked at.
pub(super) fn help_file(folder: &Path, program: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let stat = fs_err::metadata(program).ok()?;
    let mut hasher = Sha256::new();
    hasher.update(program.as_os_str().as_encoded_bytes());
    hasher.update(format!("\0{} {} {}", stat.len(), stat.mtime(), stat.mtime_nsec()));
    Some(folder.join(format!("{}.help", &HEXLOWER.encode(&hasher.finalize())[..NAME_DIGITS])))
}
