//! One file of sysfs that holds one number, kept open. The kernel makes its text anew at every read from its beginning.

use std::io;

use rustix::io::{Errno, pread};

use crate::host::root::HostRoot;

/// Digits of a number, its sign and a line's end, with room to spare.
const NUMBER_BYTES: usize = 64;

/// An open file.
#[derive(Debug)]
pub(super) struct Attribute(fs_err::File);

impl Attribute {
    /// Open it. Whether it can be read shows at the first reading only: a zone without power opens and then fails.
    pub(super) fn open(root: &HostRoot, host_path: &str) -> io::Result<Self> {
        fs_err::File::open(root.path(host_path)).map(Self)
    }

    /// The number in it now. Allocates nothing, but for an error.
    pub(super) fn number(&self) -> io::Result<i64> {
        let mut bytes = [0; NUMBER_BYTES];
        let length = loop {
            match pread(self.0.file(), &mut bytes, 0) {
                Err(Errno::INTR) => {}
                read => break read?,
            }
        };
        std::str::from_utf8(&bytes[..length])
            .ok()
            .and_then(|text| text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0').parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it does not hold a number"))
    }
}
