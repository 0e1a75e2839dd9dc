//! What each TensorFlow Lite operator makes and costs. Activations are NHWC; an activation that an operator's options name
//! is part of it.
//!
//! Source of the operators' numbers and options: the schema that [`super::file`] names.

use super::file::{FileTensor, Operator};
use crate::net::count::error::shape_text;
use crate::net::count::graph::{Tensor, Work, elements};

/// Why an operator is not counted.
pub(super) enum Trouble {
    Unknown(String),
    Wrong(String),
    TooLarge,
}

impl From<String> for Trouble {
    /// Options that lead out of the file.
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// What an operator makes and does.
pub(super) struct Outcome {
    /// Shapes of its outputs, as far as they follow from what it reads; the others are the file's.
    pub(super) shapes: Vec<Vec<u64>>,
    pub(super) work: Work,
    /// Which inputs are tensors rather than shapes, axes and bounds: the activation, weights, biases.
    pub(super) tensors: Vec<usize>,
}

type Answer = Result<Outcome, Trouble>;
type Rule = fn(&Reading<'_, '_>) -> Answer;

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

/// Greatest, differences, exponentials, sum, quotients.
const SOFTMAX_OPERATIONS: u64 = 5;

/// Two neighbours along each of two axes, a multiplication and an addition for each.
const LINEAR_OPERATIONS: u64 = 8;

/// An operator with what it reads.
pub(super) struct Reading<'r, 'a> {
    pub(super) file: &'r [FileTensor<'a>],
    pub(super) tensors: &'r [Tensor],
    pub(super) operator: &'r Operator<'a>,
}

impl<'r> Reading<'r, '_> {
    fn place(&self, input: usize) -> Option<usize> {
        self.operator.inputs.get(input).copied().flatten()
    }

    fn shape(&self, input: usize) -> Result<&'r [u64], Trouble> {
        let place =
            self.place(input).ok_or_else(|| Trouble::Wrong(format!("its input {input} is missing")))?;
        let tensor = &self.tensors[place];
        tensor
            .shape
            .as_deref()
            .ok_or_else(|| Trouble::Unknown(format!("the shape of its input `{}` is not known", tensor.name)))
    }

    fn image(&self, input: usize) -> Result<[u64; 4], Trouble> {
        let shape = self.shape(input)?;
        shape.try_into().map_err(|_| {
            Trouble::Wrong(format!("its input {input} of shape {} is no image", shape_text(shape)))
        })
    }

    /// Shape of the first output where the file's shapes count.
    fn declared(&self) -> Result<&'r [u64], Trouble> {
        let output =
            self.operator.outputs.first().ok_or_else(|| Trouble::Wrong("it makes nothing".to_owned()))?;
        self.tensors[*output].shape.as_deref().ok_or_else(|| {
            Trouble::Unknown("its shape is not followed for inputs that the model leaves open".to_owned())
        })
    }

    fn values(&self, input: usize) -> Option<Vec<i64>> {
        self.place(input).and_then(|place| self.file[place].integers())
    }

    fn byte(&self, field: usize) -> Result<u8, Trouble> {
        Ok(self.operator.options.as_ref().map_or(Ok(0), |options| options.byte(field))?)
    }

    /// A positive number of the options; FlatBuffers leave out what equals the schema's default.
    fn number(&self, field: usize, default: u64) -> Result<u64, Trouble> {
        let number = match &self.operator.options {
            Some(options) if options.has(field) => u64::from(options.number(field)?),
            _ => default,
        };
        if (1..=i32::MAX as u64).contains(&number) {
            return Ok(number);
        }
        Err(Trouble::Wrong(format!("option {field} is {}", (number as u32).cast_signed())))
    }

    fn integer(&self, field: usize) -> Result<i64, Trouble> {
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

fn product(factors: &[u64]) -> Result<u64, Trouble> {
    elements(factors).ok_or(Trouble::TooLarge)
}

fn one(shape: Vec<u64>, work: Work, tensors: Vec<usize>) -> Answer {
    Ok(Outcome { shapes: vec![shape], work, tensors })
}

/// Height and width that come out; padding 0 is SAME, 1 VALID.
fn positions(size: u64, kernel: u64, stride: u64, dilation: u64, padding: u8) -> Result<u64, Trouble> {
    match padding {
        0 => Ok(size.div_ceil(stride)),
        1 => {
            let reach = (kernel.max(1) - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
            let room = size.checked_sub(reach.ok_or(Trouble::TooLarge)?);
            let room = room.ok_or_else(|| {
                Trouble::Wrong(format!("its window of {kernel} is larger than its input of {size}"))
            })?;
            Ok(room / stride + 1)
        }
        other => Err(Trouble::Wrong(format!("its padding is the unknown {other}"))),
    }
}

fn misfit(input: &[u64], weights: &[u64]) -> Trouble {
    Trouble::Wrong(format!(
        "weights of shape {} do not fit an input of shape {}",
        shape_text(weights),
        shape_text(input)
    ))
}

fn check_bias(reading: &Reading<'_, '_>, input: usize, channels: u64) -> Result<(), Trouble> {
    if reading.place(input).is_none() {
        return Ok(());
    }
    let bias = reading.shape(input)?;
    if product(bias)? == channels {
        return Ok(());
    }
    Err(Trouble::Wrong(format!(
        "its bias has the shape {}, and it makes {channels} channels",
        shape_text(bias)
    )))
}

/// Weights are (output channels, height, width, input channels ÷ groups).
fn convolution(reading: &Reading<'_, '_>) -> Answer {
    let (input, weights) = (reading.image(0)?, reading.image(1)?);
    if weights.contains(&0) || input[3] % weights[3] != 0 || weights[0] % (input[3] / weights[3]).max(1) != 0
    {
        return Err(misfit(&input, &weights));
    }
    check_bias(reading, 2, weights[0])?;
    let padding = reading.byte(0)?;
    let height = positions(input[1], weights[1], reading.number(2, 0)?, reading.number(5, 1)?, padding)?;
    let width = positions(input[2], weights[2], reading.number(1, 0)?, reading.number(4, 1)?, padding)?;
    let output = vec![input[0], height, width, weights[0]];
    let macs = product(&output)?.checked_mul(product(&weights[1..])?).ok_or(Trouble::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[0] }, vec![0, 1, 2])
}

/// Weights are (1, height, width, output channels).
fn depthwise_convolution(reading: &Reading<'_, '_>) -> Answer {
    let (input, weights) = (reading.image(0)?, reading.image(1)?);
    if weights[0] != 1 || input[3] == 0 || weights[3] % input[3] != 0 {
        return Err(misfit(&input, &weights));
    }
    check_bias(reading, 2, weights[3])?;
    let padding = reading.byte(0)?;
    let height = positions(input[1], weights[1], reading.number(2, 0)?, reading.number(6, 1)?, padding)?;
    let width = positions(input[2], weights[2], reading.number(1, 0)?, reading.number(5, 1)?, padding)?;
    let output = vec![input[0], height, width, weights[3]];
    let macs = product(&output)?.checked_mul(product(&weights[1..3])?).ok_or(Trouble::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[3] }, vec![0, 1, 2])
}

