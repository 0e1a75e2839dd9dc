//! `backbone resume`: let the daemon go on after `pause`.

use clap::Args;

use super::{Exit, Place, request};

/// Go on after `backbone pause`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    request::pause(arguments.place, false)
}
