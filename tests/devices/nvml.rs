//! NVIDIA graphics cards of a PC: what is observed of them while a job uses one, and what the doctor finds,
//! against a stub of the library of their driver that these tests build (`tests/nvml/stub_nvml.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use backbone::bundle::format::{Bundle, Environment, Graphics, Quantity, Reading, Status, VerdictState};
use tempfile::TempDir;

use crate::rig::{BACKBONE, Rig, Settings, clean, hosts};

/// Checks of the doctor that look at cards.
pub(crate) const CHECKS_OF_CARDS: [&str; 6] = [
    "graphics_driver",
    "graphics_persistence",
    "graphics_memory",
    "graphics_throttling",
    "graphics_instances",
    "graphics_card_clocks",
];

/// A PC with all that a host needs besides the card.
const PC: &str = "laptop-usb-edgetpu";

/// The library of the driver: as it is today, or one that lacks what old drivers lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    Present,
    Old,
}

/// The stub; made once for all tests.
fn library(driver: Driver) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nvml-stub-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        for (name, words) in [("present.so", &[][..]), ("old.so", &["--cfg", "old"])] {
            let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvml/stub_nvml.rs");
            let mut made = Command::new(compiler);
            made.args(["--edition", "2024", "--crate-type", "cdylib", "-o", name]).args(words).arg(source);
            assert!(made.current_dir(&folder).status().unwrap().success());
        }
        folder
    });
    folder.join(if driver == Driver::Old { "old.so" } else { "present.so" })
}

/// Give a fake host cards and the library of their driver.
fn equip(root: &Path, driver: Driver, script: &str) {
    hosts::fill(root, PC);
    let folder = root.join("usr/lib/x86_64-linux-gnu");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::copy(library(driver), folder.join("libnvidia-ml.so.1")).unwrap();
    for (path, text) in [
        (
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\n",
        ),
        ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA H100 80GB HBM3\n"),
        ("etc/nvml-stub", script),
    ] {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
}

/// A PC with cards and with a stub of trtexec, whose daemon runs.
fn rig(driver: Driver, script: &str, trtexec: &str) -> Rig {
    let mut rig = Rig::new(Settings::default());
    equip(&rig.path("host"), driver, script);
    install_trtexec(&rig, trtexec);
    rig.start();
    rig
}

fn install_trtexec(rig: &Rig, settings: &str) {
    let place = rig.path("host/usr/src/tensorrt/bin");
    fs_err::create_dir_all(&place).unwrap();
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trtexec/stub");
    fs_err::copy(stub, place.join("trtexec")).unwrap();
    fs_err::write(rig.path("host/etc/trtexec-stub"), format!("RELEASE=8502\n{settings}\n")).unwrap();
}

fn script(rig: &Rig, text: &str) {
    fs_err::write(rig.path("host/etc/nvml-stub"), text).unwrap();
}

/// A job that computes on a card.
fn job(more: &str) -> String {
    format!(
        "backbone: 1\nruntime: trtexec\nmeasure: {{warm_up_runs: 2, timed_runs: 5, builds: 1}}\n{more}\nnetwork: \
         {{block: depthwise-separable, kernel: 3, batch: 1, input: 32, precision: fp32}}\n"
    )
}

fn measured(rig: &Rig, name: &str, more: &str) -> Bundle {
    rig.drop_file(format!("{name}.yaml"), job(more));
    let found = || rig.bundles().into_iter().find(|bundle| bundle.job.name == name);
    let bundle = rig.wait_for("the job's bundle", found);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    bundle
}

fn environment(bundle: &Bundle) -> &Environment {
    bundle.environment.as_ref().unwrap()
}

fn graphics(bundle: &Bundle) -> &Graphics {
    environment(bundle).graphics.as_ref().unwrap()
}

fn values(bundle: &Bundle, name: &str, quantity: Quantity) -> Vec<Option<f64>> {
    let environment = environment(bundle);
    let is_it =
        |sensor: &backbone::bundle::format::Sensor| sensor.name == name && sensor.quantity == quantity;
    let index = environment.sensors.iter().position(is_it).unwrap_or_else(|| panic!("no sensor {name}"));
    let readings = environment.before.iter().chain(&environment.samples).chain(&environment.after);
    readings.map(|reading: &Reading| reading.values[index]).collect()
}

fn reason<'a>(bundle: &'a Bundle, code: &str) -> Option<&'a str> {
    bundle.verdict.reasons.iter().find(|reason| reason.code == code).map(|reason| reason.detail.as_str())
}

