//! `backbone status`: what the daemon last wrote about itself.

use clap::Args;

use super::{Exit, Place, settings};

/// Show the queue, the running trial, what waits for a model, and the disk
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Show it again whenever it changes, until interrupted
    #[arg(long, conflicts_with = "json")]
    pub(super) watch: bool,
    /// The status file as it is, for programs
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    let (config, _) = settings::load(arguments.place.overrides(), arguments.place.config.as_deref())?;
    anyhow::bail!(
        "the daemon of {} is not connected to this command yet: {arguments:?}",
        config.inbox.display()
    )
}
