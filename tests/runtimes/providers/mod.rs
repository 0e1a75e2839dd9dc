//! ONNX Runtime's providers through the daemon: the library for real, the processor's provider for real, and
//! a stub of a plug-in that these tests build (`stub_plugin.rs`). Every result is marked simulated, because
//! the host root is a folder.

use std::path::{Path, PathBuf};

use backbone::bundle::format::{Bundle, ProviderShare, Stage, Status, VerdictState};
use sha2::{Digest as _, Sha256};

mod host;

use host::{Host, PART, STUB, STUB_WITH_PART, is_skipped, onnx_runtime, stubs};

const CPU: &str = "CPUExecutionProvider";
const STUB_PROVIDER: &str = "StubExecutionProvider";

/// Of `inbox-examples/tiny-cnn.onnx`: four convolutions with a Relu each, a pool, a flatten and a product.
const OPERATIONS: u64 = 347_702_528;
const RELU_NODES: u64 = 4;
const NODES: u64 = 11;
/// Once the library has fused what it can for an x86-64 processor, reordering of memory included.
const FUSED_NODES: u64 = 8;

const FEW_RUNS: &str = "measure: {warm_up_runs: 1, timed_runs: 6}\n";

/// The example's network, with these options.
fn job(options: &str) -> String {
    format!(
        "backbone: 1\nruntime: onnxruntime\nmodel: tiny-cnn.onnx\n{FEW_RUNS}runtime_options: {{{options}}}\n"
    )
}

fn outcome(bundle: &Bundle) -> (Status, Option<Stage>, &str) {
    (bundle.outcome.status, bundle.outcome.stage, bundle.outcome.reason.as_deref().unwrap_or("-"))
}

fn providers(bundle: &Bundle) -> &[ProviderShare] {
    &bundle.runtime.as_ref().unwrap().providers
}

/// Name, whether it is a fallback, nodes and operations of each.
fn shares(bundle: &Bundle) -> Vec<(&str, bool, Option<u64>, Option<u64>)> {
    let shares = providers(bundle).iter();
    shares.map(|share| (share.name.as_str(), share.is_fallback, share.nodes, share.operations)).collect()
}

/// Nodes of the last provider, which is the processor's; for other processors the library fuses otherwise.
fn fused_nodes(bundle: &Bundle) -> Option<u64> {
    let nodes = providers(bundle).last().unwrap().nodes;
    assert!(nodes > Some(0) && nodes < Some(NODES), "{nodes:?}");
    assert!(!cfg!(target_arch = "x86_64") || nodes == Some(FUSED_NODES), "{nodes:?}");
    nodes
}

fn reason<'a>(bundle: &'a Bundle, code: &str) -> Option<&'a str> {
    let reason = bundle.verdict.reasons.iter().find(|reason| reason.code == code)?;
    Some(&reason.detail)
}

fn provider_reasons(bundle: &Bundle) -> Vec<&str> {
    let codes = bundle.verdict.reasons.iter().map(|reason| reason.code.as_str());
    codes.filter(|code| code.starts_with("provider_")).collect()
}

fn sha256(file: &Path) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(fs_err::read(file).unwrap()))
}

fn library_digest(bundle: &Bundle, file: &Path) -> Option<String> {
    let libraries = &bundle.runtime.as_ref().unwrap().libraries;
    let library = libraries.iter().find(|library| Path::new(&library.file) == file)?;
    library.sha256.clone()
}

