//! From the nodes of an ONNX file to steps with shapes.
//!
//! Nodes are put into an order in which they can run, each tells what it makes, and what the file itself says
//! about intermediate shapes is held against that: a count from a wrong shape would be wrong without anybody
//! noticing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use super::fact::Fact;
use super::operators::{self, Context, Made, NodeEffect, storage_bits};
use crate::model_file::onnx::{DeclaredTensor, OnnxModel, OnnxNode};
use crate::model_file::{Dimension, default_shape, elements};
use crate::network::cost::Assumption;
use crate::network::count::error::{CountError, shape_text};
use crate::network::count::graph::{Scope, Step, Tensor, TensorIndex, Walked, Work};

/// No runtime takes more axes; a hostile file could have every node hold a copy of very many.
const MOST_AXES: usize = 64;

/// Walk a model whose inputs have these shapes where it leaves them open.
pub(super) fn walk(model: OnnxModel<'_>, given: &BTreeMap<String, Vec<u64>>) -> Result<Walked, CountError> {
    let order = order(&model)?;
    let mut walk = Walk {
        facts: Vec::new(),
        places: HashMap::new(),
        declared: HashMap::new(),
        steps: Vec::new(),
        given_out: HashSet::new(),
    };
    let OnnxModel { nodes, initializers, inputs, outputs, intermediates } = model;
    for payload in initializers {
        payload.check()?;
        walk.add(Fact {
            name: payload.name.clone(),
            shape: Some(payload.shape.clone()),
            element_type: payload.element_type,
            stored_bits: storage_bits(payload.element_type),
            is_constant: true,
            payload: Some(payload),
            values: None,
        });
    }
    let images: Vec<&DeclaredTensor> =
        inputs.iter().filter(|input| !walk.places.contains_key(&input.name)).collect();
    for (input, shape) in images.iter().zip(input_shapes(&images, given)?) {
        walk.add(Fact {
            name: input.name.clone(),
            shape: Some(shape),
            element_type: input.element_type,
            stored_bits: storage_bits(input.element_type),
            ..Fact::default()
        });
    }
    let said = intermediates.iter().chain(&outputs).chain(&inputs);
    walk.declared = said.map(|declared| (declared.name.as_str(), declared)).collect();
    walk.given_out = outputs.iter().map(|output| output.name.as_str()).collect();
    for index in order {
        let node = &nodes[index];
        let name = if node.name.is_empty() { format!("#{index}") } else { node.name.clone() };
        walk.step(node, name)?;
    }
    let is_batch = |input: &&&DeclaredTensor| {
        let first = input.shape.as_deref().and_then(<[Dimension]>::first);
        first.is_some_and(Dimension::is_open) && !given.contains_key(&input.name)
    };
    let assumptions = images.iter().filter(is_batch).map(|input| Assumption {
        name: input.name.clone(),
        operator: "input".to_owned(),
        what: "its open first dimension is 1".to_owned(),
    });
    let assumptions = assumptions.collect();
    let outputs = outputs.iter().filter_map(|output| walk.places.get(&output.name).copied()).collect();
    let tensors = walk.facts.into_iter().map(|fact| Tensor {
        name: fact.name,
        shape: fact.shape,
        bits: fact.stored_bits,
        is_constant: fact.is_constant,
    });
    Ok(Walked {
        tensors: tensors.collect(),
        steps: walk.steps,
        outputs,
        assumptions,
        differences: Vec::new(),
    })
}

struct Walk<'d, 'a> {
    facts: Vec<Fact<'a>>,
    places: HashMap<String, TensorIndex>,
    declared: HashMap<&'d str, &'d DeclaredTensor>,
    steps: Vec<Step>,
    /// Names of the graph's outputs: they are stored as their type says.
    given_out: HashSet<&'d str>,
}

