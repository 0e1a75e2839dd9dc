//! Outputs against outputs: of the processes of one build, and of one runtime with another. Everything here
//! happens between trials, and nothing in it changes what they measured.

use std::path::{Path, PathBuf};

use super::kept::{Side, compare};
use super::trials::{Halt, Trials};
use crate::bundle::format::{
    DifferingProcess, InputOrigin, LoadedModel, OutputComparison, OutputReference, ReadOutputs, TrialId,
};
use crate::daemon::turn::Course;
use crate::model_file::onnx;
use crate::network::configuration::Precision;
use crate::runtime::agreement::Rounding;
use crate::spec::{ModelSource, Verify};
use crate::stats;
use crate::worker::ending::Ending;
use crate::worker::protocol::Task;

/// The largest model that the daemon reads to learn its precision: it must stay small.
const LARGEST_READ_MODEL: u64 = 32 << 20;

/// Outputs to compare with.
struct Found {
    reference: OutputReference,
    loaded: Option<LoadedModel>,
    /// The outputs, and the file with their bytes, or why there are none.
    outputs: Result<(ReadOutputs, PathBuf), String>,
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
            Side { tensors: &read.tensors, file: &ours },
            Side { tensors: &of_first.tensors, file: &reference },
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
        let Some((trial, ours)) = first_outputs(&self.course) else { return Ok(()) };
        let found = match self.turn.job.verify {
            Verify::Cpu => self.run_reference(trial)?,
            Verify::Others => self.measured_reference(),
        };
        self.course.comparison = Some(self.compared(trial, &ours, found));
        Ok(())
    }

    fn compared(&self, trial: TrialId, ours: &ReadOutputs, found: Found) -> OutputComparison {
        let Found { reference, loaded: other, outputs } = found;
        let nothing = |detail: String| OutputComparison {
            reference: reference.clone(),
            matched_by: None,
            tolerance: None,
            outputs: Vec::new(),
            detail: Some(detail),
        };
        let (Some(kept), Some(loaded)) = (self.workers.kept.as_ref(), self.course.loaded.as_ref()) else {
            return nothing("the outputs were not kept".to_owned());
        };
        let (theirs, their_file) = match outputs {
            Ok(outputs) => outputs,
            Err(why) => return nothing(why),
        };
        for read in [ours, &theirs] {
            if let Some(why) = read.detail.as_ref().or(read.not_kept.as_ref()) {
                return nothing(why.clone());
            }
        }
        let other = other.unwrap_or_default();
        if let Some(why) = differing_inputs(loaded, &other) {
            return nothing(why);
        }
        let tolerance = self.rounding(loaded).max(self.rounding(&other)).tolerance();
        let our_file = kept.of_trial(self.turn.configuration, trial);
        let compared = compare(
            Side { tensors: &ours.tensors, file: &our_file },
            Side { tensors: &theirs.tensors, file: &their_file },
            &tolerance,
        );
        match compared {
            Err(why) => nothing(why),
            Ok(_) if theirs.change_between_runs && theirs.tensors != ours.tensors => {
                nothing("the outputs change from one run to the next on the same inputs".to_owned())
            }
            Ok((matched_by, outputs)) => OutputComparison {
                reference,
                matched_by: Some(matched_by),
                tolerance: Some(tolerance),
                outputs,
                detail: None,
            },
        }
    }

    /// Run the model on the processor for the comparison alone.
    fn run_reference(&mut self, trial: TrialId) -> Result<Found, Halt> {
        let Some(mut worker) = self.workers.reference.take() else {
            let outputs = Err("no runtime verifies this one".to_owned());
            return Ok(Found { reference: OutputReference::default(), loaded: None, outputs });
        };
        let runtime = worker.request.runtime.clone();
        // Process 0 is none of the trials.
        let file = self
            .workers
            .kept
            .as_ref()
            .and_then(|kept| kept.for_trial(self.turn.configuration, TrialId { process: 0, ..trial }));
        worker.request.outputs_file.clone_from(&file);
        let asked = worker.request.load.options.clone();
        let ended = self.run_untimed(worker, Task::Outputs, trial.build)?;
        let detail = ended.outcome(&runtime).detail;
        let reference = OutputReference {
            version: ended.loaded.as_ref().and_then(|loaded| loaded.version.clone()),
            options: ended.loaded.as_ref().map_or(asked, |loaded| loaded.options.clone()),
            runtime,
            configuration: None,
        };
        let outputs = match (ended.ending, file) {
            (Ending::Outputs(read), Some(file)) => Ok((*read, file)),
            (Ending::Outputs(_), None) => Err("the outputs were not kept".to_owned()),
            _ => Err(format!("the reference did not run: {}", detail.unwrap_or_default())),
        };
        Ok(Found { reference, loaded: ended.loaded, outputs })
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
    let is_small = fs_err::metadata(model).is_ok_and(|stat| stat.len() <= LARGEST_READ_MODEL);
    let bytes = is_small.then(|| fs_err::read(model).ok()).flatten();
    bytes.is_some_and(|bytes| onnx::border(&bytes).is_ok_and(|border| border.is_quantised))
}

/// What the first complete trial of the chosen build computed.
fn first_outputs(course: &Course) -> Option<(TrialId, ReadOutputs)> {
    let read_by = |id: &TrialId| course.outputs.iter().find(|(trial, _)| trial == id).cloned();
    stats::of_chosen_build(&course.trials).find_map(|trial| read_by(&trial.id))
}

/// Why two models did not get the same inputs from one seed; `None` if they did.
fn differing_inputs(one: &LoadedModel, other: &LoadedModel) -> Option<String> {
    let made_up = |loaded: &LoadedModel| {
        loaded.filled.iter().find(|input| input.how == InputOrigin::Program).map(|input| input.name.clone())
    };
    if let Some(name) = made_up(one).or_else(|| made_up(other)) {
        return Some(format!(
            "the runtime's program fills input `{name}` itself, with elements that are not known"
        ));
    }
    let inputs = |loaded: &LoadedModel| -> Vec<String> {
        let text = |size: &Option<u64>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        let each = loaded.inputs.iter().map(|input| {
            let shape: Vec<String> = input.shape.iter().map(text).collect();
            format!("{} [{}]", input.element_type, shape.join(", "))
        });
        each.collect()
    };
    let (one, other) = (inputs(one), inputs(other));
    (one != other).then(|| {
        format!(
            "the models have other inputs, so the same seed does not give them the same values: {} against {}",
            one.join(", "),
            other.join(", ")
        )
    })
}
