//! The files of a job: everything that has to be dropped with it, whatever it is for.
//!
//! The daemon waits for these files, copies and hashes them, and removes the copies with the job. Further
//! files that a model refers to (the weights next to an `.onnx` file) are not listed here, because only the
//! model itself names them.

use super::Job;
use crate::runtime::GivenInput;

/// A file that is dropped with its job, under a bare name in the same folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobFile<'a> {
    /// Its bare name.
    pub file: &'a str,
    /// The digest it must have, if the author gave one.
    pub sha256: Option<&'a str>,
    /// What the job needs it for.
    pub purpose: Purpose,
}

/// What a job needs a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A model: an index into [`Job::models`].
    Model(usize),
    /// Values of inputs.
    Input,
}

impl Job {
    /// Every file that is dropped with the job: first its models, in their order, then all others, each name
    /// once.
    pub fn files(&self) -> Vec<JobFile<'_>> {
        let models = self.models.iter().enumerate().map(|(index, model)| JobFile {
            file: &model.file,
            sha256: model.sha256.as_deref(),
            purpose: Purpose::Model(index),
        });
        let mut files: Vec<JobFile<'_>> = models.collect();
        for input in self.inputs.values().filter_map(GivenInput::file) {
            // One archive may hold several inputs.
            if files.iter().all(|file| file.file != input.name) {
                files.push(JobFile { file: &input.name, sha256: None, purpose: Purpose::Input });
            }
        }
        files
    }
}
