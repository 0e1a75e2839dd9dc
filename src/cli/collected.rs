//! Shared by the commands of the desk side: which folders to collect from, and messages about the files in
//! them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::failure::{Advise as _, Explain as _};
use super::{Exit, note, readable};
use crate::analysis::row::Row;
use crate::collect::{Collection, Oddity, OddityKind, collect};

/// Where results come from.
#[derive(Debug, Args)]
pub(super) struct Sources {
    /// Folders with bundles at any depth, or single bundles
    #[arg(required = true, value_name = "DIR")]
    pub(super) folders: Vec<PathBuf>,
    /// Include simulated results
    #[arg(long)]
    pub(super) include_simulated: bool,
    /// List every file that gave no result instead of the first few of each kind
    #[arg(long)]
    pub(super) name_all: bool,
}

/// Files listed of each kind.
const NAMED: usize = 5;

/// Only the rows of [`collection`].
///
/// # Errors
/// As [`collection`].
pub(super) fn rows(sources: &Sources) -> anyhow::Result<Vec<Row>> {
    collection(sources).map(|collection| collection.rows)
}

/// The results below the folders. Files that gave none are listed on standard error.
///
/// # Errors
/// If a folder cannot be read, or none holds a result.
pub(super) fn collection(sources: &Sources) -> anyhow::Result<Collection> {
    let collection = collect(&sources.folders, sources.include_simulated).explain().exit(Exit::WrongInput)?;
    for line in lines(&collection, sources.name_all) {
        note(&line);
    }
    if collection.rows.is_empty() {
        let simulated = collection.counts().contains_key(&OddityKind::Simulated);
        return Err(anyhow!("no results in {}", listed(&sources.folders))).exit(Exit::WrongInput).advise(
            if simulated {
                "all results are simulated; include them with `--include-simulated`"
            } else {
                "name folders with bundles (`….json.gz`), such as copies of an outbox"
            },
        );
    }
    Ok(collection)
}

fn lines(collection: &Collection, name_all: bool) -> Vec<String> {
    let mut by_kind: BTreeMap<OddityKind, Vec<&Oddity>> = BTreeMap::new();
    for oddity in &collection.oddities {
        by_kind.entry(oddity.kind).or_default().push(oddity);
    }
    let mut lines = vec![format!("{} files, {} results", collection.files, collection.rows.len())];
    for (kind, oddities) in by_kind {
        let (one, many) = kind.nouns();
        lines.push(format!("{} {}", oddities.len(), if oddities.len() == 1 { one } else { many }));
        let named = if name_all { oddities.len() } else { NAMED };
        for oddity in oddities.iter().take(named) {
            let (path, detail) = (readable(oddity.path.as_ref()), readable(oddity.detail.as_ref()));
            lines.push(format!("  {path}: {detail}"));
        }
        if oddities.len() > named {
            lines.push(format!("  and {} more; `--name-all` lists them", oddities.len() - named));
        }
    }
    lines
}

fn listed(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders.iter().map(|folder| readable(folder.as_os_str())).collect();
    names.join(", ")
}
