//! Files that are damaged, contradictory or endless.

use proptest::prelude::*;

use super::{file, none};
use crate::error::Hint as _;
use crate::network::count::{CountError, InputShapes, model, onnx, tflite};

/// A field of a message, as protocol buffers write it.
pub(super) fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    [&varint(u64::from(number) << 3 | 2), varint(payload.len() as u64).as_slice(), payload].concat()
}

pub(super) fn integer(number: u8, value: u64) -> Vec<u8> {
    [[number << 3].as_slice(), &varint(value)].concat()
}

pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A tensor's name and shape; 0 is open.
pub(super) fn declared(name: &str, shape: &[u64]) -> Vec<u8> {
    let dimension = |size: &u64| {
        let size = if *size == 0 { field(2, b"n") } else { integer(1, *size) };
        field(1, &size)
    };
    let shape = shape.iter().flat_map(dimension).collect::<Vec<u8>>();
    let tensor = field(1, &[integer(1, 1), field(2, &shape)].concat());
    [field(1, name.as_bytes()), field(2, &tensor)].concat()
}

pub(super) fn weights(name: &str, shape: &[u64], bytes: usize) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|size| integer(1, *size)).collect::<Vec<u8>>();
    [sizes, integer(2, 1), field(8, name.as_bytes()), field(9, &vec![0; bytes])].concat()
}

pub(super) fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[u64])]) -> Vec<u8> {
    let mut node = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect::<Vec<u8>>();
    node.extend(
        [field(2, output.as_bytes()), field(3, output.as_bytes()), field(4, operator.as_bytes())].concat(),
    );
    for (name, values) in attributes {
        // Single settings and lists are fields of their own; readers take the one they know.
        let single = values.first().map_or_else(Vec::new, |value| integer(3, *value));
        let values = values.iter().flat_map(|value| integer(8, *value)).collect::<Vec<u8>>();
        node.extend(field(5, &[field(1, name.as_bytes()), single, values].concat()));
    }
    node
}

/// Parts of a graph by their field: 1 nodes, 5 weights, 11 inputs, 12 outputs, 13 shapes between.
pub(super) fn graph(parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    field(7, &parts.iter().flat_map(|(number, part)| field(*number, part)).collect::<Vec<u8>>())
}

fn convolution(input: &[u64], between: &[u64], weight_bytes: usize) -> Vec<u8> {
    graph(&[
        (11, declared("image", input)),
        (5, weights("w", &[4, 3, 3, 3], weight_bytes)),
        (1, node("Conv", &["image", "w"], "conv", &[])),
        (1, node("Relu", &["conv"], "relu", &[])),
        (13, declared("conv", between)),
        (12, declared("relu", &[])),
    ])
}

/// The error and its advice, as people read them.
fn refusal(bytes: &[u8]) -> String {
    told(&onnx(bytes, &none()).unwrap_err())
}

fn told(error: &CountError) -> String {
    format!("{error}\nhint: {}", error.hint().unwrap())
}

/// The relu's shape is declared as a scalar above, which is wrong too.
fn without_output_shape(bytes: Vec<u8>) -> Vec<u8> {
    let scalar = field(12, &declared("relu", &[]));
    let at = bytes.windows(scalar.len()).position(|window| window == scalar).unwrap();
    let parts = [&bytes[..at], &bytes[at + scalar.len()..]].concat();
    // The outer length is written again: one field, the graph.
    let head = 1 + varint((bytes.len() - 2) as u64).len();
    field(7, &parts[head..])
}

fn network(input: &[u64], between: &[u64]) -> Vec<u8> {
    without_output_shape(convolution(input, between, 4 * 108))
}

#[test]
fn a_right_graph_of_these_parts_is_counted() {
    let cost = onnx(&network(&[1, 3, 8, 8], &[1, 4, 6, 6]), &none()).unwrap();
    assert_eq!((cost.macs(), cost.layers.len()), (4 * 36 * 27, 1));
}

