//! The status file of the state folder, also while its disk takes no new file.
//!
//! A status that cannot be written would go on saying what was true before. So the file has room to spare,
//! and is overwritten in place if the disk has no space or inodes for a new one. If that fails too, the
//! process's name says so, which needs no disk and no descriptor, and `backbone status` reads it there.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::status::{FILE_NAME, Status};
use crate::guarded;

/// The name of a daemon that cannot write its status.
const SILENT: &CStr = c"backbone-silent";

/// More than the name of a process has.
const LONGEST_NAME_BYTES: u64 = 64;

/// The file takes a multiple of this, with at least half of it to spare: the block of most file systems.
const BLOCK_BYTES: usize = 4096;

/// Writes the status into one folder.
#[derive(Debug)]
pub(super) struct StatusFile {
    folder: PathBuf,
    /// Length of the last file that was written.
    length: Option<usize>,
    /// The process's own name, while it has another.
    name: Option<std::ffi::CString>,
}

impl StatusFile {
    /// In this folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), length: None, name: None }
    }

    /// Write it, in place if it cannot be written anew.
    ///
    /// # Errors
    /// Neither is possible. The process's name says so until it is.
    pub(super) fn write(&mut self, status: &Status) -> io::Result<()> {
        let written = self.write_anew(status).or_else(|error| self.overwrite(status).map_err(|_| error));
        self.tell(written.is_ok());
        written
    }

    fn write_anew(&mut self, status: &Status) -> io::Result<()> {
        let mut text = status.text()?;
        let length = (text.len() + BLOCK_BYTES / 2).next_multiple_of(BLOCK_BYTES);
        text.resize(length, b' ');
        Status::write_text(&self.folder, &text)?;
        self.length = Some(length);
        Ok(())
    }

    fn overwrite(&self, status: &Status) -> io::Result<()> {
        let length = self.length.ok_or(io::ErrorKind::NotFound)?;
        // Not kept open: the file system of the folder could not be remounted read-only.
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(self.folder.join(FILE_NAME), flags, Mode::empty())?);
        let mut text = status.text()?;
        if text.len() > length {
            // The numbers stay; the lists of names have to go.
            text = Status { next: Vec::new(), waiting: Vec::new(), ..status.clone() }.text()?;
        }
        if text.len() > length {
            return Err(io::ErrorKind::StorageFull.into());
        }
        text.resize(length, b' ');
        file.write_all_at(&text, 0)
    }

    fn tell(&mut self, is_written: bool) {
        // Without the name, the status only looks older than it should.
        match (is_written, self.name.take()) {
            (true, Some(name)) => drop(rustix::thread::set_name(&name)),
            (false, None) => {
                self.name = rustix::thread::name().ok();
                let _ = rustix::thread::set_name(SILENT);
            }
            (_, name) => self.name = name,
        }
    }
}

/// Does this process say that it cannot write its status?
pub(crate) fn is_silent(process: &str) -> bool {
    // A file of the kernel's, which no one else writes.
    guarded::read_path(&Path::new("/proc").join(process).join("comm"), LONGEST_NAME_BYTES)
        .is_ok_and(|name| name.trim_ascii_end() == SILENT.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::status::{Queued, State};

    fn status(state: State, jobs: usize) -> Status {
        let queued = |number| Queued { id: format!("{number:010}-test"), job: "j".repeat(80), priority: 0 };
        Status { state, next: (0..jobs).map(queued).collect(), ..Status::default() }
    }

    #[test]
    fn folder_that_takes_no_new_file_has_the_present_status_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = StatusFile::of(folder.path());
        file.write(&status(State::Running, 3)).unwrap();
        // What is done on a disk without inodes.
        file.overwrite(&status(State::Idle, 0)).unwrap();
        assert_eq!(Status::read(folder.path()).unwrap(), status(State::Idle, 0));
        // More than there is room for: the numbers matter.
        file.overwrite(&status(State::Trouble, 100)).unwrap();
        assert_eq!(Status::read(folder.path()).unwrap(), status(State::Trouble, 0));
    }

    #[test]
    fn process_that_can_write_it_nowhere_says_so_by_its_name_until_it_can() {
        // The name belongs to a thread, and `comm` shows the main thread's: look at this one's.
        let own = || rustix::thread::name().unwrap();
        let (before, parent) = (own(), tempfile::tempdir().unwrap());
        let folder = parent.path().join("state");
        let mut file = StatusFile::of(&folder);
        for _ in 0..2 {
            file.write(&status(State::Idle, 0)).unwrap_err();
            assert_eq!(own().as_c_str(), SILENT);
        }
        fs_err::create_dir(&folder).unwrap();
        file.write(&status(State::Idle, 0)).unwrap();
        assert_eq!(own(), before);
    }
}
