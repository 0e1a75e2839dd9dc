//! ONNX Runtime: runs `.onnx` files on the processor.
//!
//! This file is the description that the daemon reads. [`Loader`] is the executing half, for `backbone __worker` only. The
//! library is opened at run time (`library`), so nothing here needs it to build or to check jobs.
//!
//! ## Decisions
//! - **Generated int8 networks have uint8 activations.** The library makes one integer convolution of a convolution and its ReLU only
//!   where the lowest code of the result means 0. With int8 activations of zero point 0 most convolutions stay fp32 between
//!   conversions: `bottleneck-standard` k3 at input 224 took 68 ms, and 11 ms with uint8 (ONNX Runtime 1.31.1, two threads of an
//!   x86-64 processor with AVX-512 VNNI).
//! - **Quantised models run with the library's own defaults.** The session entry `session.qdqisint8allowed` stays unset: that is what
//!   the library's users get, and setting it fused no more and took longer (107 ms in place of 68 ms for the same network).
//! - **Graph optimisation is `all`**, the library's default.
//! - **Log level is error**, through `ORT_LOG` another: a warning at each run would write while the clock runs.
//! - **Telemetry is off.**

use super::signatures::looks_like;
use super::{OptionKind, Runtime, RuntimeOption, WorkerExecutable, options};
use crate::net::emit::Form;

mod library;
mod session;
#[cfg(test)]
mod tests;

pub use session::Loader;

/// The processor, and for now nothing else.
const PROVIDERS: &[&str] = &["cpu"];
const GRAPH_OPTIMIZATIONS: &[&str] = &["disable", "basic", "extended", "all"];

/// The description.
pub const RUNTIME: Runtime = Runtime {
    name: "onnxruntime",
    summary: "ONNX Runtime on the processor, for .onnx files",
    model_format: "onnx",
    recognise,
    networks: Some(Form::ONNX_UNSIGNED),
    options: &[
        options::THREADS,
        RuntimeOption {
            name: "provider",
            kind: OptionKind::Choice(PROVIDERS),
            summary: "execution provider; default: cpu",
        },
        RuntimeOption {
            name: "graph_optimization",
            kind: OptionKind::Choice(GRAPH_OPTIMIZATIONS),
            summary: "how far the library rewrites the graph before it runs it; default: all, as in the library",
        },
    ],
    timed: (
        "onnxruntime.run_with_binding.cpu",
        "one call of RunWithBinding on the CPU execution provider, with inputs and outputs bound to memory that was allocated \
         before; reading and writing them is not in it",
    ),
    worker: WorkerExecutable::ThisProgram,
    simulated: false,
    library_file: Some("libonnxruntime.so"),
    library_variables: &[library::VARIABLE],
};

/// First bytes of a serialised `ModelProto`: the tags of its fields, of which any may come first.
/// Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, message `ModelProto`; tag = number × 8 + wire type.
const FIRST_TAGS: &[u8] = &[0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca];

/// ONNX files have no signature: refuse what is known to be another format, and what cannot begin such a message.
fn recognise(head: &[u8]) -> Result<(), String> {
    match looks_like(head) {
        Some(other) => Err(other.to_owned()),
        None if FIRST_TAGS.contains(&head[0]) => Ok(()),
        None => Err("a file of no known model format".to_owned()),
    }
}
