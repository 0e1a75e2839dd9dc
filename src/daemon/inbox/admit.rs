//! From a claimed file to a job: read the job file, and check what was copied for it.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::bundle::format::{Failure, Mistake, Outcome, Stage, Status};
use crate::daemon::job::SpecFile;
use crate::daemon::memory::LargerThanMemory;
use crate::error::Hint as _;
use crate::guarded;
use crate::model_file::signatures::HEAD_BYTES;
use crate::spec::files::JobFile;
use crate::spec::{self, Job, ModelSource};
use crate::spool::names::{Entry, EntryKind};
use crate::spool::{Spool, is_shortage};

/// Why a job was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Why.
    pub(crate) failure: Failure,
    /// Mistakes of the job file.
    pub(crate) mistakes: Vec<Mistake>,
}

impl Rejection {
    pub(super) fn new(stage: Stage, reason: &str, detail: impl Into<String>, hint: &str) -> Self {
        Self { failure: Failure::new(stage, reason, detail).with_hint(hint), mistakes: Vec::new() }
    }

    /// As a bundle has it.
    pub(crate) fn outcome(self) -> Outcome {
        Outcome { mistakes: self.mistakes, ..self.failure.outcome(Status::Rejected) }
    }
}

/// Read a claimed job file and resolve it. Opens nothing but a regular file of a sensible size and name.
///
/// # Errors
/// The host is short of something and the file cannot be read now, which says nothing about the job.
pub(crate) fn read(spool: &Spool, entry: &Entry) -> io::Result<(SpecFile, Result<Job, Rejection>)> {
    let mut spec = SpecFile::default();
    let result = read_text(spool, entry)?.and_then(|text| {
        spec.text = Some(text.clone());
        check_name(&entry.file)?;
        if entry.kind == EntryKind::Unfinished {
            return Err(Rejection::new(
                Stage::Claim,
                "upload_never_ended",
                "the upload of the job file did not finish in time",
                "upload it again under a temporary name, and rename it when it is complete",
            ));
        }
        spec::resolve::job(&text, &entry.file.to_string_lossy()).map_err(|mistakes| {
            let count = mistakes.len();
            let detail = if count == 1 {
                "the job file has a mistake".to_owned()
            } else {
                format!("the job file has {count} mistakes")
            };
            let hint = "correct them and drop the file again; `backbone check` finds them beforehand";
            Rejection { mistakes, ..Rejection::new(Stage::Spec, "mistakes_in_spec", detail, hint) }
        })
    });
    Ok((spec, result))
}

fn read_text(spool: &Spool, entry: &Entry) -> io::Result<Result<Vec<u8>, Rejection>> {
    let name = entry.name();
    let kind = spool.queue().entry(OsStr::new(&name)).map(|stat| stat.kind);
    if kind != Some(crate::spool::plan::FileKind::Regular) {
        return Ok(Err(Rejection::new(
            Stage::Claim,
            "not_a_regular_file",
            "the file is a link, a FIFO, a device or a socket, and was not opened",
            "drop the job file itself",
        )));
    }
    match read_bounded(spool, &name) {
        Err(error) if is_shortage(&error) || is_disk_fault(&error) => Err(error),
        Err(error) => Ok(Err(Rejection::new(
            Stage::Claim,
            "not_readable",
            format!("the job file cannot be read: {error}"),
            "upload it again",
        ))),
        Ok((size, text)) => Ok(check_size(size).map(|()| text)),
    }
}

