//! Current frequencies of processor cores, GPU and external memory.

use std::ops::RangeInclusive;

use super::{Scale, Search};
use crate::bundle::format::Quantity;
use crate::host::root::HostRoot;

/// Folder of the processor cores.
const CPUS: &str = "/sys/devices/system/cpu";

/// Folder of devices with clocks of their own.
const DEVICES: &str = "/sys/class/devfreq";

/// Names of GPUs in the device tree: Nano, TX2, Xavier, Orin, Thor, and the generic name.
const GPUS: &[&str] = &["gm20b", "gp10b", "gv11b", "ga10b", "gb10b", "gpu"];

/// Clocks of external memory in debugfs, which only root can read: Xavier and later, then Nano.
const MEMORY_CLOCKS: &[&str] =
    &["/sys/kernel/debug/bpmp/debug/clk/emc/rate", "/sys/kernel/debug/clk/override.emc/clk_rate"];

/// The device of the memory clock on Thor.
const MEMORY_DEVICE: &str = "bwmgr";

/// Range of a core's frequency in Hz. A core that reports a frequency runs.
const CORE_HERTZ: RangeInclusive<f64> = 1.0..=1e10;

/// Range in Hz of a GPU or memory clock, which is 0 without power.
const DEVICE_HERTZ: RangeInclusive<f64> = 0.0..=1e11;

pub(super) fn find(search: &mut Search<'_>) {
    let root = search.root;
    for cpu in online_cpus(root) {
        let path = format!("{CPUS}/{cpu}/cpufreq/scaling_cur_freq");
        if root.path(&path).exists() {
            search.add_number(cpu, Quantity::CpuFrequency, &path, Scale::KILO, CORE_HERTZ);
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
        search.add_number(device, quantity, &path, Scale::ONE, DEVICE_HERTZ);
    }
    if let Some(path) = MEMORY_CLOCKS.iter().find(|path| root.path(path).exists()) {
        search.add_number("emc".to_owned(), Quantity::MemoryFrequency, path, Scale::ONE, DEVICE_HERTZ);
    }
}

/// The online cores by number: `cpu0`, `cpu1`, …
pub(super) fn online_cpus(root: &HostRoot) -> Vec<String> {
    let number = |name: &String| name.strip_prefix("cpu")?.parse::<u32>().ok();
    let mut cpus: Vec<String> =
        root.names_in(CPUS).into_iter().filter(|name| number(name).is_some()).collect();
    cpus.sort_by_key(number);
    // The first core often has no such file, because it cannot be switched off.
    cpus.retain(|cpu| !root.read(format!("{CPUS}/{cpu}/online")).is_ok_and(|online| online == "0"));
    cpus
}
