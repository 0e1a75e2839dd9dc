//! Shapes that a runtime reported while it ran the nodes of a file.
//!
//! A report names nodes, and the count needs tensors. Names that are not unique in the file say nothing,
//! because the branch that did not run may have the same.

use std::collections::HashMap;

use crate::model_file::onnx::{OnnxGraph, OnnxModel, OnnxNode};
use crate::network::count::NodeShapes;

/// Shapes by the names of the tensors in the file.
pub(super) fn shapes<'m>(model: &'m OnnxModel<'_>, reported: &'m NodeShapes) -> HashMap<&'m str, &'m [u64]> {
    if reported.is_empty() {
        return HashMap::new();
    }
    let mut nodes = Vec::new();
    collect(&model.graph, &mut nodes);
    let is_flat = nodes.len() == model.graph.nodes.len() && model.functions.is_empty();
    let title = |(place, node): (usize, &&OnnxNode<'_>)| match node.name.as_str() {
        // In a graph of a graph, the places begin again.
        "" => is_flat.then(|| format!("{}_{place}", node.operator)),
        name => Some(name.to_owned()),
    };
    let titles: Vec<Option<String>> = nodes.iter().enumerate().map(title).collect();
    let mut nodes_of: HashMap<&str, usize> = HashMap::new();
    titles.iter().flatten().for_each(|title| *nodes_of.entry(title).or_default() += 1);
    let mut made: HashMap<&str, Option<&[u64]>> = HashMap::new();
    for (node, title) in nodes.iter().zip(&titles) {
        let title = title.as_deref().filter(|title| nodes_of.get(title) == Some(&1));
        let shapes = title.and_then(|title| reported.get(title)).map_or(&[][..], Vec::as_slice);
        let outputs: Vec<&str> =
            node.outputs.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        // Fewer are reported where some are no tensors, and then it is not known which.
        let is_told = shapes.len() == outputs.len();
        for (place, output) in outputs.into_iter().enumerate() {
            let shape = shapes.get(place).filter(|_| is_told).map(Vec::as_slice);
            made.entry(output).and_modify(|shape| *shape = None).or_insert(shape);
        }
    }
    made.into_iter().filter_map(|(tensor, shape)| Some((tensor, shape?))).collect()
}

/// The nodes of a graph and of those in it.
fn collect<'m, 'a>(graph: &'m OnnxGraph<'a>, into: &mut Vec<&'m OnnxNode<'a>>) {
    into.extend(&graph.nodes);
    graph.nodes.iter().flat_map(OnnxNode::graphs).for_each(|inner| collect(inner, into));
}
