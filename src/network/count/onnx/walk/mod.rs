//! From the nodes of an ONNX file to steps with shapes.
//!
//! Nodes are put into an order in which they can run, and each says what it makes. What a runtime reported of
//! a shape goes before what the file declares, and that before what is computed here; see [`super::settle`].
//! [`node`] does this for one operator; graphs in graphs and functions are walked in frames of their own, by
//! [`control`] and [`functions`].

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::fact::{Fact, Item, Sequence, Values};
use super::frame::OnnxFrame;
use super::inputs;
use super::measured;
use super::operators::storage_bits;
use super::order::{order, title};
use super::settle::Symbols;
use crate::model_file::onnx::{DeclaredTensor, MOST_VALUES, OnnxGraph, OnnxModel, OnnxNode, Payload};
use crate::model_file::{Dimension, elements};
use crate::network::cost::{Assumption, Difference};
use crate::network::count::Known;
use crate::network::count::error::CountError;
use crate::network::count::graph::{Step, Tensor, TensorIndex, Walked};
use functions::Functions;

mod control;
mod functions;
mod node;

/// Nodes and tensors of functions and of graphs in graphs, each as often as it is expanded. A transformer of
/// 100 layers that PyTorch exports as functions has about 40 000; a hostile file of a few kB could have 2¹⁰⁰.
const MOST_EXPANDED: usize = 500_000;

/// The file's own operators are of this version where it does not say it.
const OLDEST_VERSION: i64 = 1;

/// Walk a model of which this much is known besides.
pub(super) fn walk(model: &OnnxModel<'_>, known: &Known) -> Result<Walked, CountError> {
    let mut walk = Walk {
        known,
        measured: measured::shapes(model, &known.measured),
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
    let mut frame = OnnxFrame::main(graph, model.version.unwrap_or(OLDEST_VERSION));
    walk.constants(&mut frame, &graph.initializers)?;
    let images: Vec<&DeclaredTensor> =
        graph.inputs.iter().filter(|input| !frame.names.contains_key(input.name.as_str())).collect();
    let shapes = inputs::shapes(&images, known)?;
    frame.has_fixed_inputs = images.iter().all(|input| inputs::is_fixed(input));
    walk.assumptions = inputs::assumptions(&images, known);
    let mut symbols = Symbols::new();
    for (input, shape) in images.iter().zip(shapes) {
        inputs::symbols(input, shape.as_deref(), &mut symbols);
        let place = walk.add(input_fact(input, shape, known));
        frame.names.insert(&input.name, place);
    }
    frame.symbols = Rc::new(symbols);
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
        measured: walk.measured.len() as u64,
    })
}

fn input_fact<'a>(input: &DeclaredTensor, shape: Option<Vec<u64>>, known: &Known) -> Fact<'a> {
    let item = |element: &DeclaredTensor| Item {
        shape: element.shape.as_deref().and_then(|shape| shape.iter().map(Dimension::fixed).collect()),
        element_type: element.element_type,
    };
    let values = known.values.get(&input.name).zip(shape.as_deref().and_then(elements));
    let values =
        values.filter(|_| is_whole(input.element_type)).and_then(|(values, count)| match values.as_slice() {
            [one] if count <= MOST_VALUES => Some(vec![*one; count as usize]),
            all => (all.len() as u64 == count && count <= MOST_VALUES).then(|| all.to_vec()),
        });
    Fact {
        name: input.name.clone(),
        shape,
        element_type: input.element_type,
        stored_bits: storage_bits(input.element_type),
        values: values.map(Values::Integers),
        sequence: input.element.as_deref().map(|element| Sequence::Alike(item(element))),
        ..Fact::default()
    }
}

/// Is it a type of whole numbers or truth values?
fn is_whole(element_type: i64) -> bool {
    matches!(element_type, 2..=7 | 9 | 12 | 13)
}

