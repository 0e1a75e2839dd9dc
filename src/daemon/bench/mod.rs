//! The bench: the host, and one configuration on it.
//!
//! [`Bench`] owns the host's lock, its power state and what it needs to start workers. It takes a [`Turn`]
//! and returns what became of it; it knows neither the inbox nor the outbox. A turn has two halves:
//! [`Bench::ready`] makes model, request and power state ready, and [`Bench::run`] runs the trials, attended
//! by the daemon.

use std::ffi::OsString;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::job::QueuedJob;
use super::memory::LargerThanMemory;
use super::troubles::{TRY_AGAIN_AFTER, TroubleKind, Troubles};
use super::turn::{Course, Left, Turn};
use crate::bundle::format::{Failure, Host, Outcome, Power, Stage, Status};
use crate::config::Config;
use crate::error::Hint as _;
use crate::host::machine::Machine;
use crate::host::nvml::choice;
use crate::host::nvml::machine::HostWithCards;
use crate::host::power::hold::PowerHost;
use crate::host::power::saved::SavedFile;
use crate::host::{self, HostLock, HostRoot};
use crate::installation::Installation;
use crate::runtime::{self, LoadRequest, Options, Runtime};
use crate::spec::{Job, JobConfiguration, ModelSource, Verify};
use crate::spool::Spool;
use crate::spool::journal::{BoundModel, Journal};
use crate::worker::parent;
use crate::worker::protocol::{PROTOCOL, Request, Task, Wish};

mod attendant;
mod cooling;
mod device;
mod elsewhere;
mod engines;
mod kept;
mod model;
mod needs;
mod power;
mod quiet;
pub(crate) mod sensing;
#[cfg(test)]
mod tests;
mod trials;
mod verify;
mod waiting;
mod workplace;

pub(crate) use attendant::{Attendant, TrialNumber};
pub(crate) use device::is_device_fault;
pub(crate) use power::Reboots;

pub(crate) use model::Pulse;

use kept::KeptOutputs;
use model::AtHand;
use needs::NeedsAtStart;
use power::HeldPower;
use sensing::Sensing;
use trials::{Instruments, RunWorker, Trials, UntimedWorker, Workers};
use workplace::Confining;

/// A configuration under which the daemon or the machine went down this often is given up: a model that
/// browns out its board would otherwise do so for ever.
const CRASHES_ALLOWED: usize = 3;

/// The host, and what measures on it.
pub(crate) struct Bench {
    config: Rc<Config>,
    root: HostRoot,
    /// The host's main memory; `None` if it could not be observed.
    memory_bytes: Option<u64>,
    /// Was there an Edge TPU when the daemon started?
    had_edge_tpu: bool,
    /// Before the lock: fields are dropped in order, and restoring the host needs the lock.
    power: HeldPower,
    /// The graphics card of a turn, as power control sees it.
    cards: Rc<HostWithCards>,
    /// Held while anything is measured.
    lock: Option<HostLock>,
    /// Another process that measures on this host.
    holder: Option<String>,
    installation: Installation,
    /// What of the runtimes was there when the daemon started.
    needs: NeedsAtStart,
    confining: Confining,
    run: RunWorker,
}

/// May this process measure on the host?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// It holds the lock.
    Granted,
    /// This other process measures, as it did at the last attempt if that is not new.
    Waits { holder: String, is_new: bool },
    /// The lock cannot be acquired.
    Refused,
}

/// A turn whose trials can begin.
pub(crate) struct Ready {
    workers: Workers,
    course: Course,
    model: BoundModel,
}

impl Bench {
    /// On the host as it was observed at the start.
    pub(crate) fn new(
        config: Rc<Config>,
        root: HostRoot,
        observed: &Host,
        reboots: Reboots,
        installation: Installation,
    ) -> Self {
        let cards = Rc::new(HostWithCards::new(&root, &config.power_state));
        let power = PowerHost::new(
            host::family(&root).power,
            Rc::clone(&cards) as Rc<dyn Machine>,
            Rc::new(SavedFile::of(&root, &config.power_state)),
        );
        Self {
            power: HeldPower::new(power, reboots, config.host_root.clone()),
            cards,
            memory_bytes: observed.memory_bytes,
            had_edge_tpu: !observed.edge_tpus.is_empty(),
            lock: None,
            holder: None,
            needs: NeedsAtStart::find(&installation, &config),
            installation,
            confining: Confining::on(&root, &config),
            run: parent::run,
            root,
            config,
        }
    }

    /// At a start: find the job that the host was rebooted for, if it is queued. Returns whether the host is
    /// to be restored.
    pub(crate) fn take_up(&mut self, is_queued: &dyn Fn(&str) -> bool, troubles: &mut Troubles) -> bool {
        self.power.take_up(is_queued, troubles) && self.lock.is_none()
    }

