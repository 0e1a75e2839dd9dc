//! The host's power state in a bundle: what was requested, what was in force, and whether it was restored.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Power mode and clocks over one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// What the job asked for.
    pub requested: PowerRequest,
    /// The state in which the owner left the host, read before anything was changed.
    pub found: PowerState,
    /// The state read back after the change; null if the job asked for none.
    pub applied: Option<PowerState>,
    /// Settings that were requested and not reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applied: Vec<PowerDifference>,
    /// Settings that had changed when they were read again before or after a process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_held: Vec<PowerChange>,
    /// Whether the host was restored to the state found. Null if nothing was changed, and while the state is
    /// kept for the job's next configuration.
    pub restored: Option<bool>,
    /// Settings that could not be restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_restored: Vec<PowerDifference>,
}

/// The power state that a job asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerRequest {
    /// Name of a power mode; null for the current one.
    pub power_mode: Option<String>,
    /// Whether clocks are to be locked.
    pub lock_clocks: bool,
}

/// A power state, as far as it could be read: a missing setting could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerState {
    /// The mode, on a host with named and numbered modes (nvpmodel).
    pub mode: Option<PowerMode>,
    /// Kernel files with governors, limits and switches, and their contents; for the card that a job uses,
    /// `nvml:`, its UUID, and the setting.
    pub settings: BTreeMap<String, String>,
}

/// A named power mode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PowerMode {
    /// Its number on this host.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// A setting of the power state with the wrong value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PowerDifference {
    /// A kernel file, or `power mode`.
    pub setting: String,
    /// Value that it should have.
    pub wanted: String,
    /// Value that it has; null if it cannot be read.
    pub found: Option<String>,
    /// Error of the host when it was set; null if there was none, or if it was not set.
    pub error: Option<String>,
}

/// A part of the power state that changed while the configuration was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerChange {
    /// Number of the process before or after which the change was seen, from 1.
    pub process: u32,
    /// True if the change was seen after the process, false if before.
    pub after: bool,
    /// What changed.
    #[serde(flatten)]
    pub difference: PowerDifference,
}
