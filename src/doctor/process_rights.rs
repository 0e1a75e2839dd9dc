//! What a process may do, from the kernel's view of it.
//!
//! Nothing is tried out. Capabilities, user and groups are compared with the owners and modes of files, so an
//! access control list that grants more goes unnoticed.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::mounts::Mount;
use crate::host::root::HostRoot;

/// Capabilities by their numbers in linux/capability.h.
pub(super) const CHOWN: u32 = 0;
pub(super) const DAC_OVERRIDE: u32 = 1;
pub(super) const DAC_READ_SEARCH: u32 = 2;
pub(super) const KILL: u32 = 5;
pub(super) const SETGID: u32 = 6;
pub(super) const SETUID: u32 = 7;
pub(super) const IPC_LOCK: u32 = 14;
pub(super) const SYS_NICE: u32 = 23;
pub(super) const LEASE: u32 = 28;

pub(super) const WRITE: u32 = 0o2;
pub(super) const READ: u32 = 0o4;

/// What one process may do.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    /// The name of its folder in /proc.
    pub(super) process: String,
    pub(super) who: String,
    pub(super) user: u32,
    pub(super) groups: Vec<u32>,
    capabilities: u64,
    pub(super) locked_memory: Option<Limit>,
    pub(super) nice: Option<Limit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Unlimited,
    At(u64),
}

impl Rights {
    /// Of the daemon with this process id, else of this process; `None` if the host does not show it.
    pub(super) fn of(root: &HostRoot, daemon: Option<u32>) -> Option<Self> {
        let process = daemon.map_or_else(|| "self".to_owned(), |id| id.to_string());
        let who = if daemon.is_some() { "the daemon" } else { "this user" };
        let status = root.read(format!("/proc/{process}/status")).ok()?;
        let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        // Real, effective, saved, file system: the last one counts when a file is opened.
        let last = |key: &str| value(key)?.split_whitespace().last()?.parse::<u32>().ok();
        let mut groups: Vec<u32> =
            value("Groups").unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect();
        groups.extend(last("Gid"));
        let limits = root.read(format!("/proc/{process}/limits")).unwrap_or_default();
        Some(Self {
            who: who.to_owned(),
            user: last("Uid")?,
            groups,
            capabilities: u64::from_str_radix(value("CapEff")?.trim(), 16).ok()?,
            locked_memory: soft_limit(&limits, "Max locked memory"),
            nice: soft_limit(&limits, "Max nice priority"),
            process,
        })
    }

    /// Whether it has a capability.
    pub(super) fn has(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    /// Whether it may access the file or folder in this way; `None` if that does not exist.
    pub(super) fn may(&self, root: &HostRoot, path: &Path, access: u32) -> Option<bool> {
        let found = fs_err::metadata(root.path(path)).ok()?;
        let is_read_only = Mount::of(root, &self.process, path).is_some_and(|mount| mount.is_read_only);
        if access == WRITE && is_read_only {
            return Some(false);
        }
        let by_mode = if found.uid() == self.user {
            found.mode() >> 6
        } else if self.groups.contains(&found.gid()) {
            found.mode() >> 3
        } else {
            found.mode()
        };
        let by_capability = self.has(DAC_OVERRIDE) || access == READ && self.has(DAC_READ_SEARCH);
        Some(by_capability || by_mode & access == access)
    }
}

/// The soft limit, the first number of a line of proc_pid_limits(5).
fn soft_limit(limits: &str, name: &str) -> Option<Limit> {
    match limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()? {
        "unlimited" => Some(Limit::Unlimited),
        number => Some(Limit::At(number.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_their_first_number() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max locked memory         8388608              unlimited            bytes     \n\
                    Max nice priority         unlimited            0                    \n";
        assert_eq!(soft_limit(text, "Max locked memory"), Some(Limit::At(8_388_608)));
        assert_eq!(soft_limit(text, "Max nice priority"), Some(Limit::Unlimited));
        assert_eq!(soft_limit(text, "Max cpu time"), None);
    }
}
