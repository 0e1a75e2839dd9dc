//! The daemon on fake hosts whose sensors change, give wrong values and vanish while it measures: what the
//! bundle says, and the verdict. `tests/host/` has the hosts; the runtime `sim` plays the latencies.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backbone::bundle::format::{
    Bundle, CoolingEnd, EnergyState, Environment, Observation, Quantity, Reading, Status, VerdictState,
};
use backbone::daemon::status::State;
use backbone::host::{HostRoot, Sensors};

use crate::rig::{Rig, Settings, job, model};
use crate::strace;

/// A trial whose two timed runs last long enough for two samples.
const LONG_RUN: &str = "{\"latency_us\": [1250000]}";
const LONG: &str = "measure: {warm_up_runs: 0, timed_runs: 2}";

const XAVIER: &str = "agx-xavier-jetpack-4.3";
const ORIN: &str = "orin-nano-jetpack-6.2";

/// Lay out one of the fake hosts.
fn make(host: &str, folder: &Path) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/make");
    let made = Command::new(tool).arg(host).arg(folder).output().unwrap();
    assert!(made.status.success(), "{host}: {made:?}");
}

/// A daemon on a fake host.
fn rig_on(host: &str) -> Rig {
    let mut rig = Rig::new(Settings::default());
    make(host, &rig.path("host"));
    rig.start();
    rig
}

/// A file of the fake host.
fn on(rig: &Rig, path: &str) -> PathBuf {
    rig.path("host").join(path.trim_start_matches('/'))
}

/// Where the zone of that name is.
fn zone(rig: &Rig, name: &str) -> PathBuf {
    let zones = fs_err::read_dir(on(rig, "/sys/class/thermal")).unwrap();
    zones
        .map(|zone| zone.unwrap().path())
        .find(|zone| fs_err::read_to_string(zone.join("type")).is_ok_and(|found| found.trim_end() == name))
        .unwrap_or_else(|| panic!("no zone {name}"))
        .join("temp")
}

/// The worker, once it is in its timed runs.
fn worker_that_times(rig: &Rig) -> u32 {
    rig.wait_for("a worker that times", || {
        let children = format!("/proc/{0}/task/{0}/children", rig.process());
        let children = fs_err::read_to_string(children).ok()?;
        let worker = children.split_whitespace().next()?.parse().ok()?;
        let name = fs_err::read_to_string(format!("/proc/{worker}/comm")).ok()?;
        (name.trim_end() == "backbone-timing").then_some(worker)
    })
}

/// Measure on a host of which something changes in the timed runs.
fn measured_while(host: &str, change: impl FnOnce(&Rig)) -> Bundle {
    measured_on(&rig_on(host), change)
}

fn measured_on(rig: &Rig, change: impl FnOnce(&Rig)) -> Bundle {
    rig.drop_file("net.sim", LONG_RUN);
    rig.drop_file("one.yaml", job("net.sim", LONG));
    worker_that_times(rig);
    change(rig);
    rig.wait_until_done(1).remove(0)
}

/// Measure once on a host as it is, after a change of it.
fn measured_after(host: &str, more: &str, change: impl FnOnce(&Rig)) -> Bundle {
    let rig = rig_on(host);
    change(&rig);
    rig.drop_file("net.sim", model(2000));
    rig.drop_file("one.yaml", job("net.sim", more));
    rig.wait_until_done(1).remove(0)
}

/// Reasons that are about the host. Those about latencies depend on how busy the machine is.
fn codes(bundle: &Bundle) -> Vec<&str> {
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    let of_host = [
        "throttled",
        "trip_point_reached",
        "frequency_drift",
        "not_cooled",
        "cooling_unobserved",
        "background_load",
        "swapping",
        "suspended",
        "clock_stepped",
        "sensor_lost",
        "placement_refused",
        "power_state_unobserved",
        "environment_unobserved",
    ];
    let ours = |code: &&str| of_host.contains(code);
    bundle.verdict.reasons.iter().map(|reason| reason.code.as_str()).filter(ours).collect()
}

