use super::*;
use crate::network::blocks::{BLOCKS, Channels};
use crate::network::configuration::{Precision, RequestedConfiguration};

fn graph(block: &str, kernel: i64, input: i64) -> Graph {
    Graph::new(&Configuration::new(&RequestedConfiguration::new(block, kernel, 1, input, "fp32")).unwrap())
}

/// One line a layer: what a person would check against the paper's table.
fn text(graph: &Graph) -> String {
    let mut text = String::new();
    for layer in &graph.layers {
        let FeatureMap { channels, height, width } = layer.output;
        let what = match layer.operation {
            Operation::Convolution(convolution) => {
                let Window { height, width, stride } = convolution.window;
                let kind = match convolution.channels {
                    Channels::All => "",
                    Channels::Own => " per channel",
                };
                let relu = if convolution.relu { " relu" } else { "" };
                format!("{height}x{width}/{stride}{kind}{relu}")
            }
            Operation::Add => "add relu".to_owned(),
            Operation::MaxPool(window) => format!("max {}x{}/{}", window.height, window.width, window.stride),
        };
        text.push_str(&format!("{} {:?} {what} -> {channels}x{height}x{width}\n", layer.name, layer.inputs));
    }
    text
}

#[test]
fn the_first_blocks_of_each_type_are_those_of_the_table() {
    for block in BLOCKS {
        let requested = RequestedConfiguration {
            depths: [1, 2, 1, 1],
            ..RequestedConfiguration::new(block.name, 3, 1, 224, "fp32")
        };
        let graph = Graph::new(&Configuration::new(&requested).unwrap());
        insta::assert_snapshot!(block.name, text(&graph));
    }
}

#[test]
fn sizes_are_rounded_up_at_every_halving() {
    for (input, last) in [(224, 7), (560, 18), (1400, 44), (32, 1), (33, 2)] {
        let graph = graph("standard", 3, input);
        let expected = FeatureMap { channels: 512, height: last, width: last };
        assert_eq!(graph.shape(graph.output()), expected, "{input}");
    }
}

#[test]
fn the_odd_row_of_padding_is_at_the_end() {
    assert_eq!(same_padding(224, 7, 2), (2, 3));
    assert_eq!(same_padding(112, 3, 2), (0, 1));
    assert_eq!(same_padding(35, 3, 2), (1, 1));
    assert_eq!(same_padding(56, 3, 1), (1, 1));
    assert_eq!(same_padding(56, 1, 2), (0, 0));
    assert_eq!(same_padding(1, 7, 2), (3, 3));
}

#[test]
fn every_layer_reads_earlier_tensors_and_names_are_unique() {
    for configuration in Configuration::family(Precision::Fp32) {
        let graph = Graph::new(&configuration);
        let mut names = std::collections::HashSet::new();
        for (index, layer) in graph.layers.iter().enumerate() {
            assert!(layer.inputs.iter().all(|&input| input <= index), "{configuration} {}", layer.name);
            assert!(names.insert(&layer.name), "{configuration} {}", layer.name);
        }
        let adds = graph.layers.iter().filter(|layer| layer.operation == Operation::Add).count();
        assert_eq!(adds, 16);
    }
}

#[test]
fn both_inputs_of_an_addition_have_its_shape() {
    for block in BLOCKS {
        let graph = graph(block.name, 5, 77);
        for layer in graph.layers.iter().filter(|layer| layer.operation == Operation::Add) {
            assert!(layer.inputs.iter().all(|&input| graph.shape(input) == layer.output), "{}", layer.name);
        }
    }
}

#[test]
fn a_width_multiplier_scales_every_layer_but_the_image() {
    let requested = RequestedConfiguration {
        width_percent: 50,
        ..RequestedConfiguration::new("standard", 3, 1, 224, "fp32")
    };
    let graph = Graph::new(&Configuration::new(&requested).unwrap());
    assert_eq!(graph.shape(0).channels, 3);
    assert_eq!(graph.shape(1).channels, 32);
    assert_eq!(graph.shape(graph.output()).channels, 256);
}
