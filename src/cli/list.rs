//! `backbone list`: the registries, as tables.

use clap::{Args, Subcommand};

use super::{Exit, print, table};
use crate::host::HOSTS;
use crate::network::blocks::BLOCKS;
use crate::runtime::{Need, OptionKind, Options, RUNTIMES};
use crate::verdict::REASONS;

/// List the runtimes, hosts, block types or verdict reasons of this version
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(subcommand)]
    what: Registry,
}

#[derive(Debug, Subcommand)]
enum Registry {
    /// Runtimes, with their options and what their timing covers
    Runtimes,
    /// Host families, and how power is controlled there
    Hosts,
    /// Block types of the network family
    Blocks,
    /// Verdict reasons, with what each means and what to do about it
    Reasons,
}

pub(super) fn execute(arguments: ListArguments) -> anyhow::Result<Exit> {
    print(&match arguments.what {
        Registry::Runtimes => runtimes(),
        Registry::Hosts => hosts(),
        Registry::Blocks => blocks(),
        Registry::Reasons => reasons(),
    })?;
    Ok(Exit::Done)
}

pub(super) fn runtimes() -> String {
    let rows: Vec<Vec<String>> = RUNTIMES
        .iter()
        .map(|runtime| {
            vec![
                runtime.name.to_owned(),
                format!(".{}", runtime.model_format),
                runtime.own_worker().unwrap_or("backbone").to_owned(),
                runtime.summary.to_owned(),
            ]
        })
        .collect();
    let mut text = table::render(&["RUNTIME", "READS", "WORKER", "SUMMARY"], &rows);
    for runtime in RUNTIMES {
        let (code, sentence) = (runtime.timed)(&Options::new());
        text.push_str(&format!("\n{}: the timing covers {code}: {sentence}\n", runtime.name));
        let variables: Vec<&str> = runtime.needs.iter().flat_map(Need::variables).copied().collect();
        if !variables.is_empty() {
            text.push_str(&format!("  library set by: {}\n", variables.join(", ")));
        }
        let options: Vec<Vec<String>> = runtime
            .options
            .iter()
            .map(|option| vec![option.name.to_owned(), values(&option.kind), option.summary.to_owned()])
            .collect();
        if !options.is_empty() {
            text.push_str(&table::indent(&table::render(&["OPTION", "VALUES", "SUMMARY"], &options)));
        }
    }
    text
}

pub(super) fn hosts() -> String {
    let mut text = String::new();
    for host in HOSTS {
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{}: {}\n", host.name, host.summary));
        text.push_str(&format!(
            "  power_mode: {}\n  lock_clocks: {}\n",
            host.power_modes, host.locked_clocks
        ));
    }
    text
}

/// The values of an option, as a person would type them.
fn values(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Integer { minimum, maximum } => format!("{minimum}..{maximum}"),
        OptionKind::Boolean => "true|false".to_owned(),
        OptionKind::Choice(words) => words.join("|"),
    }
}

pub(super) fn blocks() -> String {
    let rows: Vec<Vec<String>> =
        BLOCKS.iter().map(|block| vec![block.name.to_owned(), block.summary.to_owned()]).collect();
    table::render(&["BLOCK", "CONVOLUTIONS"], &rows)
}

pub(super) fn reasons() -> String {
    let mut text = String::new();
    for reason in REASONS {
        let state = reason.state.word();
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{} makes a result {state}\n", reason.code));
        text.push_str(&format!(
            "  {}\n  cause: {}\n  remedy: {}\n",
            reason.meaning, reason.cause, reason.advice
        ));
    }
    text
}
