//! Workers played by the shell, for what no worker of ours does. The real one is tried in
//! `tests/runtimes/worker.rs`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::getpid;

use super::*;
use crate::bundle::format::{Fault, Latencies};
use crate::runtime::LoadRequest;
use crate::units::Nanos;
use crate::worker::ending::Scarce;
use crate::worker::process::command;
use crate::worker::protocol::{Event, PARENT_VARIABLE, Pause, Request};

const HELLO: &str = r#"echo '{"event":"hello","protocol":6}'"#;
const UNTIL_TIMING: &str = r#"echo '{"event":"hello","protocol":6}
{"event":"loaded","version":null,"library":null,"options":{},"inputs":[],"outputs":[],"placed":null}
{"event":"paused","at":"before_warm_up"}
{"event":"paused","at":"before_timing"}
{"event":"paused","at":"after_timing"}'"#;
const RESULT_ALONE: &str = r#"echo '{"event":"result","warm_up_ns":[1],"latency_ns":[2,3]}'"#;
const RESULT: &str = r#"echo '{"event":"result","warm_up_ns":[1],"latency_ns":[2,3]}
{"event":"outputs","tensors":[]}'"#;

/// Nothing here takes so long, unless it hangs.
const LONG: Duration = Duration::from_secs(50);

struct Unattended;

impl Watch for Unattended {
    fn tick(&mut self) -> Control {
        Control::Continue
    }
}

fn request() -> Request {
    Request {
        protocol: crate::worker::protocol::PROTOCOL,
        runtime: "sim".into(),
        load: LoadRequest {
            task: Default::default(),
            model: "x.sim".into(),
            provided: Default::default(),
            options: Default::default(),
            inputs: Default::default(),
            seed: 1,
            filled_like: Vec::new(),
            compilation: None,
        },
        warm_up_runs: 1,
        timed_runs: 2,
        energy_seconds: 0,
        outputs_file: None,
        placement: Default::default(),
        confinement: None,
    }
}

fn shell_on(
    surroundings: &Surroundings,
    script: &str,
    request: &Request,
    timeout: Duration,
    watch: &mut dyn Watch,
) -> Ended {
    let trial = Trial {
        executable: Path::new("/bin/sh"),
        arguments: &["-c", script],
        environment: vec![("MARKED".into(), "yes".into())],
        request,
        timeout,
    };
    run_on(surroundings, &trial, watch)
}

fn shell(script: &str) -> Ended {
    shell_on(&Surroundings::default(), script, &request(), LONG, &mut Unattended)
}

#[test]
fn a_whole_conversation_is_complete_with_and_without_pidfd() {
    for has_pidfd in [true, false] {
        let surroundings = Surroundings { has_pidfd, ..Default::default() };
        let script = format!("read line; {UNTIL_TIMING}; echo note >&2; {RESULT}");
        let ended = shell_on(&surroundings, &script, &request(), LONG, &mut Unattended);
        let expected = Ending::Complete {
            latencies: Latencies {
                warm_up_ns: vec![Nanos(1)],
                latency_ns: vec![Nanos(2), Nanos(3)],
                extra_latency_ns: Vec::new(),
                clock_step_ns: None,
            },
            energy_ns: None,
        };
        assert_eq!(ended.ending, expected);
        assert_eq!(ended.log_tail, ["note"]);
        assert!(ended.loaded.is_some());
    }
}

#[test]
fn fatal_line_of_a_runtime_ends_its_worker_and_a_line_of_another_does_not() {
    const LINE: &str =
        "E :254] HIB Error. hib_error_status = 0000000000002200, hib_first_error_status = 0000000000000200";
    let script = format!("read line; {UNTIL_TIMING}; echo '{LINE}' >&2; exec sleep 1000");
    let request = Request { runtime: "edgetpu".into(), ..request() };
    let ended = shell_on(&Surroundings::default(), &script, &request, LONG, &mut Unattended);
    let Ending::Failed(failure) = &ended.ending else { panic!("{:?}", ended.ending) };
    assert_eq!((failure.reason.as_str(), failure.fault), ("device_failed", Fault::Host));
    assert!(failure.detail.contains(LINE) && failure.hint.is_some(), "{failure:?}");
    assert_eq!(ended.log_tail, [LINE]);
    assert!(ended.wall < LONG / 2, "{:?}", ended.wall);
    // What a worker says after its last event does not matter.
    let script = format!("read line; {UNTIL_TIMING}; {RESULT}; echo '{LINE}' >&2");
    let ended = shell_on(&Surroundings::default(), &script, &request, LONG, &mut Unattended);
    assert!(matches!(ended.ending, Ending::Complete { .. }), "{:?}", ended.ending);
    let script = format!("read line; echo '{LINE}' >&2; {UNTIL_TIMING}; {RESULT}");
    assert!(matches!(shell(&script).ending, Ending::Complete { .. }));
}

