//! What the benchmarks share: folders for a daemon, the real daemon in them, what the kernel says of its
//! process, and a report that compares figures with targets.
//!
//! Every benchmark prints its figures with their targets and fails where one is missed; with `--report-only`,
//! or `BACKBONE_BENCH_REPORT_ONLY=1`, it only prints. The daemon measures under a host root of its own, so
//! that a real daemon on the same machine is left alone, and every bundle made here says that it is
//! simulated.

#![allow(dead_code, reason = "no benchmark uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use backbone::daemon::status::Status;
use backbone::runtime::{LoadRequest, NeedKind};
use backbone::worker::protocol::{PROTOCOL, Request, Wish};

/// The daemon answers within milliseconds; longer than this means that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to check a condition that no event announces.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One trial in one thread, without energy and without placement.
pub(crate) fn request(
    runtime: &str,
    model: PathBuf,
    library: PathBuf,
    warm_up_runs: u32,
    timed_runs: u32,
) -> Request {
    Request {
        protocol: PROTOCOL,
        runtime: runtime.to_owned(),
        load: LoadRequest {
            task: Default::default(),
            model,
            provided: [(NeedKind::Library, library)].into_iter().collect(),
            options: [("threads".to_owned(), 1.into())].into(),
            inputs: [].into(),
            seed: 1,
            filled_like: Vec::new(),
            compilation: None,
        },
        warm_up_runs,
        timed_runs,
        energy_seconds: 0,
        outputs_file: None,
        placement: Wish::default(),
        confinement: None,
    }
}

