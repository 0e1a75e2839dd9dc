//! The files that belong to one build: the engine, what its making took, the timings of its tactics.
//!
//! An engine runs only with the TensorRT and on the GPU that it was made for, so those and the flags are in
//! the files' names. Builds share no timings: their purpose is to show how much builds differ.

use std::path::{Path, PathBuf};

use crate::runtime::Compilation;
use crate::runtime::kept::{self, KeptModel};

/// The files of one build.
#[derive(Debug, Clone)]
pub(super) struct EngineFiles {
    /// The engine.
    pub(super) engine: KeptModel,
    /// The engine while trtexec writes it.
    pub(super) partial: PathBuf,
    /// trtexec's own cache of timings, from 8.0 on.
    pub(super) timings: PathBuf,
    /// The times of a run, until they are read.
    pub(super) times: PathBuf,
    /// What a run computes, until it is read.
    pub(super) outputs: PathBuf,
    folder: PathBuf,
    name: String,
}

/// What the names of files with the elements of inputs have before the input's number.
const INPUT_MARK: &str = ".input-";

impl EngineFiles {
    /// The files of this build of this model by this program.
    pub(super) fn new(compilation: &Compilation, version: &str, flags: &[String]) -> Self {
        let parts = [&compilation.model_sha256, version, &compilation.platform, &flags.join(" ")];
        let name = format!("{}-{}", kept::name(&parts), compilation.build);
        let file = |extension: &str| compilation.folder.join(format!("{name}.{extension}"));
        Self {
            engine: KeptModel::new(&compilation.folder, &name, "engine"),
            partial: file("partial"),
            timings: file("timings"),
            times: file("times"),
            outputs: file("outputs"),
            folder: compilation.folder.clone(),
            name,
        }
    }

    /// The elements of an input, while a run reads them.
    pub(super) fn input(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{}{INPUT_MARK}{index}", self.name))
    }

    /// Remove the elements of all inputs, also those that a killed run left: there is one run at a time.
    pub(super) fn remove_inputs(&self) {
        let files = fs_err::read_dir(&self.folder).into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().to_string_lossy().contains(INPUT_MARK)) {
            // What is left takes space until the next run.
            let _ = fs_err::remove_file(file.path());
        }
    }

    /// Size of the engine that was just written, if it exists.
    pub(super) fn written_bytes(&self) -> Option<u64> {
        fs_err::metadata(&self.partial).ok().map(|stat| stat.len())
    }

    /// Forget an engine that does not run.
    pub(super) fn forget(&self) {
        self.engine.forget();
        // The next build writes it anew.
        let _ = fs_err::remove_file(&self.partial);
        // Timings of other releases, or cut short, are of no use to it.
        let _ = fs_err::remove_file(&self.timings);
    }
}

/// Where the help text of exactly this program is kept; `None` if the program cannot be examined.
pub(super) fn help_file(folder: &Path, program: &Path) -> Option<PathBuf> {
    let path = program.to_string_lossy();
    let name = kept::name(&[&path, &kept::version_of_file(program).ok()?]);
    Some(folder.join(format!("{name}.help")))
}
