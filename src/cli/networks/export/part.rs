//! Files that appear under their name completely or not at all.
//!
//! A file is written under a hidden name, and renamed when it is complete and on the disk. It is locked while
//! it is written, so a hidden file without a lock was left by a killed writer and may be removed.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::network::emit::{BESIDE_EXTENSION, Format};

/// The end of hidden names.
const ENDING: &str = ".part";

/// A file that does not have its name yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Part {
    temporary: PathBuf,
    path: PathBuf,
    /// Open, because closing it releases the lock.
    file: fs::File,
    is_published: bool,
}

impl Part {
    /// Write the file under its hidden name.
    ///
    /// # Errors
    /// The disk is full or broken; nothing is left.
    pub(super) fn write(
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}{ENDING}", std::process::id()));
        let file = create_locked(&temporary)?;
        let mut part = Self { temporary, path: path.to_owned(), file, is_published: false };
        content(&mut part.file)?;
        part.file.flush()?;
        // Without this a power cut may leave an empty file under the name.
        part.file.sync_all()?;
        Ok(part)
    }

    /// Give the file its name.
    ///
    /// # Errors
    /// The name is taken by a folder, or the folder is gone; nothing is left.
    pub(super) fn publish(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_published {
            // The next export removes what remains.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn create_locked(path: &Path) -> io::Result<fs::File> {
    loop {
        // Not truncated before it is locked: a process with the same id in another container may be writing
        // it.
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        // If the file system has no locks, a file without a lock is never removed either.
        let is_locked = file.file().lock().is_ok();
        // The process that had the lock has removed or renamed it.
        if is_locked && !is_still_at(&file, path)? {
            continue;
        }
        file.set_len(0)?;
        return Ok(file);
    }
}

fn is_still_at(file: &fs::File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Remove the files that killed exports left in a folder.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub(super) fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_hidden_name) {
            continue;
        }
        // If it is gone or cannot be opened, leave it alone.
        let Ok(file) = fs::File::open(entry.path()) else { continue };
        if file.file().try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether it is a name from [`Part::write`] of any process.
fn is_hidden_name(name: &str) -> bool {
    let Some(inner) = name.strip_prefix('.').and_then(|name| name.strip_suffix(ENDING)) else { return false };
    let Some((file, process)) = inner.rsplit_once('.') else { return false };
    let file = file.strip_suffix(BESIDE_EXTENSION).and_then(|file| file.strip_suffix('.')).unwrap_or(file);
    let is_model = Format::ALL.iter().any(|format| {
        file.strip_suffix(format.extension()).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
    });
    is_model && !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_parts_are_removed_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let abandoned = [".a.onnx.4194304.part", ".a.onnx.data.7.part", ".b.tflite.12.part"];
        let kept = [".a.txt.7.part", ".part", "a.onnx", "a.onnx.7.part", ".onnx.7.part", ".a.onnx.x7.part"];
        for name in abandoned.iter().chain(&kept) {
            fs::write(at(name), "half").unwrap();
        }
        let written = Part::write(&at("c.onnx"), |output| output.write_all(b"whole")).unwrap();
        remove_abandoned(folder.path()).unwrap();
        for name in abandoned {
            assert!(!at(name).exists(), "{name}");
        }
        for name in kept {
            assert!(at(name).exists(), "{name}");
        }
        written.publish().unwrap();
        assert_eq!(fs::read(at("c.onnx")).unwrap(), b"whole");
    }

    #[test]
    fn second_writer_of_the_same_hidden_name_waits_and_spoils_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.onnx");
        let first = Part::write(&path, |output| output.write_all(b"first, longer")).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Part::write(&path, |output| output.write_all(b"second")).unwrap());
            first.publish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"first, longer");
            second.join().unwrap().publish().unwrap();
        });
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_could_not_be_written_or_named_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.onnx");
        let full = |output: &mut dyn Write| {
            output.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        };
        assert_eq!(Part::write(&path, full).unwrap_err().kind(), io::ErrorKind::StorageFull);
        fs::create_dir(&path).unwrap();
        Part::write(&path, |_| Ok(())).unwrap().publish().unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
