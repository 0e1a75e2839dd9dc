//! `backbone networks`: the family of the paper, as a table and as model files; and what any network costs.

use clap::{Args, Subcommand, ValueEnum};

use super::Exit;

mod cost;
mod export;
mod list;

/// The network family as a table and as model files, and the cost of any network
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TableFormat {
    /// Columns of text
    Table,
    /// Comma-separated values with a heading
    Csv,
    /// JSON
    Json,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::Arguments),
    Export(Box<export::Arguments>),
    Cost(cost::Arguments),
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    match arguments.what {
        What::List(arguments) => list::execute(arguments),
        What::Export(arguments) => export::execute(&arguments),
        What::Cost(arguments) => cost::execute(&arguments),
    }
}
