//! The executing half of ONNX Runtime: one session with everything bound before it is timed.
//!
//! Inputs and outputs are bound through I/O binding. Inputs are copied once to where the provider wants them.
//! The first run, which also shows which provider runs which node, reserves the outputs for all later runs.
//! The clock covers one C call on three pointers, and for CUDA devices one more that waits for the device;
//! `ort`'s own `run_binding` collects the outputs at each run, which would be timed too.
//!
//! A plug-in's outputs are copied to main memory in each run. The library does not reliably wait for a
//! plug-in's device: one plug-in returned from both calls after 0.08 ms with most of the work still to do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::ptr;
use std::time::{Duration, Instant};

use ort::AsPointer;
use ort::memory::MemoryInfo;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session as OrtSession};
use ort::sys;
use ort::value::{DynTensor, Outlet, TensorElementType, ValueType};

use super::declared;
use super::library::checked;
use super::placement::{Profile, by_provider, profiled};
use super::provider::{OutputsOn, Provider};
use super::tensor::{fillable, name_of, show_tensor};
use super::{CPU_PROVIDER, GRAPH_OPTIMIZATION, REBOUND_OUTPUTS, RUNTIME, failures, library, provider};
use crate::bundle::format::{Fault, FilledInput, Layer, LoadedModel, ProviderNodes, Stage, Tensor};
use crate::runtime::inputs::Inputs;
use crate::runtime::shapes;
use crate::runtime::{
    Execution, Failure, Load, LoadRequest, Loaded, NeedKind, Options, Profiler, RunError, Runtime, Session,
    ShownOutput, Spent, Task, mapped, options, said,
};

/// Loads ONNX models.
#[derive(Debug, Clone, Copy)]
pub struct OnnxRuntime;

impl Load for OnnxRuntime {
    fn runtime(&self) -> &'static Runtime {
        &RUNTIME
    }

    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure> {
        let before = mapped::libraries();
        library::prepare();
        provider::prepare(&request.options);
        let library = library::open(request.provided.get(NeedKind::Library))?;
        let mut opened = open_model(&library, request, true)?;
        let profile = match request.task {
            // It goes on until all runs are done.
            Task::Profile | Task::Shapes => Some(opened.profile.take().ok_or_else(no_profile)?),
            _ => None,
        };
        let mut bound = opened.bind(request)?;
        let mut libraries = mapped::libraries();
        // Builds with CUDA's own tracing keep tracing until the profiled session is dropped.
        let is_tracing = libraries.iter().any(|file| file.to_string_lossy().contains(TRACING_LIBRARY));
        if is_tracing && profile.is_none() {
            let providers = bound.providers;
            drop(bound.session);
            bound = Bound { providers, ..open_model(&library, request, false)?.bind(request)? };
        }
        bound.providers.iter_mut().filter_map(|share| share.library.as_mut()).for_each(|file| {
            as_mapped(file, &libraries);
        });
        let execution = match profile {
            Some(mut profile) if request.task == Task::Shapes => {
                Execution::Shapes(profile.end_with_shapes(&mut bound.session.session)?)
            }
            Some(profile) => {
                Execution::Profiler(Box::new(ProfiledSession { session: bound.session, profile }))
            }
            None => Execution::Session(Box::new(bound.session)),
        };
        libraries.retain(|file| !before.contains(file) && Some(file) != library.file.as_ref());
        Ok(Loaded {
            execution,
            model: LoadedModel {
                version: library.version,
                library: library.file,
                options: bound.options,
                inputs: bound.inputs,
                outputs: bound.outputs,
                filled: bound.filled,
                providers: bound.providers,
                libraries: libraries.into_iter().collect(),
                placed: None,
            },
            spent: bound.spent,
        })
    }
}

/// CUDA's library for tracing.
const TRACING_LIBRARY: &str = "libcupti";

/// If the system's loader found another file of the expected name, that file.
pub(super) fn as_mapped(expected: &mut PathBuf, mapped: &BTreeSet<PathBuf>) {
    if !mapped.contains(expected)
        && let Some(found) = mapped.iter().find(|file| file.file_name() == expected.file_name())
    {
        expected.clone_from(found);
    }
}

