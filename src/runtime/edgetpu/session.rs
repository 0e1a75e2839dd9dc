//! Loading a compiled model and running it: TensorFlow Lite with libedgetpu as its delegate. For a worker
//! only.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use edgefirst_tflite::{Delegate, DelegateOptions, Error, Interpreter, Library, Model, TensorType};
use serde_json::Value;

use super::{ALWAYS_LOAD_FIRMWARE, DELEGATE_FILE, DEVICE, OPERATOR, PERFORMANCE, QUEUE_LENGTH, is_compiled};
use crate::bundle::format::{LoadedModel, Stage};
use crate::model_file::tflite::TfliteFile;
use crate::runtime::fill::ElementType;
use crate::runtime::inputs::Inputs;
use crate::runtime::tflite::model;
use crate::runtime::{
    Execution, Failure, LoadRequest, Loaded, NeedKind, RunError, Session, ShownOutput, Spent, mapped,
    options, said,
};

/// Where the libraries' own words are, for hints.
const SEE_LOG: &str = "the library's reason is in the worker's log tail";

/// The functions of TensorFlow Lite that are called. The wrapper panics if one is missing.
const NEEDED: &[&CStr] = &[
    c"TfLiteVersion",
    c"TfLiteModelCreate",
    c"TfLiteInterpreterOptionsCreate",
    c"TfLiteInterpreterOptionsSetNumThreads",
    c"TfLiteInterpreterOptionsAddDelegate",
    c"TfLiteInterpreterCreate",
    c"TfLiteInterpreterAllocateTensors",
    c"TfLiteInterpreterInvoke",
    c"TfLiteInterpreterGetInputTensorCount",
    c"TfLiteInterpreterGetInputTensor",
    c"TfLiteInterpreterGetOutputTensorCount",
    c"TfLiteInterpreterGetOutputTensor",
    c"TfLiteTensorType",
    c"TfLiteTensorByteSize",
    c"TfLiteTensorData",
];

/// Texts in libedgetpu that tell half clock (`libedgetpu1-std`) and full clock (`libedgetpu1-max`) apart.
const BUILDS: &[(&[u8], &str)] = &[(b"PERFORMANCE=THROTTLED", "std"), (b"PERFORMANCE=DIRECT", "max")];

/// Load `compiled`, which `file` describes.
///
/// # Errors
/// A library is missing or does not fit, or there is no Edge TPU that it may use.
pub(super) fn load(request: &LoadRequest, compiled: &Path, file: &TfliteFile) -> Result<Loaded, Failure> {
    if !is_compiled(file) {
        // Without the operator the delegate takes no node and reports nothing, and the processor runs
        // everything.
        let detail = format!("{} contains no `{OPERATOR}`", compiled.display());
        return Err(Failure::new(Stage::Load, "model_not_compiled", detail)
            .with_hint("compile it with edgetpu_compiler, or use `runtime: tflite`"));
    }
    let library = tensorflow_lite(request.provided.get(NeedKind::Library))?;
    let version = version_of(library);
    let name = request.provided.get(NeedKind::Delegate).unwrap_or(Path::new(DELEGATE_FILE));
    let asked = delegate_options(&request.options);
    let delegate =
        asked.iter().fold(DelegateOptions::new(), |options, (key, value)| options.option(*key, value));
    let delegate =
        Delegate::load_with_options(name, &delegate).map_err(|error| not_delegated(name, &error))?;
    let threads = options::threads(&request.options);
    let started = Instant::now();
    let bytes = fs_err::read(compiled)
        .map_err(|error| Failure::new(Stage::Load, "model_not_readable", error.to_string()))?;
    let refused = |what: &str, error: &Error| {
        Failure::new(Stage::Load, "model_not_accepted", format!("TensorFlow Lite {what}: {error}"))
            .with_hint(SEE_LOG)
    };
    // Never freed: the interpreter borrows it, and both live as long as this process, which runs one trial.
    let model: &'static Model<'static> = Box::leak(Box::new(
        Model::from_bytes(library, bytes).map_err(|error| refused("could not read the model", &error))?,
    ));
    let mut interpreter = Interpreter::builder(library)
        .map_err(|error| refused("created no interpreter", &error))?
        .num_threads(i32::try_from(threads).unwrap_or(i32::MAX))
        .delegate(delegate)
        .build(model)
        .map_err(|error| refused("created no interpreter for the model", &error))?;
    let load = Some(started.elapsed());
    let (inputs, first_inference) = filled(&mut interpreter, file, request)?;
    let spent = Spent { load, first_inference };
    let found = delegate_of(name);
    let mut in_force: BTreeMap<String, Value> =
        asked.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();
    in_force.insert(options::THREADS.name.to_owned(), threads.into());
    in_force.insert("tflite_version".to_owned(), version.clone().into());
    in_force.insert("libedgetpu_build".to_owned(), found.build.into());
    Ok(Loaded {
        execution: Execution::Session(Box::new(DelegateSession {
            interpreter,
            names: file.outputs.iter().map(|output| output.name.clone()).collect(),
        })),
        model: LoadedModel {
            version: found.version.or(version),
            library: found.file,
            options: in_force,
            inputs: file.inputs.iter().map(model::describe).collect(),
            filled: inputs.filled(),
            outputs: file.outputs.iter().map(model::describe).collect(),
            ..LoadedModel::default()
        },
        spent,
    })
}

