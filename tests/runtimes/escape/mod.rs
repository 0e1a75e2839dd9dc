//! Attempts to get out of a worker: a library that attacks whoever loads it (`hostile.rs`) in place of ONNX
//! Runtime, in the real worker under the real parent. Each attempt has what should refuse it; the versions of
//! Landlock are those of kernels from before 5.13 to the newest.
//!
//! What this kernel cannot try is named, and is a failure with `BACKBONE_REQUIRE_SANDBOX=1`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use backbone::bundle::format::{Sandbox, SandboxPart, SandboxSetting};
use backbone::runtime::{LoadRequest, NeedKind, Provided};
use backbone::worker::parent::{Control, Ended, Trial, Watch, run};
use backbone::worker::protocol::{Confinement, PROTOCOL, Request, WorkerUser};
use rustix::process::{getpgrp, getuid};

use crate::rig::BACKBONE;
use crate::rig::alone::in_own_process;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// What refuses an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Landlock of any version, or the worker's own user.
    Files,
    /// The list of system calls, whatever the kernel's Landlock.
    Calls,
    /// The scope of Landlock 6, or the list of system calls.
    Signals,
    /// Capabilities, users and `no_new_privs`.
    Rights,
    /// A limit.
    Limits,
}

use By::{Calls, Files, Limits, Rights, Signals};

/// Every attempt. `abstract_socket` and `netlink_events` have tests of their own.
const ATTEMPTS: &[(&str, By)] = &[
    ("write_inbox", Files),
    ("write_outbox", Files),
    ("forge_ready", Files),
    ("write_journal", Files),
    ("write_queue", Files),
    ("write_control", Files),
    ("write_own_model", Files),
    ("write_other_model", Files),
    ("truncate_own_model", Calls),
    ("truncate_while_reading", Calls),
    ("truncate_journal", Calls),
    ("read_other_model", Files),
    ("read_other_job", Files),
    ("read_shadow", Files),
    ("read_home", Files),
    ("list_spool", Files),
    ("rename_ready", Files),
    ("unlink_ready", Files),
    ("make_folder", Files),
    ("link_out", Files),
    ("link_in", Files),
    ("rename_out", Files),
    ("symlink_out", Files),
    ("follow_symlink", Files),
    ("make_pipe", Files),
    ("make_device", Rights),
    ("write_library", Files),
    ("write_tmp", Files),
    ("write_shared_memory", Files),
    ("write_sys", Files),
    ("write_control_group", Files),
    ("write_proc_sys", Files),
    ("write_own_score", Files),
    ("write_score_of_daemon", Files),
    ("memory_of_daemon", Files),
    ("environment_of_daemon", Files),
    ("maps_of_daemon", Files),
    ("root_of_daemon", Files),
    ("descriptors_of_daemon", Files),
    ("dev_mem", Files),
    ("dev_kmsg", Files),
    ("dev_loop", Files),
    ("dev_fuse", Files),
    ("dev_terminal", Files),
    ("kill_daemon", Signals),
    ("kill_everyone", Signals),
    ("kill_group_of_daemon", Signals),
    ("thread_kill_daemon", Signals),
    ("queue_signal_to_daemon", Signals),
    ("pidfd_kill_daemon", Signals),
    ("join_group_of_daemon", Calls),
    ("own_signals_of_daemon", Calls),
    ("own_signals_extended", Calls),
    ("ptrace_daemon", Calls),
    ("read_daemon", Calls),
    ("compare_daemon", Calls),
    ("take_descriptor_of_daemon", Calls),
    ("limit_daemon", Calls),
    ("nice_daemon", Calls),
    ("nice_everyone", Calls),
    ("pin_daemon", Calls),
    ("disk_priority_of_daemon", Calls),
    ("internet", Calls),
    ("internet_6", Calls),
    ("raw_socket", Calls),
    ("packet_socket", Calls),
    ("netlink_route", Calls),
    ("netlink_audit", Calls),
    ("virtual_socket", Calls),
    ("crypto_socket", Calls),
    ("bluetooth", Calls),
    ("can", Calls),
    ("local_socket", Calls),
    ("connect_loopback", Calls),
    ("user_namespace", Calls),
    ("network_namespace", Calls),
    ("enter_namespace", Calls),
    ("clone_namespace", Calls),
    ("clone3", Calls),
    ("mount", Calls),
    ("unmount", Calls),
    ("change_root", Calls),
    ("pivot_root", Calls),
    ("open_file_system", Calls),
    ("open_tree", Calls),
    ("move_mount", Calls),
    ("io_uring", Calls),
    ("user_faults", Calls),
    ("bpf", Calls),
    ("performance_counters", Calls),
    ("keyring", Calls),
    ("add_key", Calls),
    ("kexec", Calls),
    ("load_module", Calls),
    ("reboot", Calls),
    ("kernel_log", Calls),
    ("set_clock", Calls),
    ("host_name", Calls),
    ("swap", Calls),
    ("accounting", Calls),
    ("quota", Calls),
    ("open_by_handle", Calls),
    ("other_numbering", Calls),
    ("change_user", Rights),
    ("change_group", Rights),
    ("new_privileges", Rights),
    ("capabilities", Rights),
    ("program_reads_shadow", Files),
    ("program_writes_outbox", Files),
    ("program_in_memory", Files),
    ("core_files", Limits),
    ("raise_limits", Limits),
    ("all_memory", Limits),
    ("huge_file", Limits),
    ("first_in_line", Limits),
    ("realtime", Limits),
    ("change_mode", Calls),
    ("change_mode_newer", Calls),
    ("change_owner", Calls),
    ("change_times", Calls),
    ("change_attributes", Calls),
    ("watch_spool", Calls),
    ("watch_everything", Calls),
    ("type_into_terminal", Calls),
];

