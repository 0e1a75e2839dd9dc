//! Sensors in small trees of files: what is read, in which unit, and what is said of those that lie.

use std::path::Path;

use super::*;

struct Machine {
    _folder: tempfile::TempDir,
    root: HostRoot,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        let machine = Self { _folder: folder, root };
        for (path, text) in files {
            machine.write(path, text);
        }
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path(path);
        fs_err::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn find(&self) -> Sensors {
        Sensors::find(&self.root)
    }
}

const ZONE: &str = "/sys/class/thermal/thermal_zone";

fn zone(number: u32, name: &str, temperature: &str) -> Vec<(String, String)> {
    vec![(format!("{ZONE}{number}/type"), name.into()), (format!("{ZONE}{number}/temp"), temperature.into())]
}

fn machine_with(zones: &[(&str, &str)]) -> Machine {
    let files: Vec<(String, String)> =
        (0..).zip(zones).flat_map(|(number, (name, temperature))| zone(number, name, temperature)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Machine::new(&files)
}

/// What one quantity's sensors told: name, value, and why not.
fn told(sensors: &mut Sensors, quantity: Quantity) -> Vec<(String, Option<f64>, Option<String>)> {
    let values = sensors.read();
    let of = sensors.of(quantity);
    of.into_iter()
        .map(|index| {
            let sensor = &sensors.sensors()[index];
            (sensor.name.clone(), values[index], sensor.unobservable.clone())
        })
        .collect()
}

#[test]
fn machine_without_sensors_tells_so_of_each_quantity() {
    let mut sensors = Machine::new(&[]).find();
    assert_eq!(sensors.unobservable(), Quantity::ALL);
    assert!(sensors.read().iter().all(Option::is_none));
}

#[test]
fn zones_that_lie_are_unobservable_and_the_others_are_read() {
    let machine = machine_with(&[
        ("CPU-therm", "41500\n"),
        ("GPU-therm", "-256000\n"),
        ("PMIC-Die", "100000\n"),
        ("AO-therm", "garbage\n"),
        ("Tdiode_tegra", ""),
        ("CPU-therm", "42000\n"),
    ]);
    let mut sensors = machine.find();
    let lies = |why: &str| Some(why.to_owned());
    let expected = [
        ("CPU-therm", Some(41.5), None),
        ("GPU-therm", None, lies("it reads -256, which is not a measurement")),
        ("PMIC-Die", None, lies("a constant, not a measurement")),
        ("AO-therm", None, lies("it does not hold a number")),
        ("Tdiode_tegra", None, lies("it does not hold a number")),
        ("CPU-therm#2", Some(42.0), None),
    ];
    let expected = expected.map(|(name, value, why)| (name.to_owned(), value, why));
    assert_eq!(told(&mut sensors, Quantity::Temperature), expected);
    assert!(!sensors.unobservable().contains(&Quantity::Temperature));
    // The zone gets power and then turns to garbage; nothing is found anew for that.
    machine.write(&format!("{ZONE}1/temp"), "39000\n");
    assert_eq!(told(&mut sensors, Quantity::Temperature)[1].1, Some(39.0));
    machine.write(&format!("{ZONE}1/temp"), "\0\0\n");
    assert_eq!(told(&mut sensors, Quantity::Temperature)[1].1, None);
}

#[test]
fn zone_that_opens_and_cannot_be_read_is_unobservable() {
    let machine = machine_with(&[("CPU-therm", "41000")]);
    // A folder opens and fails at the read, as a zone without power does; `tests/devices/sensing.rs` has its
    // EAGAIN.
    fs_err::create_dir_all(machine.root.path(format!("{ZONE}1/temp"))).unwrap();
    machine.write(&format!("{ZONE}1/type"), "GPU-therm");
    let told = told(&mut machine.find(), Quantity::Temperature);
    assert_eq!((told[1].0.as_str(), told[1].1), ("GPU-therm", None));
    assert!(told[1].2.as_ref().is_some_and(|why| why.contains("directory")), "{told:?}");
}

#[test]
fn lowest_trip_point_at_which_the_kernel_throttles_is_kept() {
    let machine = machine_with(&[("CPU-therm", "41500"), ("GPU-therm", "41500")]);
    for (number, kind, millidegrees) in
        [(0, "active", "40000"), (1, "critical", "101000"), (2, "hot", "98000"), (3, "passive", "95500")]
    {
        machine.write(&format!("{ZONE}0/trip_point_{number}_type"), kind);
        machine.write(&format!("{ZONE}0/trip_point_{number}_temp"), millidegrees);
    }
    machine.write(&format!("{ZONE}1/trip_point_0_type"), "passive");
    machine.write(&format!("{ZONE}1/trip_point_0_temp"), "-274000");
    let sensors = machine.find();
    let trips: Vec<_> = sensors.sensors().iter().take(2).map(|sensor| sensor.trip_celsius).collect();
    assert_eq!(trips, [Some(95.5), None]);
}

#[test]
fn chip_of_a_processor_is_read_where_no_zone_has_it() {
    let files = [
        ("/sys/class/hwmon/hwmon0/name", "k10temp"),
        ("/sys/class/hwmon/hwmon0/temp1_label", "Tctl"),
        ("/sys/class/hwmon/hwmon0/temp1_input", "55125"),
        ("/sys/class/hwmon/hwmon0/temp1_crit", "95000"),
        ("/sys/class/hwmon/hwmon1/name", "nvme"),
        ("/sys/class/hwmon/hwmon1/temp1_input", "40000"),
    ];
    let machine = Machine::new(&files);
    let mut sensors = machine.find();
    assert_eq!(told(&mut sensors, Quantity::Temperature), [("k10temp Tctl".to_owned(), Some(55.125), None)]);
    assert_eq!(sensors.sensors()[0].trip_celsius, Some(95.0));
    machine.write(&format!("{ZONE}0/type"), "x86_pkg_temp");
    machine.write(&format!("{ZONE}0/temp"), "56000");
    let names: Vec<_> = told(&mut machine.find(), Quantity::Temperature).into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["x86_pkg_temp"]);
}

