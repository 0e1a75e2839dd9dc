//! What edgetpu_compiler printed, understood: versions 14 to 16, with the operation log that `-s` adds. Pure.
//!
//! Lines are taken as they come and in any number, so a compiler that dies in the middle of one leaves what it said before.

use crate::bundle::format::{EdgeTpuBuild, EdgeTpuOperator};

/// Where an operator runs, in the log's words.
const MAPPED: &str = "Mapped to Edge TPU";

/// Heads the rows of operators.
const TABLE_HEAD: &[&str] = &["Operator", "Count", "Status"];

/// A text that explains a failure, and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Part of a line.
    pub text: &'static str,
    /// Stable code.
    pub reason: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// Known failures, the most telling first: a run prints several of them.
pub(crate) const CAUSES: &[Cause] = &[
    Cause {
        text: "Model not quantized",
        reason: "model_not_quantised",
        hint: "the Edge TPU computes in 8-bit integers only: use the int8 model of the same network",
    },
    Cause {
        text: "large activation tensors",
        reason: "activations_too_large",
        hint: "use a smaller input; the Edge TPU has about 8 MB for activations and parameters",
    },
    Cause {
        text: "Didn't find op for builtin opcode",
        reason: "operator_too_new",
        hint: "the model was written by a newer TensorFlow than the compiler knows; export it with an older one",
    },
    Cause {
        text: "Model could not be parsed",
        reason: "model_not_parsed",
        hint: "check that the file is a whole TensorFlow Lite model with static shapes",
    },
    Cause {
        text: "Model failed in Tflite interpreter",
        reason: "interpreter_failed",
        hint: "check that the model runs with `runtime: tflite` first",
    },
    Cause {
        text: INTERNAL_ERROR,
        reason: "internal_compiler_error",
        hint: "versions 14 and 15 end so where the activations are too large, too; use a smaller input, or version 16, which says so",
    },
    Cause {
        text: "Invalid model",
        reason: "model_not_parsed",
        hint: "see the log tail for what is wrong with it",
    },
    Cause {
        text: "Compilation failed",
        reason: "compilation_failed",
        hint: "see the log tail for the compiler's words",
    },
];

/// What a compiler prints that failed by its own fault. It may succeed the next time.
pub(crate) const INTERNAL_ERROR: &str = "Internal compiler error";

/// What was printed, so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    /// Sizes, times and operators.
    pub told: EdgeTpuBuild,
    /// It says that the model was compiled.
    pub is_compiled: bool,
    /// The most telling of [`CAUSES`], by index, and its line.
    pub cause: Option<(usize, String)>,
    /// It failed by its own fault.
    pub is_internal_error: bool,
    is_in_table: bool,
    line: Vec<u8>,
}

impl Report {
    /// The report of a whole text.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        let mut report = Self::default();
        report.take(text.as_bytes());
        report.finish();
        report
    }

    /// Take more of what it prints.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        /// No line of the compiler is as long; what is beyond is not its.
        const LONGEST_LINE: usize = 1 << 16;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() < LONGEST_LINE {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(String::from_utf8_lossy(&line).trim());
            }
        }
    }

    /// That was all. A line without an end counts only where it says that something failed: numbers may be cut.
    pub(crate) fn finish(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.find_cause(String::from_utf8_lossy(&line).trim());
        let told = &mut self.told;
        if self.is_compiled && told.operations_on_edge_tpu.is_none() {
            // Left out where all are mapped.
            (told.operations_on_edge_tpu, told.operations_on_cpu) =
                (told.operations, told.operations.map(|_| 0));
        }
    }

    /// The known failure that explains it best.
    pub(crate) fn known_cause(&self) -> Option<(&'static Cause, &str)> {
        self.cause.as_ref().map(|(index, line)| (&CAUSES[*index], line.as_str()))
    }

    fn take_line(&mut self, line: &str) {
        self.find_cause(line);
        let told = &mut self.told;
        if let Some(version) = line.strip_prefix("Edge TPU Compiler version ") {
            told.compiler_version = Some(version.to_owned());
        } else if let Some(rest) = line.strip_prefix("Model compiled successfully") {
            self.is_compiled = true;
            let milliseconds = rest.trim_start_matches(" in ").strip_suffix(" ms.");
            told.compiler_seconds =
                milliseconds.and_then(|text| text.parse::<f64>().ok()).map(|milliseconds| milliseconds / 1e3);
        } else if line.split_whitespace().eq(TABLE_HEAD.iter().copied()) {
            self.is_in_table = true;
        } else if let Some(operator) = Some(line).filter(|_| self.is_in_table).and_then(operator) {
            if !told.operators.contains(&operator) {
                told.operators.push(operator);
            }
        } else if let Some((name, value)) = line.rsplit_once(": ") {
            let bytes = size(value);
            match name {
                "Input size" => told.input_bytes = bytes,
                "Output size" => told.output_bytes = bytes,
                "On-chip memory used for caching model parameters" => told.on_chip_used_bytes = bytes,
                "On-chip memory remaining for caching model parameters"
                | "On-chip memory available for caching model parameters" => {
                    told.on_chip_remaining_bytes = bytes;
                }
                "Off-chip memory used for streaming uncached model parameters" => {
                    told.off_chip_bytes = bytes;
                }
                "Number of Edge TPU subgraphs" => told.subgraphs = value.parse().ok(),
                "Total number of operations" => told.operations = value.parse().ok(),
                "Number of operations that will run on Edge TPU" => {
                    told.operations_on_edge_tpu = value.parse().ok();
                }
                "Number of operations that will run on CPU" => told.operations_on_cpu = value.parse().ok(),
                _ => {}
            }
        }
    }

    fn find_cause(&mut self, line: &str) {
        self.is_internal_error |= line.contains(INTERNAL_ERROR);
        let Some(index) = CAUSES.iter().position(|cause| line.contains(cause.text)) else { return };
        if self.cause.as_ref().is_none_or(|(known, _)| index < *known) {
            self.cause = Some((index, line.to_owned()));
        }
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
