//! NVIDIA Jetson: power modes with nvpmodel, and clocks locked as jetson_clocks does it, but verified.
//!
//! jetson_clocks itself is not run: it reports success after most errors and saves only part of what it
//! changes. A mode limits the clocks, so the mode is set first and the clocks are then locked at its limits.

use std::io;

use super::cpufreq::{self, Settings};
use super::machine::Machine;
use super::power::{Clocks, ModeError, PowerControl, Reboot};
use crate::bundle::format::{PowerDifference, PowerMode, PowerState};

#[cfg(any(test, fuzzing))]
pub(crate) mod anything;
mod memory_clock;
pub(crate) mod nvpmodel;
mod release;
mod values;

pub(super) use release::Release;

/// Names of a Jetson's GPU in the device tree, of all generations.
const GPU_NAMES: &[&str] = &["gm20b", "gv11b", "gp10b", "ga10b", "gb10b", "gpu"];

/// Prefixes of clocks below /sys/class/devfreq that are known without a device tree: GPU and memory of Thor.
const CLOCK_NAMES: &[&str] = &["gpu-", memory_clock::DEVICE];

const CLOCKS: &str = "/sys/class/devfreq";

/// Control through nvpmodel and sysfs.
#[derive(Debug)]
pub(super) struct Jetson;

/// Whether the host is a Jetson of any generation.
pub(super) fn is_here(machine: &dyn Machine) -> bool {
    let is_tegra = |name: &String| name.starts_with("nvidia,tegra");
    super::device_tree::compatible(machine).iter().any(is_tegra)
        || machine.read("/etc/nv_tegra_release").is_ok()
}

/// The name of a clock below /sys/class/devfreq, if it belongs to a GPU or to memory.
fn clock_name(machine: &dyn Machine, name: &str) -> Option<String> {
    let named = super::device_tree::texts(machine, &format!("{CLOCKS}/{name}/device/of_node/name"));
    let known = named.into_iter().find(|name| GPU_NAMES.contains(&name.as_str()));
    known.or_else(|| CLOCK_NAMES.iter().any(|start| name.starts_with(start)).then(|| name.to_owned()))
}

/// GPUs, by their names in the device tree.
pub(super) fn gpus(machine: &dyn Machine) -> Vec<String> {
    let clocks = machine.names(CLOCKS);
    let named = clocks.iter().filter_map(|name| clock_name(machine, name));
    named.filter(|name| !name.starts_with(memory_clock::DEVICE)).collect()
}

impl PowerControl for Jetson {
    fn modes(&self, machine: &dyn Machine) -> Result<Vec<PowerMode>, ModeError> {
        nvpmodel::modes(machine)
    }

    fn mode(&self, machine: &dyn Machine) -> Option<PowerMode> {
        nvpmodel::present(machine)
    }

    fn settings(&self, machine: &dyn Machine) -> Settings {
        let mut settings = Settings::new();
        cpufreq::read_all(machine, &mut settings);
        for processor in cpufreq::processors(machine) {
            let idle = format!("{processor}/cpuidle");
            for state in machine.names(&idle) {
                cpufreq::read(machine, &format!("{idle}/{state}/disable"), &mut settings);
            }
        }
        for name in machine.names(CLOCKS) {
            if clock_name(machine, &name).is_some() {
                for setting in ["governor", "min_freq", "max_freq", "device/railgate_enable"] {
                    cpufreq::read(machine, &format!("{CLOCKS}/{name}/{setting}"), &mut settings);
                }
            }
        }
        memory_clock::read(machine, &mut settings);
        settings
    }

    fn target(&self, present: &PowerState, mode: Option<&PowerMode>, clocks: Clocks) -> PowerState {
        let mut wanted = PowerState { mode: mode.cloned(), settings: Settings::new() };
        let waits_for_mode = mode.is_some() && present.mode.as_ref() != mode;
        if clocks == Clocks::Locked && !waits_for_mode {
            lock(&present.settings, &mut wanted.settings);
        }
        wanted
    }

    fn set_mode(&self, machine: &dyn Machine, mode: &PowerMode, reboot: Reboot) -> Result<(), ModeError> {
        nvpmodel::set(machine, mode, reboot)
    }

    fn write(&self, machine: &dyn Machine, setting: &str, value: &str) -> io::Result<()> {
        memory_clock::write(machine, setting, value).unwrap_or_else(|| machine.write(setting, value))
    }

    fn mode_differences(&self, machine: &dyn Machine, mode: &PowerMode) -> (usize, Vec<PowerDifference>) {
        values::differences(machine, mode)
    }
}

/// What jetson_clocks does without options: raise lower limits to the upper ones, turn off idle states and
/// power gating, and set memory to the highest rate that the mode allows. Governors stay.
fn lock(present: &Settings, wanted: &mut Settings) {
    cpufreq::limits_together(present, wanted);
    for setting in present.keys() {
        if setting.contains("/cpuidle/") && setting.ends_with("/disable") {
            wanted.insert(setting.clone(), "1".to_owned());
        } else if setting.ends_with("/railgate_enable") {
            wanted.insert(setting.clone(), "0".to_owned());
        }
    }
    memory_clock::lock(present, wanted);
}
