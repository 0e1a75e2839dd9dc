//! Bundles from any tree of folders, as rsync leaves it: of any mix of hosts and versions, with whatever else lies there.
//!
//! Every file is either a result or is named with the reason why not; none is dropped in silence and no two are merged.
//! Nothing is written. Rows go to `analysis` and `export`. Files are foreign input: names, sizes and contents are not trusted,
//! links are not followed, and only regular files are opened.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use fs_err as fs;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::analysis::platform::Identity;
use crate::analysis::row::Row;
use crate::bundle::format::Bundle;
use crate::bundle::read::{LARGEST_BUNDLE_BYTES, ReadError, decode_within};
use crate::error::Hint;
use crate::parallel;

#[cfg(test)]
mod tests;

/// How a bundle's name ends.
const ENDING: &str = ".json.gz";

/// The daemon's copy of its status, which lies in every outbox.
const STATUS_FILE: &str = "status.json";

/// What a bundle may decompress to.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Where several threads read at once. Larger ones are read one at a time, so that files made to exhaust memory cost
    /// that much once.
    at_once_bytes: u64,
    /// At all.
    largest_bytes: u64,
}

const LIMITS: Limits = Limits { at_once_bytes: 16 * 1024 * 1024, largest_bytes: LARGEST_BUNDLE_BYTES };

/// What was found.
#[derive(Debug, Default)]
pub struct Collection {
    /// The results, in the order of their paths.
    pub rows: Vec<Row>,
    /// Every file and folder that gave none, in the order of the paths.
    pub oddities: Vec<Oddity>,
    /// Files that were looked at.
    pub files: usize,
}

/// A file that gave no result of its own, or one to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oddity {
    /// Where, from the folder that was given.
    pub path: String,
    /// What is odd about it.
    pub kind: OddityKind,
    /// The case at hand.
    pub detail: String,
}

/// What can be odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OddityKind {
    /// The same result was found before, under another path; it counts once.
    Duplicate,
    /// Different results carry one id, as copies of one installation do. Both count, each as itself.
    SharedId,
    /// The result is not of the real thing, and such were not asked for.
    Simulated,
    /// A copy under way or broken off: its name begins with a dot, or a folder's above it does.
    Partial,
    /// It has a bundle's name and ends too early.
    Truncated,
    /// It has a bundle's name and its bytes are not one.
    Damaged,
    /// It decompresses to more than any bundle has.
    TooLarge,
    /// A newer program wrote it.
    NewerFormat,
    /// It does not have a bundle's name.
    Foreign,
    /// A link, a socket or anything else that is no regular file.
    NotAFile,
    /// It could not be read.
    Unreadable,
}

impl OddityKind {
    /// For counts: one, many.
    pub(crate) fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Self::Duplicate => ("duplicate of another", "duplicates of others"),
            Self::SharedId => (
                "result that shares its id with a different one",
                "results that share their id with different ones",
            ),
            Self::Simulated => ("simulated result left out", "simulated results left out"),
            Self::Partial => ("partial copy", "partial copies"),
            Self::Truncated => ("truncated bundle", "truncated bundles"),
            Self::Damaged => ("damaged bundle", "damaged bundles"),
            Self::TooLarge => ("file that decompresses to too much", "files that decompress to too much"),
            Self::NewerFormat => ("bundle of a newer version", "bundles of a newer version"),
            Self::Foreign => ("foreign file", "foreign files"),
            Self::NotAFile => ("link or special file", "links and special files"),
            Self::Unreadable => ("unreadable file or folder", "unreadable files and folders"),
        }
    }
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
#[error("cannot look for bundles in {}", path.display())]
pub struct CollectError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Hint for CollectError {
    fn hint(&self) -> Option<String> {
        Some("give folders that hold bundles, such as copies of an outbox, or single bundles".to_owned())
    }
}

impl Collection {
    /// How many oddities there are of each kind.
    pub fn counts(&self) -> BTreeMap<OddityKind, usize> {
        let mut counts = BTreeMap::new();
        for oddity in &self.oddities {
            *counts.entry(oddity.kind).or_insert(0) += 1;
        }
        counts
    }
}

