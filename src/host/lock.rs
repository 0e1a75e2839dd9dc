//! The host lock: only one program at a time measures on a host.
//!
//! `backbone run` and the daemon hold the same lock while they measure, so that neither disturbs the other.
//! It is an flock(2) on `/run/lock/backbone-host.lock` below the host root. The kernel releases it however
//! its holder ends; the file stays and its content means nothing. Worker processes do not inherit it.
//!
//! The file is opened before it is created, and for reading if it cannot be opened for writing, which is
//! enough for flock: a sandboxed daemon sees `/run` read-only, and `fs.protected_regular` keeps even root
//! from opening another user's file there with `O_CREAT`. There is no fallback location, because two programs
//! with different locations would measure at the same time without knowing it; the hint says how to create
//! the file.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::Hint;
use crate::guarded;
use crate::host::root::HostRoot;

/// The lock file on the host.
pub(crate) const LOCK_FILE: &str = "/run/lock/backbone-host.lock";

/// Everybody may open the file for reading and thereby lock it: anyone who may run programs on the host may
/// measure on it.
const MODE: u32 = 0o644;

/// The file may be deleted and created again between opening and locking it, but not this often by accident.
const ATTEMPTS: u32 = 16;

/// Held while anything is measured on the host; released when dropped.
#[derive(Debug)]
pub struct HostLock {
    // Closing the file releases the lock.
    file: File,
}

/// The lock could neither be acquired nor found to be held.
#[derive(Debug, thiserror::Error)]
#[error("cannot acquire the host lock {}", path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

