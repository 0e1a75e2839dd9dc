use super::*;
use crate::network::configuration::RequestedConfiguration;

/// The whole network's MACs and parameters, written a second time from the paper's table alone: closed sums
/// over stages, without a graph.
fn second_count(block: &str, kernel: u64, batch: u64, input: u64) -> (u64, u64) {
    let side = |halvings: u32| input.div_ceil(1 << halvings);
    let area = |halvings: u32| side(halvings) * side(halvings);
    let mut macs = area(1) * 64 * 3 * 49;
    let mut parameters = 64 * 3 * 49 + 64;
    let mut add = |area: u64, weights: u64, channels: u64| {
        macs += area * weights;
        parameters += weights + channels;
    };
    let mut before = 64;
    for (stage, (depth, d)) in [(3, 64), (4, 128), (6, 256), (3, 512)].into_iter().enumerate() {
        let after = area(stage as u32 + 2);
        for index in 0..depth {
            let halves = stage > 0 && index == 0;
            // Where the block begins, and how many channels come in.
            let (start, c) = (if halves { area(stage as u32 + 1) } else { after }, before);
            match block {
                "standard" => add(after, kernel * kernel * c * d, d),
                "bottleneck-standard" => {
                    add(start, c * d, d);
                    add(after, kernel * kernel * d * d, d);
                    add(after, d * d, d);
                }
                "spatially-separable" => {
                    add(start, kernel * c * d, d);
                    add(after, kernel * d * d, d);
                }
                "bottleneck-spatially-separable" => {
                    add(start, c * d, d);
                    add(start, kernel * d * d, d);
                    add(after, kernel * d * d, d);
                    add(after, d * d, d);
                }
                "depthwise-separable" => {
                    add(after, kernel * kernel * c, c);
                    add(after, c * d, d);
                }
                "bottleneck-depthwise-separable" => {
                    add(start, c * d, d);
                    add(after, kernel * kernel * d, d);
                    add(after, d * d, d);
                }
                _ => panic!("the table has no {block}"),
            }
            if halves {
                add(after, c * d, d);
            }
            before = d;
        }
    }
    (macs * batch, parameters)
}

#[test]
fn macs_and_parameters_equal_a_second_count_for_every_member_of_the_family() {
    for configuration in Configuration::family(Precision::Int8) {
        let cost = cost(&configuration);
        let second = second_count(
            configuration.block().name,
            u64::from(configuration.kernel()),
            u64::from(configuration.batch()),
            u64::from(configuration.input()),
        );
        assert_eq!((cost.macs(), cost.parameters()), second, "{configuration}");
    }
}

#[test]
fn rounding_up_twice_is_rounding_up_once() {
    // The second count divides by 4, 8, …; the graph halves and rounds each time.
    for input in 32..2000_u64 {
        let twice = input.div_ceil(2).div_ceil(2).div_ceil(2).div_ceil(2).div_ceil(2);
        assert_eq!(twice, input.div_ceil(32));
    }
}

#[test]
fn the_counting_rules_give_resnet_50s_published_scale() {
    // ResNet-50 itself from the same rules (expansion 4, stride in the 3×3 convolution): 4.09 GMACs, so the
    // paper's 8.2 GOP, and 23.5 million parameters without the head.
    use crate::network::blocks::Channels;
    use crate::network::graph::{Convolution, FeatureMap, Window};
    let mut graph =
        Graph { batch: 1, image: FeatureMap { channels: 3, height: 224, width: 224 }, layers: Vec::new() };
    let mut push = |input_channels: u64, output_channels: u64, kernel: u64, side: u64| {
        let window = Window { height: kernel, width: kernel, stride: 1 };
        let convolution =
            Convolution { window, input_channels, output_channels, channels: Channels::All, relu: true };
        graph.layers.push(Layer {
            name: String::new(),
            operation: Operation::Convolution(convolution),
            inputs: vec![0],
            output: FeatureMap { channels: output_channels, height: side, width: side },
        });
    };
    push(3, 64, 7, 112);
    let mut before = 64;
    for (depth, width, side) in [(3, 64, 56), (4, 128, 28), (6, 256, 14), (3, 512, 7)] {
        for block in 0..depth {
            let start = if block == 0 && width > 64 { side * 2 } else { side };
            push(before, width, 1, start);
            push(width, width, 3, side);
            push(width, 4 * width, 1, side);
            if block == 0 {
                push(before, 4 * width, 1, side);
            }
            before = 4 * width;
        }
    }
    let cost = cost_of_graph(&graph, Precision::Fp32);
    assert_eq!(cost.operations() / 10_000_000, 817);
    assert_eq!(cost.parameters() / 100_000, 234);
}

#[test]
fn bytes_are_those_of_a_count_by_hand() {
    // Width 100 %, one block a stage, standard k = 1, input 32: sides 16 (conv1), 8, 4, 2, 1.
    let requested = RequestedConfiguration {
        depths: [1, 1, 1, 1],
        ..RequestedConfiguration::new("standard", 1, 2, 32, "int8")
    };
    let cost = cost(&Configuration::new(&requested).unwrap());
    let bytes: Vec<(&str, u64)> =
        cost.layers.iter().map(|layer| (layer.name.as_str(), layer.bytes_moved)).collect();
    let expected = [
        ("conv1", 2 * (3 * 1024 + 64 * 256) + 64 * 147 + 64 * 4),
        ("pool1", 2 * (64 * 256 + 64 * 64)),
        ("conv2_block1_1", 2 * (64 * 64 + 64 * 64) + 64 * 64 + 64 * 4),
        ("conv2_block1_add", 2 * 64 * 64),
        ("conv3_block1_1", 2 * (64 * 64 + 128 * 16) + 64 * 128 + 128 * 4),
        ("conv3_block1_shortcut", 2 * (64 * 64 + 128 * 16) + 64 * 128 + 128 * 4),
        ("conv3_block1_add", 2 * 128 * 16),
    ];
    assert_eq!(bytes[..expected.len()], expected);
}

#[test]
fn only_activations_grow_with_the_batch() {
    let of = |batch| {
        cost(&Configuration::new(&RequestedConfiguration::new("standard", 3, batch, 224, "fp32")).unwrap())
    };
    let (one, two, four) = (of(1), of(2), of(4));
    assert_eq!(two.macs(), 2 * one.macs());
    assert_eq!(four.parameters(), one.parameters());
    assert_eq!(two.bytes_moved() - one.bytes_moved(), (four.bytes_moved() - two.bytes_moved()) / 2);
    assert_eq!(2 * one.bytes_moved() - two.bytes_moved(), 4 * one.parameters());
}

#[test]
fn the_largest_possible_network_is_counted_without_overflow() {
    for block in crate::network::blocks::BLOCKS {
        let requested = RequestedConfiguration {
            width_percent: 200,
            depths: [64; 4],
            ..RequestedConfiguration::new(block.name, 31, 256, 8192, "fp32")
        };
        let cost = cost(&Configuration::new(&requested).unwrap());
        // Debug builds panic on overflow, this one included.
        assert!(cost.operations() > 0 && cost.bytes_moved() > 0);
    }
}
