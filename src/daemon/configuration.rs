//! Measuring one configuration: its trials, each in a fresh worker process, recorded as they finish.
//!
//! While a worker lives the daemon sleeps in `worker::parent::run`: the inbox is not watched, nothing is logged, written,
//! copied or compressed. What it does once a second at most is in `quiet`.

use std::time::{Duration, Instant};

use super::admit::SpecFile;
use super::assemble::Parts;
use super::assemble::not_measured;
use super::executables::worker_command;
use super::model::{AtHand, configuration_in_format};
use super::observer::{Observer, TrialBegins};
use super::power::look_at_power;
use super::queue::QueuedJob;
use super::quiet::Quiet;
use super::sensing::{Sensing, joined};
use super::status::Running;
use super::tell::Urgency;
use super::{Daemon, cooling, now_text};
use crate::bundle::format::{Energy, Environment, Outcome, Placement, Power, Stage, Status, Times, Trial};
use crate::spec::{self, Job, ModelSource};
use crate::spool::journal::{BoundModel, Measured, Progress, Record};
use crate::units::Nanos;
use crate::worker::ending::{self, Ending, LoadedModel};
use crate::worker::parent::{self, Control};
use crate::worker::placement;
use crate::worker::protocol::{PROTOCOL, Placed, Request, Wish};

/// A configuration under which the daemon or the machine went down this often is given up: a model that browns out its board
/// would otherwise do so for ever.
const CRASHES_ALLOWED: usize = 3;

/// How a configuration left the pipeline.
#[derive(Debug)]
pub(super) enum Left {
    /// It has an outcome.
    Ended(Box<Ended>),
    /// A stop was asked for; the job goes back to the queue.
    Interrupted,
    /// The copy of its model is not sound any more (a power cut); the job must take it again.
    ModelLost,
    /// The host refused what was needed before any trial; to be tried again.
    Trouble(std::io::Error),
}

/// What became of a configuration.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// The model that was measured, where there was one.
    pub(super) model: Option<BoundModel>,
    pub(super) trials: Vec<Trial>,
    pub(super) loaded: Option<LoadedModel>,
    /// Wall clock at the start of its first trial in this process, if one started.
    pub(super) started: Option<String>,
    pub(super) environment: Option<Environment>,
    pub(super) energy: Option<Energy>,
    /// The host's power state, where a trial was to start.
    pub(super) power: Option<Power>,
}

/// What is known of a configuration so far.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    trials: Vec<Trial>,
    /// Seconds that each took.
    walls: Vec<f64>,
    loaded: Option<LoadedModel>,
    started: Option<String>,
    log_tail: Vec<String>,
    environments: Vec<Environment>,
    energy: Option<Energy>,
    power: Option<Power>,
}

impl SoFar {
    /// What the journal knows of it.
    pub(super) fn of(progress: &Progress, configuration: usize) -> Self {
        let mut so_far = Self::default();
        let of_this = progress.trials.iter().filter(|trial| trial.configuration == configuration);
        of_this.for_each(|trial| so_far.add(trial.clone()));
        so_far
    }

    fn add(&mut self, measured: Measured) {
        self.trials.push(measured.trial);
        self.walls.push(measured.wall_seconds);
        self.loaded = Some(measured.loaded);
        self.environments.extend(measured.environment);
        self.energy = measured.energy.or(self.energy.take());
        self.power = measured.power.or(self.power.take());
    }

    /// That was all.
    pub(super) fn ended(self, outcome: Outcome, model: Option<BoundModel>) -> Left {
        Left::Ended(Box::new(self.into_ended(outcome, model)))
    }

    /// The same, for an end that came from outside.
    pub(super) fn into_ended(self, outcome: Outcome, model: Option<BoundModel>) -> Ended {
        Ended {
            outcome,
            model,
            trials: self.trials,
            loaded: self.loaded,
            started: self.started,
            environment: joined(self.environments),
            energy: self.energy,
            power: self.power,
        }
    }
}

/// One configuration of a job, and all that is known of it.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) queued: &'a QueuedJob,
    pub(super) spec: &'a SpecFile,
    pub(super) job: &'a Job,
    pub(super) progress: &'a Progress,
    /// From 1.
    pub(super) configuration: usize,
}

