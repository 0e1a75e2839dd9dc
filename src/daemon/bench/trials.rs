//! The builds and trials of one configuration, one worker process after the other, each recorded when it
//! ended.
//!
//! While a worker lives this process sleeps in `worker::parent::run`: the inbox is not watched, and nothing
//! is logged, written, copied or compressed. What it does once a second at most is in `quiet`.

use std::time::Duration;

use super::attendant::{Attendant, TrialNumber};
use super::device::with_device;
use super::elsewhere::Elsewhere;
use super::kept::KeptOutputs;
use super::needs::NeedsAtStart;
use super::power::HeldPower;
use super::quiet::Quiet;
use super::sensing::Sensing;
use super::workplace::Confining;
use crate::bundle::format::{
    Build, Energy, Environment, Failure, Outcome, Placed, Placement, Power, Profile, Stage, Status, Trial,
    TrialId, TrialResources,
};
use crate::daemon::clock::now_text;
use crate::daemon::status::Running;
use crate::daemon::turn::{Course, Left, NextTrial, Turn, eta};
use crate::host::HostRoot;
use crate::installation::WorkerCommand;
use crate::runtime::Runtime;
use crate::spec;
use crate::spool::journal::{BoundModel, Durable, Journal, Measured, Record};
use crate::stats;
use crate::worker::ending::{Ended, Ending, Shortage};
use crate::worker::parent::{self, Control, Watch};
use crate::worker::protocol::{Request, Task};

/// More runs tell no more about a layer, and the profile of a large network would outgrow what a library
/// keeps.
const MOST_PROFILED_RUNS: u32 = 100;

/// Runs one worker to its end: [`parent::run`], or what a test puts in its place.
pub(crate) type RunWorker = fn(&parent::Trial<'_>, &mut dyn Watch) -> Ended;

/// How the workers of a configuration are started, and what is read around them.
pub(super) struct Workers {
    pub(super) command: WorkerCommand,
    /// The first one's; build and task change.
    pub(super) request: Request,
    pub(super) sensing: Sensing,
    pub(super) power: Power,
    /// The files of outputs, if some are to be compared.
    pub(super) kept: Option<KeptOutputs>,
    /// Runs the model for its outputs alone, if the job asks for that.
    pub(super) reference: Option<UntimedWorker>,
    /// Runs the model for the shapes of what its nodes make, if those are wanted.
    pub(super) shape_source: Option<UntimedWorker>,
}

/// A worker of another runtime on the same model, whose time does not count.
pub(super) struct UntimedWorker {
    pub(super) command: WorkerCommand,
    pub(super) request: Request,
}

/// What the bench lends to a turn.
#[derive(Clone, Copy)]
pub(super) struct Instruments<'a> {
    pub(super) root: &'a HostRoot,
    pub(super) power: &'a HeldPower,
    pub(super) had_edge_tpu: bool,
    pub(super) needs: &'a NeedsAtStart,
    /// How long a worker may print nothing and do nothing.
    pub(super) silence_limit: Option<Duration>,
    pub(super) run: RunWorker,
    pub(super) confining: &'a Confining,
}

/// The trials of one turn.
pub(super) struct Trials<'a> {
    pub(super) turn: &'a Turn<'a>,
    pub(super) instruments: Instruments<'a>,
    pub(super) journal: Journal,
    pub(super) workers: Workers,
    pub(super) course: Course,
    pub(super) attendant: &'a mut dyn Attendant,
}

/// What was started ended neither as a trial nor by a crash. A lost line only means that it counts as one.
fn no_crash(journal: &Journal) {
    let _ = journal.append(&Record::Interrupted, Durable::Now);
}

/// Why no more trials are run.
pub(super) enum Halt {
    /// The configuration has this outcome.
    Outcome(Box<Outcome>),
    /// It has none yet.
    Left(Left),
}

