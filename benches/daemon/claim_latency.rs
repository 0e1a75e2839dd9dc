//! How long a job file is in the inbox of an idle daemon before its claim is durable, compared with the bare
//! calls.
//!
//! The daemon's time: from before the rename into the inbox until this process learns that the daemon opened
//! the claimed file in `spool/queue/` (inotify, `IN_OPEN`). That is the daemon's first act after its last
//! fsync, so the span ends later than the durable claim, never earlier.
//!
//! The bare loop's: rename into the inbox, open, fsync of the file, rename into the queue, fsync of both
//! folders, in the same folders; it too then opens the claimed file, and ends when this process learns of it.
//! So both hold one wake-up of the observer, which is no part of a claim, and what the daemon adds are the
//! wake-ups of its watcher and of itself, and its own work. The daemon is stopped meanwhile (SIGSTOP), so
//! that it does not slow the loop it is compared with.
//!
//! Both take turns in pairs, in random order. Before each the file system is synced, so that neither pays for
//! what the other left dirty, and the file is written afresh, so that its fsync has something to do. The
//! daemon is paused: it claims jobs and does not measure them.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::process::Signal;

use crate::rig::{Daemon, Place, Random, Report, quantile, simulated_job};

/// Pairs on the disk; ten of them are above the 99th percentile.
const PAIRS_ON_DISK: usize = 1000;

/// Pairs in memory, where they cost little.
const PAIRS_IN_MEMORY: usize = 2000;

/// Pairs at the start that do not count: the first claim reserves arrival numbers.
const WARM_UP_PAIRS: usize = 5;

/// The daemon may take this many times as long as the bare calls.
const RATIO_LIMIT: f64 = 1.3;

/// Limit for the daemon's 99th percentile if syncing costs nothing.
const IN_MEMORY_LIMIT_MS: f64 = 0.5;

/// A claim takes milliseconds; longer than this means that it will not come.
const PATIENCE_SECONDS: i64 = 30;

/// After a claim the daemon writes its status; by then it is asleep again.
const QUIET_AFTER: Duration = Duration::from_millis(4);

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("claim: from rename into the inbox until the job is durably ours");
    let (daemon, bare) = measure(&Place::on_disk(), PAIRS_ON_DISK);
    report.note(&format!("on the disk, {PAIRS_ON_DISK} pairs, ms:"));
    show(&report, &daemon, &bare);
    for (name, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let ratio = quantile(daemon.clone(), share) / quantile(bare.clone(), share);
        let met = ratio <= RATIO_LIMIT;
        report.judged(
            &format!("daemon / bare, {name}"),
            &format!("{ratio:.2}"),
            &format!("≤ {RATIO_LIMIT}"),
            met,
        );
    }
    let (daemon, bare) = measure(&Place::in_memory(), PAIRS_IN_MEMORY);
    report.note(&format!("on a tmpfs, {PAIRS_IN_MEMORY} pairs, ms:"));
    show(&report, &daemon, &bare);
    let tail = quantile(daemon, 0.99);
    report.judged(
        "daemon, 99th percentile",
        &format!("{tail:.3} ms"),
        &format!("≤ {IN_MEMORY_LIMIT_MS} ms"),
        tail <= IN_MEMORY_LIMIT_MS,
    );
    report.end()
}

