//! A file that appears under its name only when it is complete.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use fs_err as fs;

use super::Exit;
use super::failure::Advise as _;

/// Write a file under a temporary name, then rename it: a reader never sees half of it.
///
/// # Errors
/// It cannot be written. The partial file is removed.
pub(super) fn write<T>(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> io::Result<T>,
) -> anyhow::Result<T> {
    let name = path
        .file_name()
        .with_context(|| format!("{} names no file", path.display()))
        .exit(Exit::WrongInput)?;
    let temporary = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = || -> io::Result<T> {
        let mut output = BufWriter::new(fs::File::create(&temporary)?);
        let told = content(&mut output)?;
        output.flush()?;
        drop(output);
        fs::rename(&temporary, path)?;
        Ok(told)
    };
    written()
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .with_context(|| format!("cannot write {}", path.display()))
        .advise("check that its folder exists, is writable and has free space")
}
