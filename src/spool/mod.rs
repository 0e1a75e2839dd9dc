//! The spool: from a file in the inbox to a durable claim, and from a finished bundle to the outbox, without
//! loss.
//!
//! Everything is in one folder, because a rename fails between mounts:
//!
//! ```text
//! inbox/                     people drop job and model files here
//! spool/lock                 held while a daemon owns the spool
//! spool/format               the version of all this (module `format`)
//! spool/identity             this spool's random tag and the next arrival number
//! spool/queue/ID~job~NAME    claimed jobs; the rename into this folder is the claim
//! spool/journal/ID.jsonl     what happened to a job since (module `journal`)
//! spool/models/SHA256        copies of model files (module `models`)
//! spool/ready/               finished bundles, durable, not published yet
//! spool/done/ID~job~NAME     job files of finished jobs, for `retry`
//! spool/control/             requests of commands: `paused`, `cancel~NAME`, `retry~NAME`
//! outbox/                    published bundles; collectors may remove them at any moment
//! ```
//!
//! **Claim**: open, fsync the file, check that it did not change, rename, fsync both folders. That is three
//! sync calls; claims made together share them. Nothing acts on a file before its claim. **Publication**: the
//! daemon writes and fsyncs the bundle in `ready/` and records that in the journal; the rename into the
//! outbox *is* the publication. After a crash the same name with the same bytes may appear again, but never
//! other bytes, and a bundle is never lost.
//!
//! Deciding ([`plan`]) is separate from doing ([`claim`], [`publish`]); neither knows the content of a job.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err::File;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::error::Hint;
use crate::guarded::{self, Synced};

mod claim;
mod clear;
mod folder;
mod format;
pub mod journal;
mod lease;
mod models;
pub mod names;
pub mod plan;
mod publish;
pub(crate) mod watch;

pub use claim::Claimed;
pub(crate) use clear::clear;
pub use folder::Folder;
pub use models::hash;
pub(crate) use models::{Begun, Copy, CopyError, LAID_OUT, ModelStore, NoRoom, Slice, spare_bytes};
pub use publish::Published;

use journal::{Journal, Progress};
use names::{Entry, JobId};

/// How many arrival numbers to reserve on disk at once, so that not every claim writes one. A crash skips at
/// most this many.
const RESERVED_NUMBERS: u64 = 1000;

/// No bundle is larger, even uncompressed.
const LARGEST_READY_BYTES: u64 = 256 << 20;

/// A daemon that was killed while starting a worker leaves a child that holds its locks until it executes the
/// worker's program: some milliseconds, or more on a busy machine.
const LEFT_BEHIND_FOR: Duration = Duration::from_secs(1);

/// How often to try a lock meanwhile.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Folders of a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The inbox.
    pub inbox: PathBuf,
    /// The spool itself.
    pub spool: PathBuf,
    /// The outbox.
    pub outbox: PathBuf,
}

/// An open, locked spool.
#[derive(Debug)]
pub struct Spool {
    /// The inbox.
    pub inbox: Folder,
    /// Claimed jobs.
    queue: Folder,
    ready: Folder,
    done: Folder,
    control: Folder,
    journal: Folder,
    outbox: PathBuf,
    /// Copies of model files.
    pub models: ModelStore,
    identity: Identity,
    /// What is in its folders and is not of a spool.
    oddities: Vec<Unexpected>,
    /// Keeps the lock.
    lock: File,
}

/// What opening a spool finds.
#[derive(Debug, Default)]
pub struct AtStart {
    /// Claimed jobs, in order of arrival.
    pub entries: Vec<Entry>,
    /// Names of bundles in `ready/`.
    pub ready: Vec<String>,
}

/// Something in the spool that no program of ours puts there, or a folder that was gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unexpected {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// What is wrong with it, and what to do.
    pub(crate) why: String,
}

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("cannot lock the spool {}: another backbone (process {owner}) uses it", spool.display())]
    Locked {
        /// The spool.
        spool: PathBuf,
        /// Its process id, as it wrote it.
        owner: String,
    },
    /// Another spool uses the inbox.
    #[error("cannot use the inbox {}: another backbone with its own spool uses it", inbox.display())]
    InboxTaken {
        /// The inbox.
        inbox: PathBuf,
    },
    /// Files cannot be renamed from the inbox to the spool.
    #[error("cannot rename files from {} to {}", inbox.display(), spool.display())]
    NotOneFileSystem {
        /// The inbox.
        inbox: PathBuf,
        /// The spool.
        spool: PathBuf,
        /// The error of rename.
        #[source]
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error(
        "cannot read the spool {}: a newer backbone wrote it (format {found}, and this one reads up to {})",
        spool.display(), format::SPOOL_FORMAT
    )]
    Newer {
        /// The spool.
        spool: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A folder is missing or inaccessible.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Hint for OpenError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Locked { .. } | Self::InboxTaken { .. } => {
                "stop the other one, or give this one its own inbox".to_owned()
            }
            Self::NotOneFileSystem { .. } => {
                "put inbox and spool into one folder on one mount; a bind mount counts as another mount"
                    .to_owned()
            }
            Self::Newer { .. } => {
                "install the newer version again, or let it finish every job first and remove the \
                                   spool then"
                    .to_owned()
            }
            Self::Folder { path, .. } => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                format!("check that {} exists, is mounted and is writable by this user", parent.display())
            }
        })
    }
}