fn show(report: &Report, daemon: &[f64], bare: &[f64]) {
    for (name, values) in [("daemon", daemon), ("bare calls", bare)] {
        let at = |share| quantile(values.to_vec(), share);
        let figures = format!(
            "median {:.3}, 90 % {:.3}, 99 % {:.3}, maximum {:.3}",
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
        report.figure(name, &figures);
    }
}

/// Latencies in milliseconds: the daemon's, and the bare calls'.
fn measure(place: &Place, pairs: usize) -> (Vec<f64>, Vec<f64>) {
    place.stage("x.sim", "{\"latency_us\": [0]}");
    place.drop_in("x.sim");
    fs_err::write(place.path("spool/control/paused"), []).expect("a file can be written");
    let daemon = Daemon::start(place, "", &[]);
    let bench = Bench { place, daemon: &daemon, opened: Opened::watch(&place.path("spool/queue")) };
    let mut random = Random(1);
    let (mut claims, mut bare) = (Vec::new(), Vec::new());
    for pair in 0..pairs + WARM_UP_PAIRS {
        let daemon_first = random.below(2) == 0;
        let (claimed, called) = if daemon_first {
            let claimed = bench.claim(pair);
            (claimed, bench.bare(pair))
        } else {
            let called = bench.bare(pair);
            (bench.claim(pair), called)
        };
        if pair >= WARM_UP_PAIRS {
            claims.push(claimed.as_secs_f64() * 1e3);
            bare.push(called.as_secs_f64() * 1e3);
        }
    }
    daemon.wait("the last claim", Duration::from_secs(5), |status| {
        status.queued as usize == pairs + WARM_UP_PAIRS
    });
    (claims, bare)
}

/// Nothing keeps the observer from sleeping by then.
const OBSERVER_SLEEPS_AFTER: Duration = Duration::from_millis(1);

struct Bench<'a> {
    place: &'a Place,
    daemon: &'a Daemon,
    opened: Opened,
}

impl Bench<'_> {
    fn claim(&self, pair: usize) -> Duration {
        let name = format!("job-{pair}.yaml");
        self.prepare(&name);
        let took = self.observe(&name, || self.place.drop_in(&name));
        std::thread::sleep(QUIET_AFTER);
        took
    }

    fn bare(&self, pair: usize) -> Duration {
        // Names that the daemon leaves alone, in the inbox and in the queue.
        let name = format!(".bare-{pair}");
        let queued = format!("bare~{name}");
        self.prepare(&name);
        let open_folder = |name: &str| fs_err::File::open(self.place.path(name)).expect("a folder");
        let (inbox, queue) = (open_folder("inbox"), open_folder("spool/queue"));
        let there = self.place.path("inbox").join(&name);
        let claimed = self.place.path("spool/queue").join(&queued);
        self.daemon.signal(Signal::STOP);
        let took = self.observe(&name, || {
            self.place.drop_in(&name);
            let file = fs_err::File::open(&there).expect("a file");
            file.sync_all().expect("fsync");
            fs_err::rename(&there, &claimed).expect("a rename");
            inbox.sync_all().expect("fsync");
            queue.sync_all().expect("fsync");
            fs_err::File::open(&claimed).expect("a file");
        });
        fs_err::remove_file(&claimed).expect("a file can be removed");
        self.daemon.signal(Signal::CONT);
        std::thread::sleep(QUIET_AFTER);
        took
    }

    /// From before `act`, in a thread of its own, until a claimed file of this name was opened.
    fn observe(&self, name: &str, act: impl FnOnce() + Send) -> Duration {
        std::thread::scope(|threads| {
            let acting = threads.spawn(|| {
                // By then the observer sleeps, as it does when it is woken in the end.
                std::thread::sleep(OBSERVER_SLEEPS_AFTER);
                let started = Instant::now();
                act();
                started
            });
            self.opened.wait_for(name);
            let finished = Instant::now();
            finished - acting.join().expect("nothing failed")
        })
    }

    fn prepare(&self, name: &str) {
        let folder = fs_err::File::open(self.place.path("staging")).expect("a folder");
        rustix::fs::syncfs(&folder).expect("syncfs");
        self.place.stage(name, &simulated_job("x.sim"));
    }
}

/// Tells when a file of a folder is opened.
struct Opened {
    descriptor: OwnedFd,
}

impl Opened {
    fn watch(folder: &Path) -> Self {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
        inotify::add_watch(&descriptor, folder, WatchFlags::OPEN).expect("inotify");
        Self { descriptor }
    }

    /// Wait until a claimed file of this name was opened; forget everything before.
    fn wait_for(&self, name: &str) {
        let ending = format!("~{name}");
        let limit = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
        loop {
            let found =
                poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], Some(&limit)).expect("poll");
            assert!(found > 0, "the daemon does not claim {name}");
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = Reader::new(&self.descriptor, &mut buffer);
            while let Ok(event) = events.next() {
                let opened = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                if opened.is_some_and(|opened| opened.to_string_lossy().ends_with(&ending)) {
                    return;
                }
            }
        }
    }
}
