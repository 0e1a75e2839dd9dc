//! TensorFlow Lite files in a worker: read and checked before a library sees them, and described as bundles
//! do.

use std::path::Path;

use crate::bundle::format::{Quantization, Stage, Tensor};
use crate::model_file::Dimension;
use crate::model_file::tflite::{self, TfliteFile, TfliteTensor};
use crate::runtime::inputs::Inputs;
use crate::runtime::shapes::DeclaredInput;
use crate::runtime::{Failure, LoadRequest};

/// Read a model file.
///
/// # Errors
/// `model_not_readable`.
pub fn read(path: &Path) -> Result<TfliteFile, Failure> {
    let refused = |detail: String| {
        Failure::new(Stage::Load, "model_not_readable", detail)
            .with_hint("upload the file again, and check that its conversion finished")
    };
    let bytes = fs_err::read(path).map_err(|error| refused(error.to_string()))?;
    tflite::read(&bytes)
        .map_err(|fault| refused(format!("the model is not a valid TensorFlow Lite file: {fault}")))
}

/// A tensor as the file declares it.
pub fn describe(declared: &TfliteTensor) -> Tensor {
    Tensor {
        name: declared.name.clone(),
        element_type: declared.element_type.clone(),
        shape: declared.shape.iter().map(Dimension::fixed).collect(),
        quantization: declared
            .quantization
            .map(|told| Quantization { scale: told.scale.into(), zero_point: told.zero_point }),
    }
}

/// What to bind for the inputs of a file.
///
/// # Errors
/// As [`Inputs::plan`] and [`Inputs::like`].
pub fn inputs(file: &TfliteFile, request: &LoadRequest) -> Result<Inputs, Failure> {
    let described: Vec<Tensor> = file.inputs.iter().map(describe).collect();
    Inputs::plan(&declared(file), &request.inputs, request.seed)?.like(&request.filled_like, &described)
}

/// The inputs that a file declares.
pub fn declared(file: &TfliteFile) -> Vec<DeclaredInput> {
    let declared =
        |input: &TfliteTensor| DeclaredInput { name: input.name.clone(), shape: Some(input.shape.clone()) };
    file.inputs.iter().map(declared).collect()
}
