//! The daemon keeps off the processors that a job reserves for its worker.

use crate::worker::placement;

/// The daemon on other processors than the worker.
pub(super) struct Elsewhere {
    before: Vec<u32>,
    during: Vec<u32>,
}

impl Elsewhere {
    /// Go there, if the worker has processors of its own and others are left.
    pub(super) fn than(cpus: &[u32]) -> Self {
        let before = if cpus.is_empty() { None } else { placement::cpus_in_force() }.unwrap_or_default();
        let others: Vec<u32> = before.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
        let is_there = !others.is_empty() && placement::keep_to(&others).is_ok();
        Self { before, during: if is_there { others } else { Vec::new() } }
    }

    /// Come back; returns where it was.
    pub(super) fn back(self) -> Vec<u32> {
        if !self.during.is_empty()
            && let Err(errno) = placement::keep_to(&self.before)
        {
            log::warn!("the daemon stays on processors {:?}: {errno}", self.during);
        }
        self.during
    }
}
