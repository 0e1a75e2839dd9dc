//! Edge TPUs of this host, and why one of them may not be usable.
//!
//! libedgetpu gives no reason when it finds no device. What can be found out without it: whether one is on a
//! bus, whether this user may open it, and whether another process has it open.

use rustix::fs::{Access, access};

use super::machine::Machine as _;
use super::root::HostRoot;
use crate::bundle::format::{EdgeTpu, EdgeTpuBus};

/// Vendor and product on USB: before the firmware is loaded, and after.
const USB_IDS: &[(&str, &str)] = &[("1a6e", "089a"), ("18d1", "9302")];

const USB: &str = "/sys/bus/usb/devices";

/// Whether an Edge TPU can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// No Edge TPU is connected.
    Absent,
    /// This user may not open this device.
    NotPermitted(String),
    /// This device is open in the process with this id.
    InUse(String, String),
    /// This one looks usable.
    Ready(String),
}

/// All Edge TPUs, those on USB first.
pub(crate) fn found(root: &HostRoot) -> Vec<EdgeTpu> {
    let on_usb = root.names(USB).into_iter().filter_map(|name| {
        let read = |file: &str| root.read(format!("{USB}/{name}/{file}")).ok();
        let ids = (read("idVendor")?, read("idProduct")?);
        let is_one = USB_IDS.iter().any(|(vendor, product)| ids.0 == *vendor && ids.1 == *product);
        let link_megabits_per_second = read("speed").and_then(|speed| speed.parse().ok());
        is_one.then_some(EdgeTpu { bus: EdgeTpuBus::Usb, name, link_megabits_per_second })
    });
    let on_pcie = root.names("/sys/class/apex").into_iter();
    let on_pcie = on_pcie.map(|name| EdgeTpu { bus: EdgeTpuBus::Pcie, name, link_megabits_per_second: None });
    on_usb.chain(on_pcie).collect()
}

/// The first usable one, else what is wrong with the first.
pub(crate) fn probe(root: &HostRoot) -> Presence {
    let mut wrong = None;
    for device in found(root) {
        match look(root, &device) {
            ready @ Presence::Ready(_) => return ready,
            other => wrong = wrong.or(Some(other)),
        }
    }
    wrong.unwrap_or(Presence::Absent)
}

fn look(root: &HostRoot, device: &EdgeTpu) -> Presence {
    let Some(node) = node(root, device) else { return Presence::Ready(device.name.clone()) };
    // With this user's permissions, which a worker has too. If the node is missing, the loader reports it.
    let path = root.path(&node);
    if path.exists() && access(&path, Access::READ_OK | Access::WRITE_OK).is_err() {
        return Presence::NotPermitted(node);
    }
    match holder(root, &node) {
        Some(process) => Presence::InUse(node, process),
        None => Presence::Ready(node),
    }
}

/// The device file; `None` if the bus does not show it.
fn node(root: &HostRoot, device: &EdgeTpu) -> Option<String> {
    match device.bus {
        EdgeTpuBus::Pcie => Some(format!("/dev/{}", device.name)),
        EdgeTpuBus::Usb => {
            let number = |file: &str| {
                root.read(format!("{USB}/{}/{file}", device.name)).ok()?.trim().parse::<u32>().ok()
            };
            Some(format!("/dev/bus/usb/{:03}/{:03}", number("busnum")?, number("devnum")?))
        }
    }
}

/// A process that has it open, as far as this user can see.
fn holder(root: &HostRoot, node: &str) -> Option<String> {
    let processes =
        root.names("/proc").into_iter().filter(|name| name.bytes().all(|digit| digit.is_ascii_digit()));
    processes.into_iter().find(|process| {
        let files = format!("/proc/{process}/fd");
        root.names(&files).iter().any(|file| {
            let target = fs_err::read_link(root.path(format!("{files}/{file}")));
            target.is_ok_and(|target| target.as_os_str() == node)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, HostRoot) {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        for (path, text) in files {
            fs_err::create_dir_all(root.path(path).parent().unwrap()).unwrap();
            fs_err::write(root.path(path), text).unwrap();
        }
        (folder, root)
    }

    const CARD: &[(&str, &str)] = &[("/sys/class/apex/apex_0/temp", "45050\n"), ("/dev/apex_0", "")];

    const STICK: &[(&str, &str)] = &[
        ("/sys/bus/usb/devices/1-2/idVendor", "18d1\n"),
        ("/sys/bus/usb/devices/1-2/idProduct", "9302\n"),
        ("/sys/bus/usb/devices/1-2/speed", "5000\n"),
        ("/sys/bus/usb/devices/1-2/busnum", "1\n"),
        ("/sys/bus/usb/devices/1-2/devnum", "12\n"),
        ("/dev/bus/usb/001/012", ""),
    ];

    #[test]
    fn host_without_one_has_none() {
        let (_folder, root) = host(&[]);
        assert_eq!(probe(&root), Presence::Absent);
    }

    #[test]
    fn one_that_another_process_has_open_is_in_use_on_either_bus() {
        for (files, node) in [(CARD, "/dev/apex_0"), (STICK, "/dev/bus/usb/001/012")] {
            let (_folder, root) = host(files);
            assert_eq!(probe(&root), Presence::Ready(node.into()));
            let open = root.path("/proc/4711/fd");
            fs_err::create_dir_all(&open).unwrap();
            std::os::unix::fs::symlink(node, open.join("7")).unwrap();
            assert_eq!(probe(&root), Presence::InUse(node.into(), "4711".into()));
        }
    }

    #[test]
    fn one_that_may_not_be_opened_is_not_permitted() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, root) = host(CARD);
        fs_err::set_permissions(root.path("/dev/apex_0"), std::fs::Permissions::from_mode(0o400)).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let of_node = if is_root { Presence::Ready } else { Presence::NotPermitted };
        assert_eq!(probe(&root), of_node("/dev/apex_0".into()), "root may open everything");
    }

    #[test]
    fn second_one_is_taken_where_the_first_is_in_use() {
        let (_folder, root) = host(CARD);
        fs_err::create_dir_all(root.path("/sys/class/apex/apex_1")).unwrap();
        fs_err::create_dir_all(root.path("/proc/1/fd")).unwrap();
        std::os::unix::fs::symlink("/dev/apex_0", root.path("/proc/1/fd/3")).unwrap();
        assert_eq!(probe(&root), Presence::Ready("/dev/apex_1".into()));
    }
}
