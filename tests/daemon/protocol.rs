//! The protocol `rigorous`: the real executable measures until the mean is precise enough or the time is up,
//! says which, and goes on after a kill where it was.

use backbone::bundle::format::{Bundle, ProtocolName, ReachedPrecision, Status, Stopped};

use crate::rig::{Rig, model};

fn rigorous(more: &str) -> String {
    format!(
        "backbone: 1\nmodel: net.sim\nmeasure: {{protocol: rigorous, warm_up_runs: 1, timed_runs: 20, {more}}}\n"
    )
}

fn reached(bundle: &Bundle) -> ReachedPrecision {
    let protocol = bundle.protocol.as_ref().expect("a protocol");
    assert_eq!(protocol.name, ProtocolName::Rigorous);
    protocol.reached.expect("a protocol that came to its end")
}

fn processes(bundle: &Bundle) -> Vec<u32> {
    bundle.trials.iter().map(|trial| trial.id.process).collect()
}

#[test]
fn rigorous_job_measures_processes_until_the_mean_is_as_precise_as_asked_and_says_so() {
    let rig = Rig::running();
    rig.drop_file("net.sim", model(10_000));
    rig.drop_file("r.yaml", rigorous("precision_percent: 20, time_limit_seconds: 120"));
    let bundle = rig.wait_for_bundles(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{}", rig.log());
    let reached = reached(&bundle);
    assert_eq!(reached.stopped, Stopped::Precise);
    assert!(reached.precision_percent.unwrap() <= 20.0 && reached.seconds < 120.0, "{reached:?}");
    let interval = reached.interval.unwrap();
    assert!(interval.low <= reached.mean && reached.mean <= interval.high);
    assert!((reached.mean - bundle.summary.as_ref().unwrap().mean).abs() < 0.2 * reached.mean);
    let count = bundle.trials.len() as u32;
    assert!(count >= 5, "a pilot has five processes");
    assert_eq!(processes(&bundle), (1..=count).collect::<Vec<u32>>());
    assert!(bundle.summary.as_ref().unwrap().variance.unwrap().between_processes.is_some());
    let shown = rig.must(&["show", rig.bundle_files()[0].to_str().unwrap()]);
    assert!(shown.contains("rigorous: mean to ± 20 % within 120 s"), "{shown}");
    assert!(shown.contains("as precise as asked") && shown.contains("between processes"), "{shown}");
}

#[test]
fn rigorous_job_whose_time_is_up_starts_no_process_that_would_end_too_late_and_says_so() {
    let rig = Rig::running();
    // A process takes more than half of the time, so there is none for a second one.
    rig.drop_file("net.sim", model(60_000));
    rig.drop_file("r.yaml", rigorous("precision_percent: 0.1, time_limit_seconds: 2"));
    let bundle = rig.wait_for_bundles(1).remove(0);
    let reached = reached(&bundle);
    assert_eq!((reached.stopped, bundle.trials.len()), (Stopped::TimeUp, 1));
    assert_eq!((reached.interval, reached.precision_percent), (None, None));
    let asked = bundle.protocol.as_ref().unwrap().asked.unwrap();
    assert_eq!((asked.precision_percent, asked.time_limit_seconds), (0.1, 2));
    assert_eq!(bundle.summary.unwrap().count, 20, "what was measured is there");
}

#[test]
fn rigorous_job_killed_twice_measures_no_process_again() {
    let mut rig = Rig::running();
    rig.drop_file("net.sim", model(20_000));
    rig.drop_file("r.yaml", rigorous("precision_percent: 50, time_limit_seconds: 600"));
    for _ in 0..2 {
        rig.wait_for_timing();
        rig.kill();
        rig.start();
    }
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{}", rig.log());
    assert_eq!(reached(&bundle).stopped, Stopped::Precise);
    assert_eq!(processes(&bundle), [1, 2, 3, 4, 5]);
}

#[test]
fn paper_job_says_that_it_is_one() {
    let rig = Rig::running();
    rig.drop_file("net.sim", model(100));
    rig.drop_file("p.yaml", "backbone: 1\nmodel: net.sim\nmeasure: {timed_runs: 6}\n");
    let protocol = rig.wait_for_bundles(1).remove(0).protocol.expect("a protocol");
    assert_eq!((protocol.name, protocol.asked, protocol.reached), (ProtocolName::Paper, None, None));
}
