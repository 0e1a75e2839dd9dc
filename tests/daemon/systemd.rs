//! The shipped unit in a real systemd: installed, started, notified, killed, stalled and stopped.
//!
//! Needs root, systemd and util-linux; elsewhere the test prints why it skips, and fails instead under
//! `BACKBONE_REQUIRE_SYSTEMD=1` (set by `.ci/run` for root). `BACKBONE_TEST_EXECUTABLES` names a folder with
//! other executables than the ones just built, such as `target/release`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a stop may take, five times the 5 s that the daemon promises.
const STOP: Duration = Duration::from_secs(25);

#[test]
fn shipped_unit_measures_survives_a_kill_and_a_stall_and_stops_cleanly() {
    if let Some(missing) = missing() {
        assert!(std::env::var_os("BACKBONE_REQUIRE_SYSTEMD").is_none(), "cannot run: {missing}");
        eprintln!("skipped: {missing}");
        return;
    }
    let machine = Machine::boot();
    machine.wait_for("the unit to be ready", || machine.property("ActiveState") == "active");
    assert_eq!(machine.property("NRestarts"), "0");

    // A dropped job becomes a bundle, and its records can be asked for by field.
    machine.drop_job("quick", r#"{"latency_us": [100]}"#, 10);
    machine.wait_for("the bundle of `quick`", || machine.bundles("quick") == 1);
    // Its worker had a user and a control group of its own, and everything else that the kernel has.
    let bundle = machine.output(&["sh", "-c", "zcat /srv/backbone/outbox/quick.*.json.gz"]);
    let bundle: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    let enforced = bundle["environment"]["sandbox"]["enforced"].to_string();
    for part in ["own_user", "control_group", "no_capabilities", "system_calls", "processes"] {
        assert!(enforced.contains(part), "{part}: {}", bundle["environment"]["sandbox"]);
    }
    machine.wait_for("journal records with JOB=quick", || {
        machine
            .output(&["journalctl", "--unit=backbone", "--output=json", "JOB=quick"])
            .contains("\"JOB\":\"quick\"")
    });

    // SIGKILL while a worker runs: systemd starts the daemon again, which finishes the job once.
    machine.drop_job("slow", r#"{"latency_us": [100000]}"#, 30);
    machine.wait_for("a worker for `slow`", || machine.has_worker());
    // The daemon has what it needs to control power; a worker gave it up before it loaded anything.
    machine.wait_for("a worker without the daemon's rights", || machine.capabilities_of_worker() == Some(0));
    assert_ne!(machine.capabilities(&machine.property("MainPID")), Some(0));
    let killed = machine.property("MainPID");
    machine.run(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", "backbone"]);
    machine.wait_for("the restart", || {
        machine.property("NRestarts") == "1"
            && machine.property("ActiveState") == "active"
            && machine.property("MainPID") != killed
    });
    machine.wait_for("the bundle of `slow`", || machine.bundles("slow") == 1);

    // A clean stop returns the running job to the queue; the next start finishes it.
    machine.drop_job("again", r#"{"latency_us": [100000]}"#, 30);
    machine.wait_for("a worker for `again`", || machine.has_worker());
    let began = Instant::now();
    machine.run(&["systemctl", "stop", "backbone"]);
    assert!(began.elapsed() <= STOP, "the stop took {:?}", began.elapsed());
    assert_eq!(machine.property("Result"), "success");
    assert_eq!(machine.bundles("again"), 0, "stopped, so not measured to the end");
    machine.run(&["systemctl", "start", "backbone"]);
    machine.wait_for("the bundle of `again`", || machine.bundles("again") == 1);

    // A daemon that hangs is ended by the watchdog and started again.
    machine.drop_in("[Service]\nWatchdogSec=2\nRestartSec=100ms\nTimeoutStopSec=2\n");
    machine.run(&["systemctl", "restart", "backbone"]);
    let stalled = machine.property("MainPID");
    machine.run(&["kill", "-STOP", &stalled]);
    machine.wait_for("the watchdog to restart the daemon", || {
        let main = machine.property("MainPID");
        main != stalled && main != "0" && machine.property("ActiveState") == "active"
    });
    let journal = machine.output(&["journalctl", "--unit=backbone", "--output=cat"]);
    assert!(journal.contains("Watchdog timeout"), "restarted, but not by the watchdog:\n{journal}");

    // None lost, none published twice, after all that.
    machine.drop_job("last", r#"{"latency_us": [100]}"#, 10);
    machine.wait_for("the bundle of `last`", || machine.bundles("last") == 1);
    for job in ["quick", "slow", "again"] {
        assert_eq!(machine.bundles(job), 1, "bundles of `{job}`");
    }
}

/// Why the test cannot run here, if so.
fn missing() -> Option<String> {
    let needed = ["/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/make"];
    if fs_err::metadata("/proc/self").map(|found| found.uid()).unwrap_or(1) != 0 {
        return Some("a systemd of its own needs root".to_owned());
    }
    needed.iter().find(|path| !Path::new(path).exists()).map(|path| format!("{path} is missing"))
}

/// A systemd in namespaces of its own; gone with this value.
struct Machine {
    unshare: Child,
    /// Process id of the inner PID 1, as seen from here.
    leader: String,
    folder: tempfile::TempDir,
}

impl Machine {
    fn boot() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let executables = std::env::var_os("BACKBONE_TEST_EXECUTABLES").map_or_else(
            || Path::new(env!("CARGO_BIN_EXE_backbone")).parent().unwrap().to_owned(),
            PathBuf::from,
        );
        let log = fs_err::File::create(folder.path().join("log")).unwrap();
        let unshare = Command::new("tests/systemd/boot")
            .arg("outside")
            .arg(folder.path())
            .arg(fs_err::canonicalize(executables).unwrap())
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
            !String::from_utf8_lossy(&state.stdout).trim().is_empty()
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

    fn try_run(&self, command: &[&str]) -> Output {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.leader, "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--"]);
        nsenter.args(command).stdin(Stdio::null()).output().unwrap()
    }

    fn run(&self, command: &[&str]) {
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
    fn output(&self, command: &[&str]) -> String {
        String::from_utf8_lossy(&self.try_run(command).stdout).trim().to_owned()
    }

    fn property(&self, name: &str) -> String {
        self.output(&["systemctl", "show", "--value", "--property", name, "backbone"])
    }

    fn drop_in(&self, content: &str) {
        let folder = "/etc/systemd/system/backbone.service.d";
        self.run(&["sh", "-c", &format!("mkdir -p {folder} && printf '{content}' > {folder}/test.conf")]);
        self.run(&["systemctl", "daemon-reload"]);
    }

    /// A job with its model, moved in whole as rsync does.
    fn drop_job(&self, name: &str, model: &str, timed_runs: u32) {
        let spec = format!(
            "backbone: 1\nmodel: {name}.sim\nruntime: sim\nmeasure: {{warm_up_runs: 1, timed_runs: {timed_runs}}}\n"
        );
        let script = "cd /srv/backbone/inbox && printf %s \"$2\" > .m.part && mv .m.part \"$1.sim\" \
                      && printf %s \"$3\" > .s.part && mv .s.part \"$1.yaml\"";
        self.run(&["sh", "-c", script, "sh", name, model, &spec]);
    }

    /// How many bundles of that job are in the outbox.
    fn bundles(&self, job: &str) -> usize {
        let names = self.output(&["ls", "/srv/backbone/outbox"]);
        let of_job = |name: &&str| name.starts_with(&format!("{job}.")) && name.ends_with(".json.gz");
        names.lines().filter(of_job).count()
    }

    /// Does the daemon have a worker process?
    fn has_worker(&self) -> bool {
        let main = self.property("MainPID");
        self.output(&["ps", "--ppid", &main, "--format", "args="]).contains("__worker")
    }

    /// The worker's effective capabilities, as the kernel's bits.
    fn capabilities_of_worker(&self) -> Option<u64> {
        let main = self.property("MainPID");
        let workers = self.output(&["pgrep", "--parent", &main]);
        self.capabilities(workers.lines().next()?.trim())
    }

    fn capabilities(&self, process: &str) -> Option<u64> {
        let status = self.output(&["cat", &format!("/proc/{process}/status")]);
        let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(bits.trim(), 16).ok()
    }

    /// Look until it holds. The panic at the deadline shows the machine's log.
    fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
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
        let groups = fs_err::read_to_string(self.folder.path().join("groups")).unwrap_or_default();
        for group in groups.lines() {
            let deadline = Instant::now() + PATIENCE;
            while !remove_group(Path::new(group)) && Instant::now() < deadline {
                std::thread::sleep(LOOK_AGAIN);
            }
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
