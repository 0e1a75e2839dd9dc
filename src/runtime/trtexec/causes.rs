//! Error texts of trtexec: what they mean, and what to do.
//!
//! One run prints several of them, from the cause to its last consequence. The table lists the most telling
//! text first, and the first one of it that occurs is the reason.
//!
//! Source: sources of <https://github.com/NVIDIA/TensorRT>, tag v6.0.1 and branches release/6.0 to
//! release/11.1, its ONNX parser, public logs and issues.

use crate::bundle::format::Fault;
use crate::runtime::causes::{Cause, cause};

const MEMORY: &str = "use a smaller input or batch, stop other programs that use memory, or lower `runtime_options.workspace_mebibytes`";
const BUG: &str =
    "this trtexec differs from its release's sources; please report its `--help` text and the log tail";
const REBUILD: &str = "another TensorRT built the engine, or it is for another GPU; it was removed from the cache, and `backbone retry` builds it again";
const OPERATOR: &str = "the log tail names the operator; export the model with operators and an opset that this TensorRT supports";

/// The most telling first.
pub(super) const CAUSES: &[Cause] = &[
    cause("Unknown option: ", "unknown_option", Fault::Host, BUG),
    cause(
        "only supports TensorRT INetworkDefinitions with an explicit batch dimension",
        "explicit_batch_missing",
        Fault::Host,
        BUG,
    ),
    cause(
        "TensorRT only supports multi-input conv for explicit precision QAT networks",
        "quantised_model_not_supported",
        Fault::Model,
        "use TensorRT 8.0 or later, or the fp32 model of the same network with `precision: int8`",
    ),
    cause(
        "but int8 is not configured in the builder",
        "int8_not_configured",
        Fault::Host,
        "the model is quantised: set `runtime_options.precision` to `int8` or leave it out",
    ),
    cause("OutOfMemory", "out_of_memory", Fault::Model, MEMORY),
    cause("Requested amount of GPU memory", "out_of_memory", Fault::Model, MEMORY),
    cause("out of memory", "out_of_memory", Fault::Model, MEMORY),
    cause("NvMapMemAllocInternalTagged", "out_of_memory", Fault::Model, MEMORY),
    cause("NvMapMemHandleAlloc: error", "out_of_memory", Fault::Model, MEMORY),
    cause(
        "NvRmMemInit failed",
        "gpu_not_accessible",
        Fault::Host,
        "check that the daemon's user is in the group `video`, and that the systemd unit hides no device",
    ),
    cause(
        "Could not find any implementation for node",
        "no_implementation",
        Fault::Model,
        "TensorRT has no kernel for this layer on this GPU; raise `runtime_options.workspace_mebibytes`, or try another precision",
    ),
    cause("Serialization assertion", "engine_mismatch", Fault::Host, REBUILD),
    cause("Serialization Error in verifyHeader", "engine_mismatch", Fault::Host, REBUILD),
    cause("Engine deserialization failed", "engine_mismatch", Fault::Host, REBUILD),
    cause("Got invalid engine!", "engine_mismatch", Fault::Host, REBUILD),
    cause("No importer registered for op", "operator_not_supported", Fault::Model, OPERATOR),
    cause("While parsing node number", "operator_not_supported", Fault::Model, OPERATOR),
    cause("In function importModel", "model_not_parsed", Fault::Model, OPERATOR),
    cause("Failed to parse onnx file", "model_not_parsed", Fault::Model, OPERATOR),
    cause("Parsing model failed", "model_not_parsed", Fault::Model, OPERATOR),
    cause(
        "Uncaught exception detected",
        "uncaught_exception",
        Fault::Host,
        "this is a fault of TensorRT or of its installation; see its message",
    ),
    cause("Engine could not be created", "engine_not_built", Fault::Model, OPERATOR),
    cause("Building engine failed", "engine_not_built", Fault::Model, OPERATOR),
    cause("Failed to create engine from model", "engine_not_built", Fault::Model, OPERATOR),
    cause("Engine set up failed", "engine_not_built", Fault::Model, OPERATOR),
    cause(
        "Inference set up failed",
        "inference_not_set_up",
        Fault::Host,
        "see the lines before it in the log tail",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_hides_behind_an_earlier_one() {
        for (place, cause) in CAUSES.iter().enumerate() {
            let first = CAUSES.iter().position(|other| cause.text.contains(other.text));
            assert_eq!(first, Some(place), "{}", cause.text);
        }
    }
}
