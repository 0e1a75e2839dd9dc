//! TensorFlow Lite files.
//!
//! [`crate::model_file::tflite::graph`] reads the tables, [`operators`] knows what each operator makes and
//! costs. Only the first graph is walked, which is the one that an interpreter runs; control flow into others
//! is listed as uncounted. Every tensor of a file has a shape: what an operator makes is held against it.
//! Where inputs are open, the shapes that were given are followed instead.

use super::InputShapes;
use super::error::{CountError, shape_text};
use super::graph::{Scope, Step, Tensor, Walked, Work};
use super::uncountable::Uncountable;
use crate::model_file::tflite::graph::{CUSTOM, GraphTensor, TfliteGraph, TfliteOperator};
use operators::{Context, OPERATORS};

mod operators;

/// Read and walk.
pub(super) fn walk(bytes: &[u8], given: &InputShapes) -> Result<Walked, CountError> {
    let graph = TfliteGraph::read(bytes)?;
    let inputs = input_shapes(&graph, given)?;
    // Shapes in the file are placeholders as soon as one input is open.
    let is_open = graph.inputs.iter().any(|index| graph.tensors[*index].signature.contains(&None));
    let mut tensors: Vec<Tensor> = graph
        .tensors
        .iter()
        .map(|tensor| Tensor {
            name: tensor.name.clone(),
            shape: (!is_open || tensor.is_constant).then(|| tensor.shape.clone()),
            bits: tensor.bits,
            is_constant: tensor.is_constant,
        })
        .collect();
    let mut is_made: Vec<bool> =
        graph.tensors.iter().map(|tensor| tensor.is_constant || tensor.is_variable).collect();
    for (index, shape) in graph.inputs.iter().zip(inputs) {
        tensors[*index].shape = Some(shape);
        is_made[*index] = true;
    }
    let mut steps = Vec::new();
    for (place, operator) in graph.operators.iter().enumerate() {
        let step = step(&graph, operator, place, &mut tensors, &mut is_made)?;
        steps.extend(step);
    }
    if let Some(output) = graph.outputs.iter().find(|output| !is_made[**output]) {
        return Err(CountError::Missing {
            node: "the graph's output".to_owned(),
            tensor: tensors[*output].name.clone(),
        });
    }
    Ok(Walked { tensors, steps, outputs: graph.outputs, ..Walked::default() })
}

/// One operator; nothing where it is computed from constants alone, once.
fn step(
    graph: &TfliteGraph<'_>,
    operator: &TfliteOperator<'_>,
    place: usize,
    tensors: &mut [Tensor],
    is_made: &mut [bool],
) -> Result<Option<Step>, CountError> {
    let rule = OPERATORS.iter().find(|(_, code, _)| *code == operator.code);
    let title = rule.map_or_else(
        || {
            if operator.code == CUSTOM {
                operator.custom.clone()
            } else {
                format!("builtin {}", operator.code)
            }
        },
        |(name, ..)| (*name).to_owned(),
    );
    // Operators have no names; what they make has.
    let made_name = operator.outputs.first().map_or("", |output| tensors[*output].name.as_str());
    let name = if made_name.is_empty() { format!("#{place}") } else { made_name.to_owned() };
    for input in operator.inputs.iter().flatten() {
        if !is_made[*input] {
            return Err(CountError::Missing { node: name, tensor: tensors[*input].name.clone() });
        }
    }
    for output in &operator.outputs {
        if std::mem::replace(&mut is_made[*output], true) {
            return Err(CountError::MadeTwice { node: name, tensor: tensors[*output].name.clone() });
        }
    }
    let context = Context { file: &graph.tensors, tensors, operator };
    let answer = rule.map_or_else(
        || Err(Uncountable::Unknown("this operator is not counted".to_owned())),
        |(_, _, rule)| rule(&context),
    );
    let effect = match answer {
        Ok(effect) => effect,
        Err(uncountable) => {
            let work = Work::Uncounted(uncountable.reason(&name, &title)?);
            let inputs = operator.inputs.iter().flatten().copied().collect();
            return Ok(Some(Step {
                name,
                operator: title,
                inputs,
                outputs: operator.outputs.clone(),
                work,
                scope: Scope::MAIN,
            }));
        }
    };
    for (output, shape) in operator.outputs.iter().zip(effect.shapes) {
        let declared = tensors[*output].shape.as_deref();
        if let Some(declared) = declared.filter(|declared| *declared != shape) {
            let what = format!(
                "the file gives it the shape {}, and it comes out as {}",
                shape_text(declared),
                shape_text(&shape)
            );
            return Err(CountError::WrongShape { node: name, operator: title, what });
        }
        tensors[*output].shape = Some(shape);
    }
    let inputs: Vec<usize> =
        effect.tensors.iter().filter_map(|place| *operator.inputs.get(*place)?).collect();
    if !inputs.is_empty() && inputs.iter().all(|input| tensors[*input].is_constant) {
        for output in &operator.outputs {
            tensors[*output].is_constant = true;
            // Weights stay as they are stored: half as wide behind a DEQUANTIZE.
            tensors[*output].bits = tensors[inputs[0]].bits.min(tensors[*output].bits);
        }
        return Ok(None);
    }
    Ok(Some(Step {
        name,
        operator: title,
        inputs,
        outputs: operator.outputs.clone(),
        work: effect.work,
        scope: Scope::MAIN,
    }))
}

/// The shapes to count for, in the order of the inputs.
fn input_shapes(graph: &TfliteGraph<'_>, given: &InputShapes) -> Result<Vec<Vec<u64>>, CountError> {
    let inputs: Vec<&GraphTensor<'_>> = graph.inputs.iter().map(|index| &graph.tensors[*index]).collect();
    let listed = |only_open: bool| {
        let shown = inputs.iter().filter(|input| !only_open || input.signature.contains(&None));
        shown
            .map(|input| format!("`{}` {}", input.name, signature_text(input)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(name) = given.keys().find(|name| inputs.iter().all(|input| input.name != **name)) {
        return Err(CountError::UnknownInput { name: name.clone(), inputs: listed(false) });
    }
    inputs
        .iter()
        .map(|input| {
            let fixed: Option<Vec<u64>> = input.signature.iter().copied().collect();
            match (given.get(&input.name), fixed) {
                (None, Some(shape)) => Ok(shape),
                (None, None) => {
                    let sizes = input.signature.iter().enumerate().map(|(axis, size)| match size {
                        Some(size) => size.to_string(),
                        None => (if axis == 0 { "1" } else { "224" }).to_owned(),
                    });
                    let example = format!("{}={}", input.name, sizes.collect::<Vec<_>>().join("x"));
                    Err(CountError::OpenShapes { inputs: listed(true), example })
                }
                (Some(shape), _) => {
                    let fits = shape.len() == input.signature.len()
                        && !shape.contains(&0)
                        && shape
                            .iter()
                            .zip(&input.signature)
                            .all(|(size, said)| said.is_none_or(|said| said == *size));
                    fits.then(|| shape.clone()).ok_or_else(|| CountError::InputMismatch {
                        given: format!("`{}` {}", input.name, shape_text(shape)),
                        declared: signature_text(input),
                    })
                }
            }
        })
        .collect()
}

fn signature_text(tensor: &GraphTensor<'_>) -> String {
    let sizes =
        tensor.signature.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string()));
    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
}
