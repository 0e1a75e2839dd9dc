//! Carrying out what people ask for while the daemon runs: cancel and retry.

use std::ffi::{OsStr, OsString};

use super::assemble::name_without_spec;
use super::observer::Observer;
use super::queue::QueuedJob;
use super::{Daemon, Trouble, admit, control};
use crate::bundle::format::{Outcome, Stage, Status as OutcomeStatus};
use crate::spool::Spool;
use crate::spool::names::{Entry, EntryKind};

impl Daemon {
    /// Carry out the requests that commands left.
    pub(super) fn carry_out_requests(&mut self, observer: &mut dyn Observer) {
        let requests = match control::requests(self.spool.control().path()) {
            Ok(requests) => requests,
            Err(error) => {
                log::warn!("can not read requests: {error}");
                return;
            }
        };
        for (file, wish) in requests {
            match wish {
                control::Wish::Cancel(job) => self.cancel(&job, observer),
                control::Wish::Retry(job) => self.retry(&job, observer),
            }
            if let Err(error) = fs_err::remove_file(&file) {
                log::warn!("can not remove a request that was carried out: {error}");
            }
        }
    }

    /// End every job meant by this.
    pub(super) fn cancel(&mut self, meant: &OsStr, observer: &mut dyn Observer) {
        let jobs = self.queue.matching(meant);
        let just_done = self.cancelled_running.as_ref().is_some_and(|queued| queued.is_meant_by(meant));
        if jobs.is_empty() && !just_done {
            log::warn!("no job `{}` to cancel", meant.to_string_lossy());
        }
        for queued in jobs {
            let (spec, job) = admit::read(&self.spool, &queued.entry);
            let Ok(job) = job else { continue };
            log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "cancelled");
            self.end_job(&queued, &spec, &job, &cancelled_outcome(), observer);
        }
    }

    fn retry(&mut self, meant: &OsStr, observer: &mut dyn Observer) {
        match finished_job(&self.spool, meant) {
            Some(entry) => match self.spool.requeue(&entry) {
                Ok(again) => {
                    log::info!(ID:% = again.id; "{} is queued again", again.file.to_string_lossy());
                    self.admit(again, observer);
                }
                Err(error) => self.trouble(Trouble::SpoolUnwritable, &self.config.spool.clone(), &error.to_string()),
            },
            None => log::warn!("no finished job `{}` to retry", meant.to_string_lossy()),
        }
    }
}

/// The newest finished job that a person may mean by this.
pub(super) fn finished_job(spool: &Spool, meant: &OsStr) -> Option<Entry> {
    let names: Vec<OsString> = spool.done().names().ok()?;
    let entries = names.iter().filter_map(|name| Entry::parse(name));
    let meant_by = |entry: &Entry| {
        let queued = QueuedJob { name: name_without_spec(entry), priority: 0, entry: entry.clone() };
        queued.is_meant_by(meant)
    };
    entries.filter(meant_by).max_by(|a, b| a.id.cmp(&b.id)).map(|entry| Entry { kind: EntryKind::Job, ..entry })
}

fn cancelled_outcome() -> Outcome {
    Outcome {
        status: OutcomeStatus::Cancelled,
        stage: Some(Stage::Queue),
        reason: Some("cancelled".to_owned()),
        detail: Some("the job was cancelled before its turn".to_owned()),
        hint: Some("`backbone retry` queues it again".to_owned()),
        mistakes: Vec::new(),
        log_tail: Vec::new(),
    }
}