/// What the doctor says of a host with cards: the outcomes of the checks of cards, and their sentences.
fn examined(driver: Driver, text: &str) -> Vec<(String, String, String)> {
    let folder = tempfile::tempdir().unwrap();
    equip(folder.path(), driver, text);
    told(&folder)
}

fn told(folder: &TempDir) -> Vec<(String, String, String)> {
    let output =
        clean(BACKBONE).args(["doctor", "--json", "--host-root"]).arg(folder.path()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let ours = findings.filter(|line| CHECKS_OF_CARDS.contains(&line["code"].as_str().unwrap()));
    let lines: Vec<_> =
        ours.map(|line| (text(line, "outcome"), text(line, "observed"), text(line, "remedy"))).collect();
    assert_eq!(lines.len(), CHECKS_OF_CARDS.len());
    lines
}

#[test]
fn card_that_a_job_uses_is_observed_and_named() {
    let rig =
        rig(Driver::Present, "SM0=1980\nMEMORY0=2619\nUSED_MIB0=600\nPROCESSES0=2\n", "SECONDS_PER_RUN=2");
    let bundle = measured(&rig, "one", "");
    let graphics = graphics(&bundle);
    assert_eq!((graphics.driver.as_deref(), graphics.cuda.as_deref()), (Some("550.54.15"), Some("12.4")));
    assert_eq!((graphics.device, &graphics.detail), (0, &None));
    let [card] = &graphics.cards[..] else { panic!("{graphics:?}") };
    assert_eq!(card.name.as_deref(), Some("NVIDIA H100 80GB HBM3"));
    assert_eq!((card.sensors.as_str(), card.bus.as_deref()), ("gpu0", Some("00000000:01:00.0")));
    assert_eq!((card.memory_used_bytes, card.processes), (Some(600 << 20), Some(2)));
    assert_eq!((card.persistence_mode, card.ecc, card.mig), (Some(false), Some(true), Some(false)));
    assert_eq!(card.power_limit_watts, Some(700.0));
    assert_eq!(bundle.host.nvidia_driver.as_deref(), Some("550.54.15"));

    let clocks = values(&bundle, "gpu0", Quantity::GpuFrequency);
    assert!(clocks.len() > 2 && clocks.iter().all(|clock| *clock == Some(1.98e9)), "{clocks:?}");
    assert_eq!(values(&bundle, "gpu0 memory", Quantity::MemoryFrequency)[0], Some(2.619e9));
    assert_eq!(values(&bundle, "gpu0", Quantity::Temperature)[0], Some(34.0));
    assert_eq!(values(&bundle, "gpu0", Quantity::Power)[0], Some(71.25));
    assert!(values(&bundle, "gpu0", Quantity::Energy)[0] > Some(1e9));
    assert_eq!(values(&bundle, "gpu0 hardware_thermal_slowdown", Quantity::CoolingState)[0], Some(0.0));
    assert_eq!(values(&bundle, "gpu0 power_limit", Quantity::ThrottleTime)[0], Some(0.0));
    for code in ["throttled", "sensor_lost", "environment_unobserved"] {
        assert_eq!(reason(&bundle, code), None, "{:?}", bundle.verdict);
    }
}

#[test]
fn throttling_during_the_runs_is_a_reason_however_short_it_was() {
    let rig = rig(Driver::Present, "SM0=1980\nREASONS0=68\n", "SECONDS_PER_RUN=2");
    let detail = measured(&rig, "now", "").verdict;
    let throttled = detail.reasons.iter().find(|reason| reason.code == "throttled").unwrap();
    assert_eq!(
        throttled.detail,
        "process 1, `gpu0 software_power_cap`: the card reports it; process 1, `gpu0 hardware_thermal_slowdown`: the card reports it"
    );
    // Between two readings: the driver counts the time.
    script(&rig, "SM0=1980\nPOWER_LIMITED0=1\n");
    let between = measured(&rig, "between", "");
    let throttled = reason(&between, "throttled").unwrap();
    assert!(throttled.starts_with("process 1, `gpu0 power_limit`: for "), "{throttled}");
}

#[test]
fn old_driver_costs_the_values_that_it_does_not_have_and_no_more() {
    let rig = rig(
        Driver::Old,
        "SM0=1410\nNOT_SUPPORTED=nvmlDeviceGetViolationStatus,nvmlDeviceGetTemperature\n",
        "SECONDS_PER_RUN=2",
    );
    let bundle = measured(&rig, "old", "");
    let [card] = &graphics(&bundle).cards[..] else { panic!("{:?}", graphics(&bundle)) };
    assert_eq!((card.memory_used_bytes, card.persistence_mode), (None, Some(false)));
    assert_eq!(values(&bundle, "gpu0", Quantity::GpuFrequency)[0], Some(1.41e9));
    let sensors = &environment(&bundle).sensors;
    let of_card = |quantity| sensors.iter().find(|sensor| sensor.is_of_card() && sensor.quantity == quantity);
    assert_eq!(of_card(Quantity::Energy), None);
    assert_eq!(of_card(Quantity::ThrottleTime), None);
    let silent = of_card(Quantity::Temperature).unwrap();
    assert_eq!(silent.unobservable.as_deref(), Some("this card does not report it"));
    // The reasons were read during the runs.
    assert_eq!(reason(&bundle, "environment_unobserved"), None, "{:?}", bundle.verdict);
}

#[test]
fn card_that_is_lost_while_it_measures_makes_the_result_suspect() {
    let rig = rig(Driver::Present, "SM0=1980\n", "SECONDS_PER_RUN=3");
    rig.drop_file("one.yaml", job(""));
    rig.wait_for_status("a running job", |status| status.running.is_some());
    script(&rig, "LOST0=1\n");
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    let told = reason(&bundle, "sensor_lost").or(reason(&bundle, "environment_unobserved"));
    assert!(told.is_some(), "{:?}", bundle.verdict);
}

#[test]
fn job_that_computes_on_the_processor_asks_no_driver() {
    let mut rig = Rig::new(Settings::default());
    equip(&rig.path("host"), Driver::Present, "INIT=mismatch\n");
    rig.start();
    rig.drop_file("net.sim", "{\"latency_us\": [900]}");
    rig.drop_file("one.yaml", crate::rig::job("net.sim", ""));
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(environment(&bundle).graphics, None);
    assert!(environment(&bundle).sensors.iter().all(|sensor| !sensor.is_of_card()));
}

#[test]
fn doctor_names_what_is_wrong_with_a_card_and_what_helps() {
    let [driver, persistence, memory, throttling, instances, clocks] = &examined(Driver::Present, "")[..]
    else {
        panic!()
    };
    assert_eq!(
        (driver.0.as_str(), driver.1.as_str()),
        ("ok", "the driver 550.54.15, for CUDA up to 12.4, has 1 card")
    );
    assert_eq!((persistence.0.as_str(), memory.0.as_str()), ("advice", "ok"));
    assert_eq!((throttling.0.as_str(), instances.0.as_str()), ("ok", "ok"));
    assert_eq!(
        (clocks.0.as_str(), clocks.1.as_str()),
        ("advice", "the clock of gpu0 varies up to 1980 MHz; now it is at 345 MHz")
    );
    let damaged = examined(
        Driver::Present,
        "CARDS=2\nREASONS1=64\nUSED_MIB0=30000\nPROCESSES0=3\nMIG0=1\nNAME1=NVIDIA A2\n",
    );
    let observed: Vec<&str> = damaged.iter().map(|line| line.1.as_str()).collect();
    insta::assert_debug_snapshot!(observed, @r#"
    [
        "the driver 550.54.15, for CUDA up to 12.4, has 2 cards",
        "the driver shuts gpu0, gpu1 down between two programs, so every load takes longer",
        "29.3 of 80 GiB of the memory of gpu0 are in use, by 3 programs",
        "throttled now: gpu1 (hardware_thermal_slowdown)",
        "gpu0 is split into instances (MIG), which share its power and its clocks",
        "the clock of gpu0 varies up to 1980 MHz; now it is at 345 MHz",
    ]
    "#);
    assert!(damaged[1..].iter().all(|line| !line.2.is_empty()));
}

#[test]
fn driver_that_cannot_be_asked_is_a_problem_with_a_remedy_and_a_reason() {
    let mut lines = String::new();
    for text in [
        "INIT=not_loaded",
        "INIT=mismatch",
        "INIT=denied",
        "INIT=other",
        "CARDS=2\nLOST1=1",
        "CRASH=nvmlInit_v2",
        "CARDS=0",
    ] {
        let driver = &examined(Driver::Present, &format!("{text}\n"))[0];
        assert_eq!(driver.0, "problem", "{text}");
        lines.push_str(&format!("{}\n  {}\n", driver.1, driver.2));
    }
    insta::assert_snapshot!(lines, @"
    the NVIDIA driver is not loaded
      install and load the driver: `sudo apt install nvidia-driver && sudo modprobe nvidia`; `nvidia-smi` shows whether it runs
    the NVIDIA driver that runs is of another release than libnvidia-ml.so.1
      reboot: the driver was updated and the old one still runs
    the driver refuses it to this user
      let the daemon's user open /dev/nvidia*: `ls -l /dev/nvidia*` shows who may
    libnvidia-ml.so.1 reports: an internal driver error occurred
      `nvidia-smi` shows the same error; see `sudo dmesg | grep -i -e xid -e nvrm`
    card 1: the card has fallen off the bus
      see `sudo dmesg | grep -i -e xid -e nvrm`, check power and seating of the card, and reboot
    the process that had loaded libnvidia-ml.so.1 ended: signal: 6 (SIGABRT)
      see `sudo dmesg | grep -i -e xid -e nvrm`; if `nvidia-smi` does not return either, reboot
    the driver 550.54.15 has no card
      see `sudo dmesg | grep -i nvrm`, and whether the unit or the container hides /dev/nvidia*
    ");
}

#[test]
fn driver_that_hangs_delays_the_doctor_by_seconds_and_a_job_not_for_ever() {
    let began = Instant::now();
    let driver = &examined(Driver::Present, "HANG=nvmlInit_v2\n")[0];
    assert_eq!(driver.1, "the NVIDIA driver did not answer within 5 s");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());

    // It hangs from the second reading on, in the middle of a trial.
    let rig = rig(Driver::Present, "SM0=1980\n", "SECONDS_PER_RUN=4");
    rig.drop_file("one.yaml", job(""));
    rig.wait_for_status("a running job", |status| status.running.is_some());
    script(&rig, "SM0=1980\nHANG=nvmlDeviceGetClockInfo\n");
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    assert_ne!(bundle.verdict.state, VerdictState::Valid);
    let codes: Vec<&str> = bundle.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert!(codes.contains(&"sensor_lost") || codes.contains(&"environment_unobserved"), "{codes:?}");
}

#[test]
fn gpu_check_runs_dry_and_says_so_in_every_line() {
    if crate::rig::lacks("libonnxruntime.so") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(folder.path().join("host/run/lock")).unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/run");
    let mut command = clean(tool.to_str().unwrap());
    command.args(["--dry", "--program", BACKBONE, "--host-root"]).arg(folder.path().join("host"));
    let output = command.arg("--out").arg(folder.path().join("out")).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = table.lines().filter(|line| line.starts_with("dry ")).collect();
    assert_eq!(lines.len(), 14, "{table}");
    assert!(table.starts_with("DRY RUN") && table.contains("left out: TensorRT"), "{table}");
    assert!(lines[13].contains("failed: out_of_memory"), "{table}");
    assert!(
        lines[..13].iter().all(|line| line.contains(" measured ") && line.contains(" agree ")),
        "{table}"
    );
    // A second run into the same folder would mix two.
    let again = clean(tool.to_str().unwrap())
        .args(["--dry", "--program", BACKBONE, "--out"])
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds results already"));
}

#[test]
fn gpu_check_refuses_parts_that_are_not_what_was_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/run");
    let list = clean(tool.to_str().unwrap()).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let wheel = list.split_whitespace().nth(1).unwrap();
    let run = |out: &str| {
        let mut command = clean(tool.to_str().unwrap());
        command
            .args(["--program", BACKBONE, "--wheels"])
            .arg(folder.path())
            .arg("--out")
            .arg(folder.path().join(out));
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(run("1").contains("nor its parts are in"), "{}", run("1"));
    fs_err::write(folder.path().join(format!("{wheel}.part-00")), "half a").unwrap();
    fs_err::write(folder.path().join(format!("{wheel}.part-01")), " wheel").unwrap();
    let error = run("2");
    assert!(error.contains("is a part missing?"), "{error}");
}

const LOCKED: &str = "host: {lock_clocks: true}";

/// What is set on card 0, by the names of the stub's files.
fn set_on_card(rig: &Rig) -> Vec<(String, String)> {
    let Ok(entries) = fs_err::read_dir(rig.path("host/run/nvml-stub")) else { return Vec::new() };
    let mut set: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), fs_err::read_to_string(entry.path()).unwrap())
        })
        .collect();
    set.sort();
    set
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn clocks_of_the_card_are_locked_for_the_job_and_unlocked_after_it() {
    let rig = rig(Driver::Present, "", "SECONDS_PER_RUN=2");
    let bundle = measured(&rig, "locked", LOCKED);
    let power = environment(&bundle).power.as_ref().unwrap();
    let of_card = |state: &backbone::bundle::format::PowerState, name: &str| {
        state.settings.iter().find(|(setting, _)| setting.ends_with(name)).map(|(_, value)| value.clone())
    };
    let applied = power.applied.as_ref().unwrap();
    assert_eq!(of_card(&power.found, "/locked_graphics_megahertz").as_deref(), Some("none"));
    assert_eq!(of_card(applied, "/locked_graphics_megahertz").as_deref(), Some("1590"));
    assert_eq!(of_card(applied, "/locked_memory_megahertz").as_deref(), Some("2619"));
    assert_eq!(of_card(applied, "/persistence_mode").as_deref(), Some("1"));
    assert_eq!((&power.not_applied[..], &power.not_held[..], power.restored), (&[][..], &[][..], Some(true)));
    // The stub reports the locked clock.
    let clocks = values(&bundle, "gpu0", Quantity::GpuFrequency);
    assert!(clocks.iter().all(|clock| *clock == Some(1.59e9)), "{clocks:?}");
    assert_eq!(reason(&bundle, "clocks_not_locked"), None);
    assert_eq!(set_on_card(&rig), pairs(&[("persistence0", "0")]));
    assert!(!rig.path("host/var/lib/backbone/graphics-clocks.json").exists());
    // A job on the processor leaves the card alone.
    rig.drop_file("net.sim", "{\"latency_us\": [900]}");
    rig.drop_file("other.yaml", crate::rig::job("net.sim", LOCKED));
    let found = || rig.bundles().into_iter().find(|bundle| bundle.job.name == "other");
    let other = rig.wait_for("a bundle", found);
    let settings = &environment(&other).power.as_ref().unwrap().applied.as_ref().unwrap().settings;
    assert!(settings.keys().all(|setting| !setting.starts_with("nvml:")));
}