impl Spool {
    /// Open the spool: create its folders, acquire its lock, and read its content.
    ///
    /// # Errors
    /// Another process uses the spool or the inbox, a folder is inaccessible, or inbox and spool are on
    /// different file systems.
    pub fn open(places: &Places) -> Result<(Self, AtStart), OpenError> {
        let open = |path: &Path| {
            Folder::open_or_create(path).map_err(|source| OpenError::Folder { path: path.to_owned(), source })
        };
        let spool = open(&places.spool)?;
        let lock = lock(&places.spool)?;
        format::keep(&spool)?;
        let mut inbox = open(&places.inbox)?;
        if !within(LEFT_BEHIND_FOR, || inbox.take()) {
            return Err(OpenError::InboxTaken { inbox: places.inbox.clone() });
        }
        let outbox = open(&places.outbox)?;
        let mut queue = open(&spool.join("queue"))?;
        let distrusted = inbox.group_of_droppers().map(|group| {
            inbox.distrust_hard_links(group);
            queue.distrust_hard_links(group);
        });
        distrusted.map_err(|source| OpenError::Folder { path: places.inbox.clone(), source })?;
        probe_rename(&inbox, &queue).map_err(|source| OpenError::NotOneFileSystem {
            inbox: places.inbox.clone(),
            spool: places.spool.clone(),
            source,
        })?;
        let journal = open(&spool.join("journal"))?;
        let ready = open(&spool.join("ready"))?;
        let done = open(&spool.join("done"))?;
        let control = open(&spool.join("control"))?;
        let models = ModelStore::new(open(&spool.join("models"))?);
        let failed = |source| OpenError::Folder { path: places.spool.clone(), source };
        let mut entries: Vec<Entry> =
            queue.names().map_err(failed)?.iter().filter_map(|name| Entry::parse(name)).collect();
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        let mut oddities = Vec::new();
        let ready_names = publish::clean_ready(&ready, &mut oddities).map_err(failed)?;
        // A killed process may have changed names without syncing them; a power cut must not undo what this
        // process relies on.
        for folder in [&spool, &inbox, &queue, &journal, &ready, &done] {
            folder.sync().map_err(|source| OpenError::Folder { path: folder.path().to_owned(), source })?;
        }
        let retired = done
            .names()
            .map_err(failed)?
            .iter()
            .filter_map(|name| Entry::parse(name))
            .map(|entry| entry.id.number)
            .max();
        let newest = entries.last().map(|entry| entry.id.number).max(retired).unwrap_or(0);
        let identity = Identity::open(&spool, newest).map_err(failed)?;
        // What a killed process was copying or writing there.
        outbox
            .sweep(|name| JobId::of_bundle(name).is_some_and(|(id, _)| id.tag == identity.tag))
            .map_err(failed)?;
        spool.sweep(|name| [IDENTITY, format::FILE].contains(&name)).map_err(failed)?;
        let outbox = places.outbox.clone();
        let mut spool =
            Self { inbox, queue, ready, done, control, journal, outbox, models, identity, oddities, lock };
        spool.remove_orphan_journals(&entries).map_err(failed)?;
        Ok((spool, AtStart { entries, ready: ready_names }))
    }

    /// A job's journal.
    pub fn journal(&self, id: &JobId) -> Journal {
        Journal::at(&self.journal.join(format!("{id}.jsonl")))
    }

    /// Make durable what the journals of these jobs say of their files: a power cut must not let a job take
    /// the files of the inbox again, which may be other ones by then, or torn.
    ///
    /// # Errors
    /// The disk refused.
    pub(crate) fn sync_journals(&self, jobs: &[JobId]) -> io::Result<()> {
        if jobs.len() >= claim::SHARED_SYNC_FROM {
            return self.journal.sync_file_system();
        }
        jobs.iter().try_for_each(|job| match self.journal(job).sync() {
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        })
    }

