//! Bundles from any tree of folders, as rsync leaves it: any mix of hosts and versions, and any other files.
//!
//! Every file is either a result or is listed with the reason why not; none is dropped silently and no two
//! are merged. Nothing is written. Rows go to `analysis` and `export`. Files are untrusted input: names,
//! sizes and contents are checked, links are not followed, and only regular files are opened.

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

use crate::analysis::drift::{self, JobDrift};
use crate::analysis::platform::Identity;
use crate::analysis::row::Row;
use crate::bundle::format::{Bundle, ChainHead};
use crate::bundle::read::{LARGEST_BUNDLE_BYTES, ReadError, decode_within};
use crate::bundle::seal::{Seal, Sealed};
use crate::error::Hint;
use crate::guarded;
use crate::parallel;
use crate::verdict;

mod chains;
#[cfg(test)]
mod tests;
mod whole;

use chains::Link;
use whole::{BROKEN_SEAL, is_seal_broken};
pub(crate) use whole::{Whole, WrongFile, whole};

/// How a bundle's name ends.
const ENDING: &str = ".json.gz";

/// The daemon's copy of its status, which is in every outbox.
const STATUS_FILE: &str = "status.json";

/// More than any status takes.
const LARGEST_STATUS_BYTES: u64 = 16 << 20;

/// Limits on the size of a decompressed bundle.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// While several threads read. Larger bundles are read one at a time, so that files made to exhaust
    /// memory cost that much only once.
    at_once_bytes: u64,
    /// For any bundle.
    largest_bytes: u64,
}

const LIMITS: Limits = Limits { at_once_bytes: 16 * 1024 * 1024, largest_bytes: LARGEST_BUNDLE_BYTES };

/// The results and everything else that was found.
#[derive(Debug, Default)]
pub struct Collection {
    /// The results, in the order of their paths.
    pub rows: Vec<Row>,
    /// Every file and folder without a result, in the order of their paths.
    pub oddities: Vec<Oddity>,
    /// How devices drifted over the jobs that have sentinels.
    pub(crate) drifts: Vec<JobDrift>,
    /// Number of files examined.
    pub files: usize,
}

/// A file without a result of its own, or one that needs a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oddity {
    /// Its path from the folder that was given.
    pub path: String,
    /// What is wrong with it.
    pub kind: OddityKind,
    /// Details of this file.
    pub detail: String,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OddityKind {
    /// The same result was found under another path; it counts once.
    Duplicate,
    /// It is not as its host published it.
    Altered,
    /// Results of a host are not here, although earlier and later ones are.
    Missing,
    /// Results of a host are not here that are older or newer than all that are.
    NotCollected,
    /// Different results have the same id, as copies of one installation do. Each counts.
    SharedId,
    /// The result is simulated, and simulated results were not requested.
    Simulated,
    /// An unfinished copy: its name, or that of a folder above it, begins with a dot.
    Partial,
    /// It has a bundle's name and ends early.
    Truncated,
    /// It has a bundle's name but is not a bundle.
    Damaged,
    /// It decompresses to more than any bundle may.
    TooLarge,
    /// A newer program wrote it.
    NewerFormat,
    /// It does not have a bundle's name.
    Foreign,
    /// A link, a socket or anything else but a regular file.
    NotAFile,
    /// It could not be read.
    Unreadable,
}

impl OddityKind {
    /// Whether the file may hold a result that could not be read.
    fn may_hide_a_result(self) -> bool {
        matches!(
            self,
            Self::Truncated
                | Self::Damaged
                | Self::TooLarge
                | Self::NewerFormat
                | Self::NotAFile
                | Self::Unreadable
        )
    }

