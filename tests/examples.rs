//! The shipped examples are what people copy from: `backbone check` must accept the right ones and refuse the broken one
//! with everything that is wrong with it. That they measure is shown by `make demo` and the daemon's own tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

fn check(name: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_backbone"))
        .args(["check", name])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/inbox-examples"))
        .output()
        .unwrap()
}

#[test]
fn right_examples_are_accepted_with_their_models() {
    for name in ["01-onnx.yaml", "02-tflite-int8.yaml", "03-both-runtimes.yaml", "04-every-field.yaml"] {
        let output = check(name);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.starts_with(&format!("{name}: ok\n")), "{text}");
    }
}

#[test]
fn broken_example_is_refused_with_every_mistake() {
    let output = check("05-broken.yaml");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn every_field_example_has_every_field() {
    let text =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/inbox-examples/04-every-field.yaml"));
    let text = text.unwrap();
    for field in backbone::spec::FIELDS {
        let key = format!("{}:", field.path.rsplit('.').next().unwrap());
        assert!(text.lines().any(|line| line.trim_start().starts_with(&key)), "no `{}` there", field.path);
    }
}

#[test]
fn examples_are_numbered_without_a_gap_and_begin_with_a_comment() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/inbox-examples");
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            assert!(
                fs_err::read_to_string(entry.path()).unwrap().starts_with("# "),
                "{name} does not say what it shows"
            );
            names.push(name);
        } else {
            // Small enough to be looked at and copied over a slow line.
            assert!(entry.metadata().unwrap().len() <= 300 * 1024, "{name} is larger than 300 KB");
        }
    }
    names.sort();
    for (index, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:02}-", index + 1)), "{name} is not number {}", index + 1);
    }
    assert_eq!(names.len(), 5);
}
