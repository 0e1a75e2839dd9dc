//! Copying jobs to one host: models and other files first, then job files, each under a temporary name
//! until it is whole. rsync's temporary names (`.name.XXXXXX`) are those that an inbox leaves alone, and
//! its rename makes a file complete at once.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::connection::Connection;
use super::device::Device;
use super::rsync::{self, Transfer};
use super::trouble::Trouble;
use crate::text::first_few;

/// A file of this machine, and its name in an inbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LocalFile {
    /// Its absolute path, so that rsync takes it neither for an option nor for a host.
    pub(crate) path: PathBuf,
    /// The last part of that path.
    pub(crate) name: String,
}

/// A job file.
#[derive(Debug, Clone)]
pub(crate) struct JobFile {
    /// The file.
    pub(crate) file: LocalFile,
    /// SHA-256 of its bytes, by which its bundles are known.
    pub(crate) sha256: String,
    /// Number of bundles that it ends in.
    pub(crate) configurations: usize,
}

/// Everything to copy to each host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivery {
    /// Models, their parts, and files of inputs.
    pub(crate) files: Vec<LocalFile>,
    /// Job files.
    pub(crate) jobs: Vec<JobFile>,
}

/// Copy everything into the inbox of a host. `inbox` is its folder on the device, if the user names one.
///
/// # Errors
/// Not everything is there. Files may be, and job files only after all files.
pub(crate) fn deliver(
    connection: &Connection,
    device: &Device,
    delivery: &Delivery,
    inbox: Option<&std::path::Path>,
) -> Result<(), Trouble> {
    let inbox = rsync::there(inbox.unwrap_or(&device.inbox));
    if !delivery.files.is_empty() {
        // A file of the same size is compared by its bytes: exporters write equal times.
        let mut words = vec![OsStr::new("--copy-links"), OsStr::new("--checksum"), OsStr::new("--")];
        words.extend(delivery.files.iter().map(|file| file.path.as_os_str()));
        words.push(&inbox);
        finished(rsync::call(connection, &words)?)?;
    }
    // Not over a job file that the daemon has not taken yet: that job would be lost.
    let mut words = vec![
        OsStr::new("--copy-links"),
        OsStr::new("--ignore-existing"),
        // Names as they are, and not in rsync's escapes.
        OsStr::new("--8-bit-output"),
        OsStr::new("--out-format=%n"),
        OsStr::new("--"),
    ];
    words.extend(delivery.jobs.iter().map(|job| job.file.path.as_os_str()));
    words.push(&inbox);
    let copied = finished(rsync::call(connection, &words)?)?;
    let is_copied = |job: &&JobFile| copied.lines().any(|line| line == job.file.name);
    let left: Vec<&str> =
        delivery.jobs.iter().filter(|job| !is_copied(job)).map(|job| job.file.name.as_str()).collect();
    if left.is_empty() { Ok(()) } else { Err(Trouble::NamesTaken(first_few(left))) }
}

fn finished(transfer: Transfer) -> Result<String, Trouble> {
    match transfer.trouble {
        Some(trouble) => Err(trouble),
        None => Ok(transfer.stdout),
    }
}
