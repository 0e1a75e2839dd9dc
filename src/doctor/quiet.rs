//! What else runs on the host: every process that wakes takes time from a latency.

use super::Finding;
use super::processes::Process;
use super::subject::Subject;
use crate::bundle::format::Quantity;
use crate::host::lock::HostLock;
use crate::text::first_few;

/// One process that is ready to run at half of all times.
const QUIET_LOAD: f64 = 0.5;

/// Share of a processor that something which only waits does not take.
const BUSY: f64 = 0.2;

/// Programs of a graphical session, as the kernel has their names.
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

/// Programs that start others at times of their own.
const CONTAINERS: &[&str] =
    &["dockerd", "containerd", "kubelet", "k3s-server", "k3s-agent", "podman", "balenad"];

const UNSHOWN: &str = "the host shows no processes";

pub(super) fn load(subject: &Subject) -> Finding {
    let Some(load) = subject.sensors_of(Quantity::LoadAverage).find_map(|(_, value)| value) else {
        return Finding::unobservable("the host does not tell its load");
    };
    let observed = format!("{load:.2} processes were ready to run over the last minute");
    let processors = f64::from(subject.host.logical_cores.unwrap_or(1));
    let remedy = "`top -b -n 1 | head -20` shows what they are";
    if load < QUIET_LOAD {
        Finding::ok(observed)
    } else if load < processors {
        Finding::advice(observed, remedy)
    } else {
        Finding::problem(format!("{observed}, on {processors:.0} processors"), remedy)
    }
}

pub(super) fn busy_processes(subject: &Subject) -> Finding {
    let Some(processes) = &subject.processes else { return Finding::unobservable(UNSHOWN) };
    if processes.iter().all(|process| process.processors.is_none()) {
        return Finding::unobservable("no process was seen twice");
    }
    let is_other = |process: &&Process| process.id != std::process::id();
    let busy: Vec<String> = processes
        .iter()
        .filter(is_other)
        .filter_map(|process| Some((process, process.processors.filter(|share| *share >= BUSY)?)))
        .map(|(process, share)| format!("{} ({}, {:.0} %)", process.name, process.id, share * 100.0))
        .collect();
    match busy.is_empty() {
        true => Finding::ok(format!("none of {} processes takes a fifth of a processor", processes.len())),
        false => Finding::advice(
            format!("busy now: {}", first_few(&busy)),
            "end it, or give jobs processors of their own by `host.cpus`",
        ),
    }
}

pub(super) fn measured_on(subject: &Subject) -> Finding {
    match HostLock::holder(subject.root) {
        None => Finding::ok("nothing measures on this host now"),
        Some(process) => Finding::advice(
            format!(
                "process {process} measures on this host now, so what is seen here is not the host at rest"
            ),
            "ask again when `backbone status` says idle",
        ),
    }
}

pub(super) fn desktop(subject: &Subject) -> Finding {
    running(
        subject,
        DESKTOP,
        "a graphical session runs",
        "no graphical session runs",
        "`sudo systemctl isolate multi-user.target`; `sudo systemctl set-default multi-user.target` for good",
    )
}

pub(super) fn interrupt_balancing(subject: &Subject) -> Finding {
    running(
        subject,
        &["irqbalance"],
        "interrupts are moved from processor to processor",
        "no program moves interrupts",
        "`sudo systemctl stop irqbalance`, or keep it from the processors of `host.cpus` (IRQBALANCE_BANNED_CPULIST)",
    )
}

pub(super) fn power_programs(subject: &Subject) -> Finding {
    running(
        subject,
        POWER_PROGRAMS,
        "another program changes clocks or power modes",
        "no other program is known to change clocks",
        "`sudo systemctl stop` it while measuring; what it changes makes a result invalid",
    )
}

pub(super) fn updates(subject: &Subject) -> Finding {
    running(
        subject,
        UPDATERS,
        "packages may be installed at any time",
        "nothing installs packages now",
        "`sudo systemctl disable --now unattended-upgrades apt-daily.timer apt-daily-upgrade.timer`",
    )
}

pub(super) fn containers(subject: &Subject) -> Finding {
    running(
        subject,
        CONTAINERS,
        "containers are run on this host",
        "nothing runs containers",
        "stop what is not needed: `docker ps`, `crictl ps`",
    )
}

/// Advice where one of these programs runs.
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
