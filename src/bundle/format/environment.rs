//! Readings of the host's sensors while a configuration was measured, the placement of its worker, and the
//! energy of an inference. Serialised types only, like the rest of the format.
//!
//! A value that could not be read is null, never zero. A sensor that cannot be read at all says why in
//! [`Environment::sensors`], and a quantity that no sensor measures is in [`Environment::unobservable`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{Graphics, Power, Sandbox, finite, finite_or_null};
use crate::units::Nanos;

/// The host before, during and after the timed runs of every trial.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Power mode and clocks: what the job asked for, what was in force, and whether the host was restored;
    /// null if no trial was due to start.
    #[serde(default)]
    pub power: Option<Power>,
    /// How closely the timed runs were observed: the weakest observation of all trials.
    pub observation: Observation,
    /// Every sensor that was found. The `values` of the readings below are in this order.
    pub sensors: Vec<Sensor>,
    /// Quantities that no sensor of this host measures.
    pub unobservable: Vec<Quantity>,
    /// One reading for each trial, directly before its warm-up.
    pub before_warm_up: Vec<Reading>,
    /// One reading for each trial, right before its last warm-up runs, which the first timed run follows
    /// without a pause; for a program that times itself, before it starts.
    pub before: Vec<Reading>,
    /// Readings during the timed runs, at most one a second.
    pub samples: Vec<Reading>,
    /// One reading for each trial, right after its last timed run.
    pub after: Vec<Reading>,
    /// The wait for a cool host before each trial; empty if the job does not ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cooling: Vec<Cooling>,
    /// Where and how the worker ran, if the job asks for something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The graphics card that the job asks for; missing for jobs that use none, and on a Jetson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphics: Option<Graphics>,
    /// What the clocks did between the readings right before and right after the timed runs of each trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockSpan>,
    /// How the workers were confined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
}

/// What the clocks did around the timed runs of one trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockSpan {
    /// Build of the trial.
    pub build: u32,
    /// Process of the trial.
    pub process: u32,
    /// Time between the two readings by the clock that never steps, in seconds.
    #[serde(serialize_with = "finite")]
    pub seconds: f64,
    /// Seconds by which the wall clock was set forward, or back; null if it could not be read.
    #[serde(serialize_with = "finite_or_null")]
    pub stepped_seconds: Option<f64>,
    /// Seconds for which the host was suspended; null if it does not count them.
    #[serde(serialize_with = "finite_or_null")]
    pub suspended_seconds: Option<f64>,
}

/// How closely timed runs were observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Not at all.
    #[default]
    Unobserved,
    /// Before and after a program that loads, warms up and times itself in one run. A sample may fall
    /// anywhere into it.
    Around,
    /// Before and after; the runs were too short for a sample.
    Bracketed,
    /// Before, during and after.
    Watched,
}

/// One quantity that can be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sensor {
    /// Its name on the host, such as `CPU-therm`, `cpu0` or `VDD_IN`.
    pub name: String,
    /// What it measures, which also determines the unit of its values.
    pub quantity: Quantity,
    /// The file that it is read from, as a path on the host; `nvml:` and the UUID of a graphics card if the
    /// library of its driver reports it.
    pub path: String,
    /// Temperature from which the kernel throttles the host: the zone's lowest passive or hot trip point, in
    /// °C.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite_or_null")]
    pub trip_celsius: Option<f64>,
    /// Value at which an energy counter wraps around to zero, in joules.
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
    /// How often something was throttled since the host booted.
    ThrottleCount,
    /// Current throttling by a cooling device of the kernel, or for a reason that a graphics card reports; 0
    /// means none.
    CoolingState,
    /// For how long a limit has lowered the clocks of a graphics card since its driver was loaded, in s.
    ThrottleTime,
    /// Electric power of a rail, in W.
    Power,
    /// Energy since an arbitrary point in time, in J.
    Energy,
    /// Runnable processes, averaged over the last minute.
    LoadAverage,
    /// Main memory that programs could still allocate, in bytes.
    MemoryAvailable,
    /// Swap space in use, in bytes.
    SwapUsed,
}

/// One reading of all sensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Build of the trial.
    pub build: u32,
    /// Process of the trial.
    pub process: u32,
    /// Seconds since the trial's worker was started.
    #[serde(serialize_with = "finite")]
    pub at_seconds: f64,
    /// One value per sensor, in the order and the units of `sensors`; null if it could not be read.
    #[serde(serialize_with = "finite_or_null_each")]
    pub values: Vec<Option<f64>>,
}