#[test]
fn events_reach_the_watch_in_order() {
    struct Listening(Vec<&'static str>);
    impl Watch for Listening {
        fn event(&mut self, event: &Event) {
            self.0.push(match event {
                Event::Hello { .. } => "hello",
                Event::Confined(_) => "confined",
                Event::Loaded { .. } => "loaded",
                Event::Paused { .. } => "paused",
                Event::Result { .. } => "result",
                Event::Built(_) => "built",
                Event::Profiled { .. } => "profiled",
                Event::Shapes { .. } => "shapes",
                Event::Outputs(_) => "outputs",
                Event::Energy { .. } => "energy",
                Event::Failed { .. } => "failed",
            });
        }
        fn tick(&mut self) -> Control {
            Control::Continue
        }
    }
    let mut watch = Listening(Vec::new());
    shell_on(&Surroundings::default(), &format!("{UNTIL_TIMING}; {RESULT}"), &request(), LONG, &mut watch);
    assert_eq!(watch.0, ["hello", "loaded", "paused", "paused", "paused", "result", "outputs"]);
}

#[test]
fn worker_waits_at_each_pause_until_the_watch_lets_it_go() {
    struct Pausing {
        pauses: Vec<Pause>,
        ticks: usize,
    }
    impl Watch for Pausing {
        fn pause(&mut self, at: Pause) -> Duration {
            self.pauses.push(at);
            if at == Pause::BeforeTiming { Duration::from_millis(200) } else { Duration::ZERO }
        }
        fn tick_after(&self) -> Duration {
            Duration::from_millis(20)
        }
        fn tick(&mut self) -> Control {
            self.ticks += usize::from(self.pauses.last() == Some(&Pause::BeforeTiming));
            Control::Continue
        }
    }
    let lines = UNTIL_TIMING.trim_start_matches("echo '").trim_end_matches('\'');
    let wait = |line: &str| {
        let wait = if line.contains("paused") { "; read go || exit 9" } else { "" };
        format!("echo '{line}'{wait}")
    };
    let lines: Vec<String> = lines.lines().map(wait).collect();
    let script = format!("read request; {}; {RESULT}", lines.join("; "));
    for has_pidfd in [true, false] {
        let mut watch = Pausing { pauses: Vec::new(), ticks: 0 };
        let surroundings = Surroundings { has_pidfd, ..Default::default() };
        let ended = shell_on(&surroundings, &script, &request(), LONG, &mut watch);
        assert!(matches!(ended.ending, Ending::Complete { .. }), "{ended:?}");
        assert_eq!(watch.pauses, [Pause::BeforeWarmUp, Pause::BeforeTiming, Pause::AfterTiming]);
        assert!(watch.ticks > 0, "ticks go on while it waits");
        assert!(ended.wall >= Duration::from_millis(200), "{ended:?}");
    }
}

#[test]
fn what_follows_a_result_fails_the_trial_and_keeps_its_latencies() {
    for (after, expected) in [
        ("exit 3", Afterwards::Exited { code: 3 }),
        ("kill -SEGV $$", Afterwards::Signalled { signal: 11 }),
        ("echo bye", Afterwards::Line { line: "bye".into() }),
    ] {
        let ended = shell(&format!("{UNTIL_TIMING}; {RESULT}; {after}"));
        match &ended.ending {
            Ending::AfterResult { afterwards, .. } => assert_eq!(*afterwards, expected),
            other => panic!("{after}: {other:?}"),
        }
        let latencies = ended.into_latencies().expect("latencies");
        assert_eq!(latencies.latency_ns, [Nanos(2), Nanos(3)]);
    }
}

#[test]
fn a_worker_that_stays_after_its_result_is_killed_at_the_timeout_at_the_latest() {
    let script = format!("{UNTIL_TIMING}; {RESULT}; exec sleep 600");
    let ended =
        shell_on(&Surroundings::default(), &script, &request(), Duration::from_secs(1), &mut Unattended);
    let Ending::AfterResult { afterwards: Afterwards::Stayed, .. } = ended.ending else {
        panic!("{ended:?}")
    };
}

#[test]
fn a_worker_that_does_not_exit_gets_a_grace_and_no_more() {
    let surroundings = Surroundings { exit_grace: Duration::from_millis(200), ..Default::default() };
    let ended = |script: &str| shell_on(&surroundings, script, &request(), LONG, &mut Unattended).ending;
    assert_eq!(ended("exec >&-; exec sleep 600"), Ending::OutputClosed);
    let stayed = ended(&format!("{UNTIL_TIMING}; {RESULT}; exec sleep 600"));
    assert!(matches!(stayed, Ending::AfterResult { afterwards: Afterwards::Stayed, .. }), "{stayed:?}");
    let failed = r#"echo '{"event":"failed","stage":"load","reason":"a","detail":"b","hint":null}'"#;
    let failed = ended(&format!("{HELLO}; {failed}; exec sleep 600"));
    assert!(matches!(failed, Ending::Failed(_)), "{failed:?}");
}

#[test]
fn each_exit_without_a_result_is_its_own_ending() {
    assert_eq!(shell(HELLO).ending, Ending::NoResult);
    assert_eq!(shell(&format!("{HELLO}; exit 9")).ending, Ending::Exited { code: 9 });
    assert_eq!(shell("exit 127").ending, Ending::Exited { code: 127 });
    let line = "worker: error while loading shared libraries: libx.so: cannot open shared object file";
    let ended = shell(&format!("echo '{line}' >&2; exit 127"));
    assert_eq!(ended.ending, Ending::LibraryNotFound { line: line.into() });
    assert_eq!(shell("kill -TERM $$").ending, Ending::Signalled { signal: 15, out_of_memory: None });
    assert_eq!(shell("printf half").ending, Ending::Garbage { line: "half".into() });
    assert_eq!(shell("printf '{half'").ending, Ending::Garbage { line: "{half".into() });
}

#[test]
fn a_worker_that_closes_its_output_and_exits_is_judged_by_its_exit() {
    for has_pidfd in [true, false] {
        let surroundings = Surroundings { has_pidfd, ..Default::default() };
        let ended = shell_on(&surroundings, "exec >&-; sleep 0.1; exit 4", &request(), LONG, &mut Unattended);
        assert_eq!(ended.ending, Ending::Exited { code: 4 });
    }
}

#[test]
fn kernels_count_distinguishes_out_of_memory_from_other_kills() {
    let folder = tempfile::tempdir().unwrap();
    let vmstat = folder.path().join("vmstat");
    let kill = |count_after: &str, before: &str| {
        fs_err::write(&vmstat, before).unwrap();
        let surroundings = Surroundings { vmstat: vmstat.clone(), ..Default::default() };
        let script = format!("printf '{count_after}' > {}; kill -KILL $$", vmstat.display());
        shell_on(&surroundings, &script, &request(), LONG, &mut Unattended).ending
    };
    let ending = |out_of_memory| Ending::Signalled { signal: 9, out_of_memory };
    assert_eq!(kill("drop 1\\noom_kill 8\\n", "drop 1\noom_kill 7\n"), ending(Some(true)));
    assert_eq!(kill("drop 2\\noom_kill 7\\n", "drop 1\noom_kill 7\n"), ending(Some(false)));
    assert_eq!(kill("drop 2\\n", "drop 1\n"), ending(None));
}

#[test]
fn worker_that_never_reads_does_not_block_the_daemon() {
    let mut request = request();
    // More than a pipe holds, so that one write cannot do.
    request.load.options.insert("long".into(), serde_json::Value::String("x".repeat(1 << 20)));
    let ended = shell_on(&Surroundings::default(), HELLO, &request, LONG, &mut Unattended);
    assert_eq!(ended.ending, Ending::NoResult);
    let ended = shell_on(
        &Surroundings::default(),
        "exec sleep 600",
        &request,
        Duration::from_millis(300),
        &mut Unattended,
    );
    assert_eq!(ended.ending, Ending::TimedOut { limit: Duration::from_millis(300) });
    let ended = shell_on(
        &Surroundings::default(),
        "exit $(($(head -n 1 | wc -c) > 1000000))",
        &request,
        LONG,
        &mut Unattended,
    );
    assert_eq!(ended.ending, Ending::Exited { code: 1 });
}

#[test]
fn a_process_that_keeps_the_streams_open_is_not_waited_for() {
    for has_pidfd in [true, false] {
        let surroundings = Surroundings { has_pidfd, ..Default::default() };
        let script = format!("{UNTIL_TIMING}; sleep 600 & {RESULT}");
        let ended = shell_on(&surroundings, &script, &request(), LONG, &mut Unattended);
        assert!(matches!(ended.ending, Ending::Complete { .. }), "{ended:?}");
        assert!(ended.wall < Duration::from_secs(10), "{ended:?}");
    }
}

#[test]
fn nothing_of_a_trial_is_left_however_it_hides() {
    assert_nothing_is_left(&Surroundings::default(), "env -i setsid");
}

#[test]
fn what_leaves_the_group_is_found_without_the_score_by_its_environment() {
    let surroundings = Surroundings { raises_score: false, ..Default::default() };
    assert_nothing_is_left(&surroundings, "setsid");
}

/// `detached` starts a process that is orphaned at once and has a child.
fn assert_nothing_is_left(surroundings: &Surroundings, detached: &str) {
    let folder = tempfile::tempdir().unwrap();
    let numbers = folder.path().join("numbers");
    // One in the group, one in a session of its own, and the detached two.
    let script = format!(
        "read line; exec >&- 2>&-; n={}; sleep 600 & echo $! >> $n
        setsid sh -c 'echo $$ >> '$n'; exec sleep 600' &
        ({detached} sh -c 'sleep 600 & echo $! >> '$n'; echo $$ >> '$n'; wait' &)
        until [ $(wc -l < $n) = 4 ]; do sleep 0.01; done; kill -KILL $$",
        numbers.display()
    );
    let ended = shell_on(surroundings, &script, &request(), LONG, &mut Unattended);
    assert!(matches!(ended.ending, Ending::Signalled { signal: 9, .. }), "{ended:?}");
    let numbers = fs_err::read_to_string(&numbers).unwrap();
    assert_eq!(numbers.lines().count(), 4, "{numbers}");
    for number in numbers.lines() {
        assert!(!Path::new("/proc").join(number).exists(), "{number} is left");
    }
}

#[test]
fn the_interrupt_lets_the_caller_cancel_or_stop_at_once() {
    struct Interrupting(OwnedFd, Control);
    impl Watch for Interrupting {
        fn interrupt(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }
        fn tick(&mut self) -> Control {
            self.1
        }
    }
    for (control, ending) in [(Control::Cancel, Ending::Cancelled), (Control::Stop, Ending::Stopped)] {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, b"x").unwrap();
        let ended = shell_on(
            &Surroundings::default(),
            "exec sleep 600",
            &request(),
            LONG,
            &mut Interrupting(reader, control),
        );
        assert_eq!(ended.ending, ending);
        assert!(ended.wall < Duration::from_secs(5), "{ended:?}");
    }
}

