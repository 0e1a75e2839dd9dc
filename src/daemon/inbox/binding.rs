//! From a job that was read to a job in the queue: its files are looked for, waited for and copied.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use super::copying::{Copied, Copying};
use super::survey::{JobFiles, Survey, Surveyor};
use super::{Coverage, Inbox, Missing, Sight, WaitingJob, admit, log_rejection, read};
use crate::bundle::format::{Failure, Stage, Status};
use crate::daemon::job::{EndedJob, QueuedJob, ReadJob, name_without_spec};
use crate::daemon::troubles::{TRY_AGAIN_AFTER, TroubleKind, Troubles};
use crate::spool::journal::{BoundFile, BoundModel, Durable, Record};
use crate::spool::names::Entry;
use crate::spool::{CopyError, NoRoom, Spool};

/// A file that is shorter than its model says may grow for so many settle times: an upload in pieces is
/// closed between them.
const SHORT_FOR_SETTLE_TIMES: u32 = 10;

/// After the disk refused a copy, the next attempt comes after a time that doubles up to this: a copy of
/// gigabytes is not begun every two seconds.
const TRY_AGAIN_AT_MOST_AFTER: Duration = Duration::from_secs(60);

/// The files of all jobs in the queue.
impl Inbox {
    /// Read a claimed job and queue it, let it wait for its files, or end it.
    pub(crate) fn admit(
        &mut self,
        entry: Entry,
        spool: &mut Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        let (spec, job) = match read(spool, &entry) {
            Ok(read) => read,
            Err(error) => {
                // It is read again when its turn comes.
                log::warn!(ID:% = entry.id; "a claimed job cannot be read now: {error}");
                self.queue.push(QueuedJob { name: name_without_spec(&entry), priority: 0, entry });
                return None;
            }
        };
        let job = match job {
            Ok(job) => job,
            Err(rejection) => {
                let queued = QueuedJob { name: name_without_spec(&entry), priority: 0, entry };
                log_rejection(&queued, &rejection);
                return Some(EndedJob { queued, spec, job: None, outcome: rejection.outcome() });
            }
        };
        let queued = QueuedJob { name: job.name.clone(), priority: job.priority, entry };
        // One that cannot be read now is read again when its turn comes.
        if spool.progress(&queued.entry.id).map_or(true, |progress| progress.models.is_some()) {
            self.queue.push(queued);
            return None;
        }
        self.bind(ReadJob { queued, spec, job }, None, spool, troubles)
    }