fn environment(bundle: &Bundle) -> &Environment {
    bundle.environment.as_ref().unwrap()
}

fn value(bundle: &Bundle, reading: &Reading, name: &str) -> Option<f64> {
    let sensors = &environment(bundle).sensors;
    reading.values[sensors.iter().position(|sensor| sensor.name == name).unwrap()]
}

#[test]
fn each_fake_host_tells_what_its_files_hold_and_names_the_rest() {
    let mut text = String::new();
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/hosts");
    let mut names: Vec<String> = fs_err::read_dir(hosts)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    for host in names {
        let folder = tempfile::tempdir().unwrap();
        make(&host, folder.path());
        let mut sensors = Sensors::find(&HostRoot::new(folder.path()).unwrap());
        let values = sensors.read();
        text += &format!("{host}\n");
        for (sensor, value) in sensors.sensors().iter().zip(values) {
            let value = match (value, &sensor.unobservable) {
                (Some(value), _) => value.to_string(),
                (None, why) => format!("unobservable: {}", why.as_deref().unwrap_or("?")),
            };
            let trip = sensor.trip_celsius.map(|trip| format!(", trips at {trip}")).unwrap_or_default();
            text += &format!("    {:?} {}: {value}{trip}\n", sensor.quantity, sensor.name);
        }
        text += &format!("    unobservable: {:?}\n", sensors.unobservable());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn steady_host_is_observed_on_both_sides_and_its_result_is_valid() {
    let bundle = measured_after(XAVIER, "measure: {warm_up_runs: 10, timed_runs: 40}", |_| ());
    assert_eq!(codes(&bundle), [""; 0], "{:?}", bundle.verdict);
    let told = environment(&bundle);
    assert_eq!(told.observation, Observation::Bracketed);
    assert_eq!([&told.before_warm_up, &told.before, &told.samples, &told.after].map(Vec::len), [1, 1, 0, 1]);
    let times = [&told.before_warm_up[0], &told.before[0], &told.after[0]].map(|reading| reading.at_seconds);
    assert!(times.is_sorted() && times[0] > 0.0, "{times:?}");
    assert!(value(&bundle, &told.before[0], "CPU-therm").is_some());
    assert!(told.sensors.iter().any(|sensor| sensor.quantity == Quantity::Power));
    assert!(bundle.energy.is_none() && told.cooling.is_empty() && told.placement.is_none());
}

#[test]
fn machine_without_sensors_says_unobservable_and_is_unverified() {
    let bundle = measured_after("virtual-machine", "", |_| ());
    assert_eq!(codes(&bundle), ["power_state_unobserved", "environment_unobserved"]);
    // On a busy machine its latencies may be odd, too.
    let only_unobserved = bundle.verdict.reasons.len() == 2;
    assert!(!only_unobserved || bundle.verdict.state == VerdictState::Unverified, "{:?}", bundle.verdict);
    let unobservable = &environment(&bundle).unobservable;
    for quantity in [Quantity::Temperature, Quantity::CpuFrequency, Quantity::Power, Quantity::ThrottleCount]
    {
        assert!(unobservable.contains(&quantity), "{quantity:?}");
    }
    assert!(!unobservable.contains(&Quantity::LoadAverage));
}

#[test]
fn load_swap_suspension_and_a_stepped_clock_in_the_timed_runs_are_reasons() {
    let changed = |path: &str, from: &str, to: &str| {
        let bundle = measured_while(XAVIER, |rig| {
            let file = on(rig, path);
            let text = fs_err::read_to_string(&file).unwrap();
            assert!(text.contains(from), "{path}: {text}");
            fs_err::write(&file, text.replace(from, to)).unwrap();
        });
        bundle.verdict.reasons.into_iter().map(|reason| reason.code).collect::<Vec<_>>()
    };
    let has = |codes: Vec<String>, code: &str| assert!(codes.iter().any(|found| found == code), "{codes:?}");
    has(changed("/proc/loadavg", "0.08 ", "12.5 "), "background_load");
    has(changed("/proc/meminfo", "SwapFree:        4194304", "SwapFree:        4190000"), "swapping");
    has(changed("/proc/uptime", "3600.00", "3660.00"), "suspended");
    has(changed("/proc/stat", "btime 1790000000", "btime 1790000120"), "clock_stepped");
}

#[test]
fn long_span_is_watched_and_one_drifted_sample_is_a_reason() {
    let rig = rig_on(XAVIER);
    // On this host a link to the lower limit, whose change would be another reason.
    let frequency = on(&rig, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    let hertz = fs_err::read_to_string(&frequency).unwrap().trim_end().parse::<u64>().unwrap();
    fs_err::remove_file(&frequency).unwrap();
    fs_err::write(&frequency, format!("{hertz}\n")).unwrap();
    let bundle = measured_on(&rig, |_| fs_err::write(&frequency, format!("{}\n", hertz / 2)).unwrap());
    assert_eq!(codes(&bundle), ["frequency_drift"]);
    let told = environment(&bundle);
    assert_eq!(told.observation, Observation::Watched);
    assert!(!told.samples.is_empty());
    for pair in told.samples.windows(2) {
        assert!(pair[1].at_seconds - pair[0].at_seconds >= 1.0, "{:?}", told.samples);
    }
}

#[test]
fn throttle_counter_that_moves_in_the_span_is_a_reason() {
    let bundle = measured_while(ORIN, |rig| {
        let hwmon = on(rig, "/sys/class/hwmon");
        let counters = fs_err::read_dir(hwmon).unwrap().flat_map(|chip| {
            fs_err::read_dir(chip.unwrap().path()).unwrap().map(|file| file.unwrap().path())
        });
        let is_third = |file: &PathBuf| file.ends_with("oc3_event_cnt");
        let counter = counters.into_iter().find(is_third).expect("a counter of over-current events");
        fs_err::write(counter, "12345\n").unwrap();
    });
    assert_eq!(codes(&bundle), ["throttled"]);
}

#[test]
fn sensor_that_turns_to_garbage_in_the_span_is_lost_and_never_a_number() {
    for garbage in ["-256000\n", "\0\0\0\0", "4294967295\n", ""] {
        let bundle = measured_while(XAVIER, |rig| fs_err::write(zone(rig, "GPU-therm"), garbage).unwrap());
        assert_eq!(codes(&bundle), ["sensor_lost"], "{garbage:?}");
        let told = environment(&bundle);
        assert!(value(&bundle, &told.before[0], "GPU-therm").is_some());
        assert_eq!(value(&bundle, &told.after[0], "GPU-therm"), None, "{garbage:?}");
    }
}

#[test]
fn zones_that_lie_from_the_start_are_named_and_do_not_matter() {
    let bundle = measured_after(XAVIER, "measure: {warm_up_runs: 1, timed_runs: 40}", |rig| {
        fs_err::write(zone(rig, "GPU-therm"), "-256000\n").unwrap();
    });
    assert_eq!(codes(&bundle), [""; 0]);
    let told = environment(&bundle);
    for name in ["GPU-therm", "PMIC-Die"] {
        let sensor = told.sensors.iter().find(|sensor| sensor.name == name).unwrap();
        assert!(sensor.unobservable.is_some(), "{sensor:?}");
        assert_eq!(value(&bundle, &told.after[0], name), None, "{name}");
    }
}

#[test]
fn zone_that_vanishes_with_eagain_in_the_span_is_lost() {
    if !strace::is_there() {
        return;
    }
    let rig = strace::Rig::new(None);
    make(XAVIER, &rig.at("host"));
    let zones = fs_err::read_dir(rig.at("host/sys/devices/virtual/thermal")).unwrap();
    let gpu = zones
        .map(|zone| zone.unwrap().path())
        .find(|zone| {
            fs_err::read_to_string(zone.join("type")).is_ok_and(|name| name.trim_end() == "GPU-therm")
        })
        .unwrap();
    rig.drop_file("net.sim", &model(2000));
    rig.drop_file("one.yaml", &job("net.sim", "measure: {warm_up_runs: 1, timed_runs: 6}"));
    // It is read when it is found, before warm-up, before timing, and then no more.
    let temperature = gpu.join("temp");
    let before = [
        "strace",
        "-o",
        "/dev/null",
        "-P",
        temperature.to_str().unwrap(),
        "-e",
        "trace=pread64",
        "-e",
        "inject=pread64:error=EAGAIN:when=4+",
    ];
    assert!(rig.serve_once(&before).status().unwrap().success());
    let file = fs_err::read_dir(rig.outbox())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .unwrap();
    let bundle = backbone::bundle::read::decode(fs_err::File::open(file).unwrap()).unwrap();
    assert_eq!(codes(&bundle), ["sensor_lost"], "{:?}", bundle.verdict);
    assert_eq!(value(&bundle, &environment(&bundle).after[0], "GPU-therm"), None);
}

#[test]
fn hot_host_is_waited_for_until_it_is_cool() {
    let rig = rig_on(XAVIER);
    fs_err::write(zone(&rig, "CPU-therm"), "71000\n").unwrap();
    rig.drop_file("net.sim", model(2000));
    rig.drop_file("one.yaml", job("net.sim", "host: {start_below_celsius: 60}"));
    let status = rig.wait_for_status("a daemon that waits", |status| status.state == State::Cooling);
    let told = status.cooling.unwrap();
    assert_eq!((told.zone.as_str(), told.celsius, told.below_celsius), ("CPU-therm", 71.0, 60));
    assert!(told.until > status.updated, "{told:?}");
    let line = "cooling  CPU-therm was at 71.0 °C, and the job starts below 60 °C; the wait ends at ";
    assert!(rig.must(&["status"]).contains(line));
    fs_err::write(zone(&rig, "CPU-therm"), "59500\n").unwrap();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(codes(&bundle), [""; 0]);
    let cooling = &environment(&bundle).cooling;
    assert_eq!((cooling.len(), cooling[0].ended, cooling[0].process), (1, CoolingEnd::Cool, 1));
    assert_eq!(cooling[0].hottest_celsius, Some(59.5));
    assert_eq!(rig.wait_for_status("an idle daemon", |status| status.running.is_none()).cooling, None);
}

#[test]
fn host_that_stays_hot_is_measured_all_the_same_and_says_so() {
    let more = "host: {start_below_celsius: 60, wait_up_to_seconds: 1}\nmeasure: {warm_up_runs: 0, timed_runs: 6, processes: 2}";
    let bundle =
        measured_after(XAVIER, more, |rig| fs_err::write(zone(rig, "CPU-therm"), "71000\n").unwrap());
    assert_eq!(codes(&bundle), ["not_cooled"]);
    let cooling = &environment(&bundle).cooling;
    assert_eq!(cooling.len(), 2);
    assert!(
        cooling.iter().all(|it| it.ended == CoolingEnd::GaveUp && it.waited_seconds >= 1.0),
        "{cooling:?}"
    );
    // Zones that the host does not have are no reason to wait, but a reason of the verdict.
    let named = "host: {start_below_celsius: 60, zones: [GPU-therm, tj-thermal]}";
    let bundle = measured_after(XAVIER, named, |_| ());
    assert_eq!(codes(&bundle), ["cooling_unobserved"]);
    assert_eq!(environment(&bundle).cooling[0].unobservable_zones, ["tj-thermal"]);
    let bundle = measured_after("virtual-machine", "host: {start_below_celsius: 60}", |_| ());
    assert_eq!(codes(&bundle), ["cooling_unobserved", "power_state_unobserved", "environment_unobserved"]);
}

#[test]
fn job_that_waits_for_a_cool_host_can_be_cancelled_and_the_daemon_stopped() {
    let mut rig = rig_on(XAVIER);
    fs_err::write(zone(&rig, "CPU-therm"), "71000\n").unwrap();
    rig.drop_file("net.sim", model(2000));
    rig.drop_file("one.yaml", job("net.sim", "host: {start_below_celsius: 60}"));
    rig.wait_until("a daemon that waits", || rig.log().contains("waiting until the host is cool"));
    rig.drop_file("one.cancel", "");
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Cancelled);
    rig.drop_file("two.yaml", job("net.sim", "host: {start_below_celsius: 60}"));
    rig.wait_until("a daemon that waits", || {
        rig.log().matches("waiting until the host is cool").count() == 2
    });
    let ended = rig.end(rustix::process::Signal::TERM);
    assert!(ended.status.success() && ended.took < Duration::from_secs(25), "{ended:?}");
}

#[test]
fn worker_keeps_to_its_processors_and_the_daemon_to_the_others() {
    let own = backbone::worker::placement::cpus_in_force().unwrap();
    let (first, rest) = own.split_first().unwrap();
    let more = format!("host: {{cpus: [{first}], nice: 3, lock_memory: false}}");
    let bundle = measured_after(XAVIER, &more, |_| ());
    assert_eq!(codes(&bundle), [""; 0]);
    let placement = environment(&bundle).placement.as_ref().unwrap();
    assert_eq!((placement.cpus.as_deref(), placement.nice), (Some(&[*first][..]), Some(3)));
    assert_eq!(placement.daemon_cpus, rest);
    assert!(!placement.memory_locked && placement.refused.is_empty());
}

#[test]
fn what_the_kernel_refuses_is_recorded_and_flagged() {
    let bundle = measured_after(XAVIER, "host: {cpus: [1023]}", |_| ());
    assert_eq!(codes(&bundle), ["placement_refused"]);
    let placement = environment(&bundle).placement.as_ref().unwrap();
    assert_eq!(placement.cpus_asked, [1023]);
    assert!(placement.refused[0].starts_with("processors [1023]: "), "{placement:?}");
}

#[test]
fn locked_memory_is_locked_or_flagged() {
    let bundle = measured_after(XAVIER, "host: {lock_memory: true}", |_| ());
    let placement = environment(&bundle).placement.as_ref().unwrap();
    assert!(placement.lock_memory_asked);
    assert_eq!(codes(&bundle).contains(&"placement_refused"), !placement.memory_locked);
}

/// Milliwatts of the rails of the Xavier at rest and while its worker works.
const RAIL_AT_REST: u64 = 1000;
const RAIL_AT_WORK: u64 = 3000;

#[test]
fn energy_of_a_board_whose_rails_follow_its_worker_is_found() {
    let rig = rig_on(XAVIER);
    let chips = fs_err::read_dir(on(&rig, "/sys/bus/i2c/devices")).unwrap();
    let rails: Vec<PathBuf> = chips
        .flat_map(|chip| fs_err::read_dir(chip.unwrap().path()).unwrap().map(|inner| inner.unwrap().path()))
        .filter(|inner| inner.is_dir())
        .flat_map(|inner| (0..3).map(move |rail| inner.join(format!("in_power{rail}_input"))))
        .filter(|rail| rail.exists())
        .collect();
    assert!(!rails.is_empty());
    // In place: a file that is cut short for a moment would be a sensor that fails for a moment.
    let set = |milliwatts: u64| {
        for rail in &rails {
            let file = fs_err::OpenOptions::new().write(true).open(rail).unwrap();
            rustix::io::pwrite(file.file(), format!("{milliwatts:05}\n").as_bytes(), 0).unwrap();
        }
    };
    set(RAIL_AT_REST);
    rig.drop_file("net.sim", model(10_000));
    rig.drop_file("one.yaml", job("net.sim", "measure: {warm_up_runs: 0, timed_runs: 6, energy_seconds: 2}"));
    let is_over = AtomicBool::new(false);
    let bundle = std::thread::scope(|scope| {
        scope.spawn(|| {
            let worker = worker_that_times(&rig);
            let mut works = false;
            while !is_over.load(Ordering::Relaxed) {
                // A worker that waits is in a read; one that works sleeps for its latency.
                let call = fs_err::read_to_string(format!("/proc/{worker}/syscall")).unwrap_or_default();
                let is_waiting = call.starts_with(&format!("{} ", libc::SYS_read));
                if works == is_waiting {
                    works = !is_waiting;
                    set(if works { RAIL_AT_WORK } else { RAIL_AT_REST });
                }
                std::thread::yield_now();
            }
        });
        let bundle = rig.wait_until_done(1).remove(0);
        is_over.store(true, Ordering::Relaxed);
        bundle
    });
    let energy = bundle.energy.as_ref().unwrap();
    assert_eq!(energy.state, EnergyState::Measured, "{energy:?}");
    assert_eq!((energy.sources.len(), energy.total_from.len()), (rails.len(), rails.len()));
    assert_eq!(
        (energy.latency_ns.len() as u64, bundle.trials[0].latencies.latency_ns.len()),
        (energy.runs, 6)
    );
    let watts = rails.len() as f64 * (RAIL_AT_WORK - RAIL_AT_REST) as f64 / 1e3;
    let seconds = energy.latency_ns.iter().map(|latency| latency.0 as f64 / 1e9).sum::<f64>();
    let truth = watts * seconds / energy.runs as f64;
    let found = energy.joules_per_inference.unwrap();
    // How exact it is, is shown on traces in `stats::energy`; here a busy machine may see a rail late.
    assert!((found - truth).abs() / truth < 0.05, "{found} J for {truth} J");
    assert_eq!(codes(&bundle), [""; 0], "a rail is no reason of a verdict");
}

#[test]
fn energy_without_a_sensor_is_unobservable_and_the_latencies_stand() {
    let more = "measure: {warm_up_runs: 0, timed_runs: 6, energy_seconds: 1}";
    let bundle = measured_after("virtual-machine", more, |_| ());
    let energy = bundle.energy.as_ref().unwrap();
    assert_eq!((energy.state, energy.joules_per_inference), (EnergyState::Unobservable, None));
    assert_eq!(energy.detail.as_deref(), Some("this host has no sensor of power or energy"));
    assert_eq!(bundle.trials[0].latencies.latency_ns.len(), 6);
    assert_eq!(energy.latency_ns.len() as u64, energy.runs);
    assert!(energy.runs > 0 && energy.loop_seconds > 0.0, "{energy:?}");
}

#[test]
fn host_that_slept_within_the_timed_runs_is_recorded_and_one_that_slept_before_is_not() {
    let rig = rig_on(ORIN);
    let sleep_until = |uptime: &str| fs_err::write(on(&rig, "/proc/uptime"), uptime).unwrap();
    // While the daemon is idle.
    sleep_until("36000.00 14000.00\n");
    let bundle = measured_on(&rig, |_| sleep_until("39600.00 14000.00\n"));
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    let [span] = &environment(&bundle).clocks[..] else { panic!("{:?}", environment(&bundle)) };
    let slept = span.suspended_seconds.unwrap();
    assert!((3500.0..=3601.0).contains(&slept), "{span:?}");
    assert!(bundle.verdict.reasons.iter().any(|reason| reason.code == "suspended"), "{:?}", bundle.verdict);
    rig.drop_file("two.yaml", job("net.sim", LONG));
    rig.wait_until_done(2);
    let [span] = environment(&rig.bundle_of("two")).clocks[..] else { panic!("no clocks") };
    assert!(span.suspended_seconds.unwrap() < 1.0, "{span:?}");
}
