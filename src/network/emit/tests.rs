use super::*;
use crate::network::configuration::RequestedConfiguration;

fn written(file: &ModelFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.write(&mut bytes).unwrap();
    bytes
}

fn small(block: &str, precision: &str) -> Configuration {
    let requested = RequestedConfiguration {
        width_percent: 25,
        depths: [1, 1, 1, 1],
        ..RequestedConfiguration::new(block, 3, 1, 64, precision)
    };
    Configuration::new(&requested).unwrap()
}

#[test]
fn a_file_is_as_long_as_it_says_and_the_same_every_time() {
    for block in crate::network::blocks::BLOCKS {
        for precision in ["fp32", "int8"] {
            let configuration = small(block.name, precision);
            for form in Form::all(&configuration) {
                let file = form.model_file(&configuration).unwrap();
                let bytes = written(&file);
                assert_eq!(bytes.len() as u64, file.length(), "{configuration} {form:?}");
                assert_eq!(form.length(&configuration), Ok(file.length()), "{configuration} {form:?}");
                assert_eq!(bytes, written(&form.model_file(&configuration).unwrap()));
            }
        }
    }
}

#[test]
fn what_one_file_cannot_hold_is_in_two_or_refused_before_its_weights_are_made() {
    let requested = RequestedConfiguration {
        width_percent: 200,
        depths: [1, 1, 1, 64],
        ..RequestedConfiguration::new("standard", 31, 1, 64, "int8")
    };
    let configuration = Configuration::new(&requested).unwrap();
    for form in Form::all(&configuration) {
        match form.format {
            Format::Onnx => assert!(form.length(&configuration).unwrap() > LARGEST_FILE_BYTES),
            Format::Tflite => {
                let error = form.model_file(&configuration).unwrap_err();
                assert!(matches!(error, EmitError::TooLarge { bytes, .. } if bytes > LARGEST_FILE_BYTES));
                assert!(error.hint().unwrap().contains("ONNX"), "{error}");
            }
        }
    }
}

#[test]
fn weights_that_a_file_may_not_hold_are_in_a_second_file_and_are_the_same() {
    for precision in ["fp32", "int8"] {
        let configuration = small("standard", precision);
        let one = onnx::EmitOptions::for_precision(configuration.precision());
        let whole = onnx::model_file(&configuration, &one).unwrap();
        let just_fits = onnx::EmitOptions { weights_beside_above_bytes: whole.length(), ..one };
        assert!(!onnx::model_file(&configuration, &just_fits).unwrap().has_file_beside());

        let two = onnx::EmitOptions { weights_beside_above_bytes: whole.length() - 1, ..one };
        let parted = onnx::model_file(&configuration, &two).unwrap();
        let (model, mut beside) = (written(&parted), Vec::new());
        parted.write_beside(&mut beside).unwrap();
        assert_eq!(parted.length(), (model.len() + beside.len()) as u64);
        assert_eq!(onnx::length(&configuration, &two), Ok(parted.length()));

        let counted = |bytes: &[u8]| crate::network::count::model(bytes, &Default::default()).unwrap();
        let whole = written(&whole);
        assert_eq!(counted(&model), counted(&whole));
        let location = format!("{configuration}.onnx.data");
        assert!(model.windows(location.len()).any(|bytes| bytes == location.as_bytes()));
        // conv1, the first: 16 channels of 3 × 7 × 7.
        let first = 16 * 147 * configuration.precision().bytes() as usize;
        assert!(whole.windows(first).any(|bytes| bytes == &beside[..first]));
        assert!(beside[first..4096 * first.div_ceil(4096)].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn options_that_no_reader_understands_are_refused_with_advice() {
    let (fp32, int8) = (small("standard", "fp32"), small("standard", "int8"));
    let refusal = |configuration: &Configuration, opset, is_normalisation_apart| {
        let precision = configuration.precision();
        let options = onnx::EmitOptions {
            opset,
            is_normalisation_apart,
            ..onnx::EmitOptions::for_precision(precision)
        };
        let error = onnx::model_file(configuration, &options).unwrap_err();
        format!("{error}; {}", error.hint().unwrap())
    };
    let found = [refusal(&fp32, 8, false), refusal(&int8, 12, false), refusal(&int8, 13, true)];
    insta::assert_snapshot!(found.join("\n"), @"
    opset 8 cannot hold a network in fp32; write 9 … 21
    opset 12 cannot hold a network in int8; write 13 … 21
    batch normalisation cannot stay apart in int8; leave batch normalisation folded, or write fp32
    ");
}

#[test]
fn forms_of_a_configuration_have_names_and_bytes_of_their_own() {
    for precision in ["fp32", "int8"] {
        let configuration = small("standard", precision);
        let forms = Form::all(&configuration).iter();
        let files: std::collections::BTreeMap<_, _> = forms
            .map(|form| (form.file_name(&configuration), written(&form.model_file(&configuration).unwrap())))
            .collect();
        assert_eq!(files.len(), Form::all(&configuration).len(), "{:?}", files.keys());
        let bytes: std::collections::BTreeSet<_> = files.values().collect();
        assert_eq!(bytes.len(), files.len());
        // What is not in the list is no other file.
        let unsigned = Form::ONNX_UNSIGNED;
        assert_eq!(
            files.get(&unsigned.file_name(&configuration)),
            Some(&written(&unsigned.model_file(&configuration).unwrap()))
        );
    }
}
