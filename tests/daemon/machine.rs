//! A real systemd as PID 1 in namespaces of its own (`tests/systemd/boot`), on this machine's own files below
//! overlays: what is installed, changed and measured there is gone with it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why the test cannot run here, if so.
pub(crate) fn missing() -> Option<String> {
    let needed = ["/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/make"];
    if fs_err::metadata("/proc/self").map(|found| found.uid()).unwrap_or(1) != 0 {
        return Some("a systemd of its own needs root".to_owned());
    }
    needed.iter().find(|path| !Path::new(path).exists()).map(|path| format!("{path} is missing"))
}

/// A systemd in namespaces of its own; gone with this value.
pub(crate) struct Machine {
    unshare: Child,
    /// Process id of the inner PID 1, as seen from here.
    leader: String,
    folder: tempfile::TempDir,
}

/// The executables to install: those just built, or those in the folder that is named.
pub(crate) fn executables() -> PathBuf {
    let named = std::env::var_os("BACKBONE_TEST_EXECUTABLES").map(PathBuf::from);
    let built = || Path::new(env!("CARGO_BIN_EXE_backbone")).parent().unwrap().to_owned();
    fs_err::canonicalize(named.unwrap_or_else(built)).unwrap()
}

/// What is there before systemd starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// What `make install` copies, with the unit started.
    Installed,
    /// Nothing of this project.
    Bare,
}

impl Machine {
    pub(crate) fn boot(before: Before) -> Self {
        Self::boot_in(tempfile::tempdir().unwrap(), before)
    }

    /// The machine sees what is in `packages` as `/var/packages`.
    pub(crate) fn boot_with(packages: &Path, before: Before) -> Self {
        Self::boot_in(folder_with(packages), before)
    }

    fn boot_in(folder: tempfile::TempDir, before: Before) -> Self {
        let log = fs_err::File::create(folder.path().join("log")).unwrap();
        let unshare = Command::new("tests/systemd/boot")
            .arg("outside")
            .arg(folder.path())
            .arg(if before == Before::Installed { executables() } else { "-".into() })
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // A make above this test must not hand its flags to the one below.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .stdin(Stdio::null())
            .stdout(log.file().try_clone().unwrap())
            .stderr(log.into_parts().0)
            .spawn()
            .unwrap();
        let mut machine = Machine { unshare, leader: String::new(), folder };
        machine.wait_for("systemd to be PID 1", || machine.find_leader().is_some());
        machine.leader = machine.find_leader().unwrap();
        machine.wait_for("systemd to answer", || {
            let state = machine.try_run(&["systemctl", "is-system-running"]);
            // Before that, systemctl itself says that it is offline.
            matches!(String::from_utf8_lossy(&state.stdout).trim(), "running" | "degraded" | "starting")
        });
        machine
    }

    /// The child of unshare, once it has become systemd.
    fn find_leader(&self) -> Option<String> {
        let process = self.unshare.id();
        let children = fs_err::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
        let child = children.split_whitespace().next()?.to_owned();
        let name = fs_err::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == "systemd").then_some(child)
    }

    pub(crate) fn try_run(&self, command: &[&str]) -> Output {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.leader, "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--"]);
        nsenter.args(command).stdin(Stdio::null()).output().unwrap()
    }

    pub(crate) fn run(&self, command: &[&str]) {
        let output = self.try_run(command);
        assert!(
            output.status.success(),
            "{command:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// What a command printed, trimmed; empty if it failed.
    pub(crate) fn output(&self, command: &[&str]) -> String {
        String::from_utf8_lossy(&self.try_run(command).stdout).trim().to_owned()
    }

    pub(crate) fn property(&self, name: &str) -> String {
        self.output(&["systemctl", "show", "--value", "--property", name, "backbone"])
    }

    pub(crate) fn drop_in(&self, content: &str) {
        let folder = "/etc/systemd/system/backbone.service.d";
        self.run(&["sh", "-c", &format!("mkdir -p {folder} && printf '{content}' > {folder}/test.conf")]);
        self.run(&["systemctl", "daemon-reload"]);
    }

    /// A job with its model, moved in whole as rsync does.
    pub(crate) fn drop_job(&self, name: &str, model: &str, timed_runs: u32) {
        let spec = format!(
            "backbone: 1\nmodel: {name}.sim\nruntime: sim\nmeasure: {{warm_up_runs: 1, timed_runs: {timed_runs}}}\n"
        );
        let script = "cd /srv/backbone/inbox && printf %s \"$2\" > .m.part && mv .m.part \"$1.sim\" \
                      && printf %s \"$3\" > .s.part && mv .s.part \"$1.yaml\"";
        self.run(&["sh", "-c", script, "sh", name, model, &spec]);
    }

    /// How many bundles of that job are in the outbox.
    pub(crate) fn bundles(&self, job: &str) -> usize {
        let names = self.output(&["ls", "/srv/backbone/outbox"]);
        let of_job = |name: &&str| name.starts_with(&format!("{job}.")) && name.ends_with(".json.gz");
        names.lines().filter(of_job).count()
    }

    /// Does the daemon have a worker process?
    pub(crate) fn has_worker(&self) -> bool {
        let main = self.property("MainPID");
        self.output(&["ps", "--ppid", &main, "--format", "args="]).contains("__worker")
    }

    /// The worker's effective capabilities, as the kernel's bits.
    pub(crate) fn capabilities_of_worker(&self) -> Option<u64> {
        let main = self.property("MainPID");
        let workers = self.output(&["pgrep", "--parent", &main]);
        self.capabilities(workers.lines().next()?.trim())
    }

    pub(crate) fn capabilities(&self, process: &str) -> Option<u64> {
        let status = self.output(&["cat", &format!("/proc/{process}/status")]);
        let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(bits.trim(), 16).ok()
    }

    /// Look until it holds. The panic at the deadline shows the machine's log.
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            if Instant::now() > deadline {
                let boot = fs_err::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let journal = self.output(&["journalctl", "--no-pager", "--lines=60"]);
                let outbox = self.output(&["ls", "-la", "/srv/backbone/inbox", "/srv/backbone/outbox"]);
                panic!(
                    "waited {PATIENCE:?} for {what}\n-- boot\n{boot}\n-- journal\n{journal}\n-- folders\n{outbox}"
                );
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // unshare kills its child with itself, and with PID 1 ends everything in the namespace.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        remove_groups(self.folder.path());
    }
}

/// A folder for `tests/systemd/boot` with these packages.
pub(crate) fn folder_with(packages: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(packages, folder.path().join("packages")).unwrap();
    folder
}

/// Remove the control groups of a machine that has ended.
pub(crate) fn remove_groups(folder: &Path) {
    let groups = fs_err::read_to_string(folder.join("groups")).unwrap_or_default();
    for group in groups.lines() {
        let deadline = Instant::now() + PATIENCE;
        while !remove_group(Path::new(group)) && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Remove a control group and those below it; false while something still lives there.
fn remove_group(group: &Path) -> bool {
    let Ok(entries) = fs_err::read_dir(group) else { return !group.exists() };
    let below: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    below.iter().all(|path| remove_group(path)) && fs_err::remove_dir(group).is_ok()
}