impl Daemon {
    /// Run the trials that are still missing.
    pub(super) fn measure(&mut self, turn: &Turn<'_>, observer: &mut dyn Observer) -> Left {
        let Turn { queued, job, progress, configuration, .. } = *turn;
        let chosen = &job.configurations[configuration - 1];
        let mut so_far = SoFar::of(progress, configuration);
        let crashes = progress.crashes.iter().filter(|crashed| **crashed == configuration).count();
        if crashes >= CRASHES_ALLOWED {
            return so_far.ended(gave_up(crashes), None);
        }
        let AtHand { path, model } = match self.model_at_hand(turn) {
            Ok(at_hand) => at_hand,
            Err(left) => return left,
        };
        let command = worker_command(chosen.runtime, &self.config, &self.executable);
        let mut request = Request {
            protocol: PROTOCOL,
            runtime: chosen.runtime.name.to_owned(),
            model: path,
            library: command.library,
            options: chosen.options.clone(),
            inputs: job.inputs.clone(),
            seed: job.measure.seed,
            warm_up_runs: job.measure.warm_up_runs,
            timed_runs: job.measure.timed_runs,
            energy_seconds: 0,
            placement: Wish {
                cpus: job.host.cpus.clone(),
                nice: job.host.nice,
                lock_memory: job.host.lock_memory,
            },
        };
        let journal = self.spool.journal(&queued.entry.id);
        let first = u32::try_from(so_far.trials.len()).unwrap_or(u32::MAX) + 1;
        if first > job.measure.processes && so_far.power.is_some() {
            // A former run came as far as this; the host need not be brought into that state again.
            return so_far.ended(measured_outcome(Vec::new()), Some(model));
        }
        let mut sensing = Sensing::find(&self.root);
        let mut power = match self.take_power(turn) {
            Ok(power) => power,
            Err(left) => return left,
        };
        power.not_held = so_far.power.take().map(|known| known.not_held).unwrap_or_default();
        for process in first..=job.measure.processes {
            if self.wake.stop_requested() {
                return Left::Interrupted;
            }
            self.running = Some(Running {
                id: queued.entry.id.to_string(),
                job: job.name.clone(),
                runtime: chosen.runtime.name.to_owned(),
                configuration,
                configurations: job.configurations.len(),
                trial: process,
                trials: job.measure.processes,
                since: now_text(),
                eta_seconds: eta(&so_far.walls, job, configuration, process),
            });
            // The first one always: a status from before it would hold for as long as the trial takes.
            self.tell_status(if process == first { Urgency::Now } else { Urgency::Soon });
            request.energy_seconds =
                if process == job.measure.processes { job.measure.energy_seconds } else { 0 };
            sensing.begin(process, request.energy_seconds);
            match self.wait_for_cool(&job.host, &mut sensing, process, queued) {
                Control::Continue => {}
                Control::Stop => return Left::Interrupted,
                Control::Cancel => {
                    so_far.power = Some(power);
                    return so_far.ended(cancelled(chosen.runtime.name), Some(model));
                }
            }
            let since = now_text();
            let record = Record::Started { configuration, at: since.clone() };
            let first_of_job = progress.started.is_empty() && so_far.started.is_none();
            let recorded = journal.append(&record, true);
            if let Err(error) =
                recorded.and_then(|()| if first_of_job { journal.sync_folder() } else { Ok(()) })
            {
                return Left::Trouble(error);
            }
            so_far.started.get_or_insert(since);
            observer.trial_begins(&TrialBegins {
                job: &job.name,
                runtime: chosen.runtime.name,
                configuration: (configuration, job.configurations.len()),
                trial: (process, job.measure.processes),
            });
            let trial = parent::Trial {
                executable: &command.executable,
                arguments: command.arguments,
                environment: command.environment.clone(),
                request: &request,
                timeout: Duration::from_secs(job.measure.timeout_seconds.into()),
            };
            let (watched, daemon_cpus) = self.run_quietly(&trial, &mut sensing, &mut power, queued);
            let placed = watched.loaded.as_ref().and_then(|loaded| loaded.placed.clone());
            let environment =
                sensing.environment(placed.map(|placed| placement_of(&job.host, placed, daemon_cpus)));
            match watched.ending {
                Ending::Complete { warm_up_ns, latency_ns, energy_ns } => {
                    let energy = energy_ns.map(|latency_ns| sensing.energy(latency_ns));
                    let Some(loaded) = watched.loaded else {
                        unreachable!("a transcript without `loaded` has no result")
                    };
                    let measured = Measured {
                        configuration,
                        trial: trial_of(process, warm_up_ns, latency_ns),
                        loaded,
                        wall_seconds: watched.wall.as_secs_f64(),
                        environment: Some(environment),
                        energy,
                        power: Some(power.clone()),
                    };
                    if let Err(error) = journal.append(&measured.record(), true) {
                        // The latencies are still in hand; only a crash before the bundle is durable would lose them.
                        log::warn!(JOB = job.name.as_str(); "can not record a finished trial: {error}");
                    }
                    so_far.log_tail = watched.log_tail;
                    so_far.add(measured);
                }
                Ending::Stopped => {
                    // A lost line only means that this restart counts as a crash.
                    let _ = journal.append(&Record::Interrupted, true);
                    return Left::Interrupted;
                }
                _ => {
                    let outcome = watched.outcome(chosen.runtime.name);
                    if let Some((warm_up_ns, latency_ns)) = watched.latencies() {
                        // Whole, but their process ended badly: kept, under an outcome that says so.
                        so_far.trials.push(trial_of(process, warm_up_ns.to_vec(), latency_ns.to_vec()));
                    }
                    so_far.environments.push(environment);
                    so_far.loaded = watched.loaded.or(so_far.loaded);
                    so_far.power = Some(power);
                    return so_far.ended(outcome, Some(model));
                }
            }
        }
        let outcome = measured_outcome(std::mem::take(&mut so_far.log_tail));
        so_far.power = Some(power);
        so_far.ended(outcome, Some(model))
    }

