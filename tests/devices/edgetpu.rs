//! The Edge TPU through the daemon: TensorFlow Lite for real, against stubs of libedgetpu and
//! edgetpu_compiler that these tests build (`stub_libedgetpu.rs` and `stub_compiler.rs` in `tests/edgetpu/`).
//! Every result is marked simulated, because the host root is a folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use backbone::bundle::format::{Bundle, EdgeTpuBus, Stage, Status};

use crate::rig::{self, Rig, Settings, hosts, job, model, rights};

/// Where the stubs are; made once for all tests.
fn stubs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("edgetpu-stubs-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        for (source, words) in [
            ("stub_libedgetpu.rs", ["--crate-type", "cdylib", "-o", "libedgetpu.so.1"]),
            ("stub_compiler.rs", ["--crate-type", "bin", "-o", "edgetpu_compiler"]),
        ] {
            let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edgetpu").join(source);
            let mut made = Command::new(compiler);
            made.args(["--edition", "2024"]).args(words).arg(source).current_dir(&folder);
            assert!(made.status().unwrap().success());
        }
        folder
    })
}

fn tensorflow_lite() -> PathBuf {
    rig::fetched("libtensorflowlite_c.so")
}

/// Is the library missing?
fn is_skipped() -> bool {
    rig::lacks("libtensorflowlite_c.so")
}

/// A host with an Edge TPU and both stubs.
struct Host {
    rig: Rig,
}

impl Host {
    /// Of the fake hosts, with the compiler of that version; none for "".
    fn new(name: &str, compiler: &str) -> Self {
        let mut host = Self::without_daemon(name, compiler);
        host.rig.start();
        host
    }

    fn without_daemon(name: &str, compiler: &str) -> Self {
        let more = format!("runtimes: {{edgetpu: {{library: {}}}}}\n", tensorflow_lite().display());
        let rig = Rig::new(Settings { more: more.leak(), ..Settings::default() });
        hosts::fill(&rig.path("host"), name);
        let library = rig.path("host/usr/lib/x86_64-linux-gnu");
        fs_err::create_dir_all(&library).unwrap();
        fs_err::create_dir_all(rig.path("host/etc")).unwrap();
        fs_err::copy(stubs().join("libedgetpu.so.1"), library.join("libedgetpu.so.1")).unwrap();
        if !compiler.is_empty() {
            fs_err::copy(stubs().join("edgetpu_compiler"), rig.path("host/usr/bin/edgetpu_compiler"))
                .unwrap();
        }
        let host = Self { rig };
        host.compiler(&format!("VERSION={compiler}"));
        host
    }

    fn compiler(&self, settings: &str) {
        fs_err::write(self.rig.path("host/etc/edgetpu-compiler-stub"), format!("{settings}\n")).unwrap();
    }

    fn library(&self, settings: &str) {
        fs_err::write(self.rig.path("host/etc/libedgetpu-stub"), format!("{settings}\n")).unwrap();
    }

    fn measured(&self, name: &str, job: &str) -> Bundle {
        self.rig.drop_file(format!("{name}.yaml"), job);
        self.rig.wait_for("the job's bundle", || {
            self.rig.bundles().into_iter().find(|bundle| bundle.job.name == name)
        })
    }
}

fn network(more: &str) -> String {
    format!(
        "backbone: 1\nruntime: edgetpu\nmeasure: {{warm_up_runs: 2, timed_runs: 5, timeout_seconds: 3}}\nnetwork: \
         {{block: depthwise-separable, kernel: 3, input: 32{more}}}\n"
    )
}

const INT8: &str = ", batch: 1, precision: int8";

fn outcome(bundle: &Bundle) -> (Status, Option<Stage>, &str) {
    (bundle.outcome.status, bundle.outcome.stage, bundle.outcome.reason.as_deref().unwrap_or("-"))
}

