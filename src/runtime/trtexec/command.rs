//! The two command lines, for any release: one builds an engine and saves it, one times the saved engine.
//! Pure.
//!
//! Every option is spelled out even if it is the default, because defaults differ between releases. All
//! releases time the same: GPU compute time, nothing copied meanwhile, one query at a time, the host
//! spinning. `--warmUp=0 --duration=0` makes `--iterations` the exact count of queries from 7.0 on, and the
//! tag 6.0.1 knows no other way; so warm-up runs are counted, as with every runtime, and the caller tells
//! them apart.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use super::feed::ShapeWord;
use super::release::{self as option, CommandOption, Program};
use crate::bundle::format::{Fault, Stage};
use crate::runtime::{Failure, options};

/// Default of `workspace_mebibytes`: enough for the layers of the paper's networks, and free on the smallest
/// Jetson.
pub(super) const WORKSPACE_MEBIBYTES: u64 = 1024;

/// Names of the options of a job.
pub(super) const PRECISION: &str = "precision";
pub(super) const WORKSPACE: &str = "workspace_mebibytes";
pub(super) const TF32: &str = "tf32";
pub(super) const CUDA_GRAPH: &str = "cuda_graph";

/// What a job may ask for as `precision`.
pub(super) const PRECISIONS: &[&str] = &["fp32", "fp16", "int8", "int8_fp16"];

/// The release whose parser first makes integer kernels of QuantizeLinear and DequantizeLinear.
const FIRST_EXPLICIT: u32 = 8;

/// Where the integers of a network come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Int8Mode {
    /// The model defines where, and with which scales.
    Explicit,
    /// trtexec gives every tensor an invented range: the latency is representative, the results are not.
    DummyRanges,
}

impl Int8Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::DummyRanges => "dummy_ranges",
        }
    }
}

/// What a job asks for, adapted to the program and the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// One of [`PRECISIONS`]; `None` if the release takes it from the model alone.
    precision: Option<&'static str>,
    int8_mode: Option<Int8Mode>,
    workspace_mebibytes: u64,
    uses_tf32: bool,
    uses_cuda_graph: bool,
}

impl Settings {
    /// Adapt the job's options to the program, and to whether the model contains QuantizeLinear or
    /// DequantizeLinear nodes.
    ///
    /// # Errors
    /// This release cannot run the model in that precision; nothing was started.
    pub(crate) fn new(
        program: &Program,
        is_quantised: bool,
        asked: &BTreeMap<String, Value>,
    ) -> Result<Self, Box<Failure>> {
        let word = asked.get(PRECISION).and_then(Value::as_str);
        let word = PRECISIONS.iter().copied().find(|known| Some(*known) == word);
        let precision = precision(program, is_quantised, word)?;
        let is_int8 = precision.map_or(is_quantised, |precision| precision.starts_with("int8"));
        let mode = if is_quantised { Int8Mode::Explicit } else { Int8Mode::DummyRanges };
        Ok(Self {
            precision,
            int8_mode: is_int8.then_some(mode),
            workspace_mebibytes: asked.get(WORKSPACE).and_then(Value::as_u64).unwrap_or(WORKSPACE_MEBIBYTES),
            uses_tf32: options::boolean(asked, TF32, false),
            uses_cuda_graph: options::boolean(asked, CUDA_GRAPH, false),
        })
    }