/// Errors that say that something was refused: EPERM, ENOMEM, EACCES, EXDEV, EFBIG, EROFS, ENOSYS. A shell
/// that cannot open a file ends with 2.
const REFUSALS: &[i32] = &[1, 12, 13, 18, 27, 30, 38];

/// The newest version that the worker uses.
const NEWEST: u32 = 7;

struct Silent;

impl Watch for Silent {
    fn tick(&mut self) -> Control {
        Control::Continue
    }
}

/// The library; made once for all tests.
fn hostile() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/escape/hostile.rs");
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(compiler);
        command.args([
            "--edition",
            "2024",
            "--crate-type",
            "cdylib",
            "-C",
            "strip=symbols",
            "-o",
            "libhostile.so",
        ]);
        assert!(command.arg(source).current_dir(&folder).status().unwrap().success());
        folder.join("libhostile.so")
    })
}

/// Folders as the daemon has them, with things of other jobs.
struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in [
            "inbox",
            "outbox",
            "spool/ready",
            "spool/journal",
            "spool/queue",
            "spool/control",
            "spool/models",
            "own",
        ] {
            fs_err::create_dir_all(folder.path().join(part)).unwrap();
        }
        for file in [
            "spool/ready/other.json.gz",
            "spool/journal/job.jsonl",
            "spool/queue/job.yaml",
            "spool/models/own",
            "spool/models/other",
        ] {
            fs_err::write(folder.path().join(file), file).unwrap();
        }
        fs_err::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
        Self { folder }
    }

    fn at(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// Every file outside the worker's folder, with its content.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.at("inbox"), self.at("outbox"), self.at("spool")];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    kind if kind.is_file() => {
                        found.insert(entry.path(), fs_err::read(entry.path()).unwrap());
                    }
                    _ => panic!("{} was planted", entry.path().display()),
                }
            }
        }
        found
    }

    /// Let a worker load the library, confined like this. `reach` is a provider of the runtime.
    fn attack(
        &self,
        attempts: &[&str],
        confinement: Confinement,
        provider: &str,
        more: &[(&str, String)],
    ) -> Ended {
        let mut provided = Provided::default();
        provided.set(NeedKind::Library, hostile());
        let request = Request {
            protocol: PROTOCOL,
            runtime: "onnxruntime".into(),
            load: LoadRequest {
                task: Default::default(),
                model: self.at("spool/models/own"),
                provided,
                options: [("provider".to_owned(), provider.into())].into(),
                inputs: Default::default(),
                seed: 1,
                filled_like: Vec::new(),
                compilation: None,
            },
            warm_up_runs: 1,
            timed_runs: 1,
            energy_seconds: 0,
            outputs_file: None,
            placement: Default::default(),
            confinement: Some(Confinement { workplace: Some(self.at("own")), ..confinement }),
        };
        let memory = total_memory().to_string();
        let given = [
            ("ESCAPE", attempts.join(",")),
            ("LAB", self.folder.path().display().to_string()),
            ("MODEL", self.at("spool/models/own").display().to_string()),
            ("LIBRARY", hostile().display().to_string()),
            ("DAEMON", std::process::id().to_string()),
            ("GROUP", getpgrp().as_raw_nonzero().to_string()),
            ("MEMORY", memory),
        ];
        let environment = given.iter().chain(more).map(|(name, value)| (name.into(), value.into())).collect();
        let trial = Trial {
            executable: Path::new(BACKBONE),
            arguments: &["__worker"],
            environment,
            request: &request,
            timeout: LONG,
        };
        run(&trial, &mut Silent)
    }

    /// What came of each attempt: the error that refused it; `None` if it got through.
    fn tried(
        &self,
        attempts: &[&str],
        confinement: &Confinement,
    ) -> (BTreeMap<String, Option<i32>>, Sandbox) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = [("PORT", listener.local_addr().unwrap().port().to_string())];
        let mut told = BTreeMap::new();
        let mut sandbox = None;
        // The parent keeps so many of a worker's last lines.
        for some in attempts.chunks(40) {
            let ended = self.attack(some, confinement.clone(), "cpu", &port);
            sandbox = ended.sandbox.clone().or(sandbox);
            for line in &ended.log_tail {
                let Some((name, what)) = line.strip_prefix("escape ").and_then(|line| line.split_once(": "))
                else {
                    continue;
                };
                told.insert(
                    name.to_owned(),
                    what.strip_prefix("error ").map(|number| number.parse().unwrap()),
                );
            }
            assert!(some.iter().all(|name| told.contains_key(*name)), "{some:?}: {ended:#?}");
        }
        (told, sandbox.expect("a report of the sandbox"))
    }
}

