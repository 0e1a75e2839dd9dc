//! The way out: from what became of a configuration to its bundle, and from there to the outbox.
//!
//! [`Outlet`] owns the bundle that the disk refused, the bundles that are durable and not published yet, and
//! the counts of both. It puts a bundle together, makes it durable, records that in the job's journal and
//! publishes it, in this order; it does not touch the host. It returns what it finished, for the observer.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;

use super::bench::Pulse;
use super::clock::now_text;
use super::job::{EndedJob, name_without_spec};
use super::observer::BundleLine;
use super::status::{Finished, LastResult};
use super::troubles::{TroubleKind, Troubles};
use super::turn::{Course, Ended, Turn};
use crate::bundle::format::{ChainHead, Status, Times};
use crate::bundle::write;
use crate::config::Config;
use crate::spec::ModelSource;
use crate::spool::journal::{Durable, Progress, Record};
use crate::spool::names::{Entry, JobId};
use crate::spool::{Published, Spool};

mod assemble;
pub(super) mod chain;
mod count;
mod layers;
mod providers;
#[cfg(test)]
mod tests;

pub(crate) use assemble::Assembler;

use assemble::Parts;
use chain::{Chain, Link};
use count::{Counter, configuration_in_format};

/// Job files of finished jobs are pruned after this many jobs, not after each.
const PRUNE_EVERY: u64 = 64;

/// Bundles kept for an outbox that does not take them; beyond, nothing more is measured until it does. At
/// some tens of kilobytes each they stay below a gigabyte.
const MAXIMUM_UNPUBLISHED: usize = 10_000;

/// The way out.
#[derive(Debug)]
pub(crate) struct Outlet {
    assembler: Assembler,
    counter: Counter,
    chain: Chain,
    /// A bundle that the spool's disk refused. Its job stays in the queue.
    unwritten: Option<Unwritten>,
    /// A bundle was not made because a stop was asked for. Its job stays in the queue.
    is_interrupted: bool,
    /// Bundles that are durable and not published yet.
    unpublished: VecDeque<String>,
    finished: Finished,
    last_result: Option<LastResult>,
    retired: u64,
    keep_done_jobs: usize,
    spool: PathBuf,
    outbox: PathBuf,
}

/// A bundle that is not written yet.
#[derive(Debug)]
struct Unwritten {
    entry: Entry,
    configuration: usize,
    row: BundleLine,
    name: String,
    bytes: Vec<u8>,
    link: Link,
}

/// What the name of a bundle's file is made of.
struct Title<'a> {
    part: Option<&'a str>,
    configuration: usize,
}

impl Outlet {
    /// Start with the bundles that are durable since a former run.
    pub(crate) fn new(config: &Config, assembler: Assembler, ready: Vec<String>) -> Self {
        Self {
            assembler,
            counter: Counter::default(),
            chain: Chain::open(&config.state),
            unwritten: None,
            is_interrupted: false,
            unpublished: ready.into(),
            finished: Finished::default(),
            last_result: None,
            retired: 0,
            keep_done_jobs: usize::try_from(config.keep_done_jobs).unwrap_or(usize::MAX),
            spool: config.spool.clone(),
            outbox: config.outbox.clone(),
        }
    }

    /// At a start: a bundle in `ready/` is durable; let its journal say so before it is published.
    pub(crate) fn record_ready(&mut self, spool: &Spool, entries: &[Entry]) {
        let ready: Vec<String> = self.unpublished.iter().cloned().collect();
        self.chain.take_up(&ready, spool);
        for name in &self.unpublished {
            let Some((id, configuration)) = JobId::of_bundle(name) else { continue };
            if entries.iter().any(|entry| entry.id == id) {
                let record = Record::Bundled { configuration };
                if let Err(error) = spool.journal(&id).append(&record, Durable::Now) {
                    log::error!("cannot record a bundle: {error}");
                }
            }
        }
    }