#[test]
fn frequencies_are_in_hertz_and_processors_that_are_off_are_left_out() {
    let cpu = "/sys/devices/system/cpu/cpu";
    let machine = Machine::new(&[
        (&format!("{cpu}0/cpufreq/scaling_cur_freq"), "1190400\n"),
        (&format!("{cpu}2/online"), "0\n"),
        (&format!("{cpu}2/cpufreq/scaling_cur_freq"), "1190400\n"),
        (&format!("{cpu}10/online"), "1\n"),
        (&format!("{cpu}10/cpufreq/scaling_cur_freq"), "<unknown>\n"),
        (&format!("{cpu}idle/cpufreq/scaling_cur_freq"), "1\n"),
        ("/sys/class/devfreq/17000000.ga10b/cur_freq", "306000000\n"),
        ("/sys/class/devfreq/17000000.gpu/device/of_node/name", "gpu\0"),
        ("/sys/class/devfreq/17000000.gpu/cur_freq", "0\n"),
        ("/sys/class/devfreq/15340000.vic/cur_freq", "115200000\n"),
        ("/sys/kernel/debug/bpmp/debug/clk/emc/rate", "1600000000\n"),
    ]);
    let mut sensors = machine.find();
    let value = |told: Vec<(String, Option<f64>, Option<String>)>| {
        told.into_iter().map(|(name, value, _)| (name, value)).collect::<Vec<_>>()
    };
    assert_eq!(
        value(told(&mut sensors, Quantity::CpuFrequency)),
        [("cpu0".into(), Some(1.1904e9)), ("cpu10".into(), None)]
    );
    assert_eq!(
        value(told(&mut sensors, Quantity::GpuFrequency)),
        [("17000000.ga10b".into(), Some(306e6)), ("17000000.gpu".into(), Some(0.0))]
    );
    assert_eq!(value(told(&mut sensors, Quantity::MemoryFrequency)), [("emc".into(), Some(1.6e9))]);
}

#[test]
fn rails_of_every_release_are_in_watts() {
    let iio = "/sys/bus/i2c/devices/1-0040/iio:device0";
    let hwmon = "/sys/class/hwmon/hwmon3";
    let machine = Machine::new(&[
        ("/sys/bus/i2c/devices/1-0040/name", "ina3221x"),
        (&format!("{iio}/rail_name_0"), "GPU"),
        (&format!("{iio}/in_power0_input"), "1520"),
        (&format!("{iio}/rail_name_1"), "CPU"),
        (&format!("{iio}/in_voltage1_input"), "19000"),
        (&format!("{iio}/in_current1_input"), "150"),
        (&format!("{iio}/rail_name_2"), "NC"),
        (&format!("{iio}/in_power2_input"), "7"),
        (&format!("{hwmon}/name"), "ina3221"),
        (&format!("{hwmon}/in1_label"), "VDD_IN"),
        (&format!("{hwmon}/in1_input"), "5000"),
        (&format!("{hwmon}/curr1_input"), "1200"),
        (&format!("{hwmon}/in7_label"), "sum of shunt voltages"),
        (&format!("{hwmon}/curr4_input"), "1200"),
        ("/sys/class/hwmon/hwmon4/name", "ina238"),
        ("/sys/class/hwmon/hwmon4/power1_input", "31500000"),
        ("/sys/class/hwmon/hwmon5/name", "nvme"),
        ("/sys/class/hwmon/hwmon5/power1_input", "1"),
    ]);
    let mut sensors = machine.find();
    let told = told(&mut sensors, Quantity::Power);
    let told: Vec<(&str, Option<f64>)> =
        told.iter().map(|(name, value, _)| (name.as_str(), *value)).collect();
    assert_eq!(
        told,
        [("GPU", Some(1.52)), ("CPU", Some(2.85)), ("VDD_IN", Some(6.0)), ("ina238 1", Some(31.5))]
    );
    let rails: Vec<&Sensor> =
        sensors.of(Quantity::Power).iter().map(|&index| &sensors.sensors()[index]).collect();
    assert_eq!(total_of(&rails), Ok(vec![2]), "everything flows through VDD_IN");
    assert!(total_of(&rails[..2]).is_err(), "one may feed the other");
}

