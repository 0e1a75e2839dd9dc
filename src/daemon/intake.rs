//! The way in, and what ends a job before its turn: claims, cancel files, models that came, and the bundles
//! of rejected jobs. The daemon does this in each step, and between the trials of a turn as far as nothing
//! large is copied.

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, Instant};

use super::inbox::{self, Inbox, Wake};
use super::job::{EndedJob, QueuedJob};
use super::notifier::Notifier;
use super::observer::Observer;
use super::outlet::Outlet;
use super::reporter::{Reporter, StatusSources, Urgency};
use super::troubles::{Setback, Subject, TroubleKind, Troubles};
use crate::spool::Spool;
use crate::spool::names::{Entry, JobId};
use crate::spool::watch::Seen;

/// The owners that the way in concerns, and who is to know.
pub(super) struct Intake<'a> {
    pub(super) inbox: &'a mut Inbox,
    pub(super) outlet: &'a mut Outlet,
    pub(super) troubles: &'a mut Troubles,
    pub(super) spool: &'a mut Spool,
    pub(super) reporter: &'a mut Reporter,
    pub(super) notifier: &'a mut Notifier,
    pub(super) observer: &'a mut dyn Observer,
}

impl Intake<'_> {
    /// Claim what is fully uploaded, carry out cancel files, and give waiting jobs the models that came. The
    /// job that is running, if there is one, looks itself whether it is cancelled.
    ///
    /// # Errors
    /// Claims could not be made durable. Only a fresh start can find out what is on the disk.
    pub(super) fn take_in(&mut self, seen: &Seen, now: Instant, running: Option<&JobId>) -> io::Result<()> {
        let Some(mut sight) = self.inbox.look(seen, self.spool, self.troubles, now) else {
            return Ok(());
        };
        for claims in std::mem::take(&mut sight.claims) {
            if self.inbox.wake().stop_requested() {
                break;
            }
            let outcomes = self
                .spool
                .claim(claims)
                .inspect_err(|error| log::error!("cannot make claims durable: {error}"))?;
            for outcome in outcomes {
                if let Some(entry) = self.inbox.claimed(outcome, self.spool, self.troubles, now) {
                    self.admit(entry);
                }
            }
            self.reporter.service().feed_watchdog(Instant::now());
        }
        for name in std::mem::take(&mut sight.cancels) {
            if self.cancel(inbox::cancelled_job(&name), running) {
                self.inbox.remove_cancel_file(&name, self.spool, self.troubles);
            }
        }
        for waiting in self.inbox.to_be_bound(&sight, self.spool) {
            let ended = self.inbox.bind_waiting(waiting, self.spool, self.troubles);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
        self.inbox.sync_bound(self.spool, self.troubles);
        self.inbox.tidy(&sight, self.spool, now);
        Ok(())
    }

    /// Copy for one slice, and then begin with the next job that waits for that.
    pub(super) fn copy_on(&mut self) {
        let ended = self.inbox.copy_on(self.spool, self.troubles);
        ended.into_iter().for_each(|ended| self.end(ended));
        while let Some(waiting) = self.inbox.next_to_copy() {
            let ended = self.inbox.bind_waiting(waiting, self.spool, self.troubles);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
        self.inbox.sync_bound(self.spool, self.troubles);
        self.report(Urgency::Soon);
    }

    /// Take up a claimed job.
    pub(super) fn admit(&mut self, entry: Entry) {
        let ended = self.inbox.admit(entry, self.spool, self.troubles);
        ended.into_iter().for_each(|ended| self.end(ended));
    }

    /// Reject the jobs that have waited this long for a model.
    pub(super) fn give_up_waiting(&mut self, now: Instant, limit: Duration) {
        for waiting in self.inbox.late(now, limit) {
            let ended = self.inbox.give_up(waiting, limit, self.spool);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
    }

    /// End every job meant by this. False if the disk refuses, because a job without all its bundles would
    /// run when its turn comes, and if the running job is one of them.
    pub(super) fn cancel(&mut self, meant: &OsStr, running: Option<&JobId>) -> bool {
        let meant = self.inbox.meant_by(meant);
        if meant.iter().any(|queued| Some(&queued.entry.id) == running) {
            return false;
        }
        for queued in meant {
            if self.outlet.is_held_up() {
                return false;
            }
            let ended = self.inbox.cancel(queued, self.spool);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
        !self.outlet.is_held_up()
    }

    /// Everything in the job that has no bundle yet ends like this; then the job is finished.
    pub(super) fn end(&mut self, ended: EndedJob) {
        let progress = match self.spool.progress(&ended.queued.entry.id) {
            Ok(progress) => progress,
            Err(error) => {
                self.set_back(&ended.queued, unreadable(&ended.queued, &error));
                self.inbox.requeue(&ended.queued);
                return;
            }
        };
        if !self.outlet.is_held_up() {
            let (reporter, wake) = (&mut *self.reporter, self.inbox.wake());
            let mut pulse = || pulse(reporter, wake);
            let rows = self.outlet.bundle_job(&ended, &progress, self.spool, self.troubles, &mut pulse);
            for row in rows {
                self.notifier.bundled(&row);
                self.observer.bundled(row);
            }
        }
        if self.outlet.is_held_up() {
            // Its turn comes again when the disk takes bundles again; what has a bundle by then is not
            // measured.
            self.inbox.requeue(&ended.queued);
        } else {
            self.finish(&ended.queued);
        }
    }

    /// A job has all its bundles.
    pub(super) fn finish(&mut self, queued: &QueuedJob) {
        self.inbox.finished(queued);
        self.notifier.finished(&queued.entry.id);
        self.outlet.job_done();
        self.outlet.retire(&queued.entry, self.spool, self.troubles);
        if self.outlet.is_time_to_prune() || self.inbox.queue().is_empty() {
            self.outlet.prune(self.spool);
        }
    }

    /// The host is at fault: the job keeps its place, and others may take their turn meanwhile.
    pub(super) fn set_back(&mut self, queued: &QueuedJob, setback: Setback) {
        let after = self.troubles.set_back(setback, Instant::now()).as_secs();
        log::info!(JOB = queued.name.as_str(), ID:% = queued.entry.id; "back to the queue; trying again in {after} s");
    }

    /// Write the status of a host that this daemon measures on.
    pub(super) fn report(&mut self, urgency: Urgency) {
        let view = StatusSources {
            inbox: self.inbox,
            outlet: self.outlet,
            troubles: self.troubles,
            spool: self.spool,
            host_is_taken: false,
        };
        self.reporter.report(urgency, &view);
    }
}

/// A sign of life during work that takes its time; an error if it is to end.
pub(super) fn pulse(reporter: &mut Reporter, wake: &Wake) -> io::Result<()> {
    reporter.service().feed_watchdog(Instant::now());
    if wake.stop_requested() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
}

/// The files of a claimed job cannot be read now.
pub(super) fn unreadable(queued: &QueuedJob, error: &io::Error) -> Setback {
    let id = &queued.entry.id;
    Setback {
        subject: Subject::Job(id.clone()),
        trouble: TroubleKind::SpoolUnreadable,
        what: format!("job {} ({id})", queued.name),
        why: format!("its files in the spool cannot be read: {error}"),
    }
}
