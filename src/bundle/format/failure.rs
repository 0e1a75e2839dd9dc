//! Why something failed, and the outcome that follows. Every [`Outcome`] is made here.

use serde::{Deserialize, Serialize};

use super::{Fault, Outcome, Stage, Status};

/// Why a model was not measured: the same type from the runtime that fails to the outcome in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{detail}")]
pub struct Failure {
    /// Where it happened.
    pub stage: Stage,
    /// A stable code in snake case, such as `library_not_found`, `model_not_readable`, `dynamic_shape`.
    pub reason: String,
    /// What happened, for people.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whose fault it is.
    #[serde(default, skip_serializing_if = "Fault::is_unknown")]
    pub fault: Fault,
}

impl Failure {
    /// A failure without a hint; its code decides whose fault it is, if it can.
    pub fn new(stage: Stage, reason: &str, detail: impl Into<String>) -> Self {
        let fault = Fault::of_reason(reason);
        Self { stage, reason: reason.to_owned(), detail: detail.into(), hint: None, fault }
    }

    /// The same failure, and whose fault it is.
    #[must_use]
    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// The same failure with advice; lower case, no full stop.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The outcome of a configuration that ended with this failure.
    pub(crate) fn outcome(self, status: Status) -> Outcome {
        Outcome {
            status,
            stage: Some(self.stage),
            reason: Some(self.reason),
            detail: Some(self.detail),
            hint: self.hint,
            fault: self.fault,
            mistakes: Vec::new(),
            log_tail: Vec::new(),
        }
    }
}

impl Outcome {
    /// Every trial returned its latencies; `log_tail` is that of the last trial.
    pub(crate) fn measured(log_tail: Vec<String>) -> Self {
        Self {
            status: Status::Measured,
            stage: None,
            reason: None,
            detail: None,
            hint: None,
            fault: Fault::Unknown,
            mistakes: Vec::new(),
            log_tail,
        }
    }
}
