//! The daemon: one thread that owns all state, looks at the inbox between measurements, and sleeps during
//! them.
//!
//! [`Daemon::serve`] runs until it is asked to stop, [`Daemon::work_off`] until nothing is left to do;
//! `backbone run` uses the latter on a spool of its own, so that both are the same pipeline. A step is: claim
//! what is fully uploaded, bind models, carry out requests, publish what is ready, and measure one
//! configuration of the job whose turn it is.
//!
//! The state has four owners, and this loop between them: [`inbox`] is the way in, [`mod@bench`] measures one
//! configuration, [`outlet`] is the way out, and [`troubles`] lists what is wrong with the host. None of them
//! knows another but the last.
//!
//! A job's errors go into its bundle. The host's errors (disk full, inbox gone, outbox read-only) are listed
//! in the status and tried again; no job is lost to them. Everything else ends the process, and the next
//! start goes on.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::bundle::format::{Stage, Status as OutcomeStatus};
use crate::config::Config;
use crate::host::{self, HostRoot};
use crate::installation::Installation;
use crate::spool::journal::{Durable, Record};
use crate::spool::names::Entry;
use crate::spool::watch::{Seen, Watch};
use crate::spool::{Places, Spool};

mod attending;
mod bench;
mod clock;
pub mod control;
pub(crate) mod hardware;
mod inbox;
mod job;
#[cfg(test)]
mod lab;
mod leftovers;
pub(crate) mod memory;
pub(crate) mod observer;
mod outlet;
mod reporter;
mod requests;
mod service;
mod start_error;
pub mod status;
mod troubles;
mod turn;

pub(crate) use bench::sensing::idle_beside_energy;
pub(crate) use inbox::{ExternalPart, admit, parts_of};
pub(crate) use reporter::Audience;
pub(crate) use start_error::StartError;

use attending::{Attending, Cancellation};
use bench::{Access, Bench, Reboots};
use inbox::{Again, Inbox, UploadsBeforeBoot, WaitingJob, Wake};
use job::{EndedJob, QueuedJob, ReadJob};
use observer::Observer;
use outlet::{Assembler, Outlet};
use reporter::{Reporter, StatusSources, Urgency};
use service::Service;
use status::State;
use troubles::{TroubleKind, Troubles};
use turn::{Ended, Left, Turn};

/// The daemon, or the pipeline of `backbone run`.
pub(crate) struct Daemon<'o> {
    config: Rc<Config>,
    spool: Spool,
    inbox: Inbox,
    bench: Bench,
    outlet: Outlet,
    troubles: Troubles,
    reporter: Reporter,
    observer: &'o mut dyn Observer,
}

