//! A walked graph: steps in the order in which they run, each reduced to what costs.
//!
//! Both file formats are turned into this, and [`super::accounts`] alone decides what is fused and what
//! moves. Shapes are in the format's own layout; nothing here depends on which axis is which.

use super::error::CountError;
use crate::model_file::elements;
use crate::network::cost::{Assumption, Difference};

/// Place of a tensor in [`Walked::tensors`].
pub(super) type TensorIndex = usize;

/// What is known of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Its name.
    pub(super) name: String,
    /// Its shape; `None` after an unknown operator.
    pub(super) shape: Option<Vec<u64>>,
    /// Bits of one element as stored: 8 for the output of a `DequantizeLinear`, which runtimes never write
    /// out. 0 where the type is not known.
    pub(super) bits: u64,
    /// Known before the first inference: a weight, or computed from weights alone.
    pub(super) is_constant: bool,
}

impl Tensor {
    /// Number of elements.
    pub(super) fn elements(&self) -> Result<u64, CountError> {
        let shape = self.shape.as_deref().unwrap_or(&[]);
        elements(shape).ok_or_else(|| CountError::TooLarge { what: format!("the size of `{}`", self.name) })
    }

    /// Bytes that it occupies, elements smaller than a byte packed.
    pub(super) fn bytes(&self) -> Result<u64, CountError> {
        let bits = self.elements()?.checked_mul(self.bits);
        bits.map(|bits| bits.div_ceil(8))
            .ok_or_else(|| CountError::TooLarge { what: format!("the size of `{}`", self.name) })
    }
}

/// The shape of an operator on each element of two tensors; `None` where they do not fit each other. Missing
/// axes come first, and an axis of one is repeated:
/// <https://numpy.org/doc/stable/user/basics.broadcasting.html>, as in both formats.
pub(super) fn broadcast(first: &[u64], second: &[u64]) -> Option<Vec<u64>> {
    let rank = first.len().max(second.len());
    let size =
        |shape: &[u64], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |place| shape[place]);
    (0..rank)
        .map(|axis| match (size(first, axis), size(second, axis)) {
            (1, other) | (other, 1) => Some(other),
            (one, other) => (one == other).then_some(one),
        })
        .collect()
}

/// What a step does, as far as it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// A convolution or matrix product of so many multiply-accumulates.
    Product {
        /// Multiply-accumulates.
        macs: u64,
        /// Channels of the output, for biases that are folded in later.
        channels: u64,
    },
    /// Batch normalisation with constant parameters: a multiplication and an addition, or nothing after a
    /// product.
    Normalisation {
        /// Channels.
        channels: u64,
    },
    /// An activation made of comparisons: ReLU and its clipped forms. Free for whoever writes the tensor.
    Clamp,
    /// Products with steps in between, such as a recurrent layer or attention. Nothing is fused into it.
    Compound {
        /// Multiply-accumulates.
        macs: u64,
        /// Operations that are not 2 × MACs.
        operations: u64,
    },
    /// An addition; of two activations or of an activation and a constant.
    Sum,
    /// So many operations, on everything that goes in and out.
    Operations(u64),
    /// Copies as many elements as it writes, out of an input that may be larger.
    Selection,
    /// The same bytes under another shape or name.
    View,
    /// To a narrower type.
    Quantise,
    /// From a narrower type.
    Dequantise,
    /// It is not counted; with the reason.
    Uncounted(String),
}

/// The graph that a step is part of. Steps are fused within one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    /// Number of the graph; the main one is 0.
    pub(super) graph: usize,
    /// How often it runs in one inference.
    pub(super) repeats: u64,
}

impl Scope {
    /// The main graph.
    pub(super) const MAIN: Self = Self { graph: 0, repeats: 1 };
}

/// One operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Its name, or a number where it has none.
    pub(super) name: String,
    /// Its operator in the format's spelling.
    pub(super) operator: String,
    /// Every tensor that it reads, weights too; shapes and other settings are not among them.
    pub(super) inputs: Vec<TensorIndex>,
    /// What it makes.
    pub(super) outputs: Vec<TensorIndex>,
    /// What it does.
    pub(super) work: Work,
    /// Where it is.
    pub(super) scope: Scope,
}

/// A whole graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// Every tensor.
    pub(super) tensors: Vec<Tensor>,
    /// Every operator, each after all that it reads.
    pub(super) steps: Vec<Step>,
    /// What the graph gives out.
    pub(super) outputs: Vec<TensorIndex>,
    /// Handed on to [`Cost`](crate::network::cost::Cost).
    pub(super) differences: Vec<Difference>,
    /// Handed on to [`Cost`](crate::network::cost::Cost).
    pub(super) assumptions: Vec<Assumption>,
    /// Handed on to [`Cost`](crate::network::cost::Cost).
    pub(super) measured: u64,
}
