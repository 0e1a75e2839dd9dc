//! Load, memory and swap: from `sysinfo` on the real machine, and from the same procfs files under another
//! host root, which `sysinfo` does not support.

use sysinfo::{MemoryRefreshKind, System};

use super::{Probe, Search};
use crate::bundle::format::Quantity;
use crate::host::root::HostRoot;

/// The three numbers and their source.
#[derive(Debug)]
pub(super) struct Load {
    source: LoadSource,
    load_average: Option<f64>,
    memory_available: Option<f64>,
    swap_used: Option<f64>,
}

#[derive(Debug)]
enum LoadSource {
    Machine(Box<System>),
    Files(HostRoot),
    Nothing,
}

pub(super) fn find(search: &mut Search<'_>) {
    for (name, quantity, path) in [
        ("load", Quantity::LoadAverage, "/proc/loadavg"),
        ("memory", Quantity::MemoryAvailable, "/proc/meminfo"),
        ("swap", Quantity::SwapUsed, "/proc/meminfo"),
    ] {
        search.add(name.to_owned(), quantity, path, Probe::Load(quantity));
    }
}

impl Load {
    pub(super) fn of(root: &HostRoot) -> Self {
        let source = if root.is_real() {
            System::new().map_or(LoadSource::Nothing, |system| LoadSource::Machine(Box::new(system)))
        } else {
            LoadSource::Files(root.clone())
        };
        Self { source, load_average: None, memory_available: None, swap_used: None }
    }

    /// Read all three again.
    pub(super) fn refresh(&mut self) {
        match &mut self.source {
            LoadSource::Machine(system) => {
                // The other kinds of `refresh` list all processes.
                system.refresh_memory_specifics(MemoryRefreshKind::everything());
                let has_memory = system.total_memory() > 0;
                self.load_average = System::load_average().ok().map(|load| load.one);
                self.memory_available = has_memory.then(|| system.available_memory() as f64);
                self.swap_used = has_memory.then(|| system.used_swap() as f64);
            }
            LoadSource::Files(root) => {
                let load = root.read("/proc/loadavg").unwrap_or_default();
                self.load_average = load
                    .split_whitespace()
                    .next()
                    .and_then(|one| one.parse().ok())
                    .filter(|one: &f64| one.is_finite());
                let memory = root.read("/proc/meminfo").unwrap_or_default();
                self.memory_available = bytes(&memory, "MemAvailable:");
                self.swap_used = bytes(&memory, "SwapTotal:")
                    .zip(bytes(&memory, "SwapFree:"))
                    .map(|(all, free)| all - free);
            }
            LoadSource::Nothing => {}
        }
    }

    pub(super) fn of_quantity(&self, quantity: Quantity) -> Option<f64> {
        match quantity {
            Quantity::LoadAverage => self.load_average,
            Quantity::MemoryAvailable => self.memory_available,
            Quantity::SwapUsed => self.swap_used,
            _ => None,
        }
    }
}

/// Bytes of a line such as `MemAvailable: 8041252 kB`, where the kernel's `kB` is 1024 bytes
/// (proc_meminfo(5)).
fn bytes(text: &str, key: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u32>().ok()? as f64 * 1024.0)
}