impl<'o> Daemon<'o> {
    /// Open the spool, take up what a former run left, and start watching.
    ///
    /// # Errors
    /// Another daemon has the spool, its folders cannot be used, or the inbox cannot be watched.
    pub(crate) fn start(
        config: Config,
        audience: Audience,
        observer: &'o mut dyn Observer,
    ) -> Result<Self, StartError> {
        let config = Rc::new(config);
        match fs_err::create_dir(&config.state) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StartError::system("make the state folder")(error));
            }
            _ => {}
        }
        if audience == Audience::Collectors {
            leftovers::sweep(&config);
        }
        let places = Places {
            inbox: config.inbox.clone(),
            spool: config.spool.clone(),
            outbox: config.outbox.clone(),
        };
        let (spool, found) = Spool::open(&places)?;
        let wake = Wake::new().map_err(StartError::system("make a socket pair"))?;
        wake.connect_signals().map_err(StartError::system("handle signals"))?;
        let waker = wake.waker().map_err(StartError::system("make a socket pair"))?;
        let watch = Watch::start(&config.inbox, spool.control().path(), Box::new(move || waker.wake()))
            .map_err(|source| StartError::Watch { inbox: config.inbox.clone(), source })?;
        let now = Instant::now();
        let root = HostRoot::new(&config.host_root).map_err(StartError::system("use the host root"))?;
        let installation =
            Installation::of_this_process(&root).map_err(StartError::system("find the own executable"))?;
        let observed = host::observe(&root);
        let is_allowed = config.reboots_for_power_mode && audience == Audience::Collectors;
        let reboots = if is_allowed { Reboots::Allowed } else { Reboots::Forbidden };
        let is_real = root.is_real();
        let uptime_seconds = root.read("/proc/uptime").ok();
        let uptime_seconds = uptime_seconds.and_then(|text| text.split(' ').next()?.parse().ok());
        let now_ns = jiff::Timestamp::now().as_nanosecond();
        let uploads = UploadsBeforeBoot::of(&spool.inbox, uptime_seconds, now_ns);
        let mut daemon = Self {
            inbox: Inbox::new(&config, watch, wake, observed.memory_bytes, now),
            bench: Bench::new(Rc::clone(&config), root, &observed, reboots, installation),
            outlet: Outlet::new(
                &config,
                Assembler::new(observed, !is_real, host::clock::smallest_step()),
                found.ready,
            ),
            troubles: Troubles::default(),
            reporter: Reporter::new(Rc::clone(&config), audience, Service::connect(now)),
            observer,
            config,
            spool,
        };
        daemon.inbox.remember_boot(uploads);
        daemon.recover(found.entries);
        Ok(daemon)
    }

    /// Work until a stop is asked for.
    ///
    /// # Errors
    /// The spool's disk failed; a fresh start takes up what it holds.
    pub(crate) fn serve(&mut self) -> io::Result<()> {
        self.reporter.service().ready();
        while !self.inbox.wake().stop_requested() {
            if !self.step()? {
                self.report();
                let until = self.until_next();
                self.inbox.wake().sleep(until);
            }
        }
        self.stop();
        Ok(())
    }

    /// Work until nothing is left that could be done now: no job queued, no upload under way, nothing
    /// unpublished. Jobs that wait for a model stay in the queue. Returns whether it got that far, and was
    /// not stopped before.
    ///
    /// # Errors
    /// As [`Daemon::serve`].
    pub(crate) fn work_off(&mut self) -> io::Result<bool> {
        self.reporter.service().ready();
        let settle = Duration::from_secs(self.config.settle_seconds.max(1).into());
        while !self.inbox.wake().stop_requested() {
            if self.step()? {
                continue;
            }
            let is_paused = control::is_paused(self.spool.control().path());
            let is_busy = !self.inbox.queue().is_empty() && !is_paused || self.outlet.is_held_up();
            if !is_busy && !self.inbox.has_unsettled() {
                self.stop();
                return Ok(true);
            }
            self.report();
            let until = self.until_next().min(settle);
            self.inbox.wake().sleep(until);
        }
        self.stop();
        Ok(false)
    }

    /// Jobs that still wait for a file.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &WaitingJob> {
        self.inbox.queue().waiting()
    }

    /// Number of bundles that are durable and could not be published.
    pub(crate) fn unpublished(&self) -> usize {
        self.outlet.unpublished()
    }

    /// Reject the jobs that wait for a model now, if waiting longer makes no sense.
    pub(crate) fn reject_waiting(&mut self) {
        self.give_up_waiting(Instant::now(), Duration::ZERO);
    }

    /// Acquire the host's lock, or say who has it.
    pub(crate) fn lock_host(&mut self) -> bool {
        match self.bench.acquire(&mut self.troubles) {
            Access::Granted => true,
            Access::Waits { holder, is_new } => {
                if is_new {
                    log::info!("waiting: {holder} measures on this host");
                    self.observer.waits_for_host(&holder);
                }
                false
            }
            Access::Refused => false,
        }
    }

    fn stop(&mut self) {
        self.reporter.service().stopping();
        self.reporter.running(None);
        self.bench.release(&mut self.troubles);
        let (reporter, view) = self.reporting();
        reporter.write(State::Stopped, &view);
        log::info!("stopped");
    }

    fn report(&mut self) {
        let (reporter, view) = self.reporting();
        reporter.report(Urgency::Now, &view);
    }

    fn reporting(&mut self) -> (&mut Reporter, StatusSources<'_>) {
        let view = StatusSources {
            inbox: &self.inbox,
            outlet: &self.outlet,
            troubles: &self.troubles,
            spool: &self.spool,
            host_is_taken: self.bench.is_taken(),
        };
        (&mut self.reporter, view)
    }

    /// Take up the jobs and bundles that a former run left.
    fn recover(&mut self, entries: Vec<Entry>) {
        self.outlet.record_ready(&self.spool, &entries);
        for entry in &entries {
            let progress = self.spool.progress(&entry.id);
            for file in progress.files() {
                self.spool.models.claim(&file.sha256, &entry.id);
            }
        }
        if let Err(error) = self.spool.remove_unused_models() {
            log::warn!("cannot clean the folder of models: {error}");
        }
        if !entries.is_empty() {
            log::info!("{} jobs taken up from a former run", entries.len());
        }
        for entry in entries {
            self.admit(entry);
        }
        self.inbox.sync_bound(&self.spool, &mut self.troubles);
        let queue = self.inbox.queue();
        let is_queued = |job: &str| queue.in_order().any(|queued| queued.entry.id.to_string() == job);
        // Acquiring the lock restores the host.
        if self.bench.take_up(&is_queued, &mut self.troubles) && self.lock_host() {
            self.bench.unlock();
        }
        self.outlet.publish(&self.spool, &mut self.troubles);
    }

    /// Do what can be done now; measure at most one configuration. Returns whether anything is left to do at
    /// once.
    fn step(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        self.reporter.service().feed_watchdog(now);
        self.restore_folders(now);
        let seen = self.inbox.seen();
        if seen.control {
            self.carry_out_requests();
        }
        self.take_in(&seen, now)?;
        if self.troubles.is_due(now) {
            let kept_jobs_back = self.troubles.keep_jobs_from_the_queue();
            let row = self.outlet.write(&self.spool, &mut self.troubles);
            row.into_iter().for_each(|row| self.observer.bundled(row));
            self.outlet.publish(&self.spool, &mut self.troubles);
            if kept_jobs_back {
                // Before anything is measured: requests that could not be carried out, claims, and jobs
                // without their models.
                self.carry_out_requests();
                self.inbox.rescan(now);
                return Ok(true);
            }
        }
        if self.inbox.is_copying() {
            // Before anything is measured: nothing is copied while a worker times.
            self.copy_on();
            return Ok(true);
        }
        self.give_up_waiting(now, self.inbox.patience());
        if !self.outlet.is_held_up() {
            self.bench.reboot_back(&mut self.troubles);
        }
        let is_blocked = self.outlet.is_held_up()
            || self.outlet.is_full()
            || control::is_paused(self.spool.control().path())
            || self.bench.is_going_down(now);
        let Some(queued) = self.next_in_turn().cloned().filter(|_| !is_blocked) else {
            self.bench.release(&mut self.troubles);
            self.bench.forget_holder();
            return Ok(false);
        };
        if !self.lock_host() {
            return Ok(false);
        }
        Ok(self.advance(queued))
    }

    /// The job whose turn it is: the one that the host was rebooted for, or the queue's first.
    fn next_in_turn(&self) -> Option<&QueuedJob> {
        let queue = self.inbox.queue();
        let is_it = |queued: &&QueuedJob| self.bench.rebooted_job() == Some(&*queued.entry.id.to_string());
        let rebooted = self.bench.rebooted_job().and_then(|_| queue.in_order().find(is_it));
        rebooted.or_else(|| queue.first())
    }

    /// How long nothing will be due.
    fn until_next(&mut self) -> Duration {
        let next = [self.troubles.try_again_at(), self.reporter.service().feed_at()];
        let next = next.into_iter().flatten().fold(self.inbox.next_at(), Instant::min);
        next.saturating_duration_since(Instant::now())
    }
}

