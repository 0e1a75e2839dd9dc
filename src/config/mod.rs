//! The daemon's settings and where each came from: built-in defaults < `/etc/backbone/config.yaml` < environment < flags.
//!
//! Reads that one file and nothing else; whether the folders exist is the daemon's business. What the file may say is the
//! table [`SETTINGS`], checked as job files are, with every mistake at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use self::sources::Sources;
use crate::bundle::format::Mistake;
use crate::error::Hint;
use crate::runtime::Provided;
use crate::spec::render;

mod file;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod settings;
mod sources;

/// The configuration that is read where no other is named; it need not exist.
pub(crate) const DEFAULT_FILE: &str = "/etc/backbone/config.yaml";

/// Settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where people drop job and model files. `/srv/backbone/inbox`
    pub(crate) inbox: PathBuf,
    /// Where finished bundles appear. `/srv/backbone/outbox`
    pub(crate) outbox: PathBuf,
    /// Claimed jobs, copied models, unpublished bundles; on the inbox's file system. Default: `spool` beside the inbox.
    pub(crate) spool: PathBuf,
    /// Small state: status, and the host's power state while it is changed. `/var/lib/backbone`
    pub(crate) state: PathBuf,
    /// The folder that stands for `/` where the host is looked at. Other than `/` marks every bundle simulated.
    pub(crate) host_root: PathBuf,
    /// A file uploaded in place counts as whole when it was closed and quiet for this long. 1
    pub(crate) settle_seconds: u32,
    /// A job whose model never comes, or an upload that never ends, is rejected after this long. 86 400
    pub(crate) give_up_seconds: u32,
    /// The safety rescan of the inbox, for events that never came. 60
    pub(crate) rescan_seconds: u32,
    /// A model file that no waiting job names stays in the inbox for this long after its last use. 604 800
    pub(crate) model_retention_seconds: u32,
    /// Spec files of finished jobs that are kept for `retry`. 1 000
    pub(crate) keep_done_jobs: u32,
    /// May the host be rebooted where a job's power mode needs it? No.
    pub(crate) reboots_for_power_mode: bool,
    /// Where the host's power state is kept while it is changed: `state`, for `backbone run` too, whose other state is its own.
    pub(crate) power_state: PathBuf,
    /// Megabytes of compiled models that are kept.
    pub(crate) keep_engine_megabytes: u32,
    /// What the host names for a runtime, by runtime name.
    pub(crate) runtimes: BTreeMap<String, Provided>,
}

/// What was said on the command line.
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

/// One setting, its value and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Path of the key, such as `runtimes.onnxruntime.library`.
    pub(crate) setting: String,
    /// The value in force.
    pub(crate) value: String,
    /// Where it came from.
    pub(crate) source: Source,
}

/// Where a setting came from.
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

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file could not be read; the path is in the source.
    #[error("cannot read the configuration file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that cannot be.
    #[error("the configuration file {} has mistakes:\n{}", .path.display(), render(.mistakes, &.path.to_string_lossy()).trim_end())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them, in file order.
        mistakes: Vec<Mistake>,
    },
    /// A variable or a flag says something that cannot be.
    #[error("{origin} sets `{setting}` to {value}, which is not {expected}")]
    Value {
        /// The variable or flag.
        origin: String,
        /// Path of the key.
        setting: String,
        /// What it says.
        value: String,
        /// What it may say.
        expected: String,
    },
    /// Two settings name one folder.
    #[error("`{first}` and `{second}` are one folder, {}", .path.display())]
    SameFolder {
        /// A setting.
        first: &'static str,
        /// Another.
        second: &'static str,
        /// Where both lead.
        path: PathBuf,
    },
}

impl Hint for ConfigError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                format!("create it, or leave the flag out to use {DEFAULT_FILE} where that exists")
            }
            Self::Read { .. } => "the user that runs this program must be able to read it".to_owned(),
            Self::Mistakes { .. } => "correct the lines above; nothing was changed".to_owned(),
            Self::Value { origin, expected, .. } => format!("set {origin} to {expected}, or leave it out"),
            Self::SameFolder { first, second, .. } => {
                format!("give `{first}` and `{second}` folders of their own")
            }
        })
    }
}

impl Config {
    /// Settings in force and where each came from, each setting once. `file` is the configuration that was asked for and
    /// must exist; without it [`DEFAULT_FILE`] is read where it exists. Relative paths of flags and variables start at the
    /// working directory. A variable that is set to nothing counts as not set.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes, a variable or flag cannot be understood, or two settings name one folder.
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
            reboots_for_power_mode: sources.word("reboot")? == settings::REBOOT_FOR_POWER_MODE,
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
