//! Why an operator of either format is not counted, and the checks that both formats share.

use super::error::shape_text;
use super::graph;
use crate::model_file::elements;

/// Why an operator is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Uncountable {
    /// No rule knows it, or not with these inputs; the reason goes into the list of uncounted operators.
    Unknown(String),
    /// The model contradicts itself.
    Wrong(String),
    /// A count does not fit into 64 bits.
    TooLarge,
}

impl From<String> for Uncountable {
    /// Options that lead out of the file.
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

impl Uncountable {
    /// An input that the operator needs and does not have.
    pub(super) fn missing_input(index: usize) -> Self {
        Self::Wrong(format!("its input {index} is missing"))
    }

    /// The shape of an input could not be followed so far.
    pub(super) fn unknown_shape(input: &str) -> Self {
        Self::Unknown(format!("the shape of its input `{input}` is not known"))
    }
}

/// Product in 64 bits.
pub(super) fn product(factors: &[u64]) -> Result<u64, Uncountable> {
    elements(factors).ok_or(Uncountable::TooLarge)
}

/// The shape to which two are broadcast.
pub(super) fn broadcast(first: &[u64], second: &[u64]) -> Result<Vec<u64>, Uncountable> {
    graph::broadcast(first, second).ok_or_else(|| {
        Uncountable::Wrong(format!(
            "its inputs of shapes {} and {} do not fit each other",
            shape_text(first),
            shape_text(second)
        ))
    })
}

/// An axis among `rank` axes; a negative one counts from the end.
pub(super) fn resolve_axis(number: i64, rank: usize) -> Result<usize, Uncountable> {
    let from_front = if number < 0 { number.saturating_add(rank as i64) } else { number };
    usize::try_from(from_front)
        .ok()
        .filter(|place| *place < rank)
        .ok_or_else(|| Uncountable::Wrong(format!("it names axis {number} of a tensor that has {rank}")))
}
