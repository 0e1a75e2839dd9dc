//! Processors, the kernel's command line, and what may run below or beside this system.

use super::Finding;
use super::subject::Subject;
use crate::text::first_few;

const CPUS: &str = "/sys/devices/system/cpu";

/// Options of the kernel that change latencies, by their beginnings, and how.
const OPTIONS: &[(&str, &str)] = &[
    ("maxcpus=", "fewer processors than there are"),
    ("nr_cpus=", "fewer processors than there are"),
    ("mem=", "less memory than there is"),
    ("nohz=off", "a tick on every processor"),
    ("idle=poll", "processors that never rest and grow hot"),
    ("notsc", "a slow clock"),
    ("clocksource=hpet", "a slow clock"),
    ("clocksource=acpi_pm", "a slow clock"),
    ("slub_debug", "slow memory"),
    ("page_poison=1", "slow memory"),
    ("init_on_free=1", "slow memory"),
    ("kasan", "slow memory"),
    ("debug", "messages of the kernel while it measures"),
];

/// Clock sources that a program reads without entering the kernel.
const FAST_CLOCKS: &[&str] =
    &["tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page", "riscv_clocksource"];

/// What firmware of virtual machines calls itself, by its beginning.
const VIRTUAL: &[&str] = &[
    "QEMU",
    "KVM",
    "Bochs",
    "Xen",
    "VMware",
    "innotek",
    "VirtualBox",
    "Microsoft Corporation Virtual",
    "Amazon EC2",
    "Google Google Compute",
    "Parallels",
    "Apple Virtualization",
    "cloud-hypervisor",
];

pub(super) fn online(subject: &Subject) -> Finding {
    let Some(online) = subject.read(&format!("{CPUS}/online")) else {
        return Finding::unobservable("the host does not tell which processors are on");
    };
    let off: Vec<String> = crate::host::cpufreq::processors(subject.root)
        .into_iter()
        .filter(|processor| subject.number(&format!("{processor}/online")) == Some(0))
        .filter_map(|processor| Some(processor.rsplit('/').next()?.to_owned()))
        .collect();
    if off.is_empty() {
        return Finding::ok(format!("all processors are on: {online}"));
    }
    let observed = format!("{} of the processors are off: {}", off.len(), first_few(&off));
    match subject.is_jetson() {
        true => Finding::ok(format!("{observed}, as power modes do")),
        false => Finding::advice(observed, format!("`echo 1 | sudo tee {CPUS}/{}/online`", off[0])),
    }
}

pub(super) fn simultaneous_threads(subject: &Subject) -> Finding {
    match subject.read(&format!("{CPUS}/smt/active")).as_deref() {
        Some("0") => Finding::ok("no two threads share a core"),
        Some("1") => Finding::advice(
            "two threads share each core: what runs on one slows the other down",
            format!(
                "`echo off | sudo tee {CPUS}/smt/control`, or give jobs one thread of each core by `host.cpus`"
            ),
        ),
        _ => Finding::unobservable("the host does not tell whether threads share a core"),
    }
}

pub(super) fn numa_nodes(subject: &Subject) -> Finding {
    let is_node = |name: &String| name.strip_prefix("node").is_some_and(|rest| rest.parse::<u32>().is_ok());
    match subject.root.names_in("/sys/devices/system/node").into_iter().filter(is_node).count() {
        0 => Finding::unobservable("the host does not tell which memory is near"),
        1 => Finding::ok("all memory is equally near"),
        nodes => Finding::advice(
            format!("memory lies in {nodes} nodes, nearer to some processors than to others"),
            "give jobs the processors of one node by `host.cpus`; `lscpu` lists them",
        ),
    }
}

pub(super) fn isolated(subject: &Subject) -> Finding {
    let Some(line) = subject.read("/proc/cmdline") else {
        return Finding::unobservable("the kernel's command line can not be read");
    };
    let value = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key));
    match (value("isolcpus="), value("nohz_full=")) {
        (None, _) => Finding::does_not_apply("no processor is isolated"),
        (Some(cpus), Some(_)) => {
            Finding::ok(format!("processors {cpus} are left alone; name them by `host.cpus`"))
        }
        (Some(cpus), None) => Finding::advice(
            format!("processors {cpus} are isolated and still have the kernel's tick"),
            format!("add `nohz_full={cpus} rcu_nocbs={cpus}` to the kernel's command line"),
        ),
    }
}

pub(super) fn kernel_command_line(subject: &Subject) -> Finding {
    let Some(line) = subject.read("/proc/cmdline") else {
        return Finding::unobservable("the kernel's command line can not be read");
    };
    let effect =
        |word: &str| OPTIONS.iter().find(|(start, _)| is_option(word, start)).map(|(_, effect)| *effect);
    let found: Vec<String> =
        line.split_whitespace().filter_map(|word| Some(format!("`{word}` ({})", effect(word)?))).collect();
    match found.is_empty() {
        true => Finding::ok("the kernel was started without an option that changes latencies"),
        false => Finding::advice(
            format!("the kernel was started with {}", first_few(&found)),
            "take it out of /etc/default/grub (`sudo update-grub`) or /boot/extlinux/extlinux.conf, and reboot",
        ),
    }
}

/// `debug` is one whole word, `mem=` begins one.
fn is_option(word: &str, option: &str) -> bool {
    word == option
        || option.ends_with('=') && word.starts_with(option)
        || word.starts_with(&format!("{option}="))
}

pub(super) fn clock_source(subject: &Subject) -> Finding {
    const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
    match subject.read(&format!("{FOLDER}/current_clocksource")) {
        None => Finding::unobservable("the host does not tell what its clock counts"),
        Some(clock) if FAST_CLOCKS.contains(&clock.as_str()) => Finding::ok(format!("the clock is {clock}")),
        Some(clock) => Finding::problem(
            format!("the clock is {clock}, and every look at it enters the kernel"),
            format!("`cat {FOLDER}/available_clocksource`; the kernel's log says why it left a better one"),
        ),
    }
}

pub(super) fn virtual_machine(subject: &Subject) -> Finding {
    let processors = subject.read("/proc/cpuinfo");
    let has_flag = processors.as_deref().is_some_and(|text| {
        let flags = text.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
        flags.is_some_and(|(_, flags)| flags.split_whitespace().any(|flag| flag == "hypervisor"))
    });
    let board = subject.host.board.as_deref().unwrap_or_default();
    if has_flag
        || VIRTUAL.iter().any(|start| board.starts_with(start))
        || subject.exists("/sys/hypervisor/type")
    {
        let whose = if board.is_empty() { "unknown" } else { board };
        Finding::advice(
            format!("this is a virtual machine ({whose}): its processors may be taken from it at any time"),
            "measure on the machine itself, or compare only what is measured in turns",
        )
    } else if board.is_empty() && processors.is_none() {
        Finding::unobservable("the host does not tell what it is")
    } else {
        Finding::ok("no other kernel is known to run below this one")
    }
}

pub(super) fn container(subject: &Subject) -> Finding {
    let kind = subject.read("/run/systemd/container").or_else(|| subject.read("/run/host/container-manager"));
    let is_marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| subject.exists(file));
    match kind.or_else(|| is_marked.then(|| "unnamed".to_owned())) {
        None if !subject.exists("/run") => Finding::unobservable("the host does not tell what it is"),
        None => Finding::ok("this system has its kernel for itself"),
        Some(kind) => Finding::advice(
            format!("this is a container ({kind}): others share its kernel, and clocks may not be set"),
            "run the daemon on the host itself, or give the container /sys, /dev and the rights",
        ),
    }
}
