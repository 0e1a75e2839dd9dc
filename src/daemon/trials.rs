//! The builds and trials of one configuration, one worker process after the other, each recorded when it ended.

use std::time::Duration;

use super::Daemon;
use super::configuration::{Left, Turn};
use super::executables::WorkerCommand;
use super::now_text;
use super::observer::{Observer, TrialBegins};
use super::status::Running;
use super::tell::Urgency;
use crate::bundle::format::{Build, Outcome, Power, Status, Trial};
use crate::spec::{Builds, Job, ModelSource, PAPER_BUILDS, PAPER_BUILDS_UP_TO_INPUT};
use crate::spool::journal::{Progress, Record};
use crate::units::Nanos;
use crate::worker::ending::{Ended, Ending, LoadedModel};
use crate::worker::parent;
use crate::worker::protocol::{Request, Task};

/// What a configuration has so far.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) preparation: Vec<Build>,
    pub(super) trials: Vec<Trial>,
    pub(super) loaded: Option<LoadedModel>,
    /// Wall clock at the start of its first worker in this process, if one started.
    pub(super) started: Option<String>,
    /// That of the last trial.
    pub(super) log_tail: Vec<String>,
    /// Seconds that each trial took.
    walls: Vec<f64>,
}

impl Course {
    /// What the journal knows of it.
    pub(super) fn of(progress: &Progress, configuration: usize) -> Self {
        let mut course = Self::default();
        for (_, trial, loaded, wall) in progress.trials.iter().filter(|done| done.0 == configuration) {
            course.trials.push(trial.clone());
            course.walls.push(*wall);
            course.loaded = Some((**loaded).clone());
        }
        let builds = progress.builds.iter().filter(|done| done.0 == configuration);
        course.preparation = builds.map(|(_, build)| build.clone()).collect();
        course
    }

    /// Is there nothing left to run?
    pub(super) fn is_complete(&self, turn: &Turn<'_>) -> bool {
        (1..=builds(turn, self)).all(|build| self.processes_done(build) >= turn.job.measure.processes)
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

/// How the workers of a configuration are started.
pub(super) struct Workers<'a> {
    pub(super) command: WorkerCommand,
    /// The first one's; build and task change.
    pub(super) request: Request,
    pub(super) power: &'a mut Power,
}

impl Daemon {
    /// Run the builds and trials that are still missing.
    pub(super) fn run_missing(
        &mut self,
        turn: &Turn<'_>,
        workers: &mut Workers<'_>,
        course: &mut Course,
        observer: &mut dyn Observer,
    ) -> Result<(), Halt> {
        let mut build = 1;
        while build <= builds(turn, course) {
            let done = course.processes_done(build);
            if done < turn.job.measure.processes {
                if let Some(compilation) = &mut workers.request.compilation {
                    compilation.build = build;
                    self.build(turn, workers, course, build, observer)?;
                }
                for process in done + 1..=turn.job.measure.processes {
                    self.run_trial(turn, workers, course, (build, process), observer)?;
                }
            }
            build += 1;
        }
        Ok(())
    }

