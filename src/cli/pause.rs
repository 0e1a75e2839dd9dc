//! `backbone pause`: keep the daemon from starting the next job.

use clap::Args;

use super::{Exit, Place, request};

/// Start no further job until `backbone resume`; the running one ends, the inbox is still read
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    request::pause(arguments.place, true)
}