#[test]
fn without_an_interrupt_a_tick_comes_once_a_second() {
    struct Counting(u32);
    impl Watch for Counting {
        fn tick(&mut self) -> Control {
            self.0 += 1;
            if self.0 == 2 { Control::Cancel } else { Control::Continue }
        }
    }
    // However much the worker says.
    let script = "while :; do echo noise >&2; done";
    let ended = shell_on(&Surroundings::default(), script, &request(), LONG, &mut Counting(0));
    assert_eq!(ended.ending, Ending::Cancelled);
    assert!(ended.wall >= 2 * TICK && ended.wall < 10 * TICK, "{ended:?}");
    assert_eq!(ended.log_tail.len(), 50);
}

#[test]
fn a_watch_that_panics_leaves_no_worker_behind() {
    struct Panicking(OwnedFd);
    impl Watch for Panicking {
        fn interrupt(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }
        fn event(&mut self, _: &Event) {
            panic!("on purpose");
        }
        fn tick(&mut self) -> Control {
            Control::Continue
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let number = folder.path().join("number");
    let script = format!("echo $$ > {}; {HELLO}; exec sleep 600", number.display());
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shell_on(&Surroundings::default(), &script, &request(), LONG, &mut Panicking(reader))
    }));
    assert!(caught.is_err());
    let number = fs_err::read_to_string(&number).unwrap();
    assert!(!Path::new("/proc").join(number.trim()).exists());
}

