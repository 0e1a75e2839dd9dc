//! TensorRT through its program `trtexec`: builds engines from `.onnx` files and times them.
//!
//! This file is the description that the daemon reads. [`TensorRt`] is the executing half, for `backbone
//! __worker` only. Pure are [`release`] and [`command`], which say what to call, [`report`], [`summary`],
//! [`times`], [`exported`] and [`causes`], which read its answers, [`clock`], which knows how finely it
//! measures, and [`outcome`], which judges them.
//!
//! ## Decisions
//! - **Its clock, not ours.** trtexec times each query on the GPU; a process around it could only time the
//!   process. The latency is the GPU compute time, the one quantity that every release since 6 reports.
//! - **Warm-up is counted in runs**, as with every runtime, not in milliseconds as trtexec would.
//! - **fp32 means fp32**: TF32 is off unless the job asks for it.
//! - **The engine is built, saved, and timed from the file** by a second process, so that no build warms the
//!   GPU of a timing.

use super::needs::ProgramWork;
use super::{Need, OptionKind, Reach, Runtime, RuntimeOption, options};
use crate::network::emit::Form;

#[cfg(any(test, fuzzing))]
pub(crate) mod anything;
pub(crate) mod causes;
mod clock;
pub(crate) mod command;
#[cfg(test)]
mod damaged_tests;
mod engines;
mod exported;
mod feed;
mod loader;
pub mod outcome;
pub(crate) mod profile;
pub(crate) mod release;
pub mod report;
mod run;
mod summary;
#[cfg(test)]
mod tests;
pub mod times;

pub use loader::TensorRt;

/// Mebibytes that a tactic may use: from what the smallest layers need to what the largest GPUs have.
const WORKSPACE_MEBIBYTES: (i64, i64) = (1, 1 << 18);

/// The description.
pub const RUNTIME: Runtime = Runtime {
    name: "trtexec",
    summary: "TensorRT for .onnx files: on an NVIDIA GPU, through trtexec 6.0.1 to 11",
    model_format: "onnx",
    recognise: super::onnxruntime::RUNTIME.recognise,
    networks: |_| Some(Form::ONNX),
    options: &[
        RuntimeOption {
            name: command::PRECISION,
            kind: OptionKind::Choice(command::PRECISIONS),
            summary: "number format that kernels may use in addition to fp32; default: int8 for a quantised model, otherwise fp32",
        },
        RuntimeOption {
            name: command::WORKSPACE,
            kind: OptionKind::Integer { minimum: WORKSPACE_MEBIBYTES.0, maximum: WORKSPACE_MEBIBYTES.1 },
            summary: "memory that a layer's kernel may use in addition to its tensors; default: 1024",
        },
        RuntimeOption {
            name: command::TF32,
            kind: OptionKind::Boolean,
            summary: "let fp32 kernels round to TF32 if the GPU supports it; default: false",
        },
        RuntimeOption {
            name: command::CUDA_GRAPH,
            kind: OptionKind::Boolean,
            summary: "launch the network as one CUDA graph; needs TensorRT 7.1 or later; default: false",
        },
        options::PROFILE,
    ],
    options_from_model: &["build_flags", "timing_flags", "int8_mode"],
    most_runs: Some(clock::MOST_QUERIES),
    timed: |_| {
        (
            "trtexec.gpu_compute",
            "the network's kernels on the GPU, from the first to the last, by CUDA events, as trtexec reports it for each query; \
         one query at a time, nothing copied",
        )
    },
    needs: &[Need::Program { name: "trtexec", work: ProgramWork::CompileAndTime, builds_in_paper: 3 }],
    reach: |_| Reach::NVIDIA,
    fatal_lines: &[],
    simulated: false,
};
