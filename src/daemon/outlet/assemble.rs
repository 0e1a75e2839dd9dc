//! Puts a bundle together from what is known of a configuration. Reads library files for their digests;
//! otherwise pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use super::count::{Counted, cost_in_format};
use super::layers::with_macs;
use super::providers::{library, shares};
use crate::bundle::format::{
    Bundle, Configuration as Network, Cost, Environment, FORMAT, Harness, Host, Job as BundleJob,
    LoadedModel, Model, ModelPart, Outcome, Outputs, Power, Runtime as BundleRuntime, Schedule, SpecEncoding,
    Summary, Timed, Times, TrialId,
};
use crate::daemon::clock::now_text;
use crate::daemon::job::{SpecFile, name_without_spec};
use crate::daemon::turn::{self, Course};
use crate::runtime::{Options, Runtime};
use crate::spec::Job;
use crate::spool::Spool;
use crate::spool::journal::{BoundFile, BoundModel};
use crate::spool::names::Entry;
use crate::units::Nanos;
use crate::{stats, verdict};

/// Everything a bundle says that is not the same for all bundles of a host.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// Id of the bundle.
    pub(super) id: String,
    /// The job's entry in the spool.
    pub(super) entry: &'a Entry,
    /// The job file.
    pub(super) spec: &'a SpecFile,
    /// The job, if it was understood.
    pub(super) job: Option<&'a Job>,
    /// The configuration's runtime and the job's options for it.
    pub(super) runtime: Option<(&'static Runtime, Options)>,
    /// θ, if the model was generated.
    pub(super) configuration: Option<Network>,
    /// What it is for, if it is one of the job's configurations.
    pub(super) schedule: Option<Schedule>,
    /// The model as copied or generated.
    pub(super) model: Option<BoundModel>,
    /// What it costs.
    pub(super) counted: Counted,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// Its builds and trials.
    pub(super) course: Course,
    /// When things happened.
    pub(super) times: Times,
}

impl<'a> Parts<'a> {
    /// The parts of the one bundle of a job whose file was not understood.
    pub(super) fn of_unread(entry: &'a Entry, spec: &'a SpecFile, outcome: Outcome, spool: &Spool) -> Self {
        Self {
            id: entry.id.bundle_id(1),
            entry,
            spec,
            job: None,
            configuration: None,
            schedule: None,
            runtime: None,
            model: None,
            counted: Counted::default(),
            outcome,
            course: Course::default(),
            times: Times { claimed: spool.claimed_at(entry), started: None, finished: now_text() },
        }
    }
}

/// What is the same for all bundles of a host.
#[derive(Debug)]
pub(crate) struct Assembler {
    /// The host.
    pub(super) host: Host,
    /// Another root than `/` stands in for the host.
    pub(super) simulated_host: bool,
    /// Smallest step of the clock that times.
    pub(super) clock_resolution: Nanos,
    /// Digests of library files, by path, size and time of last change.
    libraries: BTreeMap<(PathBuf, u64, std::time::SystemTime), String>,
}

impl Assembler {
    /// For one host.
    pub(crate) fn new(host: Host, simulated_host: bool, clock_resolution: Nanos) -> Self {
        Self { host, simulated_host, clock_resolution, libraries: BTreeMap::new() }
    }

