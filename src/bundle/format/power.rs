//! The host's power state in a bundle: what was asked for, what was in force, and whether it was put back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Power mode and clocks over one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// What the job asked for.
    pub requested: PowerRequest,
    /// As the owner left it, read before anything was changed.
    pub found: PowerState,
    /// Read back after the change; null where none was asked for.
    pub applied: Option<PowerState>,
    /// What was asked for and not reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applied: Vec<PowerDifference>,
    /// What was no longer so when it was read again, before and after each process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_held: Vec<PowerChange>,
    /// Was the host put back as it was found? Null where nothing was changed, and where the state is kept for the job's next
    /// configuration.
    pub restored: Option<bool>,
    /// What could not be put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_restored: Vec<PowerDifference>,
}

/// What a job asks of the host's power state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerRequest {
    /// Name of a power mode; null for the present one.
    pub power_mode: Option<String>,
    /// Are clocks to be held still?
    pub lock_clocks: bool,
}

/// A power state, as far as it could be read: what is missing could not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerState {
    /// The mode, on a host that has named modes with a number (nvpmodel).
    pub mode: Option<PowerMode>,
    /// Files of the kernel that hold governors, limits and switches, and what they said.
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

/// A part of the power state that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PowerDifference {
    /// A file of the kernel, or `power mode`.
    pub setting: String,
    /// What it should be.
    pub wanted: String,
    /// What it is; null where it can not be read.
    pub found: Option<String>,
    /// What the host said when it was set; null where it took the value in silence, or nobody set it.
    pub error: Option<String>,
}

/// A part of the power state that changed while the configuration was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerChange {
    /// The process before or after which it was seen, from 1.
    pub process: u32,
    /// Was it seen after the process? False: before it.
    pub after: bool,
    /// What changed.
    #[serde(flatten)]
    pub difference: PowerDifference,
}
