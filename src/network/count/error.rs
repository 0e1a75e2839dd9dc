//! Why a model cannot be counted, for people.
//!
//! All of these are the model's fault or a wrong `--input`; none is worth another try with the same bytes.

use crate::error::Hint;
use crate::model_file::ReadError;

/// A model that cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nodes wait for each other.
    #[error(
        "the graph cannot run: node `{node}` needs `{tensor}`, which depends on the output of the node itself"
    )]
    Cyclic {
        /// A node on the circle.
        node: String,
        /// What it waits for.
        tensor: String,
    },
    /// A node reads what no node makes.
    #[error("node `{node}` reads `{tensor}`, which no node or input of the file provides")]
    Missing {
        /// The node.
        node: String,
        /// What it reads.
        tensor: String,
    },
    /// Two nodes make a tensor of one name.
    #[error("two nodes write `{tensor}`; the second is `{node}`")]
    MadeTwice {
        /// The second one.
        node: String,
        /// The name.
        tensor: String,
    },
    /// Inputs have open dimensions.
    #[error("the model has inputs with open dimensions: {inputs}")]
    OpenShapes {
        /// Inputs with open dimensions, as the model declares them.
        inputs: String,
        /// What to give for the first.
        example: String,
    },
    /// A shape or value was given for a name that the model does not have.
    #[error("`{name}` is given, but the model has no such input; its inputs are {inputs}")]
    UnknownInput {
        /// The name.
        name: String,
        /// The inputs that there are.
        inputs: String,
    },
    /// A given shape contradicts the model.
    #[error("the given shape {given} contradicts the model, which declares {declared}")]
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
    /// A function that would be expanded without end.
    #[error("function `{function}` calls itself, directly or through others")]
    Recursive {
        /// The function.
        function: String,
    },
    /// Functions and graphs in graphs that nest too deep.
    #[error("functions and graphs nest deeper than {most} levels")]
    TooDeep {
        /// The limit.
        most: usize,
    },
    /// Functions and graphs in graphs that expand to too much.
    #[error("functions and graphs in graphs expand to more than {most} nodes and tensors")]
    TooManyNodes {
        /// The limit.
        most: usize,
    },
    /// Counts that no 64-bit number holds.
    #[error("{what} does not fit into 64 bits")]
    TooLarge {
        /// What was counted.
        what: String,
    },
}

impl Hint for CountError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read(error) => return error.hint(),
            Self::Cyclic { .. } | Self::Missing { .. } | Self::MadeTwice { .. } => {
                "export the model again; `onnx.checker.check_model` lists everything that is wrong with it"
                    .to_owned()
            }
            Self::OpenShapes { example, .. } => {
                format!("give the shapes to count for, such as --input {example}")
            }
            Self::UnknownInput { .. } => {
                "give shapes and values only for inputs that the model has".to_owned()
            }
            Self::InputMismatch { .. } => "dimensions that the model fixes cannot be changed".to_owned(),
            Self::WrongShape { .. } => {
                "the file contradicts itself; export the model again, or remove its intermediate shapes"
                    .to_owned()
            }
            Self::Recursive { .. } => "export the model again; ONNX forbids recursive functions".to_owned(),
            Self::TooDeep { .. } | Self::TooManyNodes { .. } => {
                "no exporter writes such a file; export the model again, with its functions inlined"
                    .to_owned()
            }
            Self::TooLarge { .. } => {
                "check the inputs and weights of the model for an absurdly large dimension".to_owned()
            }
        })
    }
}

/// `[1, 3, 224, 224]`.
pub(super) fn shape_text(shape: &[u64]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", sizes.join(", "))
}
