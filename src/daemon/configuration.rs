//! Measuring one configuration: its trials, each in a fresh worker process, recorded as they finish.
//!
//! While a worker lives the daemon sleeps in `worker::parent::run`: the inbox is not watched, nothing is logged, written,
//! copied or compressed. Once a second at most it feeds the watchdog and looks whether the running job is to be cancelled.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::admit::SpecFile;
use super::assemble::Parts;
use super::assemble::not_measured;
use super::executables::worker_command;
use super::model::{AtHand, configuration_in_format};
use super::observer::{Observer, TrialBegins};
use super::queue::QueuedJob;
use super::service::Service;
use super::status::Running;
use super::tell::Urgency;
use super::wake::Wake;
use super::{Daemon, now_text};
use crate::bundle::format::{Outcome, Power, Stage, Status, Times, Trial};
use crate::spec::{Job, ModelSource};
use crate::spool::journal::{BoundModel, Progress, Record};
use crate::units::Nanos;
use crate::worker::ending::{self, Ending, LoadedModel};
use crate::worker::parent::{self, Control};
use crate::worker::protocol::{PROTOCOL, Request, Task};

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

impl Left {
    pub(super) fn ended(
        outcome: Outcome,
        model: Option<BoundModel>,
        trials: Vec<Trial>,
        loaded: Option<LoadedModel>,
        started: Option<String>,
    ) -> Self {
        Self::Ended(Box::new(Ended { outcome, model, trials, loaded, started, power: None }))
    }

    /// The same, with the power state that it was measured in.
    fn in_power_state(mut self, power: Power) -> Self {
        if let Self::Ended(ended) = &mut self {
            ended.power = Some(power);
        }
        self
    }
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
    /// The host's power state, where a trial was to start.
    pub(super) power: Option<Power>,
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
        let of_this = |done: &&(usize, Trial, Box<LoadedModel>, f64)| done.0 == configuration;
        let done: Vec<_> = progress.trials.iter().filter(of_this).collect();
        let mut trials: Vec<Trial> = done.iter().map(|(_, trial, _, _)| trial.clone()).collect();
        let mut walls: Vec<f64> = done.iter().map(|(_, _, _, wall)| *wall).collect();
        let mut loaded: Option<LoadedModel> = done.last().map(|(_, _, loaded, _)| (**loaded).clone());
        let mut started = None;
        let mut log_tail = Vec::new();