    /// Acquire the host's lock and restore what a former process left changed, or say who has it.
    pub(crate) fn acquire(&mut self, troubles: &mut Troubles) -> Access {
        if self.lock.is_some() {
            return Access::Granted;
        }
        match HostLock::try_acquire(&self.root) {
            Ok(Some(lock)) => {
                self.lock = Some(lock);
                self.holder = None;
                troubles.fixed(TroubleKind::HostLock);
                self.power.recover(troubles);
                self.cards.end();
                Access::Granted
            }
            Ok(None) => {
                let holder = HostLock::holder(&self.root)
                    .map_or_else(|| "another process".to_owned(), |process| format!("process {process}"));
                let is_new = self.holder.is_none();
                self.holder = Some(holder.clone());
                troubles.try_again(Instant::now() + TRY_AGAIN_AFTER);
                Access::Waits { holder, is_new }
            }
            Err(error) => {
                let why = error.reason();
                troubles.report(TroubleKind::HostLock, &self.config.host_root, &why, Instant::now());
                Access::Refused
            }
        }
    }

    /// Restore the host and release its lock.
    pub(crate) fn release(&mut self, troubles: &mut Troubles) {
        self.power.release(troubles);
        self.cards.end();
        self.lock = None;
    }

    /// Release the lock of a host that is restored.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Forget who else measures.
    pub(crate) fn forget_holder(&mut self) {
        self.holder = None;
    }

    /// Does another process measure on this host?
    pub(crate) fn is_taken(&self) -> bool {
        self.holder.is_some()
    }

    /// Is the host on its way down?
    pub(crate) fn is_going_down(&mut self, now: Instant) -> bool {
        self.power.is_going_down(now)
    }

    /// Reboot if only that restores the owner's power mode. Only once everything measured is durable.
    pub(crate) fn reboot_back(&mut self, troubles: &mut Troubles) {
        self.power.reboot_back(troubles);
    }

    /// The job that the host was rebooted for: its turn is next.
    pub(crate) fn rebooted_job(&self) -> Option<&str> {
        self.power.rebooted_job()
    }

    /// Restore the host if its power state is held for another job.
    pub(crate) fn release_power_of_others(&mut self, queued: &QueuedJob, troubles: &mut Troubles) {
        self.power.release_of_others(queued, troubles);
    }

    /// Restore the host's power state at the end of a job's turn; `power` says in the bundle whether that
    /// worked.
    pub(crate) fn end_power(&mut self, power: Option<&mut Power>, troubles: &mut Troubles) {
        let recovered = self.power.release(troubles);
        self.cards.end();
        if let Some((power, recovered)) = power.zip(recovered) {
            power.restored = Some(recovered.not_restored.is_empty());
            power.not_restored = recovered.not_restored;
        }
    }

    /// Make a turn ready: its model, its request, and the host's power state. `pulse` is called while bytes
    /// move; its error interrupts the turn.
    pub(crate) fn ready(
        &mut self,
        turn: &Turn<'_>,
        spool: &mut Spool,
        troubles: &mut Troubles,
        pulse: &mut Pulse<'_>,
    ) -> Result<Ready, Left> {
        let Turn { job, progress, configuration, .. } = *turn;
        let chosen = turn.chosen();
        let mut course = Course::of(progress, configuration);
        let crashes = progress.crashes.iter().filter(|crashed| **crashed == configuration).count();
        if crashes >= CRASHES_ALLOWED {
            return Err(course.ended(gave_up(crashes), None).into());
        }
        if let Some(outcome) = larger_than_memory(chosen, self.memory_bytes) {
            return Err(course.ended(outcome, None).into());
        }
        let AtHand { path, model } = model::at_hand(turn, spool, pulse)?;
        let compilation = engines::compilation(chosen.runtime, &model, &self.config, &self.root);
        let compilation = compilation.map_err(Left::Trouble)?;
        let named = self.config.runtimes.get(chosen.runtime.name).cloned().unwrap_or_default();
        let provided = self.installation.provide(chosen.runtime, &named);
        let mut command = self.installation.worker(chosen.runtime, &provided);
        self.needs.check(chosen.runtime, &provided, &command)?;
        let cuda_device = runtime::cuda_device(chosen.runtime, &chosen.options);
        if cuda_device.is_some() {
            command.environment.extend(cards_by_bus());
        }
        let request = Request {
            protocol: PROTOCOL,
            runtime: chosen.runtime.name.to_owned(),
            load: LoadRequest {
                task: Task::Measure,
                model: path,
                provided,
                options: chosen.options.clone(),
                inputs: model::bound_inputs(turn, spool),
                seed: job.measure.seed,
                filled_like: Vec::new(),
                compilation,
            },
            warm_up_runs: job.measure.warm_up_runs,
            timed_runs: job.measure.timed_runs,
            energy_seconds: 0,
            outputs_file: None,
            placement: Wish {
                cpus: job.host.cpus.clone(),
                nice: job.host.nice,
                lock_memory: job.host.lock_memory,
            },
            confinement: None,
        };
        if course.is_complete(turn) && course.power.is_some() {
            // A former run came as far as this; the host need not be brought into that state again.
            return Err(course.ended(Outcome::measured(Vec::new()), Some(model)).into());
        }
        let journal = spool.journal(&turn.queued.entry.id);
        self.cards.begin(cuda_device_of(turn.job));
        let mut power = self.power.take(turn, &journal, troubles)?;
        power.not_held = course.power.take().map(|known| known.not_held).unwrap_or_default();
        let sensing = Sensing::find(&self.root, chosen.runtime.times_itself(), cuda_device);
        let kept = match turn.keeps_outputs() {
            true => Some(KeptOutputs::of(&turn.queued.entry.id, &self.config.spool).map_err(Left::Trouble)?),
            false => None,
        };
        let verifies = turn.job.verify == Verify::Cpu;
        let reference = verifies.then(|| runtime::reference(chosen.runtime)).flatten();
        let reference = reference.map(|run_by| self.untimed(run_by, &request));
        let shape_source = turn.wants_node_shapes().then(|| runtime::shape_source(chosen.runtime)).flatten();
        let shape_source = shape_source.map(|run_by| self.untimed(run_by, &request));
        let workers = Workers { command, request, sensing, power, kept, reference, shape_source };
        Ok(Ready { workers, course, model })
    }

