//! The numbers in a network: weights, biases and the scales of its activations, made from the configuration alone.
//!
//! Weights are random codes of eight bits times one scale for each output channel, so that the int8 network has exactly the
//! weights of the fp32 one. Scales and biases are chosen so that every activation stays alive: a convolution's sums have
//! a mean and a variance that are known beforehand, because mean and variance of what it reads are. Nothing is ever run.
//!
//! Only additions, multiplications, divisions, square roots and roundings are used. IEEE 754 defines each of them to the
//! last bit, so the same configuration gives the same bytes on every machine; functions of the C mathematics library,
//! which differ between machines, are not called.

mod moments;

use crate::net::configuration::Configuration;
use crate::net::graph::{Convolution, Graph, Layer, Operation, TensorIndex};
use moments::Moments;

/// The largest magnitude of a code. −128 is left out, as TensorFlow Lite and TensorRT ask for weights.
pub const LARGEST_CODE: i8 = 127;

/// Standard deviations that the scale of an activation leaves room for. Sums of hundreds of terms are close to normal; of
/// normal values 3 in 10^7 lie further out, and those of a channel with unlucky weights still fit.
const RANGE_DEVIATIONS: f64 = 5.0;

/// The image's code 128 would be 1: whole steps of a power of two, so that eight-bit images hold exactly.
const IMAGE_SCALE: f32 = 1.0 / 128.0;

/// Mean of a sum before its ReLU, in standard deviations. Batch normalisation of a trained network centres near zero; one
/// standard deviation above it, 84 % of the values pass, and small errors of eight-bit codes grow by 12 % from one
/// activation to the next in place of 47 %, so that networks of sixty layers still say the same in both precisions.
const MEAN_BEFORE_ACTIVATION: f64 = 1.0;
/// Half the range of that mean over the channels.
const MEAN_JITTER: f64 = 0.25;

/// Variance of a block's last convolution in parts of that of the shortcut it is added to. The lower, the less a network
/// forgets; a quarter is near that of trained residual networks.
const BRANCH_VARIANCE: f64 = 0.25;

/// A network with everything that decides its numbers.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The layers.
    pub graph: Graph,
    /// Real value of one int8 step of each tensor; every zero point is 0.
    pub tensor_scales: Vec<f32>,
    /// One entry a layer; `None` where a layer has no weights.
    pub convolutions: Vec<Option<ConvolutionValues>>,
    seed: u64,
}

/// What a convolution holds beside its codes, one value for each output channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvolutionValues {
    /// Real value of one step of the weights.
    pub weight_scales: Vec<f32>,
    /// Biases in steps of (scale of the input × scale of the weights).
    pub bias_codes: Vec<i32>,
    /// The same biases as real values.
    pub biases: Vec<f32>,
}

/// Batch normalisation of one channel, for files that keep it apart:
/// y = `scale` × (x − `mean`) / √(`variance` + ε) + `bias`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormalisation {
    /// γ.
    pub scale: f32,
    /// β.
    pub bias: f32,
    /// Running mean.
    pub mean: f32,
    /// Running variance.
    pub variance: f32,
    /// Real value of one step of the weights of the convolution before it.
    pub weight_scale: f32,
}

/// ε of batch normalisation; the default of ONNX.
pub const EPSILON: f32 = 1e-5;

impl Weights {
    /// The numbers of a configuration. They depend on block, kernel, widths and depths; batch, input and precision change
    /// no weight.
    pub fn new(configuration: &Configuration) -> Self {
        let graph = Graph::new(configuration);
        let seed = fingerprint(&configuration.weights_name());
        let mut weights = Self {
            tensor_scales: vec![IMAGE_SCALE],
            convolutions: Vec::with_capacity(graph.layers.len()),
            graph,
            seed,
        };
        let mut moments = vec![moments::IMAGE];
        for index in 0..weights.graph.layers.len() {
            let layer = &weights.graph.layers[index];
            let before = moments[layer.inputs[0]];
            let (after, scale, values) = match layer.operation {
                Operation::Convolution(convolution) => {
                    let target = weights.target(index, &convolution, &moments);
                    let input_scale = weights.tensor_scales[layer.inputs[0]];
                    let values = weights.convolution(index, &convolution, before, target, input_scale);
                    let after = if convolution.relu { target.rectified() } else { target };
                    (after, scale_for(target), Some(values))
                }
                Operation::Add => {
                    let sum = before.plus(moments[layer.inputs[1]]);
                    (sum.rectified(), scale_for(sum), None)
                }
                // Both formats want a pooled tensor to have the scale of what it was pooled from.
                Operation::MaxPool(_) => (before.pooled(), weights.tensor_scales[layer.inputs[0]], None),
            };
            moments.push(after);
            weights.tensor_scales.push(scale);
            weights.convolutions.push(values);
        }
        weights
    }