    /// For counts: one, many.
    pub(crate) fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Self::Duplicate => ("duplicate", "duplicates"),
            Self::Altered => ("altered result", "altered results"),
            Self::Missing => ("gap with missing results", "gaps with missing results"),
            Self::NotCollected => {
                ("range of results that were not collected", "ranges of results that were not collected")
            }
            Self::SharedId => {
                ("result with the id of a different one", "results with the id of a different one")
            }
            Self::Simulated => ("simulated result left out", "simulated results left out"),
            Self::Partial => ("partial copy", "partial copies"),
            Self::Truncated => ("truncated bundle", "truncated bundles"),
            Self::Damaged => ("damaged bundle", "damaged bundles"),
            Self::TooLarge => {
                ("file that is too large when decompressed", "files that are too large when decompressed")
            }
            Self::NewerFormat => ("bundle in a newer format", "bundles in a newer format"),
            Self::Foreign => ("foreign file", "foreign files"),
            Self::NotAFile => ("link or special file", "links and special files"),
            Self::Unreadable => ("unreadable file or folder", "unreadable files and folders"),
        }
    }
}

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read bundles from {}", path.display())]
pub struct CollectError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Hint for CollectError {
    fn hint(&self) -> Option<String> {
        Some("name folders with bundles, such as copies of an outbox, or single bundles".to_owned())
    }
}

impl Collection {
    /// Number of oddities of each kind.
    pub fn counts(&self) -> BTreeMap<OddityKind, usize> {
        let mut counts = BTreeMap::new();
        for oddity in &self.oddities {
            *counts.entry(oddity.kind).or_insert(0) += 1;
        }
        counts
    }
}

/// Collect every result below the folders. Simulated ones are listed as oddities unless requested.
///
/// # Errors
/// If one of the folders cannot be read: a mistyped path must not look like an empty outbox. Problems below
/// the folders are in [`Collection::oddities`].
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
        let (mut row, link) = row(found, limits, &whole_memory)?;
        // Most rows come from few platforms: they share one copy of each identity.
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        match identities.get(&row.identity) {
            Some(known) => row.identity = Arc::clone(known),
            None => drop(identities.insert(Arc::clone(&row.identity))),
        }
        Ok((row, link))
    });
    let mut links = Vec::new();
    let mut collection = Collection { oddities: walk.oddities, files: walk.files, ..Collection::default() };
    for result in read {
        match result {
            Ok((row, link)) => {
                collection.rows.push(row);
                links.extend(link);
            }
            Err(oddity) => collection.oddities.push(oddity),
        }
    }
    let unread = collection.oddities.iter().filter(|odd| odd.kind.may_hide_a_result()).count();
    collection.oddities.extend(chains::verify(&links, &walk.heads, unread));
    collection.rows.sort_by(|one, other| one.path.cmp(&other.path));
    collection.part_duplicates();
    if !include_simulated {
        collection.part_simulated();
    }
    collection.drifts = drift::assign(&mut collection.rows);
    collection.oddities.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(collection)
}

