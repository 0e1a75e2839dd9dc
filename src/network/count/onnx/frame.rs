//! What names mean while a graph is walked: each graph, and each function, has a frame.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::order::reads;
use super::settle::Symbols;
use crate::model_file::onnx::{DeclaredTensor, OnnxAttribute, OnnxFunction, OnnxGraph, OnnxNode};
use crate::network::count::error::CountError;
use crate::network::count::graph::{Scope, TensorIndex};

/// How deep frames may nest. Graphs nest 33 levels at most; functions that call functions come in between.
const DEEPEST: usize = 48;

/// The names of a graph that is being walked.
#[derive(Debug)]
pub(super) struct OnnxFrame<'f, 'a> {
    pub(super) names: HashMap<&'f str, TensorIndex>,
    /// The graph around it, whose names it sees; a function sees none.
    pub(super) outer: Option<&'f OnnxFrame<'f, 'a>>,
    /// What the attributes of its nodes refer to, in a function.
    pub(super) settings: Option<&'f CallSettings<'f, 'a>>,
    /// Shapes that the file gives.
    pub(super) declared: HashMap<&'f str, &'f DeclaredTensor>,
    pub(super) symbols: Rc<Symbols>,
    /// Whether shapes that the file gives go before computed ones: not where inputs are open, because many
    /// exporters write the shapes of one run of theirs.
    pub(super) has_fixed_inputs: bool,
    /// Names of the main graph's outputs: they are stored as their type says.
    pub(super) given_out: HashSet<&'f str>,
    /// Inputs of a function, which its callers may leave out.
    pub(super) optional: HashSet<&'f str>,
    asked: HashSet<&'f str>,
    pub(super) scope: Scope,
    /// Version of ONNX's own operators.
    pub(super) version: i64,
    /// Before the numbers of nodes without a name.
    pub(super) prefix: String,
    depth: usize,
}

/// The settings of the node that calls a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallSettings<'f, 'a> {
    pub(super) attributes: &'f [OnnxAttribute<'a>],
    pub(super) defaults: &'f [OnnxAttribute<'a>],
    pub(super) outer: Option<&'f CallSettings<'f, 'a>>,
}

impl<'f, 'a> CallSettings<'f, 'a> {
    fn find(&self, name: &str) -> Option<&'f OnnxAttribute<'a>> {
        let given = self.attributes.iter().find(|attribute| attribute.name == name);
        match given {
            Some(attribute) => resolved(attribute, self.outer),
            None => self.defaults.iter().find(|attribute| attribute.name == name),
        }
    }
}

fn resolved<'f, 'a>(
    attribute: &'f OnnxAttribute<'a>,
    settings: Option<&'f CallSettings<'f, 'a>>,
) -> Option<&'f OnnxAttribute<'a>> {
    match &attribute.reference {
        Some(reference) => settings?.find(reference),
        None => Some(attribute),
    }
}

/// A setting of a node, which in a function may be one of the calling node.
pub(super) fn attribute<'f, 'a>(
    node: &'f OnnxNode<'a>,
    settings: Option<&'f CallSettings<'f, 'a>>,
    name: &str,
) -> Option<&'f OnnxAttribute<'a>> {
    resolved(node.attributes.iter().find(|attribute| attribute.name == name)?, settings)
}

impl<'f, 'a> OnnxFrame<'f, 'a> {
    /// Of the main graph; nothing is bound yet.
    pub(super) fn main(graph: &'f OnnxGraph<'a>, version: i64) -> Self {
        Self {
            names: HashMap::new(),
            outer: None,
            settings: None,
            declared: declared(graph),
            symbols: Rc::default(),
            has_fixed_inputs: true,
            given_out: graph.outputs.iter().map(|output| output.name.as_str()).collect(),
            optional: HashSet::new(),
            asked: HashSet::new(),
            scope: Scope::MAIN,
            version,
            prefix: String::new(),
            depth: 0,
        }
    }

    /// Of a graph in an attribute of the node `caller`.
    pub(super) fn inside<'g>(
        &'g self,
        graph: &'g OnnxGraph<'a>,
        number: usize,
        caller: &str,
    ) -> Result<OnnxFrame<'g, 'a>, CountError>
    where
        'f: 'g,
    {
        Ok(OnnxFrame {
            names: HashMap::new(),
            outer: Some(self),
            settings: self.settings,
            declared: declared(graph),
            symbols: Rc::clone(&self.symbols),
            has_fixed_inputs: self.has_fixed_inputs,
            given_out: HashSet::new(),
            optional: HashSet::new(),
            asked: HashSet::new(),
            scope: Scope { graph: number, ..self.scope },
            version: self.version,
            prefix: format!("{caller}/"),
            depth: self.deeper()?,
        })
    }

    /// Of a function that the node `caller` calls with these settings.
    pub(super) fn of_function<'g>(
        &'g self,
        function: &'g OnnxFunction<'a>,
        settings: &'g CallSettings<'g, 'a>,
        caller: &str,
    ) -> Result<OnnxFrame<'g, 'a>, CountError>
    where
        'f: 'g,
    {
        let declared = function.intermediates.iter().map(|tensor| (tensor.name.as_str(), tensor));
        Ok(OnnxFrame {
            names: HashMap::new(),
            outer: None,
            settings: Some(settings),
            declared: declared.collect(),
            symbols: Rc::default(),
            // Written once for callers of every shape.
            has_fixed_inputs: false,
            given_out: HashSet::new(),
            optional: function.inputs.iter().map(String::as_str).collect(),
            asked: HashSet::new(),
            scope: self.scope,
            version: function.version.unwrap_or(self.version),
            prefix: format!("{caller}/"),
            depth: self.deeper()?,
        })
    }

    fn deeper(&self) -> Result<usize, CountError> {
        if self.depth < DEEPEST { Ok(self.depth + 1) } else { Err(CountError::TooDeep { most: DEEPEST }) }
    }

    /// The tensor of a name, here or in a graph around.
    pub(super) fn find(&self, name: &str) -> Option<TensorIndex> {
        let mut frame = Some(self);
        while let Some(here) = frame {
            if let Some(place) = here.names.get(name) {
                return Some(*place);
            }
            frame = here.outer;
        }
        None
    }

    /// Note what is read of what these nodes make.
    pub(super) fn ask_for(&mut self, nodes: &'f [OnnxNode<'a>], outputs: &[&'f str]) {
        let mut read = outputs.to_vec();
        nodes.iter().for_each(|node| reads(node, &mut read));
        self.asked = read.into_iter().collect();
    }

    /// Does anything read it?
    pub(super) fn is_asked(&self, name: &str) -> bool {
        !name.is_empty() && self.asked.contains(name)
    }
}

fn declared<'f>(graph: &'f OnnxGraph<'_>) -> HashMap<&'f str, &'f DeclaredTensor> {
    let said = graph.intermediates.iter().chain(&graph.outputs).chain(&graph.inputs);
    said.map(|declared| (declared.name.as_str(), declared)).collect()
}
