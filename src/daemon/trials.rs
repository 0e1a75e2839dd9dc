//! The builds and trials of one configuration, one worker process after the other, each recorded when it ended.

use super::Daemon;
use super::configuration::{Ended, Left, Turn};
use super::executables::WorkerCommand;
use super::now_text;
use super::observer::TrialBegins;
use super::providers::with_more_fallback;
use super::sensing::{Sensing, joined};
use super::status::Running;
use super::tell::Urgency;
use crate::bundle::format::{Build, Energy, Environment, Outcome, Placement, Power, Profile, Stage, Trial};
use crate::runtime::options;
use crate::spec::{self, Builds, Job, ModelSource, PAPER_BUILDS_UP_TO_INPUT};
use crate::spool::journal::{BoundModel, Measured, Progress, Record};
use crate::stats;
use crate::units::Nanos;
use crate::worker::ending::{self, Ending, LoadedModel};
use crate::worker::parent::Control;
use crate::worker::protocol::{Placed, Request, Task};

/// What a configuration has so far.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) preparation: Vec<Build>,
    pub(super) trials: Vec<Trial>,
    pub(super) loaded: Option<LoadedModel>,
    /// The time of each layer, where the job asks for it and all trials are done.
    pub(super) profile: Option<Profile>,
    pub(super) energy: Option<Energy>,
    /// The host's power state, where a trial was to start.
    pub(super) power: Option<Power>,
    /// Wall clock at the start of its first worker in this process, if one started.
    pub(super) started: Option<String>,
    /// That of the last trial.
    pub(super) log_tail: Vec<String>,
    /// Seconds that each trial took.
    walls: Vec<f64>,
    environments: Vec<Environment>,
}

impl Course {
    /// What the journal knows of it.
    pub(super) fn of(progress: &Progress, configuration: usize) -> Self {
        let mut course = Self::default();
        let of_this = progress.trials.iter().filter(|trial| trial.configuration == configuration);
        of_this.for_each(|trial| course.add(trial.clone()));
        let builds = progress.builds.iter().filter(|done| done.0 == configuration);
        course.preparation = builds.map(|(_, build)| build.clone()).collect();
        course
    }

    fn add(&mut self, measured: Measured) {
        self.trials.push(measured.trial);
        self.walls.push(measured.wall_seconds);
        let former = self.loaded.take().map(|loaded| loaded.providers).unwrap_or_default();
        let loaded = measured.loaded;
        self.loaded = Some(LoadedModel { providers: with_more_fallback(former, loaded.providers), ..loaded });
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
        Ended { outcome, model, course: self }
    }

    /// What the host's sensors told over all trials.
    pub(super) fn environment(&self) -> Option<Environment> {
        joined(self.environments.iter().cloned())
    }

    /// Is there nothing left to run?
    pub(super) fn is_complete(&self, turn: &Turn<'_>) -> bool {
        !wants_profile(turn)
            && (1..=builds(turn, self)).all(|build| self.processes_done(build) >= turn.job.measure.processes)
    }

    fn processes_done(&self, build: u32) -> u32 {
        let done = self.trials.iter().filter(|trial| trial.build == build).count();
        u32::try_from(done).unwrap_or(u32::MAX)
    }
}

/// Why no more trials are run.
pub(super) enum Halt {
    /// The configuration has this outcome.
    Outcome(Box<Outcome>),
    /// It has none yet.
    Left(Left),
}

/// How the workers of a configuration are started, and what is read around them.
pub(super) struct Workers {
    pub(super) command: WorkerCommand,
    /// The first one's; build and task change.
    pub(super) request: Request,
    pub(super) sensing: Sensing,
    pub(super) power: Power,
}

