//! What stays free for the rest of the host while a worker lives.
//!
//! The limits of `sandbox::limits` hold for each process and for each file: a worker of many processes, or
//! with many files, gets past them. So the parent looks, at each of its ticks, at how much memory and disk
//! the host has left: two small reads. Only if that is little does it count what the worker has. A worker
//! that took most of what is gone is ended; if others did, it is left alone.

use std::path::{Path, PathBuf};

use super::descendants::{self, Marks};
use super::memory::bytes;

/// Less than this part of the memory or the disk is little, and so much is never: half of what the limits
/// leave, so that a single process or file meets those first.
const PART: u64 = 32;
const MOST_MEMORY_BYTES: u64 = 512 << 20;
const MOST_DISK_BYTES: u64 = 64 << 20;

/// A worker with less than this is not to blame: libraries need as much.
const LEAST_BYTES: u64 = 32 << 20;

/// The deepest folders that are counted, and the most files: more would take longer than a tick.
const DEEPEST: usize = 16;
const MOST_FILES: usize = 100_000;

/// What a host can run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scarce {
    /// The host's memory.
    Memory,
    /// The disk with the worker's folder.
    Disk,
}

/// A worker took so much that little is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Of what.
    pub what: Scarce,
    /// What the worker and everything it started have.
    pub taken_bytes: u64,
    /// What was free then.
    pub left_bytes: u64,
}

/// What the host had when the worker started.
#[derive(Debug)]
pub(super) struct Reserve {
    meminfo: PathBuf,
    /// Of the memory that is available; `None` if the kernel does not say.
    memory_bytes: Option<u64>,
    /// The worker's own folder.
    workplace: Option<PathBuf>,
    disk_bytes: Option<u64>,
}

impl Reserve {
    /// As the host is now.
    pub(super) fn now(meminfo: &Path, workplace: Option<&Path>) -> Self {
        Self {
            meminfo: meminfo.to_owned(),
            memory_bytes: memory(meminfo).map(|memory| memory.free_bytes),
            workplace: workplace.map(Path::to_owned),
            disk_bytes: workplace.and_then(disk).map(|disk| disk.free_bytes),
        }
    }

    /// Did a worker take so much that little is left?
    pub(super) fn excess(&self, marks: Marks) -> Option<Excess> {
        let scarce = |free: &Free, most: u64| free.free_bytes < most.min(free.all_bytes / PART);
        if let Some(free) = memory(&self.meminfo).filter(|free| scarce(free, MOST_MEMORY_BYTES)) {
            let found = blame(Scarce::Memory, self.memory_bytes?, free, || descendants::memory(marks));
            if found.is_some() {
                return found;
            }
        }
        let workplace = self.workplace.as_deref()?;
        let free = disk(workplace).filter(|free| scarce(free, MOST_DISK_BYTES))?;
        blame(Scarce::Disk, self.disk_bytes?, free, || size(workplace, DEEPEST, &mut 0))
    }
}

/// The worker has most of what is gone since it started.
fn blame(what: Scarce, before_bytes: u64, free: Free, taken: impl FnOnce() -> u64) -> Option<Excess> {
    let gone = before_bytes.saturating_sub(free.free_bytes);
    let taken_bytes = taken();
    let has_most = taken_bytes >= LEAST_BYTES && taken_bytes >= gone / 2;
    has_most.then_some(Excess { what, taken_bytes, left_bytes: free.free_bytes })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Free {
    free_bytes: u64,
    all_bytes: u64,
}

/// proc(5), meminfo; `MemAvailable` is there since Linux 3.14.
fn memory(meminfo: &Path) -> Option<Free> {
    let text = fs_err::read_to_string(meminfo).ok()?;
    Some(Free { free_bytes: bytes(&text, "MemAvailable:")?, all_bytes: bytes(&text, "MemTotal:")? })
}

fn disk(folder: &Path) -> Option<Free> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Free { free_bytes: bytes(stat.f_bavail), all_bytes: bytes(stat.f_blocks) })
}

/// What the files below a folder take of the disk. What changes meanwhile is counted or not; links are not
/// followed.
fn size(folder: &Path, deeper: usize, files: &mut usize) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0_u64;
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        *files += 1;
        if *files > MOST_FILES {
            break;
        }
        let Ok(stat) = fs_err::symlink_metadata(entry.path()) else { continue };
        // stat(2): blocks of 512 bytes, whatever the file system's are.
        bytes = bytes.saturating_add(stat.blocks().saturating_mul(512));
        if stat.is_dir() && deeper > 0 {
            bytes = bytes.saturating_add(size(&entry.path(), deeper - 1, files));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn worker_that_has_most_of_what_is_gone_is_to_blame_and_no_other() {
        let free = Free { free_bytes: 10 << 20, all_bytes: 4 * GIB };
        let blamed = |before, taken| blame(Scarce::Memory, before, free, || taken).is_some();
        assert!(blamed(3 * GIB, 2 * GIB));
        assert!(!blamed(3 * GIB, GIB), "others have the rest");
        assert!(!blamed(20 << 20, LEAST_BYTES - 1), "so little fills no host");
        assert!(blamed(20 << 20, LEAST_BYTES), "it was all there was");
    }

    #[test]
    fn memory_is_read_as_the_kernel_says_it_and_files_are_counted_by_what_they_take() {
        let folder = tempfile::tempdir().unwrap();
        let meminfo = folder.path().join("meminfo");
        fs_err::write(&meminfo, "MemTotal:       4096 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\n").unwrap();
        assert_eq!(memory(&meminfo), Some(Free { free_bytes: 2 << 20, all_bytes: 4 << 20 }));
        fs_err::write(&meminfo, "MemTotal: 4096 kB\n").unwrap();
        assert_eq!(memory(&meminfo), None);
        fs_err::create_dir_all(folder.path().join("deep/er")).unwrap();
        fs_err::write(folder.path().join("deep/er/file"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        let found = size(folder.path(), DEEPEST, &mut 0);
        assert!((1 << 20..2 << 20).contains(&found), "{found}");
        assert!(size(folder.path(), 0, &mut 0) < 1 << 20);
    }
}
