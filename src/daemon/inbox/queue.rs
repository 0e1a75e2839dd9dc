//! The jobs that this daemon knows, and whose turn it is. Pure: no file and no clock.
//!
//! It keeps only names and numbers of each job. The job file is read again when its turn comes, so that
//! twenty thousand waiting jobs need little memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Instant;

use super::survey::Missing;
use crate::daemon::job::QueuedJob;
use crate::spool::names::JobId;

/// A job that waits for its model.
#[derive(Debug, Clone)]
pub(crate) struct WaitingJob {
    /// The job.
    pub(crate) job: QueuedJob,
    /// Files that are missing or not fully uploaded; none if they are being copied, or will be next.
    pub(crate) missing: Vec<Missing>,
    /// Since when, as far as this process knows.
    pub(crate) since: Instant,
    /// When to look for its files again, whatever happens; if set, not before unless one of them changes.
    pub(crate) again_at: Option<Instant>,
    /// How often in a row the disk refused its files.
    pub(crate) refusals: u32,
}

impl WaitingJob {
    /// A job that waits for nothing in particular, from now on.
    pub(crate) fn of(job: QueuedJob, now: Instant) -> Self {
        Self { job, missing: Vec::new(), since: now, again_at: None, refusals: 0 }
    }

    /// The missing files in words, such as `net.onnx, mel.npy`, and why they are needed.
    pub(crate) fn files(&self) -> String {
        let of = |missing: &Missing| match &missing.why {
            Some(why) => format!("{} ({why})", missing.file),
            None => missing.file.clone(),
        };
        self.missing.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// All claimed jobs.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: BTreeMap<(Reverse<i8>, JobId), QueuedJob>,
    waiting: BTreeMap<JobId, WaitingJob>,
}

impl Queue {
    /// Add a job whose models are bound.
    pub(crate) fn push(&mut self, job: QueuedJob) {
        self.ready.insert((Reverse(job.priority), job.entry.id.clone()), job);
    }

    /// Add or keep a job that waits for its models.
    pub(crate) fn wait(&mut self, job: WaitingJob) {
        self.waiting.insert(job.job.entry.id.clone(), job);
    }

    /// Jobs in the order of their turns: highest priority, then first to arrive. A job that waits for a model
    /// holds up no other.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &QueuedJob> {
        self.ready.values()
    }

    /// Is no job ready for its turn?
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Jobs that wait for models, in order of arrival.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &WaitingJob> {
        self.waiting.values()
    }

    /// The next moment at which to look for the files of a waiting job, whatever happens.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|waiting| waiting.again_at).min()
    }

    /// Remove a job, ready or waiting.
    pub(crate) fn remove(&mut self, job: &QueuedJob) {
        self.ready.remove(&(Reverse(job.priority), job.entry.id.clone()));
        self.waiting.remove(&job.entry.id);
    }

    /// Jobs that a person may mean by this: an id, a name, or the stem of a job file.
    pub(crate) fn matching(&self, meant: &OsStr) -> Vec<QueuedJob> {
        let all = self.ready.values().chain(self.waiting.values().map(|waiting| &waiting.job));
        all.filter(|job| job.is_meant_by(meant)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::names::{Entry, EntryKind};

    fn job(number: u64, priority: i8) -> QueuedJob {
        let id = JobId { number, tag: "t".into() };
        let file = format!("j{number}.yaml").into();
        QueuedJob { entry: Entry { id, kind: EntryKind::Job, file }, name: format!("n{number}"), priority }
    }

    #[test]
    fn priority_goes_first_and_arrival_second() {
        let mut queue = Queue::default();
        for (number, priority) in [(1, 0), (2, 5), (3, -5), (4, 5), (5, 0)] {
            queue.push(job(number, priority));
        }
        let order: Vec<u64> = queue.in_order().map(|job| job.entry.id.number).collect();
        assert_eq!(order, [2, 4, 1, 5, 3]);
    }

    #[test]
    fn a_waiting_job_holds_up_no_other_and_can_be_named_three_ways() {
        let mut queue = Queue::default();
        queue.wait(WaitingJob::of(job(1, 100), Instant::now()));
        queue.push(job(2, 0));
        assert_eq!(queue.in_order().next().map(|job| job.entry.id.number), Some(2));
        for meant in ["n1", "j1", "0000000001-t"] {
            assert_eq!(queue.matching(OsStr::new(meant)).len(), 1, "{meant}");
        }
        queue.remove(&job(1, 100));
        assert_eq!(queue.waiting().count(), 0);
    }
}
