//! `backbone export`: collected results as a table for other tools.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use fs_err as fs;

use super::collected::{self, Sources};
use super::failure::Advise as _;
use super::{Exit, note};
use crate::analysis::platform;
use crate::export::{EXPORTS, Export, Table};

/// Write collected results as a table: one row for each result
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// The format
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: String,
    /// Where to write; standard output if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(
        EXPORTS.iter().map(|export| PossibleValue::new(export.name).help(export.summary)),
    )
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<Exit> {
    let export =
        Export::find(&arguments.format).context("a format that the parser let through is missing")?;
    if export.is_binary && arguments.output.is_none() && std::io::stdout().is_terminal() {
        return Err(anyhow!("{} is not for a terminal", export.name))
            .exit(Exit::WrongInput)
            .advise("name a file with `--output`");
    }
    let mut rows = collected::rows(&arguments.sources)?;
    let platforms = platform::assign(&mut rows);
    let table = Table { rows: &rows, platforms: &platforms };
    let left_out = match &arguments.output {
        Some(path) => write_file(export, &table, path)?,
        None => write_output(export, &table)?,
    };
    if left_out > 0 {
        note(&format!("left out because they have no usable latencies: {left_out}"));
    }
    Ok(Exit::Done)
}

fn write_output(export: &Export, table: &Table<'_>) -> anyhow::Result<usize> {
    let mut output = BufWriter::new(std::io::stdout());
    match export.write(table, &mut output).and_then(|left_out| output.flush().map(|()| left_out)) {
        // A reader that went away has read what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        other => other.context("cannot write to standard output"),
    }
}

/// Under a temporary name first: a reader never sees half a table.
fn write_file(export: &Export, table: &Table<'_>, path: &Path) -> anyhow::Result<usize> {
    let name = path
        .file_name()
        .with_context(|| format!("{} names no file", path.display()))
        .exit(Exit::WrongInput)?;
    let temporary = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let write = || -> std::io::Result<usize> {
        let mut output = BufWriter::new(fs::File::create(&temporary)?);
        let left_out = export.write(table, &mut output)?;
        output.flush()?;
        fs::rename(&temporary, path)?;
        Ok(left_out)
    };
    write()
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .with_context(|| format!("cannot write {}", path.display()))
        .advise("check that its folder is there and writable, and has room")
}