/// Collect every result below the folders. Simulated ones are left out, and named, unless asked for.
///
/// # Errors
/// Where one of the folders that were named cannot be looked at: a mistyped path must not read as an empty outbox. What lies
/// below them is named in [`Collection::oddities`] instead.
pub fn collect(folders: &[PathBuf], include_simulated: bool) -> Result<Collection, CollectError> {
    collect_within(folders, include_simulated, LIMITS)
}

fn collect_within(
    folders: &[PathBuf],
    include_simulated: bool,
    limits: Limits,
) -> Result<Collection, CollectError> {
    let mut walk = Walk::default();
    for folder in folders {
        walk.enter(folder)?;
    }
    walk.part_links();
    let identities: Mutex<HashSet<Arc<Identity>>> = Mutex::default();
    let whole_memory = Mutex::new(());
    let read = parallel::map(&walk.bundles, |found| {
        let mut row = row(found, limits, &whole_memory)?;
        // Most rows are of few platforms: one copy of each serves all.
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        match identities.get(&row.identity) {
            Some(known) => row.identity = Arc::clone(known),
            None => drop(identities.insert(Arc::clone(&row.identity))),
        }
        Ok(row)
    });
    let mut collection = Collection { rows: Vec::new(), oddities: walk.oddities, files: walk.files };
    for result in read {
        match result {
            Ok(row) => collection.rows.push(row),
            Err(oddity) => collection.oddities.push(oddity),
        }
    }
    collection.rows.sort_by(|one, other| one.path.cmp(&other.path));
    collection.part_duplicates();
    if !include_simulated {
        collection.part_simulated();
    }
    collection.oddities.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(collection)
}

impl Collection {
    /// One row of each content; rows of different contents under one id get ids of their own.
    fn part_duplicates(&mut self) {
        let mut first: HashMap<String, (String, String)> = HashMap::new();
        let mut contents: HashMap<String, HashSet<String>> = HashMap::new();
        let mut kept: Vec<Row> = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            if let Some((_, path)) = first.get(&row.sha256) {
                let detail = format!("the same as {path}");
                self.oddities.push(Oddity { path: row.path, kind: OddityKind::Duplicate, detail });
                continue;
            }
            first.insert(row.sha256.clone(), (row.id.clone(), row.path.clone()));
            contents.entry(row.id.clone()).or_default().insert(row.sha256.clone());
            kept.push(row);
        }
        for row in kept.iter_mut().filter(|row| contents[&row.id].len() > 1) {
            let detail = format!("{} results have the id {}", contents[&row.id].len(), row.id);
            self.oddities.push(Oddity { path: row.path.clone(), kind: OddityKind::SharedId, detail });
            row.id = format!("{}#{}", row.id, row.sha256.chars().take(8).collect::<String>());
        }
        self.rows = kept;
    }

    fn part_simulated(&mut self) {
        let (simulated, real): (Vec<Row>, Vec<Row>) =
            std::mem::take(&mut self.rows).into_iter().partition(|row| row.simulated);
        self.rows = real;
        self.oddities.extend(simulated.into_iter().map(|row| Oddity {
            path: row.path,
            kind: OddityKind::Simulated,
            detail: format!("id {}", row.id),
        }));
    }
}

/// A file with a bundle's name.
#[derive(Debug)]
struct Found {
    file: PathBuf,
    shown: String,
}

/// What lies below the folders, by name alone.
#[derive(Debug, Default)]
struct Walk {
    bundles: Vec<Found>,
    oddities: Vec<Oddity>,
    files: usize,
}

impl Walk {
    /// Look at a folder or a file that somebody named; a link there is followed.
    fn enter(&mut self, root: &Path) -> Result<(), CollectError> {
        let error = |source| CollectError { path: root.to_owned(), source };
        if fs::metadata(root).map_err(error)?.is_dir() {
            // Now, because what is below is named and passed over.
            fs::read_dir(root).map_err(error)?;
            self.descend(root);
        } else {
            fs::File::open(root).map_err(error)?;
            self.files += 1;
            self.bundles.push(Found { file: root.to_owned(), shown: shown(root, Path::new("")) });
        }
        Ok(())
    }

