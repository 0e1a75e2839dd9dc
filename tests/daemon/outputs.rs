//! What the runs computed, from a worker to the bundle: through the real daemon.

use backbone::bundle::format::{AgreementState, Bundle, MatchedBy, Status};

use crate::rig::{Rig, Settings, fetched, job, lacks};

/// Measure a scripted model whose outputs are these.
fn measured(outputs: &str, more: &str) -> Bundle {
    let rig = Rig::running();
    let script = format!(r#"{{"latency_us": [300], "outputs": {outputs}}}"#);
    fs_err::write(rig.inbox("net.sim"), script).unwrap();
    fs_err::write(rig.inbox("a.yaml"), job("net.sim", more)).unwrap();
    let bundle = rig.wait_for_bundles(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    // The next job's turn would remove what a comparison left; nothing is left.
    let left = fs_err::read_dir(rig.spool("outputs")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "no file of outputs outlives its configuration");
    bundle
}

fn codes(bundle: &Bundle) -> Vec<&str> {
    let codes = bundle.verdict.reasons.iter().map(|reason| reason.code.as_str());
    codes.filter(|code| code.starts_with("outputs_")).collect()
}

#[test]
fn outputs_and_resources_of_each_trial_are_in_the_bundle() {
    let bundle =
        measured(r#"[{"name": "y", "values": [0.5, -2]}]"#, "measure: {timed_runs: 6, processes: 2}");
    let outputs = bundle.outputs.as_ref().unwrap();
    assert_eq!((outputs.trial.process, outputs.tensors[0].minimum), (1, Some(-2.0)));
    assert!(outputs.differing_processes.is_empty() && outputs.comparison.is_none());
    assert!(codes(&bundle).is_empty());
    assert_eq!(bundle.resources.len(), 2);
    for taken in &bundle.resources {
        let taken = taken.resources;
        assert!(taken.load_seconds.is_some() && taken.first_inference_seconds >= Some(0.000_3), "{taken:?}");
        assert!(taken.memory_before_load_bytes <= taken.peak_memory_bytes, "{taken:?}");
    }
}

#[test]
fn outputs_that_are_not_finite_make_a_result_suspect() {
    let bundle = measured(r#"[{"name": "y", "values": [1, null, 2]}]"#, "");
    assert_eq!(codes(&bundle), ["outputs_not_finite"]);
    assert_eq!(bundle.outputs.unwrap().tensors[0].maximum, Some(2.0));
}

#[test]
fn processes_are_compared_and_only_what_is_beyond_rounding_is_a_reason() {
    let more = "measure: {timed_runs: 6, processes: 2}";
    let bundle = measured(r#"[{"name": "y", "values": [1, 2], "differs_by": 1}]"#, more);
    let differing = &bundle.outputs.as_ref().unwrap().differing_processes[0];
    assert_eq!((differing.process, differing.outputs[0].state), (2, AgreementState::Disagrees));
    assert_eq!(codes(&bundle), ["outputs_vary"]);
    let bundle = measured(r#"[{"name": "y", "values": [1, 2], "differs_by": 0.001}]"#, more);
    assert_eq!(
        bundle.outputs.as_ref().unwrap().differing_processes[0].outputs[0].state,
        AgreementState::Agrees
    );
    assert!(codes(&bundle).is_empty());
}

#[test]
fn outputs_are_verified_by_a_run_of_their_own() {
    let bundle = measured(r#"[{"name": "y", "values": [1, 2]}]"#, "verify: cpu");
    let comparison = bundle.outputs.as_ref().unwrap().comparison.as_ref().unwrap();
    assert_eq!(
        (comparison.reference.runtime.as_str(), comparison.matched_by),
        ("sim", Some(MatchedBy::Name))
    );
    assert_eq!(comparison.outputs[0].state, AgreementState::Agrees);
    assert_eq!(bundle.trials.len(), 1, "the reference is no trial");
    let bundle = measured(r#"[{"name": "y", "values": [1, 2], "differs_by": 5}]"#, "verify: cpu");
    assert_eq!(codes(&bundle), ["outputs_disagree"]);
}

#[test]
fn runtimes_of_one_job_are_compared_on_the_same_image_whatever_its_layout() {
    if !cfg!(feature = "tflite") || lacks("libonnxruntime.so") || lacks("libtensorflowlite_c.so") {
        return;
    }
    let mut rig = Rig::new(Settings::default());
    let mut settings = fs_err::read_to_string(rig.configuration()).unwrap();
    let libraries = ["libonnxruntime.so", "libtensorflowlite_c.so"].map(fetched);
    settings.push_str(&format!(
        "runtimes:\n  onnxruntime: {{library: {}}}\n  tflite: {{library: {}}}\n",
        libraries[0].display(),
        libraries[1].display()
    ));
    fs_err::write(rig.configuration(), settings).unwrap();
    rig.start();
    for model in ["tiny-cnn.onnx", "tiny-cnn.tflite"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples").join(model);
        fs_err::copy(path, rig.inbox(model)).unwrap();
    }
    let text = "backbone: 1\nmodel: [tiny-cnn.onnx, tiny-cnn.tflite]\nruntime: [onnxruntime, tflite]\nmeasure: {timed_runs: 6}\n";
    fs_err::write(rig.inbox("both.yaml"), text).unwrap();
    let bundles = rig.wait_for_bundles(2);
    let second = bundles.iter().find(|bundle| bundle.runtime.as_ref().unwrap().name == "tflite").unwrap();
    let comparison = second.outputs.as_ref().unwrap().comparison.as_ref().unwrap();
    assert!(comparison.on_converted_inputs, "{comparison:?}");
    assert_eq!(comparison.outputs[0].state, AgreementState::Agrees, "{comparison:?}");
    assert!(codes(second).is_empty());
}
