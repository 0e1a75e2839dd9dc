//! What edgetpu_compiler prints, read line by line: versions 14 to 16, with the operation log that `-s` adds.
//! Pure.
//!
//! If the compiler dies, the lines before its death count.

use crate::bundle::format::{EdgeTpuBuild, EdgeTpuOperator, Fault};
use crate::runtime::causes::{Cause, MostTelling, cause};
use crate::runtime::lines::Lines;

/// The status of an operator that runs on the Edge TPU.
const MAPPED: &str = "Mapped to Edge TPU";

/// The head of the table of operators.
const TABLE_HEAD: &[&str] = &["Operator", "Count", "Status"];

/// Known failures, the most telling first: a run prints several of them.
pub(crate) const CAUSES: &[Cause] = &[
    cause(
        "Model not quantized",
        "model_not_quantised",
        Fault::Model,
        "the Edge TPU computes in 8-bit integers only: use the int8 model of the same network",
    ),
    cause(
        "large activation tensors",
        "activations_too_large",
        Fault::Model,
        "use a smaller input; the Edge TPU has about 8 MB for activations and parameters",
    ),
    cause(
        "Didn't find op for builtin opcode",
        "operator_too_new",
        Fault::Model,
        "a TensorFlow that is newer than the compiler wrote the model; export it with an older one",
    ),
    cause(
        "Model could not be parsed",
        "model_not_parsed",
        Fault::Model,
        "check that the file is a complete TensorFlow Lite model with static shapes",
    ),
    cause(
        "delegate that only supports static-sized tensors",
        "dynamic_tensors",
        Fault::Model,
        "export the model with fixed shapes, also of the tensors inside it, and with a fixed batch: the Edge TPU takes no other",
    ),
    cause(
        "Model failed in Tflite interpreter",
        "interpreter_failed",
        Fault::Model,
        "check first that the model runs with `runtime: tflite`",
    ),
    cause(
        "Compilation timeout",
        "compiler_timed_out",
        Fault::Unknown,
        "compile it on a faster machine or with more time, `edgetpu_compiler --timeout_sec 3600 MODEL.tflite`, and drop the \
         resulting MODEL_edgetpu.tflite; large activations take longest, so a smaller input helps too",
    ),
    cause(UNCAUGHT[0], "internal_compiler_error", Fault::Unknown, EXCEPTION),
    cause(UNCAUGHT[1], "internal_compiler_error", Fault::Unknown, EXCEPTION),
    cause(
        INTERNAL_ERROR,
        "internal_compiler_error",
        Fault::Unknown,
        "versions 14 and 15 also fail like this if the activations are too large; use a smaller input, or version 16, which names the cause",
    ),
    cause("Invalid model", "model_not_parsed", Fault::Model, "see the log tail for what is wrong with it"),
    cause(
        "Compilation failed: ",
        "compilation_failed",
        Fault::Model,
        "see the log tail for the compiler's words",
    ),
    cause(
        "Compilation failed!",
        UNEXPLAINED,
        Fault::Unknown,
        "the compiler gives no reason: try `edgetpu_compiler --search_delegate`, which finds the part of the model that it can \
         compile, or a smaller input",
    ),
];

/// What the compiler prints when it fails by its own fault. It may succeed the next time.
pub(crate) const INTERNAL_ERROR: &str = "Internal compiler error";

/// What the C++ libraries print of an exception that ends the compiler, or the child in which version 16
/// compiles.
const UNCAUGHT: [&str; 2] = ["terminating with uncaught exception", "terminate called after throwing"];

const EXCEPTION: &str = "this is a fault of the compiler: try another export or input of the model, or another version of the compiler";

/// The compiler failed and said nothing else, as when its child crashes.
const UNEXPLAINED: &str = "compilation_not_explained";

/// What was read so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CompilerReport {
    /// Sizes, times and operators.
    pub build: EdgeTpuBuild,
    /// It says that the model was compiled.
    pub is_compiled: bool,
    /// The most telling of [`CAUSES`].
    pub cause: MostTelling,
    is_in_table: bool,
    lines: Lines,
}

