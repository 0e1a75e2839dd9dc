//! The executing half: reads the model's inputs and outputs, adapts the options to the program, builds and
//! times. For a worker only.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::command::{self, Settings};
use super::engines::{self, EngineFiles};
use super::feed::Feed;
use super::release::{self, Release};
use super::{RUNTIME, run, times};
use super::{exported, outcome};
use crate::bundle::format::{Layer, LoadedModel, Stage, Tensor};
use crate::model_file::Dimension;
use crate::model_file::onnx::{self, Border, BorderTensor};
use crate::runtime::fill::ElementType;
use crate::runtime::inputs::{Inputs, PlannedInput};
use crate::runtime::shapes::DeclaredInput;
use crate::runtime::{
    Built, Compiler, Execution, Failure, Load, LoadRequest, Loaded, NeedKind, Profiler, Program, RunError,
    Runtime, SelfTimed, ShownOutput, Spent, Task,
};

/// Protocol buffers count in signed 32 bits.
const LARGEST_MODEL_BYTES: u64 = i32::MAX as u64;

/// Builds engines from ONNX models and times them.
#[derive(Debug, Clone, Copy)]
pub struct TensorRt;

impl Load for TensorRt {
    fn runtime(&self) -> &'static Runtime {
        &RUNTIME
    }

    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure> {
        let compilation = request.compilation.as_ref().ok_or_else(|| {
            Failure::new(Stage::Start, "request_not_readable", "the request has no folder for engines")
                .with_hint("only `backbone` of the same version starts workers")
        })?;
        let path = request.provided.get(NeedKind::Program).ok_or_else(|| {
            Failure::new(Stage::Start, "program_not_found", "this host has no trtexec").with_hint(
                "install TensorRT's samples, which include /usr/src/tensorrt/bin/trtexec, or set `runtimes.trtexec.program` in the \
                 configuration to the program",
            )
        })?;
        let program = program(path, &compilation.folder)?;
        let border = border(&request.model)?;
        let declared: Vec<DeclaredInput> = border.inputs.iter().map(declared).collect();
        let mut inputs = Inputs::plan(&declared, &request.inputs, request.seed)?;
        let settings =
            Settings::new(&program, border.is_quantised, &request.options).map_err(|failure| *failure)?;
        let feed = Feed::plan(&program, &border, &mut inputs, &compilation.folder)?;
        let build_flags = settings.build_flags(&program, &feed.shapes);
        let options = settings.in_force(&program, &feed.shapes);
        let version = program.version.clone();
        let files = EngineFiles::new(compilation, &version, &build_flags);
        files.remove_inputs();
        let load_inputs = match request.task {
            Task::Build | Task::Outputs | Task::Shapes => None,
            Task::Measure | Task::Profile => feed.write(&border, &mut inputs, &|index| files.input(index))?,
        };
        let trtexec = Box::new(Trtexec {
            files,
            timing_flags: settings.timing_flags(&program, &feed.shapes),
            output_flags: command::output_flags(&program, &feed.shapes),
            outputs: border.outputs.iter().map(tensor).collect(),
            build_flags,
            load_inputs,
            model: request.model.clone(),
            path: path.to_owned(),
            program,
        });
        let bound = |(input, planned): (&BorderTensor, &PlannedInput)| Tensor {
            shape: planned.shape.sizes.iter().copied().map(Some).collect(),
            ..tensor(input)
        };
        Ok(Loaded {
            execution: match request.task {
                Task::Build => Execution::Compiler(trtexec),
                Task::Measure | Task::Outputs | Task::Shapes => Execution::Program(trtexec),
                Task::Profile => Execution::Profiler(trtexec),
            },
            model: LoadedModel {
                version: Some(version),
                library: Some(path.to_owned()),
                options,
                inputs: border.inputs.iter().zip(inputs.planned()).map(bound).collect(),
                filled: inputs.filled(),
                outputs: border.outputs.iter().map(tensor).collect(),
                ..LoadedModel::default()
            },
            spent: Spent::default(),
        })
    }
}

