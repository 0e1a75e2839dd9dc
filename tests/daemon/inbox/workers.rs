//! A model that crashes its worker costs its own job one bundle that says how, and no other job anything.

use backbone::bundle::format::{Stage, Status};

use crate::rig::{Rig, Settings, disks, job, model};

/// A model with a fault in its third run; the first is the warm-up.
fn faulty(kind: &str) -> String {
    format!(r#"{{"latency_us": [100], "fault": {{"run": 3, "kind": {kind}}}}}"#)
}

#[test]
fn every_failure_of_a_worker_has_its_own_bundle_and_the_queue_continues() {
    let rig = Rig::running();
    let cases = [
        ("error", r#""error""#, Status::Failed, "run_failed"),
        ("panic", r#""panic""#, Status::Failed, "worker_panicked"),
        ("crash", r#""segmentation_fault""#, Status::Failed, "segmentation_fault"),
        ("abort", r#""abort""#, Status::Failed, "aborted"),
        ("kill", r#""kill""#, Status::Failed, "killed"),
        ("garbage", r#""print""#, Status::Failed, "garbage"),
        ("flood", r#""flood""#, Status::Failed, "garbage"),
        ("exit", r#"{"exit": 7}"#, Status::Failed, "wrong_exit"),
        ("exit-0", r#"{"exit": 0}"#, Status::Failed, "no_result"),
        ("hang", r#""hang""#, Status::TimedOut, "timed_out"),
    ];
    rig.drop_file("net.sim", model(50));
    for (name, kind, ..) in cases {
        rig.drop_file(format!("{name}.sim"), faulty(kind));
        let measure = "measure: {warm_up_runs: 1, timed_runs: 6, timeout_seconds: 2}";
        rig.drop_file(format!("{name}.yaml"), job(&format!("{name}.sim"), measure));
        rig.drop_file(format!("after-{name}.yaml"), job("net.sim", ""));
    }
    rig.wait_until_done(2 * cases.len());
    for (name, _, status, reason) in cases {
        let bundle = rig.bundle_of(name);
        let outcome = &bundle.outcome;
        assert_eq!(
            (outcome.status, outcome.reason.as_deref()),
            (status, Some(reason)),
            "{name}: {outcome:?}"
        );
        assert_eq!(outcome.stage, Some(Stage::Timing), "{name}: {outcome:?}");
        assert!(outcome.hint.is_some() && outcome.detail.is_some(), "{name}: {outcome:?}");
        assert!(bundle.model.is_some_and(|model| !model.inputs.is_empty()), "{name}: it was loaded");
        assert_eq!(rig.bundle_of(&format!("after-{name}")).outcome.status, Status::Measured);
    }
    assert_eq!(rig.children(), [], "nothing outlives its job");
}

#[test]
fn worker_that_does_nothing_is_ended_before_its_time_limit_and_one_that_times_slowly_is_not() {
    let rig = Rig::running_with(Settings { more: "no_output_seconds: 2", ..Settings::default() });
    rig.drop_file("hang.sim", faulty(r#""hang""#));
    rig.drop_file("hang.yaml", job("hang.sim", ""));
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.reason.as_deref(), Some("no_output"), "{:?}", bundle.outcome);
    assert_eq!((bundle.outcome.status, bundle.outcome.stage), (Status::Failed, Some(Stage::Timing)));
    // Silent for longer than the limit, as it must be while it times.
    rig.drop_file("slow.sim", model(400_000));
    rig.drop_file("slow.yaml", job("slow.sim", "measure: {warm_up_runs: 1, timed_runs: 10}"));
    rig.wait_until_done(2);
    assert_eq!(rig.bundle_of("slow").outcome.status, Status::Measured);
}

#[test]
fn last_lines_of_a_worker_are_in_its_bundle() {
    let rig = Rig::running();
    rig.drop_file("panic.sim", faulty(r#""panic""#));
    rig.drop_file("panic.yaml", job("panic.sim", ""));
    let bundle = rig.wait_until_done(1).remove(0);
    let tail = bundle.outcome.log_tail.join("\n");
    assert!(tail.contains("the script says so"), "{tail}");
}

#[test]
fn process_that_escapes_from_a_worker_does_not_outlive_its_job() {
    let rig = Rig::running();
    rig.drop_file("escape.sim", r#"{"latency_us": [1000], "fault": {"kind": "escape"}}"#);
    rig.drop_file("escape.yaml", job("escape.sim", ""));
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    assert_eq!(rig.children(), []);
}

#[test]
fn worker_that_fills_the_disk_with_many_files_is_ended_and_the_next_job_has_room() {
    if let Some(why) = disks::obstacle() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut rig = Rig::new(Settings::default());
    rig.start_with_disks(&[("lab", "size=256m")]);
    rig.drop_file("full.sim", r#"{"latency_us": [100], "fault": {"run": 3, "kind": "fill_disk"}}"#);
    rig.drop_file("net.sim", model(50));
    rig.drop_file("full.yaml", job("full.sim", ""));
    rig.drop_file("next.yaml", job("net.sim", ""));
    rig.wait_until_done(2);
    let outcome = rig.bundle_of("full").outcome;
    assert_eq!(
        (outcome.status, outcome.reason.as_deref()),
        (Status::Failed, Some("disk_filled")),
        "{outcome:?}"
    );
    assert!(outcome.hint.is_some(), "{outcome:?}");
    assert_eq!(rig.bundle_of("next").outcome.status, Status::Measured);
    assert!(!rig.spool("workplace").exists(), "its files go with it");
}