impl CompilerReport {
    /// The report of a whole text.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        let mut report = Self::default();
        report.take(text.as_bytes());
        report.finish();
        report
    }

    /// Read a piece.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.take(bytes, |line| self.read_line(line.trim_start()));
        self.lines = lines;
    }

    /// No byte follows. A line without an end counts only if it says that something failed: numbers may be
    /// cut.
    pub(crate) fn finish(&mut self) {
        if let Some(line) = self.lines.finish() {
            self.find_cause(line.trim_start());
        }
        let build = &mut self.build;
        if self.is_compiled && build.operations_on_edge_tpu.is_none() {
            // The compiler leaves the numbers out if all are mapped.
            (build.operations_on_edge_tpu, build.operations_on_cpu) =
                (build.operations, build.operations.map(|_| 0));
        }
    }

    /// Whether it failed by its own fault, and may succeed with the same model the next time.
    pub(crate) fn is_internal_error(&self) -> bool {
        let reason = self.cause.of(CAUSES).map(|(cause, _)| cause.reason);
        matches!(reason, Some("internal_compiler_error" | UNEXPLAINED))
    }

    fn read_line(&mut self, line: &str) {
        self.find_cause(line);
        let build = &mut self.build;
        if let Some(version) = line.strip_prefix("Edge TPU Compiler version ") {
            build.compiler_version = Some(version.to_owned());
        } else if let Some(rest) = line.strip_prefix("Model compiled successfully") {
            self.is_compiled = true;
            let milliseconds = rest.trim_start_matches(" in ").strip_suffix(" ms.");
            build.compiler_seconds =
                milliseconds.and_then(|text| text.parse::<f64>().ok()).map(|milliseconds| milliseconds / 1e3);
        } else if line.split_whitespace().eq(TABLE_HEAD.iter().copied()) {
            self.is_in_table = true;
        } else if let Some(operator) = Some(line).filter(|_| self.is_in_table).and_then(operator) {
            if !build.operators.contains(&operator) {
                build.operators.push(operator);
            }
        } else if let Some((name, value)) = line.rsplit_once(": ") {
            let bytes = size(value);
            match name {
                "Input size" => build.input_bytes = bytes,
                "Output size" => build.output_bytes = bytes,
                "On-chip memory used for caching model parameters" => build.on_chip_used_bytes = bytes,
                "On-chip memory remaining for caching model parameters"
                | "On-chip memory available for caching model parameters" => {
                    build.on_chip_remaining_bytes = bytes;
                }
                "Off-chip memory used for streaming uncached model parameters" => {
                    build.off_chip_bytes = bytes;
                }
                "Number of Edge TPU subgraphs" => build.subgraphs = value.parse().ok(),
                "Total number of operations" => build.operations = value.parse().ok(),
                "Number of operations that will run on Edge TPU" => {
                    build.operations_on_edge_tpu = value.parse().ok();
                }
                "Number of operations that will run on CPU" => build.operations_on_cpu = value.parse().ok(),
                _ => {}
            }
        }
    }

    fn find_cause(&mut self, line: &str) {
        self.cause.take(CAUSES, line);
    }
}

/// A row such as `CONV_2D                        2          Mapped to Edge TPU`.
fn operator(line: &str) -> Option<EdgeTpuOperator> {
    let (name, rest) = line.split_once(char::is_whitespace)?;
    let (count, status) = rest.trim_start().split_once(char::is_whitespace)?;
    let status = status.trim().to_owned();
    Some(EdgeTpuOperator {
        operator: name.to_owned(),
        count: count.parse().ok()?,
        is_mapped: status == MAPPED,
        status,
    })
}

/// Bytes of `8.58MiB`, `3.00KiB` or `0.00B`.
fn size(text: &str) -> Option<u64> {
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| (number * factor).round() as u64)
}