impl Trials<'_> {
    /// Run what is missing of a configuration of this model.
    pub(super) fn run(mut self, model: BoundModel) -> Left {
        let halted = self.run_missing();
        let mut course = self.course;
        course.power = Some(self.workers.power);
        let outcome = match halted {
            Ok(()) => Outcome::measured(std::mem::take(&mut course.log_tail)),
            Err(Halt::Outcome(outcome)) => *outcome,
            Err(Halt::Left(left)) => return left,
        };
        if let Some(kept) = self.workers.kept {
            remove_outputs(self.turn, &kept);
        }
        course.ended(outcome, Some(model)).into()
    }

    fn run_missing(&mut self) -> Result<(), Halt> {
        let mut built = None;
        while let Some(mut next) = self.turn.next_trial(&self.course) {
            if built != Some(next.id.build) && self.workers.request.load.compilation.is_some() {
                self.build(next)?;
                built = Some(next.id.build);
                // What the build took may leave no time for another trial.
                match self.turn.next_trial(&self.course) {
                    Some(still) if still.id == next.id => next = still,
                    Some(_) => continue,
                    None => break,
                }
            }
            self.trial(next)?;
        }
        if self.turn.wants_profile() {
            self.profile()?;
        }
        if self.turn.wants_comparison() {
            self.verify()?;
        }
        if let Some(shape_source) = self.workers.shape_source.take() {
            self.ask_for_shapes(shape_source)?;
        }
        Ok(())
    }

    fn build(&mut self, next: NextTrial) -> Result<(), Halt> {
        let build = next.id.build;
        self.set_build(build);
        self.begin(next)?;
        self.record_start()?;
        let ended = self.run_for(Task::Build, build)?;
        if ended.ending == Ending::Stopped {
            return Err(self.interrupted());
        }
        self.check_host(self.turn.chosen().runtime, &ended)?;
        let outcome = self.outcome(&ended);
        let built = match &ended.ending {
            Ending::Built(built) => Some(built),
            _ => None,
        };
        let record = Build {
            build,
            status: outcome.status,
            reason: outcome.reason.clone(),
            seconds: built.and_then(|built| built.seconds),
            size_bytes: built.map(|built| built.size_bytes),
            is_kept: built.is_some_and(|built| built.is_kept),
            edge_tpu: built.and_then(|built| built.edge_tpu.clone()),
            log_tail: ended.log_tail,
        };
        self.course.loaded = ended.loaded.or(self.course.loaded.take());
        if self.course.preparation.iter().any(|known| known.build == build) {
            // Made by this job before a restart: what it took then says more. No crash either.
            self.record(&Record::Interrupted);
        } else {
            if built.is_some() {
                let build = Box::new(record.clone());
                self.record(&Record::Built { configuration: self.turn.configuration, build });
            }
            self.course.preparation.push(record);
        }
        if built.is_some() { Ok(()) } else { Err(Halt::Outcome(Box::new(outcome))) }
    }

    fn trial(&mut self, next: NextTrial) -> Result<(), Halt> {
        let Turn { job, configuration, .. } = *self.turn;
        let id = next.id;
        self.begin(next)?;
        self.workers.request.timed_runs = next.runs;
        let energy_seconds = if next.is_last { job.measure.energy_seconds } else { 0 };
        let times_itself = self.turn.chosen().runtime.times_itself();
        self.workers.request.energy_seconds = if times_itself { 0 } else { energy_seconds };
        self.workers.sensing.begin(id, self.workers.request.energy_seconds);
        self.workers.request.outputs_file =
            self.workers.kept.as_ref().and_then(|kept| kept.for_trial(configuration, id));
        match self.wait_for_cool() {
            Control::Continue => {}
            Control::Stop => return Err(Halt::Left(Left::Interrupted)),
            Control::Cancel => {
                return Err(Halt::Outcome(Box::new(cancelled("while the host cooled down"))));
            }
        }
        self.record_start()?;
        let (mut ended, daemon_cpus) = self.run_quietly()?;
        self.check_host(self.turn.chosen().runtime, &ended)?;
        let placed = ended.loaded.as_ref().and_then(|loaded| loaded.placed.clone());
        let placement = placed.map(|placed| placement_of(&job.host, placed, daemon_cpus));
        let sandbox = ended.sandbox.take().or_else(|| self.instruments.confining.none());
        let environment = Environment { sandbox, ..self.workers.sensing.environment(placement) };
        match ended.ending {
            Ending::Complete { latencies, energy_ns } => {
                let Some(loaded) = ended.loaded else {
                    unreachable!("a transcript without `loaded` has no result")
                };
                let differing = self.differing(id, ended.outputs.as_ref(), &loaded);
                let energy = match energy_ns {
                    Some(latency_ns) => Some(self.workers.sensing.energy(latency_ns)),
                    None => (energy_seconds > 0).then(|| Energy::unobservable(NO_LOOP_OF_ITS_OWN)),
                };
                let finished = Record::Finished(Box::new(Measured {
                    configuration,
                    trial: Trial { id, latencies },
                    loaded,
                    wall_seconds: ended.wall.as_secs_f64(),
                    environment: Some(environment),
                    energy,
                    power: Some(self.workers.power.clone()),
                    outputs: ended.outputs,
                    differing,
                    resources: ended.resources,
                }));
                self.record(&finished);
                self.course.log_tail = ended.log_tail;
                // Back out of the line that was written, so that no latency is copied.
                if let Record::Finished(measured) = finished {
                    self.course.add(*measured);
                }
                Ok(())
            }
            Ending::Stopped => Err(self.interrupted()),
            _ => {
                let outcome = self.outcome(&ended);
                self.course.environments.push(environment);
                self.course.loaded = ended.loaded.take().or(self.course.loaded.take());
                // What was received, under an outcome that says how its process ended.
                let resources = ended.resources.map(|resources| TrialResources { trial: id, resources });
                self.course.resources.extend(resources);
                let latencies = ended.into_latencies();
                self.course.trials.extend(latencies.map(|latencies| Trial { id, latencies }));
                Err(Halt::Outcome(Box::new(outcome)))
            }
        }
    }

    /// Run the chosen build once more for the time of each layer. Whatever its outcome, what was measured
    /// stays.
    fn profile(&mut self) -> Result<(), Halt> {
        let Some(build) = stats::of_chosen_build(&self.course.trials).map(|trial| trial.id.build).next()
        else {
            return Ok(());
        };
        if self.attendant.stop_requested() {
            return Err(Halt::Left(Left::Interrupted));
        }
        self.set_build(build);
        self.record_start()?;
        let timed_runs = self.workers.request.timed_runs;
        let runs = timed_runs.min(MOST_PROFILED_RUNS);
        self.workers.request.timed_runs = runs;
        let ended = self.run_for(Task::Profile, build);
        self.workers.request.timed_runs = timed_runs;
        let ended = ended?;
        if ended.ending == Ending::Stopped {
            return Err(self.interrupted());
        }
        self.check_host(self.turn.chosen().runtime, &ended)?;
        // Neither a crash nor a trial.
        self.record(&Record::Interrupted);
        let outcome = ended.outcome(self.runtime());
        self.course.profile = Some(match ended.ending {
            Ending::Profiled(layers) => Profile { build, runs, layers, detail: None },
            _ => Profile { build, runs, layers: Vec::new(), detail: outcome.detail },
        });
        Ok(())
    }

    /// If a worker ended as it did because the host lacks something, the turn ends without an outcome.
    pub(super) fn check_host(&self, runtime: &Runtime, ended: &Ended) -> Result<(), Halt> {
        let Some(setback) = self.instruments.needs.setback(runtime, ended) else { return Ok(()) };
        no_crash(&self.journal);
        Err(Halt::Left(setback.into()))
    }

    /// Run the model once more for the shapes of what its nodes make. The count does without if it fails.
    fn ask_for_shapes(&mut self, shape_source: UntimedWorker) -> Result<(), Halt> {
        let runtime = shape_source.request.runtime.clone();
        let ended = self.run_untimed(shape_source, Task::Shapes, 1)?;
        let detail = ended.outcome(&runtime).detail;
        match ended.ending {
            Ending::Shapes(nodes) => self.course.node_shapes = Some(nodes),
            _ => log::debug!(
                JOB = self.turn.job.name.as_str();
                "{runtime} tells no shapes: {}", detail.unwrap_or_default()
            ),
        }
        Ok(())
    }

    /// Run a worker of another runtime that measures nothing.
    pub(super) fn run_untimed(
        &mut self,
        worker: UntimedWorker,
        task: Task,
        build: u32,
    ) -> Result<Ended, Halt> {
        if self.attendant.stop_requested() {
            return Err(Halt::Left(Left::Interrupted));
        }
        self.record_start()?;
        let UntimedWorker { command, request } = worker;
        let command = std::mem::replace(&mut self.workers.command, command);
        let request = std::mem::replace(&mut self.workers.request, request);
        let ended = self.run_for(task, build);
        (self.workers.command, self.workers.request) = (command, request);
        let ended = ended?;
        if ended.ending == Ending::Stopped {
            return Err(self.interrupted());
        }
        if ended.shortage() == Some(Shortage::Resources) {
            self.check_host(self.turn.chosen().runtime, &ended)?;
        }
        // Neither a crash nor a trial.
        self.record(&Record::Interrupted);
        Ok(ended)
    }

    /// Run a worker that measures nothing.
    pub(super) fn run_for(&mut self, task: Task, build: u32) -> Result<Ended, Halt> {
        self.workers.sensing.begin(TrialId { build, process: 0 }, 0);
        self.workers.request.energy_seconds = 0;
        self.workers.request.load.task = task;
        if task != Task::Outputs {
            self.workers.request.outputs_file = None;
        }
        let ran = self.run_quietly();
        self.workers.request.load.task = Task::Measure;
        Ok(ran?.0)
    }

    /// Run one worker, with everything else of this process asleep. Returns also the processors that the
    /// daemon kept to.
    fn run_quietly(&mut self) -> Result<(Ended, Vec<u32>), Halt> {
        let Workers { command, request, sensing, power, .. } = &mut self.workers;
        let workplace = self.instruments.confining.workplace(request);
        let workplace = workplace.map_err(|error| {
            no_crash(&self.journal);
            Halt::Left(Left::Trouble(error))
        })?;
        let trial = parent::Trial {
            executable: &command.executable,
            arguments: command.arguments,
            environment: command.environment.clone(),
            request,
            timeout: Duration::from_secs(self.turn.job.measure.timeout_seconds.into()),
        };
        self.attendant.worker_starts();
        let elsewhere = Elsewhere::than(&trial.request.placement.cpus);
        let process = sensing.trial().process;
        sensing.worker_starts();
        let held = self.instruments.power;
        let mut quiet = Quiet {
            attendant: self.attendant,
            sensing,
            look_at_power: &mut |look| held.look(power, process, look),
            silence_limit: self.instruments.silence_limit,
        };
        let ended = (self.instruments.run)(&trial, &mut quiet);
        let daemon_cpus = elsewhere.back();
        workplace.hand_back(request);
        self.attendant.worker_ended();
        Ok((ended, daemon_cpus))
    }

    /// Report what begins, unless the turn must end.
    fn begin(&mut self, next: NextTrial) -> Result<(), Halt> {
        match self.attendant.between_trials() {
            Control::Continue => {}
            Control::Stop => return Err(Halt::Left(Left::Interrupted)),
            Control::Cancel => return Err(Halt::Outcome(Box::new(cancelled("before its next trial")))),
        }
        let Turn { queued, job, configuration, .. } = *self.turn;
        let (trial, trials) = next.place;
        let running = Running {
            id: queued.entry.id.to_string(),
            job: job.name.clone(),
            network: self.turn.network(),
            runtime: self.turn.chosen().runtime.name.to_owned(),
            configuration,
            configurations: job.configurations.len(),
            trial,
            trials,
            since: now_text(),
            eta_seconds: eta::seconds(self.turn, &self.course, next.place),
        };
        let is_first = self.course.started.is_none();
        self.attendant.trial_begins(running, if is_first { TrialNumber::First } else { TrialNumber::Later });
        Ok(())
    }

    /// The journal before the worker, so that a crash under it counts.
    pub(super) fn record_start(&mut self) -> Result<(), Halt> {
        let since = now_text();
        let record = Record::Started { configuration: self.turn.configuration, at: since.clone() };
        let is_first_of_job = self.turn.progress.started.is_empty() && self.course.started.is_none();
        let recorded = self.journal.append(&record, Durable::Now);
        recorded
            .and_then(|()| if is_first_of_job { self.journal.sync_folder() } else { Ok(()) })
            .map_err(|error| Halt::Left(Left::Trouble(error)))?;
        self.course.started.get_or_insert(since);
        Ok(())
    }

    pub(super) fn record(&self, record: &Record) {
        if let Err(error) = self.journal.append(record, Durable::Now) {
            // It is still in hand; only a crash before the bundle is durable would lose it.
            log::warn!(JOB = self.turn.job.name.as_str(); "cannot record what was finished: {error}");
        }
    }

    pub(super) fn interrupted(&self) -> Halt {
        no_crash(&self.journal);
        Halt::Left(Left::Interrupted)
    }

    /// The outcome of a worker, with what its last lines and the host say of the device.
    fn outcome(&self, ended: &Ended) -> Outcome {
        let outcome = ended.outcome(self.runtime());
        let Instruments { root, had_edge_tpu, .. } = self.instruments;
        with_device(self.turn.chosen().runtime, outcome, root, had_edge_tpu, &*self.attendant)
    }

    fn runtime(&self) -> &'static str {
        self.turn.chosen().runtime.name
    }

    fn set_build(&mut self, build: u32) {
        if let Some(compilation) = &mut self.workers.request.load.compilation {
            compilation.build = build;
        }
    }
}

/// Remove the files of outputs that no comparison needs any more.
fn remove_outputs(turn: &Turn<'_>, kept: &KeptOutputs) {
    let removed = match turn {
        _ if turn.is_last() => kept.remove_job(),
        _ if turn.is_reference() => Ok(()),
        _ => kept.remove_configuration(turn.configuration),
    };
    if let Err(error) = removed {
        // They go with the next job's turn.
        log::warn!(JOB = turn.job.name.as_str(); "cannot remove kept outputs: {error}");
    }
}

/// Why there is no energy for a program that times itself.
const NO_LOOP_OF_ITS_OWN: &str = "the runtime's program loads and warms up in the same run that it times, and energy would count those too";

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

fn cancelled(when: &str) -> Outcome {
    Failure::new(Stage::Queue, "cancelled", format!("the job was cancelled {when}"))
        .outcome(Status::Cancelled)
}