    fn descend(&mut self, root: &Path) {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.odd(shown(&folder, root), OddityKind::Unreadable, &error.to_string());
                    continue;
                }
            };
            for entry in entries {
                match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                    Ok((path, kind)) if kind.is_dir() => folders.push(path),
                    Ok((path, kind)) => self.look(path, root, kind.is_file()),
                    Err(error) => self.odd(shown(&folder, root), OddityKind::Unreadable, &error.to_string()),
                }
            }
        }
    }

    fn look(&mut self, path: PathBuf, root: &Path, is_file: bool) {
        self.files += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let below = path.strip_prefix(root).unwrap_or(&path);
        let is_hidden = below.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
        let label = shown(&path, root);
        if !is_file {
            self.odd(label, OddityKind::NotAFile, "not opened");
        } else if is_hidden && name.contains(ENDING) {
            self.odd(label, OddityKind::Partial, "rsync and the daemon rename a file when it is whole");
        } else if is_hidden {
            self.odd(label, OddityKind::Foreign, "hidden, and no copy of a bundle by its name");
        } else if name.ends_with(ENDING) {
            self.bundles.push(Found { file: path, shown: label });
        } else if name == STATUS_FILE {
            self.odd(label, OddityKind::Foreign, "a daemon's status, as every outbox has one");
        } else {
            self.odd(label, OddityKind::Foreign, "its name does not end in .json.gz");
        }
    }

    /// One name of each file: a hard link is another name of the same bytes, and a hundred thousand need not be read.
    fn part_links(&mut self) {
        self.bundles.sort_by(|one, other| one.shown.cmp(&other.shown));
        let mut first: HashMap<(u64, u64), String> = HashMap::new();
        for found in std::mem::take(&mut self.bundles) {
            // What cannot be looked at is told when it is read.
            let linked = fs::metadata(&found.file).ok().filter(|metadata| metadata.nlink() > 1);
            match linked.map(|metadata| first.entry((metadata.dev(), metadata.ino()))) {
                Some(Entry::Occupied(known)) => {
                    let detail = format!("another name of {}", known.get());
                    self.odd(found.shown, OddityKind::Duplicate, &detail);
                }
                Some(Entry::Vacant(new)) => {
                    new.insert(found.shown.clone());
                    self.bundles.push(found);
                }
                None => self.bundles.push(found),
            }
        }
    }

    fn odd(&mut self, path: String, kind: OddityKind, detail: &str) {
        self.oddities.push(Oddity { path, kind, detail: detail.to_owned() });
    }
}

/// The path below a root, headed by the root's own last name so that several roots stay apart.
fn shown(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    match root.file_name() {
        Some(name) => Path::new(name).join(below).to_string_lossy().into_owned(),
        None => below.to_string_lossy().into_owned(),
    }
}

/// The row of a file.
fn row(found: &Found, limits: Limits, whole_memory: &Mutex<()>) -> Result<Row, Oddity> {
    let odd = |kind, detail: String| Oddity { path: found.shown.clone(), kind, detail };
    let (bundle, json) = match decode(&found.file, limits.at_once_bytes) {
        Err(ReadError::TooLarge { .. }) => {
            let _alone = whole_memory.lock().unwrap_or_else(PoisonError::into_inner);
            decode(&found.file, limits.largest_bytes)
        }
        other => other,
    }
    .map_err(|error| odd(kind_of(&error), described(&error)))?;
    let sha256 = HEXLOWER.encode(&Sha256::digest(&json));
    Ok(Row::new(bundle, found.shown.clone(), sha256))
}

fn decode(file: &Path, limit_bytes: u64) -> Result<(Bundle, Vec<u8>), ReadError> {
    decode_within(fs::File::open(file).map_err(ReadError::Unreadable)?, limit_bytes)
}

fn kind_of(error: &ReadError) -> OddityKind {
    match error {
        ReadError::Unreadable(_) => OddityKind::Unreadable,
        ReadError::Truncated => OddityKind::Truncated,
        ReadError::TooLarge { .. } => OddityKind::TooLarge,
        ReadError::NewerFormat { .. } => OddityKind::NewerFormat,
        _ => OddityKind::Damaged,
    }
}

fn described(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
