//! The way in: from files in the inbox to jobs in the queue.
//!
//! [`Inbox`] owns the watch on the inbox, the memory of its files, and the queue. It claims what is fully
//! uploaded, reads job files, finds and copies their files, and says which jobs end there; it measures
//! nothing and writes no bundle. Each method does one step, so that the daemon can end a job between two.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clock::now_text;
use super::job::{EndedJob, QueuedJob, ReadJob};
use super::status::Attention;
use super::troubles::{TRY_AGAIN_AFTER, TroubleKind, Troubles};
use crate::bundle::format::{Failure, Outcome, Stage, Status};
use crate::config::Config;
use crate::runtime::RUNTIMES;
use crate::spool::names::{Entry, JobId};
use crate::spool::plan::{Claim, Stat, Tracker, Unclaimed};
use crate::spool::watch::{Seen, Watch};
use crate::spool::{Claimed, Spool};

pub(crate) mod admit;
mod again;
mod binding;
mod copying;
mod locations;
mod oddity;
mod queue;
mod survey;
#[cfg(test)]
mod tests;
mod torn;
mod wake;

pub(crate) use admit::{cancelled_job, read};
pub(crate) use again::Again;
pub(crate) use locations::{ExternalPart, parts_of};
pub(crate) use queue::{Queue, WaitingJob};
pub(crate) use survey::Missing;
pub(crate) use torn::UploadsBeforeBoot;
pub(crate) use wake::Wake;

use admit::Rejection;
use copying::Copying;
use locations::Locations;