    /// Wait until the host is as cool as the job asks for, or its time for it is over.
    fn wait_for_cool(
        &mut self,
        host: &spec::Host,
        sensing: &mut Sensing,
        process: u32,
        queued: &QueuedJob,
    ) -> Control {
        let Some(wait) = cooling::Wait::begin(host, sensing.sensors(), process, Instant::now()) else {
            return Control::Continue;
        };
        let control = self.spool.control().path().to_owned();
        let mut quiet =
            Quiet::new(&self.wake, &mut self.service, sensing, &self.config.inbox, &control, queued);
        let mut is_told = false;
        loop {
            let now = Instant::now();
            let until = match wait.look(quiet.sensing().sensors(), now) {
                cooling::Look::Over(cooling) => {
                    quiet.sensing().cooled(cooling);
                    return Control::Continue;
                }
                cooling::Look::Wait(until) => until,
            };
            if !is_told {
                log::info!(JOB = queued.name.as_str(); "waiting until the host is cool");
                is_told = true;
            }
            self.wake.sleep(until.saturating_duration_since(now));
            match quiet.control() {
                Control::Continue => {}
                ended => return ended,
            }
        }
    }

    /// Run one trial, with everything else of this process asleep. Gives also the processors that the daemon kept to.
    fn run_quietly(
        &mut self,
        trial: &parent::Trial<'_>,
        sensing: &mut Sensing,
        power: &mut Power,
        queued: &QueuedJob,
    ) -> (ending::Ended, Vec<u32>) {
        self.watch.pause();
        let elsewhere = Elsewhere::than(&trial.request.placement.cpus);
        let (power_host, held, process) = (&self.power, self.hold.as_ref(), sensing.process());
        let mut look_at_power = |after| look_at_power(power_host, held, power, process, after);
        sensing.worker_starts();
        let control = self.spool.control().path().to_owned();
        let mut quiet =
            Quiet::new(&self.wake, &mut self.service, sensing, &self.config.inbox, &control, queued);
        quiet.look_at_power = Some(&mut look_at_power);
        let ended = parent::run(trial, &mut quiet);
        let daemon_cpus = elsewhere.back();
        if let Err(error) = self.watch.resume() {
            log::warn!(
                "can not watch the inbox, looking at it every {} s: {error}",
                self.config.rescan_seconds
            );
            // It may be gone: to be found out now.
            self.rescan_at = Instant::now();
        }
        (ended, daemon_cpus)
    }