#[test]
fn network_is_compiled_by_every_version_and_runs_on_the_delegate() {
    if is_skipped() {
        return;
    }
    for (version, whole) in [("14", "14.1.317412892"), ("15", "15.0.340273435"), ("16", "16.0.384591198")] {
        let host = Host::new("laptop-usb-edgetpu", version);
        host.library("MICROSECONDS=1500");
        let bundle = host.measured("right", &network(INT8));
        assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{version}: {:#?}", bundle.outcome);
        assert!(bundle.simulated);
        let [build] = &bundle.preparation[..] else { panic!("{:?}", bundle.preparation) };
        let told = build.edge_tpu.as_ref().unwrap();
        assert_eq!((told.compiler_version.as_deref(), told.attempts), (Some(whole), 1));
        assert_eq!(told.operations, told.operations_on_edge_tpu);
        assert_eq!(told.operations_on_cpu, Some(0));
        assert!(told.operators.iter().all(|row| row.is_mapped) && told.operators.len() > 2);
        assert!(build.seconds.is_some() && build.size_bytes > Some(1000) && !build.is_kept);
        let [trial] = &bundle.trials[..] else { panic!("{:?}", bundle.trials) };
        assert_eq!((trial.latencies.warm_up_ns.len(), trial.latencies.latency_ns.len()), (2, 5));
        assert!(
            trial.latencies.latency_ns.iter().all(|latency| latency.0 >= 1_500_000),
            "{:?}",
            trial.latencies.latency_ns
        );
        let runtime = bundle.runtime.unwrap();
        assert_eq!(runtime.version.as_deref(), Some("BuildLabel(STUB), RuntimeVersion(14)"));
        assert!(runtime.library.unwrap().ends_with("libedgetpu.so.1") && runtime.library_sha256.is_some());
        assert_eq!(runtime.options["libedgetpu_build"], "std");
        assert!(runtime.options["tflite_version"].is_string());
        assert_eq!(runtime.timed.code, "edgetpu.invoke");
        let device = &bundle.host.edge_tpus[0];
        assert_eq!((device.bus, device.link_megabits_per_second), (EdgeTpuBus::Usb, Some(480)));
        assert_eq!(bundle.model.unwrap().inputs[0].shape, [1, 32, 32, 3].map(Some));
        let again = host.measured("again", &network(INT8));
        assert!(again.preparation[0].is_kept && again.preparation[0].edge_tpu == build.edge_tpu);
    }
}

#[test]
fn what_does_not_compile_is_a_result_with_its_reason() {
    if is_skipped() {
        return;
    }
    let host = Host::new("laptop-usb-edgetpu", "16");
    let float = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples/tiny-cnn.tflite");
    host.rig.drop_file("m.tflite", fs_err::read(float).unwrap());
    let (float, batch) = (network(", batch: 1, precision: fp32"), network(", batch: 2, precision: int8"));
    for (name, job, reason, words) in [
        ("float", float.as_str(), "model_not_quantised", "Model not quantized"),
        (
            "dropped",
            "backbone: 1\nmodel: m.tflite\nruntime: edgetpu\n",
            "model_not_quantised",
            "Model not quantized",
        ),
        ("batch", &batch, "nothing_mapped", "CONV_2D (Tensor has unsupported rank"),
    ] {
        let bundle = host.measured(name, job);
        assert_eq!(outcome(&bundle), (Status::NotCompilable, Some(Stage::Build), reason), "{name}");
        let detail = bundle.outcome.detail.unwrap();
        assert!(detail.contains(words), "{detail}");
        assert!(bundle.trials.is_empty() && bundle.preparation[0].reason.as_deref() == Some(reason));
        assert!(!bundle.preparation[0].log_tail.is_empty());
    }
    for model in fs_err::read_dir(host.rig.spool("engines")).unwrap() {
        let left = fs_err::read_dir(model.unwrap().path()).unwrap().count();
        assert_eq!(left, 0, "nothing is left of compilations that failed");
    }
}

#[test]
fn compiler_that_fails_by_its_own_fault_is_tried_again() {
    if is_skipped() {
        return;
    }
    let host = Host::new("laptop-usb-edgetpu", "15");
    host.compiler("VERSION=15\nFAULT=internal_once");
    let bundle = host.measured("flaky", &network(INT8));
    assert_eq!(outcome(&bundle).0, Status::Measured);
    assert_eq!(bundle.preparation[0].edge_tpu.as_ref().unwrap().attempts, 2);
    fs_err::remove_file(host.rig.path("host/compiler-mark-1")).unwrap();
    host.compiler("VERSION=16\nFAULT=exception_once");
    let bundle = host.measured("exceptional", &network(INT8).replace("input: 32", "input: 48"));
    assert_eq!(outcome(&bundle).0, Status::Measured);
    assert_eq!(bundle.preparation[0].edge_tpu.as_ref().unwrap().attempts, 2);
    for (fault, status, reason) in [
        ("internal", Status::Failed, "internal_compiler_error"),
        ("exception", Status::Failed, "internal_compiler_error"),
        ("crash", Status::Failed, "tool_crashed"),
        ("timeout", Status::Failed, "compiler_timed_out"),
        ("dynamic", Status::NotCompilable, "dynamic_tensors"),
        ("interpreter", Status::NotCompilable, "interpreter_failed"),
        ("unparsed", Status::NotCompilable, "operator_too_new"),
        ("silent", Status::Failed, "not_passed"),
        ("stub_output", Status::Failed, "compiled_file_not_sound"),
        ("hang", Status::TimedOut, "timed_out"),
    ] {
        host.compiler(&format!("VERSION=15\nFAULT={fault}"));
        let job = network(", batch: 1, precision: int8, width: 50").replace(", width: 50", "");
        // Another seed is another model: nothing is kept of it.
        let bundle = host.measured(fault, &job.replace("input: 32", "input: 64"));
        assert_eq!(outcome(&bundle), (status, Some(Stage::Build), reason), "{fault}");
    }
}

#[test]
fn model_that_came_compiled_runs_as_it_is_and_others_are_refused_where_no_compiler_is() {
    if is_skipped() {
        return;
    }
    let host = Host::new("coral-dev-board", "");
    let bundle = host.measured("uncompiled", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Build), "model_not_compiled"));
    assert!(bundle.outcome.hint.unwrap().contains("on an x86-64 machine with `edgetpu_compiler -s"));
    let compiled = compiled_by_the_stub(&host.rig);
    host.rig.drop_file("net_edgetpu.tflite", compiled);
    let bundle = host.measured("compiled", "backbone: 1\nmodel: net_edgetpu.tflite\nruntime: edgetpu\n");
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:?}", bundle.outcome);
    let build = &bundle.preparation[0];
    assert_eq!((build.seconds, build.edge_tpu.is_some(), build.is_kept), (None, false, false));
    let environment = bundle.environment.unwrap();
    let apex = environment.sensors.iter().position(|sensor| sensor.path.contains("apex")).unwrap();
    assert_eq!(environment.before[0].values[apex], Some(45.05));
}

