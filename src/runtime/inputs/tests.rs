//! What is bound and filled for what a job says.

use std::path::PathBuf;

use super::*;
use crate::model_file::Dimension;

fn declared(name: &str, shape: &[u64]) -> DeclaredInput {
    let shape = shape.iter().map(|size| match size {
        99 => Dimension::Open(None),
        size => Dimension::Fixed(*size),
    });
    DeclaredInput { name: name.to_owned(), shape: Some(shape.collect()) }
}

fn given(content: InputContent) -> GivenInputs {
    GivenInputs::from([("x".to_owned(), GivenInput::filled(content))])
}

fn numbers(values: &[i64]) -> InputContent {
    InputContent::Values(values.iter().map(|value| (*value).into()).collect())
}

fn filled(shape: &[u64], content: InputContent, element_type: ElementType) -> Result<Vec<u8>, Failure> {
    let mut inputs = Inputs::plan(&[declared("x", shape)], &given(content), 1)?;
    let count = shapes::element_count(inputs.shape(0)).unwrap();
    let mut bytes = vec![0xAA; count * element_type.size_bytes()];
    inputs.fill(0, element_type, &mut bytes)?;
    Ok(bytes)
}

fn i32s(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks::<4>().0.iter().map(|four| i32::from_ne_bytes(*four)).collect()
}

#[test]
fn one_value_fills_every_element_and_values_fill_them_in_order() {
    let value = InputContent::Value(16000.into());
    assert_eq!(i32s(&filled(&[2, 2], value.clone(), ElementType::Int32).unwrap()), [16000; 4]);
    assert_eq!(filled(&[], value, ElementType::Int64).unwrap(), 16000_i64.to_ne_bytes());
    assert_eq!(i32s(&filled(&[2, 2], numbers(&[1, -2, 3, 4]), ElementType::Int32).unwrap()), [1, -2, 3, 4]);
    // An open list has as many elements as the job lists.
    assert_eq!(i32s(&filled(&[99], numbers(&[5, 6]), ElementType::Int32).unwrap()), [5, 6]);
}

#[test]
fn range_is_covered_from_end_to_end_and_follows_from_the_seed() {
    let values = i32s(&filled(&[2000], InputContent::Range(-3, 3), ElementType::Int32).unwrap());
    for value in -3..=3 {
        let count = values.iter().filter(|found| **found == value).count();
        // 2000 / 7 = 286, with a standard deviation of 16.
        assert!((200..370).contains(&count), "{value}: {count}");
    }
    assert!(values.iter().all(|value| (-3..=3).contains(value)));
    assert_eq!(values, i32s(&filled(&[2000], InputContent::Range(-3, 3), ElementType::Int32).unwrap()));
    let whole = InputContent::Range(i64::MIN, i64::MAX);
    assert_ne!(filled(&[1], whole, ElementType::Int64).unwrap(), [0xAA; 8]);
}

#[test]
fn contents_that_do_not_suit_the_input_are_refused() {
    let refused = |shape: &[u64], content, element_type| {
        let failure = filled(shape, content, element_type).unwrap_err();
        format!("{}: {failure}\n  hint: {}", failure.reason, failure.hint.clone().unwrap())
    };
    insta::assert_snapshot!(refused(&[4], InputContent::Range(0, 1), ElementType::Float32));
    insta::assert_snapshot!(refused(&[4], InputContent::Range(0, 300), ElementType::Uint8));
    insta::assert_snapshot!(refused(&[4], InputContent::Value((-1).into()), ElementType::Uint32));
    insta::assert_snapshot!(refused(&[1, 4], numbers(&[1, 2, 3]), ElementType::Int32));
    insta::assert_snapshot!(refused(&[99, 99], numbers(&[1, 2, 3]), ElementType::Int32));
}