/// An interpreter with allocated tensors and filled inputs.
struct DelegateSession {
    interpreter: Interpreter<'static>,
    /// Names of the outputs in the file.
    names: Vec<String>,
}

impl Session for DelegateSession {
    fn run(&mut self) -> Result<(), RunError> {
        self.interpreter.invoke().map_err(|error| {
            RunError(format!("TensorFlow Lite refused to run the model: {error}; {SEE_LOG}"))
        })
    }

    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        let refused = |error: Error| RunError(format!("TensorFlow Lite does not show its outputs: {error}"));
        for (tensor, name) in self.interpreter.outputs().map_err(refused)?.iter().zip(&self.names) {
            let elements = fillable(tensor.tensor_type());
            let known = elements.map(|known| known.name().to_owned());
            let element_type =
                known.unwrap_or_else(|| format!("{:?}", tensor.tensor_type()).to_ascii_lowercase());
            let shape: Vec<u64> = tensor.shape().map_err(refused)?.iter().map(|size| *size as u64).collect();
            let bytes = Some(tensor.as_bytes().map_err(refused)?);
            show(ShownOutput { name, element_type: &element_type, elements, shape: &shape, bytes });
        }
        Ok(())
    }
}

fn tensorflow_lite(path: Option<&Path>) -> Result<&'static Library, Failure> {
    let found = path.map_or_else(Library::new, Library::from_path);
    let hint =
        "set `runtimes.edgetpu.library` to a libtensorflowlite_c.so of the same TensorFlow as libedgetpu";
    let library = found.map_err(|error| {
        Failure::new(Stage::Load, "library_not_found", format!("cannot load TensorFlow Lite: {error}"))
            .with_hint(hint)
    })?;
    for symbol in NEEDED {
        #[expect(unsafe_code, reason = "asks the library for a name and does not use what it gives")]
        // SAFETY: the symbol is not called or read; any type will do.
        let is_there =
            unsafe { library.as_sys().library().get::<*const ()>(symbol.to_bytes_with_nul()) }.is_ok();
        if !is_there {
            let detail = format!("the library exports no {}", symbol.to_string_lossy());
            return Err(Failure::new(Stage::Load, "library_not_supported", detail).with_hint(hint));
        }
    }
    // Never freed, like all that borrows from it.
    Ok(Box::leak(Box::new(library)))
}

fn version_of(library: &Library) -> Option<String> {
    #[expect(unsafe_code, reason = "the wrapper does not tell the version")]
    // SAFETY: exported, as was checked; it takes nothing and returns a static C string or null.
    let version = unsafe { library.as_sys().TfLiteVersion() };
    if version.is_null() {
        return None;
    }
    #[expect(unsafe_code, reason = "reads a C string")]
    // SAFETY: not null, and static.
    let version = unsafe { CStr::from_ptr(version) };
    Some(version.to_string_lossy().into_owned())
}

/// In libedgetpu's words. Every other option takes effect only with a numbered device, so one is named then.
fn delegate_options(asked: &BTreeMap<String, Value>) -> Vec<(&'static str, String)> {
    let mut device = match options::choice(asked, DEVICE, "any") {
        "any" => String::new(),
        device => device.to_owned(),
    };
    let mut found = Vec::new();
    if let Some(performance) = asked.get(PERFORMANCE).and_then(Value::as_str) {
        let mut word = performance.to_owned();
        word[..1].make_ascii_uppercase();
        found.push(("Performance", word));
    }
    if let Some(always) = asked.get(ALWAYS_LOAD_FIRMWARE).and_then(Value::as_bool) {
        found.push(("Usb.AlwaysDfu", if always { "True" } else { "False" }.to_owned()));
    }
    if let Some(length) = asked.get(QUEUE_LENGTH).and_then(Value::as_u64) {
        found.push(("Usb.MaxBulkInQueueLength", length.to_string()));
    }
    if !found.is_empty() && !device.contains(':') {
        device.push_str(":0");
    }
    if !device.is_empty() {
        found.push((DEVICE, device));
    }
    found
}

fn not_delegated(name: &Path, error: &Error) -> Failure {
    let failure = |reason: &str, detail: String| Failure::new(Stage::Load, reason, detail);
    if error.is_library_error() {
        let detail = format!("cannot load {}: {error}", name.display());
        return failure("delegate_not_found", detail).with_hint(
            "install libedgetpu1-std or libedgetpu1-max, or set `runtimes.edgetpu.delegate` in the configuration to the file",
        );
    }
    failure("delegate_refused", format!("{} provides no delegate and gives no reason", name.display()))
        .with_hint("check that an Edge TPU is connected, and that it is of the kind that `runtime_options.device` names")
}

