//! A job on its way through the owners: claimed, read, or ended before its turn.

use std::ffi::OsStr;
use std::path::Path;

use crate::bundle::format::Outcome;
use crate::spec::Job;
use crate::spool::names::Entry;

/// A claimed job.
#[derive(Debug, Clone)]
pub(crate) struct QueuedJob {
    /// Its entry in the spool.
    pub(crate) entry: Entry,
    /// Its name.
    pub(crate) name: String,
    /// Its priority, higher first.
    pub(crate) priority: i8,
}

impl QueuedJob {
    /// May a person mean this job by an id, a name, or the stem of its file?
    pub(crate) fn is_meant_by(&self, meant: &OsStr) -> bool {
        meant == OsStr::new(&self.name)
            || meant == OsStr::new(&self.entry.id.to_string())
            || Some(meant) == Path::new(&self.entry.file).file_stem()
    }
}

/// A claimed job file, as read.
#[derive(Debug, Default)]
pub(crate) struct SpecFile {
    /// Its bytes; `None` if it could not or must not be read.
    pub(crate) text: Option<Vec<u8>>,
}

/// A job whose file was read and understood.
#[derive(Debug)]
pub(crate) struct ReadJob {
    pub(crate) queued: QueuedJob,
    pub(crate) spec: SpecFile,
    pub(crate) job: Job,
}

/// A job that ends without, or before, its turn.
#[derive(Debug)]
pub(crate) struct EndedJob {
    pub(crate) queued: QueuedJob,
    pub(crate) spec: SpecFile,
    /// `None` if its file was not understood.
    pub(crate) job: Option<Job>,
    /// The outcome of everything in it that has no bundle yet.
    pub(crate) outcome: Outcome,
}

impl ReadJob {
    /// The job ends like this.
    pub(crate) fn ended(self, outcome: Outcome) -> EndedJob {
        EndedJob { queued: self.queued, spec: self.spec, job: Some(self.job), outcome }
    }
}

/// The name of a job whose file was not understood: the file's stem.
pub(crate) fn name_without_spec(entry: &Entry) -> String {
    Path::new(&entry.file).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
