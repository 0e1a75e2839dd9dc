//! A job's turn, and the way out: one configuration is measured, and what came of it goes to the outlet, back
//! to the queue, or waits for another attempt.

use std::time::Instant;

use super::Daemon;
use super::attending::{Attending, Cancellation};
use super::clock::now_text;
use super::inbox::{self, Again};
use super::intake::{Intake, pulse, unreadable};
use super::job::{EndedJob, QueuedJob, ReadJob, SpecFile};
use super::sentinel;
use super::status::SentinelPoint;
use super::troubles::{Setback, Subject, TroubleKind};
use super::turn::{Ended, Left, Turn};
use crate::bundle::format::{Fault, Outcome, Stage, Status as OutcomeStatus};
use crate::guarded::{self, Synced};
use crate::spool::journal::{Durable, Progress, Record};
use crate::spool::spare_bytes;
use crate::stats;

/// How often a build that failed through the host's fault is tried again: what a restarting driver or another
/// program that leaves takes.
const BUILDS_TRIED_AGAIN: u32 = 2;

/// Failures of a build for which a disk without room is to blame.
const OF_A_FULL_DISK: &[&str] = &["disk_full", "engine_not_saved"];

impl Daemon<'_> {
    /// Measure the next configuration of a job, or finish the job. Returns whether the job advanced; if not,
    /// the host is in trouble and the job stays where it is.
    pub(super) fn advance(&mut self, queued: QueuedJob) -> bool {
        let read = inbox::read(&self.spool, &queued.entry);
        let read = read.and_then(|read| Ok((read, self.spool.progress(&queued.entry.id)?)));
        let ((spec, job), progress) = match read {
            Ok(read) => read,
            Err(error) => {
                self.intake().set_back(&queued, unreadable(&queued, &error));
                return true;
            }
        };
        let job = match job {
            Ok(job) => job,
            Err(rejection) => {
                self.inbox.finished(&queued);
                let queued = QueuedJob { priority: 0, ..queued };
                self.intake().end(EndedJob { queued, spec, job: None, outcome: rejection.outcome() });
                return true;
            }
        };
        if (&*queued.name, queued.priority) != (&*job.name, job.priority) {
            // It could not be read when it was admitted.
            self.inbox.finished(&queued);
            self.inbox.requeue(&QueuedJob { name: job.name, priority: job.priority, ..queued });
            return true;
        }
        let left = (1..=job.configurations.len()).find(|number| !progress.bundled.contains(number));
        let Some(configuration) = left else {
            self.intake().finish(&queued);
            return true;
        };
        self.take_turn(ReadJob { queued, spec, job }, &progress, configuration)
    }

    fn take_turn(&mut self, read: ReadJob, progress: &Progress, configuration: usize) -> bool {
        let ReadJob { queued, spec, job } = &read;
        let turn = Turn { queued, spec, job, progress, configuration };
        let runtime = turn.chosen().runtime.name;
        if self.troubles.is_waiting(&Subject::Runtime(runtime), Instant::now()) {
            self.troubles.wait_with(&queued.entry.id, runtime);
            return true;
        }
        if self.quarantine.is_stopped(runtime) {
            self.test_device(turn.chosen(), job.measure.timeout_seconds);
            return true;
        }
        match self.measure(&turn) {
            Left::Ended(ended) => {
                if let Some(setback) = self.failed_build(&turn, &ended.outcome) {
                    // The build is neither a crash nor a result.
                    let _ = self.spool.journal(&queued.entry.id).append(&Record::Interrupted, Durable::Later);
                    self.intake().set_back(queued, setback);
                    return true;
                }
                self.host_did_its_part(&turn, &ended);
                self.mind_device(runtime, &ended.outcome);
                let again = self.inbox.again(progress, &ended.outcome, &self.spool, Instant::now());
                if again == Again::No {
                    self.ended(&turn, *ended);
                } else {
                    self.take_again(read, again);
                }
            }
            Left::Interrupted => {
                log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "back to the queue");
            }
            Left::ModelLost => {
                log::warn!(JOB = job.name.as_str(), ID:% = queued.entry.id; "its copy of the model is damaged; copying the model again");
                self.inbox.finished(queued);
                self.inbox.lost(queued, progress);
                let ended = self.inbox.bind(read, None, &mut self.spool, &mut self.troubles);
                ended.into_iter().for_each(|ended| self.intake().end(ended));
            }
            Left::SetBack(setback) => self.intake().set_back(queued, *setback),
            Left::Trouble(error) => {
                let (kind, now) = (TroubleKind::SpoolUnwritable, Instant::now());
                self.troubles.report(kind, &self.config.spool, &error, now);
                return false;
            }
        }
        true
    }

    /// Drop the job of the host's sentinel into the inbox if it is due and none is there.
    pub(super) fn drop_sentinel(&mut self, now: Instant) {
        let is_there = self.inbox.queue().in_order().any(|queued| queued.entry.file == sentinel::JOB_FILE);
        let Some(text) = self.sentinel.take_due(now).filter(|_| !is_there) else { return };
        if let Err(error) =
            guarded::write(&self.config.inbox, sentinel::JOB_FILE, text.as_bytes(), Synced::No)
        {
            log::warn!("cannot drop the job of the sentinel: {error}");
        }
    }

    /// Keep the mean of the host's sentinel.
    fn mind_sentinel(&mut self, turn: &Turn<'_>, ended: &Ended) {
        let is_measured = ended.outcome.status == OutcomeStatus::Measured;
        if turn.queued.entry.file != sentinel::JOB_FILE || !is_measured {
            return;
        }
        let Some(mean) = stats::mean(&stats::pooled(&ended.course.trials)) else { return };
        let recorded = self.sentinel.record(SentinelPoint {
            at: now_text(),
            bundle: turn.queued.entry.id.bundle_id(turn.configuration),
            runtime: turn.chosen().runtime.name.to_owned(),
            mean_milliseconds: mean / 1e6,
        });
        if let Err(error) = recorded {
            log::warn!("cannot keep the result of the sentinel: {error}");
        }
        self.reporter.sentinel(self.sentinel.in_status());
    }

    /// A configuration has an outcome; so may have its whole job.
    fn ended(&mut self, turn: &Turn<'_>, ended: Ended) {
        self.mind_sentinel(turn, &ended);
        let Turn { queued, spec, job, .. } = *turn;
        let (is_cancelled, stage) = (ended.outcome.status == OutcomeStatus::Cancelled, ended.outcome.stage);
        // A power state that is not available for one configuration is not available for the others.
        let ends_job = is_cancelled || stage == Some(Stage::Power);
        let outcome = ends_job.then(|| ended.outcome.clone());
        let is_last = turn.is_last();
        self.bundle(turn, ended, outcome.is_some() || is_last);
        if is_cancelled {
            self.inbox.cancelled_running(queued);
        }
        if let Some(outcome) = outcome {
            let (queued, spec) = (queued.clone(), SpecFile { text: spec.text.clone() });
            self.intake().end(EndedJob { queued, spec, job: Some(job.clone()), outcome });
        } else if is_last && !self.outlet.is_held_up() {
            self.intake().finish(queued);
        }
    }

    /// A build that failed through the host's fault is tried again: as long as its disk has no room, else a
    /// few times.
    fn failed_build(&self, turn: &Turn<'_>, outcome: &Outcome) -> Option<Setback> {
        let is_of_host = outcome.stage == Some(Stage::Build) && outcome.fault == Fault::Host;
        let reason = outcome.reason.as_deref().filter(|_| is_of_host)?;
        let id = &turn.queued.entry.id;
        let subject = Subject::Job(id.clone());
        let has_room = || self.spool.queue().space().is_ok_and(|(free, total)| free >= spare_bytes(total));
        let trouble = match () {
            () if OF_A_FULL_DISK.contains(&reason) && !has_room() => TroubleKind::NoRoom,
            () if self.troubles.failures(&subject) < BUILDS_TRIED_AGAIN => TroubleKind::BuildFailed,
            () => return None,
        };
        let detail = outcome.detail.as_deref().unwrap_or(reason);
        let why = format!("{detail}; {}", outcome.hint.as_deref().unwrap_or("the build is tried again"));
        Some(Setback { subject, trouble, what: format!("job {} ({id})", turn.job.name), why })
    }

    /// A configuration has an outcome: whatever was wrong with the host before is over.
    fn host_did_its_part(&mut self, turn: &Turn<'_>, ended: &Ended) {
        self.troubles.worked(&Subject::Job(turn.queued.entry.id.clone()));
        if ended.course.started.is_some() {
            self.troubles.worked(&Subject::Host);
            self.troubles.worked(&Subject::Runtime(turn.chosen().runtime.name));
        }
    }

    /// A job's model may have been taken before its upload ended.
    pub(super) fn take_again(&mut self, read: ReadJob, again: Again) {
        let queued = read.queued.clone();
        let (job, journal) = (read.job.name.as_str(), self.spool.journal(&queued.entry.id));
        // The trial is neither a crash nor a result.
        if let Err(error) = journal.append(&Record::Interrupted, Durable::Later) {
            log::warn!(JOB = job, ID:% = queued.entry.id; "cannot write to the journal: {error}");
        }
        self.inbox.finished(&queued);
        match again {
            Again::IfContinuedBy(until, missing) => {
                log::info!(JOB = job, ID:% = queued.entry.id; "not a whole model; waiting whether its upload goes on");
                self.inbox.wait_for_more(queued, missing, until);
            }
            Again::No | Again::Now => {
                log::info!(JOB = job, ID:% = queued.entry.id; "not a whole model, and it changed since; taking it again");
                let ended = self.inbox.bind(read, None, &mut self.spool, &mut self.troubles);
                ended.into_iter().for_each(|ended| self.intake().end(ended));
            }
        }
    }

    /// Run the trials of one configuration that are still missing.
    pub(super) fn measure(&mut self, turn: &Turn<'_>) -> Left {
        let Turn { queued, job, configuration, .. } = *turn;
        let runtime = turn.chosen().runtime.name;
        log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id, RUNTIME = runtime, STAGE = "measure"; "measuring {configuration} of {}", job.configurations.len());
        self.bench.release_power_of_others(queued, &mut self.troubles);
        let (reporter, wake) = (&mut self.reporter, self.inbox.wake());
        // While a model is read again or generated.
        let mut pulse = || pulse(reporter, wake);
        let left = match self.bench.ready(turn, &mut self.spool, &mut self.troubles, &mut pulse) {
            Err(left) => left,
            Ok(ready) => {
                let journal = self.spool.journal(&queued.entry.id);
                let cancellation = Cancellation::of(queued, &self.config.inbox, self.spool.control().path());
                let intake = Intake {
                    inbox: &mut self.inbox,
                    outlet: &mut self.outlet,
                    troubles: &mut self.troubles,
                    spool: &mut self.spool,
                    reporter: &mut self.reporter,
                    notifier: &mut self.notifier,
                    observer: &mut *self.observer,
                };
                let mut attending = Attending::new(intake, cancellation);
                let left = self.bench.run(turn, ready, journal, &mut attending);
                self.failed = attending.into_failure();
                left
            }
        };
        self.spool.models.end_turn();
        self.reporter.running(None);
        left
    }

    /// Make the bundle of a configuration; with its job's turn the host's power state ends first, so that the
    /// bundle can say whether it was restored.
    fn bundle(&mut self, turn: &Turn<'_>, mut ended: Ended, ends_turn: bool) {
        if ends_turn {
            self.bench.end_power(ended.course.power.as_mut(), &mut self.troubles);
        }
        let (reporter, wake) = (&mut self.reporter, self.inbox.wake());
        let mut pulse = || pulse(reporter, wake);
        let row = self.outlet.bundle_turn(turn, ended, &self.spool, &mut self.troubles, &mut pulse);
        row.into_iter().for_each(|row| self.bundled(row));
    }
}
