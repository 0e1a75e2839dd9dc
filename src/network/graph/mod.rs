//! The layers of a configuration: what computes what from what, with every shape.
//!
//! Independent of any file format. Batch normalisation is folded into its convolution (a convolution here has
//! a bias), and an activation belongs to the layer before it. The image is tensor 0; layer n makes tensor
//! n + 1.

use crate::network::blocks::{BlockConvolution, Channels};
use crate::network::configuration::Configuration;

/// Colours of the image.
pub(crate) const IMAGE_CHANNELS: u64 = 3;

/// Widths of conv1 and of the stages conv2 … conv5 at a width multiplier of 100 %.
const STEM_WIDTH: u64 = 64;
const STAGE_WIDTHS: [u64; 4] = [64, 128, 256, 512];

/// Kernel of conv1, whatever k is.
const STEM_KERNEL: u64 = 7;
/// Window of the pooling after conv1.
const POOLING_WINDOW: u64 = 3;

/// A network with its shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Images at once.
    pub batch: u64,
    /// FeatureMap of one image.
    pub image: FeatureMap,
    /// Layers, each after all that it reads. The last one makes the network's output.
    pub layers: Vec<Layer>,
}

/// FeatureMap of one element of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeatureMap {
    /// Channels.
    pub channels: u64,
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

impl FeatureMap {
    /// Numbers in it.
    pub(crate) fn elements(self) -> u64 {
        self.channels * self.height * self.width
    }
}

/// A tensor: 0 is the image, n + 1 what layer n makes.
pub(crate) type TensorIndex = usize;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// `conv1`, `conv3_block2_add`: unique in the graph.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// What it reads.
    pub inputs: Vec<TensorIndex>,
    /// What it makes.
    pub output: FeatureMap,
}

/// What a layer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A convolution with a bias.
    Convolution(Convolution),
    /// The sum of two tensors, then ReLU.
    Add,
    /// The largest value of each window; padding is never the largest.
    MaxPool(Window),
}

/// A convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Convolution {
    /// Where it looks.
    pub window: Window,
    /// Channels that it reads.
    pub input_channels: u64,
    /// Channels that it makes.
    pub output_channels: u64,
    /// Which of the input channels an output channel reads.
    pub channels: Channels,
    /// Whether ReLU follows.
    pub relu: bool,
}

impl Convolution {
    /// Weights of one output channel.
    pub(crate) fn weights_per_channel(&self) -> u64 {
        self.channels.read_of(self.input_channels) * self.window.height * self.window.width
    }

    /// All weights.
    pub(crate) fn weights(&self) -> u64 {
        self.output_channels * self.weights_per_channel()
    }
}

/// A window that slides over a tensor with SAME padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
    /// Step, the same along both axes.
    pub stride: u64,
}

impl Window {
    /// Rows and columns that come out of so many.
    pub(crate) fn positions(self, pixels: u64) -> u64 {
        pixels.div_ceil(self.stride)
    }

    /// Padding before the first and after the last row.
    pub(crate) fn row_padding(self, rows: u64) -> (u64, u64) {
        same_padding(rows, self.height, self.stride)
    }

    /// Padding before the first and after the last column.
    pub(crate) fn column_padding(self, columns: u64) -> (u64, u64) {
        same_padding(columns, self.width, self.stride)
    }
}

/// TensorFlow's rule: as many positions as pixels / stride, rounded up; what is missing is added at both
/// ends, the odd one at the end.
///
/// Source: <https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2>
fn same_padding(pixels: u64, extent: u64, stride: u64) -> (u64, u64) {
    let reach = (pixels.div_ceil(stride) - 1) * stride + extent;
    let missing = reach.saturating_sub(pixels);
    (missing / 2, missing - missing / 2)
}

