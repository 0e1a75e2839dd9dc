//! A device that fails three times in a row is stopped: its jobs wait, others go on, and a small network
//! tests it until it works again.
//!
//! A stick that hangs, or a GPU that fell off its bus, would fail every job of a queue. Each failure has its
//! bundle; from the third on the device gets no job until the sentinel has run: a generated network with the
//! options of the job that waits. What it measures is thrown away.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Daemon;
use super::bench::is_device_fault;
use super::job::{QueuedJob, SpecFile};
use super::troubles::{Setback, Subject, TroubleKind};
use super::turn::{Left, Turn};
use crate::bundle::format::{Outcome, Status};
use crate::runtime::options;
use crate::spec::{self, Job, JobConfiguration};
use crate::spool::journal::Progress;
use crate::spool::names::{Entry, EntryKind, JobId};

/// Failures of a device in a row that stop it: two may be the fault of two models.
const FAILURES_ALLOWED: u32 = 3;

/// How long each process of a sentinel may take, unless the job allows less: compiling a small network takes
/// a minute or two on the slowest boards.
const LIMIT_SECONDS: u32 = 300;

/// Failures of devices in a row, by runtime.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    failures: BTreeMap<&'static str, u32>,
}

impl Quarantine {
    /// A configuration ended on this runtime. Returns true if that stops its device.
    pub(super) fn ended(&mut self, runtime: &'static str, outcome: &Outcome) -> bool {
        if is_device_fault(outcome) {
            let failures = self.failures.entry(runtime).or_default();
            *failures += 1;
            return *failures == FAILURES_ALLOWED;
        }
        if outcome.status == Status::Measured {
            self.failures.remove(runtime);
        }
        false
    }

    /// Is the device of this runtime to be tested before any job runs on it?
    pub(super) fn is_stopped(&self, runtime: &str) -> bool {
        self.failures.get(runtime).is_some_and(|failures| *failures >= FAILURES_ALLOWED)
    }

    /// It works, or nothing can test it but the next job, whose failure stops it again.
    fn release(&mut self, runtime: &'static str, failures: u32) {
        self.failures.insert(runtime, failures);
    }
}

impl Daemon<'_> {
    /// A configuration has an outcome, which may stop its device.
    pub(super) fn mind_device(&mut self, runtime: &'static str, outcome: &Outcome) {
        if self.quarantine.ended(runtime, outcome) {
            let after = self.troubles.set_back(stopped(runtime, outcome), Instant::now()).as_secs();
            log::warn!(RUNTIME = runtime; "its device is stopped and tested in {after} s");
        }
    }

    /// Test a stopped device, with the options of the configuration that waits for it.
    pub(super) fn test_device(&mut self, chosen: &JobConfiguration, limit_seconds: u32) {
        let runtime = chosen.runtime.name;
        let Some(job) = sentinel(chosen, limit_seconds.min(LIMIT_SECONDS)) else {
            self.quarantine.release(runtime, FAILURES_ALLOWED - 1);
            self.troubles.worked(&Subject::Runtime(runtime));
            return;
        };
        let id = JobId { number: 0, tag: NAME.to_owned() };
        let entry = Entry { id: id.clone(), kind: EntryKind::Job, file: format!("{NAME}.yaml").into() };
        let queued = QueuedJob { entry, name: NAME.to_owned(), priority: 0 };
        let (spec, progress) = (SpecFile::default(), Progress::default());
        let turn = Turn { queued: &queued, spec: &spec, job: &job, progress: &progress, configuration: 1 };
        let left = self.measure(&turn);
        if let Err(error) = self.spool.journal(&id).remove() {
            log::warn!("cannot remove the sentinel's journal: {error}");
        }
        match left {
            Left::Ended(ended) if ended.outcome.status == Status::Measured => {
                log::info!(RUNTIME = runtime; "its device works again");
                self.quarantine.release(runtime, 0);
                self.troubles.worked(&Subject::Runtime(runtime));
            }
            Left::Ended(ended) => {
                self.troubles.set_back(stopped(runtime, &ended.outcome), Instant::now());
            }
            Left::SetBack(setback) => self.intake().set_back(&queued, *setback),
            Left::Interrupted | Left::ModelLost => {}
            Left::Trouble(error) => {
                let spool = self.config.spool.clone();
                self.troubles.report(TroubleKind::SpoolUnwritable, &spool, &error, Instant::now());
            }
        }
    }
}

