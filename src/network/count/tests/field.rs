//! Small files that show what exporters write, each for a kind; `tests/models/` has them. ONNX Runtime
//! runs all of them.

use super::{file, none};
use crate::network::cost::Cost;
use crate::network::count::{CountError, Known, model_with, onnx};

fn read(name: &str) -> Vec<u8> {
    file(&format!("tests/models/{name}.onnx"))
}

fn counted(name: &str) -> Cost {
    let cost = onnx(&read(name), &none()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(cost.uncounted, [], "{name}");
    assert_eq!(cost.differences, [], "{name}");
    cost
}

#[test]
fn weights_in_a_further_file_are_counted_without_it() {
    assert_eq!(counted("external").macs(), 6_642_432);
}

#[test]
fn an_output_that_nothing_reads_is_not_asked_for() {
    assert_eq!(counted("dropout_mask_named").macs(), 64 * 32);
}

#[test]
fn local_response_normalisation_hides_nothing_and_is_no_mac() {
    let cost = counted("lrn_in_the_middle");
    assert_eq!(cost.macs(), 221_184 + 294_912);
    // A pool of 2 × 2, and for each of 8 × 32 × 32 elements 5 channels and 5 operations.
    assert_eq!(cost.other_operations(), 8 * 32 * 32 * (5 + 5) + 8 * 32 * 32);
}

#[test]
fn sizes_are_scaled_as_the_runtime_scales_them() {
    for (name, side) in [("o1_resize_0p7", 7), ("o1_resize_0p29", 29), ("o1_resize_320", 224)] {
        assert_eq!(counted(name).macs(), 8 * side * side * 27, "{name}");
    }
}

#[test]
fn the_second_input_of_an_old_addition_has_a_place_among_the_axes() {
    let cost = counted("o4_opset6_broadcast");
    assert_eq!((cost.macs(), cost.parameters(), cost.layers.len()), (8 * 256 * 27, 8 * 27 + 8, 1));
}

#[test]
fn weights_of_two_bits_are_a_quarter_of_a_byte() {
    let cost = counted("o5_int2");
    // 16 numbers in and out, and 256 weights.
    assert_eq!((cost.macs(), cost.bytes_moved()), (256, 2 * 64 + 64));
}

#[test]
fn integer_inputs_choose_rows_and_cost_the_same_whatever_they_are() {
    assert_eq!(counted("o11_token_type_one_row").macs(), 16 * 8 * 8);
}

#[test]
fn an_input_without_a_shape_needs_one_and_takes_any() {
    let bytes = read("o6_unranked_input");
    let error = onnx(&bytes, &none()).unwrap_err();
    assert!(matches!(error, CountError::OpenShapes { .. }), "{error}");
    let mut shapes = none();
    shapes.insert("x".to_owned(), vec![2, 3, 32, 32]);
    assert_eq!(onnx(&bytes, &shapes).unwrap().macs(), 2 * 8 * 30 * 30 * 27);
}

#[test]
fn an_open_first_dimension_alone_is_1_and_said_so() {
    let cost = counted("t4_colon_names");
    assert_eq!(cost.macs(), 8 * 30 * 30 * 27);
    assert_eq!(cost.assumptions[0].name, "input:0");
}

/// Until its values are known, what follows a shape that is an input is named, not guessed.
#[test]
fn an_input_whose_values_are_a_shape_is_followed_once_they_are_known() {
    let bytes = read("t5_shape_tensor_input");
    let cost = onnx(&bytes, &none()).unwrap();
    assert_eq!(cost.macs(), 0);
    assert_eq!(
        cost.uncounted[0].why,
        "its result's shape depends on the values of `shape`, which are not constant"
    );
    let macs = |known: &Known| {
        let cost = model_with(&bytes, known).unwrap();
        assert_eq!(cost.uncounted, []);
        cost.macs()
    };
    let mut known = Known::default();
    known.values.insert("shape".to_owned(), vec![1, 3, 32, 32]);
    assert_eq!(macs(&known), 8 * 30 * 30 * 27);
    // Or once a runtime has said what came out.
    let mut known = Known::default();
    known.measured.insert("Reshape_0".to_owned(), vec![vec![1, 3, 32, 32]]);
    assert_eq!(macs(&known), 8 * 30 * 30 * 27);
}

#[test]
fn both_branches_are_counted_and_a_known_input_chooses() {
    let cost = counted("branch_by_input_value");
    assert_eq!(cost.macs(), 32);
    assert_eq!(
        cost.assumptions[0].what,
        "`then_branch` runs (both have as many MACs): 32 MACs; `else_branch` has 32 MACs, which are left out"
    );
    let mut known = Known::default();
    known.values.insert("sr".to_owned(), vec![8000]);
    let cost = model_with(&read("branch_by_input_value"), &known).unwrap();
    assert_eq!((cost.macs(), cost.parameters()), (32, 32));
    assert_eq!(
        cost.assumptions[0].what,
        "`else_branch` runs (its condition is known): 32 MACs; `then_branch` has 32 MACs, which are left out"
    );
}
