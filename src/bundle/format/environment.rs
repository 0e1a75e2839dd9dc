//! What the host's sensors told while a configuration was measured, where its worker ran, and what an inference took in energy.
//! Serialised types and nothing else, like the rest of the format.
//!
//! A value that could not be read is null, never zero; a sensor that can not be read at all says why in its place in
//! [`Environment::sensors`], and a quantity that no sensor tells is named in [`Environment::unobservable`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{Power, finite, finite_or_null};
use crate::units::Nanos;

/// What was read of the host around and within the timed runs of every trial.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Power mode and clocks: what was asked for, what was in force, and whether it was put back; null where no trial was to
    /// start.
    #[serde(default)]
    pub power: Option<Power>,
    /// How closely the timed runs were observed: the weakest over all trials.
    pub observation: Observation,
    /// Every sensor that was found. `values` of the readings below are in this order.
    pub sensors: Vec<Sensor>,
    /// Quantities that no sensor of this host tells.
    pub unobservable: Vec<Quantity>,
    /// One for each trial, directly before its warm-up.
    pub before_warm_up: Vec<Reading>,
    /// One for each trial, right before its last warm-up runs, which its first timed run follows without a pause.
    pub before: Vec<Reading>,
    /// Within the timed runs, at most one a second.
    pub samples: Vec<Reading>,
    /// One for each trial, right after its last timed run.
    pub after: Vec<Reading>,
    /// For each trial, how it was waited for that the host is cool; empty where the job does not ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cooling: Vec<Cooling>,
    /// Where and how the worker ran, where the job asks for something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
}

/// How closely timed runs were observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Not at all.
    #[default]
    Unobserved,
    /// Before and after; they were too short for a sample within.
    Bracketed,
    /// Before, after and within.
    Watched,
}

/// One thing that can be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sensor {
    /// Its name on the host, such as `CPU-therm`, `cpu0` or `VDD_IN`.
    pub name: String,
    /// What it measures, and in which unit its values are.
    pub quantity: Quantity,
    /// The file it is read from, as the host names it.
    pub path: String,
    /// Temperature from which the kernel slows the host down: the zone's lowest passive or hot trip point, in °C.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite_or_null")]
    pub trip_celsius: Option<f64>,
    /// Where a counter of energy begins again at zero, in joules.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite_or_null")]
    pub wraps_at_joules: Option<f64>,
    /// Why it could not be read when it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unobservable: Option<String>,
}

/// What a sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Temperature, in °C.
    Temperature,
    /// Present frequency of a processor core, in Hz.
    CpuFrequency,
    /// Present frequency of the graphics processor, in Hz.
    GpuFrequency,
    /// Present frequency of the external memory, in Hz.
    MemoryFrequency,
    /// How often something was throttled since the host started.
    ThrottleCount,
    /// How far a cooling device of the kernel throttles now; 0 is not at all.
    CoolingState,
    /// Electric power of a rail, in W.
    Power,
    /// Energy since some moment, in J.
    Energy,
    /// Runnable processes, averaged over the last minute.
    LoadAverage,
    /// Main memory that programs could still get, in bytes.
    MemoryAvailable,
    /// Swap space in use, in bytes.
    SwapUsed,
}

/// All sensors, read once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Build of the trial.
    pub build: u32,
    /// Process of the trial.
    pub process: u32,
    /// Since the trial's worker was started, in seconds.
    #[serde(serialize_with = "finite")]
    pub at_seconds: f64,
    /// The values, in the order and the units of `sensors`; null for one that could not be read.
    #[serde(serialize_with = "finite_or_null_each")]
    pub values: Vec<Option<f64>>,
}

/// How it was waited for that the host is cool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cooling {
    /// Build of the trial.
    pub build: u32,
    /// Process of the trial.
    pub process: u32,
    /// How it ended.
    pub ended: CoolingEnd,
    /// How long it took, in seconds.
    #[serde(serialize_with = "finite")]
    pub waited_seconds: f64,
    /// What the job asks for, in °C.
    pub below_celsius: u32,
    /// The hottest of the zones that are asked for at the end, in °C; null where none could be read.
    #[serde(serialize_with = "finite_or_null")]
    pub hottest_celsius: Option<f64>,
    /// Zones that the job names and that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unobservable_zones: Vec<String>,
}

/// How waiting for a cool host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoolingEnd {
    /// Every zone was below.
    Cool,
    /// A zone was still too hot after `host.wait_up_to_seconds`.
    GaveUp,
    /// No zone that is asked for can be read, or not all that the job names.
    Unobservable,
}

