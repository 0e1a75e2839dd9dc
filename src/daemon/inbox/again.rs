//! A model that its runtime cannot read, although more of it arrived since it was taken.
//!
//! Some programs upload in pieces and close the file after each. A pause that is longer than the settle time
//! looks like the end, and the first piece is taken for the model. So before a job fails on bytes that are no
//! whole model, its files are compared with those in the inbox: if they changed, the job takes them again.

use std::ffi::OsStr;
use std::time::Instant;

use super::{Inbox, Missing, WaitingJob};
use crate::bundle::format::{Outcome, Stage, Status};
use crate::daemon::job::QueuedJob;
use crate::spool::Spool;
use crate::spool::journal::{BoundFile, Progress};

/// Codes with which runtimes refuse bytes that may be half a model.
const UNREADABLE: &[&str] =
    &["compilation_failed", "model_not_accepted", "model_not_parsed", "model_not_readable", "wrong_format"];

/// A file may be continued for so many settle times after it looked whole.
const CONTINUED_FOR_SETTLE_TIMES: u32 = 3;

/// How often a job's files are taken: an upload in more pieces has to use a temporary name.
const MOST_TIMES_TAKEN: usize = 10;

/// Whether a job's files are taken again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Again {
    /// No, it ends as it is.
    No,
    /// Yes.
    Now,
    /// Perhaps: if one of these files is continued by then.
    IfContinuedBy(Instant, Vec<Missing>),
}

impl Inbox {
    /// Is a job that ended like this to take its files again?
    pub(crate) fn again(&self, progress: &Progress, outcome: &Outcome, spool: &Spool, now: Instant) -> Again {
        if !may_be_half_a_model(outcome) || progress.bound >= MOST_TIMES_TAKEN {
            return Again::No;
        }
        if progress.files().any(|file| is_changed(file, spool)) {
            return Again::Now;
        }
        let grace = self.settings.settle * CONTINUED_FOR_SETTLE_TIMES;
        let until = |file: &BoundFile| {
            let name = OsStr::new(&file.file);
            // A power cut may have torn it: the upload may be repeated.
            let is_old = spool.inbox.entry(name).is_some_and(|stat| self.uploads.has(name, &stat));
            let grace = if is_old { self.settings.give_up } else { grace };
            self.tracker.unchanged_since(name).map(|at| at + grace)
        };
        match progress.files().filter_map(until).max() {
            Some(until) if until > now => {
                let why = "it is not a whole model; perhaps its upload goes on".to_owned();
                let missing = |file: &BoundFile| Missing { file: file.file.clone(), why: Some(why.clone()) };
                Again::IfContinuedBy(until, progress.files().map(missing).collect())
            }
            _ => Again::No,
        }
    }

    /// Let a job wait for one of its files to be continued.
    pub(crate) fn wait_for_more(&mut self, queued: QueuedJob, missing: Vec<Missing>, until: Instant) {
        self.wait(WaitingJob { missing, again_at: Some(until), ..WaitingJob::of(queued, Instant::now()) });
    }
}

fn may_be_half_a_model(outcome: &Outcome) -> bool {
    matches!(outcome.status, Status::Failed | Status::NotCompilable)
        && matches!(outcome.stage, Some(Stage::Model | Stage::Load | Stage::Build))
        && outcome.reason.as_deref().is_some_and(|reason| UNREADABLE.contains(&reason))
}

/// Is the file in the inbox another one than the copy, or longer? One that is gone is not.
fn is_changed(taken: &BoundFile, spool: &Spool) -> bool {
    let Some(stat) = spool.inbox.entry(OsStr::new(&taken.file)) else { return false };
    let is_modified = |modified_ns| i64::try_from(stat.modified_ns).is_ok_and(|now| now != modified_ns);
    stat.size != taken.size_bytes || taken.modified_ns.is_some_and(is_modified)
}