/// A session whose inputs and outputs are bound.
pub(super) struct OnnxSession {
    run_with_binding: unsafe extern "system" fn(
        *mut sys::OrtSession,
        *const sys::OrtRunOptions,
        *const sys::OrtIoBinding,
    ) -> sys::OrtStatusPtr,
    /// For a provider that may still be working when a run returns.
    synchronize: Option<unsafe extern "system" fn(*mut sys::OrtIoBinding) -> sys::OrtStatusPtr>,
    session_pointer: *mut sys::OrtSession,
    binding_pointer: *mut sys::OrtIoBinding,
    /// Outputs that come with another shape than the file declares. The library makes them, but refuses to
    /// write to them again.
    misdeclared: Vec<String>,
    memory: MemoryInfo<'static>,
    // Dropped in this order: the binding refers to the session.
    binding: IoBinding,
    session: OrtSession,
}

impl Session for OnnxSession {
    #[expect(unsafe_code, reason = "the C calls that are timed; ort's own run_binding allocates at each run")]
    fn run(&mut self) -> Result<(), RunError> {
        // Of few models, and then a part of their latency: such an output cannot be reused.
        for output in &self.misdeclared {
            self.binding.bind_output_to_device(output, &self.memory).map_err(run_error)?;
        }
        // SAFETY: both pointers belong to values that this struct owns and does not touch meanwhile; no run
        // options are given, which the library documents as allowed; &mut self keeps out a second run.
        let status =
            unsafe { (self.run_with_binding)(self.session_pointer, ptr::null(), self.binding_pointer) };
        checked(status).map_err(run_error)?;
        if let Some(synchronize) = self.synchronize {
            // SAFETY: as above.
            let status = unsafe { synchronize(self.binding_pointer) };
            checked(status).map_err(run_error)?;
        }
        Ok(())
    }

    /// Runs once more: the library's wrapper shows outputs as the result of a run only, and those on a device
    /// have to be bound to main memory first.
    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        if self.synchronize.is_some() {
            let memory = OutputsOn::Host.memory().map_err(run_error)?;
            for output in self.session.outputs() {
                self.binding.bind_output_to_device(output.name(), &memory).map_err(run_error)?;
            }
        }
        let names: Vec<String> =
            self.session.outputs().iter().map(|output| output.name().to_owned()).collect();
        let mut outputs = self.session.run_binding(&self.binding).map_err(run_error)?;
        for name in &names {
            let value =
                outputs.remove(name).ok_or_else(|| RunError(format!("output `{name}` is not there")))?;
            show_tensor(name, &value.downcast().map_err(run_error)?, show)?;
        }
        Ok(())
    }
}

/// A session whose profile goes on until all runs are done.
struct ProfiledSession {
    session: OnnxSession,
    profile: Profile,
}

fn no_profile() -> Failure {
    let detail = "ONNX Runtime keeps no profile; the log tail says why";
    Failure::new(Stage::Load, "profile_not_supported", detail)
        .with_hint("leave out `runtime_options.profile`")
}

impl Profiler for ProfiledSession {
    fn profile(&mut self, warm_up_runs: u32, runs: u32) -> Result<Vec<Layer>, Failure> {
        for _ in 0..warm_up_runs.saturating_add(runs) {
            self.session.run().map_err(|error| {
                Failure::new(Stage::Timing, "run_failed", format!("ONNX Runtime refused a run: {error}"))
            })?;
        }
        self.profile.end_timed(&mut self.session.session, runs)
    }
}

fn run_error(error: ort::Error) -> RunError {
    RunError(error.message().to_owned())
}

/// A session, and what is known about it before it runs.
pub(super) struct Opened {
    session: OrtSession,
    provider: Provider,
    profile: Option<Profile>,
    /// Options in force.
    options: Options,
    spent: Duration,
}

/// A session that is ready, and what its first run showed.
pub(super) struct Bound {
    pub(super) session: OnnxSession,
    pub(super) options: Options,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    filled: Vec<FilledInput>,
    pub(super) providers: Vec<ProviderNodes>,
    spent: Spent,
}

