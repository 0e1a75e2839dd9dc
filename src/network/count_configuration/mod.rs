//! The cost of a configuration, counted from its layers; no file is made for it.
//!
//! Batch normalisation, activations and the addition of the shortcut are fused into their convolution: they
//! move no bytes of their own but the second operand of the addition. What [`Cost`] counts outside of MACs is
//! one operation for each addition of a shortcut and for each value that a pooling window looks at.

use crate::network::configuration::{Configuration, Precision};
use crate::network::cost::{Cost, LayerCost};
use crate::network::graph::{Graph, Layer, Operation};

/// Biases are 32 bits wide at either precision.
const BIAS_BYTES: u64 = 4;

/// What a configuration costs, at its own precision. Shapes are those of ONNX (batch, channels, rows,
/// columns).
pub fn cost(configuration: &Configuration) -> Cost {
    cost_of_graph(&Graph::new(configuration), configuration.precision())
}

/// What a graph costs at a precision.
pub(crate) fn cost_of_graph(graph: &Graph, precision: Precision) -> Cost {
    let layers = graph.layers.iter().map(|layer| layer_cost(graph, layer, precision.bytes())).collect();
    Cost { layers, ..Cost::default() }
}

fn layer_cost(graph: &Graph, layer: &Layer, width: u64) -> LayerCost {
    let batch = graph.batch;
    let read = batch * graph.shape(layer.inputs[0]).elements();
    let made = batch * layer.output.elements();
    let mut cost = LayerCost {
        name: layer.name.clone(),
        operator: String::new(),
        output_shape: vec![batch, layer.output.channels, layer.output.height, layer.output.width],
        macs: 0,
        other_operations: 0,
        parameters: 0,
        bytes_moved: 0,
    };
    match layer.operation {
        Operation::Convolution(convolution) => {
            let biases = convolution.output_channels;
            "Conv".clone_into(&mut cost.operator);
            cost.macs = made * convolution.weights_per_channel();
            cost.parameters = convolution.weights() + biases;
            cost.bytes_moved = (read + made + convolution.weights()) * width + biases * BIAS_BYTES;
        }
        Operation::Add => {
            // The first operand is what the convolution just made, and the sum takes its place: only the
            // second is read.
            "Add".clone_into(&mut cost.operator);
            cost.other_operations = made;
            cost.bytes_moved = made * width;
        }
        Operation::MaxPool(window) => {
            "MaxPool".clone_into(&mut cost.operator);
            cost.other_operations = made * window.height * window.width;
            cost.bytes_moved = (read + made) * width;
        }
    }
    cost
}

#[cfg(test)]
mod tests;