/// The stub's output for the example's model.
fn compiled_by_the_stub(rig: &Rig) -> Vec<u8> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples/tiny-cnn-int8.tflite");
    let mut command = Command::new(stubs().join("edgetpu_compiler"));
    command.args(["-s", "-o"]).arg(rig.path("host")).arg(&model);
    assert!(command.output().unwrap().status.success());
    fs_err::read(rig.path("host/tiny-cnn-int8_edgetpu.tflite")).unwrap()
}

#[test]
fn options_of_the_delegate_reach_it_together_with_a_numbered_device() {
    if is_skipped() {
        return;
    }
    let host = Host::new("laptop-usb-edgetpu", "16");
    let job = network(INT8)
        + "runtime_options: {performance: max, device: usb, usb_always_dfu: false, threads: 1}\n";
    let bundle = host.measured("options", &job);
    assert_eq!(outcome(&bundle).0, Status::Measured, "{:?}", bundle.outcome);
    let options = bundle.runtime.unwrap().options;
    for (key, value) in [("device", "usb:0"), ("Performance", "Max"), ("Usb.AlwaysDfu", "False")] {
        assert_eq!(options[key], value);
        let line = format!("stub option {key}={value}");
        assert!(bundle.outcome.log_tail.contains(&line), "{:?}", bundle.outcome.log_tail);
    }
}

