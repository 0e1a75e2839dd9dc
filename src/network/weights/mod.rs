//! The numbers in a network: weights, biases and the scales of its activations, made from the configuration
//! alone.
//!
//! Weights are random codes of eight bits times one scale for each output channel, so that the int8 network
//! has exactly the weights of the fp32 one. Scales and biases are chosen so that every activation stays
//! alive: a convolution's sums have a mean and a variance that are known beforehand, because mean and
//! variance of what it reads are. Nothing is ever run.
//!
//! Only additions, multiplications, divisions, square roots and roundings are used. IEEE 754 defines each of
//! them to the last bit, so the same configuration gives the same bytes on every machine; functions of the C
//! mathematics library, which differ between machines, are not called.

mod moments;

use crate::network::configuration::Configuration;
use crate::network::graph::{Convolution, Graph, Layer, Operation};
use crate::random::split_mix_64;
use moments::Moments;

/// The largest magnitude of a code. −128 is left out, as TensorFlow Lite and TensorRT ask for weights.
pub(crate) const LARGEST_CODE: i8 = 127;

/// Standard deviations that the scale of an activation leaves room for. Values of a random network vary
/// together, so that their tails are longer than the normal distribution's: of those sixty layers in, 2 % lay
/// beyond 4 and 4 in 10,000 beyond 7. What is cut off differs between signed codes, which end at 127, and
/// unsigned ones, which go on.
const RANGE_DEVIATIONS: f64 = 7.0;

/// The same for the network's output, where nothing shall be cut off, those of channels with unlucky weights
/// included.
const OUTPUT_RANGE_DEVIATIONS: f64 = 8.0;

/// The image's code 128 would be 1: whole steps of a power of two, so that eight-bit images hold exactly.
const IMAGE_SCALE: f32 = 1.0 / 128.0;

/// Mean and variance of a sum before its ReLU. Batch normalisation of a trained network centres near zero;
/// one standard deviation above it, 84 % of the values pass, and small errors of eight-bit codes grow by 12 %
/// from one activation to the next in place of 47 %, so that networks of sixty layers still say the same in
/// both precisions.
const BEFORE_ACTIVATION: Moments = Moments { mean: 1.0, variance: 1.0 };
/// Half the range of that mean over the channels.
const MEAN_JITTER: f64 = 0.25;

/// Variance of a block's last convolution in parts of that of the shortcut it is added to. Within a main path
/// errors of eight-bit codes grow from layer to layer; a sixty-fourth of the variance lets an eighth of them
/// into the next block.
const BRANCH_VARIANCE: f64 = 1.0 / 64.0;

/// A network with everything that decides its numbers.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// The layers.
    pub graph: Graph,
    /// Real value of one int8 step of each tensor; every zero point is 0.
    pub tensor_scales: Vec<f32>,
    /// One entry a layer; `None` where a layer has no weights.
    pub convolutions: Vec<Option<ConvolutionValues>>,
    seed: u64,
}

/// What a convolution holds in addition to its codes, one value for each output channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConvolutionValues {
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
pub(crate) struct BatchNormalisation {
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
pub(crate) const EPSILON: f32 = 1e-5;

impl Weights {
    /// The numbers of a configuration. They depend on block, kernel, widths and depths; batch, input and
    /// precision change no weight.
    pub(crate) fn new(configuration: &Configuration) -> Self {
        let graph = Graph::new(configuration);
        let moments = TensorMoments::of(&graph);
        let mut weights = Self {
            tensor_scales: tensor_scales(&graph, &moments.before_activation),
            convolutions: Vec::with_capacity(graph.layers.len()),
            seed: fingerprint(&configuration.weights_name()),
            graph,
        };
        for (index, layer) in weights.graph.layers.iter().enumerate() {
            let values = match layer.operation {
                Operation::Convolution(convolution) => {
                    let before = moments.after_activation[layer.inputs[0]];
                    let target = moments.before_activation[index + 1];
                    let input_scale = weights.tensor_scales[layer.inputs[0]];
                    Some(weights.convolution(index, &convolution, before, target, input_scale))
                }
                Operation::Add | Operation::MaxPool(_) => None,
            };
            weights.convolutions.push(values);
        }
        weights
    }

    /// The same network with zeros in place of all numbers, for whoever asks only how large something
    /// becomes: making them takes time in proportion to the weights.
    pub(super) fn sized(configuration: &Configuration) -> Self {
        let graph = Graph::new(configuration);
        let convolutions = graph.layers.iter().map(|layer| match layer.operation {
            Operation::Convolution(convolution) => {
                let channels = usize::try_from(convolution.output_channels).unwrap_or(usize::MAX);
                Some(ConvolutionValues {
                    weight_scales: vec![0.0; channels],
                    bias_codes: vec![0; channels],
                    biases: vec![0.0; channels],
                })
            }
            Operation::Add | Operation::MaxPool(_) => None,
        });
        Self {
            tensor_scales: vec![0.0; graph.layers.len() + 1],
            convolutions: convolutions.collect(),
            seed: 0,
            graph,
        }
    }

