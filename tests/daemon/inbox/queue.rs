//! Order, and what people ask for: cancel, retry, pause, resume.

use backbone::bundle::format::{Bundle, Stage, Status};
use backbone::daemon::status::State;
use rustix::process::Signal;

use crate::rig::{Rig, clean, job, long_job, model, slow_model};

fn statuses(bundles: &[Bundle]) -> Vec<(&str, Status)> {
    bundles.iter().map(|bundle| (bundle.job.name.as_str(), bundle.outcome.status)).collect()
}

#[test]
fn jobs_run_by_priority_and_then_by_arrival() {
    let rig = Rig::running();
    rig.must(&["pause"]);
    rig.drop_file("net.sim", model(50));
    let jobs = [("z", 0), ("low", -100), ("a", 0), ("high", 100), ("m", 0), ("high-too", 100), ("some", 1)];
    for (name, priority) in jobs {
        rig.drop_file(format!("{name}.yaml"), job("net.sim", &format!("priority: {priority}")));
    }
    let status = rig.wait_for_status("all jobs to be queued", |status| status.queued == 7);
    let order = ["high", "high-too", "some", "z", "a", "m", "low"];
    let next: Vec<&str> = status.next.iter().map(|queued| queued.job.as_str()).collect();
    assert_eq!(next, order);
    rig.must(&["resume"]);
    rig.wait_until_done(7);
    assert_eq!(rig.measured_order(), order);
}

#[test]
fn job_of_higher_priority_that_arrives_during_a_run_is_next() {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("slow.yaml", long_job("slow.sim", ""));
    rig.wait_for_timing();
    rig.drop_file("net.sim", model(50));
    rig.drop_file("ordinary.yaml", job("net.sim", ""));
    rig.drop_file("urgent.yaml", job("net.sim", "priority: 1"));
    rig.wait_until_done(3);
    assert_eq!(rig.measured_order(), ["slow", "urgent", "ordinary"]);
}

#[test]
fn mistake_is_rejected_a_priority_known_and_another_job_cancelled_between_two_trials() {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    let trials = "measure: {warm_up_runs: 0, timed_runs: 40, processes: 5}";
    rig.drop_file("slow.yaml", format!("backbone: 1\nmodel: slow.sim\nruntime: sim\n{trials}\n"));
    rig.wait_for_timing();
    rig.drop_file("net.sim", model(50));
    rig.drop_file("wrong.yaml", job("net.sim", "priorty: 1"));
    rig.drop_file("ordinary.yaml", job("net.sim", ""));
    rig.drop_file("unwanted.yaml", job("net.sim", ""));
    rig.drop_file("urgent.yaml", job("net.sim", "priority: 1"));
    assert_eq!(statuses(&rig.wait_for_bundles(1)), [("wrong", Status::Rejected)]);
    let status = rig.wait_for_status("the queue to be known", |status| status.queued == 3);
    let next: Vec<&str> = status.next.iter().map(|queued| queued.job.as_str()).collect();
    assert_eq!(next, ["urgent", "ordinary", "unwanted"]);
    let running = status.running.expect("the first job goes on");
    assert!(running.job == "slow" && running.trial < 5, "{running:?}");
    rig.drop_file("unwanted.cancel", "");
    assert_eq!(rig.wait_for_bundles(2).len(), 2);
    rig.wait_for_status("slow to go on", |status| status.running.as_ref().is_some_and(|it| it.job == "slow"));
    rig.wait_until_done(5);
    assert_eq!(rig.measured_order(), ["slow", "urgent", "ordinary"]);
    let slow = rig.bundle_of("slow");
    assert_eq!((slow.trials.len(), slow.outcome.status), (5, Status::Measured));
}

#[test]
fn queued_jobs_are_cancelled_by_command_and_by_file_under_any_of_their_names() {
    let rig = Rig::running();
    rig.must(&["pause"]);
    rig.drop_file("net.sim", model(50));
    for file in ["by-command", "by-name", "by-file", "by-stem", "by-id", "kept"] {
        rig.drop_file(format!("{file}.yaml"), job("net.sim", &format!("name: the {file}")));
    }
    rig.drop_file("waiting.yaml", job("never.sim", ""));
    let status = rig
        .wait_for_status("all jobs to be claimed", |status| status.queued == 6 && status.waiting.len() == 1);
    let id = &status.next[4].id;
    assert_eq!(rig.must(&["cancel", "the by-command"]), "`the by-command` is cancelled.\n");
    assert_eq!(rig.must(&["cancel", id]), format!("`{id}` is cancelled.\n"));
    for file in ["the by-name.cancel", "by-file.yaml.cancel", "by-stem.cancel", "waiting.cancel"] {
        rig.copy_in_place(file, "");
    }
    let bundles = rig.wait_for_bundles(6);
    for bundle in &bundles {
        assert_eq!(bundle.outcome.status, Status::Cancelled, "{}", bundle.job.name);
        assert_eq!(bundle.outcome.stage, Some(Stage::Queue));
        assert_eq!(bundle.outcome.reason.as_deref(), Some("cancelled"));
        assert!(bundle.outcome.hint.is_some());
    }
    rig.wait_until("the cancel files to be gone", || rig.inbox_names() == ["net.sim"]);
    rig.must(&["resume"]);
    rig.wait_until_done(7);
    assert_eq!(rig.measured_order(), ["the kept"]);
}

