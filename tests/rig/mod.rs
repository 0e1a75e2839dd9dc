//! A machine of a test's own: inbox, outbox, state and host root in a temporary folder, and the real daemon
//! on them.
//!
//! Files are dropped as people drop them (module `uploads`), and whatever follows is waited for with a
//! deadline. Each rig has a host root of its own, and with it a host lock of its own, so that rigs do not
//! wait for each other. The daemon is ended with its rig.

#![allow(dead_code, reason = "every test file uses a part of the rig")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use backbone::bundle::format::Bundle;
use backbone::daemon::status::Status;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) mod alone;
pub(crate) mod disks;
pub(crate) mod hosts;
pub(crate) mod mounts;
pub(crate) mod processes;
pub(crate) mod rights;
pub(crate) mod uploads;

pub(crate) const BACKBONE: &str = env!("CARGO_BIN_EXE_backbone");

/// Longer than anything here takes on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Settings of the daemon. By default it acts on events only: no rescan happens during a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) settle_seconds: u32,
    pub(crate) give_up_seconds: u32,
    pub(crate) rescan_seconds: u32,
    /// More lines of the configuration file.
    pub(crate) more: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self { settle_seconds: 0, give_up_seconds: 3600, rescan_seconds: 3600, more: "" }
    }
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Rig {
    folder: TempDir,
    daemon: Option<Child>,
    /// The daemon lives in a mount namespace of its own; its files are reached through its root.
    has_own_mounts: bool,
}

/// How a daemon ended, and how long that took.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
}