/// Where and how the worker was asked to run, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Processors that the worker was asked to keep to; empty where the job leaves them open.
    pub cpus_asked: Vec<u32>,
    /// Processors that the kernel let it have, read back; null where it does not tell.
    pub cpus: Option<Vec<u32>>,
    /// Processors that the daemon kept to meanwhile; empty where it was not moved.
    pub daemon_cpus: Vec<u32>,
    /// Nice value that was asked for.
    pub nice_asked: Option<i32>,
    /// Nice value in force, read back.
    pub nice: Option<i32>,
    /// Was locked memory asked for?
    pub lock_memory_asked: bool,
    /// Was memory locked?
    pub memory_locked: bool,
    /// What the kernel refused, and its words.
    pub refused: Vec<String>,
}

/// What an inference takes in energy: the same runs again, in a phase of their own after the timed ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Whether it could be measured.
    pub state: EnergyState,
    /// Why not, where not.
    pub detail: Option<String>,
    /// Energy of one inference beyond what the host takes while idle, in J, by `total_from`.
    #[serde(serialize_with = "finite_or_null")]
    pub joules_per_inference: Option<f64>,
    /// Interval for it, in J.
    pub interval: Option<JoulesInterval>,
    /// Names of the sensors whose sum is the total.
    pub total_from: Vec<String>,
    /// The same for each sensor by itself.
    pub sources: Vec<EnergySource>,
    /// Inferences of the phase.
    pub runs: u64,
    /// How long they took, in seconds.
    #[serde(serialize_with = "finite")]
    pub loop_seconds: f64,
    /// Their latencies in order. They enter no statistic of latency.
    pub latency_ns: Vec<Nanos>,
    /// Readings while the worker waited before the phase; `values` in the order of `sources`: W of a rail, J of a counter.
    pub idle_before: Vec<EnergyReading>,
    /// Readings during the runs, the first right before and the last right after them.
    pub loaded: Vec<EnergyReading>,
    /// Readings while the worker waited after it.
    pub idle_after: Vec<EnergyReading>,
}

/// Could energy be measured?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnergyState {
    /// Yes.
    Measured,
    /// There is no sensor for it, or it did not tell throughout.
    Unobservable,
}

/// One sensor's share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnergySource {
    /// Name of the sensor, as in `environment.sensors`.
    pub name: String,
    /// `power` of a rail or `energy` of a counter.
    pub quantity: Quantity,
    /// Where a counter begins again at zero, in joules.
    #[serde(serialize_with = "finite_or_null")]
    pub wraps_at_joules: Option<f64>,
    /// Mean power while idle, before and after, in W; null where it could not be read throughout.
    #[serde(serialize_with = "finite_or_null")]
    pub idle_watts: Option<f64>,
    /// Mean power during the runs, in W.
    #[serde(serialize_with = "finite_or_null")]
    pub loaded_watts: Option<f64>,
    /// Energy of one inference beyond idle, in J.
    #[serde(serialize_with = "finite_or_null")]
    pub joules_per_inference: Option<f64>,
}

/// An interval of energy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JoulesInterval {
    /// Lower end, in J.
    #[serde(serialize_with = "finite")]
    pub low_joules: f64,
    /// Upper end, in J.
    #[serde(serialize_with = "finite")]
    pub high_joules: f64,
    /// Probability that intervals made this way cover the true value.
    #[serde(serialize_with = "finite")]
    pub confidence: f64,
}

/// The sensors of energy, read once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnergyReading {
    /// Since the trial's worker was started, in seconds.
    #[serde(serialize_with = "finite")]
    pub at_seconds: f64,
    /// One value for each source; null where it could not be read.
    #[serde(serialize_with = "finite_or_null_each")]
    pub values: Vec<Option<f64>>,
}

impl Quantity {
    /// Every quantity, in the order of the documents.
    pub const ALL: &[Self] = &[
        Self::Temperature,
        Self::CpuFrequency,
        Self::GpuFrequency,
        Self::MemoryFrequency,
        Self::ThrottleCount,
        Self::CoolingState,
        Self::Power,
        Self::Energy,
        Self::LoadAverage,
        Self::MemoryAvailable,
        Self::SwapUsed,
    ];
}

fn finite_or_null_each<S: Serializer>(values: &[Option<f64>], serializer: S) -> Result<S::Ok, S::Error> {
    match values.iter().flatten().find(|value| !value.is_finite()) {
        Some(value) => finite(value, serializer),
        None => values.serialize(serializer),
    }
}
