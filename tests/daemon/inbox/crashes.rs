//! The daemon ends in every way at every moment, events are missed, the inbox disappears: nothing is lost,
//! nothing runs twice.

use std::time::Duration;

use backbone::bundle::format::{Stage, Status};
use backbone::daemon::status::State;
use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{LONG_RUNS, Rig, Settings, job, long_job, model, slow_model};

/// What a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A rig whose daemon is timing a job `long`, with a job `next` behind it.
fn timing() -> (Rig, crate::rig::processes::Process) {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("net.sim", model(50));
    rig.drop_file("long.yaml", long_job("slow.sim", ""));
    let worker = rig.wait_for_timing();
    rig.drop_file("next.yaml", job("net.sim", ""));
    (rig, worker)
}

/// `long` was measured in one whole trial, `next` after it.
fn finishes_both(rig: &Rig) {
    rig.wait_until_done(2);
    let long = rig.bundle_of("long");
    assert_eq!(long.outcome.status, Status::Measured, "{:?}", long.outcome);
    assert_eq!(long.trials.len(), 1);
    assert_eq!(long.trials[0].latencies.latency_ns.len(), LONG_RUNS as usize);
    assert_eq!(rig.bundle_of("next").outcome.status, Status::Measured);
    assert_eq!(rig.measured_order(), ["long", "long", "next"]);
}

#[test]
fn sigterm_during_a_run_ends_within_five_seconds_and_the_job_is_measured_once_after_the_restart() {
    let (mut rig, worker) = timing();
    let ended = rig.end(Signal::TERM);
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.took < STOP_WITHIN, "{ended:?}");
    assert!(!worker.is_alive());
    assert!(rig.bundles().is_empty());
    let status = backbone::daemon::status::Status::read(&rig.path("state")).unwrap();
    assert_eq!((status.state, status.queued), (State::Stopped, 1));
    let queued = fs_err::read_dir(rig.spool("queue")).unwrap().count();
    assert_eq!(queued, 1, "only what was claimed is in the queue");
    rig.start();
    finishes_both(&rig);
}

#[test]
fn sigkill_during_a_run_takes_the_worker_along_and_the_job_is_measured_once_after_the_restart() {
    let (mut rig, worker) = timing();
    rig.kill();
    rig.wait_until("the worker to be gone", || !worker.is_alive());
    assert!(rig.bundles().is_empty());
    rig.start();
    finishes_both(&rig);
}

#[test]
fn job_that_takes_the_daemon_down_three_times_is_failed_and_the_next_runs() {
    let (mut rig, _) = timing();
    for _ in 0..2 {
        rig.kill();
        rig.start();
        rig.wait_for_timing();
    }
    rig.kill();
    rig.start();
    rig.wait_until_done(2);
    let long = rig.bundle_of("long");
    assert_eq!(long.outcome.status, Status::Failed);
    assert_eq!(long.outcome.reason.as_deref(), Some("interrupted_repeatedly"));
    assert_eq!(long.outcome.stage, Some(Stage::Timing));
    assert!(long.outcome.hint.is_some());
    assert_eq!(rig.bundle_of("next").outcome.status, Status::Measured);
}

#[test]
fn clean_stops_never_count_against_a_job() {
    let (mut rig, _) = timing();
    for _ in 0..3 {
        rig.end(Signal::TERM);
        rig.start();
        rig.wait_for_timing();
    }
    rig.wait_until_done(2);
    assert_eq!(rig.bundle_of("long").outcome.status, Status::Measured);
}

#[test]
fn job_on_two_runtimes_gives_two_bundles_and_after_a_kill_only_the_second_is_measured() {
    // The library is missing, so that one runtime fails at once on every machine.
    let more = "runtimes: {onnxruntime: {library: /nonexistent/libonnxruntime.so}}";
    let mut rig = Rig::running_with(Settings { more, ..Settings::default() });
    rig.drop_file("net.onnx", "\x08\x0a");
    rig.drop_file("net.sim", slow_model());
    let runtimes = "runtime: [onnxruntime, sim]\n";
    rig.drop_file("both.yaml", long_job("[net.onnx, net.sim]", runtimes));
    rig.wait_for_timing();
    let first = rig.wait_for_bundles(1).remove(0);
    assert_eq!(first.outcome.reason.as_deref(), Some("library_not_found"));
    rig.kill();
    rig.start();
    let bundles = rig.wait_until_done(2);
    assert_eq!(bundles[0], first, "the first bundle changed");
    assert_eq!(bundles[1].outcome.status, Status::Measured);
    assert_eq!(bundles[0].job.id, bundles[1].job.id);
    let log = rig.log();
    assert_eq!(log.matches("measuring 1 of 2").count(), 1, "{log}");
    assert_eq!(log.matches("measuring 2 of 2").count(), 2, "{log}");
}

