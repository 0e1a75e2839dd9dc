use clap::Parser;

use super::*;

/// The arguments as the command line reads them.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: NetworksExportArguments,
}

fn arguments(words: &str, out: &Path) -> NetworksExportArguments {
    let words = format!("export {words} --output")
        .split(' ')
        .map(Into::into)
        .chain([out.as_os_str().to_owned()])
        .collect::<Vec<std::ffi::OsString>>();
    Line::try_parse_from(words).unwrap().arguments
}

/// Narrow and shallow, so that a debug build makes it at once.
const TINY: &str = "--width-percent 5 --depths 1,1,1,1";

/// Less than a tiny network takes, and more than it takes without its weights.
const TOO_SMALL_BYTES: u64 = 20_000;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn everything_is_wanted_where_nothing_is_chosen() {
    assert_eq!(wanted(&arguments("--width-percent 100", Path::new("out"))).unwrap().len(), 648);
    let chosen =
        "--block standard --block standard --kernel 3 --batch 1 --input 224 --input 560 --precision int8";
    assert_eq!(wanted(&arguments(chosen, Path::new("out"))).unwrap().len(), 4);
}

#[test]
fn every_mistake_is_reported_once() {
    let wrong = arguments("--block standart --kernel 4 --kernel 6 --batch -1 --depths 1,2", Path::new("out"));
    insta::assert_snapshot!(crate::cli::failure::render(&wanted(&wrong).unwrap_err()), @"
    error: 2 depths are given for four stages
    hint: write four, such as 3,4,6,3
    ");
    let wrong = arguments("--block standart --kernel 4 --kernel 6 --batch -1", Path::new("out"));
    insta::assert_snapshot!(crate::cli::failure::render(&wanted(&wrong).unwrap_err()), @"
    error: no block type is called `standart`; kernel 4 is even; batch -1 is outside 1 … 256; kernel 6 is even
    hint: did you mean `standard`? `backbone list blocks` shows all; write 3 or 5; the nearest possible value is 1; write 5 or 7
    ");
}

#[test]
fn exported_files_have_their_names_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let words = format!("--block standard --kernel 3 --batch 1 --input 32 {TINY}");
    assert_eq!(execute(&arguments(&words, folder.path())).unwrap(), Exit::Done);
    insta::assert_snapshot!(names(folder.path()).join("\n"), @"
    standard-k3-b1-i32-fp32-w5-d1_1_1_1.onnx
    standard-k3-b1-i32-fp32-w5-d1_1_1_1.tflite
    standard-k3-b1-i32-int8-w5-d1_1_1_1.onnx
    standard-k3-b1-i32-int8-w5-d1_1_1_1.tflite
    ");
}

#[test]
fn a_file_that_cannot_get_its_name_leaves_nothing_and_fails_the_command() {
    let folder = tempfile::tempdir().unwrap();
    // A folder of that name cannot be replaced by a file.
    let taken = "standard-k3-b1-i32-int8-w5-d1_1_1_1.onnx";
    fs::create_dir(folder.path().join(taken)).unwrap();
    let words =
        format!("--block standard --kernel 3 --batch 1 --input 32 --precision int8 --format onnx {TINY}");
    let error = execute(&arguments(&words, folder.path())).unwrap_err();
    assert!(crate::cli::failure::render(&error).contains(taken));
    assert_eq!(names(folder.path()), [taken]);
}

#[test]
fn one_failure_does_not_keep_the_other_files_from_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let taken = "standard-k3-b1-i32-int8-w5-d1_1_1_1.onnx";
    fs::create_dir(folder.path().join(taken)).unwrap();
    let words = format!("--block standard --kernel 3 --batch 1 --input 32 --precision int8 {TINY}");
    let error = execute(&arguments(&words, folder.path())).unwrap_err();
    assert_eq!(error.to_string(), "1 of 2 files could not be written");
    assert_eq!(names(folder.path()), [taken, "standard-k3-b1-i32-int8-w5-d1_1_1_1.tflite"]);
}

#[test]
fn weights_that_an_onnx_file_may_not_hold_are_in_a_second_file() {
    let folder = tempfile::tempdir().unwrap();
    let words = format!("--block standard --kernel 3 --batch 1 --input 32 --precision fp32 {TINY}");
    let lowered =
        NetworksExportArguments { largest_file_bytes: TOO_SMALL_BYTES, ..arguments(&words, folder.path()) };
    assert_eq!(execute(&lowered).unwrap(), Exit::Done);
    let model = "standard-k3-b1-i32-fp32-w5-d1_1_1_1.onnx";
    insta::assert_snapshot!(names(folder.path()).join("\n"), @"
    standard-k3-b1-i32-fp32-w5-d1_1_1_1.onnx
    standard-k3-b1-i32-fp32-w5-d1_1_1_1.onnx.data
    standard-k3-b1-i32-fp32-w5-d1_1_1_1.tflite
    ");
    assert!(fs::metadata(folder.path().join(model)).unwrap().len() < TOO_SMALL_BYTES);
}

#[test]
fn a_model_that_cannot_get_its_name_leaves_no_file_of_weights() {
    let folder = tempfile::tempdir().unwrap();
    let taken = "standard-k3-b1-i32-fp32-w5-d1_1_1_1.onnx";
    fs::create_dir(folder.path().join(taken)).unwrap();
    let words =
        format!("--block standard --kernel 3 --batch 1 --input 32 --precision fp32 --format onnx {TINY}");
    let lowered =
        NetworksExportArguments { largest_file_bytes: TOO_SMALL_BYTES, ..arguments(&words, folder.path()) };
    execute(&lowered).unwrap_err();
    assert_eq!(names(folder.path()), [taken]);
}
