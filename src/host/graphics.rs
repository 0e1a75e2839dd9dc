//! The GPU and driver of this host as one text that changes with them, so that models compiled for another
//! are not used. The text is not for people.

use super::machine::Machine as _;
use super::root::HostRoot;

/// A Jetson's module and its L4T release, and the driver of a graphics card; missing on other hosts.
const FILES: &[&str] = &["/proc/device-tree/model", "/etc/nv_tegra_release", "/proc/driver/nvidia/version"];

/// Holds a folder for each graphics card, named by its bus address.
const CARDS: &str = "/proc/driver/nvidia/gpus";

/// The text; empty on a host without a known GPU.
pub(crate) fn platform(root: &HostRoot) -> String {
    let cards = root.names(CARDS).into_iter().map(|card| format!("{CARDS}/{card}/information"));
    let files = FILES.iter().map(|file| (*file).to_owned()).chain(cards);
    let texts: Vec<String> = files.filter_map(|file| HostRoot::read(root, file).ok()).collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_module_release_or_card_is_another_platform() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        assert_eq!(platform(&root), "");
        let mut seen = vec![String::new()];
        for (file, text) in [
            ("/proc/device-tree/model", "NVIDIA Jetson AGX Xavier"),
            ("/etc/nv_tegra_release", "# R32 (release), REVISION: 3.1"),
            ("/etc/nv_tegra_release", "# R35 (release), REVISION: 3.1"),
            ("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: NVIDIA A2"),
        ] {
            fs_err::create_dir_all(root.path(file).parent().unwrap()).unwrap();
            fs_err::write(root.path(file), text).unwrap();
            let now = platform(&root);
            assert!(!seen.contains(&now), "{now}");
            seen.push(now);
        }
    }
}
