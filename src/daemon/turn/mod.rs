//! One configuration of a job whose turn it is, and what became of it: what the bench is given, and what the
//! outlet bundles.

use std::io;

use super::job::{QueuedJob, SpecFile};
use super::troubles::Setback;
use crate::bundle::format::{
    Build, DifferingProcess, Energy, Environment, LoadedModel, Outcome, OutputComparison, Power, Profile,
    ReadOutputs, Role, Schedule, ScheduleOrder, Trial, TrialId, TrialResources,
};
use crate::runtime::{NodeShapes, options, shape_source};
use crate::spec::{
    Builds, Job, JobConfiguration, MeasureProtocol, ModelSource, PAPER_BUILDS_UP_TO_INPUT, Verify,
};
use crate::spool::journal::{BoundModel, Measured, Progress};
use crate::stats::rigorous::PastTrial;

pub(crate) mod eta;
mod merge;
mod protocol;

pub(crate) use protocol::{NextTrial, fewest_trials, in_bundle};

use merge::{environments, with_more_fallback};

/// One configuration of a job, and all that is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub(crate) queued: &'a QueuedJob,
    pub(crate) spec: &'a SpecFile,
    pub(crate) job: &'a Job,
    pub(crate) progress: &'a Progress,
    /// From 1.
    pub(crate) configuration: usize,
}

impl<'a> Turn<'a> {
    /// The configuration itself.
    pub(crate) fn chosen(&self) -> &'a JobConfiguration {
        &self.job.configurations[self.configuration - 1]
    }

    /// The network: θ, or the name of the model file.
    pub(crate) fn network(&self) -> String {
        match self.chosen().source {
            ModelSource::Generated(network) => network.to_string(),
            ModelSource::Dropped(index) => self.job.models[index].file.clone(),
        }
    }

    /// What it is for, and its place in the job.
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule {
            role: self.chosen().role,
            order: self.job.order,
            seed: (self.job.order == ScheduleOrder::Random).then_some(self.job.measure.seed),
            place: self.configuration as u64,
            places: self.job.configurations.len() as u64,
        }
    }

    /// Is it the last one of its job?
    pub(crate) fn is_last(&self) -> bool {
        self.configuration == self.job.configurations.len()
    }

    /// Is the time of each layer asked for?
    pub(crate) fn wants_profile(&self) -> bool {
        options::boolean(&self.chosen().options, options::PROFILE.name, false)
    }

    /// Are its outputs to be compared with those of another runtime?
    pub(crate) fn wants_comparison(&self) -> bool {
        self.job.verify == Verify::Cpu || self.first_on_its_model() != self.configuration
    }

    /// Is its cost to be counted from the shapes of a run?
    pub(crate) fn wants_node_shapes(&self) -> bool {
        // The shapes of a generated network are known.
        let is_dropped = matches!(self.chosen().source, ModelSource::Dropped(_));
        is_dropped && shape_source(self.chosen().runtime).is_some()
    }

    /// The first configuration of the job on the same network, which may be this one. All dropped models of
    /// one job are the same network.
    pub(crate) fn first_on_its_model(&self) -> usize {
        if self.chosen().role == Role::Sentinel {
            return self.configuration;
        }
        let is_same = |other: &JobConfiguration| match (other.source, self.chosen().source) {
            _ if other.role == Role::Sentinel => false,
            (ModelSource::Dropped(_), ModelSource::Dropped(_)) => true,
            (ModelSource::Generated(one), ModelSource::Generated(other)) => one == other,
            _ => false,
        };
        self.job.configurations.iter().position(is_same).map_or(self.configuration, |index| index + 1)
    }

    /// Does a later configuration of the job need the outputs of this one?
    pub(crate) fn is_reference(&self) -> bool {
        let mut later = self.configuration + 1..=self.job.configurations.len();
        self.job.verify == Verify::Others
            && later.any(|configuration| {
                Turn { configuration, ..*self }.first_on_its_model() == self.configuration
            })
    }

    /// Are the bytes of its outputs needed after a trial?
    pub(crate) fn keeps_outputs(&self) -> bool {
        self.may_have_several_processes() || self.wants_comparison() || self.is_reference()
    }

    fn may_have_several_processes(&self) -> bool {
        self.job.measure.processes > 1 || self.job.measure.protocol != MeasureProtocol::Paper
    }

    /// Number of builds of the model: what the job says, but one for a dropped file whose input turned out to
    /// be large.
    pub(crate) fn builds(&self, course: &Course) -> u32 {
        let chosen = self.chosen();
        let is_open =
            matches!(chosen.source, ModelSource::Dropped(_)) && self.job.measure.builds == Builds::Paper;
        if is_open && course.loaded.as_ref().is_some_and(has_large_input) {
            return 1;
        }
        chosen.builds(&self.job.measure)
    }
}

