//! `backbone serve`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Place, settings};
use crate::config::Overrides;

/// Watch the inbox, measure every job that is dropped there, and publish its bundles in the outbox
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Folder where finished bundles appear
    #[arg(long, value_name = "FOLDER")]
    pub(super) outbox: Option<PathBuf>,
    /// Folder that stands for / where the host is looked at; other than / marks every bundle simulated
    #[arg(long, value_name = "FOLDER")]
    pub(super) host_root: Option<PathBuf>,
    /// End when the inbox is done, with a table of what was measured
    #[arg(long)]
    pub(super) once: bool,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    let flags =
        Overrides { outbox: arguments.outbox, host_root: arguments.host_root, ..arguments.place.overrides() };
    let (config, provenance) = settings::load(flags, arguments.place.config.as_deref())?;
    let once = arguments.once;
    anyhow::bail!("the daemon is not connected to its command yet: {config:?} {provenance:?} {once}")
}