#[test]
fn a_wrong_shape_in_the_file_is_noticed_and_nothing_is_refused() {
    let cost = onnx(&network(&[1, 3, 8, 8], &[1, 4, 8, 8]), &none()).unwrap();
    assert_eq!((cost.macs(), cost.differences.len()), (4 * 64 * 27, 1));
    let cost = onnx(&convolution(&[1, 3, 8, 8], &[1, 4, 6, 6], 4 * 108), &none()).unwrap();
    assert_eq!((cost.macs(), cost.differences[0].tensor.as_str()), (4 * 36 * 27, "relu"));
    let cost = onnx(&network(&[1, 5, 8, 8], &[1, 4, 6, 6]), &none()).unwrap();
    assert_eq!(
        cost.uncounted[0].why,
        "weights of shape [4, 3, 3, 3] do not fit an input of shape [1, 5, 8, 8]"
    );
    // What follows has the declared shape.
    assert_eq!(cost.layers.last().unwrap().output_shape, [1, 4, 6, 6]);
}

#[test]
fn another_shape_between_the_layers_of_a_tflite_file_is_used_and_reported() {
    let mut bytes = file("inbox-examples/tiny-cnn.tflite");
    assert!(tflite(&bytes, &none()).is_ok());
    // The shape of the first layer's result, a list of four sizes with its length before it.
    let shape: Vec<u8> = [4_u32, 1, 96, 96, 16].iter().flat_map(|size| size.to_le_bytes()).collect();
    let at = bytes.windows(shape.len()).position(|window| window == shape).unwrap();
    bytes[at + 8] = 95;
    let cost = tflite(&bytes, &none()).unwrap();
    let difference = &cost.differences[0];
    assert_eq!((difference.used[1], difference.computed[1]), (95, 96));
    assert!(cost.macs() > 0);
}

