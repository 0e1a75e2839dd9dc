//! `backbone check`: what would happen to job files if they were dropped now.
//!
//! Reads the job files and the heads of the model files beside them; loads no inference library and writes nothing. The
//! answers come from the same functions that the daemon asks, so that both agree.

use std::ffi::OsStr;
use std::fs::FileType;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use sha2::{Digest as _, Sha256};

use super::failure::Advise as _;
use super::{Exit, print, readable, table};
use crate::bundle::format::Mistake;
use crate::daemon::memory::LargerThanMemory;
use crate::error::Hint;
use crate::host::{self, HostRoot};
use crate::runtime::Runtime;
use crate::spec::{self, Job, ModelReference, ModelSource};
use crate::text::counted;

mod duration;
mod generated;
mod precision;

/// Validate job files: show what would run, how long it may take and how precise it will be
///
/// For a network or a study it also counts operations and the disk that generated models take. Ends with code 2 when a job
/// file has mistakes, a model file is missing or is not what the job needs, or a network is too large for its format. This may
/// not be the machine that measures, so nothing is said about hosts unless one is named: `--host-root /` is this machine.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Job files, with their models beside them
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Look also whether the models fit into the memory of the host whose files lie there; `/` for this machine
    #[arg(long, value_name = "FOLDER")]
    host_root: Option<PathBuf>,
}

/// Largest job file that is read.
const MAXIMUM_SPEC_BYTES: u64 = spec::MAXIMUM_SPEC_BYTES as u64;

/// What [`Runtime::recognise`] wants to see of a model file.
const HEAD_BYTES: u64 = 16;

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

/// Bytes of memory of the host whose files lie there.
fn memory_of(folder: &Path) -> anyhow::Result<u64> {
    let root = HostRoot::new(folder)?;
    let what = || format!("no memory is told by {}", root.path("/proc/meminfo").display());
    let told = host::observe(&root).memory_bytes.with_context(what);
    told.advise("leave out --host-root, or name a folder with a host's files").exit(Exit::WrongInput)
}

/// The report on one job file, and whether it would run as it lies there. `memory_bytes` is that of the host that shall run it.
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
    for (index, model) in job.models.iter().enumerate() {
        let readers = job.configurations.iter().filter(|one| one.source == ModelSource::Dropped(index));
        let runtimes: Vec<&Runtime> = readers.map(|configuration| configuration.runtime).collect();
        let file = path.with_file_name(&model.file);
        let finding = match look_at_model(&file, model, &runtimes, memory_bytes) {
            Ok(size) => format!("{size} bytes, looks right"),
            Err(problem) => {
                would_run = false;
                problem
            }
        };
        text.push_str(&format!("  model {}: {finding}\n", model.file));
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
    let found = if would_run { "ok" } else { "would not run as it is, see below" };
    (format!("{shown}: {found}\n{text}"), would_run)
}

/// Such as `10 + 100 × 3 builds × 1 process`.
fn runs(configuration: &spec::Configuration, measure: &spec::Measure) -> String {
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

fn options(configuration: &spec::Configuration) -> String {
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

/// Read a job file, unless it is too large to be one.
fn read_spec(path: &Path) -> Result<Vec<u8>, String> {
    let size = regular_file_size(path)?;
    if size > MAXIMUM_SPEC_BYTES {
        return Err(format!("{size} bytes are too many for a job file, the limit is {MAXIMUM_SPEC_BYTES}"));
    }
    let mut text = Vec::new();
    let file = fs_err::File::open(path).map_err(reason)?;
    file.take(MAXIMUM_SPEC_BYTES).read_to_end(&mut text).map_err(reason)?;
    Ok(text)
}

/// The size of a model file that is there, fits into the memory, has the format of the runtimes that shall read it, and the digest
/// that the job names.
fn look_at_model(
    file: &Path,
    model: &ModelReference,
    runtimes: &[&Runtime],
    memory_bytes: Option<u64>,
) -> Result<u64, String> {
    let size = regular_file_size(file)?;
    LargerThanMemory::check(&model.file, size, memory_bytes).map_err(|error| with_hint(&error))?;
    let mut content = fs_err::File::open(file).map_err(reason)?;
    let mut head = Vec::new();
    content.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(reason)?;
    for runtime in runtimes {
        (runtime.recognise)(&head).map_err(|looks| format!("{} cannot read it: {looks}", runtime.name))?;
    }
    if let Some(expected) = &model.sha256 {
        let mut digest = Sha256::new();
        digest.update(&head);
        let mut part = [0; 64 * 1024];
        loop {
            match content.read(&mut part).map_err(reason)? {
                0 => break,
                length => digest.update(&part[..length]),
            }
        }
        let found = data_encoding::HEXLOWER.encode(&digest.finalize());
        if found != *expected {
            return Err(format!("its SHA-256 is {found}, the job names {expected}"));
        }
    }
    Ok(size)
}

/// Two lines, as they stand in the report.
fn with_hint(error: &(impl std::error::Error + Hint)) -> String {
    format!("{error}\n    hint: {}", error.hint().unwrap_or_default())
}

/// Looked at without opening: opening a FIFO would wait for its writer, opening a device may act on it.
fn regular_file_size(path: &Path) -> Result<u64, String> {
    match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(found.len()),
        Ok(found) => Err(format!("{}, not a regular file", kind(found.file_type()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("no such file".to_owned()),
        Err(error) => Err(reason(error)),
    }
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a folder"
    } else if file_type.is_symlink() {
        "a symbolic link"
    } else if file_type.is_fifo() {
        "a FIFO"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn reason(error: std::io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