/// One build of one model.
struct Trtexec {
    path: PathBuf,
    program: release::Program,
    model: PathBuf,
    files: EngineFiles,
    build_flags: Vec<String>,
    timing_flags: Vec<String>,
    output_flags: Vec<String>,
    /// The outputs that the model declares.
    outputs: Vec<Tensor>,
    /// The value of `--loadInputs`, if there are files for it.
    load_inputs: Option<String>,
}

impl Compiler for Trtexec {
    fn build(&mut self) -> Result<Built, Failure> {
        if let Some(built) = self.files.engine.kept() {
            return Ok(built);
        }
        let flags = self.build_flags.clone();
        let words =
            command::build(flags, &self.program, &self.model, &self.files.partial, &self.files.timings);
        let started = Instant::now();
        let ran = run::run(self.program(), &words, 0, Stage::Build);
        let seconds = started.elapsed().as_secs_f64();
        let size =
            ran.and_then(|(report, exit)| outcome::of_build(&report, exit, self.files.written_bytes()));
        let size_bytes = size.inspect_err(|_| self.files.forget())?;
        let built = Built { seconds: Some(seconds), is_kept: false, size_bytes, edge_tpu: None };
        self.files.engine.keep(&self.files.partial, &built).map_err(|error| {
            Failure::new(Stage::Build, "engine_not_saved", format!("cannot keep the engine: {error}"))
                .with_hint("free space on the spool's disk")
        })?;
        Ok(built)
    }
}

impl Program for Trtexec {
    fn time(&mut self, warm_up_runs: u32, timed_runs: u32) -> Result<SelfTimed, Failure> {
        self.engine_is_there()?;
        let runs = u64::from(warm_up_runs) + u64::from(timed_runs);
        let flags = self.timing_flags.clone();
        let words = command::time(flags, &self.program, &self.files.engine.compiled, &self.files.times, runs);
        let words = self.with_inputs(words);
        // It may be left from a run that was killed.
        let _ = fs_err::remove_file(&self.files.times);
        let ran = run::run(self.program(), &words, runs, Stage::Timing);
        let (report, exit) = ran.inspect_err(|_| self.files.remove_inputs())?;
        let exported = fs_err::read(&self.files.times).ok().and_then(|text| times::parse(&text));
        let _ = fs_err::remove_file(&self.files.times);
        let timed = outcome::of_timing(&report, exit, exported, warm_up_runs as usize, timed_runs as usize);
        if let Some(failure) = &timed.failure {
            self.files.remove_inputs();
            if failure.reason == "engine_mismatch" {
                self.files.forget();
            }
        }
        Ok(timed)
    }

    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        let text = self.exported_outputs();
        self.files.remove_inputs();
        let _ = fs_err::remove_file(&self.files.outputs);
        let text = text.map_err(RunError)?;
        let exported = exported::parse(&text)
            .ok_or_else(|| RunError("trtexec wrote its outputs in a form that is not known".to_owned()))?;
        for declared in &self.outputs {
            let output = exported
                .iter()
                .find(|output| output.name == declared.name)
                .ok_or_else(|| RunError(format!("trtexec wrote no output `{}`", declared.name)))?;
            let elements = ElementType::of_name(&declared.element_type);
            let bytes = elements.and_then(|elements| output.bytes(elements));
            show(ShownOutput {
                name: &declared.name,
                element_type: &declared.element_type,
                elements: elements.filter(|_| bytes.is_some()),
                shape: &output.shape,
                bytes: bytes.as_deref(),
            });
        }
        Ok(())
    }
}

impl Profiler for Trtexec {
    /// trtexec warms up by time, whatever the job asks for.
    fn profile(&mut self, _warm_up_runs: u32, runs: u32) -> Result<Vec<Layer>, Failure> {
        self.engine_is_there()?;
        let runs = u64::from(runs);
        let flags = self.timing_flags.clone();
        let words =
            command::profile(flags, &self.program, &self.files.engine.compiled, &self.files.times, runs)?;
        let words = self.with_inputs(words);
        let _ = fs_err::remove_file(&self.files.times);
        let ran = run::run(self.program(), &words, runs, Stage::Timing);
        self.files.remove_inputs();
        let (report, exit) = ran?;
        let exported = fs_err::read(&self.files.times);
        let _ = fs_err::remove_file(&self.files.times);
        outcome::of_profile(&report, exit, &exported.unwrap_or_default())
    }
}

