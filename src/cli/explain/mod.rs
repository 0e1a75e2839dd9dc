//! `backbone explain`: what a code means, whichever part of the program gave it.

use anyhow::anyhow;
use clap::Args;

use super::failure::Advise as _;
use super::{Exit, print};
use crate::text::{escaped, nearest};
use crate::verdict::{self, REASONS};

mod codes;
#[cfg(test)]
mod tests;

use codes::{Code, FAILURES, MISTAKES, OF_DEVICES, OF_HOSTS, TROUBLES};

/// Where the codes of failures are.
const WHY_IT_ENDED: &str = "why a job or a trial ended (`outcome.reason`)";

/// Where a code is, and all codes there.
const REGISTRIES: &[(&str, &[Code])] = &[
    (WHY_IT_ENDED, FAILURES),
    (WHY_IT_ENDED, OF_DEVICES),
    ("a mistake in a job file (`outcome.mistakes`, `backbone check`)", MISTAKES),
    ("a trouble of the daemon, or something that needs attention (`backbone status`)", TROUBLES),
    ("a host of a rack (`backbone submit`, `collect` and `status HOST…`)", OF_HOSTS),
];

/// Explain a code of a verdict, a failure, a mistake, a trouble or a host of a rack
#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The code, such as `drift` or `segmentation_fault`
    #[arg(value_name = "CODE", required = true)]
    codes: Vec<String>,
}

pub(super) fn execute(arguments: &ExplainArguments) -> anyhow::Result<Exit> {
    let pages: Vec<String> = arguments.codes.iter().map(|code| page(code)).collect::<anyhow::Result<_>>()?;
    print(&pages.join("\n"))?;
    Ok(Exit::Done)
}

/// The page of a code; an error with the most similar code if there is none.
fn page(code: &str) -> anyhow::Result<String> {
    explained(code).map_or_else(
        || {
            let hint = match nearest(code, every_code()) {
                Some(similar) => format!("did you mean `{similar}`?"),
                None => "`backbone list reasons` shows the codes of verdicts".to_owned(),
            };
            Err(anyhow!("there is no code `{}`", escaped(code))).advise(hint).exit(Exit::WrongInput)
        },
        Ok,
    )
}

/// What a code means in every registry that has it.
fn explained(code: &str) -> Option<String> {
    let of_verdict = verdict::find(code).map(|kind| {
        format!(
            "{code}: makes a result {}\n  {}\n  cause: {}\n  remedy: {}\n",
            kind.state.word(),
            kind.meaning,
            kind.cause,
            kind.advice
        )
    });
    let others = REGISTRIES.iter().filter_map(|(place, codes)| {
        let (_, meaning, remedy) = codes.iter().find(|(known, _, _)| *known == code)?;
        Some(format!("{code}: {place}\n  {meaning}\n  remedy: {remedy}\n"))
    });
    let found: Vec<String> = of_verdict.into_iter().chain(others).collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

fn every_code() -> impl Iterator<Item = &'static str> {
    let others = REGISTRIES.iter().flat_map(|(_, codes)| codes.iter().map(|(code, _, _)| *code));
    REASONS.iter().map(|kind| kind.code).chain(others)
}
