//! Why something failed, and the outcome made of it. Every [`Outcome`] is made here.

use serde::{Deserialize, Serialize};

use super::{Outcome, Stage, Status};

/// Why a model was not measured: the one shape from the runtime that gave up to the outcome in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{detail}")]
pub struct Failure {
    /// Where it happened.
    pub stage: Stage,
    /// A stable code in snake case, such as `library_not_found`, `model_not_readable`, `dynamic_shape`.
    pub reason: String,
    /// What happened, for a person.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Nothing is broken: this runtime cannot turn this model into something that runs on this platform. That is a result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_not_compilable: bool,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(stage: Stage, reason: &str, detail: impl Into<String>) -> Self {
        Self { stage, reason: reason.to_owned(), detail: detail.into(), hint: None, is_not_compilable: false }
    }

    /// The same as a result about the model.
    #[must_use]
    pub(crate) fn not_compilable(self) -> Self {
        Self { is_not_compilable: true, ..self }
    }

    /// The same with advice, lower case, no full stop.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The outcome of a configuration that ended like this.
    pub(crate) fn outcome(self, status: Status) -> Outcome {
        Outcome {
            status,
            stage: Some(self.stage),
            reason: Some(self.reason),
            detail: Some(self.detail),
            hint: self.hint,
            mistakes: Vec::new(),
            log_tail: Vec::new(),
        }
    }
}

impl Outcome {
    /// Every trial delivered its latencies; `log_tail` is the last trial's.
    pub(crate) fn measured(log_tail: Vec<String>) -> Self {
        Self {
            status: Status::Measured,
            stage: None,
            reason: None,
            detail: None,
            hint: None,
            mistakes: Vec::new(),
            log_tail,
        }
    }
}
