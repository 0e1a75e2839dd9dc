//! What a run of edgetpu_compiler amounts to. Pure.
//!
//! A success is exit 0 *and* the line `Model compiled successfully` *and* a valid file that contains the Edge
//! TPU's own operator: the compiler exits 0 even if it mapped nothing, and a run that failed may leave a file
//! of some kilobytes.

use super::report::{CAUSES, CompilerReport};
use crate::bundle::format::{EdgeTpuBuild, Fault, Stage};
use crate::runtime::Failure;
use crate::runtime::program::Exit;

/// What the output file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// It is missing, or it is not a TensorFlow Lite model.
    Unsound,
    /// A model without the Edge TPU's operator: it would run on the processor.
    Processor,
    /// A model for the Edge TPU.
    EdgeTpu,
}

/// Whether the compiler failed by its own fault: another run may succeed. Not if it was killed, which most
/// often means lack of memory.
pub(crate) fn may_succeed_again(report: &CompilerReport, exit: Exit) -> bool {
    const KILLED: i32 = 9;
    let has_crashed = exit.signal().is_some_and(|signal| signal != KILLED);
    report.is_internal_error() || has_crashed && report.cause.is_none()
}

/// After a run.
///
/// # Errors
/// Why there is nothing to run on the Edge TPU.
pub(crate) fn of(report: &CompilerReport, exit: Exit, output: Output) -> Result<EdgeTpuBuild, Failure> {
    if let Some((cause, line)) = report.cause.of(CAUSES) {
        let detail = format!("edgetpu_compiler says `{line}`{}", reasons(report));
        return Err(Failure::new(Stage::Build, cause.reason, detail)
            .with_hint(cause.hint)
            .with_fault(cause.fault));
    }
    let failed = |reason: &str, detail: String, hint: &str| {
        Err(Failure::new(Stage::Build, reason, detail).with_hint(hint))
    };
    match exit {
        Exit::Code(0) if !report.is_compiled => {
            return failed(
                "not_passed",
                "edgetpu_compiler exited with code 0 but did not report that it compiled the model"
                    .to_owned(),
                "see the log tail",
            );
        }
        Exit::Code(0) => {}
        _ if exit.signal().is_some() => {
            return failed(
                "tool_crashed",
                format!("edgetpu_compiler {exit}"),
                "signal 9 most often means lack of memory; see the kernel's log",
            );
        }
        _ => return failed("tool_failed", format!("edgetpu_compiler {exit}"), "see the log tail"),
    }
    match (report.build.operations_on_edge_tpu, output) {
        (Some(0), _) | (_, Output::Processor) => {
            let detail = format!("the compiler mapped no operation to the Edge TPU{}", reasons(report));
            Err(Failure::new(Stage::Build, "nothing_mapped", detail)
                .with_hint(
                    "the Edge TPU runs one image at a time (batch 1) of static shape, in 8-bit integers; this model would run \
                     entirely on the processor, which `runtime: tflite` measures",
                )
                .with_fault(Fault::Model))
        }
        (_, Output::Unsound) => failed(
            "compiled_file_not_sound",
            "edgetpu_compiler reported success but wrote no valid file".to_owned(),
            "free space on the spool's disk, and see the log tail",
        ),
        (_, Output::EdgeTpu) => Ok(report.build.clone()),
    }
}

/// Why operators were not mapped, if the compiler got that far: `: 3 CONV_2D (…), 1 SOFTMAX (…)`.
fn reasons(report: &CompilerReport) -> String {
    let unmapped = report.build.operators.iter().filter(|operator| !operator.is_mapped);
    let listed: Vec<String> = unmapped
        .map(|operator| format!("{} {} ({})", operator.count, operator.operator, operator.status))
        .collect();
    if listed.is_empty() { String::new() } else { format!(": {}", listed.join(", ")) }
}
