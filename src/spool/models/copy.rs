//! A copy under way: one file of the inbox, taken a slice at a time.
//!
//! Between two slices the daemon stays alive: it feeds the watchdog and obeys signals. The bytes are hashed
//! on the way. What was written is synced every so many bytes, so that the sync at the end is short on a slow
//! disk too, and the number of bytes follows the disk's speed. The copy is a reflink if the file system
//! supports that; then only the clone is read. Holes of a sparse file stay holes: their zeros are hashed, and
//! neither read nor written.

use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::guarded;
use crate::spool::folder::stat_of_file;
use crate::spool::plan::Stat;

/// Bytes to read at once: large enough that system calls do not matter, small enough for an idle daemon.
const CHUNK_BYTES: usize = 128 * 1024;

/// Bytes between two syncs: at first, and within which limits.
const FIRST_SYNC_AFTER_BYTES: u64 = 4 << 20;
const SYNC_AFTER_BYTES: std::ops::RangeInclusive<u64> = 256 << 10..=64 << 20;

/// How long one sync should take: SIGTERM is obeyed within a second, and a disk may get slower by half.
const SYNC_TAKES: Duration = Duration::from_millis(250);

/// Space to leave free for journals and bundles, whichever is less: so many bytes, or this part of the disk.
const SPARE_BYTES: u64 = 16 << 20;
const SPARE_PART: u64 = 100;

/// Why a file cannot be copied now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// It does not fit at present, or never will.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A job's files do not fit on the disk of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the files take {needed_bytes} bytes in the spool, and {free_bytes} of its {total_bytes} bytes are free"
)]
pub(crate) struct NoRoom {
    /// What the files that are still to be copied take.
    pub(crate) needed_bytes: u64,
    /// What is free, less what must stay free.
    pub(crate) free_bytes: u64,
    /// Size of the file system.
    pub(crate) total_bytes: u64,
}

/// What must stay free on a disk of this size.
pub(crate) fn spare_bytes(total_bytes: u64) -> u64 {
    SPARE_BYTES.min(total_bytes / SPARE_PART)
}

impl NoRoom {
    /// Does `needed_bytes` fit into this `space`, free and total?
    pub(super) fn check(needed_bytes: u64, (free, total_bytes): (u64, u64)) -> Result<(), Self> {
        let free_bytes = free.saturating_sub(spare_bytes(total_bytes));
        if needed_bytes <= free_bytes {
            return Ok(());
        }
        Err(Self { needed_bytes, free_bytes, total_bytes })
    }

    /// Would it not fit on an empty disk either?
    pub(crate) fn is_for_ever(&self) -> bool {
        self.needed_bytes > self.total_bytes
    }
}

/// A copy under way. Dropping it removes what was copied.
#[derive(Debug)]
pub(crate) struct Copy {
    /// Name of the file in the inbox.
    pub(super) file: String,
    /// State of the file when the copy began.
    pub(super) before: Stat,
    source: fs_err::File,
    target: fs_err::File,
    temporary: PathBuf,
    /// Nothing is written: the target has the bytes already.
    is_clone: bool,
    hasher: Sha256,
    chunk: Vec<u8>,
    copied_bytes: u64,
    /// Where the bytes that come next end, and whether they are a hole.
    run: Run,
    unsynced_bytes: u64,
    sync_after_bytes: u64,
}

/// Bytes of one kind.
#[derive(Debug, Clone, Copy)]
struct Run {
    until: u64,
    is_hole: bool,
}

/// What a slice left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slice {
    /// More bytes.
    More,
    /// Nothing.
    Done,
}

