//! Carrying out what people ask for while the daemon runs: cancel and retry.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::assemble::name_without_spec;
use super::assemble::not_measured;
use super::queue::QueuedJob;
use super::troubles::Trouble;
use super::{Daemon, admit, control};
use crate::bundle::format::{Outcome, Stage, Status as OutcomeStatus};
use crate::spec;
use crate::spool::Spool;
use crate::spool::names::{Entry, EntryKind};

impl Daemon<'_> {
    /// Carry out the requests that commands left. One that the disk refuses stays, and is carried out when it does not.
    pub(super) fn carry_out_requests(&mut self) {
        let requests = match control::requests(self.spool.control().path()) {
            Ok(requests) => requests,
            Err(error) => {
                log::warn!("can not read requests: {error}");
                return;
            }
        };
        for (mut file, wish) in requests {
            let done = match wish {
                control::Wish::Cancel(job) => self.cancel(&job),
                control::Wish::Retry(job) => self.retry(&job, &mut file),
                control::Wish::Resume => true,
            };
            if !done {
                continue;
            }
            if let Err(error) = fs_err::remove_file(&file) {
                log::warn!("can not remove a request that was carried out: {error}");
            }
        }
    }

    /// End every job meant by this. False where the disk refuses: a job without all its bundles would run when its turn comes.
    pub(super) fn cancel(&mut self, meant: &OsStr) -> bool {
        let jobs = self.queue.matching(meant);
        let just_done = self.cancelled_running.as_ref().is_some_and(|queued| queued.is_meant_by(meant));
        if jobs.is_empty() && !just_done {
            log::warn!("no job `{}` to cancel", meant.to_string_lossy());
        }
        for queued in jobs {
            if self.unwritten.is_some() {
                return false;
            }
            let (spec, job) = admit::read(&self.spool, &queued.entry);
            let Ok(job) = job else { continue };
            log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "cancelled");
            self.end_job(&queued, &spec, &job, &cancelled_outcome());
        }
        self.unwritten.is_none()
    }

    fn retry(&mut self, meant: &OsStr, request: &mut PathBuf) -> bool {
        let Some(entry) = finished_job(&self.spool, meant) else {
            log::warn!("no finished job `{}` to retry", meant.to_string_lossy());
            return true;
        };
        // Found again after a crash, a request by name would mean an older job of the same name.
        match control::narrow(request, &entry.id).and_then(|()| self.spool.requeue(&entry)) {
            Ok(again) => {
                log::info!(ID:% = again.id; "{} is queued again", again.file.to_string_lossy());
                self.admit(again);
                true
            }
            Err(error) => {
                self.troubles.report(Trouble::SpoolUnwritable, &self.config.spool, &error, Instant::now());
                false
            }
        }
    }
}

/// The newest finished job that a person may mean by this.
fn finished_job(spool: &Spool, meant: &OsStr) -> Option<Entry> {
    let jobs = jobs_in(spool.done().path()).ok()?;
    let newest = jobs.into_iter().rfind(|job| job.is_meant_by(meant))?;
    Some(Entry { kind: EntryKind::Job, ..newest.entry })
}

/// The jobs whose files lie in `queue/` or `done/`, in order of arrival. For whoever is asked for a job by name; reads every
/// job file.
///
/// # Errors
/// The folder can not be read.
pub fn jobs_in(folder: &Path) -> io::Result<Vec<QueuedJob>> {
    let mut jobs = Vec::new();
    for found in fs_err::read_dir(folder)? {
        let found = found?;
        let Some(entry) = Entry::parse(&found.file_name()) else { continue };
        jobs.push(QueuedJob { name: name_of(&entry, &found.path()), priority: 0, entry });
    }
    jobs.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
    Ok(jobs)
}

/// The job's name as its file gives it, or the file's stem where it can not be understood.
fn name_of(entry: &Entry, path: &Path) -> String {
    let small = fs_err::symlink_metadata(path)
        .is_ok_and(|stat| stat.is_file() && stat.len() <= spec::raw::MAXIMUM_SPEC_BYTES as u64);
    let text = if small { fs_err::read(path).unwrap_or_default() } else { Vec::new() };
    spec::resolve::job(&text, &entry.file.to_string_lossy())
        .map_or_else(|_| name_without_spec(entry), |job| job.name)
}

fn cancelled_outcome() -> Outcome {
    not_measured(
        OutcomeStatus::Cancelled,
        Stage::Queue,
        "cancelled",
        "the job was cancelled before its turn".to_owned(),
        Some("`backbone retry` queues it again".to_owned()),
    )
}
