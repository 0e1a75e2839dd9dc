//! What an idle daemon costs: wake-ups, processor time, threads, memory.
//!
//! Four daemons idle side by side for [`SPAN`], as a service with a watchdog would run them: one before any
//! job, one after 1,000 jobs, one with 1,000 files in its inbox, and one with 1,000 jobs whose model never
//! came. A wake-up is a voluntary context switch of any of a daemon's threads. Their folders are on a tmpfs:
//! on a disk the kernel may drop the inbox from its cache between two rescans, and waiting for the disk to
//! read it again would count as another wake-up.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::rig::{Daemon, Place, Report, Vitals, simulated_job};

/// Two safety rescans, a minute apart, and a margin.
const SPAN: Duration = Duration::from_secs(125);

/// Wake-ups a minute: the watchdog and the safety rescan share one.
const WAKE_UPS_LIMIT: f64 = 1.0;

/// Processor time of an idle daemon, as a share of one core. A rescan of 1,000 files takes some milliseconds
/// a minute.
const PROCESSOR_LIMIT: f64 = 0.001;

/// Threads: the daemon's and the watcher's, and one to spare.
const THREADS_LIMIT: usize = 3;

/// Resident anonymous memory.
const ANONYMOUS_LIMIT_KB: u64 = 2 * 1024;

/// Resident memory.
const RESIDENT_LIMIT_KB: u64 = 6 * 1024;

/// Jobs that one daemon measures before, files and jobs that wait at two others.
const MANY: usize = 1000;

/// As in the unit.
const WATCHDOG_MICROSECONDS: &str = "120000000";

/// Parts of the names of libraries that belong into workers.
const INFERENCE_LIBRARIES: [&str; 3] = ["onnxruntime", "tensorflow", "libtflite"];

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("idle daemon");
    let places: Vec<Place> = (0..4).map(|_| Place::in_memory()).collect();
    let [fresh, worked, full, waiting] = places.as_slice() else { unreachable!("four were made") };
    let feedings = listen(&fresh.path("notify"));
    let start = |place: &Place| {
        let socket = fresh.path("notify").to_string_lossy().into_owned();
        Daemon::start(place, "", &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", WATCHDOG_MICROSECONDS)])
    };
    let worked_daemon = start(worked);
    work(worked, &worked_daemon);
    let _held_open = fill_inbox(full);
    drop_jobs_without_model(waiting);
    let daemons = [
        ("before any job", start(fresh)),
        ("after 1,000 jobs", worked_daemon),
        ("1,000 files in the inbox", start(full)),
        ("1,000 jobs without their model", start(waiting)),
    ];
    daemons[3].1.wait("the jobs to wait", Duration::from_secs(600), |status| status.waiting.len() == 20);
    // Startup is over when there are no more wake-ups: uploads are judged a second after their last change.
    std::thread::sleep(Duration::from_secs(5));
    let fed_before = feedings.load(Ordering::Relaxed);

    let begun = Instant::now();
    let before: Vec<Vitals> = daemons.iter().map(|(_, daemon)| daemon.vitals()).collect();
    std::thread::sleep(SPAN);
    let after: Vec<Vitals> = daemons.iter().map(|(_, daemon)| daemon.vitals()).collect();
    let minutes = begun.elapsed().as_secs_f64() / 60.0;

    for (((name, daemon), before), after) in daemons.iter().zip(&before).zip(&after) {
        report.note(&format!("{name}:"));
        let wake_ups = (after.wake_ups - before.wake_ups) as f64 / minutes;
        let figure = format!("{wake_ups:.2} a minute");
        report.judged("wake-ups", &figure, &format!("≤ {WAKE_UPS_LIMIT}"), wake_ups <= WAKE_UPS_LIMIT);
        let used = (after.processor - before.processor).as_secs_f64();
        let share = used / (minutes * 60.0);
        let figure = format!("{:.1} ms a minute", used / minutes * 1e3);
        report.judged("processor time", &figure, "≤ 0.1 % of a core", share <= PROCESSOR_LIMIT);
        let threads = after.threads;
        report.judged(
            "threads",
            &threads.to_string(),
            &format!("≤ {THREADS_LIMIT}"),
            threads <= THREADS_LIMIT,
        );
        judge_memory(&mut report, "RssAnon", after.anonymous_kb, ANONYMOUS_LIMIT_KB);
        judge_memory(&mut report, "VmRSS", after.resident_kb, RESIDENT_LIMIT_KB);
        let maps =
            fs_err::read_to_string(format!("/proc/{}/maps", daemon.process())).expect("a living process");
        let mapped =
            maps.lines().filter(|line| INFERENCE_LIBRARIES.iter().any(|name| line.contains(name))).count();
        report.judged("inference libraries mapped", &mapped.to_string(), "0", mapped == 0);
    }
    let fed = feedings.load(Ordering::Relaxed) - fed_before;
    let expected = 2 * daemons.len();
    report.judged(
        "watchdog fed, all four",
        &format!("{fed} times"),
        &format!("≥ {expected}"),
        fed >= expected,
    );
    report.end()
}

fn judge_memory(report: &mut Report, what: &str, kilobytes: u64, limit: u64) {
    report.judged(what, &format!("{kilobytes} kB"), &format!("≤ {limit} kB"), kilobytes <= limit);
}

fn work(place: &Place, daemon: &Daemon) {
    place.stage("x.sim", "{\"latency_us\": [0]}");
    place.drop_in("x.sim");
    for job in 0..MANY {
        place.stage(&format!("job-{job}.yaml"), &simulated_job("x.sim"));
    }
    for job in 0..MANY {
        place.drop_in(&format!("job-{job}.yaml"));
    }
    daemon.wait("1,000 jobs", Duration::from_secs(600), |status| {
        status.finished.measured == MANY as u64 && status.running.is_none()
    });
}

/// Models without a job, files without a meaning, unfinished uploads under temporary names and in place. The
/// answer holds the last open.
fn fill_inbox(place: &Place) -> Vec<fs_err::File> {
    let mut held_open = Vec::new();
    for number in 0..MANY {
        let name = match number % 20 {
            0..8 => format!("net-{number}.onnx"),
            8..14 => format!("notes-{number}.txt"),
            14..19 => format!("net-{number}.onnx.part"),
            _ => format!("slow-{number}.onnx"),
        };
        let path = place.path("inbox").join(&name);
        fs_err::write(&path, "waits").expect("a file can be written");
        if name.starts_with("slow") {
            held_open.push(fs_err::File::options().append(true).open(&path).expect("a file"));
        }
    }
    held_open
}

fn drop_jobs_without_model(place: &Place) {
    for job in 0..MANY {
        fs_err::write(place.path("inbox").join(format!("job-{job}.yaml")), simulated_job("never.sim"))
            .expect("a file can be written");
    }
}

/// A service manager that reads its notifications and counts how often the watchdog is fed.
fn listen(path: &Path) -> Arc<AtomicUsize> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let feedings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&feedings);
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(length) = socket.recv(&mut message) {
            let is_feeding = String::from_utf8_lossy(&message[..length]).contains("WATCHDOG=1");
            counted.fetch_add(usize::from(is_feeding), Ordering::Relaxed);
        }
    });
    feedings
}
