//! `backbone check`: what the daemon would do with job files that were dropped now.
//!
//! Reads the job files and the files next to them; loads no inference library and writes nothing. What the
//! daemon and a worker accept is asked of their own functions.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::failure::Advise as _;
use super::place::DaemonPlace;
use super::{Exit, print, readable, table};
use crate::bundle::format::{Failure, Mistake};
use crate::daemon::admit::{self, Rejection};
use crate::daemon::fewest_trials;
use crate::guarded;
use crate::host::power::ModeError;
use crate::host::{self, HostRoot};
use crate::spec::files::Purpose;
use crate::spec::{self, Job, MeasureProtocol, ModelSource};
use crate::spool::names::{self, NameKind};
use crate::text::{counted, nearest};

mod duration;
mod estimate;
mod generated;
mod models;
mod precision;
mod rates;

/// Validate job files: show what would run, how long it may take and how precise it will be
///
/// For a network or a study it also counts operations, and the disk space that generated models take. Ends
/// with code 2 if a job file has mistakes, a file of the job is missing or does not suit it, or a network is
/// too large for its format. Models are read as `networks cost` reads them: shapes, names and values under
/// `inputs` must suit them. The machine that measures may be another one, so hosts are left out unless you
/// name one: `--host-root /` is this machine.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Job files, with their models next to them
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Check also that the models fit into the memory of the host whose files are in this folder, and that it
    /// has the power mode; `/` for this machine
    #[arg(long, value_name = "FOLDER")]
    host_root: Option<PathBuf>,
    /// Estimate the duration by earlier results in this folder [default: the configured outbox, if it exists]
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
}

/// What a job file is checked against in addition to the files next to it.
#[derive(Debug, Default)]
struct Surroundings {
    /// The host that is to measure, if one is named.
    host: Option<HostRoot>,
    /// Its memory in bytes.
    memory_bytes: Option<u64>,
    /// A folder with earlier results.
    outbox: Option<PathBuf>,
}

impl Surroundings {
    fn of(arguments: &CheckArguments) -> anyhow::Result<Self> {
        let host = arguments.host_root.as_deref().map(HostRoot::new).transpose()?;
        let memory_bytes = host.as_ref().map(memory_of).transpose()?;
        // A configuration with mistakes is the daemon's matter; here it only names a folder to look into.
        let configured = || DaemonPlace::default().load(None, None).ok().map(|(config, _)| config.outbox);
        let outbox = arguments.outbox.clone().or_else(configured).filter(|outbox| outbox.is_dir());
        Ok(Self { host, memory_bytes, outbox })
    }
}

pub(super) fn execute(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let surroundings = Surroundings::of(arguments)?;
    let mut every_file_is_right = true;
    for (index, path) in arguments.specs.iter().enumerate() {
        if index > 0 {
            print("\n")?;
        }
        let (text, is_right) = check(path, &surroundings);
        print(&text)?;
        every_file_is_right &= is_right;
    }
    Ok(if every_file_is_right { Exit::Done } else { Exit::WrongInput })
}

/// Bytes of memory of the host.
fn memory_of(root: &HostRoot) -> anyhow::Result<u64> {
    let what = || format!("cannot read the size of the memory from {}", root.path("/proc/meminfo").display());
    let told = host::observe(root).memory_bytes.with_context(what);
    told.advise("leave out --host-root, or name a folder with a host's files").exit(Exit::WrongInput)
}

/// A job file that the daemon would run, with its bytes, or the report on what is wrong with it.
#[cfg(feature = "desk")]
pub(super) fn examine(path: &Path) -> Result<(Vec<u8>, Job), String> {
    let (report, is_right) = check(path, &Surroundings::default());
    if !is_right {
        return Err(report);
    }
    let name = readable(path.file_name().unwrap_or(OsStr::new("")));
    let text = read_spec(path)?;
    match spec::resolve::job(&text, &name) {
        Ok(job) => Ok((text, job)),
        Err(mistakes) => Err(refused(&readable(path.as_os_str()), &mistakes)),
    }
}

/// The report on one job file, and whether the daemon would run it.
fn check(path: &Path, surroundings: &Surroundings) -> (String, bool) {
    let shown = readable(path.as_os_str());
    let name = readable(path.file_name().unwrap_or(OsStr::new("")));
    let text = match read_spec(path) {
        Ok(text) => text,
        Err(problem) => return (format!("{shown}: {problem}\n"), false),
    };
    match spec::resolve::job(&text, &name) {
        Ok(job) => accepted(path, &shown, &job, surroundings),
        Err(mistakes) => (refused(&shown, &mistakes), false),
    }
}

