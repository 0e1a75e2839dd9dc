//! A machine in memory for the tests: a small Jetson or a small personal computer, whose files obey the rules
//! that matter here. It can refuse, clamp, and die between any two of its operations.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::saved::{Keep, Saved};
use crate::bundle::format::Sensor;
use crate::host::machine::Machine;
use crate::host::tool::{ToolCall, ToolError, ToolOutput};

/// Two processors that share a policy, for each of the first and the second pair.
pub(super) const POLICIES: [&str; 2] =
    ["/sys/devices/system/cpu/cpufreq/policy0", "/sys/devices/system/cpu/cpufreq/policy2"];
pub(super) const GPU: &str = "/sys/class/devfreq/17000000.gv11b";

/// The memory clock of tegra210.
pub(super) const OVERRIDE: &str = "/sys/kernel/debug/clk/override.emc";

/// Limits and processors of a mode: number, name, processors, clock, memory cap.
const MODES: [(u32, &str, usize, &str, &str); 3] =
    [(0, "MAXN", 4, "2000", "0"), (2, "MODE_15W", 2, "1200", "1333"), (3, "MODE_30W_ALL", 4, "1500", "1600")];

#[derive(Default)]
pub(super) struct Memory {
    pub(super) files: RefCell<BTreeMap<String, String>>,
    pub(super) kept: RefCell<Option<Saved>>,
    pub(super) read_only: RefCell<BTreeSet<String>>,
    /// Upper bounds that a file takes in silence.
    pub(super) clamps: RefCell<BTreeMap<String, u64>>,
    /// Operations left to live; everything after does nothing.
    lives: Cell<Option<usize>>,
    pub(super) operations: Cell<usize>,
    /// How often the memory clock of tegra210 is enabled more than disabled.
    pub(super) enabled: Cell<u32>,
}

impl Memory {
    pub(super) fn jetson() -> Self {
        let memory = Self::linux();
        let mut more = BTreeMap::from([
            ("/proc/device-tree/compatible".to_owned(), "nvidia,p2972\0nvidia,tegra194\0".to_owned()),
            (format!("{GPU}/device/of_node/name"), "gv11b\0".to_owned()),
            (format!("{GPU}/governor"), "nvhost_podgov".to_owned()),
            (format!("{GPU}/min_freq"), "300".to_owned()),
            (format!("{GPU}/max_freq"), "900".to_owned()),
            (format!("{GPU}/device/railgate_enable"), "1".to_owned()),
            ("/sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked".to_owned(), "0".to_owned()),
            ("/sys/kernel/debug/bpmp/debug/clk/emc/rate".to_owned(), "204".to_owned()),
            ("/sys/kernel/debug/bpmp/debug/clk/emc/max_rate".to_owned(), "2133".to_owned()),
            ("/sys/kernel/nvpmodel_emc_cap/emc_iso_cap".to_owned(), "0".to_owned()),
            ("/sys/devices/system/cpu/cpu0/cpuidle/state0/disable".to_owned(), "0".to_owned()),
        ]);
        let conf = MODES.map(|(id, name, ..)| format!("< POWER_MODEL ID={id} NAME={name} >\n")).concat();
        more.insert("/etc/nvpmodel.conf".to_owned(), conf);
        memory.files.borrow_mut().extend(more);
        memory.files.borrow_mut().remove("/sys/devices/system/cpu/intel_pstate/no_turbo");
        memory.files.borrow_mut().retain(|path, _| !path.starts_with(Sensor::OF_CARD));
        memory.set_mode(MODES[1]);
        memory
    }

    /// A small Jetson Nano: its memory clock is locked through other files.
    pub(super) fn nano() -> Self {
        let memory = Self::jetson();
        let mut files = memory.files.borrow_mut();
        files.retain(|path, _| !path.starts_with("/sys/kernel/debug/"));
        files.extend([
            ("/proc/device-tree/compatible".to_owned(), "nvidia,jetson-nano\0nvidia,tegra210\0".to_owned()),
            ("/sys/kernel/debug/tegra_bwmgr/emc_max_rate".to_owned(), "2133".to_owned()),
            (format!("{OVERRIDE}/clk_state"), "0".to_owned()),
            (format!("{OVERRIDE}/clk_update_rate"), "0".to_owned()),
            (format!("{OVERRIDE}/clk_rate"), "204".to_owned()),
        ]);
        drop(files);
        memory
    }

    pub(super) fn linux() -> Self {
        let memory = Self::default();
        let mut files = memory.files.borrow_mut();
        for number in 0..4 {
            files.insert(format!("/sys/devices/system/cpu/cpu{number}/online"), "1".to_owned());
        }
        files.insert("/sys/devices/system/cpu/intel_pstate/no_turbo".to_owned(), "0".to_owned());
        for (name, value) in [
            ("persistence_mode", "0"),
            ("locked_graphics_megahertz", "none"),
            ("sustained_graphics_megahertz", "1590"),
            ("locked_memory_megahertz", "none"),
            ("highest_memory_megahertz", "2619"),
        ] {
            files.insert(format!("nvml:GPU-0/{name}"), value.to_owned());
        }
        for (policy, related) in POLICIES.iter().zip(["0 1", "2 3"]) {
            for (name, value) in [
                ("related_cpus", related),
                ("scaling_governor", "schedutil"),
                ("scaling_available_governors", "performance schedutil"),
                ("scaling_min_freq", "800"),
                ("scaling_max_freq", "1600"),
                ("cpuinfo_max_freq", "2000"),
            ] {
                files.insert(format!("{policy}/{name}"), value.to_owned());
            }
        }
        drop(files);
        memory
    }

