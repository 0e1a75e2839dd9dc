//! Properties from a board's device tree. NUL bytes end its strings and separate its lists.

use super::machine::Machine;

/// The board's display name, such as `NVIDIA Jetson AGX Orin Developer Kit`.
pub(super) fn model(machine: &dyn Machine) -> Option<String> {
    texts(machine, "/proc/device-tree/model").into_iter().next()
}

/// The board's `compatible` list: its own name first, its chip last.
pub(super) fn compatible(machine: &dyn Machine) -> Vec<String> {
    texts(machine, "/proc/device-tree/compatible")
}

/// The strings of one property; empty if it does not exist.
pub(super) fn texts(machine: &dyn Machine, path: &str) -> Vec<String> {
    let text = machine.read(path).unwrap_or_default();
    text.split('\0').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
