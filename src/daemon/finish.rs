//! The daemon's way out: from a job whose turn it is to its bundles, and to the end of the job.

use std::time::Instant;

use super::assemble::Parts;
use super::configuration::{Left, Turn};
use super::inbox;
use super::job::{EndedJob, QueuedJob, ReadJob, SpecFile, name_without_spec};
use super::model::Counted;
use super::observer::Row;
use super::trials::Course;
use super::troubles::Trouble;
use super::{Daemon, Unwritten, now_text};
use crate::bundle::format::{Bundle, Outcome, Stage, Status as OutcomeStatus, Times};
use crate::bundle::write;
use crate::spec::Job;
use crate::spool::Published;
use crate::spool::journal::{Progress, Record};

/// Job files of finished jobs are pruned after this many jobs, not after each.
const PRUNE_EVERY: u64 = 64;

impl Daemon<'_> {
    /// Measure the next configuration of a job, or finish the job. Returns whether the job came further; if not, the host is
    /// in trouble and the job stays where it is.
    pub(super) fn advance(&mut self, queued: &QueuedJob) -> bool {
        let (spec, job) = inbox::read(&self.spool, &queued.entry);
        let job = match job {
            Ok(job) => job,
            Err(rejection) => {
                self.inbox.finished(queued);
                let queued = QueuedJob { priority: 0, ..queued.clone() };
                self.end(EndedJob { queued, spec, job: None, outcome: rejection.outcome() });
                return true;
            }
        };
        let progress = self.spool.progress(&queued.entry.id);
        let left = (1..=job.configurations.len()).find(|number| !progress.bundled.contains(number));
        let Some(configuration) = left else {
            self.finish(queued);
            return true;
        };
        log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id, RUNTIME = job.configurations[configuration - 1].runtime.name, STAGE = "measure"; "measuring {configuration} of {}", job.configurations.len());
        self.release_power_of_others(queued);
        let turn = Turn { queued, spec: &spec, job: &job, progress: &progress, configuration };
        let left = self.measure(&turn);
        self.spool.models.remove_generated();
        self.running = None;
        match left {
            Left::Ended(mut ended) => {
                let cancelled = ended.outcome.status == OutcomeStatus::Cancelled;
                // A state that can not be had for one configuration can not be had for the others.
                let ends_job = cancelled || ended.outcome.stage == Some(Stage::Power);
                let outcome = ended.outcome.clone();
                if ends_job || configuration == job.configurations.len() {
                    self.end_power(ended.course.power.as_mut());
                }
                self.bundle_configuration(&turn, *ended);
                if cancelled {
                    self.inbox.cancelled_running(queued);
                }
                if ends_job {
                    self.end(EndedJob { queued: queued.clone(), spec, job: Some(job), outcome });
                } else if configuration == job.configurations.len() && self.unwritten.is_none() {
                    self.finish(queued);
                }
            }
            Left::Interrupted => {
                log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "back to the queue");
            }
            Left::ModelLost => {
                log::warn!(JOB = job.name.as_str(), ID:% = queued.entry.id; "its copy of the model is not sound; taking the model again");
                self.inbox.finished(queued);
                let read = ReadJob { queued: queued.clone(), spec, job };
                let ended = self.inbox.bind(read, None, &mut self.spool, &mut self.troubles);
                ended.into_iter().for_each(|ended| self.end(ended));
            }
            Left::Trouble(error) => {
                self.troubles.report(Trouble::SpoolUnwritable, &self.config.spool, &error, Instant::now());
                return false;
            }
        }
        true
    }

    /// Everything in the job that has no bundle yet ends like this; then the job is finished.
    pub(super) fn end(&mut self, ended: EndedJob) {
        let EndedJob { queued, spec, job, outcome } = ended;
        let progress = self.spool.progress(&queued.entry.id);
        match &job {
            Some(job) => self.end_configurations(&queued, &spec, job, &progress, &outcome),
            None if progress.bundled.is_empty() => self.bundle_unread(&queued, &spec, outcome),
            // The one bundle of a job that was not understood is durable.
            None => return self.finish(&queued),
        }
        if self.unwritten.is_none() {
            self.finish(&queued);
        } else {
            // Its turn comes again when the disk takes bundles again; what has a bundle by then is not measured.
            self.inbox.requeue(&queued);
        }
    }

    fn end_configurations(
        &mut self,
        queued: &QueuedJob,
        spec: &SpecFile,
        job: &Job,
        progress: &Progress,
        outcome: &Outcome,
    ) {
        for configuration in 1..=job.configurations.len() {
            if !progress.bundled.contains(&configuration) && self.unwritten.is_none() {
                let ended = Course::of(progress, configuration).into_ended(outcome.clone(), None);
                let turn = Turn { queued, spec, job, progress, configuration };
                self.bundle_configuration(&turn, ended);
            }
        }
    }

    /// One bundle says why the file of the job was not understood.
    fn bundle_unread(&mut self, queued: &QueuedJob, spec: &SpecFile, outcome: Outcome) {
        let entry = &queued.entry;
        let parts = Parts {
            id: entry.id.bundle_id(1),
            entry,
            spec,
            job: None,
            configuration: None,
            runtime: None,
            model: None,
            counted: Counted::default(),
            loaded: None,
            preparation: Vec::new(),
            outcome,
            trials: Vec::new(),
            profile: None,
            environment: None,
            energy: None,
            power: None,
            times: Times { claimed: self.spool.claimed_at(entry), started: None, finished: now_text() },
        };
        self.bundle(parts, None, 1);
    }

    /// Encode a bundle, make it durable, record that, and publish it.
    pub(super) fn bundle(&mut self, parts: Parts<'_>, part: Option<&str>, configuration: usize) {
        let entry = parts.entry.clone();
        let runtime = parts.runtime.as_ref().map(|(runtime, _)| runtime.name);
        let job = parts.job.map_or_else(|| name_without_spec(&entry), |job| job.name.clone());
        let name = write::file_name(&job, part, runtime, &parts.id);
        let bundle: Bundle = self.assembler.assemble(parts);
        let bytes = match write::encode(&bundle) {
            Ok(bytes) => bytes,
            Err(error) => {
                log::error!(JOB = job.as_str(); "a bundle can not be encoded: {error}");
                return;
            }
        };
        let row = Row::of(&bundle, &name);
        self.unwritten = Some(Unwritten { entry, configuration, row, name, bytes });
        self.write_unwritten();
    }

    /// Make the bundle in hand durable. It stays in hand while the disk refuses.
    pub(super) fn write_unwritten(&mut self) {
        let Some(unwritten) = self.unwritten.take() else { return };
        let journal = self.spool.journal(&unwritten.entry.id);
        let record = Record::Bundled { configuration: unwritten.configuration };
        let cancelled = unwritten.row.status == OutcomeStatus::Cancelled;
        let written = self
            .spool
            .make_ready(&unwritten.name, &unwritten.bytes)
            .and_then(|()| journal.append(&record, true))
            // The journal of a job cancelled before its turn has a first line that was not durable, and no name that is.
            .and_then(|()| if cancelled { journal.sync_folder() } else { Ok(()) });
        if let Err(error) = written {
            self.troubles.report(Trouble::SpoolUnwritable, &self.config.spool, &error, Instant::now());
            self.unwritten = Some(unwritten);
            return;
        }
        self.troubles.fixed(Trouble::SpoolUnwritable);
        let row = unwritten.row;
        let (word, count) = match row.status {
            OutcomeStatus::Measured => ("measured", &mut self.finished.measured),
            OutcomeStatus::Rejected => ("rejected", &mut self.finished.rejected),
            OutcomeStatus::Cancelled => ("cancelled", &mut self.finished.cancelled),
            OutcomeStatus::NotCompilable => ("not compilable", &mut self.finished.failed),
            OutcomeStatus::Failed => ("failed", &mut self.finished.failed),
            OutcomeStatus::TimedOut => ("timed out", &mut self.finished.failed),
        };
        *count += 1;
        let (job, bundle) = (row.job.as_str(), unwritten.name.as_str());
        match &row.reason {
            None => log::info!(JOB = job, ID:% = unwritten.entry.id, BUNDLE = bundle; "{word}"),
            Some(reason) => {
                log::info!(JOB = job, ID:% = unwritten.entry.id, REASON = reason.as_str(), BUNDLE = bundle; "{word}");
            }
        }
        self.unpublished.push_back(unwritten.name);
        self.observer.bundled(row);
        self.publish_ready();
    }

    /// Publish, in order, what is durable.
    pub(super) fn publish_ready(&mut self) {
        while let Some(name) = self.unpublished.front() {
            if let Published::Later(error) = self.spool.publish(name) {
                self.troubles.report(Trouble::OutboxUnwritable, &self.config.outbox, &error, Instant::now());
                return;
            }
            self.unpublished.pop_front();
            self.troubles.fixed(Trouble::OutboxUnwritable);
        }
    }

    /// A job has all its bundles.
    fn finish(&mut self, queued: &QueuedJob) {
        self.inbox.finished(queued);
        if let Err(error) = self.spool.retire(&queued.entry) {
            self.troubles.report(Trouble::SpoolUnwritable, &self.config.spool, &error, Instant::now());
        }
        self.retired += 1;
        if self.retired.is_multiple_of(PRUNE_EVERY) || self.inbox.queue().is_empty() {
            let keep = usize::try_from(self.config.keep_done_jobs).unwrap_or(usize::MAX);
            if let Err(error) = self.spool.prune_done(keep) {
                log::warn!("can not prune finished jobs: {error}");
            }
        }
    }
}
