//! Which file a piece of this process's memory was mapped from.
//!
//! The loader may find a library under another name than the one asked for (a link, a search path), and a bundle must name
//! and hash the file that was measured. The kernel's own list, `/proc/self/maps`, knows it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The file that holds this address; `None` where the kernel's list cannot be read or the memory is no file's.
pub fn file_at(address: usize) -> Option<PathBuf> {
    let maps = fs_err::read("/proc/self/maps").ok()?;
    maps.split(|byte| *byte == b'\n').find_map(|line| file_of(line, address))
}

/// One line: `start-end permissions offset device inode   path`, the numbers in hexadecimal.
fn file_of(line: &[u8], address: usize) -> Option<PathBuf> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let path = fields.nth(4)?.trim_ascii_start();
    (range.contains(&address) && path.starts_with(b"/")).then(|| PathBuf::from(OsStr::from_bytes(path)))
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
        assert_eq!(file_of(line, 0x7fff), Some(PathBuf::from("/opt/my libraries/libonnxruntime.so.1")));
        assert_eq!(file_of(line, 0x8000), None);
        assert_eq!(file_of(b"7f00-8000 rw-p 00000000 00:00 0                  [heap]", 0x7fff), None);
        assert_eq!(file_of(b"7f00-8000 rw-p 00000000 00:00 0 ", 0x7fff), None);
    }
}
