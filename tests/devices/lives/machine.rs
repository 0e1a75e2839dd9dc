//! The machine of one life: its folders, its host and its daemon.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::chance::Chance;
use crate::rig::{self, hosts};

/// Another file system than that of the temporary folder, on every Linux.
const OTHER_FILE_SYSTEM: &str = "/dev/shm";

/// Longer than any step takes on a machine that is busy with other lives.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What kind of host it is, and with it what its jobs may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKind {
    /// Scripted latencies only: the fastest, so that most kills are of it.
    Plain,
    /// ONNX Runtime and TensorFlow Lite themselves, a plug-in provider, models of several files.
    Runtimes,
    /// A Xavier with nvpmodel, jetson_clocks and trtexec: power states and builds.
    Xavier,
    /// A host with an Edge TPU: compiled models.
    EdgeTpu,
}

impl HostKind {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let is_fetched = |library: &str| rig::fetched(library).is_file();
        let has_tflite = is_fetched("libtensorflowlite_c.so");
        match chance.below(10) {
            0 | 1 if has_tflite && is_fetched("libonnxruntime.so") => Self::Runtimes,
            2..=4 => Self::Xavier,
            5 if has_tflite => Self::EdgeTpu,
            _ => Self::Plain,
        }
    }
}

pub(super) struct Machine {
    folder: PathBuf,
    /// In `folder`, or on another file system.
    outbox: PathBuf,
    _elsewhere: Option<tempfile::TempDir>,
    kind: HostKind,
    daemon: Option<Child>,
}

impl Machine {
    pub(super) fn new(folder: &Path, kind: HostKind, chance: &mut Chance) -> Self {
        for part in ["lab", "lab/inbox", "lab/outbox", "uploads", "collected", "state", "host", "tmp"] {
            fs_err::create_dir(folder.join(part)).unwrap();
        }
        let is_elsewhere = chance.one_in(5) && Path::new(OTHER_FILE_SYSTEM).is_dir();
        let elsewhere = is_elsewhere
            .then(|| tempfile::Builder::new().prefix("life-").tempdir_in(OTHER_FILE_SYSTEM).unwrap());
        let outbox =
            elsewhere.as_ref().map_or_else(|| folder.join("lab/outbox"), |other| other.path().to_owned());
        let machine = Self { folder: folder.to_owned(), outbox, _elsewhere: elsewhere, kind, daemon: None };
        let runtimes = machine.install();
        let root = folder.display();
        let text = format!(
            "inbox: {root}/lab/inbox\nspool: {root}/lab/spool\noutbox: {}\nstate: {root}/state\nhost_root: {root}/host\n\
             settle_seconds: 0\nrescan_seconds: 5\n{runtimes}",
            machine.outbox.display()
        );
        fs_err::write(machine.at("config.yaml"), text).unwrap();
        machine
    }

    /// Make the host. Returns the section on runtimes of the configuration.
    fn install(&self) -> String {
        let host = self.at("host");
        let library = |name: &str| rig::fetched(name).display().to_string();
        match self.kind {
            HostKind::Plain => String::new(),
            HostKind::Runtimes => {
                let plugin = self.at("libstub_plugin.so");
                fs_err::copy(stubs().join("libstub_plugin.so"), &plugin).unwrap();
                format!(
                    "runtimes: {{onnxruntime: {{library: {}, plugin: {}}}, tflite: {{library: {}}}}}\n",
                    library("libonnxruntime.so"),
                    plugin.display(),
                    library("libtensorflowlite_c.so")
                )
            }
            HostKind::Xavier => {
                hosts::fill(&host, "agx-xavier-jetpack-4.3");
                let tools = host.join("usr/src/tensorrt/bin");
                fs_err::create_dir_all(&tools).unwrap();
                fs_err::create_dir_all(host.join("etc")).unwrap();
                let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trtexec/stub");
                fs_err::copy(stub, tools.join("trtexec")).unwrap();
                fs_err::write(host.join("etc/trtexec-stub"), "RELEASE=8201\n").unwrap();
                String::new()
            }
            HostKind::EdgeTpu => {
                hosts::fill(&host, "laptop-usb-edgetpu");
                let libraries = host.join("usr/lib/x86_64-linux-gnu");
                fs_err::create_dir_all(&libraries).unwrap();
                fs_err::create_dir_all(host.join("etc")).unwrap();
                fs_err::copy(stubs().join("libedgetpu.so.1"), libraries.join("libedgetpu.so.1")).unwrap();
                fs_err::copy(stubs().join("edgetpu_compiler"), host.join("usr/bin/edgetpu_compiler"))
                    .unwrap();
                fs_err::write(host.join("etc/edgetpu-compiler-stub"), "VERSION=16\n").unwrap();
                fs_err::write(host.join("etc/libedgetpu-stub"), "MICROSECONDS=100\n").unwrap();
                format!("runtimes: {{edgetpu: {{library: {}}}}}\n", library("libtensorflowlite_c.so"))
            }
        }
    }

    pub(super) fn kind(&self) -> HostKind {
        self.kind
    }

    pub(super) fn at(&self, part: impl AsRef<Path>) -> PathBuf {
        self.folder.join(part)
    }

