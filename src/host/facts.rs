//! What kind of machine this is, for every bundle.
//!
//! Read once, at the start of the program: these facts do not change while it runs, and the daemon keeps
//! nothing of `sysinfo` in memory. Under another host root only its own files count; what they do not show is
//! null, because the real machine's facts would be wrong there.

use std::ffi::OsStr;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

use crate::bundle::format::Host;
use crate::host::detect;
use crate::host::root::HostRoot;

/// The facts of a host; null for each one that could not be observed.
pub fn observe(root: &HostRoot) -> Host {
    let host = if root.is_real() { of_this_machine() } else { of_files(root) };
    let mut host = Host { root: root.as_path().to_string_lossy().into_owned(), ..host };
    detect::identify(root, &mut host);
    host
}

fn of_this_machine() -> Host {
    let (processor, logical_cores, memory_bytes) = processors_and_memory();
    Host {
        name: System::host_name().ok().and_then(not_empty),
        operating_system: operating_system(System::name().ok(), System::os_version().ok()),
        kernel: System::kernel_version().ok().and_then(not_empty),
        architecture: not_empty(System::cpu_arch()),
        processor,
        logical_cores,
        memory_bytes,
        ..Host::default()
    }
}

fn processors_and_memory() -> (Option<String>, Option<u32>, Option<u64>) {
    let Ok(mut system) = System::new() else { return (None, None, None) };
    // Not `new_all`: it lists every process, which takes too much memory for the daemon.
    system.refresh_cpu_list(CpuRefreshKind::nothing());
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let processor = system.cpus().first().and_then(|cpu| not_empty(cpu.brand().to_owned()));
    let cores = u32::try_from(system.cpus().len()).ok().filter(|&cores| cores > 0);
    (processor, cores, Some(system.total_memory()).filter(|&bytes| bytes > 0))
}

fn of_files(root: &HostRoot) -> Host {
    let release = root.read("/etc/os-release").unwrap_or_default();
    let processors = root.read("/proc/cpuinfo").unwrap_or_default();
    let memory = root.read("/proc/meminfo").unwrap_or_default();
    let logical_cores = values(&processors, ':').filter(|(key, _)| *key == "processor").count();
    Host {
        name: root.read("/proc/sys/kernel/hostname").ok().and_then(not_empty),
        operating_system: operating_system(
            release_value(&release, "NAME"),
            release_value(&release, "VERSION_ID"),
        ),
        kernel: root.read("/proc/sys/kernel/osrelease").ok().and_then(not_empty),
        // Only uname(2) shows it, and that is this machine's kernel.
        architecture: None,
        processor: value(&processors, ':', "model name").and_then(not_empty),
        logical_cores: u32::try_from(logical_cores).ok().filter(|&cores| cores > 0),
        memory_bytes: value(&memory, ':', "MemTotal").and_then(|text| kibibytes(&text)),
        ..Host::default()
    }
}

/// Name and version number: `Debian GNU/Linux 12`.
fn operating_system(name: Option<String>, version: Option<String>) -> Option<String> {
    let name = name.and_then(not_empty)?;
    Some(match version.and_then(not_empty) {
        Some(version) => format!("{name} {version}"),
        None => name,
    })
}

fn release_value(text: &str, key: &str) -> Option<String> {
    // os-release(5) allows both quotes; names and versions have no escapes.
    value(text, '=', key).map(|value| value.trim_matches(['"', '\'']).to_owned())
}

fn value(text: &str, separator: char, key: &str) -> Option<String> {
    values(text, separator).find(|(found, _)| *found == key).map(|(_, value)| value.to_owned())
}

fn values(text: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(move |line| line.split_once(separator))
        .map(|(key, value)| (key.trim(), value.trim()))
}

/// Bytes of a value such as `8041252 kB`; the kernel's `kB` is 1024 bytes (proc_meminfo(5)).
fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn not_empty(text: String) -> Option<String> {
    let text = text.trim();
    (!OsStr::new(text).is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_another_root_come_from_its_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        for (path, text) in [
            ("/proc/sys/kernel/hostname", "xavier-7\n"),
            ("/proc/sys/kernel/osrelease", "4.9.140-tegra\n"),
            ("/etc/os-release", "PRETTY_NAME=\"Ubuntu 18.04.3 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID='18.04'\n"),
            (
                "/proc/cpuinfo",
                "processor\t: 0\nmodel name\t: ARMv8 Processor rev 0 (v8l)\nBogoMIPS\t: 62.50\n\n\
                 processor\t: 1\nmodel name\t: ARMv8 Processor rev 0 (v8l)\nBogoMIPS\t: 62.50\n",
            ),
            ("/proc/meminfo", "MemTotal:       32692948 kB\nMemFree:        1 kB\n"),
        ] {
            let path = root.path(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let expected = Host {
            name: Some("xavier-7".to_owned()),
            operating_system: Some("Ubuntu 18.04".to_owned()),
            kernel: Some("4.9.140-tegra".to_owned()),
            architecture: None,
            processor: Some("ARMv8 Processor rev 0 (v8l)".to_owned()),
            logical_cores: Some(2),
            memory_bytes: Some(32_692_948 * 1024),
            root: folder.path().to_str().unwrap().to_owned(),
            family: Some("linux".to_owned()),
            ..Host::default()
        };
        assert_eq!(observe(&root), expected);
    }

    #[test]
    fn facts_that_no_file_tells_are_null() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        fs_err::create_dir_all(root.path("/proc")).unwrap();
        fs_err::write(root.path("/proc/meminfo"), "MemTotal: much\n").unwrap();
        fs_err::write(root.path("/proc/cpuinfo"), "garbage\n").unwrap();
        let root_folder = folder.path().to_str().unwrap().to_owned();
        let expected = Host { root: root_folder, family: Some("linux".to_owned()), ..Host::default() };
        assert_eq!(observe(&root), expected);
    }

    #[test]
    fn both_ways_of_looking_agree_on_this_machine() {
        let real = observe(&HostRoot::real());
        let files = of_files(&HostRoot::real());
        assert_eq!(real.root, "/");
        assert_eq!(real.kernel, files.kernel);
        assert_eq!(real.name, files.name);
        assert_eq!(real.operating_system, files.operating_system);
        assert_eq!(real.memory_bytes, files.memory_bytes);
        assert_eq!(real.logical_cores, files.logical_cores);
        assert!(real.architecture.is_some());
    }
}