#[test]
fn the_worker_gets_the_environment_less_the_service_managers() {
    let ended = shell(&format!("echo \"$MARKED ${PARENT_VARIABLE} ${{PATH:+path}}\" >&2"));
    assert_eq!(ended.log_tail, [format!("yes {} path", getpid())]);
    let request = request();
    let trial = Trial {
        executable: Path::new("/bin/sh"),
        arguments: &[],
        environment: Vec::new(),
        request: &request,
        timeout: LONG,
    };
    let removed: Vec<_> = command(&trial)
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.to_owned())
        .collect();
    assert!(
        removed.contains(&"NOTIFY_SOCKET".into()) && removed.contains(&"WATCHDOG_PID".into()),
        "{removed:?}"
    );
}

#[test]
fn an_executable_that_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs_err::write(&plain, "no program").unwrap();
    for (executable, reason) in
        [(folder.path().join("missing"), "worker_not_found"), (plain, "worker_not_executable")]
    {
        let trial = Trial {
            executable: &executable,
            arguments: &[],
            environment: Vec::new(),
            request: &request(),
            timeout: LONG,
        };
        let ended = run(&trial, &mut Unattended);
        assert_eq!(ended.reached, Stage::Start);
        assert_eq!(ended.outcome("sim").reason.as_deref(), Some(reason));
    }
}

