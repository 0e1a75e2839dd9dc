//! The error texts of trtexec that say why, as a table: what they mean, and what to do. Pure.
//!
//! One run prints several of them, from the cause to its last consequence. The table goes from those that say most to those
//! that say least, and the first of it that occurs is the reason.
//!
//! Source: sources of <https://github.com/NVIDIA/TensorRT>, tag v6.0.1 and branches release/6.0 to release/11.1, its ONNX parser,
//! and public logs and issues.

/// A text and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// What the line contains.
    text: &'static str,
    /// Reason code of the outcome.
    pub reason: &'static str,
    /// While an engine is built: the model is what this TensorRT can not make an engine of, on this GPU.
    pub concerns_model: bool,
    /// What to do; lower case, no full stop.
    pub hint: &'static str,
}

const fn cause(text: &'static str, reason: &'static str, concerns_model: bool, hint: &'static str) -> Cause {
    Cause { text, reason, concerns_model, hint }
}

const MEMORY: &str = "use a smaller input or batch, stop other programs that hold memory, or lower `runtime_options.workspace_mebibytes`";
const BUG: &str =
    "this trtexec differs from its release's sources; please report its `--help` text and the log tail";
const REBUILD: &str = "the engine was made by another TensorRT or for another GPU; it is dropped from the cache, and `backbone retry` builds it again";
const OPERATOR: &str = "see the log tail for the operator, and export the model with operators and an opset that this TensorRT reads";

/// The texts, from those that say most.
const CAUSES: &[Cause] = &[
    cause("Unknown option: ", "unknown_option", false, BUG),
    cause(
        "only supports TensorRT INetworkDefinitions with an explicit batch dimension",
        "explicit_batch_missing",
        false,
        BUG,
    ),
    cause(
        "TensorRT only supports multi-input conv for explicit precision QAT networks",
        "quantised_model_not_supported",
        true,
        "use TensorRT 8.0 or later, or the fp32 model of the same network with `precision: int8`",
    ),
    cause(
        "but int8 is not configured in the builder",
        "int8_not_configured",
        false,
        "the model is quantised: set `runtime_options.precision` to `int8` or leave it out",
    ),
    cause("OutOfMemory", "out_of_memory", true, MEMORY),
    cause("Requested amount of GPU memory", "out_of_memory", true, MEMORY),
    cause("out of memory", "out_of_memory", true, MEMORY),
    cause("NvMapMemAllocInternalTagged", "out_of_memory", true, MEMORY),
    cause("NvMapMemHandleAlloc: error", "out_of_memory", true, MEMORY),
    cause(
        "NvRmMemInit failed",
        "gpu_not_accessible",
        false,
        "check that the daemon's user is in the group `video` and that the unit hides no device",
    ),
    cause(
        "Could not find any implementation for node",
        "no_implementation",
        true,
        "TensorRT has no kernel for this layer on this GPU; try more `runtime_options.workspace_mebibytes` or another precision",
    ),
    cause("Serialization assertion", "engine_mismatch", false, REBUILD),
    cause("Serialization Error in verifyHeader", "engine_mismatch", false, REBUILD),
    cause("Engine deserialization failed", "engine_mismatch", false, REBUILD),
    cause("Got invalid engine!", "engine_mismatch", false, REBUILD),
    cause("No importer registered for op", "operator_not_supported", true, OPERATOR),
    cause("While parsing node number", "operator_not_supported", true, OPERATOR),
    cause("In function importModel", "model_not_parsed", true, OPERATOR),
    cause("Failed to parse onnx file", "model_not_parsed", true, OPERATOR),
    cause("Parsing model failed", "model_not_parsed", true, OPERATOR),
    cause(
        "Uncaught exception detected",
        "uncaught_exception",
        false,
        "a fault of TensorRT or of its installation; its message says more",
    ),
    cause("Engine could not be created", "engine_not_built", true, OPERATOR),
    cause("Building engine failed", "engine_not_built", true, OPERATOR),
    cause("Failed to create engine from model", "engine_not_built", true, OPERATOR),
    cause("Engine set up failed", "engine_not_built", true, OPERATOR),
    cause(
        "Inference set up failed",
        "inference_not_set_up",
        false,
        "the lines before it in the log tail say why",
    ),
];

/// The cause that a line names.
pub(super) fn find(line: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| line.contains(cause.text))
}

/// Its place in the table.
pub(super) fn rank(cause: &Cause) -> usize {
    CAUSES.iter().position(|other| other == cause).unwrap_or(CAUSES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_hides_behind_an_earlier_one() {
        for (place, cause) in CAUSES.iter().enumerate() {
            assert_eq!(find(cause.text).map(rank), Some(place), "{}", cause.text);
        }
    }
}
