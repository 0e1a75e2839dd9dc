//! Which results were taken on the same platform: the machine and its software stack, as recorded and no further.
//!
//! A host's name alone says nothing: two machines of one name stay apart where anything recorded of them differs, and one
//! machine before and after an update is two platforms, which can be compared. Two machines that are alike in everything
//! recorded, their name included, cannot be told apart; give them names. Data comes from bundles.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::analysis::row::Row;
use crate::bundle::format::Bundle;
use crate::stats::resample::seed_of;

/// What of a bundle says where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Identity {
    /// The machine.
    pub machine: Machine,
    /// Its software; `None` where the job never came to a runtime.
    pub software: Option<Software>,
}

/// The machine, as observed; nulls are what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Machine {
    /// Host name.
    pub host: Option<String>,
    /// Processor model.
    pub processor: Option<String>,
    /// Architecture.
    pub architecture: Option<String>,
    /// Logical processors online.
    pub logical_cores: Option<u32>,
    /// Main memory in quarters of a GiB, rounded: what kernels report of the same machine differs by some megabytes.
    pub memory_quarter_gibibytes: Option<u64>,
    /// The folder that stood for `/`.
    pub root: String,
}

/// The software stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Software {
    /// Name of the runtime.
    pub runtime: String,
    /// Its version; `None` where it was never loaded or does not tell.
    pub version: Option<String>,
    /// SHA-256 of its library.
    pub library_sha256: Option<String>,
    /// Its options, as JSON with sorted keys.
    pub options: String,
    /// What the clock covered, as a code.
    pub timed: String,
    /// The same in a sentence, to stand beside every figure.
    pub timed_description: String,
    /// Distribution.
    pub operating_system: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
}

impl Identity {
    /// Of a bundle.
    pub fn of(bundle: &Bundle) -> Self {
        const QUARTER_GIBIBYTE: u64 = 1 << 28;
        let host = &bundle.host;
        Self {
            machine: Machine {
                host: host.name.clone(),
                processor: host.processor.clone(),
                architecture: host.architecture.clone(),
                logical_cores: host.logical_cores,
                memory_quarter_gibibytes: host
                    .memory_bytes
                    .map(|bytes| bytes.saturating_add(QUARTER_GIBIBYTE / 2) / QUARTER_GIBIBYTE),
                root: host.root.clone(),
            },
            software: bundle.runtime.as_ref().map(|runtime| Software {
                runtime: runtime.name.clone(),
                version: runtime.version.clone(),
                library_sha256: runtime.library_sha256.clone(),
                // A map of texts and JSON values always has a JSON text.
                options: serde_json::to_string(&runtime.options).unwrap_or_default(),
                timed: runtime.timed.code.clone(),
                timed_description: runtime.timed.description.clone(),
                operating_system: host.operating_system.clone(),
                kernel: host.kernel.clone(),
            }),
        }
    }

    /// Was the library loaded? Before that a runtime's version and effective options are not known.
    fn is_loaded(&self) -> bool {
        self.software
            .as_ref()
            .is_some_and(|software| software.version.is_some() || software.library_sha256.is_some())
    }

    fn runtime(&self) -> Option<&str> {
        self.software.as_ref().map(|software| software.runtime.as_str())
    }
}

/// A machine with its software, and what was found of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Platform {
    /// Eight hexadecimal digits that depend on the identity alone: the same in every report.
    pub id: String,
    /// What people call it: host, runtime, version; with the id where that is not unique.
    pub label: String,
    /// What it is.
    pub identity: Identity,
    /// Any of its rows is not the real thing.
    pub simulated: bool,
    /// Versions of the program that measured.
    pub harness_versions: BTreeSet<String>,
    /// Rows, by status and verdict, such as `measured, suspect`.
    pub counts: BTreeMap<String, usize>,
}

