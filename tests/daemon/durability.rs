//! What must be on the disk before what, read from strace's log of a real daemon: a power cut keeps only what
//! was synced. And the silence of the daemon while a worker lives, from the same log.
//!
//! The order is that of `src/spool/mod.rs`: nothing is acted on before its claim is durable, nothing is
//! published before it is durable and recorded. A start after SIGKILL finds names that were changed and never
//! synced; it syncs them first.

use std::path::Path;

use crate::rig::BACKBONE;
use crate::strace::{self, Rig};
use crate::strace_log::{self, Call};

/// Job file in the inbox.
const JOB: &str = "one.yaml";

/// And as it is called in the spool.
const CLAIMED: &str = "0000000001-strace~job~one.yaml";

/// Its only bundle.
const BUNDLE: &str = "one.net.sim.0000000001-strace-0001.json.gz";

/// Calls that make something durable.
const SYNCS: &[&str] = &["fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync"];

/// The design allows a claim this many: the file, the inbox and the queue.
const SYNCS_OF_A_CLAIM: usize = 3;

/// The latencies of the two timed runs: together long enough for two ticks.
const SLOW_RUN: &str = r#"{"latency_us": [1250000]}"#;

/// Ticks are a second apart; strace delays both ends of such a span.
const SHORTEST_TICK_SECONDS: f64 = 0.9;

fn prepared(model: &str) -> Rig {
    let rig = Rig::new(None);
    rig.drop_file("net.sim", model);
    rig.drop_file(
        JOB,
        "backbone: 1\nmodel: net.sim\nruntime: sim\nmeasure: {warm_up_runs: 0, timed_runs: 2}\n",
    );
    rig
}

/// Run under strace to the end; all calls.
fn record(rig: &Rig) -> Vec<Call> {
    let path = rig.at("log");
    let before = ["strace", "-f", "-y", "-ttt", "-s", "300", "-o", path.to_str().expect("UTF-8")];
    assert!(rig.serve_once(&before).status().expect("strace").success());
    let calls = strace_log::parse(&fs_err::read_to_string(path).expect("log"));
    assert!(rig.outbox().join(BUNDLE).exists(), "the recorded run published nothing");
    calls
}

/// The first call of that kind.
fn first<'a>(calls: &'a [Call], name: &str, pieces: &[&str]) -> &'a Call {
    let found = calls.iter().find(|call| call.is(name, pieces));
    found.unwrap_or_else(|| panic!("no {name} with {pieces:?}"))
}

/// The descriptor of this path, as strace writes it.
fn descriptor(path: &Path) -> String {
    format!("<{}>)", path.display())
}

/// The first sync of this path after `call`.
fn synced_after<'a>(calls: &'a [Call], path: &Path, call: &Call) -> &'a Call {
    let path_text = descriptor(path);
    let synced = |sync: &&Call| {
        SYNCS.contains(&sync.name.as_str()) && sync.text.contains(&path_text) && call.is_before(sync)
    };
    calls.iter().find(synced).unwrap_or_else(|| panic!("{} is not synced after {call:?}", path.display()))
}

/// The worker's start.
fn worker_start(calls: &[Call]) -> &Call {
    first(calls, "execve", &["\"__worker\""])
}

#[test]
fn job_is_durable_in_the_queue_before_anything_is_acted_on() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    let calls = record(&rig);
    let claim = first(&calls, "renameat", &[&format!("\"{JOB}\""), &format!("\"{CLAIMED}\"")]);
    let file = first(&calls, "fsync", &[&descriptor(&rig.at("inbox").join(JOB))]);
    assert!(file.is_before(claim), "the job file is renamed before it is durable");
    let folders = ["inbox", "spool/queue"].map(|folder| synced_after(&calls, &rig.at(folder), claim));
    let queued = rig.at("spool/queue").join(CLAIMED);
    let reads = |call: &&Call| call.name == "openat" && call.text.contains(&format!("\"{CLAIMED}\""));
    let read = calls.iter().find(reads).unwrap_or_else(|| panic!("{} is never read", queued.display()));
    let journal = rig.at("spool/journal");
    let acts = [
        ("reading the job", read),
        (
            "copying its model",
            first(&calls, "openat", &[&format!("\"{}/.", rig.at("spool/models").display())]),
        ),
        ("its journal", first(&calls, "openat", &[&format!("\"{}/0", journal.display()), "O_CREAT"])),
        ("its worker", worker_start(&calls)),
    ];
    for (what, act) in acts {
        for folder in folders {
            assert!(folder.is_before(act), "{what} comes before its claim is durable: {folder:?}, {act:?}");
        }
    }

    let is_sync = |call: &&Call| SYNCS.contains(&call.name.as_str());
    // Numbers are reserved a thousand at a time, and that is durable too; it is no part of a claim.
    let reserves = |call: &&Call| {
        call.text.contains(&format!("<{}.", rig.at("spool/.identity").display()))
            || call.text.contains(&descriptor(&rig.at("spool")))
    };
    let from_claim = calls.iter().filter(is_sync).filter(|call| call.began >= file.began);
    let of_claim = from_claim.clone().filter(|call| call.is_before(read) && !reserves(call)).count();
    let of_job = from_claim.filter(|call| !reserves(call)).count();
    println!("sync calls: {of_claim} for the claim, {of_job} for a job of one trial, claim to end");
    assert!(of_claim <= SYNCS_OF_A_CLAIM, "a claim takes {of_claim} sync calls");
}

