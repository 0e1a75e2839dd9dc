//! The example of an architecture search in `docs/examples`, with a host of this machine in the loop.

use std::path::Path;
use std::process::Command;

use crate::lab::{Lab, lacks_sshd};
use crate::rig::{BACKBONE, lacks};

#[test]
fn search_with_optuna_measures_its_trials_on_a_host() {
    if lacks_sshd() || lacks("libonnxruntime.so") {
        return;
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = repository.join("target/python-desk");
    if !packages.join("optuna").is_dir() {
        assert!(std::env::var_os("BACKBONE_REQUIRE_PYTHON").is_none(), "no optuna in {}", packages.display());
        eprintln!("skipped: no optuna in {}", packages.display());
        return;
    }
    let lab = Lab::running(1);
    let ssh = format!("--option=--ssh=ssh -F '{}'", lab.path("ssh config").display());
    let output = Command::new("python3")
        .arg(repository.join("docs/examples/optuna_search.py"))
        .args(["pi-1", "--trials", "2", "--backbone", BACKBONE, &ssh])
        .env("PYTHONPATH", packages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:#?}");
    let best: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(best["value_ms"].as_f64().unwrap() > 0.0 && best["interval_ms"].is_array(), "{best}");
    assert_eq!(lab.devices[0].rig.bundles().len(), 2);
}
