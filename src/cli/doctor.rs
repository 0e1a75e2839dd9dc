//! `backbone doctor`: the findings of [`crate::doctor`], worst first.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Advise as _;
use super::{DaemonPlace, Exit, print, table};
use crate::config::Config;
use crate::doctor::{self, Asked, CheckedFinding, Grade, HostReport, Library};
use crate::host::HostRoot;
use crate::installation::Installation;
use crate::runtime::needs::Origin;
use crate::runtime::{Need, NeedKind, RUNTIMES, Runtime};

/// Check whether this host is fit to measure, and how to fix what is not
///
/// Changes nothing and takes less than a second. To check the daemon's permissions, run it as the daemon's
/// user or while the daemon is running. Exits with code 1 if it finds a problem, and with 0 if it has only
/// advice.
#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    place: DaemonPlace,
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
    let installation =
        if root.is_real() { Installation::of_this_process(&root)? } else { Installation::usual(&root) };
    let report = doctor::examine(&root, &asked(&config, &installation));
    if arguments.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&render(&report, arguments.all))?;
    }
    Ok(if report.counts.problem == 0 { Exit::Done } else { Exit::Failed })
}

fn asked(config: &Config, installation: &Installation) -> Asked {
    let libraries = RUNTIMES.iter().filter(|runtime| !runtime.simulated);
    Asked {
        inbox: config.inbox.clone(),
        spool: config.spool.clone(),
        outbox: config.outbox.clone(),
        state: config.state.clone(),
        libraries: libraries.map(|runtime| library(runtime, config, installation)).collect(),
    }
}

fn library(runtime: &Runtime, config: &Config, installation: &Installation) -> Library {
    let settings = config.runtimes.get(runtime.name).cloned().unwrap_or_default();
    let named = settings.get(NeedKind::Library).map(Path::to_path_buf);
    let (file_name, candidates) = match runtime.need(NeedKind::Library) {
        Some(need @ Need::Library { file, origin: Origin::Installation, .. }) => {
            (*file, installation.libraries(need))
        }
        _ => ("", Vec::new()),
    };
    let provided = installation.provide(runtime, &settings);
    Library {
        runtime: runtime.name,
        is_named: named.is_some(),
        candidates: named.map_or(candidates, |path| vec![path]),
        file_name,
        worker: installation.worker(runtime, &provided).executable,
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