#[test]
fn bundle_is_durable_and_recorded_before_it_is_published() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    let calls = record(&rig);
    let ready = rig.at("spool/ready");
    let journal = rig.at("spool/journal/0000000001-strace.jsonl");
    let named = first(&calls, "renameat", &[&format!("\".{BUNDLE}."), "spool/ready>"]);
    let recorded = first(&calls, "write", &[&format!("<{}>", journal.display()), "bundled"]);
    let published = first(&calls, "renameat", &[BUNDLE, &rig.outbox().display().to_string()]);
    let retired = first(&calls, "renameat", &[CLAIMED, "spool/done>"]);
    let steps = [
        ("its bytes are synced", first(&calls, "fsync", &[&format!("<{}/.{BUNDLE}.", ready.display())])),
        ("it gets its name", named),
        ("the folder is synced", synced_after(&calls, &ready, named)),
        ("the journal names it", recorded),
        ("the journal is synced", synced_after(&calls, &journal, recorded)),
        ("it is published", published),
        ("the outbox is synced", synced_after(&calls, rig.outbox(), published)),
        ("the job is retired", retired),
        ("its new folder is synced", synced_after(&calls, &rig.at("spool/done"), retired)),
        ("its old folder is synced", synced_after(&calls, &rig.at("spool/queue"), retired)),
        ("its journal is removed", first(&calls, "unlink", &[&journal.display().to_string()])),
    ];
    for pair in steps.windows(2) {
        let [(earlier, before), (later, after)] = pair else { unreachable!("windows of two") };
        assert!(before.is_before(after), "{later} before {earlier}: {after:?}, {before:?}");
    }
    assert!(journal_is_named(&rig, &calls).is_before(published), "the journal has no durable name");
}

/// The sync of the folder of journals after this job's journal was made. Not that of the start.
fn journal_is_named<'a>(rig: &Rig, calls: &'a [Call]) -> &'a Call {
    let made = first(calls, "openat", &[&format!("\"{}/0", rig.at("spool/journal").display()), "O_CREAT"]);
    synced_after(calls, &rig.at("spool/journal"), made)
}

#[test]
fn bundle_of_a_job_cancelled_before_its_turn_is_recorded_before_it_is_published() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    rig.drop_file("one.cancel", "");
    let calls = record(&rig);
    let published = first(&calls, "renameat", &[BUNDLE, &rig.outbox().display().to_string()]);
    assert!(journal_is_named(&rig, &calls).is_before(published), "the journal has no durable name");
}

#[test]
fn command_is_over_once_its_request_survives_a_power_cut() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    assert!(rig.serve_once(&[]).status().expect("daemon").success());
    let (control, log) = (rig.at("spool/control"), rig.at("log"));
    for (arguments, change) in
        [(&["pause"][..], "openat"), (&["resume"], "unlink"), (&["retry", "one"], "openat")]
    {
        let before = ["-f", "-y", "-ttt", "-s", "300", "-o", log.to_str().expect("UTF-8"), BACKBONE];
        let mut command = std::process::Command::new("strace");
        command.args(before).args(arguments).arg("--inbox").arg(rig.at("inbox"));
        assert!(command.status().expect("strace").success(), "{arguments:?}");
        let calls = strace_log::parse(&fs_err::read_to_string(&log).expect("log"));
        let is_change = |call: &&Call| {
            let changes = call.name == change && (change != "openat" || call.text.contains("O_CREAT"));
            changes && call.text.contains(&format!("\"{}/", control.display()))
        };
        let change = calls.iter().find(is_change).unwrap_or_else(|| panic!("{arguments:?} changes nothing"));
        let sync = synced_after(&calls, &control, change);
        let says = calls.iter().find(|call| call.name == "write" && call.text.starts_with("1<"));
        let says = says.unwrap_or_else(|| panic!("{arguments:?} says nothing"));
        assert!(sync.is_before(says), "{arguments:?} says that it is done before it is");
    }
}

