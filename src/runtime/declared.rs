//! The inputs that a model file declares, for those who load no inference library.

use super::fill::ElementType;
use super::inputs::Inputs;
use super::shapes::DeclaredInput;
use super::tflite::model;
use super::{Failure, GivenInputs};
use crate::bundle::format::Stage;
use crate::error::Hint as _;
use crate::model_file::{onnx, tflite};

/// Does what the job says of inputs suit this model? `bytes` are an `.onnx` or a `.tflite` file; weights may
/// be elsewhere. The shapes to bind, by name.
///
/// # Errors
/// As a worker would refuse it, but for what only the library knows.
pub(crate) fn check(bytes: &[u8], given: &GivenInputs) -> Result<Vec<(String, Vec<u64>)>, Failure> {
    let (declared, element_types) = read(bytes)?;
    let inputs = Inputs::plan(&declared, given, 0)?;
    for (index, element_type) in element_types.iter().enumerate() {
        if let Some(element_type) = ElementType::of_name(element_type) {
            inputs.check(index, element_type)?;
        }
    }
    Ok(inputs.planned().iter().map(|input| (input.name.clone(), input.shape.sizes.clone())).collect())
}

fn read(bytes: &[u8]) -> Result<(Vec<DeclaredInput>, Vec<String>), Failure> {
    let refused = |detail: String, hint: Option<String>| {
        let failure = Failure::new(Stage::Load, "model_not_readable", detail);
        Failure { hint, ..failure }
    };
    if tflite::has_identifier(bytes) {
        let file = tflite::read(bytes).map_err(|what| {
            let hint = "upload the file again, and check that its conversion finished";
            refused(format!("the model is not a valid TensorFlow Lite file: {what}"), Some(hint.to_owned()))
        })?;
        let element_types = file.inputs.iter().map(|input| input.element_type.clone()).collect();
        return Ok((model::declared(&file), element_types));
    }
    let border = onnx::border(bytes).map_err(|error| refused(error.to_string(), error.hint()))?;
    let declared = border
        .inputs
        .iter()
        .map(|input| DeclaredInput { name: input.name.clone(), shape: input.shape.clone() });
    Ok((declared.collect(), border.inputs.iter().map(|input| input.element_type.clone()).collect()))
}