#[test]
fn every_way_to_lose_the_device_is_an_outcome_of_its_own_and_the_queue_continues() {
    if is_skipped() {
        return;
    }
    let host = Host::new("laptop-usb-edgetpu", "16");
    for (fault, status, stage, reason) in [
        ("refused", Status::Failed, Stage::Load, "delegate_refused"),
        ("mismatch", Status::Failed, Stage::Load, "libraries_do_not_fit"),
        ("crash", Status::Failed, Stage::Load, "libraries_do_not_fit"),
        ("old", Status::Failed, Stage::Load, "runtime_too_old"),
        ("hang", Status::TimedOut, Stage::WarmUp, "device_hung"),
        ("vanish_and_hang", Status::TimedOut, Stage::WarmUp, "device_vanished"),
    ] {
        host.library(&format!("FAULT={fault}"));
        let bundle = host.measured(fault, &network(INT8));
        assert_eq!(outcome(&bundle), (status, Some(stage), reason), "{fault}: {:?}", bundle.outcome);
        assert!(bundle.outcome.hint.is_some(), "{fault}");
    }
    hosts::fill(&host.rig.path("host"), "laptop-usb-edgetpu");
    // A third failure in a row would stop the device.
    host.library("");
    assert_eq!(outcome(&host.measured("between", &network(INT8))).0, Status::Measured);
    host.library("FAULT=vanish");
    let bundle = host.measured("vanish", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::WarmUp), "device_vanished"));
    host.library("FAULT=refused");
    let bundle = host.measured("gone", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Load), "device_missing"));
    hosts::fill(&host.rig.path("host"), "pcie-edgetpu");
    for (card, process) in [(0, 17), (1, 18)] {
        let open = host.rig.path(format!("host/proc/{process}/fd"));
        fs_err::create_dir_all(&open).unwrap();
        std::os::unix::fs::symlink(format!("/dev/apex_{card}"), open.join("3")).unwrap();
    }
    let bundle = host.measured("held", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Load), "device_in_use"));
    assert!(bundle.outcome.detail.unwrap().contains("process 17 has /dev/apex_0 open"));
    host.library("");
    assert_eq!(outcome(&host.measured("after", &network(INT8))).0, Status::Measured);
}

#[test]
fn fatal_line_of_the_driver_ends_the_worker_at_once_and_is_the_cause() {
    if is_skipped() {
        return;
    }
    let host = Host::new("pcie-edgetpu", "16");
    host.library("FAULT=link_lost");
    let began = std::time::Instant::now();
    let bundle = host.measured("lost", &network(INT8).replace("timeout_seconds: 3", "timeout_seconds: 3600"));
    let took = began.elapsed();
    assert_eq!(
        outcome(&bundle),
        (Status::Failed, Some(Stage::Timing), "device_failed"),
        "{:?}",
        bundle.outcome
    );
    let detail = bundle.outcome.detail.unwrap();
    assert!(detail.contains("`E driver/mmio_driver.cc:254] HIB Error. hib_error_status = ffff"), "{detail}");
    assert_eq!(detail.matches("HIB Error").count(), 1, "{detail}");
    assert!(bundle.outcome.hint.unwrap().contains("the link to the card is lost"));
    // Compiling and five seconds of patience for the device included, on a busy machine.
    assert!(took < std::time::Duration::from_secs(60), "{took:?}");
    host.library("");
    assert_eq!(outcome(&host.measured("after", &network(INT8))).0, Status::Measured);
}

#[test]
fn device_that_fails_three_times_in_a_row_is_stopped_and_comes_back_by_itself() {
    if is_skipped() {
        return;
    }
    let host = Host::new("laptop-usb-edgetpu", "16");
    host.library("FAULT=hang");
    for name in ["one", "two", "three"] {
        assert_eq!(outcome(&host.measured(name, &network(INT8))).2, "device_hung");
    }
    for name in ["four", "five"] {
        host.rig.drop_file(format!("{name}.yaml"), network(INT8));
    }
    host.rig.wait_for_status("two jobs that wait for the device", |status| {
        status.queued == 2 && status.attention.iter().any(|attention| attention.code == "device_stopped")
    });
    // Others go on.
    host.rig.drop_file("net.sim", model(50));
    let measured = host.measured("other", &job("net.sim", ""));
    assert_eq!(outcome(&measured).0, Status::Measured);
    host.library("");
    let bundles = host.rig.wait_until_done(6);
    let measured = bundles.iter().filter(|bundle| bundle.outcome.status == Status::Measured).count();
    assert_eq!(measured, 3, "{}", host.rig.log());
    assert!(host.rig.log().contains("its device works again"), "{}", host.rig.log());
    host.rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

#[test]
fn card_that_the_daemons_user_may_not_open_is_named_and_measured_with_when_it_may() {
    use std::os::unix::fs::PermissionsExt as _;
    if is_skipped() {
        return;
    }
    if let Some(obstacle) = rights::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let mut host = Host::without_daemon("pcie-edgetpu", "16");
    let set_mode = |host: &Host, mode| {
        for card in ["apex_0", "apex_1"] {
            let mode = std::fs::Permissions::from_mode(mode);
            fs_err::set_permissions(host.rig.path("host/dev").join(card), mode).unwrap();
        }
    };
    set_mode(&host, 0o400);
    host.rig.start_bound_by_modes();
    let bundle = host.measured("closed", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Load), "device_not_permitted"));
    let (detail, hint) = (bundle.outcome.detail.unwrap(), bundle.outcome.hint.unwrap());
    assert!(detail.contains("the daemon's user may not open /dev/apex_0"), "{detail}");
    assert!(hint.contains("`apex` for a card"), "{hint}");
    set_mode(&host, 0o600);
    let bundle = host.measured("open", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:?}", bundle.outcome);
}

