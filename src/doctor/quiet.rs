//! What else runs on the host: every process that wakes up can add to a latency.

use super::Finding;
use super::processes::RunningProcess;
use super::subject::Subject;
use crate::bundle::format::Quantity;
use crate::host::lock::HostLock;
use crate::text::first_few;

/// One process that is ready to run half of the time.
const QUIET_LOAD: f64 = 0.5;

/// A process that only waits uses less of a processor.
const BUSY: f64 = 0.2;

/// Programs of a graphical session, by the kernel's names for them.
const DESKTOP: &[&str] = &[
    "Xorg",
    "Xwayland",
    "gnome-shell",
    "gdm3",
    "gdm-x-session",
    "lightdm",
    "sddm",
    "kwin_wayland",
    "kwin_x11",
    "plasmashell",
    "weston",
    "sway",
    "lxsession",
    "xfce4-session",
    "cinnamon",
];

/// Programs that set clocks, governors or power modes.
const POWER_PROGRAMS: &[&str] = &[
    "tlp",
    "power-profiles-",
    "thermald",
    "auto-cpufreq",
    "tuned",
    "cpufreqd",
    "laptop-mode",
    "system76-power",
    "nvpmodel_indica",
    "jtop",
];

/// Programs that install packages.
const UPDATERS: &[&str] =
    &["apt", "apt-get", "dpkg", "unattended-upgr", "aptd", "packagekitd", "snapd", "dnf", "rpm", "fwupd"];

/// Programs that start others at any time.
const CONTAINERS: &[&str] =
    &["dockerd", "containerd", "kubelet", "k3s-server", "k3s-agent", "podman", "balenad"];

const UNSHOWN: &str = "the processes of this host are not visible";

pub(super) fn load(subject: &Subject) -> Finding {
    let Some(load) = subject.value(Quantity::LoadAverage) else {
        return Finding::unobservable("the load average is not known");
    };
    let observed = format!("the load average is {load:.2} over the last minute");
    let processors = f64::from(subject.host.logical_cores.unwrap_or(1));
    let remedy = "see which processes run: `top -b -n 1 | head -20`";
    if load < QUIET_LOAD {
        Finding::ok(observed)
    } else if load < processors {
        Finding::advice(observed, remedy)
    } else {
        Finding::problem(format!("{observed} on {processors:.0} processors"), remedy)
    }
}

pub(super) fn busy_processes(subject: &Subject) -> Finding {
    let Some(processes) = &subject.processes else { return Finding::unobservable(UNSHOWN) };
    if processes.iter().all(|process| process.processors.is_none()) {
        return Finding::unobservable("no process was seen twice, so processor use is not known");
    }
    let is_other = |process: &&RunningProcess| process.id != std::process::id();
    let busy: Vec<String> = processes
        .iter()
        .filter(is_other)
        .filter_map(|process| Some((process, process.processors.filter(|share| *share >= BUSY)?)))
        .map(|(process, share)| format!("{} ({}, {:.0} %)", process.name, process.id, share * 100.0))
        .collect();
    match busy.is_empty() {
        true => Finding::ok(format!(
            "none of {} processes uses more than a fifth of a processor",
            processes.len()
        )),
        false => Finding::advice(
            format!("busy now: {}", first_few(&busy)),
            "stop it, or reserve processors for jobs with `host.cpus`",
        ),
    }
}

pub(super) fn measured_on(subject: &Subject) -> Finding {
    match HostLock::holder(subject.root) {
        None => Finding::ok("no measurement is running on this host"),
        Some(process) => Finding::advice(
            format!(
                "process {process} is measuring on this host, so these checks do not show the host at rest"
            ),
            "run this again when `backbone status` says idle",
        ),
    }
}

pub(super) fn desktop(subject: &Subject) -> Finding {
    running(
        subject,
        DESKTOP,
        "a graphical session is running",
        "no graphical session is running",
        "`sudo systemctl isolate multi-user.target`; to keep it, `sudo systemctl set-default multi-user.target`",
    )
}

pub(super) fn interrupt_balancing(subject: &Subject) -> Finding {
    running(
        subject,
        &["irqbalance"],
        "interrupts are moved between processors",
        "no service moves interrupts",
        "`sudo systemctl stop irqbalance`, or exclude the processors in `host.cpus` (IRQBALANCE_BANNED_CPULIST)",
    )
}

pub(super) fn power_programs(subject: &Subject) -> Finding {
    running(
        subject,
        POWER_PROGRAMS,
        "another program changes clocks or power modes",
        "no known program changes clocks",
        "stop it with `sudo systemctl stop` while measuring; its changes make a result invalid",
    )
}

pub(super) fn updates(subject: &Subject) -> Finding {
    running(
        subject,
        UPDATERS,
        "packages may be updated at any time",
        "no package manager is running",
        "`sudo systemctl disable --now unattended-upgrades apt-daily.timer apt-daily-upgrade.timer`",
    )
}

pub(super) fn containers(subject: &Subject) -> Finding {
    running(
        subject,
        CONTAINERS,
        "a container engine is running",
        "no container engine is running",
        "stop containers you do not need; `docker ps` or `crictl ps` lists them",
    )
}

/// Advice if one of these programs runs.
fn running(subject: &Subject, names: &[&str], found: &str, none: &str, remedy: &str) -> Finding {
    match subject.running(names) {
        None => Finding::unobservable(UNSHOWN),
        Some(running) if running.is_empty() => Finding::ok(none),
        Some(running) => {
            let mut names: Vec<&str> = running.iter().map(|process| process.name.as_str()).collect();
            names.dedup();
            Finding::advice(format!("{found}: {}", first_few(names)), remedy)
        }
    }
}