#[test]
fn the_processors_provider_runs_every_node_and_the_mapped_libraries_are_recorded() {
    if is_skipped() {
        return;
    }
    let host = Host::without_plugin();
    for (name, options) in [("fused", ""), ("as-it-is", "graph_optimization: disable")] {
        let bundle = host.bundle(name, &job(options));
        assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
        let nodes = if options.is_empty() { fused_nodes(&bundle) } else { Some(NODES) };
        assert_eq!(shares(&bundle), [(CPU, false, nodes, Some(OPERATIONS))]);
        assert_eq!(providers(&bundle)[0].library, None);
        assert!(provider_reasons(&bundle).is_empty(), "{:?}", bundle.verdict);
        let runtime = bundle.runtime.unwrap();
        assert_eq!(runtime.timed.code, "onnxruntime.run_with_binding.cpu");
        assert_eq!(runtime.options["provider"], "cpu");
        assert!(!runtime.options.contains_key("device"), "{:?}", runtime.options);
        let own = fs_err::canonicalize(onnx_runtime()).unwrap();
        assert_eq!(runtime.library.as_deref(), own.to_str());
        assert_eq!(runtime.library_sha256, Some(sha256(&own)));
        assert!(runtime.libraries.iter().any(|library| library.file.contains("/libstdc++.so.6")));
        for library in &runtime.libraries {
            assert_ne!(Path::new(&library.file), own);
            assert_eq!(library.sha256, Some(sha256(Path::new(&library.file))), "{}", library.file);
        }
    }
    assert_eq!(host.left_behind(), [] as [PathBuf; 0], "such as what the library would tell its makers");
}

#[test]
fn nodes_that_a_plug_in_does_not_take_are_a_fallback_and_the_verdict_says_how_many() {
    if is_skipped() {
        return;
    }
    let host = Host::with_plugin("TAKES=Relu");
    let bundle = host.bundle("relu", &job("provider: plugin, graph_optimization: disable"));
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    let left = NODES - RELU_NODES;
    assert_eq!(
        shares(&bundle),
        [(STUB_PROVIDER, false, Some(RELU_NODES), Some(0)), (CPU, true, Some(left), Some(OPERATIONS))]
    );
    assert_eq!(provider_reasons(&bundle), ["provider_fallback"]);
    let told = "7 of 11 nodes ran on CPUExecutionProvider, 100.0 % of the operations";
    assert_eq!(reason(&bundle, "provider_fallback"), Some(told));
    assert_eq!(
        (bundle.verdict.state, bundle.trials[0].latencies.latency_ns.len()),
        (VerdictState::Suspect, 6)
    );
    let plugin = fs_err::canonicalize(host.plugin()).unwrap();
    assert_eq!(providers(&bundle)[0].library.as_deref(), plugin.to_str());
    assert_eq!(providers(&bundle)[1].library, None);
    assert_eq!(library_digest(&bundle, &plugin), Some(sha256(&plugin)));
    let runtime = bundle.runtime.unwrap();
    assert_eq!(runtime.timed.code, "onnxruntime.run_with_binding.copied_back");
    assert_eq!((&runtime.options["provider"], &runtime.options["device"]), (&"plugin".into(), &0.into()));
    assert!(runtime.options["hardware"].as_str().unwrap().starts_with("cpu"), "{:?}", runtime.options);
    // The same path, another file.
    host.plug(STUB_WITH_PART);
    fs_err::copy(stubs().join(PART), host.rig.path("plugins").join(PART)).unwrap();
    let bundle = host.bundle("another", &job("provider: plugin, graph_optimization: disable"));
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    for file in [plugin, fs_err::canonicalize(host.rig.path("plugins").join(PART)).unwrap()] {
        assert_eq!(library_digest(&bundle, &file), Some(sha256(&file)), "{:#?}", bundle.runtime);
    }
}

#[test]
fn plug_in_that_takes_everything_has_no_fallback_and_one_that_takes_nothing_is_not_used() {
    if is_skipped() {
        return;
    }
    let host = Host::with_plugin("TAKES=all");
    let bundle = host.bundle("all", &job("provider: plugin"));
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    assert_eq!(shares(&bundle), [(STUB_PROVIDER, false, Some(1), Some(OPERATIONS))]);
    assert!(provider_reasons(&bundle).is_empty(), "{:?}", bundle.verdict);
    host.set("TAKES=nothing");
    let bundle = host.bundle("nothing", &job("provider: plugin"));
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    let nodes = fused_nodes(&bundle);
    assert_eq!(
        shares(&bundle),
        [(STUB_PROVIDER, false, Some(0), Some(0)), (CPU, true, nodes, Some(OPERATIONS))]
    );
    assert_eq!(
        (bundle.verdict.state, provider_reasons(&bundle)),
        (VerdictState::Invalid, vec!["provider_not_used"])
    );
    let nodes = nodes.unwrap();
    let told = format!(
        "{STUB_PROVIDER} ran no node; {nodes} of {nodes} nodes ran on {CPU}, 100.0 % of the operations"
    );
    assert_eq!(reason(&bundle, "provider_not_used"), Some(told.as_str()));
    assert_eq!(bundle.trials[0].latencies.latency_ns.len(), 6);
    assert!(bundle.summary.is_some());
}

