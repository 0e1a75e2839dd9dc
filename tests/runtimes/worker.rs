//! The real worker through the real parent: every fault is its own outcome, and nothing is left behind.
//!
//! Each test has a process of its own, so that all children of the process are those of its trial.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use backbone::bundle::format::{Latencies, Outcome, Stage, Status};
use backbone::runtime::LoadRequest;
use backbone::units::Nanos;
use backbone::worker::parent::{Control, Ended, Ending, Trial, Watch, run};
use backbone::worker::protocol::{Event, PARENT_VARIABLE, PROTOCOL, Request};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::rig::alone::in_own_process;

const BACKBONE: &str = env!("CARGO_BIN_EXE_backbone");
const LONG: Duration = Duration::from_secs(50);

/// Warm-up runs of every trial here; the run after them is the first timed one.
const WARM_UP_RUNS: u32 = 2;
const TIMED_RUNS: u32 = 3;

/// What the parent promises, with fivefold slack.
const GONE_AFTER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sees which processes a trial has.
#[derive(Default)]
struct Observer {
    processes: Vec<i32>,
}

impl Watch for Observer {
    fn event(&mut self, _: &Event) {
        let table = processes();
        let mut family: Vec<i32> = vec![std::process::id().cast_signed()];
        let mut known = 0;
        while known < family.len() {
            let of = family[known];
            family.extend(table.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| pid));
            known += 1;
        }
        self.processes.extend(&family[1..]);
    }

    fn tick(&mut self) -> Control {
        Control::Continue
    }
}

/// Process and parent of every process.
fn processes() -> Vec<(i32, i32)> {
    let stats = fs_err::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let number = path.file_name()?.to_str()?.parse().ok()?;
        let stat = fs_err::read_to_string(path.join("stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some((number, parent))
    });
    stats.collect()
}

struct Tried {
    ended: Ended,
    outcome: Outcome,
    processes: Vec<i32>,
}

fn request(model: PathBuf) -> Request {
    Request {
        protocol: PROTOCOL,
        runtime: "sim".into(),
        load: LoadRequest {
            task: Default::default(),
            model,
            provided: Default::default(),
            options: Default::default(),
            inputs: Default::default(),
            seed: 1,
            filled_like: Vec::new(),
            compilation: None,
        },
        warm_up_runs: WARM_UP_RUNS,
        timed_runs: TIMED_RUNS,
        energy_seconds: 0,
        outputs_file: None,
        placement: Default::default(),
        confinement: None,
    }
}

fn attempt(script: &str, timeout: Duration) -> Tried {
    attempt_through(Path::new(BACKBONE), &["__worker"], script, timeout)
}

fn attempt_through(executable: &Path, arguments: &[&str], script: &str, timeout: Duration) -> Tried {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.sim");
    fs_err::write(&model, script).unwrap();
    let request = request(model);
    let mut observer = Observer::default();
    let trial = Trial { executable, arguments, environment: Vec::new(), request: &request, timeout };
    let ended = run(&trial, &mut observer);
    Tried { outcome: ended.outcome("sim"), ended, processes: observer.processes }
}

