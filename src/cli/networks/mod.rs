//! `backbone networks`: what networks cost.

use clap::{Args, Subcommand};

use super::Exit;

mod cost;

/// What networks cost
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Cost(cost::Arguments),
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    match arguments.what {
        What::Cost(arguments) => cost::execute(&arguments),
    }
}
