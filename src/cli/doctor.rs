//! `backbone doctor`: the findings of [`crate::doctor`], worst first.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Advise as _;
use super::{Exit, Place, print, table};
use crate::config::Config;
use crate::doctor::{self, Asked, CheckedFinding, Grade, HostReport, Library};
use crate::host::HostRoot;
use crate::runtime::{RUNTIMES, Runtime, WorkerExecutable};

/// Check whether this host is fit to measure, and how to fix what is not
///
/// Changes nothing and takes less than a second. To check the daemon's permissions, run it as the daemon's user or while the daemon
/// is running. Exits with code 1 if it finds a problem, and with 0 if it has only advice.
#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    place: Place,
    /// Folder for finished bundles
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
    /// Folder to use as /, also for the folders in the settings
    #[arg(long, value_name = "FOLDER")]
    host_root: Option<PathBuf>,
    /// Also show what is fine and what does not apply
    #[arg(long, visible_alias = "verbose", conflicts_with = "json")]
    all: bool,
    /// Print every finding as JSON; docs/OPERATING.md has the keys
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: DoctorArguments) -> anyhow::Result<Exit> {
    let (config, _) = arguments.place.load(arguments.outbox, arguments.host_root)?;
    let root = HostRoot::new(&config.host_root).advise("--host-root takes the path of a folder")?;
    let report = doctor::examine(&root, &asked(&config, &own(&root)?));
    if arguments.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&render(&report, arguments.all))?;
    }
    Ok(if report.counts.problem == 0 { Exit::Done } else { Exit::Failed })
}

/// The path of this program; under another root, where `make install` puts it.
fn own(root: &HostRoot) -> anyhow::Result<PathBuf> {
    const INSTALLED: &str = "/usr/bin/backbone";
    Ok(if root.is_real() { std::env::current_exe()? } else { PathBuf::from(INSTALLED) })
}

fn asked(config: &Config, own: &Path) -> Asked {
    let libraries = RUNTIMES.iter().filter(|runtime| !runtime.simulated);
    Asked {
        inbox: config.inbox.clone(),
        spool: config.spool.clone(),
        outbox: config.outbox.clone(),
        state: config.state.clone(),
        libraries: libraries.map(|runtime| library(runtime, config, own)).collect(),
    }
}

fn library(runtime: &Runtime, config: &Config, own: &Path) -> Library {
    let settings = config.runtimes.get(runtime.name).cloned().unwrap_or_default();
    let file_name = runtime.library_file.unwrap_or_default();
    // Where the daemon looks: what the settings name, else what is installed with the program.
    let installed = || {
        let prefix = own.parent().and_then(Path::parent);
        prefix.map(|prefix| prefix.join("lib/backbone").join(file_name))
    };
    let worker = match runtime.worker {
        WorkerExecutable::ThisProgram => own.to_owned(),
        WorkerExecutable::Tflite => own.with_file_name("backbone-worker-tflite"),
    };
    Library {
        runtime: runtime.name,
        is_named: settings.library.is_some(),
        candidates: settings.library.or_else(installed).into_iter().collect(),
        file_name,
        worker: settings.worker.unwrap_or(worker),
    }
}

fn render(report: &HostReport, all: bool) -> String {
    let mut text = heading(report);
    for &outcome in Grade::ALL {
        let lines: Vec<&CheckedFinding> =
            report.findings.iter().filter(|line| line.finding.outcome == outcome).collect();
        let is_shown = all || matches!(outcome, Grade::Problem | Grade::Advice | Grade::Unobservable);
        if !lines.is_empty() && is_shown {
            let (heading, _) = words(outcome);
            text.push_str(&format!("\n{heading}\n{}", table::indent(&section(&lines))));
        }
    }
    text.push_str(&format!("\n{}\n", counts(report)));
    text
}

fn heading(report: &HostReport) -> String {
    let name = report.name.as_deref().unwrap_or("unnamed host");
    let board = report.board.as_deref().map(|board| format!(", {board}")).unwrap_or_default();
    format!("{name}: {}{board}\n", report.family)
}

/// A line for what was seen and one for what to do, next to the check's code.
fn section(lines: &[&CheckedFinding]) -> String {
    let width = lines.iter().map(|line| line.code.len()).max().unwrap_or_default();
    let mut text = String::new();
    for line in lines {
        text.push_str(&format!("{:width$}  {}\n", line.code, line.finding.observed));
        if let Some(remedy) = &line.finding.remedy {
            text.push_str(&format!("{:width$}  → {remedy}\n", ""));
        }
    }
    text
}

/// As a heading, and after a number.
fn words(outcome: Grade) -> (&'static str, &'static str) {
    match outcome {
        Grade::Problem => ("problems", "with a problem"),
        Grade::Advice => ("advice", "with advice"),
        Grade::Unobservable => ("unobservable", "unobservable"),
        Grade::Ok => ("fine", "fine"),
        Grade::DoesNotApply => ("does not apply", "do not apply"),
    }
}

fn counts(report: &HostReport) -> String {
    let of = |outcome: &Grade| {
        let count = report.findings.iter().filter(|line| line.finding.outcome == *outcome).count();
        format!("{count} {}", words(*outcome).1)
    };
    let counted: Vec<String> = Grade::ALL.iter().map(of).collect();
    format!("{} checks: {}", report.findings.len(), counted.join(", "))
}
