//! `backbone list`: the registries, as tables.

use clap::{Args, Subcommand};

use super::{Exit, print, table};
use crate::bundle::format::VerdictState;
use crate::host::HOSTS;
use crate::network::blocks::BLOCKS;
use crate::runtime::{Need, OptionKind, Options, RUNTIMES};
use crate::verdict::REASONS;

/// List what this version knows
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runtimes that a job may name, with their options and what their clock covers
    Runtimes,
    /// Families of hosts: how power is controlled there
    Hosts,
    /// Block types of the network family
    Blocks,
    /// Reasons of a verdict, with what each means and what to do about it
    Reasons,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    print(&match arguments.what {
        What::Runtimes => runtimes(),
        What::Hosts => hosts(),
        What::Blocks => blocks(),
        What::Reasons => reasons(),
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
        text.push_str(&format!("\n{}: the clock covers {code}: {sentence}\n", runtime.name));
        let variables: Vec<&str> = runtime.needs.iter().flat_map(Need::variables).copied().collect();
        if !variables.is_empty() {
            text.push_str(&format!("  library named by: {}\n", variables.join(", ")));
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

/// The values an option takes, as a person would type them.
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
        let state = match reason.state {
            VerdictState::Valid => "valid",
            VerdictState::Suspect => "suspect",
            VerdictState::Invalid => "invalid",
        };
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{} makes a result {state}\n", reason.code));
        text.push_str(&format!("  {}\n  advice: {}\n", reason.meaning, reason.advice));
    }
    text
}
