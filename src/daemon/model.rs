//! The model of a configuration: the copy of a dropped file, or a network of the family generated for its turn; and what
//! the network costs. Nothing here runs while a worker lives.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use super::Daemon;
use super::assemble::not_measured;
use super::configuration::{Left, Turn};
use super::trials::Course;
use crate::bundle::format::{self, Outcome, Stage, Status};
use crate::error::Hint as _;
use crate::network::configuration::Configuration as Network;
use crate::network::emit::{Format, ModelFile};
use crate::network::{cost, count, count_configuration};
use crate::spec::{Configuration, Job, ModelSource};
use crate::spool::journal::BoundModel;

/// Space that a study leaves for its bundles and journal beside its largest model.
const SPARE_BYTES: u64 = 16 << 20;

/// Larger files are not read to be counted: they would need as much memory.
const LARGEST_COUNTED_BYTES: u64 = 1 << 30;

/// A model file, ready to be measured.
#[derive(Debug)]
pub(super) struct AtHand {
    pub(super) path: PathBuf,
    pub(super) model: BoundModel,
}

/// A dropped model and the shapes that its job gives it: what its cost depends on.
pub(super) type CountedModel = (String, BTreeMap<String, Vec<u64>>);

/// What is known of a network's cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) cost: Option<Arc<cost::Cost>>,
    pub(super) missing: Option<String>,
}

impl Daemon<'_> {
    /// Make the configuration's model ready.
    pub(super) fn model_at_hand(&mut self, turn: &Turn<'_>) -> Result<AtHand, Left> {
        let chosen = &turn.job.configurations[turn.configuration - 1];
        match chosen.source {
            ModelSource::Dropped(index) => {
                let model = turn
                    .progress
                    .models
                    .as_ref()
                    .and_then(|models| models.get(index))
                    .ok_or(Left::ModelLost)?;
                if !self.spool.models.verify(&model.sha256) {
                    return Err(Left::ModelLost);
                }
                Ok(AtHand { path: self.spool.models.path(&model.sha256), model: model.clone() })
            }
            ModelSource::Generated(network) => self.generate(turn, chosen, &network),
        }
    }

    fn generate(
        &mut self,
        turn: &Turn<'_>,
        chosen: &Configuration,
        network: &Network,
    ) -> Result<AtHand, Left> {
        if turn.progress.started.is_empty() && turn.progress.bundled.is_empty() {
            self.has_room_for(turn.job).map_err(Left::Trouble)?;
        }
        let not_generated = |outcome| Course::default().ended(outcome, None);
        let file = model_file(chosen, network).map_err(|outcome| not_generated(*outcome))?;
        let name = chosen.model_file(turn.job);
        log::debug!(JOB = turn.job.name.as_str(); "generating {name}, {} bytes", file.length());
        match self.spool.models.generate(&name, |output| file.write(output)) {
            Ok((path, model)) => Ok(AtHand { path, model }),
            Err(error) => Err(not_generated(not_written(&name, file.length(), &error))),
        }
    }

    /// Is there space for the largest model that the job generates? Asked once, before its first configuration.
    fn has_room_for(&self, job: &Job) -> io::Result<()> {
        let generated = job.configurations.iter().filter_map(|chosen| match chosen.source {
            // What its format can not hold is refused in its turn and needs no room.
            ModelSource::Generated(network) => {
                (chosen.runtime.networks)(&chosen.options)?.length(&network).ok()
            }
            ModelSource::Dropped(_) => None,
        });
        let needed = generated.max().unwrap_or(0) + SPARE_BYTES;
        let (free, _) = self.spool.queue().space()?;
        if free < needed {
            let what =
                format!("job {} needs {needed} bytes for its largest model, {free} are free", job.name);
            return Err(io::Error::new(ErrorKind::StorageFull, what));
        }
        Ok(())
    }

    /// What a configuration's network costs.
    pub(super) fn count(&mut self, job: &Job, chosen: &Configuration, model: Option<&BoundModel>) -> Counted {
        let result = match (chosen.source, model) {
            (ModelSource::Generated(network), _) => Ok(count_configuration::cost(&network)),
            (ModelSource::Dropped(_), None) => return Counted::default(),
            (ModelSource::Dropped(_), Some(model)) => {
                let key = (model.sha256.clone(), job.inputs.clone());
                if let Some((known, counted)) = &self.counted
                    && *known == key
                {
                    return counted.clone();
                }
                let counted = Counted::of(self.count_file(job, chosen, model));
                self.counted = Some((key, counted.clone()));
                return counted;
            }
        };
        Counted::of(result)
    }

    fn count_file(
        &self,
        job: &Job,
        chosen: &Configuration,
        model: &BoundModel,
    ) -> Result<cost::Cost, String> {
        let is_countable = Format::ALL.iter().any(|format| format.extension() == chosen.runtime.model_format);
        if !is_countable {
            return Err(format!("a .{} file holds no network", chosen.runtime.model_format));
        }
        if model.size_bytes > LARGEST_COUNTED_BYTES {
            return Err(format!("the file has more than {LARGEST_COUNTED_BYTES} bytes"));
        }
        let bytes = fs_err::read(self.spool.models.path(&model.sha256)).map_err(|error| error.to_string())?;
        // The file is whatever somebody dropped. A mistake of ours in reading it costs this number, not the daemon.
        let counted = catch_unwind(AssertUnwindSafe(|| count::model(&bytes, &job.inputs)));
        counted.map_err(|_| "counting failed on this file".to_owned())?.map_err(|error| error.to_string())
    }
}