/// A benchmark, by the name under which the command line asks for it.
pub(crate) type Benchmark = (&'static str, fn() -> ExitCode);

/// Run the benchmarks that the command line names, or all. Several run one after the other, each in a process
/// of its own, because memory is counted by process.
pub(crate) fn run(benchmarks: &[Benchmark]) -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    if let Some(unknown) = names.iter().find(|name| !benchmarks.iter().any(|(known, _)| known == name)) {
        let known: Vec<&str> = benchmarks.iter().map(|(name, _)| *name).collect();
        say(&format!("no benchmark `{unknown}` here; there are {}", known.join(", ")));
        return ExitCode::FAILURE;
    }
    let asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    match benchmarks.iter().filter(|(name, _)| asked(name)).collect::<Vec<_>>()[..] {
        [(_, benchmark)] => benchmark(),
        ref several => {
            let in_own_process = |(name, _): &&Benchmark| {
                let program = std::env::current_exe().expect("the path of this program");
                let status = Command::new(program).arg(name).args(&flags).status();
                status.is_ok_and(|status| status.success())
            };
            let failed = several.iter().filter(|benchmark| !in_own_process(benchmark)).count();
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

/// Figures and the targets that they met or missed.
#[derive(Debug)]
pub(crate) struct Report {
    report_only: bool,
    missed: usize,
}

impl Report {
    /// Begin a report.
    pub(crate) fn new(title: &str) -> Self {
        let variable = std::env::var_os("BACKBONE_BENCH_REPORT_ONLY").is_some_and(|value| value != "0");
        let report_only = variable || std::env::args().any(|argument| argument == "--report-only");
        say(title);
        Self { report_only, missed: 0 }
    }

    /// A figure without a target.
    pub(crate) fn figure(&self, what: &str, figure: &str) {
        say(&format!("  {what:<34}{figure}"));
    }

    /// A figure with a target, and whether it is met.
    pub(crate) fn judged(&mut self, what: &str, figure: &str, target: &str, met: bool) {
        let missed = if met { "" } else { "  MISSED" };
        say(&format!("  {what:<34}{figure} (target: {target}){missed}"));
        self.missed += usize::from(!met);
    }

    /// A line that explains.
    pub(crate) fn note(&self, text: &str) {
        say(&format!("  {text}"));
    }

    /// End the report.
    pub(crate) fn end(self) -> ExitCode {
        match self.missed {
            0 => say("  within all targets\n"),
            1 => say("  1 TARGET MISSED\n"),
            missed => say(&format!("  {missed} TARGETS MISSED\n")),
        }
        if self.missed == 0 || self.report_only { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
fn say(line: &str) {
    println!("{line}");
}

/// The value below which this share of the values lies; nearest rank.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// A small, seeded generator (SplitMix64, Steele et al. 2014) for orders and resampling: the same on every
/// machine.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % limit as u64) as usize
    }

    /// Shuffle (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

/// Folders for one daemon, all on one file system, gone afterwards.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// On the disk that holds the build.
    pub(crate) fn on_disk() -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// On a tmpfs, without waits for a disk.
    pub(crate) fn in_memory() -> Self {
        Self::below(Path::new("/dev/shm"))
    }

    fn below(parent: &Path) -> Self {
        let folder =
            tempfile::Builder::new().prefix("bench-").tempdir_in(parent).expect("a folder can be made");
        for name in ["inbox", "outbox", "spool", "spool/control", "state", "staging", "root/run/lock"] {
            fs_err::create_dir_all(folder.path().join(name)).expect("a folder can be made");
        }
        Self { folder }
    }

    /// One of its folders: `inbox`, `outbox`, `spool`, `state`, or `staging`, where files are made before
    /// they are moved in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Make a file outside of the inbox, on the same file system.
    pub(crate) fn stage(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("staging").join(name);
        fs_err::write(&path, text).expect("a file can be written");
        path
    }

    /// Rename a staged file into the inbox.
    pub(crate) fn drop_in(&self, name: &str) {
        fs_err::rename(self.path("staging").join(name), self.path("inbox").join(name)).expect("a rename");
    }

    /// Names of the entries of one of its folders.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.path(folder)).expect("a folder that can be read");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// A job for the simulated runtime: one timed run, no warm-up.
pub(crate) fn simulated_job(model: &str) -> String {
    format!("backbone: 1\nmodel: {model}\nruntime: sim\nmeasure: {{warm_up_runs: 0, timed_runs: 1}}\n")
}

/// The real daemon, killed when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    state: PathBuf,
}

impl Daemon {
    /// Start it and wait until it has looked through its inbox. `settings` are lines of its configuration
    /// file.
    pub(crate) fn start(place: &Place, settings: &str, variables: &[(&str, &str)]) -> Self {
        let configuration = place.path("config.yaml");
        fs_err::write(&configuration, settings).expect("a file can be written");
        let log = fs_err::File::options().create(true).append(true).open(place.path("log")).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_backbone"))
            .arg("serve")
            .args([std::ffi::OsStr::new("--config"), configuration.as_os_str()])
            .args([std::ffi::OsStr::new("--inbox"), place.path("inbox").as_os_str()])
            .args([std::ffi::OsStr::new("--outbox"), place.path("outbox").as_os_str()])
            .args([std::ffi::OsStr::new("--state"), place.path("state").as_os_str()])
            .args([std::ffi::OsStr::new("--host-root"), place.path("root").as_os_str()])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.into_parts().0)
            .spawn()
            .expect("the daemon starts");
        let daemon = Self { child, state: place.path("state") };
        daemon.wait("the first status", PATIENCE, |status| status.process == daemon.process());
        daemon
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its last status.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::read(&self.state).ok()
    }

    /// Wait until its status says so.
    pub(crate) fn wait(&self, what: &str, patience: Duration, is_so: impl Fn(&Status) -> bool) {
        let begun = Instant::now();
        while !self.status().is_some_and(|status| is_so(&status)) {
            assert!(begun.elapsed() < patience, "waited in vain for {what}: {:?}", self.status());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What the kernel says of its process now.
    pub(crate) fn vitals(&self) -> Vitals {
        Vitals::of(self.process())
    }

    /// Send a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .expect("a signal");
    }

    /// Send a signal, and tell how long it takes until the process ends.
    pub(crate) fn end(&mut self, signal: rustix::process::Signal) -> Duration {
        let begun = Instant::now();
        self.signal(signal);
        while self.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not end");
            std::thread::sleep(LOOK_EVERY);
        }
        begun.elapsed()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A benchmark that ends early must not leave a daemon; one that is gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `/proc` says of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vitals {
    /// Voluntary context switches of all its threads: each is one sleep, and so one wake-up.
    pub(crate) wake_ups: u64,
    /// Processor time of all its threads.
    pub(crate) processor: Duration,
    /// Threads.
    pub(crate) threads: usize,
    /// Resident memory, in kB.
    pub(crate) resident_kb: u64,
    /// Resident anonymous memory, in kB.
    pub(crate) anonymous_kb: u64,
    /// Highest resident memory so far, in kB.
    pub(crate) peak_kb: u64,
}

impl Vitals {
    /// Of a living process.
    pub(crate) fn of(process: u32) -> Self {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = fs_err::read_to_string(folder.join("status")).expect("a living process");
        let (mut wake_ups, mut nanoseconds, mut threads) = (0, 0, 0);
        for thread in fs_err::read_dir(folder.join("task")).expect("a living process") {
            let thread = thread.expect("an entry").path();
            let of_thread = fs_err::read_to_string(thread.join("status")).expect("a living thread");
            wake_ups += number_after(&of_thread, "\nvoluntary_ctxt_switches:");
            let scheduled = fs_err::read_to_string(thread.join("schedstat")).expect("a living thread");
            nanoseconds += number_after(&scheduled, "");
            threads += 1;
        }
        Self {
            wake_ups,
            processor: Duration::from_nanos(nanoseconds),
            threads,
            resident_kb: number_after(&status, "VmRSS:"),
            anonymous_kb: number_after(&status, "RssAnon:"),
            peak_kb: number_after(&status, "VmHWM:"),
        }
    }
}

/// The first number after a key.
fn number_after(text: &str, key: &str) -> u64 {
    let rest = text.split_once(key).map_or("", |(_, rest)| rest);
    rest.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number of /proc")
}
