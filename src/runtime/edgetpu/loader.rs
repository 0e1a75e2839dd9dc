//! The executing half: compiles a model, or loads and runs what was compiled. For a worker only.

use std::path::Path;

use super::compile::{CompiledFiles, EdgeTpuCompiler};
use super::{RUNTIME, is_compiled, session};
use crate::bundle::format::{LoadedModel, Stage};
use crate::runtime::tflite::model;
use crate::runtime::{Execution, Failure, Load, LoadRequest, Loaded, NeedKind, Runtime, Spent, Task};

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
                "the request has no folder for compiled models",
            )
            .with_hint("only `backbone` of the same version starts workers")
        })?;
        let file = model::read(&request.model)?;
        let comes_compiled = is_compiled(&file);
        match request.task {
            Task::Build => {
                let compiler = EdgeTpuCompiler::new(request, place, comes_compiled)?;
                Ok(Loaded {
                    execution: Execution::Compiler(Box::new(compiler)),
                    model: LoadedModel {
                        library: request.provided.get(NeedKind::Program).map(Path::to_path_buf),
                        inputs: file.inputs.iter().map(model::describe).collect(),
                        outputs: file.outputs.iter().map(model::describe).collect(),
                        ..LoadedModel::default()
                    },
                    spent: Spent::default(),
                })
            }
            Task::Measure | Task::Profile | Task::Outputs | Task::Shapes if comes_compiled => {
                session::load(request, &request.model, &file)
            }
            Task::Measure | Task::Profile | Task::Outputs | Task::Shapes => {
                let compiled =
                    CompiledFiles::new(request.provided.get(NeedKind::Program), place)?.model.compiled;
                let missing = |_| {
                    Failure::new(Stage::Prepare, "compiled_model_missing", "the compiled model is gone")
                        .with_hint("`backbone retry` compiles it again")
                };
                let file = model::read(&compiled).map_err(missing)?;
                session::load(request, &compiled, &file)
            }
        }
    }
}