#[test]
fn clocks_that_this_user_may_not_lock_are_named() {
    let rig = rig(Driver::Present, "DENIED=1\n", "");
    let bundle = measured(&rig, "denied", LOCKED);
    let power = environment(&bundle).power.as_ref().unwrap();
    assert_eq!(power.not_applied.len(), 3, "{:?}", power.not_applied);
    assert!(power.not_applied.iter().all(|it| it.error.as_deref() == Some("permission denied")));
    let detail = reason(&bundle, "clocks_not_locked").unwrap();
    assert!(detail.contains("/locked_graphics_megahertz is none, not 1590 (permission denied)"), "{detail}");
    assert!(!rig.path("host/var/lib/backbone/graphics-clocks.json").exists());
    script(&rig, "INIT=not_loaded\n");
    let silent = measured(&rig, "silent", LOCKED);
    assert_eq!(
        reason(&silent, "clocks_not_locked"),
        Some("the clocks of the graphics card could not be locked: the NVIDIA driver is not loaded")
    );
}

#[test]
fn card_without_locks_gets_application_clocks_and_its_former_ones_back() {
    let rig = rig(Driver::Old, "", "");
    let bundle = measured(&rig, "old", LOCKED);
    let power = environment(&bundle).power.as_ref().unwrap();
    assert_eq!(power.not_applied, []);
    let applied = power.applied.as_ref().unwrap().settings.iter();
    let applied: Vec<&str> = applied
        .filter(|(setting, _)| setting.ends_with("/application_megahertz"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!((applied, power.restored), (vec!["2619 1590"], Some(true)));
    assert_eq!(set_on_card(&rig), pairs(&[("application0", "2619 1200"), ("persistence0", "0")]));
}

#[test]
fn card_that_a_killed_daemon_left_locked_is_unlocked_at_the_next_start() {
    let mut rig = rig(Driver::Present, "", "SECONDS_PER_RUN=3");
    rig.drop_file("one.yaml", job(LOCKED));
    let locked = pairs(&[("locked0", "1590 1590"), ("memory0", "2619 2619"), ("persistence0", "1")]);
    rig.wait_for("a locked card", || (set_on_card(&rig) == locked).then_some(()));
    rig.kill();
    assert_eq!(set_on_card(&rig), locked);
    fs_err::remove_file(rig.path("host/usr/src/tensorrt/bin/trtexec")).unwrap();
    rig.start();
    rig.wait_until_done(1);
    assert_eq!(set_on_card(&rig), pairs(&[("persistence0", "0")]));
    assert!(!rig.path("host/var/lib/backbone/graphics-clocks.json").exists());
    assert!(!rig.path("host/var/lib/backbone/power-state.json").exists());
}