#[test]
fn running_job_is_cancelled_by_command_and_by_file_with_its_worker() {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    for (count, name) in [(1, "by-command"), (2, "by-file")] {
        rig.drop_file(format!("{name}.yaml"), long_job("slow.sim", "timeout: 1").replace("timeout: 1", ""));
        let worker = rig.wait_for_timing();
        if count == 1 {
            assert_eq!(rig.must(&["cancel", name]), "`by-command` is cancelled.\n");
        } else {
            rig.copy_in_place("by-file.cancel", "");
        }
        rig.wait_until_done(count);
        let bundle = rig.bundle_of(name);
        assert_eq!((bundle.outcome.status, bundle.outcome.stage), (Status::Cancelled, Some(Stage::Timing)));
        assert!(!worker.is_alive());
    }
    rig.wait_until("the cancel file to be gone", || rig.inbox_names() == ["slow.sim"]);
}

#[test]
fn unknown_job_is_refused_with_the_names_of_the_known_ones() {
    let rig = Rig::running();
    rig.must(&["pause"]);
    rig.drop_file("net.sim", model(50));
    rig.drop_file("known.yaml", job("net.sim", ""));
    rig.wait_for_status("the job to be queued", |status| status.queued == 1);
    for (verb, hint) in [("cancel", "queued or running: known"), ("retry", "no job is finished")] {
        let output = rig.command(&[verb, "unknown"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("`unknown`") && text.contains(hint), "{text}");
    }
}

#[test]
fn retry_measures_a_finished_job_again_as_a_new_one() {
    let rig = Rig::running();
    rig.drop_file("net.sim", model(50));
    rig.drop_file("again.yaml", job("net.sim", ""));
    let first = rig.wait_until_done(1).remove(0);
    assert_eq!(rig.must(&["retry", "again"]), "`again` is queued again.\n");
    let bundles = rig.wait_until_done(2);
    assert_eq!(statuses(&bundles), [("again", Status::Measured); 2]);
    assert_ne!(bundles[1].id, first.id);
    assert_eq!(bundles[0], first, "the first bundle changed");
}

#[test]
fn pause_holds_over_a_restart_and_jobs_are_taken_meanwhile() {
    let mut rig = Rig::running();
    rig.drop_file("net.sim", model(50));
    rig.must(&["pause"]);
    rig.drop_file("first.yaml", job("net.sim", ""));
    rig.wait_for_status("the job to be queued", |status| status.queued == 1 && status.state == State::Paused);
    rig.end(Signal::TERM);
    rig.start();
    rig.drop_file("second.yaml", job("net.sim", ""));
    rig.wait_for_status("both jobs to be queued", |status| {
        status.queued == 2 && status.state == State::Paused
    });
    assert_eq!(rig.measured_order(), [""; 0]);
    rig.must(&["resume"]);
    rig.wait_until_done(2);
    assert_eq!(rig.measured_order(), ["first", "second"]);
}

#[test]
fn pause_lets_the_running_job_end_and_starts_no_other() {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("running.yaml", long_job("slow.sim", ""));
    rig.wait_for_timing();
    rig.drop_file("next.yaml", job("slow.sim", ""));
    rig.must(&["pause"]);
    rig.wait_for_bundles(1);
    rig.wait_for_status("the pause", |status| status.state == State::Paused && status.queued == 1);
    assert_eq!(rig.measured_order(), ["running"]);
    rig.must(&["resume"]);
    rig.wait_until_done(2);
}

#[test]
fn second_daemon_on_one_inbox_refuses_and_says_who_has_it() {
    let rig = Rig::running();
    let second = rig.serve().output().unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(4), "{text}");
    let expected = format!(": another backbone (process {}) uses it", rig.process());
    assert!(
        text.contains("error: cannot lock the spool ")
            && text.contains(&expected)
            && text.contains("\nhint: "),
        "{text}"
    );
    // The first one does not notice.
    rig.drop_file("net.sim", model(50));
    rig.drop_file("fine.yaml", job("net.sim", ""));
    rig.wait_until_done(1);
}

#[test]
fn second_daemon_with_a_spool_of_its_own_on_the_same_inbox_refuses_too() {
    let rig = Rig::running();
    let text = fs_err::read_to_string(rig.configuration()).unwrap();
    let other = rig.path("other.yaml");
    let spool = rig.path("lab/other-spool");
    fs_err::write(&other, format!("{text}spool: {}\n", spool.display())).unwrap();
    let mut serve = clean(crate::rig::BACKBONE);
    let second = serve.args(["serve", "--once", "--config"]).arg(other).output().unwrap();
    assert_eq!(second.status.code(), Some(4), "{second:?}");
}
