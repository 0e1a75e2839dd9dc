//! `backbone export`: collected results as a table for other tools.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::collected::{self, Sources};
use super::failure::Advise as _;
use super::{Exit, note, whole_file};
use crate::analysis::platform;
use crate::export::{EXPORTS, Export, Results};

/// Write collected results as a table: one row for each result, or for each layer
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    sources: Sources,
    /// Format of the table
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: String,
    /// Write one row for each layer of each profiled result instead
    #[arg(long)]
    layers: bool,
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(
        EXPORTS.iter().map(|export| PossibleValue::new(export.name).help(export.summary)),
    )
}

pub(super) fn execute(arguments: &ExportArguments) -> anyhow::Result<Exit> {
    let export = Export::find(&arguments.format).context("the parser accepted an unknown format")?;
    if export.is_binary && arguments.output.is_none() && std::io::stdout().is_terminal() {
        return Err(anyhow!("cannot write {} to a terminal", export.name))
            .exit(Exit::WrongInput)
            .advise("name a file with `--output`");
    }
    let mut rows = collected::rows(&arguments.sources)?;
    let platforms = platform::assign(&mut rows);
    let results = Results { rows: &rows, platforms: &platforms };
    if arguments.layers && !export.has_layers() {
        return Err(anyhow!("{} has no place for layers", export.name))
            .exit(Exit::WrongInput)
            .advise("choose another `--format`");
    }
    let write = |output: &mut (dyn Write + Send)| {
        if arguments.layers {
            export.write_layers(&results, output).map(|()| 0)
        } else {
            export.write(&results, output)
        }
    };
    let left_out = match &arguments.output {
        Some(path) => whole_file::write(path, |output| write(output))?,
        None => write_output(write)?,
    };
    if arguments.layers && rows.iter().all(|row| row.layers.is_empty()) {
        note("no result has layers; ask for them with `runtime_options: {profile: true}` in a job");
    }
    if left_out > 0 {
        note(&format!("left out {left_out} results without usable latencies"));
    }
    Ok(Exit::Done)
}

fn write_output(
    write: impl FnOnce(&mut (dyn Write + Send)) -> std::io::Result<usize>,
) -> anyhow::Result<usize> {
    let mut output = BufWriter::new(std::io::stdout());
    match write(&mut output).and_then(|left_out| output.flush().map(|()| left_out)) {
        // The reader has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        other => other.context("cannot write to standard output"),
    }
}