    /// Die after so many more operations.
    pub(super) fn lives(&self, operations: usize) {
        self.lives.set(Some(operations));
    }

    pub(super) fn revives(&self) {
        self.lives.set(None);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.lives.get() != Some(0)
    }

    pub(super) fn file(&self, path: &str) -> String {
        self.files.borrow()[path].clone()
    }

    /// One operation that changes something. Returns whether the process lives to do it.
    fn operation(&self) -> bool {
        if !self.is_alive() {
            return false;
        }
        self.operations.set(self.operations.get() + 1);
        self.lives.set(self.lives.get().map(|left| left - 1));
        self.is_alive()
    }

    fn set_mode(&self, (id, _, processors, clock, cap): (u32, &str, usize, &str, &str)) {
        for number in 0..4 {
            let online = if number < processors { "1" } else { "0" };
            self.put(&format!("/sys/devices/system/cpu/cpu{number}/online"), online);
        }
        for policy in POLICIES {
            self.put(&format!("{policy}/scaling_max_freq"), clock);
            let lower = self.file(&format!("{policy}/scaling_min_freq")).parse::<u64>().unwrap();
            let lower = lower.min(clock.parse().unwrap()).to_string();
            self.put(&format!("{policy}/scaling_min_freq"), &lower);
        }
        self.put("/sys/kernel/nvpmodel_emc_cap/emc_iso_cap", cap);
        self.put("/var/lib/nvpmodel/status", &format!("pmode:{id:04}"));
    }

    fn put(&self, path: &str, value: &str) {
        self.files.borrow_mut().insert(path.to_owned(), value.to_owned());
    }

    fn mode(&self) -> (u32, &'static str, usize, &'static str, &'static str) {
        let status = self.file("/var/lib/nvpmodel/status");
        let id: u32 = status.trim_start_matches("pmode:").parse().unwrap();
        MODES.into_iter().find(|mode| mode.0 == id).unwrap()
    }
}

impl Machine for Memory {
    fn read(&self, path: &str) -> io::Result<String> {
        self.files.borrow().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        if !self.operation() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.read_only.borrow().contains(path) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Machine::read(self, path)?;
        let lower = super::plan::upper_of(path).and_then(|upper| self.files.borrow().get(&upper).cloned());
        if lower.is_some_and(|upper| upper.parse::<u64>().unwrap() < value.parse().unwrap()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let clamp = self.clamps.borrow().get(path).copied();
        let value = match clamp {
            Some(highest) => value.parse::<u64>().unwrap().min(highest).to_string(),
            None => value.to_owned(),
        };
        match path.strip_prefix(OVERRIDE) {
            // The kernel's: the rate is read elsewhere than it is written, and a file that counts.
            Some("/clk_update_rate") => self.put(&format!("{OVERRIDE}/clk_rate"), &value),
            Some("/clk_rate") => return Err(io::ErrorKind::PermissionDenied.into()),
            Some("/clk_state") => {
                let count = if value == "1" { self.enabled.get() + 1 } else { self.enabled.get() - 1 };
                self.enabled.set(count);
                let state = u32::from(count > 0).to_string();
                self.put(path, &state);
                self.put(&format!("{OVERRIDE}/clk_update_rate"), &state);
            }
            _ => self.put(path, &value),
        }
        Ok(())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let start = format!("{folder}/");
        let files = self.files.borrow();
        let below = files.keys().filter_map(|path| path.strip_prefix(&start)?.split('/').next());
        let mut names: Vec<String> = below.map(str::to_owned).collect();
        names.dedup();
        names
    }

    fn cards(&self) -> BTreeMap<String, String> {
        let files = self.files.borrow();
        let of_cards = files.iter().filter(|(path, _)| path.starts_with(Sensor::OF_CARD));
        of_cards.map(|(path, value)| (path.clone(), value.clone())).collect()
    }

    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
        let missing = || ToolError::Missing { name: call.name.to_owned() };
        if call.name != "nvpmodel" || !self.files.borrow().contains_key("/etc/nvpmodel.conf") {
            return Err(missing());
        }
        let told = |text: String| Ok(ToolOutput { code: Some(0), text });
        match call.arguments {
            ["-q"] => {
                let (id, name, ..) = self.mode();
                told(format!("NV Power Mode: {name}\n{id}"))
            }
            ["-m", id] => {
                // A process that is killed while the tool runs leaves it to finish.
                let was_alive = self.is_alive();
                let lives = self.operation();
                if was_alive {
                    self.set_mode(MODES.into_iter().find(|mode| mode.0.to_string() == *id).unwrap());
                }
                if lives { told(String::new()) } else { Err(missing()) }
            }
            _ => Err(missing()),
        }
    }
}

impl Keep for Memory {
    fn read(&self) -> io::Result<Option<Saved>> {
        Ok(self.kept.borrow().clone())
    }

    fn write(&self, saved: &Saved) -> io::Result<()> {
        self.keep(Some(saved.clone()))
    }

    fn remove(&self) -> io::Result<()> {
        self.keep(None)
    }
}

impl Memory {
    /// Killed before the rename, or after it.
    fn keep(&self, saved: Option<Saved>) -> io::Result<()> {
        if !self.operation() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        *self.kept.borrow_mut() = saved;
        if self.operation() { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}
