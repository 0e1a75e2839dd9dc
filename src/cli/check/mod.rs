//! `backbone check`: what the daemon would do with job files that were dropped now.
//!
//! Reads the job files and the first bytes of the model files next to them; loads no inference library and
//! writes nothing. What the daemon accepts is asked of the daemon's own functions.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::failure::Advise as _;
use super::{Exit, print, readable, table};
use crate::bundle::format::Mistake;
use crate::daemon::admit::{self, Rejection};
use crate::daemon::{ExternalPart, parts_of};
use crate::host::{self, HostRoot};
use crate::spec::files::{JobFile, Purpose};
use crate::spec::{self, Job, ModelSource};
use crate::spool;
use crate::spool::names::{self, NameKind};
use crate::text::counted;

mod duration;
mod generated;
mod precision;

/// Validate job files: show what would run, how long it may take and how precise it will be
///
/// For a network or a study it also counts operations, and the disk space that generated models take. Ends
/// with code 2 if a job file has mistakes, a model file is missing or does not suit the job, or a network is
/// too large for its format. The machine that measures may be another one, so hosts are left out unless you
/// name one: `--host-root /` is this machine.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Job files, with their models next to them
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Check also that the models fit into the memory of the host whose files are in this folder; `/` for
    /// this machine
    #[arg(long, value_name = "FOLDER")]
    host_root: Option<PathBuf>,
}

pub(super) fn execute(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let memory_bytes = arguments.host_root.as_deref().map(memory_of).transpose()?;
    let mut every_file_is_right = true;
    for (index, path) in arguments.specs.iter().enumerate() {
        if index > 0 {
            print("\n")?;
        }
        let (text, is_right) = check(path, memory_bytes);
        print(&text)?;
        every_file_is_right &= is_right;
    }
    Ok(if every_file_is_right { Exit::Done } else { Exit::WrongInput })
}

/// Bytes of memory of the host whose files are in the folder.
fn memory_of(folder: &Path) -> anyhow::Result<u64> {
    let root = HostRoot::new(folder)?;
    let what = || format!("cannot read the size of the memory from {}", root.path("/proc/meminfo").display());
    let told = host::observe(&root).memory_bytes.with_context(what);
    told.advise("leave out --host-root, or name a folder with a host's files").exit(Exit::WrongInput)
}

/// The report on one job file, and whether the daemon would run it. `memory_bytes` is the memory of the host
/// that runs it.
fn check(path: &Path, memory_bytes: Option<u64>) -> (String, bool) {
    let shown = readable(path.as_os_str());
    let name = readable(path.file_name().unwrap_or(OsStr::new("")));
    let text = match read_spec(path) {
        Ok(text) => text,
        Err(problem) => return (format!("{shown}: {problem}\n"), false),
    };
    match spec::resolve::job(&text, &name) {
        Ok(job) => accepted(path, &shown, &job, memory_bytes),
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

fn accepted(path: &Path, shown: &str, job: &Job, memory_bytes: Option<u64>) -> (String, bool) {
    let measure = &job.measure;
    let is_generated = job.configurations.iter().any(|one| matches!(one.source, ModelSource::Generated(_)));
    let listed = if is_generated { generated::table(job) } else { dropped_table(job) };
    let mut text = format!("{listed}\n");

    let mut would_run = true;
    for wanted in job.files() {
        let finding = match look_at_file(path, job, &wanted, memory_bytes) {
            Ok(size) => format!("{size} bytes, ok"),
            Err(problem) => {
                would_run = false;
                problem
            }
        };
        let what = if wanted.purpose == Purpose::Input { "input" } else { "model" };
        text.push_str(&format!("  {what} {}: {finding}\n", wanted.file));
    }

    if is_generated {
        let (lines, can_be_run) = generated::totals(job, memory_bytes);
        text.push_str(&lines);
        would_run &= can_be_run;
    }
    let (lines, fits) = duration::lines(job);
    text.push_str(&lines);
    would_run &= fits;
    let runs = u64::from(measure.timed_runs) * u64::from(measure.processes);
    text.push_str(&format!("  precision: {}\n", precision::describe(runs)));
    let found = if would_run { "ok" } else { "would not run, see below" };
    (format!("{shown}: {found}\n{text}"), would_run)
}

/// Such as `10 + 100 × 3 builds × 1 process`.
fn runs(configuration: &spec::JobConfiguration, measure: &spec::Measure) -> String {
    let builds = match configuration.builds(measure) {
        1 => String::new(),
        builds => format!(" × {builds} builds"),
    };
    let processes = counted(measure.processes, "process", "processes");
    format!("{} + {}{builds} × {processes}", measure.warm_up_runs, measure.timed_runs)
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
    let rejected = |rejection: Rejection| with_hint(&rejection);
    let name = path.file_name().unwrap_or(OsStr::new(""));
    admit::check_name(name).map_err(rejected)?;
    let size = regular_file_size(path)?.ok_or_else(|| "not a regular file".to_owned())?;
    if names::kind_of(name) != NameKind::Spec {
        return Err("the daemon takes job files named `*.yaml` or `*.yml`\n    hint: rename it".to_owned());
    }
    admit::check_size(size).map_err(rejected)?;
    let mut text = Vec::new();
    let file = fs_err::File::open(path).map_err(|error| error.to_string())?;
    file.take(size).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// The size of a file of the job that the daemon would take.
fn look_at_file(
    spec: &Path,
    job: &Job,
    wanted: &JobFile<'_>,
    memory_bytes: Option<u64>,
) -> Result<u64, String> {
    let rejected = |rejection: Rejection| with_hint(&rejection);
    let path = spec.with_file_name(wanted.file);
    let size = regular_file_size(&path)?.ok_or_else(|| rejected(admit::not_a_file(wanted.file)))?;
    admit::check_memory(wanted.file, size, memory_bytes).map_err(rejected)?;
    // Only if the job names a digest: reading a large model takes seconds.
    if wanted.sha256.is_some() {
        let hashed = fs_err::File::open(&path).and_then(|mut file| spool::hash(&mut file, &mut io::sink()));
        admit::check_digest(wanted, &hashed.map_err(|error| error.to_string())?).map_err(rejected)?;
    }
    if let Purpose::Model(index) = wanted.purpose {
        admit::check_format(&path, job, index).map_err(rejected)?;
        let mut bytes = size;
        for part in parts_of(&path).map_err(rejected)? {
            bytes = bytes.saturating_add(look_at_part(&path, &part)?);
        }
        admit::check_memory(wanted.file, bytes, memory_bytes).map_err(rejected)?;
        return Ok(bytes);
    }
    Ok(size)
}

/// The size of a further file of a model that the daemon would take.
fn look_at_part(model: &Path, part: &ExternalPart) -> Result<u64, String> {
    let ExternalPart { file, least_bytes } = part;
    let of_part = |problem: String| format!("keeps weights in `{file}`: {problem}");
    let size = regular_file_size(&model.with_file_name(file)).map_err(of_part)?;
    let size = size.ok_or_else(|| with_hint(&admit::not_a_file(file)))?;
    if size < *least_bytes {
        return Err(of_part(format!("it has {size} bytes, and the model needs {least_bytes}")));
    }
    Ok(size)
}

/// Two lines of the report.
fn with_hint(rejection: &Rejection) -> String {
    let hint = rejection.failure.hint.as_deref().unwrap_or_default();
    format!("{}\n    hint: {hint}", rejection.failure.detail)
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
