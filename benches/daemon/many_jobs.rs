//! 20,000 jobs dropped at once: none lost, none run twice, order kept; and how fast they pass.
//!
//! The job files are renamed into the inbox of a running daemon one right after the other. Their names are in
//! the order in which they are dropped: while a worker times, the inbox is not watched, and what came
//! meanwhile is ordered by the time of its rename and then by name (file systems stamp times every few
//! milliseconds only, hundreds of renames apart).
//!
//! `BACKBONE_BENCH_JOBS` sets another number of jobs. Runs are counted in the daemon's log, which names every
//! start.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use backbone::bundle::format::Status;
use backbone::bundle::read;

use crate::rig::{Daemon, Place, Report, simulated_job};

/// Jobs, unless told otherwise.
const JOBS: usize = 20_000;

/// Slower than this counts as never.
const SLOWEST_JOB: Duration = Duration::from_secs(1);

/// Jobs while strace looks on, after the others.
const TRACED_JOBS: usize = 300;

/// Lines of strace's table that are shown.
const TRACED_CALLS: usize = 12;

pub(crate) fn run() -> ExitCode {
    let jobs = std::env::var("BACKBONE_BENCH_JOBS").ok().map_or(JOBS, |text| text.parse().expect("a number"));
    let mut report =
        Report::new(&format!("{jobs} jobs dropped at once (simulated runtime, one run of 0 µs each)"));
    let place = Place::on_disk();
    place.stage("x.sim", "{\"latency_us\": [0]}");
    place.drop_in("x.sim");
    for job in 0..jobs {
        place.stage(&file_name(job), &simulated_job("x.sim"));
    }
    let daemon = Daemon::start(&place, "keep_done_jobs: 100\n", &[("BACKBONE_LOG", "backbone=info")]);
    let begun = Instant::now();
    for job in 0..jobs {
        place.drop_in(&file_name(job));
    }
    let dropped = begun.elapsed();
    daemon.wait("all claims", SLOWEST_JOB * jobs as u32, |status| {
        status.finished.measured + status.queued >= jobs as u64
    });
    let claimed = begun.elapsed();
    daemon.wait("all bundles", SLOWEST_JOB * jobs as u32, |status| {
        (status.finished.measured + status.finished.failed + status.finished.rejected) as usize >= jobs
            && status.running.is_none()
    });
    let finished = begun.elapsed();
    let vitals = daemon.vitals();
    let after = place.names("outbox");

    let per_second = |span: Duration| jobs as f64 / span.as_secs_f64();
    report.figure("dropped", &format!("in {:.2} s", dropped.as_secs_f64()));
    report.figure("claimed", &format!("after {:.1} s", claimed.as_secs_f64()));
    report.figure(
        "finished",
        &format!("after {:.0} s, {:.1} jobs a second", finished.as_secs_f64(), per_second(finished)),
    );
    let each = |span: Duration| span.as_secs_f64() * 1e3 / jobs as f64;
    report.figure(
        "a job",
        &format!(
            "{:.1} ms, {:.1} ms of it the daemon's processor time",
            each(finished),
            each(vitals.processor)
        ),
    );
    report.figure(
        "memory at most, and in the end",
        &format!("{} kB, {} kB", vitals.peak_kb, vitals.resident_kb),
    );

    let found = Found::in_outbox(&place, &after);
    let lost = (0..jobs).filter(|job| !found.bundles.contains_key(&job_name(*job))).count();
    report.judged("lost", &lost.to_string(), "0", lost == 0);
    let published_twice = found.bundles.values().filter(|ids| ids.len() > 1).count();
    let starts = starts(&place);
    let run_twice = starts.values().filter(|starts| **starts > 1).count();
    report.judged("run twice", &run_twice.to_string(), "0", run_twice == 0);
    report.judged("published twice", &published_twice.to_string(), "0", published_twice == 0);
    report.judged("not measured", &found.not_measured.to_string(), "0", found.not_measured == 0);
    report.judged("runs seen", &starts.len().to_string(), &jobs.to_string(), starts.len() == jobs);
    let ids: Vec<_> = (0..jobs).filter_map(|job| found.bundles.get(&job_name(job))?.first()).collect();
    let out_of_order = ids.windows(2).filter(|pair| pair[0] >= pair[1]).count();
    report.judged("out of order", &out_of_order.to_string(), "0", out_of_order == 0);
    let left =
        place.names("inbox").len() - 1 + place.names("spool/queue").len() + place.names("spool/ready").len();
    report.judged("left behind", &left.to_string(), "0", left == 0);
    show_system_calls(&report, &place, &daemon, jobs);
    report.end()
}

fn job_name(job: usize) -> String {
    format!("job-{job:06}")
}

fn file_name(job: usize) -> String {
    format!("{}.yaml", job_name(job))
}

/// What the outbox holds.
#[derive(Debug, Default)]
struct Found {
    /// Bundle ids by job name.
    bundles: BTreeMap<String, Vec<String>>,
    not_measured: usize,
}

impl Found {
    fn in_outbox(place: &Place, names: &[String]) -> Self {
        let mut found = Self::default();
        for name in names.iter().filter(|name| name.ends_with(".json.gz")) {
            let file = fs_err::File::open(place.path("outbox").join(name)).expect("a bundle");
            let bundle = read::decode(file).expect("a bundle");
            let is_measured = bundle.outcome.status == Status::Measured
                && bundle.trials.len() == 1
                && bundle.trials[0].latencies.latency_ns.len() == 1;
            found.not_measured += usize::from(!is_measured);
            found.bundles.entry(bundle.job.name).or_default().push(bundle.id);
        }
        found
    }
}

/// How often each job was begun, as the log says.
fn starts(place: &Place) -> BTreeMap<String, usize> {
    let log = fs_err::read_to_string(place.path("log")).expect("a log");
    let mut starts = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains(" measuring ")) {
        let job =
            line.split_whitespace().find_map(|word| word.strip_prefix("job=")).expect("a job in the line");
        *starts.entry(job.to_owned()).or_default() += 1;
    }
    starts
}

/// Where the time goes, by strace, for some more jobs. The figures include strace's own cost.
fn show_system_calls(report: &Report, place: &Place, daemon: &Daemon, first: usize) {
    let table = place.path("strace");
    let mut traced = Command::new("strace");
    traced.args(["-c", "-w", "-f", "-S", "time", "-p", &daemon.process().to_string(), "-o"]).arg(&table);
    let Ok(mut strace) = traced.stdin(Stdio::null()).stderr(Stdio::null()).spawn() else {
        report.note("strace is not installed; the system calls are not shown");
        return;
    };
    for job in first..first + TRACED_JOBS {
        place.stage(&file_name(job), &simulated_job("x.sim"));
        place.drop_in(&file_name(job));
    }
    daemon.wait("the traced jobs", SLOWEST_JOB * TRACED_JOBS as u32, |status| {
        status.finished.measured as usize >= first + TRACED_JOBS && status.running.is_none()
    });
    let pid = rustix::process::Pid::from_child(&strace);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    let _ = strace.wait();
    report.note(&format!(
        "system calls of daemon and workers over {TRACED_JOBS} more jobs (wall time, strace):"
    ));
    let text = fs_err::read_to_string(&table).unwrap_or_default();
    text.lines().take(TRACED_CALLS + 2).for_each(|line| report.note(&format!("  {line}")));
}
