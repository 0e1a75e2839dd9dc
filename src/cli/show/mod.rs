//! `backbone show`: results as a person reads them, from a bundle's file or by the name of the job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::failure::{Advise as _, Explain as _};
use super::{DaemonPlace, Exit, outcome, print, readable};
use crate::bundle::format::Bundle;
use crate::bundle::read;
use crate::bundle::write::file_name;
use crate::daemon::observer::BundleLine;
use crate::guarded;
use crate::spool::names::JobId;
use crate::text::counted;
use crate::verdict;

mod histogram;
mod text;

/// Show a result as a person reads it: latencies, verdict, network, platform, where it comes from
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// A bundle (`….json.gz`), or the name or the id of a job whose bundles are in the outbox
    #[arg(value_name = "BUNDLE|JOB")]
    what: PathBuf,
    /// Folder with the bundles of jobs [default: the daemon's outbox]
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
    /// Configuration file [default: /etc/backbone/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn execute(arguments: ShowArguments) -> anyhow::Result<Exit> {
    let ShowArguments { what, outbox, config } = arguments;
    if what.is_dir() {
        return Err(anyhow!("{} is a folder", what.display()))
            .advise(format!("`backbone results {}` lists what is in it", what.display()))
            .exit(Exit::WrongInput);
    }
    if what.exists() || what.components().count() > 1 {
        print(&text::render(&bundle(&what)?))?;
        return Ok(Exit::Done);
    }
    let place = DaemonPlace { config, ..DaemonPlace::default() };
    let (config, _) = place.load(outbox, None)?;
    let name = readable(what.as_os_str());
    let found = of_job(&config.outbox, &name).exit(Exit::WrongInput)?;
    match &found[..] {
        [] => Err(anyhow!(
            "there is no bundle `{name}`, and no job of this name has one in {}",
            config.outbox.display()
        ))
        .advise("`backbone results` lists what was measured; name another folder with `--outbox`")
        .exit(Exit::WrongInput),
        [(_, bundle)] => print(&text::render(bundle)).map(|()| Exit::Done),
        several => print(&listed(several, &config.outbox)).map(|()| Exit::Done),
    }
}

fn bundle(path: &Path) -> anyhow::Result<Bundle> {
    let file = fs_err::File::open(path).exit(Exit::WrongInput)?;
    read::decode(file)
        .map(reread)
        .explain()
        .map_err(|error| error.context(format!("cannot show {}", path.display())))
        .exit(Exit::WrongInput)
}

/// With the verdict as this version reads it.
fn reread(bundle: Bundle) -> Bundle {
    Bundle { verdict: verdict::reread(&bundle), ..bundle }
}

/// The bundles of the newest job of that name, or of the job with that id, in the order of its
/// configurations. A bundle that cannot be read is left out.
fn of_job(outbox: &Path, name: &str) -> anyhow::Result<Vec<(String, Bundle)>> {
    let wanted = JobId::parse(name);
    let file = file_name(name, None, None, "");
    let prefix = format!("{}.", file.split('.').next().unwrap_or_default());
    let mut jobs: BTreeMap<JobId, BTreeMap<usize, String>> = BTreeMap::new();
    for entry in fs_err::read_dir(outbox)? {
        let Ok(file) = entry?.file_name().into_string() else { continue };
        let Some((job, configuration)) = JobId::of_bundle(&file) else { continue };
        if wanted.as_ref().map_or_else(|| file.starts_with(&prefix), |wanted| *wanted == job) {
            jobs.entry(job).or_default().insert(configuration, file);
        }
    }
    let read = |file: &String| read::decode(guarded::open_path(&outbox.join(file)).ok()?).map(reread).ok();
    // Different names may be the same in a file's name.
    let is_wanted = |bundle: &Bundle| wanted.is_some() || bundle.job.name == name;
    for files in jobs.into_values().rev() {
        let bundles = files.into_values().filter_map(|file| read(&file).map(|bundle| (file, bundle)));
        let found: Vec<(String, Bundle)> = bundles.filter(|(_, bundle)| is_wanted(bundle)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The files of the newest job of that name, or of the job with that id; empty if there is none.
///
/// # Errors
/// If the outbox cannot be read.
#[cfg(feature = "desk")]
pub(super) fn files_of_job(outbox: &Path, name: &str) -> anyhow::Result<Vec<PathBuf>> {
    Ok(of_job(outbox, name)?.into_iter().map(|(file, _)| outbox.join(file)).collect())
}

/// Several bundles of one job: a line for each, and the names by which each can be shown.
fn listed(bundles: &[(String, Bundle)], outbox: &Path) -> String {
    let rows: Vec<BundleLine> = bundles.iter().map(|(file, bundle)| BundleLine::of(bundle, file)).collect();
    let files: String = bundles.iter().map(|(file, _)| format!("  {file}\n")).collect();
    format!(
        "{}\n{}\nshow one of them with `backbone show FILE`, in {}:\n{files}",
        counted(bundles.len(), "configuration", "configurations"),
        outcome::table(&rows),
        readable(outbox.as_os_str())
    )
}

#[cfg(test)]
mod tests;