#[test]
fn integers_become_zeros_once_and_only_those_of_the_generator() {
    let all = [declared("ids", &[2]), declared("x", &[2]), declared("image", &[2]), declared("mask", &[2])];
    let mut inputs = Inputs::plan(&all, &given(InputContent::Value(7.into())), 3).unwrap();
    let types = [ElementType::Int64, ElementType::Int64, ElementType::Int8, ElementType::Float32];
    for (index, element_type) in types.into_iter().enumerate() {
        inputs.fill(index, element_type, &mut vec![0; 2 * element_type.size_bytes()]).unwrap();
    }
    assert!(inputs.may_hold_indices());
    assert_eq!(inputs.zero_integers(), [0]);
    // Only if no wide ones are left.
    assert!(!inputs.may_hold_indices());
    assert_eq!(inputs.zero_integers(), [2]);
    assert_eq!(inputs.zero_integers(), [0; 0]);
    let how: Vec<InputOrigin> = inputs.filled().into_iter().map(|input| input.how).collect();
    use InputOrigin::{Random, Value, ZerosAfterOutOfRange};
    assert_eq!(how, [ZerosAfterOutOfRange, Value, ZerosAfterOutOfRange, Random]);
}

#[test]
fn bundle_says_how_each_input_was_filled() {
    let file = InputFile { name: "mel.npy".to_owned(), path: PathBuf::new(), sha256: Some("ab".repeat(32)) };
    let contents = [
        InputContent::Range(0, 9),
        InputContent::Value(serde_json::Number::from_f64(0.5).unwrap()),
        numbers(&[1, 2]),
        InputContent::File(file),
    ];
    for content in contents {
        let input = PlannedInput {
            like: None,
            name: "x".to_owned(),
            shape: BoundShape { sizes: vec![2], is_first_as_one: false },
            content: Some(content),
            element_type: None,
            instead: Instead::Generator,
        };
        let inputs = Inputs { planned: vec![input], generator: Generator::new(5), seed: 5 };
        insta::assert_snapshot!(serde_json::to_string(&inputs.filled()[0]).unwrap());
    }
    let inputs = Inputs::plan(&[declared("x", &[99, 3])], &GivenInputs::new(), 5).unwrap();
    insta::assert_snapshot!(serde_json::to_string(&inputs.filled()[0]).unwrap(), @r#"{"name":"x","how":"random","seed":5,"first_dimension_as_one":true}"#);
}

fn npy(folder: &std::path::Path, descr: &str, shape: &str, elements: &[u8]) -> InputContent {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    let path = folder.join("mel.npy");
    fs_err::write(&path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), elements].concat()).unwrap();
    InputContent::File(InputFile { name: "mel.npy".to_owned(), path, sha256: None })
}

#[test]
fn file_gives_the_elements_and_closes_what_the_model_leaves_open() {
    let folder = tempfile::tempdir().unwrap();
    let content = npy(folder.path(), "<i4", "(2, 2)", &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(i32s(&filled(&[99, 99], content.clone(), ElementType::Int32).unwrap()), [1, 2, 3, 4]);
    let refused = |shape: &[u64], content, element_type| {
        let failure = filled(shape, content, element_type).unwrap_err();
        format!("{}: {failure}\n  hint: {}", failure.reason, failure.hint.clone().unwrap())
    };
    insta::assert_snapshot!(refused(&[1, 4], content.clone(), ElementType::Int32));
    insta::assert_snapshot!(refused(&[2, 2], content, ElementType::Float32));
    let huge = npy(folder.path(), "<i4", "(2500000000,)", &[]);
    insta::assert_snapshot!(refused(&[99], huge, ElementType::Int32));
    let missing = InputFile { name: "mel.npy".to_owned(), path: "/nowhere/mel.npy".into(), sha256: None };
    insta::assert_snapshot!(refused(&[4], InputContent::File(missing), ElementType::Int32));
}

#[test]
fn small_file_that_claims_a_huge_tensor_needs_the_jobs_word_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mel.npy");
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000,), }";
    let start = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    fs_err::write(&path, &start).unwrap();
    fs_err::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(start.len() as u64 + 10_000_000_000)
        .unwrap();
    let file = InputFile { name: "mel.npy".to_owned(), path, sha256: None };
    let failure = Inputs::plan(&[declared("x", &[99])], &given(InputContent::File(file)), 1).unwrap_err();
    assert_eq!(failure.reason, "input_file_too_large");
}
