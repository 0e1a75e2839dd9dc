//! Which shape of a tensor is used, where several are known.
//!
//! What a runtime reported while running goes before what the file declares, and that before what is computed
//! from the inputs of the node. Where inputs are open, computed shapes go before declared ones: many
//! exporters write the shapes of one run of theirs next to open inputs.

use std::collections::HashMap;

use crate::model_file::Dimension;
use crate::model_file::onnx::DeclaredTensor;
use crate::network::cost::{Difference, ShapeSource};
use crate::network::count::uncountable::Uncountable;

/// Sizes by the names that the file gives them.
pub(super) type Symbols = HashMap<String, u64>;

/// What is known of an output before its node is looked at.
#[derive(Debug)]
pub(super) struct OutputSlot<'n> {
    /// Something reads it.
    pub(super) is_asked: bool,
    /// Its shape as a runtime reported it.
    pub(super) measured: Option<&'n [u64]>,
    /// Its shape as the file declares it.
    pub(super) declared: Option<&'n DeclaredTensor>,
    /// What the names of sizes stand for.
    pub(super) symbols: &'n Symbols,
    /// Whether the declared shape goes before a computed one.
    pub(super) goes_first: bool,
}

/// A shape that was used, where another was computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Differing {
    used: Vec<u64>,
    source: ShapeSource,
    computed: Vec<u64>,
}

impl Differing {
    pub(super) fn of(self, tensor: &str) -> Difference {
        let Self { used, source, computed } = self;
        Difference { tensor: tensor.to_owned(), used, source, computed }
    }
}

/// The shape to use, and how it differs from the computed one.
///
/// # Errors
/// The reason why none could be computed, where none is known otherwise.
pub(super) fn settled(
    slot: &OutputSlot<'_>,
    computed: Result<Vec<u64>, Uncountable>,
) -> Result<(Vec<u64>, Option<Differing>), Uncountable> {
    let measured = slot.measured.map(|shape| (shape.to_vec(), ShapeSource::Measured));
    let declared = |open: &dyn Fn(usize, Option<&str>) -> Option<u64>| -> Option<Vec<u64>> {
        let shape = slot.declared?.shape.as_deref()?.iter().enumerate();
        let size = |(axis, dimension): (usize, &Dimension)| match dimension {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Open(symbol) => open(axis, symbol.as_deref()),
        };
        shape.map(size).collect()
    };
    let computed = match computed {
        Ok(computed) => computed,
        // A contradiction is not mended by a shape from elsewhere.
        Err(error @ (Uncountable::Wrong(_) | Uncountable::TooLarge)) => return Err(error),
        Err(error) => {
            let named = |_: usize, symbol: Option<&str>| slot.symbols.get(symbol?).copied();
            let known = measured.map(|(shape, _)| shape).or_else(|| declared(&named));
            return known.map(|shape| (shape, None)).ok_or(error);
        }
    };
    let is_same_rank = slot
        .declared
        .and_then(|declared| declared.shape.as_ref())
        .is_some_and(|shape| shape.len() == computed.len());
    let as_computed = |axis: usize, _: Option<&str>| computed.get(axis).copied().filter(|_| is_same_rank);
    let file = || declared(&as_computed).filter(|_| slot.goes_first).map(|shape| (shape, ShapeSource::File));
    match measured.or_else(file) {
        Some((used, source)) if used != computed => {
            Ok((used.clone(), Some(Differing { used, source, computed })))
        }
        _ => Ok((computed, None)),
    }
}
