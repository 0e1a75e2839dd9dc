//! What the steps of a walked graph cost: what is fused, what moves, what is a parameter.
//!
//! One row is one pass over memory, as runtimes make it. Into the operator that writes a tensor are fused:
//! batch normalisation (after a convolution or matrix product, as a bias), ReLU and its clipped forms,
//! quantisation, and after a convolution or matrix product the addition of a shortcut. The addition keeps a
//! row of its own with its operations and the bytes of its second operand; the convolution's row writes the
//! sum. Where both operands are convolutions the later one does the addition. What is fused must be the only
//! reader.
//!
//! Pairs of `QuantizeLinear` and `DequantizeLinear` are how a graph says that a tensor is stored narrow. They
//! cost something at the graph's border only, where they have rows of their own.

use std::collections::HashSet;

use super::error::CountError;
use super::graph::{Scope, Step, Tensor, TensorIndex, Walked, Work};
use crate::network::cost::{Cost, LayerCost, Uncounted};

/// Biases of integer convolutions have as many bits as their sums.
const BIAS_BITS: u64 = 32;

/// Narrower floating-point numbers have no biases of their own: weights below this are codes.
const NARROWEST_FLOAT_BITS: u64 = 16;

/// Batch normalisation has five inputs, everything else that is fused has fewer.
const MOST_FUSED_INPUTS: usize = 5;

/// The cost of a graph.
pub(super) fn account(graph: &Walked) -> Result<Cost, CountError> {
    let mut accounts = Accounts::new(graph);
    for index in 0..graph.steps.len() {
        if !accounts.is_fused[index] {
            accounts.step(index)?;
        }
    }
    check_totals(&accounts.cost)?;
    let (differences, assumptions) = (graph.differences.clone(), graph.assumptions.clone());
    Ok(Cost { differences, assumptions, measured_shapes: graph.measured, ..accounts.cost })
}

struct Accounts<'g> {
    graph: &'g Walked,
    /// Steps that read each tensor; twice for one that reads it twice.
    readers: Vec<Vec<usize>>,
    is_output: Vec<bool>,
    /// Made by a step that has been counted, or by none.
    is_made: Vec<bool>,
    is_fused: Vec<bool>,
    /// Constants whose elements are in some layer's parameters already.
    counted: HashSet<TensorIndex>,
    cost: Cost,
}

/// A row in the making, with what was fused into it so far.
struct Account {
    layer: LayerCost,
    /// Whether batch normalisation and biases may still be folded in: nothing but the product so far.
    is_bare_product: bool,
    is_product: bool,
    has_bias: bool,
    channels: u64,
    bias_bits: u64,
    /// What the row writes in the end.
    written: TensorIndex,
    /// Additions that were fused into it.
    additions: Vec<LayerCost>,
}

impl<'g> Accounts<'g> {
    fn new(graph: &'g Walked) -> Self {
        let mut readers = vec![Vec::new(); graph.tensors.len()];
        let mut is_made = vec![true; graph.tensors.len()];
        for (index, step) in graph.steps.iter().enumerate() {
            step.inputs.iter().for_each(|input| readers[*input].push(index));
            step.outputs.iter().for_each(|output| is_made[*output] = false);
        }
        let mut is_output = vec![false; graph.tensors.len()];
        graph.outputs.iter().for_each(|output| is_output[*output] = true);
        let is_fused = vec![false; graph.steps.len()];
        Self { graph, readers, is_output, is_made, is_fused, counted: HashSet::new(), cost: Cost::default() }
    }

