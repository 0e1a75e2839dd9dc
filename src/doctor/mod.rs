//! Is this host fit to measure? Each of the [`CHECKS`] looks at one thing and reports what it saw and what to
//! do about it.
//!
//! The checks change nothing and load no inference library. They use what detection, power control and the
//! sensors read, and small files below the host root. The only tool they run is the one that reports the
//! power mode, with a time limit: all checks together take less than a second; the driver of a graphics card,
//! which another process asks, may take some more. They do not decide whether a
//! job may run; a verdict comes from what was observed while the job ran.
//!
//! A check is one function and one line in [`CHECKS`]. The help text, the table in `docs/OPERATING.md` and
//! the conformance test are derived from it.

use serde::Serialize;

use crate::host::root::HostRoot;

mod accelerators;
mod checks;
mod folders;
mod graphics;
mod heat;
mod libraries;
mod memory;
mod mounts;
mod power;
mod power_mode;
mod process_rights;
mod processes;
mod processors;
mod quiet;
mod rights;
mod sandbox;
mod service;
mod subject;
mod time;

#[cfg(test)]
mod tests;

pub use checks::CHECKS;
pub use subject::{Asked, Library};

use subject::Subject;

/// Value of [`HostReport::format`].
pub const FORMAT: &str = "backbone.doctor/1";

/// One thing to look at.
#[derive(Debug)]
pub struct Check {
    /// Stable code in snake case.
    pub code: &'static str,
    /// The group it belongs to.
    pub group: Group,
    /// What it looks at, in a few words.
    pub looks_at: &'static str,
    examine: fn(&Subject) -> Finding,
}

impl Check {
    const fn new(
        group: Group,
        code: &'static str,
        looks_at: &'static str,
        examine: fn(&Subject) -> Finding,
    ) -> Self {
        Self { code, group, looks_at, examine }
    }
}

/// Groups of checks, in the order in which they are shown.
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
    /// Date and time.
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

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Results will be wrong or missing.
    Problem,
    /// Results get better if this is fixed.
    Advice,
    /// The host does not show it.
    Unobservable,
    /// Nothing to do.
    Ok,
    /// The host has no such thing.
    DoesNotApply,
}

impl Grade {
    /// Every one, worst first.
    pub const ALL: &[Self] = &[Self::Problem, Self::Advice, Self::Unobservable, Self::Ok, Self::DoesNotApply];
}

/// What a check saw, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The result.
    pub outcome: Grade,
    /// A sentence with the observed value.
    pub observed: String,
    /// A command or another remedy; every problem and advice has one.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(observed: impl Into<String>) -> Self {
        Self { outcome: Grade::Ok, observed: observed.into(), remedy: None }
    }

    fn problem(observed: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Grade::Problem, observed: observed.into(), remedy: Some(remedy.into()) }
    }

    fn advice(observed: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Grade::Advice, observed: observed.into(), remedy: Some(remedy.into()) }
    }

    fn unobservable(observed: impl Into<String>) -> Self {
        Self { outcome: Grade::Unobservable, observed: observed.into(), remedy: None }
    }

    fn does_not_apply(observed: impl Into<String>) -> Self {
        Self { outcome: Grade::DoesNotApply, observed: observed.into(), remedy: None }
    }

    fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// All findings on a host.
#[derive(Debug, Serialize)]
pub struct HostReport {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// The folder used as `/`.
    pub root: String,
    /// Host name.
    pub name: Option<String>,
    /// Host family.
    pub family: &'static str,
    /// Board.
    pub board: Option<String>,
    /// How many findings of each outcome.
    pub counts: Counts,
    /// One for each check, in the order of [`CHECKS`].
    pub findings: Vec<CheckedFinding>,
}

/// How many findings of each outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// [`Grade::Problem`].
    pub problem: usize,
    /// [`Grade::Advice`].
    pub advice: usize,
    /// [`Grade::Unobservable`].
    pub unobservable: usize,
    /// [`Grade::Ok`].
    pub ok: usize,
    /// [`Grade::DoesNotApply`].
    pub does_not_apply: usize,
}

/// A finding with its check.
#[derive(Debug, Serialize)]
pub struct CheckedFinding {
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

/// Run every check once. Changes nothing.
pub fn examine(root: &HostRoot, asked: &Asked) -> HostReport {
    report(&Subject::observe(root, asked))
}

fn report(subject: &Subject) -> HostReport {
    let line = |check: &'static Check| CheckedFinding {
        code: check.code,
        group: check.group,
        looks_at: check.looks_at,
        finding: (check.examine)(subject),
    };
    let findings: Vec<CheckedFinding> = CHECKS.iter().map(line).collect();
    let count = |outcome| findings.iter().filter(|line| line.finding.outcome == outcome).count();
    let counts = Counts {
        problem: count(Grade::Problem),
        advice: count(Grade::Advice),
        unobservable: count(Grade::Unobservable),
        ok: count(Grade::Ok),
        does_not_apply: count(Grade::DoesNotApply),
    };
    HostReport {
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
