//! The files of the turn that is measured, under the names that they had when they were dropped.
//!
//! A copy in the spool is named by its digest. That is enough for a model of one file, but a model that
//! refers to further files finds them by name in its own folder. So such files get their names back for one
//! turn, in a folder of the store: as hard links, which is safe because nothing writes into a copy. A network
//! that is generated for its turn is written there too.

use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::ModelStore;
use super::copy::hash_with;
use crate::spool::journal::BoundFile;

/// Name of the folder. The next start removes what a killed process leaves in it, because no digest is named
/// like this.
pub(crate) const FOLDER: &str = ".turn";

impl ModelStore {
    /// Give the files their names back in the folder of the turn; its path. `pulse` is called while bytes
    /// move, and its error ends it.
    ///
    /// # Errors
    /// The disk refuses; nothing remains.
    pub(crate) fn lay_out<'a>(
        &self,
        files: impl Iterator<Item = &'a BoundFile>,
        pulse: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<PathBuf> {
        let folder = self.turn_folder()?;
        for file in files {
            let placed = in_folder(&folder, &file.file)
                .and_then(|to| link_or_copy(&self.path(&file.sha256), &to, pulse));
            if placed.is_err() {
                self.end_turn();
            }
            placed?;
        }
        Ok(folder)
    }

    /// Write a file of a generated model, under its name. It stays until [`ModelStore::end_turn`].
    ///
    /// # Errors
    /// The disk is full or broken, or `pulse` ends it; no part of the file remains.
    pub(crate) fn generate(
        &self,
        file: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        pulse: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<(PathBuf, BoundFile)> {
        let path = in_folder(&self.turn_folder()?, file)?;
        let written = (|| {
            let mut output = Hashing {
                inner: BufWriter::new(fs_err::File::create(&path)?),
                hasher: Sha256::new(),
                bytes: 0,
                pulse,
            };
            write(&mut output)?;
            output.flush()?;
            let sha256 = data_encoding::HEXLOWER.encode(&output.hasher.finalize());
            Ok(BoundFile { file: file.to_owned(), sha256, size_bytes: output.bytes, modified_ns: None })
        })();
        if written.is_err() {
            self.end_turn();
        }
        written.map(|model| (path, model))
    }

    /// Remove what [`ModelStore::lay_out`] and [`ModelStore::generate`] wrote.
    pub(crate) fn end_turn(&self) {
        let folder = self.folder.join(FOLDER);
        if folder.exists() {
            // The next start removes what remains.
            let _ = fs_err::remove_dir_all(folder);
        }
    }

    fn turn_folder(&self) -> io::Result<PathBuf> {
        let folder = self.folder.join(FOLDER);
        match fs_err::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(folder),
        }
    }
}

/// The path of a bare name. Names come from uploads and were checked before; here a mistake in that would
/// write outside of the spool.
fn in_folder(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => Ok(folder.join(only)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is not a bare file name"))),
    }
}

/// A hard link, or a copy on a file system without them.
fn link_or_copy(from: &Path, to: &Path, pulse: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    match fs_err::hard_link(from, to) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    hash_with(&mut fs_err::File::open(from)?, &mut fs_err::File::create(to)?, pulse).map(|_| ())
}

/// Hashes everything written through it.
struct Hashing<'a, W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
    pulse: &'a mut dyn FnMut() -> io::Result<()>,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.pulse)()?;
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