/// Inputs are the result's shape, weights (output channels, height, width, input channels), the activation, biases.
fn transposed_convolution(reading: &Reading<'_, '_>) -> Answer {
    let (weights, input) = (reading.image(1)?, reading.image(2)?);
    let wanted = reading.values(0).unwrap_or_else(|| {
        reading.declared().map(|shape| shape.iter().map(|size| *size as i64).collect()).unwrap_or_default()
    });
    let output: Option<Vec<u64>> = wanted.iter().map(|size| u64::try_from(*size).ok()).collect();
    let Some(output) = output.filter(|output| output.len() == 4) else {
        return Err(Trouble::Unknown("the shape of its result is computed while it runs".to_owned()));
    };
    let padding = reading.byte(0)?;
    let height = positions(output[1], weights[1], reading.number(2, 0)?, 1, padding)?;
    let width = positions(output[2], weights[2], reading.number(1, 0)?, 1, padding)?;
    if weights[3] != input[3]
        || [output[0], height, width, output[3]] != [input[0], input[1], input[2], weights[0]]
    {
        return Err(misfit(&input, &weights));
    }
    check_bias(reading, 3, weights[0])?;
    let macs = product(&input)?.checked_mul(product(&weights[..3])?).ok_or(Trouble::TooLarge)?;
    one(output, Work::Product { macs, channels: weights[0] }, vec![2, 1, 3])
}

/// Weights are (output channels, input channels).
fn fully_connected(reading: &Reading<'_, '_>) -> Answer {
    let (input, weights) = (reading.shape(0)?, reading.shape(1)?);
    let &[channels, depth] = weights else { return Err(misfit(input, weights)) };
    let values = product(input)?;
    if depth == 0 || values % depth != 0 {
        return Err(misfit(input, weights));
    }
    check_bias(reading, 2, channels)?;
    let output = match input {
        [leading @ .., last] if reading.byte(2)? != 0 => {
            if *last != depth {
                return Err(misfit(input, weights));
            }
            leading.iter().copied().chain([channels]).collect()
        }
        _ => vec![values / depth, channels],
    };
    let macs = values.checked_mul(channels).ok_or(Trouble::TooLarge)?;
    one(output, Work::Product { macs, channels }, vec![0, 1, 2])
}

