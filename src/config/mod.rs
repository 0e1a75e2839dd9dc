//! The daemon's settings and the source of each. Precedence, highest first: flags, environment,
//! `/etc/backbone/config.yaml`, built-in defaults.
//!
//! Reads this one file and nothing else; the daemon checks whether the folders exist. The table
//! [`settings::SETTINGS`] defines the keys of the file. It is checked in the same way as job files, and all
//! mistakes are reported at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use self::sources::Sources;
use crate::bundle::format::{Mistake, SandboxSetting};
use crate::error::Hint;
use crate::runtime::Provided;
use crate::spec::render;

mod file;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod settings;
mod sources;

/// The configuration file that is read if no other is given; it need not exist.
pub(crate) const DEFAULT_FILE: &str = "/etc/backbone/config.yaml";

/// Settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where people drop job and model files. `/srv/backbone/inbox`
    pub(crate) inbox: PathBuf,
    /// Where finished bundles appear. `/srv/backbone/outbox`
    pub(crate) outbox: PathBuf,
    /// Claimed jobs, copied models, unpublished bundles; on the inbox's file system. Default: `spool` next to
    /// the inbox.
    pub(crate) spool: PathBuf,
    /// Small state: status, and the host's power state while it is changed. `/var/lib/backbone`
    pub(crate) state: PathBuf,
    /// The folder used as `/` when the host is examined. Any other than `/` marks every bundle as simulated.
    pub(crate) host_root: PathBuf,
    /// An upload counts as finished if its file has been closed and unchanged for this long. 1
    pub(crate) settle_seconds: u32,
    /// A job whose model never comes, or an upload that never ends, is rejected after this long. 86 400
    pub(crate) give_up_seconds: u32,
    /// Interval between rescans of the inbox, for files without an event. 60
    pub(crate) rescan_seconds: u32,
    /// A model file that no waiting job names stays in the inbox for this long after its last use. 604 800
    pub(crate) model_retention_seconds: u32,
    /// Number of finished jobs whose job files are kept for `retry`. 1 000
    pub(crate) keep_done_jobs: u32,
    /// Whether the host may be rebooted if a job's power mode requires it. No
    pub(crate) reboots_for_power_mode: bool,
    /// Where the host's power state is saved while it is changed: `state`, even for `backbone run`, which
    /// otherwise has its own state.
    pub(crate) power_state: PathBuf,
    /// Size of the kept compiled models, in megabytes.
    pub(crate) keep_engine_megabytes: u32,
    /// A worker that prints nothing and does nothing for this long is ended; 0 for never. 900
    pub(crate) no_output_seconds: u32,
    /// Whether workers are confined. As far as the host can
    pub(crate) sandbox: SandboxSetting,
    /// The folder of node_exporter's textfile collector.
    pub(crate) metrics_folder: Option<PathBuf>,
    /// The program that is called at the end of each job, and its time limit. 10
    pub(crate) notify: Option<PathBuf>,
    /// See above.
    pub(crate) notify_seconds: u32,
    /// Interval between two measurements of the host's sentinel; 0 for none. 0
    pub(crate) sentinel_hours: u32,
    /// Name of its runtime. onnxruntime
    pub(crate) sentinel_runtime: &'static str,
    /// The paths that the configuration gives for each runtime, by runtime name.
    pub(crate) runtimes: BTreeMap<String, Provided>,
}

/// Settings from the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `--inbox`
    pub(crate) inbox: Option<PathBuf>,
    /// `--outbox`
    pub(crate) outbox: Option<PathBuf>,
    /// `--spool`
    pub(crate) spool: Option<PathBuf>,
    /// `--state`
    pub(crate) state: Option<PathBuf>,
    /// `--host-root`
    pub(crate) host_root: Option<PathBuf>,
}

/// A setting, its value and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Path of the key, such as `runtimes.onnxruntime.library`.
    pub(crate) setting: String,
    /// The value in force.
    pub(crate) value: String,
    /// Its source.
    pub(crate) source: Source,
}

/// The source of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Built in, or derived from another setting.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Environment(variable) => write!(formatter, "${variable}"),
            Self::Flag(flag) => formatter.write_str(flag),
        }
    }
}