/// The way in.
pub(crate) struct Inbox {
    watch: Watch,
    wake: Wake,
    tracker: Tracker,
    queue: Queue,
    /// What the model files in the inbox say of further files.
    locations: Locations,
    /// The job whose files are being copied.
    copying: Option<Copying>,
    /// Jobs whose journals name their files, and not durably yet.
    unsynced: Vec<JobId>,
    /// Digests of copies that were damaged, by job and file: no other bytes may take their place.
    lost: BTreeMap<JobId, BTreeMap<String, String>>,
    uploads: UploadsBeforeBoot,
    /// Odd things in the inbox, as of the last rescan.
    oddities: Vec<Attention>,
    /// Why the inbox cannot be watched; it is looked at now and then meanwhile.
    unwatched: Option<Attention>,
    /// The job that was cancelled while it ran; its cancel file may still be read.
    cancelled_running: Option<QueuedJob>,
    rescan_at: Instant,
    look_again_at: Option<Instant>,
    /// Wall clock of the last look, for people.
    looked_at: Option<String>,
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
        let mut inbox = Self {
            watch,
            wake,
            tracker: Tracker::new(settings.settle, settings.give_up),
            queue: Queue::default(),
            locations: Locations::default(),
            copying: None,
            unsynced: Vec::new(),
            lost: BTreeMap::new(),
            uploads: UploadsBeforeBoot::default(),
            oddities: Vec::new(),
            unwatched: None,
            cancelled_running: None,
            rescan_at: now,
            look_again_at: None,
            looked_at: None,
            settings,
        };
        inbox.watch_again();
        inbox
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
        // A watch with nothing to say is a look too.
        if self.unwatched.is_none() || extent > Coverage::Named || is_due {
            self.looked_at = Some(now_text());
        }
        if extent == Coverage::Named && !is_due && seen.hints.is_empty() {
            return None;
        }
        if extent == Coverage::Safety {
            // Whatever still fails is reported again by the next attempt.
            troubles.fixed(TroubleKind::ClaimFailed);
            troubles.fixed(TroubleKind::NoRoom);
            if !self.queue.waiting().any(|waiting| waiting.refusals > 0) {
                troubles.fixed(TroubleKind::ModelNotCopied);
            }
        }
        if extent >= Coverage::Everything {
            self.rescan_at = now + self.settings.rescan_every;
            if !self.is_there(spool, troubles) {
                return None;
            }
            if extent == Coverage::Safety && self.unwatched.take().is_some() {
                self.watch_again();
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
        self.look_again_at = look.again_at.into_iter().chain(self.queue.again_at()).min();
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

    /// After a look at every name: remove files that no job needs any more, and note what is odd.
    pub(crate) fn tidy(&mut self, sight: &Sight, spool: &Spool, now: Instant) {
        if sight.extent == Coverage::Named && sight.models.is_empty() {
            return;
        }
        let unclaimed = self.tracker.unclaimed(now);
        self.locations.keep(|name| self.tracker.has(name));
        for (file, stat) in unclaimed.iter().filter(|(file, _)| locations::may_refer(&file.name)) {
            // What cannot be read now is asked again by the job that needs it.
            let _ = self.locations.of(&spool.inbox, &file.name, stat);
        }
        if sight.extent > Coverage::Named {
            self.remove_unused(&unclaimed, spool, now);
        }
        self.oddities = self.tracker.oddities(now).into_iter().map(oddity::attention).collect();
        let unclaimed = unclaimed.iter().filter(|(file, _)| !self.is_awaited(&file.name));
        let odd = unclaimed
            .filter_map(|(file, _)| oddity::unclaimed(file, self.queue.waiting(), &self.locations))
            .collect::<Vec<_>>();
        self.oddities.extend(odd);
    }

    /// Remove models and what they refer to, and whatever else a job used, some time after the last use.
    fn remove_unused(&self, unclaimed: &[(Unclaimed, Stat)], spool: &Spool, now: Instant) {
        let old = self.tracker.whole_for(self.settings.keep_models_for, now);
        let is_used = |name: &OsStr| unclaimed.iter().any(|(file, _)| file.name == name && file.is_used);
        for name in old.iter().filter(|name| !self.is_awaited(name)) {
            let model = self.locations.model_of(name);
            let is_needed = model.is_some_and(|model| !old.iter().any(|old| old == model));
            if is_needed || !(is_model(name) || model.is_some() || is_used(name)) {
                continue;
            }
            let seconds = self.settings.keep_models_for.as_secs();
            log::info!("removing {} from the inbox: unused for {seconds} s", name.to_string_lossy());
            if let Err(error) = spool.inbox.remove(name) {
                log::warn!("cannot remove {}: {error}", name.to_string_lossy());
            }
        }
    }

    fn is_awaited(&self, name: &OsStr) -> bool {
        self.queue
            .waiting()
            .any(|waiting| waiting.missing.iter().any(|missing| OsStr::new(&missing.file) == name))
    }

    /// Read the file of a job that was understood when it was admitted.
    fn read_queued(&self, queued: QueuedJob, spool: &Spool) -> Option<ReadJob> {
        let (spec, job) = read(spool, &queued.entry).ok()?;
        Some(ReadJob { queued, spec, job: job.ok()? })
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Remember which files were uploaded before the host's last boot, which may have been a power cut.
    pub(crate) fn remember_boot(&mut self, uploads: UploadsBeforeBoot) {
        self.uploads = uploads;
    }

    /// Make durable which files the jobs took that were queued since the last call.
    pub(crate) fn sync_bound(&mut self, spool: &Spool, troubles: &mut Troubles) {
        let jobs = std::mem::take(&mut self.unsynced);
        if !jobs.is_empty()
            && let Err(error) = spool.sync_journals(&jobs)
        {
            troubles.report(TroubleKind::SpoolUnwritable, &self.settings.spool, &error, Instant::now());
            self.unsynced = jobs;
        }
    }

    /// Wall clock of the last look into it.
    pub(crate) fn looked_at(&self) -> Option<&str> {
        self.looked_at.as_deref()
    }

    /// A job has all its bundles.
    pub(crate) fn finished(&mut self, queued: &QueuedJob) {
        self.queue.remove(queued);
        self.lost.remove(&queued.entry.id);
        if self.is_copying_for(queued) {
            self.copying = None;
        }
    }

    /// A job takes its turn again.
    pub(crate) fn requeue(&mut self, queued: &QueuedJob) {
        self.queue.remove(queued);
        self.queue.push(queued.clone());
    }

    /// Is any upload under way?
    pub(crate) fn has_unsettled(&self) -> bool {
        self.tracker.has_unsettled() || self.queue.again_at().is_some()
    }

    /// Odd things in the inbox.
    pub(crate) fn oddities(&self) -> impl Iterator<Item = &Attention> {
        self.oddities.iter().chain(&self.unwatched)
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
        let now = Instant::now();
        self.watch_again();
        if self.unwatched.is_some() {
            // It may be gone: find out now.
            self.rescan_at = now;
        }
    }

    fn watch_again(&mut self) {
        self.unwatched = self.watch.resume().err().map(|error| {
            let seconds = self.settings.rescan_every.as_secs();
            log::warn!("cannot watch the inbox, looking at it every {seconds} s: {error}");
            Attention {
                code: "inbox_not_watched".to_owned(),
                what: self.settings.inbox.display().to_string(),
                why: format!(
                    "it is looked at every {seconds} s: {error}; raise fs.inotify.max_user_watches and \
                     fs.inotify.max_user_instances"
                ),
            }
        });
    }

    /// The folder of requests was made again: watch the new one.
    pub(crate) fn watch_control_again(&mut self) {
        if let Err(error) = self.watch.watch_control() {
            log::warn!("cannot watch for requests of commands: {error}");
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
