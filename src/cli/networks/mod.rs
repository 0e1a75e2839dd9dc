//! `backbone networks`: the family of the paper, as a table and as model files; and what any network costs.

use clap::{Args, Subcommand};

use super::Exit;

mod cost;
mod export;
mod list;

/// The network family as a table and as model files, and the cost of any network
#[derive(Debug, Args)]
pub(super) struct NetworksArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::NetworksListArguments),
    Export(Box<export::NetworksExportArguments>),
    Cost(cost::NetworksCostArguments),
}

pub(super) fn execute(arguments: NetworksArguments) -> anyhow::Result<Exit> {
    match arguments.what {
        What::List(arguments) => list::execute(arguments),
        What::Export(arguments) => export::execute(&arguments),
        What::Cost(arguments) => cost::execute(&arguments),
    }
}