/// Create the session; with `is_profiled`, one that writes a profile until [`Opened::bind`] ends it.
pub(super) fn open_model(
    library: &library::Library,
    request: &LoadRequest,
    is_profiled: bool,
) -> Result<Opened, Failure> {
    let threads = options::threads(&request.options);
    let optimization = options::choice(&request.options, GRAPH_OPTIMIZATION, "all");
    let level = match optimization {
        "disable" => GraphOptimizationLevel::Disable,
        "basic" => GraphOptimizationLevel::Level1,
        "extended" => GraphOptimizationLevel::Level2,
        _ => GraphOptimizationLevel::All,
    };
    let builder = OrtSession::builder(&library.environment)
        .and_then(|builder| Ok(builder.with_intra_threads(threads as usize)?))
        .and_then(|builder| Ok(builder.with_optimization_level(level)?))
        .map_err(|error| {
            Failure::new(
                Stage::Load,
                "options_not_accepted",
                format!("ONNX Runtime refused the options: {error}"),
            )
            .with_hint("leave out `runtime_options` to use the library's defaults")
        })?;
    let (builder, mut provider) = provider::add(builder, library, request)?;
    let mut in_force = Options::from([
        (options::THREADS.name.to_owned(), threads.into()),
        (GRAPH_OPTIMIZATION.to_owned(), optimization.into()),
    ]);
    in_force.append(&mut provider.options);
    let (mut builder, folder) = if is_profiled { profiled(builder) } else { (builder, None) };
    let started = Instant::now();
    let session = builder
        .commit_from_file(&request.model)
        .map_err(|error| no_session(&provider, error.message().trim_end()))?;
    let spent = started.elapsed();
    Ok(Opened { session, provider, profile: folder.map(Profile::hold), options: in_force, spent })
}

fn no_session(provider: &Provider, why: &str) -> Failure {
    if provider.name == CPU_PROVIDER {
        return Failure::new(
            Stage::Load,
            "model_not_readable",
            format!("ONNX Runtime refused the model: {why}"),
        )
        .with_hint(
            "check the file with onnx.checker, and that this version of the library supports its opset",
        );
    }
    let detail = format!("ONNX Runtime created no session for {}: {why}", provider.name);
    let failure = |reason| Failure::new(Stage::Load, reason, detail.clone());
    if failures::says_out_of_memory(why) {
        return failure("out_of_memory")
            .with_hint("it does not fit into the device's memory: measure a smaller batch or input");
    }
    // The words of the TensorRT provider, of two releases.
    if ["could not build engine", "failed to create engine"].iter().any(|words| why.contains(words)) {
        return failure("engine_not_built")
            .with_hint("see the log tail for TensorRT's own words")
            .with_fault(Fault::Model);
    }
    failure("session_refused").with_hint(
        "check whether `provider: cpu` accepts the model; the library's words name the device or the node",
    )
}