/// A disk that fails says nothing about the job either.
fn is_disk_fault(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Size of the file, and as much of it as a job file may have.
fn read_bounded(spool: &Spool, name: &str) -> io::Result<(u64, Vec<u8>)> {
    let file = std::fs::File::from(spool.queue().open_file(OsStr::new(name))?);
    let size = file.metadata()?.len();
    let mut text = Vec::new();
    if size <= spec::MAXIMUM_SPEC_BYTES as u64 {
        file.take(spec::MAXIMUM_SPEC_BYTES as u64).read_to_end(&mut text)?;
    }
    Ok((size, text))
}

/// Is a file of this size a job file? Asked before it is read.
pub(crate) fn check_size(bytes: u64) -> Result<(), Rejection> {
    let limit = spec::MAXIMUM_SPEC_BYTES as u64;
    if bytes <= limit {
        return Ok(());
    }
    Err(Rejection::new(
        Stage::Spec,
        "spec_too_large",
        format!("the job file has {bytes} bytes; the limit is {limit}"),
        "a job file is a page of text; check that this is not a model with the name of a job file",
    ))
}

/// May a job file have this name?
pub(crate) fn check_name(name: &OsStr) -> Result<(), Rejection> {
    let problem = match name.to_str() {
        None => "is not UTF-8",
        Some(name) if name.chars().any(char::is_control) => "has control characters",
        Some(_) => return Ok(()),
    };
    let shown = name.to_string_lossy();
    Err(Rejection::new(
        Stage::Claim,
        "bad_file_name",
        format!("the name of the job file {problem}: {shown:?}"),
        "rename the file and drop it again",
    ))
}

/// Something else than a file has the name of a file of a job.
pub(crate) fn not_a_file(file: &str) -> Rejection {
    Rejection::new(
        Stage::Model,
        "model_not_a_file",
        format!("`{file}` is a link, a folder, a FIFO or a device, and was not opened"),
        "drop the file itself",
    )
}

/// Does a model, all its files together, fit into the memory of the host?
pub(crate) fn check_memory(file: &str, bytes: u64, memory_bytes: Option<u64>) -> Result<(), Rejection> {
    LargerThanMemory::check(file, bytes, memory_bytes).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        Rejection::new(Stage::Model, LargerThanMemory::REASON, error.to_string(), &hint)
    })
}

/// Does the file have the digest that the job file names, if it names one?
pub(crate) fn check_digest(wanted: &JobFile<'_>, sha256: &str) -> Result<(), Rejection> {
    match wanted.sha256 {
        Some(expected) if expected != sha256 => Err(Rejection::new(
            Stage::Model,
            "digest_differs",
            format!("`{}` has SHA-256 {sha256}, but the job file names {expected}", wanted.file),
            "upload the right model before the job file, or correct the digest",
        )),
        _ => Ok(()),
    }
}

/// Does the model file have the format that the job's runtimes read?
pub(crate) fn check_format(path: &Path, job: &Job, index: usize) -> Result<(), Rejection> {
    let file = &job.models[index].file;
    let mut head = Vec::new();
    let read =
        guarded::open_path(path).and_then(|model| model.take(HEAD_BYTES as u64).read_to_end(&mut head));
    if let Err(error) = read {
        return Err(Rejection::new(
            Stage::Model,
            "not_readable",
            error.to_string(),
            "upload the model again",
        ));
    }
    let readers = job.configurations.iter().filter(|one| one.source == ModelSource::Dropped(index));
    for runtime in readers.map(|configuration| configuration.runtime) {
        (runtime.recognise)(&head).map_err(|other| {
            let detail =
                format!("`{file}` is not a valid .{} file; it looks like {other}", runtime.model_format);
            let hint = "rename the file if its extension is wrong, or choose the runtime that reads it";
            Rejection::new(Stage::Model, "wrong_format", detail, hint)
        })?;
    }
    Ok(())
}

/// The job that a cancel file means: its name without `.cancel`, and without the ending of a job file.
pub(crate) fn cancelled_job(file: &OsStr) -> &OsStr {
    let bytes = file.as_bytes();
    let stem = &bytes[..bytes.len().saturating_sub(".cancel".len())];
    let lower = stem.to_ascii_lowercase();
    let ending = [&b".yaml"[..], b".yml"].into_iter().find(|ending| lower.ends_with(ending));
    OsStr::from_bytes(&stem[..stem.len() - ending.map_or(0, <[u8]>::len)])
}
