//! The executing half of ONNX Runtime: one session with everything bound before it is timed.
//!
//! Inputs and outputs are tensors in the session's own memory, bound through I/O binding. What is timed is one C call on
//! three pointers; `ort`'s own `run_binding` collects the outputs at each run and would be measured with it.
//!
//! Where the model does not declare its output shapes, one run before the warm-up finds them.

use std::collections::BTreeMap;
use std::ptr;

use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session as OrtSession};
use ort::sys;
use ort::value::{DynTensor, Outlet, TensorElementType, ValueType};
use serde_json::Value;

use super::{RUNTIME, library};
use crate::bundle::format::{Stage, Tensor};
use crate::runtime::fill::{ElementType, Generator};
use crate::runtime::shapes::{self, DeclaredInput, Dimension};
use crate::runtime::{Execution, Failure, Load, LoadRequest, Loaded, RunError, Runtime, Session, options};

/// Loads ONNX models.
#[derive(Debug, Clone, Copy)]
pub struct Loader;

impl Load for Loader {
    fn runtime(&self) -> &'static Runtime {
        &RUNTIME
    }

    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure> {
        let library = library::open(request.library.as_deref())?;
        let (session, options) = open_model(&library, request)?;
        let (bound, inputs, outputs) = BoundSession::bind(session, request)?;
        Ok(Loaded {
            execution: Execution::Session(Box::new(bound)),
            version: library.version,
            library: library.file,
            options,
            inputs,
            outputs,
        })
    }
}

/// A session whose inputs and outputs are bound.
pub(super) struct BoundSession {
    run_with_binding: unsafe extern "system" fn(
        *mut sys::OrtSession,
        *const sys::OrtRunOptions,
        *const sys::OrtIoBinding,
    ) -> sys::OrtStatusPtr,
    session_pointer: *mut sys::OrtSession,
    binding_pointer: *const sys::OrtIoBinding,
    // Dropped in this order: the binding refers to the tensors and the session.
    _binding: IoBinding,
    _outputs: Vec<DynTensor>,
    _session: OrtSession,
}

impl Session for BoundSession {
    #[expect(
        unsafe_code,
        reason = "the one C call that is timed; ort's own run_binding allocates at each run"
    )]
    fn run(&mut self) -> Result<(), RunError> {
        // SAFETY: both pointers belong to values that this struct owns and does not touch meanwhile; no run options are given,
        // which the library documents as allowed; &mut self keeps out a second run.
        let status =
            unsafe { (self.run_with_binding)(self.session_pointer, ptr::null(), self.binding_pointer) };
        if status.0.is_null() {
            return Ok(());
        }
        // SAFETY: a status that the library just returned and that nobody else frees.
        match unsafe { ort::Error::result_from_status(status) } {
            Ok(()) => Ok(()),
            Err(error) => Err(RunError(error.message().to_owned())),
        }
    }
}

pub(super) fn open_model(
    library: &library::Library,
    request: &LoadRequest,
) -> Result<(OrtSession, BTreeMap<String, Value>), Failure> {
    let threads = options::threads(&request.options);
    let provider = options::choice(&request.options, "provider", "cpu");
    let optimization = options::choice(&request.options, "graph_optimization", "all");
    let level = match optimization {
        "disable" => GraphOptimizationLevel::Disable,
        "basic" => GraphOptimizationLevel::Level1,
        "extended" => GraphOptimizationLevel::Level2,
        _ => GraphOptimizationLevel::All,
    };
    let in_force = BTreeMap::from([
        (options::THREADS.name.to_owned(), Value::from(threads)),
        ("provider".to_owned(), Value::from(provider)),
        ("graph_optimization".to_owned(), Value::from(optimization)),
    ]);
    let mut builder = OrtSession::builder(&library.environment)
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
    let session = builder.commit_from_file(&request.model).map_err(|error| {
        Failure::new(
            Stage::Load,
            "model_not_readable",
            format!("ONNX Runtime refused the model: {}", error.message()),
        )
        .with_hint("check the file with onnx.checker, and that its opset is known to the library's version")
    })?;
    Ok((session, in_force))
}