impl Copy {
    /// Begin to copy an open file of the inbox to `temporary`. `room` is asked unless the file can be cloned,
    /// which takes no space.
    pub(super) fn begin(
        file: String,
        source: fs_err::File,
        before: Stat,
        temporary: PathBuf,
        room: impl FnOnce() -> Result<(), CopyError>,
    ) -> Result<Self, CopyError> {
        let target = fs_err::File::options().read(true).write(true).create_new(true).open(&temporary)?;
        let is_clone = rustix::fs::ioctl_ficlone(&target, &source).is_ok();
        let copy = Self {
            file,
            before,
            source,
            target,
            temporary,
            is_clone,
            hasher: Sha256::new(),
            chunk: vec![0; CHUNK_BYTES],
            copied_bytes: 0,
            run: Run { until: 0, is_hole: false },
            unsynced_bytes: 0,
            sync_after_bytes: FIRST_SYNC_AFTER_BYTES,
        };
        if !is_clone {
            room()?;
        }
        Ok(copy)
    }

    /// Name of the file, the bytes done, and of how many.
    pub(crate) fn progress(&self) -> (&str, u64, u64) {
        (&self.file, self.copied_bytes, self.before.size)
    }

    /// Copy until the time is up, at least one chunk.
    ///
    /// # Errors
    /// The file is unreadable, or the disk is full or broken.
    pub(crate) fn advance(&mut self, until: Instant) -> io::Result<Slice> {
        loop {
            if self.copied_bytes >= self.run.until {
                self.next_run()?;
            }
            let taken = if self.run.is_hole { self.pass_hole() } else { self.copy_chunk()? };
            if taken == 0 {
                return Ok(Slice::Done);
            }
            self.copied_bytes += taken;
            if Instant::now() >= until {
                return Ok(Slice::More);
            }
        }
    }

    /// Find out whether the bytes that come next are a hole, and where they end.
    fn next_run(&mut self) -> io::Result<()> {
        self.run = Run { until: u64::MAX, is_hole: false };
        if self.is_clone {
            return Ok(());
        }
        let here = self.copied_bytes;
        match rustix::fs::seek(&self.source, rustix::fs::SeekFrom::Data(here)) {
            Ok(data) if data > here => self.run = Run { until: data, is_hole: true },
            // No data after this point: a hole up to the end, or the end.
            Err(Errno::NXIO) => self.run = Run { until: self.before.size, is_hole: here < self.before.size },
            Ok(_) => {
                if let Ok(hole) = rustix::fs::seek(&self.source, rustix::fs::SeekFrom::Hole(here)) {
                    self.run.until = hole.max(here + 1);
                }
            }
            // This file system knows no holes.
            Err(_) => {}
        }
        if !self.run.is_hole {
            self.source.seek(SeekFrom::Start(here))?;
            self.target.seek(SeekFrom::Start(here))?;
        }
        Ok(())
    }

    /// Hash some zeros of a hole.
    fn pass_hole(&mut self) -> u64 {
        let left = self.run.until.saturating_sub(self.copied_bytes);
        let zeros = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        self.chunk[..zeros].fill(0);
        self.hasher.update(&self.chunk[..zeros]);
        zeros as u64
    }

