//! The order in which the nodes of a graph can run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::model_file::onnx::{OnnxGraph, OnnxNode};
use crate::network::count::error::CountError;

/// The name of a node, or its place in the graph where it has none.
pub(super) fn title(node: &OnnxNode<'_>, index: usize) -> String {
    if node.name.is_empty() { format!("#{index}") } else { node.name.clone() }
}

/// Everything that a node reads: its inputs, and what the graphs in its attributes take from around them.
pub(super) fn reads<'n>(node: &'n OnnxNode<'_>, into: &mut Vec<&'n str>) {
    into.extend(node.inputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
    for graph in node.graphs() {
        let from = into.len();
        graph.nodes.iter().for_each(|inner| reads(inner, into));
        into.extend(graph.outputs.iter().map(|output| output.name.as_str()));
        let own = made_in(graph);
        let taken = into.split_off(from);
        into.extend(taken.into_iter().filter(|name| !own.contains(name)));
    }
}

fn made_in<'g>(graph: &'g OnnxGraph<'_>) -> HashSet<&'g str> {
    let nodes = graph.nodes.iter().flat_map(|node| &node.outputs).map(String::as_str);
    let inputs = graph.inputs.iter().map(|input| input.name.as_str());
    nodes.chain(inputs).chain(graph.initializers.iter().map(|tensor| tensor.name.as_str())).collect()
}

/// Places of the nodes in an order in which they can run: the file's own, unless a node there reads what
/// comes later. `given` are tensors that this graph has from the start; `is_around` those of graphs around
/// it.
pub(super) fn order<'n>(
    nodes: &'n [OnnxNode<'_>],
    outputs: &[&'n str],
    given: &HashSet<&str>,
    is_around: &dyn Fn(&str) -> bool,
) -> Result<Vec<usize>, CountError> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(output, index).is_some() || given.contains(output.as_str()) {
                return Err(CountError::MadeTwice { node: title(node, index), tensor: output.clone() });
            }
        }
    }
    let is_there = |name: &str| given.contains(name) || is_around(name);
    let missing = |node: String, name: &str| CountError::Missing { node, tensor: name.to_owned() };
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waits_for: Vec<usize> = vec![0; nodes.len()];
    let mut read = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        read.clear();
        reads(node, &mut read);
        for input in &read {
            match makers.get(input) {
                Some(maker) => {
                    readers[*maker].push(index);
                    waits_for[index] += 1;
                }
                None if is_there(input) => {}
                None => return Err(missing(title(node, index), input)),
            }
        }
    }
    if let Some(output) = outputs.iter().find(|output| !makers.contains_key(**output) && !is_there(output)) {
        return Err(missing("the graph's output".to_owned(), output));
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|index| waits_for[*index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for reader in &readers[index] {
            waits_for[*reader] -= 1;
            if waits_for[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    match (0..nodes.len()).find(|index| waits_for[*index] > 0) {
        None => Ok(order),
        Some(waiting) => Err(circle(nodes, waiting, &makers, &waits_for)),
    }
}

/// The error for nodes that wait for each other, from one that waits for them.
fn circle(
    nodes: &[OnnxNode<'_>],
    waiting: usize,
    makers: &HashMap<&str, usize>,
    waits_for: &[usize],
) -> CountError {
    // A node that waits may only lie behind the circle; as many steps back as there are nodes end on it.
    let (mut index, mut reader, mut tensor) = (waiting, waiting, "");
    let mut read = Vec::new();
    for _ in 0..=nodes.len() {
        read.clear();
        reads(&nodes[index], &mut read);
        let waited_for = read.iter().find_map(|input| {
            makers.get(input).filter(|maker| waits_for[**maker] > 0).map(|maker| (*input, *maker))
        });
        if let Some((input, maker)) = waited_for {
            (reader, tensor, index) = (index, input, maker);
        }
    }
    CountError::Cyclic { node: title(&nodes[reader], reader), tensor: tensor.to_owned() }
}
