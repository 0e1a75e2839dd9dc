//! An operator with what is known of its inputs, and the file's word on its outputs.

use crate::model_file::tflite::graph::{TfliteGraph, TfliteOperator};
use crate::network::count::error::shape_text;
use crate::network::count::graph::{Tensor, TensorIndex};
use crate::network::count::tflite::declared;
use crate::network::count::uncountable::{Uncountable, product};

/// An operator with what it reads.
pub(in super::super) struct Context<'r, 'a> {
    pub(in super::super) graph: &'r TfliteGraph<'a>,
    /// Where the graph's tensors are among `tensors`.
    pub(in super::super) places: &'r [TensorIndex],
    pub(in super::super) tensors: &'r [Tensor],
    /// Whole numbers that tensors hold, as far as they are known.
    pub(in super::super) known: &'r [Option<Vec<i64>>],
    pub(in super::super) operator: &'r TfliteOperator<'a>,
    /// Whether the file's shapes hold for the inputs that are counted for.
    pub(in super::super) trusts_file: bool,
}

impl<'r> Context<'r, '_> {
    /// A tensor that the operator reads.
    pub(in super::super) fn tensor(&self, input: usize) -> Option<&'r Tensor> {
        let local = self.operator.inputs.get(input).copied().flatten()?;
        Some(&self.tensors[self.places[local]])
    }

    pub(super) fn has(&self, input: usize) -> bool {
        self.tensor(input).is_some()
    }

    pub(super) fn shape(&self, input: usize) -> Result<&'r [u64], Uncountable> {
        let tensor = self.tensor(input).ok_or_else(|| Uncountable::missing_input(input))?;
        tensor.shape.as_deref().ok_or_else(|| Uncountable::unknown_shape(&tensor.name))
    }

    /// Number of elements of an input.
    pub(super) fn elements(&self, input: usize) -> Result<u64, Uncountable> {
        product(self.shape(input)?)
    }

    pub(super) fn image(&self, input: usize) -> Result<[u64; 4], Uncountable> {
        let shape = self.shape(input)?;
        shape.try_into().map_err(|_| {
            Uncountable::Wrong(format!("its input {input} of shape {} is not an image", shape_text(shape)))
        })
    }

    /// Five axes, as of a film.
    pub(super) fn volume(&self, input: usize) -> Result<[u64; 5], Uncountable> {
        let shape = self.shape(input)?;
        shape.try_into().map_err(|_| {
            Uncountable::Wrong(format!("its input {input} of shape {} has not five axes", shape_text(shape)))
        })
    }

    /// Shape of an output if the file's word has to do.
    pub(super) fn declared(&self, output: usize) -> Option<Vec<u64>> {
        let local = *self.operator.outputs.get(output)?;
        declared::whole(&self.graph.tensors[local], self.trusts_file)
    }

    /// The same for an operator whose result depends on values that only a run shows.
    pub(super) fn declared_or_unknown(&self, output: usize) -> Result<Vec<u64>, Uncountable> {
        self.declared(output).ok_or_else(|| {
            Uncountable::Unknown(
                "the shape of its result is computed while it runs, and the file does not give it".to_owned(),
            )
        })
    }

    /// Whole numbers that an input holds, if they are known before the model runs.
    pub(in super::super) fn values(&self, input: usize) -> Option<Vec<i64>> {
        let local = self.operator.inputs.get(input).copied().flatten()?;
        self.known[self.places[local]].clone().or_else(|| {
            let file = &self.graph.tensors[local];
            let is_constant = self.tensors[self.places[local]].is_constant;
            if is_constant { file.integers() } else { None }
        })
    }

    /// The only number of an input.
    pub(in super::super) fn value(&self, input: usize) -> Option<i64> {
        match self.values(input)?.as_slice() {
            &[value] => Some(value),
            _ => None,
        }
    }

    pub(super) fn byte(&self, field: usize) -> Result<u8, Uncountable> {
        Ok(self.operator.options.as_ref().map_or(Ok(0), |options| options.byte(field))?)
    }

    /// A positive number of the options; FlatBuffers leave out what equals the schema's default.
    pub(super) fn number(&self, field: usize, default: u64) -> Result<u64, Uncountable> {
        let number = match &self.operator.options {
            Some(options) if options.has(field) => u64::from(options.number(field)?),
            _ => default,
        };
        if (1..=i32::MAX as u64).contains(&number) {
            return Ok(number);
        }
        Err(Uncountable::Wrong(format!("option {field} is {}", (number as u32).cast_signed())))
    }

    pub(in super::super) fn integer(&self, field: usize) -> Result<i64, Uncountable> {
        let number = self.operator.options.as_ref().map_or(Ok(0), |options| options.number(field))?;
        Ok(i64::from(number.cast_signed()))
    }

    /// A list of the options; `None` if they do not have it.
    pub(in super::super) fn list(&self, field: usize) -> Result<Option<Vec<i64>>, Uncountable> {
        let Some(options) = self.operator.options.as_ref().filter(|options| options.has(field)) else {
            return Ok(None);
        };
        Ok(Some(options.integers(field)?.into_iter().map(i64::from).collect()))
    }

    /// Every input.
    pub(in super::super) fn all(&self) -> Vec<usize> {
        (0..self.operator.inputs.len()).collect()
    }
}