/// Kill the daemon before it syncs `folder` for what it did itself; the first sync is that of every start.
fn kill_before_sync(rig: &Rig, folder: &str) {
    let path = rig.at(folder);
    let before = [
        "strace",
        "-o",
        "/dev/null",
        "-P",
        path.to_str().expect("UTF-8"),
        "-e",
        "trace=fsync",
        "-e",
        "inject=fsync:signal=SIGKILL:when=2",
    ];
    let status = rig.serve_once(&before).stderr(std::process::Stdio::null()).status().expect("strace");
    assert!(!status.success(), "{folder} was not synced again");
}

#[test]
fn restart_makes_a_claim_durable_that_was_not_before_it_acts_on_it() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    kill_before_sync(&rig, "inbox");
    assert!(rig.at("spool/queue").join(CLAIMED).exists(), "killed before the claim, not after it");
    let calls = record(&rig);
    for folder in ["inbox", "spool/queue"] {
        let sync = first(&calls, "fsync", &[&descriptor(&rig.at(folder))]);
        assert!(sync.is_before(worker_start(&calls)), "{folder} is synced after the worker's start");
    }
}

#[test]
fn restart_makes_a_bundle_durable_that_was_not_before_it_records_and_publishes_it() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    kill_before_sync(&rig, "spool/ready");
    assert!(rig.at("spool/ready").join(BUNDLE).exists(), "killed before the bundle had its name");
    let calls = record(&rig);
    let sync = first(&calls, "fsync", &[&descriptor(&rig.at("spool/ready"))]);
    let recorded = first(&calls, "write", &["spool/journal/", "bundled"]);
    assert!(sync.is_before(recorded), "ready/ is synced after the journal names the bundle");
    let published = first(&calls, "renameat", &[BUNDLE, &rig.outbox().display().to_string()]);
    assert!(
        synced_after(&calls, &rig.at("spool/journal/0000000001-strace.jsonl"), recorded).is_before(published)
    );
}

#[test]
fn restart_makes_a_retirement_durable_that_was_not_before_it_forgets_the_journal() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(r#"{"latency_us": [100]}"#);
    kill_before_sync(&rig, "spool/done");
    let journal = rig.at("spool/journal/0000000001-strace.jsonl");
    assert!(rig.at("spool/done").join(CLAIMED).exists() && journal.exists(), "killed elsewhere");
    let calls = record(&rig);
    let removed = first(&calls, "unlinkat", &["spool/journal>", "\"0000000001-strace.jsonl\""]);
    for folder in ["spool/done", "spool/queue"] {
        let sync = first(&calls, "fsync", &[&descriptor(&rig.at(folder))]);
        assert!(
            sync.is_before(removed),
            "{folder} is synced after the journal is gone: its job could come back"
        );
    }
}

