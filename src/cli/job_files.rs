//! The files next to a job file that travel with it.

use std::path::{Path, PathBuf};

use crate::daemon::parts_of;
use crate::spec::Job;

/// The files that a job names, and those that its models refer to, as far as they are there; each once. What
/// cannot be read is found out by whoever takes the job.
pub(super) fn of(spec: &Path, job: &Job) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut add = |file: PathBuf| {
        if file.is_file() && !files.contains(&file) {
            files.push(file);
        }
    };
    for wanted in job.files() {
        let file = spec.with_file_name(wanted.file);
        let parts = if file.is_file() { parts_of(&file).unwrap_or_default() } else { Vec::new() };
        add(file);
        parts.into_iter().for_each(|part| add(spec.with_file_name(&part.file)));
    }
    files
}
