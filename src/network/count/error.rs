//! Why a model cannot be counted, for people.
//!
//! All of these are the model's fault or a wrong `--input`; none is worth another try with the same bytes.

use crate::error::Hint;

/// A model that cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// The bytes are not such a file, or end early.
    #[error("the file is not a whole {format} model: {what}")]
    Unreadable {
        /// `ONNX` or `TensorFlow Lite`.
        format: &'static str,
        /// What was met.
        what: String,
    },
    /// Nodes wait for each other.
    #[error(
        "the graph is not one that can be run: node `{node}` needs `{tensor}`, which is made from the node's own output"
    )]
    Cyclic {
        /// A node on the circle.
        node: String,
        /// What it waits for.
        tensor: String,
    },
    /// A node reads what nobody makes.
    #[error("node `{node}` reads `{tensor}`, which nothing in the file makes")]
    Missing {
        /// The node.
        node: String,
        /// What it reads.
        tensor: String,
    },
    /// Two nodes make a tensor of one name.
    #[error("`{tensor}` is made twice, the second time by node `{node}`")]
    MadeTwice {
        /// The second one.
        node: String,
        /// The name.
        tensor: String,
    },
    /// Inputs have open dimensions.
    #[error("the model leaves dimensions of its inputs open: {inputs}")]
    OpenShapes {
        /// Inputs with open dimensions, as the model declares them.
        inputs: String,
        /// What to give for the first.
        example: String,
    },
    /// A shape was given for a name that the model does not have.
    #[error("a shape is given for `{name}`, and the model has no such input; it has {inputs}")]
    UnknownInput {
        /// The name.
        name: String,
        /// The inputs that there are.
        inputs: String,
    },
    /// A given shape contradicts the model.
    #[error("{given} is given for an input that the model declares as {declared}")]
    InputMismatch {
        /// What was given.
        given: String,
        /// What the model says.
        declared: String,
    },
    /// What a file says about a shape cannot be.
    #[error("node `{node}` ({operator}): {what}")]
    WrongShape {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// What contradicts what.
        what: String,
    },
    /// A tensor's payload and its shape contradict each other.
    #[error("tensor `{tensor}` {what}")]
    WrongTensor {
        /// The tensor.
        tensor: String,
        /// What contradicts what.
        what: String,
    },
    /// Counts that no 64-bit number holds.
    #[error("{what} is more than a 64-bit number holds")]
    TooLarge {
        /// What was counted.
        what: String,
    },
}

impl Hint for CountError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => {
                "compare the file's size and SHA-256 with the original's; a copy may have been cut off"
                    .to_owned()
            }
            Self::Cyclic { .. } | Self::Missing { .. } | Self::MadeTwice { .. } => {
                "export the model again; `onnx.checker.check_model` shows what else is wrong with it"
                    .to_owned()
            }
            Self::OpenShapes { example, .. } => {
                format!("give the shapes to count for, such as --input {example}")
            }
            Self::UnknownInput { .. } => "give shapes for inputs of the model only".to_owned(),
            Self::InputMismatch { .. } => {
                "dimensions that the model fixes cannot be changed, open ones need a size of 1 or more"
                    .to_owned()
            }
            Self::WrongShape { .. } => {
                "the file contradicts itself; export the model again, or remove its intermediate shapes"
                    .to_owned()
            }
            Self::WrongTensor { .. } => {
                "the file is damaged or was written by a faulty exporter; export it again".to_owned()
            }
            Self::TooLarge { .. } => {
                "look for an absurd dimension in the model's inputs and weights".to_owned()
            }
        })
    }
}

/// Names from a file, such that they cannot move a terminal's cursor.
pub(super) fn readable(bytes: &[u8]) -> String {
    crate::text::escaped(&String::from_utf8_lossy(bytes))
}

/// `[1, 3, 224, 224]`.
pub(super) fn shape_text(shape: &[u64]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", sizes.join(", "))
}