    /// Make the bundle of a configuration, and publish it. `pulse` is called while it is made, and its error
    /// ends that.
    pub(crate) fn bundle_turn(
        &mut self,
        turn: &Turn<'_>,
        ended: Ended,
        spool: &Spool,
        troubles: &mut Troubles,
        pulse: &mut Pulse<'_>,
    ) -> Option<BundleLine> {
        let Turn { queued, job, progress, configuration, .. } = *turn;
        let Ended { outcome, model, course } = ended;
        let chosen = turn.chosen();
        let started =
            progress.started.iter().find(|(started, _)| *started == configuration).map(|(_, at)| at.clone());
        let (network, dropped) = match chosen.source {
            ModelSource::Dropped(index) => {
                (None, progress.models.as_ref().and_then(|models| models.get(index)))
            }
            ModelSource::Generated(network) => (Some(configuration_in_format(&network)), None),
        };
        let model = model.or_else(|| dropped.cloned());
        let counted = self.counter.count(job, chosen, model.as_ref(), &course, &spool.models);
        let parts = Parts {
            id: queued.entry.id.bundle_id(configuration),
            entry: &queued.entry,
            spec: turn.spec,
            job: Some(job),
            configuration: network,
            schedule: Some(turn.schedule()),
            runtime: Some((chosen.runtime, chosen.options.clone())),
            model,
            counted,
            outcome,
            times: Times {
                claimed: spool.claimed_at(&queued.entry),
                started: started.or(course.started.clone()),
                finished: now_text(),
            },
            course,
        };
        let title = Title { part: Some(&chosen.model_name(job)), configuration };
        self.bundle(parts, title, spool, troubles, pulse)
    }

    /// Make and publish a bundle for everything in an ended job that has none.
    pub(crate) fn bundle_job(
        &mut self,
        ended: &EndedJob,
        progress: &Progress,
        spool: &Spool,
        troubles: &mut Troubles,
        pulse: &mut Pulse<'_>,
    ) -> Vec<BundleLine> {
        let EndedJob { queued, spec, job, outcome } = ended;
        let mut rows = Vec::new();
        let Some(job) = job else {
            if progress.bundled.is_empty() {
                let parts = Parts::of_unread(&queued.entry, spec, outcome.clone(), spool);
                let title = Title { part: None, configuration: 1 };
                rows.extend(self.bundle(parts, title, spool, troubles, pulse));
            }
            return rows;
        };
        for configuration in 1..=job.configurations.len() {
            if !progress.bundled.contains(&configuration) && !self.is_held_up() {
                let ended = Course::of(progress, configuration).ended(outcome.clone(), None);
                let turn = Turn { queued, spec, job, progress, configuration };
                rows.extend(self.bundle_turn(&turn, ended, spool, troubles, pulse));
            }
        }
        rows
    }

    /// Encode a bundle, make it durable, record that, and publish it.
    fn bundle(
        &mut self,
        parts: Parts<'_>,
        title: Title<'_>,
        spool: &Spool,
        troubles: &mut Troubles,
        pulse: &mut Pulse<'_>,
    ) -> Option<BundleLine> {
        let entry = parts.entry.clone();
        let runtime = parts.runtime.as_ref().map(|(runtime, _)| runtime.name);
        let job = parts.job.map_or_else(|| name_without_spec(&entry), |job| job.name.clone());
        let Title { part, configuration } = title;
        let name = write::file_name(&job, part, runtime, &parts.id);
        let integrity = self.chain.next(parts.spec, self.assembler.harness_sha256());
        let mut bundle = self.assembler.assemble(parts);
        bundle.integrity = Some(integrity.clone());
        let mut pulse = || pulse().inspect_err(|_| self.is_interrupted = true);
        let bytes = match write::encode_with(&bundle, &mut pulse) {
            Ok(bytes) => bytes,
            Err(_) if self.is_interrupted => {
                log::info!(JOB = job.as_str(), ID:% = entry.id; "its bundle is made by the next start");
                return None;
            }
            Err(error) => {
                log::error!(JOB = job.as_str(); "cannot encode a bundle: {error}");
                return None;
            }
        };
        let row = BundleLine::of(&bundle, &name);
        let link = chain::link(&integrity, &bytes);
        self.unwritten = Some(Unwritten { entry, configuration, row, name, bytes, link });
        self.write(spool, troubles)
    }

