//! What a network costs: exact integers, for each layer and for the whole.
//!
//! **MACs** are those of convolutions and matrix products. **Operations** are 2 × MACs, the paper's count
//! (ResNet-50 = 8.2 GOP); everything else is in `other_operations`. **Parameters** are weights plus one
//! folded bias for each output channel. **Bytes moved** are activations in and out (times the batch) and
//! weights once, at the precision's width.

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCost {
    /// Name of the layer or node.
    pub name: String,
    /// Operator in the format's spelling.
    pub operator: String,
    /// Shape of its first output, in the format's own layout.
    pub output_shape: Vec<u64>,
    /// Multiply-accumulates of a convolution or matrix product.
    pub macs: u64,
    /// Operations that are not 2 × MACs: pooling comparisons, additions, activations that stand alone.
    pub other_operations: u64,
    /// Weights and biases.
    pub parameters: u64,
    /// Bytes moved.
    pub bytes_moved: u64,
}

/// A whole network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// Every layer, in execution order.
    pub layers: Vec<LayerCost>,
    /// Operators that are not counted, by node name; never taken as zero.
    pub uncounted: Vec<Uncounted>,
    /// Tensors whose shape in the file, or while running, is not the one that the count computes.
    pub differences: Vec<Difference>,
    /// What the totals take for granted because the file does not say it: which branch runs, how often a loop
    /// does, an open batch of 1.
    pub assumptions: Vec<Assumption>,
    /// Number of tensors whose shape a runtime reported while it ran them, and which was used.
    pub measured_shapes: u64,
}

/// An operator that is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Name of the node.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Why.
    pub why: String,
}

/// Where a shape that was used comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeSource {
    /// The file declares it.
    File,
    /// A runtime reported it while running.
    Measured,
}

impl ShapeSource {
    /// As bundles and `--format json` have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Measured => "measured",
        }
    }
}

/// A tensor whose shape is not the one that the count computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Name of the tensor.
    pub tensor: String,
    /// The shape that was used.
    pub used: Vec<u64>,
    /// Where it comes from.
    pub source: ShapeSource,
    /// The shape that follows from the inputs of the node.
    pub computed: Vec<u64>,
}

/// Something that the totals take for granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// Name of the node, or of the input.
    pub name: String,
    /// Its operator; `input` for an input.
    pub operator: String,
    /// What is assumed.
    pub what: String,
}

impl Cost {
    /// Multiply-accumulates of all layers.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }

    /// Operations: 2 × MACs.
    pub fn operations(&self) -> u64 {
        2 * self.macs()
    }

    /// Operations outside convolutions and matrix products.
    pub fn other_operations(&self) -> u64 {
        self.layers.iter().map(|layer| layer.other_operations).sum()
    }

    /// Weights and biases.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Bytes moved by all layers.
    pub fn bytes_moved(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes_moved).sum()
    }

    /// Operations for each byte moved; `None` where nothing is moved.
    pub fn operational_density(&self) -> Option<f64> {
        let bytes = self.bytes_moved();
        (bytes > 0).then(|| self.operations() as f64 / bytes as f64)
    }
}
