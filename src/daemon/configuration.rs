//! Measuring one configuration: its trials, each in a fresh worker process, recorded as they finish.
//!
//! While a worker lives the daemon sleeps in `worker::parent::run`: the inbox is not watched, nothing is logged, written,
//! copied or compressed. Once a second at most it feeds the watchdog and looks whether the running job is to be cancelled.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::admit::SpecFile;
use super::assemble::Parts;
use super::assemble::not_measured;
use super::executables::worker_command;
use super::model::{AtHand, configuration_in_format};
use super::observer::Observer;
use super::queue::QueuedJob;
use super::service::Service;
use super::trials::{Course, Halt, Workers, measured_outcome};
use super::wake::Wake;
use super::{Daemon, now_text};
use crate::bundle::format::{Outcome, Power, Stage, Status, Times};
use crate::host::tool;
use crate::spec::{Job, ModelSource};
use crate::spool::journal::{BoundModel, Progress};
use crate::worker::ending;
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
    pub(super) fn ended(outcome: Outcome, model: Option<BoundModel>, course: Course) -> Self {
        Self::Ended(Box::new(Ended { outcome, model, course, power: None }))
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
    /// Its builds and trials.
    pub(super) course: Course,
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
        let Turn { job, progress, configuration, .. } = *turn;
        let chosen = &job.configurations[configuration - 1];
        let mut course = Course::of(progress, configuration);
        let crashes = progress.crashes.iter().filter(|crashed| **crashed == configuration).count();
        if crashes >= CRASHES_ALLOWED {
            return Left::ended(gave_up(crashes), None, course);
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
            library: command.library.clone(),
            options: chosen.options.clone(),
            inputs: job.inputs.clone(),
            seed: job.measure.seed,
            warm_up_runs: job.measure.warm_up_runs,
            timed_runs: job.measure.timed_runs,
            task: Task::Measure,
            compilation,
        };
        let known = power_known(progress, configuration);
        if course.is_complete(turn)
            && let Some(power) = known
        {
            // A former run came as far as this; the host need not be brought into that state again.
            return Left::ended(measured_outcome(Vec::new()), Some(model), course).in_power_state(power);
        }
        let mut power = match self.take_power(turn) {
            Ok(power) => power,
            Err(left) => return left,
        };
        power.not_held = known.map(|known| known.not_held).unwrap_or_default();
        let mut workers = Workers { command, request, power: &mut power };
        let outcome = match self.run_missing(turn, &mut workers, &mut course, observer) {
            Ok(()) => measured_outcome(std::mem::take(&mut course.log_tail)),
            Err(Halt::Outcome(outcome)) => *outcome,
            Err(Halt::Left(left)) => return left,
        };
        Left::ended(outcome, Some(model), course).in_power_state(power)
    }

    /// Run one trial, with everything else of this process asleep.
    pub(super) fn run_quietly(&mut self, trial: &parent::Trial<'_>, queued: &QueuedJob) -> ending::Ended {
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
            loaded: ended.course.loaded,
            preparation: ended.course.preparation,
            outcome: ended.outcome,
            trials: ended.course.trials,
            power: ended.power,
            times: Times {
                claimed: self.claimed_at(&queued.entry),
                started: started.or(ended.course.started),
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

/// The power state over the trials that a former run finished.
fn power_known(progress: &Progress, configuration: usize) -> Option<Power> {
    let of_this = progress.power.iter().rfind(|(number, _)| *number == configuration);
    of_this.map(|(_, power)| (**power).clone())
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