impl BoundSession {
    pub(super) fn bind(
        mut session: OrtSession,
        request: &LoadRequest,
    ) -> Result<(Self, Vec<Tensor>, Vec<Tensor>), Failure> {
        let declared = session.inputs().iter().map(declared_input).collect::<Result<Vec<_>, _>>()?;
        let inputs = shapes::resolve(&declared, &request.inputs)?;
        let mut tensors = Vec::new();
        let mut generator = Generator::new(request.seed);
        for (input, shape) in session.inputs().iter().zip(&inputs) {
            tensors.push(filled_tensor(&session, input, shape, &mut generator)?);
        }
        let binding = bind_inputs(&session, &tensors)?;
        let shapes =
            match session.outputs().iter().map(static_shape).collect::<Result<Option<Vec<_>>, _>>()? {
                Some(shapes) => shapes,
                None => shapes_after_one_run(&mut session, binding)?,
            };
        // A fresh binding: outputs that were bound to a device come back in another order once they are bound again.
        let mut binding = bind_inputs(&session, &tensors)?;
        let mut outputs = Vec::new();
        for (output, shape) in session.outputs().iter().zip(&shapes) {
            let mut tensor = new_tensor(&session, output.name(), element_type_of(output), shape)?;
            binding
                .bind_output(output.name(), &mut tensor)
                .map_err(|error| not_bound(output.name(), &error))?;
            outputs.push(tensor);
        }
        let described = |outlets: &[Outlet], shapes: &[Vec<u64>]| {
            outlets.iter().zip(shapes).map(|(outlet, shape)| describe(outlet, shape)).collect::<Vec<_>>()
        };
        let descriptions = (described(session.inputs(), &inputs), described(session.outputs(), &shapes));
        let bound = Self {
            run_with_binding: ort::api().RunWithBinding,
            session_pointer: session.ptr().cast_mut(),
            binding_pointer: binding.ptr(),
            _binding: binding,
            _outputs: outputs,
            _session: session,
        };
        Ok((bound, descriptions.0, descriptions.1))
    }
}

#[cfg(test)]
impl BoundSession {
    /// The bytes of the first output, a tensor of floats.
    pub(super) fn first_output(&self) -> Vec<f32> {
        self._outputs[0]
            .try_extract_tensor::<f32>()
            .map_or_else(|_| Vec::new(), |(_, values)| values.to_vec())
    }
}

fn declared_input(input: &Outlet) -> Result<DeclaredInput, Failure> {
    let ValueType::Tensor { shape, dimension_symbols, .. } = input.dtype() else {
        return Err(Failure::new(
            Stage::Prepare,
            "unsupported_input",
            format!("input `{}` is not a tensor but {}", input.name(), input.dtype()),
        )
        .with_hint("only models whose inputs are tensors can be measured"));
    };
    let shape = shape
        .iter()
        .zip(dimension_symbols.iter())
        .map(|(size, symbol)| match u64::try_from(*size) {
            Ok(size) => Dimension::Fixed(size),
            Err(_) => Dimension::Open((!symbol.is_empty()).then(|| symbol.clone())),
        })
        .collect();
    Ok(DeclaredInput { name: input.name().to_owned(), shape })
}

/// `None` where a dimension is open.
fn static_shape(output: &Outlet) -> Result<Option<Vec<u64>>, Failure> {
    match output.dtype() {
        ValueType::Tensor { ty, shape, .. } if *ty != TensorElementType::String => {
            Ok(shape.iter().map(|size| u64::try_from(*size).ok()).collect())
        }
        other => Err(Failure::new(
            Stage::Prepare,
            "unsupported_output",
            format!("output `{}` is {other}, for which no memory can be set aside", output.name()),
        )
        .with_hint("only models whose outputs are tensors of numbers can be measured")),
    }
}

