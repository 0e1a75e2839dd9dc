//! The files that this process has mapped, and which of them contains an address.
//!
//! The loader may find a library under another name than the requested one (a link, a search path), but a
//! bundle must name and hash the file that was measured. The kernel's own list, `/proc/self/maps`, has it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file that contains this address; `None` if the kernel's list cannot be read or the memory belongs to
/// no file.
pub fn file_at(address: usize) -> Option<PathBuf> {
    let maps = fs_err::read("/proc/self/maps").ok()?;
    let files = maps.split(|byte| *byte == b'\n').filter_map(fields_of);
    files.into_iter().find_map(|(range, file)| range.contains(&address).then_some(file))
}

/// Every library file that is mapped into this process; empty if the kernel's list cannot be read.
pub fn libraries() -> BTreeSet<PathBuf> {
    let maps = fs_err::read("/proc/self/maps").unwrap_or_default();
    let files = maps.split(|byte| *byte == b'\n').filter_map(|line| Some(fields_of(line)?.1));
    files.filter(|file| is_library(file)).collect()
}

/// `libname.so`, and `libname.so.1.2.3`. A library that was replaced since has the name of no file, so
/// nothing is read for it.
fn is_library(file: &Path) -> bool {
    let name = file.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
}

/// The addresses of a line, and its file. A line is `start-end permissions offset device inode path`, the
/// numbers in hexadecimal.
fn fields_of(line: &[u8]) -> Option<(Range<usize>, PathBuf)> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let path = fields.nth(4)?.trim_ascii_start();
    path.starts_with(b"/").then(|| (range, PathBuf::from(OsStr::from_bytes(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_code_is_found_in_own_executable() {
        assert_eq!(file_at(file_at as *const () as usize), std::env::current_exe().ok());
    }

    #[test]
    fn line_is_split_with_spaces_in_the_path() {
        let line = b"7f00-8000 r-xp 00000000 fe:01 42                 /opt/my libraries/libonnxruntime.so.1";
        assert_eq!(
            fields_of(line),
            Some((0x7f00..0x8000, PathBuf::from("/opt/my libraries/libonnxruntime.so.1")))
        );
        assert_eq!(fields_of(b"7f00-8000 rw-p 00000000 00:00 0                  [heap]"), None);
        assert_eq!(fields_of(b"7f00-8000 rw-p 00000000 00:00 0 "), None);
    }

    #[test]
    fn libraries_are_distinguished_from_other_files() {
        assert!(libraries().iter().any(|file| file.to_string_lossy().contains("libc.so")));
        assert!(!libraries().contains(&std::env::current_exe().unwrap()));
        assert!(is_library(Path::new("/lib/libcudnn.so.9.1.0")));
        assert!(is_library(Path::new("/lib/libcudnn.so (deleted)")));
        assert!(!is_library(Path::new("/usr/share/some.sources")));
    }
}
