//! `backbone networks`: the paper's network family as a table and as model files, and the cost of any
//! network.

use clap::{Args, Subcommand, ValueEnum};

use super::Exit;

mod cost;
mod export;
mod list;

/// List or export the network family, or compute the cost of any model file
#[derive(Debug, Args)]
pub(super) struct NetworksArguments {
    #[command(subcommand)]
    what: NetworksCommand,
}

#[derive(Debug, Subcommand)]
enum NetworksCommand {
    List(list::NetworksListArguments),
    Export(Box<export::NetworksExportArguments>),
    Cost(cost::NetworksCostArguments),
}

/// How rows are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RowFormat {
    /// Columns of text
    Table,
    /// Comma-separated values with a heading
    Csv,
    /// JSON
    Json,
}

pub(super) fn execute(arguments: NetworksArguments) -> anyhow::Result<Exit> {
    match arguments.what {
        NetworksCommand::List(arguments) => list::execute(arguments),
        NetworksCommand::Export(arguments) => export::execute(&arguments),
        NetworksCommand::Cost(arguments) => cost::execute(&arguments),
    }
}