fn filled_tensor(
    session: &OrtSession,
    input: &Outlet,
    shape: &[u64],
    generator: &mut Generator,
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
        .with_hint("floats of 16 to 64 bits, integers of 8 to 64 bits and bool can")
    })?;
    let mut tensor = new_tensor(session, input.name(), declared, shape)?;
    let size = shapes::element_count(shape).unwrap_or(0) * element_type.size_bytes();
    let start = tensor.data_ptr_mut().cast::<u8>();
    if size > 0 && !start.is_null() {
        #[expect(unsafe_code, reason = "writes the tensor's bytes, whatever their type")]
        // SAFETY: the tensor is in main memory, was made with this type and shape, hence holds `size` initialised bytes (`ort` sets
        // them to zero), and nobody else refers to it yet.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start, size) };
        generator.fill(element_type, bytes);
    }
    Ok(tensor)
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
        .with_hint("give smaller shapes below `inputs`")
    };
    // Checked before the library multiplies: 16 bytes is the largest element there is.
    let elements = shapes::element_count(shape).ok_or_else(too_large)?;
    if elements > isize::MAX as usize / 16 {
        return Err(too_large());
    }
    let dimensions: Vec<i64> = shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    DynTensor::new(session.allocator(), element_type, dimensions).map_err(|_| too_large())
}

fn bind_inputs(session: &OrtSession, tensors: &[DynTensor]) -> Result<IoBinding, Failure> {
    let mut binding = session.create_binding().map_err(|error| not_bound("", &error))?;
    for (input, tensor) in session.inputs().iter().zip(tensors) {
        binding.bind_input(input.name(), tensor).map_err(|error| not_bound(input.name(), &error))?;
    }
    Ok(binding)
}

fn not_bound(name: &str, error: &ort::Error) -> Failure {
    Failure::new(
        Stage::Prepare,
        "tensor_not_bound",
        format!("ONNX Runtime did not bind tensor `{name}`: {error}"),
    )
}

/// The model leaves output shapes open: they are what one run with these inputs gives.
fn shapes_after_one_run(session: &mut OrtSession, mut binding: IoBinding) -> Result<Vec<Vec<u64>>, Failure> {
    let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)
        .map_err(|error| not_bound("", &error))?;
    let names: Vec<String> = session.outputs().iter().map(|output| output.name().to_owned()).collect();
    for name in &names {
        binding.bind_output_to_device(name, &memory).map_err(|error| not_bound(name, &error))?;
    }
    let outputs = session.run_binding(&binding).map_err(|error| {
        Failure::new(
            Stage::Prepare,
            "run_failed",
            format!("ONNX Runtime refused the run that finds the output shapes: {}", error.message()),
        )
        .with_hint("do the shapes below `inputs` suit the model?")
    })?;
    names
        .iter()
        .map(|name| {
            let shape = outputs.get(name).and_then(|value| value.dtype().tensor_shape().cloned());
            shape.and_then(|shape| shape.iter().map(|size| u64::try_from(*size).ok()).collect()).ok_or_else(
                || {
                    Failure::new(
                        Stage::Prepare,
                        "unsupported_output",
                        format!("output `{name}` came without a shape"),
                    )
                },
            )
        })
        .collect()
}

fn describe(outlet: &Outlet, shape: &[u64]) -> Tensor {
    Tensor {
        name: outlet.name().to_owned(),
        element_type: name_of(element_type_of(outlet)),
        shape: shape.iter().copied().map(Some).collect(),
    }
}

fn element_type_of(outlet: &Outlet) -> TensorElementType {
    outlet.dtype().tensor_type().unwrap_or(TensorElementType::Undefined)
}

fn fillable(element_type: TensorElementType) -> Option<ElementType> {
    Some(match element_type {
        TensorElementType::Bool => ElementType::Bool,
        TensorElementType::Int8 => ElementType::Int8,
        TensorElementType::Uint8 => ElementType::Uint8,
        TensorElementType::Int16 => ElementType::Int16,
        TensorElementType::Uint16 => ElementType::Uint16,
        TensorElementType::Int32 => ElementType::Int32,
        TensorElementType::Uint32 => ElementType::Uint32,
        TensorElementType::Int64 => ElementType::Int64,
        TensorElementType::Uint64 => ElementType::Uint64,
        TensorElementType::Float16 => ElementType::Float16,
        TensorElementType::Bfloat16 => ElementType::Bfloat16,
        TensorElementType::Float32 => ElementType::Float32,
        TensorElementType::Float64 => ElementType::Float64,
        _ => return None,
    })
}

fn name_of(element_type: TensorElementType) -> String {
    fillable(element_type)
        .map_or_else(|| format!("{element_type:?}").to_ascii_lowercase(), |known| known.name().to_owned())
}
