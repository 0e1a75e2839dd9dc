//! Whose fault a failure is. Pure.
//!
//! Where a failure is made, its code usually says it: [`Fault::of_reason`] has those codes. Codes that leave
//! it open (a crash, lack of memory, a library that refuses a model) are not listed, and whoever reads the
//! program's words says it with [`super::Failure::with_fault`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose fault a failure is: whether it says something about the model, and what has to change before the
/// same job can end otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The model's: this runtime cannot compile it for this platform. The failure is a result about the
    /// model.
    Model,
    /// The job's: its options, its inputs or its files.
    Job,
    /// The host's: driver, libraries, disk, memory that others use, board or installation. It says nothing
    /// about the model, and the same job may succeed once the host has changed.
    Host,
    /// Not known. It says nothing about the model either.
    #[default]
    Unknown,
}

/// Codes of failures that only another job can avoid.
const OF_JOB: &[&str] = &[
    "dynamic_shape",
    "element_type_mismatch",
    "input_file_not_readable",
    "input_file_too_large",
    "input_not_loadable",
    "int8_not_configured",
    "mistakes_in_spec",
    "model_never_came",
    "name_not_writable",
    "options_not_accepted",
    "power_mode_not_offered",
    "precision_of_model",
    "profile_not_supported",
    "quantised_model_needs_int8",
    "range_not_for_type",
    "shape_input_not_supported",
    "shape_mismatch",
    "shape_values_missing",
    "unknown_input",
    "value_outside_type",
    "wrong_count_of_values",
    "wrong_format",
];

/// Codes of failures that say nothing about model and job.
const OF_HOST: &[&str] = &[
    "compiled_file_not_sound",
    "compiled_model_missing",
    "compiled_model_not_saved",
    "delegate_not_found",
    "delegate_refused",
    "device_failed",
    "device_in_use",
    "device_missing",
    "device_not_permitted",
    "device_vanished",
    "engine_mismatch",
    "engine_missing",
    "engine_not_saved",
    "gpu_not_accessible",
    "illegal_instruction",
    "input_not_written",
    "libraries_do_not_fit",
    "library_not_found",
    "library_not_supported",
    "library_not_usable",
    "library_too_old",
    "no_room",
    "out_of_turn",
    "plugin_not_configured",
    "power_mode_denied",
    "power_mode_not_set",
    "power_mode_refused",
    "power_modes_unlisted",
    "power_state_not_saved",
    "power_tool_hung",
    "power_tool_missing",
    "power_tool_not_started",
    "profiler_not_ended",
    "program_not_found",
    "program_not_started",
    "program_not_understood",
    "protocol_mismatch",
    "provider_not_built_in",
    "provider_not_loaded",
    "provider_refused",
    "reboot_needed",
    "request_not_readable",
    "runtime_not_built_in",
    "runtime_too_old",
    "sandbox_not_enforced",
    "task_not_possible",
    "worker_not_executable",
    "worker_not_found",
    "worker_not_heard",
    "worker_not_started",
];

impl Fault {
    /// Whose fault every failure with this code is.
    pub(crate) fn of_reason(reason: &str) -> Self {
        if OF_HOST.contains(&reason) {
            Self::Host
        } else if OF_JOB.contains(&reason) {
            Self::Job
        } else {
            Self::Unknown
        }
    }

    /// Is nothing known?
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_have_one_owner() {
        for codes in [OF_JOB, OF_HOST] {
            assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
        }
        assert!(OF_JOB.iter().all(|code| !OF_HOST.contains(code)));
    }

    /// A code that nothing gives is a misspelt one. Codes of power modes are in `src/host`.
    #[test]
    fn every_code_is_one_that_the_program_gives() {
        let sources = crate_sources();
        for code in OF_JOB.iter().chain(OF_HOST) {
            assert!(sources.contains(&format!("\"{code}\"")), "nothing gives `{code}`");
        }
    }

    fn crate_sources() -> String {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut text = String::new();
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("format/fault.rs") {
                    text.push_str(&fs_err::read_to_string(path).unwrap_or_default());
                }
            }
        }
        text
    }

    #[test]
    fn unknown_is_left_out_of_a_bundle_and_read_back() {
        assert_eq!(
            serde_json::to_string(&[Fault::Model, Fault::Job, Fault::Host]).unwrap(),
            r#"["model","job","host"]"#
        );
        assert!(Fault::default().is_unknown());
    }
}