/// Fill the inputs. Integers that are out of range, as the library says on standard error, are tried again as
/// zeros. Also how long the first run took, if there was one.
fn filled(
    interpreter: &mut Interpreter<'_>,
    file: &TfliteFile,
    request: &LoadRequest,
) -> Result<(Inputs, Option<Duration>), Failure> {
    let mut inputs = model::inputs(file, request)?;
    fill(interpreter, file, &mut inputs)?;
    if !inputs.may_hold_indices() {
        return Ok((inputs, None));
    }
    let started = Instant::now();
    if interpreter.invoke().is_ok() {
        return Ok((inputs, Some(started.elapsed())));
    }
    let (_, why) = said::while_running(|| interpreter.invoke());
    // A library that was built without its messages says nothing.
    if !why.is_empty() && !said::is_out_of_range(&why) {
        return Err(first_run_failed(why));
    }
    let mut tensors = interpreter.inputs_mut().map_err(|error| not_bound(error.to_string()))?;
    for index in inputs.zero_integers() {
        let zeros = vec![0; tensors[index].byte_size()];
        tensors[index]
            .copy_from_bytes(&zeros)
            .map_err(|error| not_filled(&file.inputs[index].name, &error))?;
    }
    drop(tensors);
    let started = Instant::now();
    interpreter.invoke().map_err(|error| first_run_failed(format!("{error}; {SEE_LOG}")))?;
    Ok((inputs, Some(started.elapsed())))
}

fn first_run_failed(why: String) -> Failure {
    Failure::new(Stage::Prepare, "run_failed", format!("TensorFlow Lite refused the first run: {why}"))
        .with_hint("check that the values under `inputs` are valid for this model, and see the log tail")
}

fn not_bound(detail: String) -> Failure {
    Failure::new(Stage::Prepare, "tensor_not_bound", detail)
}

fn not_filled(name: &str, error: &Error) -> Failure {
    not_bound(format!("input `{name}` was not filled: {error}"))
}

fn fill(interpreter: &mut Interpreter<'_>, file: &TfliteFile, inputs: &mut Inputs) -> Result<(), Failure> {
    let mut tensors = interpreter.inputs_mut().map_err(|error| not_bound(error.to_string()))?;
    if tensors.len() != file.inputs.len() {
        let counts = (file.inputs.len(), tensors.len());
        return Err(not_bound(format!(
            "the file declares {} inputs, but the interpreter has {}",
            counts.0, counts.1
        )));
    }
    for (index, (bound, declared)) in tensors.iter_mut().zip(&file.inputs).enumerate() {
        let element_type = fillable(bound.tensor_type()).ok_or_else(|| {
            let detail = format!("input `{}` has elements of type {}", declared.name, declared.element_type);
            Failure::new(Stage::Prepare, "unsupported_element_type", detail).with_hint(
                "the Edge TPU takes 8-bit integers; the part that stays on the processor may take floats",
            )
        })?;
        let mut bytes = vec![0; bound.byte_size()];
        inputs.fill(index, element_type, &mut bytes)?;
        bound.copy_from_bytes(&bytes).map_err(|error| not_filled(&declared.name, &error))?;
    }
    Ok(())
}

fn fillable(element_type: TensorType) -> Option<ElementType> {
    Some(match element_type {
        TensorType::UInt8 => ElementType::Uint8,
        TensorType::Int8 => ElementType::Int8,
        TensorType::Int16 => ElementType::Int16,
        TensorType::Int32 => ElementType::Int32,
        TensorType::Float32 => ElementType::Float32,
        _ => return None,
    })
}

/// What is known of the delegate's library.
#[derive(Default)]
struct DelegateLibrary {
    version: Option<String>,
    file: Option<PathBuf>,
    build: Option<&'static str>,
}

/// The library that was loaded under that name.
#[expect(unsafe_code, reason = "asks the C library for its version")]
fn delegate_of(name: &Path) -> DelegateLibrary {
    type Version = unsafe extern "C" fn() -> *const libc::c_char;

    let Ok(name) = CString::new(name.as_os_str().as_bytes()) else { return DelegateLibrary::default() };
    // SAFETY: the name is a C string; RTLD_NOLOAD opens nothing new. The handle is kept: the library stays
    // open anyway.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if library.is_null() {
        return DelegateLibrary::default();
    }
    // SAFETY: a handle from dlopen and C strings.
    let (plugin, version) = unsafe {
        (
            libc::dlsym(library, c"tflite_plugin_create_delegate".as_ptr()),
            libc::dlsym(library, c"edgetpu_version".as_ptr()),
        )
    };
    let file = mapped::file_at(plugin as usize);
    let version = (!version.is_null())
        .then(|| {
            // SAFETY: libedgetpu exports it with this signature; it returns a static C string or null.
            let text = unsafe { std::mem::transmute::<*mut libc::c_void, Version>(version)() };
            // SAFETY: not null, and static.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        })
        .flatten();
    let bytes = file.as_ref().and_then(|file| fs_err::read(file).ok()).unwrap_or_default();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let build = BUILDS.iter().find(|(text, _)| holds(text)).map(|(_, build)| *build);
    DelegateLibrary { version, file, build }
}
