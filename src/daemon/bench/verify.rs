//! Outputs against outputs: of the processes of one build, and of one runtime with another. Everything here
//! happens between trials, and nothing in it changes what they measured.

use std::path::{Path, PathBuf};

use super::kept::{Side, compare};
use super::trials::{Halt, Trials, UntimedWorker};
use crate::bundle::format::{
    DifferingProcess, InputOrigin, LoadedModel, OutputComparison, OutputReference, ReadOutputs, Tensor,
    TrialId,
};
use crate::daemon::memory::LARGEST_READ_MODEL_BYTES;
use crate::daemon::turn::Course;
use crate::guarded;
use crate::model_file::onnx;
use crate::network::configuration::Precision;
use crate::runtime::agreement::Rounding;
use crate::runtime::layout::Conversion;
use crate::spec::{ModelSource, Verify};
use crate::stats;
use crate::worker::ending::Ending;
use crate::worker::protocol::Task;

/// The number of a process that is none of the trials.
const UNTIMED: u32 = 0;

/// Outputs, and the file with their bytes, or why there are none.
type KeptRun = Result<(ReadOutputs, PathBuf), String>;

/// A model as a worker loaded it, and what it computed.
type Computed = (Option<LoadedModel>, KeptRun);

/// Outputs to compare with.
struct Found {
    reference: OutputReference,
    loaded: Option<LoadedModel>,
    outputs: KeptRun,
}

/// Outputs to compare, or why there are none.
struct Ours {
    read: Result<ReadOutputs, String>,
    /// The process whose file has their bytes.
    process: TrialId,
    on_converted_inputs: bool,
}

