//! What the commands of the desk side share: which folders to collect from, and what they say about what lay there.

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
    /// Folders with bundles, however deep, or single bundles
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Take simulated results too
    #[arg(long)]
    include_simulated: bool,
    /// Name every file that gave no result, and not only the first few of a kind
    #[arg(long)]
    name_all: bool,
}

/// How many files of a kind are named.
const NAMED: usize = 5;

/// The rows below the folders, for who wants no more.
///
/// # Errors
/// As [`collection`].
pub(super) fn rows(sources: &Sources) -> anyhow::Result<Vec<Row>> {
    collection(sources).map(|collection| collection.rows)
}

/// Files in the folders. What gave no result is named on standard error.
///
/// # Errors
/// Where a folder cannot be read, or none of them holds a result.
pub(super) fn collection(sources: &Sources) -> anyhow::Result<Collection> {
    let collection = collect(&sources.folders, sources.include_simulated).explain().exit(Exit::WrongInput)?;
    for line in lines(&collection, sources.name_all) {
        note(&line);
    }
    if collection.rows.is_empty() {
        let simulated = collection.counts().contains_key(&OddityKind::Simulated);
        return Err(anyhow!("no results in {}", listed(&sources.folders))).exit(Exit::WrongInput).advise(
            if simulated {
                "there are only simulated ones: `--include-simulated` takes them"
            } else {
                "name folders that hold bundles (`….json.gz`), such as copies of an outbox"
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
            lines.push(format!("  and {} more, which `--name-all` names", oddities.len() - named));
        }
    }
    lines
}

fn listed(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders.iter().map(|folder| readable(folder.as_os_str())).collect();
    names.join(", ")
}
