//! Measuring one configuration: what it needs before its trials, and the bundle after them. The trials themselves are in
//! `trials`.
//!
//! While a worker lives the daemon sleeps in `worker::parent::run`: the inbox is not watched, nothing is logged, written,
//! copied or compressed. What it does once a second at most is in `quiet`.

use std::time::Duration;

use super::assemble::Parts;
use super::assemble::not_measured;
use super::executables::worker_command;
use super::job::QueuedJob;
use super::job::SpecFile;
use super::model::{AtHand, configuration_in_format};
use super::power::look_at_power;
use super::quiet::Quiet;
use super::sensing::Sensing;
use super::trials::{Course, Halt, Workers};
use super::{Daemon, now_text};
use crate::bundle::format::{Outcome, Stage, Status, Times};
use crate::host::tool;
use crate::spec::{Job, ModelSource};
use crate::spool::journal::{BoundModel, Progress};
use crate::worker::ending;
use crate::worker::parent;
use crate::worker::placement;
use crate::worker::protocol::{PROTOCOL, Request, Task, Wish};

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
    /// Its builds and trials.
    pub(super) course: Course,
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

impl Daemon<'_> {
    /// Run the trials that are still missing.
    pub(super) fn measure(&mut self, turn: &Turn<'_>) -> Left {
        let Turn { job, progress, configuration, .. } = *turn;
        let chosen = &job.configurations[configuration - 1];
        let mut course = Course::of(progress, configuration);
        let crashes = progress.crashes.iter().filter(|crashed| **crashed == configuration).count();
        if crashes >= CRASHES_ALLOWED {
            return course.ended(gave_up(crashes), None);
        }
        if let Some(outcome) = self.larger_than_memory(chosen) {
            return course.ended(outcome, None);
        }
        let AtHand { path, model } = match self.model_at_hand(turn) {
            Ok(at_hand) => at_hand,
            Err(left) => return left,
        };
        let compilation = match self.compilation(chosen.runtime, &model) {
            Ok(compilation) => compilation,
            Err(error) => return Left::Trouble(error),
        };
        let mut command = worker_command(chosen.runtime, &self.config, &self.executable);
        if chosen.runtime.program.is_some() {
            command.environment.push((tool::ROOT_VARIABLE.into(), self.root.as_path().into()));
        }
        let request = Request {
            protocol: PROTOCOL,
            runtime: chosen.runtime.name.to_owned(),
            model: path,
            task: Task::Measure,
            library: command.library.clone(),
            delegate: self.delegate(chosen.runtime),
            plugin: command.plugin.clone(),
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
            compilation,
        };
        if course.is_complete(turn) && course.power.is_some() {
            // A former run came as far as this; the host need not be brought into that state again.
            return course.ended(measured_outcome(Vec::new()), Some(model));
        }
        let mut power = match self.take_power(turn) {
            Ok(power) => power,
            Err(left) => return left,
        };
        power.not_held = course.power.take().map(|known| known.not_held).unwrap_or_default();
        let sensing = Sensing::find(&self.root, chosen.runtime.times_itself);
        let mut workers = Workers { command, request, sensing, power };
        let halted = self.run_missing(turn, &mut workers, &mut course);
        course.power = Some(workers.power);
        match halted {
            Ok(()) => {
                let outcome = measured_outcome(std::mem::take(&mut course.log_tail));
                course.ended(outcome, Some(model))
            }
            Err(Halt::Outcome(outcome)) => course.ended(*outcome, Some(model)),
            Err(Halt::Left(left)) => left,
        }
    }

    /// Run one worker, with everything else of this process asleep. Gives also the processors that the daemon kept to.
    pub(super) fn run_quietly(
        &mut self,
        turn: &Turn<'_>,
        Workers { command, request, sensing, power }: &mut Workers,
    ) -> (ending::Ended, Vec<u32>) {
        let trial = parent::Trial {
            executable: &command.executable,
            arguments: command.arguments,
            environment: command.environment.clone(),
            request,
            timeout: Duration::from_secs(turn.job.measure.timeout_seconds.into()),
        };
        self.inbox.pause_watch();
        let elsewhere = Elsewhere::than(&trial.request.placement.cpus);
        let (power_host, held, (_, process)) = (&self.power, self.hold.as_ref(), sensing.trial());
        let mut look_at_power = |after| look_at_power(power_host, held, power, process, after);
        sensing.worker_starts();
        let control = self.spool.control().path().to_owned();
        let mut quiet = Quiet::new(
            self.inbox.wake(),
            &mut self.service,
            sensing,
            &self.config.inbox,
            &control,
            turn.queued,
        );
        quiet.look_at_power = Some(&mut look_at_power);
        let ended = parent::run(&trial, &mut quiet);
        let daemon_cpus = elsewhere.back();
        self.inbox.resume_watch();
        (ended, daemon_cpus)
    }

    /// Make the bundle of a configuration, and publish it.
    pub(super) fn bundle_configuration(&mut self, turn: &Turn<'_>, Ended { outcome, model, course }: Ended) {
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
        let model = model.or_else(|| dropped.cloned());
        let counted = self.count(job, chosen, model.as_ref());
        let environment = course.environment();
        let parts = Parts {
            id: queued.entry.id.bundle_id(configuration),
            entry: &queued.entry,
            spec,
            job: Some(job),
            configuration: network,
            runtime: Some((chosen.runtime, chosen.options.clone())),
            model,
            counted,
            loaded: course.loaded,
            preparation: course.preparation,
            outcome,
            trials: course.trials,
            profile: course.profile,
            environment,
            energy: course.energy,
            power: course.power,
            times: Times {
                claimed: self.spool.claimed_at(&queued.entry),
                started: started.or(course.started),
                finished: now_text(),
            },
        };
        self.bundle(parts, Some(&chosen.model_name(job)), configuration);
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
