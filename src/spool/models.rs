//! Copies of model files, one per content, named by the SHA-256 of their bytes.
//!
//! A job copies its model when it takes it, so that overwriting the inbox file affects later jobs only. The
//! copy is a reflink if the file system supports that, never a hard link, because `scp` writes into the same
//! inode. Copies are not synced: after a restart each is read and checked once before its use, and copied
//! from the inbox again if a power cut tore it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::folder::{Folder, stat_of_file};
use super::journal::{BoundFile, BoundModel};
use super::names::JobId;
use super::plan::{FileKind, Stat};

/// Bytes to read at once while hashing: large enough that system calls do not matter, small enough for an
/// idle daemon.
const CHUNK_BYTES: usize = 128 * 1024;

/// How many digests of unchanged inbox files to remember: more than a study has models.
const REMEMBERED_DIGESTS: usize = 256;

/// Prefix of the names of generated models.
const GENERATED: &str = ".generated.";

/// The folder `spool/models/`, and which jobs use which copy.
#[derive(Debug)]
pub struct ModelStore {
    folder: Folder,
    users: BTreeMap<String, BTreeSet<JobId>>,
    /// Copies that this process has checked.
    verified: BTreeSet<String>,
    /// Digest by state of the inbox file, so that a thousand jobs with one model hash it once.
    digests: BTreeMap<(u64, u64, i128, i128), String>,
}

impl ModelStore {
    /// Use the folder. [`ModelStore::remove_unused`] removes what no job has claimed with
    /// [`ModelStore::claim`].
    pub fn new(folder: Folder) -> Self {
        Self { folder, users: BTreeMap::new(), verified: BTreeSet::new(), digests: BTreeMap::new() }
    }

    /// Path of a copy.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// Record that a job uses a copy.
    pub fn claim(&mut self, sha256: &str, job: &JobId) {
        self.users.entry(sha256.to_owned()).or_default().insert(job.clone());
    }

    /// Release a job's copies; remove those that no other job uses.
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
            // The next start removes a copy that remains.
            let _ = self.folder.remove(OsStr::new(&sha256));
        }
    }

    /// Remove copies that no job uses, and incomplete ones.
    ///
    /// # Errors
    /// The folder is unreadable.
    pub fn remove_unused(&mut self) -> io::Result<()> {
        for name in self.folder.names()? {
            if !name.to_str().is_some_and(|name| self.users.contains_key(name)) {
                self.folder.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Copy a complete inbox file and hash it on the way. `None` if it changed meanwhile.
    ///
    /// # Errors
    /// The file is unreadable, or the copy cannot be written.
    pub fn copy(
        &mut self,
        inbox: &Folder,
        name: &OsStr,
        expected: &Stat,
        job: &JobId,
    ) -> io::Result<Option<BoundFile>> {
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
            return Ok(Some(bound(file, sha256, &before)));
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
        Ok(Some(bound(file, sha256, &before)))
    }

    /// Write a generated model. It stays until [`ModelStore::remove_generated`]; the next start removes what
    /// a killed process leaves, because its name begins with a dot.
    ///
    /// # Errors
    /// The disk is full or broken; no part of the file remains.
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
            let main =
                BoundFile { file: file.to_owned(), sha256, size_bytes: output.bytes, modified_ns: None };
            Ok(BoundModel { main, parts: Vec::new() })
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
                // The next start removes what remains.
                let _ = self.folder.remove(&name);
            }
        }
    }

    /// Does the copy exist with the digest that its name says? Reads each copy once per process.
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

fn bound(file: String, sha256: String, stat: &Stat) -> BoundFile {
    BoundFile { file, sha256, size_bytes: stat.size, modified_ns: i64::try_from(stat.modified_ns).ok() }
}

/// Hashes everything written through it.
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

/// Copy an open file to a new path, by reflink if the file system supports it. Returns the SHA-256 of the
/// copy.
fn copy_and_hash(source: &OwnedFd, to: &std::path::Path) -> io::Result<String> {
    let options = { fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(true).clone() };
    let mut copy = options.open(to)?;
    if rustix::fs::ioctl_ficlone(&copy, source).is_ok() {
        // Hash the clone, whose bytes cannot change any more, not the source.
        return hash(&mut copy, &mut io::sink());
    }
    let mut source = std::fs::File::from(source.try_clone()?);
    hash(&mut source, &mut copy)
}

/// SHA-256 of everything read from `from`, in lower-case hex; copies it to `to` on the way.
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
