<<<<<<< HEAD
//! `backbone networks`: the family of the paper, as a table and as model files.
=======
//! `backbone networks`: what networks cost.
>>>>>>> net2

use clap::{Args, Subcommand};

use super::Exit;

<<<<<<< HEAD
mod export;
mod list;

/// The network family: every configuration as a table, and as model files
=======
mod cost;

/// What networks cost
>>>>>>> net2
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
<<<<<<< HEAD
    List(list::Arguments),
    Export(export::Arguments),
=======
    Cost(cost::Arguments),
>>>>>>> net2
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    match arguments.what {
<<<<<<< HEAD
        What::List(arguments) => list::execute(arguments),
        What::Export(arguments) => export::execute(&arguments),
=======
        What::Cost(arguments) => cost::execute(&arguments),
>>>>>>> net2
    }
}