impl Counted {
    fn of(result: Result<cost::Cost, String>) -> Self {
        match result {
            Ok(cost) => Self { cost: Some(Arc::new(cost)), missing: None },
            Err(missing) => Self { cost: None, missing: Some(missing) },
        }
    }
}

/// What a network costs, as it stands in a bundle.
pub(super) fn cost_in_format(cost: &cost::Cost) -> format::Cost {
    let uncounted = cost.uncounted.iter().map(|operator| format::Uncounted {
        name: operator.name.clone(),
        operator: operator.operator.clone(),
        why: operator.why.clone(),
    });
    format::Cost {
        macs: cost.macs(),
        operations: cost.operations(),
        other_operations: cost.other_operations(),
        parameters: cost.parameters(),
        bytes_moved: cost.bytes_moved(),
        operational_density: cost.operational_density(),
        uncounted: uncounted.collect(),
    }
}

/// θ as it stands in a bundle.
pub(super) fn configuration_in_format(network: &Network) -> format::Configuration {
    format::Configuration {
        name: network.to_string(),
        block: network.block().name.to_owned(),
        kernel: network.kernel(),
        batch: network.batch(),
        input: network.input(),
        precision: network.precision().name().to_owned(),
        width_percent: network.width_percent(),
        depths: network.depths(),
    }
}

fn model_file(chosen: &Configuration, network: &Network) -> Result<ModelFile, Box<Outcome>> {
    let Some(form) = (chosen.runtime.networks)(&chosen.options) else {
        let detail = format!("no network can be generated as a .{} file", chosen.runtime.model_format);
        return Err(Box::new(not_generated(
            "format_not_generated",
            detail,
            Some("choose another runtime".to_owned()),
        )));
    };
    form.model_file(network)
        .map_err(|error| Box::new(not_generated("not_generated", error.to_string(), error.hint())))
}

fn not_written(name: &str, bytes: u64, error: &io::Error) -> Outcome {
    let detail = format!("can not write {name}, {bytes} bytes: {error}");
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) {
        let hint = "make room on the disk of the spool; `backbone retry` measures the job again".to_owned();
        return not_generated("disk_full", detail, Some(hint));
    }
    not_generated("not_written", detail, Some("check the disk of the spool".to_owned()))
}

fn not_generated(reason: &str, detail: String, hint: Option<String>) -> Outcome {
    not_measured(Status::Failed, Stage::Model, reason, detail, hint)
}
