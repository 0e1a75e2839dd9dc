//! `backbone doctor` on every fake host, and on damaged ones: what it finds, that each check can fail and can
//! pass, that nothing is changed, and that a tool that hangs does not delay it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use backbone::bundle::format::PowerRequest;
use backbone::doctor::{self, Asked, CHECKS, Grade, HostReport, Library};
use backbone::host::power::hold::{Hold, PowerHost};
use backbone::host::power::saved::SavedFile;
use backbone::host::{HostLock, HostRoot};
use tempfile::TempDir;

use crate::rig::{BACKBONE, clean, hosts};

const XAVIER: &str = "agx-xavier-jetpack-4.3";
const ORIN: &str = "agx-orin-jetpack-6.0";
const LAPTOP: &str = "laptop-usb-edgetpu";
const CARDS: &str = "pcie-edgetpu";

/// All checks take less than a second; a busy machine gets five times that.
const SLACK: Duration = Duration::from_secs(5);

/// A fake host whose files can be changed.
struct Fake {
    folder: TempDir,
}

impl Fake {
    fn of(name: &str) -> Self {
        let fake = Self::empty();
        hosts::fill(fake.folder.path(), name);
        fake
    }

    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        if fs_err::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            fs_err::remove_file(&path).unwrap();
        }
        fs_err::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.at(path);
        match fs_err::symlink_metadata(&path).unwrap().is_dir() {
            true => fs_err::remove_dir_all(path).unwrap(),
            false => fs_err::remove_file(path).unwrap(),
        }
    }

    fn changed(self, changes: &[Change]) -> Self {
        for change in changes {
            match change {
                Put(path, text) => self.put(path, text),
                Gone(path) => self.remove(path),
                Shut(path) => {
                    self.remove(path);
                    symlink("nowhere", self.at(path)).unwrap();
                }
            }
        }
        self
    }

    fn root(&self) -> HostRoot {
        HostRoot::new(self.folder.path()).unwrap()
    }

    fn report(&self) -> HostReport {
        doctor::examine(&self.root(), &asked())
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = clean(BACKBONE);
        command.arg("doctor").args(arguments).arg("--host-root").arg(self.folder.path());
        command.output().unwrap()
    }
}

/// The default settings on an installed host.
fn asked() -> Asked {
    let library = |runtime, file_name, worker: &str| Library {
        runtime,
        candidates: vec![Path::new("/usr/lib/backbone").join(file_name)],
        is_named: false,
        file_name,
        worker: worker.into(),
    };
    Asked {
        inbox: "/srv/backbone/inbox".into(),
        spool: "/srv/backbone/spool".into(),
        outbox: "/srv/backbone/outbox".into(),
        state: "/var/lib/backbone".into(),
        libraries: vec![
            library("onnxruntime", "libonnxruntime.so", "/usr/bin/backbone"),
            library("tflite", "libtensorflowlite_c.so", "/usr/bin/backbone-worker-tflite"),
        ],
    }
}

fn finding<'a>(report: &'a HostReport, code: &str) -> (Grade, &'a str) {
    let line =
        report.findings.iter().find(|line| line.code == code).unwrap_or_else(|| panic!("no check {code}"));
    (line.finding.outcome, &line.finding.observed)
}

/// Every file below a folder with all that could change of it.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs_err::symlink_metadata(&path).unwrap();
            let content = if stat.is_symlink() {
                fs_err::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if stat.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                fs_err::read(&path).unwrap()
            };
            found.insert(path, (content, stat.modified().unwrap(), stat.permissions().mode()));
        }
    }
    found
}

