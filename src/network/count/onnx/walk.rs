//! From the nodes of an ONNX file to steps with shapes.
//!
//! Nodes are put into an order in which they can run, and each says what it makes. What a runtime reported of
//! a shape goes before what the file declares, and that before what is computed here; see [`super::settle`].
//! Graphs in graphs and functions are walked in frames of their own, by [`super::control`] and
//! [`super::functions`].

use std::collections::{HashMap, HashSet};

use super::fact::{Fact, Item, Sequence};
use super::frame::Frame;
use super::functions::Functions;
use super::inputs;
use super::operators::{self, Context, Made, NodeEffect, OutputSlot, storage_bits};
use super::order::{order, title};
use super::settle::settled;
use super::{control, functions};
use crate::model_file::onnx::{DeclaredTensor, OnnxGraph, OnnxModel, OnnxNode, Payload};
use crate::model_file::{Dimension, elements};
use crate::network::cost::{Assumption, Difference};
use crate::network::count::Known;
use crate::network::count::error::CountError;
use crate::network::count::graph::{Step, Tensor, TensorIndex, Walked, Work};
use crate::network::count::uncountable::Uncountable;

/// No runtime takes more axes; a hostile file could have every node hold a copy of very many.
const MOST_AXES: usize = 64;

/// Nodes of functions and of graphs in graphs, each as often as it is expanded. A transformer of 100 layers
/// that PyTorch exports as functions has about 20 000; a hostile file of a few kB could have 2¹⁰⁰.
const MOST_EXPANDED_NODES: usize = 250_000;

/// The file's own operators are of this version where it does not say it.
const OLDEST_VERSION: i64 = 1;

/// Walk a model of which this much is known besides.
pub(super) fn walk(model: &OnnxModel<'_>, known: &Known) -> Result<Walked, CountError> {
    let mut walk = Walk {
        known,
        functions: Functions::new(&model.functions),
        facts: Vec::new(),
        steps: Vec::new(),
        differences: Vec::new(),
        assumptions: Vec::new(),
        kept: Vec::new(),
        graphs: 0,
        expanded: 0,
    };
    let graph = &model.graph;
    let mut frame = Frame::main(graph, model.version.unwrap_or(OLDEST_VERSION));
    walk.constants(&mut frame, &graph.initializers)?;
    let images: Vec<&DeclaredTensor> =
        graph.inputs.iter().filter(|input| !frame.names.contains_key(input.name.as_str())).collect();
    let shapes = inputs::shapes(&images, known)?;
    frame.has_fixed_inputs = images.iter().all(|input| inputs::is_fixed(input));
    walk.assumptions = inputs::assumptions(&images, known);
    for (input, shape) in images.iter().zip(shapes) {
        inputs::symbols(input, shape.as_deref(), &mut frame.symbols);
        let place = walk.add(input_fact(input, shape, known));
        frame.names.insert(&input.name, place);
    }
    let outputs: Vec<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    walk.nodes(&mut frame, &graph.nodes, &outputs)?;
    let outputs = outputs.iter().filter_map(|output| frame.find(output));
    let outputs = outputs.chain(walk.kept.iter().copied()).collect();
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
        differences: walk.differences,
        assumptions: walk.assumptions,
    })
}

fn input_fact<'a>(input: &DeclaredTensor, shape: Option<Vec<u64>>, known: &Known) -> Fact<'a> {
    let item = |element: &DeclaredTensor| Item {
        shape: element.shape.as_deref().and_then(|shape| shape.iter().map(Dimension::fixed).collect()),
        element_type: element.element_type,
    };
    Fact {
        name: input.name.clone(),
        shape,
        element_type: input.element_type,
        stored_bits: storage_bits(input.element_type),
        values: known.values.get(&input.name).cloned().map(super::fact::Values::Integers),
        sequence: input.element.as_deref().map(|element| Sequence::Alike(item(element))),
        ..Fact::default()
    }
}

/// Everything that has been found so far.
pub(super) struct Walk<'m, 'a> {
    pub(super) known: &'m Known,
    pub(super) functions: Functions<'m, 'a>,
    pub(super) facts: Vec<Fact<'a>>,
    pub(super) steps: Vec<Step>,
    pub(super) differences: Vec<Difference>,
    pub(super) assumptions: Vec<Assumption>,
    /// Tensors that outlive the graph they are made in: nothing is fused over them.
    pub(super) kept: Vec<TensorIndex>,
    /// Graphs in graphs so far.
    pub(super) graphs: usize,
    /// Nodes of functions and graphs in graphs so far.
    expanded: usize,
}