fn fault(kind: &str, run: Option<u32>) -> String {
    let run = run.map(|run| format!(r#", "run": {run}"#)).unwrap_or_default();
    format!(r#"{{"latency_us": [10], "fault": {{"kind": {kind}{run}}}}}"#)
}

#[test]
fn scripted_latencies_come_back_in_order_and_never_too_short() {
    in_own_process(|| {
        let tried = attempt(r#"{"latency_us": [10, 20, 300, 2000, 40]}"#, LONG);
        let Ending::Complete { latencies: Latencies { warm_up_ns, latency_ns, .. }, .. } =
            &tried.ended.ending
        else {
            panic!("{:?}", tried.ended)
        };
        for (latency, least) in
            warm_up_ns.iter().chain(latency_ns).zip([10_000, 20_000, 300_000, 2_000_000, 40_000])
        {
            assert!(*latency >= Nanos(least), "{latency:?} {least}");
        }
        assert_eq!((warm_up_ns.len(), latency_ns.len()), (2, 3));
        assert_eq!(tried.outcome.status, Status::Measured);
        assert_eq!(tried.ended.reached, Stage::Report);
        assert_eq!(tried.ended.loaded.unwrap().inputs[0].name, "input");
        assert!(!tried.processes.is_empty());
    });
}

#[test]
fn every_fault_is_an_outcome_of_its_own_at_its_stage() {
    in_own_process(|| {
        let (loading, warm_up, timing) = (None, Some(1), Some(WARM_UP_RUNS + 2));
        for (kind, run, stage, reason) in [
            (r#""error""#, loading, Stage::Load, "model_not_readable"),
            (r#""error""#, warm_up, Stage::WarmUp, "run_failed"),
            (r#""error""#, timing, Stage::Timing, "run_failed"),
            (r#""panic""#, loading, Stage::Load, "worker_panicked"),
            (r#""panic""#, timing, Stage::Timing, "worker_panicked"),
            (r#""segmentation_fault""#, loading, Stage::Load, "segmentation_fault"),
            (r#""segmentation_fault""#, warm_up, Stage::WarmUp, "segmentation_fault"),
            (r#""segmentation_fault""#, timing, Stage::Timing, "segmentation_fault"),
            (r#""abort""#, loading, Stage::Load, "aborted"),
            (r#""abort""#, timing, Stage::Timing, "aborted"),
            (r#""illegal_instruction""#, timing, Stage::Timing, "illegal_instruction"),
            (r#""kill""#, timing, Stage::Timing, "killed"),
            (r#"{"exit": 0}"#, loading, Stage::Load, "no_result"),
            (r#"{"exit": 7}"#, timing, Stage::Timing, "wrong_exit"),
            (r#""print""#, loading, Stage::Load, "garbage"),
            (r#""print""#, timing, Stage::Timing, "garbage"),
            (r#""flood""#, loading, Stage::Load, "garbage"),
            (r#""flood""#, timing, Stage::Timing, "garbage"),
        ] {
            let Tried { ended, outcome, processes } = attempt(&fault(kind, run), LONG);
            let found = (outcome.status, outcome.stage, outcome.reason.as_deref());
            assert_eq!(found, (Status::Failed, Some(stage), Some(reason)), "{kind} {run:?}: {ended:?}");
            assert!(outcome.hint.is_some() && outcome.detail.is_some(), "{outcome:?}");
            assert!(ended.wall < Duration::from_secs(20), "{kind} {run:?}: {ended:?}");
            for process in processes {
                assert!(
                    !Path::new(&format!("/proc/{process}")).exists(),
                    "{kind} {run:?}: {process} is left"
                );
            }
        }
    });
}

#[test]
fn a_hang_ends_at_its_timeout_and_nothing_is_left() {
    in_own_process(|| {
        for (run, stage) in
            [(None, Stage::Load), (Some(1), Stage::WarmUp), (Some(WARM_UP_RUNS + 1), Stage::Timing)]
        {
            let timeout = Duration::from_millis(500);
            let Tried { ended, outcome, processes } = attempt(&fault(r#""hang""#, run), timeout);
            assert_eq!((outcome.status, outcome.stage), (Status::TimedOut, Some(stage)), "{ended:?}");
            assert!(ended.wall >= timeout && ended.wall < timeout + GONE_AFTER_TIMEOUT, "{ended:?}");
            assert!(!processes.is_empty());
            for process in processes {
                assert!(!Path::new(&format!("/proc/{process}")).exists(), "{process} is left");
            }
        }
    });
}

#[test]
fn a_process_that_escapes_is_found_and_the_trial_is_good() {
    in_own_process(|| {
        let Tried { ended, outcome, processes } = attempt(&fault(r#""escape""#, None), LONG);
        assert_eq!(outcome.status, Status::Measured, "{ended:?}");
        let seen: std::collections::BTreeSet<_> = processes.into_iter().collect();
        assert!(seen.len() >= 2, "the worker and what escaped from it: {seen:?}");
        for process in seen {
            assert!(!Path::new(&format!("/proc/{process}")).exists(), "{process} is left");
        }
    });
}

#[test]
fn a_chatty_library_is_measured_and_its_last_lines_are_kept() {
    in_own_process(|| {
        let Tried { ended, outcome, .. } = attempt(&fault(r#""chatter""#, Some(1)), LONG);
        assert_eq!(outcome.status, Status::Measured, "{ended:?}");
        assert_eq!(outcome.log_tail.len(), 50);
        assert!(outcome.log_tail.iter().all(|line| line.chars().count() == 501), "{:?}", outcome.log_tail);
    });
}

#[test]
fn what_the_worker_cannot_load_is_refused_with_a_hint() {
    in_own_process(|| {
        let outcome = attempt("not JSON", LONG).outcome;
        assert_eq!(
            (outcome.stage, outcome.reason.as_deref()),
            (Some(Stage::Load), Some("model_not_readable"))
        );
        let mut missing = request("/nonexistent/model.sim".into());
        for (runtime, protocol, reason) in [
            ("sim", PROTOCOL, "model_not_readable"),
            ("abacus", PROTOCOL, "runtime_not_built_in"),
            ("sim", PROTOCOL + 1, "protocol_mismatch"),
        ] {
            (missing.runtime, missing.protocol) = (runtime.into(), protocol);
            let trial = Trial {
                executable: Path::new(BACKBONE),
                arguments: &["__worker"],
                environment: Vec::new(),
                request: &missing,
                timeout: LONG,
            };
            let ended = run(&trial, &mut Observer::default());
            let outcome = ended.outcome("sim");
            assert_eq!(outcome.reason.as_deref(), Some(reason), "{ended:?}");
            assert!(outcome.hint.is_some());
        }
    });
}

#[test]
fn memory_that_is_refused_is_out_of_memory() {
    in_own_process(|| {
        let script = "ulimit -v 400000; exec \"$0\" __worker";
        let Tried { ended, outcome, .. } = attempt_through(
            Path::new("/bin/sh"),
            &["-c", script, BACKBONE],
            &fault(r#""out_of_memory""#, None),
            LONG,
        );
        assert_eq!(outcome.reason.as_deref(), Some("out_of_memory"), "{ended:?}");
        assert!(matches!(ended.ending, Ending::Signalled { out_of_memory: None, .. }), "{ended:?}");
    });
}

/// A control group with 64 MiB, where this test may make one.
struct Limited(PathBuf);

impl Limited {
    fn new() -> Option<Self> {
        let name = format!("backbone-test-{}", std::process::id());
        for (root, limit) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let group = Self(Path::new(root).join(&name));
            if fs_err::create_dir(&group.0).is_ok()
                && fs_err::write(group.0.join(limit), (64 << 20).to_string()).is_ok()
            {
                return Some(group);
            }
        }
        None
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir(&self.0);
    }
}

#[test]
fn a_kill_for_lack_of_memory_is_out_of_memory() {
    in_own_process(|| {
        let Some(group) = Limited::new() else {
            eprintln!("not tried: no control group for memory can be made here");
            return;
        };
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$0\" __worker", group.0.display());
        let Tried { ended, outcome, .. } = attempt_through(
            Path::new("/bin/sh"),
            &["-c", &script, BACKBONE],
            &fault(r#""out_of_memory""#, None),
            LONG,
        );
        assert_eq!(ended.ending, Ending::Signalled { signal: 9, out_of_memory: Some(true) }, "{ended:?}");
        assert_eq!(outcome.reason.as_deref(), Some("out_of_memory"));
    });
}

#[test]
fn a_worker_dies_with_its_parent() {
    in_own_process(|| {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.sim");
        fs_err::write(&model, fault(r#""hang""#, Some(1))).unwrap();
        let script = format!("exec 3<&0; {PARENT_VARIABLE}=$$ \"$0\" __worker <&3 & echo $!; wait");
        let mut parent = Command::new("/bin/sh")
            .args(["-c", &script, BACKBONE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = serde_json::to_vec(&request(model)).unwrap();
        line.push(b'\n');
        // Kept open, so that the end of its input is not what ends the worker.
        let mut input = parent.stdin.take().unwrap();
        input.write_all(&line).unwrap();
        let mut output = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
        let (numbers, events): (Vec<_>, Vec<_>) =
            output.by_ref().take(4).partition(|line| line.parse::<i32>().is_ok());
        assert_eq!((numbers.len(), events.len()), (1, 3), "{numbers:?} {events:?}");
        let state = PathBuf::from(format!("/proc/{}/stat", numbers[0]));
        let stat = fs_err::read_to_string(&state).unwrap();
        assert!(!stat.contains(") Z "), "it should hang: {stat}");
        parent.kill().unwrap();
        parent.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let number = Pid::from_raw(numbers[0].parse().unwrap()).unwrap();
        while state.exists() {
            if Instant::now() >= deadline {
                kill_process(number, Signal::KILL).unwrap();
                panic!("the worker outlives its parent");
            }
            // Orphans become this process's children if a trial has made it a subreaper.
            let _ = waitid(WaitId::Pid(number), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_worker_whose_parent_is_gone_before_it_looks_does_nothing() {
    in_own_process(|| {
        let output = Command::new(BACKBONE)
            .arg("__worker")
            .env(PARENT_VARIABLE, "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
    });
}

#[test]
fn crash_while_outputs_are_read_loses_no_latency() {
    in_own_process(|| {
        for (kind, reason) in
            [("\"segmentation_fault\"", "crash_after_result"), ("{\"exit\": 3}", "wrong_exit_after_result")]
        {
            let script =
                format!(r#"{{"latency_us": [10], "fault": {{"kind": {kind}, "in_outputs": true}}}}"#);
            let tried = attempt(&script, LONG);
            assert_eq!((tried.outcome.status, tried.outcome.stage), (Status::Failed, Some(Stage::Report)));
            assert_eq!(tried.outcome.reason.as_deref(), Some(reason));
            assert!(tried.ended.resources.is_some_and(|taken| taken.peak_memory_bytes.is_some()));
            assert_eq!(tried.ended.into_latencies().unwrap().latency_ns.len(), TIMED_RUNS as usize);
        }
        let hang = r#"{"latency_us": [10], "fault": {"kind": "hang", "in_outputs": true}}"#;
        let tried = attempt(hang, Duration::from_secs(2));
        assert_eq!(tried.outcome.reason.as_deref(), Some("did_not_exit"));
        assert_eq!(tried.ended.into_latencies().unwrap().latency_ns.len(), TIMED_RUNS as usize);
    });
}

#[test]
fn outputs_that_cannot_be_read_leave_a_trial_complete_and_say_why() {
    in_own_process(|| {
        let tried = attempt(r#"{"latency_us": [10], "fault": {"kind": "error", "in_outputs": true}}"#, LONG);
        assert_eq!(tried.outcome.status, Status::Measured);
        let read = tried.ended.outputs.unwrap();
        assert_eq!((read.tensors.len(), read.detail.as_deref()), (0, Some("the script says so")));
    });
}

#[test]
fn scripted_outputs_are_described() {
    in_own_process(|| {
        let script = r#"{"latency_us": [10], "outputs": [{"name": "y", "values": [1, null, -2]}, {"name": "n", "values": [3]}]}"#;
        let read = attempt(script, LONG).ended.outputs.unwrap();
        let [y, n] = &read.tensors[..] else { panic!("{read:?}") };
        assert_eq!(
            (y.minimum, y.maximum, y.is_finite, y.is_constant),
            (Some(-2.0), Some(1.0), Some(false), Some(false))
        );
        assert_eq!((n.minimum, n.is_constant, &n.shape[..]), (Some(3.0), Some(false), &[1][..]));
    });
}
