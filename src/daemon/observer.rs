//! What the pipeline reports as it runs: to progress bars in `backbone run`, to nothing in the daemon.

use super::hardware::MissingHardware;
use crate::bundle::format::{Bundle, Outcome, Status as OutcomeStatus, VerdictState};

/// Receives every step, between measurements, never within one.
pub(crate) trait Observer {
    /// A trial begins.
    fn trial_begins(&mut self, trial: &TrialBegins<'_>) {
        let _ = trial;
    }

    /// A configuration ended and its bundle is durable.
    fn bundled(&mut self, row: BundleLine) {
        let _ = row;
    }

    /// Another process measures on this host; waiting.
    fn waits_for_host(&mut self, holder: &str) {
        let _ = holder;
    }
}

/// Ignores everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unobserved;

impl Observer for Unobserved {}

/// The trial that begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrialBegins<'a> {
    /// Job name.
    pub(crate) job: &'a str,
    /// The network: θ, or the name of the model file.
    pub(crate) network: &'a str,
    /// Runtime name.
    pub(crate) runtime: &'a str,
    /// Expected seconds until the job is done; `None` before its first trial is.
    pub(crate) eta_seconds: Option<f64>,
    /// Which configuration, from 1, of how many.
    pub(crate) configuration: (usize, usize),
    /// Which trial, from 1, of how many.
    pub(crate) trial: (u32, u32),
}

/// The result of compiling a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compiled {
    /// There is something to run.
    Done,
    /// This platform cannot run it, for this reason.
    NotPossible(String),
    /// Unknown, for this reason.
    Failed(String),
}

impl Compiled {
    fn of(bundle: &Bundle) -> Option<Self> {
        let outcome = &bundle.outcome;
        let why = || {
            let [reason, detail] =
                [&outcome.reason, &outcome.detail].map(|text| text.as_deref().unwrap_or_default());
            format!("{reason}: {detail}")
        };
        Some(match bundle.preparation.last()?.status {
            OutcomeStatus::Measured => Self::Done,
            OutcomeStatus::NotCompilable => Self::NotPossible(why()),
            _ => Self::Failed(why()),
        })
    }
}

/// One line of the table that ends a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BundleLine {
    /// Job name.
    pub(crate) job: String,
    /// Job file.
    pub(crate) file: String,
    /// Model file, if there is one.
    pub(crate) model: Option<String>,
    /// Runtime, if the job got that far.
    pub(crate) runtime: Option<String>,
    /// How it ended, and why unless it was measured.
    pub(crate) outcome: Outcome,
    /// Hardware that it needed and the host does not have.
    pub(crate) missing_hardware: Option<MissingHardware>,
    /// Whether it could be compiled; `None` for a runtime that compiles nothing, and if nothing was compiled.
    pub(crate) compilation: Option<Compiled>,
    /// Timed latencies.
    pub(crate) count: u64,
    /// Median in ms, and its interval.
    pub(crate) median_ms: Option<f64>,
    /// Lower and upper end in ms.
    pub(crate) interval_ms: Option<(f64, f64)>,
    /// The verdict.
    pub(crate) verdict: VerdictState,
    /// Its reason codes.
    pub(crate) verdict_reasons: Vec<String>,
    /// The numbers are made up.
    pub(crate) simulated: bool,
    /// File name of the bundle.
    pub(crate) bundle: String,
}

impl BundleLine {
    /// The line for a bundle.
    pub(crate) fn of(bundle: &Bundle, name: &str) -> Self {
        let summary = bundle.summary.as_ref();
        Self {
            job: bundle.job.name.clone(),
            file: bundle.job.file.clone(),
            model: bundle.model.as_ref().map(|model| model.file.clone()),
            runtime: bundle.runtime.as_ref().map(|runtime| runtime.name.clone()),
            outcome: bundle.outcome.clone(),
            missing_hardware: MissingHardware::of(bundle),
            compilation: Compiled::of(bundle),
            count: summary.map_or(0, |summary| summary.count),
            median_ms: summary.map(|summary| summary.median),
            interval_ms: summary
                .and_then(|summary| summary.median_interval)
                .map(|interval| (interval.low, interval.high)),
            verdict: bundle.verdict.state,
            verdict_reasons: bundle.verdict.reasons.iter().map(|reason| reason.code.clone()).collect(),
            simulated: bundle.simulated,
            bundle: name.to_owned(),
        }
    }
}