impl Collection {
    /// Keep one row of each content; rows of different contents under one id get ids of their own.
    fn part_duplicates(&mut self) {
        let mut first: HashMap<String, (String, String)> = HashMap::new();
        let mut contents: HashMap<String, HashSet<String>> = HashMap::new();
        let mut kept: Vec<Row> = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            if let Some((_, path)) = first.get(&row.sha256) {
                let detail = format!("same as {path}");
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
struct BundleFile {
    file: PathBuf,
    shown: String,
}

/// The files below the folders, by name only.
#[derive(Debug, Default)]
struct Walk {
    bundles: Vec<BundleFile>,
    oddities: Vec<Oddity>,
    files: usize,
    /// Newest bundles of hosts, as the copies of their status say.
    heads: Vec<ChainHead>,
}

impl Walk {
    /// Enter a folder or file that the user named; a link is followed.
    fn enter(&mut self, root: &Path) -> Result<(), CollectError> {
        let error = |source| CollectError { path: root.to_owned(), source };
        if fs::metadata(root).map_err(error)?.is_dir() {
            // Now, because errors further down are only listed.
            fs::read_dir(root).map_err(error)?;
            self.descend(root);
        } else {
            // A link is followed here and nowhere else.
            let file = fs::canonicalize(root).map_err(error)?;
            guarded::open_path(&file).map_err(error)?;
            self.files += 1;
            self.bundles.push(BundleFile { file, shown: shown(root, Path::new("")) });
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
            self.odd(label, OddityKind::NotAFile, "not a regular file; not opened");
        } else if is_hidden && name.contains(ENDING) {
            self.odd(
                label,
                OddityKind::Partial,
                "unfinished: rsync and the daemon rename a file when it is complete",
            );
        } else if is_hidden {
            self.odd(label, OddityKind::Foreign, "hidden, and not named like a bundle");
        } else if name.ends_with(ENDING) {
            self.bundles.push(BundleFile { file: path, shown: label });
        } else if name == STATUS_FILE {
            self.heads.extend(head_in(&path));
            self.odd(label, OddityKind::Foreign, "the daemon's status, which is in every outbox");
        } else {
            self.odd(label, OddityKind::Foreign, "its name does not end in .json.gz");
        }
    }

    /// Keep one name of each file: a hard link is another name of the same bytes and need not be read again.
    fn part_links(&mut self) {
        self.bundles.sort_by(|one, other| one.shown.cmp(&other.shown));
        let mut first: HashMap<(u64, u64), String> = HashMap::new();
        for found in std::mem::take(&mut self.bundles) {
            // Errors are reported when the file is read.
            let linked = fs::metadata(&found.file).ok().filter(|metadata| metadata.nlink() > 1);
            match linked.map(|metadata| first.entry((metadata.dev(), metadata.ino()))) {
                Some(Entry::Occupied(known)) => {
                    let detail = format!("hard link to {}", known.get());
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

/// The path below a root, beginning with the root's last name to tell several roots apart.
fn shown(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    match root.file_name() {
        Some(name) => Path::new(name).join(below).to_string_lossy().into_owned(),
        None => below.to_string_lossy().into_owned(),
    }
}

/// What a status says of the newest bundle; nothing if it is of an older program, or is none.
fn head_in(status: &Path) -> Option<ChainHead> {
    #[derive(serde::Deserialize)]
    struct NewestBundle {
        chain: ChainHead,
    }
    let text = guarded::read_path(status, LARGEST_STATUS_BYTES).ok()?;
    serde_json::from_slice::<NewestBundle>(&text).ok().map(|status| status.chain)
}

/// The row of a file, and its place in a chain, if it has one.
fn row(found: &BundleFile, limits: Limits, whole_memory: &Mutex<()>) -> Result<(Row, Option<Link>), Oddity> {
    let odd = |kind, detail: String| Oddity { path: found.shown.clone(), kind, detail };
    let (mut bundle, json, (file_sha256, seal)) = match decode(&found.file, limits.at_once_bytes) {
        Err(ReadError::TooLarge { .. }) => {
            let _alone = whole_memory.lock().unwrap_or_else(PoisonError::into_inner);
            decode(&found.file, limits.largest_bytes)
        }
        other => other,
    }
    .map_err(|error| odd(kind_of(&error), described(&error)))?;
    let sha256 = HEXLOWER.encode(&Sha256::digest(&json));
    if is_seal_broken(seal, &bundle) {
        let detail = format!("id {}; {BROKEN_SEAL}", bundle.id);
        return Err(odd(OddityKind::Altered, detail));
    }
    let link = bundle.integrity.clone().map(|integrity| Link {
        path: found.shown.clone(),
        host: match (&bundle.host.name, &bundle.host.id) {
            (Some(name), Some(id)) => format!("{name} ({id})"),
            (Some(name), None) => name.clone(),
            (None, Some(id)) => id.clone(),
            (None, None) => "a host without a name".to_owned(),
        },
        integrity,
        sha256: file_sha256,
    });
    bundle.verdict = verdict::reread(&bundle);
    Ok((Row::new(bundle, found.shown.clone(), sha256), link))
}

/// A bundle, its text, and the digest and the seal of its file.
type Decoded = (Bundle, Vec<u8>, (String, Seal));

fn decode(file: &Path, limit_bytes: u64) -> Result<Decoded, ReadError> {
    let mut sealed = Sealed::new(guarded::open_path(file).map_err(ReadError::Unreadable)?);
    let (bundle, json) = decode_within(&mut sealed, limit_bytes)?;
    Ok((bundle, json, sealed.finish()))
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
