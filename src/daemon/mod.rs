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
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::bundle::format::SandboxSetting;
use crate::config::Config;
use crate::host::{self, HostRoot};
use crate::installation::Installation;
use crate::spool::names::Entry;
use crate::spool::watch::Watch;
use crate::spool::{Places, Spool};
use crate::worker::sandbox;

mod advance;
mod attending;
mod bench;
mod clock;
pub mod control;
pub(crate) mod hardware;
mod host_id;
mod inbox;
mod intake;
mod job;
#[cfg(test)]
mod lab;
mod leftovers;
pub(crate) mod memory;
mod metrics;
mod notifier;
pub(crate) mod observer;
mod outlet;
mod quarantine;
mod reporter;
mod requests;
mod sentinel;
mod service;
mod start_error;
pub mod status;
pub(crate) mod status_file;
mod troubles;
mod turn;

pub(crate) use bench::sensing::idle_beside_energy;
pub(crate) use inbox::{ExternalPart, admit, parts_of};
pub(crate) use reporter::Audience;
pub(crate) use start_error::StartError;
pub(crate) use turn::fewest_trials;

use bench::{Access, Bench, Reboots};
use inbox::{Inbox, UploadsBeforeBoot, WaitingJob, Wake};
use intake::Intake;
use job::QueuedJob;
use metrics::Metrics;
use notifier::Notifier;
use observer::{BundleLine, Observer};
use outlet::{Assembler, Outlet};
use quarantine::Quarantine;
use reporter::{Reporter, StatusSources, Urgency};
use sentinel::HostSentinel;
use service::Service;
use status::State;
use troubles::{Subject, TroubleKind, Troubles};

