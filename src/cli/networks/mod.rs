//! `backbone networks`: the family of the paper, as a table and as model files.

use clap::{Args, Subcommand};

use super::Exit;

mod export;
mod list;

/// The network family: every configuration as a table, and as model files
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::Arguments),
    Export(Box<export::Arguments>),
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    match arguments.what {
        What::List(arguments) => list::execute(arguments),
        What::Export(arguments) => export::execute(&arguments),
    }
}
