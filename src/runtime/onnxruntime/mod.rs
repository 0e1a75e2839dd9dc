//! ONNX Runtime: runs `.onnx` files on the processor, and on other devices through its execution providers.
//!
//! This file is the description that the daemon reads. [`OnnxRuntime`] is the executing half, for `backbone
//! __worker` only. The library is opened at run time (`library`), so neither the build nor the check of jobs
//! needs it.
//!
//! ## Decisions
//! - **Generated int8 networks have uint8 activations.** The library makes one integer convolution of a
//!   convolution and its ReLU only where the lowest code of the result means 0. With int8 activations of zero
//!   point 0 most convolutions stay fp32 between conversions: `bottleneck-standard` k3 at input 224 took 68
//!   ms, and 11 ms with uint8 (ONNX Runtime 1.31.1, two threads of an x86-64 processor with AVX-512 VNNI).
//! - **Quantised models run with the library's own defaults.** The session entry `session.qdqisint8allowed`
//!   stays unset: that is what the library's users get. Setting it fused no more and took longer (107 ms
//!   instead of 68 ms for the same network).
//! - **Graph optimisation is `all`**, the library's default.
//! - **The log level is error** unless `ORT_LOG` sets another: a warning at each run would write while the
//!   clock runs.
//! - **Telemetry is off**, by the library's own switch and by a variable: see `library`.
//! - **The first run shows which provider runs which node.** Every session starts with the library's own
//!   profiler on, runs once, and continues with it off: no other way works in all versions since 1.17.
//!   Warm-up comes after it.
//! - **fp32 is fp32.** NVIDIA's libraries round the factors of fp32 products to TF32 by default; this is
//!   turned off.
//! - **`ort` uses version 17 of the library's interface**, so that the builds for JetPack 5 open. Plug-ins
//!   came with 22: `plugin` has what they need of it.

use super::needs::Origin;
use super::{Need, OptionKind, Options, Reach, Runtime, RuntimeOption, options};
use crate::model_file::signatures::{looks_like, other_format};
use crate::network::emit::Form;

mod declared;
mod failures;
mod library;
mod placement;
mod plugin;
mod profile;
mod provider;
mod session;
mod tensor;
#[cfg(test)]
mod tests;

pub use session::OnnxRuntime;

/// The library's name for its provider on the processor, which runs what no other provider takes.
pub(crate) const CPU_PROVIDER: &str = "CPUExecutionProvider";

/// Words for the providers in a job.
mod word {
    pub(super) const CPU: &str = "cpu";
    pub(super) const CUDA: &str = "cuda";
    pub(super) const TENSORRT: &str = "tensorrt";
    pub(super) const PLUGIN: &str = "plugin";
}

/// Key under which a bundle names the outputs that are bound again in each run.
const REBOUND_OUTPUTS: &str = "rebound_outputs";

/// Key of the provider.
const PROVIDER: &str = "provider";

/// Key of the device.
const DEVICE: &str = "device";

/// Key of TF32.
const TF32: &str = "tf32";

/// More devices than any host in this field has; a larger number is a mistake.
const MOST_DEVICES: i64 = 64;

/// Key of the optimisation.
const GRAPH_OPTIMIZATION: &str = "graph_optimization";

/// The options with which the library runs the nodes that the file has, each under its name.
pub(super) const UNCHANGED_GRAPH: [(&str, &str); 1] = [(GRAPH_OPTIMIZATION, "disable")];

const PROVIDERS: &[&str] = &[word::CPU, word::CUDA, word::TENSORRT, word::PLUGIN];
const GRAPH_OPTIMIZATIONS: &[&str] = &["disable", "basic", "extended", "all"];

/// The description.
pub const RUNTIME: Runtime = Runtime {
    name: "onnxruntime",
    summary: "ONNX Runtime for .onnx files: on the processor, on an NVIDIA GPU, or through a plug-in",
    model_format: "onnx",
    recognise,
    networks: |options| {
        // TensorRT takes no activations but signed ones; the processor's provider fuses unsigned ones.
        let is_for_tensorrt = provider_of(options) == word::TENSORRT;
        Some(if is_for_tensorrt { Form::ONNX } else { Form::ONNX_UNSIGNED })
    },
    options: &[
        options::THREADS,
        RuntimeOption {
            name: PROVIDER,
            kind: OptionKind::Choice(PROVIDERS),
            summary: "execution provider: the processor, an NVIDIA GPU with CUDA or TensorRT, or the plug-in in the host's \
                      configuration; default: cpu",
        },
        RuntimeOption {
            name: DEVICE,
            kind: OptionKind::Integer { minimum: 0, maximum: MOST_DEVICES - 1 },
            summary: "number of the provider's device, for every provider except cpu; default: 0",
        },
        RuntimeOption {
            name: TF32,
            kind: OptionKind::Boolean,
            summary: "let NVIDIA's libraries round the factors of fp32 products to TF32, for every provider except cpu; default: false",
        },
        options::PROFILE,
        RuntimeOption {
            name: GRAPH_OPTIMIZATION,
            kind: OptionKind::Choice(GRAPH_OPTIMIZATIONS),
            summary: "how much the library optimises the graph before it runs it; default: all, as in the library",
        },
    ],
    options_from_model: &["int8", REBOUND_OUTPUTS],
    most_runs: None,
    timed: |options| match provider_of(options) {
        word::CPU => (
            "onnxruntime.run_with_binding.cpu",
            "one call of RunWithBinding on the CPU execution provider, with inputs and outputs bound to memory that was allocated \
             before; reading and writing them is not in it",
        ),
        word::PLUGIN => (
            "onnxruntime.run_with_binding.copied_back",
            "one call of RunWithBinding on a plug-in provider, with inputs bound before; copying them to the device is not in it, copying \
             the outputs to main memory is, for nothing else shows that the device is done",
        ),
        _ => (
            "onnxruntime.run_with_binding.device",
            "one call of RunWithBinding and one of SynchronizeBoundOutputs, with inputs and outputs bound to memory of the GPU that was \
             allocated before; copying them there and back is not in it, the copies that a fallback to the processor needs are",
        ),
    },
    needs: &[
        Need::Library {
            file: "libonnxruntime.so",
            variables: &[library::VARIABLE],
            origin: Origin::Installation,
        },
        Need::Plugin,
    ],
    reach: |options| match provider_of(options) {
        word::CPU => Reach::PROCESSOR,
        word::PLUGIN => Reach::ANY_ACCELERATOR,
        _ => Reach::NVIDIA,
    },
    fatal_lines: &[],
    simulated: false,
};

/// Whether the provider that these options of a job name computes on a CUDA device.
pub(super) fn uses_cuda(options: &Options) -> bool {
    [word::CUDA, word::TENSORRT].contains(&provider_of(options))
}

fn provider_of(options: &Options) -> &str {
    options::choice(options, PROVIDER, word::CPU)
}

/// First bytes of a serialised `ModelProto`: the tags of its fields, of which any may come first. Source:
/// <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, message `ModelProto`; tag = number × 8 + wire
/// type.
const FIRST_TAGS: &[u8] = &[0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca];

/// ONNX files have no signature. Refuse known other formats, and bytes that cannot begin such a message.
fn recognise(head: &[u8]) -> Result<(), String> {
    let can_begin = head.first().is_some_and(|first| FIRST_TAGS.contains(first));
    if can_begin && looks_like(head).is_none() { Ok(()) } else { Err(other_format(head)) }
}
