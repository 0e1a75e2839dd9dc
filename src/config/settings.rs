//! The table of settings, and everything derived from it: defaults, ranges, environment variables, the
//! reference.

use std::path::PathBuf;

use crate::bundle::format::SandboxSetting;
use crate::spec::fields::{Fallback, Field, Kind};

/// Prefix of each setting's environment variable; the key in capitals follows.
pub(super) const VARIABLE_PREFIX: &str = "BACKBONE_";

/// A wait of more than a year must be a typing mistake.
const SECONDS_PER_YEAR: i64 = 86_400 * 365;

/// Values of `reboot`.
const REBOOTS: &[&str] = &["never", REBOOT_FOR_POWER_MODE];

/// Value of `reboot` that permits one.
pub(super) const REBOOT_FOR_POWER_MODE: &str = "for_power_mode";

/// Values of `sandbox`.
const SANDBOXES: &[&str] = &["auto", "required", "off"];

/// What a value of `sandbox` means.
pub(super) fn sandbox(word: &str) -> SandboxSetting {
    match word {
        "required" => SandboxSetting::Required,
        "off" => SandboxSetting::Off,
        _ => SandboxSetting::Auto,
    }
}

/// Every key of the configuration file except those of the runtimes, in the order of the reference.
pub(crate) const SETTINGS: &[Field] = &[
    Field {
        path: "inbox",
        kind: Kind::Path,
        fallback: Fallback::Text("/srv/backbone/inbox"),
        summary: "Where people drop job and model files.",
    },
    Field {
        path: "outbox",
        kind: Kind::Path,
        fallback: Fallback::Text("/srv/backbone/outbox"),
        summary: "Where finished bundles appear.",
    },
    Field {
        path: "spool",
        kind: Kind::Path,
        fallback: Fallback::Words("`spool` next to the inbox"),
        summary: "Claimed jobs, copied models, unpublished bundles; on the inbox's file system.",
    },
    Field {
        path: "state",
        kind: Kind::Path,
        fallback: Fallback::Text("/var/lib/backbone"),
        summary: "State of the daemon: its status, and the host's power state while it is changed.",
    },
    Field {
        path: "host_root",
        kind: Kind::Path,
        fallback: Fallback::Text("/"),
        summary: "Folder used as `/` when the host is examined. Any other than `/` marks every bundle as simulated.",
    },
    Field {
        path: "settle_seconds",
        kind: Kind::Integer { minimum: 0, maximum: 3600 },
        fallback: Fallback::Integer(1),
        summary: "An upload counts as finished if its file has been closed and unchanged for this long.",
    },
    Field {
        path: "give_up_seconds",
        kind: Kind::Integer { minimum: 1, maximum: SECONDS_PER_YEAR },
        fallback: Fallback::Integer(86_400),
        summary: "A job without its model, or an upload that does not finish, is rejected after this long.",
    },
    Field {
        path: "rescan_seconds",
        kind: Kind::Integer { minimum: 1, maximum: 86_400 },
        fallback: Fallback::Integer(60),
        summary: "Interval between rescans of the inbox, which find files that no event announced.",
    },
    Field {
        path: "model_retention_seconds",
        kind: Kind::Integer { minimum: 0, maximum: SECONDS_PER_YEAR },
        fallback: Fallback::Integer(604_800),
        summary: "A model file that no waiting job names stays in the inbox for this long after its last use.",
    },
    Field {
        path: "keep_done_jobs",
        kind: Kind::Integer { minimum: 0, maximum: 1_000_000 },
        fallback: Fallback::Integer(1000),
        summary: "Number of finished jobs whose job files are kept for `retry`.",
    },
    Field {
        path: "keep_engine_megabytes",
        kind: Kind::Integer { minimum: 0, maximum: 1_000_000 },
        fallback: Fallback::Integer(2000),
        summary: "Size of the compiled models (engines) kept for later jobs with the same model; the oldest are removed first. \
                  A job needs space for its own.",
    },
    Field {
        path: "no_output_seconds",
        kind: Kind::Integer { minimum: 0, maximum: SECONDS_PER_YEAR },
        fallback: Fallback::Integer(900),
        summary: "A worker that prints nothing and does nothing for this long, not even time its model, is ended before \
                  its time limit (`no_output`). 0: never.",
    },
    Field {
        path: "reboot",
        kind: Kind::Choice(REBOOTS),
        fallback: Fallback::Text("never"),
        summary: "Whether the daemon may reboot the host: `never`, or `for_power_mode`, if a job names a power mode that requires \
                  a reboot, and to restore the former mode.",
    },
    Field {
        path: "sandbox",
        kind: Kind::Choice(SANDBOXES),
        fallback: Fallback::Text("auto"),
        summary: "Whether workers are confined before they load a model: `auto`, as far as the host can; `required`, and nothing is \
                  measured on a host that cannot; `off`.",
    },
    Field {
        path: "metrics_folder",
        kind: Kind::Path,
        fallback: Fallback::Words("none"),
        summary: "Folder of node_exporter's textfile collector, where the daemon keeps `backbone.prom`.",
    },
    Field {
        path: "notify",
        kind: Kind::Path,
        fallback: Fallback::Words("none"),
        summary: "A program that is called at the end of each job, with one line of JSON as its input.",
    },
    Field {
        path: "notify_seconds",
        kind: Kind::Integer { minimum: 1, maximum: 60 },
        fallback: Fallback::Integer(10),
        summary: "That program is ended after this long; the next job waits for it.",
    },
    Field {
        path: "sentinel_hours",
        kind: Kind::Integer { minimum: 0, maximum: 8760 },
        fallback: Fallback::Integer(0),
        summary: "Measure the sentinel, one small fixed network, once in so many hours, so that a change of the device shows in \
                  `backbone status` and `backbone results`. 24 is once a day; 0: never.",
    },
    Field {
        path: "sentinel_runtime",
        kind: Kind::Choice(SENTINEL_RUNTIMES),
        fallback: Fallback::Text("onnxruntime"),
        summary: "The runtime of the sentinel.",
    },
    Field {
        path: "runtimes",
        kind: Kind::RuntimeSettings,
        fallback: Fallback::Words("each runtime's own search"),
        summary: "How this host provides the runtimes.",
    },
];

/// Runtimes that run generated networks.
const SENTINEL_RUNTIMES: &[&str] = &["onnxruntime", "tflite", "edgetpu", "trtexec"];

pub(super) fn variable(setting: &str) -> String {
    let key = setting.strip_prefix("runtimes.").unwrap_or(setting);
    format!("{VARIABLE_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

pub(super) fn default_path(setting: &str) -> PathBuf {
    match setting_of(setting).fallback {
        Fallback::Text(path) => PathBuf::from(path),
        _ => PathBuf::new(),
    }
}

pub(super) fn limits(setting: &str) -> (i64, i64, i64) {
    match setting_of(setting) {
        Field { kind: Kind::Integer { minimum, maximum }, fallback: Fallback::Integer(fallback), .. } => {
            (*minimum, *maximum, *fallback)
        }
        _ => (0, 0, 0),
    }
}

pub(super) fn choices(setting: &str) -> (&'static [&'static str], &'static str) {
    match setting_of(setting) {
        Field { kind: Kind::Choice(choices), fallback: Fallback::Text(fallback), .. } => (choices, fallback),
        _ => (&[], ""),
    }
}

fn setting_of(setting: &str) -> &'static Field {
    SETTINGS
        .iter()
        .find(|field| field.path == setting)
        .expect("callers ask only for settings in the table, and every load asks for all of them")
}
