//! What a board's device tree says of it. Its texts end in, and its lists are separated by, NUL bytes.

use super::machine::Machine;

/// The board's name for people, such as `NVIDIA Jetson AGX Orin Developer Kit`.
pub(super) fn model(machine: &dyn Machine) -> Option<String> {
    texts(machine, "/proc/device-tree/model").into_iter().next()
}

/// What the board is compatible with, its own name first and its chip last.
pub(super) fn compatible(machine: &dyn Machine) -> Vec<String> {
    texts(machine, "/proc/device-tree/compatible")
}

/// The texts of one property; none where it is not there.
pub(super) fn texts(machine: &dyn Machine, path: &str) -> Vec<String> {
    let text = machine.read(path).unwrap_or_default();
    text.split('\0').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
