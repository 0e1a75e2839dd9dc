//! `backbone report`: what collected results say, as one page with its figures and tables beside it.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use fs_err as fs;

use super::collected::{self, Sources};
use super::failure::Advise as _;
use super::{Exit, note, print, readable, whole_file};
use crate::analysis::build::Builds;
use crate::analysis::peaks::{GivenPeaks, PeaksError};
use crate::analysis::{Options, analyse, pareto};
use crate::error::Hint as _;
use crate::report::{Drawn, Place, RENDERERS, Report};
use crate::stats::resample::RESAMPLES;

/// Write a report on collected results: a page for any browser, and its figures and tables in a folder beside it
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    sources: Sources,
    /// The page; `report.html` has its figures (SVG) and tables (CSV) in `report-figures`
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Also write the choices worth searching on each platform, as YAML for architecture search
    #[arg(long, value_name = "FILE")]
    search_space: Option<PathBuf>,
    /// Leave suspect results out of aggregates too
    #[arg(long)]
    only_valid: bool,
    /// Which builds of a result its numbers are over
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = WhichBuilds::Fastest)]
    builds: WhichBuilds,
    /// Peaks for the roofline in place of the measured ones, operations and bytes a second; may be given for each platform and
    /// number format, such as `xavier/int8=22.8e12,137e9`
    #[arg(long, value_name = "[PLATFORM[/PRECISION]=]OPERATIONS,BYTES", value_parser = peaks)]
    peaks: Vec<GivenPeaks>,
    /// Resamples behind each interval
    #[arg(long, value_name = "COUNT", default_value_t = RESAMPLES, value_parser = resamples)]
    resamples: usize,
    /// Seed of the resampling: the same results and seed give the same report
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// [`Builds`], as people type them.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhichBuilds {
    /// The one with the lowest mean, as the paper has it
    Fastest,
    /// The first one
    First,
    /// All together
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

/// Fewer resamples than this do not reach the 2.5th percentile.
const FEWEST_RESAMPLES: usize = 100;

/// More than this change no digit that is shown, and fill the memory.
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
    let collection = collected::collection(&arguments.sources)?;
    let options = Options {
        resamples: arguments.resamples,
        seed: arguments.seed,
        only_valid: arguments.only_valid,
        builds: arguments.builds.into(),
        peaks: arguments.peaks.clone(),
    };
    let analysis = analyse(collection.rows, options);
    let drawn = Drawn::new(&analysis);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let report = Report::new(&analysis, &drawn, collection.files, &collection.oddities, &name);

    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
        .advise("name a page whose folder is writable with `--output`")?;
    let mut written: HashSet<String> = HashSet::new();
    // The page last: it links to the others.
    for renderer in RENDERERS.iter().rev() {
        for file in renderer.render(&report) {
            let path = match renderer.place {
                Place::Report => arguments.output.clone(),
                Place::Beside => folder.join(&file.name),
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
        note(&format!("files in {shown} that are not of this report, and were left: {strangers}"));
    }
    print(&format!(
        "{}: {} results, {} platforms, {} findings, {} figures\n",
        readable(arguments.output.as_os_str()),
        analysis.rows.len(),
        analysis.platforms.len(),
        analysis.findings.len(),
        drawn.figures().len(),
    ))?;
    Ok(Exit::Done)
}

/// The folder beside a page, named after it.
fn folder(page: &Path) -> anyhow::Result<PathBuf> {
    let stem = page
        .file_stem()
        .with_context(|| format!("{} names no file", page.display()))
        .exit(Exit::WrongInput)?;
    let mut name = stem.to_owned();
    name.push("-figures");
    Ok(page.with_file_name(name))
}

/// Files of an earlier report, or of somebody: none is removed, because nobody asked for that.
fn strangers(folder: &Path, written: &HashSet<String>) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().filter(|entry| !written.contains(entry.file_name().to_string_lossy().as_ref())).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_named_after_the_page_and_lies_beside_it() {
        assert_eq!(folder(Path::new("a/b.html")).unwrap(), Path::new("a/b-figures"));
        assert_eq!(folder(Path::new("report")).unwrap(), Path::new("report-figures"));
        assert!(folder(Path::new("..")).is_err());
    }
}