    fn build(
        &mut self,
        turn: &Turn<'_>,
        workers: &mut Workers<'_>,
        course: &mut Course,
        build: u32,
        observer: &mut dyn Observer,
    ) -> Result<(), Halt> {
        self.begin(turn, course, (build, course.processes_done(build) + 1), observer)?;
        workers.request.task = Task::Build;
        let ended = self.run_worker(turn, workers);
        workers.request.task = Task::Measure;
        if ended.ending == Ending::Stopped {
            return Err(self.interrupted(turn));
        }
        let outcome = ended.outcome(workers.request.runtime.as_str());
        let built = match &ended.ending {
            Ending::Built(built) => Some(built),
            _ => None,
        };
        let record = Build {
            build,
            status: outcome.status,
            reason: outcome.reason.clone(),
            seconds: built.map(|built| built.seconds),
            size_bytes: built.map(|built| built.size_bytes),
            is_kept: built.is_some_and(|built| built.is_kept),
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
        workers: &mut Workers<'_>,
        course: &mut Course,
        (build, process): (u32, u32),
        observer: &mut dyn Observer,
    ) -> Result<(), Halt> {
        self.begin(turn, course, (build, process), observer)?;
        self.look_at_power(workers.power, process, false);
        let mut ended = self.run_worker(turn, workers);
        self.look_at_power(workers.power, process, true);
        let extra_latency_ns = std::mem::take(&mut ended.extra_latency_ns);
        let trial = |warm_up_ns: &[Nanos], latency_ns: &[Nanos]| Trial {
            build,
            process,
            warm_up_ns: warm_up_ns.to_vec(),
            latency_ns: latency_ns.to_vec(),
            extra_latency_ns,
        };
        match &ended.ending {
            Ending::Complete { warm_up_ns, latency_ns } => {
                let trial = trial(warm_up_ns, latency_ns);
                let wall_seconds = ended.wall.as_secs_f64();
                if let Some(told) = ended.loaded {
                    let record = Record::Finished {
                        configuration: turn.configuration,
                        trial: trial.clone(),
                        loaded: Box::new(told.clone()),
                        wall_seconds,
                        power: Some(Box::new(workers.power.clone())),
                    };
                    self.record(turn, &record);
                    course.loaded = Some(told);
                }
                course.log_tail = ended.log_tail;
                course.walls.push(wall_seconds);
                course.trials.push(trial);
                Ok(())
            }
            Ending::Stopped => Err(self.interrupted(turn)),
            _ => {
                if let Some((warm_up_ns, latency_ns)) = ended.latencies() {
                    // What was received, under an outcome that says how its process ended.
                    course.trials.push(trial(warm_up_ns, latency_ns));
                }
                let outcome = ended.outcome(workers.request.runtime.as_str());
                course.loaded = ended.loaded.or(course.loaded.take());
                Err(Halt::Outcome(Box::new(outcome)))
            }
        }
    }

    /// Everything before a worker starts: the journal first, so that a crash under it counts.
    fn begin(
        &mut self,
        turn: &Turn<'_>,
        course: &mut Course,
        (build, process): (u32, u32),
        observer: &mut dyn Observer,
    ) -> Result<(), Halt> {
        if self.wake.stop_requested() {
            return Err(Halt::Left(Left::Interrupted));
        }
        let Turn { queued, job, progress, configuration, .. } = *turn;
        let journal = self.spool.journal(&queued.entry.id);
        let since = now_text();
        let is_first = course.started.is_none();
        let recorded = journal.append(&Record::Started { configuration, at: since.clone() }, true);
        let is_first_of_job = progress.started.is_empty() && is_first;
        recorded
            .and_then(|()| if is_first_of_job { journal.sync_folder() } else { Ok(()) })
            .map_err(|error| Halt::Left(Left::Trouble(error)))?;
        course.started.get_or_insert_with(|| since.clone());
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
            since,
            eta_seconds: eta(&course.walls, job, configuration, trials - trial + 1),
        });
        // The first one always: a status from before it would hold for as long as the trial takes.
        self.tell_status(if is_first { Urgency::Now } else { Urgency::Soon });
        observer.trial_begins(&TrialBegins {
            job: &job.name,
            runtime,
            configuration: (configuration, job.configurations.len()),
            trial: (trial, trials),
        });
        Ok(())
    }

    fn run_worker(&mut self, turn: &Turn<'_>, workers: &Workers<'_>) -> Ended {
        let trial = parent::Trial {
            executable: &workers.command.executable,
            arguments: workers.command.arguments,
            environment: workers.command.environment.clone(),
            request: &workers.request,
            timeout: Duration::from_secs(turn.job.measure.timeout_seconds.into()),
        };
        self.run_quietly(&trial, turn.queued)
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

/// How many builds of the model: what the job says, and for a dropped file whose input turned out to be large, one.
fn builds(turn: &Turn<'_>, course: &Course) -> u32 {
    let chosen = &turn.job.configurations[turn.configuration - 1];
    let builds = chosen.builds(&turn.job.measure);
    let is_open =
        matches!(chosen.source, ModelSource::Dropped(_)) && turn.job.measure.builds == Builds::Paper;
    if is_open && builds == PAPER_BUILDS && course.loaded.as_ref().is_some_and(has_large_input) {
        return 1;
    }
    builds
}

/// Some image among the inputs (rank 4, NCHW) is larger than those that the paper built three times.
fn has_large_input(loaded: &LoadedModel) -> bool {
    let images = loaded.inputs.iter().filter(|input| input.shape.len() == 4);
    images.filter_map(|image| image.shape[3]).any(|size| size > u64::from(PAPER_BUILDS_UP_TO_INPUT))
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

/// `log_tail` is that of the last trial.
pub(super) fn measured_outcome(log_tail: Vec<String>) -> Outcome {
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
