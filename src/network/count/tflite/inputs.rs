//! The shapes that the inputs of a TensorFlow Lite model are counted with.

use crate::model_file::tflite::graph::{GraphTensor, TfliteGraph};
use crate::network::cost::Assumption;
use crate::network::count::Known;
use crate::network::count::error::{CountError, shape_text};

/// The shapes to count for, in the order of the inputs, and what they take for granted.
pub(super) fn shapes(
    graph: &TfliteGraph<'_>,
    known: &Known,
) -> Result<(Vec<Vec<u64>>, Vec<Assumption>), CountError> {
    let inputs: Vec<&GraphTensor<'_>> = graph.inputs.iter().map(|index| &graph.tensors[*index]).collect();
    let given = &known.shapes;
    let mut named = given.keys().chain(known.values.keys());
    if let Some(name) = named.find(|name| inputs.iter().all(|input| input.name != **name)) {
        return Err(CountError::UnknownInput { name: name.clone(), inputs: listed(inputs.iter()) });
    }
    let mut assumptions = Vec::new();
    let mut shapes = Vec::with_capacity(inputs.len());
    for input in &inputs {
        shapes.push(match given.get(&input.name) {
            Some(shape) => given_shape(input, shape)?,
            None if input.signature.iter().skip(1).any(Option::is_none) => return Err(open(input, &inputs)),
            None => {
                if input.signature.first() == Some(&None) {
                    assumptions.push(Assumption {
                        name: input.name.clone(),
                        operator: "input".to_owned(),
                        what: "its open first dimension is 1".to_owned(),
                    });
                }
                input.signature.iter().map(|size| size.unwrap_or(1)).collect()
            }
        });
    }
    Ok((shapes, assumptions))
}

fn given_shape(input: &GraphTensor<'_>, shape: &[u64]) -> Result<Vec<u64>, CountError> {
    let mut sizes = shape.iter().zip(&input.signature);
    // Without a rank in the file any shape is as good.
    let fits = !input.is_ranked
        || shape.len() == input.signature.len()
            && sizes.all(|(size, said)| said.is_none_or(|said| said == *size));
    fits.then(|| shape.to_vec()).ok_or_else(|| CountError::InputMismatch {
        given: format!("`{}` {}", input.name, shape_text(shape)),
        declared: signature_text(input),
    })
}

fn open(input: &GraphTensor<'_>, inputs: &[&GraphTensor<'_>]) -> CountError {
    let sizes = input.signature.iter().enumerate().map(|(axis, size)| match size {
        Some(size) => size.to_string(),
        None => (if axis == 0 { "1" } else { "224" }).to_owned(),
    });
    let example = format!("{}={}", input.name, sizes.collect::<Vec<_>>().join("x"));
    let open = inputs.iter().filter(|input| input.signature.contains(&None));
    CountError::OpenShapes { inputs: listed(open), example }
}

fn listed<'r, 'a: 'r>(inputs: impl Iterator<Item = &'r &'r GraphTensor<'a>>) -> String {
    let texts = inputs.map(|input| format!("`{}` {}", input.name, signature_text(input)));
    texts.collect::<Vec<_>>().join(", ")
}

fn signature_text(tensor: &GraphTensor<'_>) -> String {
    let sizes =
        tensor.signature.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string()));
    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
}