/// A wait for a cool host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cooling {
    /// Build of the trial.
    pub build: u32,
    /// Process of the trial.
    pub process: u32,
    /// How it ended.
    pub ended: CoolingEnd,
    /// Duration of the wait, in seconds.
    #[serde(serialize_with = "finite")]
    pub waited_seconds: f64,
    /// Temperature that the job asks for, in °C.
    pub below_celsius: u32,
    /// Temperature of the hottest relevant zone at the end, in °C; null if none could be read.
    #[serde(serialize_with = "finite_or_null")]
    pub hottest_celsius: Option<f64>,
    /// Zones in the job file that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unobservable_zones: Vec<String>,
}

/// How waiting for a cool host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoolingEnd {
    /// Every zone was below the temperature.
    Cool,
    /// A zone was still too hot after `host.wait_up_to_seconds`.
    GaveUp,
    /// No relevant zone can be read, or not all that the job names.
    Unobservable,
}

/// Where and how the worker was asked to run, and how it ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Processors that the worker was asked to keep to; empty if the job does not restrict them.
    pub cpus_asked: Vec<u32>,
    /// Processors that the kernel granted, read back; null if the kernel does not report them.
    pub cpus: Option<Vec<u32>>,
    /// Processors that the daemon kept to meanwhile; empty if it was not moved.
    pub daemon_cpus: Vec<u32>,
    /// Nice value requested.
    pub nice_asked: Option<i32>,
    /// Nice value in force, read back.
    pub nice: Option<i32>,
    /// Whether locked memory was requested.
    pub lock_memory_asked: bool,
    /// Whether memory was locked.
    pub memory_locked: bool,
    /// What the kernel refused, with its messages.
    pub refused: Vec<String>,
}

/// The energy of an inference, from a separate phase of the same runs after the timed ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Whether it could be measured.
    pub state: EnergyState,
    /// Why it could not be measured.
    pub detail: Option<String>,
    /// Energy of one inference beyond the idle consumption of the host, in J, from the sensors in
    /// `total_from`.
    #[serde(serialize_with = "finite_or_null")]
    pub joules_per_inference: Option<f64>,
    /// Interval for `joules_per_inference`, in J.
    pub interval: Option<JoulesInterval>,
    /// Names of the sensors whose sum is the total; empty if it is not known which rails of the board feed
    /// others.
    pub total_from: Vec<String>,
    /// The same for each sensor.
    pub sources: Vec<EnergySource>,
    /// Number of inferences in this phase.
    pub runs: u64,
    /// Duration of these inferences, in seconds.
    #[serde(serialize_with = "finite")]
    pub loop_seconds: f64,
    /// Latencies of these inferences, in order. They enter no statistic of latency.
    pub latency_ns: Vec<Nanos>,
    /// Readings while the worker waited before the runs; `values` are in the order of `sources`: W of a rail,
    /// J of a counter.
    pub idle_before: Vec<EnergyReading>,
    /// Readings during the runs, the first right before and the last right after them.
    pub loaded: Vec<EnergyReading>,
    /// Readings while the worker waited after the runs.
    pub idle_after: Vec<EnergyReading>,
}

/// Whether energy could be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnergyState {
    /// Yes.
    Measured,
    /// There is no sensor for it, or the sensor could not be read throughout.
    Unobservable,
}

/// One sensor's share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnergySource {
    /// Name of the sensor, as in `environment.sensors`.
    pub name: String,
    /// `power` of a rail or `energy` of a counter.
    pub quantity: Quantity,
    /// Value at which a counter wraps around to zero, in joules.
    #[serde(serialize_with = "finite_or_null")]
    pub wraps_at_joules: Option<f64>,
    /// Mean power while idle, before and after, in W; null if it could not be read throughout.
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
    /// Probability that an interval made this way covers the true value.
    #[serde(serialize_with = "finite")]
    pub confidence: f64,
}

/// One reading of the energy sensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnergyReading {
    /// Seconds since the trial's worker was started.
    #[serde(serialize_with = "finite")]
    pub at_seconds: f64,
    /// One value per source; null if it could not be read.
    #[serde(serialize_with = "finite_or_null_each")]
    pub values: Vec<Option<f64>>,
}

impl Energy {
    /// Not measured, and why not.
    pub fn unobservable(detail: &str) -> Self {
        Self {
            state: EnergyState::Unobservable,
            detail: Some(detail.to_owned()),
            joules_per_inference: None,
            interval: None,
            total_from: Vec::new(),
            sources: Vec::new(),
            runs: 0,
            loop_seconds: 0.0,
            latency_ns: Vec::new(),
            idle_before: Vec::new(),
            loaded: Vec::new(),
            idle_after: Vec::new(),
        }
    }
}

impl Sensor {
    /// Begins [`Sensor::path`] of a graphics card's sensors.
    pub const OF_CARD: &str = "nvml:";

    /// Whether the library of a graphics card's driver reports it.
    pub fn is_of_card(&self) -> bool {
        self.path.starts_with(Self::OF_CARD)
    }
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
        Self::ThrottleTime,
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
