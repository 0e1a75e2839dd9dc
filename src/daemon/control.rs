//! Requests of commands: small files in `spool/control/`, because a file survives a restart and needs no open port.
//!
//! `paused` lasts as long as it is there. `cancel~NAME`, `retry~NAME` and `resume~` are removed when they were carried out.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::queue::QueuedJob;
use crate::spool::names::{JobId, spell, unspell};

/// The flag file of `backbone pause`.
const PAUSED: &str = "paused";

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Cancel the jobs meant by this.
    Cancel(OsString),
    /// Queue the newest finished job meant by this again.
    Retry(OsString),
    /// Look again whether measuring is paused: a file that went away wakes nobody.
    Resume,
}

impl Wish {
    fn file_name(&self) -> String {
        match self {
            Self::Cancel(job) => format!("cancel~{}", spell(job)),
            Self::Retry(job) => format!("retry~{}", spell(job)),
            Self::Resume => "resume~".to_owned(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (verb, job) = name.split_once('~')?;
        match verb {
            "cancel" => Some(Self::Cancel(unspell(job)?)),
            "retry" => Some(Self::Retry(unspell(job)?)),
            "resume" => Some(Self::Resume),
            _ => None,
        }
    }
}

/// Leave a request for the daemon; returns the file that is gone once it was carried out.
///
/// # Errors
/// The folder can not be written.
pub fn leave(control: &Path, wish: &Wish) -> io::Result<PathBuf> {
    let path = control.join(wish.file_name());
    fs_err::write(&path, [])?;
    Ok(path)
}

/// Let a request to retry mean this one job and no other; `request` is its file, before and after.
///
/// # Errors
/// The folder can not be written.
pub(super) fn narrow(request: &mut PathBuf, id: &JobId) -> io::Result<()> {
    let narrowed = request.with_file_name(Wish::Retry(id.to_string().into()).file_name());
    fs_err::rename(&*request, &narrowed)?;
    *request = narrowed;
    Ok(())
}

/// All requests, and the files that hold them.
///
/// # Errors
/// The folder can not be read.
pub fn requests(control: &Path) -> io::Result<Vec<(PathBuf, Wish)>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(control)? {
        let entry = entry?;
        if let Some(wish) = entry.file_name().to_str().and_then(Wish::parse) {
            found.push((entry.path(), wish));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Does a request ask to cancel this job?
pub fn cancels(control: &Path, queued: &QueuedJob) -> bool {
    let requests = requests(control).unwrap_or_default();
    requests.iter().any(|(_, wish)| matches!(wish, Wish::Cancel(meant) if queued.is_meant_by(meant)))
}

/// Is measuring paused?
pub(crate) fn is_paused(control: &Path) -> bool {
    control.join(PAUSED).exists()
}

/// Start no further job until [`resume`], also after a restart.
///
/// # Errors
/// The folder cannot be written.
pub fn pause(control: &Path) -> io::Result<()> {
    fs_err::write(control.join(PAUSED), [])
}

/// Start jobs again.
///
/// # Errors
/// The folder cannot be written.
pub fn resume(control: &Path) -> io::Result<()> {
    match fs_err::remove_file(control.join(PAUSED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => leave(control, &Wish::Resume).map(|_| ()),
    }
}
