//! Decides whether the numbers can be trusted: takes evidence, returns a verdict with its reasons.
//!
//! Pure: no file, no clock. A verdict changes no number and drops none; it only says what speaks against
//! them. [`REASONS`] is the one list: `backbone list reasons`, `docs/METHOD.md` and [`judge`] read it. To add
//! a reason, add an entry with the function that finds it. `simulated` is not a reason but a separate flag in
//! the bundle.

use crate::bundle::format::{
    Environment, Host, Outputs, Power, ProviderShare, Reason, Status, Summary, Tensor, Trial, Verdict,
    VerdictState,
};
use crate::stats::{self, Series, Sorted};
use crate::units::Nanos;

mod host;
mod latency;
mod outputs;
mod power;
mod provider;
mod reasons;
mod reread;
#[cfg(test)]
mod simulated_tests;
#[cfg(test)]
mod tests;
mod thresholds;

pub use reasons::REASONS;
pub use reread::of_latencies;
pub(crate) use reread::reread;
#[cfg(test)]
pub(crate) use thresholds::CLOCK_STEPS_IN_MEDIAN;

/// One kind of reason.
#[derive(Debug)]
pub struct ReasonKind {
    /// Stable code, as bundles carry it.
    pub code: &'static str,
    /// State of a verdict with this reason.
    pub state: VerdictState,
    /// Meaning, in one sentence.
    pub meaning: &'static str,
    /// What usually causes it; lower case, no full stop.
    pub cause: &'static str,
    /// What to do about it; lower case, no full stop.
    pub advice: &'static str,
    /// Details of the case, if the evidence shows it. The second argument is there if the configuration was
    /// measured.
    find: fn(&Evidence, Option<&Measured>) -> Option<String>,
}

/// What a verdict is based on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// How the configuration ended.
    pub status: Status,
    /// Every trial, with its raw latencies.
    pub trials: &'a [Trial],
    /// The statistics of a bundle that is read, to be checked; `None` while one is made.
    pub summary: Option<&'a Summary>,
    /// Readings of the host's sensors.
    pub environment: Option<&'a Environment>,
    /// The smallest step between two reads of the clock, as observed. Not the value of `clock_getres`, which
    /// is 1 ns even if the counter ticks every 32 ns.
    pub clock_resolution: Nanos,
    /// The host.
    pub host: &'a Host,
    /// Its power state, if it was read.
    pub power: Option<&'a Power>,
    /// How much of the network each provider ran, starting with the one that the job asked for.
    pub providers: &'a [ProviderShare],
    /// Inputs of the model, as bound.
    pub inputs: &'a [Tensor],
    /// What the runs computed, if it was read.
    pub outputs: Option<&'a Outputs>,
}

/// Latencies of the chosen build, prepared once for all reasons.
pub(crate) struct Measured {
    /// Of all its processes, in ascending order.
    sorted: Sorted,
    /// Their mean, in nanoseconds.
    mean: f64,
    /// Each of its processes.
    series: Vec<Series>,
}

/// Finds every reason that the evidence shows, and the worst of their states.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    // Once for all reasons.
    let measured = evidence.measured();
    let mut verdict = Verdict { state: VerdictState::Valid, reasons: Vec::new() };
    for kind in REASONS {
        if let Some(detail) = (kind.find)(evidence, measured.as_ref()) {
            verdict.state = verdict.state.max(kind.state);
            verdict.reasons.push(Reason { code: kind.code.to_owned(), detail });
        }
    }
    verdict
}

/// The reason with this code.
pub fn find(code: &str) -> Option<&'static ReasonKind> {
    REASONS.iter().find(|kind| kind.code == code)
}

impl Evidence<'_> {
    /// Its latencies, if the configuration was measured.
    fn measured(&self) -> Option<Measured> {
        let pooled = stats::pooled(self.trials);
        let sorted = Sorted::new(&pooled).filter(|_| self.status == Status::Measured)?;
        let series = stats::of_chosen_build(self.trials).filter_map(Series::of).collect();
        Some(Measured { sorted, mean: stats::mean(&pooled)?, series })
    }
}

fn not_measured(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let ended = match evidence.status {
        Status::Measured => {
            return measured.is_none().then(|| "the trials contain no latency".to_owned());
        }
        Status::Rejected => "was rejected",
        Status::NotCompilable => "could not be compiled for this platform",
        Status::Failed => "failed",
        Status::TimedOut => "timed out",
        Status::Cancelled => "was cancelled",
    };
    Some(format!("the job {ended}"))
}

/// A difference relative to a median. Zero if both are zero, as with a clock too coarse for the runs.
fn relative(difference: f64, median: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / median.max(f64::MIN_POSITIVE) }
}