    /// Make the bundle in hand durable and publish it. It stays in hand while the disk refuses.
    pub(crate) fn write(&mut self, spool: &Spool, troubles: &mut Troubles) -> Option<BundleLine> {
        let unwritten = self.unwritten.take()?;
        let journal = spool.journal(&unwritten.entry.id);
        let record = Record::Bundled { configuration: unwritten.configuration };
        let is_cancelled = unwritten.row.outcome.status == Status::Cancelled;
        let written = spool
            .make_ready(&unwritten.name, &unwritten.bytes)
            .and_then(|()| self.chain.advance(&unwritten.link))
            .and_then(|()| journal.append(&record, Durable::Now))
            // The journal of a job cancelled before its turn has a first line that was not durable, and no
            // name that is.
            .and_then(|()| if is_cancelled { journal.sync_folder() } else { Ok(()) });
        if let Err(error) = written {
            troubles.report(TroubleKind::SpoolUnwritable, &self.spool, &error, Instant::now());
            self.unwritten = Some(unwritten);
            return None;
        }
        troubles.fixed(TroubleKind::SpoolUnwritable);
        let Unwritten { entry, row, name, .. } = unwritten;
        self.finished.count(row.outcome.status);
        let word = word(row.outcome.status);
        let (job, bundle) = (row.job.as_str(), name.as_str());
        match &row.outcome.reason {
            None => log::info!(JOB = job, ID:% = entry.id, BUNDLE = bundle; "{word}"),
            Some(reason) => {
                log::info!(JOB = job, ID:% = entry.id, REASON = reason.as_str(), BUNDLE = bundle; "{word}");
            }
        }
        self.last_result = Some(LastResult {
            job: row.job.clone(),
            bundle: name.clone(),
            outcome: row.outcome.status,
            at: now_text(),
        });
        self.unpublished.push_back(name);
        self.publish(spool, troubles);
        Some(row)
    }

    /// Publish, in order, what is durable.
    pub(crate) fn publish(&mut self, spool: &Spool, troubles: &mut Troubles) {
        while let Some(name) = self.unpublished.front() {
            if let Published::Later(error) = spool.publish(name) {
                troubles.report(TroubleKind::OutboxUnwritable, &self.outbox, &error, Instant::now());
                return;
            }
            self.unpublished.pop_front();
            troubles.fixed(TroubleKind::OutboxUnwritable);
        }
    }

    /// A job has all its bundles: keep its file for `retry`.
    pub(crate) fn retire(&mut self, entry: &Entry, spool: &mut Spool, troubles: &mut Troubles) {
        if let Err(error) = spool.retire(entry) {
            troubles.report(TroubleKind::SpoolUnwritable, &self.spool, &error, Instant::now());
        }
        self.retired += 1;
    }

    /// Have enough jobs finished to prune their files?
    pub(crate) fn is_time_to_prune(&self) -> bool {
        self.retired.is_multiple_of(PRUNE_EVERY)
    }

    /// Remove the oldest files of finished jobs.
    pub(crate) fn prune(&self, spool: &Spool) {
        if let Err(error) = spool.prune_done(self.keep_done_jobs) {
            log::warn!("cannot prune finished jobs: {error}");
        }
    }

    /// Is a bundle in hand that the spool's disk refused, or was one not made because of a stop? No other may
    /// be made then.
    pub(crate) fn is_held_up(&self) -> bool {
        self.unwritten.is_some() || self.is_interrupted
    }

    /// Does the outbox refuse so many bundles that nothing more should be measured?
    pub(crate) fn is_full(&self) -> bool {
        self.unpublished.len() >= MAXIMUM_UNPUBLISHED
    }

    /// Number of bundles that are durable and not published yet.
    pub(crate) fn unpublished(&self) -> usize {
        self.unpublished.len()
    }

    /// The newest bundle of the host's chain.
    pub(crate) fn chain_head(&self) -> Option<&ChainHead> {
        self.chain.head()
    }

    /// The newest bundle, since the start.
    pub(crate) fn last_result(&self) -> Option<&LastResult> {
        self.last_result.as_ref()
    }

    /// Id of the host.
    pub(crate) fn host_id(&self) -> Option<&str> {
        self.assembler.host.id.as_deref()
    }

    /// Number of bundles by how they ended, since the start.
    pub(crate) fn job_done(&mut self) {
        self.finished.jobs += 1;
    }

    /// Jobs and bundles since this daemon started.
    pub(crate) fn finished(&self) -> Finished {
        self.finished
    }
}

/// The log's word for how a bundle ended.
fn word(status: Status) -> &'static str {
    match status {
        Status::Measured => "measured",
        Status::Rejected => "rejected",
        Status::Cancelled => "cancelled",
        Status::NotCompilable => "not compilable",
        Status::Failed => "failed",
        Status::TimedOut => "timed out",
    }
}
