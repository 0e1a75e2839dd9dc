//! Coral boards: a small Linux machine with an Edge TPU on it. Power is controlled as on any Linux, by cpufreq; a family of its
//! own because its board and its Edge TPU are known. A Coral stick or card in another machine makes that no Coral host.

use super::machine::Machine;

/// What the device trees of Coral's boards call themselves: Dev Board, Dev Board Mini.
const BOARDS: &[&str] = &["fsl,imx8mq-phanbell", "mediatek,mt8167-coral", "google,phanbell"];

/// Is the host a Coral board?
pub(super) fn is_here(machine: &dyn Machine) -> bool {
    let compatible = super::device_tree::compatible(machine);
    compatible.iter().any(|name| BOARDS.contains(&name.as_str()))
}
