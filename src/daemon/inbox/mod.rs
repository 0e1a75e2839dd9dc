//! The way in: from files in the inbox to jobs in the queue.
//!
//! [`Inbox`] owns the watch on the inbox, the memory of its files, and the queue. It claims what is fully
//! uploaded, reads job files, copies their models, and says which jobs end there; it measures nothing and
//! writes no bundle. Each method does one step, so that the daemon can end a job between two of them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::job::{EndedJob, QueuedJob, ReadJob, name_without_spec};
use super::status::Attention;
use super::troubles::{TRY_AGAIN_AFTER, TroubleKind, Troubles};
use crate::bundle::format::{Failure, Outcome, Stage, Status};
use crate::config::Config;
use crate::runtime::RUNTIMES;
use crate::spool::journal::{Durable, Record};
use crate::spool::names::Entry;
use crate::spool::plan::{Claim, Tracker};
use crate::spool::watch::{Seen, Watch};
use crate::spool::{Claimed, Spool};

pub(crate) mod admit;
mod oddity;
mod queue;
#[cfg(test)]
mod tests;
mod wake;

pub(crate) use admit::{cancelled_job, read};
pub(crate) use queue::Queue;
pub(crate) use queue::WaitingJob;
pub(crate) use wake::Wake;

use admit::{Binding, Rejection};

/// The way in.
pub(crate) struct Inbox {
    watch: Watch,
    wake: Wake,
    tracker: Tracker,
    queue: Queue,
    /// Odd things in the inbox, as of the last rescan.
    oddities: Vec<Attention>,
    /// The job that was cancelled while it ran; its cancel file may still be read.
    cancelled_running: Option<QueuedJob>,
    rescan_at: Instant,
    look_again_at: Option<Instant>,
    settings: IntakeSettings,
}

/// What the configuration and the host say of the way in.
#[derive(Debug)]
struct IntakeSettings {
    inbox: PathBuf,
    spool: PathBuf,
    settle: Duration,
    give_up: Duration,
    rescan_every: Duration,
    keep_models_for: Duration,
    /// The host's main memory; `None` if it could not be observed.
    memory_bytes: Option<u64>,
}

/// What one look at the inbox found to do, in this order.
#[derive(Debug)]
pub(crate) struct Sight {
    /// Job files to claim, in batches.
    pub(crate) claims: Vec<Vec<Claim>>,
    /// Names of `.cancel` files.
    pub(crate) cancels: Vec<OsString>,
    /// Models that are now fully uploaded.
    models: Vec<OsString>,
    extent: Coverage,
}

/// How much of the inbox a look covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coverage {
    /// What the watcher named, and what was due.
    Named,
    /// Every name.
    Everything,
    /// Every name, because it was time to.
    Safety,
}

/// Claims made durable together: enough to share their sync calls, few enough to hold open at once.
const CLAIMS_AT_ONCE: usize = 256;