fn refused(shown: &str, mistakes: &[Mistake]) -> String {
    let count = match mistakes.len() {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    format!("{}{shown}: {count}\n", spec::render(mistakes, shown))
}

fn accepted(path: &Path, shown: &str, job: &Job, surroundings: &Surroundings) -> (String, bool) {
    let measure = &job.measure;
    let is_generated = job.configurations.iter().any(|one| matches!(one.source, ModelSource::Generated(_)));
    let listed = if is_generated { generated::table(job) } else { dropped_table(job) };
    let mut text = format!("{listed}\n");

    let mut would_run = true;
    let mut operations = vec![None; job.models.len()];
    for wanted in job.files() {
        let finding = match models::look(path, job, &wanted, surroundings) {
            Ok(looked_at) => {
                if let Purpose::Model(index) = wanted.purpose {
                    operations[index] = looked_at.operations;
                }
                looked_at.in_words()
            }
            Err(problem) => {
                would_run = false;
                problem
            }
        };
        let what = if wanted.purpose == Purpose::Input { "input" } else { "model" };
        text.push_str(&format!("  {what} {}: {finding}\n", wanted.file));
    }
    if let Some(problem) = power_mode_problem(job, surroundings) {
        would_run = false;
        text.push_str(&format!("  host: {problem}\n"));
    }

    if is_generated {
        let (lines, can_be_run) = generated::totals(job, surroundings.memory_bytes);
        text.push_str(&lines);
        would_run &= can_be_run;
    }
    let estimate = estimate::of(job, &operations, surroundings.outbox.as_deref());
    text.push_str(&estimate.duration);
    let (lines, fits) = duration::lines(job);
    text.push_str(&lines);
    would_run &= fits;
    let by_results = estimate.precision.map(|words| format!("; {words}")).unwrap_or_default();
    text.push_str(&format!("  precision: {}{by_results}\n", precision::describe(measure)));
    let found = if would_run { "ok" } else { "would not run, see below" };
    (format!("{shown}: {found}\n{text}"), would_run)
}

/// Why the host does not offer the power mode that the job asks for.
fn power_mode_problem(job: &Job, surroundings: &Surroundings) -> Option<String> {
    let (wanted, root) = (job.power.power_mode.as_ref()?, surroundings.host.as_ref()?);
    let offered: Vec<String> = match host::family(root).power.modes(root) {
        Ok(modes) => modes.into_iter().map(|mode| mode.name).collect(),
        Err(error) => return Some(error.to_string()),
    };
    if offered.contains(wanted) {
        return None;
    }
    let near = nearest(wanted, offered.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "set `host.power_mode` to one of these, or leave it out to keep the present mode".to_owned(),
    };
    let error = ModeError::NotOffered { name: wanted.clone(), offered };
    Some(format!("{error}\n    hint: {hint}"))
}

/// Such as `10 + 100 × 3 builds × 1 process`.
fn runs(configuration: &spec::JobConfiguration, measure: &spec::Measure) -> String {
    let (builds, processes) = fewest_trials(configuration, measure);
    let builds = match builds {
        1 => String::new(),
        builds => format!(" × {builds} builds"),
    };
    let more = if measure.protocol == MeasureProtocol::Paper { "" } else { " or more" };
    let processes = counted(processes, "process", "processes");
    format!("{} + {}{builds} × {processes}{more}", measure.warm_up_runs, measure.timed_runs)
}

/// A row for each dropped model and runtime.
fn dropped_table(job: &Job) -> String {
    let measure = &job.measure;
    let rows: Vec<Vec<String>> = job
        .configurations
        .iter()
        .map(|configuration| {
            vec![
                job.name.clone(),
                configuration.model_file(job),
                configuration.runtime.name.to_owned(),
                options(configuration),
                runs(configuration, measure),
                duration::of(measure.timeout_seconds.into()),
            ]
        })
        .collect();
    let headings = ["JOB", "MODEL", "RUNTIME", "OPTIONS", "WARM-UP + TIMED", "LIMIT EACH"];
    table::indent(&table::render(&headings, &rows))
}

fn options(configuration: &spec::JobConfiguration) -> String {
    if configuration.options.is_empty() {
        return "defaults".to_owned();
    }
    let options = configuration.options.iter();
    let words = options.map(|(name, value)| match value {
        Value::String(word) => format!("{name}={word}"),
        other => format!("{name}={other}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Read a job file that the daemon would take.
fn read_spec(path: &Path) -> Result<Vec<u8>, String> {
    let rejected = |rejection: Rejection| with_hint(&rejection.failure);
    let name = path.file_name().unwrap_or(OsStr::new(""));
    admit::check_name(name).map_err(rejected)?;
    let size = regular_file_size(path)?.ok_or_else(|| "not a regular file".to_owned())?;
    if names::kind_of(name) != NameKind::Spec {
        return Err("the daemon takes job files named `*.yaml` or `*.yml`\n    hint: rename it".to_owned());
    }
    admit::check_size(size).map_err(rejected)?;
    let mut text = Vec::new();
    let file = guarded::open_path(path).map_err(|error| error.to_string())?;
    file.take(size).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Two lines of the report.
fn with_hint(failure: &Failure) -> String {
    let hint = failure.hint.as_deref().unwrap_or_default();
    format!("{}\n    hint: {hint}", failure.detail)
}

/// The size of a file; `None` if it is something else. Not opened: opening a FIFO would wait for its writer,
/// and opening a device may act on it.
fn regular_file_size(path: &Path) -> Result<Option<u64>, String> {
    match fs_err::symlink_metadata(path) {
        Ok(found) => Ok(found.is_file().then_some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("no such file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