impl Graph {
    /// The network of a configuration. Its precision makes no difference here.
    pub(crate) fn new(configuration: &Configuration) -> Self {
        let side = u64::from(configuration.input());
        let image = FeatureMap { channels: IMAGE_CHANNELS, height: side, width: side };
        let mut graph = Self { batch: u64::from(configuration.batch()), image, layers: Vec::new() };
        let stem = Convolution {
            window: Window { height: STEM_KERNEL, width: STEM_KERNEL, stride: 2 },
            input_channels: IMAGE_CHANNELS,
            output_channels: scaled(STEM_WIDTH, configuration),
            channels: Channels::All,
            relu: true,
        };
        let mut tensor = graph.push_convolution("conv1".to_owned(), 0, stem);
        tensor = graph.push_max_pool("pool1", tensor);
        for (stage, (&depth, &width)) in configuration.depths().iter().zip(&STAGE_WIDTHS).enumerate() {
            for block in 0..depth {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("conv{}_block{}", stage + 2, block + 1);
                tensor = graph.push_block(&name, tensor, stride, scaled(width, configuration), configuration);
            }
        }
        graph
    }

    /// FeatureMap of a tensor.
    pub(crate) fn shape(&self, tensor: TensorIndex) -> FeatureMap {
        match tensor.checked_sub(1) {
            None => self.image,
            Some(layer) => self.layers[layer].output,
        }
    }

    /// The tensor that the network makes.
    pub(crate) fn output(&self) -> TensorIndex {
        self.layers.len()
    }

    fn push_block(
        &mut self,
        name: &str,
        input: TensorIndex,
        stride: u64,
        width: u64,
        configuration: &Configuration,
    ) -> TensorIndex {
        let kernel = u64::from(configuration.kernel());
        let convolutions = configuration.block().convolutions;
        let mut tensor = input;
        for (index, convolution) in convolutions.iter().enumerate() {
            let BlockConvolution { height, width: columns, channels, strided } = *convolution;
            let window = Window {
                height: height.pixels(kernel),
                width: columns.pixels(kernel),
                stride: if strided { stride } else { 1 },
            };
            let input_channels = self.shape(tensor).channels;
            let convolution = Convolution {
                window,
                input_channels,
                output_channels: match channels {
                    Channels::All => width,
                    Channels::Own => input_channels,
                },
                channels,
                // The last activation comes after the addition.
                relu: index + 1 < convolutions.len(),
            };
            tensor = self.push_convolution(format!("{name}_{}", index + 1), tensor, convolution);
        }
        let shortcut = if self.shape(input) == self.shape(tensor) {
            input
        } else {
            let projection = Convolution {
                window: Window { height: 1, width: 1, stride },
                input_channels: self.shape(input).channels,
                output_channels: width,
                channels: Channels::All,
                relu: false,
            };
            self.push_convolution(format!("{name}_shortcut"), input, projection)
        };
        let output = self.shape(tensor);
        self.push(format!("{name}_add"), Operation::Add, vec![tensor, shortcut], output)
    }

    fn push_convolution(
        &mut self,
        name: String,
        input: TensorIndex,
        convolution: Convolution,
    ) -> TensorIndex {
        let shape = self.shape(input);
        let output = FeatureMap {
            channels: convolution.output_channels,
            height: convolution.window.positions(shape.height),
            width: convolution.window.positions(shape.width),
        };
        self.push(name, Operation::Convolution(convolution), vec![input], output)
    }

    fn push_max_pool(&mut self, name: &str, input: TensorIndex) -> TensorIndex {
        let shape = self.shape(input);
        let window = Window { height: POOLING_WINDOW, width: POOLING_WINDOW, stride: 2 };
        let output = FeatureMap {
            height: window.positions(shape.height),
            width: window.positions(shape.width),
            ..shape
        };
        self.push(name.to_owned(), Operation::MaxPool(window), vec![input], output)
    }

    fn push(
        &mut self,
        name: String,
        operation: Operation,
        inputs: Vec<TensorIndex>,
        output: FeatureMap,
    ) -> TensorIndex {
        self.layers.push(Layer { name, operation, inputs, output });
        self.layers.len()
    }
}

/// A width under the multiplier: to the nearest channel, halves up, at least one.
fn scaled(width: u64, configuration: &Configuration) -> u64 {
    ((width * u64::from(configuration.width_percent()) + 50) / 100).max(1)
}

#[cfg(test)]
mod tests;
