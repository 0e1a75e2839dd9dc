//! What a network costs, for its bundle. Nothing here runs while a worker lives.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::bundle::format::{self, LoadedModel};
use crate::daemon::memory::LARGEST_READ_MODEL_BYTES;
use crate::daemon::turn::Course;
use crate::guarded;
use crate::network::configuration::Configuration as Network;
use crate::network::count::{InputShapes, Known};
use crate::network::emit::Format;
use crate::network::{cost, count, count_configuration};
use crate::runtime::{GivenInput, InputContent};
use crate::spec::{Job, JobConfiguration, ModelSource};
use crate::spool::ModelStore;
use crate::spool::journal::BoundModel;

/// A dropped model and what its job says of its inputs: what its cost depends on.
type CountedModel = (String, Known);

/// What is known of a network's cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) cost: Option<Arc<cost::Cost>>,
    pub(super) missing: Option<String>,
}

/// Counts networks, and remembers the dropped model that was counted last.
#[derive(Debug, Default)]
pub(super) struct Counter {
    last: Option<(CountedModel, Counted)>,
}

impl Counter {
    /// What a configuration's network costs.
    pub(super) fn count(
        &mut self,
        job: &Job,
        chosen: &JobConfiguration,
        model: Option<&BoundModel>,
        course: &Course,
        models: &ModelStore,
    ) -> Counted {
        let model = match (chosen.source, model) {
            (ModelSource::Generated(network), _) => {
                return Counted::of(Ok(count_configuration::cost(&network)));
            }
            (ModelSource::Dropped(_), None) => return Counted::default(),
            (ModelSource::Dropped(_), Some(model)) => model,
        };
        let values = job.inputs.iter().filter_map(|(name, given)| Some((name.clone(), values(given)?)));
        let known = Known {
            shapes: shapes(job, chosen, course.loaded.as_ref()),
            values: values.collect(),
            measured: course.node_shapes.clone().unwrap_or_default(),
        };
        let key = (model.main.sha256.clone(), known);
        if let Some((known, counted)) = &self.last
            && *known == key
        {
            return counted.clone();
        }
        let counted = Counted::of(count_file(&key.1, chosen, model, models));
        self.last = Some((key, counted.clone()));
        counted
    }
}

/// The shapes of the inputs: as they were bound, if they were; else those of the job.
fn shapes(job: &Job, chosen: &JobConfiguration, loaded: Option<&LoadedModel>) -> InputShapes {
    let given = job.inputs.iter().filter_map(|(name, given)| Some((name.clone(), given.shape.clone()?)));
    // The compiler of the Edge TPU makes another file, whose names are its own; it takes fixed shapes only.
    let is_other_file =
        chosen.runtime.compiles() && chosen.runtime.model_format == Format::Tflite.extension();
    let bound = loaded.filter(|_| !is_other_file).into_iter().flat_map(|loaded| &loaded.inputs);
    // Only what may be open: a shape of the job closes the same names in other inputs too.
    let is_open = |name: &str| {
        let filled = loaded.into_iter().flat_map(|loaded| &loaded.filled);
        !job.inputs.is_empty()
            || filled.into_iter().any(|input| input.name == name && input.first_dimension_as_one)
    };
    let bound = bound.filter(|input| is_open(&input.name)).filter_map(|input| {
        Some((input.name.clone(), input.shape.iter().copied().collect::<Option<Vec<u64>>>()?))
    });
    given.chain(bound).collect()
}

/// Values that may choose a branch or be a shape: whole numbers in the job itself. Of other inputs only the
/// shape matters.
fn values(given: &GivenInput) -> Option<Vec<i64>> {
    match given.content.as_ref()? {
        InputContent::Value(value) => Some(vec![value.as_i64()?]),
        InputContent::Values(values) => values.iter().map(serde_json::Number::as_i64).collect(),
        InputContent::Range(..) | InputContent::File(_) => None,
    }
}

fn count_file(
    known: &Known,
    chosen: &JobConfiguration,
    model: &BoundModel,
    models: &ModelStore,
) -> Result<cost::Cost, String> {
    let is_countable = Format::ALL.iter().any(|format| format.extension() == chosen.runtime.model_format);
    if !is_countable {
        return Err(format!("a .{} file holds no network", chosen.runtime.model_format));
    }
    if model.main.size_bytes > LARGEST_READ_MODEL_BYTES {
        return Err(format!("the file has more than {LARGEST_READ_MODEL_BYTES} bytes"));
    }
    let bytes = guarded::read_path(&models.path(&model.main.sha256), u64::MAX - 1)
        .map_err(|error| error.to_string())?;
    // The file is an upload. A bug of ours in reading it costs this number, not the daemon.
    let counted = catch_unwind(AssertUnwindSafe(|| count::model_with(&bytes, known)));
    counted.map_err(|_| "counting failed on this file".to_owned())?.map_err(|error| error.to_string())
}

impl Counted {
    fn of(result: Result<cost::Cost, String>) -> Self {
        match result {
            Ok(cost) => Self { cost: Some(Arc::new(cost)), missing: None },
            Err(missing) => Self { cost: None, missing: Some(missing) },
        }
    }
}

/// What a network costs, as a bundle has it.
pub(super) fn cost_in_format(cost: &cost::Cost) -> format::Cost {
    let uncounted = cost.uncounted.iter().map(|operator| format::Uncounted {
        name: operator.name.clone(),
        operator: operator.operator.clone(),
        why: operator.why.clone(),
    });
    let differences = cost.differences.iter().map(|difference| format::Difference {
        tensor: difference.tensor.clone(),
        used: difference.used.clone(),
        source: difference.source.name().to_owned(),
        computed: difference.computed.clone(),
    });
    let assumptions = cost.assumptions.iter().map(|assumption| format::Assumption {
        name: assumption.name.clone(),
        operator: assumption.operator.clone(),
        what: assumption.what.clone(),
    });
    format::Cost {
        macs: cost.macs(),
        operations: cost.operations(),
        other_operations: cost.other_operations(),
        parameters: cost.parameters(),
        bytes_moved: cost.bytes_moved(),
        operational_density: cost.operational_density(),
        uncounted: uncounted.collect(),
        differences: differences.collect(),
        assumptions: assumptions.collect(),
        measured_shapes: Some(cost.measured_shapes).filter(|count| *count > 0),
    }
}

/// θ as a bundle has it.
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