    fn tensor(&self, index: TensorIndex) -> &'g Tensor {
        &self.graph.tensors[index]
    }

    fn step(&mut self, index: usize) -> Result<(), CountError> {
        let step = &self.graph.steps[index];
        step.outputs.iter().for_each(|output| self.is_made[*output] = true);
        if step.work == Work::View {
            return Ok(());
        }
        let unknown = self.unknown(step);
        if let Some(why) = unknown {
            let (name, operator) = (step.name.clone(), step.operator.clone());
            self.cost.uncounted.push(Uncounted { name, operator, why });
            return Ok(());
        }
        if self.is_free(step) {
            return Ok(());
        }
        let mut row = self.begin(step)?;
        if let &[output] = step.outputs.as_slice() {
            self.fuse(&mut row, output, step.scope)?;
        }
        self.finish(step, row)
    }

    /// Why a step cannot be counted, if it cannot.
    fn unknown(&self, step: &Step) -> Option<String> {
        if let Work::Uncounted(why) = &step.work {
            return Some(why.clone());
        }
        let read = step.inputs.iter().chain(&step.outputs);
        let mut tensors = read.map(|index| self.tensor(*index));
        tensors.find_map(|tensor| match (&tensor.shape, tensor.bits) {
            (None, _) => Some(format!("the shape of `{}` is not known", tensor.name)),
            (_, 0) => Some(format!("the size of an element of `{}` is not known", tensor.name)),
            _ => None,
        })
    }

    /// Does the step only say how to read what is there?
    fn is_free(&self, step: &Step) -> bool {
        match (&step.work, step.inputs.first(), step.outputs.first()) {
            (Work::Dequantise, _, Some(output)) => !self.is_output[*output],
            (Work::Quantise, Some(input), Some(output)) => {
                self.tensor(*input).bits <= self.tensor(*output).bits
            }
            _ => false,
        }
    }

    /// A row with the step alone: what it reads and computes, not yet what it writes.
    fn begin(&mut self, step: &Step) -> Result<Account, CountError> {
        let written = step.outputs.first().copied().ok_or_else(|| CountError::WrongShape {
            node: step.name.clone(),
            operator: step.operator.clone(),
            what: "it makes nothing".to_owned(),
        })?;
        let made = self.tensor(written).elements()?;
        let (macs, channels) = match step.work {
            Work::Product { macs, channels } => (macs, channels),
            Work::Normalisation { channels } => (0, channels),
            Work::Compound { macs, .. } => (macs, 0),
            _ => (0, 0),
        };
        let other_operations = match step.work {
            Work::Operations(operations) | Work::Compound { operations, .. } => operations,
            Work::Normalisation { .. } => checked(made.checked_mul(2), step)?,
            Work::Clamp | Work::Sum | Work::Quantise | Work::Dequantise => made,
            _ => 0,
        };
        let is_product = matches!(step.work, Work::Product { .. });
        let mut row = Account {
            layer: LayerCost {
                name: step.name.clone(),
                operator: step.operator.clone(),
                output_shape: Vec::new(),
                macs,
                other_operations,
                parameters: 0,
                bytes_moved: 0,
            },
            is_bare_product: is_product,
            is_product,
            // Whatever the operator, its inputs are an activation, weights, and then biases.
            has_bias: is_product && step.inputs.len() > 2,
            channels,
            bias_bits: bias_bits(step, &self.graph.tensors),
            written,
            additions: Vec::new(),
        };
        self.read(step, &mut row)?;
        Ok(row)
    }

    fn read(&mut self, step: &Step, row: &mut Account) -> Result<(), CountError> {
        if let Work::Normalisation { channels } = step.work {
            // Four constants a channel come to a scale and a shift.
            row.layer.parameters = checked(channels.checked_mul(2), step)?;
            let parameters = checked(row.layer.parameters.checked_mul(row.bias_bits), step)?.div_ceil(8);
            let input = step.inputs.first().map_or(Ok(0), |input| self.tensor(*input).bytes())?;
            row.layer.bytes_moved = checked(input.checked_add(parameters), step)?;
            return Ok(());
        }
        let mut seen = HashSet::new();
        for input in &step.inputs {
            let tensor = self.tensor(*input);
            if tensor.is_constant && self.counted.insert(*input) {
                row.layer.parameters = checked(row.layer.parameters.checked_add(tensor.elements()?), step)?;
            }
            if seen.insert(*input) && step.work != Work::Selection {
                row.layer.bytes_moved = checked(row.layer.bytes_moved.checked_add(tensor.bytes()?), step)?;
            }
        }
        if let (Work::Selection, Some(input)) = (&step.work, step.inputs.first()) {
            for output in &step.outputs {
                let bits = self.tensor(*output).elements()?.checked_mul(self.tensor(*input).bits);
                let bytes = checked(bits, step)?.div_ceil(8);
                row.layer.bytes_moved = checked(row.layer.bytes_moved.checked_add(bytes), step)?;
            }
        }
        Ok(())
    }

    /// Follow the tensor through what can be done while it is being written.
    fn fuse(&mut self, row: &mut Account, output: TensorIndex, scope: Scope) -> Result<(), CountError> {
        let mut current = output;
        while let (false, &[reader]) = (self.is_output[current], self.readers[current].as_slice()) {
            let step = &self.graph.steps[reader];
            let &[next] = step.outputs.as_slice() else { return Ok(()) };
            // Looked at first: a join of very many tensors would be read through for each of them.
            if step.inputs.len() > MOST_FUSED_INPUTS
                || step.scope != scope
                || self.unknown(step).is_some()
                || !self.fuse_one(row, current, step)?
            {
                return Ok(());
            }
            if step.work != Work::Dequantise {
                row.written = next;
            }
            self.is_fused[reader] = true;
            self.is_made[next] = true;
            current = next;
        }
        Ok(())
    }

    /// Fuse one step if it can be.
    fn fuse_one(&mut self, row: &mut Account, current: TensorIndex, step: &Step) -> Result<bool, CountError> {
        let others: Vec<TensorIndex> =
            step.inputs.iter().copied().filter(|input| *input != current).collect();
        let constant = others.iter().all(|other| self.tensor(*other).is_constant);
        match step.work {
            Work::Normalisation { channels } if row.is_bare_product && constant => {
                if channels != row.channels {
                    return Ok(false);
                }
                if !row.has_bias {
                    self.add_bias(row, step)?;
                }
            }
            Work::Clamp if constant => {
                row.is_bare_product = false;
                for other in others {
                    self.add_constant(row, other, step)?;
                }
            }
            Work::Sum => return self.fuse_sum(row, current, &others, step),
            Work::Quantise => {
                let narrower = step.outputs.first().map(|output| self.tensor(*output).bits);
                row.is_bare_product = false;
                return Ok(narrower.is_some_and(|bits| bits < self.tensor(current).bits));
            }
            Work::Dequantise => return Ok(step.outputs.iter().all(|output| !self.is_output[*output])),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn fuse_sum(
        &mut self,
        row: &mut Account,
        current: TensorIndex,
        others: &[TensorIndex],
        step: &Step,
    ) -> Result<bool, CountError> {
        let &[other] = others else { return Ok(false) };
        let operand = self.tensor(other);
        let made = step.outputs.first().map_or(Ok(0), |output| self.tensor(*output).elements())?;
        if operand.is_constant {
            // A bias that is written as an addition, as after every matrix product.
            let fits = row.is_bare_product && !row.has_bias && operand.elements()? == row.channels;
            let fits = fits && made == self.tensor(current).elements()?;
            if fits {
                row.has_bias = true;
                self.add_constant(row, other, step)?;
            }
            return Ok(fits);
        }
        if !row.is_product || !self.is_made[other] || operand.shape != self.tensor(current).shape {
            return Ok(false);
        }
        row.is_bare_product = false;
        row.additions.push(LayerCost {
            name: step.name.clone(),
            operator: step.operator.clone(),
            output_shape: operand.shape.clone().unwrap_or_default(),
            macs: 0,
            other_operations: made,
            parameters: 0,
            bytes_moved: operand.bytes()?,
        });
        Ok(true)
    }

    fn add_bias(&self, row: &mut Account, step: &Step) -> Result<(), CountError> {
        row.has_bias = true;
        row.layer.parameters = checked(row.layer.parameters.checked_add(row.channels), step)?;
        let bytes = checked(row.channels.checked_mul(row.bias_bits), step)?.div_ceil(8);
        row.layer.bytes_moved = checked(row.layer.bytes_moved.checked_add(bytes), step)?;
        Ok(())
    }

    fn add_constant(&mut self, row: &mut Account, index: TensorIndex, step: &Step) -> Result<(), CountError> {
        let tensor = self.tensor(index);
        if self.counted.insert(index) {
            row.layer.parameters = checked(row.layer.parameters.checked_add(tensor.elements()?), step)?;
        }
        row.layer.bytes_moved = checked(row.layer.bytes_moved.checked_add(tensor.bytes()?), step)?;
        Ok(())
    }

    fn finish(&mut self, step: &Step, mut row: Account) -> Result<(), CountError> {
        let further = step.outputs.iter().skip(1).copied();
        for output in std::iter::once(row.written).chain(further) {
            let bytes = self.tensor(output).bytes()?;
            row.layer.bytes_moved = checked(row.layer.bytes_moved.checked_add(bytes), step)?;
        }
        row.layer.output_shape = self.tensor(row.written).shape.clone().unwrap_or_default();
        for mut layer in std::iter::once(row.layer).chain(row.additions) {
            for column in [&mut layer.macs, &mut layer.other_operations, &mut layer.bytes_moved] {
                *column = checked(column.checked_mul(step.scope.repeats), step)?;
            }
            self.cost.layers.push(layer);
        }
        Ok(())
    }
}

/// Bits of a bias that is folded into a step: those of its weights, or of the sums where weights are codes.
fn bias_bits(step: &Step, tensors: &[Tensor]) -> u64 {
    let weights = step.inputs.get(1).map_or(BIAS_BITS, |weights| tensors[*weights].bits);
    if weights < NARROWEST_FLOAT_BITS { BIAS_BITS } else { weights }
}

fn checked(number: Option<u64>, step: &Step) -> Result<u64, CountError> {
    number.ok_or_else(|| CountError::TooLarge { what: format!("the cost of node `{}`", step.name) })
}

/// The sums that [`Cost`] gives out must fit as every row does.
fn check_totals(cost: &Cost) -> Result<(), CountError> {
    type Column = fn(&LayerCost) -> u64;
    let columns: [(&str, Column, u64); 4] = [
        // Operations are twice the MACs.
        ("the number of operations", |layer| layer.macs, u64::MAX / 2),
        ("the number of other operations", |layer| layer.other_operations, u64::MAX),
        ("the number of parameters", |layer| layer.parameters, u64::MAX),
        ("the number of bytes moved", |layer| layer.bytes_moved, u64::MAX),
    ];
    for (what, column, most) in columns {
        let sum = cost.layers.iter().map(column).try_fold(0_u64, u64::checked_add);
        if sum.is_none_or(|sum| sum > most) {
            return Err(CountError::TooLarge { what: what.to_owned() });
        }
    }
    Ok(())
}
