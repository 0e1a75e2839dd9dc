//! Present frequencies of processor cores, graphics processor and external memory.

use std::ops::RangeInclusive;

use super::{Found, Scale};
use crate::bundle::format::Quantity;
use crate::host::root::HostRoot;

/// Where processor cores are.
const CPUS: &str = "/sys/devices/system/cpu";

/// Where devices with clocks of their own are.
const DEVICES: &str = "/sys/class/devfreq";

/// Names of graphics processors in the device tree: Nano, TX2, Xavier, Orin, Thor, and the general one.
const GPUS: &[&str] = &["gm20b", "gp10b", "gv11b", "ga10b", "gb10b", "gpu"];

/// Clocks of the external memory in debugfs, which only root reads: Xavier and later, then Nano.
const MEMORY_CLOCKS: &[&str] =
    &["/sys/kernel/debug/bpmp/debug/clk/emc/rate", "/sys/kernel/debug/clk/override.emc/clk_rate"];

/// The device that has the memory's clock on Thor.
const MEMORY_DEVICE: &str = "bwmgr";

/// No core stands still and tells its frequency; none is faster than this, in Hz.
const CORE_HERTZ: RangeInclusive<f64> = 1.0..=1e10;

/// A graphics processor or memory without power tells 0.
const DEVICE_HERTZ: RangeInclusive<f64> = 0.0..=1e11;

pub(super) fn find(root: &HostRoot, found: &mut Found) {
    for cpu in online_cpus(root) {
        let path = format!("{CPUS}/{cpu}/cpufreq/scaling_cur_freq");
        if root.path(&path).exists() {
            found.add_number(root, cpu, Quantity::CpuFrequency, &path, Scale::KILO, CORE_HERTZ);
        }
    }
    for device in root.names_in(DEVICES) {
        let path = format!("{DEVICES}/{device}/cur_freq");
        let name = root.read(format!("{DEVICES}/{device}/device/of_node/name"));
        let name = name.as_deref().map_or(device.as_str(), |name| name.trim_end_matches('\0')).to_owned();
        let quantity = if GPUS.iter().any(|gpu| name == *gpu || device.contains(gpu)) {
            Quantity::GpuFrequency
        } else if device == MEMORY_DEVICE {
            Quantity::MemoryFrequency
        } else {
            continue;
        };
        found.add_number(root, device, quantity, &path, Scale::ONE, DEVICE_HERTZ);
    }
    if let Some(path) = MEMORY_CLOCKS.iter().find(|path| root.path(path).exists()) {
        found.add_number(root, "emc".to_owned(), Quantity::MemoryFrequency, path, Scale::ONE, DEVICE_HERTZ);
    }
}

/// `cpu0`, `cpu1`, … without those that are switched off, by number.
pub(super) fn online_cpus(root: &HostRoot) -> Vec<String> {
    let number = |name: &String| name.strip_prefix("cpu")?.parse::<u32>().ok();
    let mut cpus: Vec<String> =
        root.names_in(CPUS).into_iter().filter(|name| number(name).is_some()).collect();
    cpus.sort_by_key(number);
    // The first one often has no such file: it can not be switched off.
    cpus.retain(|cpu| !root.read(format!("{CPUS}/{cpu}/online")).is_ok_and(|online| online == "0"));
    cpus
}
