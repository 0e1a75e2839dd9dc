//! Where a configuration stood in its job. Serialised types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a result is for, and its place in the order of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// What it is for.
    pub role: Role,
    /// The order of the job's configurations.
    pub order: ScheduleOrder,
    /// Seed of a random order; left out for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Its place in that order, from 1, sentinels included.
    pub place: u64,
    /// Number of places.
    pub places: u64,
}

/// What a result is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is what the job is about. Bundles without a schedule are of this kind.
    #[default]
    Configuration,
    /// The same network again and again: it shows how the device drifts, and is no configuration.
    Sentinel,
}

/// The order of a job's configurations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleOrder {
    /// As the job lists them.
    #[default]
    Listed,
    /// Shuffled.
    Random,
}
