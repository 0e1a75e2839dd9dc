//! `backbone retry`: measure a finished job again.

use clap::Args;

use super::{Exit, Place, request};
use crate::daemon::control::ControlRequest;

/// Measure a finished job again, as a new job at the end of the queue
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Name or id of the job, as `backbone status` shows it
    #[arg(value_name = "JOB")]
    pub(super) job: String,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    request::ask(arguments.place, &arguments.job, "done", ControlRequest::Retry, "queued again")
}
