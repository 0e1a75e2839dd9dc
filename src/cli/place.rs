//! Which daemon a command speaks to: the flags that name its folders, and the configuration they lead to.

use std::path::PathBuf;

use clap::Args;

use super::failure::Explain as _;
use super::{Exit, failure::Advise as _};
use crate::config::{Config, Overrides, Provenance};

/// Which daemon a command speaks to. Settings left out come from the environment, then the configuration file, then the
/// built-in defaults.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// Configuration file [default: /etc/backbone/config.yaml where it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder where people drop job and model files
    #[arg(long, value_name = "FOLDER")]
    pub inbox: Option<PathBuf>,
    /// Folder for the daemon's small state
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
}

impl Place {
    /// The settings in force, and where each came from.
    ///
    /// # Errors
    /// The configuration can not be read, or has mistakes.
    pub(super) fn load(
        self,
        outbox: Option<PathBuf>,
        host_root: Option<PathBuf>,
    ) -> anyhow::Result<(Config, Vec<Provenance>)> {
        let flags = Overrides { inbox: self.inbox, outbox, spool: None, state: self.state, host_root };
        let environment = |name: &str| std::env::var_os(name);
        Config::load(flags, &environment, self.config.as_deref()).explain().exit(Exit::WrongInput)
    }
}
