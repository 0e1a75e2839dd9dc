use super::*;

mod bad_input;
mod family;
mod field;
mod operators;
mod rules;
mod structure;
mod tflite;

fn file(name: &str) -> Vec<u8> {
    fs_err::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn none() -> InputShapes {
    InputShapes::new()
}

fn expected() -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_slice(&file("tests/graphs/expected.json")).unwrap()
}

fn foreign(name: &str) -> Cost {
    onnx(&file(&format!("tests/graphs/{name}.onnx")), &none())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Where our count of a foreign graph is not what independent tools said.
fn differences(cost: &Cost, expected: &serde_json::Value) -> Vec<String> {
    let mut found = Vec::new();
    let wanted: Vec<(&str, u64, Vec<u64>)> = expected["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            let shape = serde_json::from_value(layer["output_shape"].clone()).unwrap();
            (layer["name"].as_str().unwrap(), layer["macs"].as_u64().unwrap(), shape)
        })
        .collect();
    let products = cost.layers.iter().filter(|layer| layer.macs > 0);
    let counted: Vec<(&str, u64, Vec<u64>)> =
        products.map(|layer| (layer.name.as_str(), layer.macs, layer.output_shape.clone())).collect();
    if counted != wanted {
        found.push(format!("counted {counted:?}, wanted {wanted:?}"));
    }
    if cost.macs() != expected["macs"].as_u64().unwrap() {
        found.push(format!("{} MACs counted, {} wanted", cost.macs(), expected["macs"]));
    }
    if !cost.uncounted.is_empty() {
        found.push(format!("uncounted: {:?}", cost.uncounted));
    }
    found
}

#[test]
fn macs_and_shapes_of_foreign_graphs_are_those_of_independent_tools() {
    let expected = expected();
    assert!(expected.len() >= 10);
    for (name, graph) in &expected {
        assert_eq!(differences(&foreign(name), graph), [""; 0], "{name}");
    }
}

#[test]
fn a_wrong_shape_and_a_wrong_count_would_be_noticed_in_every_foreign_graph() {
    for (name, graph) in &expected() {
        let cost = foreign(name);
        let (mut wrong_shape, mut wrong_count) = (graph.clone(), graph.clone());
        let size = &mut wrong_shape["layers"][0]["output_shape"][0];
        *size = (size.as_u64().unwrap() + 1).into();
        let macs = &mut wrong_count["layers"][0]["macs"];
        *macs = (macs.as_u64().unwrap() + 1).into();
        assert_eq!(differences(&cost, &wrong_shape).len(), 1, "{name}");
        assert_eq!(differences(&cost, &wrong_count).len(), 1, "{name}");
    }
}

#[test]
fn resnet_50_is_the_8_2_billion_operations_of_the_paper_and_25_5_million_parameters() {
    let cost = foreign("resnet-50-like");
    assert_eq!(cost.operations(), 8_178_368_512);
    // The published 25,557,032 have a scale and a shift for each of 26,560 channels; folded, one bias is
    // left.
    assert_eq!(cost.parameters(), 25_557_032 - 26_560);
    // 16 additions and the two poolings are all that is left apart from the products.
    assert_eq!(cost.layers.len(), 54 + 16 + 2);
}

#[test]
fn pairs_of_quantisation_are_a_width_and_their_border_a_row() {
    let cost = foreign("quantised-pairs");
    let rows: Vec<(&str, u64, u64, u64)> = cost
        .layers
        .iter()
        .map(|layer| (layer.operator.as_str(), layer.other_operations, layer.parameters, layer.bytes_moved))
        .collect();
    let image = 3 * 32 * 32;
    let tensor = 16 * 32 * 32;
    assert_eq!(
        rows,
        [
            ("QuantizeLinear", image, 0, 4 * image + image),
            ("Conv", 0, 3 * 16 * 9 + 16, image + 3 * 16 * 9 + 4 * 16 + tensor),
            ("Conv", 0, 16 * 16 * 9 + 16, tensor + 16 * 16 * 9 + 4 * 16 + tensor),
            ("Conv", 0, 16 * 16 + 16, tensor + 16 * 16 + 4 * 16 + tensor),
            ("Add", tensor, 0, tensor),
            ("MaxPool", tensor, 0, tensor + tensor / 4),
            ("Conv", 0, 10 * tensor / 4 + 10, tensor / 4 + 10 * tensor / 4 + 4 * 10 + 10),
            ("DequantizeLinear", 10, 0, 10 + 4 * 10),
        ]
    );
}

#[test]
fn the_same_network_costs_the_same_in_both_formats() {
    let example = |name: &str| model(&file(&format!("inbox-examples/{name}")), &none()).unwrap();
    let costs =
        ["tiny-cnn.onnx", "tiny-cnn.tflite", "tiny-cnn-int8.onnx", "tiny-cnn-int8.tflite"].map(example);
    // 96² × 16 × 27 + 96² × 32 × 144 + 48² × 64 × 288 + 48² × 64 × 576 + 10 × 64, and their weights with 186
    // biases.
    for cost in &costs {
        assert_eq!((cost.macs(), cost.parameters()), (173_851_264, 61_162));
        assert_eq!(cost.uncounted, []);
    }
    assert_eq!(costs[0].bytes_moved(), costs[1].bytes_moved());
    assert_eq!(costs[0].other_operations(), costs[1].other_operations());
    let inner = |cost: &Cost| {
        let rows = cost.layers.iter().filter(|layer| !layer.operator.contains("uantize"));
        rows.map(|layer| layer.bytes_moved).collect::<Vec<_>>()
    };
    assert_eq!(inner(&costs[2]), inner(&costs[3]));
}
