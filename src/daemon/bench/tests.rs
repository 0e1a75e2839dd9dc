use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::*;
use crate::bundle::format::{Latencies, LoadedModel};
use crate::daemon::job::ReadJob;
use crate::daemon::lab::{JOB, Lab};
use crate::daemon::status::{Cooling, Running};
use crate::daemon::turn::Ended;
use crate::spool::journal::{BoundFile, BoundModel, Durable, Record};
use crate::units::Nanos;
use crate::worker::ending::{self, Ending};
use crate::worker::parent::{Control, Watch};
use crate::worker::protocol::Pause;

/// Writes down what a turn asks for.
#[derive(Default)]
struct Recorder {
    calls: Vec<String>,
    is_stopping: Cell<bool>,
    is_cancelled: bool,
}

impl Attendant for Recorder {
    fn trial_begins(&mut self, running: Running, number: TrialNumber) {
        self.calls.push(format!("{number:?} trial {} of {}", running.trial, running.trials));
    }

    fn cools(&mut self, cooling: Option<Cooling>) {
        self.calls
            .push(cooling.map_or_else(|| "cool".to_owned(), |cooling| format!("waits for {}", cooling.zone)));
    }

    fn worker_starts(&mut self) {
        self.calls.push("starts".to_owned());
    }

    fn worker_ended(&mut self) {
        self.calls.push("ended".to_owned());
    }

    fn control(&mut self) -> Control {
        if self.is_cancelled { Control::Cancel } else { Control::Continue }
    }

    fn between_trials(&mut self) -> Control {
        if self.is_stopping.get() { Control::Stop } else { Control::Continue }
    }

    fn stop_requested(&self) -> bool {
        self.is_stopping.get()
    }

    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn sleep(&self, _: Duration) {}
}

fn ended(ending: Ending) -> ending::Ended {
    let (reached, wall) = (Stage::Timing, Duration::from_secs(1));
    ending::Ended {
        ending,
        loaded: Some(LoadedModel::default()),
        resources: None,
        sandbox: None,
        outputs: None,
        reached,
        log_tail: Vec::new(),
        wall,
    }
}

/// A worker that needs no process and gives the latencies it was asked for.
fn complete(trial: &parent::Trial<'_>, watch: &mut dyn Watch) -> ending::Ended {
    watch.pause(Pause::BeforeTiming);
    watch.pause(Pause::AfterTiming);
    if watch.tick() == Control::Cancel {
        return ended(Ending::Cancelled);
    }
    let runs = |count: u32| (0..count.into()).map(Nanos).collect();
    let latencies = Latencies {
        warm_up_ns: runs(trial.request.warm_up_runs),
        latency_ns: runs(trial.request.timed_runs),
        extra_latency_ns: Vec::new(),
        clock_step_ns: None,
    };
    ended(Ending::Complete { latencies, energy_ns: None })
}

/// A worker that ends without a word.
fn silent(_: &parent::Trial<'_>, _: &mut dyn Watch) -> ending::Ended {
    ended(Ending::Exited { code: 7 })
}

fn bench(lab: &Lab, run: RunWorker) -> Bench {
    let root = HostRoot::new(&lab.config.host_root).unwrap();
    let observed = host::observe(&root);
    let installation = Installation::usual(&root);
    let config = Rc::new(lab.config.clone());
    let mut bench = Bench::new(config, root, &observed, Reboots::Forbidden, installation);
    bench.run = run;
    bench
}

fn take_turn(bench: &mut Bench, lab: &mut Lab, read: &ReadJob, recorder: &mut Recorder) -> Left {
    let progress = lab.spool.progress(&read.queued.entry.id).unwrap();
    let ReadJob { queued, spec, job } = read;
    let turn = Turn { queued, spec, job, progress: &progress, configuration: 1 };
    match bench.ready(&turn, &mut lab.spool, &mut lab.troubles, &mut || Ok(())) {
        Ok(ready) => bench.run(&turn, ready, lab.spool.journal(&queued.entry.id), recorder),
        Err(left) => left,
    }
}

fn outcome(left: Left) -> Ended {
    match left {
        Left::Ended(ended) => *ended,
        other => panic!("it has no outcome: {other:?}"),
    }
}

const TWO_PROCESSES: &str =
    "backbone: 1\nmodel: net.sim\nruntime: sim\nmeasure: {processes: 2, warm_up_runs: 1, timed_runs: 4}\n";

#[test]
fn each_process_is_one_worker_and_recorded_when_it_ended() {
    let mut lab = Lab::new();
    let read = lab.queued(TWO_PROCESSES);
    let mut recorder = Recorder::default();
    let ended = outcome(take_turn(&mut bench(&lab, complete), &mut lab, &read, &mut recorder));
    assert_eq!((ended.outcome.status, ended.course.trials.len()), (Status::Measured, 2));
    assert_eq!(ended.course.trials[1].latencies.latency_ns.len(), 4);
    assert_eq!(
        recorder.calls,
        ["First trial 1 of 2", "starts", "ended", "Later trial 2 of 2", "starts", "ended"]
    );
    let progress = lab.spool.progress(&read.queued.entry.id).unwrap();
    assert_eq!((progress.trials.len(), progress.crashes.len()), (2, 0));
}

