//! `backbone run`: the daemon's pipeline in the foreground, for the person who waits.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, settings};
use crate::config::Overrides;

/// Measure job files now, in the foreground
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Job files, with their models beside them
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    /// Configuration file [default: /etc/backbone/config.yaml where it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Folder for the bundles
    #[arg(long, value_name = "FOLDER")]
    pub(super) outbox: Option<PathBuf>,
    /// Folder that stands for / where the host is looked at; other than / marks every bundle simulated
    #[arg(long, value_name = "FOLDER")]
    pub(super) host_root: Option<PathBuf>,
    /// End at once when something else is measured on this host
    #[arg(long)]
    pub(super) no_wait: bool,
    /// End with code 3 for a suspect verdict too
    #[arg(long)]
    pub(super) strict: bool,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    let flags =
        Overrides { outbox: arguments.outbox, host_root: arguments.host_root, ..Overrides::default() };
    let (config, _) = settings::load(flags, arguments.config.as_deref())?;
    let Arguments { specs, no_wait, strict, .. } = arguments;
    anyhow::bail!("the pipeline is not connected to its command yet: {config:?} {specs:?} {no_wait} {strict}")
}
