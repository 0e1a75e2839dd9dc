//! What may be written under `inputs`, and the message of each mistake.

use crate::runtime::{GivenInput, InputContent};
use crate::spec::{render, resolve};

fn read(inputs: &str) -> Result<crate::runtime::GivenInputs, String> {
    let text = format!("backbone: 1\nmodel: net.onnx\ninputs: {inputs}\n");
    match resolve::job(text.as_bytes(), "smoke.yaml") {
        Ok(job) => Ok(job.inputs),
        Err(mistakes) => Err(render(&mistakes, "smoke.yaml")),
    }
}

#[test]
fn every_way_to_fill_an_input_is_understood() {
    let given = read(
        "{image: [1, 3, 224, 224], ids: {shape: [1, 128], range: [0, 30521]}, rate: {value: 16000}, scale: {value: 0.5},
         size: {values: [1, 3, 32, 32]}, mel: {file: mel.npy}, none: {shape: [0, 4]}, all: {shape: [2], value: -1}}",
    )
    .unwrap();
    assert_eq!(given["image"], GivenInput::shaped([1, 3, 224, 224]));
    let ids = GivenInput { shape: Some(vec![1, 128]), content: Some(InputContent::Range(0, 30521)) };
    assert_eq!(given["ids"], ids);
    assert_eq!(given["rate"], GivenInput::filled(InputContent::Value(16000.into())));
    assert_eq!(given["scale"].content, Some(InputContent::Value(serde_json::Number::from_f64(0.5).unwrap())));
    let size = [1, 3, 32, 32].map(serde_json::Number::from).to_vec();
    assert_eq!(given["size"], GivenInput::filled(InputContent::Values(size)));
    assert_eq!(given["mel"].file().unwrap().name, "mel.npy");
    assert_eq!(given["none"], GivenInput::shaped([0, 4]));
    assert_eq!(given["all"].shape, Some(vec![2]));
    // The worker gets it as it is.
    let text = serde_json::to_string(&given).unwrap();
    assert_eq!(serde_json::from_str::<crate::runtime::GivenInputs>(&text).unwrap(), given);
}

#[test]
fn every_mistake_names_its_place_and_what_to_write() {
    let refused = |inputs: &str| read(inputs).unwrap_err();
    insta::assert_snapshot!(
        [
            "{a: {value: 1, range: [0, 1]}}",
            "{a: {}}",
            "{a: {shap: [1]}}",
            "{a: {shape: 5}}",
            "{a: {shape: [1, 4], values: [1, 2, 3]}}",
            "{a: {value: abc, b: 1}}",
            "{a: {value: .inf}}",
            "{a: {value: true}}",
            "{a: {value: 99999999999999999999999}}",
            "{a: {values: []}}",
            "{a: {values: 5}}",
            "{a: {values: [1, x]}}",
            "{a: {range: [0.5, 1]}}",
            "{a: {range: [5, 1]}}",
            "{a: {range: [5]}}",
            "{a: {range: 5}}",
            "{a: {file: 5}}",
            "{a: {file: ../mel.npy}}",
            "{a: {file: /etc/passwd}}",
            "{a: {file: mel.txt}}",
            "{a: {file: mel.pkl}}",
            "{a: {file: .mel.npy}}",
        ]
        .map(refused)
        .concat()
    );
}

#[test]
fn list_of_values_ends_where_a_file_is_the_better_place() {
    let values = |count: usize| format!("{{a: {{values: [{}]}}}}", vec!["1"; count].join(", "));
    assert!(read(&values(4096)).is_ok());
    let refused = read(&values(4097)).unwrap_err();
    assert!(refused.contains("the list has 4097 values") && refused.contains("numpy.save"), "{refused}");
}