fn matrix_product(reading: &Reading<'_, '_>) -> Answer {
    let (first, second) = (reading.shape(0)?, reading.shape(1)?);
    let ([first_batch @ .., a, b], [second_batch @ .., c, d]) = (first, second) else {
        return Err(misfit(first, second));
    };
    let (rows, depth) = if reading.byte(0)? == 0 { (*a, *b) } else { (*b, *a) };
    let (other_depth, columns) = if reading.byte(1)? == 0 { (*c, *d) } else { (*d, *c) };
    if depth != other_depth {
        return Err(misfit(first, second));
    }
    let mut output = broadcast(first_batch, second_batch)?;
    output.extend([rows, columns]);
    let macs = product(&output)?.checked_mul(depth).ok_or(Trouble::TooLarge)?;
    one(output, Work::Product { macs, channels: columns }, vec![0, 1])
}

/// One operation for each value that a window looks at, padding included.
fn pool(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.image(0)?;
    let (filter_width, filter_height) = (reading.number(3, 0)?, reading.number(4, 0)?);
    let padding = reading.byte(0)?;
    let height = positions(input[1], filter_height, reading.number(2, 0)?, 1, padding)?;
    let width = positions(input[2], filter_width, reading.number(1, 0)?, 1, padding)?;
    let output = vec![input[0], height, width, input[3]];
    let window = product(&[filter_height, filter_width])?;
    let operations = product(&output)?.checked_mul(window).ok_or(Trouble::TooLarge)?;
    one(output, Work::Operations(operations), vec![0])
}

fn broadcast(first: &[u64], second: &[u64]) -> Result<Vec<u64>, Trouble> {
    let rank = first.len().max(second.len());
    let size =
        |shape: &[u64], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |place| shape[place]);
    (0..rank)
        .map(|axis| match (size(first, axis), size(second, axis)) {
            (1, other) | (other, 1) => Ok(other),
            (one, other) if one == other => Ok(one),
            _ => Err(Trouble::Wrong(format!(
                "{} and {} do not fit each other",
                shape_text(first),
                shape_text(second)
            ))),
        })
        .collect()
}

fn clamp(reading: &Reading<'_, '_>) -> Answer {
    one(reading.shape(0)?.to_vec(), Work::Clamp, reading.all())
}

fn addition(reading: &Reading<'_, '_>) -> Answer {
    one(broadcast(reading.shape(0)?, reading.shape(1)?)?, Work::Sum, vec![0, 1])
}

fn binary(reading: &Reading<'_, '_>) -> Answer {
    let output = broadcast(reading.shape(0)?, reading.shape(1)?)?;
    let operations = product(&output)?;
    one(output, Work::Operations(operations), vec![0, 1])
}

fn unary(reading: &Reading<'_, '_>) -> Answer {
    let shape = reading.shape(0)?;
    one(shape.to_vec(), Work::Operations(product(shape)?), vec![0])
}

fn softmax(reading: &Reading<'_, '_>) -> Answer {
    let shape = reading.shape(0)?;
    let operations = product(shape)?.checked_mul(SOFTMAX_OPERATIONS).ok_or(Trouble::TooLarge)?;
    one(shape.to_vec(), Work::Operations(operations), vec![0])
}

fn axis(number: i64, rank: usize) -> Result<usize, Trouble> {
    let from_front = if number < 0 { number.saturating_add(rank as i64) } else { number };
    usize::try_from(from_front)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| Trouble::Wrong(format!("it names axis {number} of a tensor that has {rank}")))
}

fn reduction(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let work = Work::Operations(product(input)?);
    let Some(axes) = reading.values(1) else {
        return one(reading.declared()?.to_vec(), work, vec![0]);
    };
    let axes: Vec<usize> =
        axes.into_iter().map(|number| axis(number, input.len())).collect::<Result<_, _>>()?;
    let keeps = reading.byte(0)? != 0;
    let kept = input.iter().enumerate().filter(|(axis, _)| keeps || !axes.contains(axis));
    one(kept.map(|(axis, size)| if axes.contains(&axis) { 1 } else { *size }).collect(), work, vec![0])
}

