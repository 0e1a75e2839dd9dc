//! Running edgetpu_compiler in a worker, and the file that it leaves. What it prints is passed on to standard error, from where the
//! daemon keeps the tail.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::loader::{is_compiled, read};
use super::outcome::{self, Output};
use super::report::Report;
use crate::bundle::format::Stage;
use crate::runtime::program::{self, Exit};
use crate::runtime::{self, Built, Compiler, Failure, LoadRequest, NeedKind};

/// The compiler fails by its own fault now and then, and succeeds with the same model the next time. Three attempts show whether
/// this is such a time.
const ATTEMPTS: u32 = 3;

/// Hexadecimal digits of the digest in a name: 128 bits.
const NAME_DIGITS: usize = 32;

/// Bytes that a run may print; a log of a thousand operators has some hundred kilobytes.
const OUTPUT_BYTES: u64 = 16 << 20;

/// The files of one compilation.
#[derive(Debug)]
pub(super) struct CompiledFiles {
    /// The compiled model, whole.
    pub(super) compiled: PathBuf,
    /// What was built, as JSON; the compiled model counts only with it.
    built: PathBuf,
    /// The model under a name from which the compiler makes that of its output.
    input: PathBuf,
    /// What the compiler writes.
    output: PathBuf,
    log: PathBuf,
}

impl CompiledFiles {
    /// Those of this model by this very program.
    ///
    /// # Errors
    /// There is no program.
    pub(super) fn new(program: Option<&Path>, place: &runtime::Compilation) -> Result<Self, Failure> {
        use std::os::unix::fs::MetadataExt as _;
        let program = program.ok_or_else(not_compiled)?;
        let stat = fs_err::metadata(program).map_err(|error| {
            Failure::new(Stage::Start, "program_not_found", error.to_string())
                .with_hint("name the program in the configuration, `runtimes.edgetpu.program`")
        })?;
        let mut hasher = Sha256::new();
        for part in [&place.model_sha256, &format!("{} {} {}", stat.len(), stat.mtime(), stat.mtime_nsec())] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let name = format!("{}-{}", &HEXLOWER.encode(&hasher.finalize())[..NAME_DIGITS], place.build);
        let file = |ending: &str| place.folder.join(format!("{name}{ending}"));
        Ok(Self {
            compiled: file(".edgetpu"),
            built: file(".json"),
            input: file(".tflite"),
            output: file("_edgetpu.tflite"),
            log: file("_edgetpu.log"),
        })
    }

    fn kept(&self) -> Option<Built> {
        let built: Built = serde_json::from_slice(&fs_err::read(&self.built).ok()?).ok()?;
        let size = fs_err::metadata(&self.compiled).ok()?.len();
        (size == built.size_bytes).then_some(Built { is_kept: true, ..built })
    }

    fn keep(&self, built: &Built) -> io::Result<()> {
        fs_err::rename(&self.output, &self.compiled)?;
        fs_err::write(&self.built, serde_json::to_vec(built).map_err(io::Error::other)?)
    }

    /// What is of use to nobody after a run.
    fn tidy(&self) {
        for file in [&self.input, &self.output, &self.log] {
            // A run that made none of them is not worse for it.
            let _ = fs_err::remove_file(file);
        }
    }
}

/// One compilation of one model.
pub(super) struct Compilation {
    model: PathBuf,
    program: Option<PathBuf>,
    /// `None` where the model came compiled.
    files: Option<CompiledFiles>,
}

impl Compilation {
    /// # Errors
    /// The model is to be compiled, and there is nothing on this host that does.
    pub(super) fn new(
        request: &LoadRequest,
        place: &runtime::Compilation,
        comes_compiled: bool,
    ) -> Result<Self, Failure> {
        let program = request.provided.get(NeedKind::Program);
        let files = if comes_compiled { None } else { Some(CompiledFiles::new(program, place)?) };
        Ok(Self { model: request.model.clone(), program: program.map(Path::to_path_buf), files })
    }
}

impl Compiler for Compilation {
    fn build(&mut self) -> Result<Built, Failure> {
        let Some((files, program)) = self.files.as_ref().zip(self.program.as_ref()) else {
            let size_bytes = fs_err::metadata(&self.model).map_or(0, |stat| stat.len());
            return Ok(Built { seconds: None, is_kept: false, size_bytes, edge_tpu: None });
        };
        if let Some(built) = files.kept() {
            return Ok(built);
        }
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            files.tidy();
            let (report, exit) = run(program, &self.model, files)?;
            if report.is_internal_error && attempts < ATTEMPTS {
                continue;
            }
            let told = outcome::of(&report, exit, output(&files.output)).inspect_err(|_| files.tidy())?;
            let built = Built {
                seconds: Some(started.elapsed().as_secs_f64()),
                is_kept: false,
                size_bytes: fs_err::metadata(&files.output).map_or(0, |stat| stat.len()),
                edge_tpu: Some(crate::bundle::format::EdgeTpuBuild { attempts, ..told }),
            };
            files.keep(&built).map_err(|error| not_saved(&error))?;
            files.tidy();
            return Ok(built);
        }
    }
}

fn run(program: &Path, model: &Path, files: &CompiledFiles) -> Result<(Report, Exit), Failure> {
    // Not a copy: models have hundreds of megabytes, and the compiler only reads it.
    std::os::unix::fs::symlink(model, &files.input).map_err(|error| not_saved(&error))?;
    let folder = files.input.parent().unwrap_or(Path::new("/"));
    let words: Vec<OsString> =
        ["-s".into(), "-o".into(), folder.as_os_str().to_owned(), files.input.as_os_str().to_owned()].into();
    let mut report = Report::default();
    let exit = program::listen(
        program,
        &words,
        OUTPUT_BYTES,
        Stage::Build,
        "that it is made for this machine",
        &mut |piece| {
            // Nobody to read it is no reason to stop.
            let _ = io::stderr().write_all(piece);
            report.take(piece);
        },
    )?;
    report.finish();
    Ok((report, exit))
}

fn output(path: &Path) -> Output {
    match read(path) {
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
        "compile it on an x86-64 machine, `edgetpu_compiler -s MODEL.tflite`, and drop the MODEL_edgetpu.tflite that comes of it; \
         `backbone networks export` writes the models of a study",
    )
}

fn not_saved(error: &io::Error) -> Failure {
    Failure::new(
        Stage::Build,
        "compiled_model_not_saved",
        format!("can not keep the compiled model: {error}"),
    )
    .with_hint("make room on the disk of the spool")
}