impl Inbox {
    /// Start with an empty queue.
    pub(crate) fn new(
        config: &Config,
        watch: Watch,
        wake: Wake,
        memory_bytes: Option<u64>,
        now: Instant,
    ) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let settings = IntakeSettings {
            inbox: config.inbox.clone(),
            spool: config.spool.clone(),
            settle: seconds(config.settle_seconds),
            give_up: seconds(config.give_up_seconds),
            rescan_every: seconds(config.rescan_seconds),
            keep_models_for: seconds(config.model_retention_seconds),
            memory_bytes,
        };
        Self {
            watch,
            wake,
            tracker: Tracker::new(settings.settle, settings.give_up),
            queue: Queue::default(),
            oddities: Vec::new(),
            cancelled_running: None,
            rescan_at: now,
            look_again_at: None,
            settings,
        }
    }

    /// What the watcher saw since the last call.
    pub(crate) fn seen(&self) -> Seen {
        self.watch.take()
    }

    /// Look at the inbox if there is reason to; `None` if there is none, or if it cannot be read.
    pub(crate) fn look(
        &mut self,
        seen: &Seen,
        spool: &mut Spool,
        troubles: &mut Troubles,
        now: Instant,
    ) -> Option<Sight> {
        let extent = match (self.rescan_at <= now, seen.rescan) {
            (true, _) => Coverage::Safety,
            (false, true) => Coverage::Everything,
            (false, false) => Coverage::Named,
        };
        let is_due = self.look_again_at.is_some_and(|at| at <= now);
        if extent == Coverage::Named && !is_due && seen.hints.is_empty() {
            return None;
        }
        if extent == Coverage::Safety {
            // Whatever still fails is reported again by the next attempt.
            troubles.fixed(TroubleKind::ClaimFailed);
            troubles.fixed(TroubleKind::ModelNotCopied);
        }
        if extent >= Coverage::Everything {
            self.rescan_at = now + self.settings.rescan_every;
            if !self.is_there(spool, troubles) {
                return None;
            }
        }
        let look = self.tracker.look(&mut &spool.inbox, &seen.hints, extent >= Coverage::Everything, now);
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                troubles.report(TroubleKind::InboxUnreadable, &self.settings.inbox, &error, Instant::now());
                self.rescan_at = now + TRY_AGAIN_AFTER;
                return None;
            }
        };
        troubles.fixed(TroubleKind::InboxUnreadable);
        self.look_again_at = look.again_at;
        let claims = look.claims.chunks(CLAIMS_AT_ONCE).map(<[Claim]>::to_vec).collect();
        Some(Sight { claims, cancels: look.cancels, models: look.models, extent })
    }

    /// Is the inbox there, perhaps again?
    fn is_there(&mut self, spool: &mut Spool, troubles: &mut Troubles) -> bool {
        if spool.inbox.is_still_there() {
            return true;
        }
        self.watch.pause();
        let back = spool.reopen_inbox().map_err(|error| error.to_string());
        match back.and_then(|()| self.watch.resume().map_err(|error| error.to_string())) {
            Ok(()) => {
                log::info!("the inbox is back");
                troubles.fixed(TroubleKind::InboxGone);
                true
            }
            Err(why) => {
                let now = Instant::now();
                troubles.report(TroubleKind::InboxGone, &self.settings.inbox, &why, now);
                self.rescan_at = now + TRY_AGAIN_AFTER;
                false
            }
        }
    }

    /// The outcome of one claim: the entry, if it was taken.
    pub(crate) fn claimed(
        &mut self,
        outcome: Claimed,
        spool: &Spool,
        troubles: &mut Troubles,
        now: Instant,
    ) -> Option<Entry> {
        match outcome {
            Claimed::Taken(entry) => {
                log::debug!(ID:% = entry.id; "claimed {}", entry.file.to_string_lossy());
                return Some(entry);
            }
            Claimed::Changed(claim) => {
                if spool.inbox.entry(&claim.name).is_some() {
                    self.tracker.put_back(&claim, now);
                    self.look_again_at = Some(now + self.settings.settle);
                }
            }
            Claimed::Failed(claim, error) => {
                let file = self.settings.inbox.join(&claim.name);
                troubles.report(TroubleKind::ClaimFailed, &file, &error, Instant::now());
                self.tracker.put_back(&claim, now);
                self.look_again_at = Some(now + TRY_AGAIN_AFTER);
            }
        }
        None
    }

    /// Read a claimed job and queue it, let it wait for its models, or end it.
    pub(crate) fn admit(
        &mut self,
        entry: Entry,
        spool: &mut Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        let (spec, job) = read(spool, &entry);
        let job = match job {
            Ok(job) => job,
            Err(rejection) => {
                let queued = QueuedJob { name: name_without_spec(&entry), priority: 0, entry };
                log_rejection(&queued, &rejection);
                return Some(EndedJob { queued, spec, job: None, outcome: rejection.outcome() });
            }
        };
        let queued = QueuedJob { name: job.name.clone(), priority: job.priority, entry };
        if spool.progress(&queued.entry.id).models.is_some() {
            self.queue.push(queued);
            return None;
        }
        self.bind(ReadJob { queued, spec, job }, None, spool, troubles)
    }

    /// Waiting jobs to try again after a look: those that wait for a model that came, and now and then all
    /// whose models are there, in case the disk refused. Not those whose models are not there: a thousand of
    /// them would be read each minute.
    pub(crate) fn to_be_bound(&self, sight: &Sight, spool: &Spool) -> Vec<WaitingJob> {
        let came = |missing: &String| sight.models.iter().any(|model| model == OsStr::new(missing));
        let is_there = |missing: &String| spool.inbox.entry(OsStr::new(missing)).is_some();
        let is_to_be_bound = |waiting: &&WaitingJob| {
            waiting.missing.iter().any(came)
                || sight.extent == Coverage::Safety && waiting.missing.iter().all(is_there)
        };
        self.queue.waiting().filter(is_to_be_bound).cloned().collect()
    }

    /// Try to bind a waiting job.
    pub(crate) fn bind_waiting(
        &mut self,
        waiting: WaitingJob,
        spool: &mut Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        let read = self.read_queued(waiting.job, spool)?;
        self.bind(read, Some(waiting.since), spool, troubles)
    }

    /// Copy the job's models and queue it, let it wait for them since `since`, or end it.
    pub(crate) fn bind(
        &mut self,
        read: ReadJob,
        since: Option<Instant>,
        spool: &mut Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        let now = Instant::now();
        let ReadJob { queued, job, .. } = &read;
        let all_files = || job.files().iter().map(|wanted| wanted.file.to_owned()).collect();
        // Time in which the host was in trouble does not count against the job.
        let (missing, since) = match admit::bind(
            spool,
            &mut self.tracker,
            job,
            &queued.entry,
            self.settings.memory_bytes,
            now,
        ) {
            Binding::Bound { models, inputs } => {
                let journal = spool.journal(&queued.entry.id);
                match journal.append(&Record::Bound { models, inputs }, Durable::Later) {
                    Ok(()) => {
                        log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "queued");
                        self.queue.remove(queued);
                        self.queue.push(read.queued);
                        return None;
                    }
                    Err(error) => {
                        troubles.report(TroubleKind::SpoolUnwritable, &self.settings.spool, &error, now);
                        (all_files(), Some(now))
                    }
                }
            }
            Binding::Rejected(rejection) => {
                log_rejection(queued, &rejection);
                return Some(read.ended(rejection.outcome()));
            }
            Binding::Missing(missing) => {
                if since.is_none() {
                    log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "waits for {}", missing.join(", "));
                }
                (missing, since)
            }
            Binding::Trouble(error) => {
                troubles.report(TroubleKind::ModelNotCopied, &self.settings.inbox, &error, now);
                (all_files(), Some(now))
            }
        };
        self.queue.wait(WaitingJob { job: read.queued, missing, since: since.unwrap_or(now) });
        // A model whose upload is not finished has a time at which to look again.
        self.look_again_at = self.look_again_at.into_iter().chain(self.tracker.again_at()).min();
        None
    }

    /// Jobs that have waited for a model for at least `limit`.
    pub(crate) fn late(&self, now: Instant, limit: Duration) -> Vec<WaitingJob> {
        let is_late = |waiting: &&WaitingJob| now.saturating_duration_since(waiting.since) >= limit;
        self.queue.waiting().filter(is_late).cloned().collect()
    }

    /// End a job whose model did not come within `limit`.
    pub(crate) fn give_up(&self, waiting: WaitingJob, limit: Duration, spool: &Spool) -> Option<EndedJob> {
        let read = self.read_queued(waiting.job, spool)?;
        log::warn!(JOB = read.job.name.as_str(), ID:% = read.queued.entry.id; "rejected: its model never came");
        let missing = waiting.missing.join(", ");
        let detail = format!("missing or not fully uploaded after {} s: {missing}", limit.as_secs());
        let failure = Failure::new(Stage::Model, "model_never_came", detail)
            .with_hint("upload the model, then `backbone retry` the job");
        Some(read.ended(failure.outcome(Status::Rejected)))
    }

    /// How long a job may wait for its models.
    pub(crate) fn patience(&self) -> Duration {
        self.settings.give_up
    }

    /// The jobs to cancel that a person may mean by this, whether they are ready or waiting.
    pub(crate) fn meant_by(&self, meant: &OsStr) -> Vec<QueuedJob> {
        let jobs = self.queue.matching(meant);
        let was_running = self.cancelled_running.as_ref().is_some_and(|queued| queued.is_meant_by(meant));
        if jobs.is_empty() && !was_running {
            log::warn!("no job `{}` to cancel", meant.to_string_lossy());
        }
        jobs
    }

    /// End a job that was cancelled before its turn.
    pub(crate) fn cancel(&self, queued: QueuedJob, spool: &Spool) -> Option<EndedJob> {
        let read = self.read_queued(queued, spool)?;
        log::info!(JOB = read.job.name.as_str(), ID:% = read.queued.entry.id; "cancelled");
        Some(read.ended(cancelled_before_its_turn()))
    }

    /// Remove a cancel file that was carried out.
    pub(crate) fn remove_cancel_file(&self, name: &OsStr, spool: &Spool, troubles: &mut Troubles) {
        if let Err(error) = spool.inbox.remove(name) {
            troubles.report(
                TroubleKind::ClaimFailed,
                &self.settings.inbox.join(name),
                &error,
                Instant::now(),
            );
        }
    }

    /// A job was cancelled while it ran.
    pub(crate) fn cancelled_running(&mut self, queued: &QueuedJob) {
        self.cancelled_running = Some(queued.clone());
    }

    /// After a look at every name: remove models that no job needs any more, and note what is odd.
    pub(crate) fn tidy(&mut self, sight: &Sight, spool: &Spool, now: Instant) {
        if sight.extent == Coverage::Named {
            return;
        }
        for name in self.tracker.whole_for(self.settings.keep_models_for, now) {
            if is_model(&name) && !self.is_awaited(&name) {
                let seconds = self.settings.keep_models_for.as_secs();
                log::info!("removing {} from the inbox: unused for {seconds} s", name.to_string_lossy());
                if let Err(error) = spool.inbox.remove(&name) {
                    log::warn!("cannot remove {}: {error}", name.to_string_lossy());
                }
            }
        }
        self.oddities = self.tracker.oddities(now).into_iter().map(oddity::attention).collect();
    }

    fn is_awaited(&self, name: &OsStr) -> bool {
        self.queue.waiting().any(|waiting| waiting.missing.iter().any(|missing| OsStr::new(missing) == name))
    }

    /// Read the file of a job that was understood when it was admitted.
    fn read_queued(&self, queued: QueuedJob, spool: &Spool) -> Option<ReadJob> {
        let (spec, job) = read(spool, &queued.entry);
        Some(ReadJob { queued, spec, job: job.ok()? })
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// A job has all its bundles.
    pub(crate) fn finished(&mut self, queued: &QueuedJob) {
        self.queue.remove(queued);
    }

    /// A job takes its turn again.
    pub(crate) fn requeue(&mut self, queued: &QueuedJob) {
        self.queue.remove(queued);
        self.queue.push(queued.clone());
    }

    /// Is any upload under way?
    pub(crate) fn has_unsettled(&self) -> bool {
        self.tracker.has_unsettled()
    }

    /// Odd things in the inbox.
    pub(crate) fn oddities(&self) -> impl Iterator<Item = &Attention> {
        self.oddities.iter()
    }

    /// Look at every name again as soon as possible.
    pub(crate) fn rescan(&mut self, now: Instant) {
        self.rescan_at = now;
    }

    /// The next moment at which something is due.
    pub(crate) fn next_at(&self) -> Instant {
        let given_up = self.queue.waiting().map(|waiting| waiting.since + self.settings.give_up).min();
        [self.look_again_at, given_up].into_iter().flatten().fold(self.rescan_at, Instant::min)
    }

    /// Stop watching: nothing that happens in the inbox wakes this process.
    pub(crate) fn pause_watch(&mut self) {
        self.watch.pause();
    }

    /// Watch again. The next look covers whatever came meanwhile.
    pub(crate) fn resume_watch(&mut self) {
        if let Err(error) = self.watch.resume() {
            let seconds = self.settings.rescan_every.as_secs();
            log::warn!("cannot watch the inbox, looking at it every {seconds} s: {error}");
            // It may be gone: find out now.
            self.rescan_at = Instant::now();
        }
    }

    /// What wakes the daemon.
    pub(crate) fn wake(&self) -> &Wake {
        &self.wake
    }
}

fn log_rejection(queued: &QueuedJob, rejection: &Rejection) {
    log::warn!(JOB = queued.name.as_str(), ID:% = queued.entry.id, REASON = rejection.failure.reason.as_str(); "rejected: {}", rejection.failure);
}

/// Does a runtime read files with this ending?
fn is_model(name: &OsStr) -> bool {
    let ending = Path::new(name).extension();
    RUNTIMES
        .iter()
        .any(|runtime| ending.is_some_and(|ending| ending.eq_ignore_ascii_case(runtime.model_format)))
}

fn cancelled_before_its_turn() -> Outcome {
    Failure::new(Stage::Queue, "cancelled", "the job was cancelled before its turn")
        .with_hint("`backbone retry` queues it again")
        .outcome(Status::Cancelled)
}