#[test]
fn every_way_to_lose_a_plug_in_is_an_outcome_with_a_hint_and_the_queue_continues() {
    if is_skipped() {
        return;
    }
    let host = Host::with_plugin("");
    let mut told = String::new();
    let mut fail = |name: &str, options: &str, stage: Stage, reason: &str| {
        let bundle = host.bundle(name, &job(&format!("provider: plugin{options}")));
        assert_eq!(outcome(&bundle), (Status::Failed, Some(stage), reason), "{name}: {:#?}", bundle.outcome);
        assert!(
            bundle.trials.iter().all(|trial| trial.latencies.latency_ns.is_empty()),
            "{name}: {:?}",
            bundle.trials
        );
        told += &text_of(name, &bundle);
    };
    for (fault, reason) in [
        ("no_device", "device_not_found"),
        ("refuse_session", "session_refused"),
        ("refuse_network", "session_refused"),
        ("refuse_run", "run_failed"),
    ] {
        host.set(&format!("TAKES=Relu\nFAULT={fault}"));
        let stage = if fault == "refuse_run" { Stage::Prepare } else { Stage::Load };
        fail(fault, "", stage, reason);
    }
    host.set("TAKES=Relu\nFAULT=crash_at_load");
    fail("crash_at_load", "", Stage::Load, "aborted");
    host.set("TAKES=Relu\nFAULT=crash");
    fail("crash", "", Stage::Timing, "aborted");
    host.set("TAKES=Relu");
    fail("device", ", device: 7", Stage::Load, "device_not_found");
    // Its part is not in its folder.
    host.plug(STUB_WITH_PART);
    fail("part", "", Stage::Load, "provider_not_loaded");
    fs_err::write(host.plugin(), "no library\n").unwrap();
    fail("text", "", Stage::Load, "provider_not_loaded");
    fs_err::remove_file(host.plugin()).unwrap();
    fs_err::copy(stubs().join(PART), host.plugin()).unwrap();
    fail("no-plug-in", "", Stage::Load, "provider_not_loaded");
    fs_err::remove_file(host.plugin()).unwrap();
    fail("no-file", "", Stage::Load, "provider_not_loaded");
    host.plug(STUB);
    let bundle = host.bundle("after", &job("provider: plugin"));
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
    assert_eq!(host.left_behind(), [] as [PathBuf; 0]);
    let plugins = host.rig.path("plugins");
    insta::with_settings!({filters => vec![
        (plugins.to_str().unwrap(), "PLUGINS"),
        (r"(\d: StubExecutionProvider on cpu)( \([^)]*\))?", "$1 (VENDOR)"),
        // What the library makes of its own source's place and of the model's path.
        (r"/\S+\.cc:\d+ .* Error creating", "PLACE Error creating"),
        (r"(StubExecutionProvider)_\d+_0", "$1 HASH"),
    ]}, {
        insta::assert_snapshot!("plug_in_failures", told);
    });
}

/// How it ended, in a few lines.
fn text_of(name: &str, bundle: &Bundle) -> String {
    let (status, stage, reason) = outcome(bundle);
    let outcome = &bundle.outcome;
    let [detail, hint] =
        [&outcome.detail, &outcome.hint].map(|text| text.as_deref().expect("a failure says it"));
    format!("{name}: {status:?}, {stage:?}, {reason}\n  {detail}\n  hint: {hint}\n")
}

