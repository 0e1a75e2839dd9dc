//! A sysfs file with one number, kept open. The kernel writes its text anew at every read from the beginning.

use std::io;

use rustix::io::{Errno, pread};

use crate::host::root::HostRoot;

/// Enough for a number with sign and line end.
const NUMBER_BYTES: usize = 64;

/// Converts a number in a file to the sensor's unit. Divides instead of multiplying by a fraction, because
/// 45050 / 1000 is 45.05 and 45050 × 0.001 is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    times: f64,
    per: f64,
}

impl Scale {
    pub(super) const ONE: Self = Self { times: 1.0, per: 1.0 };
    pub(super) const KILO: Self = Self { times: 1e3, per: 1.0 };
    pub(super) const MILLI: Self = Self { times: 1.0, per: 1e3 };
    pub(super) const MICRO: Self = Self { times: 1.0, per: 1e6 };

    pub(super) fn of(self, number: i64) -> f64 {
        number as f64 * self.times / self.per
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Attribute(fs_err::File);

impl Attribute {
    /// Open it. Only the first read shows whether it can be read: a zone without power opens and then fails.
    pub(super) fn open(root: &HostRoot, host_path: &str) -> io::Result<Self> {
        fs_err::File::open(root.path(host_path)).map(Self)
    }

    /// The number in it now. Allocates only for an error.
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
