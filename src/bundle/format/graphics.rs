//! The graphics card of a job, as the management library of its driver reports it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finite_or_null;

/// What is known of the graphics card that a job asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Graphics {
    /// Number of the CUDA device that the job asks for.
    pub device: u32,
    /// Version of the driver; null if its library does not answer.
    pub driver: Option<String>,
    /// The newest version of CUDA that the driver supports.
    pub cuda: Option<String>,
    /// The card that CUDA gives this number; every card if that is not known.
    pub cards: Vec<GraphicsCard>,
    /// What is not known, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A graphics card, before the first worker of the configuration started. Null means that it does not report
/// a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GraphicsCard {
    /// Beginning of the names of its sensors, such as `gpu0`.
    pub sensors: String,
    /// UUID.
    pub uuid: String,
    /// Product name, such as `NVIDIA H100 80GB HBM3`.
    pub name: Option<String>,
    /// Bus address.
    pub bus: Option<String>,
    /// Whether the driver keeps the card initialised while no program uses it.
    pub persistence_mode: Option<bool>,
    /// Whether its memory corrects errors, which takes bandwidth.
    pub ecc: Option<bool>,
    /// Whether it is split into instances (MIG), which share its clocks and its power.
    pub mig: Option<bool>,
    /// Size of its memory.
    pub memory_bytes: Option<u64>,
    /// Memory in use by other programs and by the driver.
    pub memory_used_bytes: Option<u64>,
    /// Number of programs that use it.
    pub processes: Option<u32>,
    /// Power above which it lowers its clocks, in W.
    #[serde(serialize_with = "finite_or_null")]
    pub power_limit_watts: Option<f64>,
}
