//! The executing half of TensorFlow Lite. Compiled into `backbone-worker-tflite` only, which opens
//! libtensorflowlite_c while it runs (`library.rs`).
//!
//! `tflitec` wraps the C interface and gives no reasons; the library writes them to standard error, whose
//! tail is kept with the result. `model_file` checks the file before the library sees it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use backbone::bundle::format::{LoadedModel, Stage, Tensor};
use backbone::model_file::tflite::{TfliteFile, TfliteTensor};
use backbone::runtime::fill::ElementType;
use backbone::runtime::inputs::Inputs;
use backbone::runtime::shapes;
use backbone::runtime::tflite::{RUNTIME, XNNPACK, model};
use backbone::runtime::{
    Execution, Failure, Load, LoadRequest, Loaded, NeedKind, RunError, Runtime, Session, ShownOutput, Spent,
    Task, mapped, options, said,
};
use profile::ProfiledInterpreter;
use serde_json::Value;
use tflitec::interpreter::{Interpreter, Options};
use tflitec::model::Model;
use tflitec::tensor::{self, DataType};

#[path = "library.rs"]
mod library;
#[path = "profile.rs"]
mod profile;

/// Where the library's own words are, for hints.
const SEE_LOG: &str = "the library's reason is in the worker's log tail";

/// The oldest version whose XNNPACK options are known to fit [`library::XnnpackOptions`]: read off the
/// library itself, see tools/tflite-headers/tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h. Smaller
/// structures of old versions are returned in registers, which is another calling convention.
const OLDEST_XNNPACK: (u32, u32) = (2, 17);

/// `TFLITE_XNNPACK_DELEGATE_FLAG_QS8 | …_QU8`: signed and unsigned quantised kernels, on by default since 2.3
/// and 2.4.
const QUANTISED_KERNELS: u32 = 3;

/// Loads TensorFlow Lite models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TensorFlowLite;

impl Load for TensorFlowLite {
    fn runtime(&self) -> &'static Runtime {
        &RUNTIME
    }

    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure> {
        library::open(request.provided.get(NeedKind::Library))?;
        let version = tflitec::tf_lite_version();
        let threads = options::threads(&request.options);
        let xnnpack = options::boolean(&request.options, XNNPACK.name, true);
        if xnnpack {
            check_xnnpack_layout(version)?;
        }
        let file = model::read(&request.model)?;
        let mut inputs = model::inputs(&file, request)?;
        let started = Instant::now();
        let create = || interpreter(request, threads, xnnpack);
        let prepared = match request.task {
            Task::Profile => Prepared::ToProfile(ProfiledInterpreter::create(create)?),
            _ => Prepared::ToMeasure(create()?),
        };
        allocate(prepared.interpreter(), &file, &inputs)?;
        let load = Some(started.elapsed());
        let described = fill_inputs(prepared.interpreter(), &file, &mut inputs)?;
        let first_inference = try_integers(prepared.interpreter(), &file, &mut inputs)?;
        let spent = Spent { load, first_inference };
        let outputs = describe_outputs(prepared.interpreter(), &file);
        let options = BTreeMap::from([
            (options::THREADS.name.to_owned(), Value::from(threads)),
            (XNNPACK.name.to_owned(), Value::from(xnnpack)),
        ]);
        Ok(Loaded {
            execution: prepared.into_execution(file),
            model: LoadedModel {
                version: Some(version.to_owned()),
                // The version text is in the library's own memory.
                library: mapped::file_at(version.as_ptr() as usize),
                options,
                inputs: described,
                outputs,
                filled: inputs.filled(),
                ..LoadedModel::default()
            },
            spent,
        })
    }
}

/// An interpreter, and what it is for.
enum Prepared {
    ToMeasure(Interpreter<'static>),
    ToProfile(ProfiledInterpreter),
}

impl Prepared {
    fn interpreter(&self) -> &Interpreter<'static> {
        match self {
            Self::ToMeasure(interpreter) => interpreter,
            Self::ToProfile(profiled) => profiled.interpreter(),
        }
    }

    fn into_execution(self, file: TfliteFile) -> Execution {
        match self {
            Self::ToMeasure(interpreter) => Execution::Session(Box::new(TfliteSession {
                interpreter,
                names: file.outputs.into_iter().map(|output| output.name).collect(),
            })),
            Self::ToProfile(profiled) => Execution::Profiler(Box::new(profiled)),
        }
    }
}

/// An interpreter with allocated tensors and filled inputs.
struct TfliteSession {
    interpreter: Interpreter<'static>,
    /// Names of the outputs in the file.
    names: Vec<String>,
}

