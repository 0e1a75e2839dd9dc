//! `backbone report`: what collected results say, as one page with its figures and tables next to it.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use fs_err as fs;

use super::chosen::Chosen;
use super::collected::{self, Sources};
use super::failure::Advise as _;
use super::{Exit, note, print, readable, whole_file};
use crate::analysis::build::Builds;
use crate::analysis::peaks::{GivenPeaks, PeaksError};
use crate::analysis::{AnalysisOptions, analyse, pareto};
use crate::error::Hint as _;
use crate::report::{Destination, Drawn, RENDERERS, Report};
use crate::stats::resample::RESAMPLES;
use crate::text::counted;

/// Write a report on collected results: one page, with its figures and tables in a folder next to it
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    sources: Sources,
    /// The page; figures (SVG) and tables (CSV) of `report.html` go to `report-figures`
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    #[command(flatten)]
    chosen: Chosen,
    /// Open the page in the browser once it is written
    #[arg(long)]
    open: bool,
    /// Also write the Pareto-optimal choices of each platform, as YAML for architecture search
    #[arg(long, value_name = "FILE")]
    search_space: Option<PathBuf>,
    /// Exclude suspect and unverified results from aggregates as well
    #[arg(long)]
    only_valid: bool,
    /// Which builds of a result its numbers cover
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = WhichBuilds::Fastest)]
    builds: WhichBuilds,
    /// Peaks for the roofline instead of the measured ones, in operations and bytes per second; repeatable,
    /// for a platform, power mode and number format such as `xavier@MAXN/int8=22.8e12,137e9`
    #[arg(long, value_name = "[PLATFORM[@MODE][/PRECISION]=]OPERATIONS,BYTES", value_parser = peaks)]
    peaks: Vec<GivenPeaks>,
    /// Resamples behind each interval
    #[arg(long, value_name = "COUNT", default_value_t = RESAMPLES, value_parser = resamples)]
    resamples: usize,
    /// Seed for resampling; the same results and seed give the same report
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// [`Builds`], as people type them.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhichBuilds {
    /// The build with the lowest mean, as in the paper
    Fastest,
    /// The first build
    First,
    /// All builds together
    All,
}

impl From<WhichBuilds> for Builds {
    fn from(which: WhichBuilds) -> Self {
        match which {
            WhichBuilds::Fastest => Self::Fastest,
            WhichBuilds::First => Self::First,
            WhichBuilds::All => Self::All,
        }
    }
}

/// Fewer resamples do not reach the 2.5th percentile.
const FEWEST_RESAMPLES: usize = 100;

/// More resamples fill the memory without changing a digit that is shown.
const MOST_RESAMPLES: usize = 1_000_000;

fn resamples(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (FEWEST_RESAMPLES..=MOST_RESAMPLES).contains(&count) => Ok(count),
        _ => Err(format!("not a whole number from {FEWEST_RESAMPLES} to {MOST_RESAMPLES}")),
    }
}

fn peaks(text: &str) -> Result<GivenPeaks, String> {
    text.parse().map_err(|error: PeaksError| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
        format!("{error}{hint}")
    })
}

pub(super) fn execute(arguments: &ReportArguments) -> anyhow::Result<Exit> {
    let folder = folder(&arguments.output)?;
    if arguments.output.is_dir() {
        return Err(anyhow!("{} is a folder", arguments.output.display()))
            .exit(Exit::WrongInput)
            .advise("name a file with `--output`, such as report.html");
    }
    let mut collection = collected::collection(&arguments.sources)?;
    let all = collection.rows.len();
    collection.rows.retain(|row| arguments.chosen.admits(row));
    let not_asked_for = all - collection.rows.len();
    if collection.rows.is_empty() {
        return Err(anyhow!("none of {} is what was asked for", counted(all, "result", "results")))
            .advise(
                "ask for fewer things at once; `backbone results` with the same flags lists what there is",
            )
            .exit(Exit::WrongInput);
    }
    let options = AnalysisOptions {
        resamples: arguments.resamples,
        seed: arguments.seed,
        only_valid: arguments.only_valid,
        builds: arguments.builds.into(),
        peaks: arguments.peaks.clone(),
    };
    let analysis = analyse(collection.rows, options);
    let drawn = Drawn::new(&analysis);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut report = Report::new(&analysis, &drawn, collection.files, &collection.oddities, &name);
    report.not_asked_for = not_asked_for;

    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))
        .advise("name a file in a writable folder with `--output`")?;
    let mut written: HashSet<String> = HashSet::new();
    // The page comes last because it links to the others.
    for renderer in RENDERERS.iter().rev() {
        for file in renderer.render(&report) {
            let path = match renderer.destination {
                Destination::Report => arguments.output.clone(),
                Destination::Folder => folder.join(&file.name),
            };
            whole_file::write(&path, |output| output.write_all(file.content.as_bytes()))?;
            written.insert(file.name);
        }
    }
    if let Some(path) = &arguments.search_space {
        whole_file::write(path, |output| output.write_all(pareto::search_space(&analysis).as_bytes()))?;
    }
    let strangers = strangers(&folder, &written);
    if strangers > 0 {
        let shown = readable(folder.as_os_str());
        let files = if strangers == 1 { "file" } else { "files" };
        note(&format!("kept {strangers} {files} in {shown} that are not part of this report"));
    }
    print(&format!(
        "{}: {} results, {} platforms, {} findings, {} figures\n",
        readable(arguments.output.as_os_str()),
        analysis.rows.len(),
        analysis.platforms.len(),
        analysis.findings.len(),
        drawn.figures().len(),
    ))?;
    if arguments.open {
        open(&arguments.output)?;
    }
    Ok(Exit::Done)
}

/// Programs that open a file with what the person prefers, the first that is installed.
const OPENERS: &[&str] = &["xdg-open", "open"];

/// Opens the page; does not wait for the browser.
fn open(page: &Path) -> anyhow::Result<()> {
    // An absolute path never looks like an option or an address.
    let page = fs::canonicalize(page)?;
    let start = |opener: &&&str| {
        let quiet = || std::process::Stdio::null();
        let mut command = Command::new(opener);
        command.arg(&page).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok()
    };
    OPENERS
        .iter()
        .find(start)
        .map(|_| ())
        .with_context(|| format!("none of {} is installed", OPENERS.join(", ")))
        .advise("open the page by hand; it is written")
}

/// The folder next to a page, named after it.
fn folder(page: &Path) -> anyhow::Result<PathBuf> {
    let stem = page
        .file_stem()
        .with_context(|| format!("{} does not name a file", page.display()))
        .exit(Exit::WrongInput)?;
    let mut name = stem.to_owned();
    name.push("-figures");
    Ok(page.with_file_name(name))
}

/// Files of an earlier report or of the user; they stay.
fn strangers(folder: &Path, written: &HashSet<String>) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().filter(|entry| !written.contains(entry.file_name().to_string_lossy().as_ref())).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_next_to_the_page_and_named_after_it() {
        assert_eq!(folder(Path::new("a/b.html")).unwrap(), Path::new("a/b-figures"));
        assert_eq!(folder(Path::new("report")).unwrap(), Path::new("report-figures"));
        assert!(folder(Path::new("..")).is_err());
    }
}
