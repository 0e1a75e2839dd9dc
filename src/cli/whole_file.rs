//! A file that appears under its name only when it is complete.

use std::fs::Permissions;
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::Exit;
use super::failure::Advise as _;

/// Mode of new files before the umask, as of every file that is created without one.
const MODE: u32 = 0o666;

/// Write a file under a temporary name that no one can foresee, then rename it: a reader never sees half of
/// it.
///
/// # Errors
/// It cannot be written. The partial file is removed.
pub(super) fn write<T>(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<T>,
) -> anyhow::Result<T> {
    if path.file_name().is_none() {
        return Err(anyhow::anyhow!("{} names no file", path.display())).exit(Exit::WrongInput);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<T> {
        let mut builder = tempfile::Builder::new();
        let temporary = builder.prefix(".").suffix(".part").permissions(Permissions::from_mode(MODE));
        let mut output = BufWriter::new(temporary.tempfile_in(folder)?);
        let told = content(&mut output)?;
        output.into_inner()?.persist(path)?;
        Ok(told)
    };
    written()
        .with_context(|| format!("cannot write {}", path.display()))
        .advise("check that its folder exists, is writable and has free space")
}