    /// Make the bundle of a configuration, and publish it.
    pub(super) fn bundle_configuration(
        &mut self,
        turn: &Turn<'_>,
        ended: Ended,
        observer: &mut dyn Observer,
    ) {
        let Turn { queued, spec, job, progress, configuration } = *turn;
        let chosen = &job.configurations[configuration - 1];
        let started =
            progress.started.iter().find(|(started, _)| *started == configuration).map(|(_, at)| at.clone());
        let (network, dropped) = match chosen.source {
            ModelSource::Dropped(index) => {
                (None, progress.models.as_ref().and_then(|models| models.get(index)))
            }
            ModelSource::Generated(network) => (Some(configuration_in_format(&network)), None),
        };
        let model = ended.model.or_else(|| dropped.cloned());
        let counted = self.count(job, chosen, model.as_ref());
        let parts = Parts {
            id: queued.entry.id.bundle_id(configuration),
            entry: &queued.entry,
            spec,
            job: Some(job),
            configuration: network,
            runtime: Some((chosen.runtime, chosen.options.clone())),
            model,
            counted,
            loaded: ended.loaded,
            outcome: ended.outcome,
            trials: ended.trials,
            environment: ended.environment,
            energy: ended.energy,
            power: ended.power,
            times: Times {
                claimed: self.claimed_at(&queued.entry),
                started: started.or(ended.started),
                finished: now_text(),
            },
        };
        self.bundle(parts, Some(&chosen.model_name(job)), configuration, observer);
    }
}

/// The daemon on other processors than the worker.
struct Elsewhere {
    before: Vec<u32>,
    during: Vec<u32>,
}

impl Elsewhere {
    /// Go there, where the worker has processors of its own and others are left.
    fn than(cpus: &[u32]) -> Self {
        let before = if cpus.is_empty() { None } else { placement::cpus_in_force() }.unwrap_or_default();
        let others: Vec<u32> = before.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
        let is_there = !others.is_empty() && placement::keep_to(&others).is_ok();
        Self { before, during: if is_there { others } else { Vec::new() } }
    }

    /// Come back; where it was.
    fn back(self) -> Vec<u32> {
        if !self.during.is_empty()
            && let Err(errno) = placement::keep_to(&self.before)
        {
            log::warn!("the daemon stays on processors {:?}: {errno}", self.during);
        }
        self.during
    }
}

fn placement_of(host: &spec::Host, placed: Placed, daemon_cpus: Vec<u32>) -> Placement {
    Placement {
        cpus_asked: host.cpus.clone(),
        cpus: placed.cpus,
        daemon_cpus,
        nice_asked: host.nice,
        nice: placed.nice,
        lock_memory_asked: host.lock_memory,
        memory_locked: placed.memory_locked,
        refused: placed.refused,
    }
}

fn cancelled(runtime: &str) -> Outcome {
    let ended = ending::Ended {
        ending: Ending::Cancelled,
        loaded: None,
        reached: Stage::Queue,
        log_tail: Vec::new(),
        wall: Duration::ZERO,
    };
    ended.outcome(runtime)
}

fn trial_of(process: u32, warm_up_ns: Vec<Nanos>, latency_ns: Vec<Nanos>) -> Trial {
    Trial { build: 1, process, warm_up_ns, latency_ns, extra_latency_ns: Vec::new() }
}

/// `log_tail` is that of the last trial.
fn measured_outcome(log_tail: Vec<String>) -> Outcome {
    Outcome {
        status: Status::Measured,
        stage: None,
        reason: None,
        detail: None,
        hint: None,
        mistakes: Vec::new(),
        log_tail,
    }
}

fn gave_up(crashes: usize) -> Outcome {
    not_measured(
        Status::Failed,
        Stage::Timing,
        "interrupted_repeatedly",
        format!("the daemon or the machine went down under this configuration {crashes} times"),
        Some("check the power supply and the kernel log; `backbone retry` runs it again".to_owned()),
    )
}

/// Seconds until the job is done, if the trials to come take as long as those of this configuration took.
fn eta(walls: &[f64], job: &Job, configuration: usize, process: u32) -> Option<f64> {
    let mean = walls.iter().sum::<f64>() / walls.len() as f64;
    let here = f64::from(job.measure.processes - process + 1);
    let later = (job.configurations.len() - configuration) as f64 * f64::from(job.measure.processes);
    (!walls.is_empty()).then_some(mean * (here + later))
}
