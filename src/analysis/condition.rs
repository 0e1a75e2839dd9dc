//! Under which conditions a result was taken, and what it took in energy: the few numbers of it that tables
//! show.
//!
//! Nothing is computed again: energy and its interval are the bundle's, which keeps every reading. What was
//! not requested or not observed is `None`. Data comes from bundles, goes to rows.

use serde::Serialize;

use crate::bundle::format::{Energy, Environment, Observation, Quantity, Reading};
use crate::stats::Span;

/// Readings of the host's sensors around the timed runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct RowConditions {
    /// How closely the timed runs were observed.
    pub observation: Observation,
    /// The hottest zone right before the first timed run, in °C.
    pub begin_celsius: Option<f64>,
    /// The hottest zone right after the last timed run, in °C.
    pub end_celsius: Option<f64>,
}

/// What one inference takes in energy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowEnergy {
    /// Energy of one inference beyond what the host takes while idle, in J.
    pub joules_per_inference: Option<f64>,
    /// Its interval, in J.
    pub interval: Option<Span>,
    /// Why it is unknown; `None` if it is known.
    pub unobservable: Option<String>,
}

impl RowConditions {
    pub(super) fn of(environment: &Environment) -> Self {
        Self {
            observation: environment.observation,
            begin_celsius: environment.before.first().and_then(|reading| hottest(environment, reading)),
            end_celsius: environment.after.last().and_then(|reading| hottest(environment, reading)),
        }
    }
}

impl RowEnergy {
    pub(super) fn of(energy: Energy) -> Self {
        let interval = energy.interval.map(|ends| Span { low: ends.low_joules, high: ends.high_joules });
        let joules_per_inference = energy.joules_per_inference;
        Self { joules_per_inference, interval, unobservable: energy.detail }
    }
}

fn hottest(environment: &Environment, reading: &Reading) -> Option<f64> {
    let zones = environment.sensors.iter().zip(&reading.values);
    let temperatures = zones.filter(|(sensor, _)| sensor.quantity == Quantity::Temperature);
    temperatures.filter_map(|(_, value)| *value).max_by(f64::total_cmp)
}