/// The file's shape, where the number of elements is right.
fn view(reading: &Reading<'_, '_>) -> Answer {
    let (input, output) = (reading.shape(0)?, reading.declared()?);
    if product(input)? != product(output)? {
        return Err(Trouble::Wrong(format!("{} cannot become {}", shape_text(input), shape_text(output))));
    }
    one(output.to_vec(), Work::View, vec![0])
}

fn reshape(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let Some(wanted) = reading.values(1) else { return view(reading) };
    let (have, fixed) =
        (product(input)?, wanted.iter().map(|size| u64::try_from(*size).unwrap_or(1)).collect::<Vec<_>>());
    let rest = have.checked_div(product(&fixed)?).unwrap_or(0);
    let output: Vec<u64> = wanted.iter().map(|size| u64::try_from(*size).unwrap_or(rest)).collect();
    if product(&output)? != have {
        return Err(Trouble::Wrong(format!("{} cannot be reshaped to {wanted:?}", shape_text(input))));
    }
    one(output, Work::View, vec![0])
}

fn concatenation(reading: &Reading<'_, '_>) -> Answer {
    let mut output = reading.shape(0)?.to_vec();
    let axis = axis(reading.integer(0)?, output.len())?;
    for input in 1..reading.operator.inputs.len() {
        let other = reading.shape(input)?;
        if other.len() != output.len()
            || (0..other.len()).any(|place| place != axis && other[place] != output[place])
        {
            return Err(Trouble::Wrong(format!(
                "{} and {} cannot be joined along axis {axis}",
                shape_text(&output),
                shape_text(other)
            )));
        }
        output[axis] = output[axis].checked_add(other[axis]).ok_or(Trouble::TooLarge)?;
    }
    one(output, Work::Operations(0), reading.all())
}

fn pad(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let Some(pads) = reading.values(1) else {
        return one(reading.declared()?.to_vec(), Work::Operations(0), vec![0]);
    };
    let misfit = || Trouble::Wrong(format!("its pads {pads:?} do not fit {}", shape_text(input)));
    let (pairs, rest) = pads.as_chunks::<2>();
    if pairs.len() != input.len() || !rest.is_empty() {
        return Err(misfit());
    }
    let padded = input.iter().zip(pairs).map(|(size, [before, after])| {
        size.checked_add_signed(*before).and_then(|size| size.checked_add_signed(*after)).ok_or_else(misfit)
    });
    one(padded.collect::<Result<_, _>>()?, Work::Operations(0), vec![0])
}

fn transpose(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let Some(order) = reading.values(1) else { return selection(reading) };
    let order: Vec<usize> =
        order.into_iter().map(|number| axis(number, input.len())).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..input.len()).collect::<Vec<_>>() {
        return Err(Trouble::Wrong(format!("{order:?} does not order the axes of {}", shape_text(input))));
    }
    one(order.into_iter().map(|axis| input[axis]).collect(), Work::Selection, vec![0])
}

fn resized(reading: &Reading<'_, '_>, operations: u64) -> Answer {
    let input = reading.image(0)?;
    let output = match reading.values(1).as_deref() {
        Some(&[height, width]) => {
            let size =
                |size: i64| u64::try_from(size).map_err(|_| Trouble::Wrong(format!("it resizes to {size}")));
            vec![input[0], size(height)?, size(width)?, input[3]]
        }
        _ => reading.declared()?.to_vec(),
    };
    let operations = product(&output)?.checked_mul(operations).ok_or(Trouble::TooLarge)?;
    one(output, Work::Operations(operations), vec![0])
}

fn resize_linear(reading: &Reading<'_, '_>) -> Answer {
    resized(reading, LINEAR_OPERATIONS)
}

fn resize_nearest(reading: &Reading<'_, '_>) -> Answer {
    resized(reading, 0)
}

/// Copies what the file says that it makes.
fn selection(reading: &Reading<'_, '_>) -> Answer {
    reading.shape(0)?;
    reading.declared()?;
    Ok(Outcome { shapes: Vec::new(), work: Work::Selection, tensors: vec![0] })
}

/// The axis comes first.
fn split(reading: &Reading<'_, '_>) -> Answer {
    reading.shape(1)?;
    reading.declared()?;
    Ok(Outcome { shapes: Vec::new(), work: Work::Selection, tensors: vec![1] })
}

fn packing(reading: &Reading<'_, '_>) -> Answer {
    reading.declared()?;
    Ok(Outcome { shapes: Vec::new(), work: Work::Operations(0), tensors: reading.all() })
}