/// A node with its place.
pub(super) struct Call<'f, 'a> {
    pub(super) node: &'f OnnxNode<'a>,
    pub(super) name: String,
    /// What it reads, in the order of its inputs.
    pub(super) read: Vec<Option<TensorIndex>>,
}

/// Tensors for the outputs of a node, in their order.
pub(super) type Outputs = Vec<Option<TensorIndex>>;

/// How many steps, differences and assumptions there were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) steps: usize,
    differences: usize,
    assumptions: usize,
}

/// What was found since a [`Mark`].
#[derive(Debug)]
pub(super) struct Found {
    pub(super) steps: Vec<Step>,
    differences: Vec<Difference>,
    assumptions: Vec<Assumption>,
}

impl<'m, 'a> Walk<'m, 'a> {
    pub(super) fn add(&mut self, fact: Fact<'a>) -> TensorIndex {
        self.facts.push(fact);
        self.facts.len() - 1
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            steps: self.steps.len(),
            differences: self.differences.len(),
            assumptions: self.assumptions.len(),
        }
    }

    /// Take away what was found since.
    pub(super) fn take_since(&mut self, mark: Mark) -> Found {
        Found {
            steps: self.steps.split_off(mark.steps),
            differences: self.differences.split_off(mark.differences),
            assumptions: self.assumptions.split_off(mark.assumptions),
        }
    }

    pub(super) fn put_back(&mut self, found: Found) {
        self.steps.extend(found.steps);
        self.differences.extend(found.differences);
        self.assumptions.extend(found.assumptions);
    }

    /// The same tensor, of which no values are known.
    pub(super) fn variable(&mut self, place: TensorIndex) -> TensorIndex {
        let fact = &self.facts[place];
        let (name, shape, sequence) = (fact.name.clone(), fact.shape.clone(), fact.sequence.clone());
        let (element_type, stored_bits) = (fact.element_type, fact.stored_bits);
        self.add(Fact { name, shape, element_type, stored_bits, sequence, ..Fact::default() })
    }

    /// The same tensor where its values are not the same in every run.
    pub(super) fn without_values(&mut self, place: TensorIndex) -> TensorIndex {
        let fact = &self.facts[place];
        if fact.is_constant || fact.values.is_some() { self.variable(place) } else { place }
    }

    fn constants<'f>(
        &mut self,
        frame: &mut Frame<'f, 'a>,
        initializers: &'f [Payload<'a>],
    ) -> Result<(), CountError> {
        for payload in initializers {
            payload.check()?;
            let place = self.add(Fact {
                name: payload.name.clone(),
                shape: Some(payload.shape.clone()),
                element_type: payload.element_type,
                stored_bits: storage_bits(payload.element_type),
                is_constant: true,
                payload: Some(payload.clone()),
                ..Fact::default()
            });
            frame.names.insert(&payload.name, place);
        }
        Ok(())
    }

    /// Walk a graph in an attribute of a node of `frame`, with these tensors as its inputs.
    pub(super) fn subgraph<'f>(
        &mut self,
        frame: &Frame<'f, 'a>,
        call: &Call<'f, 'a>,
        graph: &OnnxGraph<'a>,
        inputs: &[TensorIndex],
    ) -> Result<Outputs, CountError> {
        self.graphs += 1;
        let mut inner = frame.inside(graph, self.graphs, &call.name)?;
        self.constants(&mut inner, &graph.initializers)?;
        let names = graph.inputs.iter().map(|input| input.name.as_str());
        inner.names.extend(names.zip(inputs.iter().copied()));
        let outputs: Vec<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
        self.nodes(&mut inner, &graph.nodes, &outputs)?;
        let outputs: Outputs = outputs.iter().map(|output| inner.find(output)).collect();
        self.kept.extend(outputs.iter().flatten());
        Ok(outputs)
    }

    /// Walk the nodes of a frame whose inputs and constants are bound.
    pub(super) fn nodes<'f>(
        &mut self,
        frame: &mut Frame<'f, 'a>,
        nodes: &'f [OnnxNode<'a>],
        outputs: &[&'f str],
    ) -> Result<(), CountError> {
        if !frame.is_main() {
            self.expanded += nodes.len();
            if self.expanded > MOST_EXPANDED_NODES {
                return Err(CountError::TooManyNodes { most: MOST_EXPANDED_NODES });
            }
        }
        let given: HashSet<&str> = frame.names.keys().chain(&frame.optional).copied().collect();
        let outer = frame.outer;
        let is_around = |name: &str| outer.is_some_and(|outer| outer.find(name).is_some());
        let order = order(nodes, outputs, &given, &is_around)?;
        frame.ask_for(nodes, outputs);
        for index in order {
            let node = &nodes[index];
            let name = format!(
                "{}{}",
                if node.name.is_empty() { frame.prefix.as_str() } else { "" },
                title(node, index)
            );
            let read = node.inputs.iter().map(|name| frame.find(name)).collect();
            self.node(frame, &Call { node, name, read })?;
        }
        Ok(())
    }

    fn node<'f>(&mut self, frame: &mut Frame<'f, 'a>, call: &Call<'f, 'a>) -> Result<(), CountError> {
        let node = call.node;
        let answer = if let Some(answer) = control::follow(self, frame, call)? {
            answer
        } else if let Some(function) = self.functions.of(node) {
            Ok(functions::expand(self, frame, call, function)?)
        } else {
            return self.operator(frame, call);
        };
        let outputs = match answer {
            Ok(outputs) => outputs,
            Err(why) => return self.uncounted(frame, call, why),
        };
        for (place, output) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let tensor = match outputs.get(place).copied().flatten() {
                Some(tensor) => tensor,
                None => self.unknown_output(frame, call, output),
            };
            let fact = &self.facts[tensor];
            if fact.sequence.is_none() {
                let slot = self.slot(frame, output);
                let computed = fact.shape.clone().ok_or(Uncountable::Unknown(String::new()));
                if let Ok((shape, difference)) = settled(&slot, computed) {
                    self.differences.extend(difference.map(|difference| difference.of(output)));
                    self.facts[tensor].shape = Some(shape);
                }
            }
            frame.names.insert(output, tensor);
        }
        Ok(())
    }

    fn operator<'f>(&mut self, frame: &mut Frame<'f, 'a>, call: &Call<'f, 'a>) -> Result<(), CountError> {
        let node = call.node;
        let context = Context {
            node,
            inputs: call.read.iter().map(|place| place.map(|place| &self.facts[place])).collect(),
            outputs: node.outputs.iter().map(|name| self.slot(frame, name)).collect(),
            settings: frame.settings,
            version: frame.version,
        };
        let effect = match operators::apply(&context) {
            Ok(effect) => effect,
            Err(Uncountable::Unknown(why) | Uncountable::Wrong(why)) => {
                return self.uncounted(frame, call, why);
            }
            Err(Uncountable::TooLarge) => {
                return Err(CountError::TooLarge { what: format!("what node `{}` makes", call.name) });
            }
        };
        let asked = context.outputs.iter().map(|output| output.is_asked).collect::<Vec<_>>();
        if asked.iter().skip(effect.outputs.len()).any(|is_asked| *is_asked) {
            return self.uncounted(frame, call, "it has more outputs than are counted".to_owned());
        }
        if effect.outputs.iter().any(|made| made.shape.len() > MOST_AXES) {
            return self.uncounted(frame, call, format!("it makes a tensor of more than {MOST_AXES} axes"));
        }
        self.counted(frame, call, effect)
    }

    /// An operator that has a rule.
    fn counted<'f>(
        &mut self,
        frame: &mut Frame<'f, 'a>,
        call: &Call<'f, 'a>,
        effect: NodeEffect,
    ) -> Result<(), CountError> {
        let node = call.node;
        let is_tensor = |place: &usize| !effect.settings.contains(place);
        let inputs: Vec<TensorIndex> = call
            .read
            .iter()
            .enumerate()
            .filter(|(place, _)| is_tensor(place))
            .filter_map(|(_, tensor)| *tensor)
            .collect();
        let is_settled = |place: &TensorIndex| {
            let fact = &self.facts[*place];
            fact.is_constant || fact.values.is_some()
        };
        // What hangs on constants alone is computed once, when the model is loaded. Shapes are constants here
        // too.
        let is_constant = !operators::is_random(node)
            && (inputs.iter().all(|place| self.facts[*place].is_constant)
                && call.read.iter().flatten().all(is_settled)
                || effect.outputs.iter().all(|made| made.values.is_some()));
        let payload = constant_payload(node);
        if let Some(payload) = payload {
            payload.check()?;
        }
        let is_asked: Vec<bool> = node.outputs.iter().map(|name| frame.is_asked(name)).collect();
        let is_any_asked = is_asked.contains(&true);
        let mut outputs = Vec::new();
        for (place, (output, made)) in node.outputs.iter().zip(effect.outputs).enumerate() {
            // A node that nobody reads is counted by its first output.
            if output.is_empty() || !is_asked[place] && (is_any_asked || !outputs.is_empty()) {
                continue;
            }
            let mut fact = self.fact(frame, output, made)?;
            fact.is_constant = is_constant;
            fact.payload = payload.cloned();
            let tensor = self.add(fact);
            frame.names.insert(output, tensor);
            outputs.push(tensor);
        }
        if !is_constant && !outputs.is_empty() {
            let (name, operator) = (call.name.clone(), node.operator.clone());
            self.steps.push(Step { name, operator, inputs, outputs, work: effect.work, scope: frame.scope });
        }
        Ok(())
    }

    /// An operator without a rule: what is known of its outputs besides is kept for those after it.
    fn uncounted<'f>(
        &mut self,
        frame: &mut Frame<'f, 'a>,
        call: &Call<'f, 'a>,
        why: String,
    ) -> Result<(), CountError> {
        let mut outputs = Vec::new();
        for output in call.node.outputs.iter().filter(|name| !name.is_empty()) {
            let tensor = self.unknown_output(frame, call, output);
            frame.names.insert(output, tensor);
            outputs.push(tensor);
        }
        let inputs = call.read.iter().flatten().copied().collect();
        let (name, operator) = (call.name.clone(), call.node.operator.clone());
        self.steps.push(Step {
            name,
            operator,
            inputs,
            outputs,
            work: Work::Uncounted(why),
            scope: frame.scope,
        });
        Ok(())
    }

    fn unknown_output(&mut self, frame: &Frame<'_, 'a>, call: &Call<'_, 'a>, name: &str) -> TensorIndex {
        let slot = self.slot(frame, name);
        let shape = settled(&slot, Err(Uncountable::Unknown(String::new()))).ok().map(|(shape, _)| shape);
        let first = call.read.first().copied().flatten();
        let declared = slot.declared.map(|declared| declared.element_type).filter(|number| *number != 0);
        let element_type = declared.or(first.map(|first| self.facts[first].element_type)).unwrap_or(1);
        let name = name.to_owned();
        let stored_bits = storage_bits(element_type);
        self.add(Fact { name, shape, element_type, stored_bits, ..Fact::default() })
    }

    /// What is known of an output before its node is looked at.
    fn slot<'n>(&self, frame: &'n Frame<'_, 'a>, name: &str) -> OutputSlot<'n>
    where
        'm: 'n,
    {
        OutputSlot {
            is_asked: frame.is_asked(name),
            measured: self.known.measured.get(name).map(Vec::as_slice),
            declared: frame.declared.get(name).copied(),
            symbols: &frame.symbols,
            goes_first: frame.has_fixed_inputs,
        }
    }

    /// What an operator says of an output that it makes.
    fn fact(&mut self, frame: &Frame<'_, 'a>, name: &str, made: Made) -> Result<Fact<'a>, CountError> {
        if elements(&made.shape).is_none() {
            return Err(CountError::TooLarge { what: format!("the size of `{name}`") });
        }
        self.differences.extend(made.difference.map(|difference| difference.of(name)));
        let stored_bits = made.stored_bits.filter(|_| !frame.given_out.contains(name));
        Ok(Fact {
            name: name.to_owned(),
            shape: made.sequence.is_none().then_some(made.shape),
            element_type: made.element_type,
            stored_bits: stored_bits.unwrap_or_else(|| storage_bits(made.element_type)),
            values: made.values,
            sequence: made.sequence,
            ..Fact::default()
        })
    }
}

/// The value of a `Constant` is where an initializer's would be.
fn constant_payload<'f, 'a>(node: &'f OnnxNode<'a>) -> Option<&'f Payload<'a>> {
    let value = node.attributes.iter().find(|attribute| attribute.name.ends_with("value"));
    value.filter(|_| node.operator == "Constant").and_then(|attribute| attribute.tensor.as_ref())
}

/// Sizes by the names that the file gives them.
pub(super) type Symbols = HashMap<String, u64>;
