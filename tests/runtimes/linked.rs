//! The worker for TensorFlow Lite starts where its library is missing, because nothing is linked with it.

use std::path::Path;
use std::process::Command;

use crate::rig::{BACKBONE, clean};

const WORKER: &str = "backbone-worker-tflite";

#[test]
fn worker_does_not_need_its_library_to_start_and_says_what_is_missing() {
    let built = Path::new(BACKBONE).with_file_name(WORKER);
    if !cfg!(feature = "tflite") || !built.exists() {
        println!("skipped: built without the feature tflite");
        return;
    }
    // Away from the source tree, whose libraries would be found.
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs_err::create_dir(&bin).unwrap();
    for executable in [Path::new(BACKBONE), &built] {
        fs_err::copy(executable, bin.join(executable.file_name().unwrap())).unwrap();
    }
    let mut run = clean(bin.join("backbone"));
    run.args(["run", "inbox-examples/tiny-cnn.tflite", "--outbox"]).arg(folder.path().join("outbox"));
    let output = run.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("LD_LIBRARY_PATH").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("library_not_found"), "{said}");
    assert!(said.contains("hint: install the package backbone-runtimes"), "{said}");
}

#[test]
fn worker_names_no_inference_library_for_the_loader() {
    let built = Path::new(BACKBONE).with_file_name(WORKER);
    if !cfg!(feature = "tflite") || !built.exists() || Command::new("readelf").arg("-v").output().is_err() {
        println!("skipped: no worker, or no readelf");
        return;
    }
    let read = |option: &str| {
        let output =
            clean("readelf").args([option, "--wide"]).arg(&built).env("LC_ALL", "C").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let dynamic = read("--dynamic");
    assert!(dynamic.contains("(NEEDED)"), "{dynamic}");
    assert!(!dynamic.contains("tensorflow") && !dynamic.contains("RUNPATH"), "{dynamic}");
    let unresolved: Vec<_> = {
        let symbols = read("--dyn-syms");
        symbols.lines().filter(|line| line.contains(" UND TfLite")).map(str::to_owned).collect()
    };
    assert!(unresolved.is_empty(), "functions that library.rs does not forward: {unresolved:?}");
}
