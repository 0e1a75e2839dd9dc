//! What the daemon may do; if no daemon runs, what this process may do.

use std::path::Path;

use super::Finding;
use super::process_rights::{DAC_OVERRIDE, DAC_READ_SEARCH, IPC_LOCK, LEASE, Limit, READ, SYS_NICE, WRITE};
use super::subject::Subject;
use crate::bundle::format::EdgeTpuBus;
use crate::host::cpufreq;
use crate::host::jetson::nvpmodel::{self, STATUS_FILE};
use crate::host::lock::LOCK_FILE;
use crate::text::{counted, first_few};

const BY_UNIT: &str =
    "run the daemon as a service, which has the permission: `sudo systemctl enable --now backbone`";

fn untold() -> Finding {
    Finding::unobservable("the permissions of a process are not visible")
}

pub(super) fn folders(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let asked = subject.asked;
    let mut refused = Vec::new();
    let mut looked_at = 0;
    for path in [&asked.inbox, &asked.spool, &asked.outbox, &asked.state] {
        if let Some(may) = rights.may(subject.root, path, WRITE) {
            looked_at += 1;
            if !may {
                refused.push(path.display().to_string());
            }
        }
    }
    if looked_at == 0 {
        return Finding::unobservable("none of the folders exists");
    }
    match refused.first() {
        None => {
            Finding::ok(format!("{} can write to {}", rights.who, counted(looked_at, "folder", "folders")))
        }
        Some(first) => Finding::problem(
            format!("{} cannot write to {}", rights.who, first_few(&refused)),
            format!("{BY_UNIT}, or `sudo chown backbone:backbone {first}`"),
        ),
    }
}

pub(super) fn uploads(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let is_enough = rights.has(LEASE) && (rights.has(DAC_READ_SEARCH) || rights.has(DAC_OVERRIDE));
    match is_enough {
        true => Finding::ok(format!("{} can read all uploads, and see when they are finished", rights.who)),
        false => Finding::advice(
            format!(
                "{} can read only uploads that are readable by everyone, and has to guess when they are finished",
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
            let may = rights.may(subject.root, Path::new(&file), WRITE)?;
            Some((file, may))
        })
        .collect();
    match told.iter().find(|(_, may)| !may) {
        None if told.is_empty() => Finding::does_not_apply("this host has no clock that can be set"),
        None => Finding::ok(format!("{} can set clocks", rights.who)),
        Some((file, _)) => Finding::problem(
            format!("{} cannot write to {file}, so clocks cannot be locked", rights.who),
            format!("{BY_UNIT}; for other ways, see Power in docs/OPERATING.md"),
        ),
    }
}

pub(super) fn power_mode(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply("only Jetsons have power modes");
    }
    let Some(rights) = &subject.rights else { return untold() };
    let folders = nvpmodel::folders_on_disk(subject.root);
    let refuses = |folder: &&String| rights.may(subject.root, Path::new(folder), WRITE) == Some(false);
    if let Some(folder) = folders.iter().find(refuses) {
        return Finding::problem(
            format!("{} cannot write to {folder}, where some power modes write", rights.who),
            format!("`sudo systemctl edit backbone`, and add `[Service]` and `ReadWritePaths=-{folder}`"),
        );
    }
    match rights.may(subject.root, Path::new(STATUS_FILE), WRITE) {
        Some(true) => Finding::ok(format!("{} can set the power mode", rights.who)),
        Some(false) => Finding::problem(format!("{} cannot set the power mode", rights.who), BY_UNIT),
        None => Finding::unobservable("nvpmodel has no status file, so the permission is not known"),
    }
}

pub(super) fn memory_lock(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    /// About the memory of a runtime with a network of the family, all of which is locked.
    const ENOUGH_BYTES: u64 = 1 << 30;
    match rights.locked_memory {
        _ if rights.has(IPC_LOCK) => Finding::ok(format!("{} can lock memory", rights.who)),
        Some(Limit::Unlimited) => Finding::ok(format!("{} can lock all memory", rights.who)),
        Some(Limit::At(bytes)) if bytes >= ENOUGH_BYTES => {
            Finding::ok(format!("{} can lock {} MiB of memory", rights.who, bytes >> 20))
        }
        Some(Limit::At(bytes)) => Finding::advice(
            format!(
                "{} can lock only {} MiB of memory, so `host.lock_memory` fails",
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
        _ if rights.has(SYS_NICE) => Finding::ok(format!("{} can raise priorities", rights.who)),
        // 20 minus the lowest allowed nice value (getrlimit(2)).
        Some(Limit::Unlimited | Limit::At(21..)) => {
            Finding::ok(format!("{} can raise priorities", rights.who))
        }
        Some(Limit::At(_)) => Finding::advice(
            format!("{} cannot raise priorities, so a negative `host.nice` fails", rights.who),
            format!("{BY_UNIT}, or raise `nice` in /etc/security/limits.conf"),
        ),
        None => untold(),
    }
}

pub(super) fn host_lock(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else { return untold() };
    let lock = Path::new(LOCK_FILE);
    let folder = lock.parent().unwrap_or(lock);
    let observed = match (rights.may(subject.root, lock, READ), rights.may(subject.root, folder, WRITE)) {
        (Some(true), _) | (None, Some(true)) => {
            return Finding::ok(format!("{} can take the host lock", rights.who));
        }
        (Some(false), _) => format!("{} cannot open {LOCK_FILE}", rights.who),
        (None, _) => format!("{} cannot create {LOCK_FILE}", rights.who),
    };
    Finding::problem(
        format!("{observed}, so nothing can be measured"),
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
    // NVIDIA's driver for cards lets everybody open them.
    if subject.is_jetson() {
        groups.push("video");
        if subject.root.names_in("/dev/dri").iter().any(|name| name.starts_with("renderD")) {
            groups.push("render");
        }
    }
    groups.dedup();
    if groups.is_empty() {
        return match subject.shows_devices() {
            true => Finding::does_not_apply("this host has no accelerator"),
            false => Finding::unobservable("the devices of this host are not visible"),
        };
    }
    let Some(rights) = &subject.rights else { return untold() };
    let Some(known) = subject.read("/etc/group") else {
        return Finding::unobservable("/etc/group cannot be read");
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
        return Finding::ok(format!("{} can open the accelerators", rights.who));
    };
    Finding::problem(
        format!(
            "{} is not in the groups that may open the accelerators: {}",
            rights.who,
            first_few(&missing)
        ),
        match id(first) {
            Some(_) => format!(
                "`sudo usermod --append --groups {} backbone && sudo systemctl restart backbone`",
                missing.join(",")
            ),
            None => format!(
                "install the package that creates the group {first} (libedgetpu1-std, gasket-dkms), or `sudo groupadd --system {first}` and add a udev rule"
            ),
        },
    )
}
