//! Copies of the files of jobs, one per content, named by the SHA-256 of their bytes.
//!
//! A job copies its models and other files when it takes them, so that overwriting the inbox file affects
//! later jobs only. The copy is a reflink if the file system supports that, never a hard link, because `scp`
//! writes into the same inode. A copy is durable before the job's journal names it. After a restart each is
//! read and checked once before its use all the same, and copied from the inbox again if it is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use super::folder::{Folder, stat_of_file};
use super::is_shortage;
use super::journal::BoundFile;
use super::names::JobId;
use super::plan::{FileKind, Stat};
use super::{Unexpected, remove_or_note};
use crate::guarded::{self, random_letters};

mod copy;
mod turn;

pub(crate) use turn::FOLDER as LAID_OUT;

pub(crate) use copy::{Copy, CopyError, NoRoom, Slice, spare_bytes};

/// Random letters in the name of an unfinished copy.
const RANDOM_LETTERS: usize = 16;

/// How many digests of unchanged inbox files to remember: more than a study has models.
const REMEMBERED_DIGESTS: usize = 256;

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

/// What beginning to copy a file comes to.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The same bytes are in the store already.
    There(BoundFile),
    /// It is to be copied.
    Copying(Box<Copy>),
    /// The file is not the expected one any more.
    Changed,
}

impl ModelStore {
    /// Use the folder. [`Spool::remove_unused_models`](super::Spool::remove_unused_models) removes what no
    /// job has claimed with [`ModelStore::claim`].
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
    pub(super) fn remove_unused(&mut self, oddities: &mut Vec<Unexpected>) -> io::Result<()> {
        self.end_turn();
        for name in self.folder.names()? {
            if !name.to_str().is_some_and(|name| self.users.contains_key(name)) {
                remove_or_note(&self.folder, &name, oddities);
            }
        }
        Ok(())
    }

    /// The folder itself, which may have to be opened again.
    pub(super) fn folder(&mut self) -> &mut Folder {
        &mut self.folder
    }

    /// The digest of an unchanged inbox file that is in the store.
    fn known(&self, stat: &Stat) -> Option<&String> {
        self.digests.get(&key(stat)).filter(|sha256| self.verified.contains(*sha256))
    }

    /// Bytes that copying a file in this state takes.
    pub(crate) fn bytes_to_copy(&self, stat: &Stat) -> u64 {
        if self.known(stat).is_some() { 0 } else { stat.size }
    }

    /// Begin to copy a complete inbox file for a job whose other files take `more_bytes`.
    ///
    /// # Errors
    /// The file is unreadable, or there is no space for all of them.
    pub(crate) fn begin(
        &mut self,
        inbox: &Folder,
        name: &OsStr,
        expected: &Stat,
        job: &JobId,
        more_bytes: u64,
    ) -> Result<Begun, CopyError> {
        let path = inbox.join(name);
        let source = match inbox.open_file(name) {
            Ok(source) => fs_err::File::from_parts(source.into(), path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Begun::Changed),
            Err(error) => return Err(error.into()),
        };
        let before = stat_of_file(&source)?;
        if before.kind != FileKind::Regular || !before.same_content(expected) {
            return Ok(Begun::Changed);
        }
        let file = name.to_string_lossy().into_owned();
        if let Some(sha256) = self.known(&before).cloned() {
            self.claim(&sha256, job);
            return Ok(Begun::There(bound(file, sha256, &before)));
        }
        let needed_bytes = before.size.saturating_add(more_bytes);
        let room = || Ok(NoRoom::check(needed_bytes, self.folder.space()?)?);
        let temporary = self.folder.join(format!(".{job}.copy.{}", random_letters(RANDOM_LETTERS)?));
        Ok(Begun::Copying(Box::new(Copy::begin(file, source, before, temporary, room)?)))
    }

    /// A copy has all its bytes: make it durable, and count the job among its users. `None` if the inbox file
    /// changed meanwhile.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub(crate) fn end(&mut self, copy: Copy, job: &JobId) -> io::Result<Option<BoundFile>> {
        let (file, before) = (copy.file.clone(), copy.before);
        let folder = &self.folder;
        let Some(sha256) = copy.finish(|sha256| folder.join(sha256))? else { return Ok(None) };
        if self.digests.len() >= REMEMBERED_DIGESTS {
            self.digests.clear();
        }
        self.digests.insert(key(&before), sha256.clone());
        self.verified.insert(sha256.clone());
        self.claim(&sha256, job);
        Ok(Some(bound(file, sha256, &before)))
    }

    /// Make the names of copies durable.
    ///
    /// # Errors
    /// As fsync(2).
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }

    /// Does the copy exist with the digest that its name says? Reads each copy once per process. `pulse` is
    /// called while bytes are read.
    ///
    /// # Errors
    /// Those of `pulse`; or the host is short of something and the copy cannot be read now.
    pub(crate) fn verify(
        &mut self,
        sha256: &str,
        pulse: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<bool> {
        if self.verified.contains(sha256) {
            return Ok(true);
        }
        let mut ended = None;
        let mut pulse = || pulse().map_err(|error| io::Error::from(*ended.insert(error.kind())));
        let digest = guarded::open_path(&self.path(sha256))
            .and_then(|mut file| copy::hash_with(&mut file, &mut io::sink(), &mut pulse));
        if let Some(kind) = ended {
            return Err(kind.into());
        }
        if let Err(error) = digest {
            return if is_shortage(&error) { Err(error) } else { Ok(false) };
        }
        let is_sound = digest.is_ok_and(|digest| digest == sha256);
        if is_sound {
            self.verified.insert(sha256.to_owned());
        }
        Ok(is_sound)
    }
}

#[cfg(test)]
impl ModelStore {
    /// Copy a whole file at once.
    pub(crate) fn copy(
        &mut self,
        inbox: &Folder,
        name: &OsStr,
        expected: &Stat,
        job: &JobId,
    ) -> io::Result<Option<BoundFile>> {
        let mut copy = match self.begin(inbox, name, expected, job, 0).map_err(io::Error::other)? {
            Begun::There(file) => return Ok(Some(file)),
            Begun::Changed => return Ok(None),
            Begun::Copying(copy) => copy,
        };
        while copy.advance(std::time::Instant::now())? == Slice::More {}
        self.end(*copy, job)
    }
}

fn key(stat: &Stat) -> (u64, u64, i128, i128) {
    (stat.inode, stat.size, stat.modified_ns, stat.changed_ns)
}

fn bound(file: String, sha256: String, stat: &Stat) -> BoundFile {
    BoundFile { file, sha256, size_bytes: stat.size, modified_ns: i64::try_from(stat.modified_ns).ok() }
}

/// SHA-256 of everything read from `from`, in lower-case hex; copies it to `to` on the way.
pub fn hash(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    copy::hash_with(from, to, &mut || Ok(()))
}
