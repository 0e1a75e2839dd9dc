//! A folder held open: every operation is relative to one descriptor. A folder that was replaced by another
//! cannot be confused with it, and looking does not open the folder again, which would wake its watchers.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use super::lease;
use super::plan::{Disk, FileKind, Stat, Writers};

/// A folder held open by descriptor.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    descriptor: OwnedFd,
    inode: (u64, u64),
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
        Ok(Self { path: path.to_owned(), descriptor, inode: (stat.st_dev, stat.st_ino) })
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
        rustix::fs::seek(&self.descriptor, SeekFrom::Start(0))?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
        let mut entries = RawDir::new(&self.descriptor, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// The entry with this name, without following links.
    pub fn entry(&self, name: &OsStr) -> Option<Stat> {
        rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat_of(&stat))
    }

    /// Open a regular file for reading. Never waits for a FIFO, never follows a link.
    ///
    /// # Errors
    /// It is missing, a link, or not readable.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())?)
    }

    /// Rename an entry into another folder of the same file system.
    ///
    /// # Errors
    /// `EXDEV` between file systems; others as rename(2).
    pub fn rename(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.descriptor, name, &to.descriptor, new_name)?)
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
