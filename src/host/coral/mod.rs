//! Coral boards: small Linux machines with an Edge TPU. Power is controlled with cpufreq, as on any Linux
//! machine. They are a family of their own because board and Edge TPU are known. A Coral stick or card does
//! not make another machine a Coral host.

use super::machine::Machine;

/// Names of the Coral boards in their device trees: Dev Board, Dev Board Mini.
const BOARDS: &[&str] = &["fsl,imx8mq-phanbell", "mediatek,mt8167-coral", "google,phanbell"];

/// Whether the host is a Coral board.
pub(super) fn is_here(machine: &dyn Machine) -> bool {
    let compatible = super::device_tree::compatible(machine);
    compatible.iter().any(|name| BOARDS.contains(&name.as_str()))
}