    /// What a job's journal says.
    ///
    /// # Errors
    /// It cannot be read. Not to be taken for empty: what was measured would be measured again.
    pub(crate) fn progress(&self, id: &JobId) -> io::Result<Progress> {
        self.journal(id).read().map(Progress::of)
    }

    /// When a job was claimed: the time of its file's last rename.
    pub(crate) fn claimed_at(&self, entry: &Entry) -> Option<String> {
        let stat = self.queue.entry(OsStr::new(&entry.name()))?;
        jiff::Timestamp::from_nanosecond(stat.changed_ns).ok().map(|time| time.to_string())
    }

    /// The folder for requests of commands.
    pub fn control(&self) -> &Folder {
        &self.control
    }

    /// Path of a claimed job's file.
    pub fn queued_path(&self, entry: &Entry) -> PathBuf {
        self.queue.join(entry.name())
    }

    /// The folder of claimed jobs.
    pub fn queue(&self) -> &Folder {
        &self.queue
    }

    /// State of a bundle that is ready.
    pub(crate) fn ready_entry(&self, name: &str) -> Option<plan::Stat> {
        self.ready.entry(OsStr::new(name))
    }

    /// Bytes of a bundle that is ready.
    ///
    /// # Errors
    /// It is unreadable.
    pub(crate) fn read_ready(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        self.ready.read_file(name, LARGEST_READY_BYTES)
    }

    /// Job files of finished jobs.
    pub fn done(&self) -> &Folder {
        &self.done
    }

    /// Open the inbox again after it disappeared and came back.
    ///
    /// # Errors
    /// It is not back, or files cannot be renamed from it.
    pub(crate) fn reopen_inbox(&mut self) -> io::Result<()> {
        let mut inbox = Folder::open(self.inbox.path())?;
        let droppers = inbox.group_of_droppers()?;
        inbox.distrust_hard_links(droppers);
        if !inbox.take() {
            return Err(io::Error::other("another backbone uses it"));
        }
        probe_rename(&inbox, &self.queue)?;
        self.inbox = inbox;
        Ok(())
    }

    /// Queue a finished job again, as a new job that arrives now.
    ///
    /// # Errors
    /// The job file is gone, or the rename failed.
    pub fn requeue(&mut self, entry: &Entry) -> io::Result<Entry> {
        let again =
            Entry { id: self.identity.next()?, kind: names::EntryKind::Job, file: entry.file.clone() };
        self.done.rename(entry.name().as_ref(), &self.queue, again.name().as_ref())?;
        self.queue.sync()?;
        self.done.sync()?;
        Ok(again)
    }

    /// From now on ids have another tag: this spool came with a copied image, and its original goes on with
    /// the tag that it has.
    ///
    /// # Errors
    /// The disk refuses, or there are no random numbers.
    pub(crate) fn renew_tag(&mut self) -> io::Result<()> {
        self.identity.tag = guarded::random_letters(TAG_LETTERS)?;
        self.identity.write(self.identity.next)
    }

    fn remove_orphan_journals(&mut self, entries: &[Entry]) -> io::Result<()> {
        for name in self.journal.names()? {
            let id = name.to_str().and_then(|name| JobId::parse(name.strip_suffix(".jsonl")?));
            if id.is_none_or(|id| entries.binary_search_by(|entry| entry.id.cmp(&id)).is_err()) {
                remove_or_note(&self.journal, &name, &mut self.oddities);
            }
        }
        Ok(())
    }

    /// Remove copies of models that no job uses, and incomplete ones.
    ///
    /// # Errors
    /// The folder is unreadable.
    pub fn remove_unused_models(&mut self) -> io::Result<()> {
        self.models.remove_unused(&mut self.oddities)
    }

    /// What is in its folders and does not belong there, and folders that were gone.
    pub(crate) fn oddities(&self) -> impl Iterator<Item = &Unexpected> {
        self.oddities.iter()
    }

    /// Make the spool's folders again that somebody removed or replaced, and say so in [`Spool::oddities`].
    /// Returns whether there was any.
    ///
    /// # Errors
    /// The folder, and why it cannot be made: the spool itself is gone, for example.
    pub(crate) fn restore_folders(&mut self) -> Result<bool, (PathBuf, io::Error)> {
        let folders =
            [&mut self.queue, &mut self.journal, &mut self.ready, &mut self.done, &mut self.control];
        let mut any = false;
        for folder in
            folders.into_iter().chain([self.models.folder()]).filter(|folder| !folder.is_still_there())
        {
            let path = folder.path().to_owned();
            let droppers = folder.droppers();
            *folder = Folder::open_or_create(&path).map_err(|error| (path.clone(), error))?;
            folder.distrust_hard_links(droppers);
            let why = "was removed while the daemon ran, and made again; what was in it is lost unless it is moved back";
            log::error!("{} {why}", path.display());
            if !self.oddities.iter().any(|known| known.path == path) {
                self.oddities.push(Unexpected { path, why: why.to_owned() });
            }
            any = true;
        }
        Ok(any)
    }
}

