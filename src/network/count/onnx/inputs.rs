//! The shapes of a model's inputs: those that were given, or else declared.

use super::settle::Symbols;
use crate::model_file::onnx::DeclaredTensor;
use crate::model_file::{Dimension, default_shape};
use crate::network::cost::Assumption;
use crate::network::count::Known;
use crate::network::count::error::{CountError, shape_text};

/// The shapes to count for, in the order of the inputs; `None` for what is no tensor.
pub(super) fn shapes(inputs: &[&DeclaredTensor], known: &Known) -> Result<Vec<Option<Vec<u64>>>, CountError> {
    let given = &known.shapes;
    let listed = |inputs: &[&DeclaredTensor]| {
        inputs
            .iter()
            .map(|input| format!("`{}` {}", input.name, shape_of(input)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut named = given.keys().chain(known.values.keys());
    if let Some(name) = named.find(|name| inputs.iter().all(|input| input.name != **name)) {
        return Err(CountError::UnknownInput { name: name.clone(), inputs: listed(inputs) });
    }
    let is_open = |input: &&&DeclaredTensor| {
        is_tensor(input) && !given.contains_key(&input.name) && default(input).is_none()
    };
    let open: Vec<&DeclaredTensor> = inputs.iter().filter(is_open).copied().collect();
    if let Some(first) = open.first() {
        let example = format!("{}={}", first.name, example(first));
        return Err(CountError::OpenShapes { inputs: listed(&open), example });
    }
    inputs
        .iter()
        .map(|input| match given.get(&input.name) {
            None => Ok(default(input)),
            Some(shape) => {
                if input.shape.as_deref().is_none_or(|said| agrees(said, shape)) {
                    return Ok(Some(shape.clone()));
                }
                Err(CountError::InputMismatch {
                    given: format!("`{}` {}", input.name, shape_text(shape)),
                    declared: shape_of(input),
                })
            }
        })
        .collect()
}

/// Sequences and maps have no shape, and none can be given.
fn is_tensor(input: &DeclaredTensor) -> bool {
    input.element_type != 0 && input.element.is_none()
}

fn default(input: &DeclaredTensor) -> Option<Vec<u64>> {
    default_shape(input.shape.as_deref()?)
}

/// Does the file fix every size?
pub(super) fn is_fixed(input: &DeclaredTensor) -> bool {
    !is_tensor(input) || input.shape.as_ref().is_some_and(|shape| !shape.iter().any(Dimension::is_open))
}

/// Open first dimensions for which no size was given.
pub(super) fn assumptions(inputs: &[&DeclaredTensor], known: &Known) -> Vec<Assumption> {
    let is_batch = |input: &&&DeclaredTensor| {
        let first = input.shape.as_deref().and_then(<[Dimension]>::first);
        first.is_some_and(Dimension::is_open) && !known.shapes.contains_key(&input.name)
    };
    let assumed = |input: &&DeclaredTensor| Assumption {
        name: input.name.clone(),
        operator: "input".to_owned(),
        what: "its open first dimension is 1".to_owned(),
    };
    inputs.iter().filter(is_batch).map(assumed).collect()
}

/// Note the sizes that an input gives to the names in its shape.
pub(super) fn symbols(input: &DeclaredTensor, shape: Option<&[u64]>, symbols: &mut Symbols) {
    let declared = input.shape.iter().flatten();
    for (dimension, size) in declared.zip(shape.unwrap_or_default()) {
        if let Dimension::Open(Some(name)) = dimension {
            symbols.entry(name.clone()).or_insert(*size);
        }
    }
}

/// Open dimensions agree with every size.
fn agrees(said: &[Dimension], shape: &[u64]) -> bool {
    said.len() == shape.len()
        && said.iter().zip(shape).all(|(said, size)| said.fixed().is_none_or(|said| said == *size))
}

fn shape_of(input: &DeclaredTensor) -> String {
    let Some(shape) = input.shape.as_deref() else { return "[…]".to_owned() };
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

/// A shape to give for an input, as it is written on a command line.
fn example(input: &DeclaredTensor) -> String {
    let Some(shape) = input.shape.as_deref() else { return "1x3x224x224".to_owned() };
    let sizes = shape.iter().enumerate().map(|(axis, size)| match size {
        Dimension::Fixed(size) => size.to_string(),
        // Batches come first and are 1 in most measurements; what else is open is a side of an image more
        // often than not.
        Dimension::Open(_) => (if axis == 0 { "1" } else { "224" }).to_owned(),
    });
    sizes.collect::<Vec<_>>().join("x")
}
