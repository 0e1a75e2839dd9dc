//! Requests of commands: small files in `spool/control/`, because a file survives a restart and needs no open
//! port.
//!
//! `paused` holds as long as the file exists. The daemon removes `cancel~NAME`, `retry~NAME` and `resume~`
//! once it carried them out. A command says that it left its request once that survives a power cut.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::job::{QueuedJob, name_without_spec};
use crate::guarded;
use crate::spec;
use crate::spool::names::{Entry, EntryKind, JobId, spell, unspell};
use crate::spool::{Folder, Spool};

/// The flag file of `backbone pause`.
const PAUSED: &str = "paused";

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRequest {
    /// Cancel the jobs meant by this.
    Cancel(OsString),
    /// Queue the newest finished job meant by this again.
    Retry(OsString),
    /// Check again whether measuring is paused: removing a file does not wake the daemon.
    Resume,
}

impl ControlRequest {
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

/// Leave a request for the daemon. It removes the returned file once it carried the request out.
///
/// # Errors
/// The folder cannot be written.
pub fn leave(control: &Path, wish: &ControlRequest) -> io::Result<PathBuf> {
    create(control, &wish.file_name())
}

/// Let a request to retry mean this one job and no other. `request` is its file, before and after.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn narrow(request: &mut PathBuf, id: &JobId) -> io::Result<()> {
    let narrowed = request.with_file_name(ControlRequest::Retry(id.to_string().into()).file_name());
    guarded::rename(request, &narrowed)?;
    *request = narrowed;
    Ok(())
}

/// All requests, and the files that hold them. A link, FIFO or folder is no request.
///
/// # Errors
/// The folder cannot be read.
pub fn requests(control: &Path) -> io::Result<Vec<(PathBuf, ControlRequest)>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(control)? {
        let entry = entry?;
        let wish = entry.file_name().to_str().and_then(ControlRequest::parse);
        if let Some(wish) = wish.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            found.push((entry.path(), wish));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Does a request ask to cancel this job?
pub(crate) fn cancels(control: &Path, queued: &QueuedJob) -> bool {
    let requests = requests(control).unwrap_or_default();
    requests
        .iter()
        .any(|(_, wish)| matches!(wish, ControlRequest::Cancel(meant) if queued.is_meant_by(meant)))
}

/// Is measuring paused?
pub(crate) fn is_paused(control: &Path) -> bool {
    is_file(&control.join(PAUSED))
}

/// Start no further job until [`resume`], also after a restart.
///
/// # Errors
/// The folder cannot be written.
pub fn pause(control: &Path) -> io::Result<()> {
    create(control, PAUSED).map(drop)
}

/// Create an empty file durably, if it is not there yet.
fn create(control: &Path, name: &str) -> io::Result<PathBuf> {
    let path = control.join(name);
    match guarded::create_path(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_file(&path) => {}
        created => created?,
    }
    Folder::open(control)?.sync()?;
    Ok(path)
}

fn is_file(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Start jobs again.
///
/// # Errors
/// The folder cannot be written.
pub fn resume(control: &Path) -> io::Result<()> {
    match fs_err::remove_file(control.join(PAUSED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // Syncs the folder, from which the file is gone.
        _ => leave(control, &ControlRequest::Resume).map(drop),
    }
}

/// The newest finished job that a person may mean by this.
pub(super) fn finished_job(spool: &Spool, meant: &OsStr) -> Option<Entry> {
    let jobs = jobs_in(spool.done().path()).ok()?;
    let newest = jobs.into_iter().rfind(|job| job.is_meant_by(meant))?;
    Some(Entry { kind: EntryKind::Job, ..newest.entry })
}

/// The jobs whose files are in `queue/` or `done/`, in order of arrival, so that a person can name one. Reads
/// every job file.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn jobs_in(folder: &Path) -> io::Result<Vec<QueuedJob>> {
    let mut jobs = Vec::new();
    for found in fs_err::read_dir(folder)? {
        let found = found?;
        let Some(entry) = Entry::parse(&found.file_name()) else { continue };
        jobs.push(QueuedJob { name: name_of(&entry, &found.path()), priority: 0, entry });
    }
    jobs.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
    Ok(jobs)
}

/// The job's name as its file gives it, or the file's stem if the file cannot be understood.
fn name_of(entry: &Entry, path: &Path) -> String {
    let text = guarded::read_path(path, spec::raw::MAXIMUM_SPEC_BYTES as u64).unwrap_or_default();
    spec::resolve::job(&text, &entry.file.to_string_lossy())
        .map_or_else(|_| name_without_spec(entry), |job| job.name)
}