fn total_memory() -> u64 {
    let text = fs_err::read_to_string("/proc/meminfo").unwrap();
    text.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Say what could not be tried here.
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn could_not_try(what: &str) {
    assert!(std::env::var_os("BACKBONE_REQUIRE_SANDBOX").is_none(), "could not try {what}");
    eprintln!("could not try {what}");
}

fn is_refused(name: &str, told: Option<i32>) -> bool {
    match told {
        Some(2) if name.starts_with("program_") => true,
        Some(error) => REFUSALS.contains(&error),
        None => false,
    }
}

/// A node or a file of the kernel that this host does not have.
fn is_missing(name: &str, told: Option<i32>) -> bool {
    told == Some(2) && (name.starts_with("dev_") || ["write_sys", "write_control_group"].contains(&name))
}

fn capped(landlock_abi: u32) -> Confinement {
    Confinement { landlock_abi: Some(landlock_abi), ..Confinement::default() }
}

#[test]
fn no_attempt_gets_out_of_a_worker_on_any_version_of_landlock() {
    in_own_process(|| {
        for abi in [0, 1, 4, NEWEST] {
            let lab = Lab::new();
            let before = lab.content();
            let names: Vec<&str> =
                ATTEMPTS.iter().filter(|(_, by)| abi > 0 || *by != Files).map(|(name, _)| *name).collect();
            let (told, sandbox) = lab.tried(&names, &capped(abi));
            let in_force = sandbox.landlock_abi.unwrap();
            if in_force < abi {
                could_not_try(&format!("Landlock {abi}: this kernel has {in_force}"));
            }
            if in_force == 0 {
                assert!(sandbox.missing.iter().any(|gap| gap.part == SandboxPart::Files), "{sandbox:?}");
            }
            let escaped: Vec<_> = ATTEMPTS
                .iter()
                .filter(|(name, by)| names.contains(name) && (in_force > 0 || *by != Files))
                .filter(|(name, _)| !is_refused(name, told[*name]) && !is_missing(name, told[*name]))
                .map(|(name, by)| format!("{name} past {by:?}: {:?}", told[*name]))
                .collect();
            assert!(escaped.is_empty(), "Landlock {in_force}: {escaped:#?}\n{sandbox:#?}");
            assert_eq!(lab.content(), before);
        }
    });
}

#[test]
fn worker_that_is_not_confined_gets_out_so_the_attempts_are_real() {
    in_own_process(|| {
        let lab = Lab::new();
        let off = Confinement { setting: SandboxSetting::Off, ..Confinement::default() };
        let reachable = [
            "write_outbox",
            "forge_ready",
            "write_other_model",
            "read_other_job",
            "kill_daemon",
            "internet",
            "limit_daemon",
            "change_mode",
            "watch_spool",
            "huge_file",
            "environment_of_daemon",
        ];
        let (told, sandbox) = lab.tried(&reachable, &off);
        let refused: Vec<_> = told.iter().filter(|(_, told)| told.is_some()).collect();
        assert!(refused.is_empty(), "{refused:?}");
        assert!(sandbox.enforced.is_empty());
    });
}

#[test]
fn sandbox_that_is_required_and_missing_is_a_failure_before_anything_is_loaded() {
    in_own_process(|| {
        let lab = Lab::new();
        let required = Confinement { setting: SandboxSetting::Required, ..capped(0) };
        let ended = lab.attack(&["write_outbox"], required, "cpu", &[]);
        assert!(!ended.log_tail.iter().any(|line| line.starts_with("escape")), "{ended:#?}");
        let outcome = ended.outcome("onnxruntime");
        assert_eq!(outcome.reason.as_deref(), Some("sandbox_not_enforced"));
    });
}

#[test]
fn worker_of_its_own_user_reaches_nothing_even_without_landlock() {
    in_own_process(|| {
        if !getuid().is_root() {
            return could_not_try("a user of the worker's own: this test does not run as root");
        }
        let lab = Lab::new();
        let before = lab.content();
        let other = WorkerUser { name: "other".into(), user: 65534, group: 65534 };
        std::os::unix::fs::chown(lab.at("own"), Some(65534), Some(65534)).unwrap();
        for private in ["inbox", "spool/ready", "spool/journal", "spool/queue"] {
            fs_err::set_permissions(lab.at(private), PermissionsExt::from_mode(0o700)).unwrap();
        }
        let names = [
            "write_inbox",
            "write_outbox",
            "forge_ready",
            "write_journal",
            "write_queue",
            "write_control",
            "write_own_model",
            "write_other_model",
            "read_other_job",
            "read_shadow",
            "rename_ready",
            "unlink_ready",
            "memory_of_daemon",
            "environment_of_daemon",
            "kill_daemon",
            "change_user",
            "capabilities",
        ];
        let (told, sandbox) = lab.tried(&names, &Confinement { user: Some(other), ..capped(0) });
        if !sandbox.enforced.contains(&SandboxPart::OwnUser) {
            return could_not_try(&format!("a user of the worker's own: {:?}", sandbox.missing));
        }
        let escaped: Vec<_> = told.iter().filter(|(name, told)| !is_refused(name, **told)).collect();
        assert!(escaped.is_empty(), "{escaped:?}");
        assert_eq!(lab.content(), before);
    });
}

#[test]
fn runtimes_of_devices_get_their_sockets_and_no_others() {
    in_own_process(|| {
        let lab = Lab::new();
        let name = format!("backbone-escape-{}", std::process::id());
        let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let names = ["local_socket", "abstract_socket", "internet", "netlink_route", "netlink_events"];
        let ended = lab.attack(&names, Confinement::default(), "plugin", &[("ABSTRACT", name)]);
        let said = |what: &str| ended.log_tail.iter().any(|line| line == &format!("escape {what}"));
        assert!(said("local_socket: reached") && said("netlink_events: reached"), "{ended:#?}");
        assert!(said("internet: error 1") && said("netlink_route: error 1"), "{ended:#?}");
        match ended.sandbox.unwrap().landlock_abi.unwrap() {
            6.. => assert!(
                ended.log_tail.contains(&"escape abstract_socket: error 1".to_owned()),
                "{:?}",
                ended.log_tail
            ),
            older => could_not_try(&format!("the scope of abstract sockets: Landlock {older}")),
        }
    });
}

#[test]
fn nothing_outlives_a_worker_however_it_hides() {
    in_own_process(|| {
        for what in ["leave_daemon", "leave_orphans", "leave_bomb"] {
            let lab = Lab::new();
            let began = Instant::now();
            let ended = lab.attack(&[what], Confinement::default(), "cpu", &[]);
            let left = children();
            assert!(left.is_empty(), "{what}: {left:?} of {ended:#?}");
            assert!(began.elapsed() < LONG / 2, "{what}: it held its parent by the streams");
            if ended.sandbox.unwrap().missing.iter().any(|gap| gap.part == SandboxPart::ControlGroup) {
                could_not_try("a control group of the worker's own; its marks were enough");
            }
        }
    });
}

/// Every process below this one, dead ones included.
fn children() -> Vec<(i32, String)> {
    let mut table = Vec::new();
    for entry in fs_err::read_dir("/proc").unwrap().flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs_err::read_to_string(format!("/proc/{number}/stat")) else { continue };
        let parent =
            stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap();
        if parent == std::process::id() {
            table.push((number, stat));
        }
    }
    table
}
