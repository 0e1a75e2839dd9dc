//! What each TensorFlow Lite operator makes and costs. Activations are NHWC; an activation that an operator's
//! options name is part of it.
//!
//! Source of the operators' numbers and options: the schema that [`crate::model_file::tflite::graph`] names.

use crate::model_file::tflite::graph::{GraphTensor, TfliteOperator};
use crate::network::count::error::shape_text;
use crate::network::count::graph::{Tensor, Work};
use crate::network::count::uncountable::Uncountable;
use elementwise::{addition, binary, clamp, reduction, softmax, unary};
use layout::{concatenation, packing, pad, reshape, selection, split, transpose, view};
use products::{convolution, depthwise_convolution, fully_connected, matrix_product, transposed_convolution};
use windows::{pool, resize_linear, resize_nearest};

mod elementwise;
mod layout;
mod products;
mod windows;

/// What an operator makes and does.
pub(super) struct Effect {
    /// Shapes of its outputs, as far as they follow from what it reads; the others are the file's.
    pub(super) shapes: Vec<Vec<u64>>,
    pub(super) work: Work,
    /// Which inputs are tensors rather than shapes, axes and bounds: the activation, weights, biases.
    pub(super) tensors: Vec<usize>,
}

type Answer = Result<Effect, Uncountable>;
type Rule = fn(&Context<'_, '_>) -> Answer;

/// What is counted: the schema's name and number.
pub(super) const OPERATORS: &[(&str, u32, Rule)] = &[
    ("CONV_2D", 3, convolution),
    ("DEPTHWISE_CONV_2D", 4, depthwise_convolution),
    ("TRANSPOSE_CONV", 67, transposed_convolution),
    ("FULLY_CONNECTED", 9, fully_connected),
    ("BATCH_MATMUL", 126, matrix_product),
    ("AVERAGE_POOL_2D", 1, pool),
    ("MAX_POOL_2D", 17, pool),
    ("L2_POOL_2D", 12, pool),
    ("RELU", 19, clamp),
    ("RELU_N1_TO_1", 20, clamp),
    ("RELU6", 21, clamp),
    ("RELU_0_TO_1", 152, clamp),
    ("LEAKY_RELU", 98, clamp),
    ("PRELU", 54, clamp),
    ("ADD", 0, addition),
    ("SUB", 41, binary),
    ("MUL", 18, binary),
    ("DIV", 42, binary),
    ("MAXIMUM", 55, binary),
    ("MINIMUM", 57, binary),
    ("POW", 78, binary),
    ("SQUARED_DIFFERENCE", 99, binary),
    ("LOGISTIC", 14, unary),
    ("TANH", 28, unary),
    ("HARD_SWISH", 117, unary),
    ("ELU", 111, unary),
    ("GELU", 150, unary),
    ("EXP", 47, unary),
    ("LOG", 73, unary),
    ("ABS", 101, unary),
    ("NEG", 59, unary),
    ("SQRT", 75, unary),
    ("RSQRT", 76, unary),
    ("SQUARE", 92, unary),
    ("FLOOR", 8, unary),
    ("CEIL", 104, unary),
    ("ROUND", 116, unary),
    ("SIN", 66, unary),
    ("COS", 108, unary),
    ("CAST", 53, unary),
    // The interpreter runs these as passes of their own.
    ("QUANTIZE", 114, unary),
    ("DEQUANTIZE", 6, unary),
    ("SOFTMAX", 25, softmax),
    ("LOG_SOFTMAX", 50, softmax),
    ("MEAN", 40, reduction),
    ("SUM", 74, reduction),
    ("REDUCE_PROD", 81, reduction),
    ("REDUCE_MAX", 82, reduction),
    ("REDUCE_MIN", 89, reduction),
    ("RESHAPE", 22, reshape),
    ("SQUEEZE", 43, view),
    ("EXPAND_DIMS", 70, view),
    ("CONCATENATION", 2, concatenation),
    ("PAD", 34, pad),
    ("PADV2", 60, pad),
    ("MIRROR_PAD", 100, pad),
    ("TRANSPOSE", 39, transpose),
    ("RESIZE_BILINEAR", 23, resize_linear),
    ("RESIZE_NEAREST_NEIGHBOR", 97, resize_nearest),
    ("SLICE", 65, selection),
    ("STRIDED_SLICE", 45, selection),
    ("SPLIT", 49, split),
    ("SPLIT_V", 102, selection),
    ("UNPACK", 88, selection),
    ("GATHER", 36, selection),
    ("SPACE_TO_DEPTH", 26, selection),
    ("DEPTH_TO_SPACE", 5, selection),
    ("SPACE_TO_BATCH_ND", 38, selection),
    ("BATCH_TO_SPACE_ND", 37, selection),
    ("PACK", 83, packing),
];

/// An operator with what it reads.
pub(super) struct Context<'r, 'a> {
    pub(super) file: &'r [GraphTensor<'a>],
    pub(super) tensors: &'r [Tensor],
    pub(super) operator: &'r TfliteOperator<'a>,
}

impl<'r> Context<'r, '_> {
    fn place(&self, input: usize) -> Option<usize> {
        self.operator.inputs.get(input).copied().flatten()
    }

    fn shape(&self, input: usize) -> Result<&'r [u64], Uncountable> {
        let place = self.place(input).ok_or_else(|| Uncountable::missing_input(input))?;
        let tensor = &self.tensors[place];
        tensor.shape.as_deref().ok_or_else(|| Uncountable::unknown_shape(&tensor.name))
    }

    fn image(&self, input: usize) -> Result<[u64; 4], Uncountable> {
        let shape = self.shape(input)?;
        shape.try_into().map_err(|_| {
            Uncountable::Wrong(format!("its input {input} of shape {} is no image", shape_text(shape)))
        })
    }

    /// Shape of the first output where the file's shapes count.
    fn declared(&self) -> Result<&'r [u64], Uncountable> {
        let output =
            self.operator.outputs.first().ok_or_else(|| Uncountable::Wrong("it makes nothing".to_owned()))?;
        self.tensors[*output].shape.as_deref().ok_or_else(|| {
            Uncountable::Unknown("its shape is not followed for inputs that the model leaves open".to_owned())
        })
    }

    fn values(&self, input: usize) -> Option<Vec<i64>> {
        self.place(input).and_then(|place| self.file[place].integers())
    }

    fn byte(&self, field: usize) -> Result<u8, Uncountable> {
        Ok(self.operator.options.as_ref().map_or(Ok(0), |options| options.byte(field))?)
    }

    /// A positive number of the options; FlatBuffers leave out what equals the schema's default.
    fn number(&self, field: usize, default: u64) -> Result<u64, Uncountable> {
        let number = match &self.operator.options {
            Some(options) if options.has(field) => u64::from(options.number(field)?),
            _ => default,
        };
        if (1..=i32::MAX as u64).contains(&number) {
            return Ok(number);
        }
        Err(Uncountable::Wrong(format!("option {field} is {}", (number as u32).cast_signed())))
    }

    fn integer(&self, field: usize) -> Result<i64, Uncountable> {
        Ok(self
            .operator
            .options
            .as_ref()
            .map_or(Ok(0), |options| options.number(field))
            .map(|number| i64::from(number.cast_signed()))?)
    }

    /// Every input.
    fn all(&self) -> Vec<usize> {
        (0..self.operator.inputs.len()).collect()
    }
}

fn one(shape: Vec<u64>, work: Work, tensors: Vec<usize>) -> Answer {
    Ok(Effect { shapes: vec![shape], work, tensors })
}