/// Is some image among the inputs (rank 4, NCHW) larger than those that the paper built more than once?
fn has_large_input(loaded: &LoadedModel) -> bool {
    let images = loaded.inputs.iter().filter(|input| input.shape.len() == 4);
    images.filter_map(|image| image.shape[3]).any(|size| size > u64::from(PAPER_BUILDS_UP_TO_INPUT))
}

/// How a configuration left the bench.
#[derive(Debug)]
pub(crate) enum Left {
    /// It has an outcome.
    Ended(Box<Ended>),
    /// A stop was asked for; the job goes back to the queue.
    Interrupted,
    /// The copy of its model is damaged (a power cut); the job must take the model again.
    ModelLost,
    /// The disk of the spool refused what was needed before a trial; to be tried again, and no other job
    /// could do better.
    Trouble(io::Error),
    /// The host is at fault and not the job, whose turn comes again later. Others may do better.
    SetBack(Box<Setback>),
}

/// What became of a configuration.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// The model that was measured, if there was one.
    pub(crate) model: Option<BoundModel>,
    /// Its builds and trials.
    pub(crate) course: Course,
}

/// What a configuration has so far.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) preparation: Vec<Build>,
    pub(crate) trials: Vec<Trial>,
    /// What its finished trials say to the protocol, in the same order.
    pub(crate) past: Vec<PastTrial>,
    /// What trials computed, each at most once.
    pub(crate) outputs: Vec<(TrialId, ReadOutputs)>,
    /// Trials whose outputs differ from those of the first process of their build.
    pub(crate) differing: Vec<(TrialId, DifferingProcess)>,
    /// What the outputs were compared with, if that is asked for and all trials are done.
    pub(crate) comparison: Option<OutputComparison>,
    pub(crate) resources: Vec<TrialResources>,
    pub(crate) loaded: Option<LoadedModel>,
    /// The time of each layer, if the job asks for it and all trials are done.
    pub(crate) profile: Option<Profile>,
    pub(crate) energy: Option<Energy>,
    /// What the nodes of a dropped ONNX file made in an untimed run, if a runtime could tell.
    pub(crate) node_shapes: Option<NodeShapes>,
    /// The host's power state, if a trial was to start.
    pub(crate) power: Option<Power>,
    /// Wall clock at the start of its first worker in this process, if one started.
    pub(crate) started: Option<String>,
    /// Log tail of the last trial.
    pub(crate) log_tail: Vec<String>,
    /// Seconds that each trial took.
    pub(crate) walls: Vec<f64>,
    pub(crate) environments: Vec<Environment>,
}

impl Course {
    /// What the journal knows of it.
    pub(crate) fn of(progress: &Progress, configuration: usize) -> Self {
        let mut course = Self::default();
        let of_this = progress.trials.iter().filter(|trial| trial.configuration == configuration);
        of_this.for_each(|trial| course.add(trial.clone()));
        let builds = progress.builds.iter().filter(|done| done.0 == configuration);
        course.preparation = builds.map(|(_, build)| build.clone()).collect();
        course
    }

    /// Add a trial that gave its latencies.
    pub(crate) fn add(&mut self, measured: Measured) {
        let trial = measured.trial.id;
        self.past.extend(PastTrial::of(&measured.trial, measured.wall_seconds));
        self.trials.push(measured.trial);
        self.outputs.extend(measured.outputs.map(|outputs| (trial, outputs)));
        self.differing.extend(measured.differing.map(|differing| (trial, differing)));
        self.resources.extend(measured.resources.map(|resources| TrialResources { trial, resources }));
        self.walls.push(measured.wall_seconds);
        let former = self.loaded.take().map(|loaded| loaded.providers).unwrap_or_default();
        let loaded = measured.loaded;
        self.loaded = Some(LoadedModel { providers: with_more_fallback(former, loaded.providers), ..loaded });
        self.environments.extend(measured.environment);
        self.energy = measured.energy.or(self.energy.take());
        self.power = measured.power.or(self.power.take());
    }

    /// The configuration ends like this, having used `model`.
    pub(crate) fn ended(self, outcome: Outcome, model: Option<BoundModel>) -> Ended {
        Ended { outcome, model, course: self }
    }

    /// What the host's sensors reported over all trials.
    pub(crate) fn environment(&self) -> Option<Environment> {
        environments(self.environments.iter().cloned())
    }

    /// Is nothing left to run?
    pub(crate) fn is_complete(&self, turn: &Turn<'_>) -> bool {
        !turn.wants_profile()
            && !turn.wants_comparison()
            && !turn.wants_node_shapes()
            && turn.next_trial(self).is_none()
    }

    /// Number of finished trials of a build.
    pub(crate) fn processes_done(&self, build: u32) -> u32 {
        let done = self.trials.iter().filter(|trial| trial.id.build == build).count();
        u32::try_from(done).unwrap_or(u32::MAX)
    }
}

impl From<Ended> for Left {
    fn from(ended: Ended) -> Self {
        Self::Ended(Box::new(ended))
    }
}

impl From<Setback> for Left {
    fn from(setback: Setback) -> Self {
        Self::SetBack(Box::new(setback))
    }
}