impl Daemon<'_> {
    /// Run the builds and trials that are still missing.
    pub(super) fn run_missing(
        &mut self,
        turn: &Turn<'_>,
        workers: &mut Workers,
        course: &mut Course,
    ) -> Result<(), Halt> {
        let processes = turn.job.measure.processes;
        let mut build = 1;
        while build <= builds(turn, course) {
            let done = course.processes_done(build);
            if done < processes {
                if workers.request.compilation.is_some() {
                    self.build(turn, workers, course, build)?;
                }
                for process in done + 1..=processes {
                    self.run_trial(turn, workers, course, (build, process))?;
                }
            }
            build += 1;
        }
        if wants_profile(turn) {
            self.profile(turn, workers, course)?;
        }
        Ok(())
    }

    fn build(
        &mut self,
        turn: &Turn<'_>,
        workers: &mut Workers,
        course: &mut Course,
        build: u32,
    ) -> Result<(), Halt> {
        set_build(workers, build);
        self.begin(turn, course, (build, course.processes_done(build) + 1))?;
        self.record_start(turn, course)?;
        workers.sensing.begin((build, 0), 0);
        let ended = self.run_for(Task::Build, turn, workers);
        if ended.ending == Ending::Stopped {
            return Err(self.interrupted(turn));
        }
        let outcome = self.with_device(turn, ended.outcome(workers.request.runtime.as_str()));
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
        course.loaded = ended.loaded.or(course.loaded.take());
        // Made by this job before a restart: what it took then says more.
        if !course.preparation.iter().any(|known| known.build == build) {
            if built.is_some() {
                let line =
                    Record::Built { configuration: turn.configuration, build: Box::new(record.clone()) };
                self.record(turn, &line);
            }
            course.preparation.push(record);
        }
        if built.is_some() { Ok(()) } else { Err(Halt::Outcome(Box::new(outcome))) }
    }

    fn run_trial(
        &mut self,
        turn: &Turn<'_>,
        workers: &mut Workers,
        course: &mut Course,
        (build, process): (u32, u32),
    ) -> Result<(), Halt> {
        let Turn { job, queued, configuration, .. } = *turn;
        let runtime = job.configurations[configuration - 1].runtime;
        self.begin(turn, course, (build, process))?;
        let is_last = build == builds(turn, course) && process == job.measure.processes;
        let energy_seconds = if is_last { job.measure.energy_seconds } else { 0 };
        workers.request.energy_seconds = if runtime.times_itself { 0 } else { energy_seconds };
        workers.sensing.begin((build, process), workers.request.energy_seconds);
        match self.wait_for_cool(&job.host, &mut workers.sensing, queued) {
            Control::Continue => {}
            Control::Stop => return Err(Halt::Left(Left::Interrupted)),
            Control::Cancel => return Err(Halt::Outcome(Box::new(cancelled(runtime.name)))),
        }
        self.record_start(turn, course)?;
        let (mut ended, daemon_cpus) = self.run_quietly(turn, workers);
        let placed = ended.loaded.as_ref().and_then(|loaded| loaded.placed.clone());
        let placement = placed.map(|placed| placement_of(&job.host, placed, daemon_cpus));
        let environment = workers.sensing.environment(placement);
        let extra_latency_ns = std::mem::take(&mut ended.extra_latency_ns);
        let trial = |warm_up_ns: &[Nanos], latency_ns: &[Nanos]| Trial {
            build,
            process,
            warm_up_ns: warm_up_ns.to_vec(),
            latency_ns: latency_ns.to_vec(),
            extra_latency_ns,
        };
        match ended.ending {
            Ending::Complete { warm_up_ns, latency_ns, energy_ns } => {
                let Some(loaded) = ended.loaded else {
                    unreachable!("a transcript without `loaded` has no result")
                };
                let energy = match energy_ns {
                    Some(latency_ns) => Some(workers.sensing.energy(latency_ns)),
                    None => (energy_seconds > 0).then(|| Energy::unobservable(NO_LOOP_OF_ITS_OWN)),
                };
                let measured = Measured {
                    configuration,
                    trial: trial(&warm_up_ns, &latency_ns),
                    loaded,
                    wall_seconds: ended.wall.as_secs_f64(),
                    environment: Some(environment),
                    energy,
                    power: Some(workers.power.clone()),
                };
                self.record(turn, &measured.record());
                course.log_tail = ended.log_tail;
                course.add(measured);
                Ok(())
            }
            Ending::Stopped => Err(self.interrupted(turn)),
            _ => {
                if let Some((warm_up_ns, latency_ns)) = ended.latencies() {
                    // What was received, under an outcome that says how its process ended.
                    course.trials.push(trial(warm_up_ns, latency_ns));
                }
                let outcome = self.with_device(turn, ended.outcome(runtime.name));
                course.environments.push(environment);
                course.loaded = ended.loaded.or(course.loaded.take());
                Err(Halt::Outcome(Box::new(outcome)))
            }
        }
    }

    /// Run the chosen build once more for the time of each layer. Whatever comes of it, what was measured stays.
    fn profile(&mut self, turn: &Turn<'_>, workers: &mut Workers, course: &mut Course) -> Result<(), Halt> {
        let Some(build) = stats::of_chosen_build(&course.trials).map(|trial| trial.build).next() else {
            return Ok(());
        };
        if self.inbox.wake().stop_requested() {
            return Err(Halt::Left(Left::Interrupted));
        }
        set_build(workers, build);
        self.record_start(turn, course)?;
        workers.sensing.begin((build, 0), 0);
        let ended = self.run_for(Task::Profile, turn, workers);
        if ended.ending == Ending::Stopped {
            return Err(self.interrupted(turn));
        }
        // Neither a crash nor a trial.
        self.record(turn, &Record::Interrupted);
        let outcome = ended.outcome(workers.request.runtime.as_str());
        let runs = turn.job.measure.timed_runs;
        course.profile = Some(match ended.ending {
            Ending::Profiled(layers) => Profile { build, runs, layers, detail: None },
            _ => Profile { build, runs, layers: Vec::new(), detail: outcome.detail },
        });
        Ok(())
    }

    fn run_for(&mut self, task: Task, turn: &Turn<'_>, workers: &mut Workers) -> ending::Ended {
        workers.request.energy_seconds = 0;
        workers.request.task = task;
        let (ended, _) = self.run_quietly(turn, workers);
        workers.request.task = Task::Measure;
        ended
    }

    /// Who is told before a worker starts.
    fn begin(&mut self, turn: &Turn<'_>, course: &Course, (build, process): (u32, u32)) -> Result<(), Halt> {
        if self.inbox.wake().stop_requested() {
            return Err(Halt::Left(Left::Interrupted));
        }
        let Turn { queued, job, configuration, .. } = *turn;
        let runtime = job.configurations[configuration - 1].runtime.name;
        let processes = job.measure.processes;
        let trial = (build - 1) * processes + process;
        let trials = builds(turn, course) * processes;
        self.running = Some(Running {
            id: queued.entry.id.to_string(),
            job: job.name.clone(),
            runtime: runtime.to_owned(),
            configuration,
            configurations: job.configurations.len(),
            trial,
            trials,
            since: now_text(),
            eta_seconds: eta(&course.walls, job, configuration, trials - trial + 1),
        });
        // The first one always: a status from before it would hold for as long as the trial takes.
        self.tell_status(if course.started.is_none() { Urgency::Now } else { Urgency::Soon });
        self.observer.trial_begins(&TrialBegins {
            job: &job.name,
            runtime,
            configuration: (configuration, job.configurations.len()),
            trial: (trial, trials),
        });
        Ok(())
    }

    /// The journal before the worker, so that a crash under it counts.
    fn record_start(&self, turn: &Turn<'_>, course: &mut Course) -> Result<(), Halt> {
        let journal = self.spool.journal(&turn.queued.entry.id);
        let since = now_text();
        let record = Record::Started { configuration: turn.configuration, at: since.clone() };
        let is_first_of_job = turn.progress.started.is_empty() && course.started.is_none();
        let recorded = journal.append(&record, true);
        recorded
            .and_then(|()| if is_first_of_job { journal.sync_folder() } else { Ok(()) })
            .map_err(|error| Halt::Left(Left::Trouble(error)))?;
        course.started.get_or_insert(since);
        Ok(())
    }

    fn record(&self, turn: &Turn<'_>, record: &Record) {
        if let Err(error) = self.spool.journal(&turn.queued.entry.id).append(record, true) {
            // It is still in hand; only a crash before the bundle is durable would lose it.
            log::warn!(JOB = turn.job.name.as_str(); "can not record what was finished: {error}");
        }
    }

    fn interrupted(&self, turn: &Turn<'_>) -> Halt {
        // A lost line only means that this restart counts as a crash.
        let _ = self.spool.journal(&turn.queued.entry.id).append(&Record::Interrupted, true);
        Halt::Left(Left::Interrupted)
    }
}

