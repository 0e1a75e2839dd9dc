//! An executable in `target/<profile>` of a source tree uses the libraries that were fetched into that tree.

use std::path::Path;

use serde_json::Value;

use crate::rig::{BACKBONE, clean};

/// A source tree with the real executable and a file in place of a library, which `backbone doctor` reports
/// by its path.
fn tree() -> tempfile::TempDir {
    // Next to the real one, so that a link is possible.
    let tree = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs_err::create_dir_all(tree.path().join("target/release")).unwrap();
    fs_err::hard_link(BACKBONE, tree.path().join("target/release/backbone")).unwrap();
    let libraries = tree.path().join("runtimes").join(std::env::consts::ARCH);
    fs_err::create_dir_all(&libraries).unwrap();
    fs_err::write(libraries.join("libonnxruntime.so"), "not a library\n").unwrap();
    fs_err::create_dir(tree.path().join("host")).unwrap();
    fs_err::write(tree.path().join("config.yaml"), "settle_seconds: 1\n").unwrap();
    tree
}

fn libraries(tree: &Path, more: &[&str]) -> String {
    let mut command = clean(tree.join("target/release/backbone"));
    command.args(["doctor", "--json", "--config", "config.yaml"]).args(more).current_dir(tree);
    let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.into_iter().find(|finding| finding["code"] == "inference_libraries").unwrap();
    found["observed"].as_str().unwrap().to_owned()
}

#[test]
fn fetched_libraries_are_used_on_this_machine_and_on_no_other() {
    let tree = tree();
    let fetched = tree.path().join("runtimes").join(std::env::consts::ARCH).join("libonnxruntime.so");
    let here = libraries(tree.path(), &[]);
    assert!(here.contains(&fetched.display().to_string()), "{here}");
    let elsewhere = libraries(tree.path(), &["--host-root", "host"]);
    assert!(elsewhere.contains("onnxruntime has no libonnxruntime.so"), "{elsewhere}");
}
