//! A folder held open: every operation is relative to one descriptor. A folder that was replaced by another
//! cannot be confused with it, and looking does not open the folder again, which would wake its watchers.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::lease;
use super::plan::{Disk, FileKind, Stat, Writers};
use crate::guarded::{self, NewFile};

/// A folder held open by descriptor.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    descriptor: OwnedFd,
    inode: (u64, u64),
    /// Set for folders with files that others dropped: their group.
    droppers: Option<u32>,
}

impl Folder {
    /// Open an existing folder.
    ///
    /// # Errors
    /// It does not exist, is not a folder, or is not readable.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&descriptor)?;
        Ok(Self { path: path.to_owned(), descriptor, inode: (stat.st_dev, stat.st_ino), droppers: None })
    }

    /// Create the folder if it is missing, and open it. Not `create_dir_all`: a missing parent means that a
    /// disk is not mounted, and we would fill the disk below.
    ///
    /// # Errors
    /// As [`Folder::open`], or the folder cannot be created.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        match fs_err::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Self::open(path)
    }

    /// Lock the folder for this process, until it is given back or closed. False if another process has it.
    /// True also if the file system cannot lock folders (NFS), because then it is unknown.
    pub fn take(&self) -> bool {
        let taken = rustix::fs::flock(&self.descriptor, FlockOperation::NonBlockingLockExclusive);
        taken != Err(Errno::WOULDBLOCK)
    }

    /// Unlock the folder.
    pub(crate) fn give_back(&self) {
        // If it cannot be locked, there is nothing to unlock.
        let _ = rustix::fs::flock(&self.descriptor, FlockOperation::Unlock);
    }

    /// Its path when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of an entry, for messages and for libraries that want paths.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Does the path still lead to the open folder?
    pub(crate) fn is_still_there(&self) -> bool {
        rustix::fs::stat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.inode)
    }

    /// Names of all entries.
    ///
    /// # Errors
    /// The folder is unreadable.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        guarded::names(&self.descriptor)
    }

    /// The group whose members drop files here; `None` if only the owner does.
    pub(super) fn group_of_droppers(&self) -> io::Result<Option<u32>> {
        let stat = rustix::fs::fstat(&self.descriptor)?;
        let others_write = stat.st_mode & (Mode::WGRP | Mode::WOTH).as_raw_mode() != 0;
        Ok(others_write.then_some(stat.st_gid))
    }

    /// From now on, a file with several names that such a group cannot read is no regular file: one of its
    /// members may have linked a file of another user here, for us to publish.
    pub(super) fn distrust_hard_links(&mut self, of_group: Option<u32>) {
        self.droppers = of_group;
    }

    pub(super) fn droppers(&self) -> Option<u32> {
        self.droppers
    }

    /// The entry with this name, without following links.
    pub fn entry(&self, name: &OsStr) -> Option<Stat> {
        let stat = rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_planted = self.droppers.is_some_and(|group| stat.st_nlink > 1 && !is_readable(&stat, group));
        let seen = stat_of(&stat);
        Some(if is_planted { Stat { kind: FileKind::Special, ..seen } } else { seen })
    }

    /// Open a regular file for reading. Never waits for a FIFO, never follows a link.
    ///
    /// # Errors
    /// It is missing, is not a regular file, or is not readable.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<OwnedFd> {
        Ok(guarded::open(&self.descriptor, name)?.into_parts().0.into())
    }

    /// All bytes of a regular file.
    ///
    /// # Errors
    /// As [`Folder::open_file`], or it has more than `limit_bytes`.
    pub(crate) fn read_file(&self, name: &OsStr, limit_bytes: u64) -> io::Result<Vec<u8>> {
        guarded::read(&self.descriptor, name, limit_bytes)
    }

    /// Create a file that is to be named `name`. Until then it has a temporary name, and goes when dropped.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn new_file(&self, name: &OsStr) -> io::Result<NewFile<BorrowedFd<'_>>> {
        NewFile::create(self.descriptor.as_fd(), name)
    }

    /// Remove the temporary files of earlier processes for which `is_ours` knows the name they were to get.
    ///
    /// # Errors
    /// The folder is unreadable.
    pub(crate) fn sweep(&self, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
        guarded::sweep(self.descriptor.as_fd(), is_ours)
    }

    /// Rename an entry into another folder of the same file system, in place of whatever has the name there.
    ///
    /// # Errors
    /// `EXDEV` between file systems; others as rename(2).
    pub fn rename(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> io::Result<()> {
        guarded::replace((&self.descriptor, name), (&to.descriptor, new_name))
    }

    /// Remove a file.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty())?)
    }

    /// Make renames, links and removals in this folder durable.
    ///
    /// # Errors
    /// As fsync(2).
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.descriptor)?)
    }

    /// Make everything on its file system durable, in one call for many files.
    ///
    /// # Errors
    /// As syncfs(2).
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.descriptor)?)
    }

    /// Bytes on its file system: available to us, and in total.
    ///
    /// # Errors
    /// As fstatvfs(3).
    pub fn space(&self) -> io::Result<(u64, u64)> {
        let space = rustix::fs::fstatvfs(&self.descriptor)?;
        Ok((space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize))
    }
}

/// State of an open file.
///
/// # Errors
/// As fstat(2).
pub(super) fn stat_of_file(file: impl AsFd) -> io::Result<Stat> {
    Ok(stat_of(&rustix::fs::fstat(file)?))
}

/// May every member of the group read it, by the mode alone?
fn is_readable(stat: &rustix::fs::Stat, group: u32) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    mode.contains(Mode::ROTH) || mode.contains(Mode::RGRP) && stat.st_gid == group
}

fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => FileKind::Regular,
        rustix::fs::FileType::Directory => FileKind::Folder,
        _ => FileKind::Special,
    };
    let nanoseconds = |seconds: i64, rest: u64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Stat {
        kind,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        changed_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Disk for &Folder {
    fn list(&mut self) -> io::Result<Vec<OsString>> {
        self.names()
    }

    fn stat(&mut self, name: &OsStr) -> Option<Stat> {
        self.entry(name)
    }

    fn writers(&mut self, name: &OsStr) -> Writers {
        self.open_file(name).map_or(Writers::Unknown, |file| lease::writers(file.as_fd()))
    }
}