    /// Every option in force, for the bundle, and the words of both command lines except paths.
    pub(crate) fn in_force(&self, program: &Program, shapes: &[ShapeWord]) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::from([
            (PRECISION.to_owned(), self.precision.unwrap_or("of_model").into()),
            (WORKSPACE.to_owned(), self.workspace_mebibytes.into()),
            (TF32.to_owned(), self.uses_tf32.into()),
            (CUDA_GRAPH.to_owned(), self.uses_cuda_graph.into()),
            ("build_flags".to_owned(), self.build_flags(program, shapes).into()),
            ("timing_flags".to_owned(), self.timing_flags(program, shapes).into()),
        ]);
        if let Some(mode) = self.int8_mode {
            found.insert("int8_mode".to_owned(), mode.name().into());
        }
        found
    }

    /// The words of the build's command line except paths: what an engine depends on in addition to model,
    /// release and GPU.
    pub(crate) fn build_flags(&self, program: &Program, shapes: &[ShapeWord]) -> Vec<String> {
        let mut line = Words { program, words: Vec::new() };
        line.set(&option::DEVICE, 0);
        line.switch(&option::EXPLICIT_BATCH);
        line.shapes(shapes);
        let workspace = self.workspace_mebibytes;
        if program.knows(&option::MEMORY_POOL) {
            line.set(&option::MEMORY_POOL, format!("workspace:{workspace}"));
        } else {
            line.set(&option::WORKSPACE, workspace);
        }
        if self.precision.is_some_and(|precision| precision.ends_with("fp16")) {
            line.switch(&option::FP16);
        }
        if self.precision.is_some_and(|precision| precision.starts_with("int8")) {
            line.switch(&option::INT8);
        }
        if !self.uses_tf32 {
            line.switch(&option::NO_TF32);
        }
        // Older programs run the engine once more after they saved it, which costs only time.
        if program.knows(&option::SKIP_INFERENCE) {
            line.switch(&option::SKIP_INFERENCE);
        } else {
            line.switch(&option::BUILD_ONLY);
        }
        line.words
    }

    /// The words of the timing's command line except paths and counts.
    pub(crate) fn timing_flags(&self, program: &Program, shapes: &[ShapeWord]) -> Vec<String> {
        let mut line = Words { program, words: Vec::new() };
        line.set(&option::DEVICE, 0);
        line.switch(&option::EXPLICIT_BATCH);
        line.shapes(shapes);
        line.set(&option::WARM_UP, 0);
        line.set(&option::DURATION, 0);
        line.set(&option::AVERAGE_RUNS, 1);
        line.set(&option::STREAMS, 1);
        line.switch(&option::SPIN_WAIT);
        line.switch(&option::NO_TRANSFERS);
        line.switch(&option::EXPOSE_TRANSFERS);
        line.switch(if self.uses_cuda_graph { &option::CUDA_GRAPH } else { &option::NO_CUDA_GRAPH });
        line.words
    }
}

/// The words of the command line that shows the outputs, except paths: one query, with what it computes
/// copied back.
pub(crate) fn output_flags(program: &Program, shapes: &[ShapeWord]) -> Vec<String> {
    let mut line = Words { program, words: Vec::new() };
    line.set(&option::DEVICE, 0);
    line.switch(&option::EXPLICIT_BATCH);
    line.shapes(shapes);
    line.set(&option::ITERATIONS, 1);
    line.set(&option::WARM_UP, 0);
    line.set(&option::DURATION, 0);
    line.set(&option::AVERAGE_RUNS, 1);
    line.set(&option::STREAMS, 1);
    line.switch(&option::INCLUDE_TRANSFERS);
    line.words
}

/// The precision that the builder is asked for.
fn precision(
    program: &Program,
    is_quantised: bool,
    asked: Option<&'static str>,
) -> Result<Option<&'static str>, Box<Failure>> {
    let release = program.release;
    let refuse = |reason: &str, detail: String, hint: &str| {
        Err(Box::new(Failure::new(Stage::Prepare, reason, detail).with_hint(hint)))
    };
    if !program.knows(&option::INT8) {
        return match asked {
            None => Ok(None),
            Some(asked) => refuse(
                "precision_of_model",
                format!(
                    "TensorRT {release} takes the precision from the model, but the job sets `precision: {asked}`"
                ),
                "leave out `runtime_options.precision`, and use a model in that precision",
            ),
        };
    }
    match (is_quantised, asked) {
        (true, _) if release.major() < FIRST_EXPLICIT => {
            let detail = format!(
                "TensorRT {release} cannot run a model with QuantizeLinear and DequantizeLinear nodes"
            );
            let hint = "use the fp32 model of the same network with `runtime_options: {precision: int8}`, which gives \
                        every tensor an invented range; or use TensorRT 8.0 or later";
            let failure =
                Failure::new(Stage::Prepare, "quantised_model_not_supported", detail).with_hint(hint);
            Err(Box::new(failure.with_fault(Fault::Model)))
        }
        (true, Some(asked @ ("fp32" | "fp16"))) => refuse(
            "quantised_model_needs_int8",
            format!("the model is quantised, but `precision: {asked}` forbids its integers"),
            "leave out `runtime_options.precision`, or use the fp32 model of the same network",
        ),
        (true, None) => Ok(Some("int8")),
        (false, None) => Ok(Some("fp32")),
        (_, Some(asked)) => Ok(Some(asked)),
    }
}