/// Everything that has been found so far.
struct Walk<'m, 'a> {
    known: &'m Known,
    /// Shapes that a runtime reported, by the names of the tensors.
    measured: HashMap<&'m str, &'m [u64]>,
    functions: Functions<'m, 'a>,
    facts: Vec<Fact<'a>>,
    steps: Vec<Step>,
    differences: Vec<Difference>,
    assumptions: Vec<Assumption>,
    /// Tensors that outlive the graph they are made in: nothing is fused over them.
    kept: Vec<TensorIndex>,
    /// Graphs in graphs so far.
    graphs: usize,
    /// Parts of functions and graphs in graphs so far.
    expanded: usize,
}

/// A node with its place.
struct Call<'f, 'a> {
    node: &'f OnnxNode<'a>,
    name: String,
    /// What it reads, in the order of its inputs.
    read: Vec<Option<TensorIndex>>,
}

/// Tensors for the outputs of a node, in their order.
type Outputs = Vec<Option<TensorIndex>>;

/// How many steps, differences and assumptions there were.
#[derive(Debug, Clone, Copy)]
struct Mark {
    steps: usize,
    differences: usize,
    assumptions: usize,
}

/// What was found since a [`Mark`].
#[derive(Debug)]
struct Found {
    steps: Vec<Step>,
    differences: Vec<Difference>,
    assumptions: Vec<Assumption>,
}

impl<'m, 'a> Walk<'m, 'a> {
    fn add(&mut self, fact: Fact<'a>) -> TensorIndex {
        self.facts.push(fact);
        self.facts.len() - 1
    }

    fn mark(&self) -> Mark {
        Mark {
            steps: self.steps.len(),
            differences: self.differences.len(),
            assumptions: self.assumptions.len(),
        }
    }

    /// Take away what was found since.
    fn take_since(&mut self, mark: Mark) -> Found {
        Found {
            steps: self.steps.split_off(mark.steps),
            differences: self.differences.split_off(mark.differences),
            assumptions: self.assumptions.split_off(mark.assumptions),
        }
    }

    fn put_back(&mut self, found: Found) {
        self.steps.extend(found.steps);
        self.differences.extend(found.differences);
        self.assumptions.extend(found.assumptions);
    }

    /// The same tensor, of which no values are known.
    fn variable(&mut self, place: TensorIndex) -> TensorIndex {
        let fact = &self.facts[place];
        let (name, shape, sequence) = (fact.name.clone(), fact.shape.clone(), fact.sequence.clone());
        let (element_type, stored_bits) = (fact.element_type, fact.stored_bits);
        self.add(Fact { name, shape, element_type, stored_bits, sequence, ..Fact::default() })
    }

    /// The same tensor where its values are not the same in every run.
    fn without_values(&mut self, place: TensorIndex) -> TensorIndex {
        let fact = &self.facts[place];
        if fact.is_constant || fact.values.is_some() { self.variable(place) } else { place }
    }

    /// Note that a function or a graph in a graph with so many parts is walked.
    fn spend(&mut self, parts: usize) -> Result<(), CountError> {
        // An empty one costs something too.
        self.expanded = self.expanded.saturating_add(parts).saturating_add(1);
        if self.expanded > MOST_EXPANDED {
            return Err(CountError::TooManyNodes { most: MOST_EXPANDED });
        }
        Ok(())
    }

    fn constants<'f>(
        &mut self,
        frame: &mut OnnxFrame<'f, 'a>,
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
    fn subgraph<'f>(
        &mut self,
        frame: &OnnxFrame<'f, 'a>,
        call: &Call<'f, 'a>,
        graph: &OnnxGraph<'a>,
        inputs: &[TensorIndex],
    ) -> Result<Outputs, CountError> {
        self.graphs += 1;
        let declared = graph.inputs.len() + graph.outputs.len() + graph.intermediates.len();
        self.spend(graph.nodes.len() + graph.initializers.len() + declared)?;
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
    fn nodes<'f>(
        &mut self,
        frame: &mut OnnxFrame<'f, 'a>,
        nodes: &'f [OnnxNode<'a>],
        outputs: &[&'f str],
    ) -> Result<(), CountError> {
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
}
