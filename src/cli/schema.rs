//! `backbone schema`: the JSON Schemas of job files and bundles, for editors and validators.

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Exit, print};

/// Print the JSON Schema of job files or bundles
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// What the schema describes
    #[arg(value_name = "FORMAT")]
    format: Described,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Described {
    /// Job files
    Job,
    /// Bundles
    Bundle,
}

pub(super) fn execute(arguments: SchemaArguments) -> anyhow::Result<Exit> {
    let schema = match arguments.format {
        Described::Job => crate::spec::schema(),
        Described::Bundle => crate::bundle::read::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).context("cannot write the schema as JSON")?;
    print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