impl Session for TfliteSession {
    fn run(&mut self) -> Result<(), RunError> {
        self.interpreter
            .invoke()
            .map_err(|_| RunError(format!("TensorFlow Lite refused to run the model; {SEE_LOG}")))
    }

    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        for (index, name) in self.names.iter().enumerate() {
            let tensor = self
                .interpreter
                .output(index)
                .map_err(|_| RunError(format!("TensorFlow Lite does not show output `{name}`; {SEE_LOG}")))?;
            let elements = fillable(tensor.data_type());
            let known = elements.map(|known| known.name().to_owned());
            let element_type =
                known.unwrap_or_else(|| format!("{:?}", tensor.data_type()).to_ascii_lowercase());
            let shape = sizes(tensor.shape());
            let bytes = Some(tensor.data::<u8>());
            show(ShownOutput { name, element_type: &element_type, elements, shape: &shape, bytes });
        }
        Ok(())
    }
}

fn interpreter(request: &LoadRequest, threads: u32, xnnpack: bool) -> Result<Interpreter<'static>, Failure> {
    let refused = |what: &str| {
        Failure::new(Stage::Load, "model_not_accepted", format!("TensorFlow Lite {what}")).with_hint(format!(
            "{SEE_LOG}; most often the library lacks an operator (a custom one, or one newer than the library)"
        ))
    };
    let path = request.model.to_str().ok_or_else(|| {
        Failure::new(
            Stage::Load,
            "model_not_readable",
            format!("the path {} is not UTF-8", request.model.display()),
        )
    })?;
    // Never freed: the interpreter borrows it, and both live as long as this process, which runs one trial.
    let model: &'static Model<'static> =
        Box::leak(Box::new(Model::new(path).map_err(|_| refused("could not read the model"))?));
    let options =
        Options { thread_count: i32::try_from(threads).unwrap_or(i32::MAX), is_xnnpack_enabled: xnnpack };
    Interpreter::new(model, Some(options)).map_err(|_| refused("created no interpreter for the model"))
}

fn allocate(interpreter: &Interpreter<'_>, file: &TfliteFile, inputs: &Inputs) -> Result<(), Failure> {
    if interpreter.input_tensor_count() != file.inputs.len() {
        return Err(Failure::new(
            Stage::Prepare,
            "model_not_accepted",
            format!(
                "the file declares {} inputs, but the interpreter has {}",
                file.inputs.len(),
                interpreter.input_tensor_count()
            ),
        ));
    }
    for (index, input) in file.inputs.iter().enumerate() {
        // Only if something changes: resizing undoes what the delegate has prepared.
        if !input.is_open() {
            continue;
        }
        let shape = inputs.shape(index);
        let dimensions = shape
            .iter()
            .map(|size| i32::try_from(*size).ok().and_then(|size| usize::try_from(size).ok()))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| not_allocated(&format!("input `{}` of shape {shape:?}", input.name)))?;
        interpreter
            .resize_input(index, tensor::Shape::new(dimensions))
            .map_err(|_| not_allocated(&format!("input `{}` of shape {shape:?}", input.name)))?;
    }
    interpreter.allocate_tensors().map_err(|_| not_allocated("the model's tensors"))
}

fn fill_inputs(
    interpreter: &Interpreter<'_>,
    file: &TfliteFile,
    inputs: &mut Inputs,
) -> Result<Vec<Tensor>, Failure> {
    (0..file.inputs.len()).map(|index| fill_input(interpreter, file, index, inputs)).collect()
}

fn not_allocated(what: &str) -> Failure {
    Failure::new(
        Stage::Prepare,
        "tensors_not_allocated",
        format!("TensorFlow Lite could not allocate {what}"),
    )
    .with_hint(format!(
        "{SEE_LOG}; check that the shapes under `inputs` are valid for this model and fit into memory"
    ))
}

fn fill_input(
    interpreter: &Interpreter<'_>,
    file: &TfliteFile,
    index: usize,
    inputs: &mut Inputs,
) -> Result<Tensor, Failure> {
    let declared = &file.inputs[index];
    if inputs.shape(index).contains(&0) {
        // The interpreter has no memory for it, and nothing is to be written.
        return Ok(described(declared, inputs.shape(index)));
    }
    let unsupported = || {
        Failure::new(
            Stage::Prepare,
            "unsupported_element_type",
            format!(
                "input `{}` has elements of type {}, which cannot be filled",
                declared.name, declared.element_type
            ),
        )
        .with_hint("floats of 16 to 64 bits, integers of 8 to 64 bits and bool are supported")
    };
    let tensor = interpreter.input(index).map_err(|_| unsupported())?;
    let element_type = fillable(tensor.data_type()).ok_or_else(unsupported)?;
    let shape = sizes(tensor.shape());
    let elements =
        shapes::element_count(&shape).and_then(|count| count.checked_mul(element_type.size_bytes()));
    let mut bytes = vec![0; elements.ok_or_else(|| not_allocated(&format!("input `{}`", declared.name)))?];
    inputs.fill(index, element_type, &mut bytes)?;
    interpreter.copy(&bytes, index).map_err(|error| not_filled(&declared.name, &error))?;
    Ok(described(declared, &shape))
}

