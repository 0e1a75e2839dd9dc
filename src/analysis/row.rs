//! One result as the analysis reads it: a bundle without what only its author needs.
//!
//! Data comes from `collect`, which makes a [`Row`] of each bundle and lets the bundle go: a hundred thousand
//! of them must fit in memory. Nothing here leaves a result out; whether it enters a number is decided by
//! [`Row::usable`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::analysis::build::{Builds, RowBuild};
use crate::analysis::condition::{RowConditions, RowEnergy};
use crate::analysis::identity::Identity;
use crate::analysis::likeness::{self, RowClock};
use crate::analysis::process::RowProcess;
use crate::analysis::resources::RowResources;
use crate::bundle::format::{Bundle, Configuration, Layer, Stage, Status, VerdictState};
use crate::stats::sample;

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The bundle's id, followed by `#` and eight digits of its digest if different results share the id.
    pub id: String,
    /// Where it was found, from the folder that was given.
    pub path: String,
    /// SHA-256 of its JSON, in hexadecimal.
    pub sha256: String,
    /// What was recorded of machine and software.
    #[serde(skip)]
    pub identity: Arc<Identity>,
    /// Its platform in [`crate::analysis::Analysis::platforms`]; `None` if its job never reached a runtime.
    pub platform: Option<usize>,
    /// Its cell in [`crate::analysis::Analysis::cells`], if it has usable latencies.
    pub cell: Option<usize>,
    /// Whether it is simulated.
    pub simulated: bool,
    /// Version of the program that measured.
    pub harness_version: String,
    /// Id of the job.
    pub job_id: String,
    /// Name of the job.
    pub job: String,
    /// Labels of the job.
    pub labels: BTreeMap<String, String>,
    /// θ; `None` for a dropped model.
    pub configuration: Option<Configuration>,
    /// Name of the model file.
    pub model: Option<String>,
    /// SHA-256 of the model file.
    pub model_sha256: Option<String>,
    /// SHA-256 over all files of a model that has several.
    pub model_content_sha256: Option<String>,
    /// What one inference costs; `None` unless it was counted completely.
    pub cost: Option<RowCost>,
    /// How it ended.
    pub status: Status,
    /// Where it ended, unless measured.
    pub stage: Option<Stage>,
    /// Code of the reason, unless measured.
    pub reason: Option<String>,
    /// What happened, for a person.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the numbers can be trusted.
    pub verdict: VerdictState,
    /// Codes of the verdict's reasons.
    pub verdict_reasons: Vec<String>,
    /// When the bundle was made; RFC 3339, UTC.
    pub finished: String,
    /// Under which conditions it was measured; `None` if no trial was due to start, or in bundles of older
    /// programs.
    pub(crate) conditions: Option<RowConditions>,
    /// Energy of one inference; `None` if not requested.
    pub energy: Option<RowEnergy>,
    /// Its builds, of which not all may enter the statistics; empty without latencies.
    pub builds: Vec<RowBuild>,
    /// Statistics of its latencies; `None` without latencies.
    pub latency: Option<RowLatency>,
    /// What it took besides latency; `None` in bundles of older programs.
    pub(crate) resources: Option<RowResources>,
    /// How the inputs were filled; `None` if it was not recorded.
    #[serde(skip)]
    pub(crate) inputs: Option<Box<str>>,
    /// At which clock it was measured; `None` if it was not observed.
    #[serde(skip)]
    pub(crate) clock: Option<RowClock>,
    /// The time of each layer; empty if it was not profiled.
    #[serde(skip)]
    pub(crate) layers: Vec<Layer>,
    /// Raw latencies of all builds, one list a process.
    #[serde(skip)]
    pub processes: Vec<RowProcess>,
}

/// What one inference costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RowCost {
    /// 2 × MACs.
    pub operations: u64,
    /// Weights and biases.
    pub parameters: u64,
    /// Bytes in and out of every layer.
    pub bytes_moved: u64,
    /// Operations per byte.
    pub operational_density: f64,
}

/// Statistics over the timed latencies of all processes of one result that are used, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RowLatency {
    /// Processes that gave latencies.
    pub processes: usize,
    /// Timed latencies.
    pub runs: usize,
    /// Mean of the processes' means: the process is the unit.
    pub mean: f64,
    /// Standard deviation over all runs, n − 1; `None` for one.
    pub standard_deviation: Option<f64>,
    /// Median over all runs.
    pub median: f64,
    /// Median absolute deviation over all runs, not scaled.
    pub median_absolute_deviation: f64,
    /// Runs labelled as mild outliers. They stay in every number.
    pub mild_outliers: usize,
    /// Runs labelled as severe outliers. They stay in every number.
    pub severe_outliers: usize,
}