    /// Waiting jobs to try again after a look: those that wait for a file that came, those whose time has
    /// come, and now and then all whose files are there, in case the disk refused. Not those whose files are
    /// not there: a thousand of them would be read each minute.
    pub(crate) fn to_be_bound(&self, sight: &Sight, spool: &Spool) -> Vec<WaitingJob> {
        let now = Instant::now();
        let came = |missing: &Missing| sight.models.iter().any(|model| model == OsStr::new(&missing.file));
        let is_there = |missing: &Missing| spool.inbox.entry(OsStr::new(&missing.file)).is_some();
        let is_to_be_bound = |waiting: &&WaitingJob| {
            waiting.missing.iter().any(came)
                || match waiting.again_at {
                    Some(at) => at <= now,
                    None => sight.extent == Coverage::Safety && waiting.missing.iter().all(is_there),
                }
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
        let read = self.read_queued(waiting.job.clone(), spool)?;
        self.bind(read, Some(&waiting), spool, troubles)
    }

    /// Copy the job's files and queue it, let it wait for them, or end it. `former` is how it waited until
    /// now.
    pub(crate) fn bind(
        &mut self,
        read: ReadJob,
        former: Option<&WaitingJob>,
        spool: &mut Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        let now = Instant::now();
        if self.is_copying_for(&read.queued) {
            return None;
        }
        let surveyor = Surveyor {
            inbox: &spool.inbox,
            tracker: &mut self.tracker,
            locations: &mut self.locations,
            memory_bytes: self.settings.memory_bytes,
            patience: self.settings.settle * SHORT_FOR_SETTLE_TIMES,
            now,
        };
        let since = former.map_or(now, |former| former.since);
        let refusals = former.map_or(0, |former| former.refusals);
        match surveyor.survey(&read.job) {
            Survey::Whole(files) => {
                self.take(Copying::new(read, since, files).after(refusals), spool, troubles)
            }
            Survey::Missing(missing, again_at) => {
                if former.is_none() {
                    let names: Vec<&str> = missing.iter().map(|missing| missing.file.as_str()).collect();
                    log::info!(JOB = read.job.name.as_str(), ID:% = read.queued.entry.id; "waits for {}", names.join(", "));
                }
                self.wait(WaitingJob { missing, since, again_at, ..WaitingJob::of(read.queued, now) });
                None
            }
            Survey::Rejected(rejection) => {
                log_rejection(&read.queued, &rejection);
                Some(read.ended(rejection.outcome()))
            }
            Survey::Trouble(error) => {
                let copying = Copying::new(read, since, JobFiles::default()).after(refusals);
                self.refused(copying, error.into(), troubles)
            }
        }
    }

    /// Begin to copy, unless another job's files are being copied and these are not in the spool yet.
    fn take(&mut self, copying: Copying, spool: &mut Spool, troubles: &mut Troubles) -> Option<EndedJob> {
        if self.copying.is_some() && copying.bytes(spool) > 0 {
            let now = Instant::now();
            self.wait(WaitingJob { since: copying.since, ..WaitingJob::of(copying.read.queued, now) });
            return None;
        }
        self.advance(copying, spool, troubles)
    }

    /// Copy for one more slice; the job whose files are copied may be queued, wait or end by that.
    pub(crate) fn copy_on(&mut self, spool: &mut Spool, troubles: &mut Troubles) -> Option<EndedJob> {
        let copying = self.copying.take()?;
        self.advance(copying, spool, troubles)
    }

    fn advance(
        &mut self,
        mut copying: Copying,
        spool: &mut Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        match copying.advance(spool, &mut self.tracker) {
            Copied::More => {
                let now = Instant::now();
                self.wait(WaitingJob {
                    since: copying.since,
                    ..WaitingJob::of(copying.read.queued.clone(), now)
                });
                self.copying = Some(copying);
                None
            }
            Copied::All(models, inputs) => match self.others(&copying.read.queued, &models, &inputs) {
                others if others.is_empty() => self.bound(copying, (models, inputs), spool, troubles),
                missing => self.waits_for(copying, missing),
            },
            Copied::Changed(file) => self.waits_for(copying, vec![Missing::named(&file)]),
            Copied::Rejected(rejection) => {
                let torn = self.torn(&copying.read, &rejection, spool);
                if !torn.is_empty() {
                    return self.waits_for(copying, torn);
                }
                log_rejection(&copying.read.queued, &rejection);
                Some(copying.read.ended(rejection.outcome()))
            }
            Copied::Refused(error) => self.refused(copying, error, troubles),
        }
    }

    fn waits_for(&mut self, copying: Copying, missing: Vec<Missing>) -> Option<EndedJob> {
        let (queued, now) = (copying.read.queued, Instant::now());
        self.wait(WaitingJob { missing, since: copying.since, ..WaitingJob::of(queued, now) });
        None
    }

    fn bound(
        &mut self,
        copying: Copying,
        (models, inputs): (Vec<BoundModel>, Vec<BoundFile>),
        spool: &Spool,
        troubles: &mut Troubles,
    ) -> Option<EndedJob> {
        let journal = spool.journal(&copying.read.queued.entry.id);
        if let Err(error) = journal.append(&Record::Bound { models, inputs }, Durable::Later) {
            troubles.report(TroubleKind::SpoolUnwritable, &self.settings.spool, &error, Instant::now());
            self.wait(copying.read.waiting());
            return None;
        }
        let Copying { read: ReadJob { queued, job, .. }, .. } = copying;
        self.unsynced.push(queued.entry.id.clone());
        self.lost.remove(&queued.entry.id);
        log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "queued");
        self.queue.remove(&queued);
        self.queue.push(queued);
        if !self.queue.waiting().any(|waiting| waiting.refusals > 0) {
            troubles.fixed(TroubleKind::ModelNotCopied);
        }
        None
    }

