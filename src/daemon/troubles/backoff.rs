//! When something is tried again that failed through the host's fault: after a time that doubles with each
//! failure, so that a host without processes is not asked for one a hundred times a second.
//!
//! What waits is the whole host, one runtime, or one job; everything else goes on. Reads no clock, and knows
//! nothing but this process's life: after a restart everything is tried at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::TRY_AGAIN_AFTER;
use crate::daemon::status::Attention;
use crate::spool::names::JobId;

/// The longest time between two attempts. A person who mended the host does not want to wait longer.
pub(super) const TRY_AGAIN_AT_MOST_AFTER: Duration = Duration::from_secs(300);

/// What waits for another attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Every job: the host cannot start a process.
    Host,
    /// Every job on this runtime.
    Runtime(&'static str),
    /// This job alone.
    Job(JobId),
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Backoffs(BTreeMap<Subject, Backoff>);

#[derive(Debug)]
struct Backoff {
    /// Failures in a row.
    failures: u32,
    until: Instant,
    /// What the status says; a job that waits with its runtime says nothing of its own.
    attention: Option<Attention>,
    /// Waits with this runtime, and no longer than it.
    with: Option<&'static str>,
}

impl Backoffs {
    /// It failed once more. Returns after how long it is tried again.
    pub(super) fn failed(&mut self, subject: Subject, attention: Attention, now: Instant) -> Duration {
        let failures = self.failures(&subject) + 1;
        let after = after(failures);
        let backoff = Backoff { failures, until: now + after, attention: Some(attention), with: None };
        self.0.insert(subject, backoff);
        after
    }

    /// A job waits as long as its runtime does.
    pub(super) fn wait_with(&mut self, job: &JobId, runtime: &'static str) {
        let Some(until) = self.0.get(&Subject::Runtime(runtime)).map(|backoff| backoff.until) else { return };
        let failures = self.failures(&Subject::Job(job.clone()));
        let backoff = Backoff { failures, until, attention: None, with: Some(runtime) };
        self.0.insert(Subject::Job(job.clone()), backoff);
    }

    /// It worked, or is gone: the next failure is the first.
    pub(super) fn worked(&mut self, subject: &Subject) {
        self.0.remove(subject);
        if let Subject::Runtime(runtime) = subject {
            self.0.retain(|_, backoff| backoff.with != Some(*runtime));
        }
    }

    /// Is it not to be tried yet?
    pub(super) fn is_waiting(&self, subject: &Subject, now: Instant) -> bool {
        self.0.get(subject).is_some_and(|backoff| backoff.until > now)
    }

    /// How often in a row it failed.
    pub(super) fn failures(&self, subject: &Subject) -> u32 {
        self.0.get(subject).map_or(0, |backoff| backoff.failures)
    }

    /// The next moment after `now` at which something is to be tried.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.0.values().map(|backoff| backoff.until).filter(|until| *until > now).min()
    }

    /// What the status says of it.
    pub(super) fn attention(&self) -> impl Iterator<Item = &Attention> {
        self.0.values().filter_map(|backoff| backoff.attention.as_ref())
    }
}

/// After how long to try again after so many failures.
fn after(failures: u32) -> Duration {
    let doubled = TRY_AGAIN_AFTER.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(TRY_AGAIN_AT_MOST_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention() -> Attention {
        Attention { code: "c".into(), what: "w".into(), why: "y".into() }
    }

    fn job(number: u64) -> JobId {
        JobId { number, tag: "t".into() }
    }

    #[test]
    fn time_between_attempts_doubles_up_to_five_minutes_and_begins_anew_after_a_success() {
        let now = Instant::now();
        let mut backoffs = Backoffs::default();
        let mut fail = || backoffs.failed(Subject::Host, attention(), now).as_secs();
        let seconds: Vec<u64> = (0..10).map(|_| fail()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoffs.worked(&Subject::Host);
        assert!(!backoffs.is_waiting(&Subject::Host, now));
        assert_eq!(backoffs.failed(Subject::Host, attention(), now).as_secs(), 2);
    }

    #[test]
    fn jobs_wait_with_their_runtime_and_go_on_with_it() {
        let now = Instant::now();
        let mut backoffs = Backoffs::default();
        backoffs.failed(Subject::Runtime("tflite"), attention(), now);
        backoffs.wait_with(&job(1), "tflite");
        backoffs.wait_with(&job(2), "sim");
        assert!(backoffs.is_waiting(&Subject::Job(job(1)), now));
        assert!(!backoffs.is_waiting(&Subject::Job(job(2)), now));
        assert_eq!(backoffs.attention().count(), 1, "the runtime says it for its jobs");
        backoffs.worked(&Subject::Runtime("tflite"));
        assert!(!backoffs.is_waiting(&Subject::Job(job(1)), now));
        assert_eq!(backoffs.next_at(now), None);
    }
}
