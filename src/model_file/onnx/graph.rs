//! Graphs, their nodes, and the functions that a file brings along.
//!
//! Graphs nest: the branches of an `If` and the bodies of loops are attributes of nodes. They are read with
//! the rest, because what a node needs includes what the graphs in its attributes read.

use super::protobuf::{FieldValue, Malformed, MessageFields};
use super::{DeclaredTensor, Payload, text};

/// How deep graphs may nest. Protocol buffers' own readers, and ONNX Runtime with them, refuse messages that
/// nest deeper than 100, and each graph takes three: the graph, a node, an attribute.
const DEEPEST: usize = 33;

/// A graph.
#[derive(Debug, Default)]
pub(crate) struct OnnxGraph<'a> {
    /// Nodes in the file's order.
    pub(crate) nodes: Vec<OnnxNode<'a>>,
    /// Weights.
    pub(crate) initializers: Vec<Payload<'a>>,
    /// Inputs; old files name weights here too.
    pub(crate) inputs: Vec<DeclaredTensor>,
    /// Outputs.
    pub(crate) outputs: Vec<DeclaredTensor>,
    /// Intermediate tensors.
    pub(crate) intermediates: Vec<DeclaredTensor>,
}

/// An operator with its settings.
#[derive(Debug, Default)]
pub(crate) struct OnnxNode<'a> {
    pub(crate) name: String,
    pub(crate) operator: String,
    pub(crate) domain: String,
    /// Tells functions of one name apart.
    pub(crate) overload: String,
    /// Names; empty for an optional tensor that is left out.
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) attributes: Vec<OnnxAttribute<'a>>,
}

/// A setting.
#[derive(Debug, Default)]
pub(crate) struct OnnxAttribute<'a> {
    pub(crate) name: String,
    /// In a function: the setting of the calling node that is meant.
    pub(crate) reference: Option<String>,
    pub(crate) integer: Option<i64>,
    pub(crate) integers: Vec<i64>,
    pub(crate) float: Option<f32>,
    pub(crate) floats: Vec<f32>,
    pub(crate) text: Option<&'a [u8]>,
    pub(crate) tensor: Option<Payload<'a>>,
    pub(crate) graphs: Vec<OnnxGraph<'a>>,
}

/// A function: an operator that the file defines by a graph.
#[derive(Debug, Default)]
pub(crate) struct OnnxFunction<'a> {
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) overload: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) nodes: Vec<OnnxNode<'a>>,
    pub(crate) intermediates: Vec<DeclaredTensor>,
    /// Settings that calling nodes may leave out.
    pub(crate) defaults: Vec<OnnxAttribute<'a>>,
    /// Version of ONNX's own operators, where it says so.
    pub(crate) version: Option<i64>,
}

/// Is this the domain of ONNX's own operators?
pub(crate) fn is_own_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The version of ONNX's own operators, if this entry of a list of operator sets says it.
pub(super) fn own_version(bytes: &[u8]) -> Result<Option<i64>, Malformed> {
    let (mut is_own, mut version) = (true, None);
    for field in MessageFields::new(bytes) {
        match field? {
            (1, value) => is_own = is_own_domain(&text(value)?),
            (2, value) => version = Some(value.integer()?),
            _ => {}
        }
    }
    Ok(version.filter(|_| is_own))
}

impl<'a> OnnxGraph<'a> {
    /// A graph that is `depth` graphs deep.
    pub(super) fn read(bytes: &'a [u8], depth: usize) -> Result<Self, Malformed> {
        if depth > DEEPEST {
            return Err(format!("its graphs nest deeper than {DEEPEST} levels"));
        }
        let mut graph = Self::default();
        for field in MessageFields::new(bytes) {
            let (number, value) = field?;
            match number {
                1 => graph.nodes.push(OnnxNode::read(value.bytes()?, depth)?),
                5 => graph.initializers.push(Payload::read(value.bytes()?)?),
                11 => graph.inputs.push(DeclaredTensor::read(value.bytes()?)?),
                12 => graph.outputs.push(DeclaredTensor::read(value.bytes()?)?),
                13 => graph.intermediates.push(DeclaredTensor::read(value.bytes()?)?),
                15 => graph.initializers.push(Payload::read_sparse(value.bytes()?)?),
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'a> OnnxFunction<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut function = Self::default();
        for field in MessageFields::new(bytes) {
            let (number, value) = field?;
            match number {
                1 => function.name = text(value)?,
                4 => function.inputs.push(text(value)?),
                5 => function.outputs.push(text(value)?),
                7 => function.nodes.push(OnnxNode::read(value.bytes()?, 1)?),
                9 => function.version = own_version(value.bytes()?)?.or(function.version),
                10 => function.domain = text(value)?,
                11 => function.defaults.push(OnnxAttribute::read(value.bytes()?, 1)?),
                12 => function.intermediates.push(DeclaredTensor::read(value.bytes()?)?),
                13 => function.overload = text(value)?,
                _ => {}
            }
        }
        Ok(function)
    }
}

impl<'a> OnnxNode<'a> {
    fn read(bytes: &'a [u8], depth: usize) -> Result<Self, Malformed> {
        let mut node = Self::default();
        for field in MessageFields::new(bytes) {
            let (number, value) = field?;
            match number {
                1 => node.inputs.push(text(value)?),
                2 => node.outputs.push(text(value)?),
                3 => node.name = text(value)?,
                4 => node.operator = text(value)?,
                5 => node.attributes.push(OnnxAttribute::read(value.bytes()?, depth)?),
                7 => node.domain = text(value)?,
                8 => node.overload = text(value)?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// Graphs in its attributes.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = &OnnxGraph<'a>> {
        self.attributes.iter().flat_map(|attribute| &attribute.graphs)
    }
}

impl<'a> OnnxAttribute<'a> {
    fn read(bytes: &'a [u8], depth: usize) -> Result<Self, Malformed> {
        let mut attribute = Self::default();
        for field in MessageFields::new(bytes) {
            let (number, value) = field?;
            match number {
                1 => attribute.name = text(value)?,
                2 => attribute.float = float(value)?,
                3 => attribute.integer = Some(value.integer()?),
                4 => attribute.text = Some(value.bytes()?),
                5 => attribute.tensor = Some(Payload::read(value.bytes()?)?),
                6 | 11 => attribute.graphs.push(OnnxGraph::read(value.bytes()?, depth + 1)?),
                7 => value.floats(&mut attribute.floats)?,
                8 => value.integers(&mut attribute.integers)?,
                21 => attribute.reference = Some(text(value)?).filter(|name| !name.is_empty()),
                22 => attribute.tensor = Some(Payload::read_sparse(value.bytes()?)?),
                _ => {}
            }
        }
        Ok(attribute)
    }
}

fn float(value: FieldValue<'_>) -> Result<Option<f32>, Malformed> {
    let mut floats = Vec::new();
    value.floats(&mut floats)?;
    Ok(floats.last().copied())
}
