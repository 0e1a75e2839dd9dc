//! Control flow, functions, and shapes that several sources give.

use super::bad_input::{declared, field, graph, integer, node, varint, weights};
use super::none;
use crate::error::Hint as _;
use crate::network::cost::{Cost, Difference, ShapeSource};
use crate::network::count::{Known, model_with, onnx};

type Part = (u8, Vec<u8>);
type Parts = Vec<Part>;
/// A graph by the name of a setting.
type Setting<'p> = (&'p str, &'p [Part]);

fn body(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|(number, part)| field(*number, part)).collect()
}

/// A node with graphs as settings.
fn with_graphs(node: Vec<u8>, graphs: &[Setting<'_>]) -> Vec<u8> {
    let settings = graphs
        .iter()
        .map(|(name, parts)| field(5, &[field(1, name.as_bytes()), field(6, &body(parts))].concat()));
    [node, settings.flatten().collect()].concat()
}

/// 64-bit whole numbers in the file.
pub(super) fn numbers(name: &str, shape: &[u64], values: &[i64]) -> (u8, Vec<u8>) {
    let sizes = shape.iter().flat_map(|size| integer(1, *size)).collect::<Vec<u8>>();
    let values = values.iter().flat_map(|value| varint(value.cast_unsigned())).collect::<Vec<u8>>();
    (5, [sizes, integer(2, 7), field(7, &values), field(8, name.as_bytes())].concat())
}

fn truth(name: &str) -> (u8, Vec<u8>) {
    (5, [integer(2, 9), field(8, name.as_bytes()), field(9, &[1])].concat())
}

fn named(name: &str) -> Vec<u8> {
    field(1, name.as_bytes())
}

fn count(parts: &[Part]) -> Cost {
    onnx(&graph(parts), &none()).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let error = onnx(bytes, &none()).unwrap_err();
    format!("{error}\nhint: {}", error.hint().unwrap())
}

/// A product of 4 × 4 weights, 16 MACs, in the graphs below.
fn square() -> (u8, Vec<u8>) {
    (5, weights("w", &[4, 4], 64))
}

fn row() -> (u8, Vec<u8>) {
    (11, declared("x", &[1, 4]))
}

fn repeated(trips: (u8, Vec<u8>), goes_on: Vec<u8>, step: Vec<u8>) -> Parts {
    let inner = [
        (11, named("i")),
        (11, named("c")),
        (11, named("v")),
        (1, goes_on),
        (1, step),
        (12, named("c2")),
        (12, named("v2")),
        (12, named("v2")),
    ];
    let names = node("Loop", &["trips", "", "x"], "last", &[]);
    let node = [names, field(2, b"all")].concat();
    vec![row(), square(), trips, (1, with_graphs(node, &[("body", &inner)])), (12, named("all"))]
}

#[test]
fn a_loop_of_a_constant_number_of_runs_counts_as_often() {
    let goes_on = node("Identity", &["c"], "c2", &[]);
    let step = node("MatMul", &["v", "w"], "v2", &[]);
    let mut parts = repeated(numbers("trips", &[], &[5]), goes_on, step);
    parts.push((1, node("Relu", &["all"], "after", &[])));
    let cost = count(&parts);
    assert_eq!((cost.macs(), cost.parameters()), (5 * 16, 16));
    assert_eq!((cost.assumptions.len(), cost.uncounted.len()), (0, 0));
    assert_eq!(cost.layers.last().unwrap().output_shape, [5, 1, 4]);
}

#[test]
fn a_loop_that_the_input_ends_counts_once_and_says_so() {
    let step = node("MatMul", &["v", "w"], "v2", &[]);
    let ends =
        [node("ReduceMax", &["v"], "m", &[("keepdims", &[0])]), node("Greater", &["m", "m"], "c2", &[])];
    let mut inner = repeated(numbers("trips", &[], &[5]), ends[1].clone(), step);
    // The condition hangs on the carried tensor.
    let at = inner.iter().position(|(number, _)| *number == 1).unwrap();
    let inside = [
        (11, named("i")),
        (11, named("c")),
        (11, named("v")),
        (1, ends[0].clone()),
        (1, ends[1].clone()),
        (1, node("MatMul", &["v", "w"], "v2", &[])),
        (12, named("c2")),
        (12, named("v2")),
    ];
    inner[at] = (1, with_graphs(node("Loop", &["trips", "", "x"], "all", &[]), &[("body", &inside)]));
    let cost = count(&inner);
    assert_eq!(cost.macs(), 16);
    assert_eq!(
        cost.assumptions[0].what,
        "how often it runs depends on the input; its body of 16 MACs counts once"
    );
}

#[test]
fn what_grows_from_run_to_run_is_named_and_not_guessed() {
    let goes_on = node("Identity", &["c"], "c2", &[]);
    let step = node("Concat", &["v", "v"], "v2", &[("axis", &[0])]);
    let mut parts = repeated(numbers("trips", &[], &[3]), goes_on, step);
    parts.push((1, node("MatMul", &["last", "w"], "after", &[])));
    let cost = count(&parts);
    assert_eq!(cost.macs(), 0);
    assert!(!cost.uncounted.is_empty());
    // Where it is declared, it is known.
    parts.push((13, declared("last", &[8, 4])));
    assert_eq!(count(&parts).macs(), 8 * 16);
}

#[test]
fn a_scan_runs_as_often_as_its_axis_is_long() {
    let inner = [
        (11, named("s")),
        (11, named("e")),
        (1, node("MatMul", &["s", "w"], "p", &[])),
        (1, node("Add", &["p", "e"], "s2", &[])),
        (1, node("Identity", &["s2"], "o", &[])),
        (12, named("s2")),
        (12, named("o")),
    ];
    let scan =
        [node("Scan", &["state", "xs"], "end", &[("num_scan_inputs", &[1])]), field(2, b"ys")].concat();
    let parts = [
        (11, declared("state", &[1, 4])),
        (11, declared("xs", &[7, 1, 4])),
        square(),
        (1, with_graphs(scan, &[("body", &inner)])),
        (1, node("Relu", &["ys"], "after", &[])),
        (12, named("end")),
    ];
    let model = [graph(&parts), field(8, &integer(2, 13))].concat();
    let cost = onnx(&model, &none()).unwrap();
    assert_eq!((cost.macs(), cost.uncounted.len()), (7 * 16, 0));
    assert_eq!(cost.layers.last().unwrap().output_shape, [7, 1, 4]);
}

#[test]
fn the_more_expensive_branch_counts_unless_its_condition_is_known() {
    let small = [(1, node("Relu", &["x"], "t", &[])), (12, named("t"))];
    let large = [(1, node("MatMul", &["x", "w"], "e", &[])), (12, named("e"))];
    let branches: [Setting<'_>; 2] = [("then_branch", &small), ("else_branch", &large)];
    let choice = (1, with_graphs(node("If", &["flag"], "y", &[]), &branches));
    let after = (1, node("MatMul", &["y", "w"], "z", &[]));
    let by_input = [row(), square(), (11, declared("flag", &[1])), choice.clone(), after.clone()];
    assert_eq!(count(&by_input).macs(), 2 * 16);
    let constant = [row(), square(), truth("flag"), choice, after];
    assert_eq!(count(&constant).macs(), 16);
}

/// A function of the domain `f`.
fn function(name: &str, inputs: &[&str], output: &str, nodes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|input| field(4, input.as_bytes())).collect::<Vec<u8>>();
    let nodes = nodes.iter().flat_map(|node| field(7, node)).collect::<Vec<u8>>();
    let texts = [field(1, name.as_bytes()), inputs, field(5, output.as_bytes()), nodes, field(10, b"f")];
    field(25, &texts.concat())
}

fn call(name: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    [node(name, inputs, output, &[]), field(7, b"f")].concat()
}

fn model(parts: &[Part], functions: &[Vec<u8>]) -> Vec<u8> {
    [graph(parts), functions.concat()].concat()
}

#[test]
fn functions_are_counted_as_their_nodes_with_the_settings_of_each_call() {
    // `leave_out` is a setting that the function hands on under another name.
    let reference = field(5, &[field(1, b"axis"), field(21, b"from")].concat());
    let flatten = [node("Flatten", &["b"], "c", &[]), reference].concat();
    let twice = function("Twice", &["a", "v", "bias"], "c", &[call("Once", &["a", "v"], "b"), flatten]);
    let once = function("Once", &["a", "v"], "b", &[node("MatMul", &["a", "v"], "b", &[])]);
    let from = field(5, &[field(1, b"from"), integer(3, 0)].concat());
    let parts = [
        row(),
        square(),
        (1, [call("Twice", &["x", "w"], "y"), from].concat()),
        (
            1,
            [call("Twice", &["y", "w"], "z"), field(5, &[field(1, b"from"), integer(3, 1)].concat())]
                .concat(),
        ),
        (1, node("Sigmoid", &["z"], "s", &[])),
    ];
    let cost = onnx(&model(&parts, &[twice, once]), &none()).unwrap();
    assert_eq!((cost.macs(), cost.parameters(), cost.uncounted.len()), (32, 16, 0));
    assert_eq!(cost.layers.last().unwrap().output_shape, [1, 4]);
}

#[test]
fn functions_without_end_and_without_bound_are_refused() {
    let parts = [row(), (1, call("F0", &["x"], "y"))];
    let one = function("F0", &["a"], "b", &[call("F1", &["a"], "b")]);
    let other = function("F1", &["a"], "b", &[call("F0", &["a"], "b")]);
    insta::assert_snapshot!(refusal(&model(&parts, &[one, other])), @"
    function `F0` calls itself, directly or through others
    hint: export the model again; ONNX forbids recursive functions
    ");
    // Each calls the next twice.
    let doubling = |count: usize| -> Vec<Vec<u8>> {
        let calls = |place: usize| {
            let next = format!("F{}", place + 1);
            [call(&next, &["a"], "m"), call(&next, &["m"], "b")]
        };
        let mut all: Vec<Vec<u8>> =
            (0..count).map(|place| function(&format!("F{place}"), &["a"], "b", &calls(place))).collect();
        all.push(function(&format!("F{count}"), &["a"], "b", &[node("Sigmoid", &["a"], "b", &[])]));
        all
    };
    insta::assert_snapshot!(refusal(&model(&parts, &doubling(40))), @"
    functions and graphs in graphs expand to more than 500000 nodes and tensors
    hint: no exporter writes such a file; export the model again, with its functions inlined
    ");
    assert_eq!(onnx(&model(&parts, &doubling(8)), &none()).unwrap().layers.len(), 256);
    let chain: Vec<Vec<u8>> = (0..60)
        .map(|place| {
            function(&format!("F{place}"), &["a"], "b", &[call(&format!("F{}", place + 1), &["a"], "b")])
        })
        .collect();
    insta::assert_snapshot!(refusal(&model(&parts, &chain)), @"
    functions and graphs nest deeper than 48 levels
    hint: no exporter writes such a file; export the model again, with its functions inlined
    ");
}

#[test]
fn graphs_that_nest_deeper_than_runtimes_read_are_refused() {
    let nested = |depth: usize| {
        let mut inner: Parts = vec![(1, node("MatMul", &["x", "w"], "y", &[])), (12, named("y"))];
        for _ in 0..depth {
            let branches: [Setting<'_>; 2] = [("then_branch", &inner), ("else_branch", &inner[..1])];
            let choice = with_graphs(node("If", &["flag"], "y", &[]), &branches[..1]);
            let other = (1, node("Relu", &["x"], "y", &[]));
            let short = [other, (12, named("y"))];
            inner = vec![(1, with_graphs(choice, &[("else_branch", &short)])), (12, named("y"))];
        }
        let mut parts = vec![row(), square(), (11, declared("flag", &[1]))];
        parts.extend(inner);
        graph(&parts)
    };
    assert_eq!(onnx(&nested(30), &none()).unwrap().macs(), 16);
    insta::assert_snapshot!(refusal(&nested(40)), @"
    the file is not a whole ONNX model: its graphs nest deeper than 33 levels
    hint: compare the size and the SHA-256 of the file with the original; the copy may be incomplete
    ");
}

#[test]
fn a_huge_number_of_runs_is_refused_where_it_cannot_be_counted() {
    let goes_on = node("Identity", &["c"], "c2", &[]);
    let step = node("MatMul", &["v", "w"], "v2", &[]);
    let parts = repeated(numbers("trips", &[], &[i64::MAX]), goes_on, step);
    insta::assert_snapshot!(refusal(&graph(&parts)), @"
    the cost of node `v2` does not fit into 64 bits
    hint: check the inputs and weights of the model for an absurdly large dimension
    ");
}

#[test]
fn declared_shapes_go_before_computed_ones_and_measured_before_both() {
    let parts = [
        (11, declared("image", &[1, 3, 8, 8])),
        (5, weights("w", &[4, 3, 3, 3], 432)),
        (1, node("Conv", &["image", "w"], "conv", &[])),
        (13, declared("conv", &[1, 4, 7, 7])),
    ];
    let cost = count(&parts);
    assert_eq!(cost.macs(), 4 * 49 * 27);
    let difference = |used: &[u64], source| Difference {
        tensor: "conv".to_owned(),
        used: used.to_vec(),
        source,
        computed: vec![1, 4, 6, 6],
    };
    assert_eq!(cost.differences, [difference(&[1, 4, 7, 7], ShapeSource::File)]);
    let mut known = Known::default();
    known.measured.insert("conv".to_owned(), vec![vec![1, 4, 5, 5]]);
    let cost = model_with(&graph(&parts), &known).unwrap();
    assert_eq!(cost.macs(), 4 * 25 * 27);
    assert_eq!(cost.differences, [difference(&[1, 4, 5, 5], ShapeSource::Measured)]);
    assert_eq!(cost.measured_shapes, 1);
}

#[test]
fn measured_shapes_of_names_that_are_not_unique_or_in_other_numbers_are_not_used() {
    let made = |name: &str, output: &str| {
        let parts = [field(1, b"image"), field(2, output.as_bytes()), field(3, name.as_bytes())];
        (1, [parts.concat(), field(4, b"Relu")].concat())
    };
    let used = |parts: &[(u8, Vec<u8>)], reported: &[(&str, Vec<Vec<u64>>)]| {
        let mut all = vec![(11, declared("image", &[1, 3, 8, 8]))];
        all.extend(parts.iter().cloned());
        let measured = reported.iter().map(|(name, shapes)| ((*name).to_owned(), shapes.clone())).collect();
        let known = Known { measured, ..Known::default() };
        model_with(&graph(&all), &known).unwrap().measured_shapes
    };
    let shape = vec![1, 3, 8, 8];
    let twice = [made("relu", "a"), made("relu", "b")];
    assert_eq!(used(&twice, &[("relu", vec![shape.clone()])]), 0);
    let unnamed = [made("", "a"), made("", "b")];
    assert_eq!(used(&unnamed, &[("Relu_1", vec![shape.clone()])]), 1);
    assert_eq!(used(&unnamed, &[("Relu_1", vec![shape.clone(), shape])]), 0);
    assert_eq!(used(&unnamed, &[("Relu_1", vec![])]), 0);
}

#[test]
fn shapes_next_to_open_inputs_are_those_of_one_run_of_the_exporter() {
    let parts = [
        (11, declared("image", &[0, 3, 8, 8])),
        (5, weights("w", &[4, 3, 3, 3], 432)),
        (1, node("Conv", &["image", "w"], "conv", &[])),
        (1, node("Mystery", &["conv"], "mystery", &[])),
        (1, node("Relu", &["mystery"], "relu", &[])),
        (13, declared("conv", &[1, 4, 6, 6])),
        // The same name of a size as the input's.
        (13, declared("mystery", &[0, 5])),
    ];
    let mut shapes = none();
    shapes.insert("image".to_owned(), vec![2, 3, 8, 8]);
    let cost = onnx(&graph(&parts), &shapes).unwrap();
    assert_eq!((cost.macs(), cost.differences.len(), cost.uncounted.len()), (2 * 4 * 36 * 27, 0, 1));
    assert_eq!(cost.layers.last().unwrap().output_shape, [2, 5]);
}