/// Why the settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has mistakes.
    #[error("the configuration file {} has mistakes:\n{}", .path.display(), render(.mistakes, &.path.to_string_lossy()).trim_end())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them, in file order.
        mistakes: Vec<Mistake>,
    },
    /// A variable or a flag has an invalid value.
    #[error("{origin} sets `{setting}` to {value}, which is not {expected}")]
    Value {
        /// The variable or flag.
        origin: String,
        /// Path of the key.
        setting: String,
        /// The value.
        value: String,
        /// Values that it may have.
        expected: String,
    },
    /// Two settings name the same folder.
    #[error("`{first}` and `{second}` are the same folder, {}", .path.display())]
    SameFolder {
        /// A setting.
        first: &'static str,
        /// Another.
        second: &'static str,
        /// The folder.
        path: PathBuf,
    },
}

impl Hint for ConfigError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                format!("create it, or leave out the flag to use {DEFAULT_FILE} if it exists")
            }
            Self::Read { .. } => "make it readable for the user that runs this program".to_owned(),
            Self::Mistakes { .. } => "correct the lines above; no setting was changed".to_owned(),
            Self::Value { origin, expected, .. } => format!("set {origin} to {expected}, or leave it out"),
            Self::SameFolder { first, second, .. } => {
                format!("set `{first}` and `{second}` to different folders")
            }
        })
    }
}

impl Config {
    /// Loads the settings in force and the source of each, each setting once. `file` is the configuration
    /// file that the caller asks for, which must exist; without it, [`DEFAULT_FILE`] is read if it exists.
    /// Relative paths in flags and variables are relative to the working directory. An empty variable counts
    /// as unset.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes, a variable or flag has an invalid value, or two settings name
    /// the same folder.
    pub(crate) fn load(
        flags: Overrides,
        environment: &dyn Fn(&str) -> Option<OsString>,
        file: Option<&Path>,
    ) -> Result<(Self, Vec<Provenance>), ConfigError> {
        Self::load_beside(flags, environment, file, Path::new(DEFAULT_FILE))
    }

    fn load_beside(
        flags: Overrides,
        environment: &dyn Fn(&str) -> Option<OsString>,
        named: Option<&Path>,
        default: &Path,
    ) -> Result<(Self, Vec<Provenance>), ConfigError> {
        let file = file::read(named, default)?;
        let mut sources = Sources { environment, file, provenance: Vec::new() };
        let inbox = sources.path("inbox", flags.inbox, None)?;
        let outbox = sources.path("outbox", flags.outbox, None)?;
        let spool = sources.path("spool", flags.spool, Some(inbox.with_file_name("spool")))?;
        let state = sources.path("state", flags.state, None)?;
        let config = Self {
            host_root: sources.path("host_root", flags.host_root, None)?,
            settle_seconds: sources.number("settle_seconds")?,
            give_up_seconds: sources.number("give_up_seconds")?,
            rescan_seconds: sources.number("rescan_seconds")?,
            model_retention_seconds: sources.number("model_retention_seconds")?,
            keep_done_jobs: sources.number("keep_done_jobs")?,
            keep_engine_megabytes: sources.number("keep_engine_megabytes")?,
            no_output_seconds: sources.number("no_output_seconds")?,
            reboots_for_power_mode: sources.word("reboot")? == settings::REBOOT_FOR_POWER_MODE,
            sandbox: settings::sandbox(sources.word("sandbox")?),
            metrics_folder: sources.optional_path("metrics_folder")?,
            notify: sources.optional_path("notify")?,
            notify_seconds: sources.number("notify_seconds")?,
            sentinel_hours: sources.number("sentinel_hours")?,
            sentinel_runtime: sources.word("sentinel_runtime")?,
            power_state: state.clone(),
            runtimes: sources.runtimes()?,
            inbox,
            outbox,
            spool,
            state,
        };
        config.check_folders_differ()?;
        Ok((config, sources.provenance))
    }

    fn check_folders_differ(&self) -> Result<(), ConfigError> {
        let folders = [
            ("inbox", &self.inbox),
            ("outbox", &self.outbox),
            ("spool", &self.spool),
            ("state", &self.state),
        ];
        for (index, (first, path)) in folders.iter().enumerate() {
            if let Some((second, _)) = folders[index + 1..].iter().find(|(_, other)| other == path) {
                return Err(ConfigError::SameFolder { first, second, path: path.to_path_buf() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