impl LockError {
    /// The error with its cause, in one line.
    pub(crate) fn reason(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

impl Hint for LockError {
    fn hint(&self) -> Option<String> {
        if self.source.kind() == io::ErrorKind::InvalidInput {
            return Some("remove it as root: only a regular file can be the lock".to_owned());
        }
        Some(format!(
            "create the file as root: `install -D -m 644 /dev/null {}`; a tmpfiles.d entry does so at every boot",
            self.path.display()
        ))
    }
}

impl HostLock {
    /// Acquire the lock; `None` if another process holds it. Does not wait.
    ///
    /// # Errors
    /// The file can neither be opened nor created.
    pub fn try_acquire(root: &HostRoot) -> Result<Option<Self>, LockError> {
        let path = root.path(LOCK_FILE);
        try_lock(&path)
            .map(|file| file.map(|file| Self { file }))
            .map_err(|source| LockError { path, source })
    }

    /// The process that holds the lock, for a message. `None` if no process does, or if this process may not
    /// see it.
    ///
    /// Read from `/proc/locks` of the running kernel even for another host root, because the lock is real
    /// there too.
    pub(crate) fn holder(root: &HostRoot) -> Option<u32> {
        let file = fs_err::symlink_metadata(root.path(LOCK_FILE)).ok()?;
        let locks = HostRoot::real().read("/proc/locks").ok()?;
        holder_in(&locks, file.dev(), file.ino())
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock to a forked child that has not executed its program yet.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn try_lock(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        // A lock on a deleted file excludes no process.
        let locked = file.metadata()?;
        match fs_err::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the file is replaced repeatedly"))
}

fn open(path: &Path) -> io::Result<File> {
    match open_existing(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        opened => opened,
    }
}

fn open_existing(path: &Path) -> io::Result<File> {
    match guarded::open_to_write(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            guarded::open_path(path)
        }
        opened => opened,
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    match File::options().read(true).write(true).create_new(true).mode(MODE).open(path) {
        // Another process created it in between.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_existing(path),
        Ok(file) => {
            // The umask of a service may have removed read permission for others.
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) => Err(error),
    }
}

/// The process that holds a whole-file lock on this inode, from the lines of `/proc/locks` (proc_locks(5)):
/// `1: FLOCK ADVISORY WRITE 1234 00:17:5678 0 EOF`, device numbers in hexadecimal. Lines of waiting processes
/// have `->` and are ignored.
fn holder_in(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let wanted = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = fields[..] else { return None };
        // 0 and −1 stand for processes that this one may not see.
        (file == wanted).then(|| process.parse().ok()).flatten().filter(|&process| process != 0)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn machine() -> (tempfile::TempDir, HostRoot) {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        (folder, root)
    }

    /// The lock, as soon as it is free. Other tests of this process start children, and between fork and exec
    /// a child has every open file of its parent, this lock's too: free may come a moment late.
    fn acquired(root: &HostRoot) -> HostLock {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(lock) = HostLock::try_acquire(root).unwrap() {
                return lock;
            }
            assert!(Instant::now() < deadline, "the lock is still held by {:?}", HostLock::holder(root));
            std::thread::yield_now();
        }
    }

    #[test]
    fn second_attempt_finds_the_lock_held_and_a_later_one_gets_it() {
        let (_folder, root) = machine();
        assert_eq!(HostLock::holder(&root), None);
        let first = HostLock::try_acquire(&root).unwrap().expect("it is free");
        assert!(HostLock::try_acquire(&root).unwrap().is_none());
        assert_eq!(HostLock::holder(&root), Some(std::process::id()));
        drop(first);
        drop(acquired(&root));
    }

    #[test]
    fn lock_file_that_may_only_be_read_is_locked_all_the_same() {
        let (_folder, root) = machine();
        drop(HostLock::try_acquire(&root).unwrap().unwrap());
        let path = root.path(LOCK_FILE);
        fs_err::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let held = File::open(&path).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(HostLock::try_acquire(&root).unwrap().is_none());
        drop(held);
        drop(acquired(&root));
    }

    #[test]
    fn file_that_was_deleted_while_locked_is_made_anew() {
        let (_folder, root) = machine();
        let _orphan = HostLock::try_acquire(&root).unwrap().unwrap();
        fs_err::remove_file(root.path(LOCK_FILE)).unwrap();
        assert!(HostLock::try_acquire(&root).unwrap().is_some());
    }

    #[test]
    fn child_process_does_not_keep_the_lock() {
        let (_folder, root) = machine();
        let held = HostLock::try_acquire(&root).unwrap().unwrap();
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        drop(held);
        // `cat` runs until its input closes, which is after the lock was had.
        drop(acquired(&root));
        assert!(child.try_wait().unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn lock_ends_with_the_process_that_held_it() {
        let (_folder, root) = machine();
        drop(HostLock::try_acquire(&root).unwrap().unwrap());
        // flock(1) of util-linux keeps the lock for as long as the command in its place runs.
        let mut child = std::process::Command::new("flock")
            .arg("--nonblock")
            .arg("--no-fork")
            .arg(root.path(LOCK_FILE))
            .args(["sh", "-c", "echo locked; exec cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 7];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        assert!(HostLock::try_acquire(&root).unwrap().is_none());
        assert_eq!(HostLock::holder(&root), Some(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(acquired(&root));
    }

    #[test]
    fn host_whose_lock_file_cannot_be_made_gets_a_hint() {
        let (_folder, root) = machine();
        fs_err::write(root.path("/run"), "a file in the folder's place").unwrap();
        let error = HostLock::try_acquire(&root).unwrap_err();
        assert!(error.to_string().starts_with("cannot acquire the host lock /"), "{error}");
        assert!(error.to_string().ends_with("/run/lock/backbone-host.lock"), "{error}");
        assert!(error.hint().unwrap().contains("install -D -m 644 /dev/null /"), "{error:?}");
    }

    #[test]
    fn holder_is_found_among_the_kernels_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 08:01:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 0 08:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 22 08:02:77 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 33 08:01:77 0 EOF\n\
                     4: -> FLOCK  ADVISORY  WRITE 44 08:01:77 0 EOF\n";
        assert_eq!(holder_in(locks, rustix::fs::makedev(8, 1), 77), Some(33));
        assert_eq!(holder_in(locks, rustix::fs::makedev(8, 1), 78), None);
        let waiting = "4: -> FLOCK  ADVISORY  WRITE 44 08:01:77 0 EOF\n";
        assert_eq!(holder_in(waiting, rustix::fs::makedev(8, 1), 77), None);
    }
}
