//! The inputs that a session declares.
//!
//! The library's interface gives a scalar and an input without any shape the same answer, so for such inputs
//! the file is asked.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, ValueType};

use crate::bundle::format::Stage;
use crate::model_file::{Dimension, onnx};
use crate::runtime::Failure;
use crate::runtime::shapes::DeclaredInput;

/// The inputs of the session that was made of this file.
pub(super) fn inputs(session: &Session, model: &Path) -> Result<Vec<DeclaredInput>, Failure> {
    let mut inputs = session.inputs().iter().map(declared).collect::<Result<Vec<_>, _>>()?;
    let is_scalar = |input: &DeclaredInput| input.shape.as_ref().is_some_and(Vec::is_empty);
    if inputs.iter().any(is_scalar) {
        // A file that the library has read and this cannot is taken at the library's word.
        let border = fs_err::read(model).ok().and_then(|bytes| onnx::border(&bytes).ok());
        let declared = border.map(|border| border.inputs).unwrap_or_default();
        for input in inputs.iter_mut().filter(|input| is_scalar(input)) {
            if declared.iter().any(|declared| declared.name == input.name && declared.shape.is_none()) {
                input.shape = None;
            }
        }
    }
    Ok(inputs)
}

fn declared(input: &Outlet) -> Result<DeclaredInput, Failure> {
    let ValueType::Tensor { shape, dimension_symbols, .. } = input.dtype() else {
        return Err(Failure::new(
            Stage::Prepare,
            "unsupported_input",
            format!("input `{}` is not a tensor but {}", input.name(), input.dtype()),
        )
        .with_hint("only models whose inputs are tensors can be measured"));
    };
    let shape: Vec<Dimension> = shape
        .iter()
        .zip(dimension_symbols.iter())
        .map(|(size, symbol)| match u64::try_from(*size) {
            Ok(size) => Dimension::Fixed(size),
            Err(_) => Dimension::Open((!symbol.is_empty()).then(|| symbol.clone())),
        })
        .collect();
    Ok(DeclaredInput { name: input.name().to_owned(), shape: Some(shape) })
}
