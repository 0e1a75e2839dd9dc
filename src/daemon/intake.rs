//! The daemon's way in: from what lies in the inbox to jobs in the queue.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Daemon;
use super::admit::{self, Binding, SpecFile};
use super::assemble::name_without_spec;
use super::assemble::not_measured;
use super::queue::{QueuedJob, WaitingJob};
use super::status::Attention;
use super::troubles::{TRY_AGAIN_AFTER, Trouble};
use crate::bundle::format::{Stage, Status as OutcomeStatus};
use crate::spec::Job;
use crate::spool::Claimed;
use crate::spool::journal::Record;
use crate::spool::names::Entry;
use crate::spool::plan::OddityKind;
use crate::spool::watch::Seen;

/// Claims made durable together: enough to share their sync calls, few enough to hold open at once.
const CLAIMS_AT_ONCE: usize = 256;

impl Daemon<'_> {
    /// Claim what is whole, and give waiting jobs the models that came.
    pub(super) fn look(&mut self, seen: &Seen, now: Instant) {
        let safety = self.rescan_at <= now;
        let rescan = seen.rescan || safety;
        let due = self.look_again_at.is_some_and(|at| at <= now);
        if !rescan && !due && seen.hints.is_empty() {
            return;
        }
        if safety {
            // Whatever still fails is named again by whoever tries it.
            self.troubles.fixed(Trouble::ClaimFailed);
            self.troubles.fixed(Trouble::ModelNotCopied);
        }
        if rescan {
            self.rescan_at = now + Duration::from_secs(self.config.rescan_seconds.into());
            if !self.inbox_is_there() {
                return;
            }
        }
        let look = match self.tracker.look(&mut &self.spool.inbox, &seen.hints, rescan, now) {
            Ok(look) => look,
            Err(error) => {
                self.troubles.report(Trouble::InboxUnreadable, &self.config.inbox, &error, Instant::now());
                self.rescan_at = now + TRY_AGAIN_AFTER;
                return;
            }
        };
        self.troubles.fixed(Trouble::InboxUnreadable);
        self.look_again_at = look.again_at;
        let mut claims = look.claims.into_iter().peekable();
        while claims.peek().is_some() && !self.wake.stop_requested() {
            let some = claims.by_ref().take(CLAIMS_AT_ONCE).collect();
            match self.spool.claim(some) {
                Ok(outcomes) => {
                    outcomes.into_iter().for_each(|outcome| self.take_claim(outcome, now));
                }
                Err(error) => {
                    // After a failed fsync nobody knows what is on the disk: start anew from what it says.
                    log::error!("can not make claims durable: {error}");
                    self.fatal = Some(error);
                    return;
                }
            }
            self.service.feed_watchdog(Instant::now());
        }
        for name in look.cancels {
            if !self.cancel(admit::cancelled_job(&name)) {
                continue;
            }
            if let Err(error) = self.spool.inbox.remove(&name) {
                self.troubles.report(
                    Trouble::ClaimFailed,
                    &self.config.inbox.join(&name),
                    &error,
                    Instant::now(),
                );
            }
        }
        self.admit_waiting(&look.models, safety);
        if rescan {
            self.remove_old_models(now);
            self.note_oddities(now);
        }
    }

    fn take_claim(&mut self, outcome: Claimed, now: Instant) {
        match outcome {
            Claimed::Taken(entry) => {
                log::debug!(ID:% = entry.id; "claimed {}", entry.file.to_string_lossy());
                self.admit(entry);
            }
            Claimed::Changed(claim) => {
                if self.spool.inbox.entry(&claim.name).is_some() {
                    self.tracker.put_back(&claim, now);
                    self.look_again_at = Some(now + Duration::from_secs(self.config.settle_seconds.into()));
                }
            }
            Claimed::Failed(claim, error) => {
                self.troubles.report(
                    Trouble::ClaimFailed,
                    &self.config.inbox.join(&claim.name),
                    &error,
                    Instant::now(),
                );
                self.tracker.put_back(&claim, now);
                self.look_again_at = Some(now + TRY_AGAIN_AFTER);
            }
        }
    }

    /// Is the inbox there, after it may have been away?
    fn inbox_is_there(&mut self) -> bool {
        if self.spool.inbox.is_still_there() {
            return true;
        }
        self.watch.pause();
        let back = self.spool.reopen_inbox().map_err(|error| error.to_string());
        match back.and_then(|()| self.watch.resume().map_err(|error| error.to_string())) {
            Ok(()) => {
                log::info!("the inbox is back");
                self.troubles.fixed(Trouble::InboxGone);
                true
            }
            Err(why) => {
                self.troubles.report(Trouble::InboxGone, &self.config.inbox, &why, Instant::now());
                self.rescan_at = Instant::now() + TRY_AGAIN_AFTER;
                false
            }
        }
    }

    /// Read a claimed job and find its place: in the queue, among the waiting, or rejected.
    pub(super) fn admit(&mut self, entry: Entry) {
        let (spec, job) = admit::read(&self.spool, &entry);
        let job = match job {
            Ok(job) => job,
            Err(rejection) => {
                log::warn!(JOB = name_without_spec(&entry).as_str(), ID:% = entry.id, REASON = rejection.reason; "rejected: {}", rejection.detail);
                self.reject_unread(&entry, &spec, rejection);
                return;
            }
        };
        let queued = QueuedJob { name: job.name.clone(), priority: job.priority, entry };
        if self.progress(&queued.entry.id).models.is_some() {
            self.queue.push(queued);
            return;
        }
        self.bind(queued, &spec, &job, None);
    }

    /// Try again for the jobs that wait for one of these models; now and then for all whose models are there, in case the disk
    /// refused. Not for those whose models are not: a thousand of them would be read and parsed each minute.
    fn admit_waiting(&mut self, models: &[OsString], all: bool) {
        let came = |missing: &String| models.iter().any(|model| model == OsStr::new(missing));
        let is_there = |missing: &String| self.spool.inbox.entry(OsStr::new(missing)).is_some();
        let waiting = self.queue.waiting().filter(|waiting| {
            waiting.missing.iter().any(came) || all && waiting.missing.iter().all(is_there)
        });
        for WaitingJob { job: queued, since, .. } in waiting.cloned().collect::<Vec<_>>() {
            let (spec, job) = admit::read(&self.spool, &queued.entry);
            let Ok(job) = job else { continue };
            self.bind(queued, &spec, &job, Some(since));
        }
    }

    pub(super) fn bind(&mut self, queued: QueuedJob, spec: &SpecFile, job: &Job, since: Option<Instant>) {
        let now = Instant::now();
        // Time in which the host was in trouble does not count against the job.
        let memory_bytes = self.assembler.host.memory_bytes;
        let (spool, tracker) = (&mut self.spool, &mut self.tracker);
        let (missing, since) = match admit::bind(spool, tracker, job, &queued.entry, memory_bytes, now) {
            Binding::Bound(models) => {
                match self.spool.journal(&queued.entry.id).append(&Record::Bound { models }, false) {
                    Ok(()) => {
                        log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "queued");
                        self.queue.remove(&queued);
                        self.queue.push(queued);
                        return;
                    }
                    Err(error) => {
                        self.troubles.report(
                            Trouble::SpoolUnwritable,
                            &self.config.spool,
                            &error,
                            Instant::now(),
                        );
                        (job.models.iter().map(|model| model.file.clone()).collect(), Some(now))
                    }
                }
            }
            Binding::Rejected(rejection) => {
                log::warn!(JOB = job.name.as_str(), ID:% = queued.entry.id, REASON = rejection.reason; "rejected: {}", rejection.detail);
                self.end_job(&queued, spec, job, &rejection.outcome());
                return;
            }
            Binding::Missing(missing) => {
                if since.is_none() {
                    log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "waits for {}", missing.join(", "));
                }
                (missing, since)
            }
            Binding::Trouble(error) => {
                self.troubles.report(Trouble::ModelNotCopied, &self.config.inbox, &error, Instant::now());
                (job.models.iter().map(|model| model.file.clone()).collect(), Some(now))
            }
        };
        self.queue.wait(WaitingJob { job: queued, missing, since: since.unwrap_or(now) });
        // A model that is there and not whole yet has a time at which to look again.
        self.look_again_at = self.look_again_at.into_iter().chain(self.tracker.again_at()).min();
    }

    /// Reject jobs whose model did not come in time.
    pub(super) fn give_up_waiting(&mut self, now: Instant, limit: Duration) {
        let late =
            self.queue.waiting().filter(|waiting| now.saturating_duration_since(waiting.since) >= limit);
        for WaitingJob { job: queued, missing, .. } in late.cloned().collect::<Vec<_>>() {
            let (spec, job) = admit::read(&self.spool, &queued.entry);
            let Ok(job) = job else { continue };
            let outcome = not_measured(
                OutcomeStatus::Rejected,
                Stage::Model,
                "model_never_came",
                format!("not there, or not whole, after {} s: {}", limit.as_secs(), missing.join(", ")),
                Some("upload the model, then `backbone retry` the job".to_owned()),
            );
            log::warn!(JOB = job.name.as_str(), ID:% = queued.entry.id; "rejected: its model never came");
            self.end_job(&queued, &spec, &job, &outcome);
        }
    }

    /// Remove inbox models that no waiting job names and nobody used for the retention time.
    fn remove_old_models(&mut self, now: Instant) {
        let age = Duration::from_secs(self.config.model_retention_seconds.into());
        for name in self.tracker.whole_for(age, now) {
            let named =
                |waiting: &WaitingJob| waiting.missing.iter().any(|missing| OsStr::new(missing) == name);
            let reads = |runtime: &&crate::runtime::Runtime| {
                Path::new(&name)
                    .extension()
                    .is_some_and(|ending| ending.eq_ignore_ascii_case(runtime.model_format))
            };
            if crate::runtime::RUNTIMES.iter().any(reads) && !self.queue.waiting().any(named) {
                log::info!(
                    "removing {} from the inbox: unused for {} s",
                    name.to_string_lossy(),
                    age.as_secs()
                );
                if let Err(error) = self.spool.inbox.remove(&name) {
                    log::warn!("can not remove {}: {error}", name.to_string_lossy());
                }
            }
        }
    }

    fn note_oddities(&mut self, now: Instant) {
        self.oddities.clear();
        for oddity in self.tracker.oddities(now) {
            let (code, why) = match oddity.what {
                OddityKind::Folder => {
                    ("folder_in_inbox", "folders are not entered; drop files directly into the inbox")
                }
                OddityKind::Special => {
                    ("not_a_regular_file", "links, FIFOs and devices are not opened; drop the file itself")
                }
                OddityKind::Unfinished => {
                    ("unfinished_upload", "somebody still writes it, or it keeps changing")
                }
                OddityKind::Temporary => {
                    ("temporary_name", "an upload under way, or one that was abandoned; it is never touched")
                }
            };
            let what = oddity.name.to_string_lossy().escape_debug().to_string();
            self.oddities.push(Attention { code: code.to_owned(), what, why: why.to_owned() });
        }
    }
}
