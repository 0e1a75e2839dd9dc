//! The daemon: one thread that owns all state, looks at the inbox between measurements, and sleeps during them.
//!
//! [`Daemon::serve`] runs until it is told to stop, [`Daemon::work_off`] until nothing is left to do; `backbone run` uses the
//! latter on a spool of its own, so that both are the same pipeline. A step is: claim what is whole, bind models, carry out
//! requests, publish what is ready, and measure one configuration of the job whose turn it is.
//!
//! A job's errors go into its bundle. The host's errors (disk full, inbox gone, outbox read-only) are named in the status and
//! tried again; no job is lost to them. Everything else ends the process, and the next start goes on.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::bundle::format::PowerMode;
use crate::config::Config;
use crate::host::power::hold::PowerHost;
use crate::host::power::saved::SavedFile;
use crate::host::{self, HostLock, HostRoot};
use crate::spool::journal::Record;
use crate::spool::names::{Entry, JobId};
use crate::spool::watch::{Seen, Watch};
use crate::spool::{OpenError, Places, Spool};

mod assemble;
mod configuration;
pub mod control;
mod cooling;
mod edge_tpu;
mod engines;
pub(crate) mod executables;
mod finish;
mod inbox;
mod job;
#[cfg(test)]
mod lab;
pub(crate) mod memory;
mod model;
pub(crate) mod observer;
mod power;
mod providers;
mod quiet;
mod sensing;
mod service;
pub mod status;
mod tell;
mod trials;
mod troubles;

pub(crate) use sensing::idle_beside_energy;

use assemble::Assembler;
use control::Wish;
use inbox::{Inbox, WaitingJob, Wake};
use observer::{Observer, Row};
use service::Service;
use status::{Finished, Running, State};
use tell::Urgency;
use troubles::{TRY_AGAIN_AFTER, Trouble, Troubles};

/// Bundles kept for an outbox that does not take them; beyond, nothing more is measured until it does. At some tens of
/// kilobytes each they stay below a gigabyte.
const MAXIMUM_UNPUBLISHED: usize = 10_000;

/// The daemon, or the pipeline of `backbone run`.
pub struct Daemon<'o> {
    observer: &'o mut dyn Observer,
    config: Config,
    audience: Audience,
    spool: Spool,
    inbox: Inbox,
    service: Service,
    assembler: Assembler,
    root: HostRoot,
    power: PowerHost,
    /// The power state held for a job. Before the lock: fields are dropped in order, and putting the host back needs the lock.
    hold: Option<power::JobHold>,
    /// The job that the host was rebooted for, until its turn.
    rebooted_job: Option<String>,
    /// Only a reboot brings this mode back, the owner's.
    reboot_back_to: Option<PowerMode>,
    /// The host was told to reboot.
    rebooting_until: Option<Instant>,
    /// Held while anything is measured.
    host_lock: Option<HostLock>,
    executable: PathBuf,
    running: Option<Running>,
    /// While the running job waits for a cool host.
    cooling: Option<status::Cooling>,
    /// Bundles that are durable and not published yet.
    unpublished: VecDeque<String>,
    /// A bundle that the spool's disk refused, and the jobs' state that depends on it.
    unwritten: Option<Unwritten>,
    troubles: Troubles,
    finished: Finished,
    retired: u64,
    /// The cost of the dropped model that was counted last.
    counted: Option<(model::CountedModel, model::Counted)>,
    /// Another process measures on this host.
    host_holder: Option<String>,
    status_written: Option<Instant>,
    /// What the status file says, as far as it is news.
    told: Option<status::Status>,
}

/// For whom the status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// People and collectors: into the state folder and the outbox.
    Collectors,
    /// Nobody: whoever runs the pipeline watches it.
    Nobody,
}

/// A bundle that could not be written yet.
#[derive(Debug)]
struct Unwritten {
    entry: Entry,
    configuration: usize,
    row: Row,
    name: String,
    bytes: Vec<u8>,
}

/// The daemon can not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] OpenError),
    /// The watcher.
    #[error("can not watch {}", inbox.display())]
    Watch {
        /// The inbox.
        inbox: PathBuf,
        /// Why.
        #[source]
        source: notify::Error,
    },
    /// Descriptors, signals, own executable, state folder.
    #[error("can not {what}")]
    System {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl crate::error::Hint for StartError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Spool(error) => error.hint(),
            Self::Watch { .. } => {
                Some("raise fs.inotify.max_user_watches and fs.inotify.max_user_instances".to_owned())
            }
            Self::System { .. } => None,
        }
    }
}