#[test]
fn host_without_libedgetpu_says_how_to_get_it() {
    if is_skipped() {
        return;
    }
    let mut host = Host::without_daemon("laptop-usb-edgetpu", "16");
    fs_err::remove_file(host.rig.path("host/usr/lib/x86_64-linux-gnu/libedgetpu.so.1")).unwrap();
    host.rig.start();
    let bundle = host.measured("none", &network(INT8));
    assert_eq!(outcome(&bundle), (Status::Failed, Some(Stage::Load), "delegate_not_found"));
    assert!(bundle.outcome.hint.unwrap().contains("libedgetpu1-std"));
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples/09-edge-tpu.yaml");
    fs_err::read_to_string(path).unwrap()
}

#[test]
fn example_measures_six_networks_where_an_edge_tpu_is() {
    if is_skipped() {
        return;
    }
    let host = Host::new("pcie-edgetpu", "16");
    host.rig.drop_file("09-edge-tpu.yaml", example());
    let mut blocks = Vec::new();
    for bundle in host.rig.wait_until_done(6) {
        assert_eq!(outcome(&bundle), (Status::Measured, None, "-"), "{:?}", bundle.outcome);
        assert_eq!(bundle.trials[0].latencies.latency_ns.len(), 100);
        blocks.push(bundle.configuration.unwrap().block);
    }
    blocks.dedup();
    assert_eq!(blocks.len(), 6, "{blocks:?}");
}

#[test]
fn example_says_what_is_missing_where_no_edge_tpu_is() {
    if is_skipped() {
        return;
    }
    for (host, compiler, stage, reason) in [
        ("virtual-machine", "", Stage::Build, "model_not_compiled"),
        ("virtual-machine", "16", Stage::Load, "device_missing"),
    ] {
        let host = Host::without_daemon(host, compiler);
        host.library("FAULT=refused");
        let (root, spec) = (host.rig.path("host"), host.rig.path("09-edge-tpu.yaml"));
        fs_err::write(&spec, example()).unwrap();
        let outbox = host.rig.path("of-run");
        fs_err::create_dir(&outbox).unwrap();
        let [spec, root, outbox] = [&spec, &root, &outbox].map(|path| path.to_str().unwrap());
        let output = host.rig.command(&["run", spec, "--host-root", root, "--outbox", outbox]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        for path in fs_err::read_dir(outbox).unwrap() {
            let bundle = fs_err::File::open(path.unwrap().path()).unwrap();
            let bundle = backbone::bundle::read::decode(bundle).unwrap();
            assert_eq!(outcome(&bundle), (Status::Failed, Some(stage), reason));
            assert!(bundle.outcome.hint.is_some());
        }
        assert_eq!(fs_err::read_dir(outbox).unwrap().count(), 6);
    }
}

#[test]
fn run_ends_with_what_compiles_and_why_the_rest_does_not() {
    if is_skipped() {
        return;
    }
    let host = Host::new("laptop-usb-edgetpu", "16");
    let study = "backbone: 1\nruntime: edgetpu\nmeasure: {warm_up_runs: 1, timed_runs: 10}\nstudy: {blocks: [depthwise-separable], \
                 kernels: [3], inputs: [32], batches: [1, 2], precisions: [int8]}\n";
    fs_err::write(host.rig.path("study.yaml"), study).unwrap();
    let (job, root, outbox) = (host.rig.path("study.yaml"), host.rig.path("host"), host.rig.path("of-run"));
    fs_err::create_dir(&outbox).unwrap();
    let [job, root, outbox] = [&job, &root, &outbox].map(|path| path.to_str().unwrap());
    let output = host.rig.command(&["run", job, "--host-root", root, "--outbox", outbox]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("what compiles on this platform:\n  edgetpu: 1 of 2\n"), "{text}");
    let line = text.lines().find(|line| line.contains("b2-i32") && line.contains("  no  ")).unwrap();
    assert!(line.contains("nothing_mapped: the compiler mapped no operation to the Edge TPU: "), "{line}");
    // That a configuration does not compile is a result.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{:?}", output.status);
}
