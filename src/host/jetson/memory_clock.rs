//! The clock of a Jetson's memory (EMC): which files show and set it on each generation, and how it is
//! locked. Thor's is a devfreq device like the GPU's, and its limits are handled with those.
//!
//! Up to Orin, the clock is locked through files of debugfs, which only root can read. A host that shows none
//! of them has a memory clock all the same, so locking it is then among what could not be reached.

use std::io;

use super::super::cpufreq::{self, Settings};
use super::super::machine::Machine;

/// From TX2 to Orin: asked of the boot processor (BPMP).
const BPMP: &str = "/sys/kernel/debug/bpmp/debug/clk/emc";

/// Nano and TX1 (tegra210): a user of the memory bus that overrides every other one while it is enabled.
/// Source: drivers/clk/tegra/clk.c of NVIDIA's kernel 4.9. There `clk_update_rate` sets the rate, but shows
/// whether the user is enabled when read, so the rate is read from `clk_rate`; and `clk_state` counts: a 1
/// that is written twice stays in force after one 0. So it is written only if it reads otherwise.
const OVERRIDE: &str = "/sys/kernel/debug/clk/override.emc";

/// The highest rate of the memory bus of tegra210.
const OVERRIDE_MAXIMUM: &str = "/sys/kernel/debug/tegra_bwmgr/emc_max_rate";

/// Limits of the memory clock that a mode sets, by release. 0 means no limit.
const CAPS: &[&str] = &["/sys/kernel/nvpmodel_emc_cap/emc_iso_cap", "/sys/kernel/nvpmodel_clk_cap/emc"];

/// The device of Thor's memory clock below /sys/class/devfreq.
pub(super) const DEVICE: &str = "bwmgr";

/// Named as what could not be locked if the host shows no file of its memory clock.
pub(super) const UNSEEN: &str = "memory clock";

/// The file that locks a memory clock, that of its rate, and that of its highest one.
struct Clock {
    switch: String,
    rate: String,
    maximum: String,
}

fn clocks() -> [Clock; 2] {
    [
        Clock {
            switch: format!("{BPMP}/mrq_rate_locked"),
            rate: format!("{BPMP}/rate"),
            maximum: format!("{BPMP}/max_rate"),
        },
        Clock {
            switch: format!("{OVERRIDE}/clk_state"),
            rate: format!("{OVERRIDE}/clk_rate"),
            maximum: OVERRIDE_MAXIMUM.to_owned(),
        },
    ]
}

/// Read what can be read of it.
pub(super) fn read(machine: &dyn Machine, settings: &mut Settings) {
    for cap in CAPS {
        cpufreq::read(machine, cap, settings);
    }
    for clock in clocks() {
        cpufreq::read(machine, &clock.switch, settings);
        // The rate is a setting only while it is locked; otherwise the memory controller chooses it.
        if settings.get(&clock.switch).is_some_and(|locked| locked == "1") {
            cpufreq::read(machine, &clock.rate, settings);
            cpufreq::read(machine, &clock.maximum, settings);
        }
    }
}

/// Lock it at the highest rate that the mode allows.
pub(super) fn lock(present: &Settings, wanted: &mut Settings) {
    let mut is_seen = present.keys().any(|setting| setting.contains(&format!("/devfreq/{DEVICE}/")));
    for clock in clocks().into_iter().filter(|clock| present.contains_key(&clock.switch)) {
        is_seen = true;
        wanted.insert(clock.switch, "1".to_owned());
        if let Some(rate) = highest(&clock.maximum, &|path| present.get(path).cloned()) {
            wanted.insert(clock.rate, rate.to_string());
        }
    }
    if !is_seen {
        wanted.insert(UNSEEN.to_owned(), "locked".to_owned());
    }
}

/// Write one of its settings as the kernel wants it; `None` if it is another setting, or its file can be
/// written.
pub(super) fn write(machine: &dyn Machine, setting: &str, value: &str) -> Option<io::Result<()>> {
    let update = format!("{OVERRIDE}/clk_update_rate");
    match setting.strip_prefix(OVERRIDE)? {
        "/clk_rate" => Some(machine.write(&update, value)),
        // The rate first, as jetson_clocks does it: enabled at a rate from before, the bus may starve.
        "/clk_state" if value == "1" => {
            let rate = highest(OVERRIDE_MAXIMUM, &|path| machine.read(path).ok());
            let set = rate.map_or(Ok(()), |rate| machine.write(&update, &rate.to_string()));
            Some(set.and_then(|()| machine.write(setting, value)))
        }
        _ => None,
    }
}

fn highest(maximum: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |path: &str| read(path)?.parse::<u64>().ok();
    let caps = CAPS.iter().filter_map(|cap| number(cap)).filter(|&cap| cap > 0);
    Some(caps.fold(number(maximum)?, u64::min))
}