#[test]
fn every_fake_host_is_examined_and_told_about() {
    let mut text = String::new();
    for name in hosts::all() {
        let output = Fake::of(&name).command(&[]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.stderr, b"", "{name}");
        let is_fit = !told.contains("\nproblems\n");
        assert_eq!(output.status.code(), Some(if is_fit { 0 } else { 1 }), "{told}");
        text.push_str(&format!("──── {name}\n{told}"));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn nothing_is_a_guess_on_a_folder_without_a_file() {
    let fake = Fake::empty();
    let output = fake.command(&["--all"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn json_holds_every_check_with_stable_keys() {
    let fake = Fake::of(LAPTOP);
    let output = fake.command(&["--json"]);
    assert_eq!(output.status.code(), Some(1), "its stick hangs on USB 2");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["format"], "backbone.doctor/1");
    let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["format", "version", "root", "name", "family", "board", "counts", "findings"]);
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings.len(), CHECKS.len());
    for (line, check) in findings.iter().zip(CHECKS) {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "group", "looks_at", "outcome", "observed", "remedy"]);
        assert_eq!(line["code"], check.code);
    }
    let link = findings.iter().find(|line| line["code"] == "edge_tpu_link").unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(link).unwrap(), @r#"
    {
      "code": "edge_tpu_link",
      "group": "accelerators",
      "looks_at": "the USB speed of a Coral stick",
      "outcome": "problem",
      "observed": "the stick at 1-2 is connected at 480 Mbit/s, which is USB 2",
      "remedy": "plug it into a USB 3 port with a USB 3 cable and no hub; `lsusb -t` shows the speed"
    }
    "#);
    let sum: u64 = told["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, CHECKS.len() as u64);
}

#[test]
fn doctor_never_changes_a_byte() {
    for name in hosts::all() {
        let fake = Fake::of(&name);
        let before = everything(fake.folder.path());
        fake.command(&["--all"]);
        assert!(before.len() > 20);
        assert_eq!(everything(fake.folder.path()), before, "{name}");
    }
}

#[test]
fn every_host_is_examined_within_a_second_also_this_one() {
    for name in hosts::all() {
        let fake = Fake::of(&name);
        let began = Instant::now();
        fake.report();
        assert!(began.elapsed() < SLACK, "{name}: {:?}", began.elapsed());
    }
    let began = Instant::now();
    let report = doctor::examine(&HostRoot::real(), &asked());
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    assert_ne!(finding(&report, "disk_space").0, Grade::Unobservable, "only a real host tells");
    assert_ne!(finding(&report, "busy_processes").0, Grade::Unobservable);
}

#[test]
fn folder_of_a_mode_that_the_unit_makes_read_only_is_named_with_the_line_for_the_unit() {
    let fake = Fake::of("thor-jetpack-7.0");
    assert_eq!(finding(&fake.report(), "rights_power_mode").0, Grade::Ok);
    let modes = fs_err::read_to_string(fake.at("/etc/nvpmodel.conf")).unwrap();
    let written = "< PARAM TYPE=FILE NAME=GPU >\nOPTIONS /etc/modprobe.d/nvidia-tegra.conf\n";
    fake.put("/etc/nvpmodel.conf", &format!("{written}{modes}"));
    fake.put("/etc/modprobe.d/nvidia-tegra.conf", "");
    assert_eq!(finding(&fake.report(), "rights_power_mode").0, Grade::Ok);
    fake.put("/proc/812/mountinfo", "21 1 179:1 / / ro,relatime - ext4 /dev/root rw\n");
    let report = fake.report();
    let line = report.findings.iter().find(|line| line.code == "rights_power_mode").unwrap();
    assert_eq!(line.finding.outcome, Grade::Problem);
    assert_eq!(
        line.finding.observed,
        "the daemon cannot write to /etc/modprobe.d, where some power modes write"
    );
    let remedy = line.finding.remedy.as_deref().unwrap();
    assert!(remedy.contains("`ReadWritePaths=-/etc/modprobe.d`"), "{remedy}");
}

#[test]
fn rails_of_an_unknown_board_are_said_to_have_no_total() {
    let fake = Fake::of(LAPTOP);
    for (file, text) in
        [("name", "ina3221"), ("in1_label", "MAIN"), ("in1_input", "5000"), ("curr1_input", "900")]
    {
        fake.put(&format!("/sys/class/hwmon/hwmon99/{file}"), text);
    }
    assert_eq!(
        finding(&fake.report(), "energy_sensor"),
        (
            Grade::Unobservable,
            "it is not known which rails of this board feed others, so they are not added up: MAIN"
        )
    );
}

#[test]
fn nvpmodel_that_hangs_is_said_to_within_the_second() {
    let fake = Fake::of(XAVIER);
    fake.put("/usr/sbin/nvpmodel", "#!/bin/sh\nexec sleep 1000\n");
    let began = Instant::now();
    let report = fake.report();
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    let (outcome, observed) = finding(&report, "power_mode");
    assert_eq!(
        (outcome, observed),
        (Grade::Problem, "nvpmodel did not answer within 500 ms, so jobs cannot set a power mode")
    );
}

/// A change of a fake host.
enum Change {
    /// A file holds this.
    Put(&'static str, &'static str),
    /// A file or folder is not there.
    Gone(&'static str),
    /// A file exists and cannot be read.
    Shut(&'static str),
}

use Change::{Gone, Put, Shut};

const POWER_STATE: &str = r#"{"job": "1-a", "found": {"mode": null, "settings": {}}, "reboot": null}"#;

/// What nvpmodel answers after it was asked to reboot for a mode and could not.
const STILL_IN_30W: &str = "#!/bin/sh\necho NV Power Mode: MODE_30W\necho 2\n";

/// A disk of its own for the inbox, and an inbox of another machine.
const TWO_MOUNTS: &str =
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /srv/backbone/inbox rw - ext4 /dev/sdb1 rw\n";
const BY_NETWORK: &str =
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:40 / /srv/backbone rw - nfs4 server:/srv rw\n";

const SWAPPED: &str =
    "MemTotal: 8000000 kB\nMemAvailable: 7000000 kB\nSwapTotal: 900000 kB\nSwapFree: 100000 kB\n";
const FULL: &str = "MemTotal: 8000000 kB\nMemAvailable: 100000 kB\n";

/// Packages that do not belong together.
const NOT_A_PAIR: &str = "Package: libedgetpu1-std\nStatus: install ok installed\nVersion: 16.0\n\n\
                          Package: python3-tflite-runtime\nStatus: install ok installed\nVersion: 2.14.0\n";
const TWO_CUDAS: &str = "Package: libnvinfer8\nStatus: install ok installed\nVersion: 8.6.2.3-1+cuda12.2\n\n\
                         Package: cuda-cudart-11-4\nStatus: install ok installed\nVersion: 11.4.298-1\n";

/// A daemon that a user started by hand, who is in no group.
const WITHOUT_RIGHTS: &[Change] = &[
    Put(
        "/proc/812/status",
        "Uid:\t61234\t61234\t61234\t61234\nGid:\t61234\t61234\t61234\t61234\nGroups:\t\nCapEff:\t0\n",
    ),
    Put(
        "/proc/812/limits",
        "Max locked memory         8388608    8388608    bytes\nMax nice priority         0    0\n",
    ),
];

/// Changes of a host by which a check finds something.
const DAMAGES: &[(&str, &str, &[Change])] = &[
    (
        "governors_offered",
        LAPTOP,
        &[Put("/sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors", "powersave ")],
    ),
    ("processor_cap", LAPTOP, &[Put("/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "2000000")]),
    ("power_source", LAPTOP, &[Put("/sys/class/power_supply/AC/online", "0")]),
    (
        "power_state_left",
        XAVIER,
        &[Put("/var/lib/backbone/power-state.json", POWER_STATE), Gone("/proc/812")],
    ),
    ("power_mode", XAVIER, &[Gone("/usr/sbin/nvpmodel"), Gone("/var/lib/nvpmodel/status")]),
    ("power_modes_listed", XAVIER, &[Put("/etc/nvpmodel.conf", "# none\n")]),
    (
        "power_mode_pending",
        ORIN,
        &[Put("/usr/sbin/nvpmodel", STILL_IN_30W), Put("/var/lib/nvpmodel/status", "pmode:0003\n")],
    ),
    ("power_mode_values", XAVIER, &[Put("/sys/devices/system/cpu/cpu3/online", "0")]),
    ("temperature", XAVIER, &[Put("/sys/devices/virtual/thermal/thermal_zone0/temp", "94000")]),
    ("throttling", ORIN, &[Put("/sys/class/thermal/cooling_device0/cur_state", "2")]),
    ("throttle_history", ORIN, &[Put("/sys/class/hwmon/hwmon5/oc3_event_cnt", "7")]),
    ("fan", ORIN, &[Put("/sys/class/hwmon/hwmon6/pwm1", "0")]),
    ("energy_sensor", LAPTOP, &[Shut("/sys/class/powercap/intel-rapl:0/energy_uj")]),
    ("processors_online", LAPTOP, &[Put("/sys/devices/system/cpu/cpu7/online", "0")]),
    ("numa_nodes", CARDS, &[Put("/sys/devices/system/node/node1/cpulist", "4-7")]),
    ("isolated_processors", CARDS, &[Put("/proc/cmdline", "root=/dev/sda1 isolcpus=2,3\n")]),
    ("kernel_command_line", CARDS, &[Put("/proc/cmdline", "root=/dev/sda1 maxcpus=2 idle=poll\n")]),
    (
        "clock_source",
        CARDS,
        &[Put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")],
    ),
    ("virtual_machine", XAVIER, &[Put("/proc/device-tree/model", "linux,dummy-virt")]),
    ("container", CARDS, &[Put("/run/systemd/container", "lxc")]),
    ("memory_available", CARDS, &[Put("/proc/meminfo", FULL)]),
    ("swap", CARDS, &[Put("/proc/meminfo", SWAPPED)]),
    ("out_of_memory_kills", CARDS, &[Put("/proc/vmstat", "oom_kill 2\n")]),
    ("load", CARDS, &[Put("/proc/loadavg", "9.10 5.00 1.00 3/312 4711\n")]),
    ("updates", CARDS, &[Put("/proc/77/stat", "77 (unattended-upgr) S 0 1 1 0 -1 0 0 0 0 0 3 1 0 0")]),
    ("date", CARDS, &[Put("/proc/stat", "btime 100\n")]),
    ("time_synchronised", CARDS, &[Gone("/run/systemd/timesync/synchronized")]),
    ("real_time_clock", CARDS, &[Gone("/sys/class/rtc")]),
    ("folders", CARDS, &[Gone("/srv/backbone/inbox")]),
    ("one_file_system", CARDS, &[Put("/proc/812/mountinfo", TWO_MOUNTS)]),
    ("inbox_file_system", CARDS, &[Put("/proc/812/mountinfo", BY_NETWORK)]),
    ("watches", CARDS, &[Put("/proc/sys/fs/inotify/max_user_watches", "8")]),
    ("watch_instances", CARDS, &[Put("/proc/sys/fs/inotify/max_user_instances", "1")]),
    ("rights_folders", CARDS, WITHOUT_RIGHTS),
    ("rights_uploads", CARDS, WITHOUT_RIGHTS),
    ("rights_clocks", CARDS, WITHOUT_RIGHTS),
    ("rights_power_mode", XAVIER, WITHOUT_RIGHTS),
    ("rights_memory_lock", CARDS, WITHOUT_RIGHTS),
    ("rights_priority", CARDS, WITHOUT_RIGHTS),
    ("rights_host_lock", CARDS, WITHOUT_RIGHTS),
    ("rights_devices", CARDS, WITHOUT_RIGHTS),
    ("sandbox_kernel", CARDS, &[Put("/proc/sys/kernel/osrelease", "4.9.140-tegra")]),
    ("sandbox_user", CARDS, WITHOUT_RIGHTS),
    ("sandbox_control_group", CARDS, &[Put("/proc/812/cgroup", "4:memory:/\n")]),
    (
        "edge_tpu_driver",
        CARDS,
        &[
            Put("/sys/bus/pci/devices/0000:05:00.0/vendor", "0x1ac1"),
            Put("/sys/bus/pci/devices/0000:05:00.0/device", "0x089a"),
            Gone("/sys/class/apex"),
        ],
    ),
    ("edge_tpu_library", CARDS, &[Gone("/var/lib/dpkg/status")]),
    ("edge_tpu_pair", LAPTOP, &[Put("/var/lib/dpkg/status", NOT_A_PAIR)]),
    ("edge_tpu_heat", CARDS, &[Put("/sys/class/apex/apex_1/temp", "81000")]),
    ("graphics_processor", XAVIER, &[Gone("/sys/class/devfreq")]),
    (
        "inference_libraries",
        CARDS,
        &[Put("/usr/lib/backbone/libonnxruntime.so", "#!/bin/sh\n# not a library\n")],
    ),
    ("workers", CARDS, &[Gone("/usr/bin/backbone-worker-tflite")]),
    ("tensorrt_release", ORIN, &[Put("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1\n")]),
    ("cuda_release", ORIN, &[Put("/var/lib/dpkg/status", TWO_CUDAS)]),
    ("release_known", XAVIER, &[Put("/etc/nv_tegra_release", "# R99 (release), REVISION: 1.0, GCID: 1\n")]),
    ("release_whole", XAVIER, &[Put("/etc/nv_tegra_release", "# R32 (release), REVISION: 4.3, GCID: 1\n")]),
    ("unit", CARDS, &[Gone("/usr/lib/systemd/system/backbone.service")]),
    ("daemon", CARDS, &[Gone("/proc/812")]),
];

/// Changes of a host by which a check is content that is not on any fake host.
const REPAIRS: &[(&str, &str, &[Change])] = &[
    ("sandbox_kernel", CARDS, &[Put("/proc/sys/kernel/osrelease", "6.12.1")]),
    (
        "sandbox_user",
        CARDS,
        &[
            Put("/etc/passwd", "backbone-worker:x:991:991::/:/usr/sbin/nologin\n"),
            Put("/proc/812/status", STATUS_OF_UNIT),
        ],
    ),
    ("sandbox_control_group", CARDS, &[Put("/proc/812/cgroup", "0::/system.slice/backbone.service\n")]),
    ("isolated_processors", CARDS, &[Put("/proc/cmdline", "isolcpus=2 nohz_full=2\n")]),
    (
        "energy_preference",
        CARDS,
        &[Put("/sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference", "performance")],
    ),
    ("edge_tpu_link", LAPTOP, &[Put("/sys/bus/usb/devices/1-2/speed", "5000")]),
    (
        "edge_tpu_build",
        LAPTOP,
        &[Put(
            "/var/lib/dpkg/status",
            "Package: libedgetpu1-max\nStatus: install ok installed\nVersion: 16.0\n",
        )],
    ),
];

/// A daemon with the rights of the unit.
const STATUS_OF_UNIT: &str =
    "Uid:\t990\t990\t990\t990\nGid:\t990\t990\t990\t990\nGroups:\t\nCapEff:\t00000000100000e7\n";

/// Checks that are content while the daemon has locked the clocks.
const LOCKED: &[(&str, &str)] = &[
    ("governor", LAPTOP),
    ("processor_clocks", LAPTOP),
    ("turbo", LAPTOP),
    ("graphics_clock", XAVIER),
    ("graphics_power_gating", XAVIER),
    ("memory_clock", XAVIER),
    ("idle_states", XAVIER),
];

/// As the daemon has a host while it measures a job that asks for locked clocks; restored when it is dropped.
fn locked(fake: &Fake) -> Hold {
    let root = fake.root();
    let keep = SavedFile::of(&root, root.as_path());
    let host = PowerHost::new(backbone::host::family(&root).power, Rc::new(root.clone()), Rc::new(keep));
    host.take("1-a", &PowerRequest { power_mode: None, lock_clocks: true }).unwrap()
}

#[test]
fn every_check_can_find_something_and_can_be_content() {
    // What a folder cannot represent: a disk, and processes that run. They have tests of their own.
    let mut found: BTreeSet<&str> = ["disk_space", "busy_processes", "measured_on"].into();
    // Those of graphics cards, which need the stub of a library: `nvml.rs` has them.
    found.extend(crate::nvml::CHECKS_OF_CARDS);
    let mut content = found.clone();
    let mut silent = BTreeSet::new();
    for name in hosts::all() {
        for line in Fake::of(&name).report().findings {
            match line.finding.outcome {
                Grade::Problem | Grade::Advice => found.insert(line.code),
                Grade::Ok => content.insert(line.code),
                Grade::Unobservable => silent.insert(line.code),
                Grade::DoesNotApply => false,
            };
            let asks = matches!(line.finding.outcome, Grade::Problem | Grade::Advice);
            assert!(!asks || line.finding.remedy.is_some(), "{name}: {} has no remedy", line.code);
        }
    }
    for (code, name, changes) in DAMAGES {
        let report = Fake::of(name).changed(changes).report();
        let (outcome, observed) = finding(&report, code);
        assert!(matches!(outcome, Grade::Problem | Grade::Advice), "{code}: {outcome:?}, {observed}");
        found.insert(code);
    }
    for (code, name, changes) in REPAIRS {
        let report = Fake::of(name).changed(changes).report();
        assert_eq!(finding(&report, code).0, Grade::Ok, "{code}: {}", finding(&report, code).1);
        content.insert(code);
    }
    for (code, name) in LOCKED {
        let fake = Fake::of(name);
        let _hold = locked(&fake);
        let report = fake.report();
        assert_eq!(finding(&report, code).0, Grade::Ok, "{code}: {}", finding(&report, code).1);
        content.insert(code);
    }
    // These have no advice to give: what the host does not show cannot be changed.
    let only_silent = ["temperature_sensors", "trip_points", "frequency_sensors"];
    let codes: Vec<&str> = CHECKS.iter().map(|check| check.code).collect();
    for code in codes {
        let finds = found.contains(code) || only_silent.contains(&code) && silent.contains(code);
        assert!(finds, "{code} finds nothing anywhere");
        assert!(content.contains(code), "{code} is content nowhere");
    }
}

#[test]
fn host_that_is_measured_on_is_said_to_be() {
    let fake = Fake::of(LAPTOP);
    assert_eq!(finding(&fake.report(), "measured_on").0, Grade::Ok);
    let lock = HostLock::try_acquire(&fake.root()).unwrap().unwrap();
    assert_eq!(finding(&fake.report(), "measured_on").0, Grade::Advice);
    drop(lock);
}

#[test]
fn library_for_another_machine_or_missing_is_named() {
    let report = |change: fn(&Fake, &mut Asked)| {
        let fake = Fake::of(LAPTOP);
        let mut asked = asked();
        change(&fake, &mut asked);
        let report = doctor::examine(&fake.root(), &asked);
        let (outcome, observed) = finding(&report, "inference_libraries");
        (outcome, observed.to_owned())
    };
    let missing = report(|_, asked| {
        asked.libraries[0].candidates = vec!["/opt/libonnxruntime.so".into()];
        asked.libraries[0].is_named = true;
    });
    assert_eq!(
        missing,
        (Grade::Problem, "onnxruntime has /opt/libonnxruntime.so, which does not exist".to_owned())
    );
    let elsewhere = report(|fake, _| {
        fs_err::create_dir_all(fake.at("/usr/lib/aarch64-linux-gnu")).unwrap();
        let (from, to) =
            ("/usr/lib/backbone/libonnxruntime.so", "/usr/lib/aarch64-linux-gnu/libonnxruntime.so.1");
        fs_err::rename(fake.at(from), fake.at(to)).unwrap();
    });
    assert_eq!(elsewhere.0, Grade::Ok, "{}", elsewhere.1);
    assert!(elsewhere.1.starts_with("/usr/lib/aarch64-linux-gnu/libonnxruntime.so.1 "), "{}", elsewhere.1);
    // Its head says aarch64, and which architecture the real host has is known.
    let fake = Fake::of(LAPTOP);
    let mut asked = asked();
    asked.libraries.truncate(1);
    asked.libraries[0].candidates = vec![fake.at("/usr/lib/backbone/libonnxruntime.so")];
    let real = doctor::examine(&HostRoot::real(), &asked);
    let expected = if cfg!(target_arch = "aarch64") { Grade::Ok } else { Grade::Problem };
    assert_eq!(finding(&real, "inference_libraries").0, expected);
}
