//! Is this host fit to measure? Some seventy [`CHECKS`], each of which looks at one thing and says what it saw and what to do.
//!
//! Nothing here changes anything, and no inference library is loaded: what detection, power control and the sensors read is looked
//! at, and the rest comes from small files below the host root. The only tool that is run is the one that tells the power mode, under a
//! limit, so that all checks together take less than a second. Whether a job may run is not decided here; a verdict is made of
//! what was observed while it ran.
//!
//! A check is one function and one line in [`CHECKS`]; help, the table in `docs/OPERATING.md` and the conformance test follow from it.

use serde::Serialize;

use crate::host::root::HostRoot;

mod accelerators;
mod checks;
mod folders;
mod heat;
mod libraries;
mod memory;
mod power;
mod power_mode;
mod processes;
mod processors;
mod quiet;
mod rights;
mod service;
mod subject;
mod time;

#[cfg(test)]
mod tests;

pub use checks::CHECKS;
pub use subject::{Asked, Library};

use subject::Subject;

/// Value of [`Report::format`].
pub const FORMAT: &str = "backbone.doctor/1";

/// One thing that is looked at.
#[derive(Debug)]
pub struct Check {
    /// Stable, in snake case.
    pub code: &'static str,
    /// What it belongs to.
    pub group: Group,
    /// What it looks at, in a few words.
    pub looks_at: &'static str,
    examine: fn(&Subject) -> Finding,
}

/// What checks belong to, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Clocks, governors, power modes.
    Power,
    /// Temperatures, throttling, fans, rails.
    Heat,
    /// Processors and the kernel's command line.
    Processors,
    /// Memory and swap.
    Memory,
    /// What else runs.
    Quiet,
    /// Clocks of the day.
    Time,
    /// The daemon's folders and their disks.
    Folders,
    /// What the daemon may do.
    Rights,
    /// Edge TPUs and graphics processors.
    Accelerators,
    /// Inference libraries.
    Libraries,
    /// The service.
    Service,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Results will be wrong, or none will come.
    Problem,
    /// Results will be better without.
    Advice,
    /// The host does not tell.
    Unobservable,
    /// As it should be.
    Ok,
    /// The host has no such thing.
    DoesNotApply,
}

impl Outcome {
    /// Every one, worst first.
    pub const ALL: &[Self] = &[Self::Problem, Self::Advice, Self::Unobservable, Self::Ok, Self::DoesNotApply];
}

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What came of it.
    pub outcome: Outcome,
    /// A sentence with the value that was seen.
    pub observed: String,
    /// A command, or what else to do; there is one for every problem and advice.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(observed: impl Into<String>) -> Self {
        Self { outcome: Outcome::Ok, observed: observed.into(), remedy: None }
    }

    fn problem(observed: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Outcome::Problem, observed: observed.into(), remedy: Some(remedy.into()) }
    }

    fn advice(observed: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Outcome::Advice, observed: observed.into(), remedy: Some(remedy.into()) }
    }

    fn unobservable(observed: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unobservable, observed: observed.into(), remedy: None }
    }

    fn does_not_apply(observed: impl Into<String>) -> Self {
        Self { outcome: Outcome::DoesNotApply, observed: observed.into(), remedy: None }
    }

    fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// All findings on a host.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// The folder that stood for `/`.
    pub root: String,
    /// Host name.
    pub name: Option<String>,
    /// Host family.
    pub family: &'static str,
    /// Board.
    pub board: Option<String>,
    /// How many of each outcome.
    pub counts: Counts,
    /// One for each check, in the order of [`CHECKS`].
    pub findings: Vec<Line>,
}

/// How many findings of each outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// [`Outcome::Problem`].
    pub problem: usize,
    /// [`Outcome::Advice`].
    pub advice: usize,
    /// [`Outcome::Unobservable`].
    pub unobservable: usize,
    /// [`Outcome::Ok`].
    pub ok: usize,
    /// [`Outcome::DoesNotApply`].
    pub does_not_apply: usize,
}

/// A finding with its check.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The check's code.
    pub code: &'static str,
    /// Its group.
    pub group: Group,
    /// What it looks at.
    pub looks_at: &'static str,
    /// What it saw.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Look at everything once. Changes nothing.
pub fn examine(root: &HostRoot, asked: &Asked) -> Report {
    report(&Subject::observe(root, asked))
}

fn report(subject: &Subject) -> Report {
    let line = |check: &'static Check| Line {
        code: check.code,
        group: check.group,
        looks_at: check.looks_at,
        finding: (check.examine)(subject),
    };
    let findings: Vec<Line> = CHECKS.iter().map(line).collect();
    let count = |outcome| findings.iter().filter(|line| line.finding.outcome == outcome).count();
    let counts = Counts {
        problem: count(Outcome::Problem),
        advice: count(Outcome::Advice),
        unobservable: count(Outcome::Unobservable),
        ok: count(Outcome::Ok),
        does_not_apply: count(Outcome::DoesNotApply),
    };
    Report {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        root: subject.host.root.clone(),
        name: subject.host.name.clone(),
        family: subject.family.name,
        board: subject.host.board.clone(),
        counts,
        findings,
    }
}