impl<'a> Walk<'_, 'a> {
    fn add(&mut self, fact: Fact<'a>) -> TensorIndex {
        let place = self.facts.len();
        self.places.insert(fact.name.clone(), place);
        self.facts.push(fact);
        place
    }

    fn step(&mut self, node: &OnnxNode<'a>, name: String) -> Result<(), CountError> {
        let read: Vec<Option<TensorIndex>> =
            node.inputs.iter().map(|name| self.places.get(name).copied()).collect();
        let inputs = read.iter().map(|place| place.map(|place| &self.facts[place])).collect();
        let wrong = |what: String| CountError::WrongShape {
            node: name.clone(),
            operator: node.operator.clone(),
            what,
        };
        let answer = operators::apply(&Context { node, inputs });
        let (mut effect, known) = match answer {
            Ok(effect) => (effect, true),
            Err(uncountable) => {
                let work = Work::Uncounted(uncountable.reason(&name, &node.operator)?);
                (NodeEffect { outputs: Vec::new(), work, settings: &[] }, false)
            }
        };
        if known && effect.outputs.len() < node.outputs.iter().filter(|name| !name.is_empty()).count() {
            effect.work = Work::Uncounted("it has more outputs than are counted".to_owned());
        }
        let tensors = |place: &usize| !effect.settings.contains(place);
        let inputs: Vec<TensorIndex> = read
            .iter()
            .enumerate()
            .filter(|(place, _)| tensors(place))
            .filter_map(|(_, tensor)| *tensor)
            .collect();
        let settings_are_constant = read
            .iter()
            .flatten()
            .all(|place| self.facts[*place].is_constant || self.facts[*place].values.is_some());
        // What hangs on constants alone is computed once, when the model is loaded. Shapes are constants here
        // too.
        let is_constant =
            known && (inputs.iter().all(|place| self.facts[*place].is_constant)) && settings_are_constant
                || known && effect.outputs.iter().all(|made| made.values.is_some());
        // The value of a `Constant` is where an initializer's would be.
        let payload = node.attributes.iter().find(|attribute| attribute.name == "value");
        let payload =
            payload.filter(|_| node.operator == "Constant").and_then(|attribute| attribute.tensor.clone());
        if let Some(payload) = &payload {
            payload.check()?;
        }
        let mut made = effect.outputs.into_iter().map(Some).collect::<Vec<_>>();
        made.resize_with(made.len().max(node.outputs.len()), || None);
        let mut outputs = Vec::new();
        for (output, made) in node.outputs.iter().zip(made) {
            if output.is_empty() {
                continue;
            }
            let mut fact = self.fact(output, made, &wrong)?;
            fact.is_constant = is_constant;
            fact.payload = payload.clone();
            outputs.push(self.add(fact));
        }
        if !is_constant {
            let operator = node.operator.clone();
            self.steps.push(Step { name, operator, inputs, outputs, work: effect.work, scope: Scope::MAIN });
        }
        Ok(())
    }

    /// What the operator says of an output, checked against what the file says; the file's word where the
    /// operator is unknown.
    fn fact(
        &self,
        name: &str,
        made: Option<Made>,
        wrong: &dyn Fn(String) -> CountError,
    ) -> Result<Fact<'a>, CountError> {
        let declared = self.declared.get(name).copied();
        let said = declared.and_then(|declared| declared.shape.as_deref());
        let Some(made) = made else {
            let fixed = said.and_then(|shape| shape.iter().map(Dimension::fixed).collect());
            let element_type = declared.map_or(1, |declared| declared.element_type);
            let stored_bits = storage_bits(element_type);
            return Ok(Fact {
                name: name.to_owned(),
                shape: fixed,
                element_type,
                stored_bits,
                ..Fact::default()
            });
        };
        if let Some(said) = said
            && !agrees(said, &made.shape)
        {
            return Err(wrong(format!(
                "the file gives `{name}` the shape {}, and it comes out as {}",
                declared_text(said),
                shape_text(&made.shape)
            )));
        }
        if made.shape.len() > MOST_AXES {
            return Err(wrong(format!("it makes a tensor of {} axes", made.shape.len())));
        }
        if elements(&made.shape).is_none() {
            return Err(CountError::TooLarge { what: format!("the size of `{name}`") });
        }
        Ok(Fact {
            name: name.to_owned(),
            shape: Some(made.shape),
            element_type: made.element_type,
            stored_bits: made
                .stored_bits
                .filter(|_| !self.given_out.contains(name))
                .unwrap_or_else(|| storage_bits(made.element_type)),
            values: made.values,
            ..Fact::default()
        })
    }
}

/// Open dimensions agree with every size.
fn agrees(said: &[Dimension], shape: &[u64]) -> bool {
    said.len() == shape.len()
        && said.iter().zip(shape).all(|(said, size)| said.fixed().is_none_or(|said| said == *size))
}