/// The platforms of the rows, in the order of their labels; sets [`Row::platform`].
///
/// A row whose library was never loaded does not tell a version: it joins the platform of the same machine and runtime
/// that its job was otherwise measured on, else the only one there is, else it stands alone.
pub fn assign(rows: &mut [Row]) -> Vec<Platform> {
    let mut identities: Vec<Identity> = rows
        .iter()
        .filter(|row| row.identity.software.is_some())
        .map(|row| (*row.identity).clone())
        .collect::<std::collections::HashSet<_>>()
        .into_iter()
        .collect();
    identities.sort_by_cached_key(|identity| (label(identity), identity.clone()));
    let place: HashMap<&Identity, usize> =
        identities.iter().enumerate().map(|(index, identity)| (identity, index)).collect();
    let homes: Vec<Option<usize>> = {
        let candidates = Candidates::new(rows, &place);
        rows.iter().map(|row| candidates.home(row, &place)).collect()
    };
    for (row, home) in rows.iter_mut().zip(homes) {
        row.platform = home;
    }
    without_empty(identities, rows)
}

/// Where rows were measured whose library was loaded.
struct Candidates<'a> {
    by_job: HashMap<(&'a Machine, &'a str, &'a str), BTreeSet<usize>>,
    by_runtime: HashMap<(&'a Machine, &'a str), BTreeSet<usize>>,
}

impl<'a> Candidates<'a> {
    fn new(rows: &'a [Row], place: &HashMap<&Identity, usize>) -> Self {
        let (mut by_job, mut by_runtime) = (HashMap::new(), HashMap::new());
        for row in rows.iter().filter(|row| row.identity.is_loaded()) {
            let (machine, home) = (&row.identity.machine, place[&*row.identity]);
            let runtime = row.identity.runtime().unwrap_or_default();
            by_job.entry((machine, runtime, row.job_id.as_str())).or_insert_with(BTreeSet::new).insert(home);
            by_runtime.entry((machine, runtime)).or_insert_with(BTreeSet::new).insert(home);
        }
        Self { by_job, by_runtime }
    }

    fn home(&self, row: &Row, place: &HashMap<&Identity, usize>) -> Option<usize> {
        let own = *place.get(&*row.identity)?;
        if row.identity.is_loaded() {
            return Some(own);
        }
        let (machine, runtime) = (&row.identity.machine, row.identity.runtime()?);
        let only = |homes: Option<&BTreeSet<usize>>| match homes {
            Some(homes) if homes.len() == 1 => homes.first().copied(),
            _ => None,
        };
        only(self.by_job.get(&(machine, runtime, row.job_id.as_str())))
            .or_else(|| only(self.by_runtime.get(&(machine, runtime))))
            .or(Some(own))
    }
}

fn without_empty(identities: Vec<Identity>, rows: &mut [Row]) -> Vec<Platform> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); identities.len()];
    for (index, row) in rows.iter().enumerate() {
        if let Some(home) = row.platform {
            members[home].push(index);
        }
    }
    let mut platforms: Vec<Platform> = Vec::new();
    for (identity, members) in identities.into_iter().zip(members) {
        if members.is_empty() {
            continue;
        }
        let mut counts = BTreeMap::new();
        for &member in &members {
            rows[member].platform = Some(platforms.len());
            *counts.entry(standing(&rows[member])).or_insert(0) += 1;
        }
        // Texts and numbers always have a JSON text.
        let recorded = serde_json::to_string(&identity).unwrap_or_default();
        let id = format!("{:08x}", seed_of(0, &recorded) >> 32);
        platforms.push(Platform {
            id,
            label: label(&identity),
            simulated: members.iter().any(|&member| rows[member].simulated),
            harness_versions: members.iter().map(|&member| rows[member].harness_version.clone()).collect(),
            counts,
            identity,
        });
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for platform in &platforms {
        *seen.entry(platform.label.clone()).or_default() += 1;
    }
    for platform in platforms.iter_mut().filter(|platform| seen[&platform.label] > 1) {
        platform.label = format!("{} [{}]", platform.label, platform.id);
    }
    platforms
}

fn label(identity: &Identity) -> String {
    let host = identity.machine.host.as_deref().unwrap_or("unnamed host");
    match &identity.software {
        Some(Software { runtime, version: Some(version), .. }) => format!("{host}, {runtime} {version}"),
        Some(Software { runtime, .. }) => format!("{host}, {runtime}"),
        None => host.to_owned(),
    }
}

/// `measured, suspect`; what was not measured has no second word.
fn standing(row: &Row) -> String {
    use crate::bundle::format::Status;
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    // Enums without fields are texts in JSON, and those texts are what users know from bundles.
    let status = word(serde_json::json!(row.status));
    match row.status {
        Status::Measured => format!("{status}, {}", word(serde_json::json!(row.verdict))),
        _ => status,
    }
}