#[test]
fn missing_providers_and_unused_options_are_refused() {
    if is_skipped() {
        return;
    }
    let host = Host::without_plugin();
    let mut told = String::new();
    for (name, options, reason) in [
        ("unplugged", "provider: plugin", "plugin_not_configured"),
        ("cuda", "provider: cuda", "provider_not_built_in"),
        ("tensorrt", "provider: tensorrt, device: 1", "provider_not_built_in"),
        ("device", "device: 0", "options_not_accepted"),
        ("tf32", "provider: cpu, tf32: false", "options_not_accepted"),
    ] {
        let bundle = host.bundle(name, &job(options));
        assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Load), reason), "{:#?}", bundle.outcome);
        told += &text_of(name, &bundle);
    }
    let unknown = host.bundle("unknown", &job("provider: cudaa"));
    assert_eq!(outcome(&unknown).0, Status::Rejected, "{:#?}", unknown.outcome);
    let [mistake] = &unknown.outcome.mistakes[..] else { panic!("{:?}", unknown.outcome) };
    assert_eq!(
        (mistake.field.as_str(), mistake.code.as_str()),
        ("runtime_options.provider", "unknown_value")
    );
    assert_eq!(mistake.hint.as_deref(), Some("did you mean `cuda`?"));
    let library = fs_err::canonicalize(onnx_runtime()).unwrap();
    insta::with_settings!({filters => vec![(library.to_str().unwrap(), "LIBRARY")]}, {
        insta::assert_snapshot!("refusals", told);
    });
}

#[test]
fn tensorrt_gets_generated_networks_with_signed_activations_and_other_providers_unsigned_ones() {
    if is_skipped() {
        return;
    }
    let host = Host::with_plugin("TAKES=nothing");
    let network = "network: {block: standard, kernel: 3, batch: 1, input: 32, precision: int8}";
    for (provider, ending) in
        [("tensorrt", "-int8.onnx"), ("cuda", "-int8-unsigned.onnx"), ("plugin", "-int8-unsigned.onnx")]
    {
        let bundle = host.bundle(provider, &generated(network, provider));
        let file = bundle.model.as_ref().unwrap().file.clone();
        assert!(file.ends_with(ending), "{provider}: {file}");
        let expected = if provider == "plugin" { "-" } else { "provider_not_built_in" };
        assert_eq!(outcome(&bundle).2, expected, "{:#?}", bundle.outcome);
    }
}

fn generated(networks: &str, provider: &str) -> String {
    format!(
        "backbone: 1\nruntime: onnxruntime\n{networks}\n{FEW_RUNS}runtime_options: {{provider: {provider}}}\n"
    )
}

#[test]
fn study_through_a_plug_in_tells_of_each_network_who_ran_how_much() {
    if is_skipped() {
        return;
    }
    let host = Host::with_plugin("TAKES=Relu");
    let study =
        "study: {blocks: [standard], kernels: [3], batches: [1], inputs: [32], precisions: [fp32, int8]}";
    host.rig.drop_file("study.yaml", generated(study, "plugin"));
    for bundle in host.rig.wait_for_bundles(2) {
        assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:#?}", bundle.outcome);
        let told = shares(&bundle);
        let names: Vec<(&str, bool)> = told.iter().map(|share| (share.0, share.1)).collect();
        assert_eq!(names, [(STUB_PROVIDER, false), (CPU, true)]);
        assert!(told.iter().all(|share| share.2 > Some(0)), "{told:?}");
        // What the library makes of these networks is its own affair; who ran how much is known wholly or not
        // at all.
        let operations: Option<u64> = told.iter().map(|share| share.3).sum();
        match operations {
            Some(operations) => assert_eq!(operations, bundle.cost.as_ref().unwrap().operations),
            None => assert!(told.iter().all(|share| share.3.is_none()), "{told:?}"),
        }
        assert_eq!(provider_reasons(&bundle), ["provider_fallback"]);
    }
}
