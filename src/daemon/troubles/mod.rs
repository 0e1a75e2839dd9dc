//! What is wrong with the host, and when to try again: a full disk, an inbox that is gone, an outbox that is
//! read-only.
//!
//! No job is at fault for such trouble and none is lost to it. The owners report it here and say when it is
//! over; the status lists it, the log gets it once, and the loop tries again when the time has come. Reads no
//! clock and decides nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use super::status::Attention;
use crate::spool::names::JobId;

mod backoff;
#[cfg(test)]
mod tests;

pub(crate) use backoff::Subject;

use backoff::Backoffs;

/// After trouble of the host, the next attempt comes this much later: soon enough for a person who just fixed
/// it.
pub(super) const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Trouble that lasts is logged again after this long: a journal read from any point on soon mentions it, and
/// it does not push anything else out.
const LOG_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    InboxGone,
    InboxUnreadable,
    ClaimFailed,
    ModelNotCopied,
    NoRoom,
    BuildFailed,
    SpoolGone,
    SpoolUnwritable,
    SpoolUnreadable,
    RequestsUnreadable,
    OutboxUnwritable,
    HostLock,
    PowerNotRestored,
    PowerStateLost,
    WorkerNotStarted,
    RuntimeGone,
    WorkerDiffers,
    DeviceStopped,
    NotifyFailed,
}

impl TroubleKind {
    /// Does another attempt mean another look at the inbox and at the waiting jobs?
    fn keeps_jobs_from_the_queue(self) -> bool {
        matches!(
            self,
            Self::ClaimFailed
                | Self::ModelNotCopied
                | Self::NoRoom
                | Self::SpoolGone
                | Self::SpoolUnwritable
                | Self::RequestsUnreadable
        )
    }

    /// Its code in the status and in the log.
    fn code(self) -> &'static str {
        match self {
            Self::InboxGone => "inbox_gone",
            Self::InboxUnreadable => "inbox_unreadable",
            Self::ClaimFailed => "claim_failed",
            Self::ModelNotCopied => "model_not_copied",
            Self::NoRoom => "no_room",
            Self::BuildFailed => "build_failed",
            Self::SpoolGone => "spool_gone",
            Self::SpoolUnwritable => "spool_unwritable",
            Self::SpoolUnreadable => "spool_unreadable",
            Self::RequestsUnreadable => "requests_unreadable",
            Self::OutboxUnwritable => "outbox_unwritable",
            Self::HostLock => "host_lock",
            Self::PowerNotRestored => "power_not_restored",
            Self::PowerStateLost => "power_state_lost",
            Self::WorkerNotStarted => "worker_not_started",
            Self::RuntimeGone => "runtime_gone",
            Self::WorkerDiffers => "worker_differs",
            Self::DeviceStopped => "device_stopped",
            Self::NotifyFailed => "notify_failed",
        }
    }
}

/// Why a configuration cannot run now, through no fault of its job.
#[derive(Debug)]
pub(crate) struct Setback {
    /// What waits for another attempt.
    pub(crate) subject: Subject,
    /// Its kind.
    pub(crate) trouble: TroubleKind,
    /// The file, folder or job.
    pub(crate) what: String,
    /// What is wrong, and what to do.
    pub(crate) why: String,
}

/// All trouble of the host.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// What is not fixed yet.
    present: Vec<(TroubleKind, Attention)>,
    /// What was logged, and when.
    logged: Vec<(TroubleKind, String, Instant)>,
    try_again_at: Option<Instant>,
    /// What failed and is tried again after a time that grows.
    backoffs: Backoffs,
}

impl Troubles {
    /// Note trouble with the file or folder `what`: for the status, once for the log, and for another
    /// attempt.
    pub(super) fn report(
        &mut self,
        trouble: TroubleKind,
        what: &Path,
        why: &dyn std::fmt::Display,
        now: Instant,
    ) {
        self.try_again(now + TRY_AGAIN_AFTER);
        let what = what.display().to_string();
        if self.present.iter().any(|(known, attention)| *known == trouble && attention.what == what) {
            return;
        }
        let why = why.to_string();
        if self.is_to_be_logged(trouble, &what, now) {
            log::error!(CODE = trouble.code(); "{what}: {why}");
        }
        self.present.push((trouble, Attention { code: trouble.code().to_owned(), what, why }));
    }

    fn is_to_be_logged(&mut self, trouble: TroubleKind, what: &str, now: Instant) -> bool {
        self.logged.retain(|(.., at)| now.saturating_duration_since(*at) < LOG_AGAIN_AFTER);
        let is_known = self.logged.iter().any(|(known, logged, _)| *known == trouble && logged == what);
        if !is_known {
            self.logged.push((trouble, what.to_owned(), now));
        }
        !is_known
    }

    /// Trouble of this kind is over.
    pub(super) fn fixed(&mut self, trouble: TroubleKind) {
        self.present.retain(|(known, _)| *known != trouble);
    }

    /// Try again at this moment, whatever was planned before.
    pub(super) fn try_again(&mut self, at: Instant) {
        self.try_again_at = Some(at);
    }

    /// When to try again.
    pub(super) fn try_again_at(&self) -> Option<Instant> {
        self.try_again_at
    }

    /// Has the time to try again come? Says so once.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.try_again_at.take_if(|at| *at <= now).is_some()
    }

    /// A configuration cannot run now. Returns after how long it is tried again.
    pub(super) fn set_back(&mut self, setback: Setback, now: Instant) -> Duration {
        let Setback { subject, trouble, what, why } = setback;
        if self.is_to_be_logged(trouble, &what, now) {
            log::error!(CODE = trouble.code(); "{what}: {why}");
        }
        self.backoffs.failed(subject, Attention { code: trouble.code().to_owned(), what, why }, now)
    }

    /// A job waits as long as its runtime does.
    pub(super) fn wait_with(&mut self, job: &JobId, runtime: &'static str) {
        self.backoffs.wait_with(job, runtime);
    }

    /// It worked: what waited for it goes on.
    pub(super) fn worked(&mut self, subject: &Subject) {
        self.backoffs.worked(subject);
    }

    /// How often in a row it failed.
    pub(super) fn failures(&self, subject: &Subject) -> u32 {
        self.backoffs.failures(subject)
    }

    /// Is it not to be tried yet?
    pub(super) fn is_waiting(&self, subject: &Subject, now: Instant) -> bool {
        self.backoffs.is_waiting(subject, now)
    }

    /// The next moment at which something that waits is tried again.
    pub(super) fn next_attempt_at(&self, now: Instant) -> Option<Instant> {
        self.backoffs.next_at(now)
    }

    /// Is there any?
    pub(super) fn is_empty(&self) -> bool {
        self.attention().next().is_none()
    }

    /// Does any keep dropped jobs from the queue?
    pub(super) fn keep_jobs_from_the_queue(&self) -> bool {
        self.present.iter().any(|(trouble, _)| trouble.keeps_jobs_from_the_queue())
    }

    /// What the status says of it, oldest first.
    pub(super) fn attention(&self) -> impl Iterator<Item = &Attention> {
        self.present.iter().map(|(_, attention)| attention).chain(self.backoffs.attention())
    }
}
