//! `backbone cancel`: withdraw a job, also one that is running.

use clap::Args;

use super::{Exit, Place, request};
use crate::daemon::control::ControlRequest;

/// Cancel a job: one that waits never runs, one that runs is stopped; both end in a bundle that says so
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Name or id of the job, as `backbone status` shows it
    #[arg(value_name = "JOB")]
    pub(super) job: String,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    request::ask(arguments.place, &arguments.job, "queue", ControlRequest::Cancel, "cancelled")
}