    /// Weight codes of one output channel, input channel by row by column, in −127 … 127; bytes in two's
    /// complement. `codes` is emptied first.
    pub(crate) fn codes(&self, layer: usize, channel: u64, codes: &mut Vec<u8>) {
        let Operation::Convolution(convolution) = self.graph.layers[layer].operation else {
            codes.clear();
            return;
        };
        let mut state = self.channel_seed(layer, channel);
        let length = usize::try_from(convolution.weights_per_channel()).unwrap_or(usize::MAX);
        // Whole words into zeros that the allocator gives: release builds are made for size, and there
        // whatever goes byte by byte takes a multiple.
        *codes = vec![0; length.next_multiple_of(8)];
        for eight in codes.as_chunks_mut::<8>().0 {
            *eight = without_lowest_code(split_mix_64(&mut state)).to_le_bytes();
        }
        codes.truncate(length);
    }

    /// A convolution's batch normalisation, which together with the returned scale of its weights makes the
    /// same function as the folded weights and bias.
    pub(crate) fn batch_normalisation(
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

    /// Scales and biases that give the sums of each output channel the mean and variance of `target`, where
    /// all that is read has those of `before` and is independent.
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
            let (mut sum, mut squares) = (0_i64, 0_i64);
            for code in &codes {
                let code = i32::from(code.cast_signed());
                sum += i64::from(code);
                squares += i64::from(code * code);
            }
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
        split_mix_64(&mut state)
    }
}

/// Mean and variance of every tensor.
struct TensorMoments {
    before_activation: Vec<Moments>,
    after_activation: Vec<Moments>,
}

impl TensorMoments {
    fn of(graph: &Graph) -> Self {
        let mut all =
            Self { before_activation: vec![moments::IMAGE], after_activation: vec![moments::IMAGE] };
        for (index, layer) in graph.layers.iter().enumerate() {
            let read = |operand: usize| all.after_activation[layer.inputs[operand]];
            let (before, after) = match layer.operation {
                Operation::Convolution(convolution) if convolution.relu => {
                    (BEFORE_ACTIVATION, BEFORE_ACTIVATION.rectified())
                }
                Operation::Convolution(_) => {
                    let made = all.before_addition(graph, index);
                    (made, made)
                }
                Operation::Add => {
                    let sum = read(0).plus(read(1));
                    (sum, sum.rectified())
                }
                Operation::MaxPool(_) => (read(0).pooled(), read(0).pooled()),
            };
            all.before_activation.push(before);
            all.after_activation.push(after);
        }
        all
    }

    /// What a convolution without an activation makes: the first operand of an addition if it ends a main
    /// path, the second if it is a projection. The main path adds to what the shortcut brings, which is known
    /// where it needs no projection.
    fn before_addition(&self, graph: &Graph, index: usize) -> Moments {
        let ends_main_path =
            |layer: &&Layer| layer.operation == Operation::Add && layer.inputs[0] == index + 1;
        match graph.layers[index..].iter().find(ends_main_path) {
            Some(addition) => {
                let shortcut =
                    self.after_activation.get(addition.inputs[1]).copied().unwrap_or(BEFORE_ACTIVATION);
                Moments { mean: 0.0, variance: BRANCH_VARIANCE * shortcut.variance }
            }
            None => BEFORE_ACTIVATION,
        }
    }
}

/// The scale of every tensor: what its range needs, but a pooled tensor has the scale of what it was pooled
/// from, because both formats want that of a pooling of codes.
fn tensor_scales(graph: &Graph, before_activation: &[Moments]) -> Vec<f32> {
    let mut scales = vec![IMAGE_SCALE];
    for (index, layer) in graph.layers.iter().enumerate() {
        let tensor = index + 1;
        let deviations = if tensor == graph.output() { OUTPUT_RANGE_DEVIATIONS } else { RANGE_DEVIATIONS };
        scales.push(match layer.operation {
            Operation::MaxPool(_) => scales[layer.inputs[0]],
            Operation::Convolution(_) | Operation::Add => {
                let Moments { mean, variance } = before_activation[tensor];
                ((mean + deviations * variance.sqrt()) / f64::from(LARGEST_CODE)) as f32
            }
        });
    }
    scales
}

/// Eight bytes at once with −128 replaced by −127.
///
/// Source: H. S. Warren, "Hacker's Delight", 2nd edition, § 6-1: finding a byte that is 0.
fn without_lowest_code(eight: u64) -> u64 {
    const LOWEST: u64 = 0x8080_8080_8080_8080;
    let is_zero_where_lowest = eight ^ LOWEST;
    let top_bits = !(((is_zero_where_lowest & !LOWEST) + !LOWEST) | is_zero_where_lowest | !LOWEST);
    eight | top_bits >> 7
}

/// Uniform in [−1, 1), a multiple of 2^−31.
fn signed_fraction(state: &mut u64) -> f64 {
    f64::from((split_mix_64(state) >> 32) as u32 as i32) / f64::from(1_u32 << 31)
}

/// A name as 64 bits: FNV-1a, <https://www.rfc-editor.org/rfc/rfc9923>.
fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
