//! Jobs that name networks instead of files: generated for their turn, measured, gone again.

use backbone::bundle::format::{Bundle, Stage, Status};
use backbone::daemon::control;

use crate::library::with_onnxruntime;
use crate::rig::{Rig, Settings, disks, job, model};

/// Two block types of the smallest input, so that a debug build makes them in a moment.
const STUDY: &str = "backbone: 1\n\
    study: {blocks: [depthwise-separable, spatially-separable], kernels: [3], batches: [1], inputs: [32], precisions: [fp32]}\n\
    measure: {warm_up_runs: 1, timed_runs: 6}\n";

const NAMES: [&str; 2] = ["spatially-separable-k3-b1-i32-fp32", "depthwise-separable-k3-b1-i32-fp32"];

fn names(bundles: &[Bundle]) -> Vec<&str> {
    let mut names: Vec<&str> =
        bundles.iter().map(|bundle| bundle.configuration.as_ref().unwrap().name.as_str()).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names
}

fn no_model_is_left(rig: &Rig) {
    let left: Vec<_> = fs_err::read_dir(rig.spool("models")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn study_on_a_host_without_the_library_says_so_for_each_configuration_and_what_it_would_cost() {
    let rig = Rig::running();
    rig.drop_file("s.yaml", STUDY);
    let bundles = rig.wait_until_done(2);
    assert_eq!(names(&bundles), NAMES);
    for bundle in &bundles {
        assert_eq!((bundle.outcome.status, bundle.outcome.stage), (Status::Failed, Some(Stage::Start)));
        assert_eq!(bundle.outcome.reason.as_deref(), Some("library_not_found"));
        let (configuration, model, cost) = (
            bundle.configuration.as_ref().unwrap(),
            bundle.model.as_ref().unwrap(),
            bundle.cost.as_ref().unwrap(),
        );
        assert_eq!(model.file, format!("{}.onnx", configuration.name));
        assert_eq!(model.sha256.len(), 64);
        assert!(model.size_bytes > 4 * cost.parameters, "the file holds every parameter in four bytes");
        assert_eq!(cost.operations, 2 * cost.macs);
        assert!(cost.macs > 0 && cost.uncounted.is_empty());
        assert_eq!(bundle.throughput_operations_per_second, None);
    }
    no_model_is_left(&rig);
}

#[test]
fn study_killed_twice_continues_and_measures_nothing_twice() {
    let Some(settings) = with_onnxruntime("") else { return };
    let mut rig = Rig::running_with(settings);
    rig.drop_file("s.yaml", STUDY.replace("timed_runs: 6", "timed_runs: 400, processes: 2"));
    for _ in 0..2 {
        rig.wait_for_timing();
        rig.kill();
        rig.start();
    }
    let bundles = rig.wait_until_done(2);
    assert_eq!(names(&bundles), NAMES);
    for bundle in &bundles {
        assert_eq!(bundle.outcome.status, Status::Measured, "{}", rig.log());
        let processes: Vec<u32> = bundle.trials.iter().map(|trial| trial.id.process).collect();
        assert_eq!(processes, [1, 2]);
        assert!(bundle.trials.iter().all(|trial| trial.latencies.latency_ns.len() == 400));
        let operations = bundle.cost.as_ref().unwrap().operations as f64;
        let seconds = bundle.summary.as_ref().unwrap().mean / 1e3;
        let throughput = bundle.throughput_operations_per_second.unwrap();
        assert!((throughput - operations / seconds).abs() <= 1e-9 * throughput);
    }
    no_model_is_left(&rig);
}

#[test]
fn study_whose_largest_model_does_not_fit_waits_and_holds_up_no_other_job() {
    if let Some(why) = disks::obstacle() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut rig = Rig::new(Settings::default());
    rig.start_with_disks(&[("lab", "size=64m")]);
    fs_err::create_dir_all(rig.path("lab/uploads")).unwrap();
    rig.fill_all_but("lab", 4_000_000);
    rig.drop_file("s.yaml", STUDY);
    let status = rig.wait_for_attention("no_room");
    let told = status.attention.iter().find(|attention| attention.code == "no_room").unwrap();
    assert!(told.what.contains("job s") && told.why.contains("a generated model takes"), "{told:?}");
    assert_eq!(status.queued, 1, "the job is kept");
    assert!(rig.bundles().is_empty());
    rig.drop_file("net.sim", model(50));
    rig.drop_file("small.yaml", job("net.sim", ""));
    assert_eq!(rig.wait_for_bundles(1)[0].outcome.status, Status::Measured);
    no_model_is_left(&rig);
    rig.free("lab");
    rig.wait_until_done(3);
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

#[test]
fn study_whose_largest_model_is_larger_than_the_disk_is_rejected() {
    if let Some(why) = disks::obstacle() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut rig = Rig::new(Settings::default());
    rig.start_with_disks(&[("lab", "size=24m")]);
    fs_err::create_dir_all(rig.path("lab/uploads")).unwrap();
    rig.drop_file("s.yaml", STUDY_WITH_A_LARGE_ONE);
    let bundles = rig.wait_until_done(3);
    let is_refused = |bundle: &&Bundle| bundle.outcome.reason.as_deref() == Some("model_larger_than_disk");
    let refused: Vec<_> = bundles.iter().filter(is_refused).cloned().collect();
    assert_eq!(names(&refused), ["spatially-separable-k3-b1-i32-fp32"], "{}", rig.log());
    assert_eq!(refused[0].outcome.status, Status::Rejected);
}

/// A small network, one of 29 MB, and one of 11 MB.
const STUDY_WITH_A_LARGE_ONE: &str = "backbone: 1\n\
    study:\n  blocks: [depthwise-separable, spatially-separable, bottleneck-depthwise-separable]\n  \
    kernels: [3]\n  batches: [1]\n  inputs: [32]\n  precisions: [fp32]\n\
    measure: {warm_up_runs: 1, timed_runs: 1000, processes: 2}\n";

#[test]
fn disk_that_fills_up_during_a_study_costs_it_nothing() {
    if let Some(why) = disks::obstacle() {
        eprintln!("skipped: {why}");
        return;
    }
    let Some(settings) = with_onnxruntime("") else { return };
    let mut rig = Rig::new(settings);
    rig.start_with_disks(&[("lab", "size=64m")]);
    rig.drop_file("s.yaml", STUDY_WITH_A_LARGE_ONE);
    // The study starts with all the space it needs; another program takes it before the second configuration.
    rig.wait_for_timing();
    control::pause(&rig.spool("control")).unwrap();
    rig.wait_for_bundles(1);
    no_model_is_left(&rig);
    rig.fill_all_but("lab", 16_000_000);
    control::resume(&rig.spool("control")).unwrap();

    let status = rig.wait_for_attention("no_room");
    assert!(status.attention[0].why.contains("make room"), "{status:?}");
    no_model_is_left(&rig);
    rig.free("lab");
    let bundles = rig.wait_until_done(3);
    assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Measured), "{}", rig.log());
    no_model_is_left(&rig);
}

#[test]
fn cancelled_study_ends_in_a_bundle_for_each_configuration() {
    let rig = Rig::running();
    rig.must(&["pause"]);
    rig.drop_file("s.yaml", STUDY);
    rig.wait_for_status("the study", |status| status.queued == 1);
    rig.must(&["cancel", "s"]);
    let bundles = rig.wait_for_bundles(2);
    assert_eq!(names(&bundles), NAMES);
    assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Cancelled && bundle.cost.is_some()));
}