    pub(super) fn outbox(&self) -> &Path {
        &self.outbox
    }

    pub(super) fn control(&self) -> PathBuf {
        self.at("lab/spool/control")
    }

    pub(super) fn power(&self) -> hosts::State {
        hosts::state(&self.at("host"))
    }

    /// Drop a file by rename, as rsync does, or written in place, as scp does.
    pub(super) fn drop_file(&self, name: &str, content: &[u8], in_place: bool) {
        let target = self.at("lab/inbox").join(name);
        if in_place {
            return fs_err::write(target, content).unwrap();
        }
        let elsewhere = self.at("uploads").join(name);
        fs_err::write(&elsewhere, content).unwrap();
        fs_err::rename(elsewhere, target).unwrap();
    }

    /// Start the daemon, and wait for nothing.
    pub(super) fn start(&mut self) {
        assert!(self.daemon.is_none(), "a daemon runs already");
        let log = fs_err::OpenOptions::new().create(true).append(true).open(self.at("log")).unwrap();
        // A soak that is interrupted leaves no daemon behind.
        let mut command = rig::clean("setpriv");
        command.args(["--pdeathsig", "KILL", "--", rig::BACKBONE, "serve", "--config"]);
        command.arg(self.at("config.yaml"));
        command.env("TMPDIR", self.at("tmp")).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.into_parts().0);
        self.daemon = Some(command.spawn().unwrap());
    }

    pub(super) fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    /// Has the daemon written its first status?
    pub(super) fn is_ready(&self) -> bool {
        let process = self.daemon.as_ref().map(Child::id);
        let status = backbone::daemon::status::Status::read(&self.at("state"));
        status.is_ok_and(|status| Some(status.process) == process)
    }

    /// End the daemon by a signal.
    pub(super) fn end(&mut self, signal: Signal) {
        let mut daemon = self.daemon.take().expect("a daemon runs");
        let ended = daemon.try_wait().unwrap();
        assert!(ended.is_none(), "the daemon ended by itself, {ended:?}");
        kill_process(Pid::from_child(&daemon), signal).unwrap();
        let began = Instant::now();
        let status = loop {
            match daemon.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > PATIENCE => {
                    let _ = daemon.kill();
                    let _ = daemon.wait();
                    panic!("{signal:?} does not end the daemon");
                }
                None => std::thread::sleep(LOOK_AGAIN),
            }
        };
        assert!(signal == Signal::KILL || status.success(), "{signal:?}: {status}");
    }

    /// Kill a worker of the daemon, if there is one.
    pub(super) fn kill_worker(&self) -> bool {
        let daemon = self.daemon.as_ref().expect("a daemon runs").id();
        let Some(worker) = workers_of(daemon).into_iter().next() else { return false };
        kill_process(worker, Signal::KILL).is_ok()
    }

    /// Wait until a condition holds, for as long as the daemon does something: it logs each change of state.
    pub(super) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let mut deadline = Instant::now() + PATIENCE;
        let mut logged = 0;
        while !holds(self) {
            let log = fs_err::metadata(self.at("log")).map_or(0, |stat| stat.len());
            if log != logged {
                (logged, deadline) = (log, Instant::now() + PATIENCE);
            }
            if let Some(daemon) = &mut self.daemon {
                let ended = daemon.try_wait().unwrap();
                assert!(ended.is_none(), "the daemon ended by itself, {ended:?}, before {what}");
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Processes that came of this machine's daemons and are alive.
    pub(super) fn processes(&self) -> Vec<String> {
        let mark = self.folder.as_os_str().as_encoded_bytes();
        let mut found = Vec::new();
        for entry in fs_err::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let Ok(environment) = fs_err::read(path.join("environ")) else { continue };
            if environment.windows(mark.len()).any(|window| window == mark) {
                let words = fs_err::read(path.join("cmdline")).unwrap_or_default();
                let words = String::from_utf8_lossy(&words).replace('\0', " ");
                found.push(format!("{} {words}", path.display()));
            }
        }
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Processes of that parent which run `backbone __worker`, or the worker of TensorFlow Lite.
fn workers_of(daemon: u32) -> Vec<Pid> {
    let children =
        fs_err::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|id| id.parse::<i32>().ok());
    let is_worker = |id: &i32| {
        let words = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        words.contains("__worker") || words.contains("backbone-worker-")
    };
    children.filter(is_worker).filter_map(Pid::from_raw).collect()
}

/// The stubs that are compiled; made once for all lives.
fn stubs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("life-stubs-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        for (source, kind, name) in [
            ("tests/edgetpu/stub_libedgetpu.rs", "cdylib", "libedgetpu.so.1"),
            ("tests/edgetpu/stub_compiler.rs", "bin", "edgetpu_compiler"),
            ("tests/runtimes/providers/stub_plugin.rs", "cdylib", "libstub_plugin.so"),
        ] {
            let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
            let mut made = Command::new(compiler);
            made.args(["--edition", "2024", "--crate-type", kind, "-C", "strip=symbols", "-o", name]);
            assert!(made.arg(source).current_dir(&folder).status().unwrap().success());
        }
        folder
    })
}