/// One run before all others if the generator made what may be indices of something smaller: if the library
/// says so, on standard error, they are tried again as zeros. How long the run took, if there was one.
fn try_integers(
    interpreter: &Interpreter<'_>,
    file: &TfliteFile,
    inputs: &mut Inputs,
) -> Result<Option<Duration>, Failure> {
    if !inputs.may_hold_indices() {
        return Ok(None);
    }
    let started = Instant::now();
    if interpreter.invoke().is_ok() {
        return Ok(Some(started.elapsed()));
    }
    let (_, why) = said::while_running(|| interpreter.invoke());
    // A library that was built without its messages says nothing.
    if !why.is_empty() && !said::is_out_of_range(&why) {
        return Err(first_run_failed(format!("TensorFlow Lite refused the first run: {why}")));
    }
    for index in inputs.zero_integers() {
        let refused = |error| not_filled(&file.inputs[index].name, &error);
        let length = interpreter.input(index).map_err(refused)?.data::<u8>().len();
        interpreter.copy(&vec![0_u8; length], index).map_err(refused)?;
    }
    let started = Instant::now();
    interpreter.invoke().map_err(|_| {
        first_run_failed(format!(
            "TensorFlow Lite refused the first run, with random integers and with zeros; {SEE_LOG}"
        ))
    })?;
    Ok(Some(started.elapsed()))
}

fn first_run_failed(detail: String) -> Failure {
    Failure::new(Stage::Prepare, "run_failed", detail)
        .with_hint("check that the shapes and values under `inputs` are valid for this model")
}

fn not_filled(name: &str, error: &tflitec::Error) -> Failure {
    Failure::new(Stage::Prepare, "tensor_not_bound", format!("input `{name}` was not filled: {error}"))
}

/// As allocated; as the file declares them if the library sets the shape only when it runs.
fn describe_outputs(interpreter: &Interpreter<'_>, file: &TfliteFile) -> Vec<Tensor> {
    file.outputs
        .iter()
        .enumerate()
        .map(|(index, declared)| match interpreter.output(index) {
            Ok(tensor) => described(declared, &sizes(tensor.shape())),
            Err(_) => model::describe(declared),
        })
        .collect()
}

fn described(declared: &TfliteTensor, shape: &[u64]) -> Tensor {
    Tensor { shape: shape.iter().copied().map(Some).collect(), ..model::describe(declared) }
}

fn sizes(shape: &tensor::Shape) -> Vec<u64> {
    shape.dimensions().iter().map(|size| *size as u64).collect()
}

fn fillable(data_type: DataType) -> Option<ElementType> {
    Some(match data_type {
        DataType::Bool => ElementType::Bool,
        DataType::UInt8 => ElementType::Uint8,
        DataType::UInt16 => ElementType::Uint16,
        DataType::UInt32 => ElementType::Uint32,
        DataType::UInt64 => ElementType::Uint64,
        DataType::Int8 => ElementType::Int8,
        DataType::Int16 => ElementType::Int16,
        DataType::Int32 => ElementType::Int32,
        DataType::Int64 => ElementType::Int64,
        DataType::BFloat16 => ElementType::Bfloat16,
        DataType::Float16 => ElementType::Float16,
        DataType::Float32 => ElementType::Float32,
        DataType::Float64 => ElementType::Float64,
        DataType::Int4 | DataType::String | DataType::Complex64 | DataType::Complex128 => return None,
    })
}

/// Does the library fill in the options with the layout that our header declares to `tflitec`?
fn check_xnnpack_layout(version: &str) -> Result<(), Failure> {
    let refused = |why: String| {
        Failure::new(Stage::Start, "library_not_supported", format!("the XNNPACK delegate cannot be used: {why}")).with_hint(
            format!(
                "set `runtimes.tflite.library` to a libtensorflowlite_c.so of TensorFlow {}.{} or later, or set `xnnpack: false` under \
                 `runtime_options`",
                OLDEST_XNNPACK.0, OLDEST_XNNPACK.1
            ),
        )
    };
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let known = match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => major == OLDEST_XNNPACK.0 && minor >= OLDEST_XNNPACK.1,
        _ => false,
    };
    if !known {
        return Err(refused(format!("the library has version {version}")));
    }
    if library::function(c"TfLiteXNNPackDelegateOptionsDefault").is_null() {
        return Err(refused(format!("version {version} was built without it")));
    }
    #[expect(unsafe_code, reason = "reads the two fields that every version has")]
    // SAFETY: it is there and takes nothing; every version since 2.17 initialises at least the first 8 bytes
    // of what it returns, and the rest is not read.
    let (threads, flags) = unsafe {
        let options = library::functions::TfLiteXNNPackDelegateOptionsDefault();
        ((*options.as_ptr()).threads, (*options.as_ptr()).flags)
    };
    if threads != 0 || flags & QUANTISED_KERNELS != QUANTISED_KERNELS {
        return Err(refused(format!(
            "version {version} has unexpected defaults (threads {threads}, flags {flags:#x}), so the layout of its options differs"
        )));
    }
    Ok(())
}
