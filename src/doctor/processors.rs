//! Processors, the kernel command line, virtual machines and containers.

use super::Finding;
use super::subject::Subject;
use crate::text::{counted, first_few};

const CPUS: &str = "/sys/devices/system/cpu";

/// Kernel options that change latencies, and how.
const OPTIONS: &[(&str, &str)] = &[
    ("maxcpus=", "uses fewer processors than the host has"),
    ("nr_cpus=", "uses fewer processors than the host has"),
    ("mem=", "uses less memory than the host has"),
    ("nohz=off", "keeps a timer tick on every processor"),
    ("idle=poll", "keeps processors busy and hot"),
    ("notsc", "uses a slow clock"),
    ("clocksource=hpet", "uses a slow clock"),
    ("clocksource=acpi_pm", "uses a slow clock"),
    ("slub_debug", "slows memory down"),
    ("page_poison=1", "slows memory down"),
    ("init_on_free=1", "slows memory down"),
    ("kasan", "slows memory down"),
    ("debug", "logs kernel messages during a measurement"),
];

/// Clock sources that a program reads without a system call.
const FAST_CLOCKS: &[&str] =
    &["tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page", "riscv_clocksource"];

/// Vendors in the firmware of virtual machines, by prefix; arm64 machines of QEMU and the like have a device
/// tree instead.
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
    "linux,dummy-virt",
];

pub(super) fn online(subject: &Subject) -> Finding {
    let Some(online) = subject.read(&format!("{CPUS}/online")) else {
        return Finding::unobservable("which processors are online is not known");
    };
    let off: Vec<String> = crate::host::cpufreq::processors(subject.root)
        .into_iter()
        .filter(|processor| subject.number(&format!("{processor}/online")) == Some(0))
        .filter_map(|processor| Some(processor.rsplit('/').next()?.to_owned()))
        .collect();
    if off.is_empty() {
        return Finding::ok(format!("all processors are online ({online})"));
    }
    let observed =
        format!("{} offline: {}", counted(off.len(), "processor is", "processors are"), first_few(&off));
    match subject.is_jetson() {
        true => Finding::ok(format!("{observed}, switched off by the power mode")),
        false => Finding::advice(observed, format!("`echo 1 | sudo tee {CPUS}/{}/online`", off[0])),
    }
}

pub(super) fn simultaneous_threads(subject: &Subject) -> Finding {
    match subject.read(&format!("{CPUS}/smt/active")).as_deref() {
        Some("0") => Finding::ok("every thread has its own core"),
        Some("1") => Finding::advice(
            "two threads share each core, and one slows the other down",
            format!(
                "`echo off | sudo tee {CPUS}/smt/control`, or list one thread of each core in `host.cpus` of jobs"
            ),
        ),
        _ => Finding::unobservable("whether threads share a core is not known"),
    }
}

pub(super) fn numa_nodes(subject: &Subject) -> Finding {
    let is_node = |name: &String| name.strip_prefix("node").is_some_and(|rest| rest.parse::<u32>().is_ok());
    match subject.root.names_in("/sys/devices/system/node").into_iter().filter(is_node).count() {
        0 => Finding::unobservable("the NUMA nodes are not known"),
        1 => Finding::ok("all memory is in one NUMA node"),
        nodes => Finding::advice(
            format!("memory is in {nodes} NUMA nodes, each closer to some processors"),
            "list the processors of one node in `host.cpus` of jobs; `lscpu` shows them",
        ),
    }
}

pub(super) fn isolated(subject: &Subject) -> Finding {
    let Some(line) = subject.read("/proc/cmdline") else {
        return Finding::unobservable("the kernel command line cannot be read");
    };
    let value = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key));
    match (value("isolcpus="), value("nohz_full=")) {
        (None, _) => Finding::does_not_apply("no processor is isolated"),
        (Some(cpus), Some(_)) => {
            Finding::ok(format!("processors {cpus} are isolated; jobs can use them with `host.cpus`"))
        }
        (Some(cpus), None) => Finding::advice(
            format!("processors {cpus} are isolated, but still have the kernel's timer tick"),
            format!("add `nohz_full={cpus} rcu_nocbs={cpus}` to the kernel command line"),
        ),
    }
}

pub(super) fn kernel_command_line(subject: &Subject) -> Finding {
    let Some(line) = subject.read("/proc/cmdline") else {
        return Finding::unobservable("the kernel command line cannot be read");
    };
    let effect =
        |word: &str| OPTIONS.iter().find(|(start, _)| is_option(word, start)).map(|(_, effect)| *effect);
    let found: Vec<String> =
        line.split_whitespace().filter_map(|word| Some(format!("`{word}` ({})", effect(word)?))).collect();
    match found.is_empty() {
        true => Finding::ok("no kernel option changes latencies"),
        false => Finding::advice(
            format!("kernel options change latencies: {}", first_few(&found)),
            "remove it from /etc/default/grub (then `sudo update-grub`) or /boot/extlinux/extlinux.conf, and reboot",
        ),
    }
}

/// `debug` is a whole word, `mem=` the beginning of one.
fn is_option(word: &str, option: &str) -> bool {
    word == option
        || option.ends_with('=') && word.starts_with(option)
        || word.starts_with(&format!("{option}="))
}

pub(super) fn clock_source(subject: &Subject) -> Finding {
    const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
    match subject.read(&format!("{FOLDER}/current_clocksource")) {
        None => Finding::unobservable("the clock source is not known"),
        Some(clock) if FAST_CLOCKS.contains(&clock.as_str()) => {
            Finding::ok(format!("the clock source is {clock}"))
        }
        Some(clock) => Finding::problem(
            format!("the clock source is {clock}, and reading it takes a system call"),
            format!(
                "see `cat {FOLDER}/available_clocksource`, and `sudo dmesg | grep -i clocksource` for why a better one is not used"
            ),
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
            format!("this is a virtual machine ({whose}), which may lose its processors at any time"),
            "measure on the physical machine, or compare only results that were measured in turns",
        )
    } else if board.is_empty() && processors.is_none() {
        Finding::unobservable("whether this is a machine of its own is not known")
    } else {
        Finding::ok("no sign of a virtual machine")
    }
}

pub(super) fn container(subject: &Subject) -> Finding {
    let kind = subject.read("/run/systemd/container").or_else(|| subject.read("/run/host/container-manager"));
    let is_marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| subject.exists(file));
    match kind.or_else(|| is_marked.then(|| "unnamed".to_owned())) {
        None if !subject.exists("/run") => {
            Finding::unobservable("whether this is a machine of its own is not known")
        }
        None => Finding::ok("no sign of a container"),
        Some(kind) => Finding::advice(
            format!("this is a container ({kind}): it shares its kernel, and may be unable to set clocks"),
            "run the daemon on the host itself, or give the container /sys, /dev and the capabilities",
        ),
    }
}
