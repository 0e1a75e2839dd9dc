//! Single rules, on graphs of a few nodes, with numbers worked by hand.

use super::bad_input::{declared, graph, node, weights};
use super::none;
use crate::network::count::onnx;

/// Rows as operator, other operations, parameters, bytes.
fn rows(parts: &[(u8, Vec<u8>)]) -> Vec<(String, u64, u64, u64)> {
    let cost = onnx(&graph(parts), &none()).unwrap();
    assert_eq!(cost.uncounted, []);
    let rows = cost.layers.into_iter();
    rows.map(|layer| (layer.operator, layer.other_operations, layer.parameters, layer.bytes_moved)).collect()
}

fn row(operator: &str, other_operations: u64, parameters: u64, bytes: u64) -> (String, u64, u64, u64) {
    (operator.to_owned(), other_operations, parameters, bytes)
}

fn image() -> (u8, Vec<u8>) {
    (11, declared("image", &[1, 2, 5, 5]))
}

fn pointwise(name: &str) -> (u8, Vec<u8>) {
    (5, weights(name, &[2, 2, 1, 1], 16))
}

const TENSOR: u64 = 4 * 2 * 25;

#[test]
fn two_convolutions_into_one_addition_the_later_one_adds() {
    let parts = [
        image(),
        pointwise("v"),
        pointwise("w"),
        (1, node("Conv", &["image", "v"], "a", &[])),
        (1, node("Conv", &["image", "w"], "b", &[])),
        (1, node("Add", &["a", "b"], "sum", &[])),
        (1, node("Relu", &["sum"], "relu", &[])),
    ];
    let product = row("Conv", 0, 4, TENSOR + 16 + TENSOR);
    assert_eq!(rows(&parts), [product.clone(), product, row("Add", 50, 0, TENSOR)]);
}

#[test]
fn what_somebody_else_reads_is_written_and_nothing_is_fused_over_it() {
    let parts = [
        image(),
        pointwise("w"),
        (1, node("Conv", &["image", "w"], "conv", &[])),
        (1, node("Relu", &["conv"], "relu", &[])),
        (1, node("Sigmoid", &["conv"], "sigmoid", &[])),
    ];
    let alone = |operator| row(operator, 50, 0, 2 * TENSOR);
    assert_eq!(rows(&parts), [row("Conv", 0, 4, 2 * TENSOR + 16), alone("Relu"), alone("Sigmoid")]);
}

#[test]
fn outputs_of_the_graph_are_written_before_what_follows() {
    let parts = [
        image(),
        pointwise("w"),
        (1, node("Conv", &["image", "w"], "conv", &[])),
        (1, node("Relu", &["conv"], "relu", &[])),
        (12, declared("conv", &[1, 2, 5, 5])),
    ];
    assert_eq!(rows(&parts), [row("Conv", 0, 4, 2 * TENSOR + 16), row("Relu", 50, 0, 2 * TENSOR)]);
}

#[test]
fn normalisation_is_a_bias_after_a_product_and_a_scale_and_shift_alone() {
    let parameters = ["s", "b", "m", "v"];
    let mut parts = vec![image(), pointwise("w")];
    parts.extend(parameters.map(|name| (5, weights(name, &[2], 8))));
    let normalised = |input: &str, output: &str| {
        (1, node("BatchNormalization", &[input, "s", "b", "m", "v"], output, &[]))
    };
    parts.extend([
        normalised("image", "first"),
        (1, node("Conv", &["first", "w"], "conv", &[])),
        normalised("conv", "second"),
    ]);
    assert_eq!(
        rows(&parts),
        [row("BatchNormalization", 100, 4, 2 * TENSOR + 16), row("Conv", 0, 4 + 2, 2 * TENSOR + 16 + 8)]
    );
}

#[test]
fn weights_that_two_layers_share_are_parameters_once_and_read_twice() {
    let parts = [
        image(),
        pointwise("w"),
        (1, node("Conv", &["image", "w"], "a", &[])),
        (1, node("Conv", &["a", "w"], "b", &[])),
    ];
    assert_eq!(rows(&parts), [row("Conv", 0, 4, 2 * TENSOR + 16), row("Conv", 0, 0, 2 * TENSOR + 16)]);
}

#[test]
fn a_bias_that_is_written_as_an_addition_is_a_bias() {
    let parts = [
        (11, declared("x", &[1, 3])),
        (5, weights("w", &[3, 4], 48)),
        (5, weights("b", &[4], 16)),
        (1, node("MatMul", &["x", "w"], "product", &[])),
        (1, node("Add", &["b", "product"], "sum", &[])),
    ];
    assert_eq!(rows(&parts), [row("MatMul", 0, 12 + 4, 12 + 48 + 16 + 16)]);
}

#[test]
fn pools_that_round_up_leave_out_windows_that_begin_behind_the_input() {
    let pooled = |settings: &[(&str, &[u64])]| {
        let cost =
            onnx(&graph(&[image(), (1, node("MaxPool", &["image"], "pool", settings))]), &none()).unwrap();
        cost.layers[0].output_shape[2..].to_vec()
    };
    // 5 pixels: windows of 2 begin at 0, 2, and rounded up at 4; with a pad of 1 at both ends at −1, 1, 3,
    // and 5 is behind.
    let (kernel, strides, up) =
        (("kernel_shape", &[2, 2][..]), ("strides", &[2, 2][..]), ("ceil_mode", &[1][..]));
    let pads = ("pads", &[1, 1, 1, 1][..]);
    assert_eq!(pooled(&[kernel, strides]), [2, 2]);
    assert_eq!(pooled(&[kernel, strides, up]), [3, 3]);
    assert_eq!(pooled(&[kernel, strides, up, pads]), [3, 3]);
}
