//! Running edgetpu_compiler in a worker, and the file that it writes. What it prints goes to standard error,
//! whose tail the daemon keeps.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::is_compiled;
use super::outcome::{self, Output};
use super::report::CompilerReport;
use crate::bundle::format::Stage;
use crate::runtime::kept::{self, KeptModel};
use crate::runtime::program::{self, Exit};
use crate::runtime::tflite::model;
use crate::runtime::{Built, Compilation, Compiler, Failure, LoadRequest, NeedKind};

/// The compiler sometimes fails with an internal error, an exception or a crash and succeeds with the same
/// model the next time. Three attempts tell the two cases apart.
const ATTEMPTS: u32 = 3;

/// Bytes that a run may print; a log of a thousand operators has some hundred kilobytes.
const OUTPUT_BYTES: u64 = 16 << 20;

/// The files of one compilation.
#[derive(Debug)]
pub(super) struct CompiledFiles {
    /// The compiled model.
    pub(super) model: KeptModel,
    /// The model under a name from which the compiler derives that of its output.
    input: PathBuf,
    /// What the compiler writes.
    output: PathBuf,
    log: PathBuf,
}

impl CompiledFiles {
    /// Those of this model by exactly this program.
    ///
    /// # Errors
    /// There is no program.
    pub(super) fn new(program: Option<&Path>, place: &Compilation) -> Result<Self, Failure> {
        let program = kept::version_of_file(program.ok_or_else(not_compiled)?).map_err(|error| {
            Failure::new(Stage::Start, "program_not_found", error.to_string())
                .with_hint("set `runtimes.edgetpu.program` in the configuration to the program")
        })?;
        let name = format!("{}-{}", kept::name(&[&place.model_sha256, &program]), place.build);
        let file = |ending: &str| place.folder.join(format!("{name}{ending}"));
        Ok(Self {
            model: KeptModel::new(&place.folder, &name, "edgetpu"),
            input: file(".tflite"),
            output: file("_edgetpu.tflite"),
            log: file("_edgetpu.log"),
        })
    }

    /// Remove what nothing uses after a run.
    fn tidy(&self) {
        for file in [&self.input, &self.output, &self.log] {
            // A run may have made none of them.
            let _ = fs_err::remove_file(file);
        }
    }
}

/// One compilation of one model.
pub(super) struct EdgeTpuCompiler {
    model: PathBuf,
    program: Option<PathBuf>,
    /// `None` if the model came compiled.
    files: Option<CompiledFiles>,
}

impl EdgeTpuCompiler {
    /// # Errors
    /// The model must be compiled, and this host has no compiler.
    pub(super) fn new(
        request: &LoadRequest,
        place: &Compilation,
        comes_compiled: bool,
    ) -> Result<Self, Failure> {
        let program = request.provided.get(NeedKind::Program);
        let files = if comes_compiled { None } else { Some(CompiledFiles::new(program, place)?) };
        Ok(Self { model: request.model.clone(), program: program.map(Path::to_path_buf), files })
    }
}

impl Compiler for EdgeTpuCompiler {
    fn build(&mut self) -> Result<Built, Failure> {
        let Some((files, program)) = self.files.as_ref().zip(self.program.as_ref()) else {
            let size_bytes = fs_err::metadata(&self.model).map_or(0, |stat| stat.len());
            return Ok(Built { seconds: None, is_kept: false, size_bytes, edge_tpu: None });
        };
        if let Some(built) = files.model.kept() {
            return Ok(built);
        }
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            files.tidy();
            let (report, exit) = run(program, &self.model, files)?;
            if outcome::may_succeed_again(&report, exit) && attempts < ATTEMPTS {
                continue;
            }
            let outcome = outcome::of(&report, exit, output(&files.output)).inspect_err(|_| files.tidy())?;
            let built = Built {
                seconds: Some(started.elapsed().as_secs_f64()),
                is_kept: false,
                size_bytes: fs_err::metadata(&files.output).map_or(0, |stat| stat.len()),
                edge_tpu: Some(crate::bundle::format::EdgeTpuBuild { attempts, ..outcome }),
            };
            files.model.keep(&files.output, &built).map_err(|error| not_saved(&error))?;
            files.tidy();
            return Ok(built);
        }
    }
}

fn run(program: &Path, model: &Path, files: &CompiledFiles) -> Result<(CompilerReport, Exit), Failure> {
    // Not a copy: models have hundreds of megabytes, and the compiler only reads it.
    std::os::unix::fs::symlink(model, &files.input).map_err(|error| not_saved(&error))?;
    let folder = files.input.parent().unwrap_or(Path::new("/"));
    let words: Vec<OsString> =
        ["-s".into(), "-o".into(), folder.as_os_str().to_owned(), files.input.as_os_str().to_owned()].into();
    let mut report = CompilerReport::default();
    let exit = program::listen(
        program,
        &words,
        OUTPUT_BYTES,
        Stage::Build,
        "that it is built for this machine",
        &mut |piece| {
            // Keep going even if the reader is gone.
            let _ = io::stderr().write_all(piece);
            report.take(piece);
        },
    )?;
    report.finish();
    Ok((report, exit))
}

fn output(path: &Path) -> Output {
    match model::read(path) {
        Ok(model) if is_compiled(&model) => Output::EdgeTpu,
        Ok(_) => Output::Processor,
        Err(_) => Output::Unsound,
    }
}

fn not_compiled() -> Failure {
    Failure::new(
        Stage::Build,
        "model_not_compiled",
        "the model is not compiled for the Edge TPU, and this host has no edgetpu_compiler",
    )
    .with_hint(
        "compile it on an x86-64 machine with `edgetpu_compiler -s MODEL.tflite`, and drop the resulting MODEL_edgetpu.tflite; \
         `backbone networks export` writes the models of a study",
    )
}

fn not_saved(error: &io::Error) -> Failure {
    Failure::new(Stage::Build, "compiled_model_not_saved", format!("cannot keep the compiled model: {error}"))
        .with_hint("free space on the spool's disk")
}