    /// Put the bundle together.
    pub(super) fn assemble(&mut self, parts: Parts<'_>) -> Bundle {
        let course = parts.course;
        let reported = course.environment();
        let summary = stats::summary(&course.trials);
        let simulated =
            self.simulated_host || parts.runtime.as_ref().is_some_and(|(runtime, _)| runtime.simulated);
        let loaded = course.loaded.as_ref();
        let cost = parts.counted.cost.as_deref().map(cost_in_format);
        let protocol = parts.job.zip(parts.runtime.as_ref());
        let protocol = protocol.map(|(job, (runtime, _))| turn::in_bundle(&job.measure, runtime, &course));
        let format = parts.runtime.as_ref().map_or("", |(runtime, _)| runtime.model_format);
        let model = parts.model.map(|model| model_in_format(model, format, loaded));
        let runtime = parts.runtime.map(|(runtime, options)| BundleRuntime {
            name: runtime.name.to_owned(),
            version: loaded.and_then(|loaded| loaded.version.clone()),
            library: loaded.and_then(|loaded| loaded.library.as_ref()).map(|path| path.display().to_string()),
            library_sha256: loaded
                .and_then(|loaded| loaded.library.as_ref())
                .and_then(|path| self.digest(path)),
            timed: timed(runtime, &options),
            options_from_model: runtime.options_from_model.iter().map(|name| (*name).to_owned()).collect(),
            options: loaded.map_or(options, |loaded| loaded.options.clone()),
            providers: loaded
                .map(|loaded| shares(&loaded.providers, parts.counted.cost.as_deref()))
                .unwrap_or_default(),
            libraries: loaded
                .map(|loaded| {
                    loaded.libraries.iter().map(|file| library(file, |file| self.digest(file))).collect()
                })
                .unwrap_or_default(),
        });
        let outputs = outputs(&course);
        let verdict = verdict::judge(&verdict::Evidence {
            status: parts.outcome.status,
            trials: &course.trials,
            summary: None,
            environment: reported.as_ref(),
            clock_resolution: self.clock_resolution,
            host: &self.host,
            power: course.power.as_ref(),
            providers: runtime.as_ref().map_or(&[], |runtime| &runtime.providers),
            inputs: loaded.map_or(&[], |loaded| &loaded.inputs),
            outputs: outputs.as_ref(),
        });
        Bundle {
            format: FORMAT.to_owned(),
            id: parts.id,
            simulated,
            harness: Harness { name: "backbone".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            host: self.host.clone(),
            job: job(parts.entry, parts.spec, parts.job),
            configuration: parts.configuration,
            model,
            throughput_operations_per_second: throughput(cost.as_ref(), summary.as_ref()),
            cost,
            cost_missing: parts.counted.missing,
            inputs: course.loaded.map(|loaded| loaded.filled).unwrap_or_default(),
            runtime,
            preparation: course.preparation,
            protocol,
            schedule: parts.schedule,
            outcome: parts.outcome,
            trials: course.trials,
            summary,
            profile: course.profile.map(|profile| with_macs(profile, parts.counted.cost.as_deref())),
            outputs,
            resources: course.resources,
            environment: with_power(reported, course.power),
            energy: course.energy,
            verdict,
            times: parts.times,
            integrity: None,
        }
    }

    /// SHA-256 of the running program.
    pub(super) fn harness_sha256(&mut self) -> Option<String> {
        self.digest(Path::new("/proc/self/exe"))
    }

    /// SHA-256 of a library file; `None` if it cannot be read any more.
    fn digest(&mut self, path: &Path) -> Option<String> {
        let stat = fs_err::metadata(path).ok()?;
        let key = (path.to_owned(), stat.len(), stat.modified().ok()?);
        if let Some(digest) = self.libraries.get(&key) {
            return Some(digest.clone());
        }
        let digest = crate::spool::hash(&mut fs_err::File::open(path).ok()?, &mut std::io::sink()).ok()?;
        self.libraries.insert(key, digest.clone());
        Some(digest)
    }
}

/// The model as a bundle has it, with its tensors if it was loaded.
fn model_in_format(model: BoundModel, format: &str, loaded: Option<&LoadedModel>) -> Model {
    Model {
        format: format.to_owned(),
        content_sha256: (!model.parts.is_empty()).then(|| model.content_sha256()),
        parts: model.parts.into_iter().map(part).collect(),
        file: model.main.file,
        sha256: model.main.sha256,
        size_bytes: model.main.size_bytes,
        inputs: loaded.map(|loaded| loaded.inputs.clone()).unwrap_or_default(),
        outputs: loaded.map(|loaded| loaded.outputs.clone()).unwrap_or_default(),
    }
}

/// A further file of a model as a bundle has it.
fn part(part: BoundFile) -> ModelPart {
    ModelPart { file: part.file, sha256: part.sha256, size_bytes: part.size_bytes }
}

fn timed(runtime: &Runtime, options: &Options) -> Timed {
    let (code, description) = (runtime.timed)(options);
    Timed { code: code.to_owned(), description: description.to_owned() }
}

/// What the first complete trial of the chosen build computed.
fn outputs(course: &Course) -> Option<Outputs> {
    let complete = |id: &TrialId| course.outputs.iter().find(|(trial, _)| trial == id);
    let (trial, read) = stats::of_chosen_build(&course.trials).find_map(|trial| complete(&trial.id))?;
    Some(Outputs {
        trial: *trial,
        tensors: read.tensors.clone(),
        detail: read.detail.clone(),
        differing_processes: course
            .differing
            .iter()
            .filter(|(other, _)| other.build == trial.build)
            .map(|(_, differing)| differing.clone())
            .collect(),
        comparison: course.comparison.clone(),
    })
}

/// What the sensors reported, and the power state.
fn with_power(reported: Option<Environment>, power: Option<Power>) -> Option<Environment> {
    if reported.is_none() && power.is_none() {
        return None;
    }
    Some(Environment { power, ..reported.unwrap_or_default() })
}

/// Operations for each second of the mean latency, the paper's measure.
fn throughput(cost: Option<&Cost>, summary: Option<&Summary>) -> Option<f64> {
    let (cost, summary) = (cost?, summary?);
    // Uncounted operators would make it too low, and nothing would show that.
    let is_whole = cost.uncounted.is_empty();
    (is_whole && summary.mean > 0.0).then(|| cost.operations as f64 / (summary.mean / 1e3))
}

fn job(entry: &Entry, spec: &SpecFile, job: Option<&Job>) -> BundleJob {
    let (text, encoding) = match spec.text.as_ref().map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => (None, None),
        Some((Ok(text), _)) => (Some(text.to_owned()), Some(SpecEncoding::Utf8)),
        Some((Err(_), bytes)) => (Some(BASE64.encode(bytes)), Some(SpecEncoding::Base64)),
    };
    BundleJob {
        id: entry.id.to_string(),
        name: job.map_or_else(|| name_without_spec(entry), |job| job.name.clone()),
        file: entry.file.to_string_lossy().into_owned(),
        labels: job.map(|job| job.labels.clone()).unwrap_or_default(),
        spec: text,
        spec_encoding: encoding,
        spec_sha256: spec.text.as_ref().map(|bytes| HEXLOWER.encode(&Sha256::digest(bytes))),
    }
}
