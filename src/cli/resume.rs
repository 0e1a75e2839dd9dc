//! `backbone resume`: let the daemon go on after `pause`.

use clap::Args;

use super::{Exit, Place, settings};

/// Go on after `backbone pause`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    let (config, _) = settings::load(arguments.place.overrides(), arguments.place.config.as_deref())?;
    anyhow::bail!(
        "the daemon of {} is not connected to this command yet: {arguments:?}",
        config.inbox.display()
    )
}