    /// Weight codes of one output channel, input channel by row by column, in −127 … 127. `codes` is emptied first.
    pub fn codes(&self, layer: usize, channel: u64, codes: &mut Vec<i8>) {
        let Operation::Convolution(convolution) = self.graph.layers[layer].operation else {
            codes.clear();
            return;
        };
        let mut state = self.channel_seed(layer, channel);
        let length = usize::try_from(convolution.weights_per_channel()).unwrap_or(usize::MAX);
        codes.clear();
        codes.reserve(length + 8);
        while codes.len() < length {
            for byte in next(&mut state).to_le_bytes() {
                codes.push(byte.cast_signed().max(-LARGEST_CODE));
            }
        }
        codes.truncate(length);
    }

    /// A convolution's batch normalisation, which together with the returned scale of its weights makes the same function
    /// as the folded weights and bias.
    pub fn batch_normalisation(
        &self,
        layer: usize,
        channel: u64,
        folded_scale: f32,
        folded_bias: f32,
    ) -> BatchNormalisation {
        let mut state = self.channel_seed(layer, channel) ^ fingerprint("batch normalisation");
        let scale = (1.0 + 0.5 * signed_fraction(&mut state)) as f32;
        let variance = (1.0 + 0.5 * signed_fraction(&mut state)) as f32;
        let mean = (0.25 * signed_fraction(&mut state)) as f32;
        let gain = f64::from(scale) / (f64::from(variance) + f64::from(EPSILON)).sqrt();
        BatchNormalisation {
            scale,
            bias: (f64::from(folded_bias) + gain * f64::from(mean)) as f32,
            mean,
            variance,
            weight_scale: (f64::from(folded_scale) / gain) as f32,
        }
    }

    /// Mean and variance that a convolution's sums shall have.
    fn target(&self, index: usize, convolution: &Convolution, moments: &[Moments]) -> Moments {
        if convolution.relu {
            return Moments { mean: MEAN_BEFORE_ACTIVATION, variance: 1.0 };
        }
        // The convolution makes tensor index + 1, which one addition reads: as its first operand from the main path, as its
        // second from a projection.
        let tensor: TensorIndex = index + 1;
        let first_operand_of =
            |layer: &&Layer| layer.operation == Operation::Add && layer.inputs[0] == tensor;
        match self.graph.layers[index..].iter().find(first_operand_of) {
            Some(addition) => {
                let shortcut = moments.get(addition.inputs[1]).map_or(1.0, |known| known.variance);
                Moments { mean: 0.0, variance: BRANCH_VARIANCE * shortcut }
            }
            None => Moments { mean: MEAN_BEFORE_ACTIVATION, variance: 1.0 },
        }
    }

    /// Scales and biases that give the sums of each output channel the mean and variance of `target`, where all that is
    /// read has those of `before` and is independent.
    fn convolution(
        &self,
        layer: usize,
        convolution: &Convolution,
        before: Moments,
        target: Moments,
        input_scale: f32,
    ) -> ConvolutionValues {
        let mut codes = Vec::new();
        let mut values =
            ConvolutionValues { weight_scales: Vec::new(), bias_codes: Vec::new(), biases: Vec::new() };
        for channel in 0..convolution.output_channels {
            self.codes(layer, channel, &mut codes);
            let sum: i64 = codes.iter().map(|&code| i64::from(code)).sum();
            let squares: i64 = codes.iter().map(|&code| i64::from(code) * i64::from(code)).sum();
            // At least one: a channel of zeros would have no scale.
            let scale = (target.variance / (before.variance * squares.max(1) as f64)).sqrt() as f32;
            let mut state = self.channel_seed(layer, channel) ^ fingerprint("bias");
            let mean = target.mean + MEAN_JITTER * target.variance.sqrt() * signed_fraction(&mut state);
            let bias = mean - before.mean * f64::from(scale) * sum as f64;
            let step = f64::from(input_scale) * f64::from(scale);
            let code = (bias / step + 0.5).floor() as i32;
            values.weight_scales.push(scale);
            values.bias_codes.push(code);
            values.biases.push((f64::from(code) * step) as f32);
        }
        values
    }

    fn channel_seed(&self, layer: usize, channel: u64) -> u64 {
        let mut state = self.seed ^ fingerprint(&self.graph.layers[layer].name).wrapping_add(channel);
        next(&mut state)
    }
}

fn scale_for(before_activation: Moments) -> f32 {
    let range = before_activation.mean + RANGE_DEVIATIONS * before_activation.variance.sqrt();
    (range / f64::from(LARGEST_CODE)) as f32
}

/// SplitMix64: one step of the counter, mixed.
///
/// Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
/// <https://doi.org/10.1145/2660193.2660195>; constants of its variant 13.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Uniform in [−1, 1), a multiple of 2^−31.
fn signed_fraction(state: &mut u64) -> f64 {
    f64::from((next(state) >> 32) as u32 as i32) / f64::from(1_u32 << 31)
}

/// A name as 64 bits: FNV-1a, <https://www.rfc-editor.org/rfc/rfc9923>.
fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
