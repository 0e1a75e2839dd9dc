//! What confines workers on this host, and what is missing.
//!
//! The kernel tells what it has only to a process that asks for it, so this goes by its release and by the
//! list of its security modules, as far as the host shows that.

use super::Finding;
use super::process_rights::{CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID};
use super::subject::Subject;
use crate::text::counted;

/// Releases of Linux from which Landlock confines more: what was added, in words.
const LANDLOCK: &[((u32, u32), &str)] =
    &[((5, 13), "files"), ((6, 7), "the network"), ((6, 12), "signals and abstract sockets")];

/// The kernel's list of security modules, if securityfs is mounted.
const MODULES: &str = "/sys/kernel/security/lsm";

/// The user that workers become.
const WORKER_USER: &str = "backbone-worker";

pub(super) fn kernel(subject: &Subject) -> Finding {
    let Some(release) = subject.read("/proc/sys/kernel/osrelease") else {
        return Finding::unobservable("the host does not show the release of its kernel");
    };
    let Some(version) = version(&release) else {
        return Finding::unobservable(format!("the kernel's release `{release}` has no version"));
    };
    let is_off =
        subject.read(MODULES).is_some_and(|list| !list.split(',').any(|name| name.trim() == "landlock"));
    let missing: Vec<&str> =
        LANDLOCK.iter().filter(|(since, _)| is_off || version < *since).map(|(_, what)| *what).collect();
    let list = missing.join(", ");
    match missing.as_slice() {
        [] => Finding::ok(format!("Linux {release} confines files, the network and signals of workers")),
        _ if is_off => Finding::advice(
            format!(
                "Landlock is off: workers are confined by system calls, limits and their user, not by {list}"
            ),
            "add `landlock` to the list `lsm=` on the kernel's command line",
        ),
        _ => Finding::advice(
            format!(
                "Linux {release} has no Landlock for {list}: system calls, limits and the user of workers remain"
            ),
            "use a newer kernel (6.12 or later confines everything), or measure only models that you trust",
        ),
    }
}

pub(super) fn user(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else {
        return Finding::unobservable("the permissions of a process are not visible");
    };
    let passwd = subject.read("/etc/passwd").unwrap_or_default();
    let exists = passwd.lines().any(|line| line.split(':').next() == Some(WORKER_USER));
    let lacks = [CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID]
        .iter()
        .filter(|capability| !rights.has(**capability))
        .count();
    match (exists, lacks) {
        (true, 0) => Finding::ok(format!("workers run as the user {WORKER_USER}")),
        (false, _) => Finding::advice(
            format!("workers run as the daemon's user: the user {WORKER_USER} does not exist"),
            "`sudo systemd-sysusers`, which creates it, and restart the daemon",
        ),
        (true, _) => Finding::advice(
            format!(
                "workers run as the daemon's user: {} lacks {}",
                rights.who,
                counted(lacks, "capability", "capabilities")
            ),
            "run the daemon as a service, which has the capabilities: `sudo systemctl enable --now backbone`",
        ),
    }
}

pub(super) fn control_group(subject: &Subject) -> Finding {
    let Some(rights) = &subject.rights else {
        return Finding::unobservable("the permissions of a process are not visible");
    };
    let groups = subject.read(&format!("/proc/{}/cgroup", rights.process)).unwrap_or_default();
    match groups.lines().find_map(|line| line.strip_prefix("0::")) {
        Some(group) => Finding::ok(format!("control groups of version 2; that of {} is {group}", rights.who)),
        None => Finding::advice(
            "this host has no control groups of version 2, so processes that hide from a trial are searched for one by one",
            "boot with `systemd.unified_cgroup_hierarchy=1`, if the kernel is 5.14 or later",
        ),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_distributions_and_boards_have_a_version() {
        assert_eq!(version("6.8.0-45-generic"), Some((6, 8)));
        assert_eq!(version("4.9.140-tegra"), Some((4, 9)));
        assert_eq!(version("unknown"), None);
    }
}