        let crashes = progress.crashes.iter().filter(|crashed| **crashed == configuration).count();
        if crashes >= CRASHES_ALLOWED {
            return Left::ended(gave_up(crashes), None, trials, loaded, started);
        }
        let AtHand { path, model } = match self.model_at_hand(turn) {
            Ok(at_hand) => at_hand,
            Err(left) => return left,
        };
        let command = worker_command(chosen.runtime, &self.config, &self.executable);
        let request = Request {
            protocol: PROTOCOL,
            runtime: chosen.runtime.name.to_owned(),
            model: path,
            library: command.library,
            options: chosen.options.clone(),
            inputs: job.inputs.clone(),
            seed: job.measure.seed,
            warm_up_runs: job.measure.warm_up_runs,
            timed_runs: job.measure.timed_runs,
            task: Task::Measure,
            compilation: None,
        };
        let trial = parent::Trial {
            executable: &command.executable,
            arguments: command.arguments,
            environment: command.environment,
            request: &request,
            timeout: Duration::from_secs(job.measure.timeout_seconds.into()),
        };
        let mut power = match self.take_power(turn) {
            Ok(power) => power,
            Err(left) => return left,
        };
        let journal = self.spool.journal(&queued.entry.id);
        let first = u32::try_from(trials.len()).unwrap_or(u32::MAX) + 1;
        for process in first..=job.measure.processes {
            if self.wake.stop_requested() {
                return Left::Interrupted;
            }
            let since = now_text();
            let record = Record::Started { configuration, at: since.clone() };
            let first_of_job = progress.started.is_empty() && started.is_none();
            let recorded = journal.append(&record, true);
            if let Err(error) =
                recorded.and_then(|()| if first_of_job { journal.sync_folder() } else { Ok(()) })
            {
                return Left::Trouble(error);
            }
            started.get_or_insert_with(|| since.clone());
            self.running = Some(Running {
                id: queued.entry.id.to_string(),
                job: job.name.clone(),
                runtime: chosen.runtime.name.to_owned(),
                configuration,
                configurations: job.configurations.len(),
                trial: process,
                trials: job.measure.processes,
                since,
                eta_seconds: eta(&walls, job, configuration, process),
            });
            // The first one always: a status from before it would hold for as long as the trial takes.
            self.tell_status(if process == first { Urgency::Now } else { Urgency::Soon });
            observer.trial_begins(&TrialBegins {
                job: &job.name,
                runtime: chosen.runtime.name,
                configuration: (configuration, job.configurations.len()),
                trial: (process, job.measure.processes),
            });
            let mut not_held = self.look_at_power(&mut power, process, false);
            let watched = self.run_quietly(&trial, queued);
            not_held.extend(self.look_at_power(&mut power, process, true));
            match watched.ending {
                Ending::Complete { warm_up_ns, latency_ns } => {
                    log_tail = watched.log_tail;
                    let trial = measured(process, warm_up_ns, latency_ns);
                    let wall_seconds = watched.wall.as_secs_f64();
                    if let Some(told) = watched.loaded {
                        let boxed = Box::new(told.clone());
                        let record = Record::Finished {
                            configuration,
                            trial: trial.clone(),
                            loaded: boxed,
                            wall_seconds,
                            not_held,
                        };
                        if let Err(error) = journal.append(&record, true) {
                            // The latencies are still in hand; only a crash before the bundle is durable would lose them.
                            log::warn!(JOB = job.name.as_str(); "can not record a finished trial: {error}");
                        }
                        loaded = Some(told);
                    }
                    walls.push(wall_seconds);
                    trials.push(trial);
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
                        trials.push(measured(process, warm_up_ns.to_vec(), latency_ns.to_vec()));
                    }
                    let loaded = watched.loaded.or(loaded);
                    return Left::ended(outcome, Some(model), trials, loaded, started).in_power_state(power);
                }
            }
        }
        Left::ended(measured_outcome(log_tail), Some(model), trials, loaded, started).in_power_state(power)
    }

    /// Run one trial, with everything else of this process asleep.
    fn run_quietly(&mut self, trial: &parent::Trial<'_>, queued: &QueuedJob) -> ending::Ended {
        self.watch.pause();
        let mut quiet = Quiet {
            wake: &self.wake,
            service: &mut self.service,
            cancel_files: cancel_files(&self.config.inbox, queued),
            control: self.spool.control().path().to_owned(),
            control_changed: changed(self.spool.control().path()),
            cancelled: false,
            queued,
        };
        let ended = parent::run(trial, &mut quiet);
        if let Err(error) = self.watch.resume() {
            log::warn!(
                "can not watch the inbox, looking at it every {} s: {error}",
                self.config.rescan_seconds
            );
            // It may be gone: to be found out now.
            self.rescan_at = Instant::now();
        }
        ended
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
            preparation: Vec::new(),
            outcome: ended.outcome,
            trials: ended.trials,
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

/// What the parent of a worker asks while it sleeps.
struct Quiet<'a> {
    wake: &'a Wake,
    service: &'a mut Service,
    cancel_files: Vec<PathBuf>,
    control: PathBuf,
    control_changed: Option<std::time::SystemTime>,
    cancelled: bool,
    queued: &'a QueuedJob,
}

impl parent::Watch for Quiet<'_> {
    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        Some(self.wake.descriptor())
    }

    fn tick(&mut self) -> Control {
        self.wake.clear();
        self.service.feed_watchdog(Instant::now());
        if self.wake.stop_requested() {
            return Control::Stop;
        }
        let control_changed = changed(&self.control);
        if control_changed != self.control_changed {
            self.control_changed = control_changed;
            self.cancelled |= super::control::cancels(&self.control, self.queued);
        }
        self.cancelled |= self.cancel_files.iter().any(|file| file.exists());
        if self.cancelled { Control::Cancel } else { Control::Continue }
    }
}

/// Time of a folder's last change: one system call tells whether there is anything to read.
fn changed(folder: &Path) -> Option<std::time::SystemTime> {
    fs_err::metadata(folder).and_then(|stat| stat.modified()).ok()
}

/// The cancel files that would mean this job.
fn cancel_files(inbox: &Path, queued: &QueuedJob) -> Vec<PathBuf> {
    let file = PathBuf::from(&queued.entry.file);
    let stem = file.file_stem().unwrap_or_default().to_owned();
    let names = [stem, file.into_os_string(), queued.name.clone().into(), queued.entry.id.to_string().into()];
    let with_ending = |mut name: std::ffi::OsString| {
        name.push(".cancel");
        // A job's name is free text; a separator in it can not be a file's name.
        (Path::new(&name).components().count() == 1).then(|| inbox.join(name))
    };
    names.into_iter().filter_map(with_ending).collect()
}

fn measured(process: u32, warm_up_ns: Vec<Nanos>, latency_ns: Vec<Nanos>) -> Trial {
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