#[test]
fn trials_that_the_journal_has_are_not_run_again() {
    let mut lab = Lab::new();
    let read = lab.queued(TWO_PROCESSES);
    let mut bench = bench(&lab, complete);
    take_turn(&mut bench, &mut lab, &read, &mut Recorder::default());
    let mut recorder = Recorder::default();
    let ended = outcome(take_turn(&mut bench, &mut lab, &read, &mut recorder));
    assert_eq!((ended.outcome.status, ended.course.trials.len()), (Status::Measured, 2));
    assert!(recorder.calls.is_empty(), "{:?}", recorder.calls);
}

#[test]
fn worker_that_fails_ends_the_configuration_with_a_reason() {
    let mut lab = Lab::new();
    let read = lab.queued(TWO_PROCESSES);
    let mut recorder = Recorder::default();
    let ended = outcome(take_turn(&mut bench(&lab, silent), &mut lab, &read, &mut recorder));
    assert_eq!(ended.outcome.status, Status::Failed);
    assert!(ended.outcome.reason.is_some() && ended.model.is_some());
    assert_eq!(recorder.calls, ["First trial 1 of 2", "starts", "ended"]);
}

#[test]
fn turn_ends_without_an_outcome_when_the_daemon_stops_and_with_one_when_the_job_is_cancelled() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let mut bench = bench(&lab, complete);
    let stopping = Recorder::default();
    stopping.is_stopping.set(true);
    let left = take_turn(&mut bench, &mut lab, &read, &mut { stopping });
    assert!(matches!(left, Left::Interrupted), "{left:?}");
    let mut cancelled = Recorder { is_cancelled: true, ..Recorder::default() };
    let ended = outcome(take_turn(&mut bench, &mut lab, &read, &mut cancelled));
    assert_eq!(ended.outcome.status, Status::Cancelled);
}

#[test]
fn configuration_that_took_the_machine_down_three_times_is_given_up() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let journal = lab.spool.journal(&read.queued.entry.id);
    for _ in 0..=CRASHES_ALLOWED {
        journal.append(&Record::Started { configuration: 1, at: "then".to_owned() }, Durable::Later).unwrap();
    }
    let mut recorder = Recorder::default();
    let ended = outcome(take_turn(&mut bench(&lab, complete), &mut lab, &read, &mut recorder));
    assert_eq!(ended.outcome.reason.as_deref(), Some("interrupted_repeatedly"));
    assert!(recorder.calls.is_empty());
}

#[test]
fn copy_of_a_model_that_is_damaged_is_lost_and_not_measured() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    // What is in the store was verified when it was copied; one that a former process left is read first.
    let journal = lab.spool.journal(&read.queued.entry.id);
    let torn = BoundFile { file: "net.sim".to_owned(), sha256: "0".repeat(64), ..BoundFile::default() };
    fs_err::write(lab.spool.models.path(&torn.sha256), "torn").unwrap();
    journal
        .append(
            &Record::Bound { models: vec![BoundModel { main: torn, parts: Vec::new() }], inputs: Vec::new() },
            Durable::Later,
        )
        .unwrap();
    let left = take_turn(&mut bench(&lab, complete), &mut lab, &read, &mut Recorder::default());
    assert!(matches!(left, Left::ModelLost), "{left:?}");
}

#[test]
fn network_larger_than_the_memory_is_refused_before_it_is_generated() {
    let mut lab = Lab::new();
    let text = "backbone: 1\nnetwork: {block: standard, kernel: 3, batch: 1, input: 224, precision: int8}\nruntime: onnxruntime\n";
    let read = lab.queued(text);
    let mut bench = bench(&lab, complete);
    bench.memory_bytes = Some(1000);
    let ended = outcome(take_turn(&mut bench, &mut lab, &read, &mut Recorder::default()));
    assert_eq!(
        (ended.outcome.status, ended.outcome.reason.as_deref()),
        (Status::Rejected, Some(LargerThanMemory::REASON))
    );
}

#[test]
fn host_that_another_process_measures_on_is_waited_for() {
    let mut lab = Lab::new();
    let (mut first, mut second) = (bench(&lab, complete), bench(&lab, complete));
    assert_eq!(first.acquire(&mut lab.troubles), Access::Granted);
    assert_eq!(first.acquire(&mut lab.troubles), Access::Granted);
    let attempt = |second: &mut Bench, lab: &mut Lab| match second.acquire(&mut lab.troubles) {
        Access::Waits { is_new, .. } => Some(is_new),
        _ => None,
    };
    assert_eq!([attempt(&mut second, &mut lab), attempt(&mut second, &mut lab)], [Some(true), Some(false)]);
    assert!(second.is_taken() && lab.troubles.try_again_at().is_some());
    first.release(&mut lab.troubles);
    assert_eq!(second.acquire(&mut lab.troubles), Access::Granted);
    assert!(!second.is_taken());
}
