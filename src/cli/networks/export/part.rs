//! Files that appear under their name completely or not at all.
//!
//! A file is written under a hidden name, and renamed when it is complete and on the disk. It is locked while
//! it is written, so a hidden file without a lock was left by a killed writer and may be removed.

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use tempfile::NamedTempFile;

use crate::network::emit::{BESIDE_EXTENSION, Format};

/// The end of hidden names.
const ENDING: &str = ".part";

/// Letters and digits of a hidden name that no other process can foresee.
const RANDOM_LETTERS: usize = 16;

/// Mode of new files before the umask, as of every file that is created without one.
const MODE: u32 = 0o666;

/// A file that does not have its name yet. Dropping it removes it; the next export removes what remains.
#[derive(Debug)]
pub(super) struct Part {
    /// Open, because closing it releases the lock.
    temporary: NamedTempFile,
    path: PathBuf,
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
        let mut part = Self { temporary: create_locked(path)?, path: path.to_owned() };
        let file = part.temporary.as_file_mut();
        content(file)?;
        file.flush()?;
        // Without this a power cut may leave an empty file under the name.
        file.sync_all()?;
        Ok(part)
    }

    /// Give the file its name.
    ///
    /// # Errors
    /// The name is taken by a folder, or the folder is gone; nothing is left.
    pub(super) fn publish(self) -> io::Result<()> {
        self.temporary.persist(&self.path)?;
        Ok(())
    }
}

fn create_locked(path: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    loop {
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(ENDING)
            .rand_bytes(RANDOM_LETTERS)
            .permissions(std::fs::Permissions::from_mode(MODE))
            .tempfile_in(folder)?;
        // If the file system has no locks, a file without a lock is never removed either.
        let is_locked = file.as_file().lock().is_ok();
        // Another export may have removed it before it was locked.
        if !is_locked || is_still_there(&file)? {
            return Ok(file);
        }
    }
}

fn is_still_there(file: &NamedTempFile) -> io::Result<bool> {
    let ours = file.as_file().metadata()?;
    match fs::symlink_metadata(file.path()) {
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
    let Some((file, random)) = inner.rsplit_once('.') else { return false };
    let file = file.strip_suffix(BESIDE_EXTENSION).and_then(|file| file.strip_suffix('.')).unwrap_or(file);
    let is_model = Format::ALL.iter().any(|format| {
        file.strip_suffix(format.extension()).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
    });
    is_model && random.len() == RANDOM_LETTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_parts_are_removed_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let abandoned =
            ["a.onnx", "a.onnx.data", "b.tflite"].map(|file| format!(".{file}.0123456789abcDEF.part"));
        let kept = [
            ".a.txt.0123456789abcDEF.part",
            ".part",
            "a.onnx",
            "a.onnx.0123456789abcDEF.part",
            ".onnx.0123456789abcDEF.part",
            ".a.onnx.7.part",
        ];
        for name in abandoned.iter().map(String::as_str).chain(kept) {
            fs::write(at(name), "half").unwrap();
        }
        let written = Part::write(&at("c.onnx"), |output| output.write_all(b"whole")).unwrap();
        remove_abandoned(folder.path()).unwrap();
        for name in &abandoned {
            assert!(!at(name).exists(), "{name}");
        }
        for name in kept {
            assert!(at(name).exists(), "{name}");
        }
        written.publish().unwrap();
        assert_eq!(fs::read(at("c.onnx")).unwrap(), b"whole");
    }

    #[test]
    fn two_writers_of_one_name_spoil_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.onnx");
        let first = Part::write(&path, |output| output.write_all(b"first, longer")).unwrap();
        let second = Part::write(&path, |output| output.write_all(b"second")).unwrap();
        first.publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first, longer");
        second.publish().unwrap();
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