/// The way in.
impl Daemon<'_> {
    /// Claim what is fully uploaded, carry out cancel files, and give waiting jobs the models that came.
    fn take_in(&mut self, seen: &Seen, now: Instant) -> io::Result<()> {
        let Some(mut sight) = self.inbox.look(seen, &mut self.spool, &mut self.troubles, now) else {
            return Ok(());
        };
        for claims in std::mem::take(&mut sight.claims) {
            if self.inbox.wake().stop_requested() {
                break;
            }
            // After a failed fsync only a fresh start can find out what is on the disk.
            let outcomes = self
                .spool
                .claim(claims)
                .inspect_err(|error| log::error!("cannot make claims durable: {error}"))?;
            for outcome in outcomes {
                if let Some(entry) = self.inbox.claimed(outcome, &self.spool, &mut self.troubles, now) {
                    self.admit(entry);
                }
            }
            self.reporter.service().feed_watchdog(Instant::now());
        }
        for name in std::mem::take(&mut sight.cancels) {
            if self.cancel(inbox::cancelled_job(&name)) {
                self.inbox.remove_cancel_file(&name, &self.spool, &mut self.troubles);
            }
        }
        for waiting in self.inbox.to_be_bound(&sight, &self.spool) {
            let ended = self.inbox.bind_waiting(waiting, &mut self.spool, &mut self.troubles);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
        self.inbox.sync_bound(&self.spool, &mut self.troubles);
        self.inbox.tidy(&sight, &self.spool, now);
        Ok(())
    }

    /// Copy for one slice, and then begin with the next job that waits for that.
    fn copy_on(&mut self) {
        let ended = self.inbox.copy_on(&mut self.spool, &mut self.troubles);
        ended.into_iter().for_each(|ended| self.end(ended));
        while let Some(waiting) = self.inbox.next_to_copy() {
            let ended = self.inbox.bind_waiting(waiting, &mut self.spool, &mut self.troubles);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
        self.inbox.sync_bound(&self.spool, &mut self.troubles);
        let (reporter, view) = self.reporting();
        reporter.report(Urgency::Soon, &view);
    }

    fn admit(&mut self, entry: Entry) {
        let ended = self.inbox.admit(entry, &mut self.spool, &mut self.troubles);
        ended.into_iter().for_each(|ended| self.end(ended));
    }

    /// Reject the jobs that have waited this long for a model.
    fn give_up_waiting(&mut self, now: Instant, limit: Duration) {
        for waiting in self.inbox.late(now, limit) {
            let ended = self.inbox.give_up(waiting, limit, &self.spool);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
    }
}

/// A job's turn, and the way out.
impl Daemon<'_> {
    /// Measure the next configuration of a job, or finish the job. Returns whether the job advanced; if not,
    /// the host is in trouble and the job stays where it is.
    fn advance(&mut self, queued: QueuedJob) -> bool {
        let (spec, job) = inbox::read(&self.spool, &queued.entry);
        let job = match job {
            Ok(job) => job,
            Err(rejection) => {
                self.inbox.finished(&queued);
                let queued = QueuedJob { priority: 0, ..queued };
                self.end(EndedJob { queued, spec, job: None, outcome: rejection.outcome() });
                return true;
            }
        };
        let progress = self.spool.progress(&queued.entry.id);
        let left = (1..=job.configurations.len()).find(|number| !progress.bundled.contains(number));
        let Some(configuration) = left else {
            self.finish(&queued);
            return true;
        };
        let turn = Turn { queued: &queued, spec: &spec, job: &job, progress: &progress, configuration };
        match self.measure(&turn) {
            Left::Ended(ended) => {
                let again = self.inbox.again(&progress, &ended.outcome, &self.spool, Instant::now());
                if again != Again::No {
                    self.take_again(ReadJob { queued, spec, job }, again);
                    return true;
                }
                let (is_cancelled, stage) =
                    (ended.outcome.status == OutcomeStatus::Cancelled, ended.outcome.stage);
                // A power state that is not available for one configuration is not available for the others.
                let ends_job = is_cancelled || stage == Some(Stage::Power);
                let outcome = ends_job.then(|| ended.outcome.clone());
                let is_last = turn.is_last();
                self.bundle(&turn, *ended, outcome.is_some() || is_last);
                if is_cancelled {
                    self.inbox.cancelled_running(&queued);
                }
                if let Some(outcome) = outcome {
                    self.end(EndedJob { queued, spec, job: Some(job), outcome });
                } else if is_last && !self.outlet.is_held_up() {
                    self.finish(&queued);
                }
            }
            Left::Interrupted => {
                log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id; "back to the queue");
            }
            Left::ModelLost => {
                log::warn!(JOB = job.name.as_str(), ID:% = queued.entry.id; "its copy of the model is damaged; copying the model again");
                self.inbox.finished(&queued);
                self.inbox.lost(&queued, &progress);
                let read = ReadJob { queued, spec, job };
                let ended = self.inbox.bind(read, None, &mut self.spool, &mut self.troubles);
                ended.into_iter().for_each(|ended| self.end(ended));
            }
            Left::Trouble(error) => {
                self.troubles.report(
                    TroubleKind::SpoolUnwritable,
                    &self.config.spool,
                    &error,
                    Instant::now(),
                );
                return false;
            }
        }
        true
    }

    /// A job's model may have been taken before its upload ended.
    fn take_again(&mut self, read: ReadJob, again: Again) {
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
                ended.into_iter().for_each(|ended| self.end(ended));
            }
        }
    }

    /// Run the trials of one configuration that are still missing.
    fn measure(&mut self, turn: &Turn<'_>) -> Left {
        let Turn { queued, job, configuration, .. } = *turn;
        let runtime = turn.chosen().runtime.name;
        log::info!(JOB = job.name.as_str(), ID:% = queued.entry.id, RUNTIME = runtime, STAGE = "measure"; "measuring {configuration} of {}", job.configurations.len());
        self.bench.release_power_of_others(queued, &mut self.troubles);
        let (reporter, wake) = (&mut self.reporter, self.inbox.wake());
        // While a model is read again or generated.
        let mut pulse = || {
            reporter.service().feed_watchdog(Instant::now());
            if wake.stop_requested() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
        };
        let left = match self.bench.ready(turn, &mut self.spool, &mut self.troubles, &mut pulse) {
            Err(left) => left,
            Ok(ready) => {
                let mut attending = Attending {
                    cancellation: Cancellation::of(queued, &self.config.inbox, self.spool.control().path()),
                    inbox: &mut self.inbox,
                    outlet: &self.outlet,
                    troubles: &self.troubles,
                    spool: &self.spool,
                    reporter: &mut self.reporter,
                    observer: &mut *self.observer,
                };
                self.bench.run(turn, ready, &self.spool, &mut attending)
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
        let row = self.outlet.bundle_turn(turn, ended, &self.spool, &mut self.troubles);
        row.into_iter().for_each(|row| self.observer.bundled(row));
    }

    /// Everything in the job that has no bundle yet ends like this; then the job is finished.
    fn end(&mut self, ended: EndedJob) {
        let rows = self.outlet.bundle_job(&ended, &self.spool, &mut self.troubles);
        rows.into_iter().for_each(|row| self.observer.bundled(row));
        if self.outlet.is_held_up() {
            // Its turn comes again when the disk takes bundles again; what has a bundle by then is not
            // measured.
            self.inbox.requeue(&ended.queued);
        } else {
            self.finish(&ended.queued);
        }
    }

    /// A job has all its bundles.
    fn finish(&mut self, queued: &QueuedJob) {
        self.inbox.finished(queued);
        self.outlet.retire(&queued.entry, &mut self.spool, &mut self.troubles);
        if self.outlet.is_time_to_prune() || self.inbox.queue().is_empty() {
            self.outlet.prune(&self.spool);
        }
    }
}
