//! `backbone schema`: the JSON Schemas of what goes in and what comes out, for editors and validators.

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Exit, print};

/// Print a JSON Schema
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Which format
    #[arg(value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Job files
    Job,
    /// Bundles
    Bundle,
}

pub(super) fn execute(arguments: SchemaArguments) -> anyhow::Result<Exit> {
    let schema = match arguments.format {
        Format::Job => crate::spec::schema(),
        Format::Bundle => crate::bundle::read::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).context("cannot write the schema as JSON")?;
    print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
