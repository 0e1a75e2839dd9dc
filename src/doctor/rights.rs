//! What the daemon may do: as the kernel tells it of the process of the daemon where one runs, else of the one that asks.
//!
//! Nothing is tried out. Capabilities, user and groups are compared with the owners and modes of files, so an access control
//! list that gives more is not seen.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Finding;
use super::folders::mount_of;
use super::subject::Subject;
use crate::bundle::format::EdgeTpuBus;
use crate::host::cpufreq;
use crate::host::lock::LOCK_FILE;
use crate::host::root::HostRoot;
use crate::text::first_few;

/// Capabilities by their numbers in linux/capability.h.
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;
const IPC_LOCK: u32 = 14;
const SYS_NICE: u32 = 23;
const LEASE: u32 = 28;

const WRITE: u32 = 0o2;
const READ: u32 = 0o4;

const BY_UNIT: &str =
    "run the daemon by its unit, which gives it the right: `sudo systemctl enable --now backbone`";

/// Of one process.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    /// The name of its folder in /proc.
    pub(super) process: String,
    who: String,
    user: u32,
    groups: Vec<u32>,
    capabilities: u64,
    locked_memory: Option<Limit>,
    nice: Option<Limit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Unlimited,
    At(u64),
}

impl Rights {
    /// Of the daemon with that process id, else of this process; `None` where the host does not tell.
    pub(super) fn of(root: &HostRoot, daemon: Option<u32>) -> Option<Self> {
        let process = daemon.map_or_else(|| "self".to_owned(), |id| id.to_string());
        let who = if daemon.is_some() { "the daemon" } else { "this user" };
        let status = root.read(format!("/proc/{process}/status")).ok()?;
        let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        // Real, effective, saved, of the file system: the last is what files are opened with.
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

    fn has(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    /// May it do this to the file or folder? `None` where it is not there.
    fn may(&self, subject: &Subject, path: &Path, access: u32) -> Option<bool> {
        let found = fs_err::metadata(subject.root.path(path)).ok()?;
        let is_read_only = mount_of(subject, path).is_some_and(|mount| mount.is_read_only);
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

/// The first number of a line of proc_pid_limits(5).
fn soft_limit(limits: &str, name: &str) -> Option<Limit> {
    match limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()? {
        "unlimited" => Some(Limit::Unlimited),
        number => Some(Limit::At(number.parse().ok()?)),
    }
}

fn untold() -> Finding {
    Finding::unobservable("the host does not tell what a process may do")
}

pub(super) fn folders(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let asked = subject.asked;
    let mut refused = Vec::new();
    let mut looked_at = 0;
    for path in [&asked.inbox, &asked.spool, &asked.outbox, &asked.state] {
        if let Some(may) = rights.may(subject, path, WRITE) {
            looked_at += 1;
            if !may {
                refused.push(path.display().to_string());
            }
        }
    }
    if looked_at == 0 {
        return Finding::unobservable("none of the folders is there");
    }
    match refused.first() {
        None => Finding::ok(format!("{} may write the {looked_at} folders that are there", rights.who)),
        Some(first) => Finding::problem(
            format!("{} may not write {}", rights.who, first_few(&refused)),
            format!("{BY_UNIT}, or `sudo chown backbone:backbone {first}`"),
        ),
    }
}

pub(super) fn uploads(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let is_enough = rights.has(LEASE) && (rights.has(DAC_READ_SEARCH) || rights.has(DAC_OVERRIDE));
    match is_enough {
        true => {
            Finding::ok(format!("{} reads what others upload, and sees whether they still write", rights.who))
        }
        false => Finding::advice(
            format!(
                "{} reads only what others let everybody read, and guesses when an upload is whole",
                rights.who
            ),
            BY_UNIT,
        ),
    }
}

pub(super) fn clocks(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let files = cpufreq::policies(subject.root)
        .into_iter()
        .flat_map(|policy| ["scaling_governor", "scaling_min_freq"].map(|name| format!("{policy}/{name}")));
    let told: Vec<(String, bool)> = files
        .filter_map(|file| {
            let may = rights.may(subject, Path::new(&file), WRITE)?;
            Some((file, may))
        })
        .collect();
    match told.iter().find(|(_, may)| !may) {
        None if told.is_empty() => Finding::does_not_apply("the host shows no clock that could be set"),
        None => Finding::ok(format!("{} may set clocks", rights.who)),
        Some((file, _)) => Finding::problem(
            format!("{} may not write {file}, so no clock is locked", rights.who),
            format!("{BY_UNIT}; docs/OPERATING.md, Power, has other ways"),
        ),
    }
}

pub(super) fn power_mode(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply("only Jetsons have power modes");
    }
    let Some(rights) = &subject.rights else { return untold() };
    match rights.may(subject, Path::new("/var/lib/nvpmodel/status"), WRITE) {
        Some(true) => Finding::ok(format!("{} may set the power mode", rights.who)),
        Some(false) => Finding::problem(format!("{} may not set the power mode", rights.who), BY_UNIT),
        None => Finding::unobservable("nvpmodel keeps no status that it would have to write"),
    }
}

pub(super) fn memory_lock(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    /// A runtime with a network of the family has about this much, and all of it is locked.
    const ENOUGH_BYTES: u64 = 1 << 30;
    match rights.locked_memory {
        _ if rights.has(IPC_LOCK) => Finding::ok(format!("{} may lock memory", rights.who)),
        Some(Limit::Unlimited) => Finding::ok(format!("{} may lock all memory", rights.who)),
        Some(Limit::At(bytes)) if bytes >= ENOUGH_BYTES => {
            Finding::ok(format!("{} may lock {} MiB of memory", rights.who, bytes >> 20))
        }
        Some(Limit::At(bytes)) => Finding::advice(
            format!(
                "{} may lock {} MiB of memory, so `host.lock_memory` is refused",
                rights.who,
                bytes >> 20
            ),
            format!("{BY_UNIT}, or raise `memlock` in /etc/security/limits.conf"),
        ),
        None => untold(),
    }
}

pub(super) fn priority(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    match rights.nice {
        _ if rights.has(SYS_NICE) => Finding::ok(format!("{} may raise priorities", rights.who)),
        // 20 less the nice value that is allowed (getrlimit(2)).
        Some(Limit::Unlimited | Limit::At(21..)) => {
            Finding::ok(format!("{} may raise priorities", rights.who))
        }
        Some(Limit::At(_)) => Finding::advice(
            format!("{} may not raise priorities, so a negative `host.nice` is refused", rights.who),
            format!("{BY_UNIT}, or raise `nice` in /etc/security/limits.conf"),
        ),
        None => untold(),
    }
}

pub(super) fn host_lock(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let lock = Path::new(LOCK_FILE);
    let folder = lock.parent().unwrap_or(lock);
    let observed = match (rights.may(subject, lock, READ), rights.may(subject, folder, WRITE)) {
        (Some(true), _) | (None, Some(true)) => {
            return Finding::ok(format!("{} can have the lock for measuring", rights.who));
        }
        (Some(false), _) => format!("{} may not open {LOCK_FILE}", rights.who),
        (None, _) => format!("{} may not make {LOCK_FILE}", rights.who),
    };
    Finding::problem(
        format!("{observed}, so nothing is measured"),
        format!("`sudo install -D -m 644 /dev/null {LOCK_FILE}`"),
    )
}

pub(super) fn devices(subject: &Subject) -> Finding {
    let mut groups = Vec::new();
    for edge_tpu in &subject.host.edge_tpus {
        groups.push(match edge_tpu.bus {
            EdgeTpuBus::Usb => "plugdev",
            EdgeTpuBus::Pcie => "apex",
        });
    }
    // The driver for cards lets everybody open them.
    if subject.is_jetson() {
        groups.push("video");
        if subject.root.names_in("/dev/dri").iter().any(|name| name.starts_with("renderD")) {
            groups.push("render");
        }
    }
    groups.dedup();
    if groups.is_empty() {
        return match subject.shows_devices() {
            true => Finding::does_not_apply("the host has no accelerator"),
            false => Finding::unobservable("the host shows no devices"),
        };
    }
    let Some(rights) = &subject.rights else { return untold() };
    let Some(known) = subject.read("/etc/group") else {
        return Finding::unobservable("/etc/group can not be read");
    };
    let id = |group: &str| {
        known.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == group).then(|| fields.nth(1)?.parse::<u32>().ok()).flatten()
        })
    };
    let is_member = |group: &str| id(group).is_some_and(|id| rights.groups.contains(&id));
    let missing: Vec<&str> =
        groups.iter().copied().filter(|group| rights.user != 0 && !is_member(group)).collect();
    let Some(first) = missing.first() else {
        return Finding::ok(format!("{} may open the accelerators", rights.who));
    };
    Finding::problem(
        format!("{} is not in the groups that open the accelerators: {}", rights.who, first_few(&missing)),
        match id(first) {
            Some(_) => format!(
                "`sudo usermod --append --groups {} backbone && sudo systemctl restart backbone`",
                missing.join(",")
            ),
            None => format!(
                "install the package that makes the group {first} (libedgetpu1-std, gasket-dkms), or `sudo groupadd --system {first}` and its udev rule"
            ),
        },
    )
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