impl Trials<'_> {
    /// How far the outputs of a further process of a build are from those of its first one; `None` if they
    /// are the same.
    pub(super) fn differing(
        &self,
        id: TrialId,
        read: Option<&ReadOutputs>,
        loaded: &LoadedModel,
    ) -> Option<DifferingProcess> {
        let first = TrialId { process: 1, ..id };
        let (_, of_first) = self.course.outputs.iter().find(|(trial, _)| *trial == first)?;
        let read = read.filter(|read| id.process > 1 && read.tensors != of_first.tensors)?;
        let kept = self.workers.kept.as_ref()?;
        let (ours, reference) =
            (kept.of_trial(self.turn.configuration, id), kept.of_trial(self.turn.configuration, first));
        let compared = compare(
            Side { tensors: &read.tensors, described: &loaded.outputs, file: &ours },
            Side { tensors: &of_first.tensors, described: &loaded.outputs, file: &reference },
            &self.rounding(loaded).tolerance(),
        );
        let (outputs, detail) = match compared {
            Ok((_, outputs)) => (outputs, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        Some(DifferingProcess { process: id.process, outputs, detail })
    }

    /// Compare what the chosen build computed with the reference.
    pub(super) fn verify(&mut self) -> Result<(), Halt> {
        let Some((trial, read)) = first_outputs(&self.course) else { return Ok(()) };
        let found = match self.turn.job.verify {
            Verify::Cpu => self.run_reference(trial)?,
            Verify::Others => self.measured_reference(),
        };
        let mut ours = Ours { read: Ok(read), process: trial, on_converted_inputs: false };
        if let (Some(loaded), Some(other)) = (&self.course.loaded, &found.loaded)
            && found.outputs.is_ok()
            && conversion(loaded, other) == Ok(Converted::Needed)
        {
            ours = self.run_on_inputs_of(&other.inputs, trial)?;
        }
        self.course.comparison = Some(self.compared(&ours, found));
        Ok(())
    }

    fn compared(&self, ours: &Ours, found: Found) -> OutputComparison {
        let Found { reference, loaded: other, outputs } = found;
        let nothing = |detail: String| OutputComparison {
            reference: reference.clone(),
            matched_by: None,
            tolerance: None,
            outputs: Vec::new(),
            on_converted_inputs: ours.on_converted_inputs,
            detail: Some(detail),
        };
        let (Some(kept), Some(loaded)) = (self.workers.kept.as_ref(), self.course.loaded.as_ref()) else {
            return nothing("the outputs were not kept".to_owned());
        };
        let (theirs, their_file) = match outputs {
            Ok(outputs) => outputs,
            Err(why) => return nothing(why),
        };
        let read = match &ours.read {
            Ok(read) => read,
            Err(why) => return nothing(why.clone()),
        };
        for read in [read, &theirs] {
            if let Some(why) = read.detail.as_ref().or(read.not_kept.as_ref()) {
                return nothing(why.clone());
            }
        }
        let other = other.unwrap_or_default();
        if let Err(why) = conversion(loaded, &other) {
            return nothing(why);
        }
        let tolerance = self.rounding(loaded).max(self.rounding(&other)).tolerance();
        let our_file = kept.of_trial(self.turn.configuration, ours.process);
        let compared = compare(
            Side { tensors: &read.tensors, described: &loaded.outputs, file: &our_file },
            Side { tensors: &theirs.tensors, described: &other.outputs, file: &their_file },
            &tolerance,
        );
        match compared {
            Err(why) => nothing(why),
            Ok(_) if theirs.change_between_runs && theirs.tensors != read.tensors => {
                nothing("the outputs change from one run to the next on the same inputs".to_owned())
            }
            Ok((matched_by, outputs)) => OutputComparison {
                reference,
                matched_by: Some(matched_by),
                tolerance: Some(tolerance),
                outputs,
                on_converted_inputs: ours.on_converted_inputs,
                detail: None,
            },
        }
    }

    /// Run the model on the processor for the comparison alone.
    fn run_reference(&mut self, trial: TrialId) -> Result<Found, Halt> {
        let Some(worker) = self.workers.reference.take() else {
            let outputs = Err("no runtime verifies this one".to_owned());
            return Ok(Found { reference: OutputReference::default(), loaded: None, outputs });
        };
        let runtime = worker.request.runtime.clone();
        let asked = worker.request.load.options.clone();
        let (loaded, outputs) = self.outputs_of(worker, trial)?;
        let reference = OutputReference {
            version: loaded.as_ref().and_then(|loaded| loaded.version.clone()),
            options: loaded.as_ref().map_or(asked, |loaded| loaded.options.clone()),
            runtime,
            configuration: None,
        };
        let outputs = outputs.map_err(|why| format!("the reference did not run: {why}"));
        Ok(Found { reference, loaded, outputs })
    }

    /// Run the chosen build once more, on the inputs of another model of the same network.
    fn run_on_inputs_of(&mut self, inputs: &[Tensor], trial: TrialId) -> Result<Ours, Halt> {
        let mut request = self.workers.request.clone();
        request.load.filled_like = inputs.to_vec();
        if let Some(compilation) = &mut request.load.compilation {
            compilation.build = trial.build;
        }
        let worker = UntimedWorker { command: self.workers.command.clone(), request };
        let (_, outputs) = self.outputs_of(worker, trial)?;
        let read = outputs.map(|(read, _)| read);
        Ok(Ours {
            read: read.map_err(|why| format!("it did not run on the reference's inputs: {why}")),
            process: TrialId { process: UNTIMED, ..trial },
            on_converted_inputs: true,
        })
    }

    /// Run a worker for its outputs alone: the model as it loaded it, and the outputs with their file, or why
    /// there are none.
    fn outputs_of(&mut self, mut worker: UntimedWorker, trial: TrialId) -> Result<Computed, Halt> {
        let runtime = worker.request.runtime.clone();
        let process = TrialId { process: UNTIMED, ..trial };
        let kept = self.workers.kept.as_ref();
        let file = kept.and_then(|kept| kept.for_trial(self.turn.configuration, process));
        worker.request.outputs_file.clone_from(&file);
        let ended = self.run_untimed(worker, Task::Outputs, trial.build)?;
        let detail = ended.outcome(&runtime).detail;
        let outputs = match (ended.ending, file) {
            (Ending::Outputs(read), Some(file)) => Ok((*read, file)),
            (Ending::Outputs(_), None) => Err("the outputs were not kept".to_owned()),
            _ => Err(detail.unwrap_or_default()),
        };
        Ok((ended.loaded, outputs))
    }

    /// What the first runtime of the job that has measured this network computed.
    fn measured_reference(&self) -> Found {
        let configuration = self.turn.first_on_its_model();
        let course = Course::of(self.turn.progress, configuration);
        let chosen = &self.turn.job.configurations[configuration - 1];
        let reference = OutputReference {
            runtime: chosen.runtime.name.to_owned(),
            version: course.loaded.as_ref().and_then(|loaded| loaded.version.clone()),
            options: course
                .loaded
                .as_ref()
                .map_or_else(|| chosen.options.clone(), |loaded| loaded.options.clone()),
            configuration: u32::try_from(configuration).ok(),
        };
        let outputs = match (first_outputs(&course), &self.workers.kept) {
            (Some((trial, read)), Some(kept)) => Ok((read, kept.of_trial(configuration, trial))),
            _ => Err(format!("{} was not measured", chosen.runtime.name)),
        };
        Found { reference, loaded: course.loaded, outputs }
    }

    fn rounding(&self, loaded: &LoadedModel) -> Rounding {
        match self.turn.chosen().source {
            ModelSource::Generated(network) if network.precision() == Precision::Int8 => Rounding::Int8,
            // Also with floats at its borders.
            ModelSource::Dropped(_) if is_quantised(&self.workers.request.load.model) => Rounding::Int8,
            _ => Rounding::of(&loaded.options, loaded.inputs.iter().chain(&loaded.outputs)),
        }
    }
}

/// Is it an ONNX file with integers inside? A larger one than the daemon reads counts as one without.
fn is_quantised(model: &Path) -> bool {
    let is_small = fs_err::metadata(model).is_ok_and(|stat| stat.len() <= LARGEST_READ_MODEL_BYTES);
    let bytes = is_small.then(|| guarded::read_path(model, LARGEST_READ_MODEL_BYTES).ok()).flatten();
    bytes.is_some_and(|bytes| onnx::border(&bytes).is_ok_and(|border| border.is_quantised))
}

/// What the first complete trial of the chosen build computed.
fn first_outputs(course: &Course) -> Option<(TrialId, ReadOutputs)> {
    let read_by = |id: &TrialId| course.outputs.iter().find(|(trial, _)| trial == id).cloned();
    stats::of_chosen_build(&course.trials).find_map(|trial| read_by(&trial.id))
}

/// Do two models need a conversion to get the same inputs from one seed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Converted {
    Needed,
    NotNeeded,
}

/// # Errors
/// The inputs of the one do not give those of the other.
fn conversion(ours: &LoadedModel, reference: &LoadedModel) -> Result<Converted, String> {
    let made_up = |loaded: &LoadedModel| {
        loaded.filled.iter().find(|input| input.how == InputOrigin::Program).map(|input| input.name.clone())
    };
    if let Some(name) = made_up(ours).or_else(|| made_up(reference)) {
        return Err(format!(
            "the runtime's program fills input `{name}` itself, with elements that are not known"
        ));
    }
    let (from, to) = (&reference.inputs, &ours.inputs);
    if from.len() != to.len() {
        return Err(format!("the models have {} and {} inputs", to.len(), from.len()));
    }
    let mut converted = Converted::NotNeeded;
    for (from, to) in from.iter().zip(to) {
        let conversion = Conversion::of(from, to).map_err(|why| {
            format!(
                "the models have other inputs, so that one seed does not give them the same values: {why}"
            )
        })?;
        if !conversion.is_identity() {
            converted = Converted::Needed;
        }
    }
    Ok(converted)
}