/// Why there is no energy for a program that times itself.
const NO_LOOP_OF_ITS_OWN: &str = "the runtime's program loads and warms up in the same run that it times, and energy would count those too";

fn set_build(workers: &mut Workers, build: u32) {
    if let Some(compilation) = &mut workers.request.compilation {
        compilation.build = build;
    }
}

fn wants_profile(turn: &Turn<'_>) -> bool {
    options::boolean(&turn.job.configurations[turn.configuration - 1].options, options::PROFILE.name, false)
}

/// How many builds of the model: what the job says, and for a dropped file whose input turned out to be large, one.
fn builds(turn: &Turn<'_>, course: &Course) -> u32 {
    let chosen = &turn.job.configurations[turn.configuration - 1];
    let is_open =
        matches!(chosen.source, ModelSource::Dropped(_)) && turn.job.measure.builds == Builds::Paper;
    if is_open && course.loaded.as_ref().is_some_and(has_large_input) {
        return 1;
    }
    chosen.builds(&turn.job.measure)
}

/// Some image among the inputs (rank 4, NCHW) is larger than those that the paper built more than once.
fn has_large_input(loaded: &LoadedModel) -> bool {
    let images = loaded.inputs.iter().filter(|input| input.shape.len() == 4);
    images.filter_map(|image| image.shape[3]).any(|size| size > u64::from(PAPER_BUILDS_UP_TO_INPUT))
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
        extra_latency_ns: Vec::new(),
        log_tail: Vec::new(),
        wall: std::time::Duration::ZERO,
    };
    ended.outcome(runtime)
}

/// Seconds until the job is done, if the trials to come take as long as those of this configuration took.
fn eta(walls: &[f64], job: &Job, configuration: usize, here: u32) -> Option<f64> {
    let mean = walls.iter().sum::<f64>() / walls.len() as f64;
    let later: f64 = job.configurations[configuration..]
        .iter()
        .map(|chosen| f64::from(chosen.builds(&job.measure)) * f64::from(job.measure.processes))
        .sum();
    (!walls.is_empty()).then_some(mean * (f64::from(here) + later))
}
