//! Folders for files that nothing needs once their owner has ended: of a worker, and of `backbone run`.
//!
//! Such a folder is removed with its owner. One whose owner was killed is removed by the next process that
//! calls [`sweep`]: the owner holds a lock on the folder, which the kernel releases however the owner ends.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock};

use crate::guarded::{LETTERS, random_letters};

/// How the names of such folders begin: in the folder for temporary files, and in an outbox.
pub(crate) const OF_WORKERS: &str = "backbone-worker-";
pub(crate) const OF_RUNS: &str = ".backbone-run-";

/// Random letters in a folder's name.
const RANDOM_LETTERS: usize = 12;

/// A sweep may take a folder before its owner has locked it, but not this often.
const ATTEMPTS: u32 = 16;

/// A folder that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Scratch {
    /// Make a folder that only this user can enter, under a name that begins with `prefix`.
    ///
    /// # Errors
    /// `parent` cannot be written.
    pub(crate) fn make(parent: &Path, prefix: &str) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = parent.join(format!("{prefix}{}", random_letters(RANDOM_LETTERS)?));
            match rustix::fs::mkdirat(CWD, &path, Mode::RWXU) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => continue,
                Err(error) => {
                    let what = format!("failed to create directory `{}`: {error}", path.display());
                    return Err(io::Error::new(io::Error::from(error).kind(), what));
                }
            }
            if let Some(lock) = lock(&path) {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other("every folder is removed as soon as it is made"))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What remains is removed by a later `sweep`.
        let _ = fs_err::remove_dir_all(&self.path);
    }
}

/// Remove the folders with names that begin with `prefix` whose owners are gone. Those of other users stay,
/// and so does whatever cannot be removed.
pub(crate) fn sweep(parent: &Path, prefix: &str) {
    let entries = fs_err::read_dir(parent).into_iter().flatten().flatten();
    for path in entries.filter(|entry| is_ours(&entry.file_name(), prefix)).map(|entry| entry.path()) {
        if let Some(_lock) = lock(&path)
            && let Err(error) = fs_err::remove_dir_all(&path)
        {
            log::warn!("cannot remove what a killed process left: {error}");
        }
    }
}

fn is_ours(name: &OsStr, prefix: &str) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(prefix)).unwrap_or_default();
    random.len() == RANDOM_LETTERS && random.bytes().all(|byte| LETTERS.contains(&byte))
}

/// Lock a folder of this user. `None` if another process holds it, if it is gone, or if it is something else.
fn lock(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).ok()?;
    let (held, named) = (rustix::fs::fstat(&folder).ok()?, rustix::fs::lstat(path).ok()?);
    let is_there = (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino);
    (is_there && held.st_uid == rustix::process::geteuid().as_raw()).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_removed_with_its_owner_and_never_while_the_owner_lives() {
        let parent = tempfile::tempdir().unwrap();
        let owned = Scratch::make(parent.path(), "x-").unwrap();
        fs_err::write(owned.path().join("file"), "bytes").unwrap();
        sweep(parent.path(), "x-");
        assert!(owned.path().join("file").exists());
        drop(owned);
        assert_eq!(fs_err::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn folder_of_a_killed_owner_is_swept_and_others_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        let target = path("target");
        fs_err::create_dir(&target).unwrap();
        fs_err::write(target.join("precious"), "").unwrap();
        fs_err::create_dir(path("x-abcdefghijk2")).unwrap();
        fs_err::write(path("x-abcdefghijk2").join("left"), "").unwrap();
        fs_err::create_dir(path("x-mine")).unwrap();
        fs_err::create_dir(path("y-abcdefghijk2")).unwrap();
        std::os::unix::fs::symlink(&target, path("x-abcdefghijk3")).unwrap();
        sweep(parent.path(), "x-");
        let names = fs_err::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["target", "x-abcdefghijk3", "x-mine", "y-abcdefghijk2"]);
        assert!(target.join("precious").exists());
    }
}
