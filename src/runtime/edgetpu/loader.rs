//! The executing half: compiles a model, or loads and runs what was compiled. For a worker only.

use std::path::Path;

use super::compile::{Compilation, CompiledFiles};
use super::{OPERATOR, RUNTIME, session};
use crate::bundle::format::{LoadedModel, Stage, Tensor};
use crate::model_file::Dimension;
use crate::model_file::tflite::{self, FileTensor, ModelFile};
use crate::runtime::{Execution, Failure, Load, LoadRequest, Loaded, NeedKind, Runtime, Task};

/// Compiles models for the Edge TPU and runs them on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeTpuRuntime;

impl Load for EdgeTpuRuntime {
    fn runtime(&self) -> &'static Runtime {
        &RUNTIME
    }

    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure> {
        let place = request.compilation.as_ref().ok_or_else(|| {
            Failure::new(
                Stage::Start,
                "request_not_readable",
                "the request names no place for compiled models",
            )
            .with_hint("workers are started by `backbone` itself, of the same version")
        })?;
        let model = read(&request.model)?;
        let comes_compiled = is_compiled(&model);
        match request.task {
            Task::Build => {
                let compilation = Compilation::new(request, place, comes_compiled)?;
                Ok(Loaded {
                    execution: Execution::Compiler(Box::new(compilation)),
                    model: LoadedModel {
                        library: request.provided.get(NeedKind::Program).map(Path::to_path_buf),
                        inputs: model.inputs.iter().map(tensor).collect(),
                        outputs: model.outputs.iter().map(tensor).collect(),
                        ..LoadedModel::default()
                    },
                })
            }
            Task::Measure | Task::Profile if comes_compiled => session::load(request, &request.model, &model),
            Task::Measure | Task::Profile => {
                let compiled = CompiledFiles::new(request.provided.get(NeedKind::Program), place)?.compiled;
                let missing = |_| {
                    Failure::new(
                        Stage::Prepare,
                        "compiled_model_missing",
                        "the model that was compiled is gone",
                    )
                    .with_hint("`backbone retry` compiles it again")
                };
                let model = read(&compiled).map_err(missing)?;
                session::load(request, &compiled, &model)
            }
        }
    }
}

/// Is this a model that the compiler made?
pub(super) fn is_compiled(model: &ModelFile) -> bool {
    model.custom_operators.iter().any(|name| name == OPERATOR)
}

pub(super) fn read(path: &Path) -> Result<ModelFile, Failure> {
    let refused = |detail: String| {
        Failure::new(Stage::Load, "model_not_readable", detail)
            .with_hint("upload the file again; was it converted to the end?")
    };
    let bytes = fs_err::read(path).map_err(|error| refused(error.to_string()))?;
    tflite::read(&bytes)
        .map_err(|fault| refused(format!("the model is not a sound TensorFlow Lite file: {fault}")))
}

pub(super) fn tensor(declared: &FileTensor) -> Tensor {
    let size = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Open(_) => None,
    };
    Tensor {
        name: declared.name.clone(),
        element_type: declared.element_type.clone(),
        shape: declared.shape.iter().map(size).collect(),
    }
}
