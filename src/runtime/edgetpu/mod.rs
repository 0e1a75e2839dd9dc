//! Coral Edge TPU: compiles int8 `.tflite` models with edgetpu_compiler if it is installed, and runs them
//! through libedgetpu as a delegate of TensorFlow Lite.
//!
//! This file is the description that the daemon reads. [`EdgeTpuRuntime`] is the executing half, for
//! `backbone __worker` only; `compile` runs the compiler, `session` the model. Pure are [`report`] and
//! [`outcome`], which read what the compiler prints, and [`causes`], which reads what the libraries print
//! when they fail.
//!
//! ## Decisions
//! - **A model that would run entirely on the processor is not a result.** The delegate takes only nodes of
//!   its own operator, and reports nothing if there are none. So a model without that operator is compiled
//!   first, or refused.
//! - **Both libraries are loaded at run time**, by `edgefirst-tflite`: libedgetpu and TensorFlow Lite must be
//!   built from the same sources of TensorFlow, so the host provides both. Only a worker loads them: a pair
//!   that does not match crashes.
//! - **Transfers are timed.** An inference begins and ends in the host's memory, and the way over USB or PCIe
//!   is part of it.

use super::needs::{Origin, ProgramWork};
use super::{Need, OptionKind, Reach, Runtime, RuntimeOption, options, tflite};
use crate::model_file::tflite::TfliteFile;

#[cfg(any(test, fuzzing))]
pub(crate) mod anything;
pub(crate) mod causes;
mod compile;
mod loader;
pub(crate) mod outcome;
pub(crate) mod report;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use loader::EdgeTpuRuntime;

/// Names of the options of a job.
pub(crate) const DEVICE: &str = "device";
pub(crate) const PERFORMANCE: &str = "performance";
pub(crate) const ALWAYS_LOAD_FIRMWARE: &str = "usb_always_dfu";
pub(crate) const QUEUE_LENGTH: &str = "usb_max_bulk_in_queue_length";

/// File name of the delegate's library.
pub(crate) const DELEGATE_FILE: &str = "libedgetpu.so.1";

/// The operator that a compiled model consists of.
pub(crate) const OPERATOR: &str = "edgetpu-custom-op";

/// Did the compiler make this model?
fn is_compiled(model: &TfliteFile) -> bool {
    model.custom_operators.iter().any(|name| name == OPERATOR)
}

/// The description.
pub(crate) const RUNTIME: Runtime = Runtime {
    name: "edgetpu",
    summary: "Coral Edge TPU for int8 .tflite files: through libedgetpu; compiles them if edgetpu_compiler is installed (x86-64)",
    model_format: "tflite",
    recognise: tflite::RUNTIME.recognise,
    networks: tflite::RUNTIME.networks,
    options: &[
        RuntimeOption {
            name: DEVICE,
            kind: OptionKind::Choice(&[
                "any", "usb", "usb:0", "usb:1", "usb:2", "pci", "pci:0", "pci:1", "pci:2",
            ]),
            summary: "the Edge TPU to use; default: any",
        },
        RuntimeOption {
            name: PERFORMANCE,
            kind: OptionKind::Choice(&["low", "medium", "high", "max"]),
            summary: "clock of a USB device; libedgetpu1-std turns max into high; default: the library's",
        },
        RuntimeOption {
            name: ALWAYS_LOAD_FIRMWARE,
            kind: OptionKind::Boolean,
            summary: "load the firmware of a USB device at every start; default: the library's",
        },
        RuntimeOption {
            name: QUEUE_LENGTH,
            kind: OptionKind::Integer { minimum: 0, maximum: 255 },
            summary: "maximum number of pending transfers from a USB device; default: the library's",
        },
        options::THREADS,
    ],
    options_from_model: &[],
    most_runs: None,
    timed: |_| {
        (
            "edgetpu.invoke",
            "one call of TfLiteInterpreterInvoke with tensors that were allocated and filled before: the transfer of input and output over \
         USB or PCIe, the Edge TPU, and the operations that stay on the processor",
        )
    },
    needs: &[
        // Not the one of the installation, which works with no libedgetpu that exists.
        Need::Library { file: "libtensorflowlite_c.so", variables: &[], origin: Origin::Host },
        Need::Program { name: "edgetpu_compiler", work: ProgramWork::Compile, builds_in_paper: 1 },
        Need::Delegate { file: DELEGATE_FILE },
    ],
    reach: |_| Reach::EDGE_TPU,
    fatal_lines: causes::FATAL_LINES,
    simulated: false,
};
