//! What identifies this host as a platform: family, board, release of the vendor's software, accelerators,
//! and installed inference libraries. Read once, at the start of the program; what is not found is left out.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};

use super::jetson::{self, Release};
use super::machine::Machine as _;
use super::root::HostRoot;
use super::{device_tree, family};
use crate::bundle::format::Host;
use crate::host::edge_tpu;

/// The package manager's list. Read line by line, because it can be several megabytes.
const PACKAGES_FILE: &str = "/var/lib/dpkg/status";

/// What may follow the beginning of a package's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Any,
    Number,
}

/// Packages that change latencies: the beginning of the name, and what may follow.
const PACKAGES: &[(&str, Rest)] = &[
    ("nvidia-l4t-core", Rest::Any),
    ("tensorrt", Rest::Any),
    ("libnvinfer", Rest::Number),
    ("libcudnn", Rest::Number),
    ("cuda-cudart-", Rest::Number),
    ("libedgetpu1-", Rest::Any),
    ("gasket-dkms", Rest::Any),
    ("python3-tflite-runtime", Rest::Any),
    ("libonnxruntime", Rest::Number),
];

/// Fill in what identifies the host.
pub(super) fn identify(root: &HostRoot, host: &mut Host) {
    let family = family(root).name;
    host.family = Some(family.to_owned());
    host.packages = packages(root);
    host.edge_tpus = edge_tpu::found(root);
    host.board = device_tree::model(root).or_else(|| board_of_firmware(root));
    host.chip = device_tree::compatible(root).pop();
    host.gpus = other_gpus(root);
    if family == "jetson" {
        host.gpus.extend(jetson::gpus(root));
        if let Some(release) = Release::read(root, host.packages.get("nvidia-l4t-core").map(String::as_str)) {
            host.jetpack = release.jetpack;
            host.l4t = Some(release.l4t);
        }
    }
}

/// Vendor and product from the firmware of a PC or a virtual machine.
fn board_of_firmware(root: &HostRoot) -> Option<String> {
    let word =
        |name: &str| root.read(format!("/sys/class/dmi/id/{name}")).ok().filter(|word| !word.is_empty());
    match (word("sys_vendor"), word("product_name")) {
        (Some(vendor), Some(product)) => Some(format!("{vendor} {product}")),
        (vendor, product) => vendor.or(product),
    }
}

/// GPUs that NVIDIA's driver for cards knows.
fn other_gpus(root: &HostRoot) -> Vec<String> {
    const FOLDER: &str = "/proc/driver/nvidia/gpus";
    let model = |name: String| {
        let text = root.read(format!("{FOLDER}/{name}/information")).ok()?;
        text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned()))
    };
    root.names(FOLDER).into_iter().filter_map(model).collect()
}

fn packages(root: &HostRoot) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(file) = fs_err::File::open(root.path(PACKAGES_FILE)) else { return found };
    let (mut name, mut is_installed) = (None, false);
    // Stop at a line that is not UTF-8: the file is damaged.
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        match line.split_once(": ") {
            Some(("Package", value)) => (name, is_installed) = (Some(value.to_owned()), false),
            Some(("Status", value)) => is_installed = value.ends_with(" installed"),
            Some(("Version", value)) if is_installed => {
                if let Some(name) = name.take().filter(|name| changes_latencies(name)) {
                    found.insert(name, value.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

fn changes_latencies(package: &str) -> bool {
    let is_number =
        |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit()) && !rest.ends_with("-dev");
    PACKAGES.iter().any(|(start, rest_is)| {
        package.strip_prefix(start).is_some_and(|rest| *rest_is == Rest::Any || is_number(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_count_and_their_headers_and_tools_do_not() {
        for (package, expected) in [
            ("libnvinfer8", true),
            ("libnvinfer-bin", false),
            ("libcudnn9-cuda-12", true),
            ("libcudnn8-dev", false),
            ("cuda-cudart-10-0", true),
            ("libedgetpu1-max", true),
            ("bash", false),
        ] {
            assert_eq!(changes_latencies(package), expected, "{package}");
        }
    }

    #[test]
    fn package_that_was_removed_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        fs_err::create_dir_all(root.path("/var/lib/dpkg")).unwrap();
        fs_err::write(
            root.path(PACKAGES_FILE),
            "Package: libnvinfer8\nStatus: deinstall ok config-files\nVersion: 8.5.2\n\n\
             Package: libedgetpu1-std\nStatus: install ok installed\nArchitecture: arm64\nVersion: 16.0\n",
        )
        .unwrap();
        let expected = BTreeMap::from([("libedgetpu1-std".to_owned(), "16.0".to_owned())]);
        assert_eq!(packages(&root), expected);
    }
}