impl<'o> Daemon<'o> {
    /// Open the spool, take up what a former run left, and start watching.
    ///
    /// # Errors
    /// Another daemon has the spool, its folders can not be used, or the inbox not be watched.
    pub fn start(
        config: Config,
        audience: Audience,
        observer: &'o mut dyn Observer,
    ) -> Result<Self, StartError> {
        let system = |what: &str| {
            let what = what.to_owned();
            move |source| StartError::System { what, source }
        };
        match fs_err::create_dir(&config.state) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(system("make the state folder")(error));
            }
            _ => {}
        }
        let places = Places {
            inbox: config.inbox.clone(),
            spool: config.spool.clone(),
            outbox: config.outbox.clone(),
        };
        let (spool, found) = Spool::open(&places)?;
        let wake = Wake::new().map_err(system("make a socket pair"))?;
        wake.connect_signals().map_err(system("handle signals"))?;
        let waker = wake.waker().map_err(system("make a socket pair"))?;
        let watch = Watch::start(&config.inbox, spool.control().path(), Box::new(move || waker.wake()))
            .map_err(|source| StartError::Watch { inbox: config.inbox.clone(), source })?;
        let now = Instant::now();
        let root = HostRoot::new(&config.host_root).map_err(system("use the host root"))?;
        let assembler = Assembler::new(host::observe(&root), !root.is_real(), host::clock::smallest_step());
        let inbox = Inbox::new(&config, watch, wake, assembler.host.memory_bytes, now);
        let mut daemon = Self {
            observer,
            inbox,
            service: Service::connect(now),
            assembler,
            power: PowerHost::new(
                host::family(&root).power,
                Rc::new(root.clone()),
                Rc::new(SavedFile::of(&root, &config.power_state)),
            ),
            root,
            hold: None,
            rebooted_job: None,
            reboot_back_to: None,
            rebooting_until: None,
            host_lock: None,
            executable: executables::program().map_err(system("find the own executable"))?,
            running: None,
            cooling: None,
            unpublished: found.ready.into(),
            unwritten: None,
            troubles: Troubles::default(),
            finished: Finished::default(),
            retired: 0,
            counted: None,
            host_holder: None,
            status_written: None,
            told: None,
            audience,
            config,
            spool,
        };
        daemon.recover(found.entries);
        Ok(daemon)
    }

    /// Work until a stop is asked for.
    ///
    /// # Errors
    /// The spool's disk failed; a fresh start takes up what it holds.
    pub fn serve(&mut self) -> io::Result<()> {
        self.service.ready();
        while !self.inbox.wake().stop_requested() {
            if !self.step()? {
                self.tell_status(Urgency::Now);
                self.inbox.wake().sleep(self.until_next());
            }
        }
        self.stop();
        Ok(())
    }

    /// Work until nothing is left that could be done now: no job queued, no upload under way, nothing unpublished. Jobs that
    /// wait for a model stay in the queue. Returns whether it came to that, and was not stopped before.
    ///
    /// # Errors
    /// As [`Daemon::serve`].
    pub(crate) fn work_off(&mut self) -> io::Result<bool> {
        self.service.ready();
        while !self.inbox.wake().stop_requested() {
            if self.step()? {
                continue;
            }
            let paused = control::is_paused(self.spool.control().path());
            let busy = !self.inbox.queue().is_empty() && !paused || self.unwritten.is_some();
            if !busy && !self.inbox.has_unsettled() {
                self.stop();
                return Ok(true);
            }
            self.tell_status(Urgency::Now);
            self.inbox
                .wake()
                .sleep(self.until_next().min(Duration::from_secs(self.config.settle_seconds.max(1).into())));
        }
        self.stop();
        Ok(false)
    }

    /// Jobs that still wait for a model.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &WaitingJob> {
        self.inbox.queue().waiting()
    }

    /// Bundles that are durable and could not be published.
    pub fn unpublished(&self) -> usize {
        self.unpublished.len()
    }

    /// Reject the jobs that wait for a model now, where waiting longer makes no sense.
    pub(crate) fn reject_waiting(&mut self) {
        self.give_up_waiting(Instant::now(), Duration::ZERO);
    }

    fn stop(&mut self) {
        self.service.stopping();
        self.running = None;
        self.release_power();
        self.host_lock = None;
        self.write_status(State::Stopped);
        log::info!("stopped");
    }

    /// Take up the jobs and bundles that a former run left.
    fn recover(&mut self, entries: Vec<Entry>) {
        // A bundle in ready/ is durable; let its journal say so before it is published.
        for name in &self.unpublished {
            let Some((id, configuration)) = bundle_id_in(name) else { continue };
            if entries.iter().any(|entry| entry.id == id) {
                let record = Record::Bundled { configuration };
                if let Err(error) = self.spool.journal(&id).append(&record, true) {
                    log::error!("can not record a bundle: {error}");
                }
            }
        }
        for entry in &entries {
            let progress = self.spool.progress(&entry.id);
            for model in progress.models.iter().flatten() {
                self.spool.models.claim(&model.sha256, &entry.id);
            }
        }
        if let Err(error) = self.spool.models.remove_unused() {
            log::warn!("can not clean the folder of models: {error}");
        }
        if !entries.is_empty() {
            log::info!("{} jobs taken up from a former run", entries.len());
        }
        for entry in entries {
            self.admit(entry);
        }
        self.take_up_power();
        self.publish_ready();
    }

    /// Do what can be done now; measure at most one configuration. Returns whether anything is left to do at once.
    fn step(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        self.service.feed_watchdog(now);
        let seen = self.inbox.seen();
        if seen.control {
            self.carry_out_requests();
        }
        self.take_in(&seen, now)?;
        if self.troubles.is_due(now) {
            let was_in_trouble = self.troubles.keep_jobs_from_the_queue();
            self.write_unwritten();
            self.publish_ready();
            if was_in_trouble {
                // Before anything is measured: requests that could not be carried out, claims, and jobs without their models.
                self.carry_out_requests();
                self.inbox.rescan(now);
                return Ok(true);
            }
        }
        self.give_up_waiting(now, self.inbox.patience());
        self.reboot_back();
        let blocked = self.unwritten.is_some()
            || self.unpublished.len() >= MAXIMUM_UNPUBLISHED
            || control::is_paused(self.spool.control().path())
            || self.is_going_down(now);
        let Some(queued) = self.next_in_turn().cloned().filter(|_| !blocked) else {
            self.release_power();
            self.host_lock = None;
            self.host_holder = None;
            return Ok(false);
        };
        if !self.lock_host() {
            return Ok(false);
        }
        Ok(self.advance(&queued))
    }

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
            self.service.feed_watchdog(Instant::now());
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
        self.inbox.tidy(&sight, &self.spool, now);
        Ok(())
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

    /// Carry out the requests that commands left. One that the disk refuses stays for another attempt.
    fn carry_out_requests(&mut self) {
        let requests = match control::requests(self.spool.control().path()) {
            Ok(requests) => requests,
            Err(error) => {
                log::warn!("cannot read requests: {error}");
                return;
            }
        };
        for (mut file, wish) in requests {
            let is_done = match wish {
                Wish::Cancel(job) => self.cancel(&job),
                Wish::Retry(job) => self.retry(&job, &mut file),
                Wish::Resume => true,
            };
            if is_done && let Err(error) = fs_err::remove_file(&file) {
                log::warn!("cannot remove a request that was carried out: {error}");
            }
        }
    }

    /// End every job meant by this. False if the disk refuses: a job without all its bundles would run when its turn comes.
    fn cancel(&mut self, meant: &OsStr) -> bool {
        for queued in self.inbox.meant_by(meant) {
            if self.unwritten.is_some() {
                return false;
            }
            let ended = self.inbox.cancel(queued, &self.spool);
            ended.into_iter().for_each(|ended| self.end(ended));
        }
        self.unwritten.is_none()
    }

    /// Queue the newest finished job meant by this again. False if the disk refuses.
    fn retry(&mut self, meant: &OsStr, request: &mut PathBuf) -> bool {
        let Some(entry) = control::finished_job(&self.spool, meant) else {
            log::warn!("no finished job `{}` to retry", meant.to_string_lossy());
            return true;
        };
        // Found again after a crash, a request by name would mean an older job of the same name.
        match control::narrow(request, &entry.id).and_then(|()| self.spool.requeue(&entry)) {
            Ok(again) => {
                log::info!(ID:% = again.id; "{} is queued again", again.file.to_string_lossy());
                self.admit(again);
                true
            }
            Err(error) => {
                self.troubles.report(Trouble::SpoolUnwritable, &self.config.spool, &error, Instant::now());
                false
            }
        }
    }

    /// Hold the host's lock, or say who does.
    pub(crate) fn lock_host(&mut self) -> bool {
        if self.host_lock.is_some() {
            return true;
        }
        match HostLock::try_acquire(&self.root) {
            Ok(Some(lock)) => {
                self.host_lock = Some(lock);
                self.host_holder = None;
                self.troubles.fixed(Trouble::HostLock);
                self.recover_power();
                true
            }
            Ok(None) => {
                let holder = HostLock::holder(&self.root)
                    .map_or_else(|| "another process".to_owned(), |process| format!("process {process}"));
                if self.host_holder.is_none() {
                    log::info!("waiting: {holder} measures on this host");
                    self.observer.waits_for_host(&holder);
                }
                self.host_holder = Some(holder);
                self.troubles.try_again(Instant::now() + TRY_AGAIN_AFTER);
                false
            }
            Err(error) => {
                self.troubles.report(Trouble::HostLock, &self.config.host_root, &error, Instant::now());
                false
            }
        }
    }

    /// How long nothing will be due.
    fn until_next(&self) -> Duration {
        let next = [self.troubles.try_again_at(), self.service.feed_at()];
        let next = next.into_iter().flatten().fold(self.inbox.next_at(), Instant::min);
        next.saturating_duration_since(Instant::now())
    }
}

/// The bundle id at the end of a bundle's file name.
fn bundle_id_in(file_name: &str) -> Option<(JobId, usize)> {
    let id = file_name.strip_suffix(".json.gz")?.rsplit('.').next()?;
    JobId::parse_bundle_id(id)
}

/// The wall clock, RFC 3339, UTC.
fn now_text() -> String {
    jiff::Timestamp::now().to_string()
}