#[test]
fn job_of_three_processes_continues_after_a_kill_with_its_finished_trials_kept() {
    let mut rig = Rig::running();
    rig.drop_file("net.sim", slow_model());
    let measure = "measure: {warm_up_runs: 0, timed_runs: 6, processes: 3}";
    rig.drop_file("three.yaml", job("net.sim", measure));
    let id = rig.wait_for_status("the job to run", |status| status.running.is_some()).running.unwrap().id;
    let finished = |rig: &Rig| -> Vec<Value> {
        rig.journal(&id).into_iter().filter(|record| record["record"] == "finished").collect()
    };
    let started = |rig: &Rig| rig.journal(&id).iter().filter(|record| record["record"] == "started").count();
    rig.wait_until("the second trial", || started(&rig) == 2 && finished(&rig).len() == 1);
    rig.wait_for_timing();
    let kept = finished(&rig)[0]["trial"].clone();
    rig.kill();
    rig.start();
    rig.wait_until_done(1);
    let bundle = rig.bundle_of("three");
    assert_eq!(bundle.outcome.status, Status::Measured);
    let processes: Vec<u32> = bundle.trials.iter().map(|trial| trial.id.process).collect();
    assert_eq!(processes, [1, 2, 3]);
    assert_eq!(serde_json::to_value(&bundle.trials[0]).unwrap(), kept);
    assert_eq!(bundle.summary.unwrap().count, 18);
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_is_published_twice() {
    let mut rig = Rig::running();
    rig.drop_file("net.sim", model(2000));
    let jobs: Vec<String> = (0..12).map(|number| format!("job-{number:02}")).collect();
    let mut published: Vec<(std::path::PathBuf, Vec<u8>)> = Vec::new();
    // Moments spread over a claim, a trial and a publication, out of step with them.
    for (round, pair) in jobs.chunks(2).enumerate() {
        for name in pair {
            rig.drop_file(format!("{name}.yaml"), job("net.sim", ""));
        }
        std::thread::sleep(Duration::from_millis([3, 40, 11, 90, 0, 23][round]));
        rig.kill();
        for (path, bytes) in &published {
            assert_eq!(&fs_err::read(path).unwrap(), bytes, "{} changed", path.display());
        }
        published =
            rig.bundle_files().into_iter().map(|path| (path.clone(), fs_err::read(path).unwrap())).collect();
        rig.start();
    }
    let bundles = rig.wait_until_done(jobs.len());
    let mut names: Vec<&str> = bundles.iter().map(|bundle| bundle.job.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, jobs);
    // A job that ran at three of the kills is given up, as documented.
    let is_well = |reason: Option<&str>| matches!(reason, None | Some("interrupted_repeatedly"));
    assert!(bundles.iter().all(|bundle| is_well(bundle.outcome.reason.as_deref())), "{}", rig.log());
}

#[test]
fn files_dropped_while_the_daemon_is_down_are_found_in_their_order_of_arrival() {
    let mut rig = Rig::running();
    rig.end(Signal::TERM);
    for name in ["zebra", "ant", "mule"] {
        rig.drop_file(format!("{name}.yaml"), job("net.sim", ""));
        rig.wait_for_clock();
    }
    rig.copy_in_place("net.sim", model(50));
    rig.start();
    let bundles = rig.wait_until_done(3);
    let names: Vec<&str> = bundles.iter().map(|bundle| bundle.job.name.as_str()).collect();
    assert_eq!(names, ["zebra", "ant", "mule"]);
}

#[test]
fn files_dropped_during_a_trial_leave_the_daemon_asleep_and_are_found_after_it() {
    let (rig, _) = timing();
    rig.wait_for_clock();
    rig.copy_in_place("in-place.yaml", job("net.sim", ""));
    rig.drop_file("unclaimed.yaml", job("never.sim", ""));
    rig.wait_for_bundles(1);
    rig.wait_for_status("the rest", |status| status.waiting.len() == 1 && status.finished.measured == 3);
    assert_eq!(rig.measured_order(), ["long", "next", "in-place"]);
}

#[test]
fn job_whose_event_was_lost_in_an_overflow_is_found() {
    let rig = Rig::running();
    rig.drop_file("net.sim", model(50));
    rig.drop_file("before.yaml", job("net.sim", ""));
    rig.wait_until_done(1);
    let most = fs_err::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = most.trim().parse().unwrap();
    if most > 100_000 {
        eprintln!("skipped: the queue takes {most} events");
        return;
    }
    // While the daemon is stopped, more events arrive than the kernel queues; the job comes after them.
    rig.signal(Signal::STOP);
    let noise = [rig.inbox("noise"), rig.inbox("more-noise")];
    fs_err::write(&noise[0], "").unwrap();
    for turn in 0..most + 100 {
        fs_err::rename(&noise[turn % 2], &noise[(turn + 1) % 2]).unwrap();
    }
    rig.drop_file("lost.yaml", job("net.sim", ""));
    rig.signal(Signal::CONT);
    rig.wait_until_done(2);
}

#[test]
fn inbox_that_vanishes_is_named_and_served_again_when_it_is_back() {
    let rig = Rig::running_with(Settings { rescan_seconds: 1, ..Settings::default() });
    fs_err::rename(rig.inbox(""), rig.path("lab/away")).unwrap();
    let status = rig.wait_for_attention("inbox_gone");
    assert_eq!(status.state, State::Trouble);
    fs_err::create_dir(rig.inbox("")).unwrap();
    rig.wait_for_status("the inbox to be back", |status| status.attention.is_empty());
    rig.drop_file("net.sim", model(50));
    rig.drop_file("new.yaml", job("net.sim", ""));
    rig.wait_until_done(1);

    // Removed and made again between two looks.
    fs_err::remove_dir_all(rig.inbox("")).unwrap();
    fs_err::create_dir(rig.inbox("")).unwrap();
    rig.drop_file("net.sim", model(50));
    rig.drop_file("newer.yaml", job("net.sim", ""));
    rig.wait_until_done(2);
}

#[test]
fn inbox_that_is_gone_at_the_end_of_a_trial_costs_nothing() {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("long.yaml", long_job("slow.sim", ""));
    rig.wait_for_timing();
    fs_err::remove_dir_all(rig.inbox("")).unwrap();
    rig.wait_until_done(1);
    rig.wait_for_attention("inbox_gone");
    fs_err::create_dir(rig.inbox("")).unwrap();
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("back.yaml", job("slow.sim", ""));
    rig.wait_until_done(2);
}