#[test]
fn what_happens_instead_of_outputs_leaves_the_latencies() {
    for (last, expected) in [
        ("exit 0", Afterwards::Exited { code: 0 }),
        ("kill -SEGV $$", Afterwards::Signalled { signal: 11 }),
        ("echo cleaning", Afterwards::Line { line: "cleaning".into() }),
    ] {
        let ended = shell(&format!("{UNTIL_TIMING}; {RESULT_ALONE}; {last}"));
        let Ending::AfterResult { latencies, afterwards } = ended.ending else { panic!("{ended:?}") };
        assert_eq!((latencies.latency_ns.len(), afterwards), (2, expected));
    }
}

#[test]
fn worker_that_takes_most_of_the_memory_is_ended_before_the_host_is_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let meminfo = folder.path().join("meminfo");
    let memory = |available: u64| {
        fs_err::write(&meminfo, format!("MemTotal: 400000 kB\nMemAvailable: {available} kB\n")).unwrap();
    };
    memory(300_000);
    let surroundings = Surroundings { meminfo: meminfo.clone(), ..Default::default() };
    struct Shrinking<'a>(&'a dyn Fn(u64));
    impl Watch for Shrinking<'_> {
        fn tick(&mut self) -> Control {
            (self.0)(1000);
            Control::Continue
        }
    }
    // In a process of its own, which no limit of the worker's own counts.
    let script = "read line; head -c 200m /dev/zero | tail -c 200m | sleep 1000";
    let mut watch = Shrinking(&memory);
    let ended = shell_on(&surroundings, script, &request(), LONG, &mut watch);
    let Ending::Excess(excess) = ended.ending else { panic!("{ended:?}") };
    assert_eq!((excess.what, excess.left_bytes), (Scarce::Memory, 1_024_000));
    assert!(excess.taken_bytes >= 100 << 20, "{excess:?}");
    assert_eq!(ended.outcome("sim").reason.as_deref(), Some("out_of_memory"));
    // Others have it: the worker is left alone.
    memory(300_000);
    let script = format!("read line; {UNTIL_TIMING}; sleep 2; {RESULT}");
    let mut watch = Shrinking(&memory);
    let ended = shell_on(&surroundings, &script, &request(), LONG, &mut watch);
    assert!(matches!(ended.ending, Ending::Complete { .. }), "{ended:?}");
}