impl Rig {
    /// A machine without a daemon.
    pub(crate) fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rig = Self { folder, daemon: None, has_own_mounts: false };
        for part in ["lab", "lab/inbox", "lab/outbox", "lab/uploads", "state", "host"] {
            fs_err::create_dir(rig.path(part)).unwrap();
        }
        let Settings { settle_seconds, give_up_seconds, rescan_seconds, more } = settings;
        let root = rig.folder.path().display();
        let text = format!(
            "inbox: {root}/lab/inbox\noutbox: {root}/lab/outbox\nstate: {root}/state\nhost_root: {root}/host\n\
             settle_seconds: {settle_seconds}\ngive_up_seconds: {give_up_seconds}\nrescan_seconds: {rescan_seconds}\n{more}\n"
        );
        fs_err::write(rig.configuration(), text).unwrap();
        rig
    }

    /// A machine whose daemon runs, with default settings.
    pub(crate) fn running() -> Self {
        Self::running_with(Settings::default())
    }

    /// A machine whose daemon runs.
    pub(crate) fn running_with(settings: Settings) -> Self {
        let mut rig = Self::new(settings);
        rig.start();
        rig
    }

    /// Start the daemon, and wait until it has written its status.
    pub(crate) fn start(&mut self) {
        let mut command = self.serve();
        self.begin(&mut command);
    }

    /// The command that `start` starts.
    pub(crate) fn serve(&self) -> Command {
        let mut command = clean(BACKBONE);
        command.args(["serve", "--config"]).arg(self.configuration());
        command
    }

    /// Start the daemon with a command other than [`Rig::serve`]'s.
    pub(crate) fn begin(&mut self, command: &mut Command) {
        let log = fs_err::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        self.begin_logging_to(command, log.into_parts().0.into());
    }

    /// As [`Rig::begin`], with another standard error than the machine's log.
    pub(crate) fn begin_logging_to(&mut self, command: &mut Command, log: Stdio) {
        assert!(self.daemon.is_none(), "a daemon runs already");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(child);
        self.wait_for_status("a status of the new daemon", |_| true);
    }

    /// A path below the machine's folder, as the daemon sees it.
    pub(crate) fn path(&self, part: impl AsRef<Path>) -> PathBuf {
        let path = self.folder.path().join(part);
        match &self.daemon {
            Some(daemon) if self.has_own_mounts => {
                PathBuf::from(format!("/proc/{}/root{}", daemon.id(), path.display()))
            }
            _ => path,
        }
    }

    pub(crate) fn inbox(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("lab/inbox").join(name)
    }

    pub(crate) fn outbox(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("lab/outbox").join(name)
    }

    pub(crate) fn spool(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("lab/spool").join(name)
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Everything that the daemons of this machine logged.
    pub(crate) fn log(&self) -> String {
        fs_err::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Names of the jobs in the order in which their configurations were measured, again after each restart.
    pub(crate) fn measured_order(&self) -> Vec<String> {
        let job = |line: &str| {
            let after = line.split_once(" job=")?.1;
            Some(after.split(" id=").next()?.trim_matches('"').to_owned())
        };
        self.log().lines().filter(|line| line.contains("stage=measure")).filter_map(job).collect()
    }

    /// The daemon's process id.
    pub(crate) fn process(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon runs").id()
    }

    /// Send a signal to the daemon.
    pub(crate) fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("a daemon runs");
        kill_process(Pid::from_child(daemon), signal).unwrap();
    }

    /// End the daemon by a signal, and wait for its end.
    pub(crate) fn end(&mut self, signal: Signal) -> Ended {
        self.signal(signal);
        let began = Instant::now();
        let mut daemon = self.daemon.take().expect("a daemon runs");
        let status = daemon.wait().unwrap();
        Ended { status, took: began.elapsed() }
    }

    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Run a command of `backbone` that speaks to this daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let mut command = clean(BACKBONE);
        command.args(arguments).arg("--config").arg(self.configuration());
        command.output().unwrap()
    }

    /// As [`Rig::command`], for one that must succeed; returns what it printed.
    pub(crate) fn must(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Look until there is something to see.
    ///
    /// # Panics
    /// There was nothing for longer than [`PATIENCE`].
    pub(crate) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() >= deadline {
                let status = fs_err::read_to_string(self.folder.path().join("state/status.json"));
                panic!("waited in vain for {what}\n{}\n{}", self.log(), status.unwrap_or_default());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Wait until a condition holds.
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.wait_for(what, || holds().then_some(()));
    }

    /// Wait for a status that the running daemon wrote.
    pub(crate) fn wait_for_status(&self, what: &str, mut wanted: impl FnMut(&Status) -> bool) -> Status {
        let process = self.process();
        self.wait_for(what, || {
            let status = Status::read(&self.path("state")).ok()?;
            (status.process == process && wanted(&status)).then_some(status)
        })
    }

    /// Wait until the status names something of the inbox, or a trouble, by its code.
    pub(crate) fn wait_for_attention(&self, code: &str) -> Status {
        self.wait_for_status(code, |status| status.attention.iter().any(|attention| attention.code == code))
    }

    /// Every bundle of the outbox, in order of arrival. A partly written one is a failure.
    pub(crate) fn bundles(&self) -> Vec<Bundle> {
        let mut bundles: Vec<Bundle> = self
            .bundle_files()
            .iter()
            .map(|path| {
                let bytes = fs_err::read(path).unwrap();
                backbone::bundle::read::decode(&bytes[..])
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            })
            .collect();
        bundles.sort_by(|a, b| a.id.cmp(&b.id));
        bundles
    }

    /// Paths of the bundles in the outbox, in no particular order.
    pub(crate) fn bundle_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs_err::read_dir(self.outbox("")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| {
                let name = path.file_name().unwrap().as_encoded_bytes();
                name.ends_with(b".json.gz") && !name.starts_with(b".")
            })
            .collect()
    }

    /// Wait until there are so many bundles.
    pub(crate) fn wait_for_bundles(&self, count: usize) -> Vec<Bundle> {
        self.wait_until(&format!("{count} bundles"), || self.bundle_files().len() >= count);
        let bundles = self.bundles();
        assert_eq!(bundles.len(), count, "more bundles than expected\n{}", self.log());
        bundles
    }

    /// Wait until every job has ended, and its bundles are out: so many in all, and nothing left of the jobs
    /// but their files.
    pub(crate) fn wait_until_done(&self, count: usize) -> Vec<Bundle> {
        let is_empty = |part: &str| fs_err::read_dir(self.spool(part)).unwrap().next().is_none();
        self.wait_until(&format!("{count} bundles, and an empty spool"), || {
            self.bundle_files().len() >= count && ["queue", "ready", "journal"].into_iter().all(is_empty)
        });
        assert!(is_empty("models"), "a model's copy outlives its last job\n{}", self.log());
        self.wait_for_bundles(count)
    }

    /// The one bundle of a job.
    pub(crate) fn bundle_of(&self, job: &str) -> Bundle {
        let mut found: Vec<Bundle> =
            self.bundles().into_iter().filter(|bundle| bundle.job.name == job).collect();
        assert_eq!(found.len(), 1, "bundles of `{job}`\n{}", self.log());
        found.remove(0)
    }

    /// Names of the entries of the inbox, sorted.
    pub(crate) fn inbox_names(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.inbox("")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The lines of a job's journal, as values, without touching it.
    pub(crate) fn journal(&self, id: &str) -> Vec<serde_json::Value> {
        let text =
            fs_err::read_to_string(self.spool("journal").join(format!("{id}.jsonl"))).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // It may have ended by itself.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A library that tools/fetch-runtimes leaves in the repository.
pub(crate) fn fetched(library: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes").join(std::env::consts::ARCH);
    place.join(library)
}

/// Is that library missing? If so, the test is skipped, and this says so.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn lacks(library: &str) -> bool {
    let file = fetched(library);
    if file.is_file() {
        return false;
    }
    let message = format!("{} is missing; tools/fetch-runtimes gets it", file.display());
    assert!(std::env::var_os("BACKBONE_REQUIRE_RUNTIMES").is_none(), "{message}");
    eprintln!("skipped: {message}");
    true
}

/// Why the host does not let this process run commands in that way.
fn obstacle(mut command: Command, words: &str) -> Option<String> {
    let output = match command.arg("true").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("{words}: {}", output.trim()))
}

/// A command that no setting of this machine reaches.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let ours = |name: &str| name.starts_with("BACKBONE_") || name.starts_with("ORT_");
    let others = ["RUST_LOG", "JOURNAL_STREAM", "NOTIFY_SOCKET", "COLUMNS"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| ours(name) || others.contains(&name)) {
            command.env_remove(name);
        }
    }
    command
}

/// A model of the runtime `sim` whose every run takes so long.
pub(crate) fn model(microseconds: u64) -> String {
    format!("{{\"latency_us\": [{microseconds}]}}")
}

/// A job file for this model, with a few runs, and more lines.
pub(crate) fn job(model: &str, more: &str) -> String {
    let measure = if more.contains("measure:") { "" } else { "measure: {warm_up_runs: 1, timed_runs: 6}\n" };
    format!("backbone: 1\nmodel: {model}\n{measure}{more}\n")
}

/// Runs of [`long_job`].
pub(crate) const LONG_RUNS: u32 = 20;

/// A job file whose trial takes seconds with a model of 100 ms.
pub(crate) fn long_job(model: &str, more: &str) -> String {
    job(model, &format!("measure: {{warm_up_runs: 1, timed_runs: {LONG_RUNS}}}\n{more}"))
}

/// A model that takes 100 ms a run.
pub(crate) fn slow_model() -> String {
    model(100_000)
}