impl Row {
    /// The row of a bundle that was found at `path` with that digest.
    pub fn new(bundle: Bundle, path: String, sha256: String) -> Self {
        let identity = Arc::new(Identity::of(&bundle));
        let resources = RowResources::of(&bundle);
        let (inputs, clock) = (likeness::inputs(&bundle), RowClock::of(&bundle));
        let processes: Vec<RowProcess> = bundle
            .trials
            .into_iter()
            .filter(|trial| !trial.latencies.latency_ns.is_empty())
            .map(|trial| RowProcess {
                build: trial.id.build,
                process: trial.id.process,
                latency_ns: trial.latencies.latency_ns.iter().map(|latency| latency.0).collect(),
            })
            .collect();
        let cost = bundle.cost.filter(|cost| cost.uncounted.is_empty()).and_then(|cost| {
            let operational_density = cost.operations as f64 / cost.bytes_moved as f64;
            (cost.operations > 0 && cost.bytes_moved > 0).then_some(RowCost {
                operations: cost.operations,
                parameters: cost.parameters,
                bytes_moved: cost.bytes_moved,
                operational_density,
            })
        });
        let mut row = Self {
            id: bundle.id,
            path,
            sha256,
            identity,
            platform: None,
            cell: None,
            simulated: bundle.simulated,
            harness_version: bundle.harness.version,
            job_id: bundle.job.id,
            job: bundle.job.name,
            labels: bundle.job.labels,
            configuration: bundle.configuration,
            model: bundle.model.as_ref().map(|model| model.file.clone()),
            model_content_sha256: bundle.model.as_ref().and_then(|model| model.content_sha256.clone()),
            model_sha256: bundle.model.map(|model| model.sha256),
            cost,
            status: bundle.outcome.status,
            stage: bundle.outcome.stage,
            reason: bundle.outcome.reason,
            detail: bundle.outcome.detail,
            hint: bundle.outcome.hint,
            verdict: bundle.verdict.state,
            verdict_reasons: bundle.verdict.reasons.into_iter().map(|reason| reason.code).collect(),
            finished: bundle.times.finished,
            conditions: bundle.environment.as_ref().map(RowConditions::of),
            energy: bundle.energy.map(RowEnergy::of),
            builds: Vec::new(),
            latency: None,
            resources,
            inputs,
            clock,
            layers: bundle.profile.map(|profile| profile.layers).unwrap_or_default(),
            processes,
        };
        row.choose(Builds::default());
        row
    }

    /// Take the statistics over these builds.
    pub fn choose(&mut self, builds: Builds) {
        let builds = builds.of(&self.processes);
        if builds != self.builds {
            self.builds = builds;
            self.latency = RowLatency::of(&self.used().collect::<Vec<_>>());
        }
    }

    /// The processes that statistics are over, in order.
    pub fn used(&self) -> impl Iterator<Item = &RowProcess> {
        let is_used = |process: &&RowProcess| {
            self.builds.iter().any(|build| build.used && build.build == process.build)
        };
        self.processes.iter().filter(is_used)
    }

    /// Whether it may enter an aggregate: it was measured, its verdict is not invalid, and its mean is not
    /// zero. A latency of zero is an artefact of the instrument and has no throughput.
    ///
    /// # Errors
    /// Why not.
    pub fn usable(&self) -> Result<&RowLatency, LeftOut> {
        match &self.latency {
            _ if self.status != Status::Measured => Err(LeftOut::NotMeasured),
            _ if self.verdict == VerdictState::Invalid => Err(LeftOut::Invalid),
            Some(latency) if latency.mean > 0.0 => Ok(latency),
            Some(_) => Err(LeftOut::ZeroLatency),
            None => Err(LeftOut::NotMeasured),
        }
    }

    /// What was measured: the name of θ, else the model's file with the first digits of its digest, because
    /// many files may have one name. Of a model of several files it is the digest over all.
    pub fn subject(&self) -> Option<String> {
        let sha256 = self.model_content_sha256.as_ref().or(self.model_sha256.as_ref());
        match (&self.configuration, &self.model, sha256) {
            (Some(configuration), _, _) => Some(configuration.name.clone()),
            (None, Some(model), Some(sha256)) => {
                let digits: String = sha256.chars().take(8).collect();
                Some(format!("{model} ({digits})"))
            }
            _ => None,
        }
    }
}

/// The word of an enum without fields, as bundles spell it; `None` for anything else.
pub(crate) fn word(value: &impl Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

/// Why a row enters no aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// It has no latencies, or fewer than requested.
    NotMeasured,
    /// Its verdict is invalid.
    Invalid,
    /// Its mean latency is zero.
    ZeroLatency,
    /// Its verdict is suspect, and only valid results were requested.
    Suspect,
    /// Its verdict is unverified, and only valid results were requested.
    Unverified,
}

impl RowLatency {
    fn of(processes: &[&RowProcess]) -> Option<Self> {
        let runs: Vec<f64> = processes.iter().flat_map(|process| process.milliseconds()).collect();
        let means: Vec<f64> = processes.iter().map(|process| process.mean_ms()).collect();
        let labels = sample::outliers(&runs);
        let count = |wanted| labels.iter().filter(|label| **label == wanted).count();
        Some(Self {
            processes: processes.len(),
            runs: runs.len(),
            mean: sample::mean(&means)?,
            standard_deviation: sample::standard_deviation(&runs),
            median: sample::median(&runs)?,
            median_absolute_deviation: sample::median_absolute_deviation(&runs)?,
            mild_outliers: count(sample::Outlier::Mild),
            severe_outliers: count(sample::Outlier::Severe),
        })
    }
}
