//! Copies of model files, one for each content, under the SHA-256 of their bytes.
//!
//! A copy is made when a job takes its model, so that overwriting the inbox file later concerns later jobs only. It is a
//! reflink where the file system can, never a hard link: `scp` writes into the same inode. Copies are not synced; after a
//! restart each is read and checked once before it is used, and taken from the inbox again if a power cut tore it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::folder::{Folder, stat_of_file};
use super::journal::BoundModel;
use super::names::JobId;
use super::plan::{FileKind, Stat};

/// Bytes read at once while hashing: large enough that system calls do not matter, small enough for an idle daemon.
const CHUNK_BYTES: usize = 128 * 1024;

/// Digests remembered for inbox files that did not change since. More than a study's worth of models.
const REMEMBERED_DIGESTS: usize = 256;

/// How names of generated models begin.
const GENERATED: &str = ".generated.";

/// The folder `spool/models/` and who uses what in it.
#[derive(Debug)]
pub struct ModelStore {
    folder: Folder,
    users: BTreeMap<String, BTreeSet<JobId>>,
    /// Copies whose bytes this process has seen.
    verified: BTreeSet<String>,
    /// Digest by state of an inbox file, so that a thousand jobs on one model hash it once.
    digests: BTreeMap<(u64, u64, i128, i128), String>,
}

impl ModelStore {
    /// Take over the folder; what nobody claims by [`ModelStore::claim`] is removed by [`ModelStore::remove_unused`].
    pub fn new(folder: Folder) -> Self {
        Self { folder, users: BTreeMap::new(), verified: BTreeSet::new(), digests: BTreeMap::new() }
    }

    /// Path of a copy.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// Note that a job uses a copy.
    pub fn claim(&mut self, sha256: &str, job: &JobId) {
        self.users.entry(sha256.to_owned()).or_default().insert(job.clone());
    }

    /// A job is done with all its copies; those that nobody else uses are removed.
    pub fn release(&mut self, job: &JobId) {
        let mut unused = Vec::new();
        self.users.retain(|sha256, jobs| {
            if jobs.remove(job) && jobs.is_empty() {
                unused.push(sha256.clone());
            }
            !jobs.is_empty()
        });
        for sha256 in unused {
            self.verified.remove(&sha256);
            // A copy that stays behind is removed at the next start.
            let _ = self.folder.remove(OsStr::new(&sha256));
        }
    }

    /// Remove copies that no job uses, and half-made ones.
    ///
    /// # Errors
    /// The folder can not be read.
    pub fn remove_unused(&mut self) -> io::Result<()> {
        for name in self.folder.names()? {
            if !name.to_str().is_some_and(|name| self.users.contains_key(name)) {
                self.folder.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Copy a whole inbox file, hashing it on the way. `None` where it changed meanwhile.
    ///
    /// # Errors
    /// It can not be read, or the copy not be written.
    pub fn copy(
        &mut self,
        inbox: &Folder,
        name: &OsStr,
        expected: &Stat,
        job: &JobId,
    ) -> io::Result<Option<BoundModel>> {
        let source = inbox.open_file(name)?;
        let before = stat_of_file(&source)?;
        if before.kind != FileKind::Regular || !before.same_content(expected) {
            return Ok(None);
        }
        let file = name.to_string_lossy().into_owned();
        let key = (before.inode, before.size, before.modified_ns, before.changed_ns);
        if let Some(sha256) = self.digests.get(&key).filter(|sha256| self.verified.contains(*sha256)).cloned()
        {
            self.claim(&sha256, job);
            return Ok(Some(BoundModel { file, sha256, size_bytes: before.size }));
        }
        let temporary = self.folder.join(format!(".{job}.copy"));
        let copied = copy_and_hash(&source, &temporary);
        let after = stat_of_file(&source)?;
        let Ok(sha256) = copied else {
            let _ = fs_err::remove_file(&temporary);
            return copied.map(|_| None);
        };
        if !after.same_content(&before) {
            fs_err::remove_file(&temporary)?;
            return Ok(None);
        }
        fs_err::rename(&temporary, self.folder.join(&sha256))?;
        if self.digests.len() >= REMEMBERED_DIGESTS {
            self.digests.clear();
        }
        self.digests.insert(key, sha256.clone());
        self.verified.insert(sha256.clone());
        self.claim(&sha256, job);
        Ok(Some(BoundModel { file, sha256, size_bytes: before.size }))
    }

    /// Write a model that a configuration of a study needs now. It stays until [`ModelStore::remove_generated`]; what a killed
    /// process leaves is removed at the next start, because its name begins with a dot.
    ///
    /// # Errors
    /// The disk is full or broken; nothing of the file is left.
    pub(crate) fn generate(
        &self,
        file: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<(PathBuf, BoundModel)> {
        let path = self.folder.join(format!("{GENERATED}{file}"));
        let written = (|| {
            let mut output = Hashing {
                inner: BufWriter::new(fs_err::File::create(&path)?),
                hasher: Sha256::new(),
                bytes: 0,
            };
            write(&mut output)?;
            output.flush()?;
            let sha256 = data_encoding::HEXLOWER.encode(&output.hasher.finalize());
            Ok(BoundModel { file: file.to_owned(), sha256, size_bytes: output.bytes })
        })();
        if written.is_err() {
            self.remove_generated();
        }
        written.map(|model| (path, model))
    }

    /// Remove what [`ModelStore::generate`] wrote.
    pub(crate) fn remove_generated(&self) {
        for name in self.folder.names().unwrap_or_default() {
            if name.to_str().is_some_and(|name| name.starts_with(GENERATED)) {
                // What stays is removed at the next start.
                let _ = self.folder.remove(&name);
            }
        }
    }

    /// Is the copy there with the bytes its name says? Reads it once for each process.
    pub fn verify(&mut self, sha256: &str) -> bool {
        if self.verified.contains(sha256) {
            return true;
        }
        let sound = fs_err::File::open(self.path(sha256))
            .and_then(|mut file| hash(&mut file, &mut io::sink()))
            .is_ok_and(|digest| digest == sha256);
        if sound {
            self.verified.insert(sha256.to_owned());
        }
        sound
    }
}

/// Hashes what is written through it.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copy an open file to a new path, by reflink where the file system can; returns the SHA-256 of the copy's bytes.
fn copy_and_hash(source: &OwnedFd, to: &std::path::Path) -> io::Result<String> {
    let options = { fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(true).clone() };
    let mut copy = options.open(to)?;
    if rustix::fs::ioctl_ficlone(&copy, source).is_ok() {
        // The clone's bytes can not change any more; hash those, not the source's.
        return hash(&mut copy, &mut io::sink());
    }
    let mut source = std::fs::File::from(source.try_clone()?);
    hash(&mut source, &mut copy)
}

/// SHA-256, in lower-case hex, of everything that `from` gives, copied to `to` on the way.
pub fn hash(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
    }
    Ok(data_encoding::HEXLOWER.encode(&hasher.finalize()))
}