    /// What runs the model of `request` on another runtime, for what it makes and not for its time.
    fn untimed(&self, run_by: (&'static Runtime, Options), request: &Request) -> UntimedWorker {
        let (runtime, options) = run_by;
        let named = self.config.runtimes.get(runtime.name).cloned().unwrap_or_default();
        let provided = self.installation.provide(runtime, &named);
        let command = self.installation.worker(runtime, &provided);
        let load = LoadRequest { provided, options, compilation: None, ..request.load.clone() };
        let request = Request { runtime: runtime.name.to_owned(), load, ..request.clone() };
        UntimedWorker { command, request }
    }

    /// Run the trials of a turn that are still missing.
    pub(crate) fn run(
        &self,
        turn: &Turn<'_>,
        ready: Ready,
        journal: Journal,
        attendant: &mut dyn Attendant,
    ) -> Left {
        let Ready { workers, course, model } = ready;
        let seconds = self.config.no_output_seconds;
        let instruments = Instruments {
            root: &self.root,
            power: &self.power,
            had_edge_tpu: self.had_edge_tpu,
            needs: &self.needs,
            silence_limit: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
            run: self.run,
            confining: &self.confining,
        };
        Trials { turn, instruments, journal, workers, course, attendant }.run(model)
    }
}

/// The CUDA device on which some configuration of the job computes. Clocks are locked for a job's whole turn.
fn cuda_device_of(job: &Job) -> Option<u32> {
    job.configurations.iter().find_map(|chosen| runtime::cuda_device(chosen.runtime, &chosen.options))
}

/// Has CUDA number the cards as the library of their driver does, unless the host's owner chose an order: if
/// cards differ, CUDA otherwise begins with the one that it takes for the fastest.
fn cards_by_bus() -> Option<(OsString, OsString)> {
    std::env::var_os(choice::ORDER).is_none().then(|| (choice::ORDER.into(), choice::BY_BUS.into()))
}

/// The outcome of a configuration whose network would be generated as a file larger than the host's memory.
fn larger_than_memory(chosen: &JobConfiguration, memory_bytes: Option<u64>) -> Option<Outcome> {
    let ModelSource::Generated(network) = chosen.source else { return None };
    let form = (chosen.runtime.networks)(&chosen.options)?;
    // What its format cannot hold is refused where it would be generated.
    let bytes = form.length(&network).ok()?;
    let refused = LargerThanMemory::check(&form.file_name(&network), bytes, memory_bytes).err()?;
    let failure = Failure::new(Stage::Model, LargerThanMemory::REASON, refused.to_string());
    Some(Failure { hint: refused.hint(), ..failure }.outcome(Status::Rejected))
}

fn gave_up(crashes: usize) -> Outcome {
    let detail = format!("the daemon or the machine went down during this configuration {crashes} times");
    Failure::new(Stage::Timing, "interrupted_repeatedly", detail)
        .with_hint("check the power supply and the kernel log; `backbone retry` runs it again")
        .outcome(Status::Failed)
}