#[test]
fn daemon_sleeps_while_a_worker_lives_but_for_one_tick_a_second() {
    if !strace::is_there() {
        return;
    }
    let rig = prepared(SLOW_RUN);
    let zone = rig.at("host/sys/class/thermal/thermal_zone0");
    fs_err::create_dir_all(&zone).expect("zone");
    fs_err::write(zone.join("type"), "CPU-therm\n").expect("zone");
    fs_err::write(zone.join("temp"), "41000\n").expect("zone");
    let calls = record(&rig);
    let start = worker_start(&calls);
    let started = start.over.expect("the worker starts");
    let worker = start.thread;
    let of_worker = || calls.iter().filter(|call| call.thread == worker);
    let exit = of_worker().find(|call| call.name == "exit_group").expect("the worker ends");
    let timing = of_worker().find(|call| call.is("prctl", &["backbone-timing"])).expect("the worker times");
    let result = of_worker().find(|call| call.name == "write" && timing.is_before(call)).expect("a result");

    // Until it has its request, the worker waits, and the daemon marks it and gives it a group of its own.
    let is_request = |call: &&Call| call.thread != worker && call.is("write", &["<pipe:", "protocol"]);
    let asked = calls.iter().find(is_request).expect("a request");
    assert!(asked.began > started && asked.began < timing.began);
    let lives = |call: &&Call| call.thread != worker && call.began > asked.began && call.began < exit.began;
    for call in calls.iter().filter(lives) {
        assert!(is_listening(call, &rig), "while a worker lives, the daemon makes {call:?}");
    }
    let times = |call: &&Call| {
        call.thread != worker
            && timing.over.is_some_and(|over| call.began > over)
            && call.began < result.began
    };
    let looks = calls.iter().filter(times).filter(|call| is_of_tick(call, &rig));
    let control = rig.at("spool/control").display().to_string();
    let ticks: Vec<f64> = looks.filter(|call| call.text.contains(&control)).map(|call| call.at).collect();
    assert!(!ticks.is_empty(), "no tick within {} s", result.at - timing.at);
    for pair in ticks.windows(2) {
        assert!(pair[1] - pair[0] > SHORTEST_TICK_SECONDS, "two ticks within {} s", pair[1] - pair[0]);
    }
    for call in calls.iter().filter(times) {
        let is_fine =
            is_sleep(call) || is_of_tick(call, &rig) || is_of_sensor(call, &rig) || is_of_reserve(call);
        assert!(is_fine, "while a worker times, the daemon makes {call:?}");
    }
    let readings = calls.iter().filter(times).filter(|call| is_of_sensor(call, &rig));
    let temperatures = readings.filter(|call| call.is("pread64", &["thermal_zone0/temp>"])).count();
    assert!(temperatures > 0 && temperatures <= ticks.len(), "{temperatures} readings of a sensor");
    let sleeps = calls.iter().filter(times).filter(|call| is_sleep(call)).count();
    println!("{} ticks and {sleeps} sleeps in {:.2} s of timing", ticks.len(), result.at - timing.at);
    assert!(sleeps <= ticks.len() + 2, "{sleeps} sleeps for {} ticks", ticks.len());
}

fn is_sleep(call: &Call) -> bool {
    matches!(call.name.as_str(), "poll" | "ppoll" | "restart_syscall" | "clock_gettime")
}

/// A tick: is there a request, a cancel file, a byte in the socket that wakes?
fn is_of_tick(call: &Call, rig: &Rig) -> bool {
    let asks = ["stat", "statx", "newfstatat", "access", "faccessat2"].contains(&call.name.as_str());
    let cancels = [rig.at("spool/control"), rig.at("inbox")];
    asks && cancels.iter().any(|path| call.text.contains(&format!("\"{}", path.display())))
        || call.name == "recvfrom"
        || call.is("read", &["<socket:"])
}

/// A reading of a sensor: of an open file, or of load and memory, which are opened anew; and memory for its
/// row of values.
fn is_of_sensor(call: &Call, rig: &Rig) -> bool {
    let host = rig.at("host").display().to_string();
    let reads =
        ["pread64", "openat", "read", "close", "statx", "fstat", "lseek"].contains(&call.name.as_str());
    reads && call.text.contains(&host) || call.is("brk", &[])
}

/// A look at what the host has left of memory and disk: two small reads at a tick.
fn is_of_reserve(call: &Call) -> bool {
    call.text.contains("/proc/meminfo") || call.is("statfs", &["/workplace/"])
}

/// What listening to a worker takes: its pipes, its end, its out-of-memory score, memory for what it says,
/// and ticks.
fn is_listening(call: &Call, rig: &Rig) -> bool {
    let of_pipe = call.text.contains("<pipe:") || call.text.contains("<anon_inode:[pidfd]>");
    let memory = ["brk", "mmap", "munmap", "mremap", "mprotect", "madvise"].contains(&call.name.as_str());
    is_sleep(call)
        || is_of_tick(call, rig)
        || is_of_sensor(call, rig)
        || is_of_reserve(call)
        || memory
        || (of_pipe && ["read", "write", "close", "fcntl", "ioctl"].contains(&call.name.as_str()))
        || call.text.contains("/oom_score_adj")
        || ["pidfd_open", "getpid", "rt_sigprocmask"].contains(&call.name.as_str())
}