    /// The disk refuses the job's files. The time until it no longer does, does not count against the job.
    fn refused(&mut self, copying: Copying, error: CopyError, troubles: &mut Troubles) -> Option<EndedJob> {
        let now = Instant::now();
        let (read, refusals) = (copying.read, copying.refusals);
        let waiting = read.waiting();
        match error {
            CopyError::NoRoom(no_room) if no_room.is_for_ever() => {
                let rejection = never_fits(&no_room);
                log_rejection(&read.queued, &rejection);
                return Some(read.ended(rejection.outcome()));
            }
            CopyError::NoRoom(no_room) => {
                let what =
                    self.settings.inbox.join(read.job.files().first().map_or("", |wanted| wanted.file));
                let why = format!("job {}: {no_room}; make room there", read.job.name);
                troubles.report(TroubleKind::NoRoom, &what, &why, now);
                let missing = |mut missing: Vec<Missing>| {
                    missing.iter_mut().take(1).for_each(|first| first.why = Some(no_room.to_string()));
                    missing
                };
                self.wait(WaitingJob { missing: missing(waiting.missing), ..waiting });
            }
            CopyError::Disk(error) => {
                troubles.report(TroubleKind::ModelNotCopied, &self.settings.inbox, &error, now);
                let after =
                    TRY_AGAIN_AFTER.saturating_mul(1 << refusals.min(10)).min(TRY_AGAIN_AT_MOST_AFTER);
                self.wait(WaitingJob { refusals: refusals + 1, again_at: Some(now + after), ..waiting });
            }
        }
        None
    }

    /// Let a job wait.
    pub(super) fn wait(&mut self, waiting: WaitingJob) {
        // A file whose upload is not finished has a time at which to look again.
        let again = self.tracker.again_at().into_iter().chain(waiting.again_at);
        self.look_again_at = self.look_again_at.into_iter().chain(again).min();
        self.queue.wait(waiting);
    }

    /// A job that only waits until another one's files are copied, once they are.
    pub(crate) fn next_to_copy(&self) -> Option<WaitingJob> {
        let is_next = |waiting: &&WaitingJob| waiting.missing.is_empty() && waiting.again_at.is_none();
        self.queue.waiting().find(is_next).filter(|_| self.copying.is_none()).cloned()
    }

    /// Are a job's files being copied?
    pub(crate) fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    /// Are the files of this job being copied?
    pub(super) fn is_copying_for(&self, queued: &QueuedJob) -> bool {
        self.copying.as_ref().is_some_and(|copying| copying.read.queued.entry.id == queued.entry.id)
    }

    /// The file of this job that is being copied, the bytes done, and of how many.
    pub(crate) fn copied(&self, queued: &QueuedJob) -> Option<(&str, u64, u64)> {
        self.copying.as_ref().filter(|_| self.is_copying_for(queued))?.progress()
    }

    /// Jobs that have waited for a file for at least `limit`.
    pub(crate) fn late(&self, now: Instant, limit: Duration) -> Vec<WaitingJob> {
        let is_late = |waiting: &&WaitingJob| {
            now.saturating_duration_since(waiting.since) >= limit && !waiting.missing.is_empty()
        };
        self.queue.waiting().filter(is_late).cloned().collect()
    }

    /// End a job whose files did not come within `limit`.
    pub(crate) fn give_up(&self, waiting: WaitingJob, limit: Duration, spool: &Spool) -> Option<EndedJob> {
        let read = self.read_queued(waiting.job, spool)?;
        log::warn!(JOB = read.job.name.as_str(), ID:% = read.queued.entry.id; "rejected: its model never came");
        let names: Vec<&str> = waiting.missing.iter().map(|missing| missing.file.as_str()).collect();
        let mut detail =
            format!("missing or not fully uploaded after {} s: {}", limit.as_secs(), names.join(", "));
        for why in waiting.missing.iter().filter_map(|missing| missing.why.as_ref()) {
            detail.push_str(&format!("; {why}"));
        }
        let failure = Failure::new(Stage::Model, "model_never_came", detail)
            .with_hint("upload the model, then `backbone retry` the job");
        Some(read.ended(failure.outcome(Status::Rejected)))
    }

    /// How long a job may wait for its files.
    pub(crate) fn patience(&self) -> Duration {
        self.settings.give_up
    }
}

impl ReadJob {
    /// It waits from now on, for all its files.
    fn waiting(&self) -> WaitingJob {
        let missing = self.job.files().iter().map(|wanted| Missing::named(wanted.file)).collect();
        WaitingJob { missing, ..WaitingJob::of(self.queued.clone(), Instant::now()) }
    }
}

fn never_fits(no_room: &NoRoom) -> admit::Rejection {
    let NoRoom { needed_bytes, total_bytes, .. } = no_room;
    let detail = format!(
        "the files of the job take {needed_bytes} bytes in the spool, and its file system has {total_bytes}"
    );
    let hint = "put the folder of inbox and spool on a larger disk, or measure a smaller model";
    admit::Rejection::new(Stage::Model, "model_larger_than_disk", detail, hint)
}