impl Trtexec {
    fn program(&self) -> (&Path, Release) {
        (&self.path, self.program.release)
    }

    /// What one more query computes, as trtexec writes it; or why there is nothing.
    fn exported_outputs(&self) -> Result<String, String> {
        let (engine, file) = (&self.files.engine.compiled, &self.files.outputs);
        let words = command::outputs(self.output_flags.clone(), &self.program, engine, file)
            .ok_or_else(|| format!("trtexec of TensorRT {} shows no outputs", self.program.version))?;
        let _ = fs_err::remove_file(file);
        let ran = run::run(self.program(), &self.with_inputs(words), 1, Stage::Report);
        let (report, exit) = ran.map_err(|failure| failure.detail)?;
        if let Some(failure) = outcome::of_outputs(&report, exit) {
            return Err(format!("the run that shows the outputs failed: {}", failure.detail));
        }
        let size = fs_err::metadata(file).map_err(|error| error.to_string())?.len();
        if size > exported::LARGEST_BYTES {
            return Err(format!("trtexec wrote {size} bytes of outputs, more than are read"));
        }
        let bytes = fs_err::read(file).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn with_inputs(&self, mut words: Vec<OsString>) -> Vec<OsString> {
        words.extend(self.load_inputs.as_deref().map(command::load_inputs));
        words
    }

    fn engine_is_there(&self) -> Result<(), Failure> {
        if self.files.engine.kept().is_some() {
            return Ok(());
        }
        Err(Failure::new(Stage::Prepare, "engine_missing", "the engine is gone").with_hint(
            "`backbone retry` builds it again; do not change the spool's folder `engines` during a measurement",
        ))
    }
}

/// The release of this program; asked again only if its file changed.
fn program(path: &Path, folder: &Path) -> Result<release::Program, Failure> {
    let kept = engines::help_file(folder, path);
    let known = kept.as_ref().and_then(|file| fs_err::read_to_string(file).ok());
    if let Some(program) = known.as_deref().and_then(release::Program::from_help) {
        return Ok(program);
    }
    let text = run::help(path)?;
    let program = release::Program::from_help(&text).ok_or_else(|| {
        let shown: String = text.lines().take(3).collect::<Vec<_>>().join(" / ");
        let detail =
            format!("{} is not trtexec of TensorRT 6 or later; its help text is `{shown}`", path.display());
        Failure::new(Stage::Start, "program_not_understood", detail)
            .with_hint("set `runtimes.trtexec.program` in the configuration to another program")
    })?;
    if let Some(file) = kept {
        // Without it the next worker asks again.
        let _ = fs_err::write(file, text);
    }
    Ok(program)
}

fn border(model: &Path) -> Result<Border, Failure> {
    let not_readable = |detail: String| {
        Failure::new(Stage::Load, "model_not_readable", detail)
            .with_hint("check the file with onnx.checker, and export it again")
    };
    let size = fs_err::metadata(model).map_err(|error| not_readable(error.to_string()))?.len();
    if size > LARGEST_MODEL_BYTES {
        return Err(not_readable(format!(
            "an .onnx file has at most {LARGEST_MODEL_BYTES} bytes, but this one has {size}"
        )));
    }
    let bytes = fs_err::read(model).map_err(|error| not_readable(error.to_string()))?;
    onnx::border(&bytes).map_err(|error| not_readable(error.to_string()))
}

fn declared(input: &BorderTensor) -> DeclaredInput {
    DeclaredInput { name: input.name.clone(), shape: input.shape.clone() }
}

fn tensor(tensor: &BorderTensor) -> Tensor {
    let shape = tensor.shape.iter().flatten().map(Dimension::fixed).collect();
    Tensor { name: tensor.name.clone(), element_type: tensor.element_type.clone(), shape, quantization: None }
}