impl Opened {
    pub(super) fn bind(self, request: &LoadRequest) -> Result<Bound, Failure> {
        let Self { mut session, provider, profile, mut options, spent } = self;
        let declared = declared::inputs(&session, &request.model)?;
        let described: Vec<Tensor> = session.inputs().iter().map(|input| describe(input, &[])).collect();
        let inputs = Inputs::plan(&declared, &request.inputs, request.seed)?;
        let mut inputs = inputs.like(&request.filled_like, &described)?;
        let mut binding = session.create_binding().map_err(|error| not_bound("", &error))?;
        for (index, input) in session.inputs().iter().enumerate() {
            let tensor = filled_tensor(&session, input, index, &mut inputs)?;
            binding.bind_input(input.name(), &tensor).map_err(|error| not_bound(input.name(), &error))?;
        }
        binding.synchronize_inputs().map_err(|error| not_bound("", &error))?;
        session.outputs().iter().try_for_each(is_supported)?;
        // The first run reserves them in that memory, and the later ones reuse them.
        let memory = provider.outputs_on.memory().map_err(|error| not_bound("", &error))?;
        for output in session.outputs() {
            binding
                .bind_output_to_device(output.name(), &memory)
                .map_err(|error| not_bound(output.name(), &error))?;
        }
        let mut started = Instant::now();
        let output_shapes = match first_run(&mut session, &binding) {
            Ok(shapes) => shapes,
            Err(error) => {
                let why = error.message().to_owned();
                if !said::is_out_of_range(&why) || !zeroed(&session, &mut binding, &mut inputs)? {
                    return Err(refused_first_run(&why));
                }
                started = Instant::now();
                first_run(&mut session, &binding).map_err(|error| refused_first_run(error.message()))?
            }
        };
        let spent = Spent { load: Some(spent), first_inference: Some(started.elapsed()) };
        let output_shapes = session
            .outputs()
            .iter()
            .zip(output_shapes)
            .map(|(output, shape)| shape.ok_or_else(|| came_without_shape(output.name())))
            .collect::<Result<Vec<_>, _>>()?;
        let ran = match profile {
            Some(profile) => profile.end(&mut session)?,
            None => None,
        };
        let described = |outlets: &[Outlet], shapes: &[Vec<u64>]| {
            outlets.iter().zip(shapes).map(|(outlet, shape)| describe(outlet, shape)).collect::<Vec<_>>()
        };
        let misdeclared = misdeclared(session.outputs(), &output_shapes);
        if !misdeclared.is_empty() {
            options.insert(REBOUND_OUTPUTS.to_owned(), misdeclared.clone().into());
        }
        let input_shapes: Vec<Vec<u64>> =
            inputs.planned().iter().map(|input| input.shape.sizes.clone()).collect();
        Ok(Bound {
            options,
            inputs: described(session.inputs(), &input_shapes),
            outputs: described(session.outputs(), &output_shapes),
            filled: inputs.filled(),
            providers: by_provider(&provider, ran),
            spent,
            session: OnnxSession {
                run_with_binding: ort::api().RunWithBinding,
                synchronize: matches!(provider.outputs_on, OutputsOn::Cuda(_))
                    .then_some(ort::api().SynchronizeBoundOutputs),
                session_pointer: session.ptr().cast_mut(),
                binding_pointer: binding.ptr_mut(),
                misdeclared,
                memory,
                binding,
                session,
            },
        })
    }
}

#[cfg(test)]
impl OnnxSession {
    /// One more run, and its first output, a tensor of floats: its address and its values.
    pub(super) fn first_output(&mut self) -> (usize, Vec<f32>) {
        let outputs = self.session.run_binding(&self.binding).unwrap();
        let (_, values) = outputs[0].try_extract_tensor::<f32>().unwrap();
        (values.as_ptr() as usize, values.to_vec())
    }
}

fn is_supported(output: &Outlet) -> Result<(), Failure> {
    match output.dtype() {
        ValueType::Tensor { ty, .. } if *ty != TensorElementType::String => Ok(()),
        other => Err(Failure::new(
            Stage::Prepare,
            "unsupported_output",
            format!("output `{}` is {other}, for which no memory can be reserved", output.name()),
        )
        .with_hint("only models whose outputs are tensors of numbers can be measured")),
    }
}

fn filled_tensor(
    session: &OrtSession,
    input: &Outlet,
    index: usize,
    inputs: &mut Inputs,
) -> Result<DynTensor, Failure> {
    let declared = element_type_of(input);
    let element_type = fillable(declared).ok_or_else(|| {
        Failure::new(
            Stage::Prepare,
            "unsupported_element_type",
            format!(
                "input `{}` has elements of type {}, which cannot be filled",
                input.name(),
                name_of(declared)
            ),
        )
        .with_hint("floats of 16 to 64 bits, integers of 8 to 64 bits and bool are supported")
    })?;
    let shape = inputs.shape(index);
    let mut tensor = new_tensor(session, input.name(), declared, shape)?;
    let size = shapes::element_count(shape).unwrap_or(0) * element_type.size_bytes();
    let start = tensor.data_ptr_mut().cast::<u8>();
    // A tensor without elements has no bytes, and its pointer may be any.
    let bytes = if size == 0 || start.is_null() {
        &mut []
    } else {
        #[expect(unsafe_code, reason = "writes the tensor's bytes, whatever their type")]
        // SAFETY: the tensor is in main memory and was made with this type and shape, so it has `size`
        // initialised bytes (`ort` sets them to zero), and nothing else refers to it yet.
        unsafe {
            std::slice::from_raw_parts_mut(start, size)
        }
    };
    inputs.fill(index, element_type, bytes)?;
    Ok(tensor)
}