struct Words<'a> {
    program: &'a Program,
    words: Vec<String>,
}

impl Words<'_> {
    fn switch(&mut self, option: &CommandOption) {
        if self.program.knows(option) {
            self.words.push(option.name.to_owned());
        }
    }

    fn set(&mut self, option: &CommandOption, value: impl std::fmt::Display) {
        if self.program.knows(option) {
            self.words.push(format!("{}={value}", option.name));
        }
    }

    /// Shapes of inputs that the model leaves open, and values of inputs that are shapes.
    fn shapes(&mut self, shapes: &[ShapeWord]) {
        if shapes.is_empty() {
            return;
        }
        let one = |(name, shape): &ShapeWord| {
            let sizes: Vec<String> = shape.iter().map(i64::to_string).collect();
            format!("{name}:{}", sizes.join("x"))
        };
        self.set(&option::SHAPES, shapes.iter().map(one).collect::<Vec<_>>().join(","));
    }
}

/// The whole command line that builds `engine` from `model`.
pub(crate) fn build(
    flags: Vec<String>,
    program: &Program,
    model: &Path,
    engine: &Path,
    timings: &Path,
) -> Vec<OsString> {
    let mut words = vec![with_path(&option::ONNX, model), with_path(&option::SAVE_ENGINE, engine)];
    if program.knows(&option::TIMING_CACHE) {
        words.push(with_path(&option::TIMING_CACHE, timings));
    }
    words.extend(flags.into_iter().map(OsString::from));
    words
}

/// The whole command line that runs `engine` so many times. The times are exported if the release can do that
/// without slowing what it times.
pub(crate) fn time(
    flags: Vec<String>,
    program: &Program,
    engine: &Path,
    times: &Path,
    runs: u64,
) -> Vec<OsString> {
    let mut words = vec![with_path(&option::LOAD_ENGINE, engine)];
    if program.knows(&option::EXPORT_TIMES) {
        words.push(with_path(&option::EXPORT_TIMES, times));
    }
    words.push(format!("{}={runs}", option::ITERATIONS.name).into());
    words.extend(flags.into_iter().map(OsString::from));
    words
}

/// The whole command line that profiles `engine`, its layers' times going to `profile`.
///
/// # Errors
/// The release writes no such file.
pub(crate) fn profile(
    flags: Vec<String>,
    program: &Program,
    engine: &Path,
    profile: &Path,
    runs: u64,
) -> Result<Vec<OsString>, Failure> {
    if !program.knows(&option::EXPORT_PROFILE) {
        let detail = format!("TensorRT {} writes no profile", program.version);
        return Err(Failure::new(Stage::Timing, "profile_not_supported", detail)
            .with_hint("leave out `runtime_options.profile`"));
    }
    let mut words =
        vec![with_path(&option::LOAD_ENGINE, engine), with_path(&option::EXPORT_PROFILE, profile)];
    words.push(format!("{}={runs}", option::ITERATIONS.name).into());
    words.extend(flags.into_iter().map(OsString::from));
    Ok(words)
}

/// The whole command line that runs `engine` once and writes what it computes to `outputs`; `None` if the
/// release cannot.
pub(crate) fn outputs(
    flags: Vec<String>,
    program: &Program,
    engine: &Path,
    outputs: &Path,
) -> Option<Vec<OsString>> {
    program.knows(&option::EXPORT_OUTPUT).then(|| {
        let paths = [with_path(&option::LOAD_ENGINE, engine), with_path(&option::EXPORT_OUTPUT, outputs)];
        paths.into_iter().chain(flags.into_iter().map(OsString::from)).collect()
    })
}

fn with_path(option: &CommandOption, path: &Path) -> OsString {
    let mut word = OsString::from(option.name);
    word.push("=");
    word.push(path);
    word
}

/// Where trtexec is to read the elements of inputs.
pub(super) fn load_inputs(value: &str) -> OsString {
    with_path(&option::LOAD_INPUTS, Path::new(value))
}
