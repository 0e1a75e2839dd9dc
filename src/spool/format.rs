//! The version of what spool and state folder hold, so that an older version of this program does not misread
//! what a newer one left. The packages' `preinst` reads the same file and refuses to install an older
//! version.
//!
//! ## Versions
//! 1: the first that is recorded; a spool without a record has this format or an earlier one, which reads the
//! same.

use std::io;

use super::{Folder, OpenError};
use crate::guarded::{self, Synced};

/// What this version writes, and the newest that it reads. To be raised with any change after which the
/// version before would lose or misread a job, a measured trial, an unpublished bundle, or the host's saved
/// state.
pub(super) const SPOOL_FORMAT: u32 = 1;

/// The file in the spool: the number and a line break.
pub(super) const FILE: &str = "format";

const LARGEST_BYTES: u64 = 64;

/// Refuse a spool that a newer version wrote; record the own format in any other.
///
/// # Errors
/// [`OpenError::Newer`], or the file cannot be read or written.
pub(super) fn keep(spool: &Folder) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder { path: spool.path().to_owned(), source };
    let found = match spool.read_file(FILE.as_ref(), LARGEST_BYTES) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    match found {
        Some(found) if found > SPOOL_FORMAT => {
            Err(OpenError::Newer { spool: spool.path().to_owned(), found })
        }
        Some(SPOOL_FORMAT) => Ok(()),
        _ => guarded::write(spool.path(), FILE, format!("{SPOOL_FORMAT}\n").as_bytes(), Synced::Yes)
            .map_err(failed),
    }
}

fn parse(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(text: Option<&str>) -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        text.iter().for_each(|text| fs_err::write(folder.path().join(FILE), text).unwrap());
        let spool = Folder::open(folder.path()).unwrap();
        (folder, spool)
    }

    #[test]
    fn format_is_recorded_and_one_that_is_known_is_left_alone() {
        for text in [None, Some(""), Some("0\n"), Some("garbage"), Some("1\n")] {
            let (folder, spool) = spool(text);
            keep(&spool).unwrap();
            assert_eq!(fs_err::read_to_string(folder.path().join(FILE)).unwrap(), "1\n", "{text:?}");
        }
    }

    #[test]
    fn newer_format_is_refused_and_stays() {
        let (folder, spool) = spool(Some("2\n"));
        let refused = keep(&spool).unwrap_err();
        let text = refused.to_string().replace(&folder.path().display().to_string(), "SPOOL");
        insta::assert_snapshot!(text, @"cannot read the spool SPOOL: a newer backbone wrote it (format 2, and this one reads up to 1)");
        assert_eq!(fs_err::read_to_string(folder.path().join(FILE)).unwrap(), "2\n");
    }
}