/// Remove a file that is of no use any more. What cannot be removed, such as a folder, is noted and gets a
/// name that no file of ours will ever need.
fn remove_or_note(folder: &Folder, name: &OsStr, oddities: &mut Vec<Unexpected>) {
    if let Err(error) = folder.remove(name) {
        let path = guarded::set_aside(folder, name).unwrap_or_else(|_| name.to_owned());
        let path = folder.join(path);
        let why = format!("does not belong there and cannot be removed ({error}); remove it");
        log::warn!("{} {why}", path.display());
        oddities.push(Unexpected { path, why });
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // The kernel would do this on close, but a forked child that is still starting may keep the file
        // open.
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
        self.inbox.give_back();
    }
}

/// The process that owns the spool in this folder, if one is alive. For commands, which only look.
pub fn owner(spool: &Path) -> Option<String> {
    let mut file = guarded::open_path(&spool.join("lock")).ok()?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => None,
        Err(_) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).ok()?;
            Some(owner.trim().to_owned())
        }
    }
}

/// Does an error say that the host is short of something, and nothing about the file? The next attempt may
/// work.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::NOBUFS];
    errno.is_some_and(|errno| short.contains(&errno))
}

fn lock(spool: &Path) -> Result<File, OpenError> {
    let path = spool.join("lock");
    let failed = |source| OpenError::Folder { path: spool.to_owned(), source };
    match guarded::create_path(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let mut file = guarded::open_to_write(&path).map_err(failed)?;
    let take = || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    if !take() {
        let mut owner = String::new();
        (&file).read_to_string(&mut owner).map_err(failed)?;
        let owner = owner.trim().to_owned();
        let is_alive = !owner.is_empty() && Path::new("/proc").join(&owner).exists();
        if is_alive || !within(LEFT_BEHIND_FOR, take) {
            return Err(OpenError::Locked { spool: spool.to_owned(), owner });
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(file)
}

/// Try until it works or the time is up.
fn within(time: Duration, mut works: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if works() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN_AFTER);
    }
}

/// The name that the file of [`probe_rename`] never gets.
const PROBE: &str = "backbone-probe";

/// Check that claims are possible: rename an empty file from the inbox to the queue, then remove it.
fn probe_rename(inbox: &Folder, queue: &Folder) -> io::Result<()> {
    for folder in [inbox, queue] {
        folder.sweep(|name| name == PROBE)?;
    }
    let file = inbox.new_file(OsStr::new(PROBE))?;
    let name = file.name().to_owned();
    inbox.rename(&name, queue, &name)?;
    queue.remove(&name)
}

/// The file with the spool's tag and numbers, and more than it ever has.
const IDENTITY: &str = "identity";
const LARGEST_IDENTITY_BYTES: u64 = 4096;

/// Letters of a tag: 32^6 tags, a thousand million, so that no two devices of a rack share one.
const TAG_LETTERS: usize = 6;

/// The spool's tag, and arrival numbers.
#[derive(Debug)]
struct Identity {
    /// The spool.
    folder: PathBuf,
    tag: String,
    next: u64,
    reserved_below: u64,
}

impl Identity {
    /// Read the file, or start a new one. `newest` is the highest number in use.
    fn open(folder: &Folder, newest: u64) -> io::Result<Self> {
        let text = match folder.read_file(IDENTITY.as_ref(), LARGEST_IDENTITY_BYTES) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let read = text
            .trim()
            .split_once(' ')
            .and_then(|(tag, number)| Some((tag.to_owned(), number.parse().ok()?)));
        let (tag, number) = match read {
            Some(read) => read,
            None => (guarded::random_letters(TAG_LETTERS)?, 1),
        };
        let next = number.max(newest + 1);
        Ok(Self { folder: folder.path().to_owned(), tag, next, reserved_below: next })
    }

    /// The next job's id.
    fn next(&mut self) -> io::Result<JobId> {
        if self.next >= self.reserved_below {
            self.write(self.next + RESERVED_NUMBERS)?;
        }
        let id = JobId { number: self.next, tag: self.tag.clone() };
        self.next += 1;
        Ok(id)
    }

    /// Durably: numbers below the written one are never used again.
    fn write(&mut self, reserved_below: u64) -> io::Result<()> {
        let text = format!("{} {reserved_below}\n", self.tag);
        guarded::write(&self.folder, IDENTITY, text.as_bytes(), Synced::Yes)?;
        self.reserved_below = reserved_below;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