/// Bind zeros in place of the integers that the job did not give. False if there are none.
fn zeroed(session: &OrtSession, binding: &mut IoBinding, inputs: &mut Inputs) -> Result<bool, Failure> {
    let changed = inputs.zero_integers();
    for index in &changed {
        let input = &session.inputs()[*index];
        // Its elements are zeros as it is made.
        let tensor = new_tensor(session, input.name(), element_type_of(input), inputs.shape(*index))?;
        binding.bind_input(input.name(), &tensor).map_err(|error| not_bound(input.name(), &error))?;
    }
    binding.synchronize_inputs().map_err(|error| not_bound("", &error))?;
    Ok(!changed.is_empty())
}

fn new_tensor(
    session: &OrtSession,
    name: &str,
    element_type: TensorElementType,
    shape: &[u64],
) -> Result<DynTensor, Failure> {
    let too_large = || {
        Failure::new(
            Stage::Prepare,
            "tensor_too_large",
            format!("no memory for tensor `{name}` of shape {shape:?}"),
        )
        .with_hint("use smaller shapes under `inputs`")
    };
    // Checked before the library multiplies. No element is larger than 16 bytes.
    let elements = shapes::element_count(shape).ok_or_else(too_large)?;
    if elements > isize::MAX as usize / 16 {
        return Err(too_large());
    }
    let dimensions: Vec<i64> = shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    DynTensor::new(session.allocator(), element_type, dimensions).map_err(|_| too_large())
}

fn not_bound(name: &str, error: &ort::Error) -> Failure {
    Failure::new(
        Stage::Prepare,
        "tensor_not_bound",
        format!("ONNX Runtime could not bind tensor `{name}`: {error}"),
    )
}

/// The run before the timed ones: it reserves the outputs, and their shapes are those of all later runs;
/// `None` for an output that came without one.
fn first_run(session: &mut OrtSession, binding: &IoBinding) -> Result<Vec<Option<Vec<u64>>>, ort::Error> {
    let names: Vec<String> = session.outputs().iter().map(|output| output.name().to_owned()).collect();
    let outputs = session.run_binding(binding)?;
    let shape = |name: &String| {
        let shape = outputs.get(name)?.dtype().tensor_shape()?.clone();
        shape.iter().map(|size| u64::try_from(*size).ok()).collect()
    };
    Ok(names.iter().map(shape).collect())
}

fn refused_first_run(why: &str) -> Failure {
    let reason = if failures::says_out_of_memory(why) { "out_of_memory" } else { "run_failed" };
    let hint = if said::is_out_of_range(why) {
        "give indices that this model has under `inputs`, as in `inputs: {ids: {range: [0, 99]}}`"
    } else {
        "check that the shapes and values under `inputs` are valid for this model and fit into memory"
    };
    Failure::new(Stage::Prepare, reason, format!("ONNX Runtime refused the first run: {why}")).with_hint(hint)
}

/// Outputs whose shape is not the one that the file declares.
fn misdeclared(outlets: &[Outlet], shapes: &[Vec<u64>]) -> Vec<String> {
    let differs = |(outlet, shape): &(&Outlet, &Vec<u64>)| {
        outlet.dtype().tensor_shape().is_some_and(|declared| {
            let fixed = |size: i64| u64::try_from(size).ok();
            declared.len() != shape.len()
                || declared
                    .iter()
                    .zip(shape.iter())
                    .any(|(said, is)| fixed(*said).is_some_and(|said| said != *is))
        })
    };
    outlets.iter().zip(shapes).filter(differs).map(|(outlet, _)| outlet.name().to_owned()).collect()
}

fn came_without_shape(output: &str) -> Failure {
    Failure::new(Stage::Prepare, "unsupported_output", format!("output `{output}` came without a shape"))
}

fn describe(outlet: &Outlet, shape: &[u64]) -> Tensor {
    Tensor {
        name: outlet.name().to_owned(),
        element_type: name_of(element_type_of(outlet)),
        shape: shape.iter().copied().map(Some).collect(),
        quantization: None,
    }
}

fn element_type_of(outlet: &Outlet) -> TensorElementType {
    outlet.dtype().tensor_type().unwrap_or(TensorElementType::Undefined)
}