#[test]
fn counters_of_packages_and_memory_are_in_joules() {
    let rapl = "/sys/class/powercap/intel-rapl";
    let machine = Machine::new(&[
        (&format!("{rapl}:0/name"), "package-0"),
        (&format!("{rapl}:0/energy_uj"), "262000000000"),
        (&format!("{rapl}:0/max_energy_range_uj"), "262143328850"),
        (&format!("{rapl}:0:0/name"), "core"),
        (&format!("{rapl}:0:0/energy_uj"), "1"),
        (&format!("{rapl}:0:1/name"), "dram"),
        (&format!("{rapl}:0:1/energy_uj"), "5000000"),
        (&format!("{rapl}:1/name"), "psys"),
        (&format!("{rapl}:1/energy_uj"), "1"),
        (&format!("{rapl}-mmio:0/name"), "package-0"),
        (&format!("{rapl}-mmio:0/energy_uj"), "262000000000"),
    ]);
    let mut sensors = machine.find();
    let told = told(&mut sensors, Quantity::Energy);
    assert_eq!(told[0], ("package-0".to_owned(), Some(262_000.0), None));
    assert_eq!(told[1], ("dram".to_owned(), Some(5.0), None));
    assert_eq!(told.len(), 2);
    let index = sensors.of(Quantity::Energy)[0];
    assert_eq!(sensors.sensors()[index].wraps_at_joules, Some(262_143.328_85));
}

#[test]
fn throttling_is_counted_once_for_each_core_and_package() {
    let cpu = "/sys/devices/system/cpu/cpu";
    let mut files: Vec<(String, &str)> = Vec::new();
    for number in 0..2 {
        files.push((format!("{cpu}{number}/topology/physical_package_id"), "0"));
        files.push((format!("{cpu}{number}/thermal_throttle/core_throttle_count"), "3"));
        files.push((format!("{cpu}{number}/thermal_throttle/package_throttle_count"), "9"));
    }
    files.push(("/sys/class/hwmon/hwmon2/name".into(), "soctherm_oc"));
    files.push(("/sys/class/hwmon/hwmon2/oc3_event_cnt".into(), "4"));
    files.push(("/sys/class/hwmon/hwmon2/oc3_throt_en".into(), "1"));
    files.push(("/sys/class/thermal/cooling_device0/type".into(), "pwm-fan"));
    files.push(("/sys/class/thermal/cooling_device0/cur_state".into(), "1"));
    files.push(("/sys/class/thermal/cooling_device1/type".into(), "thermal-cpufreq-0"));
    files.push(("/sys/class/thermal/cooling_device1/cur_state".into(), "2"));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let mut sensors = Machine::new(&files).find();
    let counts: Vec<(String, Option<f64>)> = told(&mut sensors, Quantity::ThrottleCount)
        .into_iter()
        .map(|(name, value, _)| (name, value))
        .collect();
    let expected = [("cpu0", 3.0), ("package0", 9.0), ("cpu1", 3.0), ("oc3", 4.0)];
    assert_eq!(counts, expected.map(|(name, value)| (name.to_owned(), Some(value))));
    assert_eq!(
        told(&mut sensors, Quantity::CoolingState),
        [("thermal-cpufreq-0".to_owned(), Some(2.0), None)]
    );
}

#[test]
fn load_and_memory_come_from_files_or_from_the_machine() {
    let machine = Machine::new(&[
        ("/proc/loadavg", "0.25 0.10 0.05 1/100 4242\n"),
        ("/proc/meminfo", "MemTotal: 2048 kB\nMemAvailable: 1024 kB\nSwapTotal: 512 kB\nSwapFree: 500 kB\n"),
    ]);
    let mut sensors = machine.find();
    assert_eq!(sensors.read(), [Some(0.25), Some(1_048_576.0), Some(12_288.0)]);
    // Whatever else this machine has, it has a load and memory.
    let mut real = Sensors::find(&HostRoot::real());
    let values = real.read();
    for quantity in [Quantity::LoadAverage, Quantity::MemoryAvailable, Quantity::SwapUsed] {
        assert!(values[real.of(quantity)[0]].is_some_and(|value| value >= 0.0), "{quantity:?}");
    }
}