/// Name of the job that tests a device.
const NAME: &str = "sentinel";

fn stopped(runtime: &'static str, outcome: &Outcome) -> Setback {
    let last = outcome.detail.as_deref().or(outcome.reason.as_deref()).unwrap_or("no reason");
    Setback {
        subject: Subject::Runtime(runtime),
        trouble: TroubleKind::DeviceStopped,
        what: format!("the device of {runtime}"),
        why: format!(
            "it failed {FAILURES_ALLOWED} times in a row, and its jobs wait until a small network runs on it; the last failure: {last}"
        ),
    }
}

/// A small network on the same runtime with the same options, in a precision that it takes.
fn sentinel(chosen: &JobConfiguration, limit_seconds: u32) -> Option<Job> {
    let text = |precision: &str| {
        format!(
            "backbone: 1\nname: {NAME}\nruntime: {}\nnetwork: {{block: standard, kernel: 3, batch: 1, input: 32, precision: {precision}, \
             width_percent: 5}}\nmeasure: {{warm_up_runs: 1, timed_runs: 3, timeout_seconds: {limit_seconds}}}\n",
            chosen.runtime.name
        )
    };
    let is_possible = |job: &Job| {
        job.configurations.iter().all(|one| match one.source {
            spec::ModelSource::Generated(network) => {
                (one.runtime.networks)(&one.options).is_some_and(|form| form.length(&network).is_ok())
            }
            spec::ModelSource::Dropped(_) => false,
        })
    };
    let of = |precision: &str| {
        let mut job = spec::resolve::job(text(precision).as_bytes(), "sentinel.yaml").ok()?;
        for one in &mut job.configurations {
            one.options.clone_from(&chosen.options);
            one.options.remove(options::PROFILE.name);
        }
        is_possible(&job).then_some(job)
    };
    of("int8").or_else(|| of("fp32"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::{Failure, Role, Stage};

    fn failed(reason: &str) -> Outcome {
        Failure::new(Stage::Timing, reason, "it failed").outcome(Status::Failed)
    }

    #[test]
    fn three_failures_of_a_device_in_a_row_stop_it_and_failures_of_jobs_do_not() {
        let mut quarantine = Quarantine::default();
        let mut end = |outcome: &Outcome| quarantine.ended("edgetpu", outcome);
        assert!(!end(&failed("device_failed")) && !end(&failed("device_hung")));
        assert!(!end(&Outcome::measured(Vec::new())));
        assert!(!end(&failed("device_failed")) && !end(&failed("device_hung")));
        assert!(!end(&failed("wrong_format")), "no fault of the device, and no sign that it works");
        assert!(end(&failed("device_vanished")));
        assert!(quarantine.is_stopped("edgetpu") && !quarantine.is_stopped("tflite"));
        quarantine.release("edgetpu", 0);
        assert!(!quarantine.is_stopped("edgetpu"));
    }

    #[test]
    fn every_runtime_that_generates_networks_has_a_sentinel() {
        for runtime in crate::runtime::RUNTIMES {
            let chosen = JobConfiguration {
                runtime,
                options: BTreeMap::new(),
                source: spec::ModelSource::Dropped(0),
                role: Role::Configuration,
            };
            let has_networks = (runtime.networks)(&chosen.options).is_some();
            assert_eq!(sentinel(&chosen, 60).is_some(), has_networks, "{}", runtime.name);
        }
    }
}