    /// Copy some bytes; 0 at the end of the file.
    fn copy_chunk(&mut self) -> io::Result<u64> {
        // Hash a clone, whose bytes cannot change any more, not the source.
        let from = if self.is_clone { &mut self.target } else { &mut self.source };
        let left = self.run.until.saturating_sub(self.copied_bytes);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let read = loop {
            match from.read(&mut self.chunk[..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        let bytes = &self.chunk[..read];
        self.hasher.update(bytes);
        if !self.is_clone && read > 0 {
            self.target.write_all(bytes)?;
            self.unsynced_bytes += read as u64;
            if self.unsynced_bytes >= self.sync_after_bytes {
                self.sync()?;
            }
        }
        Ok(read as u64)
    }

    fn sync(&mut self) -> io::Result<()> {
        let began = Instant::now();
        self.target.sync_data()?;
        self.unsynced_bytes = 0;
        let after =
            if began.elapsed() > SYNC_TAKES { self.sync_after_bytes / 4 } else { self.sync_after_bytes * 2 };
        self.sync_after_bytes = after.clamp(*SYNC_AFTER_BYTES.start(), *SYNC_AFTER_BYTES.end());
        Ok(())
    }

    /// The copy is complete: make it durable under the name that its digest gives. `None` if the file changed
    /// meanwhile.
    pub(super) fn finish(mut self, path_of: impl FnOnce(&str) -> PathBuf) -> io::Result<Option<String>> {
        if !self.is_clone {
            // A hole at the end.
            self.target.set_len(self.copied_bytes)?;
        }
        self.target.sync_data()?;
        if !stat_of_file(&self.source)?.same_content(&self.before) || self.copied_bytes != self.before.size {
            return Ok(None);
        }
        let sha256 = data_encoding::HEXLOWER.encode(&std::mem::take(&mut self.hasher).finalize());
        guarded::rename(&self.temporary, &path_of(&sha256))?;
        Ok(Some(sha256))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // It has its name by now, or is of no use.
        let _ = fs_err::remove_file(&self.temporary);
    }
}

/// SHA-256 of everything read from `from`, in lower-case hex; copies it to `to` on the way and calls `pulse`
/// for each piece, whose error ends it.
pub(super) fn hash_with(
    from: &mut impl Read,
    to: &mut impl io::Write,
    pulse: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<String> {
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
        pulse()?;
    }
    Ok(data_encoding::HEXLOWER.encode(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_fits_differs_from_what_does_not_fit_now() {
        let total = 1 << 30;
        assert_eq!(NoRoom::check(total / 2, (total - 1, total)), Ok(()));
        let refused = NoRoom::check(total / 2, (total / 2, total)).unwrap_err();
        assert!(!refused.is_for_ever(), "{refused}");
        assert!(NoRoom::check(total + 1, (total, total)).unwrap_err().is_for_ever());
    }

    #[test]
    fn sparse_file_stays_sparse_and_has_the_digest_of_all_its_bytes() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, end) = (folder.path().join("net.onnx"), 64 << 20);
        // Data, a hole, data that ends within a block, and a hole at the end.
        let pieces: [(u64, &[u8]); 3] = [(0, b"head"), (9 << 20, &[7; 5000]), (20 << 20, b"tail")];
        let mut all = vec![0; end];
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(end as u64).unwrap();
        for (at, bytes) in pieces {
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).unwrap();
            all[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        }
        let source = fs_err::File::open(&path).unwrap();
        let before = stat_of_file(&source).unwrap();
        let target = folder.path().join("copy");
        let mut copy =
            Copy::begin("net.onnx".to_owned(), source, before, folder.path().join(".copy"), || Ok(()))
                .unwrap();
        while copy.advance(Instant::now()).unwrap() == Slice::More {}
        let digest = copy.finish(|_| target.clone()).unwrap().unwrap();
        assert_eq!(digest, data_encoding::HEXLOWER.encode(&Sha256::digest(&all)));
        assert!(fs_err::read(&target).unwrap() == all, "the same bytes");
        let blocks = |path| fs_err::metadata(path).unwrap().blocks();
        assert!(blocks(&target) <= blocks(&path) + 64, "{} blocks", blocks(&target));
    }

    #[test]
    fn copy_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.onnx");
        fs_err::write(&path, vec![7; 3 * CHUNK_BYTES]).unwrap();
        let source = fs_err::File::open(&path).unwrap();
        let before = stat_of_file(&source).unwrap();
        let temporary = folder.path().join(".copy");
        let mut copy =
            Copy::begin("net.onnx".to_owned(), source, before, temporary.clone(), || Ok(())).unwrap();
        assert_eq!(copy.advance(Instant::now()).unwrap(), Slice::More);
        assert_eq!(copy.progress().1, CHUNK_BYTES as u64);
        assert!(temporary.exists());
        drop(copy);
        assert!(!temporary.exists());
    }
}