/// The daemon, or the pipeline of `backbone run`.
pub(crate) struct Daemon<'o> {
    config: Rc<Config>,
    spool: Spool,
    inbox: Inbox,
    bench: Bench,
    outlet: Outlet,
    troubles: Troubles,
    quarantine: Quarantine,
    sentinel: HostSentinel,
    /// When the last step began: what was due by then was done in it.
    stepped_at: Instant,
    reporter: Reporter,
    notifier: Notifier,
    observer: &'o mut dyn Observer,
    /// Why the process must end, if something of the last turn says so.
    failed: Option<io::Error>,
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
        if config.sandbox == SandboxSetting::Required
            && let Some(obstacle) = sandbox::obstacle()
        {
            return Err(StartError::Sandbox(obstacle));
        }
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
        let (mut spool, found) = Spool::open(&places)?;
        let wake = Wake::new().map_err(StartError::system("make a socket pair"))?;
        wake.connect_signals().map_err(StartError::system("handle signals"))?;
        let waker = wake.waker().map_err(StartError::system("make a socket pair"))?;
        let watch = Watch::start(&config.inbox, spool.control().path(), Box::new(move || waker.wake()));
        let now = Instant::now();
        let root = HostRoot::new(&config.host_root).map_err(StartError::system("use the host root"))?;
        let installation =
            Installation::of_this_process(&root).map_err(StartError::system("find the own executable"))?;
        let mut observed = host::observe(&root);
        observed.id = match audience {
            Audience::Collectors => host_id::establish(&root, &config.state, &mut spool),
            Audience::Nobody => host_id::recall(&root, &config.power_state),
        };
        let notifier = Notifier::new(&config, &observed, &installation);
        let mut reporter = Reporter::new(Rc::clone(&config), audience, Service::connect(now));
        if let Some(folder) = config.metrics_folder.as_deref().filter(|_| audience == Audience::Collectors) {
            reporter.keep_metrics(Metrics::into(folder, &root));
        }
        let sentinel = HostSentinel::start(&config, audience, now);
        reporter.sentinel(sentinel.in_status());
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
            quarantine: Quarantine::default(),
            sentinel,
            stepped_at: now,
            reporter,
            notifier,
            observer,
            config,
            spool,
            failed: None,
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
        self.intake().give_up_waiting(Instant::now(), Duration::ZERO);
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

    fn intake(&mut self) -> Intake<'_> {
        Intake {
            inbox: &mut self.inbox,
            outlet: &mut self.outlet,
            troubles: &mut self.troubles,
            spool: &mut self.spool,
            reporter: &mut self.reporter,
            notifier: &mut self.notifier,
            observer: &mut *self.observer,
        }
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
        let mut is_all_known = true;
        for entry in &entries {
            match self.spool.progress(&entry.id) {
                Ok(progress) => {
                    progress.files().for_each(|file| self.spool.models.claim(&file.sha256, &entry.id));
                }
                Err(error) => {
                    log::error!(ID:% = entry.id; "cannot read a journal: {error}");
                    is_all_known = false;
                }
            }
        }
        // A copy that seems unused may be that of a job whose journal cannot be read now.
        if is_all_known && let Err(error) = self.spool.remove_unused_models() {
            log::warn!("cannot clean the folder of models: {error}");
        }
        if !entries.is_empty() {
            log::info!("{} jobs taken up from a former run", entries.len());
        }
        for entry in entries {
            self.intake().admit(entry);
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
        self.stepped_at = now;
        self.reporter.service().feed_watchdog(now);
        self.restore_folders(now);
        self.drop_sentinel(now);
        let seen = self.inbox.seen();
        if seen.control {
            self.carry_out_requests();
        }
        self.intake().take_in(&seen, now, None)?;
        if self.troubles.is_due(now) {
            let kept_jobs_back = self.troubles.keep_jobs_from_the_queue();
            let row = self.outlet.write(&self.spool, &mut self.troubles);
            row.into_iter().for_each(|row| self.bundled(row));
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
            self.intake().copy_on();
            return Ok(true);
        }
        let patience = self.inbox.patience();
        self.intake().give_up_waiting(now, patience);
        if !self.outlet.is_held_up() {
            self.bench.reboot_back(&mut self.troubles);
        }
        self.notify();
        let is_blocked = self.outlet.is_held_up()
            || self.outlet.is_full()
            || self.troubles.is_waiting(&Subject::Host, now)
            || control::is_paused(self.spool.control().path())
            || self.bench.is_going_down(now);
        let Some(queued) = self.next_in_turn(now).cloned().filter(|_| !is_blocked) else {
            self.bench.release(&mut self.troubles);
            self.bench.forget_holder();
            return Ok(false);
        };
        if !self.lock_host() {
            return Ok(false);
        }
        let has_advanced = self.advance(queued);
        // A claim between two trials that could not be made durable.
        self.failed.take().map_or(Ok(has_advanced), Err)
    }

    /// A bundle was made.
    fn bundled(&mut self, row: BundleLine) {
        self.notifier.bundled(&row);
        self.observer.bundled(row);
    }

    /// Call the command for jobs that ended, while nothing is measured on this host.
    fn notify(&mut self) {
        while self.notifier.is_waiting() && !self.inbox.wake().stop_requested() && self.lock_host() {
            let command = self.notifier.command().map(Path::to_path_buf).unwrap_or_default();
            match self.notifier.call_next() {
                Ok(()) => self.troubles.fixed(TroubleKind::NotifyFailed),
                Err(why) => {
                    self.troubles.fixed(TroubleKind::NotifyFailed);
                    self.troubles.report(TroubleKind::NotifyFailed, &command, &why, Instant::now());
                }
            }
            self.reporter.service().feed_watchdog(Instant::now());
        }
    }

    /// The job whose turn it is: the one that the host was rebooted for, or the queue's first that does not
    /// wait for another attempt.
    fn next_in_turn(&self, now: Instant) -> Option<&QueuedJob> {
        let queue = self.inbox.queue();
        let is_it = |queued: &&QueuedJob| self.bench.rebooted_job() == Some(&*queued.entry.id.to_string());
        let rebooted = self.bench.rebooted_job().and_then(|_| queue.in_order().find(is_it));
        let may_go =
            |queued: &&QueuedJob| !self.troubles.is_waiting(&Subject::Job(queued.entry.id.clone()), now);
        match rebooted {
            Some(rebooted) => Some(rebooted).filter(may_go),
            None => queue.in_order().find(may_go),
        }
    }

    /// How long nothing will be due.
    fn until_next(&mut self) -> Duration {
        let next = [
            self.troubles.try_again_at(),
            self.troubles.next_attempt_at(self.stepped_at),
            self.reporter.service().feed_at(),
            self.sentinel.next_at(),
        ];
        let next = next.into_iter().flatten().fold(self.inbox.next_at(), Instant::min);
        next.saturating_duration_since(Instant::now())
    }
}
