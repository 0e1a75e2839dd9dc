//! Every code of a failure, a mistake or a trouble, with what it means and what to do. Reasons of verdicts
//! are in [`crate::verdict::REASONS`]. A test looks for codes in the sources that are not here, and for codes
//! here that nothing gives.

mod devices;
mod failures;
mod hosts;

pub(super) use devices::OF_DEVICES;
pub(super) use failures::FAILURES;
pub(super) use hosts::OF_HOSTS;

/// Code, meaning, remedy.
pub(super) type Code = (&'static str, &'static str, &'static str);

/// Codes of `outcome.mistakes[].code`, which `backbone check` prints too.
pub(super) const MISTAKES: &[Code] = &[
    ("anchor", "YAML anchors and aliases are not read in job files.", "write the value out"),
    ("control_character", "A text has a control character.", "remove it"),
    ("duplicate_key", "A key is there twice.", "remove one"),
    ("duplicate_model", "Two models are the same file.", "remove one"),
    (
        "duplicate_runtime",
        "A runtime is listed twice.",
        "remove one; `measure.processes` repeats measurements",
    ),
    ("duplicate_value", "A value is listed twice.", "remove one"),
    ("empty", "The file is empty.", "start from one of the examples"),
    ("empty_list", "A list is empty.", "give a value, or leave out the key"),
    ("empty_map", "A map is empty.", "give a value, or leave out the key"),
    ("empty_text", "A text is empty.", "give a text, or leave out the key"),
    ("even_kernel", "Kernels of the family have odd sizes.", "use 3, 5, 7 and so on"),
    ("fixed_shapes", "`inputs` gives shapes to networks that have fixed ones.", "leave out `inputs`"),
    ("input_name", "A name under `inputs` cannot be one.", "use the model's names of its inputs"),
    ("key_not_text", "A key is a list, a map or a number.", "write keys as text"),
    ("merge_key", "YAML merge keys are not read in job files.", "write the values out"),
    ("missing_key", "A required key is missing.", "add it; docs/JOB-SPEC.md has every key"),
    ("missing_value", "A key has no value.", "give one, or leave out the key"),
    (
        "model_name",
        "The model's name is not a bare file name.",
        "drop the model next to the job file and give its name only",
    ),
    ("more_mistakes", "There are more mistakes than are listed.", "correct those, and check again"),
    ("needs_study", "The key has a meaning for a study only.", "leave it out, or use `study`"),
    ("no_effect", "The key has no effect with these others.", "leave it out"),
    (
        "no_model_for_runtime",
        "No model in the list has the format that a runtime reads.",
        "add one, or leave out the runtime",
    ),
    ("not_a_digest", "`sha256` is not 64 hexadecimal digits.", "use the output of `sha256sum`"),
    ("not_a_job_name", "The name cannot be one of a job.", "use letters, digits, dashes and dots"),
    ("not_absolute", "A path is not absolute.", "begin it with a slash"),
    ("not_readable", "The file cannot be read.", "check its name and its rights"),
    ("not_text", "The file is not UTF-8 text.", "save it as UTF-8"),
    ("out_of_range", "A number is outside its range.", "see the range in the message"),
    ("range_on_floats", "`range` is for integer inputs.", "use `file` for other values"),
    (
        "several_contents",
        "An input has several contents.",
        "give one of `range`, `value`, `values` and `file`",
    ),
    ("several_documents", "The file has several YAML documents.", "write one job into one file"),
    ("several_models_for_runtime", "Two models have the format that a runtime reads.", "leave one out"),
    ("several_sources", "The job has more than one of `model`, `network` and `study`.", "keep one"),
    ("syntax", "The file is not YAML.", "see the position in the message"),
    ("tab", "Tabs cannot indent YAML.", "use spaces"),
    ("tag", "YAML tags are not read in job files.", "leave the tag out"),
    ("too_deep", "The file nests too deeply.", "no job needs that"),
    ("too_large", "The file or a value is too large.", "see the limit in the message"),
    ("too_long", "A text is too long.", "shorten it"),
    ("too_many_configurations", "The study has too many configurations.", "split it into several jobs"),
    (
        "too_many_latencies",
        "The job would give more latencies than a bundle holds.",
        "lower `timed_runs`, `processes` or `builds`",
    ),
    ("too_many_runs", "The runtime cannot do so many runs.", "see the limit in the message"),
    ("too_many_values", "A list or map has too many values.", "see the limit in the message"),
    ("unknown_block", "There is no block of this name.", "`backbone list blocks` shows all"),
    (
        "unknown_extension",
        "No runtime reads files with this ending.",
        "`backbone list runtimes` shows which format each reads",
    ),
    ("unknown_key", "There is no such key.", "see the suggestion, or docs/JOB-SPEC.md"),
    ("unknown_precision", "There is no such precision.", "use fp32 or int8"),
    ("unknown_runtime", "There is no such runtime.", "`backbone list runtimes` shows all"),
    ("unknown_value", "The value is not one of those allowed.", "see the list in the message"),
    ("unprintable", "The file has characters that cannot be printed.", "remove them"),
    ("unsupported_format", "The job is of another format version.", "set `backbone: 1`"),
    ("wrong_length", "A list has the wrong number of values.", "see the message"),
    ("wrong_type", "The value has the wrong type.", "see the expected type in the message"),
];

/// Codes of `troubles` and `attention` in the status.
pub(super) const TROUBLES: &[Code] = &[
    ("build_failed", "The daemon could not prepare a network.", "see its log"),
    (
        "claim_failed",
        "A job could not be taken out of the inbox.",
        "check rights and disk of inbox and state folder",
    ),
    ("device_stopped", "A device does not answer.", "reset it, or reboot"),
    ("file_of_no_job", "A file in the inbox belongs to no job.", "drop the job that names it, or remove it"),
    ("folder_in_inbox", "There is a folder in the inbox; folders are not read.", "drop files only"),
    ("host_lock", "The lock of the host cannot be used.", "check the rights of its folder"),
    ("inbox_gone", "The inbox is gone.", "create the folder, or mount its disk again"),
    (
        "inbox_not_watched",
        "The kernel does not report changes of the inbox.",
        "raise `fs.inotify.max_user_watches`; meanwhile the inbox is read at intervals",
    ),
    ("inbox_unreadable", "The inbox cannot be read.", "check its rights"),
    (
        "metrics_unwritable",
        "`backbone.prom` cannot be written into `metrics_folder`.",
        "make the folder, or let the unit write there",
    ),
    ("model_not_copied", "A model could not be copied into the spool.", "check the disk of the state folder"),
    ("model_without_job", "A model waits in the inbox for a job that names it.", "drop a job, or remove it"),
    ("not_a_regular_file", "Something in the inbox is not a regular file.", "remove it"),
    (
        "notify_failed",
        "The program of the setting `notify` failed or took too long.",
        "see its words in the status, and run it by hand",
    ),
    ("odd_spool", "There are files in the spool that this program did not make.", "see the message"),
    (
        "outbox_unwritable",
        "Bundles cannot be written to the outbox.",
        "check its rights and disk; finished bundles wait",
    ),
    (
        "power_not_restored",
        "The host's power state could not be restored.",
        "restore it by hand, see docs/OPERATING.md",
    ),
    ("power_state_lost", "The saved power state cannot be read.", "set the power mode by hand"),
    ("requests_unreadable", "Requests of commands cannot be read.", "check the rights of the state folder"),
    ("runtime_gone", "A library that was there is gone.", "install it again"),
    ("spool_gone", "The spool is gone.", "mount its disk again"),
    ("spool_unreadable", "The spool cannot be read.", "check its disk"),
    ("spool_unwritable", "The spool cannot be written.", "check its disk and rights"),
    ("temporary_name", "A file has a temporary name and was not renamed.", "rename it when it is complete"),
    ("unfinished_upload", "An upload has not finished for long.", "upload it again"),
    ("worker_differs", "The worker's executable was replaced.", "restart the daemon"),
];