#[test]
fn open_shapes_are_asked_for_and_taken() {
    let open = network(&[0, 3, 0, 0], &[0, 4, 0, 0]);
    insta::assert_snapshot!(refusal(&open), @"
    the model has inputs with open dimensions: `image` [n, 3, n, n]
    hint: give the shapes to count for, such as --input image=1x3x224x224
    ");
    let given = |name: &str, shape: &[u64]| InputShapes::from([(name.to_owned(), shape.to_vec())]);
    assert_eq!(onnx(&open, &given("image", &[2, 3, 8, 8])).unwrap().macs(), 2 * 4 * 36 * 27);
    insta::assert_snapshot!(told(&onnx(&open, &given("image", &[2, 4, 8, 8])).unwrap_err()), @"
    the given shape `image` [2, 4, 8, 8] contradicts the model, which declares [n, 3, n, n]
    hint: dimensions that the model fixes cannot be changed
    ");
    insta::assert_snapshot!(told(&onnx(&open, &given("picture", &[2, 4, 8, 8])).unwrap_err()), @"
    `picture` is given, but the model has no such input; its inputs are `image` [n, 3, n, n]
    hint: give shapes and values only for inputs that the model has
    ");
    let dynamic = file("tests/models/dynamic.tflite");
    insta::assert_snapshot!(told(&model(&dynamic, &none()).unwrap_err()), @"
    the model has inputs with open dimensions: `image` [1, ?, ?, 3]
    hint: give the shapes to count for, such as --input image=1x224x224x3
    ");
    let name = "image";
    let small = model(&dynamic, &given(name, &[1, 8, 8, 3])).unwrap();
    let large = model(&dynamic, &given(name, &[1, 16, 16, 3])).unwrap();
    assert!(small.macs() > 0 && large.macs() > 3 * small.macs(), "{small:#?} {large:#?}");
}

#[test]
fn circles_gaps_and_doubles_are_named() {
    let image = (11, declared("image", &[1, 3]));
    let circle = graph(&[
        image.clone(),
        (1, node("Relu", &["c"], "d", &[])),
        (1, node("Add", &["image", "c"], "a", &[])),
        (1, node("Relu", &["a"], "b", &[])),
        (1, node("Relu", &["b"], "c", &[])),
    ]);
    insta::assert_snapshot!(refusal(&circle), @"
    the graph cannot run: node `c` needs `b`, which depends on the output of the node itself
    hint: export the model again; `onnx.checker.check_model` lists everything that is wrong with it
    ");
    insta::assert_snapshot!(refusal(&graph(&[image.clone(), (1, node("Relu", &["gone"], "a", &[]))])), @"
    node `a` reads `gone`, which no node or input of the file provides
    hint: export the model again; `onnx.checker.check_model` lists everything that is wrong with it
    ");
    let twice = graph(&[
        image.clone(),
        (1, node("Relu", &["image"], "a", &[])),
        (1, node("Relu", &["image"], "a", &[])),
    ]);
    insta::assert_snapshot!(refusal(&twice), @"
    two nodes write `a`; the second is `a`
    hint: export the model again; `onnx.checker.check_model` lists everything that is wrong with it
    ");
}

#[test]
fn nodes_in_the_wrong_order_are_put_right() {
    let image = (11, declared("image", &[1, 3, 8, 8]));
    let w = (5, weights("w", &[4, 3, 3, 3], 432));
    let late = node("Relu", &["conv"], "relu", &[]);
    let early = node("Conv", &["image", "w"], "conv", &[]);
    let cost = onnx(&graph(&[image, w, (1, late), (1, early)]), &none()).unwrap();
    assert_eq!(cost.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["conv"]);
}

#[test]
fn payloads_that_do_not_fit_their_shape_are_refused() {
    insta::assert_snapshot!(refusal(&convolution(&[1, 3, 8, 8], &[1, 4, 6, 6], 400)), @"
    tensor `w` of shape [4, 3, 3, 3] needs 432 bytes, and the file has 400 for it
    hint: the file is damaged, or a faulty exporter wrote it; export the model again
    ");
    let endless = graph(&[(5, weights("w", &[1 << 40, 1 << 40], 4)), (11, declared("image", &[1]))]);
    insta::assert_snapshot!(refusal(&endless), @"
    tensor `w` has more elements than fit into 64 bits
    hint: the file is damaged, or a faulty exporter wrote it; export the model again
    ");
}

#[test]
fn weights_in_another_file_are_counted_by_their_shape_and_shapes_there_cannot_be_read() {
    let elsewhere = |name: &str, kind, shape: &[u64]| {
        let sizes = shape.iter().flat_map(|size| integer(1, *size)).collect::<Vec<u8>>();
        [sizes, integer(2, kind), field(8, name.as_bytes()), integer(14, 1)].concat()
    };
    let image = (11, declared("image", &[1, 3, 8, 8]));
    let convolution = (1, node("Conv", &["image", "w"], "conv", &[]));
    let cost =
        onnx(&graph(&[image.clone(), (5, elsewhere("w", 1, &[4, 3, 3, 3])), convolution]), &none()).unwrap();
    assert_eq!((cost.macs(), cost.parameters()), (4 * 36 * 27, 108));
    let reshape = (1, node("Reshape", &["image", "shape"], "flat", &[]));
    let cost = onnx(&graph(&[image, (5, elsewhere("shape", 7, &[2])), reshape]), &none()).unwrap();
    assert_eq!(
        cost.uncounted[0].why,
        "its result's shape depends on the values of `shape`, which are not in the file"
    );
}

#[test]
fn elements_of_unknown_size_are_listed_as_uncounted() {
    // Element type 8 is text.
    let words = [integer(1, 8), field(2, &field(1, &integer(1, 3)))].concat();
    let words = [field(1, b"words"), field(2, &field(1, &words))].concat();
    let bytes = graph(&[(11, words), (1, node("Transpose", &["words"], "turned", &[]))]);
    let cost = onnx(&bytes, &none()).unwrap();
    assert_eq!(cost.uncounted[0].why, "the size of an element of `words` is not known");
}

#[test]
fn sizes_beyond_64_bits_are_refused_before_they_are_multiplied() {
    let side = 1 << 31;
    insta::assert_snapshot!(refusal(&network(&[1, 3, side, side], &[1, 4, side - 2, side - 2])), @"
    what node `conv` makes does not fit into 64 bits
    hint: check the inputs and weights of the model for an absurdly large dimension
    ");
    let wide = [1 << 62, 3, 8, 8];
    insta::assert_snapshot!(refusal(&network(&wide, &[0, 4, 6, 6])), @"
    what node `conv` makes does not fit into 64 bits
    hint: check the inputs and weights of the model for an absurdly large dimension
    ");
}

#[test]
fn what_is_no_model_is_refused() {
    insta::assert_snapshot!(refusal(b""), @"
    the file is not a whole ONNX model: it holds no graph
    hint: compare the size and the SHA-256 of the file with the original; the copy may be incomplete
    ");
    insta::assert_snapshot!(refusal(b"version https://git-lfs.github.com/spec/v1\n"), @"
    the file is not a whole ONNX model: a field is of the unknown wire type 6
    hint: compare the size and the SHA-256 of the file with the original; the copy may be incomplete
    ");
    let whole = file("tests/graphs/grouped.onnx");
    for length in 0..whole.len() {
        // The version of the operators comes last: without it the graph is still whole.
        let is_after_graph = whole.len() - length < 16;
        assert!(onnx(&whole[..length], &none()).is_err() || is_after_graph, "{length} bytes are accepted");
    }
}

#[test]
fn uncounted_operators_are_listed_with_what_depends_on_them() {
    let cost = onnx(
        &graph(&[
            (11, declared("image", &[1, 3, 8, 8])),
            (5, weights("w", &[4, 3, 3, 3], 432)),
            (1, node("Conv", &["image", "w"], "conv", &[])),
            (1, node("Mystery", &["conv"], "unknown", &[])),
            (1, node("Relu", &["unknown"], "relu", &[])),
            (1, node("Mystery", &["conv"], "known", &[])),
            (13, declared("known", &[1, 4, 5, 5])),
            (1, node("Relu", &["known"], "counted", &[])),
        ]),
        &none(),
    )
    .unwrap();
    let listed: Vec<(&str, &str)> =
        cost.uncounted.iter().map(|one| (one.name.as_str(), one.why.as_str())).collect();
    assert_eq!(
        listed,
        [
            ("unknown", "this operator is not counted"),
            ("relu", "the shape of its input `unknown` is not known"),
            ("known", "this operator is not counted"),
        ]
    );
    assert_eq!(cost.layers.iter().map(|layer| layer.other_operations).collect::<Vec<_>>(), [0, 100]);
}

#[test]
fn hundreds_of_thousands_of_nodes_in_a_row_take_no_stack() {
    let mut parts = vec![(11, declared("0", &[1, 3]))];
    for place in 0..100_000_u32 {
        parts.push((1, node("Identity", &[&place.to_string()], &(place + 1).to_string(), &[])));
    }
    assert_eq!(onnx(&graph(&parts), &none()).unwrap().layers, []);
}

#[test]
fn ranks_that_no_network_has_are_named_before_every_node_copies_them() {
    let parts = [
        (11, declared("image", &[1; 65])),
        (1, node("Relu", &["image"], "a", &[])),
        (1, node("Relu", &["a"], "b", &[])),
    ];
    let cost = onnx(&graph(&parts), &none()).unwrap();
    let listed: Vec<&str> = cost.uncounted.iter().map(|one| one.why.as_str()).collect();
    assert_eq!(listed, ["it makes a tensor of more than 64 axes", "the shape of its input `a` is not known"]);
}

#[test]
fn a_node_with_very_many_inputs_takes_no_square_of_their_number() {
    let names: Vec<String> = (0..50_000).map(|place| format!("r{place}")).collect();
    let mut parts = vec![(11, declared("image", &[1, 3]))];
    parts.extend(names.iter().map(|name| (1, node("Relu", &["image"], name, &[]))));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    parts.push((1, node("Concat", &names, "all", &[("axis", &[1])])));
    let started = std::time::Instant::now();
    let cost = onnx(&graph(&parts), &none()).unwrap();
    assert_eq!(cost.layers.last().unwrap().output_shape, [1, 150_000]);
    // A second in an unoptimised build, more on a busy machine; the square would take minutes.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Graphs small enough that a changed byte hits something that matters.
const SEEDS: &[&str] = &[
    "tests/graphs/grouped.onnx",
    "tests/graphs/transposed.onnx",
    "tests/graphs/attention.onnx",
    "tests/graphs/inception-like.onnx",
    "tests/graphs/feature-pyramid.onnx",
    "tests/graphs/quantised-pairs.onnx",
    "tests/graphs/integer-operators.onnx",
    "tests/models/branch_by_input_value.onnx",
    "tests/models/t5_shape_tensor_input.onnx",
    "tests/models/dynamic.onnx",
    "tests/models/dynamic.tflite",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Either answer is right; that it comes is what is tested.
    #[test]
    fn changed_bytes_never_panic(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0xff), Just(0x7f), Just(0x80)]), 1..8),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut bytes = file(SEEDS[seed]);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let shapes = InputShapes::from([("image".to_owned(), vec![1, 8, 8, 3])]);
        for given in [&none(), &shapes] {
            let _ = onnx(&bytes, given);
            let _ = tflite(&bytes, given);
        }
    }
}