fn declared_text(shape: &[Dimension]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

/// The shapes to count for, in the order of the inputs.
fn input_shapes(
    inputs: &[&DeclaredTensor],
    given: &BTreeMap<String, Vec<u64>>,
) -> Result<Vec<Vec<u64>>, CountError> {
    let shape_of =
        |input: &DeclaredTensor| input.shape.as_deref().map_or_else(|| "[…]".to_owned(), declared_text);
    let listed = |inputs: &[&&DeclaredTensor]| {
        inputs
            .iter()
            .map(|input| format!("`{}` {}", input.name, shape_of(input)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let all: Vec<&&DeclaredTensor> = inputs.iter().collect();
    if let Some(name) = given.keys().find(|name| inputs.iter().all(|input| input.name != **name)) {
        return Err(CountError::UnknownInput { name: name.clone(), inputs: listed(&all) });
    }
    let shape = |input: &DeclaredTensor| input.shape.as_deref().and_then(default_shape);
    let open: Vec<&&DeclaredTensor> =
        inputs.iter().filter(|input| !given.contains_key(&input.name) && shape(input).is_none()).collect();
    if let Some(first) = open.first() {
        let sizes = first.shape.iter().flatten().map(|size| match size {
            Dimension::Fixed(size) => size.to_string(),
            // Batches come first and are 1 in most measurements; what else is open is a side of an image more
            // often than not.
            Dimension::Open(_) => "224".to_owned(),
        });
        let mut sizes: Vec<String> = sizes.collect();
        if let (Some(Dimension::Open(_)), Some(batch)) =
            (first.shape.iter().flatten().next(), sizes.first_mut())
        {
            "1".clone_into(batch);
        }
        let sizes = if sizes.is_empty() { "1x3x224x224".to_owned() } else { sizes.join("x") };
        return Err(CountError::OpenShapes {
            inputs: listed(&open),
            example: format!("{}={sizes}", first.name),
        });
    }
    inputs
        .iter()
        .map(|input| match given.get(&input.name) {
            None => Ok(shape(input).unwrap_or_default()),
            Some(shape) => {
                let fits = input.shape.as_deref().is_none_or(|said| agrees(said, shape));
                if fits && !shape.contains(&0) {
                    return Ok(shape.clone());
                }
                Err(CountError::InputMismatch {
                    given: format!("`{}` {}", input.name, shape_text(shape)),
                    declared: shape_of(input),
                })
            }
        })
        .collect()
}

/// Places of the nodes in an order in which they can run: the file's own, unless a node there reads what
/// comes later.
fn order(model: &OnnxModel<'_>) -> Result<Vec<usize>, CountError> {
    let title = |index: usize| {
        let node = &model.nodes[index];
        if node.name.is_empty() { format!("#{index}") } else { node.name.clone() }
    };
    let mut makers: HashMap<&str, usize> = HashMap::new();
    let given: Vec<&str> = model
        .initializers
        .iter()
        .map(|tensor| tensor.name.as_str())
        .chain(model.inputs.iter().map(|input| input.name.as_str()))
        .collect();
    let given: HashSet<&str> = given.into_iter().collect();
    for (index, node) in model.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(output, index).is_some() || given.contains(output.as_str()) {
                return Err(CountError::MadeTwice { node: title(index), tensor: output.clone() });
            }
        }
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); model.nodes.len()];
    let mut waits_for: Vec<usize> = vec![0; model.nodes.len()];
    for (index, node) in model.nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|name| !name.is_empty() && !given.contains(name.as_str())) {
            let Some(maker) = makers.get(input.as_str()) else {
                return Err(CountError::Missing { node: title(index), tensor: input.clone() });
            };
            readers[*maker].push(index);
            waits_for[index] += 1;
        }
    }
    if let Some(output) = model
        .outputs
        .iter()
        .find(|output| !makers.contains_key(output.name.as_str()) && !given.contains(output.name.as_str()))
    {
        return Err(CountError::Missing {
            node: "the graph's output".to_owned(),
            tensor: output.name.clone(),
        });
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..model.nodes.len()).filter(|index| waits_for[*index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(model.nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for reader in &readers[index] {
            waits_for[*reader] -= 1;
            if waits_for[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    let Some(mut index) = (0..model.nodes.len()).find(|index| waits_for[*index] > 0) else {
        return Ok(order);
    };
    // A node that waits may only lie behind the circle; as many steps back as there are nodes end on it.
    let mut tensor = "";
    for _ in 0..=model.nodes.len() {
        let waited_for = model.nodes[index].inputs.iter().find_map(|input| {
            makers.get(input.as_str()).filter(|maker| waits_for[**maker] > 0).map(|maker| (input, *maker))
        });
        if let Some((input, maker)) = waited_for {
            (tensor, index) = (input, maker);
        }
    }
    // `tensor` is made by `index`, which waits in its turn.
    let readers =
        readers[index].iter().find(|reader| model.nodes[**reader].inputs.iter().any(|name| name == tensor));
    Err(CountError::Cyclic { node: title(readers.copied().unwrap_or(index)), tensor: tensor.to_owned() })
}
